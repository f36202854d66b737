/* Products with weights by tiles (AMX). oneDNN 2.6 reaches 0.8 to 1.2 TFLOP/s of a core on a transformer's shapes in
 * bfloat16, this about 2 where operands come from the caches, of the 3.1 that the tiles alone can do. In float32 six
 * products of tiles take less time than one in AVX-512: 300 GFLOP/s of a core beside 190. */
#include "compute/cpu/tile_piece.h"

#ifdef CPU_BF16
/* A piece of b is 16 KiB. */
enum { DEPTH = 8 * TILE_K, PANEL_DEPTH = 1 << 24, PANEL_BYTES = 768 << 10 };
#else
/* A panel of 768 columns is 144 KiB a block; sums stay in the tiles all along. */
enum { DEPTH = 24 * TILE_K, PANEL_DEPTH = DEPTH, PANEL_BYTES = 1200 << 10 };
#endif
enum { ROWS = PIECE_SIDE, PANEL_BLOCKS = 8 };
typedef uint16_t packed;

#include "compute/cpu/panel_product.h"

bool CPU(product_fits)(size_t K, size_t J)
{
    return K % TILE_K == 0 && J % COLUMNS == 0 && panel_blocks(K) > 0;
}

static void pack_transposed(packed *to, const float *w, size_t K)
{
    for (size_t k = 0; k < K; k += TILE_K, to += PIECE)
        for (size_t t = 0; t < 2; t++) {
            __m512i rows[PARTS][TILE], lines[PARTS];
            for (size_t i = 0; i < TILE; i++) {
                piece_row_of_floats(lines, w + (t * TILE + i) * K + k);
                for (size_t p = 0; p < PARTS; p++)
                    rows[p][i] = lines[p];
            }
            for (size_t p = 0; p < PARTS; p++) {
                vector_transpose(rows[p]);
                tile_fill(to + p * PART + t * TILE_ACTS, rows[p]);
            }
        }
}

static void pack_rows(packed *to, const float *w, size_t rows, size_t J)
{
    (void)rows; /* K is a multiple of UNIT */
    for (size_t i = 0; i < TILE; i++) {
        const float *even = w + 2 * i * J;
        __m512i lines[2][PARTS];
        piece_pairs_of_floats(lines, even, even + J);
        piece_put(to, 0, i, lines[0]);
        piece_put(to, 1, i, lines[1]);
    }
}

static void pack_panel(packed *to, const act *x, size_t first, size_t blocks, size_t k, size_t depth, size_t M,
                       size_t K)
{
    for (size_t b = 0; b < blocks; b++, to += ROWS * depth * PARTS)
        for (size_t i = 0; i < ROWS; i++) {
            const size_t row = first + b * ROWS + i;
            const act *from = x + row * K + k;
            for (size_t j = 0; j < depth; j += TILE_K) {
                __m512i lines[PARTS] = {_mm512_setzero_si512()};
                if (row < M)
                    piece_row(lines, from + j);
                piece_put(to + j / TILE_K * PIECE, 0, i, lines);
            }
        }
}

static void multiply_block(float *sums, bool start, const packed *a, const packed *b, size_t depth, meanwhile *work)
{
    const size_t rows_a_step = (ROWS * TILE_K + depth - 1) / depth;
    if (start)
        block_zero();
    else
        block_load(sums);
    for (size_t k = 0; k < depth; k += TILE_K, a += PIECE, b += PIECE) {
        piece_product(a, b);
        ask_for_next(work);
        finish_rows(work, rows_a_step);
    }
    block_store(sums);
}

static const float *sums_low(const float *sums, size_t i)
{
    return block_low(sums, i);
}

static const float *sums_high(const float *sums, size_t i)
{
    return block_high(sums, i);
}

static void begin_thread(void)
{
    tiles_configure();
}

static void end_thread(void)
{
    tiles_release();
}
