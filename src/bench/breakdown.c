#include "bench/breakdown.h"

#include "base/clock.h"
#include "nn/try.h"

#include <stdio.h>
#include <string.h>

/* In the order of ssfer_breakdown_layer. A name's part tells the layer. */
static const struct {
    const char *name, *weights;
} LAYERS[SSFER_LAYERS] = {{"qkv", ".attn.qkv."},    {"projection", ".attn.proj."}, {"mlp in", ".mlp.fc1."},
                          {"mlp out", ".mlp.fc2."}, {"patches", "patch_embed."},   {"head", "head."}};
static const char *const PASSES[SSFER_BENCH_PASSES] = {"forward", "dx", "dw"};

enum {
    ATTENTION_FORWARD,
    ATTENTION_BACKWARD,
    GELU_FORWARD,
    GELU_BACKWARD,
    NORM_FORWARD,
    NORM_BACKWARD,
    SCALE_ROWS,
    TOKENS,
    LOSS,
    ADAMW
};
static const char *const OTHERS[SSFER_BREAKDOWN_OTHERS] = {
    "attention forward", "attention backward", "gelu forward", "gelu backward", "norm forward",
    "norm backward",     "scale rows",         "tokens",       "loss",          "adamw"};

/* ---- the table that takes the time ------------------------------------------------------------------------------- */

/* The table is a breakdown's first member. */
static ssfer_breakdown *of(ssfer_compute *cx)
{
    return (ssfer_breakdown *)(uintptr_t)cx->backend;
}

static ssfer_breakdown_layer layer_of(const ssfer_breakdown *b, const float *w)
{
    const float *block = w >= b->weights && w < b->weights + b->params->block_floats ? b->weights : b->grads;
    for (size_t i = 0; block && i < b->params->count; i++)
        if (block + b->params->items[i].offset == w)
            for (size_t k = 0; k < SSFER_LAYERS; k++)
                if (strstr(b->params->items[i].name, LAYERS[k].weights))
                    return (ssfer_breakdown_layer)k;
    return SSFER_LAYERS;
}

static void add_product(ssfer_compute *cx, const float *w, size_t pass, ssfer_linear_dims d, double seconds)
{
    ssfer_breakdown *b = of(cx);
    const ssfer_breakdown_layer layer = layer_of(b, w);
    if (layer == SSFER_LAYERS) /* of no layer that is known: stays between the operations */
        return;
    b->now.products[layer][pass].seconds += seconds;
    b->now.products[layer][pass].flops += 2.0 * (double)d.rows * (double)d.in * (double)d.out;
}

static ssfer_status linear_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                   ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    const double start = ssfer_clock_s();
    const ssfer_status st = of(cx)->inner->linear_forward(cx, y, x, w, b, d, epilogue);
    add_product(cx, w, SSFER_BENCH_FORWARD, d, ssfer_clock_s() - start);
    return st;
}

static ssfer_status linear_backward_dx(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                       ssfer_linear_dims d)
{
    const double start = ssfer_clock_s();
    const ssfer_status st = of(cx)->inner->linear_backward_dx(cx, dx, dy, w, d);
    add_product(cx, w, SSFER_BENCH_DX, d, ssfer_clock_s() - start);
    return st;
}

static ssfer_status linear_backward_dw(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                       ssfer_linear_dims d)
{
    const double start = ssfer_clock_s();
    const ssfer_status st = of(cx)->inner->linear_backward_dw(cx, dw, db, dy, x, d);
    add_product(cx, dw, SSFER_BENCH_DW, d, ssfer_clock_s() - start);
    return st;
}

/* The body of an operation that is no product. */
#define TIMED(kind, operation, ...)                                                                                    \
    do {                                                                                                               \
        const double start = ssfer_clock_s();                                                                          \
        const ssfer_status st = of(cx)->inner->operation(cx, __VA_ARGS__);                                             \
        of(cx)->now.others_s[kind] += ssfer_clock_s() - start;                                                         \
        return st;                                                                                                     \
    } while (0)

