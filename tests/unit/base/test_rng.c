/* Random numbers. The generator is deterministic, so these tests give the same answer on every run; the confidence
 * stated for a distribution says how seldom a correct generator would fail with another seed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static ssfer_rng make(uint64_t sample)
{
    return ssfer_rng_stream(2024, 1, 2, sample, SSFER_RNG_TEST);
}

/* Known-answer vectors of Random123 (Salmon et al.), file kat_vectors, "philox4x32 10". */
static void test_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } answers[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < 3; i++) {
        uint32_t out[4];
        ssfer_philox4x32(out, answers[i].counter, answers[i].key);
        assert_memory_equal(out, answers[i].out, sizeof out);
    }
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

/* How a name becomes a key and a counter is part of the reproducibility contract: written out once more. */
static void test_stream_layout(void **state)
{
    (void)state;
    ssfer_rng rng = ssfer_rng_stream(0x0123456789abcdefu, 3, 0xdeadbeef, 0x5566778899aau, SSFER_RNG_MIX);
    const uint32_t key[2] = {0x89abcdef, 0x01234567};
    for (uint32_t block = 0; block < 3; block++) {
        const uint32_t counter[4] = {block, 0x778899aa, 0xdeadbeef, 0x55660000u | 3u << 8 | 6u};
        uint32_t want[4];
        ssfer_philox4x32(want, counter, key);
        for (size_t i = 0; i < 4; i++)
            assert_int_equal(ssfer_rng_u32(&rng), want[i]);
    }
}

/* Streams whose names differ in one part only share no number of their first 64 at the same place. (Two unrelated
 * streams would once in 2^32 / 64 pairs; 28 pairs are compared.) */
