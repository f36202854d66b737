/* Against classes of unequal size: what the loss, or the sampling, does about it. With n_k labeled pictures of class k,
 * n in all, K classes and shares s_k = n_k / n:
 *
 *   weights  the term of class k in the cross entropy counts 1/(K s_k) times, so that an epoch's mean weight is 1 and a
 *            class as a whole counts as much as any other
 *   logits   the loss sees z_k + log s_k; the model's own outputs then estimate what balanced classes would give
 *            (Menon et al. 2021, "Long-tail learning via logit adjustment", tau = 1)
 *   sampler  nothing: an epoch has the pictures of each class as often as the largest class has pictures
 *            (ssfer_labeled_balance), shuffled and augmented each time anew
 */
#ifndef SSFER_TRAIN_BALANCE_H
#define SSFER_TRAIN_BALANCE_H

#include "train/labeled.h"

typedef enum ssfer_balance {
    SSFER_BALANCE_NONE,
    SSFER_BALANCE_WEIGHTS,
    SSFER_BALANCE_LOGITS,
    SSFER_BALANCE_SAMPLER
} ssfer_balance;

const char *ssfer_balance_name(ssfer_balance kind); /* as recipes and the command line spell it */

/* factor (K) =: of the targets; offset (K) =: of the logits. 1 and 0 where the kind does not use them. Errors:
 * SSFER_ERR_ARGUMENT when a class has no labeled picture, naming it. */
ssfer_status ssfer_balance_make(float *factor, float *offset, ssfer_balance kind, const ssfer_labeled *data,
                                ssfer_error *err);

#endif
