/* The kernels of compute/cpu/conv_winograd.h, compiled once per instruction-set level. */
#include "compute/cpu/conv_winograd.h"
#include "compute/cpu/simd_math.h"
#include "compute/cpu/tile_product.h"

#include <omp.h>

enum { C8 = SSFER_CONV_BLOCK, IN = SSFER_WINOGRAD_IN, OUT = SSFER_WINOGRAD_OUT, PRODUCTS = SSFER_WINOGRAD_PRODUCTS };

typedef float block __attribute__((vector_size(4 * C8), aligned(4), may_alias)); /* 8 channels of a pixel */

static const float A1 = SSFER_WINOGRAD_A, A2 = SSFER_WINOGRAD_A * SSFER_WINOGRAD_A, A3 = A2 * A1;
static const float B1 = SSFER_WINOGRAD_B, B2 = SSFER_WINOGRAD_B * SSFER_WINOGRAD_B, B3 = B2 * B1;

/* t = B' d along one line; strides in blocks. The rows of B' are the coefficients of the polynomials that vanish at all
 * points but one. */
static inline __attribute__((always_inline)) void line_in(block *t, size_t to, const block *d, size_t from)
{
    const block d0 = d[0], d1 = d[from], d2 = d[2 * from], d3 = d[3 * from], d4 = d[4 * from], d5 = d[5 * from];
    const block even_a = d4 - B2 * d2, odd_a = A1 * (d3 - B2 * d1);
    const block even_b = d4 - A2 * d2, odd_b = B1 * (d3 - A2 * d1);
    t[0] = d4 - (A2 + B2) * d2 + A2 * B2 * d0;
    t[to] = even_a + odd_a;
    t[2 * to] = even_a - odd_a;
    t[3 * to] = even_b + odd_b;
    t[4 * to] = even_b - odd_b;
    t[5 * to] = d5 - (A2 + B2) * d3 + A2 * B2 * d1;
}

/* y = A' m along one line: the polynomial's values at the points become its coefficients. */
static inline __attribute__((always_inline)) void line_out(block *y, size_t to, const block *m, size_t from)
{
    const block sum_a = m[from] + m[2 * from], difference_a = m[from] - m[2 * from];
    const block sum_b = m[3 * from] + m[4 * from], difference_b = m[3 * from] - m[4 * from];
    y[0] = m[0] + sum_a + sum_b;
    y[to] = A1 * difference_a + B1 * difference_b;
    y[2 * to] = A2 * sum_a + B2 * sum_b;
    y[3 * to] = A3 * difference_a + B3 * difference_b + m[5 * from];
}

/* The 6x6 inputs of the tile whose first output is (y, x), zeros outside of the picture. */
static const block *read_patch(block patch[PRODUCTS], size_t *pitch, const ssfer_winograd *w, const float *plane,
                               size_t y, size_t x)
{
    if (y > 0 && x > 0 && y + IN - 1 <= w->height && x + IN - 1 <= w->width) {
        *pitch = w->width;
        return (const block *)plane + (y - 1) * w->width + x - 1;
    }
    for (size_t i = 0; i < PRODUCTS; i++) {
        size_t py = y + i / IN, px = x + i % IN; /* by 1 too far, for the padding */
        bool inside = py > 0 && px > 0 && py <= w->height && px <= w->width;
        patch[i] = inside ? ((const block *)plane)[(py - 1) * w->width + px - 1] : (block){0};
    }
    *pitch = IN;
    return patch;
}

/* v [36][rows][in]: the transformed inputs of the tiles from `first` on; `matrix` floats from one product to the next.
 */
static void transform_in(float *v, size_t matrix, const ssfer_winograd *w, size_t first, size_t rows)
{
    const size_t across = (w->width + OUT - 1) / OUT;
    for (size_t c = 0; c < w->in_channels; c += C8)
        for (size_t r = 0; r < rows; r++) {
            block patch[PRODUCTS], half[PRODUCTS], whole[PRODUCTS];
            size_t pitch, t = first + r;
            const block *d =
                read_patch(patch, &pitch, w, w->in + c * w->height * w->width, t / across * OUT, t % across * OUT);
            for (size_t i = 0; i < IN; i++)
                line_in(half + i, IN, d + i, pitch);
            for (size_t i = 0; i < IN; i++)
                line_in(whole + i * IN, 1, half + i * IN, 1);
            for (size_t k = 0; k < PRODUCTS; k++)
                *(block *)(v + k * matrix + r * w->in_channels + c) = whole[k];
        }
}

