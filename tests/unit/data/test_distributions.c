/* What training draws at random follows the reference's distributions: torchvision's RandomResizedCrop, timm's
 * RandAugment and RandomErasing, mixup's lambda. Seeds are fixed, so a result is the same on every run; each bound is
 * one that right code would pass with all but one seed in 10,000. */
#include "scene.h"

#include "data/mixing.h"
#include "data/transform.h"

#include <math.h>

enum { N = 60000 };

/* ---- how far chance goes --------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: u are values of the distribution function at the draws, so uniform. sqrt(n) D is above x with
 * probability 2 exp(-2 x^2): 2.23 for 10^-4. */
static void assert_uniform(const char *what, double *u, size_t n)
{
    double most = 0.0;
    assert_true(n > 1000);
    qsort(u, n, sizeof *u, compare);
    for (size_t i = 0; i < n; i++)
        most = fmax(most, fmax(u[i] - (double)i / (double)n, (double)(i + 1) / (double)n - u[i]));
    if (!(sqrt((double)n) * most < 2.23))
        fail_msg("%s: sqrt(n) D = %g", what, sqrt((double)n) * most);
}

/* The share of n coins that fell on p: 3.89 deviations for 10^-4. */
static void assert_share(const char *what, size_t hits, size_t n, double p)
{
    const double z = ((double)hits - p * (double)n) / sqrt(p * (1.0 - p) * (double)n);
    if (!(fabs(z) < 3.89))
        fail_msg("%s: %zu of %zu are %g deviations from %g", what, hits, n, z, p);
}

/* Chi-squared of equally likely cells; `bound`: its value for 10^-4 and one degree of freedom less than cells. */
static void assert_equally_often(const char *what, const size_t *seen, size_t cells, size_t n, double bound)
{
    const double each = (double)n / (double)cells;
    double chi = 0.0;
    for (size_t i = 0; i < cells; i++)
        chi += ((double)seen[i] - each) * ((double)seen[i] - each) / each;
    if (!(chi < bound))
        fail_msg("%s: chi-squared %g", what, chi);
}

/* ---- rectangles -------------------------------------------------------------------------------------------------- */

/* Of a rectangle with area a ~ U(low, high) and log aspect ~ U(-L, L) that is drawn again unless it fits into the unit
 * square, i.e. unless |log aspect| <= -log a: the area's density is proportional to min(1, -log(a) / L), and given the
 * area the log aspect is uniform in what fits. The integral of that density up to a: */
static double area_mass(double low, double a, double most_log)
{
    const double whole = fmin(a, exp(-most_log)); /* up to here every aspect fits */
    double mass = fmax(0.0, whole - low);
    const double from = fmax(low, whole);
    if (a > from) /* integral of -log(x) is x - x log x */
        mass += ((a - a * log(a)) - (from - from * log(from))) / most_log;
    return mass;
}

typedef struct rectangles {
    double low, high, most_log; /* of the area's share; of |log aspect| */
    double area[N], aspect[N], left[N], top[N];
    size_t count, placed;
} rectangles;

static void add_rectangle(rectangles *r, double side, const ssfer_crop *c)
{
    const double w = (double)c->width / side, h = (double)c->height / side, a = w * h;
    const double room = fmin(r->most_log, -log(a));
    r->area[r->count] = area_mass(r->low, a, r->most_log) / area_mass(r->low, r->high, r->most_log);
    r->aspect[r->count++] = 0.5 + 0.5 * log(w / h) / room;
    if (w > 0.9 || h > 0.9)
        return; /* too few places to be a continuous quantity */
    r->left[r->placed] = ((double)c->left + 0.5) / (side * (1.0 - w) + 1.0);
    r->top[r->placed++] = ((double)c->top + 0.5) / (side * (1.0 - h) + 1.0);
}

static void check_rectangles(rectangles *r)
{
    assert_uniform("area", r->area, r->count);
    assert_uniform("aspect ratio", r->aspect, r->count);
    assert_uniform("left", r->left, r->placed);
    assert_uniform("top", r->top, r->placed);
}

/* In a square so large that rounding to pixels does not matter. (That ten attempts fail has a probability below 10^-7
 * with these areas.) */
static void test_crops(void **state)
{
    (void)state;
    static const double areas[][2] = {{0.2, 1.0}, {0.08, 1.0}, {0.5, 0.9}};
    static rectangles r;
    for (size_t k = 0; k < sizeof areas / sizeof *areas; k++) {
        ssfer_transform t = ssfer_transform_train(224);
        t.scale_min = areas[k][0];
        t.scale_max = areas[k][1];
        r = (rectangles){.low = t.scale_min, .high = t.scale_max, .most_log = log(4.0 / 3.0)};
        for (size_t i = 0; i < N; i++) {
            ssfer_rng rng = ssfer_rng_stream(11, 2, (uint32_t)k, i, SSFER_RNG_AUGMENT);
            const ssfer_crop c = ssfer_random_resized_crop(&t, 8000, 8000, &rng);
            add_rectangle(&r, 8000, &c);
        }
        check_rectangles(&r);
    }
}

