#include "bench/vit_model.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "nn/try.h"

#include <string.h>

size_t ssfer_bench_vit_rows(const ssfer_bench_vit_options *o)
{
    return o->batch * ssfer_vit_tokens(&o->config);
}

size_t ssfer_bench_vit_pixels(const ssfer_bench_vit_options *o)
{
    return o->config.channels * o->config.image_size * o->config.image_size;
}

static ssfer_status allocate(ssfer_bench_vit_model *m, ssfer_error *err)
{
    const size_t B = m->options->batch, K = m->options->config.classes;
    float **arrays[] = {&m->images, &m->targets, &m->weights, &m->losses, &m->dlogits};
    const size_t counts[] = {B * ssfer_bench_vit_pixels(m->options), B * K, B, B, B * K};
    bool good = true;
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        good = (*arrays[i] = ssfer_bench_floats(counts[i])) && good;
    if (!good)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
    for (size_t i = 0; i < B; i++) {
        m->weights[i] = 1.0f / (float)B;
        for (size_t k = 0; k < K; k++)
            m->targets[i * K + k] = i % K == k;
    }
    return SSFER_OK;
}

ssfer_status ssfer_bench_vit_model_init(ssfer_bench_vit_model *m, const ssfer_bench_vit_options *o, ssfer_error *err)
{
    const bool training = o->mode == SSFER_BENCH_TRAINING;
    ssfer_optimizer_options options = ssfer_optimizer_defaults();
    *m = (ssfer_bench_vit_model){.options = o};
    TRY(ssfer_vit_init(&m->vit, &o->config, err));
    TRY(ssfer_compute_create(&m->cx, SSFER_BACKEND_CPU, o->precision, o->threads, err));
    TRY(ssfer_params_alloc(&m->params, &m->vit.table, err));
    ssfer_vit_init_params(m->params, &m->vit, 1);
    m->part = training ? ssfer_stack_part(o->batch, ssfer_vit_tokens(&o->config)) : o->batch;
    TRY(ssfer_vit_acts_init(&m->acts, m->cx, &m->vit, m->part, training, err));
    TRY(allocate(m, err));
    if (!training) /* as the predictor does */
        return ssfer_weights_held_exactly(m->cx) ? ssfer_weights_hold(m->cx, m->params, m->vit.table.block_floats)
                                                 : SSFER_OK;
    TRY(ssfer_params_alloc(&m->grads, &m->vit.table, err));
    return ssfer_optimizer_init(&m->optimizer, &m->vit.table, &options, m->params, err);
}

void ssfer_bench_vit_model_deinit(ssfer_bench_vit_model *m)
{
    float *arrays[] = {m->images, m->targets, m->weights, m->losses, m->dlogits, m->params, m->grads};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        ssfer_free(arrays[i]);
    ssfer_bench_products_deinit(&m->products);
    ssfer_optimizer_deinit(&m->optimizer);
    ssfer_vit_acts_deinit(&m->acts);
    ssfer_vit_deinit(&m->vit);
    ssfer_compute_destroy(m->cx);
}

/* ---- steps ---- */

static ssfer_stack_call call_of(size_t count)
{
    return (ssfer_stack_call){.batch = count, .first_only = true};
}

ssfer_status ssfer_bench_vit_forward(ssfer_bench_vit_model *m, const float *images, size_t count)
{
    const ssfer_stack_call call = call_of(count);
    return ssfer_vit_forward(m->cx, m->params, &m->acts, images, &call);
}

ssfer_status ssfer_bench_vit_backward(ssfer_bench_vit_model *m, const float *targets, size_t count)
{
    const ssfer_stack_call call = call_of(count);
    const size_t K = m->options->config.classes;
    memset(m->dlogits, 0, count * K * sizeof *m->dlogits);
    TRY(ssfer_cross_entropy(m->cx, m->losses, m->dlogits, m->acts.logits, targets, m->weights, count, K));
    return ssfer_vit_backward(m->cx, m->params, m->grads, &m->acts, m->dlogits, &call);
}

ssfer_status ssfer_bench_vit_learn(ssfer_bench_vit_model *m, const float *images, const float *targets, size_t count,
                                   double *forward_s)
{
    const size_t pixels = ssfer_bench_vit_pixels(m->options), K = m->options->config.classes;
    for (size_t first = 0; first < count; first += m->part) {
        const size_t here = ssfer_min_size(m->part, count - first);
        const double start = ssfer_clock_s();
        TRY(ssfer_bench_vit_forward(m, images + first * pixels, here));
        if (forward_s)
            *forward_s += ssfer_clock_s() - start;
        TRY(ssfer_bench_vit_backward(m, targets + first * K, here));
    }
    return SSFER_OK;
}

ssfer_status ssfer_bench_vit_update(ssfer_bench_vit_model *m, ssfer_error *err)
{
    return ssfer_optimizer_step(m->cx, &m->optimizer, m->params, m->grads, 1e-4, 1.0f, NULL, err);
}

/* ---- bare products ---- */

ssfer_status ssfer_bench_vit_prepare_products(ssfer_bench_vit_model *m, ssfer_error *err)
{
    const ssfer_vit_config *c = &m->options->config;
    return ssfer_bench_products_init(&m->products, m->cx, ssfer_bench_vit_rows(m->options),
                                     ssfer_max_size(c->hidden, 3 * c->embed_dim),
                                     m->options->mode == SSFER_BENCH_TRAINING, err);
}

ssfer_status ssfer_bench_vit_products(ssfer_bench_vit_model *m, double *seconds, double *flops)
{
    const ssfer_vit_config *c = &m->options->config;
    return ssfer_bench_block_products(&m->products, ssfer_bench_vit_rows(m->options), c->embed_dim, c->hidden, 1,
                                      seconds, flops);
}
