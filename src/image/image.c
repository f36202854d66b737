#include "ssfer/image.h"

#include "base/memory.h"
#include "base/size.h"
#include "image/codec.h"

#include <string.h>

static ssfer_status pixel_bytes(size_t *bytes, size_t width, size_t height, ssfer_error *err)
{
    if (width == 0 || height == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a picture of %zu x %zu pixels: both must be at least 1", width,
                          height);
    if (!ssfer_mul_size(width, height, bytes) || !ssfer_mul_size(*bytes, 3, bytes) || *bytes > PTRDIFF_MAX)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "a picture of %zu x %zu pixels does not fit into memory", width,
                          height);
    return SSFER_OK;
}

ssfer_status ssfer_image_create(ssfer_image *out, size_t width, size_t height, ssfer_error *err)
{
    ssfer_image_buffer buffer = {0};
    SSFER_REQUIRE(err, out, "out");
    ssfer_status st = ssfer_image_buffer_resize(&buffer, width, height, err);
    *out = buffer.image;
    return st;
}

void ssfer_image_deinit(ssfer_image *image)
{
    if (!image)
        return;
    ssfer_free(image->data);
    *image = (ssfer_image){0};
}

ssfer_status ssfer_image_buffer_resize(ssfer_image_buffer *buffer, size_t width, size_t height, ssfer_error *err)
{
    size_t bytes = 0;
    ssfer_status st = pixel_bytes(&bytes, width, height, err);
    if (st == SSFER_OK && bytes > buffer->capacity_bytes) {
        ssfer_image_buffer_deinit(buffer); /* first: the old pixels are not wanted, the peak is lower */
        buffer->image.data = ssfer_malloc(bytes);
        buffer->capacity_bytes = bytes;
        if (!buffer->image.data)
            st = ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for a picture of %zu x %zu pixels", width, height);
    }
    if (st != SSFER_OK) {
        ssfer_image_buffer_deinit(buffer);
        return st;
    }
    buffer->image.width = width;
    buffer->image.height = height;
    return SSFER_OK;
}

void ssfer_image_buffer_deinit(ssfer_image_buffer *buffer)
{
    ssfer_image_deinit(&buffer->image);
    buffer->capacity_bytes = 0;
}

ssfer_status ssfer_image_crop(ssfer_image *out, const ssfer_image *in, size_t left, size_t top, size_t w, size_t h,
                              ssfer_error *err)
{
    SSFER_REQUIRE(err, out, "out");
    SSFER_REQUIRE(err, in, "in");
    if (out == in)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a crop into the picture itself; give another one for it");
    *out = (ssfer_image){0};
    SSFER_REQUIRE(err, in->data, "the picture's data");
    if (w > in->width || left > in->width - w || h > in->height || top > in->height - h)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a crop of %zu x %zu at %zu, %zu leaves the picture of %zu x %zu", w,
                          h, left, top, in->width, in->height);
    ssfer_status st = ssfer_image_create(out, w, h, err);
    for (size_t y = 0; st == SSFER_OK && y < h; y++)
        memcpy(out->data + 3 * y * w, in->data + 3 * ((top + y) * in->width + left), 3 * w);
    return st;
}

void ssfer_image_flip_horizontal(ssfer_image *image)
{
    for (size_t y = 0; image && image->data && y < image->height; y++) {
        uint8_t *a = image->data + 3 * y * image->width, *b = a + 3 * image->width;
        for (; a + 3 < b; a += 3) {
            b -= 3;
            for (int c = 0; c < 3; c++) {
                uint8_t kept = a[c];
                a[c] = b[c];
                b[c] = kept;
            }
        }
    }
}
