/* Matrix products by oneDNN, the same for every instruction-set level. Primitives are built the first time a shape is
 * met and kept by the context. On failure the context holds the error. */
#ifndef SSFER_COMPUTE_CPU_MATMUL_H
#define SSFER_COMPUTE_CPU_MATMUL_H

#include "compute/cpu/cpu.h"

/* y (m, n) = epilogue(a (m, k) b (k, n) + bias (n)), or y += a b. */
typedef struct ssfer_matmul {
    size_t m, k, n;
    bool a_transposed, b_transposed; /* stored as (k, m), (n, k) */
    ssfer_precision operands;        /* type of a and b */
    ssfer_precision result;          /* type of y; FP32 where it is added to */
    bool bias, add;
    ssfer_epilogue epilogue;
} ssfer_matmul;

/* bias (NULL unless product->bias) is float32. */
ssfer_status ssfer_cpu_matmul(ssfer_compute *cx, const ssfer_matmul *product, void *y, const void *a, const void *b,
                              const float *bias);

/* The same in float32 without a primitive, and without bias and epilogue: what backward passes do once a shape. */
ssfer_status ssfer_cpu_sgemm(ssfer_compute *cx, const ssfer_matmul *product, float *y, const float *a, const float *b);

/* ---- weights that are held (ssfer_weights_hold) ---- */

/* Whether a product with w is to use a copy of it: w is held, and has been asked for before (or `at_once`). */
bool ssfer_cpu_weights_copied(ssfer_compute *cx, const float *w, bool at_once);

/* ssfer_cpu_matmul with b being such weights, in float32: uses the copy of them in the type and layout that the product
 * likes best, and makes it first if there is none. */
ssfer_status ssfer_cpu_matmul_copied(ssfer_compute *cx, const ssfer_matmul *product, void *y, const void *a,
                                     const float *w, const float *bias);

/* A copy of such weights of this size for products that are not oneDNN's. *is_new: it has just been made, and the
 * caller is to fill it. NULL: out of memory (the context then holds the error). */
void *ssfer_cpu_weights_packed(ssfer_compute *cx, const float *w, size_t size_bytes, bool *is_new);

#endif
