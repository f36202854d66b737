/* SIMD_CLONES before a function: it is compiled for AVX2 and for the baseline, and the better one is chosen when the
 * program is loaded. Without fused multiply-add, so both give the same bits. Inner loops only: what the compiler moves
 * out for an OpenMP thread would not be cloned. */
#ifndef SSFER_BASE_SIMD_CLONES_H
#define SSFER_BASE_SIMD_CLONES_H

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && !defined(SSFER_NO_SIMD_CLONES)
#    define SIMD_CLONES __attribute__((target_clones("default", "avx2")))
#else
#    define SIMD_CLONES
#endif

#endif
