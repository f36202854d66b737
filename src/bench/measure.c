#include "bench/measure.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench/series.h"
#include "compute/cpu/matmul.h"
#include "nn/try.h"

enum { WARM_UP = 2, LEAST_STEPS = 5, MOST_STEPS = 4096 };

/* ---- steps ---- */

typedef struct times {
    double *total, *part[SSFER_BENCH_MAX_PARTS], *bare; /* of each step; bare: seconds per operation */
    size_t steps;
    double peak_rss_mib;
} times;

static ssfer_status one_round(times *t, const ssfer_bench_case *c, ssfer_error *err)
{
    double part[SSFER_BENCH_MAX_PARTS] = {0}, seconds = 0.0, flops = 0.0;
    const size_t i = t->steps;
    TRY(c->step(c->self, i, &t->total[i], part, err));
    TRY(c->products(c->self, &seconds, &flops));
    for (size_t k = 0; k < c->part_count; k++)
        t->part[k][i] = part[k];
    t->bare[i] = seconds / flops;
    return SSFER_OK;
}

static ssfer_status all_rounds(times *t, const ssfer_bench_case *c, ssfer_error *err)
{
    const double begin = ssfer_clock_s();
    double total, part[SSFER_BENCH_MAX_PARTS];
    TRY(c->step(c->self, 0, &total, part, err));
    t->peak_rss_mib = ssfer_peak_rss_mib();
    TRY(c->prepare_products(c->self, err));
    double start = ssfer_clock_s();
    for (size_t i = 0; t->steps < MOST_STEPS; i++) {
        TRY(one_round(t, c, err));
        const double now = ssfer_clock_s();
        const bool late = c->cap_s > 0.0 && now - begin > c->cap_s;
        if (i < WARM_UP && !late)
            start = now;
        else
            t->steps++;
        if (late || (t->steps >= LEAST_STEPS && now - start > c->seconds))
            break;
    }
    return SSFER_OK;
}

static void summarise(ssfer_bench_result *out, times *t, const ssfer_bench_case *c)
{
    const double median = ssfer_series_quantile(t->total, t->steps, 0.5);
    *out = (ssfer_bench_result){
        .images_per_second = c->images / median,
        .spread = (ssfer_series_quantile(t->total, t->steps, 0.75) - ssfer_series_quantile(t->total, t->steps, 0.25)) /
                  median,
        .gflops = 1e-9 * c->flops / median,
        .limit_gflops = 1e-9 / ssfer_series_quantile(t->bare, t->steps, 0.5),
        .part_count = c->part_count,
        .steps = t->steps,
        .peak_rss_mib = t->peak_rss_mib};
    for (size_t k = 0; k < c->part_count; k++)
        out->parts[k] = (ssfer_bench_part){c->parts[k], 1e3 * ssfer_series_quantile(t->part[k], t->steps, 0.5)};
}

ssfer_status ssfer_bench_measure(ssfer_bench_result *out, const ssfer_bench_case *c, ssfer_error *err)
{
    enum { COLUMNS = SSFER_BENCH_MAX_PARTS + 2 };
    double *all = ssfer_calloc((size_t)COLUMNS * MOST_STEPS, sizeof *all);
    if (!all)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
    times t = {.total = all, .bare = all + MOST_STEPS};
    for (size_t k = 0; k < SSFER_BENCH_MAX_PARTS; k++)
        t.part[k] = all + (k + 2) * MOST_STEPS;
    ssfer_status st = all_rounds(&t, c, err);
    if (st == SSFER_OK)
        summarise(out, &t, c);
    else if (err->status == SSFER_OK)
        ssfer_fail(err, st, "%s", ssfer_compute_error(c->cx)->message);
    ssfer_free(all);
    return st;
}

/* ---- bare products ---- */

float *ssfer_bench_floats(size_t count)
{
    float *x = ssfer_aligned_alloc(count * sizeof *x);
    if (x)
        ssfer_series_fill(x, count);
    return x;
}

/* Numbers of the context's precision. A bfloat16 is the upper half of a float: that of every second one will do. */
static float *operands(const ssfer_compute *cx, size_t count)
{
    float *x = ssfer_bench_floats(count);
    uint16_t *acts = (uint16_t *)(void *)x;
    if (x && ssfer_compute_precision(cx) == SSFER_PRECISION_BF16)
        for (size_t i = 0; i < count; i++)
            acts[i] = acts[2 * i + 1];
    return x;
}

