#include "ssfer/predict.h"

#include "base/memory.h"
#include "base/size.h"
#include "base/status.h"
#include "data/class_sets.h"
#include "data/transform.h"
#include "models/classifier.h"
#include "nn/try.h"
#include "predict/views.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <string.h>

struct ssfer_predictor {
    pthread_mutex_t lock; /* one call at a time: all that follows but the model belongs to it */
    ssfer_compute *cx;
    ssfer_classifier model;
    ssfer_vit_acts acts;
    ssfer_transform transform;
    ssfer_transform_scratch *scratch; /* one a thread */
    float *input;                     /* (batch, 3, S, S) */
    size_t batch, threads;            /* batch: the most pictures at a time */
    size_t room;                      /* how many acts and input have room for */
    size_t passes;
    char *path; /* of the model, for messages */
};

static ssfer_status prepare(ssfer_predictor *p, const char *path, const ssfer_predictor_options *o, ssfer_error *err)
{
    const ssfer_classifier_load_options load = {
        .classes = o->classes, .heads = o->heads, .mean = o->mean, .std = o->std};
    if (!(p->path = ssfer_strdup(path)))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory");
    TRY(ssfer_classifier_load(&p->model, path, &load, err));
    if (!p->model.classes)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: holds no class names; give --classes " SSFER_CLASS_SETS_WITH_OUTPUTS " or a file", path);
    const size_t S = p->model.vit.config.image_size;
    p->batch = o->batch ? o->batch : 32;
    TRY(ssfer_compute_create(&p->cx, SSFER_BACKEND_CPU, o->bf16 ? SSFER_PRECISION_BF16 : SSFER_PRECISION_FP32,
                             o->threads, err));
    p->threads = ssfer_compute_threads(p->cx);
    p->transform = ssfer_transform_eval(S);
    memcpy(p->transform.mean, p->model.mean, sizeof p->model.mean);
    memcpy(p->transform.std, p->model.std, sizeof p->model.std);
    p->scratch = ssfer_calloc(p->threads, sizeof *p->scratch);
    return p->scratch ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory");
}

enum { MANY_PASSES = 16 }; /* from here on packing the weights once is cheaper than the memory for it */

/* One pass through the model. A picture's result must not depend on how many came before it. */
static ssfer_status forward(ssfer_predictor *p, size_t n)
{
    const ssfer_stack_call call = {.batch = n, .first_only = true};
    if (++p->passes == MANY_PASSES && ssfer_weights_held_exactly(p->cx))
        TRY(ssfer_weights_hold(p->cx, p->model.params, p->model.vit.table.block_floats));
    return ssfer_vit_forward(p->cx, p->model.params, &p->acts, p->input, &call);
}

/* Buffers for n pictures at a time. Made when they are needed: one picture must not pay for a batch. */
static ssfer_status make_room(ssfer_predictor *p, size_t n, ssfer_error *err)
{
    const size_t S = p->transform.size, floats = 3 * S * S;
    if (n <= p->room)
        return SSFER_OK;
    p->room = 0;
    ssfer_vit_acts_deinit(&p->acts);
    ssfer_free(p->input);
    p->input = n <= SIZE_MAX / (floats * sizeof *p->input) ? ssfer_aligned_alloc(n * floats * sizeof *p->input) : NULL;
    if (!p->input)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: no memory for batches of %zu pictures", n);
    TRY(ssfer_vit_acts_init(&p->acts, p->cx, &p->model.vit, n, false, err));
    p->room = n;
    return SSFER_OK;
}

ssfer_status ssfer_predictor_create(ssfer_predictor **out, const char *path, const ssfer_predictor_options *options,
                                    ssfer_error *err)
{
    const ssfer_predictor_options o = options ? *options : (ssfer_predictor_options){0};
    SSFER_REQUIRE(err, out, "out");
    *out = NULL;
    SSFER_REQUIRE(err, path, "path");
    ssfer_predictor *p = ssfer_calloc(1, sizeof *p);
    if (!p || pthread_mutex_init(&p->lock, NULL) != 0) {
        ssfer_free(p);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "predictor: out of memory");
    }
    ssfer_status st = prepare(p, path, &o, err);
    if (st == SSFER_OK)
        *out = p;
    else
        ssfer_predictor_destroy(p);
    return st;
}

void ssfer_predictor_destroy(ssfer_predictor *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->scratch && i < p->threads; i++)
        ssfer_transform_scratch_deinit(&p->scratch[i]);
    ssfer_free(p->scratch);
    ssfer_free(p->input);
    ssfer_free(p->path);
    ssfer_vit_acts_deinit(&p->acts);
    ssfer_classifier_deinit(&p->model);
    ssfer_compute_destroy(p->cx);
    pthread_mutex_destroy(&p->lock);
    ssfer_free(p);
}

