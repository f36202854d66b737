/* Pillow-exact resampling. A pass over one axis computes each output sample as a weighted sum of the input samples
 * below the filter, in 32-bit fixed point with 22 fractional bits, and rounds to 8 bits; horizontal pass first.
 *
 * One kernel serves both passes: it sums `count` rows of bytes with one weight a row. For the vertical pass the rows
 * are the picture's. For the horizontal pass 16 rows at a time are transposed, so that the samples of one column lie
 * side by side; the transposition costs a quarter of an instruction a byte, and both passes vectorise alike. */
#include "image/resample.h"

#include "base/memory.h"
#include "base/simd_clones.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

enum { FRACTION_BITS = 32 - 8 - 2 /* Pillow's: 8-bit samples, and room for a sum of weights up to 2 */, BLOCK = 16 };

/* --- weights --- */

static double bilinear(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double bicubic(double x) /* Keys 1981, a = -0.5 */
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0;
    if (x < 2.0)
        return (((x - 5.0) * x + 8.0) * x - 4.0) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x *= M_PI;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3.0) : 0.0;
}

static const struct kernel {
    double (*at)(double x);
    double support; /* at(x) = 0 beyond */
} kernels[] = {
    [SSFER_FILTER_NEAREST] = {NULL, 0.0},
    [SSFER_FILTER_BILINEAR] = {bilinear, 1.0},
    [SSFER_FILTER_BICUBIC] = {bicubic, 2.0},
    [SSFER_FILTER_LANCZOS] = {lanczos, 3.0},
};

/* Input sample under the centre of each output sample. The position is accumulated, as Pillow does it: multiplying
 * would round differently now and then. */
static void span_nearest(ssfer_resample_axis *axis)
{
    double step = (double)axis->in / (double)axis->out, at = step * 0.5;
    for (size_t i = 0; i < axis->out; i++, at += step)
        axis->spans[i] = (struct ssfer_resample_span){(uint32_t)ssfer_min_size((size_t)at, axis->in - 1), 1};
}

/* The weights of output i. Products and sums are in Pillow's order, since the last bit of a double can decide how a
 * weight rounds. */
static void span_filtered(ssfer_resample_axis *axis, size_t i, const struct kernel *kernel)
{
    double scale = (double)axis->in / (double)axis->out, stretch = scale < 1.0 ? 1.0 : scale;
    double support = kernel->support * stretch, centre = ((double)i + 0.5) * scale, squeeze = 1.0 / stretch, sum = 0.0;
    double from = centre - support + 0.5, to = centre + support + 0.5;
    size_t first = from < 0.0 ? 0 : (size_t)from, end = ssfer_min_size((size_t)to, axis->in), count = end - first;
    int32_t *weights = axis->weights + i * axis->taps;
    for (size_t t = 0; t < count; t++) {
        axis->exact[t] = kernel->at(((double)(t + first) - centre + 0.5) * squeeze);
        sum += axis->exact[t];
    }
    for (size_t t = 0; t < count; t++) {
        double weight = sum != 0.0 ? axis->exact[t] / sum : axis->exact[t];
        weight *= 1 << FRACTION_BITS;
        weights[t] = (int32_t)(weight < 0.0 ? weight - 0.5 : weight + 0.5);
    }
    axis->spans[i] = (struct ssfer_resample_span){(uint32_t)first, (uint32_t)count};
}

static ssfer_status prepare_axis(ssfer_resample_axis *axis, size_t in, size_t out, ssfer_filter filter,
                                 ssfer_error *err)
{
    const struct kernel *kernel = &kernels[filter];
    if (axis->out == out && axis->in == in && axis->filter == filter)
        return SSFER_OK;
    double stretch = in > out ? (double)in / (double)out : 1.0;
    size_t taps = 2 * (size_t)ceil(kernel->support * stretch) + 1, weights;
    axis->out = 0; /* no table, until it is complete */
    if (in > UINT32_MAX || out > UINT32_MAX || !ssfer_mul_size(out, taps, &weights))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "resizing from %zu to %zu pixels is out of range", in, out);
    if (ssfer_reserve((void **)&axis->spans, &axis->spans_capacity, out, sizeof *axis->spans) != 0 ||
        ssfer_reserve((void **)&axis->weights, &axis->weights_capacity, weights, sizeof *axis->weights) != 0 ||
        ssfer_reserve((void **)&axis->exact, &axis->exact_capacity, taps, sizeof *axis->exact) != 0)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the weights of a resize from %zu to %zu pixels", in,
                          out);
    axis->in = in;
    axis->out = out;
    axis->filter = filter;
    axis->taps = taps;
    if (filter == SSFER_FILTER_NEAREST)
        span_nearest(axis);
    else
        for (size_t i = 0; i < out; i++)
            span_filtered(axis, i, kernel);
    return SSFER_OK;
}

