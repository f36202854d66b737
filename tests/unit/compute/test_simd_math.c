/* exp and erf of the CPU kernels over their whole range, against libm in double. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "compute/cpu/simd_math.h"

#include <float.h>
#include <math.h>

/* Two ulp, 2^-22 of the result, where that is a normal number; 2^20 arguments evenly over the range. */
static void test_exp(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    for (size_t i = 0; i <= COUNT; i++) {
        float x = -87.3f + (87.3f + 88.7f) * (float)i / COUNT;
        double want = exp((double)x), got = (double)simd_exp(x);
        if (!(fabs(got - want) <= 0x1p-22 * want))
            fail_msg("exp(%a) is %.9g, not %.9g", (double)x, got, want);
    }
    assert_true(simd_exp(0.0f) == 1.0f);
    assert_true(simd_exp(-0.0f) == 1.0f);
}

static void test_exp_limits(void **state)
{
    (void)state;
    const float low[] = {-87.4f, -104.0f, -1e4f, -FLT_MAX, -INFINITY}, high[] = {88.8f, 1e4f, FLT_MAX, INFINITY};
    for (size_t i = 0; i < sizeof low / sizeof *low; i++)
        assert_true(simd_exp(low[i]) > 0.0f && simd_exp(low[i]) < 1.3e-38f);
    for (size_t i = 0; i < sizeof high / sizeof *high; i++)
        assert_true(simd_exp(high[i]) > 3.2e38f && isfinite(simd_exp(high[i])));
    assert_true(isnan(simd_exp(NAN)));
    assert_true(isnan(simd_exp(-NAN)));
}

/* The fit's own error, 3.6e-7 (tools/fit_erf.py); never beyond 1, and 1 where GELU must vanish. */
static void test_erf(void **state)
{
    (void)state;
    enum { COUNT = 1 << 20 };
    for (size_t i = 0; i <= COUNT; i++) {
        float x = -6.0f + 12.0f * (float)i / COUNT;
        double want = erf((double)x), got = (double)simd_erf(x);
        if (!(fabs(got - want) <= 3.6e-7) || !(fabs(got) <= 1.0))
            fail_msg("erf(%a) is %.9g, not %.9g", (double)x, got, want);
    }
    const float large[] = {3.92f, 5.0f, 1e10f, INFINITY};
    for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
        assert_true(simd_erf(large[i]) == 1.0f);
        assert_true(simd_erf(-large[i]) == -1.0f);
    }
    assert_true(simd_erf(0.0f) == 0.0f);
    assert_true(isnan(simd_erf(NAN)));
}

/* Near 0 the relative error counts: GELU's slope there is 1/2 plus this. */
static void test_erf_small(void **state)
{
    (void)state;
    for (float x = 1e-30f; x < 0.5f; x *= 1.01f)
        assert_true(fabs((double)simd_erf(x) - erf((double)x)) <= 1e-6 * erf((double)x));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exp),
        cmocka_unit_test(test_exp_limits),
        cmocka_unit_test(test_erf),
        cmocka_unit_test(test_erf_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
