#include "compute/cpu/kernels.h"

#include <math.h>
#include <string.h>

ssfer_status CPU(adamw_step)(ssfer_compute *cx, float *p, float *m, float *v, const float *g, size_t n,
                             const ssfer_adamw_args *a)
{
    const double bc1 = 1.0 - pow(a->beta1, (double)a->step);
    const double bc2 = 1.0 - pow(a->beta2, (double)a->step);
    const float b1 = (float)a->beta1, b2 = (float)a->beta2, eps = (float)a->eps;
    const float c1 = (float)(1.0 - a->beta1), c2 = (float)(1.0 - a->beta2); /* subtracted before rounding */
    const float keep = (float)(1.0 - a->lr * a->weight_decay), rate = (float)(a->lr / bc1);
    const float inverse_sqrt_bc2 = (float)(1.0 / sqrt(bc2)), scale = (float)a->grad_scale;
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < n; i++) {
        float grad = g[i] * scale;
        float first = b1 * m[i] + c1 * grad;
        float second = b2 * v[i] + c2 * grad * grad;
        m[i] = first;
        v[i] = second;
        p[i] = p[i] * keep - rate * first / (sqrtf(second) * inverse_sqrt_bc2 + eps);
    }
    return SSFER_OK;
}

ssfer_status CPU(ema_update)(ssfer_compute *cx, float *shadow, const float *p, size_t n, float decay)
{
    const float rest = 1.0f - decay;
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < n; i++)
        shadow[i] = decay * shadow[i] + rest * p[i];
    return SSFER_OK;
}

ssfer_status CPU(sum_squares)(ssfer_compute *cx, double *out, const float *x, size_t n)
{
    enum { CHUNK = 1 << 16 };
    const size_t chunks = (n + CHUNK - 1) / CHUNK;
    double *partial = ssfer_cpu_scratch(cx, (chunks + 1) * sizeof *partial);
    if (!partial)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t k = 0; k < chunks; k++) {
        size_t end = (k + 1) * CHUNK < n ? (k + 1) * CHUNK : n;
        double sum = 0.0;
#pragma omp simd reduction(+ : sum)
        for (size_t i = k * CHUNK; i < end; i++)
            sum += (double)x[i] * (double)x[i];
        partial[k] = sum;
    }
    *out = 0.0;
    for (size_t k = 0; k < chunks; k++)
        *out += partial[k];
    return SSFER_OK;
}

ssfer_status CPU(zero)(ssfer_compute *cx, float *x, size_t n)
{
    (void)cx;
    memset(x, 0, n * sizeof *x);
    return SSFER_OK;
}
