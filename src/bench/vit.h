/* How fast a ViT runs here, beside the rate that the machine's matrix products reach on the same shapes. */
#ifndef SSFER_BENCH_VIT_H
#define SSFER_BENCH_VIT_H

#include "base/status.h"
#include "models/vit.h"

typedef enum ssfer_bench_mode { SSFER_BENCH_INFERENCE, SSFER_BENCH_TRAINING } ssfer_bench_mode;

typedef struct ssfer_bench_vit_options {
    ssfer_vit_config config;
    ssfer_bench_mode mode; /* training: forward, backward, AdamW and EMA */
    size_t batch, threads;
    double seconds; /* about how long to measure */
} ssfer_bench_vit_options;

typedef struct ssfer_bench_result {
    double images_per_second; /* of the median step */
    double spread;            /* (third - first quartile) / median of the step times */
    double gflops;            /* the model's matrix products, all tokens counted, over the median step */
    double limit_gflops; /* what the linear layers' products alone reach, as a median, measured between the steps */
    double forward_ms, backward_ms, update_ms; /* medians */
    size_t steps;
    double peak_rss_mib; /* of the process */
} ssfer_bench_result;

/* Steps and bare products take turns, so that a drifting machine affects both alike. */
ssfer_status ssfer_bench_vit(ssfer_bench_result *out, const ssfer_bench_vit_options *options, ssfer_error *err);

#endif
