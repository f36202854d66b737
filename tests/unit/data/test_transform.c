/* Transforms against the public picture functions, and the statistics of their random parts. */
#include "scene.h"

#include "data/transform.h"

#include <math.h>

static float normalized(const ssfer_transform *t, uint8_t u, size_t channel)
{
    return ((float)u / 255.0f - t->mean[channel]) / t->std[channel];
}

/* out equals the picture (S x S), normalised, bit for bit. */
static void assert_planes(const ssfer_transform *t, const float *out, const ssfer_image *image)
{
    size_t s = t->size;
    assert_int_equal(image->width, s);
    assert_int_equal(image->height, s);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < s * s; i++)
            assert_true(out[c * s * s + i] == normalized(t, image->data[3 * i + c], c));
}

static void test_eval(void **state)
{
    (void)state;
    /* width, height, S, expected left and top: (w - S) / 2 with halves to even */
    static const size_t cases[][5] = {{8, 8, 8, 0, 0},  {9, 8, 8, 0, 0},    {11, 8, 8, 2, 0},    {13, 8, 8, 2, 0},
                                      {8, 11, 8, 0, 2}, {48, 48, 32, 0, 0}, {30, 77, 16, 0, 12}, {77, 30, 16, 12, 0},
                                      {1, 1, 16, 0, 0}, {5, 3, 24, 8, 0},   {7, 19, 7, 0, 6}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        size_t w = cases[k][0], h = cases[k][1], s = cases[k][2];
        size_t rw = w <= h ? s : s * w / h, rh = w <= h ? s * h / w : s;
        ssfer_transform t = ssfer_transform_eval(s);
        ssfer_image in = {0}, resized = {0}, crop = {0};
        float *out = ssfer_malloc(3 * s * s * sizeof *out);
        scene_image(&in, w, h, k);
        assert_ok(ssfer_image_resize(&resized, &in, rw, rh, SSFER_FILTER_BILINEAR, err));
        assert_ok(ssfer_image_crop(&crop, &resized, cases[k][3], cases[k][4], s, s, err));
        assert_ok(ssfer_transform_apply(&t, &in, NULL, out, err));
        assert_planes(&t, out, &crop);
        ssfer_free(out);
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&resized);
        ssfer_image_deinit(&crop);
    }
}

/* Train: the same crop and flip by hand, from a copy of the stream. One scratch for all sizes. */
static void test_train(void **state)
{
    (void)state;
    ssfer_transform_scratch scratch = {0};
    size_t flips = 0;
    for (size_t k = 0; k < 60; k++) {
        ssfer_transform t = ssfer_transform_train(8 + k % 5);
        ssfer_rng rng = ssfer_rng_stream(1, 0, 0, k, SSFER_RNG_TEST), copy = rng, again = rng;
        ssfer_image in = {0}, wanted = {0};
        float out[3 * 12 * 12], second[3 * 12 * 12];
        scene_image(&in, 5 + k, 40 - k / 2, k);
        ssfer_crop c = ssfer_random_resized_crop(&t, in.width, in.height, &copy);
        assert_ok(
            ssfer_image_resized_crop(&wanted, &in, c.left, c.top, c.width, c.height, t.size, t.size, t.filter, err));
        if (ssfer_rng_uniform(&copy) < t.flip) {
            ssfer_image_flip_horizontal(&wanted);
            flips++;
        }
        assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
        assert_planes(&t, out, &wanted);
        assert_ok(ssfer_transform_apply(&t, &in, &again, second, err));
        assert_memory_equal(out, second, 3 * t.size * t.size * sizeof *out);
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&wanted);
    }
    assert_true(flips > 10 && flips < 50);
    ssfer_transform_scratch_deinit(&scratch);
}

static void test_mean_and_std_of_the_scratch(void **state)
{
    (void)state;
    ssfer_transform_scratch scratch = {0};
    ssfer_transform t = ssfer_transform_eval(4);
    ssfer_image in = {0};
    float out[48];
    scene_image(&in, 4, 4, 1);
    for (int k = 0; k < 3; k++) {
        for (int c = 0; c < 3; c++) {
            t.mean[c] = 0.5f - 0.1f * (float)k;
            t.std[c] = 0.25f + 0.1f * (float)(c + k);
        }
        assert_ok(ssfer_transform_apply_with(&t, &in, NULL, out, &scratch, err));
        assert_planes(&t, out, &in);
    }
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
}

