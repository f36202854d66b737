/* RandAugment's grammar, the statistics of what it draws, and its place in the transform. */
#include "scene.h"

#include "data/transform.h"

#include <math.h>

static void test_grammar(void **state)
{
    (void)state;
    ssfer_randaugment p;
    char text[SSFER_RANDAUGMENT_TEXT];
    assert_ok(ssfer_randaugment_parse(&p, "rand-m9-mstd0.5-inc1", err));
    assert_int_equal(p.layers, 2);
    assert_true(p.probability == 0.5 && p.magnitude == 9.0 && p.magnitude_std == 0.5 && p.magnitude_max == 10.0);
    assert_true(p.increasing);
    ssfer_randaugment_format(&p, text);
    assert_string_equal(text, "rand-m9-n2-p0.5-mstd0.5-mmax10-inc1");
    assert_ok(ssfer_randaugment_parse(&p, "rand", err));
    assert_true(p.layers == 2 && p.magnitude == 10.0 && p.magnitude_std == 0.0 && !p.increasing);
    assert_ok(ssfer_randaugment_parse(&p, "none", err));
    assert_int_equal(p.layers, 0);
    ssfer_randaugment_format(&p, text);
    assert_string_equal(text, "none");
    static const char *const good[] = {"rand-inc1-p0.125-n3-m7.25-mmax8-mstd101",
                                       "rand-p1-n16-m0",
                                       "rand-n1-mstd0.1",
                                       "rand-p0.333333333333333",
                                       "rand-inc0",
                                       "rand-m12-mmax99.5"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ssfer_randaugment again;
        assert_ok(ssfer_randaugment_parse(&p, good[i], err));
        ssfer_randaugment_format(&p, text);
        assert_ok(ssfer_randaugment_parse(&again, text, err));
        assert_true(p.layers == again.layers && p.probability == again.probability && p.magnitude == again.magnitude);
        assert_true(p.magnitude_std == again.magnitude_std && p.magnitude_max == again.magnitude_max);
        assert_int_equal(p.increasing, again.increasing);
    }
    static const struct {
        const char *text, *says;
    } bad[] = {{"augmix-m3", "none, or like"},
               {"random", "none, or like"},
               {"rand-", "each with a number"},
               {"rand-m9-", "each with a number"},
               {"rand-x3", "part \"x3\": m, n, p, mstd, mmax and inc are known"},
               {"rand-m-1", "part \"m\": m takes 0 to 100"},
               {"rand-m101", "part \"m101\": m takes 0 to 100"},
               {"rand-m1e1", "m takes"},
               {"rand-m9.5.1", "m takes"},
               {"rand-m9 ", "m takes"},
               {"rand-n17", "n takes a whole number from 0 to 16"},
               {"rand-n1.5", "n takes"},
               {"rand-p1.1", "p takes 0 to 1"},
               {"rand-mstd", "mstd takes 0 or more"},
               {"rand-mmax0", "mmax takes above 0, at most 100"},
               {"rand-mmax101", "mmax takes"},
               {"rand-inc2", "inc takes 0 or 1"},
               {"rand-inc0.5", "inc takes"},
               {"rand-m9-mstd1-m8", "part \"m8\": m comes twice"},
               {"rand-m9-w0", "part \"w0\": all operations are drawn equally often"},
               {"rand-tweights", "part \"tweights\": all operations are drawn equally often"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_fails(ssfer_randaugment_parse(&p, bad[i].text, err), SSFER_ERR_ARGUMENT, bad[i].says);
}

/* m above mmax is cut off, as in timm; mmax above 10 goes on where 10 stops. */
static void test_beyond_ten(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double degrees;
    } cases[] = {{"rand-m15-n1", 30}, {"rand-m15-n1-mmax20", 45}, {"rand-m30-n1-mmax20", 60}, {"rand-m4-n1-mmax2", 6}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        ssfer_randaugment p;
        ssfer_randaugment_step step[SSFER_RANDAUGMENT_MAX_LAYERS];
        size_t rotations = 0;
        assert_ok(ssfer_randaugment_parse(&p, cases[k].text, err));
        for (size_t i = 0; i < 300; i++) {
            ssfer_rng rng = ssfer_rng_stream(9, 0, 0, i, SSFER_RNG_TEST);
            ssfer_randaugment_draw(&p, &rng, step);
            if (strcmp(step[0].op->name, "Rotate") != 0)
                continue;
            rotations++;
            assert_true(fabs(fabs(step[0].argument) - cases[k].degrees) < 1e-9);
        }
        assert_true(rotations > 5);
    }
}

/* Bounds of 4.9 deviations: chance passes them once in a million. */
static void test_statistics(void **state)
{
    (void)state;
    enum { N = 30000 };
    ssfer_randaugment p;
    ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS];
    size_t drawn[SSFER_RANDAUGMENT_OPS] = {0}, skipped = 0, rotations = 0, negative = 0;
    double sum = 0.0, squares = 0.0;
    assert_ok(ssfer_randaugment_parse(&p, "rand-m5-mstd0.5-inc1-p0.25", err));
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(1, 0, 0, i, SSFER_RNG_TEST);
        ssfer_randaugment_draw(&p, &rng, steps);
        for (size_t k = 0; k < 2; k++) {
            skipped += steps[k].skipped;
            for (size_t op = 0; op < SSFER_RANDAUGMENT_OPS; op++)
                drawn[op] += steps[k].op == ssfer_randaugment_op(&p, op);
            if (strcmp(steps[k].op->name, "Rotate") == 0) {
                double magnitude = fabs(steps[k].argument) / 3.0; /* degrees: 30 at magnitude 10 */
                rotations++;
                negative += steps[k].argument < 0.0;
                sum += magnitude;
                squares += (magnitude - 5.0) * (magnitude - 5.0);
            }
        }
    }
    double n = 2.0 * N, r = (double)rotations;
    assert_true(fabs((double)skipped / n - 0.75) < 4.9 * sqrt(0.75 * 0.25 / n));
    for (size_t op = 0; op < SSFER_RANDAUGMENT_OPS; op++)
        assert_true(fabs((double)drawn[op] / n - 1.0 / 15) < 4.9 * sqrt(14.0 / 225.0 / n));
    assert_true(fabs((double)negative / r - 0.5) < 4.9 * 0.5 / sqrt(r));
    assert_true(fabs(sum / r - 5.0) < 4.9 * 0.5 / sqrt(r));
    assert_true(fabs(squares / r - 0.25) < 4.9 * 0.25 * sqrt(2.0 / r));
}

