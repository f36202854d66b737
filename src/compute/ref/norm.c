#include "compute/ref/ref.h"

#include <math.h>

void REF(residual_norm_forward)(real *y, real *sum, real *mean, real *rstd, const real *x, const real *branch,
                                const real *scale, const real *gamma, const real *beta, ssfer_norm_dims d)
{
    const size_t stride = d.x_stride ? d.x_stride : d.width;
    for (size_t r = 0; r < d.rows; r++) {
        const real *row = x + r * stride;
        if (branch) {
            double s = scale ? (double)scale[r / d.rows_per_sample] : 1.0;
            for (size_t c = 0; c < d.width; c++)
                sum[r * d.width + c] = (real)((double)row[c] + s * (double)branch[r * d.width + c]);
            row = sum + r * d.width;
        }
        double mu = 0.0, variance = 0.0;
        for (size_t c = 0; c < d.width; c++)
            mu += (double)row[c];
        mu /= (double)d.width;
        for (size_t c = 0; c < d.width; c++)
            variance += ((double)row[c] - mu) * ((double)row[c] - mu);
        double inverse = 1.0 / sqrt(variance / (double)d.width + (double)d.eps);
        if (mean) {
            mean[r] = (real)mu;
            rstd[r] = (real)inverse;
        }
        for (size_t c = 0; y && c < d.width; c++)
            y[r * d.width + c] = (real)(((double)row[c] - mu) * inverse * (double)gamma[c] + (double)beta[c]);
    }
}

void REF(norm_backward)(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                        const real *rstd, const real *gamma, ssfer_norm_dims d)
{
    for (size_t r = 0; r < d.rows; r++) {
        const real *row = x + r * d.width, *g = dy + r * d.width;
        double mean_dn = 0.0, mean_dn_n = 0.0; /* over the row: of dn = dy * gamma, and of dn * n */
        for (size_t c = 0; c < d.width; c++) {
            double n = ((double)row[c] - (double)mean[r]) * (double)rstd[r];
            mean_dn += (double)g[c] * (double)gamma[c];
            mean_dn_n += (double)g[c] * (double)gamma[c] * n;
            dgamma[c] += (real)((double)g[c] * n);
            dbeta[c] += g[c];
        }
        mean_dn /= (double)d.width;
        mean_dn_n /= (double)d.width;
        for (size_t c = 0; c < d.width; c++) {
            double n = ((double)row[c] - (double)mean[r]) * (double)rstd[r];
            dx[r * d.width + c] +=
                (real)(((double)g[c] * (double)gamma[c] - mean_dn - n * mean_dn_n) * (double)rstd[r]);
        }
    }
}

void REF(scale_rows)(real *y, const real *x, const real *scale, ssfer_norm_dims d)
{
    for (size_t r = 0; r < d.rows; r++)
        for (size_t c = 0; c < d.width; c++)
            y[r * d.width + c] = (scale ? scale[r / d.rows_per_sample] : 1) * x[r * d.width + c];
}
