#include "data/transform.h"

#include "base/memory.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

const float SSFER_DEFAULT_MEAN[3] = {0.588f, 0.459f, 0.402f};
const float SSFER_DEFAULT_STD[3] = {0.228f, 0.202f, 0.190f};

/* A resized picture may have this many pixels, or four times the square wanted if that is more: aspect ratios of some
 * hundreds pass, while a picture of 1 x 100000 cannot ask for gigabytes. */
#define MAX_RESIZED_PIXELS ((size_t)1 << 24)

ssfer_transform ssfer_transform_eval(size_t size)
{
    ssfer_transform t = ssfer_transform_train(size);
    t.train = false;
    t.filter = SSFER_FILTER_BILINEAR;
    return t;
}

ssfer_transform ssfer_transform_train(size_t size)
{
    ssfer_transform t = {.size = size,
                         .train = true,
                         .scale_min = 0.2,
                         .scale_max = 1.0,
                         .ratio_min = 3.0 / 4.0,
                         .ratio_max = 4.0 / 3.0,
                         .filter = SSFER_FILTER_BICUBIC,
                         .flip = 0.5,
                         .erasing_min = 0.02, /* the range of timm's RandomErasing */
                         .erasing_max = 1.0 / 3.0,
                         .erasing_count = 1};
    memcpy(t.mean, SSFER_DEFAULT_MEAN, sizeof t.mean);
    memcpy(t.std, SSFER_DEFAULT_STD, sizeof t.std);
    return t;
}

ssfer_transform ssfer_transform_strong(size_t size)
{
    ssfer_transform t = ssfer_transform_train(size);
    t.randaugment = (ssfer_randaugment){.layers = 2,
                                        .probability = 0.5,
                                        .magnitude = 9.0,
                                        .magnitude_std = 0.5,
                                        .magnitude_max = 10.0,
                                        .increasing = true};
    return t;
}

static bool is_probability(double p)
{
    return p >= 0.0 && p <= 1.0;
}

ssfer_status ssfer_transform_check(const ssfer_transform *t, ssfer_error *err)
{
    if (t->size < 1 || t->size > 16384)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "image size %zu: 1 to 16384 is possible", t->size);
    for (int c = 0; c < 3; c++)
        if (!isfinite(t->mean[c]) || !(t->std[c] > 0.0f) || !isfinite(t->std[c]))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "mean %g, std %g: finite values, std above 0",
                              (double)t->mean[c], (double)t->std[c]);
    if (!t->train)
        return SSFER_OK;
    if (!(t->scale_min > 0.0 && t->scale_min <= t->scale_max && t->scale_max <= 1.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "crop area %g..%g: within 0..1, the smaller first", t->scale_min,
                          t->scale_max);
    if (!(t->ratio_min > 0.0 && t->ratio_min <= t->ratio_max && isfinite(t->ratio_max)))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "crop ratio %g..%g: above 0, the smaller first", t->ratio_min,
                          t->ratio_max);
    if (!is_probability(t->flip) || !is_probability(t->erasing))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "probability of flip %g, of erasing %g: 0 to 1 is possible", t->flip,
                          t->erasing);
    if (t->randaugment.layers > SSFER_RANDAUGMENT_MAX_LAYERS ||
        (t->randaugment.layers && !is_probability(t->randaugment.probability)))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "RandAugment: %u operations with probability %g",
                          t->randaugment.layers, t->randaugment.probability);
    if (!(t->erasing_min > 0.0 && t->erasing_min <= t->erasing_max && t->erasing_max <= 1.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "erased area %g..%g: within 0..1, the smaller first", t->erasing_min,
                          t->erasing_max);
    if (t->erasing_count < 1 || t->erasing_count > SSFER_ERASING_MAX_COUNT)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%zu erased rectangles: 1 to %d are possible", t->erasing_count,
                          SSFER_ERASING_MAX_COUNT);
    return SSFER_OK;
}

static const char *const erasing_names[] = {"const", "rand", "pixel"};

const char *ssfer_erasing_mode_name(ssfer_erasing_mode mode)
{
    return erasing_names[mode];
}

