/* Running a classifier over a data set. */
#ifndef SSFER_TRAIN_EVALUATE_H
#define SSFER_TRAIN_EVALUATE_H

#include "data/loader.h"
#include "models/vit.h"
#include "train/metrics.h"

#include <stdio.h>

/* Feeds all pictures of the loader (epoch 0) through the model and their logits to `metrics` (cleared first).
 * acts may be planned for inference; its batch must be at least the loader's. progress NULL: no bar. stop: polled after
 * each batch, not 0 ends the evaluation with SSFER_ERR_CANCELLED; NULL: never. */
ssfer_status ssfer_evaluate(ssfer_compute *cx, const float *params, ssfer_vit_acts *acts, ssfer_loader *loader,
                            ssfer_metrics *metrics, FILE *progress, int (*stop)(void), ssfer_error *err);

#endif
