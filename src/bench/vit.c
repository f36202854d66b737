#include "bench/vit.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench/series.h"
#include "nn/optimizer.h"
#include "nn/try.h"

#include <string.h>

enum { WARM_UP = 3, MOST_STEPS = 4096 };

typedef struct bench {
    const ssfer_bench_vit_options *options;
    ssfer_compute *cx;
    ssfer_vit vit;
    ssfer_vit_acts acts;
    ssfer_optimizer optimizer;
    float *params, *grads, *images, *targets, *weights, *losses, *dlogits;
    float *a, *b, *c; /* operands of the bare products */
    double *total, *forward, *backward, *update, *bare;
    size_t steps;
} bench;

static ssfer_status allocate(bench *b, ssfer_error *err)
{
    const ssfer_vit_config *c = &b->options->config;
    const size_t B = b->options->batch, pixels = B * c->channels * c->image_size * c->image_size;
    const size_t side = c->image_size / c->patch_size, rows = B * (side * side + 1);
    const size_t widest = c->hidden > 3 * c->embed_dim ? c->hidden : 3 * c->embed_dim;
    double **series[] = {&b->total, &b->forward, &b->backward, &b->update, &b->bare};
    float **arrays[] = {&b->images, &b->targets, &b->weights, &b->losses, &b->dlogits, &b->a, &b->b, &b->c};
    const size_t counts[] = {pixels,          B * c->classes, B, B, B * c->classes, rows * widest,
                             widest * widest, rows * widest};
    bool good = true;
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        good = (*series[i] = ssfer_calloc(MOST_STEPS, sizeof **series[i])) && good;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        good = (*arrays[i] = ssfer_aligned_alloc(counts[i] * sizeof(float))) && good;
        if (*arrays[i])
            ssfer_series_fill(*arrays[i], counts[i]);
    }
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
    TRY(ssfer_compute_create(&b->cx, SSFER_BACKEND_CPU, o->threads, err));
    TRY(ssfer_params_alloc(&b->params, &b->vit.table, err));
    ssfer_vit_init_params(b->params, &b->vit, 1);
    TRY(ssfer_vit_acts_init(&b->acts, &b->vit, o->batch, training, err));
    TRY(allocate(b, err));
    if (!training)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&b->grads, &b->vit.table, err));
    return ssfer_optimizer_init(&b->optimizer, &b->vit.table, &options, b->params, err);
}

static void release(bench *b)
{
    double *series[] = {b->total, b->forward, b->backward, b->update, b->bare};
    float *arrays[] = {b->images, b->targets, b->weights, b->losses, b->dlogits, b->a, b->b, b->c, b->params, b->grads};
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        ssfer_free(series[i]);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ssfer_free(arrays[i]);
    ssfer_optimizer_deinit(&b->optimizer);
    ssfer_vit_acts_deinit(&b->acts);
    ssfer_vit_deinit(&b->vit);
    ssfer_compute_destroy(b->cx);
}

static ssfer_status step(bench *b, size_t i, ssfer_error *err)
{
    const ssfer_bench_vit_options *o = b->options;
    const size_t K = o->config.classes;
    const ssfer_stack_call call = {.batch = o->batch, .first_only = true};
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    double start = ssfer_clock_s(), forward, backward;
    TRY(ssfer_vit_forward(b->cx, b->params, &b->acts, b->images, &call));
    forward = ssfer_clock_s();
    if (training) {
        memset(b->dlogits, 0, o->batch * K * sizeof *b->dlogits);
        TRY(ssfer_zero(b->cx, b->grads, b->vit.table.block_floats));
        TRY(ssfer_cross_entropy(b->cx, b->losses, b->dlogits, b->acts.logits, b->targets, b->weights, o->batch, K));
        TRY(ssfer_vit_backward(b->cx, b->params, b->grads, &b->acts, b->dlogits, &call));
    }
    backward = ssfer_clock_s();
    if (training)
        TRY(ssfer_optimizer_step(b->cx, &b->optimizer, b->params, b->grads, 1e-4, 1.0f, NULL, err));
    b->total[i] = ssfer_clock_s() - start;
    b->forward[i] = forward - start;
    b->backward[i] = backward - forward;
    b->update[i] = b->total[i] - (backward - start);
    return SSFER_OK;
}

