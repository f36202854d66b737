/* The ViT against timm's (tests/golden/vit, made by tools/make_golden_vit.py), on the reference and on every level of
 * the CPU backend: activations, logits, loss, all gradients, three AdamW steps. Sizes come from the files, which hold
 * float64 results rounded once, so a tolerance covers the engine's own roundings: multiples of U, half an ulp of 1. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "compute/cpu/cpu.h"
#include "models/classifier.h"
#include "nn/optimizer.h"
#include "nn/targets.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define U 0x1p-24

static ssfer_compute *contexts[1 + SSFER_CPU_LEVEL_COUNT]; /* the reference first */

typedef struct golden {
    ssfer_compute *cx;
    ssfer_classifier model;
    ssfer_vit_acts acts;
    ssfer_tensor_set *forward, *backward, *adamw;
    float *grads, *weights, *losses, *dlogits;
    size_t batch, classes;
} golden;

static void must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK)
        fail_msg("%s", err->message);
}

static ssfer_tensor_set *open_set(const char *name)
{
    ssfer_tensor_set *set = NULL;
    ssfer_error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/golden/vit/%s.safetensors", SSFER_TEST_DIR, name);
    must(ssfer_safetensors_read(&set, path, &err), &err);
    return set;
}

static const float *get(const ssfer_tensor_set *set, const char *name, size_t count)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
    if (!t)
        fail_msg("the golden file has no tensor %s", name);
    assert_int_equal(t->dtype, SSFER_DTYPE_F32);
    if (count)
        assert_int_equal(t->count, count);
    return t->data;
}

static void open_golden(golden *g, ssfer_compute *cx)
{
    ssfer_error err = {0};
    *g = (golden){.cx = cx};
    must(ssfer_classifier_load(&g->model, SSFER_TEST_DIR "/golden/vit/model.safetensors", NULL, &err), &err);
    g->forward = open_set("forward");
    g->backward = open_set("backward");
    g->adamw = open_set("adamw");
    g->classes = g->model.vit.config.classes;
    g->batch = ssfer_tensor_set_find(g->forward, "input")->shape[0];
    must(ssfer_vit_acts_init(&g->acts, g->cx, &g->model.vit, g->batch, true, &err), &err);
    must(ssfer_params_alloc(&g->grads, &g->model.vit.table, &err), &err);
    g->weights = calloc(g->batch, sizeof *g->weights);
    g->losses = calloc(g->batch, sizeof *g->losses);
    g->dlogits = calloc(g->batch * g->classes, sizeof *g->dlogits);
    assert_true(g->weights && g->losses && g->dlogits);
    for (size_t b = 0; b < g->batch; b++)
        g->weights[b] = 1.0f / (float)g->batch;
}

static void close_golden(golden *g)
{
    ssfer_tensor_set_destroy(g->forward);
    ssfer_tensor_set_destroy(g->backward);
    ssfer_tensor_set_destroy(g->adamw);
    ssfer_vit_acts_deinit(&g->acts);
    ssfer_classifier_deinit(&g->model);
    ssfer_free(g->grads);
    free(g->weights);
    free(g->losses);
    free(g->dlogits);
}

/* The largest error as a multiple of U times the largest value of the tensor. */
static double check(const golden *g, const char *name, const float *got, const float *want, size_t count,
                    double allowed)
{
    double largest = 0.0, worst = 0.0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)want[i]));
    for (size_t i = 0; i < count; i++) {
        const double error = fabs((double)got[i] - (double)want[i]) / (U * largest);
        worst = fmax(worst, error);
        if (!(error <= allowed))
            fail_msg("%s: %s[%zu of %zu] is %.9g, PyTorch says %.9g: %.1f U", ssfer_compute_backend_name(g->cx), name,
                     i, count, (double)got[i], (double)want[i], error);
    }
    if (getenv("VERBOSE"))
        printf("%-8s %-28s worst %6.1f U of %g\n", ssfer_compute_backend_name(g->cx), name, worst, allowed);
    return worst;
}

