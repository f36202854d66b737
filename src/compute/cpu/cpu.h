/* The CPU backend: oneDNN for the matrix products, fused kernels of our own for what lies between them.
 *
 * The kernel sources are compiled once per instruction-set level (x86-64 baseline, v3 = AVX2 + FMA, v4 = AVX-512) with
 * CPU_LEVEL naming it, twice for activations in bfloat16 (CPU_BF16): v4 with AVX512-BF16, without and with AMX
 * (CPU_TILES); and once more for float32 with products by AMX (split_tiles.h). cpu/context.c picks the best that the
 * processor has when a context is created. A name CPU(x) therefore exists as cpu_x_base, cpu_x_v3, cpu_x_v4,
 * cpu_x_v4_split, cpu_x_v4_bf16 and cpu_x_v4_amx. */
#ifndef SSFER_COMPUTE_CPU_CPU_H
#define SSFER_COMPUTE_CPU_CPU_H

#include "compute/backend.h"

typedef enum ssfer_cpu_level {
    SSFER_CPU_BASE,
    SSFER_CPU_V3,
    SSFER_CPU_V4,
    SSFER_CPU_V4_SPLIT,
    SSFER_CPU_LEVELS
} ssfer_cpu_level;

/* The best level that this processor runs, and the table of a level. Tests walk them all. */
ssfer_cpu_level ssfer_cpu_best_level(void);
/* The best one without tiles, up to V4: cheap, where asking for tiles is a system call. */
ssfer_cpu_level ssfer_cpu_vector_level(void);
const ssfer_backend *ssfer_cpu_backend(ssfer_cpu_level level); /* NULL: not compiled for this architecture */

/* The tables whose activations are bfloat16, the best first: AMX, AVX512-BF16. NULL: fewer than that on this processor
 * and system; `rank` 0 is what contexts get. */
const ssfer_backend *ssfer_cpu_backend_bf16(size_t rank);

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
