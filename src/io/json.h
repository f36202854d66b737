/* JSON: reading with limits and clear errors, writing as a stream. The only place that knows the JSON library, jansson.
 *
 * Reading: a document is parsed whole into a tree. A number without fraction and exponent is an int64_t, exactly; any
 * other is a double. Text is UTF-8 without U+0000.
 * Writing: values go straight to a FILE (a file, or memory through open_memstream), so there is no tree to build and
 * no allocation to fail; errors of the stream are found when it is closed or committed (base/file.h). */
#ifndef SSFER_IO_JSON_H
#define SSFER_IO_JSON_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- reading ------------------------------------------------------------------------------------------------- */

enum { SSFER_JSON_MAX_DEPTH = 100 }; /* of arrays and objects in each other, read or written */

typedef struct json_t ssfer_json; /* any value of a document; NULL is fine wherever one is read, and has no kind */

typedef enum ssfer_json_kind {
    SSFER_JSON_MISSING, /* the kind of NULL */
    SSFER_JSON_NULL,
    SSFER_JSON_BOOL,
    SSFER_JSON_NUMBER,
    SSFER_JSON_STRING,
    SSFER_JSON_ARRAY,
    SSFER_JSON_OBJECT
} ssfer_json_kind;

/* Parses one document; only white space may follow it. `name` says where it is from, in messages. The text need not be
 * terminated and may go away afterwards. The document is freed with ssfer_json_destroy (NULL is fine).
 * Errors, with line and column: SSFER_ERR_FORMAT (not JSON, an object with the same key twice, a number that neither an
 * int64_t nor a double holds), SSFER_ERR_LIMIT (nested deeper than SSFER_JSON_MAX_DEPTH). Without them: SSFER_ERR_LIMIT
 * (a file larger than max_bytes), SSFER_ERR_MEMORY. */
ssfer_status ssfer_json_parse(ssfer_json **out, const char *text, size_t size_bytes, const char *name,
                              ssfer_error *err);
ssfer_status ssfer_json_read(ssfer_json **out, const char *path, size_t max_bytes, ssfer_error *err);
void ssfer_json_destroy(ssfer_json *document);

ssfer_json_kind ssfer_json_kind_of(const ssfer_json *value);
const char *ssfer_json_kind_name(ssfer_json_kind kind); /* "a string", for messages */

/* Walks over the members of an object or the elements of an array, in the order of the document. Keys and values are
 * valid as long as the document. Anything else has none.
 *
 *     for (ssfer_json_iter i = ssfer_json_each(object); ssfer_json_next(&i);)
 *         use(i.key, i.value); */
typedef struct ssfer_json_iter {
    const char *key; /* NULL for an element of an array */
    const ssfer_json *value;
    const ssfer_json *container; /* from here on for ssfer_json_next alone */
    void *member;
    size_t index;
} ssfer_json_iter;
ssfer_json_iter ssfer_json_each(const ssfer_json *container);
bool ssfer_json_next(ssfer_json_iter *iter); /* false: that was the last */

const ssfer_json *ssfer_json_at(const ssfer_json *array, size_t i); /* NULL: past its end, or not an array */
size_t ssfer_json_count(const ssfer_json *container);
const ssfer_json *ssfer_json_find(const ssfer_json *object, const char *key); /* NULL: absent. Exact case. */

/* A value as a C type. `what` names it in the message ("results.json: epoch"), which reads
 * "<what>: a whole number was expected, not a string". *out is set on success only. A NULL value is an error too
 * ("missing"). Integers must be whole and in range (1e3 is 1000); doubles accept any number. */
ssfer_status ssfer_json_to_string(const char **out, const ssfer_json *value, const char *what, ssfer_error *err);
ssfer_status ssfer_json_to_int(int64_t *out, const ssfer_json *value, const char *what, ssfer_error *err);
ssfer_status ssfer_json_to_uint(uint64_t *out, const ssfer_json *value, const char *what, ssfer_error *err);
ssfer_status ssfer_json_to_size(size_t *out, const ssfer_json *value, const char *what, ssfer_error *err);
ssfer_status ssfer_json_to_double(double *out, const ssfer_json *value, const char *what, ssfer_error *err);
ssfer_status ssfer_json_to_bool(bool *out, const ssfer_json *value, const char *what, ssfer_error *err);

/* The same for a required member of an object; messages name `where` (the file) and the key. For an optional member
 * look with ssfer_json_find first. */
