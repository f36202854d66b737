#include "compute/cpu/kernels.h"
#include "compute/cpu/simd_math.h"

#define INV_SQRT_2 0.70710678f
#define INV_SQRT_2PI 0.39894228f

ssfer_status CPU(gelu_forward)(ssfer_compute *cx, float *y, const float *x, size_t count)
{
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < count; i++)
        y[i] = 0.5f * x[i] * (1.0f + simd_erf(x[i] * INV_SQRT_2));
    return SSFER_OK;
}

ssfer_status CPU(gelu_backward)(ssfer_compute *cx, float *dx, const float *dy, const float *x, size_t count)
{
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < count; i++) {
        float cdf = 0.5f * (1.0f + simd_erf(x[i] * INV_SQRT_2));
        float density = INV_SQRT_2PI * simd_exp(-0.5f * x[i] * x[i]);
        dx[i] = dy[i] * (cdf + x[i] * density);
    }
    return SSFER_OK;
}
