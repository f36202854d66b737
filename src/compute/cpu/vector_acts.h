/* Activations sixteen at a time (AVX-512), as float32 in registers. In bfloat16 a subnormal number counts as zero. */
#ifndef SSFER_COMPUTE_CPU_VECTOR_ACTS_H
#define SSFER_COMPUTE_CPU_VECTOR_ACTS_H

#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_math.h"

#ifdef CPU_BF16
static inline __m512 vector_widen(__m256i v)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}

static inline __m256i vector_narrow(__m512 v)
{
    return (__m256i)_mm512_cvtneps_pbh(v);
}

static inline __m512 vector_load(const act *from)
{
    return vector_widen(_mm256_loadu_si256((const __m256i *)(const void *)from));
}

static inline __m512 vector_load_first(__mmask16 lanes, const act *from)
{
    return vector_widen(_mm256_maskz_loadu_epi16(lanes, from));
}

static inline void vector_store(act *to, __m512 v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, vector_narrow(v));
}

static inline void vector_store_first(act *to, __mmask16 lanes, __m512 v)
{
    _mm256_mask_storeu_epi16(to, lanes, vector_narrow(v));
}
#else
static inline __m512 vector_load(const act *from)
{
    return _mm512_loadu_ps(from);
}

static inline __m512 vector_load_first(__mmask16 lanes, const act *from)
{
    return _mm512_maskz_loadu_ps(lanes, from);
}

static inline void vector_store(act *to, __m512 v)
{
    _mm512_storeu_ps(to, v);
}

static inline void vector_store_first(act *to, __mmask16 lanes, __m512 v)
{
    _mm512_mask_storeu_ps(to, lanes, v);
}
#endif

#endif