static void deinit_axis(ssfer_resample_axis *axis)
{
    ssfer_free(axis->weights);
    ssfer_free(axis->spans);
    ssfer_free(axis->exact);
    *axis = (ssfer_resample_axis){0};
}

/* --- the kernel --- */

SIMD_BODY uint8_t round_sum(int32_t sum)
{
    sum >>= FRACTION_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* `n` is a constant at every call: the inner loop unrolls and the sums stay in registers. */
SIMD_BODY void weigh_fixed(uint8_t *restrict out, const uint8_t *restrict in, size_t pitch, size_t lanes,
                           const int32_t *restrict weights, size_t n)
{
    for (size_t i = 0; i < lanes; i++) {
        int32_t sum = 1 << (FRACTION_BITS - 1);
#pragma GCC unroll 8
        for (size_t t = 0; t < n; t++)
            sum += weights[t] * in[t * pitch + i];
        out[i] = round_sum(sum);
    }
}

SIMD_BODY void weigh_any(uint8_t *restrict out, const uint8_t *restrict in, size_t pitch, size_t lanes,
                         const int32_t *restrict weights, size_t n)
{
    enum { CHUNK = 64 };
    for (size_t start = 0; start < lanes; start += CHUNK) {
        int32_t sums[CHUNK];
        size_t length = ssfer_min_size(CHUNK, lanes - start);
        for (size_t i = 0; i < length; i++)
            sums[i] = 1 << (FRACTION_BITS - 1);
        for (size_t t = 0; t < n; t++)
            for (size_t i = 0; i < length; i++)
                sums[i] += weights[t] * in[t * pitch + start + i];
        for (size_t i = 0; i < length; i++)
            out[start + i] = round_sum(sums[i]);
    }
}

/* out[i] = round(sum of weights[t] * in[t * pitch + i]), i < lanes, t < n. */
SIMD_BODY void weigh(uint8_t *out, const uint8_t *in, size_t pitch, size_t lanes, const int32_t *weights, size_t n)
{
    switch (n) {
    case 1:
        weigh_fixed(out, in, pitch, lanes, weights, 1);
        break;
    case 2:
        weigh_fixed(out, in, pitch, lanes, weights, 2);
        break;
    case 3:
        weigh_fixed(out, in, pitch, lanes, weights, 3);
        break;
    case 4:
        weigh_fixed(out, in, pitch, lanes, weights, 4);
        break;
    case 5:
        weigh_fixed(out, in, pitch, lanes, weights, 5);
        break;
    case 6:
        weigh_fixed(out, in, pitch, lanes, weights, 6);
        break;
    case 7:
        weigh_fixed(out, in, pitch, lanes, weights, 7);
        break;
    case 8:
        weigh_fixed(out, in, pitch, lanes, weights, 8);
        break;
    default:
        weigh_any(out, in, pitch, lanes, weights, n);
    }
}

/* --- passes over planes of bytes: `stride` bytes from row to row --- */

typedef struct plane {
    uint8_t *data;
    size_t stride, width, height, channels; /* channels: bytes a pixel, 1 or 3 */
} plane;

SIMD_BODY void vertical_pass_body(plane out, plane in, const ssfer_resample_axis *axis, size_t first_row)
{
    size_t lanes = out.width * out.channels;
    for (size_t y = 0; y < out.height; y++) {
        struct ssfer_resample_span span = axis->spans[y];
        weigh(out.data + y * out.stride, in.data + (span.first - first_row) * in.stride, in.stride, lanes,
              axis->weights + y * axis->taps, span.count);
    }
}
SIMD_CLONES(void, vertical_pass, (plane out, plane in, const ssfer_resample_axis *axis, size_t first_row),
            (out, in, axis, first_row))

SIMD_BODY void weigh_columns_body(uint8_t *out, const uint8_t *in, const ssfer_resample_axis *axis, size_t channels)
{
    for (size_t x = 0; x < axis->out; x++) {
        struct ssfer_resample_span span = axis->spans[x];
        const int32_t *weights = axis->weights + x * axis->taps;
        if (channels == 3) /* constant lanes: no loop remains */
            weigh(out + 3 * BLOCK * x, in + 3 * BLOCK * span.first, 3 * BLOCK, 3 * BLOCK, weights, span.count);
        else
            weigh(out + BLOCK * x, in + BLOCK * span.first, BLOCK, BLOCK, weights, span.count);
    }
}
SIMD_CLONES(void, weigh_columns, (uint8_t * out, const uint8_t *in, const ssfer_resample_axis *axis, size_t channels),
            (out, in, axis, channels))

typedef uint8_t bytes16 __attribute__((vector_size(16)));

/* Each round interleaves rows i and i + 8, which rotates the bits of (row, column) by one; after four rounds row and
 * column have changed places. */
SIMD_BODY void transpose16(bytes16 block[BLOCK])
{
    for (int round = 0; round < 4; round++) {
        bytes16 next[BLOCK];
        for (int i = 0; i < BLOCK / 2; i++) {
            bytes16 a = block[i], b = block[i + 8];
            next[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            next[2 * i + 1] =
                __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        memcpy(block, next, sizeof next);
    }
}

/* columns[16 * j + r] = rows[r * stride + j], j < length; rows beyond `count` repeat the last one. */
static void rows_to_columns(uint8_t *columns, const uint8_t *rows, size_t stride, size_t count, size_t length)
{
    for (size_t j = 0; j < length; j += BLOCK) {
        bytes16 block[BLOCK] = {{0}};
        size_t n = ssfer_min_size(BLOCK, length - j);
        for (size_t r = 0; r < BLOCK; r++) {
            const uint8_t *from = rows + ssfer_min_size(r, count - 1) * stride + j;
            if (n == BLOCK) /* a constant size is one load */
                memcpy(&block[r], from, BLOCK);
            else
                memcpy(&block[r], from, n);
        }
        transpose16(block);
        memcpy(columns + BLOCK * j, block, sizeof block);
    }
}

/* The inverse, for the first `count` rows. */
static void columns_to_rows(uint8_t *rows, const uint8_t *columns, size_t stride, size_t count, size_t length)
{
    for (size_t j = 0; j < length; j += BLOCK) {
        bytes16 block[BLOCK];
        size_t n = ssfer_min_size(BLOCK, length - j);
        memcpy(block, columns + BLOCK * j, sizeof block);
        transpose16(block);
        for (size_t r = 0; r < count; r++) {
            uint8_t *to = rows + r * stride + j;
            if (n == BLOCK)
                memcpy(to, &block[r], BLOCK);
            else
                memcpy(to, &block[r], n);
        }
    }
}

/* Bytes of a block of 16 rows of `length` bytes, transposed. */
static size_t columns_bytes(size_t length)
{
    return BLOCK * ssfer_align_size(length, BLOCK);
}

static void horizontal_pass(plane out, plane in, const ssfer_resample_axis *axis, uint8_t *scratch)
{
    uint8_t *in_columns = scratch, *out_columns = scratch + columns_bytes(in.width * in.channels);
    for (size_t y = 0; y < out.height; y += BLOCK) {
        size_t count = ssfer_min_size(BLOCK, out.height - y);
        rows_to_columns(in_columns, in.data + y * in.stride, in.stride, count, in.width * in.channels);
        weigh_columns(out_columns, in_columns, axis, in.channels);
        columns_to_rows(out.data + y * out.stride, out_columns, out.stride, count, out.width * out.channels);
    }
}

static void nearest(plane out, plane in, const ssfer_resample_axis *horizontal, const ssfer_resample_axis *vertical)
{
    for (size_t y = 0; y < out.height; y++) {
        const uint8_t *from = in.data + vertical->spans[y].first * in.stride;
        uint8_t *to = out.data + y * out.stride;
        for (size_t x = 0; x < out.width; x++)
            for (size_t c = 0; c < out.channels; c++)
                to[out.channels * x + c] = from[in.channels * horizontal->spans[x].first + c];
    }
}

/* --- gray pictures --- */

/* Whether R = G = B in `count` pixels: no byte differs from the next one inside a pixel. A block of 16 pixels has the
 * same places to look at as any other, so it is compared with a mask. */
SIMD_BODY bool is_gray_row_body(const uint8_t *p, size_t count)
{
    enum { STEP = 3 * BLOCK };
    static const uint8_t inside[STEP] = {255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255,
                                         255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255,
                                         0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0,   255, 255, 0};
    uint8_t differences[STEP] = {0}, any = 0;
    size_t at = 0, bytes = 3 * count;
    for (; at + STEP < bytes; at += STEP) /* less than: the comparison reads a byte beyond the block */
        for (size_t i = 0; i < STEP; i++)
            differences[i] |= (uint8_t)((p[at + i] ^ p[at + i + 1]) & inside[i]);
    for (size_t i = 0; i < STEP; i++)
        any |= differences[i];
    for (; at < bytes; at += 3)
        any |= (uint8_t)((p[at] ^ p[at + 1]) | (p[at] ^ p[at + 2]));
    return !any;
}
SIMD_CLONES(bool, is_gray_row, (const uint8_t *p, size_t count), (p, count))

static bool is_gray(plane rgb)
{
    for (size_t y = 0; y < rgb.height; y++)
        if (!is_gray_row(rgb.data + y * rgb.stride, rgb.width))
            return false;
    return true;
}

SIMD_BODY void take_first_channel_body(uint8_t *restrict gray, const uint8_t *restrict rgb, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gray[i] = rgb[3 * i];
}
SIMD_CLONES(void, take_first_channel, (uint8_t *restrict gray, const uint8_t *restrict rgb, size_t count),
            (gray, rgb, count))

SIMD_BODY void replicate_channel_body(uint8_t *restrict rgb, const uint8_t *restrict gray, size_t count)
{
    for (size_t i = 0; i < count; i++)
        rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = gray[i];
}
SIMD_CLONES(void, replicate_channel, (uint8_t *restrict rgb, const uint8_t *restrict gray, size_t count),
            (rgb, gray, count))

/* --- all together --- */

typedef struct layout {
    size_t columns, rows, gray_in, gray_out, total; /* offsets into the scratch */
} layout;

/* False if the sizes overflow. The picture itself exists, so its own size does not. */
static bool plan_scratch(layout *plan, plane out, plane in, size_t rows, bool gray)
{
    size_t pixels, kept;
    if (!ssfer_mul_size(out.width, out.height, &pixels) || !ssfer_mul_size(pixels, 64, &(size_t){0}) ||
        !ssfer_mul_size(out.width, in.height, &kept) || !ssfer_mul_size(kept, 64, &(size_t){0}) ||
        !ssfer_mul_size(in.width, in.height, &kept) || !ssfer_mul_size(kept, 64, &(size_t){0}))
        return false;
    size_t at = 0, channels = gray ? 1 : 3;
    plan->columns = at;
    at += columns_bytes(in.width * channels) + columns_bytes(out.width * channels);
    plan->rows = at;
    at += rows * out.width * channels;
    plan->gray_in = at;
    at += gray ? in.width * in.height : 0;
    plan->gray_out = at;
    at += gray ? pixels : 0;
    plan->total = at;
    return true;
}

static ssfer_status reserve_scratch(ssfer_resampler *r, size_t bytes, ssfer_error *err)
{
    if (bytes <= r->scratch_bytes)
        return SSFER_OK;
    ssfer_free(r->scratch); /* the old content is not wanted */
    r->scratch = ssfer_aligned_alloc(bytes);
    r->scratch_bytes = r->scratch ? bytes : 0;
    return r->scratch ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for a resize (%zu bytes)", bytes);
}

/* Which rows of the input the vertical pass reads; all of them if there is none. */
static void needed_rows(const ssfer_resampler *r, plane out, plane in, size_t *first, size_t *count)
{
    *first = 0;
    *count = in.height;
    if (in.height != out.height) {
        struct ssfer_resample_span last = r->vertical.spans[out.height - 1];
        *first = r->vertical.spans[0].first;
        *count = last.first + last.count - *first;
    }
}

/* A pass over an axis whose length stays is skipped: its weights would be 1. */
static void run_passes(ssfer_resampler *r, plane out, plane in, size_t first, size_t count, const layout *plan)
{
    bool vertical = in.height != out.height;
    plane rows = in;
    rows.data += first * in.stride;
    rows.height = count;
    if (in.width != out.width) {
        plane target = out;
        if (vertical)
            target = (plane){r->scratch + plan->rows, out.width * out.channels, out.width, count, out.channels};
        horizontal_pass(target, rows, &r->horizontal, r->scratch + plan->columns);
        rows = target;
    }
    if (vertical)
        vertical_pass(out, rows, &r->vertical, first);
}

static void copy_rows(plane out, plane in)
{
    for (size_t y = 0; y < out.height; y++)
        memcpy(out.data + y * out.stride, in.data + y * in.stride, out.width * out.channels);
}

static ssfer_status filtered(ssfer_resampler *r, plane out, plane in, ssfer_error *err)
{
    size_t first, count;
    layout plan;
    bool gray = is_gray(in);
    needed_rows(r, out, in, &first, &count);
    if (!plan_scratch(&plan, out, in, count, gray))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "resizing %zu x %zu to %zu x %zu pixels is out of range", in.width,
                          in.height, out.width, out.height);
    ssfer_status st = reserve_scratch(r, plan.total, err);
    if (st != SSFER_OK)
        return st;
    if (gray) {
        plane gray_in = {r->scratch + plan.gray_in, in.width, in.width, in.height, 1};
        plane gray_out = {r->scratch + plan.gray_out, out.width, out.width, out.height, 1};
        for (size_t y = 0; y < in.height; y++)
            take_first_channel(gray_in.data + y * gray_in.stride, in.data + y * in.stride, in.width);
        run_passes(r, gray_out, gray_in, first, count, &plan);
        replicate_channel(out.data, gray_out.data, out.width * out.height);
    } else {
        run_passes(r, out, in, first, count, &plan);
    }
    return SSFER_OK;
}

ssfer_status ssfer_resample(ssfer_resampler *r, uint8_t *out, size_t width, size_t height, const ssfer_image *in,
                            size_t left, size_t top, size_t w, size_t h, ssfer_filter filter, ssfer_error *err)
{
    if (width == 0 || height == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "cannot resize to %zu x %zu pixels; both must be at least 1", width,
                          height);
    if (w == 0 || h == 0 || w > in->width || left > in->width - w || h > in->height || top > in->height - h)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a part of %zu x %zu at %zu, %zu leaves the picture of %zu x %zu", w,
                          h, left, top, in->width, in->height);
    if (filter < SSFER_FILTER_NEAREST || filter > SSFER_FILTER_LANCZOS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "unknown resize filter %d", (int)filter);
    plane from = {in->data + 3 * (top * in->width + left), 3 * in->width, w, h, 3};
    plane to = {out, 3 * width, width, height, 3};
    if (w == width && h == height) {
        copy_rows(to, from);
        return SSFER_OK;
    }
    ssfer_status st = prepare_axis(&r->horizontal, w, width, filter, err);
    if (st == SSFER_OK)
        st = prepare_axis(&r->vertical, h, height, filter, err);
    if (st == SSFER_OK && filter == SSFER_FILTER_NEAREST)
        nearest(to, from, &r->horizontal, &r->vertical);
    else if (st == SSFER_OK)
        st = filtered(r, to, from, err);
    return st;
}

void ssfer_resampler_deinit(ssfer_resampler *r)
{
    deinit_axis(&r->horizontal);
    deinit_axis(&r->vertical);
    ssfer_free(r->scratch);
    *r = (ssfer_resampler){0};
}

ssfer_status ssfer_image_resized_crop(ssfer_image *out, const ssfer_image *in, size_t left, size_t top, size_t w,
                                      size_t h, size_t width, size_t height, ssfer_filter filter, ssfer_error *err)
{
    ssfer_resampler r = {0};
    ssfer_image image;
    SSFER_REQUIRE(err, out, "out");
    SSFER_REQUIRE(err, in, "in");
    if (out == in)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "a picture resized into itself; give another one for the result");
    *out = (ssfer_image){0};
    SSFER_REQUIRE(err, in->data, "the picture's data");
    ssfer_status st = ssfer_image_create(&image, width, height, err);
    if (st == SSFER_OK)
        st = ssfer_resample(&r, image.data, width, height, in, left, top, w, h, filter, err);
    if (st == SSFER_OK)
        *out = image;
    else
        ssfer_image_deinit(&image);
    ssfer_resampler_deinit(&r);
    return st;
}

ssfer_status ssfer_image_resize(ssfer_image *out, const ssfer_image *in, size_t width, size_t height,
                                ssfer_filter filter, ssfer_error *err)
{
    SSFER_REQUIRE(err, in, "in");
    return ssfer_image_resized_crop(out, in, 0, 0, in->width, in->height, width, height, filter, err);
}
