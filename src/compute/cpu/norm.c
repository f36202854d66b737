#include "compute/cpu/kernels.h"

#include <math.h>
#include <string.h>

/* Mean and 1/deviation of one row, in two passes over a row that sits in cache: no cancellation. */
static void row_moments(const float *row, size_t width, float eps, float *mean, float *rstd)
{
    float sum = 0.0f, squares = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (size_t c = 0; c < width; c++)
        sum += row[c];
    float mu = sum / (float)width;
#pragma omp simd reduction(+ : squares)
    for (size_t c = 0; c < width; c++)
        squares += (row[c] - mu) * (row[c] - mu);
    *mean = mu;
    *rstd = 1.0f / sqrtf(squares / (float)width + eps);
}

ssfer_status CPU(residual_norm_forward)(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                        const float *x, const ssfer_act *branch, const float *scale, const float *gamma,
                                        const float *beta, ssfer_norm_dims d)
{
    const size_t stride = d.x_stride ? d.x_stride : d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t r = 0; r < d.rows; r++) {
        const float *row = x + r * stride;
        if (branch) {
            const act *added = (const act *)branch + r * d.width;
            float *total = sum + r * d.width, s = scale ? scale[r / d.rows_per_sample] : 1.0f;
#pragma omp simd
            for (size_t c = 0; c < d.width; c++)
                total[c] = row[c] + s * act_get(added[c]);
            row = total;
        }
        if (!y)
            continue;
        float mu, inverse;
        act *out = (act *)y + r * d.width;
        row_moments(row, d.width, d.eps, &mu, &inverse);
        if (mean) {
            mean[r] = mu;
            rstd[r] = inverse;
        }
#pragma omp simd
        for (size_t c = 0; c < d.width; c++)
            out[c] = act_put((row[c] - mu) * inverse * gamma[c] + beta[c]);
    }
    return SSFER_OK;
}

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
