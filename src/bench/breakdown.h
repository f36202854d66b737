/* Where the time of a step goes: each operation of a compute context is timed on its way to the backend. A context that
 * nobody watches pays nothing: watching exchanges its table of operations (compute/backend.h) for one that takes the
 * time around every call. */
#ifndef SSFER_BENCH_BREAKDOWN_H
#define SSFER_BENCH_BREAKDOWN_H

#include "bench/measure.h"
#include "compute/backend.h"
#include "nn/params.h"

/* Products are told apart by the weights they are made with, and by the pass. */
typedef enum ssfer_breakdown_layer {
    SSFER_LAYER_QKV,
    SSFER_LAYER_PROJECTION,
    SSFER_LAYER_MLP_IN,
    SSFER_LAYER_MLP_OUT,
    SSFER_LAYER_PATCHES,
    SSFER_LAYER_HEAD,
    SSFER_LAYERS
} ssfer_breakdown_layer;

enum { SSFER_BREAKDOWN_OTHERS = 10 }; /* kinds of operations that are no products */
enum { SSFER_BREAKDOWN_ROWS = SSFER_LAYERS * SSFER_BENCH_PASSES + SSFER_BREAKDOWN_OTHERS + 1 };

typedef struct ssfer_breakdown_sum {
    double seconds, flops;
} ssfer_breakdown_sum;

typedef struct ssfer_breakdown_step {
    ssfer_breakdown_sum products[SSFER_LAYERS][SSFER_BENCH_PASSES];
    double others_s[SSFER_BREAKDOWN_OTHERS];
    double seconds; /* of the whole step */
} ssfer_breakdown_step;

/* What is seen of a model's context. Of all steps the fastest is kept, as that which other programs disturbed least:
 * means would hold what they took, and medians of single operations would not add up to a step. */
typedef struct ssfer_breakdown {
    ssfer_backend table; /* what the context has while it is watched */
    const ssfer_backend *inner;
    const ssfer_param_table *params;
    const float *weights, *grads; /* blocks of the table */
    ssfer_breakdown_step now, fastest;
    ssfer_breakdown_sum bare[SSFER_LAYERS][SSFER_BENCH_PASSES]; /* the fastest of each */
} ssfer_breakdown;

/* From now on b watches cx: it must outlive it. All pointers are borrowed; grads may be NULL. */
void ssfer_breakdown_watch(ssfer_breakdown *b, ssfer_compute *cx, const ssfer_param_table *params, const float *weights,
                           const float *grads);
void ssfer_breakdown_end_step(ssfer_breakdown *b, double seconds); /* of all operations since the last one */
/* Measures the bare products of a block's layers once more, for `rows` tokens. */
ssfer_status ssfer_breakdown_add_bare(ssfer_breakdown *b, ssfer_bench_products *products, size_t rows, size_t width,
                                      size_t hidden);

typedef struct ssfer_breakdown_row {
    char name[32];
    double ms, share;            /* of the step */
    double gflops, limit_gflops; /* of products; 0: is none, or was not measured */
} ssfer_breakdown_row;

/* A row for each kind of operation that took place; the last one is what the step did between them. Returns their
 * number. The rows add up to the fastest step. */
size_t ssfer_breakdown_rows(ssfer_breakdown_row rows[SSFER_BREAKDOWN_ROWS], const ssfer_breakdown *b);

#endif
