#include "bench/vit.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "nn/optimizer.h"
#include "nn/try.h"

#include <string.h>

typedef struct bench {
    const ssfer_bench_vit_options *options;
    ssfer_compute *cx;
    ssfer_vit vit;
    ssfer_vit_acts acts;
    ssfer_optimizer optimizer;
    ssfer_bench_products products;
    float *params, *grads, *images, *targets, *weights, *losses, *dlogits;
} bench;

static size_t rows_of(const ssfer_bench_vit_options *o)
{
    const size_t side = o->config.image_size / o->config.patch_size;
    return o->batch * (side * side + 1);
}

static ssfer_status allocate(bench *b, ssfer_error *err)
{
    const ssfer_vit_config *c = &b->options->config;
    const size_t B = b->options->batch, pixels = B * c->channels * c->image_size * c->image_size;
    float **arrays[] = {&b->images, &b->targets, &b->weights, &b->losses, &b->dlogits};
    const size_t counts[] = {pixels, B * c->classes, B, B, B * c->classes};
    bool good = true;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        good = (*arrays[i] = ssfer_bench_floats(counts[i])) && good;
    if (!good)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
    for (size_t i = 0; i < B; i++) {
        b->weights[i] = 1.0f / (float)B;
        for (size_t k = 0; k < c->classes; k++)
            b->targets[i * c->classes + k] = i % c->classes == k;
    }
    return SSFER_OK;
}

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    const ssfer_bench_vit_options *o = b->options;
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    ssfer_optimizer_options options = ssfer_optimizer_defaults();
    TRY(ssfer_vit_init(&b->vit, &o->config, err));
    TRY(ssfer_compute_create(&b->cx, SSFER_BACKEND_CPU, o->precision, o->threads, err));
    TRY(ssfer_params_alloc(&b->params, &b->vit.table, err));
    ssfer_vit_init_params(b->params, &b->vit, 1);
    TRY(ssfer_vit_acts_init(&b->acts, b->cx, &b->vit, o->batch, training, err));
    TRY(allocate(b, err));
    if (!training)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&b->grads, &b->vit.table, err));
    return ssfer_optimizer_init(&b->optimizer, &b->vit.table, &options, b->params, err);
}

static void release(bench *b)
{
    float *arrays[] = {b->images, b->targets, b->weights, b->losses, b->dlogits, b->params, b->grads};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ssfer_free(arrays[i]);
    ssfer_bench_products_deinit(&b->products);
    ssfer_optimizer_deinit(&b->optimizer);
    ssfer_vit_acts_deinit(&b->acts);
    ssfer_vit_deinit(&b->vit);
    ssfer_compute_destroy(b->cx);
}

static ssfer_status step(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err)
{
    bench *b = self;
    (void)i;
    const ssfer_bench_vit_options *o = b->options;
    const size_t K = o->config.classes;
    const ssfer_stack_call call = {.batch = o->batch, .first_only = true};
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    const double start = ssfer_clock_s();
    TRY(ssfer_vit_forward(b->cx, b->params, &b->acts, b->images, &call));
    const double forward = ssfer_clock_s();
    if (training) {
        memset(b->dlogits, 0, o->batch * K * sizeof *b->dlogits);
        TRY(ssfer_zero(b->cx, b->grads, b->vit.table.block_floats));
        TRY(ssfer_cross_entropy(b->cx, b->losses, b->dlogits, b->acts.logits, b->targets, b->weights, o->batch, K));
        TRY(ssfer_vit_backward(b->cx, b->params, b->grads, &b->acts, b->dlogits, &call));
    }
    const double backward = ssfer_clock_s();
    if (training)
        TRY(ssfer_optimizer_step(b->cx, &b->optimizer, b->params, b->grads, 1e-4, 1.0f, NULL, err));
    *total_s = ssfer_clock_s() - start;
    part_s[0] = forward - start;
    part_s[1] = backward - forward;
    part_s[2] = *total_s - (backward - start);
    return SSFER_OK;
}

static ssfer_status prepare_products(void *self, ssfer_error *err)
{
    bench *b = self;
    const ssfer_vit_config *c = &b->options->config;
    return ssfer_bench_products_init(&b->products, b->cx, rows_of(b->options),
                                     ssfer_max_size(c->hidden, 3 * c->embed_dim),
                                     b->options->mode == SSFER_BENCH_TRAINING, err);
}

/* The products of a block: their rate is the limit. */
static ssfer_status products(void *self, double *seconds, double *flops)
{
    bench *b = self;
    const ssfer_vit_config *c = &b->options->config;
    return ssfer_bench_block_products(&b->products, rows_of(b->options), c->embed_dim, c->hidden, 1, seconds, flops);
}

ssfer_status ssfer_bench_vit(ssfer_bench_result *out, const ssfer_bench_vit_options *options, ssfer_error *err)
{
    bench b = {.options = options};
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK) {
        const double passes = options->mode == SSFER_BENCH_TRAINING ? 3 : 1;
        const ssfer_bench_case measured = {
            .self = &b,
            .cx = b.cx,
            .parts = {"forward", "backward", "update"},
            .part_count = 3,
            .images = (double)options->batch,
            .flops = passes * (double)options->batch * ssfer_vit_flops(&options->config),
            .seconds = options->seconds,
            .cap_s = options->cap_s,
            .step = step,
            .prepare_products = prepare_products,
            .products = products,
        };
        st = ssfer_bench_measure(out, &measured, err);
    }
    release(&b);
    return st;
}