static ssfer_status residual_norm_forward(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                          const float *x, const ssfer_act *branch, const float *scale,
                                          const float *gamma, const float *beta, ssfer_norm_dims d)
{
    TIMED(NORM_FORWARD, residual_norm_forward, y, sum, mean, rstd, x, branch, scale, gamma, beta, d);
}

static ssfer_status norm_backward(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                  const float *x, const float *mean, const float *rstd, const float *gamma,
                                  ssfer_norm_dims d)
{
    TIMED(NORM_BACKWARD, norm_backward, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, d);
}

static ssfer_status scale_rows(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d)
{
    TIMED(SCALE_ROWS, scale_rows, y, x, scale, d);
}

static ssfer_status gelu_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count)
{
    TIMED(GELU_FORWARD, gelu_forward, y, x, count);
}

static ssfer_status gelu_backward(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy,
                                  const ssfer_act *x, size_t count)
{
    TIMED(GELU_BACKWARD, gelu_backward, dx, y, dy, x, count);
}

static ssfer_status attention_forward(ssfer_compute *cx, ssfer_act *y, float *lse, const ssfer_act *qkv,
                                      ssfer_attention_dims d)
{
    TIMED(ATTENTION_FORWARD, attention_forward, y, lse, qkv, d);
}

static ssfer_status attention_backward(ssfer_compute *cx, ssfer_act *dqkv, const ssfer_act *dy, const ssfer_act *qkv,
                                       const ssfer_act *y, const float *lse, ssfer_attention_dims d)
{
    TIMED(ATTENTION_BACKWARD, attention_backward, dqkv, dy, qkv, y, lse, d);
}

static ssfer_status patches_gather(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d)
{
    TIMED(TOKENS, patches_gather, out, image, d);
}

static ssfer_status tokens_assemble(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                    const float *pos, ssfer_token_dims d)
{
    TIMED(TOKENS, tokens_assemble, x, tokens, cls, pos, d);
}

static ssfer_status tokens_assemble_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                             const float *dx, ssfer_token_dims d)
{
    TIMED(TOKENS, tokens_assemble_backward, dtokens, dcls, dpos, dx, d);
}

static ssfer_status first_token_backward(ssfer_compute *cx, float *dx, const float *d_first, size_t batch,
                                         size_t tokens, size_t width)
{
    TIMED(TOKENS, first_token_backward, dx, d_first, batch, tokens, width);
}

static ssfer_status cross_entropy(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                  const float *target, const float *weight, size_t batch, size_t classes)
{
    TIMED(LOSS, cross_entropy, loss, dlogits, logits, target, weight, batch, classes);
}

static ssfer_status adamw_step(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                               const ssfer_adamw_args *args)
{
    TIMED(ADAMW, adamw_step, p, m, v, shadow, g, n, args);
}

/* The gradient's norm and its clearing belong to what an update costs. */
static ssfer_status sum_squares(ssfer_compute *cx, double *out, const float *x, size_t n)
{
    TIMED(ADAMW, sum_squares, out, x, n);
}

static ssfer_status zero(ssfer_compute *cx, float *x, size_t n)
{
    TIMED(ADAMW, zero, x, n);
}

