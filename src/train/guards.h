/* Guards: figures of an epoch which say that a training has come to nothing though every number is finite. Each epoch
 * that falls below one is warned of, once the warm-up is over; before that a model may well say one thing only. The
 * report names the same epochs, from metrics.jsonl.
 *
 *   pseudo_label_rate     below 0.1 %: the student of Stage III learns from labeled pictures alone
 *   pseudo_label_entropy  of the teacher's labels, and
 *   prediction_entropy    of the predictions on the validation pictures, below 0.1 of log K: nearly all of one class;
 *                         with seven classes, 97 % of the one and the rest evenly spread. The latter is recorded where
 *                         it means something: at least 2 K pictures, which are not themselves all of one class. */
#ifndef SSFER_TRAIN_GUARDS_H
#define SSFER_TRAIN_GUARDS_H

#include "base/log.h"
#include "train/metrics.h"
#include "train/run.h"

#include <math.h>

enum { SSFER_GUARDS = 3 };

typedef struct ssfer_guard {
    const char *metric;
    double least;
    const char *what, *advice; /* what has happened; what to change */
} ssfer_guard;

extern const ssfer_guard SSFER_GUARD_TABLE[SSFER_GUARDS];

/* A line for each guard that an epoch's figures fall below. epoch: as people count it. */
void ssfer_guards_warn(const ssfer_metric_list *figures, size_t epoch, double warmup_epochs, const ssfer_log *log);

/* Adds prediction_entropy, or nothing. */
void ssfer_guards_measure(ssfer_metric_list *figures, const ssfer_evaluation *evaluation);

/* A term of an entropy, 0 for a share of 0. */
static inline double ssfer_entropy_term(double share)
{
    return share > 0.0 ? -share * log(share) : 0.0;
}

#endif
