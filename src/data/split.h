/* Labeled/unlabeled splits: per class max(1, round(fraction * n)) samples (half to even), chosen by seed, saved as a
 * small JSON file that names the samples by path, so that it also holds when files are added later. */
#ifndef SSFER_DATA_SPLIT_H
#define SSFER_DATA_SPLIT_H

#include "data/dataset.h"

typedef struct ssfer_split {
    size_t *labeled, *unlabeled; /* dataset indices, ascending */
    size_t labeled_count, unlabeled_count;
    double fraction;
    uint64_t seed;
} ssfer_split;

/* How many of n samples of a class are labeled. */
size_t ssfer_split_class_count(double fraction, size_t n);

ssfer_status ssfer_split_make(ssfer_split *out, const ssfer_dataset *set, double fraction, uint64_t seed,
                              ssfer_error *err);
ssfer_status ssfer_split_save(const ssfer_split *split, const ssfer_dataset *set, const char *path, ssfer_error *err);
/* Fails if a named sample is missing from the set, naming the first. */
ssfer_status ssfer_split_load(ssfer_split *out, const ssfer_dataset *set, const char *path, ssfer_error *err);
void ssfer_split_deinit(ssfer_split *split);

#endif