void ssfer_breakdown_watch(ssfer_breakdown *b, ssfer_compute *cx, const ssfer_param_table *params, const float *weights,
                           const float *grads)
{
    *b = (ssfer_breakdown){
        .table = *cx->backend, .inner = cx->backend, .params = params, .weights = weights, .grads = grads};
    b->table.linear_forward = linear_forward;
    b->table.linear_backward_dx = linear_backward_dx;
    b->table.linear_backward_dw = linear_backward_dw;
    b->table.residual_norm_forward = residual_norm_forward;
    b->table.norm_backward = norm_backward;
    b->table.scale_rows = scale_rows;
    b->table.gelu_forward = gelu_forward;
    b->table.gelu_backward = gelu_backward;
    b->table.attention_forward = attention_forward;
    b->table.attention_backward = attention_backward;
    b->table.patches_gather = patches_gather;
    b->table.tokens_assemble = tokens_assemble;
    b->table.tokens_assemble_backward = tokens_assemble_backward;
    b->table.first_token_backward = first_token_backward;
    b->table.cross_entropy = cross_entropy;
    b->table.adamw_step = adamw_step;
    b->table.sum_squares = sum_squares;
    b->table.zero = zero;
    cx->backend = &b->table;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

void ssfer_breakdown_end_step(ssfer_breakdown *b, double seconds)
{
    b->now.seconds = seconds;
    if (!(b->fastest.seconds > 0.0) || seconds < b->fastest.seconds)
        b->fastest = b->now;
    b->now = (ssfer_breakdown_step){0};
}

ssfer_status ssfer_breakdown_add_bare(ssfer_breakdown *b, ssfer_bench_products *products, size_t rows, size_t width,
                                      size_t hidden)
{
    const ssfer_linear_dims layers[] = {[SSFER_LAYER_QKV] = {rows, width, 3 * width, false},
                                        [SSFER_LAYER_PROJECTION] = {rows, width, width, false},
                                        [SSFER_LAYER_MLP_IN] = {rows, width, hidden, false},
                                        [SSFER_LAYER_MLP_OUT] = {rows, hidden, width, false}};
    for (size_t k = 0; k < sizeof layers / sizeof *layers; k++) {
        const ssfer_linear_dims d = layers[k];
        double seconds[SSFER_BENCH_PASSES] = {0};
        TRY(ssfer_bench_layer_products(products, d.rows, d.in, d.out, seconds));
        for (size_t p = 0; p < SSFER_BENCH_PASSES; p++) {
            ssfer_breakdown_sum *bare = &b->bare[k][p];
            if (!(bare->seconds > 0.0) || seconds[p] < bare->seconds)
                *bare = (ssfer_breakdown_sum){seconds[p], 2.0 * (double)d.rows * (double)d.in * (double)d.out};
        }
    }
    return SSFER_OK;
}

static double rate(ssfer_breakdown_sum sum)
{
    return sum.seconds > 0.0 ? 1e-9 * sum.flops / sum.seconds : 0.0;
}

/* A row of an operation that took time, with its share. */
static ssfer_breakdown_row *add_row(ssfer_breakdown_row *rows, size_t *count, const ssfer_breakdown_step *step,
                                    double seconds)
{
    ssfer_breakdown_row *row = &rows[(*count)++];
    *row = (ssfer_breakdown_row){.ms = 1e3 * seconds, .share = seconds / step->seconds};
    return row;
}

size_t ssfer_breakdown_rows(ssfer_breakdown_row rows[SSFER_BREAKDOWN_ROWS], const ssfer_breakdown *b)
{
    const ssfer_breakdown_step *step = &b->fastest;
    size_t count = 0;
    double covered = 0.0;
    for (size_t k = 0; k < SSFER_LAYERS; k++)
        for (size_t p = 0; p < SSFER_BENCH_PASSES; p++) {
            const ssfer_breakdown_sum sum = step->products[k][p];
            if (!(sum.flops > 0.0))
                continue;
            ssfer_breakdown_row *row = add_row(rows, &count, step, sum.seconds);
            snprintf(row->name, sizeof row->name, "%s %s", LAYERS[k].name, PASSES[p]);
            row->gflops = rate(sum);
            row->limit_gflops = rate(b->bare[k][p]);
            covered += sum.seconds;
        }
    for (size_t k = 0; k < SSFER_BREAKDOWN_OTHERS; k++) {
        const double seconds = step->others_s[k];
        if (!(seconds > 0.0))
            continue;
        snprintf(add_row(rows, &count, step, seconds)->name, sizeof rows->name, "%s", OTHERS[k]);
        covered += seconds;
    }
    snprintf(add_row(rows, &count, step, step->seconds - covered)->name, sizeof rows->name, "between");
    return count;
}