static void test_allocates_nothing_when_warm(void **state)
{
    (void)state;
    ssfer_transform_scratch scratch = {0};
    ssfer_transform t = ssfer_transform_train(32), e = ssfer_transform_eval(32);
    ssfer_image in = {0};
    float *out = ssfer_malloc(3 * 32 * 32 * sizeof *out);
    t.erasing = 1.0;
    scene_image(&in, 48, 60, 1);
    for (size_t k = 0; k < 200; k++) {
        ssfer_rng rng = ssfer_rng_stream(1, 0, 0, k, SSFER_RNG_TEST);
        if (k == 100)
            ssfer_memory_fail_at(0);
        assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
        assert_ok(ssfer_transform_apply_with(&e, &in, &rng, out, &scratch, err));
    }
    assert_int_equal(ssfer_memory_fail_at(0), 0);
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
    ssfer_free(out);
}

/* The bound of a mean of n draws with deviation sigma that chance passes once in a million: 4.9 sigma / sqrt(n). */
static void assert_mean(double sum, size_t n, double expected, double sigma)
{
    double bound = 4.9 * sigma / sqrt((double)n), mean = sum / (double)n;
    if (!(fabs(mean - expected) <= bound))
        fail_msg("mean %g, expected %g within %g", mean, expected, bound);
}

/* In a large square the accepted area a has a density proportional to min(1, -log(a) / log(4/3)): above 3/4 only ratios
 * near 1 fit. (Attempts run out with a probability below 1e-8 here.) */
static double expected_area(void)
{
    double mass = 0.0, moment = 0.0;
    for (int i = 0; i < 100000; i++) {
        double a = 0.2 + 0.8 * (i + 0.5) / 100000, density = fmin(1.0, -log(a) / log(4.0 / 3.0));
        mass += density;
        moment += density * a;
    }
    return moment / mass;
}

static void test_crop_statistics(void **state)
{
    (void)state;
    enum { N = 40000, SIDE = 100000 };
    ssfer_transform t = ssfer_transform_train(8);
    double area = 0.0, log_ratio = 0.0, left = 0.0, top = 0.0;
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(2, 0, 0, i, SSFER_RNG_TEST);
        ssfer_crop c = ssfer_random_resized_crop(&t, SIDE, SIDE, &rng);
        double w = (double)c.width / SIDE, h = (double)c.height / SIDE;
        assert_true(c.left + c.width <= SIDE && c.top + c.height <= SIDE);
        assert_true(w * h >= 0.1999 && w / h > 0.7499 && w / h < 1.3334);
        area += w * h;
        log_ratio += log(w / h);
        left += (double)c.left / (double)(SIDE - c.width + 1);
        top += (double)c.top / (double)(SIDE - c.height + 1);
    }
    assert_mean(area, N, expected_area(), 0.21); /* deviation of the area: below that of U(0.2, 1), 0.231 */
    assert_mean(log_ratio, N, 0.0, 0.167);       /* U(-log 4/3, log 4/3) has 0.166 */
    assert_mean(left, N, 0.5, 0.2887);
    assert_mean(top, N, 0.5, 0.2887);
}

/* Every crop lies inside, for pictures of all shapes; extreme ones take the central part. */
static void test_crop_stays_inside(void **state)
{
    (void)state;
    ssfer_transform t = ssfer_transform_train(8);
    for (size_t i = 0; i < 20000; i++) {
        ssfer_rng rng = ssfer_rng_stream(3, 0, 0, i, SSFER_RNG_TEST);
        size_t w = 1 + ssfer_rng_below(&rng, i % 3 ? 50 : 2), h = 1 + ssfer_rng_below(&rng, i % 5 ? 50 : 2);
        ssfer_crop c = ssfer_random_resized_crop(&t, w, h, &rng);
        assert_true(c.width >= 1 && c.height >= 1 && c.left + c.width <= w && c.top + c.height <= h);
    }
    ssfer_rng rng = ssfer_rng_stream(3, 0, 0, 0, SSFER_RNG_TEST);
    ssfer_crop c = ssfer_random_resized_crop(&t, 1000, 10, &rng);
    assert_int_equal(c.width, 13); /* round(10 * 4/3) */
    assert_int_equal(c.height, 10);
    assert_int_equal(c.left, 493);
    c = ssfer_random_resized_crop(&t, 10, 1000, &rng);
    assert_int_equal(c.width, 10);
    assert_int_equal(c.height, 13);
    assert_int_equal(c.top, 493);
}

