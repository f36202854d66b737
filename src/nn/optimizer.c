#include "nn/optimizer.h"

#include "base/memory.h"
#include "nn/schedule.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

ssfer_optimizer_options ssfer_optimizer_defaults(void)
{
    return (ssfer_optimizer_options){.beta1 = 0.9f,
                                     .beta2 = 0.95f,
                                     .eps = 1e-8f,
                                     .weight_decay = 0.05f,
                                     .decay_all = true,
                                     .layer_decay = 1.0f,
                                     .ema_decay = 0.999f,
                                     .ema_warmup = true};
}

static size_t deepest_layer(const ssfer_param_table *table)
{
    size_t deepest = 0;
    for (size_t i = 0; i < table->count; i++)
        deepest = table->items[i].layer > deepest ? table->items[i].layer : deepest;
    return deepest;
}

static ssfer_status make_ranges(ssfer_optimizer *o, ssfer_error *err)
{
    const size_t deepest = deepest_layer(o->table);
    o->ranges = ssfer_calloc(o->table->count, sizeof *o->ranges);
    if (!o->ranges)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "optimizer: out of memory");
    for (size_t i = 0; i < o->table->count; i++) {
        const ssfer_param *p = &o->table->items[i];
        if (p->frozen)
            continue;
        struct ssfer_optimizer_range r = {.offset = p->offset, .count = p->count};
        r.lr_scale = powf(o->options.layer_decay, (float)(deepest - p->layer));
        r.weight_decay = o->options.decay_all || p->decays ? o->options.weight_decay : 0.0f;
        struct ssfer_optimizer_range *last = o->range_count ? &o->ranges[o->range_count - 1] : NULL;
        bool neighbour = last && last->lr_scale == r.lr_scale && last->weight_decay == r.weight_decay &&
                         r.offset - (last->offset + last->count) < 16; /* only padding lies between */
        if (neighbour)
            last->count = r.offset + r.count - last->offset;
        else
            o->ranges[o->range_count++] = r;
    }
    return SSFER_OK;
}

ssfer_status ssfer_optimizer_init(ssfer_optimizer *o, const ssfer_param_table *table,
                                  const ssfer_optimizer_options *options, const float *params, ssfer_error *err)
{
    *o = (ssfer_optimizer){.options = *options, .table = table};
    ssfer_status st = ssfer_params_alloc(&o->exp_avg, table, err);
    if (st == SSFER_OK)
        st = ssfer_params_alloc(&o->exp_avg_sq, table, err);
    if (st == SSFER_OK && options->ema_decay > 0.0f)
        st = ssfer_params_alloc(&o->ema, table, err);
    if (st == SSFER_OK)
        st = make_ranges(o, err);
    if (st != SSFER_OK)
        ssfer_optimizer_deinit(o);
    else if (o->ema)
        memcpy(o->ema, params, table->block_floats * sizeof *params);
    return st;
}

void ssfer_optimizer_deinit(ssfer_optimizer *o)
{
    ssfer_free(o->exp_avg);
    ssfer_free(o->exp_avg_sq);
    ssfer_free(o->ema);
    ssfer_free(o->ranges);
    *o = (ssfer_optimizer){0};
}

static ssfer_status compute_failed(ssfer_compute *cx, ssfer_status st, ssfer_error *err)
{
    return st == SSFER_OK ? st : ssfer_fail(err, st, "%s", ssfer_compute_error(cx)->message);
}

ssfer_status ssfer_optimizer_step(ssfer_compute *cx, ssfer_optimizer *o, float *params, const float *grads, double lr,
                                  float grad_scale, double *grad_norm, ssfer_error *err)
{
    double squares = 0.0;
    ssfer_status st = ssfer_sum_squares(cx, &squares, grads, o->table->block_floats);
    double norm = sqrt(squares) * (double)grad_scale;
    if (st == SSFER_OK && !isfinite(norm))
        return ssfer_fail(err, SSFER_ERR_NUMERIC,
                          "the gradient is not finite after %llu updates; try a lower --lr, "
                          "a longer warm-up or --clip-grad 1",
                          (unsigned long long)o->updates);
    if (grad_norm)
        *grad_norm = norm;
    ssfer_adamw_args args = {.beta1 = o->options.beta1,
                             .beta2 = o->options.beta2,
                             .eps = o->options.eps,
                             .step = o->updates + 1,
                             .grad_scale = grad_scale,
                             .ema_decay =
                                 ssfer_ema_decay((double)o->options.ema_decay, o->updates + 1, o->options.ema_warmup)};
    if (o->options.clip_grad > 0.0f && norm > (double)o->options.clip_grad)
        args.grad_scale *= (float)((double)o->options.clip_grad / norm);
    for (size_t i = 0; st == SSFER_OK && i < o->range_count; i++) {
        const struct ssfer_optimizer_range *r = &o->ranges[i];
        args.lr = (float)(lr * (double)r->lr_scale);
        args.weight_decay = r->weight_decay;
        st = ssfer_adamw_step(cx, params + r->offset, o->exp_avg + r->offset, o->exp_avg_sq + r->offset,
                              o->ema ? o->ema + r->offset : NULL, grads + r->offset, r->count, &args);
    }
    if (st == SSFER_OK)
        o->updates++;
    return compute_failed(cx, st, err);
}

ssfer_status ssfer_optimizer_store(const ssfer_optimizer *o, ssfer_tensor_set *set, ssfer_error *err)
{
    TRY(ssfer_params_store(o->exp_avg, o->table, set, "optimizer.exp_avg.", err));
    TRY(ssfer_params_store(o->exp_avg_sq, o->table, set, "optimizer.exp_avg_sq.", err));
    return o->ema ? ssfer_params_store(o->ema, o->table, set, "ema.", err) : SSFER_OK;
}

ssfer_status ssfer_optimizer_load(ssfer_optimizer *o, const ssfer_tensor_set *set, uint64_t updates, ssfer_error *err)
{
    TRY(ssfer_params_check(o->table, set, "optimizer.exp_avg.", NULL, err));
    TRY(ssfer_params_check(o->table, set, "optimizer.exp_avg_sq.", NULL, err));
    if (o->options.ema_decay > 0.0f)
        TRY(ssfer_params_check(o->table, set, "ema.", NULL, err));
    o->updates = updates;
    if (!o->exp_avg)
        return SSFER_OK;
    TRY(ssfer_params_load(o->exp_avg, o->table, set, "optimizer.exp_avg.", NULL, err));
    TRY(ssfer_params_load(o->exp_avg_sq, o->table, set, "optimizer.exp_avg_sq.", NULL, err));
    if (o->ema)
        TRY(ssfer_params_load(o->ema, o->table, set, "ema.", NULL, err));
    return SSFER_OK;
}