void ssfer_predictor_normalization(const ssfer_predictor *p, float mean[3], int *mean_stated, float std[3],
                                   int *std_stated)
{
    static const ssfer_classifier none;
    const ssfer_classifier *m = p ? &p->model : &none;
    if (mean)
        memcpy(mean, m->mean, sizeof m->mean);
    if (std)
        memcpy(std, m->std, sizeof m->std);
    if (mean_stated)
        *mean_stated = m->mean_stated;
    if (std_stated)
        *std_stated = m->std_stated;
}

size_t ssfer_predictor_class_count(const ssfer_predictor *p)
{
    return p ? p->model.vit.config.classes : 0;
}

const char *ssfer_predictor_class_name(const ssfer_predictor *p, size_t k)
{
    return k < ssfer_predictor_class_count(p) ? p->model.classes[k] : NULL;
}

size_t ssfer_predictor_image_size(const ssfer_predictor *p)
{
    return p ? p->model.vit.config.image_size : 0;
}

/* What the classifier sees of a view, as the network's input. */
static ssfer_status fill_one(ssfer_predictor *p, const ssfer_view *view, float *input, ssfer_error *err)
{
    ssfer_transform_scratch *scratch = &p->scratch[omp_get_thread_num()];
    ssfer_image cut = {0};
    ssfer_status st = view->face ? SSFER_ERR_LIMIT
                                 : ssfer_transform_apply_with(&p->transform, view->image, NULL, input, scratch, err);
    if (st != SSFER_ERR_LIMIT) /* else a face, or too long and thin to be scaled as a whole */
        return st;
    st = ssfer_view_cut(&cut, view, p->transform.size, err);
    if (st == SSFER_OK)
        st = ssfer_transform_apply_with(&p->transform, &cut, NULL, input, scratch, err);
    ssfer_image_deinit(&cut);
    return st;
}

/* Fills p->input from the views, a thread a view. The first failure is the one reported. */
static ssfer_status fill_input(ssfer_predictor *p, const ssfer_view *views, size_t count, ssfer_error *err)
{
    const size_t floats = 3 * p->transform.size * p->transform.size;
    ssfer_status status = SSFER_OK;
#pragma omp parallel for num_threads((int)p->threads) schedule(dynamic)
    for (size_t i = 0; i < count; i++) {
        ssfer_error own = {0};
        ssfer_status st = fill_one(p, &views[i], p->input + i * floats, &own);
        if (st != SSFER_OK)
#pragma omp critical(ssfer_predictor_failure)
        {
            if (status == SSFER_OK)
                status = ssfer_fail(err, st, "%s", own.message);
        }
    }
    return status;
}

static void softmax(float *p, const float *z, size_t K)
{
    double most = -INFINITY, total = 0.0;
    for (size_t k = 0; k < K; k++)
        most = (double)z[k] > most ? (double)z[k] : most;
    for (size_t k = 0; k < K; k++)
        total += exp((double)z[k] - most);
    for (size_t k = 0; k < K; k++)
        p[k] = (float)(exp((double)z[k] - most) / total);
}

static ssfer_status run_batches(ssfer_predictor *p, const ssfer_view *views, size_t count, float *probabilities,
                                float *logits, ssfer_error *err)
{
    const size_t K = p->model.vit.config.classes;
    for (size_t start = 0; start < count; start += p->batch) {
        const size_t n = ssfer_min_size(count - start, p->batch);
        TRY(make_room(p, n, err));
        TRY(fill_input(p, views + start, n, err));
        const ssfer_status st = forward(p, n);
        if (st != SSFER_OK)
            return ssfer_fail(err, st, "%s", ssfer_compute_error(p->cx)->message);
        for (size_t i = 0; i < n * K; i++)
            if (!isfinite(p->acts.logits[i]))
                return ssfer_fail(err, SSFER_ERR_NUMERIC, "%s: its outputs are not finite; the weights are damaged",
                                  p->path);
        if (logits)
            memcpy(logits + start * K, p->acts.logits, n * K * sizeof *logits);
        for (size_t i = 0; probabilities && i < n; i++)
            softmax(probabilities + (start + i) * K, p->acts.logits + i * K, K);
    }
    return SSFER_OK;
}

ssfer_status ssfer_predictor_run_views(ssfer_predictor *p, const ssfer_view *views, size_t count, float *probabilities,
                                       float *logits, ssfer_error *err)
{
    pthread_mutex_lock(&p->lock);
    ssfer_status st = run_batches(p, views, count, probabilities, logits, err);
    pthread_mutex_unlock(&p->lock);
    return st;
}

ssfer_status ssfer_predictor_run(ssfer_predictor *p, const ssfer_image *images, size_t count, float *probabilities,
                                 float *logits, ssfer_error *err)
{
    ssfer_view *views;
    SSFER_REQUIRE(err, p, "predictor");
    if (!count)
        return SSFER_OK;
    SSFER_REQUIRE(err, images, "images");
    TRY(ssfer_views_of_pictures(&views, images, count, err));
    ssfer_status st = ssfer_predictor_run_views(p, views, count, probabilities, logits, err);
    ssfer_free(views);
    return st;
}
