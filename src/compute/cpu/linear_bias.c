#include "compute/cpu/kernels.h"

#include <string.h>

/* db rides along with the weight gradient: column sums in fixed chunks, then the product by oneDNN. */
ssfer_status CPU(linear_backward_dw)(ssfer_compute *cx, float *dw, float *db, const float *dy, const float *x,
                                     ssfer_linear_dims d)
{
    if (db) {
        const size_t rows = ssfer_cpu_chunk_rows(d.rows), chunks = (d.rows + rows - 1) / rows, J = d.out;
        float *partial = ssfer_cpu_scratch(cx, chunks * J * sizeof *partial);
        if (!partial)
            return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
        for (size_t k = 0; k < chunks; k++) {
            size_t end = (k + 1) * rows < d.rows ? (k + 1) * rows : d.rows;
            float *sum = partial + k * J;
            memset(sum, 0, J * sizeof *sum);
            for (size_t r = k * rows; r < end; r++)
#pragma omp simd
                for (size_t j = 0; j < J; j++)
                    sum[j] += dy[r * J + j];
        }
        for (size_t k = 0; k < chunks; k++)
#pragma omp simd
            for (size_t j = 0; j < J; j++)
                db[j] += partial[k * J + j];
    }
    return ssfer_cpu_linear_backward_dw(cx, dw, dy, x, d);
}
