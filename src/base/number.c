#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the longest number that is read: 1,074 digits behind the point write any double out in full. */
enum { MAX_LENGTH = 1100 };

/* ---- the locale ---------------------------------------------------------------------------------------------------
 */

locale_t ssfer_c_locale_enter(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* glibc's own static object: nothing to free */
}

void ssfer_c_locale_leave(locale_t before)
{
    uselocale(before);
}

/* ---- reading ------------------------------------------------------------------------------------------------------
 */

static size_t digits_at(const char *text, size_t length, size_t from)
{
    size_t i = from;
    while (i < length && text[i] >= '0' && text[i] <= '9')
        i++;
    return i - from;
}

static bool is_sign(const char *text, size_t length, size_t i)
{
    return i < length && (text[i] == '+' || text[i] == '-');
}

static bool is_decimal(const char *text, size_t length)
{
    size_t i = is_sign(text, length, 0), digits = digits_at(text, length, i);
    i += digits;
    if (i < length && text[i] == '.') {
        const size_t behind = digits_at(text, length, ++i);
        digits += behind;
        i += behind;
    }
    if (digits && i < length && (text[i] == 'e' || text[i] == 'E')) {
        i += 1 + (size_t)is_sign(text, length, i + 1);
        const size_t power = digits_at(text, length, i);
        if (!power)
            return false;
        i += power;
    }
    return digits && i == length;
}

ssfer_status ssfer_parse_double(double *out, const char *text, size_t length)
{
    char copy[MAX_LENGTH + 1];
    if (length > MAX_LENGTH || !is_decimal(text, length))
        return SSFER_ERR_FORMAT;
    memcpy(copy, text, length);
    copy[length] = '\0';
    const locale_t before = ssfer_c_locale_enter();
    const double value = strtod(copy, NULL);
    ssfer_c_locale_leave(before);
    if (!isfinite(value))
        return SSFER_ERR_LIMIT;
    *out = value;
    return SSFER_OK;
}

/* [+-] digits as sign and magnitude. */
static ssfer_status read_whole(bool *negative, uint64_t *magnitude, const char *text, size_t length)
{
    size_t i = is_sign(text, length, 0);
    uint64_t value = 0;
    bool beyond = false;
    *negative = i && text[0] == '-';
    if (i == length || digits_at(text, length, i) != length - i)
        return SSFER_ERR_FORMAT;
    for (; i < length; i++)
        beyond |= __builtin_mul_overflow(value, (uint64_t)10, &value) ||
                  __builtin_add_overflow(value, (uint64_t)(text[i] - '0'), &value);
    *magnitude = value;
    return beyond ? SSFER_ERR_LIMIT : SSFER_OK;
}

ssfer_status ssfer_parse_int(int64_t *out, const char *text, size_t length)
{
    bool negative;
    uint64_t magnitude = 0;
    const ssfer_status st = read_whole(&negative, &magnitude, text, length);
    if (st != SSFER_OK)
        return st;
    if (magnitude > (uint64_t)INT64_MAX + negative)
        return SSFER_ERR_LIMIT;
    *out = negative ? (int64_t)-magnitude : (int64_t)magnitude;
    return SSFER_OK;
}

ssfer_status ssfer_parse_uint(uint64_t *out, const char *text, size_t length)
{
    bool negative;
    uint64_t magnitude = 0;
    const ssfer_status st = read_whole(&negative, &magnitude, text, length);
    if (st != SSFER_OK)
        return st;
    if (negative && magnitude)
        return SSFER_ERR_LIMIT;
    *out = magnitude;
    return SSFER_OK;
}

ssfer_status ssfer_parse_size(size_t *out, const char *text, size_t length)
{
    uint64_t value = 0;
    const ssfer_status st = ssfer_parse_uint(&value, text, length);
    if (st != SSFER_OK)
        return st;
    if (value > SIZE_MAX)
        return SSFER_ERR_LIMIT;
    *out = (size_t)value;
    return SSFER_OK;
}

ssfer_status ssfer_scan_int(int64_t *out, const char **at)
{
    size_t length = **at == '+' || **at == '-';
    length += strspn(*at + length, "0123456789");
    const ssfer_status st = ssfer_parse_int(out, *at, length);
    if (st == SSFER_OK)
        *at += length;
    return st;
}

/* ---- writing ------------------------------------------------------------------------------------------------------
 */

void ssfer_double_text(char out[SSFER_NUMBER_SIZE], double value)
{
    const locale_t before = ssfer_c_locale_enter();
    for (int precision = 15; precision <= 17; precision++) { /* 17 always suffice */
        snprintf(out, SSFER_NUMBER_SIZE, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            break;
    }
    ssfer_c_locale_leave(before);
}

void ssfer_float_text(char out[SSFER_NUMBER_SIZE], float value)
{
    const locale_t before = ssfer_c_locale_enter();
    for (int precision = 6; precision <= 9; precision++) { /* 9 always suffice */
        snprintf(out, SSFER_NUMBER_SIZE, "%.*g", precision, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
    ssfer_c_locale_leave(before);
}

int ssfer_vsnprintf(char *out, size_t size, const char *format, va_list args)
{
    const locale_t before = ssfer_c_locale_enter();
    const int length = vsnprintf(out, size, format, args);
    ssfer_c_locale_leave(before);
    return length;
}

int ssfer_snprintf(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int length = ssfer_vsnprintf(out, size, format, args);
    va_end(args);
    return length;
}

int ssfer_fprintf(FILE *stream, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const locale_t before = ssfer_c_locale_enter();
    const int length = vfprintf(stream, format, args);
    ssfer_c_locale_leave(before);
    va_end(args);
    return length;
}