/* One of several rectangles is as many times smaller. */
static void test_erased_rectangles(void **state)
{
    (void)state;
    static rectangles r;
    ssfer_transform t = ssfer_transform_train(8000);
    for (size_t count = 1; count <= 3; count++) {
        r = (rectangles){
            .low = t.erasing_min / (double)count, .high = t.erasing_max / (double)count, .most_log = log(1.0 / 0.3)};
        for (size_t i = 0; i < N; i++) {
            ssfer_rng rng = ssfer_rng_stream(12, 2, (uint32_t)count, i, SSFER_RNG_AUGMENT);
            ssfer_crop c;
            assert_true(ssfer_random_erasing_box(&t, count, &rng, &c));
            add_rectangle(&r, 8000, &c);
        }
        check_rectangles(&r);
    }
}

/* ---- rates ------------------------------------------------------------------------------------------------------- */

/* Whether a picture is mirrored, and whether something of it is erased (zeros, which no byte is normalised to). */
static void test_flip_and_erasing_rates(void **state)
{
    (void)state;
    enum { S = 8 };
    static const double rates[] = {0.1, 0.5, 0.75};
    ssfer_transform_scratch scratch = {0};
    ssfer_image in = {0};
    float out[3 * S * S];
    scene_image(&in, S, S, 1);
    for (size_t k = 0; k < sizeof rates / sizeof *rates; k++) {
        ssfer_transform t = ssfer_transform_train(S);
        size_t flipped = 0, erased = 0;
        t.flip = rates[k];
        t.erasing = 1.0 - rates[k];
        t.erasing_min = t.erasing_max = 0.25; /* 4 x 4 pixels or so: never an empty rectangle */
        for (size_t i = 0; i < N; i++) {
            ssfer_rng rng = ssfer_rng_stream(13, 2, (uint32_t)k, i, SSFER_RNG_AUGMENT);
            bool zero = false;
            assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
            for (size_t p = 0; p < S * S; p++)
                zero |= out[p] == 0.0f;
            flipped += scratch.view.flip;
            erased += zero;
        }
        assert_share("flips", flipped, N, t.flip);
        assert_share("erasings", erased, N, t.erasing);
    }
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
}

/* Up to three rectangles: each number equally often (chi-squared, two degrees of freedom: 18.4), and what is erased is
 * what the stream says. */
static void test_erasing_count(void **state)
{
    (void)state;
    enum { S = 32, PICTURES = 3000 };
    ssfer_transform t = ssfer_transform_train(S);
    ssfer_transform_scratch scratch = {0};
    ssfer_image in = {0};
    static float plain[3 * S * S], out[3 * S * S];
    size_t seen[3] = {0};
    scene_image(&in, S, S, 1);
    t.erasing_count = 3;
    for (size_t i = 0; i < PICTURES; i++) {
        ssfer_rng copy = ssfer_rng_stream(14, 2, 0, i, SSFER_RNG_AUGMENT), rng = copy;
        bool erased[S * S] = {false};
        t.erasing = 0.0;
        assert_ok(ssfer_transform_apply_with(&t, &in, &copy, plain, &scratch, err));
        t.erasing = 1.0;
        assert_ok(ssfer_transform_apply_with(&t, &in, &rng, out, &scratch, err));
        (void)ssfer_rng_uniform(&copy); /* the coin of erasing */
        const size_t count = 1 + ssfer_rng_below(&copy, 3);
        seen[count - 1]++;
        for (size_t k = 0; k < count; k++) {
            ssfer_crop c;
            assert_true(ssfer_random_erasing_box(&t, count, &copy, &c));
            for (size_t y = c.top; y < c.top + c.height; y++)
                memset(erased + y * S + c.left, 1, c.width * sizeof *erased);
        }
        for (size_t p = 0; p < 3 * S * S; p++)
            assert_true(out[p] == (erased[p % (S * S)] ? 0.0f : plain[p]));
    }
    assert_equally_often("rectangles", seen, 3, PICTURES, 18.4);
    ssfer_transform_scratch_deinit(&scratch);
    ssfer_image_deinit(&in);
}

/* ---- RandAugment ------------------------------------------------------------------------------------------------- */

/* Every pair of operations equally often, so each operation is too and the second does not depend on the first:
 * chi-squared with 14 and 224 degrees of freedom. And the coins: carried out or not, and the sign. */
static void test_operations(void **state)
{
    (void)state;
    enum { OPS = SSFER_RANDAUGMENT_OPS };
    size_t single[OPS] = {0}, pairs[OPS * OPS] = {0}, skipped = 0, is_signed = 0, negative = 0;
    ssfer_randaugment p;
    assert_ok(ssfer_randaugment_parse(&p, "rand-m5-inc1-p0.3", err));
    for (size_t i = 0; i < N; i++) {
        ssfer_rng rng = ssfer_rng_stream(15, 2, 0, i, SSFER_RNG_AUGMENT);
        ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS];
        size_t drawn[2] = {0};
        ssfer_randaugment_draw(&p, &rng, steps);
        for (size_t k = 0; k < 2; k++) {
            while (steps[k].op != ssfer_randaugment_op(&p, drawn[k]))
                drawn[k]++;
            single[drawn[k]]++;
            skipped += steps[k].skipped;
            is_signed += steps[k].op->is_signed;
            negative += steps[k].op->is_signed && steps[k].argument == ssfer_op_argument(steps[k].op, 5.0, true);
        }
        pairs[drawn[0] * OPS + drawn[1]]++;
    }
    assert_equally_often("operations", single, OPS, 2 * N, 42.6);
    assert_equally_often("pairs of operations", pairs, OPS * OPS, N, 311.5);
    assert_share("skipped", skipped, 2 * N, 0.7);
    assert_share("negated", negative, is_signed, 0.5);
}

