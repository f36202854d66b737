#include "bench/mae.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "nn/optimizer.h"
#include "nn/try.h"

typedef struct bench {
    const ssfer_bench_mae_options *options;
    ssfer_compute *cx;
    ssfer_mae mae;
    ssfer_mae_acts acts;
    ssfer_mae_masks masks;
    ssfer_optimizer optimizer;
    ssfer_bench_products products;
    float *params, *grads, *images, *weights, *losses;
    size_t part; /* pictures that there is room for at a time: B, in training maybe fewer */
} bench;

static ssfer_status allocate(bench *b, ssfer_error *err)
{
    const ssfer_mae_config *c = &b->options->config;
    const size_t B = b->options->batch;
    b->images = ssfer_bench_floats(B * c->channels * c->image_size * c->image_size);
    b->weights = ssfer_bench_floats(B);
    b->losses = ssfer_bench_floats(B);
    if (!b->images || !b->weights || !b->losses)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
    for (size_t i = 0; i < B; i++)
        b->weights[i] = 1.0f / (float)B;
    return SSFER_OK;
}

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    const ssfer_bench_mae_options *o = b->options;
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    const size_t L = ssfer_mae_patches(&o->config), K = ssfer_mae_kept(L, o->config.mask_ratio);
    ssfer_optimizer_options options = ssfer_optimizer_defaults();
    options.ema_decay = 0.0f;
    TRY(ssfer_mae_init(&b->mae, &o->config, err));
    TRY(ssfer_compute_create(&b->cx, SSFER_BACKEND_CPU, o->precision, o->threads, err));
    TRY(ssfer_params_alloc(&b->params, &b->mae.table, err));
    ssfer_mae_init_params(b->params, &b->mae, 1);
    TRY(ssfer_mae_masks_init(&b->masks, o->batch, L, K, err));
    b->part = training ? ssfer_stack_part(o->batch, K + 1) : o->batch;
    TRY(ssfer_mae_acts_init(&b->acts, b->cx, &b->mae, b->part, K, training, err));
    TRY(allocate(b, err));
    if (!training)
        return SSFER_OK;
    TRY(ssfer_params_alloc(&b->grads, &b->mae.table, err));
    return ssfer_optimizer_init(&b->optimizer, &b->mae.table, &options, b->params, err);
}

static void release(bench *b)
{
    float *arrays[] = {b->images, b->weights, b->losses, b->params, b->grads};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ssfer_free(arrays[i]);
    ssfer_bench_products_deinit(&b->products);
    ssfer_optimizer_deinit(&b->optimizer);
    ssfer_mae_acts_deinit(&b->acts);
    ssfer_mae_masks_deinit(&b->masks);
    ssfer_mae_deinit(&b->mae);
    ssfer_compute_destroy(b->cx);
}

/* The passes of pictures first to first + count - 1; *forward_s += the time of the first one. */
static ssfer_status pass(bench *b, size_t first, size_t count, double *forward_s)
{
    const ssfer_mae_config *c = &b->options->config;
    const bool training = b->options->mode == SSFER_BENCH_TRAINING;
    const float *images = b->images + first * c->channels * c->image_size * c->image_size;
    const ssfer_mask mask = ssfer_mae_mask(&b->masks, first);
    const double start = ssfer_clock_s();
    TRY(ssfer_mae_forward(b->cx, b->params, &b->acts, images, mask, count));
    TRY(ssfer_mae_loss(b->cx, &b->acts, b->losses + first, images, training ? b->weights + first : NULL, mask, count));
    *forward_s += ssfer_clock_s() - start;
    return training ? ssfer_mae_backward(b->cx, b->params, b->grads, &b->acts, mask, count) : SSFER_OK;
}

static ssfer_status step(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err)
{
    bench *b = self;
    const ssfer_bench_mae_options *o = b->options;
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    const double start = ssfer_clock_s();
    for (size_t k = 0; k < o->batch; k++)
        ssfer_mae_masks_draw(&b->masks, k, 1, 1, (uint32_t)i, k);
    part_s[0] = ssfer_clock_s() - start;
    if (training)
        TRY(ssfer_zero(b->cx, b->grads, b->mae.table.block_floats));
    for (size_t first = 0; first < o->batch; first += b->part)
        TRY(pass(b, first, ssfer_min_size(b->part, o->batch - first), &part_s[0]));
    const double learned = ssfer_clock_s();
    if (training)
        TRY(ssfer_optimizer_step(b->cx, &b->optimizer, b->params, b->grads, 1e-4, 1.0f, NULL, err));
    *total_s = ssfer_clock_s() - start;
    part_s[1] = learned - start - part_s[0];
    part_s[2] = *total_s - (learned - start);
    return SSFER_OK;
}

static ssfer_status prepare_products(void *self, ssfer_error *err)
{
    bench *b = self;
    const ssfer_mae_config *c = &b->options->config;
    const size_t widest = ssfer_max_size(ssfer_max_size(c->hidden, 3 * c->embed_dim),
                                         ssfer_max_size(c->decoder_hidden, 3 * c->decoder_dim));
    return ssfer_bench_products_init(&b->products, b->cx, b->options->batch * (b->masks.patches + 1), widest,
                                     b->options->mode == SSFER_BENCH_TRAINING, err);
}

/* Those of one block of the encoder and of the decoder, each as often as it has blocks. */
static ssfer_status products(void *self, double *seconds, double *flops)
{
    bench *b = self;
    const ssfer_mae_config *c = &b->options->config;
    const size_t B = b->options->batch;
    TRY(ssfer_bench_block_products(&b->products, B * (b->masks.kept + 1), c->embed_dim, c->hidden, c->depth, seconds,
                                   flops));
    return ssfer_bench_block_products(&b->products, B * (b->masks.patches + 1), c->decoder_dim, c->decoder_hidden,
                                      c->decoder_depth, seconds, flops);
}

ssfer_status ssfer_bench_mae(ssfer_bench_result *out, const ssfer_bench_mae_options *options, ssfer_error *err)
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
            .flops = passes * (double)options->batch * ssfer_mae_flops(&options->config, b.masks.kept),
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
