#include "bench/measure.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench/series.h"
#include "nn/try.h"

enum { WARM_UP = 3, LEAST_STEPS = 5, MOST_STEPS = 4096 };

/* ---- steps ---- */

typedef struct times {
    double *total, *part[SSFER_BENCH_MAX_PARTS], *bare; /* of each step; bare: seconds per operation */
    size_t steps;
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
    double start = ssfer_clock_s();
    for (size_t i = 0; t->steps < MOST_STEPS; i++) {
        TRY(one_round(t, c, err));
        if (i < WARM_UP)
            start = ssfer_clock_s();
        else
            t->steps++;
        if (t->steps >= LEAST_STEPS && ssfer_clock_s() - start > c->seconds)
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
        .peak_rss_mib = ssfer_peak_rss_mib()};
    for (size_t k = 0; k < c->part_count; k++)
        out->parts[k] = (ssfer_bench_part){c->parts[k], 1e3 * ssfer_series_quantile(t->part[k], t->steps, 0.5)};
}

ssfer_status ssfer_bench_measure(ssfer_bench_result *out, const ssfer_bench_case *c, ssfer_error *err)
{
    enum { COLUMNS = SSFER_BENCH_MAX_PARTS + 2 };
    double *all = ssfer_calloc((size_t)COLUMNS * MOST_STEPS, sizeof *all);
    times t = {.total = all, .bare = all + MOST_STEPS};
    if (!all)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
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

ssfer_status ssfer_bench_products_init(ssfer_bench_products *p, ssfer_compute *cx, size_t rows, size_t widest,
                                       bool training, ssfer_error *err)
{
    *p = (ssfer_bench_products){.cx = cx,
                                .training = training,
                                .widest = widest,
                                .a = ssfer_bench_floats(rows * widest),
                                .b = ssfer_bench_floats(widest * widest),
                                .c = ssfer_bench_floats(rows * widest)};
    return p->a && p->b && p->c ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
}

void ssfer_bench_products_deinit(ssfer_bench_products *p)
{
    ssfer_free(p->a);
    ssfer_free(p->b);
    ssfer_free(p->c);
}

/* One linear layer's products. */
static ssfer_status layer(ssfer_bench_products *p, ssfer_linear_dims d, double *flops)
{
    TRY(ssfer_linear_forward(p->cx, p->c, p->a, p->b, NULL, d, SSFER_EPILOGUE_NONE));
    *flops += 2.0 * (double)d.rows * (double)d.in * (double)d.out;
    if (!p->training)
        return SSFER_OK;
    TRY(ssfer_linear_backward_dx(p->cx, p->a, p->c, p->b, d));
    TRY(ssfer_linear_backward_dw(p->cx, p->b, NULL, p->c, p->a, d));
    *flops += 4.0 * (double)d.rows * (double)d.in * (double)d.out;
    return SSFER_OK;
}

ssfer_status ssfer_bench_block_products(ssfer_bench_products *p, size_t rows, size_t width, size_t hidden, size_t depth,
                                        double *seconds, double *flops)
{
    double own = 0.0;
    ssfer_series_fill(p->b, p->widest * p->widest); /* the products overwrite them */
    const double start = ssfer_clock_s();
    TRY(layer(p, (ssfer_linear_dims){rows, width, 3 * width}, &own));
    TRY(layer(p, (ssfer_linear_dims){rows, width, width}, &own));
    TRY(layer(p, (ssfer_linear_dims){rows, width, hidden}, &own));
    TRY(layer(p, (ssfer_linear_dims){rows, hidden, width}, &own));
    *seconds += (double)depth * (ssfer_clock_s() - start);
    *flops += (double)depth * own;
    return SSFER_OK;
}

ssfer_status ssfer_bench_square_product(ssfer_bench_products *p, size_t rows, size_t width, double *seconds,
                                        double *flops)
{
    const double start = ssfer_clock_s();
    TRY(layer(p, (ssfer_linear_dims){rows, width, width}, flops));
    *seconds += ssfer_clock_s() - start;
    return SSFER_OK;
}
