/* Stage I: a masked autoencoder learns to paint the hidden patches of unlabeled faces. */
#ifndef SSFER_TRAIN_PRETRAIN_H
#define SSFER_TRAIN_PRETRAIN_H

#include "models/mae.h"
#include "train/training.h"

typedef struct ssfer_pretrain_options {
    /* Data: pictures at any depth, labels are ignored; several sets with commas. */
    const char *data, *split; /* split: of the data, NULL: all of it */
    double holdout; /* share of the pictures that is never trained on and measured after each epoch; 0: none */

    /* Model. embed_dim 0: the sizes are those of the checkpoint below; mask_ratio and norm_pix count in either case.
     *   init           its weights are taken, as far as their names and shapes fit
     *   continue_from  a training checkpoint: weights, AdamW's moments and the epoch. Of PyTorch (keys model,
     * optimizer, epoch, the published layout) or of a run of ours (checkpoints/step-N.safetensors) */
    ssfer_mae_config model;
    const char *init, *continue_from;
    int64_t start_epoch; /* with continue_from: epochs that count as done; -1: as the file says */

    ssfer_training_options training;
    size_t rollbacks; /* see train/loop.h; 0: stop at a loss that is not finite */
} ssfer_pretrain_options;

/* The released recipe: ViT-B/16 with decoder 512x8, 600 epochs of batches of 256, AdamW with betas 0.9 and 0.95, decay
 * 0.05 on everything, rate 3.4e-4 by the released curve per epoch with 50 epochs of warm-up, crops of 0.2-1 and flips.
 */
ssfer_pretrain_options ssfer_pretrain_defaults(void);

typedef struct ssfer_pretrain_result {
    size_t training_pictures, held_out;
    double validation_loss; /* of the final weights on the pictures held out; NaN without any */
} ssfer_pretrain_result;

/* Trains and writes the run folder: beside the usual files loss.png, loss.svg, lr.png, lr.svg and report.html at the
 * end. model.safetensors holds the whole autoencoder as it is after the last epoch. result may be NULL.
 * SSFER_ERR_CANCELLED: stopped, a checkpoint is there. SSFER_ERR_NUMERIC: the loss is not finite; the message says what
 * to try. With training.rehearsal it ends before anything is written, and leaves the result alone. */
ssfer_status ssfer_pretrain(const ssfer_pretrain_options *options, ssfer_pretrain_result *result, ssfer_error *err);

#endif
