/* Sixteen floats at a time (AVX-512): 2^t, the normal distribution, sums over rows, transposes, bfloat16. */
#ifndef SSFER_COMPUTE_CPU_VECTOR_MATH_H
#define SSFER_COMPUTE_CPU_VECTOR_MATH_H

#include <immintrin.h>
#include <stddef.h>

enum { VECTOR = 16 };

#define LOG2_E 1.44269504f

/* A mask of the first n lanes, all 16 from there on. */
static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(n >= VECTOR ? 0xFFFFu : (1u << n) - 1u);
}

/* 2^t to 2^-22 of the result; 0 far below and infinity far above the range of a float; a NaN stays one. The fraction
 * f = t - floor(t) goes through the minimax polynomial of tools/fit_exp2.py, 2^floor(t) into the exponent. */
static inline __m512 vector_exp2(__m512 t)
{
    const __m512 f = _mm512_reduce_ps(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 p = _mm512_set1_ps(1.87757669e-3f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(8.98933969e-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(5.58263175e-2f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(2.40153611e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(6.93153083e-1f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(9.99999940e-1f));
    return _mm512_scalef_ps(p, t);
}

/* The standard normal distribution function less 1/2, to 2.2e-7: x P(x^2) / Q(x^2), |x| clamped to 5.543 where it is
 * 1/2 in float32. The fit is simd_erf's (tools/fit_erf.py) at x / sqrt 2, halved. The division is a table's 14 bits of
 * 1/Q and one step of Newton's. */
static inline __m512 vector_phi(__m512 x)
{
    const __m512 c =
        _mm512_min_ps(_mm512_set1_ps(5.5437172f), _mm512_max_ps(_mm512_set1_ps(-5.5437172f), x)); /* NaN: the second */
    const __m512 z = _mm512_mul_ps(c, c), half = _mm512_set1_ps(0.5f);
    __m512 p = _mm512_set1_ps(-7.07068961e-11f);
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(5.09241879e-08f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(8.32520777e-06f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(1.69645706e-04f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(4.79453757e-03f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(3.27277444e-02f));
    p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(3.98942301e-01f));
    __m512 q = _mm512_set1_ps(1.94994436e-06f);
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(8.13453298e-05f));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(1.92875986e-03f));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(2.84685027e-02f));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(2.48702988e-01f));
    q = _mm512_fmadd_ps(q, z, _mm512_set1_ps(1.0f));
    const __m512 near = _mm512_rcp14_ps(q);
    const __m512 inverse = _mm512_fmadd_ps(near, _mm512_fnmadd_ps(q, near, _mm512_set1_ps(1.0f)), near);
    const __m512 e = _mm512_mul_ps(_mm512_mul_ps(c, p), inverse);
    /* The fit overshoots by one ulp, which GELU would multiply by a large x. */
    return _mm512_min_ps(half, _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), half), e));
}

/* x Phi(x). */
static inline __m512 vector_gelu(__m512 x)
{
    return _mm512_fmadd_ps(x, vector_phi(x), _mm512_mul_ps(x, _mm512_set1_ps(0.5f)));
}

/* ---- a row of a 16 x 16 matrix in each register ------------------------------------------------------------------ */

/* Rows to columns, 32 bits each. */
static inline void vector_transpose(__m512i r[VECTOR])
{
    __m512i t[VECTOR];
    for (int i = 0; i < VECTOR; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < VECTOR; i += 4) { /* r[i + c]: column c of each 128-bit lane, of rows i .. i + 3 */
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int c = 0; c < 4; c++) {
        t[c] = _mm512_shuffle_i32x4(r[c], r[c + 4], 0x88);
        t[c + 4] = _mm512_shuffle_i32x4(r[c], r[c + 4], 0xDD);
        t[c + 8] = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0x88);
        t[c + 12] = _mm512_shuffle_i32x4(r[c + 8], r[c + 12], 0xDD);
    }
    for (int c = 0; c < 4; c++) {
        r[c] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0x88);
        r[c + 8] = _mm512_shuffle_i32x4(t[c], t[c + 8], 0xDD);
        r[c + 4] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0x88);
        r[c + 12] = _mm512_shuffle_i32x4(t[c + 4], t[c + 12], 0xDD);
    }
}

/* Lane i of the result: the sum, or the maximum, of the lanes of v[i]. Halves are folded while four, then two, then one
 * row at a time still fit beside each other. */
#define VECTOR_FOLD(name, op)                                                                                          \
    static inline __m512 name(const __m512 v[VECTOR])                                                                  \
    {                                                                                                                  \
        __m512 half[8], quarter[4], lane[2];                                                                           \
        for (int i = 0; i < 8; i++)                                                                                    \
            half[i] = op(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));      \
        for (int i = 0; i < 4; i++) {                                                                                  \
            const __m512d a = _mm512_castps_pd(half[2 * i]), b = _mm512_castps_pd(half[2 * i + 1]);                    \
            quarter[i] = op(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));   \
        }                                                                                                              \
        for (int i = 0; i < 2; i++)                                                                                    \
            lane[i] = op(_mm512_shuffle_f32x4(quarter[2 * i], quarter[2 * i + 1], 0x44),                               \
                         _mm512_shuffle_f32x4(quarter[2 * i], quarter[2 * i + 1], 0xEE));                              \
        return op(_mm512_shuffle_f32x4(lane[0], lane[1], 0x88), _mm512_shuffle_f32x4(lane[0], lane[1], 0xDD));         \
    }
VECTOR_FOLD(vector_row_sums, _mm512_add_ps)
VECTOR_FOLD(vector_row_maxima, _mm512_max_ps)
#undef VECTOR_FOLD

#endif
