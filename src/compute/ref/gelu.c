#include "compute/ref/ref.h"

#include <math.h>

static double normal_cdf(double x)
{
    return 0.5 * erfc(-x * 0.7071067811865476);
}

void REF(gelu_forward)(real *y, const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (real)((double)x[i] * normal_cdf((double)x[i]));
}

void REF(gelu_backward)(real *dx, real *y, const real *dy, const real *x, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double v = (double)x[i];
        double density = 0.3989422804014327 * exp(-0.5 * v * v); /* 1 / sqrt(2 pi) */
        if (y)
            y[i] = (real)(v * normal_cdf(v));
        dx[i] = (real)((double)dy[i] * (normal_cdf(v) + v * density));
    }
}