ssfer_status ssfer_bench_products_init(ssfer_bench_products *p, ssfer_compute *cx, size_t rows, size_t widest,
                                       bool training, ssfer_error *err)
{
    *p = (ssfer_bench_products){.cx = cx,
                                .training = training,
                                .a = operands(cx, rows * widest),
                                .b = ssfer_bench_floats(widest * widest),
                                .c = operands(cx, rows * widest),
                                .dw = training ? ssfer_bench_floats(widest * widest) : NULL};
    if (!p->a || !p->b || !p->c || (training && !p->dw))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
    return ssfer_weights_hold(cx, p->b, widest * widest);
}

void ssfer_bench_products_deinit(ssfer_bench_products *p)
{
    if (p->b)
        ssfer_weights_release(p->cx, p->b);
    ssfer_free(p->a);
    ssfer_free(p->b);
    ssfer_free(p->c);
    ssfer_free(p->dw);
}

/* A product with weights, which lie ready in the layout that it likes best. */
static ssfer_status with_weights(ssfer_bench_products *p, size_t m, size_t k, size_t n, bool transposed)
{
    const ssfer_precision precision = ssfer_compute_precision(p->cx);
    const ssfer_matmul product = {
        .m = m, .k = k, .n = n, .b_transposed = transposed, .operands = precision, .result = precision};
    return ssfer_cpu_matmul_copied(p->cx, &product, p->c, p->a, p->b, NULL);
}

static ssfer_status weight_gradient(ssfer_bench_products *p, ssfer_linear_dims d)
{
    const ssfer_precision precision = ssfer_compute_precision(p->cx);
    const ssfer_matmul product = {.m = d.out,
                                  .k = d.rows,
                                  .n = d.in,
                                  .a_transposed = true,
                                  .operands = precision,
                                  .result = SSFER_PRECISION_FP32,
                                  .add = true};
    return precision == SSFER_PRECISION_FP32 ? ssfer_cpu_sgemm(p->cx, &product, p->dw, p->c, p->a)
                                             : ssfer_cpu_matmul(p->cx, &product, p->dw, p->c, p->a, NULL);
}

/* Asked of oneDNN directly. The weights are packed outside the time that is taken. */
ssfer_status ssfer_bench_layer_products(ssfer_bench_products *p, size_t rows, size_t in, size_t out,
                                        double seconds[SSFER_BENCH_PASSES])
{
    TRY(with_weights(p, rows, in, out, true));
    double start = ssfer_clock_s();
    TRY(with_weights(p, rows, in, out, true));
    seconds[SSFER_BENCH_FORWARD] += ssfer_clock_s() - start;
    if (!p->training)
        return SSFER_OK;
    TRY(with_weights(p, rows, out, in, false));
    start = ssfer_clock_s();
    TRY(with_weights(p, rows, out, in, false));
    const double between = ssfer_clock_s();
    TRY(weight_gradient(p, (ssfer_linear_dims){rows, in, out, false}));
    seconds[SSFER_BENCH_DX] += between - start;
    seconds[SSFER_BENCH_DW] += ssfer_clock_s() - between;
    return SSFER_OK;
}

/* All of a layer's products together: += to both. */
static ssfer_status layer(ssfer_bench_products *p, size_t rows, size_t in, size_t out, double *seconds, double *flops)
{
    double own[SSFER_BENCH_PASSES] = {0};
    TRY(ssfer_bench_layer_products(p, rows, in, out, own));
    for (size_t i = 0; i < SSFER_BENCH_PASSES; i++)
        *seconds += own[i];
    *flops += (p->training ? SSFER_BENCH_PASSES : 1) * 2.0 * (double)rows * (double)in * (double)out;
    return SSFER_OK;
}

ssfer_status ssfer_bench_block_products(ssfer_bench_products *p, size_t rows, size_t width, size_t hidden, size_t depth,
                                        double *seconds, double *flops)
{
    double own = 0.0, time = 0.0;
    TRY(layer(p, rows, width, 3 * width, &time, &own));
    TRY(layer(p, rows, width, width, &time, &own));
    TRY(layer(p, rows, width, hidden, &time, &own));
    TRY(layer(p, rows, hidden, width, &time, &own));
    *seconds += (double)depth * time;
    *flops += (double)depth * own;
    return SSFER_OK;
}

ssfer_status ssfer_bench_square_product(ssfer_bench_products *p, size_t rows, size_t width, double *seconds,
                                        double *flops)
{
    return layer(p, rows, width, width, seconds, flops);
}
