/* The loss of a batch of Stage III by the student's outputs, and its gradient. One head has K outputs; with an
 * auxiliary head (train/abc.h) there are 2 K, the auxiliary ones last.
 *
 *   sum_b weights[b] CE(targets_b, z_b + adjustment) + sum_b aux_weights[b] CE(aux_targets_b, a_b)
 *     + extra * the selection's own term of those z_b that have a weight
 */
#ifndef SSFER_TRAIN_SEMI_LOSS_H
#define SSFER_TRAIN_SEMI_LOSS_H

#include "compute/compute.h"
#include "train/select/select.h"

typedef struct ssfer_semi_loss {
    size_t classes, outputs; /* K; K or 2 K */
    float *adjustment;       /* (K): what is added to the first head's logits; 0 at the start */
    float *dlogits;          /* (B, outputs) */
    float *logits, *part;    /* (B, K) each: of one head, and their gradient */
    float *losses;           /* (B) */
    size_t *rows;            /* (B) */
} ssfer_semi_loss;

/* What a batch teaches: (B, K) and (B) each; aux_* NULL: nothing for the auxiliary head. */
typedef struct ssfer_lesson {
    const float *targets, *weights, *aux_targets, *aux_weights;
    size_t count;
} ssfer_lesson;

/* For up to `batch` pictures. Release with deinit, also after an error. */
ssfer_status ssfer_semi_loss_init(ssfer_semi_loss *l, size_t batch, size_t classes, size_t outputs, ssfer_error *err);
void ssfer_semi_loss_deinit(ssfer_semi_loss *l); /* {0} is fine */

/* l->dlogits = the gradient by the logits (B, outputs). values[0] = the first sum, values[1] = the second; the
 * selection's term (NULL: none) is in neither. extra: its weight for each picture that has one. */
ssfer_status ssfer_semi_loss_compute(ssfer_compute *cx, ssfer_semi_loss *l, double values[2], const float *logits,
                                     const ssfer_lesson *lesson, const ssfer_select *select, double extra);

/* to (count, K) = the logits of head 0 or 1. */
void ssfer_semi_loss_head(const ssfer_semi_loss *l, float *to, const float *logits, size_t head, size_t count);

#endif
