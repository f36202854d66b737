#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "nn/schedule.h"

#include <math.h>
#include <string.h>

/* Both sides are computed in double with a handful of operations: a few ulp apart at most. */
#define CHECK_RATE(got, want)                                                                                          \
    do {                                                                                                               \
        double got_ = (got), want_ = (want);                                                                           \
        if (!(fabs(got_ - want_) <= 1e-12 * fabs(want_) + 1e-19))                                                      \
            fail_msg("%s:%d: %.17g, wanted %.17g", __FILE__, __LINE__, got_, want_);                                   \
    } while (0)

static ssfer_schedule make_cosine(void)
{
    return (ssfer_schedule){.kind = SSFER_SCHEDULE_COSINE,
                            .base_lr = 1.0,
                            .min_lr = 0.1,
                            .warmup_lr = 0.2,
                            .epochs = 5,
                            .warmup_epochs = 1,
                            .iterations = 4};
}

static void test_cosine(void **state)
{
    (void)state;
    ssfer_schedule s = make_cosine();
    assert_int_equal(ssfer_schedule_check(&s, NULL), SSFER_OK);
    CHECK_RATE(ssfer_schedule_at(&s, 0, 0), 0.2 + 0.8 / 5);
    CHECK_RATE(ssfer_schedule_at(&s, 0, 3), 0.2 + 0.8 * 4 / 5);
    CHECK_RATE(ssfer_schedule_at(&s, 1, 0), 1.0);
    CHECK_RATE(ssfer_schedule_at(&s, 3, 0), 0.55); /* half way down */
    CHECK_RATE(ssfer_schedule_at(&s, 5, 0), 0.1);
    CHECK_RATE(ssfer_schedule_at(&s, 50, 3), 0.1); /* never comes up again */
    for (size_t step = 4; step < 20; step++)       /* falls at every step after the warm-up */
        assert_true(ssfer_schedule_at(&s, (step + 1) / 4, (step + 1) % 4) < ssfer_schedule_at(&s, step / 4, step % 4));
    s.warmup_epochs = 0;
    CHECK_RATE(ssfer_schedule_at(&s, 0, 0), 1.0);
}

static void test_mae(void **state)
{
    (void)state;
    ssfer_schedule s = make_cosine();
    s.kind = SSFER_SCHEDULE_MAE;
    s.warmup_epochs = 2;
    CHECK_RATE(ssfer_schedule_at(&s, 0, 0), 0.0);
    CHECK_RATE(ssfer_schedule_at(&s, 0, 1), 0.125);
    CHECK_RATE(ssfer_schedule_at(&s, 1, 3), 0.875);
    CHECK_RATE(ssfer_schedule_at(&s, 2, 0), 1.0);
    CHECK_RATE(ssfer_schedule_at(&s, 3, 2), 0.55);
    CHECK_RATE(ssfer_schedule_at(&s, 9, 0), 0.1);
}

/* Values of timm 0.9's CosineLRScheduler with a cycle_mul, which the shared fixtures do not have. */
static void test_timm_cycles(void **state)
{
    (void)state;
    const ssfer_timm_cosine a = {.base_lr = 1e-3,
                                 .min_lr = 1e-5,
                                 .t_initial = 4,
                                 .warmup_t = 2,
                                 .warmup_lr = 1e-4,
                                 .cycle_mul = 2,
                                 .cycle_decay = 0.7,
                                 .cycle_limit = 3};
    static const double want[] = {0.0001,
                                  0.00055,
                                  0.000505,
                                  0.000154982143312659,
                                  0.0007,
                                  0.000673738438716394,
                                  0.0005989518395093589,
                                  0.000487025784165956,
                                  0.000355,
                                  0.00022297421583404402,
                                  0.00011104816049064112,
                                  3.626156128360608e-05,
                                  0.00049,
                                  0.0004853884672967753};
    for (size_t t = 0; t < sizeof want / sizeof *want; t++)
        CHECK_RATE(ssfer_timm_cosine_at(&a, (double)t), want[t]);
    CHECK_RATE(ssfer_timm_cosine_at(&a, 27), 1.4611532703224698e-05);
    CHECK_RATE(ssfer_timm_cosine_at(&a, 28), 1e-05);
    const ssfer_timm_cosine b = {.base_lr = 1e-3, .t_initial = 10, .cycle_mul = 1.5, .cycle_limit = 4};
    CHECK_RATE(ssfer_timm_cosine_at(&b, 10), 1e-3);
    CHECK_RATE(ssfer_timm_cosine_at(&b, 24), 1.0926199633097156e-05);
    CHECK_RATE(ssfer_timm_cosine_at(&b, 81), 1.3537941026914301e-07);
    CHECK_RATE(ssfer_timm_cosine_at(&b, 82), 0.0);
}