/* Rates of flipping and erasing, read off the output: the left column of the picture is brighter than the right. */
static void test_rates(void **state)
{
    (void)state;
    enum { N = 20000, S = 6 };
    ssfer_transform t = ssfer_transform_train(S);
    ssfer_transform_scratch scratch = {0};
    ssfer_image in = {0};
    float out[3 * S * S];
    size_t flipped = 0, erased = 0;
    t.erasing = 0.25;
    t.scale_min = t.scale_max = 1.0;
    t.ratio_min = t.ratio_max = 1.0;
    assert_ok(ssfer_image_create(&in, S, S, err));
    for (size_t i = 0; i < 3 * S * S; i++)
        in.data[i] = (uint8_t)(200 - 20 * (i / 3 % S));
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(4, 0, 0, i, SSFER_RNG_TEST);
        assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
        bool zero = false;
        for (size_t k = 0; k < S * S; k++)
            zero |= out[k] == 0.0f; /* no byte is normalised to 0 with mean 0.588 */
        double rising = 0.0;
        for (size_t k = 0; k < S * S; k++)
            if (out[k] != 0.0f)
                rising += ((double)(k % S) - 2.5) * ((double)out[k] - normalized(&t, 150, 0));
        flipped += rising > 0.0;
        erased += zero;
    }
    assert_mean((double)flipped, N, 0.5, 0.5);
    assert_mean((double)erased, N, 0.25, sqrt(0.25 * 0.75));
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
}

static void test_erasing_box(void **state)
{
    (void)state;
    enum { N = 20000, S = 224 };
    ssfer_transform t = ssfer_transform_train(S);
    double log_aspect = 0.0;
    size_t found = 0;
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(5, 0, 0, i, SSFER_RNG_TEST);
        ssfer_crop b;
        if (!ssfer_random_erasing_box(&t, 1, &rng, &b))
            continue;
        found++;
        double w = (double)b.width, h = (double)b.height, share = w * h / (S * S);
        assert_true(b.left + b.width <= S && b.top + b.height <= S && b.width < S && b.height < S);
        assert_true(share > 0.019 && share < 0.336 && h / w > 0.28 && h / w < 3.5); /* sides are rounded */
        log_aspect += log(h / w);
    }
    assert_int_equal(found, N);           /* ten attempts: never all too large at this size */
    assert_mean(log_aspect, N, 0.0, 0.7); /* U(log 0.3, log 1/0.3) has 0.695 */
    ssfer_transform one = ssfer_transform_train(1);
    ssfer_rng rng = ssfer_rng_stream(5, 0, 0, 0, SSFER_RNG_TEST);
    ssfer_crop b = {0};
    for (int i = 0; i < 100; i++) /* a single pixel: only an empty box is smaller than the picture */
        if (ssfer_random_erasing_box(&one, 1, &rng, &b))
            assert_true(b.width == 0 || b.height == 0);
}

static void test_erasing_modes(void **state)
{
    (void)state;
    enum { S = 64, N = 3 * S * S };
    ssfer_image in = {0};
    static float plain[N], out[N];
    scene_image(&in, S, S, 1);
    for (int mode = 0; mode < 3; mode++) {
        double sum = 0.0, squares = 0.0;
        size_t changed = 0;
        for (size_t k = 0; k < 40; k++) {
            ssfer_transform t = ssfer_transform_train(S);
            ssfer_rng a = ssfer_rng_stream(6, 0, 0, k, SSFER_RNG_TEST), b = a;
            assert_ok(ssfer_transform_apply(&t, &in, &a, plain, err));
            t.erasing = 1.0;
            t.erasing_mode = (ssfer_erasing_mode)mode;
            assert_ok(ssfer_transform_apply(&t, &in, &b, out, err));
            (void)ssfer_rng_uniform(&a); /* the draw that decides on erasing */
            ssfer_crop box;
            assert_true(ssfer_random_erasing_box(&t, 1, &a, &box));
            for (size_t i = 0; i < N; i++) {
                size_t x = i % S, y = i / S % S, c = i / (S * S);
                bool inside = x - box.left < box.width && y - box.top < box.height;
                if (!inside) {
                    assert_true(out[i] == plain[i]);
                    continue;
                }
                if (mode == SSFER_ERASING_CONST)
                    assert_true(out[i] == 0.0f);
                if (mode == SSFER_ERASING_RAND)
                    assert_true(out[i] == out[(c * S + box.top) * S + box.left]);
                changed++;
                sum += out[i];
                squares += (double)out[i] * out[i];
            }
        }
        if (mode == SSFER_ERASING_PIXEL) {
            assert_mean(sum, changed, 0.0, 1.0);
            assert_mean(squares, changed, 1.0, 1.4143); /* a squared normal number has deviation sqrt(2) */
        }
    }
    ssfer_image_deinit(&in);
}

