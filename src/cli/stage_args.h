/* What the commands that train a stage have in common on the command line: how the options of every training become
 * those of the library, and the labeled data and the classifier that Stages II and III start from. */
#ifndef SSFER_CLI_STAGE_ARGS_H
#define SSFER_CLI_STAGE_ARGS_H

#include "cli/cli.h"
#include "train/labeled.h"
#include "train/training.h"

/* Over the stage's defaults in `o`: settings, run folder, threads, log and progress. */
void ssfer_training_from_args(ssfer_training_options *o, const ssfer_training_args *args, const char *out,
                              const ssfer_cli *cli);

/* The operand RUN of a training; the first member of the command's structure is a string for it. */
extern const ssfer_option SSFER_RESUMED_OPERANDS[];

typedef struct ssfer_labeled_args {
    const char *data, *split, *valid_data, *valid_split, *folder_classes, *labels;
    double fraction, holdout, max_bad;
} ssfer_labeled_args;

extern const ssfer_option SSFER_LABELED_OPTIONS[];

ssfer_labeled_options ssfer_labeled_from_args(const ssfer_labeled_args *args, const ssfer_cli *cli);

/* A classifier's sizes. With init (a checkpoint), sizes that were not asked for are the checkpoint's: 0 stands for
 * them. Errors are mistakes in how the command was called. */
ssfer_status ssfer_classifier_config(ssfer_vit_config *config, const ssfer_model_args *args, const char *init,
                                     const ssfer_cli *cli, ssfer_error *err);

#endif