/* mstd above 100: uniform between 0 and m; otherwise clamped to mmax. */
static void test_magnitudes(void **state)
{
    (void)state;
    static const char *const texts[] = {"rand-m8-mstd101-n1", "rand-m9-mstd5-mmax6-n1"};
    for (int k = 0; k < 2; k++) {
        ssfer_randaugment p;
        ssfer_randaugment_step step[SSFER_RANDAUGMENT_MAX_LAYERS];
        double low = 100.0, high = 0.0;
        assert_ok(ssfer_randaugment_parse(&p, texts[k], err));
        for (size_t i = 0; i < 20000; i++) {
            ssfer_rng rng = ssfer_rng_stream(2, 0, 0, i, SSFER_RNG_TEST);
            ssfer_randaugment_draw(&p, &rng, step);
            if (strcmp(step[0].op->name, "Rotate") == 0) {
                low = fmin(low, fabs(step[0].argument) / 3.0);
                high = fmax(high, fabs(step[0].argument) / 3.0);
            }
        }
        assert_true(low < 0.1);
        assert_true(k == 0 ? high > 7.9 && high < 8.0 : fabs(high - 6.0) < 1e-12);
    }
}

/* In the transform: after crop and flip, before normalisation, by hand from a copy of the stream. */
static void test_in_the_transform(void **state)
{
    (void)state;
    enum { S = 12 };
    ssfer_transform t = ssfer_transform_strong(S);
    ssfer_transform_scratch scratch = {0};
    ssfer_image in = {0};
    size_t changed = 0;
    char text[SSFER_RANDAUGMENT_TEXT];
    ssfer_randaugment_format(&t.randaugment, text);
    assert_string_equal(text, "rand-m9-n2-p0.5-mstd0.5-mmax10-inc1");
    assert_ok(ssfer_transform_check(&t, err));
    scene_image(&in, 31, 27, 1);
    for (size_t i = 0; i < 200; i++) {
        ssfer_rng rng = ssfer_rng_stream(3, 0, 0, i, SSFER_RNG_TEST), copy = rng;
        ssfer_image wanted = {0};
        float out[3 * S * S];
        uint8_t before[3 * S * S], work[3 * S * S];
        static const uint8_t fill[3] = {150, 117, 103}; /* of the default mean */
        assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
        ssfer_crop c = ssfer_random_resized_crop(&t, in.width, in.height, &copy);
        assert_ok(ssfer_image_resized_crop(&wanted, &in, c.left, c.top, c.width, c.height, S, S, t.filter, err));
        if (ssfer_rng_uniform(&copy) < 0.5)
            ssfer_image_flip_horizontal(&wanted);
        memcpy(before, wanted.data, sizeof before);
        ssfer_randaugment_apply(&t.randaugment, &wanted, work, fill, &copy);
        changed += memcmp(before, wanted.data, sizeof before) != 0;
        for (size_t k = 0; k < 3 * S * S; k++)
            assert_true(out[k] == ((float)wanted.data[3 * (k % (S * S)) + k / (S * S)] / 255.0f - t.mean[k / (S * S)]) /
                                      t.std[k / (S * S)]);
        ssfer_image_deinit(&wanted);
    }
    assert_true(changed > 120 &&
                changed < 170); /* 3/4 have an operation carried out, and few of those change nothing */
    t.randaugment.layers = SSFER_RANDAUGMENT_MAX_LAYERS + 1;
    assert_int_equal(ssfer_transform_check(&t, NULL), SSFER_ERR_ARGUMENT);
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),    cmocka_unit_test(test_beyond_ten),       cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_magnitudes), cmocka_unit_test(test_in_the_transform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
