/* Stage II: supervised fine-tuning of a ViT classifier on labeled pictures. */
#ifndef SSFER_TRAIN_FINETUNE_H
#define SSFER_TRAIN_FINETUNE_H

#include "models/vit.h"
#include "train/balance.h"
#include "train/labeled.h"
#include "train/metrics.h"
#include "train/mixer.h"
#include "train/training.h"

typedef struct ssfer_finetune_options {
    ssfer_labeled_options data;
    /* init: a checkpoint whose weights are taken (models/transfer.h), and the sizes that are 0 here; NULL: random.
     * model.classes is set from the data. */
    ssfer_vit_config model;
    const char *init;
    ssfer_training_options training;
    double smoothing;
    ssfer_mix_options mix;
    ssfer_balance balance;
} ssfer_finetune_options;

/* The released recipe where it applies to plain supervision: 100 epochs, batch 32, lr 1.5e-4 to 1e-5, smoothing 0.1,
 * EMA 0.999, crop 0.2-1, flip. The schedule is a warm-up and cosine per iteration. */
ssfer_finetune_options ssfer_finetune_defaults(void);

/* Trains, and writes the run folder. `evaluation` (may be NULL) is the validation of the weights in model.safetensors;
 * release it with ssfer_evaluation_deinit. SSFER_ERR_CANCELLED: stopped, a checkpoint is there. With training.rehearsal
 * it ends before anything is written, and leaves the evaluation alone. */
ssfer_status ssfer_finetune(const ssfer_finetune_options *options, ssfer_evaluation *evaluation, ssfer_error *err);

#endif
