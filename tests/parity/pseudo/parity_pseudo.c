/* Stage III's loss, mask and gradients against the reference, for every case that the fixture holds. */
#include "compute/ops.h"
#include "fixture.h"
#include "io/tensor_set.h"
#include "nn/targets.h"
#include "train/pseudo.h"

#include <math.h>
#include <string.h>

/* A tensor of a case as floats, freed with ssfer_free; NULL if there is none. */
static float *take(const ssfer_tensor_set *set, size_t number, const char *name, size_t *rows, size_t *columns)
{
    char full[64];
    snprintf(full, sizeof full, "case%zu.%s", number, name);
    const ssfer_tensor *t = ssfer_tensor_set_find(set, full);
    if (!t)
        return NULL;
    float *values = ssfer_calloc(t->count, sizeof *values);
    ssfer_tensor_to_f32(values, t);
    *rows = t->ndim ? t->shape[0] : 1;
    *columns = t->ndim > 1 ? t->shape[1] : 1;
    return values;
}

static void compare(const ssfer_tensor_set *set, const fixture_value *tolerances, size_t number, const char *name,
                    const float *got, size_t count)
{
    char key[64];
    size_t rows, columns;
    snprintf(key, sizeof key, "fixmatch.case%zu.%s", number, name);
    float *want = take(set, number, name, &rows, &columns);
    const fixture_value *entry = fixture_find(tolerances, key);
    const double tolerance = entry ? fixture_number(entry, "atol", 0.0) : 0.0; /* without one: exact */
    checked++;
    for (size_t i = 0; want && i < count; i++)
        if (rows * columns != count || !(fabs((double)got[i] - (double)want[i]) <= tolerance)) {
            failed++;
            printf("case %zu: %s[%zu] is %.9g, the reference has %.9g (tolerance %g)\n", number, name, i,
                   (double)got[i], (double)want[i], tolerance);
            break;
        }
    if (!want) {
        failed++;
        printf("case %zu: no %s\n", number, name);
    }
    ssfer_free(want);
}

/* sum over pictures of weight * cross entropy, and its gradient. */
static float loss_of(ssfer_compute *cx, float *dlogits, const float *logits, const float *targets, const float *weights,
                     size_t rows, size_t classes)
{
    float *losses = ssfer_calloc(rows, sizeof *losses);
    double sum = 0.0;
    if (ssfer_cross_entropy(cx, losses, dlogits, logits, targets, weights, rows, classes) != SSFER_OK)
        failed++;
    for (size_t b = 0; b < rows; b++)
        sum += (double)weights[b] * (double)losses[b];
    ssfer_free(losses);
    return (float)sum;
}

static float labeled(ssfer_compute *cx, const ssfer_tensor_set *set, const fixture_value *tolerances, size_t number)
{
    size_t rows = 0, classes = 0, n = 0, one = 0;
    float *logits = take(set, number, "logits_x", &rows, &classes), *numbers = take(set, number, "labels_x", &n, &one);
    float *targets = ssfer_calloc(rows * classes, sizeof *targets), *weights = ssfer_calloc(rows, sizeof *weights);
    float *gradient = ssfer_calloc(rows * classes, sizeof *gradient);
    int32_t *labels = ssfer_calloc(rows, sizeof *labels);
    for (size_t b = 0; b < rows; b++) {
        labels[b] = (int32_t)numbers[b];
        weights[b] = 1.0f / (float)rows;
    }
    ssfer_targets_from_labels(targets, labels, rows, classes, 0.0);
    const float loss = loss_of(cx, gradient, logits, targets, weights, rows, classes);
    compare(set, tolerances, number, "loss_x", &loss, 1);
    compare(set, tolerances, number, "grad_logits_x", gradient, rows * classes);
    ssfer_free(labels);
    ssfer_free(gradient);
    ssfer_free(weights);
    ssfer_free(targets);
    ssfer_free(numbers);
    ssfer_free(logits);
    return loss;
}

static float unlabeled(ssfer_compute *cx, const ssfer_tensor_set *set, const fixture_value *tolerances, size_t number)
{
    enum { WEIGHT = 5 };
    size_t rows = 0, classes = 0, n = 0, k = 0;
    float *weak = take(set, number, "logits_u_w", &rows, &classes), *strong = take(set, number, "logits_u_s", &n, &k);
    float *gradient = ssfer_calloc(rows * classes, sizeof *gradient), *labels = ssfer_calloc(rows, sizeof *labels);
    size_t *pictures = ssfer_calloc(rows, sizeof *pictures);
    double *prior = ssfer_calloc(classes, sizeof *prior);
    ssfer_select select;
    ssfer_pseudo p;
    ssfer_select_init(&select, &SSFER_SELECT_FIXMATCH, &(ssfer_select_options){.threshold = 0.7}, classes, rows, NULL);
    ssfer_pseudo_init(&p, &(ssfer_pseudo_options){0}, rows, classes, prior, NULL);
    ssfer_pseudo_make(&p, &select, weak, pictures, rows);
    compare(set, tolerances, number, "max_probs", p.confidence, rows);
    compare(set, tolerances, number, "mask", p.weights, rows);
    for (size_t b = 0; b < rows; b++) {
        labels[b] = (float)p.labels[b];
        p.weights[b] *= (float)WEIGHT / (float)rows;
    }
    compare(set, tolerances, number, "pseudo_targets", labels, rows);
    const float loss = loss_of(cx, gradient, strong, p.targets, p.weights, rows, classes) / (float)WEIGHT;
    compare(set, tolerances, number, "loss_u", &loss, 1);
    compare(set, tolerances, number, "grad_logits_u_s", gradient, rows * classes);
    ssfer_pseudo_deinit(&p);
    ssfer_select_deinit(&select);
    ssfer_free(prior);
    ssfer_free(pictures);
    ssfer_free(labels);
    ssfer_free(gradient);
    ssfer_free(strong);
    ssfer_free(weak);
    return WEIGHT * loss;
}

static void check_folder(void)
{
    ssfer_error err = {0};
    ssfer_tensor_set *set = NULL;
    ssfer_compute *cx = NULL;
    fixture_value *tolerances = fixture_json("losses", "tolerances.json");
    if (!tolerances)
        return;
    char *path = fixture_path("losses", "stage3_pseudo_label_loss.safetensors");
    if (ssfer_safetensors_read(&set, path, &err) != SSFER_OK ||
        ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, &err) != SSFER_OK) {
        printf("%s\n", err.message);
        exit(1);
    }
    for (size_t number = 0;; number++) {
        size_t rows, columns;
        float *probe = take(set, number, "logits_x", &rows, &columns);
        if (!probe)
            break;
        ssfer_free(probe);
        const float labeled_loss = labeled(cx, set, tolerances, number);
        const float loss = labeled_loss + unlabeled(cx, set, tolerances, number);
        compare(set, tolerances, number, "loss", &loss, 1);
    }
    ssfer_compute_destroy(cx);
    ssfer_tensor_set_destroy(set);
    ssfer_free(path);
    fixture_free(tolerances);
}

int main(void)
{
    return fixture_main(check_folder);
}
