/* Pieces of bfloat16 (tile_piece.h): one part each. Two tiles of each operand, loaded for four products, keep the tiles
 * busy for two thirds of the time: loads and products do not overlap. */
#ifndef SSFER_COMPUTE_CPU_PLAIN_TILES_H
#define SSFER_COMPUTE_CPU_PLAIN_TILES_H

#include "compute/cpu/amx.h"
#include "compute/cpu/vector_math.h"

enum { PARTS = 1, PART = 2 * TILE_ACTS /* numbers of a part: two tiles */ };

static inline void piece_product(const uint16_t *a, const uint16_t *b)
{
    TILE_LOAD(4, a, TILE_BYTES);
    TILE_LOAD(6, b, TILE_BYTES);
    TILE_PRODUCT(0, 4, 6);
    TILE_LOAD(7, b + TILE_ACTS, TILE_BYTES);
    TILE_PRODUCT(1, 4, 7);
    TILE_LOAD(5, a + TILE_ACTS, TILE_BYTES);
    TILE_PRODUCT(2, 5, 6);
    TILE_PRODUCT(3, 5, 7);
}

static inline void piece_row(__m512i lines[PARTS], const uint16_t *from)
{
    lines[0] = _mm512_loadu_si512(from);
}

static inline void piece_row_of_floats(__m512i lines[PARTS], const float *from)
{
    lines[0] = (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + VECTOR), _mm512_loadu_ps(from));
}

static inline void piece_pairs(__m512i lines[2][PARTS], const uint16_t *even, const uint16_t *odd)
{
    const __m512i e = _mm512_loadu_si512(even), o = _mm512_loadu_si512(odd);
    lines[0][0] = tile_pairs_low(e, o);
    lines[1][0] = tile_pairs_high(e, o);
}

static inline void piece_pairs_of_floats(__m512i lines[2][PARTS], const float *even, const float *odd)
{
    __m512i e[PARTS], o[PARTS];
    piece_row_of_floats(e, even);
    piece_row_of_floats(o, odd);
    lines[0][0] = tile_pairs_low(e[0], o[0]);
    lines[1][0] = tile_pairs_high(e[0], o[0]);
}

static inline __m512 piece_floats(const uint16_t *from)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256((const void *)from)), 16));
}

#endif
