/* The forward pass of the layer norm; residual_norm_avx512.c is that of AVX-512. */
#include "compute/cpu/kernels.h"

#include <math.h>

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
