/* How fast a step of Stage III runs here, beside the rate that the machine's matrix products reach on the same shapes.
 *
 * A step is that of train/semi_step.h without reading pictures: the teacher (the EMA of the weights) labels mu B weak
 * views, B at a time; the student learns B labeled pictures and then the strong views that are kept, at most B at a
 * time; AdamW; EMA. */
#ifndef SSFER_BENCH_SEMI_H
#define SSFER_BENCH_SEMI_H

#include "bench/vit.h"

typedef struct ssfer_bench_semi_options {
    ssfer_bench_vit_options vit; /* batch: B labeled pictures; mode: training */
    size_t mu;                   /* unlabeled pictures for a labeled one */
    double kept;                 /* share of the strong views that the student learns, 0 to 1 */
} ssfer_bench_semi_options;

/* The parts: teacher, student, update. Images are labeled and unlabeled pictures, as in training; operations are one
 * pass for each picture that the teacher sees and three for each that the student learns. */
ssfer_status ssfer_bench_semi(ssfer_bench_result *out, const ssfer_bench_semi_options *options, ssfer_error *err);

#endif
