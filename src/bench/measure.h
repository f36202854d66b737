/* What all cases share: a step and bare matrix products take turns, so that a drifting machine affects both alike, and
 * medians are what counts. The limit is what oneDNN itself reaches on the model's shapes in the same precision, with
 * weights that lie ready in the layout it likes best. */
#ifndef SSFER_BENCH_MEASURE_H
#define SSFER_BENCH_MEASURE_H

#include "compute/compute.h"
#include "compute/ops.h"

typedef enum ssfer_bench_mode { SSFER_BENCH_INFERENCE, SSFER_BENCH_TRAINING } ssfer_bench_mode;

enum { SSFER_BENCH_MAX_PARTS = 8 };

typedef struct ssfer_bench_part {
    const char *name; /* "forward" */
    double ms;        /* of a step, as a median */
} ssfer_bench_part;

typedef struct ssfer_bench_result {
    double images_per_second; /* of the median step */
    double per_core;          /* images per second of processor time; 0: not measured */
    double spread;            /* (third - first quartile) / median of the step times */
    double gflops;            /* the model's matrix products or convolutions over the median step */
    double limit_gflops;      /* what matrix products alone reach, as a median, measured between the steps; 0: none */
    ssfer_bench_part parts[SSFER_BENCH_MAX_PARTS];
    size_t part_count;
    size_t steps;
    double peak_rss_mib; /* of the process after a step, before there are operands of bare products */
} ssfer_bench_result;

typedef struct ssfer_bench_case {
    void *self;        /* handed to the functions */
    ssfer_compute *cx; /* whose message explains a failure that none came with */
    const char *parts[SSFER_BENCH_MAX_PARTS];
    size_t part_count;
    double images, flops; /* of a step */
    double seconds;       /* about how long to measure */
    double cap_s;         /* when so long has passed, a step of any kind is the last; 0: never */
    /* Step i (before the warm-up's end always 0): its time and that of its parts. */
    ssfer_status (*step)(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err);
    /* Makes the operands of the bare products, once a step has shown how much memory it takes. */
    ssfer_status (*prepare_products)(void *self, ssfer_error *err);
    /* The bare products: their time and operations. */
    ssfer_status (*products)(void *self, double *seconds, double *flops);
} ssfer_bench_case;

/* A few steps as a warm-up, then at least five; fewer of either, but one that is measured, where cap_s says so. */
ssfer_status ssfer_bench_measure(ssfer_bench_result *out, const ssfer_bench_case *c, ssfer_error *err);

/* Operands of bare products, for layers of up to `widest` channels on up to `rows` rows. */
typedef struct ssfer_bench_products {
    ssfer_compute *cx;
    bool training;         /* with the two products of a backward pass */
    float *a, *b, *c, *dw; /* a and c in the context's precision, b and dw in float32 */
} ssfer_bench_products;

ssfer_status ssfer_bench_products_init(ssfer_bench_products *products, ssfer_compute *cx, size_t rows, size_t widest,
                                       bool training, ssfer_error *err);
void ssfer_bench_products_deinit(ssfer_bench_products *products); /* {0} is fine */

/* The four products of a transformer block, timed once and counted `depth` times: += to both. */
ssfer_status ssfer_bench_block_products(ssfer_bench_products *products, size_t rows, size_t width, size_t hidden,
                                        size_t depth, double *seconds, double *flops);
/* One product of (rows, width) and (width, width), the same way. */
ssfer_status ssfer_bench_square_product(ssfer_bench_products *products, size_t rows, size_t width, double *seconds,
                                        double *flops);

/* The products of a linear layer: y, and of a backward pass dx and dw, all of the same number of operations. */
enum { SSFER_BENCH_FORWARD, SSFER_BENCH_DX, SSFER_BENCH_DW, SSFER_BENCH_PASSES };
/* seconds +=: of each, timed once; of the forward pass's alone without training. */
ssfer_status ssfer_bench_layer_products(ssfer_bench_products *products, size_t rows, size_t in, size_t out,
                                        double seconds[SSFER_BENCH_PASSES]);

/* `count` floats for measuring, as ssfer_series_fill makes them; NULL: no memory. Freed with ssfer_free. */
float *ssfer_bench_floats(size_t count);

#endif
