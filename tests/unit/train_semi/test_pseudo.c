/* Pseudo-labels and their figures, against numbers worked out by hand or in plain double precision from the formulas
 * in the headers. */
#include "base/text.h"
#include "train/pseudo_record.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void close_to(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.10g, wanted %.10g", got, want);
}

enum { K = 3 };

typedef struct bench {
    ssfer_select select;
    ssfer_pseudo pseudo;
} bench;

static bench make(ssfer_pseudo_options options, double threshold, const double *prior)
{
    bench b;
    ssfer_error err = {0};
    assert_int_equal(ssfer_select_init(&b.select, &SSFER_SELECT_FIXMATCH,
                                       &(ssfer_select_options){.threshold = threshold}, K, 10, &err),
                     SSFER_OK);
    assert_int_equal(ssfer_pseudo_init(&b.pseudo, &options, 4, K, prior, &err), SSFER_OK);
    return b;
}

static void drop(bench *b)
{
    ssfer_pseudo_deinit(&b->pseudo);
    ssfer_select_deinit(&b->select);
}

static const double EVEN[K] = {1.0 / 3, 1.0 / 3, 1.0 / 3};
static const size_t PICTURES[4] = {0, 1, 2, 3};

/* Logits that are logarithms give the probabilities back. */
static void logs(float *logits, const double *q, size_t count)
{
    for (size_t i = 0; i < count; i++)
        logits[i] = (float)log(q[i]);
}

static void test_hard(void **state)
{
    (void)state;
    const double q[4 * K] = {0.71, 0.2, 0.09, 0.1, 0.2, 0.7, 0.34, 0.33, 0.33, 0.05, 0.9, 0.05};
    const float weights[4] = {1, 0, 0, 1}; /* 0.7 as exp(log(0.7)) may fall to either side: so 0.705 */
    const int32_t labels[4] = {0, 2, 0, 1};
    float logits[4 * K];
    bench b = make((ssfer_pseudo_options){0}, 0.705, EVEN);
    logs(logits, q, 4 * K);
    ssfer_pseudo_make(&b.pseudo, &b.select, logits, PICTURES, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(b.pseudo.labels[i], labels[i]);
        close_to((double)b.pseudo.weights[i], (double)weights[i], 0.0);
        for (size_t k = 0; k < K; k++) {
            close_to((double)b.pseudo.probabilities[i * K + k], q[i * K + k], 1e-6); /* f32 logits */
            close_to((double)b.pseudo.targets[i * K + k], k == (size_t)labels[i], 0.0);
        }
    }
    drop(&b);
}

/* Huge logits neither overflow nor lose the row's sum. */
static void test_extreme_logits(void **state)
{
    (void)state;
    const float logits[2 * K] = {3e38f, -3e38f, 0.0f, -1000.0f, -1000.0f, -1001.0f};
    float q[2 * K];
    ssfer_softmax_rows(q, logits, 2, K);
    close_to((double)q[0], 1.0, 0.0);
    close_to((double)q[3], 1.0 / (2.0 + exp(-1.0)), 1e-7);
    close_to((double)(q[3] + q[4] + q[5]), 1.0, 1e-6);
}

static void test_soft(void **state)
{
    (void)state;
    const double q[K] = {0.5, 0.3, 0.2}, T = 0.5, sum = 0.25 + 0.09 + 0.04;
    float logits[K];
    bench b = make((ssfer_pseudo_options){.temperature = T}, 0.4, EVEN);
    logs(logits, q, K);
    ssfer_pseudo_make(&b.pseudo, &b.select, logits, PICTURES, 1);
    for (size_t k = 0; k < K; k++)
        close_to((double)b.pseudo.targets[k], q[k] * q[k] / sum, 1e-6);
    drop(&b);
}

/* Two steps of one picture: after the first the mean is that picture's q, so that it is moved to the labels' shares;
 * after the second (0.999 first + second) / 1.999. Aligned q * prior / mean, normalised. */
