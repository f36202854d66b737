#include "bench/mae.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench/series.h"
#include "nn/optimizer.h"
#include "nn/try.h"

#include <string.h>

enum { WARM_UP = 3, MOST_STEPS = 4096 };

typedef struct bench {
    const ssfer_bench_mae_options *options;
    ssfer_compute *cx;
    ssfer_mae mae;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_optimizer optimizer;
    float *params, *grads, *images, *weights, *losses;
    float *a, *b, *c; /* operands of the bare products */
    size_t widest;
    double *total, *forward, *backward, *update, *bare;
    size_t steps;
} bench;

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static ssfer_status allocate(bench *b, ssfer_error *err)
{
    const ssfer_mae_config *c = &b->options->config;
    const size_t B = b->options->batch, rows = B * (b->masks.patches + 1);
    b->widest = larger(larger(c->hidden, 3 * c->embed_dim), larger(c->decoder_hidden, 3 * c->decoder_dim));
    double **series[] = {&b->total, &b->forward, &b->backward, &b->update, &b->bare};
    float **arrays[] = {&b->images, &b->weights, &b->losses, &b->a, &b->b, &b->c};
    const size_t counts[] = {B * c->channels * c->image_size * c->image_size,
                             B,
                             B,
                             rows * b->widest,
                             b->widest * b->widest,
                             rows * b->widest};
    bool good = true;
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        good = (*series[i] = ssfer_calloc(MOST_STEPS, sizeof **series[i])) && good;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        good = (*arrays[i] = ssfer_aligned_alloc(counts[i] * sizeof(float))) && good;
        if (*arrays[i])
            ssfer_series_fill(*arrays[i], counts[i]);
    }
    for (size_t i = 0; b->weights && i < B; i++)
        b->weights[i] = 1.0f / (float)B;
    return good ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
}

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    const ssfer_bench_mae_options *o = b->options;
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    const size_t L = ssfer_mae_patches(&o->config), K = ssfer_mae_kept(L, o->config.mask_ratio);
    ssfer_optimizer_options options = ssfer_optimizer_defaults();
    options.ema_decay = 0.0f;
    TRY(ssfer_mae_init(&b->mae, &o->config, err));
    TRY(ssfer_compute_create(&b->cx, SSFER_BACKEND_CPU, o->threads, err));
    TRY(ssfer_params_alloc(&b->params, &b->mae.table, err));
    ssfer_mae_init_params(b->params, &b->mae, 1);
    TRY(ssfer_mae_masks_init(&b->masks, o->batch, L, K, err));
    TRY(ssfer_mae_acts_init(&b->acts, &b->mae, o->batch, K, training, err));
    TRY(allocate(b, err));
    if (!training)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&b->grads, &b->mae.table, err));
    return ssfer_optimizer_init(&b->optimizer, &b->mae.table, &options, b->params, err);
}

static void release(bench *b)
{
    double *series[] = {b->total, b->forward, b->backward, b->update, b->bare};
    float *arrays[] = {b->images, b->weights, b->losses, b->a, b->b, b->c, b->params, b->grads};
    for (size_t i = 0; i < sizeof series / sizeof *series; i++)
        ssfer_free(series[i]);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ssfer_free(arrays[i]);
    ssfer_optimizer_deinit(&b->optimizer);
    ssfer_mae_acts_deinit(&b->acts);
    ssfer_mae_masks_deinit(&b->masks);
    ssfer_mae_deinit(&b->mae);
    ssfer_compute_destroy(b->cx);
}

