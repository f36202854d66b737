/* GELU with AVX-512; the other levels' is gelu.c. */
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_acts.h"

#define INV_SQRT_2PI 0.39894228f

/* dy * (Phi(x) + x phi(x)); y =: x Phi(x). */
static inline __m512 gradient(__m512 *y, __m512 dy, __m512 x)
{
    const __m512 cdf = _mm512_add_ps(vector_phi(x), _mm512_set1_ps(0.5f));
    const __m512 t = _mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f * LOG2_E));
    const __m512 density = _mm512_mul_ps(vector_exp2(t), _mm512_set1_ps(INV_SQRT_2PI));
    *y = _mm512_mul_ps(x, cdf);
    return _mm512_mul_ps(dy, _mm512_fmadd_ps(x, density, cdf));
}

ssfer_status CPU(gelu_forward)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count)
{
    const size_t whole = count / VECTOR * VECTOR;
    const __mmask16 rest = first_lanes(count - whole);
    act *to = y;
    const act *from = x;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < whole; i += VECTOR)
        vector_store(to + i, vector_gelu(vector_load(from + i)));
    vector_store_first(to + whole, rest, vector_gelu(vector_load_first(rest, from + whole)));
    return SSFER_OK;
}

ssfer_status CPU(gelu_backward)(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy, const ssfer_act *x,
                                size_t count)
{
    const size_t whole = count / VECTOR * VECTOR;
    const __mmask16 rest = first_lanes(count - whole);
    act *to = dx, *again = y;
    const act *from = x, *dto = dy;
    __m512 last;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t i = 0; i < whole; i += VECTOR) {
        __m512 output;
        vector_store(to + i, gradient(&output, vector_load(dto + i), vector_load(from + i)));
        if (again)
            vector_store(again + i, output);
    }
    vector_store_first(to + whole, rest,
                       gradient(&last, vector_load_first(rest, dto + whole), vector_load_first(rest, from + whole)));
    if (again)
        vector_store_first(again + whole, rest, last);
    return SSFER_OK;
}
