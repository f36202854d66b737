/* Folders of reference numbers, for parity tests: which are read, their paths and JSON files, and the count of what was
 * compared. */
#ifndef SSFER_TESTS_FIXTURE_H
#define SSFER_TESTS_FIXTURE_H

#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static const char *fixture_folder; /* which is read now */
static size_t checked, failed;     /* values of that folder */

/* The test of one folder, which adds to `checked` and `failed`. It takes names and sizes from the folder's files; what
 * a folder does not have is not compared. */
typedef void (*fixture_check_folder)(void);

static inline int fixture_run(const char *folder, bool complete, fixture_check_folder check)
{
    DIR *dir = opendir(folder);
    if (!dir) {
        printf("%s: no such folder\n", folder);
        return 1;
    }
    closedir(dir);
    fixture_folder = folder;
    checked = failed = 0;
    check();
    printf("%s: %zu values compared, %zu wrong\n", folder, checked, failed);
    return failed || (complete && !checked);
}

/* The exit code of a parity test: the set of the repository, which has something for every test, and then the folder
 * that SSFER_FIXTURES names, which may hold some kinds only. */
static inline int fixture_main(fixture_check_folder check)
{
    const char *larger = getenv("SSFER_FIXTURES");
    const int wrong = fixture_run(SSFER_TEST_DIR "/fixtures", true, check);
    return (larger && *larger && fixture_run(larger, false, check)) || wrong;
}

/* FOLDER/area/name; freed with ssfer_free. */
static inline char *fixture_path(const char *area, const char *name)
{
    return ssfer_format("%s/%s/%s", fixture_folder, area, name);
}

/* NULL: no such file. One that is not JSON ends the test program as failed. Freed with cJSON_Delete. */
static inline cJSON *fixture_json(const char *area, const char *name)
{
    char *path = fixture_path(area, name);
    unsigned char *text = NULL;
    size_t size = 0;
    cJSON *json = NULL;
    if (!ssfer_file_exists(path)) {
        printf("not compared: no %s\n", path);
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