static ssfer_status step(bench *b, size_t i, ssfer_error *err)
{
    const ssfer_bench_mae_options *o = b->options;
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    const ssfer_mask mask = ssfer_mae_mask(&b->masks);
    const double start = ssfer_clock_s();
    for (size_t k = 0; k < o->batch; k++)
        ssfer_mae_masks_draw(&b->masks, k, 1, 1, (uint32_t)i, k);
    TRY(ssfer_mae_forward(b->cx, b->params, &b->acts, b->images, mask, o->batch));
    TRY(ssfer_mae_loss(b->cx, &b->acts, b->losses, b->images, training ? b->weights : NULL, mask, o->batch));
    const double forward = ssfer_clock_s();
    if (training) {
        TRY(ssfer_zero(b->cx, b->grads, b->mae.table.block_floats));
        TRY(ssfer_mae_backward(b->cx, b->params, b->grads, &b->acts, mask, o->batch));
    }
    const double backward = ssfer_clock_s();
    if (training)
        TRY(ssfer_optimizer_step(b->cx, &b->optimizer, b->params, b->grads, 1e-4, 1.0f, NULL, err));
    b->total[i] = ssfer_clock_s() - start;
    b->forward[i] = forward - start;
    b->backward[i] = backward - forward;
    b->update[i] = b->total[i] - (backward - start);
    return SSFER_OK;
}

/* One linear layer's products, by themselves, and their operations. */
static ssfer_status products(bench *b, size_t rows, size_t in, size_t out, double *flops)
{
    const ssfer_linear_dims d = {rows, in, out};
    TRY(ssfer_linear_forward(b->cx, b->c, b->a, b->b, NULL, d, SSFER_EPILOGUE_NONE));
    *flops += 2.0 * (double)rows * (double)in * (double)out;
    if (b->options->mode == SSFER_BENCH_INFERENCE)
        return SSFER_OK;
    TRY(ssfer_linear_backward_dx(b->cx, b->a, b->c, b->b, d));
    TRY(ssfer_linear_backward_dw(b->cx, b->b, NULL, b->c, b->a, d));
    *flops += 4.0 * (double)rows * (double)in * (double)out;
    return SSFER_OK;
}

/* The four products of one block; its time and operations count `depth` times. */
static ssfer_status block_products(bench *b, size_t rows, size_t width, size_t hidden, size_t depth, double *seconds,
                                   double *flops)
{
    double own = 0.0;
    const double start = ssfer_clock_s();
    TRY(products(b, rows, width, 3 * width, &own));
    TRY(products(b, rows, width, width, &own));
    TRY(products(b, rows, width, hidden, &own));
    TRY(products(b, rows, hidden, width, &own));
    *seconds += (double)depth * (ssfer_clock_s() - start);
    *flops += (double)depth * own;
    return SSFER_OK;
}

static ssfer_status bare_products(bench *b, size_t i)
{
    const ssfer_mae_config *c = &b->options->config;
    const size_t B = b->options->batch;
    double seconds = 0.0, flops = 0.0;
    ssfer_series_fill(b->b, b->widest * b->widest); /* the products overwrite them */
    TRY(block_products(b, B * (b->masks.kept + 1), c->embed_dim, c->hidden, c->depth, &seconds, &flops));
    ssfer_series_fill(b->b, b->widest * b->widest);
    TRY(block_products(b, B * (b->masks.patches + 1), c->decoder_dim, c->decoder_hidden, c->decoder_depth, &seconds,
                       &flops));
    b->bare[i] = seconds / flops;
    return SSFER_OK;
}

static ssfer_status measure(bench *b, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    double start = ssfer_clock_s();
    for (size_t i = 0; st == SSFER_OK && b->steps < MOST_STEPS; i++) {
        st = step(b, b->steps, err);
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

ssfer_status ssfer_bench_mae(ssfer_bench_result *out, const ssfer_bench_mae_options *options, ssfer_error *err)
{
    bench b = {.options = options};
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK)
        st = measure(&b, err);
    if (st == SSFER_OK) {
        const double median = ssfer_series_quantile(b.total, b.steps, 0.5);
        const double passes = options->mode == SSFER_BENCH_TRAINING ? 3 : 1;
        const double flops = ssfer_mae_flops(&options->config, b.masks.kept);
        *out = (ssfer_bench_result){
            .images_per_second = (double)options->batch / median,
            .spread = (ssfer_series_quantile(b.total, b.steps, 0.75) - ssfer_series_quantile(b.total, b.steps, 0.25)) /
                      median,
            .gflops = 1e-9 * passes * (double)options->batch * flops / median,
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
