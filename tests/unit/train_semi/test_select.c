/* The selection methods, against their formulas worked out here step by step in double precision, from the papers and
 * not from the code: plain loops over a few pictures and three classes. */
#include "train/select/select.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { K = 3, B = 4, PICTURES = 6 };

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.12g, wanted %.12g", got, want);
}

/* Two batches of opinions; confidences are exact in float32. */
static const float FIRST[B * K] = {0.875f, 0.0625f, 0.0625f, 0.25f,  0.625f, 0.125f,
                                   0.75f,  0.125f,  0.125f,  0.375f, 0.5f,   0.125f};
static const float SECOND[B * K] = {0.5f,   0.375f, 0.125f, 0.0625f, 0.9375f, 0.0f,
                                    0.125f, 0.125f, 0.75f,  0.125f,  0.125f,  0.75f};
static const size_t FIRST_PICTURES[B] = {0, 1, 2, 3}, SECOND_PICTURES[B] = {4, 0, 5, 2};

typedef struct asked {
    float confidence[B], weights[B];
    int32_t labels[B];
} asked;

static asked ask(ssfer_select *s, const float *q, const size_t *pictures)
{
    asked a;
    for (size_t b = 0; b < B; b++) {
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            best = q[b * K + k] > q[b * K + best] ? k : best;
        a.labels[b] = (int32_t)best;
        a.confidence[b] = q[b * K + best];
    }
    const ssfer_opinions o = {q, a.confidence, a.labels, pictures, B};
    s->method->weigh(s, a.weights, &o);
    return a;
}

static ssfer_select make(const char *name, double threshold, double momentum)
{
    ssfer_select s;
    ssfer_error err = {0};
    const ssfer_select_method *method = ssfer_select_method_named(name);
    assert_non_null(method);
    assert_int_equal(ssfer_select_init(&s, method,
                                       &(ssfer_select_options){.threshold = threshold, .momentum = momentum}, K,
                                       PICTURES, &err),
                     SSFER_OK);
    return s;
}

static void expect_weights(const asked *a, double w0, double w1, double w2, double w3)
{
    const double want[B] = {w0, w1, w2, w3};
    for (size_t b = 0; b < B; b++)
        close_to((double)a->weights[b], want[b], 1e-7);
}

static void test_names(void **state)
{
    (void)state;
    assert_string_equal(SSFER_SELECT_METHODS[0]->name, "fixmatch"); /* the default */
    assert_null(ssfer_select_method_named("fix"));
    for (size_t i = 0; SSFER_SELECT_METHODS[i]; i++)
        assert_ptr_equal(ssfer_select_method_named(SSFER_SELECT_METHODS[i]->name), SSFER_SELECT_METHODS[i]);
}

static void test_fixmatch(void **state)
{
    (void)state;
    ssfer_select s = make("fixmatch", 0.75, 0);
    asked a = ask(&s, FIRST, FIRST_PICTURES);
    expect_weights(&a, 1, 0, 1, 0); /* 0.75 itself counts */
    a = ask(&s, SECOND, SECOND_PICTURES);
    expect_weights(&a, 0, 1, 1, 1);
    ssfer_select_deinit(&s);
}

/* tau 0.7, N 6. Batch 1: nothing is noted yet, so all thresholds are 0 and everything counts; then sigma = (2, 0, 0).
 * Batch 2: scale = max(2, 6 - 2) = 4; beta_0 = 1/2, M = 1/3, T_0 = 0.2333; T_1 = T_2 = 0. Then picture 0 changes from
 * class 0 to 1 and picture 2 from 0 to 2, and 5 joins 2: sigma = (0, 1, 2). Batch 3: scale = max(2, 3) = 3;
 * beta = (0, 1/3, 2/3), M = (0, 1/5, 1/2), T = (0, 0.14, 0.35). */
