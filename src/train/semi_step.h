/* A step of Stage III: what student and teacher consist of, which batches they meet, and the gradients that come of it.
 * Private to semi.c, which runs the training. */
#ifndef SSFER_TRAIN_SEMI_STEP_H
#define SSFER_TRAIN_SEMI_STEP_H

#include "models/classifier.h"
#include "train/abc.h"
#include "train/pseudo_mixup.h"
#include "train/pseudo_record.h"
#include "train/semi.h"
#include "train/semi_loss.h"

typedef struct ssfer_semi_step {
    const ssfer_semi_options *options; /* borrowed until deinit, as is all that init takes */
    ssfer_compute *cx;
    const ssfer_labeled *data;
    ssfer_unlabeled *unlabeled;
    const ssfer_vit *vit; /* student and teacher: the classifier that init was given, or abc.vit */
    ssfer_endless labeled;
    ssfer_vit_acts student, teacher;
    ssfer_select select;
    ssfer_pseudo pseudo;
    ssfer_pseudo_record record;
    ssfer_pseudo_mixup mixup; /* of options->pseudo_mixup */
    ssfer_abc abc;            /* of options->abc */
    ssfer_semi_loss loss;
    size_t *balanced;         /* the labeled pictures, those of small classes over and over; or NULL */
    float *targets, *weights; /* (B, K), (B): of labeled pictures */
    float *logits;            /* (B, outputs): the student's */
    float *opinions;          /* (mu B, K): the teacher's logits */
    size_t batch;             /* mu B */
    size_t part;              /* pictures that go through a model at a time, nn/stack.h */
} ssfer_semi_step;

/* For the model of the weights in `model`, which are read now if a head is added to them. Refuses what the labels do
 * not allow; in a rehearsal that is all. Release with deinit, also after an error. */
ssfer_status ssfer_semi_step_init(ssfer_semi_step *s, const ssfer_semi_options *options, ssfer_compute *cx,
                                  const ssfer_classifier *model, const ssfer_labeled *data, ssfer_unlabeled *unlabeled,
                                  ssfer_error *err);
/* Starts to load batches: the last thing before the first step. */
ssfer_status ssfer_semi_step_open(ssfer_semi_step *s, const ssfer_log *log, ssfer_error *err);
void ssfer_semi_step_deinit(ssfer_semi_step *s); /* before the run is closed: workers write to its log; {0} is fine */

/* As ssfer_loop_task has them, for weights of s->vit. */
ssfer_status ssfer_semi_step_start_epoch(ssfer_semi_step *s, const ssfer_loop_position *at, ssfer_error *err);
ssfer_status ssfer_semi_step_gradients(ssfer_semi_step *s, const float *params, float *grads,
                                       const ssfer_loop_position *at, ssfer_loop_sums *sums, ssfer_error *err);

#endif
