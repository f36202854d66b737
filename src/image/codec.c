#include "image/codec.h"

#include "base/file.h"
#include "base/memory.h"
#include "image/exif.h"

#include <string.h>
#include <strings.h>

/* How a file begins. Kinds that are only recognised give a better message than "unknown". */
static const struct signature {
    size_t offset, length;
    const char *bytes;
    ssfer_image_format format;
    const char *kind; /* for formats that are not decoded */
} signatures[] = {
    {0, 3, "\xFF\xD8\xFF", SSFER_IMAGE_FORMAT_JPEG, NULL},
    {0, 8, "\x89PNG\r\n\x1A\n", SSFER_IMAGE_FORMAT_PNG, NULL},
    {8, 4, "WEBP", SSFER_IMAGE_FORMAT_WEBP, NULL}, /* after "RIFF" and a length */
    {0, 4, "GIF8", SSFER_IMAGE_FORMAT_UNKNOWN, "a GIF"},
    {0, 2, "BM", SSFER_IMAGE_FORMAT_UNKNOWN, "a BMP"},
    {0, 4, "II*\0", SSFER_IMAGE_FORMAT_UNKNOWN, "a TIFF"},
    {0, 4, "MM\0*", SSFER_IMAGE_FORMAT_UNKNOWN, "a TIFF"},
    {4, 8, "ftypavif", SSFER_IMAGE_FORMAT_UNKNOWN, "an AVIF"},
    {4, 7, "ftyphei", SSFER_IMAGE_FORMAT_UNKNOWN, "a HEIC"},
    {4, 4, "ftyp", SSFER_IMAGE_FORMAT_UNKNOWN, "a video"},
    {0, 6, "\0\0\0\x0CjP", SSFER_IMAGE_FORMAT_UNKNOWN, "a JPEG 2000"},
    {0, 5, "%PDF-", SSFER_IMAGE_FORMAT_UNKNOWN, "a PDF"},
    {0, 2, "PK", SSFER_IMAGE_FORMAT_UNKNOWN, "a ZIP"},
};

static const struct signature *find_signature(const uint8_t *bytes, size_t size_bytes)
{
    for (size_t i = 0; i < sizeof signatures / sizeof *signatures; i++) {
        const struct signature *s = &signatures[i];
        if (size_bytes < s->offset + s->length || memcmp(bytes + s->offset, s->bytes, s->length) != 0)
            continue;
        if (s->format != SSFER_IMAGE_FORMAT_WEBP || memcmp(bytes, "RIFF", 4) == 0)
            return s;
    }
    return NULL;
}

ssfer_image_format ssfer_image_format_of_bytes(const void *bytes, size_t size_bytes)
{
    const struct signature *s = find_signature(bytes, size_bytes);
    return s ? s->format : SSFER_IMAGE_FORMAT_UNKNOWN;
}

ssfer_image_format ssfer_image_format_of_path(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (!dot || strchr(dot, '/'))
        return SSFER_IMAGE_FORMAT_UNKNOWN;
    if (strcasecmp(dot, ".png") == 0)
        return SSFER_IMAGE_FORMAT_PNG;
    if (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0)
        return SSFER_IMAGE_FORMAT_JPEG;
    if (strcasecmp(dot, ".webp") == 0)
        return SSFER_IMAGE_FORMAT_WEBP;
    return SSFER_IMAGE_FORMAT_UNKNOWN;
}

ssfer_status ssfer_decode_check_size(const ssfer_decode_job *job, size_t width, size_t height, ssfer_error *err)
{
    if (width == 0 || height == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a picture of %zu x %zu pixels; the file is damaged", job->name,
                          width, height);
    if (width > SSFER_IMAGE_MAX_SIDE || height > SSFER_IMAGE_MAX_SIDE || width > job->max_pixels / height)
        return ssfer_fail(err, SSFER_ERR_LIMIT,
                          "%s: %zu x %zu pixels, more than the %zu accepted (sides at most %d); scale it down",
                          job->name, width, height, job->max_pixels, SSFER_IMAGE_MAX_SIDE);
    return SSFER_OK;
}

