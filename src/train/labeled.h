/* The labeled pictures of a training, and those that judge it: Stage II learns from them, Stage III from them too. */
#ifndef SSFER_TRAIN_LABELED_H
#define SSFER_TRAIN_LABELED_H

#include "data/dataset.h"
#include "data/split.h"
#include "train/rehearsal.h"
#include "train/run.h"

/* Validation: valid_data (NULL: data) with valid_split; without either, the split named "valid", "val" or "test", else
 * a holdout of that share of the labeled pictures, class by class. */
typedef struct ssfer_labeled_options {
    const char *data, *split, *valid_data, *valid_split;
    const char *folder_classes; /* what class folders stand for (data/class_map.h), of both sets; NULL: themselves */
    double holdout;
    double fraction;    /* of the labels to use; 1: all */
    const char *labels; /* a split file (ssfer split) that says which samples are labeled, or the folder of a run, whose
                         * labeled and held-out samples are meant (ssfer_labeled_keep); NULL: by fraction */
    size_t folds, fold; /* folds >= 2: part `fold` (from 0) of so many equal ones, class by class, is the validation */
    bool plain_folds;   /* parts of all labeled pictures alike, as the published code has them */
    const ssfer_rehearsal *rehearsal; /* NULL: the labels are a file */
} ssfer_labeled_options;

typedef struct ssfer_labeled {
    const ssfer_labeled_options *options;            /* borrowed until close */
    ssfer_dataset *train_set, *valid_set;            /* valid_set NULL: validation is a part of train_set */
    ssfer_split split;                               /* all labeled samples; its seed also chose what is held out */
    size_t *train, train_count, *valid, valid_count; /* indices, ascending; valid NULL: all of valid_set */
} ssfer_labeled;

/* What is chosen depends on the files, the options and the seed, not on the stage: both stages with one seed hold out
 * the same pictures. Release with ssfer_labeled_close, also after an error. */
ssfer_status ssfer_labeled_open(ssfer_labeled *out, const ssfer_labeled_options *options, uint64_t seed,
                                const ssfer_log *log, ssfer_error *err);
void ssfer_labeled_close(ssfer_labeled *labeled); /* {0} is fine */

const ssfer_dataset *ssfer_labeled_judges(const ssfer_labeled *labeled); /* the set that holds the validation part */
size_t ssfer_labeled_judge_count(const ssfer_labeled *labeled);

/* *indices (freed with ssfer_free) =: the labeled training pictures, those of each class over and over until there are
 * as many as of the largest. */
ssfer_status ssfer_labeled_balance(size_t **indices, size_t *count, const ssfer_labeled *labeled, ssfer_error *err);

/* How the pictures of each class are used: counts (K, 3) =: learned from with their labels, judging, and those of the
 * training set whose labels are not used. */
enum { SSFER_LABELED_USES = 3 };
void ssfer_labeled_count(size_t *counts, const ssfer_labeled *labeled);

/* Writes RUN/labels.json, a split file, which says what is labeled and, by its seed, what is held out. Warns where a
 * name is not UTF-8, which the file cannot hold. */
ssfer_status ssfer_labeled_keep(const ssfer_labeled *labeled, const ssfer_run *run, ssfer_error *err);

/* The section "data" of recipe.yaml. */
void ssfer_labeled_describe(ssfer_recipe *r, const ssfer_labeled *labeled);

#endif
