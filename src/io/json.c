/* Reading of JSON: cJSON's parser behind checks of our own. Integers of 16 and more digits would lose bits in cJSON's
 * doubles, so before parsing they are made strings with a mark in front, and afterwards "raw" values, which keep their
 * digits. */
#include "io/json.h"

#include "base/file.h"
#include "base/memory.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 200, EXACT_DIGITS = 15 /* any integer of so many digits is exact as a double */, MARK = 1 };

/* ---- before and after the parser ----------------------------------------------------------------------------- */

typedef struct scan {
    const char *text;
    size_t size;
    char *out; /* NULL: only measure */
    size_t written, long_integers;
    unsigned depth, deepest;
} scan;

static void emit(scan *s, const char *text, size_t size)
{
    if (s->out)
        memcpy(s->out + s->written, text, size);
    s->written += size;
}

/* The length of the string that starts at i, with its quotes. */
static size_t string_length(const scan *s, size_t i)
{
    size_t end = i + 1;
    while (end < s->size && s->text[end] != '"')
        end += s->text[end] == '\\' ? 2 : 1;
    return (end < s->size ? end + 1 : s->size) - i;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The length of the number that starts at i; *is_long: a whole number of more digits than a double surely holds. */
static size_t number_length(const scan *s, size_t i, bool *is_long)
{
    size_t end = i + (s->text[i] == '-'), first = end;
    while (end < s->size && is_digit(s->text[end]))
        end++;
    *is_long = end - first > EXACT_DIGITS;
    size_t integer_end = end;
    while (end < s->size && (is_digit(s->text[end]) || (s->text[end] && strchr("+-.eE", s->text[end]))))
        end++;
    *is_long = *is_long && end == integer_end;
    return end - i;
}

static void pass(scan *s)
{
    for (size_t i = 0; i < s->size;) {
        char c = s->text[i];
        size_t length = 1;
        bool is_long = false;
        if (c == '"')
            length = string_length(s, i);
        else if (c == '-' || is_digit(c))
            length = number_length(s, i, &is_long);
        else if (c == '{' || c == '[')
            s->depth++;
        else if (s->depth && (c == '}' || c == ']'))
            s->depth--;
        s->deepest = s->depth > s->deepest ? s->depth : s->deepest;
        s->long_integers += is_long;
        if (is_long)
            emit(s, "\"\1", 2);
        emit(s, s->text + i, length);
        if (is_long)
            emit(s, "\"", 1);
        i += length;
    }
}

static bool is_marked(const char *text)
{
    return text && text[0] == MARK && (is_digit(text[1]) || text[1] == '-');
}

/* Marked strings become raw values. false: a number stood where a key belongs. The depth was bounded by the scan. */
static bool unmark(cJSON *value)
{
    bool good = true;
    for (; good && value; value = value->next) {
        if (cJSON_IsString(value) && is_marked(value->valuestring)) {
            memmove(value->valuestring, value->valuestring + 1, strlen(value->valuestring));
            value->type = cJSON_Raw;
        }
        good = !is_marked(value->string) && unmark(value->child);
    }
    return good;
}

static ssfer_status bad_syntax(const char *text, size_t size, const char *at, const char *name, ssfer_error *err)
{
    size_t line = 1, column = 1, offset = at >= text ? (size_t)(at - text) : 0;
    for (size_t i = 0; i < offset && i < size; i++) {
        column = text[i] == '\n' ? 1 : column + 1;
        line += text[i] == '\n';
    }
    if (offset + 1 >= size) /* cJSON points at the last character when it misses more */
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: line %zu: not valid JSON at its very end; the file may be cut",
                          name, line);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: line %zu, column %zu: not valid JSON", name, line, column);
}

static bool only_space(const char *from, const char *end)
{
    while (from < end && (*from == ' ' || *from == '\t' || *from == '\n' || *from == '\r'))
        from++;
    return from == end;
}

ssfer_status ssfer_json_parse(ssfer_json **out, const char *text, size_t size_bytes, const char *name, ssfer_error *err)
{
    scan s = {.text = text, .size = size_bytes};
    char *copy = NULL;
    *out = NULL;
    pass(&s);
    if (s.deepest > MAX_DEPTH)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: JSON nested deeper than %d", name, MAX_DEPTH);
    if (s.long_integers) {
        copy = ssfer_malloc(s.written);
        if (!copy)
            return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
        s = (scan){.text = text, .size = size_bytes, .out = copy};
        pass(&s);
        text = copy;
        size_bytes = s.written;
    }
    const char *end = text;
    cJSON *document = cJSON_ParseWithLengthOpts(text, size_bytes, &end, 0);
    ssfer_status st = SSFER_OK;
    if (!document || !only_space(end, text + size_bytes) || !unmark(document))
        st = bad_syntax(text, size_bytes, end, name, err);
    ssfer_free(copy);
    if (st != SSFER_OK) {
        cJSON_Delete(document);
        return st;
    }
    *out = document;
    return SSFER_OK;
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
    cJSON_Delete(document);
}

