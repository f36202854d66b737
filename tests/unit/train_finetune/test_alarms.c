/* A program that embeds the library has a handler of its own, called a thousand times a second, and stops and continues
 * trainings: it stays alive, and every stop leaves the checkpoint that it is continued from. How many stops there are is
 * in SSFER_STOPS (default 12). */
#include "unit/train_finetune/finetune_case.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    volatile char frame[2048]; /* what a handler of some size needs */
    (void)number;
    frame[0] = frame[sizeof frame - 1] = 1;
    alarms = alarms + frame[0];
}

static void test_stops_under_alarms(void **state)
{
    scene s = *(scene *)*state;
    run_case r;
    const char *wanted = getenv("SSFER_STOPS");
    const size_t stops = wanted ? strtoul(wanted, NULL, 10) : 12;
    const size_t widths[] = {64, 192, 384};
    ssfer_rng rng = ssfer_rng_stream(1, 0, 0, 0, 0);
    make_split(&s, "set", "train", 24);
    make_split(&s, "set", "valid", 2);
    struct sigaction action = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};
    const struct itimerval often = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    sigemptyset(&action.sa_mask);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (size_t n = 0; n < stops; n++) {
        char name[32];
        const ssfer_precision precision = n / 3 % 2 ? SSFER_PRECISION_BF16 : SSFER_PRECISION_FP32;
        if (!ssfer_compute_has(precision))
            continue;
        snprintf(name, sizeof name, "run-%zu-%d", widths[n % 3], (int)precision);
        set_up(&r, &s, "set", name);
        r.options.model.image_size = 48;
        r.options.model.embed_dim = widths[n % 3];
        r.options.model.hidden = 4 * widths[n % 3];
        r.options.training.precision = precision;
        r.options.training.batch = 16;
        r.options.training.accumulate = 1;
        r.options.training.epochs = 10000;
        r.options.training.optimizer.clip_grad = 1.0f;
        r.options.training.lr = 1e-4;
        r.options.training.judge_every = 7;
        r.options.training.threads = 1 + n % 2;
        r.options.training.resume = n >= 6;
        stop_at = 1 + ssfer_rng_below(&rng, 8);
        expect_failure(&r, SSFER_ERR_CANCELLED, "go on with --resume");
        assert_true(n < 6 || strstr(logged, "resumed at epoch"));
        assert_null(strstr(logged, "trying the one before")); /* no checkpoint was damaged */
    }
    setitimer(ITIMER_REAL, &never, NULL);
    assert_true(alarms > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_stops_under_alarms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