/* One linear layer's products, by themselves. Returns their operations. */
static ssfer_status products(bench *b, ssfer_linear_dims d, double *flops)
{
    TRY(ssfer_linear_forward(b->cx, b->c, b->a, b->b, NULL, d, SSFER_EPILOGUE_NONE));
    *flops += 2.0 * (double)d.rows * (double)d.in * (double)d.out;
    if (b->options->mode == SSFER_BENCH_INFERENCE)
        return SSFER_OK;
    TRY(ssfer_linear_backward_dx(b->cx, b->a, b->c, b->b, d));
    TRY(ssfer_linear_backward_dw(b->cx, b->b, NULL, b->c, b->a, d));
    *flops += 4.0 * (double)d.rows * (double)d.in * (double)d.out;
    return SSFER_OK;
}

/* The four products of a block: their rate is the limit. bare[i] = seconds per operation. */
static ssfer_status bare_products(bench *b, size_t i)
{
    const ssfer_vit_config *c = &b->options->config;
    const size_t side = c->image_size / c->patch_size, M = b->options->batch * (side * side + 1), C = c->embed_dim;
    double flops = 0.0, start = ssfer_clock_s();
    TRY(products(b, (ssfer_linear_dims){M, C, 3 * C}, &flops));
    TRY(products(b, (ssfer_linear_dims){M, C, C}, &flops));
    TRY(products(b, (ssfer_linear_dims){M, C, c->hidden}, &flops));
    TRY(products(b, (ssfer_linear_dims){M, c->hidden, C}, &flops));
    b->bare[i] = (ssfer_clock_s() - start) / flops;
    return SSFER_OK;
}

static void refresh_operands(bench *b)
{
    const ssfer_vit_config *c = &b->options->config;
    const size_t widest = c->hidden > 3 * c->embed_dim ? c->hidden : 3 * c->embed_dim;
    ssfer_series_fill(b->b, widest * widest);
}

static ssfer_status measure(bench *b, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    double start = ssfer_clock_s();
    for (size_t i = 0; st == SSFER_OK && b->steps < MOST_STEPS; i++) {
        st = step(b, b->steps, err);
        refresh_operands(b); /* the bare products overwrite them */
        if (st == SSFER_OK)
            st = bare_products(b, b->steps);
        if (i < WARM_UP)
            start = ssfer_clock_s();
        else
            b->steps++;
        if (b->steps >= 5 && ssfer_clock_s() - start > b->options->seconds)
            break;
    }
    return st == SSFER_OK || err->status != SSFER_OK ? st
                                                     : ssfer_fail(err, st, "%s", ssfer_compute_error(b->cx)->message);
}

ssfer_status ssfer_bench_vit(ssfer_bench_result *out, const ssfer_bench_vit_options *options, ssfer_error *err)
{
    bench b = {.options = options};
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK)
        st = measure(&b, err);
    if (st == SSFER_OK) {
        const double median = ssfer_series_quantile(b.total, b.steps, 0.5),
                     passes = options->mode == SSFER_BENCH_TRAINING ? 3 : 1;
        *out = (ssfer_bench_result){
            .images_per_second = (double)options->batch / median,
            .spread = (ssfer_series_quantile(b.total, b.steps, 0.75) - ssfer_series_quantile(b.total, b.steps, 0.25)) /
                      median,
            .gflops = 1e-9 * passes * (double)options->batch * ssfer_vit_flops(&options->config) / median,
            .limit_gflops = 1e-9 / ssfer_series_quantile(b.bare, b.steps, 0.5),
            .forward_ms = 1e3 * ssfer_series_quantile(b.forward, b.steps, 0.5),
            .backward_ms = 1e3 * ssfer_series_quantile(b.backward, b.steps, 0.5),
            .update_ms = 1e3 * ssfer_series_quantile(b.update, b.steps, 0.5),
            .steps = b.steps,
            .peak_rss_mib = ssfer_peak_rss_mib()};
    }
    release(&b);
    return st;
}
