/* Pictures for the report of a pre-training: what its model paints. */
#ifndef SSFER_TRAIN_PRETRAIN_PICTURES_H
#define SSFER_TRAIN_PRETRAIN_PICTURES_H

#include "data/dataset.h"
#include "train/run.h"
#include "train/training.h"

/* Writes RUN/reconstructions.jpg with the model of RUN/model.safetensors, from up to eight of the samples. Pictures
 * that cannot be read are left out; without any nothing is written. */
ssfer_status ssfer_pretrain_paint(const ssfer_run *run, const ssfer_training_options *options, const ssfer_dataset *set,
                                  const size_t *samples, size_t count, ssfer_error *err);

#endif