static void test_flexmatch(void **state)
{
    (void)state;
    ssfer_select s = make("flexmatch", 0.7, 0);
    asked a = ask(&s, FIRST, FIRST_PICTURES);
    expect_weights(&a, 1, 1, 1, 1);
    close_to(s.state[0] + 10 * s.state[1] + 100 * s.state[2], 2, 0);
    a = ask(&s, SECOND, SECOND_PICTURES);
    expect_weights(&a, 1, 1, 1, 1);
    close_to(s.state[0] + 10 * s.state[1] + 100 * s.state[2], 210, 0);
    /* Between the thresholds: 0.345 of class 2 is out, 0.36 in; noise of K = 3 cannot go below 1/3. */
    const float q[B * K] = {0.33f, 0.325f, 0.345f, 0.32f, 0.32f, 0.36f, 0.335f, 0.34f, 0.325f, 0.34f, 0.33f, 0.33f};
    a = ask(&s, q, FIRST_PICTURES);
    expect_weights(&a, 0, 1, 1, 1);
    close_to(s.state[0] + 10 * s.state[1] + 100 * s.state[2], 210, 0); /* none was sure */
    ssfer_select_deinit(&s);
}

/* With momentum 0.5 the second batch still remembers the first. */
static void test_freematch(void **state)
{
    (void)state;
    enum { ROUNDS = 2 };
    const double m = 0.5;
    const float *batches[ROUNDS] = {FIRST, SECOND};
    const size_t *pictures[ROUNDS] = {FIRST_PICTURES, SECOND_PICTURES};
    double tau = 1.0 / K, p[K] = {1.0 / K, 1.0 / K, 1.0 / K}, h[K] = {1.0 / K, 1.0 / K, 1.0 / K};
    ssfer_select s = make("freematch", 0.7, m);
    size_t kept = 0;
    for (size_t round = 0; round < ROUNDS; round++) {
        const asked a = ask(&s, batches[round], pictures[round]);
        double most = 0.0;
        tau *= m;
        for (size_t b = 0; b < B; b++)
            tau += (1 - m) / B * (double)a.confidence[b];
        for (size_t k = 0; k < K; k++) {
            p[k] *= m;
            h[k] *= m;
            for (size_t b = 0; b < B; b++) {
                p[k] += (1 - m) / B * (double)batches[round][b * K + k];
                h[k] += (1 - m) / B * (a.labels[b] == (int32_t)k);
            }
            most = fmax(most, p[k]);
        }
        for (size_t b = 0; b < B; b++) {
            const double want = (double)a.confidence[b] >= p[a.labels[b]] / most * tau;
            close_to((double)a.weights[b], want, 0);
            kept += want > 0;
        }
        close_to(s.state[0], tau, 1e-14);
        for (size_t k = 0; k < K; k++) {
            close_to(s.state[1 + k], p[k], 1e-14);
            close_to(s.state[1 + K + k], h[k], 1e-14);
        }
    }
    assert_true(kept > 0 && kept < ROUNDS * B);
    ssfer_select_deinit(&s);
}

/* The fairness term in double precision from its formula; the student's logits as doubles. */
static double fairness(const double *z, size_t n, const double *p, const double *h)
{
    double mean[K] = {0}, hist[K] = {0}, target[K], share[K], target_sum = 0, share_sum = 0, loss = 0;
    for (size_t b = 0; b < n; b++) {
        double sum = 0;
        size_t best = 0;
        for (size_t k = 0; k < K; k++) {
            sum += exp(z[b * K + k]);
            best = z[b * K + k] > z[b * K + best] ? k : best;
        }
        hist[best] += 1.0 / (double)n;
        for (size_t k = 0; k < K; k++)
            mean[k] += exp(z[b * K + k]) / sum / (double)n;
    }
    for (size_t k = 0; k < K; k++) {
        target[k] = p[k] / h[k];
        share[k] = hist[k] > 0 ? mean[k] / hist[k] : 0;
        target_sum += target[k];
        share_sum += share[k];
    }
    for (size_t k = 0; k < K; k++)
        loss += target[k] / target_sum * log(share[k] / share_sum + 1e-12);
    return loss;
}

/* Value, and gradient against central differences: the step is wide enough for f32 output, and changes no largest
 * class, which would be a jump. The second case has a class that no picture is of. */
