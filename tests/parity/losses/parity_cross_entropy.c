/* Cross entropy with hard and soft labels against PyTorch: each picture's loss, the mean, and the gradients of mean and
 * sum. */
#include "compute/ops.h"
#include "fixture.h"
#include "io/tensor_set.h"
#include "nn/targets.h"

#include <math.h>
#include <string.h>

/* A tensor as floats, freed with ssfer_free; ends the test when it is not there. */
static float *floats(const ssfer_tensor_set *set, const char *name, const ssfer_tensor **tensor)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
    if (!t) {
        printf("%s: no tensor %s\n", fixture_folder, name);
        exit(1);
    }
    float *values = ssfer_calloc(t->count, sizeof *values);
    ssfer_tensor_to_f32(values, t);
    if (tensor)
        *tensor = t;
    return values;
}

static void compare(const ssfer_tensor_set *set, const fixture_value *tolerances, const char *kind, const char *what,
                    const float *got, size_t count)
{
    char name[64], key[64];
    const ssfer_tensor *t;
    snprintf(name, sizeof name, "%s.%s", kind, what);
    snprintf(key, sizeof key, "ce.%s.%s", kind, what);
    const double atol = fixture_number(fixture_find(tolerances, key), "atol", -1.0);
    float *want = floats(set, name, &t);
    size_t wrong = t->count != count;
    for (size_t i = 0; i < count && i < t->count; i++)
        wrong += !(fabs((double)got[i] - (double)want[i]) <= atol);
    if (wrong)
        printf("%s: %zu of %zu values are wrong (tolerance %g)\n", name, wrong, count, atol);
    checked += count;
    failed += wrong;
    ssfer_free(want);
}

static void check_kind(const ssfer_tensor_set *set, const fixture_value *tolerances, const char *kind,
                       const float *targets)
{
    const ssfer_tensor *t;
    float *logits = floats(set, "logits", &t);
    const size_t rows = t->shape[0], classes = t->shape[1];
    float *losses = ssfer_calloc(rows, sizeof *losses), *weights = ssfer_calloc(rows, sizeof *weights);
    float *gradient = ssfer_calloc(t->count, sizeof *gradient);
    ssfer_compute *cx = NULL;
    ssfer_status st = ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, NULL);
    for (int sum = 0; st == SSFER_OK && sum < 2; sum++) {
        double mean = 0.0;
        for (size_t i = 0; i < rows; i++)
            weights[i] = sum ? 1.0f : 1.0f / (float)rows;
        memset(gradient, 0, t->count * sizeof *gradient); /* it is added to */
        st = ssfer_cross_entropy(cx, losses, gradient, logits, targets, weights, rows, classes);
        for (size_t i = 0; i < rows; i++)
            mean += (double)losses[i] / (double)rows;
        compare(set, tolerances, kind, sum ? "grad_of_sum" : "grad_of_mean", gradient, t->count);
        compare(set, tolerances, kind, "mean", &(float){(float)mean}, 1);
        compare(set, tolerances, kind, "none", losses, rows);
    }
    failed += st != SSFER_OK;
    ssfer_compute_destroy(cx);
    float *const owned[] = {logits, losses, weights, gradient};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        ssfer_free(owned[i]);
}

static void check_set(const ssfer_tensor_set *set, const fixture_value *tolerances)
{
    const ssfer_tensor *t;
    float *soft = floats(set, "soft", &t), *numbers = floats(set, "labels", NULL);
    float *hard = ssfer_calloc(t->count, sizeof *hard);
    int32_t *labels = ssfer_calloc(t->shape[0], sizeof *labels);
    for (size_t i = 0; i < t->shape[0]; i++)
        labels[i] = (int32_t)numbers[i];
    ssfer_targets_from_labels(hard, labels, t->shape[0], t->shape[1], 0.0);
    check_kind(set, tolerances, "hard", hard);
    check_kind(set, tolerances, "soft", soft);
    ssfer_free(labels);
    ssfer_free(hard);
    ssfer_free(numbers);
    ssfer_free(soft);
}

static void check_folder(void)
{
    fixture_value *tolerances = fixture_json("losses", "tolerances.json");
    char *path = fixture_path("losses", "cross_entropy.safetensors");
    ssfer_tensor_set *set = NULL;
    ssfer_error err = {0};
    if (tolerances && ssfer_file_exists(path)) {
        if (ssfer_safetensors_read(&set, path, &err) == SSFER_OK) {
            check_set(set, tolerances);
        } else {
            printf("%s\n", err.message);
            failed++;
        }
    }
    ssfer_tensor_set_destroy(set);
    ssfer_free(path);
    fixture_free(tolerances);
}

int main(void)
{
    return fixture_main(check_folder);
}
