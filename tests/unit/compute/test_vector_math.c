/* The AVX-512 functions of the CPU kernels over their whole range, against libm in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu_level.h"
#include "compute/cpu/vector_math.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { COUNT = 1 << 20 };

static float one(__m512 (*function)(__m512), float x)
{
    float out[VECTOR];
    _mm512_storeu_ps(out, function(_mm512_set1_ps(x)));
    for (size_t i = 1; i < VECTOR; i++)
        assert_memory_equal(&out[i], &out[0], sizeof *out);
    return out[0];
}

/* Two ulp, 2^-22 of the result, where that is a normal number. */
static void test_exp2(void **state)
{
    (void)state;
    for (size_t i = 0; i <= COUNT; i++) {
        const float t = -126.0f + 253.9f * (float)i / COUNT;
        const double want = exp2((double)t), got = (double)one(vector_exp2, t);
        if (!(fabs(got - want) <= 0x1p-22 * want))
            fail_msg("2^%a is %.9g, not %.9g", (double)t, got, want);
    }
    const float low[] = {-151.0f, -1e4f, -FLT_MAX, -INFINITY};
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
        assert_true(one(vector_exp2, low[i]) == 0.0f);
    assert_true(isinf(one(vector_exp2, 128.1f)) && isinf(one(vector_exp2, FLT_MAX)));
    assert_true(isnan(one(vector_exp2, NAN)) && isnan(one(vector_exp2, -NAN)));
}

/* simd_erf's own error, halved (3.6e-7 / 2), and the roundings of a number below 1/2; never beyond it. */
static void test_phi(void **state)
{
    (void)state;
    for (size_t i = 0; i <= COUNT; i++) {
        const float x = -8.0f + 16.0f * (float)i / COUNT;
        const double want = 0.5 * erf((double)x * sqrt(0.5)), got = (double)one(vector_phi, x);
        if (!(fabs(got - want) <= 2.2e-7) || !(fabs(got) <= 0.5))
            fail_msg("Phi(%a) - 1/2 is %.9g, not %.9g", (double)x, got, want);
    }
    for (float x = 1e-30f; x < 0.7f; x *= 1.01f) /* GELU's slope at 0 is 1/2 plus this */
        assert_true(fabs((double)one(vector_phi, x) - 0.5 * erf((double)x * sqrt(0.5))) <=
                    1e-6 * 0.5 * erf((double)x * sqrt(0.5)));
    const float large[] = {5.55f, 7.0f, 1e10f, INFINITY}; /* GELU must vanish there */
    for (size_t i = 0; i < sizeof large / sizeof *large; i++)
        assert_true(one(vector_phi, large[i]) == 0.5f && one(vector_phi, -large[i]) == -0.5f);
    assert_true(one(vector_phi, 0.0f) == 0.0f);
    assert_true(isnan(one(vector_phi, NAN)));
}

static void test_rows(void **state)
{
    (void)state;
    __m512 v[VECTOR];
    __m512i r[VECTOR];
    float sums[VECTOR], maxima[VECTOR];
    for (int i = 0; i < VECTOR; i++) {
        float row[VECTOR];
        for (int j = 0; j < VECTOR; j++)
            row[j] = (float)((i + 1) * ((5 * j + i) % VECTOR));
        v[i] = _mm512_loadu_ps(row);
        r[i] = _mm512_castps_si512(v[i]);
    }
    _mm512_storeu_ps(sums, vector_row_sums(v));
    _mm512_storeu_ps(maxima, vector_row_maxima(v));
    vector_transpose(r);
    for (int j = 0; j < VECTOR; j++) {
        float column[VECTOR];
        _mm512_storeu_ps(column, _mm512_castsi512_ps(r[j]));
        for (int i = 0; i < VECTOR; i++)
            assert_true(column[i] == (float)((i + 1) * ((5 * j + i) % VECTOR)));
        assert_true(sums[j] == (float)(120 * (j + 1)) && maxima[j] == (float)(15 * (j + 1)));
    }
    for (size_t n = 0; n < 20; n++)
        assert_int_equal(first_lanes(n), n < VECTOR ? (1u << n) - 1 : 0xFFFF);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp2),
        cmocka_unit_test(test_phi),
        cmocka_unit_test(test_rows),
    };
    if (ssfer_cpu_level_in_use() < SSFER_CPU_LEVEL_AVX512) {
        print_message("skipped: no AVX-512\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
