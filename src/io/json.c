/* Reading of JSON: jansson's parser behind a limit of the depth. */
#include "io/json.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

/* ---- parsing --------------------------------------------------------------------------------------------------- */

/* Where the text is nested too deep, or its size. Strings are skipped, so that their brackets do not count. */
static size_t find_too_deep(const char *text, size_t size)
{
    size_t depth = 0;
    for (size_t i = 0; i < size; i++) {
        const char c = text[i];
        if (c == '"')
            for (i++; i < size && text[i] != '"'; i++)
                i += text[i] == '\\';
        else if ((c == '{' || c == '[') && ++depth > SSFER_JSON_MAX_DEPTH)
            return i;
        else if (depth && (c == '}' || c == ']'))
            depth--;
    }
    return size;
}

static ssfer_status too_deep(const char *text, size_t at, const char *name, ssfer_error *err)
{
    size_t line = 1, column = 1;
    for (size_t i = 0; i < at; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: line %zu, column %zu: JSON nested deeper than %d", name, line, column,
                      SSFER_JSON_MAX_DEPTH);
}

static ssfer_status bad_syntax(const json_error_t *why, const char *name, ssfer_error *err)
{
    const enum json_error_code code = json_error_code(why);
    if (code == json_error_out_of_memory)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    const bool cut = code == json_error_premature_end_of_input;
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: line %d, column %d: not valid JSON: %s%s", name, why->line,
                      why->column ? why->column : 1, /* 0 where the line is empty */
                      code == json_error_null_character ? "\\u0000 in a string" : why->text,
                      cut ? "; the file may be cut" : "");
}

ssfer_status ssfer_json_parse(ssfer_json **out, const char *text, size_t size_bytes, const char *name, ssfer_error *err)
{
    json_error_t why;
    const size_t deep = find_too_deep(text, size_bytes);
    *out = NULL;
    if (deep < size_bytes)
        return too_deep(text, deep, name, err);
    const locale_t before = ssfer_c_locale_enter(); /* jansson's numbers know decimal points of one byte only */
    *out = json_loadb(text, size_bytes, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    ssfer_c_locale_leave(before);
    return *out ? SSFER_OK : bad_syntax(&why, name, err);
}

ssfer_status ssfer_json_read(ssfer_json **out, const char *path, size_t max_bytes, ssfer_error *err)
{
    unsigned char *bytes;
    size_t size;
    *out = NULL;
    ssfer_status st = ssfer_file_read(&bytes, &size, path, max_bytes, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_json_parse(out, (const char *)bytes, size, path, err);
    ssfer_free(bytes);
    return st;
}

void ssfer_json_destroy(ssfer_json *document)
{
    json_decref(document);
}

/* ---- the tree ------------------------------------------------------------------------------------------------ */

ssfer_json_kind ssfer_json_kind_of(const ssfer_json *value)
{
    if (!value)
        return SSFER_JSON_MISSING;
    switch (json_typeof(value)) {
    case JSON_FALSE:
    case JSON_TRUE:
        return SSFER_JSON_BOOL;
    case JSON_INTEGER:
    case JSON_REAL:
        return SSFER_JSON_NUMBER;
    case JSON_STRING:
        return SSFER_JSON_STRING;
    case JSON_ARRAY:
        return SSFER_JSON_ARRAY;
    case JSON_OBJECT:
        return SSFER_JSON_OBJECT;
    case JSON_NULL:
        break;
    }
    return SSFER_JSON_NULL;
}

const char *ssfer_json_kind_name(ssfer_json_kind kind)
{
    switch (kind) {
    case SSFER_JSON_MISSING:
        return "missing";
    case SSFER_JSON_NULL:
        return "null";
    case SSFER_JSON_BOOL:
        return "true or false";
    case SSFER_JSON_NUMBER:
        return "a number";
    case SSFER_JSON_STRING:
        return "a string";
    case SSFER_JSON_ARRAY:
        return "an array";
    case SSFER_JSON_OBJECT:
        return "an object";
    }
    return "?";
}

/* jansson's walk takes objects that may be changed; it changes nothing itself. */
static json_t *mutable(const ssfer_json *object)
{
    return (json_t *)(uintptr_t)object;
}

ssfer_json_iter ssfer_json_each(const ssfer_json *container)
{
    return (ssfer_json_iter){.container = container};
}

bool ssfer_json_next(ssfer_json_iter *iter)
{
    json_t *container = mutable(iter->container);
    if (json_is_object(container)) {
        iter->member = iter->index ? json_object_iter_next(container, iter->member) : json_object_iter(container);
        iter->key = iter->member ? json_object_iter_key(iter->member) : NULL;
        iter->value = iter->member ? json_object_iter_value(iter->member) : NULL;
    } else {
        iter->value = json_array_get(container, iter->index);
    }
    iter->index += iter->value != NULL;
    return iter->value != NULL;
}

const ssfer_json *ssfer_json_at(const ssfer_json *array, size_t i)
{
    return json_array_get(array, i); /* NULL for what is not an array */
}

size_t ssfer_json_count(const ssfer_json *container)
{
    return json_is_object(container) ? json_object_size(container) : json_array_size(container);
}

const ssfer_json *ssfer_json_find(const ssfer_json *object, const char *key)
{
    return json_object_get(object, key); /* NULL for what is not an object */
}

/* ---- values as C types --------------------------------------------------------------------------------------- */

static ssfer_status unexpected(const ssfer_json *value, const char *wanted, const char *what, ssfer_error *err)
{
    ssfer_json_kind kind = ssfer_json_kind_of(value);
    if (kind == SSFER_JSON_MISSING)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: missing; %s was expected", what, wanted);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s was expected, not %s", what, wanted, ssfer_json_kind_name(kind));
}

ssfer_status ssfer_json_to_string(const char **out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_STRING)
        return unexpected(value, "a string", what, err);
    *out = json_string_value(value);
    return SSFER_OK;
}

