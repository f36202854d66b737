/* How fast a masked autoencoder trains here, beside the rate that the machine's matrix products reach on its shapes. */
#ifndef SSFER_BENCH_MAE_H
#define SSFER_BENCH_MAE_H

#include "bench/measure.h"
#include "models/mae.h"

typedef struct ssfer_bench_mae_options {
    ssfer_mae_config config;
    ssfer_bench_mode mode; /* training: masking, forward, loss, backward, AdamW; inference: masking, forward and loss */
    size_t batch, threads;
    ssfer_precision precision;
    double seconds; /* about how long to measure */
    double cap_s;   /* bench/measure.h */
} ssfer_bench_mae_options;

/* The parts: forward, backward, update. The bare products are those of one block of the encoder and of the decoder,
 * each as often as it has blocks. */
ssfer_status ssfer_bench_mae(ssfer_bench_result *out, const ssfer_bench_mae_options *options, ssfer_error *err);

#endif
