/* Labeled/unlabeled splits: per class max(1, round(fraction * n)) samples (half to even), chosen by seed, saved as a
 * small JSON file that names the samples by path, so that it also holds when files are added later. With one seed a
 * smaller fraction is part of a larger one.
 *
 * The file: {"format": "ssfer-split", "version": 1, "dataset", "split", "samples", "fraction", "seed", "classes",
 * "labeled": [paths]}. Only format, version, fraction, seed and labeled are read back; the rest says where it is from.
 */
#ifndef SSFER_DATA_SPLIT_H
#define SSFER_DATA_SPLIT_H

#include "data/dataset.h"

#define SSFER_SPLIT_FILE "labels.json" /* its name in the folder of a run */

typedef struct ssfer_split {
    size_t *labeled, *unlabeled; /* dataset indices, ascending */
    size_t labeled_count, unlabeled_count;
    double fraction;
    uint64_t seed;
} ssfer_split;

/* How many of n samples of a class are labeled. */
size_t ssfer_split_class_count(double fraction, size_t n);

/* Errors: SSFER_ERR_ARGUMENT (a fraction outside (0, 1], a seed above INT64_MAX, a set
 * without labels), SSFER_ERR_MEMORY. */
ssfer_status ssfer_split_make(ssfer_split *out, const ssfer_dataset *set, double fraction, uint64_t seed,
                              ssfer_error *err);
/* Written atomically. SSFER_ERR_UNSUPPORTED if a labeled sample's name is not UTF-8, which JSON cannot hold. */
ssfer_status ssfer_split_save(const ssfer_split *split, const ssfer_dataset *set, const char *path, ssfer_error *err);
/* path: the file, or the folder of a run, which keeps one. Fails if a named sample is missing from the set, naming the
 * first. */
ssfer_status ssfer_split_load(ssfer_split *out, const ssfer_dataset *set, const char *path, ssfer_error *err);
/* The split of `from` in another set, by the samples' names: what saving it as `path` and loading that would give. */
ssfer_status ssfer_split_carry(ssfer_split *out, const ssfer_dataset *set, const ssfer_split *split,
                               const ssfer_dataset *from, const char *path, ssfer_error *err);
void ssfer_split_deinit(ssfer_split *split);

#endif
