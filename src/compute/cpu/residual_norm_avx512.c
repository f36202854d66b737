/* The forward pass of the layer norm with AVX-512; the other levels' is residual_norm.c. */
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_acts.h"

#include <math.h>

/* total = x + s * branch. Returns the sum of its elements. */
static float add_branch(float *total, const float *x, const act *branch, float s, size_t width)
{
    const __m512 scale = _mm512_set1_ps(s);
    __m512 sum = _mm512_setzero_ps();
    size_t c = 0;
    for (; c + VECTOR <= width; c += VECTOR) {
        const __m512 v = _mm512_fmadd_ps(scale, vector_load(branch + c), _mm512_loadu_ps(x + c));
        _mm512_storeu_ps(total + c, v);
        sum = _mm512_add_ps(sum, v);
    }
    if (c < width) {
        const __mmask16 rest = first_lanes(width - c);
        const __m512 v =
            _mm512_fmadd_ps(scale, vector_load_first(rest, branch + c), _mm512_maskz_loadu_ps(rest, x + c));
        _mm512_mask_storeu_ps(total + c, rest, v);
        sum = _mm512_add_ps(sum, v);
    }
    return _mm512_reduce_add_ps(sum);
}

static float sum_of(const float *x, size_t width)
{
    __m512 sum = _mm512_setzero_ps();
    for (size_t c = 0; c < width; c += VECTOR)
        sum = _mm512_add_ps(sum, _mm512_maskz_loadu_ps(first_lanes(width - c), x + c));
    return _mm512_reduce_add_ps(sum);
}

/* 1/deviation: a second pass over a row that sits in cache, so that nothing cancels. */
static float inverse_deviation(const float *x, float mean, float eps, size_t width)
{
    const __m512 mu = _mm512_set1_ps(mean);
    __m512 squares = _mm512_setzero_ps();
    for (size_t c = 0; c < width; c += VECTOR) {
        const __mmask16 lanes = first_lanes(width - c);
        const __m512 v = _mm512_maskz_sub_ps(lanes, _mm512_maskz_loadu_ps(lanes, x + c), mu);
        squares = _mm512_fmadd_ps(v, v, squares);
    }
    return 1.0f / sqrtf(_mm512_reduce_add_ps(squares) / (float)width + eps);
}

static void normalize(act *y, const float *x, float mean, float rstd, const float *gamma, const float *beta,
                      size_t width)
{
    const __m512 mu = _mm512_set1_ps(mean), inverse = _mm512_set1_ps(rstd);
    size_t c = 0;
    for (; c + VECTOR <= width; c += VECTOR) {
        const __m512 n = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(x + c), mu), inverse);
        vector_store(y + c, _mm512_fmadd_ps(n, _mm512_loadu_ps(gamma + c), _mm512_loadu_ps(beta + c)));
    }
    if (c < width) {
        const __mmask16 rest = first_lanes(width - c);
        const __m512 n = _mm512_mul_ps(_mm512_sub_ps(_mm512_maskz_loadu_ps(rest, x + c), mu), inverse);
        vector_store_first(
            y + c, rest,
            _mm512_fmadd_ps(n, _mm512_maskz_loadu_ps(rest, gamma + c), _mm512_maskz_loadu_ps(rest, beta + c)));
    }
}

ssfer_status CPU(residual_norm_forward)(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                        const float *x, const ssfer_act *branch, const float *scale, const float *gamma,
                                        const float *beta, ssfer_norm_dims d)
{
    const size_t stride = d.x_stride ? d.x_stride : d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t r = 0; r < d.rows; r++) {
        const float *row = x + r * stride;
        float total = 0.0f;
        if (branch) {
            float *to = sum + r * d.width;
            total = add_branch(to, row, (const act *)branch + r * d.width, scale ? scale[r / d.rows_per_sample] : 1.0f,
                               d.width);
            row = to;
        }
        if (!y)
            continue;
        const float mu = (branch ? total : sum_of(row, d.width)) / (float)d.width,
                    inverse = inverse_deviation(row, mu, d.eps, d.width);
        if (mean) {
            mean[r] = mu;
            rstd[r] = inverse;
        }
        normalize((act *)y + r * d.width, row, mu, inverse, gamma, beta, d.width);
    }
    return SSFER_OK;
}
