/* JSON files of the fixtures, for parity tests. A missing folder or file means "skipped", never "passed". */
#ifndef SSFER_TESTS_FIXTURE_JSON_H
#define SSFER_TESTS_FIXTURE_JSON_H

#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIXTURE_SKIPPED = 77 };

/* FOLDER/area/name; freed with ssfer_free. */
static inline char *fixture_path(const char *area, const char *name)
{
    const char *folder = getenv("SSFER_FIXTURES");
    return ssfer_format("%s/%s/%s", folder && *folder ? folder : SSFER_FIXTURES_DEFAULT, area, name);
}

/* NULL: no such file, or not JSON (then the test program ends as failed). Freed with cJSON_Delete. */
static inline cJSON *fixture_json(const char *area, const char *name)
{
    char *path = fixture_path(area, name);
    unsigned char *text = NULL;
    size_t size = 0;
    cJSON *json = NULL;
    if (!ssfer_file_exists(path)) {
        printf("skipped: no %s\n", path);
    } else if (ssfer_file_read(&text, &size, path, (size_t)1 << 28, NULL) != SSFER_OK ||
               !(json = cJSON_ParseWithLength((const char *)text, size))) {
        printf("%s: not JSON\n", path);
        exit(1);
    }
    ssfer_free(text);
    ssfer_free(path);
    return json;
}

static inline double fixture_number(const cJSON *object, const char *key, double absent)
{
    const cJSON *value = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(value) ? value->valuedouble : absent;
}

#endif
