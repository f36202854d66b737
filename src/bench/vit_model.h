/* A ViT to be measured, with all that a step needs, and what steps are made of. Private to the cases of bench/. */
#ifndef SSFER_BENCH_VIT_MODEL_H
#define SSFER_BENCH_VIT_MODEL_H

#include "bench/vit.h"
#include "nn/optimizer.h"

typedef struct ssfer_bench_vit_model {
    const ssfer_bench_vit_options *options; /* borrowed */
    ssfer_compute *cx;
    ssfer_vit vit;
    ssfer_vit_acts acts;
    ssfer_optimizer optimizer; /* for training, as is grads */
    ssfer_bench_products products;
    float *params, *grads;
    float *images, *targets; /* (B, 3, S, S), (B, K): a batch, its picture i of class i modulo K */
    float *weights, *losses; /* (B) each */
    float *dlogits;          /* (B, K) */
    size_t part;             /* pictures that there is room for at a time: B, in training maybe fewer */
} ssfer_bench_vit_model;

/* Release with deinit, also after an error. */
ssfer_status ssfer_bench_vit_model_init(ssfer_bench_vit_model *m, const ssfer_bench_vit_options *options,
                                        ssfer_error *err);
void ssfer_bench_vit_model_deinit(ssfer_bench_vit_model *m);

size_t ssfer_bench_vit_rows(const ssfer_bench_vit_options *options);   /* B (L + 1) */
size_t ssfer_bench_vit_pixels(const ssfer_bench_vit_options *options); /* floats of a picture */

/* The logits of `count` pictures, in m->acts: no more than m->part. */
ssfer_status ssfer_bench_vit_forward(ssfer_bench_vit_model *m, const float *images, size_t count);
/* m->grads += those of the cross entropy with targets (count, K), after that forward pass. */
ssfer_status ssfer_bench_vit_backward(ssfer_bench_vit_model *m, const float *targets, size_t count);
/* Both for any count, part by part as in training; *forward_s (NULL: not wanted) += the forward passes' time. */
ssfer_status ssfer_bench_vit_learn(ssfer_bench_vit_model *m, const float *images, const float *targets, size_t count,
                                   double *forward_s);
/* AdamW and EMA. */
ssfer_status ssfer_bench_vit_update(ssfer_bench_vit_model *m, ssfer_error *err);

/* As ssfer_bench_case has them; the bare products are those of one block. */
ssfer_status ssfer_bench_vit_prepare_products(ssfer_bench_vit_model *m, ssfer_error *err);
ssfer_status ssfer_bench_vit_products(ssfer_bench_vit_model *m, double *seconds, double *flops);

#endif
