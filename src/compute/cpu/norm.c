#include "compute/cpu/kernels.h"

#include <string.h>

/* One row of the backward pass; its share of dgamma and dbeta goes to the chunk's partial sums. */
static void norm_backward_row(float *dx, float *dgamma, float *dbeta, const act *dy, const float *x, float mean,
                              float rstd, const float *gamma, size_t width)
{
    float mean_dn = 0.0f, mean_dn_n = 0.0f; /* of dn = dy * gamma, and of dn * n, n being the normalised row */
#pragma omp simd reduction(+ : mean_dn, mean_dn_n)
    for (size_t c = 0; c < width; c++) {
        float g = act_get(dy[c]), n = (x[c] - mean) * rstd, dn = g * gamma[c];
        mean_dn += dn;
        mean_dn_n += dn * n;
        dgamma[c] += g * n;
        dbeta[c] += g;
    }
    mean_dn /= (float)width;
    mean_dn_n /= (float)width;
#pragma omp simd
    for (size_t c = 0; c < width; c++) {
        float n = (x[c] - mean) * rstd;
        dx[c] += (act_get(dy[c]) * gamma[c] - mean_dn - n * mean_dn_n) * rstd;
    }
}

ssfer_status CPU(norm_backward)(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                const float *x, const float *mean, const float *rstd, const float *gamma,
                                ssfer_norm_dims d)
{
    const size_t rows = ssfer_cpu_chunk_rows(d.rows), chunks = (d.rows + rows - 1) / rows, C = d.width;
    float *partial = ssfer_cpu_scratch(cx, chunks * 2 * C * sizeof *partial);
    if (!partial)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t end = (k + 1) * rows < d.rows ? (k + 1) * rows : d.rows;
        float *dg = partial + k * 2 * C, *db = dg + C;
        memset(dg, 0, 2 * C * sizeof *dg);
        for (size_t r = k * rows; r < end; r++)
            norm_backward_row(dx + r * C, dg, db, (const act *)dy + r * C, x + r * C, mean[r], rstd[r], gamma, C);
    }
    for (size_t k = 0; k < chunks; k++) {
        const float *dg = partial + k * 2 * C, *db = dg + C;
#pragma omp simd
        for (size_t c = 0; c < C; c++) {
            dgamma[c] += dg[c];
            dbeta[c] += db[c];
        }
    }
    return SSFER_OK;
}

ssfer_status CPU(scale_rows)(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d)
{
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t r = 0; r < d.rows; r++) {
        const float s = scale ? scale[r / d.rows_per_sample] : 1.0f, *from = x + r * d.width;
        act *to = (act *)y + r * d.width;
#pragma omp simd
        for (size_t c = 0; c < d.width; c++)
            to[c] = act_put(s * from[c]);
    }
    return SSFER_OK;
}
