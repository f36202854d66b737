/* What attention does with rows, on levels without AVX-512; attention_rows_avx512.h has the same functions for those
 * with it. */
#ifndef SSFER_COMPUTE_CPU_ATTENTION_ROWS_H
#define SSFER_COMPUTE_CPU_ATTENTION_ROWS_H

#include "compute/cpu/simd_math.h"

#include <math.h>
#include <string.h>

/* to (D, pitch) = the rows (N, D) of one head transposed, `from` having `stride` floats between tokens: token n becomes
 * column n; the padding is zeroed. */
static void copy_transposed(float *to, size_t pitch, const float *from, size_t stride, size_t N, size_t D)
{
    for (size_t d = 0; d < D; d++) {
        for (size_t n = 0; n < N; n++)
            to[d * pitch + n] = from[n * stride + d];
        memset(to + d * pitch + N, 0, (pitch - N) * sizeof *to);
    }
}

/* row (N) = exp(scale * (row - max)), not yet divided; the padding becomes 0. Returns the sum, *max_out the maximum of
 * the scaled row. */
static float exponentials(float *row, size_t N, size_t pitch, float scale, float *max_out)
{
    float most = -INFINITY, total = 0.0f;
#pragma omp simd reduction(max : most)
    for (size_t j = 0; j < N; j++)
        most = row[j] > most ? row[j] : most;
#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < N; j++) {
        row[j] = simd_exp(scale * (row[j] - most));
        total += row[j];
    }
    memset(row + N, 0, (pitch - N) * sizeof *row);
    *max_out = scale * most;
    return total;
}

/* row (N) = exp(scale * row - shift); the padding becomes 0. */
static void shifted_exponentials(float *row, size_t N, size_t pitch, float scale, float shift)
{
#pragma omp simd
    for (size_t j = 0; j < N; j++)
        row[j] = simd_exp(scale * row[j] - shift);
    memset(row + N, 0, (pitch - N) * sizeof *row);
}

#endif
