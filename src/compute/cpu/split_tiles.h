/* Pieces of float32 (tile_piece.h), for tiles that multiply bfloat16: a number is split into three parts of 8
 * significant bits each, x = high + middle + low exactly, and of the nine products of parts the six that a float32 can
 * tell apart are summed. What is left out is below 2^-26 of |a b|, less than what rounding a single product to float32
 * costs. An infinity becomes NaN, as does what is above the largest bfloat16 (3.39e38).
 *
 * Henry, Tang, Heinecke 2019, "Leveraging the bfloat16 Artificial Intelligence Datatype For Higher-Precision
 * Computations". */
#ifndef SSFER_COMPUTE_CPU_SPLIT_TILES_H
#define SSFER_COMPUTE_CPU_SPLIT_TILES_H

#include "compute/cpu/amx.h"
#include "compute/cpu/vector_math.h"

enum { PARTS = 3 /* high, middle, low */, PART = 2 * TILE_ACTS /* numbers of a part: two tiles */ };

#define SPLIT_LOAD(first, second, from)                                                                                \
    TILE_LOAD(first, from, TILE_BYTES);                                                                                \
    TILE_LOAD(second, (from) + TILE_ACTS, TILE_BYTES)

#define SPLIT_PRODUCTS()                                                                                               \
    TILE_PRODUCT(0, 4, 6);                                                                                             \
    TILE_PRODUCT(1, 4, 7);                                                                                             \
    TILE_PRODUCT(2, 5, 6);                                                                                             \
    TILE_PRODUCT(3, 5, 7)

/* A part that has been loaded serves as many products as it can before the next one takes its place: a load costs half
 * as much as a product. */
static inline void piece_product(const uint16_t *a, const uint16_t *b)
{
    const uint16_t *a_middle = a + PART, *a_low = a + 2 * PART, *b_middle = b + PART, *b_low = b + 2 * PART;
    SPLIT_LOAD(4, 5, a_low);
    SPLIT_LOAD(6, 7, b);
    SPLIT_PRODUCTS();
    SPLIT_LOAD(4, 5, a_middle);
    SPLIT_PRODUCTS();
    SPLIT_LOAD(6, 7, b_middle);
    SPLIT_PRODUCTS();
    SPLIT_LOAD(4, 5, a);
    SPLIT_PRODUCTS();
    SPLIT_LOAD(6, 7, b_low);
    SPLIT_PRODUCTS();
    SPLIT_LOAD(6, 7, b);
    SPLIT_PRODUCTS();
}

/* 16 numbers of bfloat16 as float32: shifted to the upper half of 32 bits. */
static inline __m512i half_as_floats(__m256i half)
{
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16);
}

static inline void piece_row(__m512i lines[PARTS], const float *from)
{
    __m512 first = _mm512_loadu_ps(from), second = _mm512_loadu_ps(from + VECTOR);
    for (int p = 0; p < PARTS; p++) {
        const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(second, first);
        lines[p] = both;
        first = _mm512_sub_ps(first, _mm512_castsi512_ps(half_as_floats(_mm512_castsi512_si256(both))));
        second = _mm512_sub_ps(second, _mm512_castsi512_ps(half_as_floats(_mm512_extracti64x4_epi64(both, 1))));
    }
}

static inline void split_pairs(__m512i lines[PARTS], __m512 even, __m512 odd)
{
    for (int p = 0; p < PARTS; p++) {
        const __m512i low = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(even)),
                      high = half_as_floats((__m256i)_mm512_cvtneps_pbh(odd));
        lines[p] = _mm512_or_si512(low, high);
        even = _mm512_sub_ps(even, _mm512_castsi512_ps(_mm512_slli_epi32(low, 16)));
        odd = _mm512_sub_ps(odd, _mm512_castsi512_ps(high));
    }
}

static inline void piece_pairs(__m512i lines[2][PARTS], const float *even, const float *odd)
{
    split_pairs(lines[0], _mm512_loadu_ps(even), _mm512_loadu_ps(odd));
    split_pairs(lines[1], _mm512_loadu_ps(even + VECTOR), _mm512_loadu_ps(odd + VECTOR));
}

static inline void piece_row_of_floats(__m512i lines[PARTS], const float *from)
{
    piece_row(lines, from);
}

static inline void piece_pairs_of_floats(__m512i lines[2][PARTS], const float *even, const float *odd)
{
    piece_pairs(lines, even, odd);
}

static inline __m512 piece_floats(const float *from)
{
    return _mm512_loadu_ps(from);
}

#endif
