/* The checks of op_bank.h must notice what they are there for: every test of this program has to fail, and the program
 * succeeds when all of them did. Its output therefore shows failures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "op_bank.h"

#include <math.h>

static bank got, want;
static int opened; /* cmocka counts a test whose set-up fails as failed, too */

static int open_banks(void **state)
{
    (void)state;
    bank *both[] = {&got, &want};
    for (size_t i = 0; i < 2; i++) {
        *both[i] = BANK_EMPTY;
        bank_input(both[i], "x", 5);
        float *y = bank_set(both[i], "y", 5, 0.1, 0.01);
        for (size_t e = 0; e < 5; e++)
            y[e] = (float)e;
    }
    bank_check_intact(&got, "untouched");
    bank_check_same(&got, &want, "untouched");
    if (bank_check_close(&got, &want, "untouched") == 0.0)
        opened++;
    return 0;
}

static int close_banks(void **state)
{
    (void)state;
    bank_free(&got);
    bank_free(&want);
    return 0;
}

static void test_value(void **state)
{
    (void)state;
    got.tensors[1].data[3] += 0.14f; /* 0.1 + 3 * 0.01 are allowed */
    bank_check_close(&got, &want, "value");
}

static void test_negative_value(void **state)
{
    (void)state;
    want.tensors[1].data[3] = -3.0f; /* the size is right, the sign is not */
    bank_check_close(&got, &want, "sign");
}

static void test_nan_for_number(void **state)
{
    (void)state;
    got.tensors[1].data[4] = NAN;
    bank_check_close(&got, &want, "NaN for a number");
}

static void test_number_for_nan(void **state)
{
    (void)state;
    want.tensors[1].data[0] = NAN;
    bank_check_close(&got, &want, "a number for NaN");
}

static void test_infinity(void **state)
{
    (void)state;
    got.tensors[1].data[4] = INFINITY;
    bank_check_close(&got, &want, "infinity");
}

static void test_no_infinity(void **state)
{
    (void)state;
    want.tensors[1].data[4] = INFINITY;
    bank_check_close(&got, &want, "no infinity");
}

static void test_write_behind(void **state)
{
    (void)state;
    got.tensors[1].data[5] = 0.0f;
    bank_check_intact(&got, "behind");
}

static void test_write_in_front(void **state)
{
    (void)state;
    got.tensors[1].data[-1] = NAN;
    bank_check_intact(&got, "in front");
}

static void test_changed_input(void **state)
{
    (void)state;
    got.tensors[0].data[2] += 1.0f;
    bank_check_intact(&got, "input");
}

static void test_bits(void **state)
{
    (void)state;
    got.tensors[1].data[0] = -0.0f; /* equal as a number */
    bank_check_same(&got, &want, "bits");
}

#define MUST_FAIL(test) cmocka_unit_test_setup_teardown(test, open_banks, close_banks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MUST_FAIL(test_value),          MUST_FAIL(test_negative_value), MUST_FAIL(test_nan_for_number),
        MUST_FAIL(test_number_for_nan), MUST_FAIL(test_infinity),       MUST_FAIL(test_no_infinity),
        MUST_FAIL(test_write_behind),   MUST_FAIL(test_write_in_front), MUST_FAIL(test_changed_input),
        MUST_FAIL(test_bits),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL), wanted = (int)(sizeof tests / sizeof *tests);
    print_message("%d of %d tests failed; all of them must\n", failed, wanted);
    return failed == wanted && opened == wanted ? 0 : 1;
}