static double normal_below(double x)
{
    return 0.5 * erfc(-x / sqrt(2.0));
}

/* Magnitudes, read from the angle of a rotation: normal around m, what leaves 0 .. mmax being put on its end; with mstd
 * above 100 uniform up to m. */
static void test_magnitudes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double m, deviation, most; /* deviation 0: uniform */
    } cases[] = {{"rand-m9-mstd0.5-n16", 9, 0.5, 10},
                 {"rand-m5-mstd3-n16", 5, 3, 10},
                 {"rand-m15-mstd4-mmax20-n16", 15, 4, 20},
                 {"rand-m8-mstd101-n16", 8, 0, 8}};
    static double u[N];
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        const double m = cases[c].m, s = cases[c].deviation, most = cases[c].most;
        const double below = s > 0 ? normal_below(-m / s) : 0.0, above = s > 0 ? normal_below((m - most) / s) : 0.0;
        size_t inside = 0, low = 0, high = 0;
        ssfer_randaugment p;
        assert_ok(ssfer_randaugment_parse(&p, cases[c].text, err));
        for (size_t i = 0; i < N / 2; i++) {
            ssfer_rng rng = ssfer_rng_stream(16, 2, (uint32_t)c, i, SSFER_RNG_AUGMENT);
            ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS];
            ssfer_randaugment_draw(&p, &rng, steps);
            for (size_t k = 0; k < p.layers; k++) {
                const double magnitude = fabs(steps[k].argument) / 3.0; /* degrees: 30 at 10 */
                if (strcmp(steps[k].op->name, "Rotate") != 0)
                    continue;
                if (s > 0 && (magnitude <= 0.0 || magnitude > most - 1e-9)) {
                    *(magnitude > 0.0 ? &high : &low) += 1;
                    continue;
                }
                u[inside++] =
                    s > 0 ? (normal_below((magnitude - m) / s) - below) / (1.0 - below - above) : magnitude / m;
            }
        }
        assert_uniform(cases[c].text, u, inside);
        if (s > 0 && below > 1e-3)
            assert_share("magnitude 0", low, low + inside + high, below);
        if (s > 0)
            assert_share("largest magnitude", high, low + inside + high, above);
    }
}

/* ---- lambda ------------------------------------------------------------------------------------------------------ */

/* The distribution function of Beta(a, a): x^a (1-x)^a / (a B(a, a)) F(2a, 1; a+1; x), DLMF 8.17.8; the series is used
 * up to x = 1/2, where a term is less than that part of the one before in the end. */
static double beta_below(double a, double x)
{
    if (x > 0.5)
        return 1.0 - beta_below(a, 1.0 - x);
    double term = 1.0, sum = 1.0;
    for (int n = 0; n < 200; n++) {
        term *= (2.0 * a + n) / (a + 1.0 + n) * x;
        sum += term;
    }
    return x <= 0.0 ? 0.0 : exp(a * log(x) + a * log1p(-x) - log(a) - (2.0 * lgamma(a) - lgamma(2.0 * a))) * sum;
}

/* As a training draws it: a stream for each step. 1 is the method's, the others are those that mixup is used with. The
 * lower and the upper half are looked at apart: of the upper one a small alpha puts a percent where a double is 1. */
static void test_lambda(void **state)
{
    (void)state;
    static const double alphas[] = {0.1, 0.2, 0.4, 0.8, 1.0, 2.0, 8.0};
    static double low[N], high[N];
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        const double a = alphas[k];
        size_t lows = 0, highs = 0;
        for (size_t step = 0; step < N; step++) {
            ssfer_rng rng = ssfer_rng_stream(17 + k, 2, 0, step, SSFER_RNG_MIX);
            const double lambda = ssfer_rng_beta(&rng, a, a);
            if (lambda < 0.5)
                low[lows++] = 2.0 * beta_below(a, lambda);
            else
                high[highs++] = 2.0 * beta_below(a, lambda) - 1.0;
        }
        assert_share("lambda below 1/2", lows, N, 0.5);
        assert_uniform("lambda below 1/2", low, lows);
        if (a >= 0.4) /* 1 - lambda below 2^-53 has a probability of 10^-6 or less */
            assert_uniform("lambda above 1/2", high, highs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crops),
        cmocka_unit_test(test_erased_rectangles),
        cmocka_unit_test(test_flip_and_erasing_rates),
        cmocka_unit_test(test_erasing_count),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_magnitudes),
        cmocka_unit_test(test_lambda),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