bool ssfer_erasing_mode_parse(ssfer_erasing_mode *out, const char *name)
{
    for (size_t i = 0; i < sizeof erasing_names / sizeof *erasing_names; i++)
        if (strcmp(name, erasing_names[i]) == 0) {
            *out = (ssfer_erasing_mode)i;
            return true;
        }
    return false;
}

/* ---- geometry ---- */

/* Python's round(): to nearest, halves to even, which is the rounding mode that every thread starts with. */
static double round_half_even(double x)
{
    return nearbyint(x);
}

static ssfer_crop central_crop(const ssfer_transform *t, size_t width, size_t height)
{
    ssfer_crop crop = {.width = width, .height = height};
    double ratio = (double)width / (double)height;
    if (ratio < t->ratio_min)
        crop.height = (size_t)round_half_even((double)width / t->ratio_min);
    else if (ratio > t->ratio_max)
        crop.width = (size_t)round_half_even((double)height * t->ratio_max);
    crop.width = ssfer_max_size(1, ssfer_min_size(crop.width, width));
    crop.height = ssfer_max_size(1, ssfer_min_size(crop.height, height));
    crop.left = (width - crop.width) / 2;
    crop.top = (height - crop.height) / 2;
    return crop;
}

size_t ssfer_crop_size(const ssfer_transform *t, size_t width, size_t height,
                       const double uniforms[2 * SSFER_CROP_ATTEMPTS], ssfer_crop *crop, bool *accepted)
{
    double whole = (double)width * (double)height;
    double log_min = log(t->ratio_min), log_max = log(t->ratio_max);
    for (size_t a = 0; a < SSFER_CROP_ATTEMPTS; a++) {
        double area = whole * (t->scale_min + (t->scale_max - t->scale_min) * uniforms[2 * a]);
        double ratio = exp(log_min + (log_max - log_min) * uniforms[2 * a + 1]);
        double w = round_half_even(sqrt(area * ratio)), h = round_half_even(sqrt(area / ratio));
        if (w > 0 && w <= (double)width && h > 0 && h <= (double)height) {
            *crop = (ssfer_crop){.width = (size_t)w, .height = (size_t)h};
            *accepted = true;
            return a + 1;
        }
    }
    *crop = central_crop(t, width, height);
    *accepted = false;
    return SSFER_CROP_ATTEMPTS;
}

ssfer_crop ssfer_random_resized_crop(const ssfer_transform *t, size_t width, size_t height, ssfer_rng *rng)
{
    double uniforms[2 * SSFER_CROP_ATTEMPTS];
    ssfer_crop crop;
    bool accepted;
    for (size_t i = 0; i < 2 * SSFER_CROP_ATTEMPTS; i++)
        uniforms[i] = ssfer_rng_uniform(rng); /* all of them: what follows stays at its place in the stream */
    uint32_t top = ssfer_rng_u32(rng), left = ssfer_rng_u32(rng);
    ssfer_crop_size(t, width, height, uniforms, &crop, &accepted);
    if (accepted) {
        /* 32 bits times the count of positions, high word: off from uniform by less than one part in 2^32 / positions
         */
        crop.top = (size_t)(((uint64_t)top * (height - crop.height + 1)) >> 32);
        crop.left = (size_t)(((uint64_t)left * (width - crop.width + 1)) >> 32);
    }
    return crop;
}

bool ssfer_random_erasing_box(const ssfer_transform *t, size_t count, ssfer_rng *rng, ssfer_crop *box)
{
    double area = (double)t->size * (double)t->size;
    double log_min = log(0.3), log_max = log(1.0 / 0.3); /* timm's min_aspect and its inverse */
    for (int attempt = 0; attempt < 10; attempt++) {
        double target = area * ssfer_rng_range(rng, t->erasing_min, t->erasing_max) / (double)count;
        double aspect = exp(ssfer_rng_range(rng, log_min, log_max));
        double h = round_half_even(sqrt(target * aspect)), w = round_half_even(sqrt(target / aspect));
        if (w >= (double)t->size || h >= (double)t->size)
            continue;
        box->width = (size_t)w;
        box->height = (size_t)h;
        box->top = ssfer_rng_below(rng, (uint32_t)(t->size - box->height + 1));
        box->left = ssfer_rng_below(rng, (uint32_t)(t->size - box->width + 1));
        return true;
    }
    return false;
}

