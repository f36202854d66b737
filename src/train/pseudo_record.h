/* What is counted of the pseudo-labels of an epoch, the figures that are made of it, and the signs of a teacher that
 * collapses. The counts are one array of doubles and go into checkpoints, so that an epoch's figures survive a resume.
 *
 *   pseudo_label_rate            sum of weights / pictures
 *   pseudo_label_accuracy        of what was kept and whose truth is known: the share that is right, by weight
 *   pseudo_label_entropy         of the labels given to all pictures, kept or not, over log K: 1 all alike, 0 one class
 *   pseudo_label_rate/CLASS      of those labeled CLASS: weights / pictures
 *   pseudo_label_accuracy/CLASS  of those kept as CLASS: the share that truly are
 *   labeled_loss, unlabeled_loss mean over pictures
 *
 * Of a CLASS of more than 48 bytes there is what ssfer_name_shorten leaves, so that no two have one name.
 * Sets with more than SSFER_PSEUDO_MAX_CLASSES classes have no figures by class. */
#ifndef SSFER_TRAIN_PSEUDO_RECORD_H
#define SSFER_TRAIN_PSEUDO_RECORD_H

#include "base/log.h"
#include "train/pseudo.h"
#include "train/run.h"

enum { SSFER_PSEUDO_MAX_CLASSES = 40 };

typedef struct ssfer_pseudo_record {
    size_t classes, state_count;
    double *state;
    char (*names)[2][80]; /* per class: of its two metrics */
} ssfer_pseudo_record;

ssfer_status ssfer_pseudo_record_init(ssfer_pseudo_record *r, const char *const *class_names, size_t classes,
                                      ssfer_error *err);
void ssfer_pseudo_record_deinit(ssfer_pseudo_record *r); /* {0} is fine */

/* Adds a batch. truth (count): labels, or negative where not known. */
void ssfer_pseudo_record_batch(ssfer_pseudo_record *r, const ssfer_pseudo *p, const int32_t *truth, size_t count);
/* Sums of losses over so many pictures. */
void ssfer_pseudo_record_losses(ssfer_pseudo_record *r, double labeled, size_t labeled_count, double unlabeled,
                                size_t unlabeled_count);

/* The epoch's figures. Names are valid as long as r. */
void ssfer_pseudo_record_metrics(const ssfer_pseudo_record *r, ssfer_metric_list *metrics);

/* Whether the rate or the entropy of this epoch has fallen below `share` of the highest of all epochs so far, which
 * the record keeps: then `why` says so and SSFER_ERR_NUMERIC is returned. Starts a new epoch. */
ssfer_status ssfer_pseudo_record_end_epoch(ssfer_pseudo_record *r, double share, ssfer_error *why);

#endif
