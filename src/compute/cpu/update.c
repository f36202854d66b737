#include "compute/cpu/kernels.h"

#include <math.h>
#include <string.h>

/* What all parameters of an update share. */
typedef struct adamw_factors {
    float b1, b2, c1, c2, keep, rate, inverse_sqrt_bc2, eps, scale;
} adamw_factors;

static adamw_factors factors_of(const ssfer_adamw_args *a)
{
    const double bc1 = 1.0 - pow(a->beta1, (double)a->step);
    const double bc2 = 1.0 - pow(a->beta2, (double)a->step);
    return (adamw_factors){.b1 = (float)a->beta1,
                           .b2 = (float)a->beta2,
                           .c1 = (float)(1.0 - a->beta1), /* subtracted before rounding */
                           .c2 = (float)(1.0 - a->beta2),
                           .keep = (float)(1.0 - a->lr * a->weight_decay),
                           .rate = (float)(a->lr / bc1),
                           .inverse_sqrt_bc2 = (float)(1.0 / sqrt(bc2)),
                           .eps = (float)a->eps,
                           .scale = (float)a->grad_scale};
}

/* Updates the moments of one parameter; returns its new value. */
static inline float adamw_one(float p, float *m, float *v, float g, adamw_factors f)
{
    const float grad = g * f.scale;
    const float first = f.b1 * *m + f.c1 * grad;
    const float second = f.b2 * *v + f.c2 * grad * grad;
    *m = first;
    *v = second;
    return p * f.keep - f.rate * first / (sqrtf(second) * f.inverse_sqrt_bc2 + f.eps);
}

ssfer_status CPU(adamw_step)(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                             const ssfer_adamw_args *a)
{
    const adamw_factors f = factors_of(a);
    const float decay = (float)a->ema_decay, rest = 1.0f - decay;
    if (!shadow) {
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static) firstprivate(f)
        for (size_t i = 0; i < n; i++)
            p[i] = adamw_one(p[i], &m[i], &v[i], g[i], f);
        return SSFER_OK;
    }
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static) firstprivate(f)
    for (size_t i = 0; i < n; i++) {
        p[i] = adamw_one(p[i], &m[i], &v[i], g[i], f);
        shadow[i] = decay * shadow[i] + rest * p[i];
    }
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
    enum { LARGE = 1 << 16 }; /* floats: a quarter of a MiB; waking the other threads for less is not worth it */
    const size_t parts = n < LARGE ? 1 : cx->threads, share = n / parts;
    if (parts == 1) {
        memset(x, 0, n * sizeof *x);
        return SSFER_OK;
    }
#pragma omp parallel for num_threads((int)parts) schedule(static)
    for (size_t t = 0; t < parts; t++)
        memset(x + t * share, 0, (t + 1 < parts ? share : n - t * share) * sizeof *x);
    return SSFER_OK;
}