static void forward(golden *g, bool first_only)
{
    const ssfer_vit_config *c = &g->model.vit.config;
    const float *input = get(g->forward, "input", g->batch * 3 * c->image_size * c->image_size);
    assert_int_equal(ssfer_vit_forward(g->cx, g->model.params, &g->acts, input,
                                       &(ssfer_stack_call){.batch = g->batch, .first_only = first_only}),
                     SSFER_OK);
}

static float loss_and_gradients(golden *g)
{
    const ssfer_stack_call call = {.batch = g->batch, .first_only = true};
    const float *targets = get(g->backward, "targets", g->batch * g->classes);
    double loss = 0.0;
    memset(g->grads, 0, g->model.vit.table.block_floats * sizeof *g->grads);
    memset(g->dlogits, 0, g->batch * g->classes * sizeof *g->dlogits);
    forward(g, true);
    assert_int_equal(
        ssfer_cross_entropy(g->cx, g->losses, g->dlogits, g->acts.logits, targets, g->weights, g->batch, g->classes),
        SSFER_OK);
    assert_int_equal(ssfer_vit_backward(g->cx, g->model.params, g->grads, &g->acts, g->dlogits, &call), SSFER_OK);
    for (size_t b = 0; b < g->batch; b++)
        loss += (double)g->losses[b] / (double)g->batch;
    return (float)loss;
}

/* A product of 48 or fewer terms, then a residual sum, a norm, a softmax a layer: each adds some U to values of about
 * the size of the tensor's largest. Measured: below 11 U. */
static void check_activations(ssfer_compute *cx)
{
    golden g;
    char name[32];
    open_golden(&g, cx);
    const ssfer_vit_config *c = &g.model.vit.config;
    const size_t N = g.acts.stack.tokens, count = g.batch * N * c->embed_dim;
    forward(&g, false);
    check(&g, "embed", g.acts.stack.blocks[0].x, get(g.forward, "embed", count), count, 16);
    for (size_t i = 0; i < c->depth; i++) {
        snprintf(name, sizeof name, "block%zu", i);
        const float *got = i + 1 < c->depth ? g.acts.stack.blocks[i + 1].x : g.acts.stack.out;
        check(&g, name, got, get(g.forward, name, count), count, 32);
    }
    check(&g, "norm", g.acts.stack.normed, get(g.forward, "norm", count), count, 32);
    const float *logits = get(g.forward, "logits", g.batch * g.classes);
    check(&g, "logits", g.acts.logits, logits, g.batch * g.classes, 32);
    forward(&g, true); /* class tokens alone */
    check(&g, "logits", g.acts.logits, logits, g.batch * g.classes, 32);
    close_golden(&g);
}

/* The way down and up again. Measured: below 17 U. The gradient of the key part of a qkv bias is zero in exact
 * arithmetic; what is left is rounding, small beside the bias's other parts, so one tolerance covers all. */
static void check_backward(ssfer_compute *cx)
{
    golden g;
    open_golden(&g, cx);
    const float loss = loss_and_gradients(&g);
    check(&g, "loss", &loss, get(g.backward, "loss", 1), 1, 16);
    for (size_t i = 0; i < g.model.vit.table.count; i++) {
        const ssfer_param *p = &g.model.vit.table.items[i];
        char name[96];
        snprintf(name, sizeof name, "grad.%s", p->name);
        check(&g, p->name, g.grads + p->offset, get(g.backward, name, p->count), p->count, 64);
    }
    close_golden(&g);
}

/* A step moves a parameter by up to lr, as far as its gradient's relative error lets it: g / (|g| + eps). Gradients
 * here are between 1e-5 and 1, off by 1e-8, so a step is off by 1e-3 of lr = 1e-3 where they are smallest. Measured:
 * below 3e-7 but for the key part of the qkv biases, whose gradient is nothing but rounding and whose steps are noise
 * of up to lr each. */
