/* What run.c and run_checkpoint.c share. */
#ifndef SSFER_TRAIN_RUN_PRIVATE_H
#define SSFER_TRAIN_RUN_PRIVATE_H

#include "train/append.h"
#include "train/events.h"
#include "train/run.h"

struct ssfer_run {
    char *folder, *stage;
    size_t keep_checkpoints;
    bool finished;
    ssfer_append metrics;
    ssfer_events *events;
    char **tags; /* "STAGE/NAME" of the metrics seen so far */
    size_t tag_count, tag_capacity;
    ssfer_training_log own_log, *log; /* log: the stage's, or own_log */
    ssfer_tensor_set *checkpoint;     /* to resume from, until it is taken */
    ssfer_train_state state;
};

/* Removes what a killed process left half-written, here and in checkpoints/. Nobody else writes them: the folder's lock
 * is ours. */
void ssfer_run_remove_temporaries(const ssfer_run *run);

/* Looks for the newest readable checkpoint: sets run->checkpoint and run->state, or leaves both empty when there is
 * none at all. */
ssfer_status ssfer_run_find_checkpoint(ssfer_run *run, ssfer_error *err);

/* Loads checkpoints/good.safetensors into run->checkpoint and run->state and removes the checkpoints after it. */
ssfer_status ssfer_run_find_good(ssfer_run *run, ssfer_error *err);

#endif
