/* A run is a folder. One training stage writes it, and can be killed at any moment and go on bit for bit:
 *
 *     RUN/recipe.yaml          everything resolved (run_recipe.h)
 *     RUN/labels.json          of Stages II and III: which pictures are labeled (data/split.h)
 *     RUN/metrics.jsonl        an object a record: {"stage", "epoch", "step", NAME: number...}
 *     RUN/events.out.tfevents.* the same for TensorBoard, tags "STAGE/NAME"
 *     RUN/training.log         what was said, with the time (training_log.h)
 *     RUN/checkpoints/step-00001200.safetensors   the newest K, and best.safetensors, good.safetensors
 *     RUN/model.safetensors    the result; its presence means that the run is finished
 *
 * Contract with the loop: all records of a step are written before the checkpoint of that step is saved. On resume the
 * records beyond the checkpoint's step are cut off, so the files end up as if nothing had happened.
 *
 * Names that the report knows: loss, lr, images_per_second, wait_share, validation_loss, accuracy, mean_class_accuracy,
 * macro_f1; those of guards.h; any other name is kept and plotted too. */
#ifndef SSFER_TRAIN_RUN_H
#define SSFER_TRAIN_RUN_H

#include "base/log.h"
#include "base/status.h"
#include "io/tensor_set.h"
#include "train/run_recipe.h"
#include "train/training_log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

typedef struct ssfer_run ssfer_run;

/* Where a training stands: with the parameters, the optimizer's state and the seed, all that a resume needs, since
 * random numbers have no state (base/rng.h). Kept as JSON in a checkpoint's metadata under "train_state". */
typedef struct ssfer_train_state {
    char stage[24];
    size_t epoch;      /* epochs done */
    size_t iteration;  /* optimizer steps done of the epoch under way; 0 between epochs */
    size_t step;       /* optimizer steps done in all */
    size_t best_epoch; /* 1-based; 0: none yet */
    double best;       /* the figure that decides which checkpoint is best */
    double elapsed_s;  /* training time in all */
    double epoch_loss; /* sums over the epoch under way, so that its means survive a resume */
    size_t epoch_images, epoch_right;
    size_t rollbacks;   /* returns to a good checkpoint so far */
    double lr_scale;    /* what they left of the learning rate; 1 without any */
    double window_loss; /* the same since the last record of steps */
    size_t window_images;
} ssfer_train_state;

/* JSON on one line; freed with ssfer_free. */
ssfer_status ssfer_train_state_write(char **text, const ssfer_train_state *state, ssfer_error *err);
ssfer_status ssfer_train_state_parse(ssfer_train_state *state, const char *text, const char *name, ssfer_error *err);

typedef struct ssfer_run_options {
    const char *folder;
    const char *stage;                /* "pretrain", "finetune", "semi"; shorter than 24 bytes */
    bool resume;                      /* go on with what is there; starts anew if nothing is */
    size_t keep_checkpoints;          /* newest to keep beside the best, >= 1 */
    const ssfer_recipe *recipe;       /* borrowed during open */
    ssfer_training_log *training_log; /* of the stage, which talks before and after, too; borrowed until close. NULL:
                                       * the run has one of its own, which passes on to `log` */
    const ssfer_log *log;             /* may be NULL; borrowed until close */
} ssfer_run_options;

/* Creates the folder, or continues it. Errors, each saying what to do:
 *   SSFER_ERR_ARGUMENT  without resume: the folder holds a run that has begun, or other files; with resume: it holds a
 *                       run of another recipe that has begun; another process is training in it
 *   SSFER_ERR_IO        the folder cannot be written
 *   SSFER_ERR_FORMAT    with resume: checkpoints are there and none can be read */
ssfer_status ssfer_run_open(ssfer_run **out, const ssfer_run_options *options, ssfer_error *err);
void ssfer_run_close(ssfer_run *run); /* NULL is fine */

/* Whether the folder holds a run with something to lose: a model, a checkpoint, or a record of a step. One that failed
 * or was killed before that is in nobody's way: it starts anew, with other options, too. */
bool ssfer_run_has_begun(const char *folder);

/* What to resume from: the newest checkpoint that can be read, with its state. Ownership of the set goes to the caller;
 * NULL when the training starts from the beginning. */
ssfer_tensor_set *ssfer_run_take_checkpoint(ssfer_run *run, ssfer_train_state *state);

/* model.safetensors was there when the run was opened. */
bool ssfer_run_is_finished(const ssfer_run *run);

/* Writes to training.log (level INFO and above) and passes on. Valid until close; for any thread. */
const ssfer_log *ssfer_run_log(const ssfer_run *run);
/* The whole of it, for notes that only the file gets. */
ssfer_training_log *ssfer_run_training_log(ssfer_run *run);

/* FOLDER/name; freed with ssfer_free; NULL without memory. */
char *ssfer_run_path(const ssfer_run *run, const char *name);

typedef struct ssfer_metric {
    const char *name;
    double value;
} ssfer_metric;

/* The figures of a record, in order, as many as there are. {0} is empty; names are borrowed. An addition for which
 * there is no memory is remembered in `failed`. */
typedef struct ssfer_metric_list {
    ssfer_metric *items;
    size_t count, capacity;
    bool failed;
} ssfer_metric_list;

void ssfer_metric_list_add(ssfer_metric_list *list, const char *name, double value);
void ssfer_metric_list_deinit(ssfer_metric_list *list);

/* One record in metrics.jsonl and the event file. epoch as people count it (from 1), step: optimizer steps done. */
ssfer_status ssfer_run_record(ssfer_run *run, size_t epoch, size_t step, const ssfer_metric *metrics, size_t count,
                              ssfer_error *err);

/* Saves checkpoints/step-STEP.safetensors atomically, with the state in the set's metadata, then removes older ones
 * beyond the newest K. best: also becomes checkpoints/best.safetensors (a hard link, so it costs nothing; a second copy
 * where the file system has none). The set's tensors are only read. */
ssfer_status ssfer_run_save(ssfer_run *run, ssfer_tensor_set *set, const ssfer_train_state *state, bool best,
                            ssfer_error *err);

/* Names the checkpoint of this step, which is among the newest K, as the one to return to:
 * checkpoints/good.safetensors, a hard link like the best one (a copy where there are none). It stays when its step is
 * removed. */
ssfer_status ssfer_run_mark_good(ssfer_run *run, size_t step, ssfer_error *err);

/* Goes back to the good checkpoint as if what came after it had not happened: cuts the records beyond its step, removes
 * younger checkpoints, and gives its set (the caller's) and state. */
ssfer_status ssfer_run_rewind(ssfer_run *run, ssfer_tensor_set **set, ssfer_train_state *state, ssfer_error *err);

/* Writes model.safetensors: the run is finished. */
ssfer_status ssfer_run_finish(ssfer_run *run, const ssfer_tensor_set *model, ssfer_error *err);

#endif
