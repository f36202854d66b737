#include "compute/ref/ref.h"

#include <math.h>

void REF(adamw_step)(real *p, real *m, real *v, real *shadow, const real *g, size_t n, const ssfer_adamw_args *a)
{
    const double bc1 = 1.0 - pow(a->beta1, (double)a->step);
    const double bc2 = 1.0 - pow(a->beta2, (double)a->step);
    const real decay = (real)a->ema_decay;
    for (size_t i = 0; i < n; i++) {
        double grad = (double)g[i] * a->grad_scale;
        double first = a->beta1 * (double)m[i] + (1.0 - a->beta1) * grad;
        double second = a->beta2 * (double)v[i] + (1.0 - a->beta2) * grad * grad;
        double decayed = (double)p[i] * (1.0 - a->lr * a->weight_decay);
        m[i] = (real)first;
        v[i] = (real)second;
        p[i] = (real)(decayed - a->lr / bc1 * first / (sqrt(second / bc2) + a->eps));
        if (shadow)
            shadow[i] = decay * shadow[i] + (1 - decay) * p[i];
    }
}

void REF(sum_squares)(double *out, const real *x, size_t n)
{
    *out = 0.0;
    for (size_t i = 0; i < n; i++)
        *out += (double)x[i] * (double)x[i];
}
