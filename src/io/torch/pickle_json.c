#include "io/torch/pickle_json.h"

#include "base/memory.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SCALAR_TEXT = 4096, MAX_VALUES = 100000, MAX_DEPTH = 24 };
_Static_assert((int)MAX_DEPTH < (int)SSFER_JSON_MAX_DEPTH, "the writer must be able to nest as deep");

typedef struct dump {
    ssfer_json_writer writer;
    size_t values;
    bool too_much;
} dump;

static void dump_number(dump *d, const ssfer_pickle_node *node)
{
    int64_t integer;
    double number;
    if (ssfer_pickle_int(node, &integer))
        ssfer_json_int(&d->writer, integer);
    else if (ssfer_pickle_double(node, &number))
        ssfer_json_double(&d->writer, number);
    else
        ssfer_json_null(&d->writer);
}

/* Keys that are neither text nor a whole number get a name by their place: an object has no key twice. */
static void dump_key(dump *d, const ssfer_pickle_node *key, size_t place)
{
    char digits[32];
    int64_t integer;
    const char *text = ssfer_pickle_text(key);
    if (!text && ssfer_pickle_int(key, &integer))
        snprintf(digits, sizeof digits, "%" PRId64, integer);
    else
        snprintf(digits, sizeof digits, "?%zu", place);
    ssfer_json_key(&d->writer, text ? text : digits);
}

static void dump_node(dump *d, const ssfer_pickle_node *node, unsigned depth)
{
    ssfer_json_writer *w = &d->writer;
    bool flag;
    if (depth > MAX_DEPTH || ++d->values > MAX_VALUES)
        d->too_much = true;
    if (d->too_much) { /* finish what was begun, quickly */
        ssfer_json_null(w);
        return;
    }
    switch (ssfer_pickle_kind_of(node)) {
    case SSFER_PICKLE_BOOL:
        ssfer_json_bool(w, ssfer_pickle_bool(node, &flag) && flag);
        break;
    case SSFER_PICKLE_STRING:
        ssfer_json_string(w, ssfer_pickle_text(node));
        break;
    case SSFER_PICKLE_DICT:
        ssfer_json_begin_object(w);
        for (size_t i = 0; i < ssfer_pickle_count(node) && !d->too_much; i++) {
            dump_key(d, ssfer_pickle_key_at(node, i), i);
            dump_node(d, ssfer_pickle_value_at(node, i), depth + 1);
        }
        ssfer_json_end(w);
        break;
    case SSFER_PICKLE_LIST:
    case SSFER_PICKLE_TUPLE:
    case SSFER_PICKLE_SET:
        ssfer_json_begin_array(w);
        for (size_t i = 0; i < ssfer_pickle_count(node) && !d->too_much; i++)
            dump_node(d, ssfer_pickle_at(node, i), depth + 1);
        ssfer_json_end(w);
        break;
    default:
        dump_number(d, node); /* also numpy's, which are objects; null for the rest */
    }
}

ssfer_status ssfer_pickle_json_text(char **out, const ssfer_pickle_node *node, ssfer_error *err)
{
    dump d = {0};
    char *text = NULL;
    size_t size = 0;
    *out = NULL;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
    ssfer_json_writer_init(&d.writer, stream, 0);
    dump_node(&d, node, 0);
    bool failed = ferror(stream) != 0;
    failed = fclose(stream) != 0 || failed;
    ssfer_status st = SSFER_OK;
    if (!failed && !d.too_much) {
        if (size && text[size - 1] == '\n')
            text[size - 1] = 0;
        *out = ssfer_strdup(text);
    }
    if (failed || (!d.too_much && !*out))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
    free(text); /* the stream's, so not by ssfer_free */
    return st;
}

ssfer_status ssfer_pickle_scalar_text(char **out, const ssfer_pickle_node *node, ssfer_error *err)
{
    ssfer_pickle_kind kind = ssfer_pickle_kind_of(node);
    double number = 0;
    size_t size;
    *out = NULL;
    if (kind == SSFER_PICKLE_STRING) {
        const char *text = ssfer_pickle_text(node);
        (void)ssfer_pickle_bytes(node, &size);
        if (!text || size > MAX_SCALAR_TEXT)
            return SSFER_OK;
        *out = ssfer_strdup(text);
    } else if (kind == SSFER_PICKLE_BOOL || ssfer_pickle_double(node, &number)) {
        if (!isfinite(number)) /* which JSON cannot say */
            *out = ssfer_strdup(isnan(number) ? "nan" : number > 0 ? "inf" : "-inf");
        else
            return ssfer_pickle_json_text(out, node, err);
    } else {
        return SSFER_OK;
    }
    return *out ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
}
