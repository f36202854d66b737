/* Pictures: 8-bit RGB in memory, read from and written to JPEG, PNG and WebP, resampled exactly as Pillow does.
 *
 * err may be NULL in every function; NULL for what is not said to be optional, or for the data of a picture that is
 * read, is SSFER_ERR_ARGUMENT (ssfer/status.h). */
#ifndef SSFER_IMAGE_H
#define SSFER_IMAGE_H

#include "ssfer/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Rows from the top, pixels R, G, B, no padding: data[(y * width + x) * 3 + channel]. Zero-initialise ({0}). */
typedef struct ssfer_image {
    uint8_t *data;
    size_t width, height;
} ssfer_image;

/* How decoding treats what a file may hold beside RGB: gray is replicated, palettes are expanded, alpha is dropped
 * without blending, 16-bit samples keep their high byte, CMYK/YCCK JPEG is converted as Pillow's convert("RGB") does.
 * All this equals Pillow 9.4, except that Pillow clips 16-bit gray at 255 and shows the undamaged part of a JPEG whose
 * data are corrupt; here such a file is refused. */
typedef struct ssfer_image_options {
    int apply_exif_orientation; /* 0 (default): as the reference, ignore it; 1: turn the picture upright */
    size_t max_pixels;          /* 0: 268435456 (16384 x 16384); larger pictures are refused before decoding */
} ssfer_image_options;

/* Decode a file or its bytes; the format is recognised by content, never by suffix. `name` is only for messages.
 * options may be NULL (defaults). The image is released with ssfer_image_deinit. Bytes after the picture's end are
 * ignored; a picture is decoded completely or not at all. Thread-safe.
 * Errors: SSFER_ERR_IO (cannot read), SSFER_ERR_FORMAT (not a picture, corrupt or cut), SSFER_ERR_LIMIT (more pixels
 * than allowed, a side above 1,000,000, a file above 1 GiB), SSFER_ERR_UNSUPPORTED (animated WebP), SSFER_ERR_MEMORY.
 */
ssfer_status ssfer_image_load(ssfer_image *out, const char *path, const ssfer_image_options *options, ssfer_error *err);
ssfer_status ssfer_image_decode(ssfer_image *out, const void *bytes, size_t size_bytes, const char *name,
                                const ssfer_image_options *options, ssfer_error *err);

/* Write a picture, atomically; the format follows the suffix: .png, .jpg/.jpeg (quality 95, full colour resolution),
 * .webp (lossless). Errors: SSFER_ERR_ARGUMENT (another suffix, an empty picture), SSFER_ERR_LIMIT (a side that the
 * format cannot hold), SSFER_ERR_IO, SSFER_ERR_MEMORY. */
ssfer_status ssfer_image_save(const ssfer_image *image, const char *path, ssfer_error *err);

/* A new image of the given size with undefined pixels. Sizes must be >= 1. */
ssfer_status ssfer_image_create(ssfer_image *out, size_t width, size_t height, ssfer_error *err);
void ssfer_image_deinit(ssfer_image *image); /* frees and zeroes; {0} and NULL are fine */

typedef enum ssfer_filter {
    SSFER_FILTER_NEAREST,
    SSFER_FILTER_BILINEAR,
    SSFER_FILTER_BICUBIC,
    SSFER_FILTER_LANCZOS
} ssfer_filter;

/* Resize to width x height like Pillow's Image.resize: antialiased (the filter widens when shrinking), two passes,
 * horizontal first, weights rounded to 22 fractional bits, 8-bit intermediate. Bicubic has a = -0.5, Lanczos a = 3.
 * Bit-exact with Pillow 9.4. `out` is created; it must not be `in`. */
ssfer_status ssfer_image_resize(ssfer_image *out, const ssfer_image *in, size_t width, size_t height,
                                ssfer_filter filter, ssfer_error *err);

/* Resize the part [left, left+w) x [top, top+h): crop first, then resize, so no pixel from outside contributes
 * (torchvision's resized_crop). The part must lie inside the picture. */
ssfer_status ssfer_image_resized_crop(ssfer_image *out, const ssfer_image *in, size_t left, size_t top, size_t w,
                                      size_t h, size_t width, size_t height, ssfer_filter filter, ssfer_error *err);

ssfer_status ssfer_image_crop(ssfer_image *out, const ssfer_image *in, size_t left, size_t top, size_t w, size_t h,
                              ssfer_error *err);
void ssfer_image_flip_horizontal(ssfer_image *image); /* in place; nothing for {0} and NULL */

#ifdef __cplusplus
}
#endif
#endif