static void activate(float *y, size_t n, ssfer_activation activation, float slope)
{
    if (activation == SSFER_ACTIVATION_SILU) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] / (1.0f + simd_exp(-y[i]));
    } else if (activation == SSFER_ACTIVATION_LEAKY_RELU) {
#pragma omp simd
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0.0f ? slope * y[i] : y[i];
    }
}

/* The outputs of 8 channels of one tile from the products m, one at every `matrix` floats. */
static void transform_out(float *plane, const float *m, size_t matrix, const ssfer_winograd *w, const float *bias,
                          size_t y, size_t x)
{
    block products[PRODUCTS], half[OUT * IN], out[OUT * OUT];
    for (size_t k = 0; k < PRODUCTS; k++)
        products[k] = *(const block *)(m + k * matrix);
    for (size_t i = 0; i < IN; i++)
        line_out(half + i, IN, products + i, IN);
    for (size_t i = 0; i < OUT; i++)
        line_out(out + i * OUT, 1, half + i * IN, 1);
    for (size_t i = 0; i < OUT * OUT; i++)
        out[i] += *(const block *)bias;
    activate((float *)out, OUT * OUT * C8, w->activation, w->slope);
    const size_t rows = w->height - y < OUT ? w->height - y : OUT, columns = w->width - x < OUT ? w->width - x : OUT;
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < columns; k++)
            ((block *)plane)[(y + i) * w->width + x + k] = out[i * OUT + k];
}

/* Tiles [first, first + rows), with scratch for `most` of them. */
static void compute_tiles(const ssfer_winograd *w, size_t first, size_t rows, size_t most, float *scratch)
{
    const size_t across = (w->width + OUT - 1) / OUT, in = w->in_channels, out = (w->out_channels + 15) / 16 * 16;
    const size_t v_matrix = most * in + SSFER_WINOGRAD_GAP, m_matrix = most * SSFER_WINOGRAD_PANEL + SSFER_WINOGRAD_GAP;
    float *v = scratch, *m = v + PRODUCTS * v_matrix;
    transform_in(v, v_matrix, w, first, rows);
    for (size_t o = 0; o < w->out_channels; o += SSFER_WINOGRAD_PANEL) {
        const size_t panel = out - o < SSFER_WINOGRAD_PANEL ? out - o : SSFER_WINOGRAD_PANEL;
        for (size_t k = 0; k < PRODUCTS; k++)
            product(rows, panel, in, v + k * v_matrix, in, 1, w->weights + (k * out + o) * in, panel, m + k * m_matrix,
                    panel);
        for (size_t c = 0; c < panel && o + c < w->out_channels; c += C8)
            for (size_t r = 0; r < rows; r++)
                transform_out(w->out + (o + c) * w->height * w->width, m + r * panel + c, m_matrix, w, w->bias + o + c,
                              (first + r) / across * OUT, (first + r) % across * OUT);
    }
}

void CPU(winograd)(const ssfer_winograd *w);
void CPU(winograd)(const ssfer_winograd *w)
{
    const size_t tiles = ((w->height + OUT - 1) / OUT) * ((w->width + OUT - 1) / OUT);
    const size_t most = ssfer_winograd_block_tiles(w->in_channels, tiles), blocks = (tiles + most - 1) / most;
    const size_t each = PRODUCTS * (most * (w->in_channels + SSFER_WINOGRAD_PANEL) + 2 * SSFER_WINOGRAD_GAP);
    // NOLINTNEXTLINE(clang-analyzer-deadcode.DeadStores): the pragma reads it
    const size_t here = omp_in_parallel() ? 1 : (size_t)omp_get_max_threads();
#pragma omp parallel for num_threads((int)(here < w->threads ? here : w->threads)) schedule(dynamic)
    for (size_t b = 0; b < blocks; b++) {
        size_t first = b * most, rows = tiles - first < most ? tiles - first : most;
        compute_tiles(w, first, rows, most, w->scratch + (size_t)omp_get_thread_num() * each);
    }
}
