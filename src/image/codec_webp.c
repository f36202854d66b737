/* WebP by libwebp: lossy and lossless, alpha dropped without blending. Animations are refused by name. */
#include "image/codec.h"

#include "base/memory.h"

#include <webp/decode.h>
#include <webp/encode.h>

static const char *describe(VP8StatusCode code)
{
    switch (code) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
        return "it ends too early";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
        return "it uses a feature that libwebp does not decode";
    default:
        return "its data make no sense";
    }
}

static ssfer_status refuse(const ssfer_decode_job *job, VP8StatusCode code, ssfer_error *err)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", job->name);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: damaged or cut WebP: %s", job->name, describe(code));
}

ssfer_status ssfer_webp_decode(const ssfer_decode_job *job, ssfer_error *err)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: the installed libwebp is of another version", job->name);
    VP8StatusCode code = WebPGetFeatures(job->bytes, job->size_bytes, &config.input);
    if (code != VP8_STATUS_OK)
        return refuse(job, code, err);
    if (config.input.has_animation)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: an animated WebP; only still pictures are read", job->name);
    size_t width = (size_t)config.input.width, height = (size_t)config.input.height; /* 14 bits each in this format */
    ssfer_status st = ssfer_decode_begin(job, width, height, err);
    if (st != SSFER_OK)
        return st;
    config.output.colorspace = MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = job->out->image.data;
    config.output.u.RGBA.stride = 3 * config.input.width;
    config.output.u.RGBA.size = 3 * width * height;
    code = WebPDecode(job->bytes, job->size_bytes, &config);
    WebPFreeDecBuffer(&config.output);
    return code == VP8_STATUS_OK ? SSFER_OK : refuse(job, code, err);
}

static int on_write(const uint8_t *data, size_t size_bytes, const WebPPicture *picture)
{
    return ssfer_byte_buffer_append(picture->custom_ptr, data, size_bytes);
}

ssfer_status ssfer_webp_encode(ssfer_byte_buffer *out, const ssfer_image *image, const char *name, ssfer_error *err)
{
    WebPConfig config;
    WebPPicture picture;
    if (!WebPConfigInit(&config) || !WebPConfigLosslessPreset(&config, 6) || !WebPPictureInit(&picture))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: the installed libwebp is of another version", name);
    if (image->width > WEBP_MAX_DIMENSION || image->height > WEBP_MAX_DIMENSION)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: %zu x %zu pixels; a WebP holds at most %d a side, use PNG", name,
                          image->width, image->height, WEBP_MAX_DIMENSION);
    picture.use_argb = 1; /* lossless needs RGB, not YUV */
    picture.width = (int)image->width;
    picture.height = (int)image->height;
    picture.writer = on_write;
    picture.custom_ptr = out;
    bool good = WebPPictureImportRGB(&picture, image->data, 3 * picture.width) && WebPEncode(&config, &picture);
    WebPEncodingError code = picture.error_code;
    WebPPictureFree(&picture);
    if (good)
        return SSFER_OK;
    bool memory = code == VP8_ENC_ERROR_OUT_OF_MEMORY || code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY ||
                  code == VP8_ENC_ERROR_BAD_WRITE; /* our writer fails for want of memory only */
    return ssfer_fail(err, memory ? SSFER_ERR_MEMORY : SSFER_ERR_IO, "%s: cannot write: libwebp error %d", name,
                      (int)code);
}
