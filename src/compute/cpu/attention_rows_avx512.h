/* The functions of attention_rows.h, sixteen floats at a time; `pitch` is a multiple of 16. */
#ifndef SSFER_COMPUTE_CPU_ATTENTION_ROWS_H
#define SSFER_COMPUTE_CPU_ATTENTION_ROWS_H

#include "compute/cpu/vector_math.h"

#include <math.h>

static void copy_transposed(float *to, size_t pitch, const float *from, size_t stride, size_t N, size_t D)
{
    for (size_t n = 0; n < N; n += VECTOR)
        for (size_t d = 0; d < D; d += VECTOR) {
            const __mmask16 columns = first_lanes(D - d);
            __m512i r[VECTOR];
            for (size_t i = 0; i < VECTOR; i++)
                r[i] =
                    n + i < N ? _mm512_maskz_loadu_epi32(columns, from + (n + i) * stride + d) : _mm512_setzero_si512();
            vector_transpose(r);
            for (size_t i = 0; i < VECTOR && d + i < D; i++)
                _mm512_storeu_si512(to + (d + i) * pitch + n, r[i]);
        }
}

/* row (N) = 2^(scale * row - shift), the padding 0; returns the sums of the lanes. */
static inline __m512 powers(float *row, size_t N, size_t pitch, float scale, float shift)
{
    const __m512 factor = _mm512_set1_ps(scale), less = _mm512_set1_ps(shift);
    __m512 total = _mm512_setzero_ps();
    for (size_t j = 0; j < pitch; j += VECTOR) {
        const __mmask16 lanes = j < N ? first_lanes(N - j) : 0;
        const __m512 e =
            _mm512_maskz_mov_ps(lanes, vector_exp2(_mm512_fmsub_ps(_mm512_loadu_ps(row + j), factor, less)));
        _mm512_storeu_ps(row + j, e);
        total = _mm512_add_ps(total, e);
    }
    return total;
}

static float exponentials(float *row, size_t N, size_t pitch, float scale, float *max_out)
{
    __m512 most = _mm512_set1_ps(-INFINITY);
    for (size_t j = 0; j < N; j += VECTOR) /* a NaN is passed over here, and remains in the row */
        most = _mm512_mask_max_ps(most, first_lanes(N - j), _mm512_loadu_ps(row + j), most);
    const float top = _mm512_reduce_max_ps(most);
    *max_out = scale * top;
    return _mm512_reduce_add_ps(powers(row, N, pitch, scale * LOG2_E, scale * LOG2_E * top));
}

static void shifted_exponentials(float *row, size_t N, size_t pitch, float scale, float shift)
{
    powers(row, N, pitch, scale * LOG2_E, shift * LOG2_E);
}

#endif
