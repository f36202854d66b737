#include "base/text.h"

#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>

size_t ssfer_utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] < 0x80                   ? 1
                    : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                    : (s[0] & 0xf0) == 0xe0       ? 3
                    : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                  : 0;
    for (size_t i = 1; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) /* stops at the terminating zero, too */
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) || (s[0] == 0xf0 && s[1] < 0x90) ||
        (s[0] == 0xf4 && s[1] >= 0x90))
        return 0;
    return length;
}

bool ssfer_utf8_is_valid(const char *text)
{
    for (size_t length; *text; text += length)
        if ((length = ssfer_utf8_length(text)) == 0)
            return false;
    return true;
}

char *ssfer_utf8_skip_mark(char *text)
{
    return strncmp(text, "\xef\xbb\xbf", 3) == 0 ? text + 3 : text;
}

/* ---- characters on a terminal ---- */

typedef struct range {
    uint32_t first, last;
} range;

static const range HARMFUL[] = {{0x00, 0x1f}, {0x7f, 0x9f}, {0x2028, 0x202e}, {0x2066, 0x2069}};
static const range NARROW[] = {/* no column of their own */
                               {0x300, 0x36f},   {0x483, 0x489},     {0x591, 0x5bd},    {0x610, 0x61a},
                               {0x64b, 0x65f},   {0x6d6, 0x6dc},     {0x93c, 0x93c},    {0x941, 0x948},
                               {0x94d, 0x94d},   {0xe31, 0xe31},     {0xe34, 0xe3a},    {0xe47, 0xe4e},
                               {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff},   {0x200b, 0x200f},  {0x20d0, 0x20ff},
                               {0x302a, 0x302d}, {0x3099, 0x309a},   {0xfe00, 0xfe0f},  {0xfe20, 0xfe2f},
                               {0xfeff, 0xfeff}, {0x1f3fb, 0x1f3ff}, {0xe0001, 0xe01ef}};
static const range WIDE[] = {{0x1100, 0x115f},   {0x2e80, 0x303e},   {0x3041, 0xa4cf},   {0xac00, 0xd7a3},
                             {0xf900, 0xfaff},   {0xfe30, 0xfe6f},   {0xff00, 0xff60},   {0xffe0, 0xffe6},
                             {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};

static bool is_in(uint32_t point, const range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (point >= ranges[i].first && point <= ranges[i].last)
            return true;
    return false;
}
#define IS_IN(point, ranges) is_in((point), (ranges), sizeof(ranges) / sizeof *(ranges))

static uint32_t decode(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    if (length == 1)
        return s[0];
    uint32_t point = s[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++)
        point = point << 6 | (s[i] & 0x3f);
    return point;
}

typedef struct character {
    size_t bytes, columns;
    bool shown; /* false: one '?' stands for it */
} character;

static character character_at(const char *text)
{
    const size_t length = ssfer_utf8_length(text);
    const uint32_t point = length ? decode(text, length) : 0;
    if (!length || IS_IN(point, HARMFUL))
        return (character){length ? length : 1, 1, false};
    return (character){length, IS_IN(point, NARROW) ? 0 : IS_IN(point, WIDE) ? 2 : 1, true};
}

bool ssfer_text_is_shown(const char *text, size_t *bytes)
{
    const character c = character_at(text);
    *bytes = c.bytes;
    return c.shown;
}

/* out may be the text itself: the copy never overtakes what is still to be read. */
void ssfer_text_copy(char *out, size_t size_bytes, const char *text)
{
    size_t used = 0;
    while (*text) {
        const character c = character_at(text);
        const size_t bytes = c.shown ? c.bytes : 1;
        if (used + bytes >= size_bytes)
            break;
        memmove(out + used, c.shown ? text : "?", bytes);
        used += bytes;
        text += c.bytes;
    }
    out[used] = 0;
}

void ssfer_text_clean(char *text)
{
    ssfer_text_copy(text, SIZE_MAX, text);
}

size_t ssfer_text_columns(const char *text)
{
    size_t columns = 0;
    for (character c; *text; text += c.bytes) {
        c = character_at(text);
        columns += c.columns;
    }
    return columns;
}

/* ---- printing ---- */

size_t ssfer_terminal_columns(FILE *stream)
{
    struct winsize size;
    return ioctl(fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col >= 20 ? size.ws_col : 0;
}

static const char *put_character(FILE *stream, const char *text)
{
    const character c = character_at(text);
    fwrite(c.shown ? text : "?", 1, c.shown ? c.bytes : 1, stream);
    return text + c.bytes;
}

static void put_blanks(FILE *stream, size_t count)
{
    while (count-- > 0)
        fputc(' ', stream);
}

/* As many whole characters as fit into `columns`, with the combining marks that follow them; returns the columns used.
 */
static size_t put_head(FILE *stream, const char *text, size_t columns)
{
    size_t used = 0;
    while (*text && used + character_at(text).columns <= columns) {
        used += character_at(text).columns;
        text = put_character(stream, text);
    }
    return used;
}

/* The end of the text, of at most `columns` columns. */
static const char *tail_of(const char *text, size_t columns)
{
    for (size_t left = ssfer_text_columns(text); *text && left > columns;) {
        const character c = character_at(text);
        left -= c.columns;
        text += c.bytes;
    }
    while (*text && character_at(text).columns == 0) /* marks of what was left out */
        text += character_at(text).bytes;
    return text;
}

void ssfer_text_print(FILE *stream, const char *text, size_t columns, ssfer_text_fit fit)
{
    static const char dots[] = "...";
    const size_t width = ssfer_text_columns(text), shown = sizeof dots - 1 < columns ? sizeof dots - 1 : columns;
    size_t used = width;
    if (fit == SSFER_TEXT_RIGHT && width < columns)
        put_blanks(stream, columns - width);
    if (width <= columns || fit == SSFER_TEXT_LEFT || fit == SSFER_TEXT_RIGHT) {
        put_head(stream, text, width);
    } else if (fit == SSFER_TEXT_CUT_TAIL) {
        used = shown + put_head(stream, text, columns - shown);
        fwrite(dots, 1, shown, stream);
    } else {
        fwrite(dots, 1, shown, stream);
        used = shown + put_head(stream, tail_of(text, columns - shown), columns - shown);
    }
    if (fit != SSFER_TEXT_RIGHT && used < columns)
        put_blanks(stream, columns - used);
}
