/* From the teacher's logits to what the student learns: pseudo-labels, their targets and weights.
 *
 * With q_b = softmax of the teacher's logits of picture b's weak view, K classes, B unlabeled pictures of a step:
 *
 *   alignment  q_b := normalise(q_b * target / mean), mean: the running mean of q (momentum 0.999), target: the labeled
 *              pictures' share of each class ("labels", ReMixMatch, Berthelot et al. 2020, sec. 3.1) or 1/K ("uniform",
 *              SoftMatch's uniform alignment, Chen et al. 2023, for the weights alone: labels and targets stay q_b's).
 *              The mean is that of the batches seen, from the first one on; started at 1/K it would for a thousand
 *              steps divide by what the teacher never said, and multiply its own leaning by that of the labels.
 *   label      argmax q_b
 *   target     hard: 1 at the label; with temperature T > 0: q_b^(1/T), normalised (Berthelot et al. 2019, eq. (7))
 *   weight     w_b of the selection method (select/select.h)
 *
 *   unlabeled loss = 1/B sum_b w_b CE(target_b, student's logits of the strong view)
 *
 * SSFER (arXiv 2410.17622), Stage III: no alignment, hard targets, w_b = 1(confidence >= 0.7); the sum is divided by
 * all B, not by those kept. */
#ifndef SSFER_TRAIN_PSEUDO_H
#define SSFER_TRAIN_PSEUDO_H

#include "train/select/select.h"

typedef enum ssfer_align { SSFER_ALIGN_NONE, SSFER_ALIGN_LABELS, SSFER_ALIGN_UNIFORM } ssfer_align;

typedef struct ssfer_pseudo_options {
    ssfer_align align;
    double temperature; /* 0: hard labels */
} ssfer_pseudo_options;

typedef struct ssfer_pseudo {
    ssfer_pseudo_options options;
    size_t capacity, classes;
    double *mean;   /* (K): running sum of q, 0 at the start, whose shares are its mean; goes into checkpoints */
    double *prior;  /* (K): the labeled pictures' share of each class */
    float *targets; /* (B, K) */
    float *weights; /* (B) */
    float *confidence;
    int32_t *labels;
    float *probabilities; /* (B, K): what the weights were made from */
} ssfer_pseudo;

/* For up to `capacity` pictures. prior (K) is copied. */
ssfer_status ssfer_pseudo_init(ssfer_pseudo *p, const ssfer_pseudo_options *options, size_t capacity, size_t classes,
                               const double *prior, ssfer_error *err);
void ssfer_pseudo_deinit(ssfer_pseudo *p); /* {0} is fine */

/* logits (B, K) of the teacher; pictures (B) as ssfer_opinions has them. */
void ssfer_pseudo_make(ssfer_pseudo *p, ssfer_select *select, const float *logits, const size_t *pictures,
                       size_t count);

/* probabilities (B, K) =. logits and probabilities may be the same. */
void ssfer_softmax_rows(float *probabilities, const float *logits, size_t count, size_t classes);

size_t ssfer_largest_of(const float *row, size_t classes); /* the first of the largest */

#endif
