/* Probabilistic pseudo mixup: the unlabeled pictures of a step are blended pairwise, the surer one counting more.
 *
 * With c_i the teacher's confidence in picture i's pseudo-label, w_i its weight and j = pi(i), a random permutation:
 *
 *   lambda_i = c_i / (c_i + c_j)
 *   x_i := lambda_i x_i + (1 - lambda_i) x_j      strong views
 *   t_i := lambda_i t_i + (1 - lambda_i) t_j      targets
 *   w_i := max(w_i, w_j)
 *
 * so that a picture which would be left out also teaches, in the company of a sure one and no more than it deserves.
 * With a fixed threshold tau the last line is the paper's 1(max(c_i, c_j) >= tau). Source: Cai et al. 2022,
 * "Semi-supervised Vision Transformers at Scale" (Semi-ViT, arXiv 2208.05688), probabilistic pseudo mixup; of the
 * authors' code not the part that pastes (CutMix) instead of blending, nor the label smoothing. */
#ifndef SSFER_TRAIN_PSEUDO_MIXUP_H
#define SSFER_TRAIN_PSEUDO_MIXUP_H

#include "base/rng.h"
#include "base/status.h"

typedef struct ssfer_pseudo_mixup {
    size_t count, widest;
    size_t *partner; /* (B): pi */
    float *lambda;   /* (B) */
    float *row;      /* (widest): a row that has to be kept while the others change */
} ssfer_pseudo_mixup;

/* For `count` pictures and rows of up to `widest` numbers. Release with deinit, also after an error. */
ssfer_status ssfer_pseudo_mixup_init(ssfer_pseudo_mixup *m, size_t count, size_t widest, ssfer_error *err);
void ssfer_pseudo_mixup_deinit(ssfer_pseudo_mixup *m); /* {0} is fine */

/* pi and lambda of a step. confidence (B) > 0. */
void ssfer_pseudo_mixup_draw(ssfer_pseudo_mixup *m, const float *confidence, ssfer_rng *rng);

/* rows (B, width), width <= widest: blended in place. */
void ssfer_pseudo_mixup_rows(ssfer_pseudo_mixup *m, float *rows, size_t width);

/* weights (B): the larger of both, in place. */
void ssfer_pseudo_mixup_weights(ssfer_pseudo_mixup *m, float *weights);

#endif
