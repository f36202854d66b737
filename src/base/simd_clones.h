/* SIMD_CLONES compiles a function for AVX2 and for the baseline; each call takes the one of the level in use.
 *
 *     SIMD_BODY void add_body(float *y, const float *x, size_t n) { ... }
 *     SIMD_CLONES(void, add, (float *y, const float *x, size_t n), (y, x, n))
 *
 * makes a static function `add`. Without fused multiply-add, so both give the same bits. Inner loops only: what the
 * compiler moves out for an OpenMP thread would not be cloned. */
#ifndef SSFER_BASE_SIMD_CLONES_H
#define SSFER_BASE_SIMD_CLONES_H

#include "base/cpu_level.h"

#define SIMD_BODY static inline __attribute__((always_inline))

#ifdef __x86_64__
#    define SIMD_CLONES(type, name, parameters, arguments)                                                             \
        static type name##_generic parameters                                                                          \
        {                                                                                                              \
            return name##_body arguments;                                                                              \
        }                                                                                                              \
        __attribute__((target("avx2"))) static type name##_avx2 parameters                                             \
        {                                                                                                              \
            return name##_body arguments;                                                                              \
        }                                                                                                              \
        static inline type name parameters                                                                             \
        {                                                                                                              \
            return ssfer_cpu_level_in_use() >= SSFER_CPU_LEVEL_AVX2 ? name##_avx2 arguments                            \
                                                                    : name##_generic arguments;                        \
        }
#else
#    define SIMD_CLONES(type, name, parameters, arguments)                                                             \
        static inline type name parameters                                                                             \
        {                                                                                                              \
            return name##_body arguments;                                                                              \
        }
#endif

#endif