ssfer_status ssfer_json_to_bool(bool *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_BOOL)
        return unexpected(value, "true or false", what, err);
    *out = json_is_true(value);
    return SSFER_OK;
}

ssfer_status ssfer_json_to_double(double *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_NUMBER)
        return unexpected(value, "a number", what, err);
    *out = json_number_value(value);
    return SSFER_OK;
}

ssfer_status ssfer_json_to_int(int64_t *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_NUMBER)
        return unexpected(value, "a whole number", what, err);
    if (json_is_integer(value)) {
        *out = json_integer_value(value);
        return SSFER_OK;
    }
    const double number = json_real_value(value);
    if (!(fabs(number) <= 0x1p53) || number != floor(number))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a whole number was expected, not %g", what, number);
    *out = (int64_t)number;
    return SSFER_OK;
}

ssfer_status ssfer_json_to_uint(uint64_t *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    int64_t number = 0;
    ssfer_status st = ssfer_json_to_int(&number, value, what, err);
    if (st == SSFER_OK && number < 0)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %" PRId64 " is negative", what, number);
    if (st == SSFER_OK)
        *out = (uint64_t)number;
    return st;
}

ssfer_status ssfer_json_to_size(size_t *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    uint64_t number = 0;
    ssfer_status st = ssfer_json_to_uint(&number, value, what, err);
    if (st == SSFER_OK && number > SIZE_MAX)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %" PRIu64 " is too large", what, number);
    if (st == SSFER_OK)
        *out = (size_t)number;
    return st;
}

/* "FILE: KEY", for the messages of the getters below; made only when there is something to say. */
// NOLINTBEGIN(bugprone-macro-parentheses): a type in parentheses declares nothing
#define DEFINE_GETTER(name, type)                                                                                      \
    ssfer_status ssfer_json_get_##name(type *out, const ssfer_json *object, const char *key, const char *where,        \
                                       ssfer_error *err)                                                               \
    {                                                                                                                  \
        ssfer_status st = ssfer_json_to_##name(out, ssfer_json_find(object, key), key, err);                           \
        return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", where);                                          \
    }
// NOLINTEND(bugprone-macro-parentheses)

DEFINE_GETTER(string, const char *)
DEFINE_GETTER(int, int64_t)
DEFINE_GETTER(uint, uint64_t)
DEFINE_GETTER(size, size_t)
DEFINE_GETTER(double, double)
DEFINE_GETTER(bool, bool)

ssfer_status ssfer_json_get_container(const ssfer_json **out, const ssfer_json *object, const char *key,
                                      ssfer_json_kind kind, const char *where, ssfer_error *err)
{
    const ssfer_json *value = ssfer_json_find(object, key);
    if (ssfer_json_kind_of(value) != kind)
        return ssfer_fail_prefix(err, unexpected(value, ssfer_json_kind_name(kind), key, err), "%s", where);
    *out = value;
    return SSFER_OK;
}
