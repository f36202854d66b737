/* Pieces of operands for products by tiles (AMX), the same for both types of activations.
 *
 * A piece is 32 steps of the inner index by 32 rows or columns. Packed, it is two tiles for each of the PARTS that a
 * number is split into: rows as they are for the left operand of a product, pairs for the right one (amx.h). A product
 * of two pieces adds to the four tiles of sums (0, 0), (0, 1), (1, 0), (1, 1).
 *
 * plain_tiles.h (bfloat16) and split_tiles.h (float32) have:
 *   piece_product(a, b)                    the sums += a b
 *   piece_row(lines, from)                 32 numbers of a row: a line of each part
 *   piece_pairs(lines, even, odd)          32 columns of two rows that follow each other: of each tile, a line of pairs
 *                                          of each part
 *   piece_row_of_floats, piece_pairs_of_floats    the same of weights, which are float32 in any case
 *   piece_floats(from)                     16 activations as float32 */
#ifndef SSFER_COMPUTE_CPU_TILE_PIECE_H
#define SSFER_COMPUTE_CPU_TILE_PIECE_H

#include "compute/cpu/kernels.h"

#ifdef CPU_BF16
#    include "compute/cpu/plain_tiles.h"
#else
#    include "compute/cpu/split_tiles.h"
#endif

enum {
    PIECE_SIDE = 2 * TILE,
    PIECE = PARTS * PART,  /* numbers of a packed piece */
    SUMS = TILE * TILE,    /* of a tile of sums */
    BLOCK_SUMS = 4 * SUMS, /* of the four tiles */
};

/* Writes line i of tile 0 or 1 of a piece; counted from tile 0, lines 16 to 31 are those of tile 1. */
static inline void piece_put(uint16_t *piece, size_t tile, size_t i, const __m512i lines[PARTS])
{
    for (size_t p = 0; p < PARTS; p++)
        _mm512_storeu_si512(piece + p * PART + tile * TILE_ACTS + i * TILE_K, lines[p]);
}

/* Row i of a block of sums: columns 0 to 15, and 16 to 31. */
static inline const float *block_low(const float *sums, size_t i)
{
    return sums + i / TILE * 2 * SUMS + i % TILE * TILE;
}

static inline const float *block_high(const float *sums, size_t i)
{
    return block_low(sums, i) + SUMS;
}

static inline void block_zero(void)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
}

static inline void block_load(const float *sums)
{
    TILE_LOAD(0, sums, TILE_BYTES);
    TILE_LOAD(1, sums + SUMS, TILE_BYTES);
    TILE_LOAD(2, sums + 2 * SUMS, TILE_BYTES);
    TILE_LOAD(3, sums + 3 * SUMS, TILE_BYTES);
}

static inline void block_store(float *sums)
{
    TILE_STORE(0, sums, TILE_BYTES);
    TILE_STORE(1, sums + SUMS, TILE_BYTES);
    TILE_STORE(2, sums + 2 * SUMS, TILE_BYTES);
    TILE_STORE(3, sums + 3 * SUMS, TILE_BYTES);
}

#endif
