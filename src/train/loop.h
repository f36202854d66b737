/* The training loop that all stages share: epochs, accumulation, schedule, AdamW and EMA, records, checkpoints, resume,
 * stopping. A stage says how a step's gradients come about and how the result is judged.
 *
 * A run that is stopped and resumed ends with the same weights, byte for byte, as one that was not (same thread count):
 * parameters, moments and EMA are in the checkpoint, and everything random is named by its position (base/rng.h).
 *
 * A loss or gradient that is not finite changes nothing and ends the run with SSFER_ERR_NUMERIC; or, with rollbacks,
 * the run returns to the last good checkpoint and goes on at half the learning rate, for good. Good checkpoints are
 * that of the start, and those of every save_every-th epoch once a step has been made from them; never those that a
 * signal left behind. Where the run returns to is then a function of the run alone, and stopping and resuming still
 * changes nothing.
 */
#ifndef SSFER_TRAIN_LOOP_H
#define SSFER_TRAIN_LOOP_H

#include "compute/compute.h"
#include "nn/optimizer.h"
#include "nn/schedule.h"
#include "train/run.h"

#include <stdio.h>

typedef struct ssfer_loop_position {
    size_t epoch, iteration; /* from 0; iteration counts optimizer steps within the epoch */
    uint64_t step;           /* optimizer steps before this one, over all epochs */
    const float *average;    /* the weights' average (EMA) before this step, a block of the table; NULL: none is kept */
} ssfer_loop_position;

/* What a step adds to the epoch's record. */
typedef struct ssfer_loop_sums {
    double loss;          /* sum over pictures */
    size_t images, right; /* right: predicted as labeled, where that means anything */
    double wait_s;        /* time that went by while there were no pictures to go on with */
} ssfer_loop_sums;

/* A stage. `user` is the stage's own state; parameters and gradients are the loop's blocks. */
typedef struct ssfer_loop_task {
    void *user;
    const ssfer_param_table *table;
    /* Before a run that does not resume: may change where it starts (parameters, moments, state.epoch and .step). May
     * be NULL. */
    ssfer_status (*begin)(void *user, float *params, ssfer_optimizer *optimizer, ssfer_train_state *state,
                          ssfer_error *err);
    const char
        *score_name; /* of the figure that decides which checkpoint is best, larger is better; NULL: no judging */

    /* Before the first step of an epoch, or of the rest of one after a resume. */
    ssfer_status (*start_epoch)(void *user, const ssfer_loop_position *at, ssfer_error *err);
    /* grads (zeroed before) += gradients of one step's mean loss per micro-batch, `accumulate` times. */
    ssfer_status (*gradients)(void *user, const float *params, float *grads, const ssfer_loop_position *at,
                              ssfer_loop_sums *sums, ssfer_error *err);
    /* After an epoch's last step: adds figures of the stage's own to the epoch's record. An error ends the run or rolls
     * it back, as one of a step does. May be NULL. */
    ssfer_status (*describe)(void *user, ssfer_metric_list *metrics, ssfer_error *err);
    /* After an epoch (judge_every): validates `weights` (EMA, or the parameters), adds figures to the epoch's record
     * and sets the score. May be NULL. */
    ssfer_status (*judge)(void *user, const float *weights, ssfer_metric_list *metrics, double *score,
                          ssfer_error *err);
    /* Adds weights and metadata of a model file to a set. */
    ssfer_status (*store)(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err);
    /* The same for model.safetensors, where that is another model than the one which is trained; NULL: as store. */
    ssfer_status (*store_model)(void *user, const float *weights, ssfer_tensor_set *set, ssfer_error *err);
    /* What a checkpoint keeps of the stage beside weights and moments: adds tensors to it (their data is borrowed until
     * the checkpoint is written), and takes them back. Both NULL: nothing. */
    ssfer_status (*save)(void *user, ssfer_tensor_set *set, ssfer_error *err);
    ssfer_status (*restore)(void *user, const ssfer_tensor_set *set, ssfer_error *err);
} ssfer_loop_task;

typedef struct ssfer_loop_options {
    const char *stage;
    size_t epochs, iterations; /* iterations: optimizer steps of an epoch */
    size_t accumulate;         /* micro-batches of a step */
    size_t record_every;       /* steps between records inside an epoch; 0: epochs only */
    size_t judge_every;        /* epochs between judgements; the last is judged too; 0: as 1 */
    size_t save_every;         /* epochs between checkpoints; 0: only the best and the last */
    size_t rollbacks;          /* at most so many, for tasks without a score; 0: stop at the first bad number */
    ssfer_schedule schedule;
    ssfer_optimizer_options optimizer;
    FILE *progress;    /* for the bar; NULL: none */
    FILE *report;      /* a line an epoch for people; NULL: none */
    bool verbose;      /* the line says more */
    int (*stop)(void); /* polled after each step: not 0 saves a checkpoint and ends; NULL: never */
} ssfer_loop_options;

/* Trains `params` (a block of task->table, initialised by the caller) until the last epoch; writes the run's
 * model.safetensors from the best weights (the last ones without a score). Returns SSFER_ERR_CANCELLED when stopped,
 * the checkpoint being written. `best` (may be NULL) receives the weights that were written. */
ssfer_status ssfer_loop_run(ssfer_compute *cx, ssfer_run *run, const ssfer_loop_task *task, float *params,
                            const ssfer_loop_options *options, float *best, ssfer_error *err);

#endif
