/* The instruction-set level: what SSFER_CPU and --cpu may ask for, and what they get. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cpu_level.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(SSFER_CPU_LEVEL_CHOICES[0], "auto");
    assert_string_equal(ssfer_cpu_level_name(SSFER_CPU_LEVEL_GENERIC), "generic");
    assert_string_equal(ssfer_cpu_level_name(SSFER_CPU_LEVEL_AMX), "amx");
    assert_null(SSFER_CPU_LEVEL_CHOICES[1 + SSFER_CPU_LEVEL_COUNT]);
}

/* Before ssfer_cpu_level_set. A level is never above the machine's, and what cannot be followed is an error. */
static void test_environment(void **state)
{
    (void)state;
    ssfer_error err = {0};
    const ssfer_cpu_level best = ssfer_cpu_level_best();
    setenv("SSFER_CPU", "sse9", 1);
    assert_int_equal(ssfer_cpu_level_check(&err), SSFER_ERR_ARGUMENT);
    assert_string_equal(err.message,
                        "SSFER_CPU: there is no 'sse9'; give one of auto|generic|avx2|avx512|avx512-bf16|amx");
    for (int level = 0; level < SSFER_CPU_LEVEL_COUNT; level++) {
        setenv("SSFER_CPU", ssfer_cpu_level_name((ssfer_cpu_level)level), 1);
        assert_int_equal(ssfer_cpu_level_check(&err), level <= (int)best ? SSFER_OK : SSFER_ERR_UNSUPPORTED);
    }
    setenv("SSFER_CPU", "amx", 1);
    assert_int_equal(ssfer_cpu_level_in_use(), best);
    setenv("SSFER_CPU", "", 1);
    assert_int_equal(ssfer_cpu_level_check(&err), SSFER_OK);
    unsetenv("SSFER_CPU");
    assert_int_equal(ssfer_cpu_level_check(&err), SSFER_OK);
}

static void test_set(void **state)
{
    (void)state;
    ssfer_error err = {0};
    const ssfer_cpu_level best = ssfer_cpu_level_best();
    for (int level = 0; level < SSFER_CPU_LEVEL_COUNT; level++) {
        const ssfer_cpu_level before = ssfer_cpu_level_in_use();
        const bool has = level <= (int)best;
        assert_int_equal(ssfer_cpu_level_set(ssfer_cpu_level_name((ssfer_cpu_level)level), &err),
                         has ? SSFER_OK : SSFER_ERR_UNSUPPORTED);
        assert_int_equal(ssfer_cpu_level_in_use(), has ? (ssfer_cpu_level)level : before);
        if (!has)
            assert_non_null(strstr(err.message, "--cpu: this machine does not have '"));
    }
    assert_int_equal(ssfer_cpu_level_set("", &err), SSFER_ERR_ARGUMENT);
    setenv("SSFER_CPU", "generic", 1);
    assert_int_equal(ssfer_cpu_level_set("auto", &err), SSFER_OK);
    assert_int_equal(ssfer_cpu_level_in_use(), SSFER_CPU_LEVEL_GENERIC);
    unsetenv("SSFER_CPU");
    assert_int_equal(ssfer_cpu_level_set("auto", &err), SSFER_OK);
    assert_int_equal(ssfer_cpu_level_in_use(), best);
    setenv("SSFER_CPU", "sse9", 1); /* what was set counts */
    assert_int_equal(ssfer_cpu_level_check(&err), SSFER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