static void test_alignment(void **state)
{
    (void)state;
    const double first[K] = {0.2, 0.2, 0.6}, q[K] = {0.5, 0.4, 0.1}, prior[K] = {0.1, 0.8, 0.1};
    double aligned[K], sum = 0.0;
    float logits[K];
    logs(logits, first, K);
    bench b = make((ssfer_pseudo_options){.align = SSFER_ALIGN_LABELS}, 0.7, prior);
    ssfer_pseudo_make(&b.pseudo, &b.select, logits, PICTURES, 1);
    for (size_t k = 0; k < K; k++)
        close_to((double)b.pseudo.probabilities[k], prior[k], 1e-6);
    logs(logits, q, K);
    ssfer_pseudo_make(&b.pseudo, &b.select, logits, PICTURES, 1);
    for (size_t k = 0; k < K; k++) {
        aligned[k] = q[k] * prior[k] / ((0.999 * first[k] + q[k]) / 1.999);
        sum += aligned[k];
    }
    for (size_t k = 0; k < K; k++)
        close_to((double)b.pseudo.probabilities[k], aligned[k] / sum, 1e-6);
    assert_int_equal(b.pseudo.labels[0], 1); /* the labeled pictures say so */
    close_to((double)b.pseudo.weights[0], 1.0, 0.0);
    drop(&b);

    b = make((ssfer_pseudo_options){.align = SSFER_ALIGN_UNIFORM}, 0.7, prior);
    for (size_t k = 0; k < K; k++)
        b.pseudo.mean[k] = k == 0 ? 0.9 : 0.05;
    ssfer_pseudo_make(&b.pseudo, &b.select, logits, PICTURES, 1);
    assert_int_equal(b.pseudo.labels[0], 0); /* the label stays the teacher's; its weight comes from what is aligned */
    const double mean[K] = {0.999 * 0.9 + 0.001 * 0.5, 0.999 * 0.05 + 0.001 * 0.4, 0.999 * 0.05 + 0.001 * 0.1};
    const double top = 0.4 / mean[1], all = 0.5 / mean[0] + top + 0.1 / mean[2];
    close_to((double)b.pseudo.confidence[0], top / all, 1e-6);
    drop(&b);
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

static double figure(const ssfer_pseudo_record *r, const char *name)
{
    ssfer_metric_list metrics = {0};
    double value = NAN;
    ssfer_pseudo_record_metrics(r, &metrics);
    for (size_t i = 0; i < metrics.count; i++)
        if (strcmp(metrics.items[i].name, name) == 0)
            value = metrics.items[i].value;
    ssfer_metric_list_deinit(&metrics);
    return value;
}

static const char *const NAMES[K] = {"anger", "fear", "joy"};

static void test_figures(void **state)
{
    (void)state;
    ssfer_pseudo_record r;
    int32_t labels[6] = {0, 0, 0, 1, 1, 2};
    float weights[6] = {1, 1, 0, 0.5f, 0, 0};
    const int32_t truth[6] = {0, 1, 0, 1, 1, -1};
    const ssfer_pseudo p = {.labels = labels, .weights = weights, .classes = K};
    assert_int_equal(ssfer_pseudo_record_init(&r, NAMES, K, NULL), SSFER_OK);
    assert_true(isnan(figure(&r, "pseudo_label_rate"))); /* nothing seen: no figure, not 0 */
    ssfer_pseudo_record_batch(&r, &p, truth, 6);
    ssfer_pseudo_record_losses(&r, 6.0, 4, 3.0, 6);
    close_to(figure(&r, "pseudo_label_rate"), 2.5 / 6, 1e-12);
    close_to(figure(&r, "pseudo_label_accuracy"), 1.5 / 2.5, 1e-12);
    close_to(figure(&r, "pseudo_label_rate/anger"), 2.0 / 3, 1e-12);
    close_to(figure(&r, "pseudo_label_accuracy/anger"), 0.5, 1e-12);
    close_to(figure(&r, "pseudo_label_accuracy/fear"), 1.0, 1e-12);
    assert_true(isnan(figure(&r, "pseudo_label_accuracy/joy"))); /* none was kept */
    close_to(figure(&r, "pseudo_label_entropy"), (log(2.0) / 2 + log(3.0) / 3 + log(6.0) / 6) / log(3.0), 1e-12);
    close_to(figure(&r, "labeled_loss"), 1.5, 1e-12);
    close_to(figure(&r, "unlabeled_loss"), 0.5, 1e-12);
    assert_int_equal(ssfer_pseudo_record_end_epoch(&r, 0.5, NULL), SSFER_OK);
    assert_true(isnan(figure(&r, "pseudo_label_rate")));
    ssfer_pseudo_record_deinit(&r);
}

/* Long names of classes that differ at the end only: no figure has the name of another, and all are UTF-8. */
static void test_long_names(void **state)
{
    (void)state;
    enum { LONG = 90 };
    char a[LONG + 1] = "", b[LONG + 1] = "";
    for (size_t i = 0; i < LONG; i += 3) /* the cut falls into a character */
        memcpy(a + i, "\xe6\x80\x92", 4), memcpy(b + i, "\xe6\x80\x92", 4);
    b[LONG - 1] = '\x93';
    const char *const names[] = {a, b};
    ssfer_pseudo_record r;
    ssfer_metric_list metrics = {0};
    assert_int_equal(ssfer_pseudo_record_init(&r, names, 2, NULL), SSFER_OK);
    const ssfer_pseudo p = {.labels = (int32_t[]){0, 1}, .weights = (float[]){1, 1}, .classes = 2};
    ssfer_pseudo_record_batch(&r, &p, (const int32_t[]){0, 1}, 2);
    ssfer_pseudo_record_metrics(&r, &metrics);
    assert_int_equal(metrics.count, 3 + 2 * 2);
    for (size_t i = 0; i < metrics.count; i++) {
        assert_true(ssfer_utf8_is_valid(metrics.items[i].name));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(metrics.items[i].name, metrics.items[j].name);
    }
    ssfer_metric_list_deinit(&metrics);
    ssfer_pseudo_record_deinit(&r);
}

static ssfer_status epoch_of(ssfer_pseudo_record *r, int32_t a, int32_t b, float weight, ssfer_error *err)
{
    int32_t labels[2] = {a, b};
    float weights[2] = {weight, weight};
    const int32_t truth[2] = {-1, -1};
    const ssfer_pseudo p = {.labels = labels, .weights = weights, .classes = K};
    ssfer_pseudo_record_batch(r, &p, truth, 2);
    return ssfer_pseudo_record_end_epoch(r, 0.5, err);
}

static void test_collapse(void **state)
{
    (void)state;
    ssfer_pseudo_record r;
    ssfer_error err = {0};
    assert_int_equal(ssfer_pseudo_record_init(&r, NAMES, K, NULL), SSFER_OK);
    assert_int_equal(ssfer_pseudo_record_end_epoch(&r, 0.5, &err), SSFER_OK); /* a burn-in epoch says nothing */
    assert_int_equal(epoch_of(&r, 0, 1, 0.4f, &err), SSFER_OK);
    assert_int_equal(epoch_of(&r, 0, 1, 1.0f, &err), SSFER_OK);
    assert_int_equal(epoch_of(&r, 0, 1, 0.51f, &err), SSFER_OK);
    assert_int_equal(epoch_of(&r, 0, 1, 0.49f, &err), SSFER_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "share of pseudo-labels that count fell to 0.49, after 1 "));
    assert_int_equal(epoch_of(&r, 2, 2, 1.0f, &err), SSFER_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "entropy of its labels (1: all classes alike) fell to 0"));
    ssfer_pseudo_record_deinit(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_hard),    cmocka_unit_test(test_extreme_logits),
                                       cmocka_unit_test(test_soft),    cmocka_unit_test(test_alignment),
                                       cmocka_unit_test(test_figures), cmocka_unit_test(test_long_names),
                                       cmocka_unit_test(test_collapse)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
