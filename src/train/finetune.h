/* Stage II: supervised fine-tuning of a ViT classifier on labeled pictures. */
#ifndef SSFER_TRAIN_FINETUNE_H
#define SSFER_TRAIN_FINETUNE_H

#include "base/log.h"
#include "data/transform.h"
#include "models/vit.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "train/metrics.h"

#include <stdio.h>

typedef struct ssfer_finetune_options {
    /* Data. Validation: valid_data (NULL: data) with valid_split; without either, the split named "valid", else "test",
     * else a holdout of that share of the training pictures, class by class. */
    const char *data, *split, *valid_data, *valid_split;
    double holdout;
    double fraction;    /* of the labels to use; 1: all */
    const char *labels; /* a split file (ssfer split) that says which samples are labeled; NULL: by fraction */
    double max_bad_share;

    /* Model. init: a checkpoint whose weights are taken (models/transfer.h), and the sizes that are 0 here; NULL:
     * random. model.classes is set from the data. */
    ssfer_vit_config model;
    const char *init;

    /* Training. transform.size is set from the model. */
    size_t epochs, batch, accumulate;
    double lr, min_lr, warmup_epochs;
    ssfer_schedule_kind schedule;
    ssfer_optimizer_options optimizer;
    ssfer_transform transform;
    double smoothing;
    uint64_t seed;

    /* The run. */
    const char *out;
    bool resume;
    size_t save_every, keep;
    size_t threads;
    const ssfer_log *log;
    FILE *progress, *report;
    int (*stop)(void);
} ssfer_finetune_options;

/* The released recipe where it applies to plain supervision: 100 epochs, batch 32, lr 1.5e-4 to 1e-5, smoothing 0.1,
 * EMA 0.999, crop 0.2-1, flip. The schedule is a warm-up and cosine per iteration. */
ssfer_finetune_options ssfer_finetune_defaults(void);

/* Trains, and writes the run folder. `evaluation` (may be NULL) is the validation of the weights in model.safetensors;
 * release it with ssfer_evaluation_deinit. SSFER_ERR_CANCELLED: stopped, a checkpoint is there. */
ssfer_status ssfer_finetune(const ssfer_finetune_options *options, ssfer_evaluation *evaluation, ssfer_error *err);

#endif
