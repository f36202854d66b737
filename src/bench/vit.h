/* How fast a ViT runs here, beside the rate that the machine's matrix products reach on the same shapes. */
#ifndef SSFER_BENCH_VIT_H
#define SSFER_BENCH_VIT_H

#include "bench/breakdown.h"
#include "models/vit.h"

typedef struct ssfer_bench_vit_options {
    ssfer_vit_config config;
    ssfer_bench_mode mode; /* training: forward, backward, AdamW and EMA */
    size_t batch, threads;
    ssfer_precision precision;
    double seconds;             /* about how long to measure */
    double cap_s;               /* bench/measure.h */
    ssfer_breakdown *breakdown; /* NULL: not wanted; else it watches the steps */
} ssfer_bench_vit_options;

/* The parts: forward, backward, update. All tokens count as work. The bare products are those of one block. */
ssfer_status ssfer_bench_vit(ssfer_bench_result *out, const ssfer_bench_vit_options *options, ssfer_error *err);

#endif