ssfer_status ssfer_json_get_string(const char **out, const ssfer_json *object, const char *key, const char *where,
                                   ssfer_error *err);
ssfer_status ssfer_json_get_int(int64_t *out, const ssfer_json *object, const char *key, const char *where,
                                ssfer_error *err);
ssfer_status ssfer_json_get_uint(uint64_t *out, const ssfer_json *object, const char *key, const char *where,
                                 ssfer_error *err);
ssfer_status ssfer_json_get_size(size_t *out, const ssfer_json *object, const char *key, const char *where,
                                 ssfer_error *err);
ssfer_status ssfer_json_get_double(double *out, const ssfer_json *object, const char *key, const char *where,
                                   ssfer_error *err);
ssfer_status ssfer_json_get_bool(bool *out, const ssfer_json *object, const char *key, const char *where,
                                 ssfer_error *err);
/* An array or object member (kind is SSFER_JSON_ARRAY or SSFER_JSON_OBJECT). */
ssfer_status ssfer_json_get_container(const ssfer_json **out, const ssfer_json *object, const char *key,
                                      ssfer_json_kind kind, const char *where, ssfer_error *err);

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* Commas, colons, line breaks and escapes are the writer's business; the order of calls is the caller's:
 *
 *     ssfer_json_writer w;
 *     ssfer_json_writer_init(&w, stream, 2);
 *     ssfer_json_begin_object(&w);
 *     ssfer_json_put_string(&w, "stage", "finetune");
 *     ssfer_json_key(&w, "confusion");
 *     ssfer_json_begin_array(&w); ... ssfer_json_end(&w);
 *     ssfer_json_end(&w);                                  // then a newline after the outermost end
 *
 * indent > 0: one member a line; 0: the whole value on one line (JSON Lines). A misuse (value without key in an object,
 * end without begin, deeper than SSFER_JSON_MAX_DEPTH) is an assertion: whoever writes what a file decides, as the
 * reader of pickles does, bounds the depth first. */
typedef struct ssfer_json_writer {
    FILE *stream;
    unsigned indent, depth, flat_from; /* flat_from: depth from which all is kept on one line; 0: nowhere */
    bool has_key;
    struct {
        char closing; /* '}' or ']' */
        bool has_items;
    } level[SSFER_JSON_MAX_DEPTH + 1];
} ssfer_json_writer;

void ssfer_json_writer_init(ssfer_json_writer *w, FILE *stream, unsigned indent);

void ssfer_json_begin_object(ssfer_json_writer *w);
void ssfer_json_begin_array(ssfer_json_writer *w);
void ssfer_json_begin_flat_object(ssfer_json_writer *w); /* on one line, with all inside, whatever the indent */
void ssfer_json_begin_flat_array(ssfer_json_writer *w);
void ssfer_json_end(ssfer_json_writer *w); /* of the innermost object or array */
void ssfer_json_key(ssfer_json_writer *w, const char *key);

/* Text that is not valid UTF-8 (file names may be anything) gets U+FFFD for each bad byte. NULL is written as null. */
void ssfer_json_string(ssfer_json_writer *w, const char *text);
void ssfer_json_int(ssfer_json_writer *w, int64_t value);
void ssfer_json_uint(ssfer_json_writer *w, uint64_t value); /* read back up to INT64_MAX */
/* The shortest digits that read back as the same double (float: the same float32); NaN and infinities, which JSON
 * lacks, become null. Independent of the locale. */
void ssfer_json_double(ssfer_json_writer *w, double value);
void ssfer_json_float(ssfer_json_writer *w, float value);
void ssfer_json_bool(ssfer_json_writer *w, bool value);
void ssfer_json_null(ssfer_json_writer *w);

/* key and value in one call */
void ssfer_json_put_string(ssfer_json_writer *w, const char *key, const char *text);
void ssfer_json_put_int(ssfer_json_writer *w, const char *key, int64_t value);
void ssfer_json_put_uint(ssfer_json_writer *w, const char *key, uint64_t value);
void ssfer_json_put_double(ssfer_json_writer *w, const char *key, double value);
void ssfer_json_put_float(ssfer_json_writer *w, const char *key, float value);
void ssfer_json_put_bool(ssfer_json_writer *w, const char *key, bool value);
void ssfer_json_put_null(ssfer_json_writer *w, const char *key);

#endif
