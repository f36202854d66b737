/* Folders of reference numbers, for parity tests: which are read, their paths and JSON files, and the count of what was
 * compared. */
#ifndef SSFER_TESTS_FIXTURE_H
#define SSFER_TESTS_FIXTURE_H

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"

#include <dirent.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* A value of a document, linked to its members or elements. Keys and texts belong to `document`, the root's. */
typedef struct fixture_value {
    const char *key;  /* of a member of an object; else NULL */
    const char *text; /* of a string; else NULL */
    double number;    /* of a number; else NAN */
    bool flag;        /* of true */
    ssfer_json_kind kind;
    struct fixture_value *child, *next;
    ssfer_json *document;
} fixture_value;

static inline fixture_value *fixture_tree(const ssfer_json *json, const char *key)
{
    fixture_value *v = ssfer_calloc(1, sizeof *v), **link = &v->child;
    *v = (fixture_value){.key = key, .number = (double)NAN, .kind = ssfer_json_kind_of(json)};
    (void)ssfer_json_to_string(&v->text, json, "", NULL);
    (void)ssfer_json_to_double(&v->number, json, "", NULL);
    (void)ssfer_json_to_bool(&v->flag, json, "", NULL);
    for (ssfer_json_iter i = ssfer_json_each(json); ssfer_json_next(&i); link = &(*link)->next)
        *link = fixture_tree(i.value, i.key);
    return v;
}

/* Ends the test program as failed where the text is not JSON. */
static inline fixture_value *fixture_parse(const char *text, size_t size, const char *name)
{
    ssfer_json *document;
    ssfer_error err = {0};
    if (ssfer_json_parse(&document, text, size, name, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    fixture_value *root = fixture_tree(document, NULL);
    root->document = document;
    return root;
}

/* NULL: no such file. Freed with fixture_free. */
static inline fixture_value *fixture_json(const char *area, const char *name)
{
    char *path = fixture_path(area, name);
    unsigned char *text = NULL;
    size_t size = 0;
    fixture_value *json = NULL;
    ssfer_error err = {0};
    if (!ssfer_file_exists(path)) {
        printf("not compared: no %s\n", path);
    } else if (ssfer_file_read(&text, &size, path, (size_t)1 << 28, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    } else {
        json = fixture_parse((const char *)text, size, path);
    }
    ssfer_free(text);
    ssfer_free(path);
    return json;
}

static inline void fixture_free(fixture_value *value)
{
    while (value) {
        fixture_value *next = value->next;
        fixture_free(value->child);
        ssfer_json_destroy(value->document);
        ssfer_free(value);
        value = next;
    }
}

/* NULL is fine for each of them, and has nothing. */
static inline const fixture_value *fixture_first(const fixture_value *container)
{
    return container ? container->child : NULL;
}

static inline const fixture_value *fixture_find(const fixture_value *object, const char *key)
{
    const fixture_value *v = fixture_first(object);
    while (v && !(v->key && strcmp(v->key, key) == 0))
        v = v->next;
    return v;
}

static inline const fixture_value *fixture_at(const fixture_value *array, int i)
{
    const fixture_value *v = fixture_first(array);
    while (v && i-- > 0)
        v = v->next;
    return v;
}

static inline int fixture_count(const fixture_value *container)
{
    int count = 0;
    for (const fixture_value *v = fixture_first(container); v; v = v->next)
        count++;
    return count;
}

static inline bool fixture_is_number(const fixture_value *value)
{
    return value && value->kind == SSFER_JSON_NUMBER;
}

static inline bool fixture_is_string(const fixture_value *value)
{
    return value && value->kind == SSFER_JSON_STRING;
}

static inline bool fixture_is_array(const fixture_value *value)
{
    return value && value->kind == SSFER_JSON_ARRAY;
}

static inline bool fixture_is_true(const fixture_value *value)
{
    return value && value->flag;
}

static inline const char *fixture_text(const fixture_value *value)
{
    return value ? value->text : NULL;
}

static inline double fixture_number(const fixture_value *object, const char *key, double absent)
{
    const fixture_value *value = fixture_find(object, key);
    return fixture_is_number(value) ? value->number : absent;
}

/* Members of objects in any order. */
static inline bool fixture_equal(const fixture_value *a, const fixture_value *b)
{
    if (!a || !b || a->kind != b->kind || a->flag != b->flag || fixture_count(a) != fixture_count(b) ||
        (a->text && strcmp(a->text, b->text) != 0) || (fixture_is_number(a) && a->number != b->number))
        return false;
    int i = 0;
    for (const fixture_value *v = a->child; v; v = v->next, i++)
        if (!fixture_equal(v, v->key ? fixture_find(b, v->key) : fixture_at(b, i)))
            return false;
    return true;
}

#endif
