#include "compute/cpu/kernels.h"
#include "compute/cpu/simd_math.h"

#define INV_SQRT_2 0.70710678f
#define INV_SQRT_2PI 0.39894228f

ssfer_status CPU(gelu_forward)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count)
{
    act *to = y;
    const act *from = x;
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < count; i++) {
        const float v = act_get(from[i]);
        to[i] = act_put(0.5f * v * (1.0f + simd_erf(v * INV_SQRT_2)));
    }
    return SSFER_OK;
}

static inline float slope(float x, float cdf)
{
    return cdf + x * INV_SQRT_2PI * simd_exp(-0.5f * x * x);
}

ssfer_status CPU(gelu_backward)(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy, const ssfer_act *x,
                                size_t count)
{
    act *to = dx, *again = y;
    const act *from = x, *gradient = dy;
    if (!again) {
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
        for (size_t i = 0; i < count; i++) {
            const float v = act_get(from[i]), cdf = 0.5f * (1.0f + simd_erf(v * INV_SQRT_2));
            to[i] = act_put(act_get(gradient[i]) * slope(v, cdf));
        }
        return SSFER_OK;
    }
#pragma omp parallel for simd num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < count; i++) {
        const float v = act_get(from[i]), cdf = 0.5f * (1.0f + simd_erf(v * INV_SQRT_2));
        again[i] = act_put(v * cdf);
        to[i] = act_put(act_get(gradient[i]) * slope(v, cdf));
    }
    return SSFER_OK;
}
