/* Products of small matrices that stay in the first cache levels, by register tiles; for kernels that are compiled once
 * per instruction-set level. Every element is one sum in the order of `inner`, whatever the sizes around it. */
#ifndef SSFER_COMPUTE_CPU_TILE_PRODUCT_H
#define SSFER_COMPUTE_CPU_TILE_PRODUCT_H

#include "compute/cpu/kernels.h"

typedef float vec __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/* One register tile: c (rows, vectors*LANES) = sum over k of a[i*ai + k*ak] * b[k*ldb + j]. */
static inline __attribute__((always_inline)) void tile(size_t rows, size_t vectors, size_t inner, const float *a,
                                                       size_t ai, size_t ak, const float *b, size_t ldb, float *c,
                                                       size_t ldc)
{
    vec sum[TILE_ROWS][TILE_VECTORS];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = (vec){0};
    for (size_t k = 0; k < inner; k++) {
        const vec *row = (const vec *)(b + k * ldb);
        for (size_t i = 0; i < rows; i++) {
            float scalar = a[i * ai + k * ak];
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] += scalar * row[j];
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            ((vec *)(c + i * ldc))[j] = sum[i][j];
}

enum { THREE = TILE_VECTORS > 3 ? 3 : 1 }; /* where there is such a tile */

/* One row of a tile. */
static inline void tile_line(size_t vectors, size_t inner, const float *a, size_t ak, const float *b, size_t ldb,
                             float *c)
{
    if (vectors == TILE_VECTORS)
        tile(1, TILE_VECTORS, inner, a, 0, ak, b, ldb, c, 0);
    else if (vectors == 2)
        tile(1, 2, inner, a, 0, ak, b, ldb, c, 0);
    else if (vectors == THREE)
        tile(1, THREE, inner, a, 0, ak, b, ldb, c, 0);
    else
        tile(1, 1, inner, a, 0, ak, b, ldb, c, 0);
}

/* Tiles with constant sizes, so that the compiler keeps the accumulators in registers. */
static inline void tile_any(size_t rows, size_t vectors, size_t inner, const float *a, size_t ai, size_t ak,
                            const float *b, size_t ldb, float *c, size_t ldc)
{
    if (rows == TILE_ROWS && vectors == TILE_VECTORS)
        tile(TILE_ROWS, TILE_VECTORS, inner, a, ai, ak, b, ldb, c, ldc);
    else if (rows == TILE_ROWS && vectors == 2)
        tile(TILE_ROWS, 2, inner, a, ai, ak, b, ldb, c, ldc);
    else if (rows == TILE_ROWS && vectors == THREE)
        tile(TILE_ROWS, THREE, inner, a, ai, ak, b, ldb, c, ldc);
    else if (rows == TILE_ROWS)
        tile(TILE_ROWS, 1, inner, a, ai, ak, b, ldb, c, ldc);
    else
        for (size_t i = 0; i < rows; i++)
            tile_line(vectors, inner, a + i * ai, ak, b, ldb, c + i * ldc);
}

/* c (m, n) = a b with a read through strides (so a transposed matrix costs nothing); n, ldb and ldc are padded. */
static inline void product(size_t m, size_t n, size_t inner, const float *a, size_t ai, size_t ak, const float *b,
                           size_t ldb, float *c, size_t ldc)
{
    const size_t wide = TILE_VECTORS * LANES;
    for (size_t j = 0; j < n; j += wide) {
        size_t vectors = n - j < wide ? (n - j) / LANES : TILE_VECTORS;
        for (size_t i = 0; i < m; i += TILE_ROWS) {
            size_t rows = m - i < TILE_ROWS ? m - i : TILE_ROWS;
            tile_any(rows, vectors, inner, a + i * ai, ai, ak, b + j, ldb, c + i * ldc + j, ldc);
        }
    }
}

#endif
