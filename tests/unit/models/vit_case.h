/* A small ViT with random weights, pictures and targets, ready for forward and backward passes. Include after cmocka.h.
 *
 * The weights are far larger than an initialisation's, so that no term of the gradient is too small to be seen. */
#ifndef SSFER_TESTS_VIT_CASE_H
#define SSFER_TESTS_VIT_CASE_H

#include "base/memory.h"
#include "base/rng.h"
#include "models/vit.h"
#include "nn/targets.h"

#include <math.h>
#include <string.h>

typedef struct vit_case {
    ssfer_compute *cx;
    ssfer_vit vit;
    ssfer_vit_acts acts;
    float *params, *grads, *images, *targets, *weights, *losses, *dlogits;
    size_t batch;
} vit_case;

#define CALL(call)                                                                                                     \
    do {                                                                                                               \
        ssfer_error call_error = {0}, *err = &call_error;                                                              \
        (void)err;                                                                                                     \
        if ((call) != SSFER_OK)                                                                                        \
            fail_msg("%s: %s", #call, call_error.message);                                                             \
    } while (0)

/* Odd sizes, all different: 9 tokens and the class token, heads of 5 channels, an MLP that is not 4 C wide. */
static inline ssfer_vit_config vit_case_config(float drop_path)
{
    return (ssfer_vit_config){.image_size = 12,
                              .patch_size = 4,
                              .channels = 3,
                              .embed_dim = 15,
                              .depth = 3,
                              .heads = 3,
                              .hidden = 22,
                              .classes = 4,
                              .eps = 1e-6f,
                              .drop_path = drop_path};
}

static inline size_t vit_case_pixels(const vit_case *c)
{
    return 3 * c->vit.config.image_size * c->vit.config.image_size;
}

static inline float *vit_case_normal(size_t count, float size, uint64_t seed)
{
    ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, 0, SSFER_RNG_TEST);
    float *x = ssfer_calloc(count, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = size * (float)ssfer_rng_normal(&rng);
    return x;
}

/* Norm weights around 1, matrices of deviation 1/sqrt(inputs), everything else of deviation 0.2. */
static inline void vit_case_fill(float *params, const ssfer_param_table *table, uint64_t seed)
{
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        ssfer_rng rng = ssfer_rng_stream(seed, 1, 0, i, SSFER_RNG_TEST);
        const bool matrix = p->ndim == 2 || p->ndim == 4;
        const double size = matrix ? 1.0 / sqrt((double)(p->count / p->shape[0])) : 0.2;
        for (size_t k = 0; k < p->count; k++)
            params[p->offset + k] = (float)((p->init == SSFER_INIT_ONE) + size * ssfer_rng_normal(&rng));
    }
}

static inline void vit_case_open(vit_case *c, ssfer_backend_kind kind, size_t threads, const ssfer_vit_config *config,
                                 size_t batch)
{
    *c = (vit_case){.batch = batch};
    CALL(ssfer_compute_create(&c->cx, kind, SSFER_PRECISION_FP32, threads, err));
    CALL(ssfer_vit_init(&c->vit, config, err));
    CALL(ssfer_vit_acts_init(&c->acts, c->cx, &c->vit, batch, true, err));
    CALL(ssfer_params_alloc(&c->params, &c->vit.table, err));
    CALL(ssfer_params_alloc(&c->grads, &c->vit.table, err));
    vit_case_fill(c->params, &c->vit.table, 1);
    c->images = vit_case_normal(batch * vit_case_pixels(c), 1.0f, 2);
    c->targets = ssfer_calloc(batch * config->classes, sizeof *c->targets);
    c->weights = ssfer_calloc(batch, sizeof *c->weights);
    c->losses = ssfer_calloc(batch, sizeof *c->losses);
    c->dlogits = ssfer_calloc(batch * config->classes, sizeof *c->dlogits);
    assert_true(c->targets && c->weights && c->losses && c->dlogits);
    for (size_t b = 0; b < batch; b++) {
        const int32_t label = (int32_t)(b % config->classes);
        ssfer_targets_from_labels(c->targets + b * config->classes, &label, 1, config->classes, 0.1);
        c->weights[b] = 1.0f / (float)batch;
    }
}

static inline void vit_case_close(vit_case *c)
{
    float *blocks[] = {c->params, c->grads, c->images, c->targets, c->weights, c->losses, c->dlogits};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        ssfer_free(blocks[i]);
    ssfer_vit_acts_deinit(&c->acts);
    ssfer_vit_deinit(&c->vit);
    ssfer_compute_destroy(c->cx);
}

/* The loss of samples first .. first + call->batch - 1, from the logits in double: the one rounding less is half of the
 * noise of a difference. */
static inline double vit_case_loss(vit_case *c, size_t first, const ssfer_stack_call *call)
{
    const size_t K = c->vit.config.classes;
    double total = 0.0;
    CALL(ssfer_vit_forward(c->cx, c->params, &c->acts, c->images + first * vit_case_pixels(c), call));
    for (size_t b = 0; b < call->batch; b++) {
        const float *z = c->acts.logits + b * K, *t = c->targets + (first + b) * K;
        double sum = 0.0, loss = 0.0;
        for (size_t k = 0; k < K; k++)
            sum += exp((double)z[k]);
        for (size_t k = 0; k < K; k++)
            loss += (double)t[k] * (log(sum) - (double)z[k]);
        total += (double)c->weights[first + b] * loss;
    }
    return total;
}

/* grads += of the same samples. */
static inline void vit_case_gradients(vit_case *c, size_t first, const ssfer_stack_call *call)
{
    const size_t K = c->vit.config.classes;
    memset(c->dlogits, 0, call->batch * K * sizeof *c->dlogits);
    CALL(ssfer_vit_forward(c->cx, c->params, &c->acts, c->images + first * vit_case_pixels(c), call));
    CALL(ssfer_cross_entropy(c->cx, c->losses, c->dlogits, c->acts.logits, c->targets + first * K, c->weights + first,
                             call->batch, K));
    CALL(ssfer_vit_backward(c->cx, c->params, c->grads, &c->acts, c->dlogits, call));
}

static inline void vit_case_clear(vit_case *c)
{
    memset(c->grads, 0, c->vit.table.block_floats * sizeof *c->grads);
}

static inline double vit_case_norm(const float *x, size_t count)
{
    double sum = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)x[i];
    return sqrt(sum);
}

#endif
