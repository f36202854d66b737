/* Probabilistic pseudo mixup against its formulas, worked out on copies in double precision. */
#include "train/pseudo_mixup.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 9, WIDTH = 5 };

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.10g, wanted %.10g", got, want);
}

static ssfer_rng stream(uint64_t step)
{
    return ssfer_rng_stream(7, 3, 0, step, SSFER_RNG_TEST);
}

/* Every size up to MOST, many permutations: cycles of all lengths, pictures that meet themselves among them. */
static void test_formulas(void **state)
{
    (void)state;
    for (size_t count = 1; count <= MOST; count++)
        for (uint64_t step = 0; step < 20; step++) {
            ssfer_pseudo_mixup m;
            ssfer_rng values = stream(1000 + step), order = stream(step);
            float confidence[MOST], weights[MOST], rows[MOST * WIDTH], w[MOST], x[MOST * WIDTH];
            bool met[MOST] = {false};
            for (size_t b = 0; b < count; b++) {
                confidence[b] = (float)ssfer_rng_range(&values, 0.2, 1.0);
                w[b] = weights[b] = ssfer_rng_uniform(&values) < 0.5 ? 0.0f : (float)ssfer_rng_uniform(&values);
            }
            for (size_t i = 0; i < count * WIDTH; i++)
                x[i] = rows[i] = (float)ssfer_rng_range(&values, -2.0, 2.0);
            assert_int_equal(ssfer_pseudo_mixup_init(&m, count, WIDTH, NULL), SSFER_OK);
            ssfer_pseudo_mixup_draw(&m, confidence, &order);
            ssfer_pseudo_mixup_rows(&m, rows, WIDTH);
            ssfer_pseudo_mixup_weights(&m, weights);
            for (size_t b = 0; b < count; b++) {
                const size_t other = m.partner[b];
                const double c = (double)confidence[b], lambda = c / (c + (double)confidence[other]);
                assert_true(other < count && !met[other]);
                met[other] = true;
                close_to((double)weights[b], fmax((double)w[b], (double)w[other]), 0.0);
                for (size_t i = 0; i < WIDTH; i++) /* f32 at up to 2: a few parts in 1e7 */
                    close_to((double)rows[b * WIDTH + i],
                             lambda * (double)x[b * WIDTH + i] + (1 - lambda) * (double)x[other * WIDTH + i], 1e-6);
            }
            ssfer_pseudo_mixup_deinit(&m);
        }
}

/* A sure picture beside an unsure one: 0.9 and 0.3 make 3/4 and 1/4, and both count. A fixed threshold of 0.7 applied
 * to the larger confidence says the same. */
static void test_by_hand(void **state)
{
    (void)state;
    const float confidence[2] = {0.9f, 0.3f};
    ssfer_pseudo_mixup m;
    assert_int_equal(ssfer_pseudo_mixup_init(&m, 2, 2, NULL), SSFER_OK);
    uint64_t step = 0;
    do {
        ssfer_rng rng = stream(step++);
        ssfer_pseudo_mixup_draw(&m, confidence, &rng);
    } while (m.partner[0] == 0);
    float targets[4] = {1, 0, 0, 1}, weights[2] = {1, 0};
    ssfer_pseudo_mixup_rows(&m, targets, 2);
    ssfer_pseudo_mixup_weights(&m, weights);
    const double want[4] = {0.75, 0.25, 0.75, 0.25};
    for (size_t i = 0; i < 4; i++)
        close_to((double)targets[i], want[i], 1e-6);
    close_to((double)weights[0], 1, 0);
    close_to((double)weights[1], 1, 0);
    ssfer_pseudo_mixup_deinit(&m);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 3; n++) {
        ssfer_pseudo_mixup m;
        ssfer_error err = {0};
        ssfer_memory_fail_at(n);
        assert_int_equal(ssfer_pseudo_mixup_init(&m, 4, 4, &err), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(0);
        assert_non_null(strstr(err.message, "pseudo mixup: out of memory"));
        ssfer_pseudo_mixup_deinit(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_formulas), cmocka_unit_test(test_by_hand),
                                       cmocka_unit_test(test_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
