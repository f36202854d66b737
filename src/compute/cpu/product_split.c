/* Products with weights in float32 by tiles (AMX), see split_tiles.h. Six products of bfloat16 tiles take less time
 * than one in AVX-512: 300 GFLOP/s of a core beside 190. */
#include "compute/cpu/split_tiles.h"

#include "compute/cpu/kernels.h"

/* A panel of 768 columns is 144 KiB a block; its sums stay in the tiles all along. */
enum { ROWS = 2 * TILE, PANEL_DEPTH = 24 * TILE_K, DEPTH = PANEL_DEPTH, PANEL_BLOCKS = 8, PANEL_BYTES = 1200 << 10 };
typedef uint16_t packed;

#include "compute/cpu/panel_product.h"

bool CPU(product_fits)(size_t K, size_t J)
{
    return K % TILE_K == 0 && J % COLUMNS == 0;
}

static void pack_transposed_strip(packed *to, const float *w, size_t first, size_t K)
{
    for (size_t k = 0; k < K; k += TILE_K, to += SPLIT)
        for (size_t t = 0; t < 2; t++) {
            const float *from = w + (first + t * TILE) * K + k;
            __m512i rows[PARTS][TILE];
            for (size_t i = 0; i < TILE; i++, from += K) {
                __m512i parts[PARTS];
                split_row(parts, _mm512_loadu_ps(from), _mm512_loadu_ps(from + VECTOR));
                for (size_t p = 0; p < PARTS; p++)
                    rows[p][i] = parts[p];
            }
            for (size_t p = 0; p < PARTS; p++) {
                vector_transpose(rows[p]);
                tile_fill(to + p * PART + t * TILE_ACTS, rows[p]);
            }
        }
}

static void pack_strip(packed *to, const float *w, size_t first, size_t K, size_t J, bool transposed)
{
    if (transposed) {
        pack_transposed_strip(to, w, first, K);
        return;
    }
    for (size_t k = 0; k < K; k += TILE_K, to += SPLIT)
        for (size_t i = 0; i < TILE; i++)
            for (size_t t = 0; t < 2; t++) {
                const float *row = w + (k + 2 * i) * J + first + t * TILE;
                __m512i parts[PARTS];
                split_pairs(parts, _mm512_loadu_ps(row), _mm512_loadu_ps(row + J));
                for (size_t p = 0; p < PARTS; p++)
                    _mm512_storeu_si512(to + p * PART + t * TILE_ACTS + i * TILE_K, parts[p]);
            }
}

static void pack_panel(packed *to, const act *x, size_t first, size_t blocks, size_t k, size_t depth, size_t M,
                       size_t K)
{
    for (size_t b = 0; b < blocks; b++, to += ROWS * depth * PARTS)
        for (size_t i = 0; i < ROWS; i++) {
            const size_t row = first + b * ROWS + i;
            const float *from = x + row * K + k;
            for (size_t j = 0; j < depth; j += TILE_K) {
                __m512i parts[PARTS] = {_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512()};
                if (row < M)
                    split_row(parts, _mm512_loadu_ps(from + j), _mm512_loadu_ps(from + j + VECTOR));
                for (size_t p = 0; p < PARTS; p++)
                    _mm512_storeu_si512(to + j * ROWS * PARTS + p * PART + i * TILE_K, parts[p]);
            }
        }
}

static void multiply_block(float *sums, bool start, const packed *a, const packed *b, size_t depth, meanwhile *work)
{
    const size_t rows_a_step = (ROWS * TILE_K + depth - 1) / depth;
    (void)start; /* always: a piece is as deep as a panel */
    split_zero();
    for (size_t k = 0; k < depth; k += TILE_K, a += SPLIT, b += SPLIT) {
        split_step(a, b);
        ask_for_next(work);
        finish_rows(work, rows_a_step);
    }
    split_store(sums);
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
