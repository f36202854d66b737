/* The classifier that a stage trains: made from --init or at random, judged on the validation pictures, stored, and
 * reported on when the run is over. */
#ifndef SSFER_TRAIN_TRAINEE_H
#define SSFER_TRAIN_TRAINEE_H

#include "models/classifier.h"
#include "train/labeled.h"
#include "train/metrics.h"
#include "train/training.h"

typedef struct ssfer_trainee {
    const ssfer_training_options *options; /* borrowed until deinit, as is all that init takes */
    const ssfer_labeled *data;
    const char *init;
    ssfer_compute *cx;
    ssfer_classifier model;
    ssfer_vit_acts valid_acts;
    ssfer_loader *valid_loader;
    ssfer_metrics *metrics; /* of the last evaluation */
} ssfer_trainee;

/* config: classes come from the data; what is 0 comes from the checkpoint. init: a checkpoint whose weights are taken
 * (models/transfer.h), NULL: random. Also refuses a transform that makes no sense. Release with deinit, also after an
 * error. In a rehearsal there are no weights. */
ssfer_status ssfer_trainee_init(ssfer_trainee *t, ssfer_compute *cx, const ssfer_vit_config *config, const char *init,
                                const ssfer_labeled *data, const ssfer_training_options *options, ssfer_error *err);
/* The end of a rehearsal: what the model will be. */
ssfer_status ssfer_trainee_sketch(const ssfer_trainee *t, ssfer_error *err);
void ssfer_trainee_deinit(ssfer_trainee *t); /* before the run is closed: workers write to its log; {0} is fine */

/* Makes the loader of the validation pictures: before the functions below. */
ssfer_status ssfer_trainee_open_validation(ssfer_trainee *t, const ssfer_log *log, ssfer_error *err);

/* Validates weights, a block of model.vit.table. The caller deinits the evaluation. */
ssfer_status ssfer_trainee_evaluate(ssfer_trainee *t, const float *weights, ssfer_evaluation *evaluation,
                                    ssfer_error *err);

/* For ssfer_loop_task.judge and .store; the score is the accuracy. */
ssfer_status ssfer_trainee_judge(ssfer_trainee *t, const float *weights, ssfer_metric_list *metrics, double *score,
                                 ssfer_error *err);
ssfer_status ssfer_trainee_store(const ssfer_trainee *t, const float *weights, ssfer_tensor_set *set, ssfer_error *err);

/* report.html of the finished run: curves, figures on the validation pictures, examples of them. After evaluate. */
ssfer_status ssfer_trainee_report(const ssfer_trainee *t, const ssfer_run *run, const ssfer_evaluation *figures,
                                  ssfer_error *err);

/* The section "model" of recipe.yaml. */
void ssfer_trainee_describe(ssfer_recipe *r, const ssfer_trainee *t);

#endif
