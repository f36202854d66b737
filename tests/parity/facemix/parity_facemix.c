/* Mixing, its targets, and the FaceMix loss with its gradients, from logits and from pictures, as described and as
 * released. */
#include "yolov7/yolov7_fixture.h"

#include "base/number.h"
#include "models/classifier.h"
#include "train/mixer.h"

static const char area[] = "losses";

/* Rounding of another order of additions, in losses of a few units: measured below 2e-6. */
#define LOSS_ATOL 1e-5
#define GRADIENT_ATOL 2e-6

static void check_tensor(const float *got, const ssfer_tensor_set *set, const char *name, double atol)
{
    const ssfer_tensor *t;
    float *want = fixture_floats(set, name, &t);
    const size_t columns = t->ndim > 1 ? t->count / t->shape[0] : 1;
    for (size_t i = 0; i < t->count; i++)
        fixture_near((double)got[i], (double)want[i], atol, 0, name, i / columns, i % columns);
    ssfer_free(want);
}

static int32_t *read_labels(const ssfer_tensor_set *set, const char *name, size_t *count)
{
    const ssfer_tensor *t;
    float *values = fixture_floats(set, name, &t);
    int32_t *labels = ssfer_calloc(t->count, sizeof *labels);
    for (size_t i = 0; i < t->count; i++)
        labels[i] = (int32_t)values[i];
    *count = t->count;
    ssfer_free(values);
    return labels;
}

/* ---- mixing ---- */

static void check_mixup(void)
{
    fixture_value *json = fixture_json(area, "mixup.json");
    if (!json)
        return;
    ssfer_tensor_set *set = fixture_tensors(area, "mixup.safetensors");
    const double smoothing = fixture_number(json, "label_smoothing", (double)NAN);
    const ssfer_tensor *t;
    float *x = fixture_floats(set, "x", &t);
    float *mixed = ssfer_malloc(t->count * sizeof *mixed);
    const fixture_value *value;
    for (value = fixture_first(fixture_find(json, "lambdas")); value; value = value->next) {
        char name[96], digits[SSFER_NUMBER_SIZE];
        const double lambda = value->number;
        ssfer_double_text(digits, lambda);
        char *number = ssfer_format("%s%s", digits, strchr(digits, '.') ? "" : ".0"); /* Python writes 0.0 and 1.0 */
        ssfer_mix_blend(mixed, x, t->shape[0], t->count / t->shape[0], lambda);
        snprintf(name, sizeof name, "mixed_lam%s", number);
        check_tensor(mixed, set, name, 2e-6);
        const fixture_value *classes;
        for (classes = fixture_first(fixture_find(json, "num_classes")); classes; classes = classes->next) {
            const size_t K = (size_t)classes->number;
            size_t B;
            snprintf(name, sizeof name, "labels_c%zu", K);
            int32_t *labels = read_labels(set, name, &B);
            float *targets = ssfer_malloc(B * K * sizeof *targets);
            ssfer_mix_targets(targets, labels, B, K, smoothing, lambda);
            snprintf(name, sizeof name, "mixup_target_c%zu_lam%s", K, number);
            check_tensor(targets, set, name, 2e-6);
            ssfer_mix_targets(targets, labels, B, K, 0.0, lambda);
            snprintf(name, sizeof name, "mixup_target_nosmooth_c%zu_lam%s", K, number);
            check_tensor(targets, set, name, 2e-6);
            ssfer_free(targets);
            ssfer_free(labels);
        }
        ssfer_free(number);
    }
    ssfer_free(mixed);
    ssfer_free(x);
    ssfer_tensor_set_destroy(set);
    fixture_free(json);
}

/* ---- the loss from logits ---- */

static float *field(const ssfer_tensor_set *set, const char *prefix, const char *name)
{
    char full[128];
    const ssfer_tensor *t;
    snprintf(full, sizeof full, "%s.%s", prefix, name);
    return fixture_floats(set, full, &t);
}