static void check_adamw_step(const golden *g, size_t step, double lr)
{
    const size_t C = g->model.vit.config.embed_dim;
    double worst = 0.0;
    for (size_t i = 0; i < g->model.vit.table.count; i++) {
        const ssfer_param *p = &g->model.vit.table.items[i];
        const bool qkv_bias = strstr(p->name, "attn.qkv.bias") != NULL;
        char name[96];
        snprintf(name, sizeof name, "%zu.%s", step, p->name);
        const float *want = get(g->adamw, name, p->count), *got = g->model.params + p->offset;
        for (size_t k = 0; k < p->count; k++) {
            const bool key = qkv_bias && k >= C && k < 2 * C;
            const double error = fabs((double)got[k] - (double)want[k]);
            worst = key ? worst : fmax(worst, error);
            if (!(error <= (key ? lr * (double)step : 1e-6)))
                fail_msg("%s: step %zu: %s[%zu] is %.9g, PyTorch says %.9g", ssfer_compute_backend_name(g->cx), step,
                         p->name, k, (double)got[k], (double)want[k]);
        }
    }
    if (getenv("VERBOSE"))
        printf("%-8s AdamW step %zu                worst %.2g\n", ssfer_compute_backend_name(g->cx), step, worst);
}

static void check_adamw(ssfer_compute *cx)
{
    golden g;
    ssfer_optimizer optimizer;
    ssfer_error err = {0};
    open_golden(&g, cx);
    const ssfer_tensor *settings = ssfer_tensor_set_find(g.adamw, "settings");
    assert_int_equal(settings->dtype, SSFER_DTYPE_F64);
    assert_int_equal(settings->count, 5);
    const double *s = settings->data;
    const ssfer_optimizer_options options = {.beta1 = (float)s[1],
                                             .beta2 = (float)s[2],
                                             .eps = (float)s[3],
                                             .weight_decay = (float)s[4],
                                             .decay_all = true,
                                             .layer_decay = 1.0f};
    must(ssfer_optimizer_init(&optimizer, &g.model.vit.table, &options, g.model.params, &err), &err);
    for (size_t step = 1; step <= 3; step++) {
        loss_and_gradients(&g);
        must(ssfer_optimizer_step(cx, &optimizer, g.model.params, g.grads, s[0], 1.0f, NULL, &err), &err);
        if (step != 2)
            check_adamw_step(&g, step, s[0]);
    }
    ssfer_optimizer_deinit(&optimizer);
    close_golden(&g);
}

/* What the file says beside the weights. */
static void test_metadata(void **state)
{
    (void)state;
    golden g;
    open_golden(&g, contexts[0]);
    const ssfer_vit_config *c = &g.model.vit.config;
    assert_int_equal(c->image_size, 16);
    assert_int_equal(c->hidden, 2 * c->embed_dim);
    assert_int_equal(c->heads, 2);
    assert_int_equal(c->classes, 5);
    assert_string_equal(g.model.classes[4], "e");
    assert_true(g.model.mean[2] == 0.125f && g.model.std[1] == 0.5f);
    float targets[3 * 5];
    const ssfer_tensor *labels = ssfer_tensor_set_find(g.backward, "labels");
    assert_int_equal(labels->dtype, SSFER_DTYPE_I32);
    ssfer_targets_from_labels(targets, labels->data, g.batch, g.classes, 0.1);
    for (size_t i = 0; i < 15; i++)
        assert_true(fabs((double)targets[i] - (double)get(g.backward, "targets", 15)[i]) <= U);
    close_golden(&g);
}

#define ON_EVERY_BACKEND(what)                                                                                         \
    static void test_##what(void **state)                                                                              \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)                                                \
            if (contexts[i])                                                                                           \
                check_##what(contexts[i]);                                                                             \
    }

ON_EVERY_BACKEND(activations)
ON_EVERY_BACKEND(backward)
ON_EVERY_BACKEND(adamw)

static int open_contexts(void **state)
{
    (void)state;
    if (ssfer_compute_create(&contexts[0], SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, NULL) != SSFER_OK)
        return -1;
    for (int level = 0; level <= (int)ssfer_cpu_level_in_use(); level++) {
        const ssfer_backend *backend = ssfer_cpu_backend((ssfer_cpu_level)level, SSFER_PRECISION_FP32);
        if (backend && ssfer_compute_create_with(&contexts[1 + level], backend, 2, NULL))
            return -1;
    }
    return 0;
}

static int close_contexts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        ssfer_compute_destroy(contexts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_backward),
        cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
