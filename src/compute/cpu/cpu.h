/* The CPU backend: oneDNN for the matrix products, fused kernels of our own for what lies between them.
 *
 * The kernel sources are compiled once per instruction-set level (x86-64 baseline, v3 = AVX2 + FMA, v4 = AVX-512) with
 * CPU_LEVEL naming it, twice for activations in bfloat16 (CPU_BF16): v4 with AVX512-BF16, without and with AMX
 * (CPU_TILES); and once more for float32 with products by AMX (split_tiles.h). base/cpu_level.h says which level a
 * process computes at; a context gets the table of that level, or the next below it that there is. A name CPU(x)
 * therefore exists as cpu_x_base, cpu_x_v3, cpu_x_v4, cpu_x_v4_split, cpu_x_v4_bf16 and cpu_x_v4_amx. */
#ifndef SSFER_COMPUTE_CPU_CPU_H
#define SSFER_COMPUTE_CPU_CPU_H

#include "base/cpu_level.h"
#include "compute/backend.h"

/* The table made for a level, NULL if there is none: not for this architecture, or not for this precision. Tests walk
 * those up to the level in use. */
const ssfer_backend *ssfer_cpu_backend(ssfer_cpu_level level, ssfer_precision precision);

/* What contexts get: the best table up to the level in use. NULL: none has bfloat16. */
const ssfer_backend *ssfer_cpu_backend_best(ssfer_precision precision);

/* ---- what the kernels share (cpu/context.c) ---- */

typedef struct ssfer_cpu_device ssfer_cpu_device;

ssfer_status ssfer_cpu_create(ssfer_compute *cx, ssfer_error *err);
void ssfer_cpu_destroy(ssfer_compute *cx);

/* Scratch memory of at least size_bytes, 64-byte aligned, kept by the context: valid until the next call for the same
 * slot (operands of a product have their own). It grows the first time a shape needs more. NULL when memory runs out
 * (the context then holds the error). */
typedef enum ssfer_cpu_slot {
    SSFER_CPU_SCRATCH,
    SSFER_CPU_WEIGHTS,
    SSFER_CPU_GRADIENT,
    SSFER_CPU_SLOTS
} ssfer_cpu_slot;
void *ssfer_cpu_scratch_slot(ssfer_compute *cx, ssfer_cpu_slot slot, size_t size_bytes);

static inline void *ssfer_cpu_scratch(ssfer_compute *cx, size_t size_bytes)
{
    return ssfer_cpu_scratch_slot(cx, SSFER_CPU_SCRATCH, size_bytes);
}

/* Rows are summed in chunks whose number depends on the row count alone, so that a column sum has the same bits for
 * any thread count: at most 64 chunks of at least 32 rows. */
static inline size_t ssfer_cpu_chunk_rows(size_t rows)
{
    size_t chunk = (rows + 63) / 64;
    return chunk < 32 ? 32 : chunk;
}

/* ---- see ssfer_weights_hold (cpu/matmul.c) ---- */

ssfer_status ssfer_cpu_weights_hold(ssfer_compute *cx, const float *params, size_t n);
void ssfer_cpu_weights_release(ssfer_compute *cx, const float *params);

#endif