/* The loss of rows, each row's (rows) and the gradients dlogits (rows, K). */
static double row_loss(const ssfer_mixed *mixed, const float *logits, float *losses, float *dlogits, size_t B, size_t K)
{
    ssfer_error err = {0};
    ssfer_compute *cx;
    float *weights = ssfer_calloc(mixed->rows, sizeof *weights);
    double sum = 0.0;
    fixture_must(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, &err), &err, "compute");
    for (size_t r = 0; r < mixed->rows; r++)
        weights[r] = mixed->share[r] / (float)B;
    fixture_must(ssfer_cross_entropy(cx, losses, dlogits, logits, mixed->targets, weights, mixed->rows, K), &err,
                 "loss");
    for (size_t r = 0; r < mixed->rows; r++)
        sum += (double)mixed->share[r] * (double)losses[r];
    ssfer_compute_destroy(cx);
    ssfer_free(weights);
    return sum / (double)B;
}

static ssfer_mixer *make_mixer(ssfer_mix_mode mode, const char *detector, size_t B, size_t size, size_t K,
                               double smoothing)
{
    const ssfer_mix_options o = {
        .mode = mode, .alpha = 1.0, .detector = detector, .find = {.confidence = 0.4f, .iou = 0.5f, .threads = 1}};
    ssfer_error err = {0};
    ssfer_mixer *m;
    fixture_must(ssfer_mixer_create(&m, &o, B, size, K, smoothing, &err), &err, "mixer");
    return m;
}

/* The rows of a batch without known faces (all pairs overlap fully), then with the given overlaps. */
static ssfer_mixed mix(ssfer_mixer *m, const ssfer_batch *batch, double lambda, const float *iou)
{
    ssfer_error err = {0};
    ssfer_mixed mixed;
    ssfer_rng rng = ssfer_rng_stream(0, 0, 0, 0, SSFER_RNG_TEST);
    fixture_must(ssfer_mixer_mix(m, &mixed, batch, lambda, &rng, &err), &err, "mix");
    if (iou)
        ssfer_mixer_add_origins(m, &mixed, batch, iou);
    return mixed;
}

static void check_described_case(const ssfer_tensor_set *set, const char *name, const ssfer_batch *batch, size_t K,
                                 double lambda, double smoothing)
{
    const size_t B = batch->count;
    float *iou = field(set, name, "iou"), *origin = field(set, name, "logits_origin");
    float *logits = field(set, name, "logits_mixed"), *want = field(set, name, "loss");
    float *dmixed = field(set, name, "grad_logits_mixed"), *dorigin = field(set, name, "grad_logits_origin");
    float *all = ssfer_calloc(2 * B * K, sizeof *all), *dall = ssfer_calloc(2 * B * K, sizeof *dall);
    float *losses = ssfer_calloc(2 * B, sizeof *losses), *origin_losses = field(set, name, "origin_loss");
    ssfer_mixer *m = make_mixer(SSFER_MIX_FACEMIX, NULL, B, 1, K, smoothing);
    char what[128];
    const ssfer_mixed mixed = mix(m, batch, lambda, iou);
    snprintf(what, sizeof what, "%s.mixed_labels", name);
    check_tensor(mixed.targets, set, what, 2e-6);
    memcpy(all, logits, B * K * sizeof *all);
    for (size_t i = 0, row = B; i < B; i++)
        if (iou[i] < 1.0f)
            memcpy(all + row++ * K, origin + i * K, K * sizeof *all);
    fixture_near(row_loss(&mixed, all, losses, dall, B, K), (double)want[0], LOSS_ATOL, 0, name, 0, 0);
    snprintf(what, sizeof what, "%s.mixed_loss", name);
    check_tensor(losses, set, what, LOSS_ATOL);
    for (size_t i = 0; i < B * K; i++)
        fixture_near((double)dall[i], (double)dmixed[i], GRADIENT_ATOL, 0, name, i / K, i % K);
    for (size_t i = 0, row = B; i < B; i++) {
        const bool has_row = iou[i] < 1.0f;
        if (has_row)
            fixture_near((double)losses[row], (double)origin_losses[i], LOSS_ATOL, 0, "origin loss", i, 0);
        for (size_t k = 0; k < K; k++)
            fixture_near(has_row ? (double)dall[row * K + k] : 0.0, (double)dorigin[i * K + k], GRADIENT_ATOL, 0, name,
                         B + i, k);
        row += has_row;
    }
    fixture_check(mixed.rows <= 2 * B, "rows");
    ssfer_mixer_destroy(m);
    float *const owned[] = {iou, origin, logits, want, dmixed, dorigin, all, dall, losses, origin_losses};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        ssfer_free(owned[i]);
}

