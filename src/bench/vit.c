#include "bench/vit.h"

#include "base/clock.h"
#include "bench/vit_model.h"
#include "nn/try.h"

static ssfer_status step(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err)
{
    ssfer_bench_vit_model *m = self;
    (void)i;
    const size_t B = m->options->batch;
    const bool training = m->options->mode == SSFER_BENCH_TRAINING;
    const double start = ssfer_clock_s();
    part_s[0] = 0.0;
    if (training) {
        TRY(ssfer_zero(m->cx, m->grads, m->vit.table.block_floats));
        TRY(ssfer_bench_vit_learn(m, m->images, m->targets, B, &part_s[0]));
    } else {
        TRY(ssfer_bench_vit_forward(m, m->images, B));
        part_s[0] = ssfer_clock_s() - start;
    }
    const double learned = ssfer_clock_s();
    if (training)
        TRY(ssfer_bench_vit_update(m, err));
    *total_s = ssfer_clock_s() - start;
    part_s[1] = learned - start - part_s[0];
    part_s[2] = *total_s - (learned - start);
    if (m->options->breakdown)
        ssfer_breakdown_end_step(m->options->breakdown, *total_s);
    return SSFER_OK;
}

static ssfer_status prepare_products(void *self, ssfer_error *err)
{
    return ssfer_bench_vit_prepare_products(self, err);
}

static ssfer_status products(void *self, double *seconds, double *flops)
{
    ssfer_bench_vit_model *m = self;
    const ssfer_bench_vit_options *o = m->options;
    TRY(ssfer_bench_vit_products(m, seconds, flops));
    return o->breakdown ? ssfer_breakdown_add_bare(o->breakdown, &m->products, ssfer_bench_vit_rows(o),
                                                   o->config.embed_dim, o->config.hidden)
                        : SSFER_OK;
}

ssfer_status ssfer_bench_vit(ssfer_bench_result *out, const ssfer_bench_vit_options *options, ssfer_error *err)
{
    ssfer_bench_vit_model model;
    ssfer_status st = ssfer_bench_vit_model_init(&model, options, err);
    if (st == SSFER_OK && options->breakdown)
        ssfer_breakdown_watch(options->breakdown, model.cx, &model.vit.table, model.params, model.grads);
    if (st == SSFER_OK) {
        const double passes = options->mode == SSFER_BENCH_TRAINING ? 3 : 1;
        const ssfer_bench_case measured = {
            .self = &model,
            .cx = model.cx,
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
    ssfer_bench_vit_model_deinit(&model);
    return st;
}
