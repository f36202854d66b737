/* Products in float32 by tiles (AMX) that multiply bfloat16: an operand is split into three parts of 8 significant bits
 * each, x = high + middle + low exactly, and of the nine products of parts the six that a float32 can tell apart are
 * summed. What is left out is below 2^-26 of |a b|, less than what rounding a single product to float32 costs. An
 * infinity becomes NaN, as does what is above the largest bfloat16 (3.39e38).
 *
 * Of 32 steps along the inner index and 32 rows or columns, the packed form of an operand has the three parts one after
 * the other, two tiles each: rows as they are for the left operand, pairs for the right one (amx.h). */
#ifndef SSFER_COMPUTE_CPU_SPLIT_TILES_H
#define SSFER_COMPUTE_CPU_SPLIT_TILES_H

#include "compute/cpu/amx.h"
#include "compute/cpu/vector_math.h"

#include <stdbool.h>

enum {
    PARTS = 3,
    PART = 2 * TILE_ACTS,  /* numbers of a part: two tiles */
    SPLIT = PARTS * PART,  /* and of all parts */
    SUMS = TILE * TILE,    /* numbers of a tile of sums */
    BLOCK_SUMS = 4 * SUMS, /* of a block: tiles (0, 0), (0, 1), (1, 0), (1, 1) */
};

/* The 16 numbers of one half as float32: shifted to the upper half of 32 bits. */
static inline __m512i half_as_floats(__m256i half)
{
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

/* 32 floats, as three lines of a tile's row. */
static inline void split_row(__m512i parts[PARTS], __m512 first, __m512 second)
{
    for (int p = 0; p < PARTS; p++) {
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
        parts[p] = both;
        first = _mm512_sub_ps(first, _mm512_castsi512_ps(half_as_floats(_mm512_castsi512_si256(both))));
        second = _mm512_sub_ps(second, _mm512_castsi512_ps(half_as_floats(_mm512_extracti64x4_epi64(both, 1))));
    }
}

/* 16 columns of two rows that follow each other, as three lines of pairs. */
static inline void split_pairs(__m512i parts[PARTS], __m512 even, __m512 odd)
{
    for (int p = 0; p < PARTS; p++) {
        const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even)),
                      high = half_as_floats((__m256i)_mm512_cvtneps_pbh(odd));
        parts[p] = _mm512_or_si512(low, high);
        even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)));
        odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(high));
    }
}

#define SPLIT_PRODUCTS(a0, a1, b0, b1)                                                                                 \
    TILE_PRODUCT(0, a0, b0);                                                                                           \
    TILE_PRODUCT(1, a0, b1);                                                                                           \
    TILE_PRODUCT(2, a1, b0);                                                                                           \
    TILE_PRODUCT(3, a1, b1)

#define SPLIT_LOAD(first, second, from)                                                                                \
    TILE_LOAD(first, from, TILE_BYTES);                                                                                \
    TILE_LOAD(second, (from) + TILE_ACTS, TILE_BYTES)

/* The tiles of sums += a b, packed pieces of 32 steps. A part that has been loaded serves as many products as it can
 * before the next one takes its place: a load costs half as much as a product. */
static inline void split_step(const uint16_t *a, const uint16_t *b)
{
    const uint16_t *a_middle = a + PART, *a_low = a + 2 * PART, *b_middle = b + PART, *b_low = b + 2 * PART;
    SPLIT_LOAD(4, 5, a_low);
    SPLIT_LOAD(6, 7, b);
    SPLIT_PRODUCTS(4, 5, 6, 7);
    SPLIT_LOAD(4, 5, a_middle);
    SPLIT_PRODUCTS(4, 5, 6, 7);
    SPLIT_LOAD(6, 7, b_middle);
    SPLIT_PRODUCTS(4, 5, 6, 7);
    SPLIT_LOAD(4, 5, a);
    SPLIT_PRODUCTS(4, 5, 6, 7);
    SPLIT_LOAD(6, 7, b_low);
    SPLIT_PRODUCTS(4, 5, 6, 7);
    SPLIT_LOAD(6, 7, b);
    SPLIT_PRODUCTS(4, 5, 6, 7);
}

static inline void split_zero(void)
{
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
}

static inline void split_store(float *sums)
{
    TILE_STORE(0, sums, TILE_BYTES);
    TILE_STORE(1, sums + SUMS, TILE_BYTES);
    TILE_STORE(2, sums + 2 * SUMS, TILE_BYTES);
    TILE_STORE(3, sums + 3 * SUMS, TILE_BYTES);
}

#endif
