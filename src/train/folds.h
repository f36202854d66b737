/* K-fold cross-validation of a fine-tuning over its labeled pictures: each fold is judged by the model that the others
 * trained, as in the released protocol (there without regard to classes; here class by class). */
#ifndef SSFER_TRAIN_FOLDS_H
#define SSFER_TRAIN_FOLDS_H

#include "train/finetune.h"

enum { SSFER_MAX_FOLDS = 100 };

typedef struct ssfer_fold_figures {
    double accuracy, mean_class_accuracy, macro_f1;
} ssfer_fold_figures;

typedef struct ssfer_folds {
    size_t count;
    ssfer_fold_figures fold[SSFER_MAX_FOLDS];
    ssfer_fold_figures mean, deviation; /* deviation: of a sample, with count - 1 */
} ssfer_folds;

/* Runs options->training.out/fold-1 ... fold-K, each a run of its own, and writes out/folds.json. Face boxes are
 * shared. With resume, finished folds are judged again and the others go on. options->data.folds is K, 2 to
 * SSFER_MAX_FOLDS. */
ssfer_status ssfer_finetune_folds(ssfer_folds *out, const ssfer_finetune_options *options, ssfer_error *err);

#endif
