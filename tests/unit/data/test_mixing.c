/* Mixing a batch with its reverse: values, the distributions of what is drawn, and where a box lies in a view. */
#include "data/facemix_iou.h"
#include "data/mixing.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* lambda ~ Beta(1, 1), as a training draws it (a stream for each step): uniform. Kolmogorov-Smirnov: sqrt(n) D is above
 * 2.23 once in 10,000 (2 exp(-2 x^2)); the seed is fixed. */
static void test_lambda_is_uniform(void **state)
{
    (void)state;
    enum { N = 20000 };
    double *lambda = malloc(N * sizeof *lambda), most = 0.0;
    assert_non_null(lambda);
    for (size_t step = 0; step < N; step++) {
        ssfer_rng rng = ssfer_rng_stream(7, 2, 0, step, SSFER_RNG_MIX);
        lambda[step] = ssfer_rng_beta(&rng, 1.0, 1.0);
    }
    qsort(lambda, N, sizeof *lambda, compare);
    for (size_t i = 0; i < N; i++) {
        most = fmax(most, fabs(lambda[i] - (double)i / N));
        most = fmax(most, fabs(lambda[i] - (double)(i + 1) / N));
    }
    free(lambda);
    assert_true(sqrt(N) * most < 2.23);
}

/* Odd batches too: the picture in the middle stays as it is, also in place. */
static void test_blend(void **state)
{
    (void)state;
    float x[] = {1, 2, 3, 4, 5, 6}, y[6];
    const float want[] = {0.25f * 1 + 0.75f * 5, 0.25f * 2 + 0.75f * 6, 3, 4,
                          0.25f * 5 + 0.75f * 1, 0.25f * 6 + 0.75f * 2};
    ssfer_mix_blend(y, x, 3, 2, 0.25);
    for (size_t i = 0; i < 6; i++)
        assert_true(y[i] == want[i]);
    ssfer_mix_blend(x, x, 3, 2, 0.25);
    assert_memory_equal(x, y, sizeof x);
}

/* The rectangle's area is what lambda says after the cut, every place of the square is hit, and pixels come from where
 * they should. */
static void test_cutmix(void **state)
{
    (void)state;
    enum { SIDE = 8, N = 4000 };
    size_t hits[SIDE][SIDE] = {0};
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(3, 0, 0, i, SSFER_RNG_TEST);
        ssfer_crop box;
        const double given = ssfer_rng_uniform(&rng), left = ssfer_mix_draw_box(&box, SIDE, given, &rng);
        assert_true(box.left + box.width <= SIDE && box.top + box.height <= SIDE);
        assert_true(left == 1.0 - (double)(box.width * box.height) / (SIDE * SIDE));
        assert_true(left >= given - 1e-12); /* cut off at the border and to whole pixels, never larger */
        for (size_t y = 0; y < box.height; y++)
            for (size_t x = 0; x < box.width; x++)
                hits[box.top + y][box.left + x]++;
    }
    for (size_t i = 0; i < SIDE * SIDE; i++)
        assert_true(hits[i / SIDE][i % SIDE] > N / 40);
    float x[2 * 3 * 16], y[2 * 3 * 16];
    for (size_t i = 0; i < 96; i++)
        x[i] = (float)i;
    const ssfer_crop box = {.left = 1, .top = 2, .width = 2, .height = 1};
    ssfer_mix_paste(y, x, 2, 4, &box);
    for (size_t i = 0; i < 96; i++) {
        const size_t row = i % 16 / 4, column = i % 4;
        const bool inside = row == 2 && (column == 1 || column == 2);
        assert_true(y[i] == (inside ? x[(i + 48) % 96] : x[i]));
    }
}

/* A box in a view is where its pixels are: a picture that is black but for the box goes through the transform, and the
 * bright part of the result is compared with what ssfer_seen_box says, for many crops and flips. */
static void test_box_in_view(void **state)
{
    (void)state;
    enum { W = 90, H = 70, S = 64 };
    const float box[4] = {30, 20, 60, 50};
    ssfer_image image = {0};
    ssfer_transform t = ssfer_transform_train(S);
    ssfer_transform_scratch scratch = {0};
    static float out[3 * S * S];
    size_t seen = 0, unseen = 0;
    assert_int_equal(ssfer_image_create(&image, W, H, NULL), SSFER_OK);
    memset(image.data, 0, 3 * W * H);
    for (size_t y = 20; y < 50; y++)
        memset(image.data + 3 * (y * W + 30), 255, 3 * 30);
    t.scale_min = 0.02;
    for (size_t i = 0; i < 400; i++) {
        ssfer_rng rng = ssfer_rng_stream(5, 0, 0, i, SSFER_RNG_TEST);
        size_t low[2] = {S, S}, high[2] = {0, 0};
        float shown[4];
        assert_int_equal(ssfer_transform_apply_with(&t, &image, &rng, out, &scratch, NULL), SSFER_OK);
        const float middle = (0.5f - t.mean[0]) / t.std[0];
        for (size_t p = 0; p < S * S; p++)
            if (out[p] > middle) {
                const size_t at[2] = {p % S, p / S};
                for (int k = 0; k < 2; k++) {
                    low[k] = at[k] < low[k] ? at[k] : low[k];
                    high[k] = at[k] + 1 > high[k] ? at[k] + 1 : high[k];
                }
            }
        if (!ssfer_seen_box(shown, &scratch.view, box, S)) {
            assert_int_equal(high[0], 0); /* nothing bright */
            unseen++;
            continue;
        }
        if (shown[2] - shown[0] < 3 || shown[3] - shown[1] < 3)
            continue;                 /* a sliver, which the resampling may hide */
        for (int k = 0; k < 2; k++) { /* to one pixel: the edge is where it is half bright */
            assert_true(fabs((double)shown[k] - (double)low[k]) <= 1.0);
            assert_true(fabs((double)shown[k + 2] - (double)high[k]) <= 1.0);
        }
        seen++;
    }
    assert_true(seen > 200 && unseen > 10);
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lambda_is_uniform),
        cmocka_unit_test(test_blend),
        cmocka_unit_test(test_cutmix),
        cmocka_unit_test(test_box_in_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
