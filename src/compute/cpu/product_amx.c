/* Products with weights by tiles (AMX). oneDNN 2.6 reaches 0.8 to 1.2 TFLOP/s of a core on a transformer's shapes, this
 * about 2 where operands come from the caches, of the 3.3 that the tiles alone can do. Loading two tiles of each
 * operand for four products keeps the tiles busy only when one operand comes from the first-level cache. */
#include "compute/cpu/amx.h"
#include "compute/cpu/kernels.h"

/* A block is four tiles of sums; a piece of b is 16 KiB. */
enum {
    ROWS = 2 * TILE,
    DEPTH = 8 * TILE_K,
    PANEL_BLOCKS = 8,
    PANEL_BYTES = 768 << 10,
    PANEL_DEPTH = 1 << 24,
    PARTS = 1
};
typedef act packed;

#include "compute/cpu/panel_product.h"

enum { PAIR = 2 * TILE_ACTS /* two tiles of an operand, which lie side by side */, SUMS = TILE * TILE };

bool CPU(product_fits)(size_t K, size_t J)
{
    return K % TILE_K == 0 && J % COLUMNS == 0 && K * ROWS * sizeof(act) <= PANEL_BYTES;
}

/* 32 floats as bfloat16. */
static inline __m512i narrow(const float *from)
{
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + VECTOR), _mm512_loadu_ps(from));
}

static void pack_transposed_strip(packed *to, const float *w, size_t first, size_t K)
{
    for (size_t k = 0; k < K; k += TILE_K)
        for (size_t t = 0; t < 2; t++, to += TILE_ACTS) {
            __m512i rows[TILE];
            for (size_t i = 0; i < TILE; i++)
                rows[i] = narrow(w + (first + t * TILE + i) * K + k);
            vector_transpose(rows);
            tile_fill(to, rows);
        }
}

static void pack_strip(packed *to, const float *w, size_t first, size_t K, size_t J, bool transposed)
{
    if (transposed) {
        pack_transposed_strip(to, w, first, K);
        return;
    }
    for (size_t k = 0; k < K; k += TILE_K, to += PAIR) {
        __m512i low[TILE], high[TILE];
        for (size_t i = 0; i < TILE; i++) {
            const float *row = w + (k + 2 * i) * J + first;
            const __m512i even = narrow(row), odd = narrow(row + J);
            low[i] = tile_pairs_low(even, odd);
            high[i] = tile_pairs_high(even, odd);
        }
        tile_fill(to, low);
        tile_fill(to + TILE_ACTS, high);
    }
}

static void pack_panel(packed *to, const act *x, size_t first, size_t blocks, size_t k, size_t depth, size_t M,
                       size_t K)
{
    for (size_t b = 0; b < blocks; b++, to += ROWS * depth)
        for (size_t i = 0; i < ROWS; i++) {
            const size_t row = first + b * ROWS + i;
            for (size_t j = 0; j < depth; j += TILE_K)
                _mm512_store_si512(to + j * ROWS + i * TILE_K,
                                   row < M ? _mm512_loadu_si512(x + row * K + k + j) : _mm512_setzero_si512());
        }
}

static void multiply_block(float *sums, bool start, const packed *a, const packed *b, size_t depth, meanwhile *work)
{
    const size_t rows_a_step = (ROWS * TILE_K + depth - 1) / depth;
    if (start) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    } else {
        TILE_LOAD(0, sums, TILE_BYTES);
        TILE_LOAD(1, sums + SUMS, TILE_BYTES);
        TILE_LOAD(2, sums + 2 * SUMS, TILE_BYTES);
        TILE_LOAD(3, sums + 3 * SUMS, TILE_BYTES);
    }
    for (size_t k = 0; k < depth; k += TILE_K, a += PAIR, b += PAIR) {
        TILE_LOAD(4, a, TILE_BYTES);
        TILE_LOAD(6, b, TILE_BYTES);
        TILE_PRODUCT(0, 4, 6);
        TILE_LOAD(7, b + TILE_ACTS, TILE_BYTES);
        TILE_PRODUCT(1, 4, 7);
        TILE_LOAD(5, a + TILE_ACTS, TILE_BYTES);
        TILE_PRODUCT(2, 5, 6);
        ask_for_next(work);
        TILE_PRODUCT(3, 5, 7);
        finish_rows(work, rows_a_step);
    }
    TILE_STORE(0, sums, TILE_BYTES);
    TILE_STORE(1, sums + SUMS, TILE_BYTES);
    TILE_STORE(2, sums + 2 * SUMS, TILE_BYTES);
    TILE_STORE(3, sums + 3 * SUMS, TILE_BYTES);
}

static const float *sums_low(const float *sums, size_t i)
{
    return sums + i / TILE * 2 * SUMS + i % TILE * TILE;
}

static const float *sums_high(const float *sums, size_t i)
{
    return sums_low(sums, i) + SUMS;
}

static void begin_thread(void)
{
    tiles_configure();
}

static void end_thread(void)
{
    tiles_release();
}
