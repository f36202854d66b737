/* Recipes: YAML of two levels, read with libyaml so that every message can name file and line.
 *
 *     key: value                 -> section NULL
 *     section:
 *       key: value               -> section "section"
 *       list: [a, b]             -> two values
 *     empty:                     -> the section exists, without entries
 *
 * A value is text; what it means is for the caller. Anchors, tags, several documents and deeper nesting are refused. */
#ifndef SSFER_IO_YAML_H
#define SSFER_IO_YAML_H

#include "base/status.h"

#include <stddef.h>

enum { SSFER_YAML_MAX_VALUES = 64 };

typedef struct ssfer_yaml_entry {
    char *section;                       /* NULL: at the top */
    char *key;                           /* NULL: the section itself; every section has such an entry before its keys */
    char *values[SSFER_YAML_MAX_VALUES]; /* NULL after the last; none: null, or an empty list */
    size_t value_count;
    size_t line; /* 1-based */
} ssfer_yaml_entry;

typedef struct ssfer_yaml {
    char *path; /* for messages */
    ssfer_yaml_entry *entries;
    size_t count, capacity;
} ssfer_yaml;

/* Errors: SSFER_ERR_FORMAT (no such YAML, a key twice), SSFER_ERR_LIMIT (above 1 MiB); "FILE:LINE: what; what to do".
 */
ssfer_status ssfer_yaml_read(ssfer_yaml *out, const char *path, ssfer_error *err);
ssfer_status ssfer_yaml_parse(ssfer_yaml *out, const void *text, size_t size_bytes, const char *name, ssfer_error *err);
void ssfer_yaml_deinit(ssfer_yaml *yaml); /* {0} is fine */

#endif
