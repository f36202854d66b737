/* Where a pre-training may start from: weights alone, or a training checkpoint with the optimizer's state. */
#ifndef SSFER_TRAIN_PRETRAIN_START_H
#define SSFER_TRAIN_PRETRAIN_START_H

#include "base/log.h"
#include "models/mae.h"
#include "nn/optimizer.h"
#include "train/run.h"

/* Loads the parameters that the set has. all: every one must be there; otherwise what is missing keeps its value and is
 * reported, and position tables of another grid are passed over. params NULL: only looks, with the same outcome.
 * Errors: SSFER_ERR_SHAPE, SSFER_ERR_FORMAT (none fits). */
ssfer_status ssfer_pretrain_take_weights(float *params, const ssfer_mae *mae, const ssfer_tensor_set *set, bool all,
                                         const ssfer_log *log, ssfer_error *err);

/* Moments, step and epoch of a training checkpoint, by PyTorch (the published layout; an optimizer that never stepped
 * leaves the moments zero) or by a run of ours. In the published code `epoch` counts from 0 and is the last one done.
 * start_epoch >= 0 counts instead. */
ssfer_status ssfer_pretrain_take_optimizer(ssfer_optimizer *optimizer, ssfer_train_state *state, const char *path,
                                           int64_t start_epoch, ssfer_error *err);

/* Whether that would succeed, and with how many epochs done. ema: the optimizer keeps an average. */
ssfer_status ssfer_pretrain_check_optimizer(size_t *epoch, const ssfer_param_table *table, bool ema, const char *path,
                                            int64_t start_epoch, ssfer_error *err);

#endif