static void test_bad_values(void **state)
{
    (void)state;
    ssfer_transform good = ssfer_transform_train(8), t;
    assert_ok(ssfer_transform_check(&good, err));
#define BAD(change)                                                                                                    \
    t = good;                                                                                                          \
    change;                                                                                                            \
    assert_int_equal(ssfer_transform_check(&t, NULL), SSFER_ERR_ARGUMENT)
    BAD(t.size = 0);
    BAD(t.size = 16385);
    BAD(t.std[1] = 0.0f);
    BAD(t.std[1] = NAN);
    BAD(t.mean[2] = INFINITY);
    BAD(t.scale_min = 0.0);
    BAD(t.scale_min = 0.9; t.scale_max = 0.8);
    BAD(t.scale_max = 1.5);
    BAD(t.ratio_min = -1.0);
    BAD(t.ratio_max = 0.1);
    BAD(t.ratio_max = INFINITY);
    BAD(t.flip = 1.1);
    BAD(t.flip = NAN);
    BAD(t.erasing = -0.1);
    BAD(t.erasing_max = 0.001);
    BAD(t.erasing_count = 0);
    BAD(t.erasing_count = SSFER_ERASING_MAX_COUNT + 1);
#undef BAD
    ssfer_erasing_mode mode;
    for (int k = 0; k < 3; k++) {
        assert_true(ssfer_erasing_mode_parse(&mode, ssfer_erasing_mode_name((ssfer_erasing_mode)k)));
        assert_int_equal(mode, k);
    }
    assert_false(ssfer_erasing_mode_parse(&mode, "noise"));
}

static void test_long_thin_picture(void **state)
{
    (void)state;
    ssfer_transform t = ssfer_transform_eval(224);
    ssfer_image in = {0}, empty = {0};
    float *out = ssfer_malloc(3 * 224 * 224 * sizeof *out);
    ssfer_rng rng = ssfer_rng_stream(1, 0, 0, 0, SSFER_RNG_TEST);
    scene_image(&in, 1, 100000, 1);
    assert_fails(ssfer_transform_apply(&t, &in, NULL, out, err), SSFER_ERR_LIMIT, "long and thin");
    t.train = true;
    assert_ok(ssfer_transform_apply(&t, &in, &rng, out, err)); /* a crop has a bounded ratio */
    assert_fails(ssfer_transform_apply(&t, &empty, &rng, out, err), SSFER_ERR_ARGUMENT, "without pixels");
    ssfer_image_deinit(&in);
    ssfer_free(out);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    ssfer_transform t = ssfer_transform_train(8);
    ssfer_image in = {0};
    float out[3 * 64];
    scene_image(&in, 20, 20, 1);
    for (size_t n = 1;; n++) {
        ssfer_rng rng = ssfer_rng_stream(1, 0, 0, 0, SSFER_RNG_TEST);
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_transform_apply(&t, &in, &rng, out, NULL);
        ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            assert_true(n > 2);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
    ssfer_image_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eval),
        cmocka_unit_test(test_train),
        cmocka_unit_test(test_mean_and_std_of_the_scratch),
        cmocka_unit_test(test_allocates_nothing_when_warm),
        cmocka_unit_test(test_crop_statistics),
        cmocka_unit_test(test_crop_stays_inside),
        cmocka_unit_test(test_rates),
        cmocka_unit_test(test_erasing_box),
        cmocka_unit_test(test_erasing_modes),
        cmocka_unit_test(test_bad_values),
        cmocka_unit_test(test_long_thin_picture),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
