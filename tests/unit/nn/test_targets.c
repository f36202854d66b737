#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/targets.h"

#include <math.h>

static void test_hard(void **state)
{
    (void)state;
    const int32_t labels[] = {2, 0};
    const float want[] = {0, 0, 1, 1, 0, 0};
    float target[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    ssfer_targets_from_labels(target, labels, 2, 3, 0.0);
    assert_memory_equal(target, want, sizeof want);
}

/* timm's mixup_target with one label: smoothing/K everywhere, and 1 - smoothing on top of it at the label. */
static void test_smoothed(void **state)
{
    (void)state;
    const int32_t labels[] = {1, 3, 0};
    float target[12];
    ssfer_targets_from_labels(target, labels, 3, 4, 0.1);
    for (size_t b = 0; b < 3; b++) {
        double sum = 0.0;
        for (size_t k = 0; k < 4; k++) {
            const float want = (size_t)labels[b] == k ? 0.925f : 0.025f;
            assert_true(target[4 * b + k] == want);
            sum += (double)target[4 * b + k];
        }
        assert_true(fabs(sum - 1.0) < 1e-6);
    }
}

/* A picture without a label takes part in nothing. */
static void test_unknown(void **state)
{
    (void)state;
    const int32_t labels[] = {-1, 1};
    const float want[] = {0, 0, 0.05f, 0.95f};
    float target[4] = {9, 9, 9, 9};
    ssfer_targets_from_labels(target, labels, 2, 2, 0.1);
    for (size_t i = 0; i < 4; i++)
        assert_true(fabsf(target[i] - want[i]) < 1e-7f);
    assert_true(target[0] == 0.0f && target[1] == 0.0f);
}

static void test_one_class(void **state)
{
    (void)state;
    const int32_t label = 0;
    float target = 0;
    ssfer_targets_from_labels(&target, &label, 1, 1, 0.1);
    assert_true(target == 1.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hard),
        cmocka_unit_test(test_smoothed),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_one_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