static void test_released(void **state)
{
    (void)state;
    ssfer_schedule s = ssfer_schedule_stage2_released(1.5e-4, 1e-5, 100, 4);
    assert_int_equal(ssfer_schedule_check(&s, NULL), SSFER_OK);
    CHECK_RATE(ssfer_schedule_at(&s, 0, 0), 5e-5);
    CHECK_RATE(ssfer_schedule_at(&s, 1, 0), 5e-5); /* still epoch 0's */
    CHECK_RATE(ssfer_schedule_at(&s, 1, 1), 7e-5);
    CHECK_RATE(ssfer_schedule_at(&s, 50, 1), 1e-5);
    CHECK_RATE(ssfer_schedule_at(&s, 99, 3), 1e-5);
    s = (ssfer_schedule){.kind = SSFER_SCHEDULE_MULTISTEP,
                         .base_lr = 1,
                         .epochs = 9,
                         .iterations = 1,
                         .gamma = 0.5,
                         .milestones = {2, 5},
                         .milestone_count = 2};
    assert_int_equal(ssfer_schedule_check(&s, NULL), SSFER_OK);
    CHECK_RATE(ssfer_schedule_at(&s, 1, 0), 1.0);
    CHECK_RATE(ssfer_schedule_at(&s, 2, 0), 0.5);
    CHECK_RATE(ssfer_schedule_at(&s, 8, 0), 0.25);
    s.kind = SSFER_SCHEDULE_CONSTANT;
    CHECK_RATE(ssfer_schedule_at(&s, 8, 0), 1.0);
    s.kind = SSFER_SCHEDULE_STAGE1_RELEASED; /* no warm-up: the guard 1e-8 makes that term huge, the cosine decides */
    CHECK_RATE(ssfer_schedule_at(&s, 0, 0), 1.0);
}

static void refuse(const ssfer_schedule *s, const char *word)
{
    ssfer_error err = {0};
    assert_int_equal(ssfer_schedule_check(s, &err), SSFER_ERR_ARGUMENT);
    if (!strstr(err.message, word))
        fail_msg("\"%s\" does not name %s", err.message, word);
}

static void test_check(void **state)
{
    (void)state;
    ssfer_schedule good = make_cosine(), s = good;
    s.base_lr = NAN;
    refuse(&s, "--lr");
    s = good, s.base_lr = -1;
    refuse(&s, "--lr");
    s = good, s.min_lr = INFINITY;
    refuse(&s, "--min-lr");
    s = good, s.warmup_lr = -1;
    refuse(&s, "warm-up");
    s = good, s.epochs = 0;
    refuse(&s, "--epochs");
    s = good, s.iterations = 0;
    refuse(&s, "--batch-size");
    s = good, s.warmup_epochs = -1;
    refuse(&s, "--warmup-epochs");
    s = good, s.warmup_epochs = 5;
    refuse(&s, "--warmup-epochs");
    s = good, s.kind = SSFER_SCHEDULE_MULTISTEP, s.milestone_count = SSFER_SCHEDULE_MAX_MILESTONES + 1;
    refuse(&s, "milestones");
    s = good, s.kind = SSFER_SCHEDULE_TIMM_COSINE;
    refuse(&s, "cycle");
    s.timm = (ssfer_timm_cosine){.base_lr = 1, .t_initial = 3, .cycle_limit = SSFER_SCHEDULE_MAX_CYCLES + 1u};
    refuse(&s, "cycles");
    s = good, s.kind = SSFER_SCHEDULE_COUNT;
    refuse(&s, "schedule");
    s = ssfer_schedule_stage2_released(1.5e-4, 1e-5, 1, 4); /* 1 / 2 epochs is none */
    refuse(&s, "cycle");
}

static void test_names(void **state)
{
    (void)state;
    for (int k = 0; k < SSFER_SCHEDULE_COUNT; k++)
        assert_int_equal(ssfer_schedule_parse(ssfer_schedule_name((ssfer_schedule_kind)k)), k);
    assert_int_equal(ssfer_schedule_parse("Cosine"), SSFER_SCHEDULE_COUNT);
    assert_int_equal(ssfer_schedule_parse(NULL), SSFER_SCHEDULE_COUNT);
    assert_string_equal(ssfer_schedule_name(SSFER_SCHEDULE_COUNT), "unknown");
}

static void test_ema_decay(void **state)
{
    (void)state;
    CHECK_RATE(ssfer_ema_decay(0.999, 0, true), 0.1);
    CHECK_RATE(ssfer_ema_decay(0.999, 90, true), 0.91);
    CHECK_RATE(ssfer_ema_decay(0.999, 1000000, true), 0.999);
    CHECK_RATE(ssfer_ema_decay(0.999, 0, false), 0.999);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cosine),    cmocka_unit_test(test_mae),   cmocka_unit_test(test_timm_cycles),
        cmocka_unit_test(test_released),  cmocka_unit_test(test_check), cmocka_unit_test(test_names),
        cmocka_unit_test(test_ema_decay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
