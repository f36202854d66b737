/* Codecs: bytes of a JPEG, PNG or WebP file to 8-bit RGB and back. One codec a file behind the calls below; image.h
 * holds the public side (ssfer_image_load, _decode, _save).
 *
 * Every decoder is given the whole file in memory, looks at the size it declares before it allocates anything, and
 * reports a cut or damaged file as an error: a picture is decoded completely or not at all. Bytes after its end are
 * ignored, as everywhere. */
#ifndef SSFER_IMAGE_CODEC_H
#define SSFER_IMAGE_CODEC_H

#include "base/status.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SSFER_IMAGE_MAX_SIDE = 1000000,         /* no side of a decoded picture is longer, whatever the pixel limit */
    SSFER_IMAGE_MAX_PIXELS = 16384 * 16384, /* default of ssfer_image_options.max_pixels */
    SSFER_IMAGE_MAX_FILE_BYTES = 1 << 30,   /* ssfer_image_load reads no larger file */
    SSFER_JPEG_QUALITY = 95
};

typedef enum ssfer_image_format {
    SSFER_IMAGE_FORMAT_UNKNOWN,
    SSFER_IMAGE_FORMAT_JPEG,
    SSFER_IMAGE_FORMAT_PNG,
    SSFER_IMAGE_FORMAT_WEBP
} ssfer_image_format;

/* By the first bytes of a file; UNKNOWN for anything that this library does not decode. */
ssfer_image_format ssfer_image_format_of_bytes(const void *bytes, size_t size_bytes);
/* By the suffix of a path, without regard to case: .png, .jpg, .jpeg, .webp. */
ssfer_image_format ssfer_image_format_of_path(const char *path);

/* A picture whose memory is kept for the next one, so that a loop over files stops allocating. {0} is an empty one. */
typedef struct ssfer_image_buffer {
    ssfer_image image; /* what it holds now; borrowed: never ssfer_image_deinit it */
    size_t capacity_bytes;
} ssfer_image_buffer;

/* Makes the buffer a width x height picture with undefined pixels. On failure the buffer is empty. */
ssfer_status ssfer_image_buffer_resize(ssfer_image_buffer *buffer, size_t width, size_t height, ssfer_error *err);
void ssfer_image_buffer_deinit(ssfer_image_buffer *buffer);

/* ssfer_image_decode into a buffer that is used again and again. What it held is lost, also on failure. */
ssfer_status ssfer_image_decode_into(ssfer_image_buffer *out, const void *bytes, size_t size_bytes, const char *name,
                                     const ssfer_image_options *options, ssfer_error *err);

/* The bytes of a file holding the picture, for shards and reports. *bytes is freed with ssfer_free. JPEG has quality
 * 95 and full colour resolution (4:4:4), WebP is lossless. Equal pictures give equal bytes. `name` is for messages. */
ssfer_status ssfer_image_encode(uint8_t **bytes, size_t *size_bytes, const ssfer_image *image,
                                ssfer_image_format format, const char *name, ssfer_error *err);

/* --- between codec.c and the codecs --- */

typedef struct ssfer_decode_job {
    const uint8_t *bytes;
    size_t size_bytes;
    const char *name;
    size_t max_pixels;
    ssfer_image_buffer *out;
} ssfer_decode_job;

/* Checks a declared size against the limits; begin does that too and makes job->out that large. */
ssfer_status ssfer_decode_check_size(const ssfer_decode_job *job, size_t width, size_t height, ssfer_error *err);
ssfer_status ssfer_decode_begin(const ssfer_decode_job *job, size_t width, size_t height, ssfer_error *err);

/* Bytes that grow at the end. */
typedef struct ssfer_byte_buffer {
    uint8_t *data;
    size_t size_bytes, capacity_bytes;
} ssfer_byte_buffer;
bool ssfer_byte_buffer_append(ssfer_byte_buffer *buffer, const void *bytes, size_t size_bytes); /* false: no memory */

ssfer_status ssfer_jpeg_decode(const ssfer_decode_job *job, ssfer_error *err);
ssfer_status ssfer_png_decode(const ssfer_decode_job *job, ssfer_error *err);
ssfer_status ssfer_webp_decode(const ssfer_decode_job *job, ssfer_error *err);

ssfer_status ssfer_jpeg_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err);
ssfer_status ssfer_png_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err);
ssfer_status ssfer_webp_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err);

#endif