bool ssfer_seen_box(float out[4], const ssfer_seen *view, const float box[4], double side)
{
    const ssfer_crop *c = &view->crop;
    const double sx = side / (double)c->width, sy = side / (double)c->height;
    double x1 = ((double)box[0] - (double)c->left) * sx, x2 = ((double)box[2] - (double)c->left) * sx;
    const double y1 = fmax(0.0, ((double)box[1] - (double)c->top) * sy);
    const double y2 = fmin(side, ((double)box[3] - (double)c->top) * sy);
    if (view->flip) {
        const double mirrored = side - x1;
        x1 = side - x2;
        x2 = mirrored;
    }
    x1 = fmax(0.0, x1);
    x2 = fmin(side, x2);
    out[0] = (float)x1;
    out[1] = (float)y1;
    out[2] = (float)x2;
    out[3] = (float)y2;
    return x1 < x2 && y1 < y2;
}

/* ---- pixels ---- */

void ssfer_normalize_table(float table[3][256], const float mean[3], const float std[3])
{
    for (int c = 0; c < 3; c++)
        for (int u = 0; u < 256; u++)
            table[c][u] = ((float)u / 255.0f - mean[c]) / std[c];
}

void ssfer_normalize_planes(float *out, const uint8_t *pixels, size_t width, size_t height, size_t stride_bytes,
                            bool flip, const float table[3][256])
{
    float *restrict red = out, *restrict green = out + width * height, *restrict blue = out + 2 * width * height;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *p = pixels + y * stride_bytes + (flip ? 3 * (width - 1) : 0);
        ptrdiff_t step = flip ? -3 : 3;
        for (size_t x = 0; x < width; x++, p += step) {
            red[x] = table[0][p[0]];
            green[x] = table[1][p[1]];
            blue[x] = table[2][p[2]];
        }
        red += width;
        green += width;
        blue += width;
    }
}

void ssfer_transform_scratch_deinit(ssfer_transform_scratch *scratch)
{
    ssfer_resampler_deinit(&scratch->resampler);
    ssfer_free(scratch->pixels);
    *scratch = (ssfer_transform_scratch){0};
}

static ssfer_status prepare(ssfer_transform_scratch *scratch, const ssfer_transform *t, size_t width, size_t height,
                            ssfer_error *err)
{
    size_t pixels;
    size_t most = ssfer_max_size(MAX_RESIZED_PIXELS, 4 * t->size * t->size);
    if (!ssfer_mul_size(width, height, &pixels) || pixels > most)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "a picture so long and thin that it would be resized to %zux%zu", width,
                          height);
    if (ssfer_reserve((void **)&scratch->pixels, &scratch->pixels_bytes, 3 * pixels, 1))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for a picture of %zux%zu", width, height);
    // NOLINTBEGIN(bugprone-suspicious-memory-comparison): the same bits give the same table; others only make it anew
    if (!scratch->table_ready || memcmp(scratch->mean, t->mean, sizeof t->mean) != 0 ||
        memcmp(scratch->std, t->std, sizeof t->std) != 0) {
        // NOLINTEND(bugprone-suspicious-memory-comparison)
        memcpy(scratch->mean, t->mean, sizeof t->mean);
        memcpy(scratch->std, t->std, sizeof t->std);
        ssfer_normalize_table(scratch->table, t->mean, t->std);
        scratch->table_ready = true;
    }
    return SSFER_OK;
}

/* torchvision's Resize(S) and CenterCrop(S). Resizing to the same size is a copy there, and so it is here. */
static ssfer_status apply_eval(const ssfer_transform *t, const ssfer_image *image, float *out,
                               ssfer_transform_scratch *scratch, ssfer_error *err)
{
    size_t s = t->size, width = s, height = s;
    const uint8_t *pixels = image->data;
    if (image->width <= image->height)
        height = (size_t)((double)s * (double)image->height / (double)image->width);
    else
        width = (size_t)((double)s * (double)image->width / (double)image->height);
    bool resize = width != image->width || height != image->height;
    ssfer_status st = prepare(scratch, t, resize ? width : 1, resize ? height : 1, err);
    if (st == SSFER_OK && resize) {
        st = ssfer_resample(&scratch->resampler, scratch->pixels, width, height, image, 0, 0, image->width,
                            image->height, SSFER_FILTER_BILINEAR, err);
        pixels = scratch->pixels;
    }
    if (st != SSFER_OK)
        return st;
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_RESAMPLE);
    size_t left = (size_t)round_half_even((double)(width - s) / 2.0);
    size_t top = (size_t)round_half_even((double)(height - s) / 2.0);
    ssfer_normalize_planes(out, pixels + 3 * (top * width + left), s, s, 3 * width, false,
                           (const float(*)[256])scratch->table);
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_NORMALISE);
    return SSFER_OK;
}

