/* Every figure of src/train/metrics.h against scikit-learn's, for every case that the fixture holds. */
#include "fixture.h"
#include "io/tensor_set.h"
#include "train/metrics.h"

#include <math.h>
#include <string.h>

static void check(const char *where, const char *what, double got, const fixture_value *want, double tolerance)
{
    checked++;
    if (!fixture_is_number(want) || !(fabs(got - want->number) <= tolerance)) {
        failed++;
        printf("%s: %s is %.12g, the reference has %.12g\n", where, what, got,
               fixture_is_number(want) ? want->number : (double)NAN);
    }
}

/* Values of the fixture's README: counts exact, 1e-6 for figures, 1e-5 for the calibration errors. */
static void check_figures(const char *name, const ssfer_evaluation *e, const fixture_value *expected)
{
    const struct {
        const char *key;
        double got, tolerance;
    } figures[] = {
        {"n", (double)e->count, 0},
        {"classes", (double)e->class_count, 0},
        {"accuracy", e->accuracy, 1e-6},
        {"balanced_accuracy_mean_recall", e->mean_class_accuracy, 1e-6},
        {"top2_accuracy", e->top2_accuracy, 1e-6},
        {"macro_f1", e->macro_f1, 1e-6},
        {"macro_precision", e->macro_precision, 1e-6},
        {"macro_recall", e->macro_recall, 1e-6},
        {"weighted_f1", e->weighted_f1, 1e-6},
        {"ece_15", e->ece, 1e-5},
        {"mce_15", e->mce, 1e-5},
        {"auroc_ovr_macro", e->auroc_macro, 1e-6},
        {"mean_cross_entropy", e->cross_entropy, 1e-6},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
        check(name, figures[i].key, figures[i].got, fixture_find(expected, figures[i].key), figures[i].tolerance);
}

static void check_classes(const char *name, const ssfer_evaluation *e, const fixture_value *expected)
{
    const fixture_value *rows = fixture_find(expected, "confusion_matrix_rows_true_cols_predicted");
    for (size_t k = 0; k < e->class_count; k++) {
        const ssfer_class_metrics *c = &e->per_class[k];
        const struct {
            const char *key;
            double got, tolerance;
        } figures[] = {{"recall", c->recall, 1e-6},
                       {"precision", c->precision, 1e-6},
                       {"f1", c->f1, 1e-6},
                       {"support", (double)c->support, 0},
                       {"auroc_ovr", c->auroc, 1e-6}};
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++)
            check(name, figures[i].key, figures[i].got, fixture_at(fixture_find(expected, figures[i].key), (int)k),
                  figures[i].tolerance);
        for (size_t j = 0; j < e->class_count; j++)
            check(name, "confusion", (double)e->confusion[k * e->class_count + j],
                  fixture_at(fixture_at(rows, (int)k), (int)j), 0);
    }
}

static void check_bins(const char *name, const ssfer_evaluation *e, const fixture_value *expected)
{
    const fixture_value *bins = fixture_find(expected, "ece_bins_count_accuracy_confidence");
    for (int b = 0; b < SSFER_CALIBRATION_BINS; b++) {
        const fixture_value *bin = fixture_at(bins, b);
        check(name, "bin count", (double)e->calibration[b].count, fixture_at(bin, 0), 0);
        if (e->calibration[b].count == 0)
            continue;
        check(name, "bin accuracy", e->calibration[b].accuracy, fixture_at(bin, 1), 1e-6);
        check(name, "bin confidence", e->calibration[b].confidence, fixture_at(bin, 2), 1e-6);
    }
}

static const ssfer_tensor *case_tensor(const ssfer_tensor_set *set, const char *name, const char *what)
{
    char *full = ssfer_format("%s.%s", name, what);
    const ssfer_tensor *t = ssfer_tensor_set_find(set, full);
    if (!t) {
        printf("no tensor %s in the fixture\n", full);
        exit(1);
    }
    ssfer_free(full);
    return t;
}

static void check_predictions(const char *name, const ssfer_metrics *m, const ssfer_tensor_set *set)
{
    const ssfer_tensor *predictions = case_tensor(set, name, "predictions"),
                       *softmax = case_tensor(set, name, "softmax");
    size_t K = ssfer_metrics_class_count(m);
    const int64_t *predicted = predictions->data;
    const float *p = softmax->data;
    double *got = ssfer_calloc(K, sizeof *got);
    for (size_t i = 0; i < predictions->count; i++) {
        ssfer_prediction s = ssfer_metrics_prediction(m, i);
        ssfer_softmax_f64(got, s.logits, K);
        checked++;
        bool good = s.predicted == predicted[i];
        for (size_t k = 0; k < K; k++)
            good = good && fabs(got[k] - (double)p[i * K + k]) <= 1e-6;
        if (!good) {
            failed++;
            printf("%s: sample %zu is predicted otherwise\n", name, i);
        }
    }
    ssfer_free(got);
}

/* Adds the case in uneven batches, as a loader would. */
static ssfer_metrics *feed(const char *name, const ssfer_tensor_set *set)
{
    const ssfer_tensor *logits = case_tensor(set, name, "logits"), *labels = case_tensor(set, name, "labels");
    size_t N = logits->shape[0], K = logits->shape[1];
    const int64_t *wide = labels->data;
    const float *values = logits->data;
    char(*text)[32] = ssfer_calloc(K, sizeof *text);
    const char **classes = ssfer_calloc(K, sizeof *classes);
    int32_t *narrow = ssfer_calloc(N, sizeof *narrow);
    for (size_t i = 0; i < N; i++)
        narrow[i] = (int32_t)wide[i];
    for (size_t k = 0; k < K; k++) {
        snprintf(text[k], sizeof text[k], "class %zu", k);
        classes[k] = text[k];
    }
    ssfer_metrics *m = NULL;
    ssfer_error err = {0};
    ssfer_status st = ssfer_metrics_create(&m, classes, K, &err);
    for (size_t i = 0, n; st == SSFER_OK && i < N; i += n) {
        n = N - i < 37 ? N - i : 37;
        st = ssfer_metrics_add(m, values + i * K, narrow + i, NULL, n, &err);
    }
    if (st != SSFER_OK) {
        printf("%s: %s\n", name, err.message);
        exit(1);
    }
    ssfer_free(text);
    ssfer_free(classes);
    ssfer_free(narrow);
    return m;
}

static void check_case(const fixture_value *expected, const ssfer_tensor_set *set)
{
    ssfer_error err = {0};
    ssfer_evaluation e;
    const char *name = expected->key;
    ssfer_metrics *m = feed(name, set);
    if (ssfer_metrics_compute(&e, m, &err) != SSFER_OK) {
        printf("%s: %s\n", name, err.message);
        exit(1);
    }
    check_figures(name, &e, expected);
    check_classes(name, &e, expected);
    check_bins(name, &e, expected);
    check_predictions(name, m, set);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void check_folder(void)
{
    fixture_value *expected = fixture_json("metrics", "expected.json");
    if (!expected)
        return;
    ssfer_tensor_set *set;
    ssfer_error err = {0};
    char *path = fixture_path("metrics", "predictions.safetensors");
    if (ssfer_safetensors_read(&set, path, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    for (const fixture_value *c = expected->child; c; c = c->next)
        check_case(c, set);
    ssfer_tensor_set_destroy(set);
    ssfer_free(path);
    fixture_free(expected);
}

int main(void)
{
    return fixture_main(check_folder);
}