static void test_freematch_fairness(void **state)
{
    (void)state;
    static const float cases[2][B * K] = {{2, 0.5f, -1, 0, 1.5f, 0.25f, -1, 0.5f, 3, 1, 0, 0.5f},
                                          {2, 0.5f, -1, 0, 1.5f, 0.25f, 1, 0.5f, 0, 1, 0, 0.5f}};
    ssfer_select s = make("freematch", 0.7, 0.5);
    ask(&s, FIRST, FIRST_PICTURES);
    for (size_t c = 0; c < 2; c++) {
        double z[B * K];
        float gradient[B * K], scale = 0.25f;
        for (size_t i = 0; i < B * K; i++) {
            z[i] = (double)cases[c][i];
            gradient[i] = 1.0f; /* += */
        }
        const double got = s.method->extra_loss(&s, gradient, cases[c], B, (double)scale);
        close_to(got, fairness(z, B, s.state + 1, s.state + 1 + K), 1e-12);
        for (size_t i = 0; i < B * K; i++) {
            const double step = 1e-5, middle = z[i];
            z[i] = middle + step;
            const double above = fairness(z, B, s.state + 1, s.state + 1 + K);
            z[i] = middle - step;
            const double below = fairness(z, B, s.state + 1, s.state + 1 + K);
            z[i] = middle;
            close_to((double)gradient[i], 1.0 + (double)scale * (above - below) / (2 * step), 3e-7); /* f32 at 1 */
        }
    }
    float untouched = 5.0f;
    close_to(s.method->extra_loss(&s, &untouched, &untouched, 0, 1.0), 0.0, 0.0); /* none was kept */
    close_to((double)untouched, 5.0, 0.0);
    ssfer_select_deinit(&s);
}

static void test_softmatch(void **state)
{
    (void)state;
    const double m = 0.25;
    const float *batches[2] = {FIRST, SECOND};
    double mu = 1.0 / K, variance = 1.0;
    ssfer_select s = make("softmatch", 0.7, m);
    size_t partial = 0;
    for (size_t round = 0; round < 2; round++) {
        const asked a = ask(&s, batches[round], FIRST_PICTURES);
        double mean = 0, squares = 0, biased;
        for (size_t b = 0; b < B; b++)
            mean += (double)a.confidence[b] / B;
        for (size_t b = 0; b < B; b++)
            squares += (double)a.confidence[b] * (double)a.confidence[b] / B;
        biased = squares - mean * mean;
        mu = m * mu + (1 - m) * mean;
        variance = m * variance + (1 - m) * biased * B / (B - 1);
        for (size_t b = 0; b < B; b++) {
            const double d = (double)a.confidence[b] - mu;
            close_to((double)a.weights[b], d < 0 ? exp(-d * d / (2 * variance)) : 1.0, 1e-7);
            partial += a.weights[b] < 1.0f;
        }
    }
    assert_true(partial > 0);
    ssfer_select_deinit(&s);
}

/* Class 0: 0.9 and 0.7 right, one wrong; class 1: never right; class 2: 0.5 right, which stays below the floor. */
static void test_ada_cm(void **state)
{
    (void)state;
    const float p[5 * K] = {0.9f, 0.05f, 0.05f, 0.7f, 0.2f,  0.1f,  0.2f, 0.7f,
                            0.1f, 0.8f,  0.1f,  0.1f, 0.25f, 0.25f, 0.5f};
    const int32_t labels[5] = {0, 0, 0, 1, 2};
    ssfer_select s = make("ada-cm", 0.55, 0);
    s.method->start_epoch(&s, 0);
    asked a = ask(&s, FIRST, FIRST_PICTURES);
    expect_weights(&a, 1, 1, 1, 0); /* all margins are 0.55 */
    s.method->see_labeled(&s, p, labels, 5);
    s.method->start_epoch(&s, 1);
    const double margin = 0.97 * 0.8 / (1 + exp(-1.0)); /* 0.567 */
    close_to(s.state[0], margin, 1e-7);
    close_to(s.state[1], 0.55, 0);
    close_to(s.state[2], 0.55, 0);
    const float q[B * K] = {0.56f, 0.24f, 0.2f, 0.57f, 0.23f, 0.2f, 0.2f, 0.56f, 0.24f, 0.2f, 0.24f, 0.56f};
    a = ask(&s, q, FIRST_PICTURES);
    expect_weights(&a, 0, 1, 1, 1);
    s.method->start_epoch(&s, 2); /* nothing was right in epoch 1 */
    close_to(s.state[0], 0.55, 0);
    ssfer_select_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),     cmocka_unit_test(test_fixmatch),           cmocka_unit_test(test_flexmatch),
        cmocka_unit_test(test_freematch), cmocka_unit_test(test_freematch_fairness), cmocka_unit_test(test_softmatch),
        cmocka_unit_test(test_ada_cm)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
