#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "metrics_case.h"

#include <string.h>

/* Probabilities pass through float32 logits, so 1e-6 is what can be asked. */
#define CHECK_CLOSE(got, want)                                                                                         \
    do {                                                                                                               \
        double got_ = (got), want_ = (want);                                                                           \
        if (!(fabs(got_ - want_) <= 1e-6))                                                                             \
            fail_msg("%s:%d: %.9g, wanted %.9g", __FILE__, __LINE__, got_, want_);                                     \
    } while (0)

static void test_small_case(void **state)
{
    (void)state;
    ssfer_metrics *m = case_metrics();
    ssfer_evaluation e;
    assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
    static const size_t confusion[] = {1, 1, 0, 0, 1, 0, 1, 0, 1};
    static const double precision[] = {0.5, 0.5, 1}, recall[] = {0.5, 1, 0.5}, f1[] = {0.5, 2.0 / 3, 2.0 / 3};
    static const double auroc[] = {5.0 / 6, 1, 1};
    assert_memory_equal(e.confusion, confusion, sizeof confusion);
    for (size_t k = 0; k < CASE_CLASSES; k++) {
        CHECK_CLOSE(e.per_class[k].precision, precision[k]);
        CHECK_CLOSE(e.per_class[k].recall, recall[k]);
        CHECK_CLOSE(e.per_class[k].f1, f1[k]);
        CHECK_CLOSE(e.per_class[k].auroc, auroc[k]);
        assert_string_equal(e.classes[k], CASE_NAMES[k]);
    }
    assert_int_equal(e.per_class[1].support, 1);
    assert_int_equal(e.per_class[1].predicted, 2);
    CHECK_CLOSE(e.accuracy, 0.6);
    CHECK_CLOSE(e.top2_accuracy, 0.8);
    CHECK_CLOSE(e.mean_class_accuracy, 2.0 / 3);
    CHECK_CLOSE(e.macro_precision, 2.0 / 3);
    CHECK_CLOSE(e.macro_recall, 2.0 / 3);
    CHECK_CLOSE(e.macro_f1, 11.0 / 18);
    CHECK_CLOSE(e.weighted_f1, (2 * 0.5 + 3 * 2.0 / 3) / 5);
    CHECK_CLOSE(e.cross_entropy, -(log(0.7) + log(0.28) + 2 * log(0.82) + log(0.2)) / 5);
    CHECK_CLOSE(e.ece, (0.3 + 0.62 + 2 * 0.18 + 0.5) / 5);
    CHECK_CLOSE(e.mce, 0.62);
    CHECK_CLOSE(e.auroc_macro, 17.0 / 18);
    assert_int_equal(e.calibration[12].count, 2); /* 0.82 lies in (12/15, 13/15] */
    CHECK_CLOSE(e.calibration[12].confidence, 0.82);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void test_predictions(void **state)
{
    (void)state;
    ssfer_metrics *m = case_metrics();
    ssfer_prediction p = ssfer_metrics_prediction(m, 1);
    double probabilities[CASE_CLASSES];
    assert_int_equal(p.index, 1);
    assert_int_equal(p.label, 0);
    assert_int_equal(p.predicted, 1);
    CHECK_CLOSE(p.confidence, 0.62);
    CHECK_CLOSE(p.true_probability, 0.28);
    ssfer_softmax_f64(probabilities, p.logits, CASE_CLASSES);
    for (size_t k = 0; k < CASE_CLASSES; k++)
        CHECK_CLOSE(probabilities[k], CASE_P[1][k]);
    ssfer_metrics_destroy(m);
}

/* One batch or many: the same bits. And a cleared accumulator starts anew. */
static void test_batches(void **state)
{
    (void)state;
    enum { N = 97, K = 4 };
    float logits[N * K];
    int32_t labels[N];
    size_t indices[N];
    static const char *const names[K] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < N * K; i++)
        logits[i] = (float)((i * 7919) % 101) / 17.0f;
    for (size_t i = 0; i < N; i++)
        labels[i] = (int32_t)(i * i % K), indices[i] = 1000 - i;
    ssfer_metrics *m;
    ssfer_evaluation whole, parts;
    assert_int_equal(ssfer_metrics_create(&m, names, K, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_add(m, logits, labels, indices, N, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_compute(&whole, m, NULL), SSFER_OK);
    ssfer_metrics_clear(m);
    for (size_t i = 0; i < N; i += 10) {
        size_t n = N - i < 10 ? N - i : 10;
        assert_int_equal(ssfer_metrics_add(m, logits + i * K, labels + i, indices + i, n, NULL), SSFER_OK);
    }
    assert_int_equal(ssfer_metrics_count(m), N);
    assert_int_equal(ssfer_metrics_prediction(m, 40).index, 960);
    assert_int_equal(ssfer_metrics_compute(&parts, m, NULL), SSFER_OK);
    assert_memory_equal(whole.confusion, parts.confusion, K * K * sizeof *parts.confusion);
    assert_memory_equal(whole.per_class, parts.per_class, K * sizeof *parts.per_class);
    assert_memory_equal(&whole.accuracy, &parts.accuracy, sizeof whole - offsetof(ssfer_evaluation, accuracy));
    ssfer_evaluation_deinit(&whole);
    ssfer_evaluation_deinit(&parts);
    ssfer_metrics_destroy(m);
}

/* Ties, classes that never occur, logits so far apart that exp under- and overflows. */
static void test_edges(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    static const float ties[] = {1, 1, 0, 1, 1, 0};
    static const int32_t labels[] = {0, 1};
    ssfer_metrics *m;
    ssfer_evaluation e;
    assert_int_equal(ssfer_metrics_create(&m, names, 3, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_add(m, ties, labels, NULL, 2, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_prediction(m, 1).predicted, 0); /* the first of the largest */
    assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
    CHECK_CLOSE(e.per_class[0].auroc, 0.5); /* all scores equal */
    assert_true(isnan(e.per_class[2].auroc));
    CHECK_CLOSE(e.auroc_macro, 0.5);
    CHECK_CLOSE(e.mean_class_accuracy, 0.5); /* of the two classes that have samples */
    CHECK_CLOSE(e.macro_recall, 1.0 / 3);
    CHECK_CLOSE(e.per_class[2].f1, 0);
    ssfer_evaluation_deinit(&e);
    static const float far[] = {3e38f, -3e38f, 0};
    ssfer_metrics_clear(m);
    assert_int_equal(ssfer_metrics_add(m, far, labels, NULL, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
    CHECK_CLOSE(e.cross_entropy, 0);
    CHECK_CLOSE(ssfer_metrics_prediction(m, 0).confidence, 1);
    assert_true(isnan(e.auroc_macro)); /* one sample has nothing to rank against */
    assert_int_equal(e.calibration[SSFER_CALIBRATION_BINS - 1].count, 1);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void test_errors(void **state)
{
    (void)state;
    ssfer_metrics *m = NULL;
    ssfer_evaluation e;
    ssfer_error err = {0};
    float logits[] = {1, 2, 3, 1, 2, NAN};
    int32_t labels[] = {0, 3};
    assert_int_equal(ssfer_metrics_create(&m, CASE_NAMES, 0, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_metrics_create(&m, CASE_NAMES, CASE_CLASSES, &err), SSFER_OK);
    assert_int_equal(ssfer_metrics_compute(&e, m, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_metrics_add(m, logits, labels, NULL, 2, &err), SSFER_ERR_ARGUMENT);
    assert_non_null(strstr(err.message, "label 3"));
    labels[1] = -1;
    assert_int_equal(ssfer_metrics_add(m, logits, labels, NULL, 2, &err), SSFER_ERR_ARGUMENT);
    labels[1] = 2;
    assert_int_equal(ssfer_metrics_add(m, logits, labels, NULL, 2, &err), SSFER_ERR_NUMERIC);
    assert_non_null(strstr(err.message, "sample 1"));
    assert_int_equal(ssfer_metrics_count(m), 0); /* nothing of a refused batch is kept */
    ssfer_metrics_destroy(m);
    ssfer_metrics_destroy(NULL);
}

/* Whichever allocation fails: an error, no leak (ASan), no crash. */
static void test_out_of_memory(void **state)
{
    (void)state;
    float logits[CASE_SAMPLES * CASE_CLASSES];
    case_logits(logits);
    for (size_t n = 1;; n++) {
        ssfer_metrics *m = NULL;
        ssfer_evaluation e = {0};
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_metrics_create(&m, CASE_NAMES, CASE_CLASSES, NULL);
        if (st == SSFER_OK)
            st = ssfer_metrics_add(m, logits, CASE_LABELS, NULL, CASE_SAMPLES, NULL);
        if (st == SSFER_OK)
            st = ssfer_metrics_compute(&e, m, NULL);
        size_t made = ssfer_memory_fail_at(0);
        ssfer_evaluation_deinit(&e);
        ssfer_metrics_destroy(m);
        if (st == SSFER_OK) {
            assert_true(made < n);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
}

static void test_examples(void **state)
{
    (void)state;
    ssfer_metrics *m = case_metrics();
    size_t at[CASE_SAMPLES];
    assert_int_equal(ssfer_metrics_examples(at, 2, m, SSFER_EXAMPLE_BEST), 2);
    assert_true(at[0] == 2 && at[1] == 4); /* equally sure: the earlier one first */
    assert_int_equal(ssfer_metrics_examples(at, 2, m, SSFER_EXAMPLE_WORST), 2);
    assert_true(at[0] == 3 && at[1] == 1);
    assert_int_equal(ssfer_metrics_examples(at, CASE_SAMPLES, m, SSFER_EXAMPLE_CONFUSED), 2);
    assert_true(at[0] == 1 && at[1] == 3);
    ssfer_metrics_destroy(m);
}

/* Three of a->b, two of c->a: one of each cell before the second of the larger one. */
static void test_confused_in_turn(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c"};
    static const float logits[][3] = {{0, 5, 0}, {0, 4, 0}, {0, 3, 0}, {9, 0, 0}, {8, 0, 0}, {7, 0, 0}};
    static const int32_t labels[] = {0, 0, 0, 2, 2, 0};
    size_t at[8];
    ssfer_metrics *m;
    assert_int_equal(ssfer_metrics_create(&m, names, 3, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_add(m, logits[0], labels, NULL, 6, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_examples(at, 8, m, SSFER_EXAMPLE_CONFUSED), 5);
    static const size_t want[] = {0, 3, 1, 4, 2};
    assert_memory_equal(at, want, sizeof want);
    ssfer_metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_case), cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_batches),    cmocka_unit_test(test_edges),
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_examples),   cmocka_unit_test(test_confused_in_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