static void test_streams_differ(void **state)
{
    (void)state;
    ssfer_rng streams[] = {
        ssfer_rng_stream(7, 1, 5, 9, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(8, 1, 5, 9, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7 + (1ull << 32), 1, 5, 9, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7, 2, 5, 9, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7, 1, 6, 9, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7, 1, 5, 10, SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7, 1, 5, 9 + (1ull << 32), SSFER_RNG_AUGMENT),
        ssfer_rng_stream(7, 1, 5, 9, SSFER_RNG_AUGMENT_STRONG),
    };
    enum { STREAMS = sizeof streams / sizeof *streams };
    for (int i = 0; i < 64; i++) {
        uint32_t numbers[STREAMS];
        for (size_t s = 0; s < STREAMS; s++) {
            numbers[s] = ssfer_rng_u32(&streams[s]);
            for (size_t other = 0; other < s; other++)
                assert_int_not_equal(numbers[s], numbers[other]);
        }
    }
}

static void test_stream_repeats(void **state)
{
    (void)state;
    ssfer_rng a = make(4), b = make(4);
    for (int i = 0; i < 100; i++)
        assert_true(ssfer_rng_normal(&a) == ssfer_rng_normal(&b));
}

/* ---- distributions ----------------------------------------------------------------------------------------------- */

enum { DRAWS = 200000 };

typedef double draw_function(ssfer_rng *rng, const double *parameters);

/* Mean and variance of DRAWS numbers within five standard errors: with a correct generator each fails for one seed in
 * 1.7 million. The variance's error needs the fourth central moment, given as kurtosis (3 for a normal one). */
static void check_moments(uint64_t stream, draw_function *draw, const double *parameters, double mean, double variance,
                          double kurtosis)
{
    ssfer_rng rng = make(stream);
    double sum = 0.0, squares = 0.0;
    for (int i = 0; i < DRAWS; i++) {
        double x = draw(&rng, parameters) - mean;
        sum += x;
        squares += x * x;
    }
    double off = sum / DRAWS, spread = squares / DRAWS;
    double off_allowed = 5.0 * sqrt(variance / DRAWS), spread_allowed = 5.0 * variance * sqrt((kurtosis - 1.0) / DRAWS);
    if (!(fabs(off) <= off_allowed))
        fail_msg("stream %d: mean off by %g, allowed %g", (int)stream, off, off_allowed);
    if (!(fabs(spread - variance) <= spread_allowed))
        fail_msg("stream %d: variance %g, wanted %g within %g", (int)stream, spread, variance, spread_allowed);
}

static double draw_uniform(ssfer_rng *rng, const double *p)
{
    (void)p;
    double x = ssfer_rng_uniform(rng);
    assert_true(x >= 0.0 && x < 1.0);
    return x;
}

static double draw_range(ssfer_rng *rng, const double *p)
{
    double x = ssfer_rng_range(rng, p[0], p[1]);
    assert_true(x >= p[0] && x <= p[1]);
    return x;
}

static double draw_normal(ssfer_rng *rng, const double *p)
{
    (void)p;
    return ssfer_rng_normal(rng);
}

static double draw_gamma(ssfer_rng *rng, const double *p)
{
    double x = ssfer_rng_gamma(rng, p[0]);
    assert_true(x >= 0.0 && isfinite(x));
    return x;
}

static double draw_beta(ssfer_rng *rng, const double *p)
{
    double x = ssfer_rng_beta(rng, p[0], p[1]);
    assert_true(x >= 0.0 && x <= 1.0);
    return x;
}

static void test_uniform(void **state)
{
    (void)state;
    const double range[2] = {-3.0, 5.0};
    check_moments(1, draw_uniform, NULL, 0.5, 1.0 / 12.0, 1.8);
    check_moments(2, draw_range, range, 1.0, 64.0 / 12.0, 1.8);

    /* 16 equal bins: chi-squared with 15 degrees of freedom is above 52 for one seed in 180,000 */
    ssfer_rng rng = make(3);
    double bins[16] = {0}, chi = 0.0;
    for (int i = 0; i < DRAWS; i++)
        bins[(size_t)(16.0 * ssfer_rng_uniform(&rng))]++;
    for (size_t i = 0; i < 16; i++)
        chi += (bins[i] - DRAWS / 16.0) * (bins[i] - DRAWS / 16.0) / (DRAWS / 16.0);
    assert_true(chi < 52.0);
}

static void test_normal(void **state)
{
    (void)state;
    check_moments(4, draw_normal, NULL, 0.0, 1.0, 3.0);
    /* the share below -1, 0, 1 and 2 deviations, within five standard errors */
    const double at[] = {-1.0, 0.0, 1.0, 2.0};
    for (size_t k = 0; k < 4; k++) {
        ssfer_rng rng = make(5);
        double below = 0.0, want = 0.5 * erfc(-at[k] / sqrt(2.0));
        for (int i = 0; i < DRAWS; i++)
            below += ssfer_rng_normal(&rng) < at[k];
        assert_true(fabs(below / DRAWS - want) <= 5.0 * sqrt(want * (1.0 - want) / DRAWS));
    }
}

/* Gamma(a): mean a, variance a, kurtosis 3 + 6/a; on both sides of 1, where the method changes. */
static void test_gamma(void **state)
{
    (void)state;
    const double shapes[] = {0.1, 0.5, 0.9, 1.0, 1.1, 2.5, 30.0};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_moments(10 + i, draw_gamma, &shapes[i], shapes[i], shapes[i], 3.0 + 6.0 / shapes[i]);
}

static void test_beta(void **state)
{
    (void)state;
    const double pairs[][2] = {{1.0, 1.0}, {0.2, 0.2}, {0.8, 0.8}, {2.0, 5.0}, {0.5, 3.0}, {8.0, 8.0}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        double a = pairs[i][0], b = pairs[i][1], s = a + b, variance = a * b / (s * s * (s + 1.0));
        double excess = 6.0 * ((a - b) * (a - b) * (s + 1.0) - a * b * (s + 2.0)) / (a * b * (s + 2.0) * (s + 3.0));
        check_moments(20 + i, draw_beta, pairs[i], a / s, variance, 3.0 + excess);
    }
}

/* Every value of a range that does not divide 2^32 equally often: chi-squared within five of its own deviations
 * (sqrt(2 (n-1))) of its mean n-1, roughly one seed in a million at the larger n. */
static void test_below(void **state)
{
    (void)state;
    const uint32_t ranges[] = {2, 3, 7, 1000};
    ssfer_rng rng = make(30);
    for (size_t r = 0; r < 4; r++) {
        static double seen[1000];
        const uint32_t n = ranges[r];
        double chi = 0.0, each = (double)DRAWS / n;
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < DRAWS; i++) {
            uint32_t x = ssfer_rng_below(&rng, n);
            assert_true(x < n);
            seen[x]++;
        }
        for (uint32_t i = 0; i < n; i++)
            chi += (seen[i] - each) * (seen[i] - each) / each;
        assert_true(chi <= n - 1 + 5.0 * sqrt(2.0 * (n - 1)) + 10.0); /* + 10: its tail is longer for small n */
    }
    for (int i = 0; i < 1000; i++)
        assert_int_equal(ssfer_rng_below(&rng, 1), 0);

    /* 3 * 2^30: scaling without rejection would favour every third value: 0.5 of the draws instead of a third */
    double thirds = 0.0;
    for (int i = 0; i < DRAWS; i++)
        thirds += ssfer_rng_below(&rng, 3u << 30) % 3 == 0;
    assert_true(fabs(thirds / DRAWS - 1.0 / 3.0) <= 5.0 * sqrt(2.0 / 9.0 / DRAWS));
}

/* Each of the 24 orders of four items equally often; chi-squared with 23 degrees of freedom is above 66 for one seed in
 * 180,000. Nothing is lost or doubled. */
static void test_shuffle(void **state)
{
    (void)state;
    ssfer_rng rng = make(40);
    double seen[256] = {0}, chi = 0.0;
    size_t orders = 0;
    for (int i = 0; i < 48000; i++) {
        size_t items[4] = {0, 1, 2, 3};
        ssfer_rng_shuffle(&rng, items, 4);
        assert_int_equal(1u << items[0] | 1u << items[1] | 1u << items[2] | 1u << items[3], 15);
        seen[items[0] | items[1] << 2 | items[2] << 4 | items[3] << 6]++;
    }
    for (size_t i = 0; i < 256; i++)
        if (seen[i] > 0.0) {
            orders++;
            chi += (seen[i] - 2000.0) * (seen[i] - 2000.0) / 2000.0;
        }
    assert_int_equal(orders, 24);
    assert_true(chi < 66.0);

    size_t one = 5;
    ssfer_rng_shuffle(&rng, &one, 1);
    assert_int_equal(one, 5);
    ssfer_rng_shuffle(&rng, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_answers),  cmocka_unit_test(test_stream_layout),
        cmocka_unit_test(test_streams_differ), cmocka_unit_test(test_stream_repeats),
        cmocka_unit_test(test_uniform),        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_gamma),          cmocka_unit_test(test_beta),
        cmocka_unit_test(test_below),          cmocka_unit_test(test_shuffle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
