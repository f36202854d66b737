/* A compute context: a device, its threads and the backend that runs operations on it.
 *
 * Two contexts may live in one process and be used from two threads; one context serves one thread at a time. Tensors
 * are plain pointers into memory of the device (for the CPU backends: 64-byte aligned host memory, row-major float32).
 *
 * Shape letters: B images, N tokens, C channels, H heads, D = C/H, M = B*N rows, K inner and J outer width of a matrix
 * product. A gradient is `d` + its tensor. Every output says `=` (overwritten) or `+=` (added to). */
#ifndef SSFER_COMPUTE_COMPUTE_H
#define SSFER_COMPUTE_COMPUTE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_compute ssfer_compute;

typedef enum ssfer_backend_kind {
    SSFER_BACKEND_CPU, /* oneDNN matrix products and fused kernels */
    SSFER_BACKEND_REF, /* plain C: the oracle of the tests */
} ssfer_backend_kind;

/* Of the matrix products' operands, and of the activations between them. Sums, parameters, moments, normalisation,
 * softmax and losses are float32 in both. */
typedef enum ssfer_precision {
    SSFER_PRECISION_FP32,
    SSFER_PRECISION_BF16, /* bfloat16: 8 bits of fraction, the range of float32; sums in float32 */
} ssfer_precision;

enum { SSFER_COMPUTE_MAX_THREADS = 1024 }; /* OpenMP ends the process when it cannot start a thread: refused before */

/* threads 0: as many as the machine lends this process. Errors: SSFER_ERR_ARGUMENT beyond the maximum,
 * SSFER_ERR_MEMORY, SSFER_ERR_UNSUPPORTED if the device does not start or does not have the precision. */
ssfer_status ssfer_compute_create(ssfer_compute **out, ssfer_backend_kind kind, ssfer_precision precision,
                                  size_t threads, ssfer_error *err);
void ssfer_compute_destroy(ssfer_compute *compute);
size_t ssfer_compute_threads(const ssfer_compute *compute);
ssfer_precision ssfer_compute_precision(const ssfer_compute *compute);
bool ssfer_compute_has(ssfer_precision precision);            /* whether the CPU backend can, at the level in use */
size_t ssfer_compute_act_bytes(const ssfer_compute *compute); /* of one activation: 4 or 2 */
const char *ssfer_precision_name(ssfer_precision precision);  /* "fp32", "bf16" */
const char *ssfer_compute_backend_name(const ssfer_compute *compute);

/* What went wrong in the last operation that failed; operations return the status and keep the words here. */
const ssfer_error *ssfer_compute_error(const ssfer_compute *compute);

#endif