static void check_losses(void)
{
    fixture_value *json = fixture_json(area, "facemix_loss.json");
    if (!json)
        return;
    ssfer_tensor_set *set = fixture_tensors(area, "facemix_loss.safetensors");
    const fixture_value *c;
    for (c = fixture_first(json); c; c = c->next) {
        char name[96];
        size_t B;
        snprintf(name, sizeof name, "%s.labels", c->key);
        int32_t *labels = read_labels(set, name, &B);
        size_t *indices = ssfer_calloc(B, sizeof *indices);
        ssfer_seen *views = ssfer_calloc(B, sizeof *views);
        float *images = ssfer_calloc(B * 3, sizeof *images);
        const ssfer_batch batch = {.count = B, .images = images, .labels = labels, .indices = indices, .views = views};
        check_described_case(set, c->key, &batch, (size_t)fixture_number(c, "num_classes", 0),
                             fixture_number(c, "lam", (double)NAN), fixture_number(c, "label_smoothing", (double)NAN));
        ssfer_free(images);
        ssfer_free(views);
        ssfer_free(indices);
        ssfer_free(labels);
    }
    ssfer_tensor_set_destroy(set);
    fixture_free(json);
}

/* ---- from pictures ---- */

static void check_end_to_end_mode(const ssfer_tensor_set *set, const fixture_value *json, const ssfer_batch *batch,
                                  size_t size, const ssfer_classifier *model, const char *detector)
{
    const size_t B = batch->count, K = model->vit.config.classes;
    const char *mode = detector ? "released" : "described";
    ssfer_error err = {0};
    ssfer_compute *cx;
    ssfer_vit_acts acts;
    char name[96];
    float *iou = detector ? NULL : field(set, mode, "iou_from_unmixed_01_images");
    float *want = field(set, mode, detector ? "loss" : "loss_with_iou_from_unmixed_01_images");
    ssfer_mixer *m = make_mixer(detector ? SSFER_MIX_FACEMIX_RELEASED : SSFER_MIX_FACEMIX, detector, B, size, K,
                                fixture_number(json, "label_smoothing", (double)NAN));
    const ssfer_mixed mixed = mix(m, batch, fixture_number(json, "lam", (double)NAN), iou);
    fixture_must(ssfer_compute_create(&cx, SSFER_BACKEND_CPU, SSFER_PRECISION_FP32, 1, &err), &err, "compute");
    fixture_must(ssfer_vit_acts_init(&acts, cx, &model->vit, 2 * B, false, &err), &err, "activations");
    fixture_must(ssfer_vit_forward(cx, model->params, &acts, mixed.images,
                                   &(ssfer_stack_call){.batch = mixed.rows, .first_only = true}),
                 &err, "forward");
    snprintf(name, sizeof name, "%s.logits_mixed", mode);
    check_tensor(acts.logits, set, name, 2e-5);
    float *origin = field(set, mode, "logits_origin");
    for (size_t i = 0, row = B; !detector && i < B; i++)
        for (size_t k = 0; iou[i] < 1.0f && k < K; row += ++k == K)
            fixture_near((double)acts.logits[row * K + k], (double)origin[i * K + k], 2e-5, 0, "origin", i, k);
    if (!detector) /* as released, a row's target holds its share of the original picture, too */
        check_tensor(mixed.targets, set, "mixed_labels", 2e-6);
    float *gradients = ssfer_calloc(mixed.rows * K, sizeof *gradients);
    float *losses = ssfer_calloc(mixed.rows, sizeof *losses);
    fixture_near(row_loss(&mixed, acts.logits, losses, gradients, B, K), (double)want[0], 1e-4, 0, mode, 0, 0);
    if (!detector)
        check_tensor(losses, set, "described.mixed_loss", 1e-4);
    ssfer_free(losses);
    ssfer_free(gradients);
    ssfer_free(origin);
    ssfer_free(iou);
    ssfer_free(want);
    ssfer_vit_acts_deinit(&acts);
    ssfer_compute_destroy(cx);
    ssfer_mixer_destroy(m);
}