ssfer_status ssfer_decode_begin(const ssfer_decode_job *job, size_t width, size_t height, ssfer_error *err)
{
    ssfer_status st = ssfer_decode_check_size(job, width, height, err);
    if (st != SSFER_OK)
        return st;
    st = ssfer_image_buffer_resize(job->out, width, height, err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", job->name);
}

static ssfer_status refuse_unknown(const ssfer_decode_job *job, ssfer_error *err)
{
    if (job->size_bytes == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: empty file, not a picture", job->name);
    const struct signature *s = find_signature(job->bytes, job->size_bytes);
    if (s)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a JPEG, PNG or WebP picture but %s file; convert it",
                          job->name, s->kind);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: not a JPEG, PNG or WebP picture", job->name);
}

/* The turned picture takes the buffer's place. */
static ssfer_status turn_upright(const ssfer_decode_job *job, int orientation, ssfer_error *err)
{
    ssfer_image turned;
    ssfer_status st = ssfer_exif_turn(&turned, &job->out->image, orientation, err);
    if (st != SSFER_OK)
        return ssfer_fail_prefix(err, st, "%s", job->name);
    ssfer_image_deinit(&job->out->image);
    *job->out = (ssfer_image_buffer){turned, 3 * turned.width * turned.height};
    return SSFER_OK;
}

ssfer_status ssfer_image_decode_into(ssfer_image_buffer *out, const void *bytes, size_t size_bytes, const char *name,
                                     const ssfer_image_options *options, ssfer_error *err)
{
    ssfer_decode_job job = {.bytes = bytes, .size_bytes = size_bytes, .name = name, .out = out};
    job.max_pixels = options && options->max_pixels ? options->max_pixels : SSFER_IMAGE_MAX_PIXELS;
    ssfer_image_format format = ssfer_image_format_of_bytes(bytes, size_bytes);
    ssfer_status st;
    switch (format) {
    case SSFER_IMAGE_FORMAT_JPEG:
        st = ssfer_jpeg_decode(&job, err);
        break;
    case SSFER_IMAGE_FORMAT_PNG:
        st = ssfer_png_decode(&job, err);
        break;
    case SSFER_IMAGE_FORMAT_WEBP:
        st = ssfer_webp_decode(&job, err);
        break;
    default:
        return refuse_unknown(&job, err);
    }
    if (st == SSFER_OK && options && options->apply_exif_orientation) {
        int orientation = ssfer_exif_orientation(bytes, size_bytes, format);
        if (orientation != 1)
            st = turn_upright(&job, orientation, err);
    }
    return st;
}

ssfer_status ssfer_image_decode(ssfer_image *out, const void *bytes, size_t size_bytes, const char *name,
                                const ssfer_image_options *options, ssfer_error *err)
{
    ssfer_image_buffer buffer = {0};
    SSFER_REQUIRE(err, out, "out");
    *out = (ssfer_image){0};
    SSFER_REQUIRE(err, name, "name");
    if (size_bytes)
        SSFER_REQUIRE(err, bytes, "bytes");
    ssfer_status st = ssfer_image_decode_into(&buffer, bytes, size_bytes, name, options, err);
    if (st == SSFER_OK)
        *out = buffer.image;
    else
        ssfer_image_buffer_deinit(&buffer);
    return st;
}

ssfer_status ssfer_image_load(ssfer_image *out, const char *path, const ssfer_image_options *options, ssfer_error *err)
{
    unsigned char *bytes;
    size_t size_bytes;
    SSFER_REQUIRE(err, out, "out");
    *out = (ssfer_image){0};
    SSFER_REQUIRE(err, path, "path");
    ssfer_status st = ssfer_file_read(&bytes, &size_bytes, path, SSFER_IMAGE_MAX_FILE_BYTES, err);
    if (st == SSFER_OK)
        st = ssfer_image_decode(out, bytes, size_bytes, path, options, err);
    ssfer_free(bytes);
    return st;
}

bool ssfer_byte_buffer_append(ssfer_byte_buffer *buffer, const void *bytes, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - buffer->size_bytes ||
        ssfer_reserve((void **)&buffer->data, &buffer->capacity_bytes, buffer->size_bytes + size_bytes, 1) != 0)
        return false;
    if (size_bytes) /* memcpy from NULL is undefined, even of nothing */
        memcpy(buffer->data + buffer->size_bytes, bytes, size_bytes);
    buffer->size_bytes += size_bytes;
    return true;
}

ssfer_status ssfer_image_encode(uint8_t **bytes, size_t *size_bytes, const ssfer_image *image,
                                ssfer_image_format format, const char *name, ssfer_error *err)
{
    ssfer_byte_buffer buffer = {0};
    ssfer_status st;
    *bytes = NULL;
    *size_bytes = 0;
    if (!image->data || image->width == 0 || image->height == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: an empty picture cannot be written", name);
    switch (format) {
    case SSFER_IMAGE_FORMAT_JPEG:
        st = ssfer_jpeg_encode(&buffer, image, name, err);
        break;
    case SSFER_IMAGE_FORMAT_PNG:
        st = ssfer_png_encode(&buffer, image, name, err);
        break;
    case SSFER_IMAGE_FORMAT_WEBP:
        st = ssfer_webp_encode(&buffer, image, name, err);
        break;
    default:
        st = ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: pictures are written as .png, .jpg, .jpeg or .webp", name);
    }
    if (st == SSFER_OK) {
        *bytes = buffer.data;
        *size_bytes = buffer.size_bytes;
    } else {
        ssfer_free(buffer.data);
    }
    return st;
}

ssfer_status ssfer_image_save(const ssfer_image *image, const char *path, ssfer_error *err)
{
    uint8_t *bytes;
    size_t size_bytes;
    SSFER_REQUIRE(err, image, "image");
    SSFER_REQUIRE(err, path, "path");
    ssfer_status st = ssfer_image_encode(&bytes, &size_bytes, image, ssfer_image_format_of_path(path), path, err);
    if (st == SSFER_OK)
        st = ssfer_file_write(path, bytes, size_bytes, err);
    ssfer_free(bytes);
    return st;
}
