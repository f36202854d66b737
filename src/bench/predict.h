/* How fast pictures of a set become expressions: reading and decoding, finding faces, classifying. */
#ifndef SSFER_BENCH_PREDICT_H
#define SSFER_BENCH_PREDICT_H

#include "base/log.h"
#include "bench/measure.h"

typedef struct ssfer_bench_predict_options {
    const char *data;            /* pictures at any depth */
    const char *model, *classes; /* as for ssfer_predictor_create; classes may be NULL */
    const char *detector;        /* NULL: none, each picture is classified as a whole */
    const char *network;         /* as in ssfer_detector_options, as is size */
    size_t size;
    size_t batch, threads;
    bool bf16;
    double seconds; /* about how long to measure; at least one batch is */
    const ssfer_log *log;
} ssfer_bench_predict_options;

/* The parts: decode, detect (with a detector), classify, in milliseconds a picture: one after the other, each by all
 * threads, so that they add up to the whole. Only pictures that can be read count; *faces: those classified for each of
 * them. Steps are batches. The set is read over and over; the first batch is a warm-up. */
ssfer_status ssfer_bench_predict(ssfer_bench_result *out, double *faces, const ssfer_bench_predict_options *options,
                                 ssfer_error *err);

#endif