static void erase(const ssfer_transform *t, const ssfer_crop *box, ssfer_rng *rng, float *out)
{
    for (size_t c = 0; c < 3; c++) {
        float colour = t->erasing_mode == SSFER_ERASING_RAND ? (float)ssfer_rng_normal(rng) : 0.0f;
        for (size_t y = box->top; y < box->top + box->height; y++) {
            float *row = out + (c * t->size + y) * t->size + box->left;
            for (size_t x = 0; x < box->width; x++)
                row[x] = t->erasing_mode == SSFER_ERASING_PIXEL ? (float)ssfer_rng_normal(rng) : colour;
        }
    }
}

/* How many is drawn first: any number up to the most is as likely. */
static void erase_some(const ssfer_transform *t, ssfer_rng *rng, float *out)
{
    const size_t most = t->erasing_count, count = most > 1 ? 1 + ssfer_rng_below(rng, (uint32_t)most) : 1;
    ssfer_crop box;
    for (size_t i = 0; i < count; i++)
        if (ssfer_random_erasing_box(t, count, rng, &box))
            erase(t, &box, rng, out);
}

void ssfer_fill_colour(uint8_t fill[3], const float mean[3])
{
    for (int c = 0; c < 3; c++)
        fill[c] = (uint8_t)fmin(255.0, fmax(0.0, round_half_even(255.0 * (double)mean[c])));
}

static ssfer_status apply_train(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                ssfer_transform_scratch *scratch, ssfer_error *err)
{
    size_t s = t->size;
    ssfer_crop crop = ssfer_random_resized_crop(t, image->width, image->height, rng);
    bool flip = ssfer_rng_uniform(rng)<t->flip, augment = t->randaugment.layers> 0;
    ssfer_status st = prepare(scratch, t, s, augment ? 2 * s : s, err); /* twice: the operations need as much again */
    scratch->view = (ssfer_seen){crop, flip};
    if (st == SSFER_OK)
        st = ssfer_resample(&scratch->resampler, scratch->pixels, s, s, image, crop.left, crop.top, crop.width,
                            crop.height, t->filter, err);
    if (st != SSFER_OK)
        return st;
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_RESAMPLE);
    if (augment) {
        ssfer_image square = {scratch->pixels, s, s};
        uint8_t fill[3];
        ssfer_fill_colour(fill, t->mean);
        if (flip)
            ssfer_image_flip_horizontal(&square);
        flip = false;
        ssfer_randaugment_apply(&t->randaugment, &square, scratch->pixels + 3 * s * s, fill, rng);
    }
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_AUGMENT);
    ssfer_normalize_planes(out, scratch->pixels, s, s, 3 * s, flip, (const float(*)[256])scratch->table);
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_NORMALISE);
    if (t->erasing > 0.0 && ssfer_rng_uniform(rng) < t->erasing)
        erase_some(t, rng, out);
    ssfer_stage_lap(&scratch->clock, SSFER_STAGE_AUGMENT);
    return SSFER_OK;
}

ssfer_status ssfer_transform_apply_with(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                        ssfer_transform_scratch *scratch, ssfer_error *err)
{
    if (image->width == 0 || image->height == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a picture without pixels");
    if (!scratch) {
        ssfer_transform_scratch own = {0};
        ssfer_status st = ssfer_transform_apply_with(t, image, rng, out, &own, err);
        ssfer_transform_scratch_deinit(&own);
        return st;
    }
    return t->train ? apply_train(t, image, rng, out, scratch, err) : apply_eval(t, image, out, scratch, err);
}

ssfer_status ssfer_transform_apply(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                   ssfer_error *err)
{
    return ssfer_transform_apply_with(t, image, rng, out, NULL, err);
}
