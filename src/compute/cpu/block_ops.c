#include "compute/cpu/block_ops.h"

#include "base/simd_clones.h"
#include "base/size.h"
#include "compute/cpu/conv.h"

#include <omp.h>
#include <stdint.h>
#include <string.h>

enum { B = SSFER_CONV_BLOCK };

/* ---- maximum pooling ---- */

SIMD_BODY void max_into(float *restrict m, const float *restrict x)
{
    for (int i = 0; i < B; i++)
        m[i] = x[i] > m[i] ? x[i] : m[i];
}

/* One row of output pixels; rows [y0, y1) of the input contribute, at least one. */
SIMD_BODY void pool_row_body(float *restrict out, const float *restrict in, const ssfer_block_pool *p, size_t y0,
                             size_t y1)
{
    for (size_t ox = 0; ox < p->out_width; ox++) {
        size_t left = ox * p->stride, end = ssfer_min_size(left + p->kernel, p->width + p->pad);
        size_t x0 = left > p->pad ? left - p->pad : 0, x1 = end - p->pad;
        float m[B];
        memcpy(m, in + (y0 * p->width + x0) * B, sizeof m);
        for (size_t y = y0; y < y1; y++)
            for (size_t x = x0; x < x1; x++)
                max_into(m, in + (y * p->width + x) * B);
        memcpy(out + ox * B, m, sizeof m);
    }
}
SIMD_CLONES(void, pool_row,
            (float *restrict out, const float *restrict in, const ssfer_block_pool *p, size_t y0, size_t y1),
            (out, in, p, y0, y1))

void ssfer_block_max_pool(float *out, const float *in, size_t blocks, const ssfer_block_pool *p)
{
    int64_t rows = (int64_t)(blocks * p->out_height);
#pragma omp parallel for schedule(static) if (!omp_in_parallel())
    for (int64_t r = 0; r < rows; r++) {
        size_t block = (size_t)r / p->out_height, top = (size_t)r % p->out_height * p->stride;
        size_t end = ssfer_min_size(top + p->kernel, p->height + p->pad);
        pool_row(out + (size_t)r * p->out_width * B, in + block * p->height * p->width * B, p,
                 top > p->pad ? top - p->pad : 0, end - p->pad);
    }
}

/* ---- upsampling, addition ---- */

static void upsample_row(float *restrict out, const float *restrict in, size_t width, size_t factor)
{
    for (size_t x = 0; x < width; x++)
        for (size_t f = 0; f < factor; f++)
            memcpy(out + (x * factor + f) * B, in + x * B, B * sizeof *out);
}

void ssfer_block_upsample(float *out, const float *in, size_t blocks, size_t height, size_t width, size_t factor)
{
    int64_t rows = (int64_t)(blocks * height);
    size_t row = width * factor * B;
#pragma omp parallel for schedule(static) if (!omp_in_parallel())
    for (int64_t r = 0; r < rows; r++) {
        float *to = out + (size_t)r * factor * row;
        upsample_row(to, in + (size_t)r * width * B, width, factor);
        for (size_t f = 1; f < factor; f++)
            memcpy(to + f * row, to, row * sizeof *to);
    }
}

SIMD_BODY void add_piece_body(float *restrict out, const float *restrict a, const float *restrict b, float alpha,
                              size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = a[i] + alpha * b[i];
}
SIMD_CLONES(void, add_piece,
            (float *restrict out, const float *restrict a, const float *restrict b, float alpha, size_t count),
            (out, a, b, alpha, count))

void ssfer_block_add(float *out, const float *a, const float *b, float alpha, size_t count)
{
    const size_t piece = 8192;
    int64_t pieces = (int64_t)((count + piece - 1) / piece);
#pragma omp parallel for schedule(static) if (!omp_in_parallel())
    for (int64_t i = 0; i < pieces; i++) {
        size_t at = (size_t)i * piece;
        add_piece(out + at, a + at, b + at, alpha, ssfer_min_size(piece, count - at));
    }
}

/* ---- moving channels ---- */

/* One output block: lanes 0, 2, 4, 6 from four lanes of a, the others from b. */
SIMD_BODY void interleave_block_body(float *restrict out, const float *restrict a, const float *restrict b,
                                     size_t pixels)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t i = 0; i < B / 2; i++) {
            out[p * B + 2 * i] = a[p * B + i];
            out[p * B + 2 * i + 1] = b[p * B + i];
        }
}
SIMD_CLONES(void, interleave_block,
            (float *restrict out, const float *restrict a, const float *restrict b, size_t pixels), (out, a, b, pixels))

void ssfer_block_interleave(float *out, const float *a, const float *b, size_t channels, size_t pixels)
{
    int64_t blocks = (int64_t)((2 * channels + B - 1) / B);
#pragma omp parallel for schedule(static) if (!omp_in_parallel())
    for (int64_t o = 0; o < blocks; o++) {
        size_t at = (size_t)o / 2 * pixels * B + (size_t)o % 2 * (B / 2);
        interleave_block(out + (size_t)o * pixels * B, a + at, b + at, pixels);
    }
}

static float *lane(const float *base, size_t channel, size_t pixels)
{
    return (float *)(uintptr_t)base + channel / B * pixels * B + channel % B;
}

void ssfer_block_copy(float *out, size_t out_first, const float *in, size_t in_first, size_t channels, size_t pixels)
{
    size_t whole = out_first % B == 0 && in_first % B == 0 ? channels / B * B : 0, block = pixels * B;
    float *to = lane(out, out_first, pixels);
    const float *from = lane(in, in_first, pixels);
    int64_t blocks = (int64_t)(whole / B);
#pragma omp parallel for schedule(static) if (!omp_in_parallel())
    for (int64_t i = 0; i < blocks; i++)
        memcpy(to + (size_t)i * block, from + (size_t)i * block, block * sizeof *to);
    for (size_t c = whole; c < channels; c++) { /* odd widths only; no published network comes here */
        to = lane(out, out_first + c, pixels);
        from = lane(in, in_first + c, pixels);
        for (size_t p = 0; p < pixels; p++)
            to[p * B] = from[p * B];
    }
}

void ssfer_block_space_to_depth(float *out, const float *in, size_t channels, size_t height, size_t width)
{
    size_t oh = height / 2, ow = width / 2;
    memset(out, 0, (4 * channels + B - 1) / B * B * oh * ow * sizeof *out); /* padding lanes */
    for (size_t q = 0; q < 4; q++)
        for (size_t c = 0; c < channels; c++) {
            float *to = lane(out, q * channels + c, oh * ow);
            const float *from = lane(in, c, height * width);
            for (size_t y = 0; y < oh; y++)
                for (size_t x = 0; x < ow; x++)
                    to[(y * ow + x) * B] = from[((2 * y + q % 2) * width + 2 * x + q / 2) * B];
        }
}

void ssfer_block_from_planes(float *out, const float *in, size_t channels, size_t pixels)
{
    memset(out, 0, (channels + B - 1) / B * pixels * B * sizeof *out);
    for (size_t c = 0; c < channels; c++) {
        float *to = lane(out, c, pixels);
        for (size_t p = 0; p < pixels; p++)
            to[p * B] = in[c * pixels + p];
    }
}

void ssfer_block_to_planes(float *out, const float *in, size_t channels, size_t pixels)
{
    for (size_t c = 0; c < channels; c++) {
        const float *from = lane(in, c, pixels);
        for (size_t p = 0; p < pixels; p++)
            out[c * pixels + p] = from[p * B];
    }
}
