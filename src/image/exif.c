#include "image/exif.h"

#include <string.h>

typedef struct block {
    const uint8_t *data;
    size_t size_bytes;
} block;

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t little32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/* An EXIF block may or may not carry the identifier that JPEG requires. */
static block without_identifier(block exif)
{
    if (exif.size_bytes >= 6 && memcmp(exif.data, "Exif\0", 6) == 0)
        return (block){exif.data + 6, exif.size_bytes - 6};
    return exif;
}

/* JPEG: segments FF marker, 16-bit length that counts itself; EXIF is an APP1 segment before the scan. */
static block find_in_jpeg(const uint8_t *bytes, size_t size_bytes)
{
    size_t at = 2;
    while (at + 4 <= size_bytes && bytes[at] == 0xFF) {
        uint8_t marker = bytes[at + 1];
        if (marker == 0xFF) { /* a fill byte */
            at++;
            continue;
        }
        if (marker == 0xDA || marker == 0xD9) /* start of scan, end of image */
            break;
        size_t length = (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (length < 2 || length > size_bytes - at - 2)
            break;
        if (marker == 0xE1 && length >= 8 && memcmp(bytes + at + 4, "Exif\0", 6) == 0)
            return (block){bytes + at + 4, length - 2};
        at += 2 + length;
    }
    return (block){0};
}

/* PNG: length, type, data, CRC; WebP (RIFF): type, length, data, a pad byte if the length is odd. */
static block find_in_chunks(const uint8_t *bytes, size_t size_bytes, size_t at, bool png)
{
    while (at <= size_bytes && size_bytes - at >= 8) {
        size_t length = png ? big32(bytes + at) : little32(bytes + at + 4);
        const uint8_t *type = bytes + at + (png ? 4 : 0);
        if (length > size_bytes - at - 8)
            break;
        if (memcmp(type, png ? "eXIf" : "EXIF", 4) == 0)
            return (block){bytes + at + 8, length};
        at += 8 + length + (png ? 4 : length & 1);
    }
    return (block){0};
}

/* The first directory of a TIFF block: a count, then 12-byte entries {tag, type, count, value or offset}. */
static int orientation_in_tiff(block tiff)
{
    enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_BYTES = 12 };
    if (tiff.size_bytes < 8)
        return 1;
    bool big = memcmp(tiff.data, "MM\0*", 4) == 0;
    if (!big && memcmp(tiff.data, "II*\0", 4) != 0)
        return 1;
    size_t at = big ? big32(tiff.data + 4) : little32(tiff.data + 4);
    if (at > tiff.size_bytes || tiff.size_bytes - at < 2)
        return 1;
    int hi = big ? 0 : 1; /* where the high byte of a 16-bit number lies */
    size_t entries = (size_t)tiff.data[at + hi] << 8 | tiff.data[at + 1 - hi];
    for (at += 2; entries > 0 && tiff.size_bytes - at >= ENTRY_BYTES; entries--, at += ENTRY_BYTES) {
        const uint8_t *entry = tiff.data + at, *value = entry + 8;
        if ((entry[hi] << 8 | entry[1 - hi]) != TAG_ORIENTATION)
            continue;
        int type = entry[2 + hi] << 8 | entry[3 - hi], orientation = value[hi] << 8 | value[1 - hi];
        return type == TYPE_SHORT && orientation >= 1 && orientation <= 8 ? orientation : 1;
    }
    return 1;
}

int ssfer_exif_orientation(const uint8_t *bytes, size_t size_bytes, ssfer_image_format format)
{
    block exif = {0};
    if (format == SSFER_IMAGE_FORMAT_JPEG)
        exif = find_in_jpeg(bytes, size_bytes);
    else if (format == SSFER_IMAGE_FORMAT_PNG)
        exif = find_in_chunks(bytes, size_bytes, 8, true);
    else if (format == SSFER_IMAGE_FORMAT_WEBP)
        exif = find_in_chunks(bytes, size_bytes, 12, false);
    return exif.data ? orientation_in_tiff(without_identifier(exif)) : 1;
}

ssfer_status ssfer_exif_turn(ssfer_image *out, const ssfer_image *in, int orientation, ssfer_error *err)
{
    bool sideways = orientation >= 5;
    ssfer_status st =
        ssfer_image_create(out, sideways ? in->height : in->width, sideways ? in->width : in->height, err);
    if (st != SSFER_OK)
        return st;
    /* Every orientation walks the stored pixels with two constant steps: from `start`, `right` to the next pixel of an
     * output row and `down` to the next row. */
    ptrdiff_t w = (ptrdiff_t)in->width, h = (ptrdiff_t)in->height, last = w * h - 1, bottom = w * (h - 1);
    const struct {
        ptrdiff_t start, right, down;
    } walk[9] = {{0, 1, w}, {0, 1, w},       {w - 1, -1, w}, {last, -1, -w}, {bottom, 1, -w},
                 {0, w, 1}, {bottom, -w, 1}, {last, -w, -1}, {w - 1, w, -1}};
    int o = orientation >= 1 && orientation <= 8 ? orientation : 1;
    for (size_t y = 0; y < out->height; y++) {
        const uint8_t *from = in->data + 3 * (walk[o].start + (ptrdiff_t)y * walk[o].down);
        uint8_t *to = out->data + 3 * y * out->width;
        for (size_t x = 0; x < out->width; x++, to += 3) {
            const uint8_t *pixel = from + 3 * (ptrdiff_t)x * walk[o].right;
            to[0] = pixel[0];
            to[1] = pixel[1];
            to[2] = pixel[2];
        }
    }
    return SSFER_OK;
}
