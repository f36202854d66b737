#include "io/npy.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"

#include <ctype.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC_BYTES = 8, MAX_FILE_BYTES = 1 << 16, MAX_TEXT = 40 };

/* Where the header's text and the data are. */
typedef struct npy_parts {
    char *header; /* terminated copy */
    const unsigned char *data;
    size_t data_bytes;
} npy_parts;

static ssfer_status split_parts(npy_parts *parts, const unsigned char *bytes, size_t size_bytes, const char *name,
                                ssfer_error *err)
{
    if (size_bytes < MAGIC_BYTES + 2 || memcmp(bytes, "\x93NUMPY", 6) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a NumPy file (.npy)", name);
    if (bytes[6] < 1 || bytes[6] > 3)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: version %d of the .npy format; 1 to 3 are known", name,
                          bytes[6]);
    size_t length_bytes = bytes[6] == 1 ? 2 : 4, length = 0, start = MAGIC_BYTES + length_bytes;
    for (size_t i = 0; i < length_bytes && start <= size_bytes; i++)
        length |= (size_t)bytes[MAGIC_BYTES + i] << (8 * i);
    if (start > size_bytes || length > size_bytes - start)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: ends within its header", name);
    parts->header = ssfer_format("%.*s", (int)length, (const char *)bytes + start);
    if (!parts->header)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    parts->data = bytes + start + length;
    parts->data_bytes = size_bytes - start - length;
    return SSFER_OK;
}

/* What follows 'key': in the header, a Python dict such as {'descr': '<i8', 'fortran_order': False, 'shape': (), } */
static const char *find_value(const char *header, const char *key)
{
    const char *at = strstr(header, key);
    if (!at)
        return "";
    at += strlen(key);
    return at + strspn(at, "': ");
}

/* Whether the shape is (), (1,), (1, 1) ... */
static bool is_single(const char *shape)
{
    if (*shape++ != '(')
        return false;
    for (; *shape && *shape != ')'; shape++)
        if (*shape != ' ' && *shape != ',' && !(*shape == '1' && !isdigit((unsigned char)shape[1])))
            return false;
    return *shape == ')';
}

static double read_integer(const unsigned char *data, size_t size, bool is_signed)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value |= (uint64_t)data[i] << (8 * i);
    if (is_signed && data[size - 1] & 0x80)
        return -(double)(~(value | (size < 8 ? ~(uint64_t)0 << (8 * size) : 0)) + 1);
    return (double)value;
}

static double read_float(const unsigned char *data, size_t size)
{
    float single;
    double number;
    if (size == sizeof single) {
        memcpy(&single, data, sizeof single);
        return (double)single;
    }
    memcpy(&number, data, sizeof number);
    return number;
}

/* A number written as text, `step` bytes a character; NAN if it is none. */
static double read_text(const unsigned char *data, size_t length, size_t step)
{
    char text[MAX_TEXT + 1] = "";
    double number = (double)NAN;
    for (size_t i = 0; i < length && i < MAX_TEXT; i++)
        text[i] = (char)data[i * step];
    (void)ssfer_parse_double(&number, text, strlen(text));
    return number;
}

static ssfer_status read_value(double *out, const npy_parts *parts, const char *name, ssfer_error *err)
{
    const char *type = find_value(parts->header, "'descr'");
    char order = type[0], kind = order ? type[1] : 0;
    size_t count = 0;
    if (kind && ssfer_parse_size(&count, type + 2, strspn(type + 2, "0123456789")) != SSFER_OK)
        count = 0;
    size_t size = kind == 'U' ? 4 * count : count;
    bool number = (strchr("iu", kind) && kind && (count == 1 || count == 2 || count == 4 || count == 8)) ||
                  (kind == 'f' && (count == 4 || count == 8));
    bool text = (kind == 'U' || kind == 'S') && count >= 1 && count <= MAX_TEXT;
    if ((order != '<' && order != '|') || (!number && !text))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: holds no number of a known type", name);
    if (!is_single(find_value(parts->header, "'shape'")))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: holds an array; a single number was expected", name);
    if (parts->data_bytes < size)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: ends before its number", name);
    double value = text          ? read_text(parts->data, count, kind == 'U' ? 4 : 1)
                   : kind == 'f' ? read_float(parts->data, size)
                                 : read_integer(parts->data, size, kind == 'i');
    if (!isfinite(value))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: holds no number", name);
    *out = value;
    return SSFER_OK;
}

ssfer_status ssfer_npy_number(double *out, const void *bytes, size_t size_bytes, const char *name, ssfer_error *err)
{
    npy_parts parts = {0};
    ssfer_status st = split_parts(&parts, bytes, size_bytes, name, err);
    if (st == SSFER_OK)
        st = read_value(out, &parts, name, err);
    ssfer_free(parts.header);
    return st;
}

ssfer_status ssfer_npy_read_number(double *out, const char *path, ssfer_error *err)
{
    unsigned char *bytes = NULL;
    size_t size_bytes = 0;
    ssfer_status st = ssfer_file_read(&bytes, &size_bytes, path, MAX_FILE_BYTES, err);
    if (st == SSFER_OK)
        st = ssfer_npy_number(out, bytes, size_bytes, path, err);
    ssfer_free(bytes);
    return st;
}