/* ---- the tree ------------------------------------------------------------------------------------------------ */

ssfer_json_kind ssfer_json_kind_of(const ssfer_json *value)
{
    if (!value)
        return SSFER_JSON_MISSING;
    switch (value->type & 0xff) {
    case cJSON_False:
    case cJSON_True:
        return SSFER_JSON_BOOL;
    case cJSON_Number:
    case cJSON_Raw:
        return SSFER_JSON_NUMBER;
    case cJSON_String:
        return SSFER_JSON_STRING;
    case cJSON_Array:
        return SSFER_JSON_ARRAY;
    case cJSON_Object:
        return SSFER_JSON_OBJECT;
    default:
        return SSFER_JSON_NULL;
    }
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

const ssfer_json *ssfer_json_first(const ssfer_json *container)
{
    return container ? container->child : NULL;
}

const ssfer_json *ssfer_json_next(const ssfer_json *element)
{
    return element ? element->next : NULL;
}

const char *ssfer_json_key_of(const ssfer_json *member)
{
    return member ? member->string : NULL;
}

size_t ssfer_json_count(const ssfer_json *container)
{
    size_t count = 0;
    for (const ssfer_json *v = ssfer_json_first(container); v; v = v->next)
        count++;
    return count;
}

const ssfer_json *ssfer_json_find(const ssfer_json *object, const char *key)
{
    if (ssfer_json_kind_of(object) != SSFER_JSON_OBJECT)
        return NULL;
    for (const ssfer_json *v = object->child; v; v = v->next)
        if (v->string && strcmp(v->string, key) == 0)
            return v;
    return NULL;
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
    *out = value->valuestring;
    return SSFER_OK;
}

ssfer_status ssfer_json_to_bool(bool *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_BOOL)
        return unexpected(value, "true or false", what, err);
    *out = cJSON_IsTrue(value);
    return SSFER_OK;
}

ssfer_status ssfer_json_to_double(double *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_NUMBER)
        return unexpected(value, "a number", what, err);
    double number = cJSON_IsRaw(value) ? strtod(value->valuestring, NULL) : value->valuedouble;
    if (!isfinite(number))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a number beyond the range of a double", what);
    *out = number;
    return SSFER_OK;
}

/* A number as the digits of an integer: those of the file, or of a double that is whole. */
static ssfer_status integer_digits(char digits[32], const char **text, const ssfer_json *value, const char *what,
                                   ssfer_error *err)
{
    if (ssfer_json_kind_of(value) != SSFER_JSON_NUMBER)
        return unexpected(value, "a whole number", what, err);
    *text = value->valuestring;
    if (cJSON_IsRaw(value))
        return SSFER_OK;
    if (!(fabs(value->valuedouble) <= 0x1p53) || value->valuedouble != floor(value->valuedouble))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a whole number was expected, not %g", what, value->valuedouble);
    snprintf(digits, 32, "%" PRId64, (int64_t)value->valuedouble);
    *text = digits;
    return SSFER_OK;
}

ssfer_status ssfer_json_to_int(int64_t *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    char digits[32];
    const char *text = NULL;
    ssfer_status st = integer_digits(digits, &text, value, what, err);
    if (st != SSFER_OK)
        return st;
    errno = 0;
    long long number = strtoll(text, NULL, 10);
    if (errno)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %.40s is beyond 64 bits", what, text);
    *out = number;
    return SSFER_OK;
}

ssfer_status ssfer_json_to_uint(uint64_t *out, const ssfer_json *value, const char *what, ssfer_error *err)
{
    char digits[32];
    const char *text = NULL;
    ssfer_status st = integer_digits(digits, &text, value, what, err);
    if (st != SSFER_OK)
        return st;
    errno = 0;
    unsigned long long number = strtoull(text, NULL, 10);
    if (errno || text[0] == '-')
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %.40s is %s", what, text, errno ? "beyond 64 bits" : "negative");
    *out = number;
    return SSFER_OK;
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
#define DEFINE_GETTER(name, type)                                                                                      \
    ssfer_status ssfer_json_get_##name(type *out, const ssfer_json *object, const char *key, const char *where,        \
                                       ssfer_error *err)                                                               \
    {                                                                                                                  \
        ssfer_status st = ssfer_json_to_##name(out, ssfer_json_find(object, key), key, err);                           \
        return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", where);                                          \
    }

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
