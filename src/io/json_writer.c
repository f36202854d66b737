/* Writing of JSON as a stream. */
#include "io/json.h"

#include "base/number.h"
#include "base/text.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

void ssfer_json_writer_init(ssfer_json_writer *w, FILE *stream, unsigned indent)
{
    *w = (ssfer_json_writer){.stream = stream, .indent = indent};
}

static bool is_flat(const ssfer_json_writer *w)
{
    return w->indent == 0 || (w->flat_from && w->depth >= w->flat_from);
}

static void new_line(ssfer_json_writer *w)
{
    fprintf(w->stream, "\n%*s", (int)(w->indent * w->depth), "");
}

/* What stands between the previous item and the next one. */
static void separate(ssfer_json_writer *w)
{
    if (w->has_key) {
        w->has_key = false;
        return;
    }
    assert(w->depth == 0 || w->level[w->depth].closing == ']'); /* a value without a key */
    if (w->depth == 0)
        return;
    if (w->level[w->depth].has_items)
        fputs(is_flat(w) && w->indent ? ", " : ",", w->stream);
    if (!is_flat(w))
        new_line(w);
    w->level[w->depth].has_items = true;
}

static void begin(ssfer_json_writer *w, char opening, char closing, bool flat)
{
    separate(w);
    assert(w->depth < SSFER_JSON_MAX_DEPTH);
    fputc(opening, w->stream);
    w->depth++;
    w->level[w->depth].closing = closing;
    w->level[w->depth].has_items = false;
    if (flat && !w->flat_from)
        w->flat_from = w->depth;
}

void ssfer_json_begin_object(ssfer_json_writer *w)
{
    begin(w, '{', '}', false);
}

void ssfer_json_begin_array(ssfer_json_writer *w)
{
    begin(w, '[', ']', false);
}

void ssfer_json_begin_flat_object(ssfer_json_writer *w)
{
    begin(w, '{', '}', true);
}

void ssfer_json_begin_flat_array(ssfer_json_writer *w)
{
    begin(w, '[', ']', true);
}

void ssfer_json_end(ssfer_json_writer *w)
{
    assert(w->depth > 0 && !w->has_key);
    bool flat = is_flat(w), had_items = w->level[w->depth].has_items;
    char closing = w->level[w->depth].closing;
    if (w->flat_from == w->depth)
        w->flat_from = 0;
    w->depth--;
    if (!flat && had_items)
        new_line(w);
    fputc(closing, w->stream);
    if (w->depth == 0)
        fputc('\n', w->stream);
}

/* A program reads it, but people look at it on terminals, too: C1 characters are escaped as the other controls are. */
static void write_text(ssfer_json_writer *w, const char *text)
{
    fputc('"', w->stream);
    for (size_t length; *text; text += length ? length : 1) {
        const unsigned char *s = (const unsigned char *)text;
        length = ssfer_utf8_length(text);
        if (*s == '"' || *s == '\\')
            fprintf(w->stream, "\\%c", *s);
        else if (*s == '\n')
            fputs("\\n", w->stream);
        else if (*s == '\t')
            fputs("\\t", w->stream);
        else if (*s < 0x20 || *s == 0x7f)
            fprintf(w->stream, "\\u%04x", *s);
        else if (length == 2 && s[0] == 0xc2 && s[1] < 0xa0)
            fprintf(w->stream, "\\u%04x", s[1]);
        else if (length == 0)
            fputs("\xef\xbf\xbd", w->stream);
        else
            fwrite(s, 1, length, w->stream);
    }
    fputc('"', w->stream);
}

void ssfer_json_key(ssfer_json_writer *w, const char *key)
{
    assert(w->depth > 0 && w->level[w->depth].closing == '}' && !w->has_key);
    if (w->level[w->depth].has_items)
        fputs(is_flat(w) && w->indent ? ", " : ",", w->stream);
    if (!is_flat(w))
        new_line(w);
    w->level[w->depth].has_items = true;
    write_text(w, key);
    fputs(w->indent ? ": " : ":", w->stream);
    w->has_key = true;
}

void ssfer_json_string(ssfer_json_writer *w, const char *text)
{
    if (!text) {
        ssfer_json_null(w);
        return;
    }
    separate(w);
    write_text(w, text);
}

void ssfer_json_int(ssfer_json_writer *w, int64_t value)
{
    separate(w);
    fprintf(w->stream, "%" PRId64, value);
}

void ssfer_json_uint(ssfer_json_writer *w, uint64_t value)
{
    separate(w);
    fprintf(w->stream, "%" PRIu64, value);
}

/* An integer would come back without the sign of -0. */
static void write_digits(ssfer_json_writer *w, const char *digits)
{
    separate(w);
    fputs(strcmp(digits, "-0") == 0 ? "-0.0" : digits, w->stream);
}

void ssfer_json_double(ssfer_json_writer *w, double value)
{
    char digits[SSFER_NUMBER_SIZE];
    if (!isfinite(value)) {
        ssfer_json_null(w);
        return;
    }
    ssfer_double_text(digits, value);
    write_digits(w, digits);
}

void ssfer_json_float(ssfer_json_writer *w, float value)
{
    char digits[SSFER_NUMBER_SIZE];
    if (!isfinite(value)) {
        ssfer_json_null(w);
        return;
    }
    ssfer_float_text(digits, value);
    write_digits(w, digits);
}

void ssfer_json_bool(ssfer_json_writer *w, bool value)
{
    separate(w);
    fputs(value ? "true" : "false", w->stream);
}

void ssfer_json_null(ssfer_json_writer *w)
{
    separate(w);
    fputs("null", w->stream);
}

#define DEFINE_PUT(name, type)                                                                                         \
    void ssfer_json_put_##name(ssfer_json_writer *w, const char *key, type value)                                      \
    {                                                                                                                  \
        ssfer_json_key(w, key);                                                                                        \
        ssfer_json_##name(w, value);                                                                                   \
    }

DEFINE_PUT(string, const char *)
DEFINE_PUT(int, int64_t)
DEFINE_PUT(uint, uint64_t)
DEFINE_PUT(double, double)
DEFINE_PUT(float, float)
DEFINE_PUT(bool, bool)

void ssfer_json_put_null(ssfer_json_writer *w, const char *key)
{
    ssfer_json_key(w, key);
    ssfer_json_null(w);
}