static char *named_file(const fixture_value *json, const char *key)
{
    char *file = ssfer_strdup(fixture_text(fixture_find(json, key)));
    file[strcspn(file, " ")] = '\0'; /* "../yolov7/x.pt (conf 0.40, ...)" */
    char *path = fixture_path(area, file);
    ssfer_free(file);
    return path;
}

/* The heads are not in a checkpoint's shapes: those of the model NAME, by the file's name FOLDER/NAME_state_dict.pth.
 */
static size_t heads_of(const char *classifier)
{
    fixture_value *config = fixture_json("vit", "config.json");
    const char *file = strrchr(classifier, '/') + 1, *end = strstr(file, "_state_dict");
    char *name = ssfer_format("%.*s", (int)(end ? (size_t)(end - file) : strlen(file)), file);
    const size_t heads = (size_t)fixture_number(fixture_find(config, name), "num_heads", 0);
    ssfer_free(name);
    fixture_free(config);
    return heads;
}

static void check_end_to_end(void)
{
    fixture_value *json = fixture_json(area, "facemix_end_to_end.json");
    if (!json)
        return;
    char *detector = named_file(json, "detector"), *classifier = named_file(json, "classifier");
    if (ssfer_file_exists(detector) && ssfer_file_exists(classifier)) {
        ssfer_error err = {0};
        ssfer_classifier model;
        const ssfer_tensor *t;
        size_t B;
        ssfer_tensor_set *set = fixture_tensors(area, "facemix_end_to_end.safetensors");
        const ssfer_classifier_load_options load = {.heads = heads_of(classifier)};
        fixture_must(ssfer_classifier_load(&model, classifier, &load, &err), &err, classifier);
        float *x = fixture_floats(set, "images_u8", &t);
        int32_t *labels = read_labels(set, "labels", &B);
        size_t *indices = ssfer_calloc(B, sizeof *indices);
        ssfer_seen *views = ssfer_calloc(B, sizeof *views);
        for (size_t i = 0; i < t->count; i++) {
            const size_t c = i / (t->shape[2] * t->shape[3]) % 3;
            x[i] = (x[i] / 255.0f - SSFER_DEFAULT_MEAN[c]) / SSFER_DEFAULT_STD[c];
        }
        const ssfer_batch batch = {.count = B, .images = x, .labels = labels, .indices = indices, .views = views};
        check_end_to_end_mode(set, json, &batch, t->shape[3], &model, NULL);
        check_end_to_end_mode(set, json, &batch, t->shape[3], &model, detector);
        ssfer_free(views);
        ssfer_free(indices);
        ssfer_free(labels);
        ssfer_free(x);
        ssfer_classifier_deinit(&model);
        ssfer_tensor_set_destroy(set);
    } else
        printf("not compared: no %s or %s\n", detector, classifier);
    ssfer_free(detector);
    ssfer_free(classifier);
    fixture_free(json);
}

static void check_folder(void)
{
    check_mixup();
    check_losses();
    check_end_to_end();
}

int main(void)
{
    return fixture_main(check_folder);
}
