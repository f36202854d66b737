/* What a data set holds: samples per class, mean and deviation of its pixels, sizes, pictures that cannot be read. */
#ifndef SSFER_DATA_STATS_H
#define SSFER_DATA_STATS_H

#include "base/progress.h"
#include "data/dataset.h"

#include <stdio.h>

typedef struct ssfer_dataset_stats {
    size_t count;           /* samples */
    size_t unreadable;      /* of them: cannot be read or decoded; the figures below are of the others */
    size_t class_count;     /* 0: unlabeled */
    size_t *class_counts;   /* samples of each class, unreadable ones too */
    double mean[3], std[3]; /* of all pixels, per channel R, G, B, on the scale 0..1; std: population deviation */
    size_t smallest[2], largest[2]; /* width, height of the pictures with fewest and most pixels; 0 without any */
} ssfer_dataset_stats;

/* Decodes every picture, with `threads` threads (>= 1). Unreadable pictures go to the log. The sums are integers, so
 * the result does not depend on the threads. bar: begun by the caller, updated from the calling thread; or NULL. */
ssfer_status ssfer_dataset_stats_compute(ssfer_dataset_stats *out, const ssfer_dataset *set, size_t threads,
                                         const ssfer_log *log, ssfer_progress *bar, ssfer_error *err);
void ssfer_dataset_stats_deinit(ssfer_dataset_stats *stats);

/* A table for people, and one JSON object on one line:
 * {"dataset","split","count","unreadable","classes":{name:count},"mean":[3],"std":[3],"smallest":[w,h],"largest":[w,h]}
 */
void ssfer_dataset_stats_print(const ssfer_dataset_stats *stats, const ssfer_dataset *set, FILE *stream);
void ssfer_dataset_stats_print_json(const ssfer_dataset_stats *stats, const ssfer_dataset *set, FILE *stream);

#endif
