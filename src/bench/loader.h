/* How fast the loader makes batches of a set, and where the time goes: pictures come through the loader itself, with
 * nobody waiting for them but this. */
#ifndef SSFER_BENCH_LOADER_H
#define SSFER_BENCH_LOADER_H

#include "bench/measure.h"
#include "data/loader.h"

typedef struct ssfer_bench_loader_options {
    const char *data; /* pictures at any depth */
    ssfer_transform transform;
    size_t batch, threads;
    uint64_t seed;
    double seconds; /* about how long to measure */
    const ssfer_log *log;
} ssfer_bench_loader_options;

/* Decoded pictures are not kept. out->per_core, and the parts, by processor time of the loader's threads: decode,
 * resample, augment, normalise, other; they add up to the whole. There is no limit. */
ssfer_status ssfer_bench_loader(ssfer_bench_result *out, const ssfer_bench_loader_options *options, ssfer_error *err);

#endif
