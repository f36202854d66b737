/* What the stages have in common when they train: settings, the plan of steps, loaders, and how a run is opened. */
#ifndef SSFER_TRAIN_TRAINING_H
#define SSFER_TRAIN_TRAINING_H

#include "base/log.h"
#include "data/loader.h"
#include "train/loop.h"
#include "train/rehearsal.h"

typedef struct ssfer_training_options {
    size_t epochs, batch, accumulate;
    double lr, min_lr, warmup_epochs;
    ssfer_schedule_kind schedule;
    ssfer_optimizer_options optimizer;
    ssfer_transform transform; /* of the training pictures; its size is set from the model */
    double max_bad_share;      /* of the pictures; see data/loader.h */
    uint64_t seed;

    /* The run. */
    const char *out;
    bool resume;
    size_t judge_every, save_every, keep; /* epochs; train/loop.h */
    size_t threads;
    ssfer_precision precision;
    bool checkpoint_activations; /* nn/stack.h: less memory, more time */
    const ssfer_log *log;
    FILE *progress, *report;
    bool verbose; /* train/loop.h */
    int (*stop)(void);
    const ssfer_recipe *given;  /* what the user asked for, a section of recipe.yaml; NULL: none */
    ssfer_rehearsal *rehearsal; /* NULL: train */
} ssfer_training_options;

/* What the settings are wrong in before any picture is looked at. */
ssfer_status ssfer_training_check(const ssfer_training_options *o, ssfer_error *err);

/* batch: that of the options, which have passed the check, or all pictures if there are fewer. iterations: steps of an
 * epoch. Errors: SSFER_ERR_ARGUMENT when not even one step comes about. */
ssfer_status ssfer_training_plan(size_t *batch, size_t *iterations, const ssfer_training_options *o, size_t pictures,
                                 ssfer_error *err);

ssfer_schedule ssfer_training_schedule(const ssfer_training_options *o, size_t iterations);
ssfer_loop_options ssfer_training_loop(const ssfer_training_options *o, const char *stage, size_t iterations);

/* Loaders of a stage's pictures: shuffled, augmented and dropping the last part of a batch; or each once, as for
 * evaluation, normalised alike. The caller fills in set, indices and index_count, batch and threads. */
ssfer_loader_options ssfer_training_loader(const ssfer_training_options *o, uint32_t stage, size_t size,
                                           const ssfer_log *log);
ssfer_loader_options ssfer_validation_loader(const ssfer_training_options *o, size_t size, const ssfer_log *log);

/* Entries of recipe.yaml: how the weights are updated, in a section that is open. */
void ssfer_training_describe_updates(ssfer_recipe *r, const ssfer_training_options *o);

/* Sections of recipe.yaml. RandAugment and random erasing are a part of "augmentation" where the
 * stage has them (strong). */
void ssfer_training_describe_augmentation(ssfer_recipe *r, const ssfer_transform *t, bool strong);

/* Adds the sections "machine" and "options" to the recipe and opens the run. log: the stage's, to which o->log leads. */
ssfer_status ssfer_training_open_run(ssfer_run **run, const ssfer_training_options *o, ssfer_training_log *log,
                                     const char *stage, ssfer_recipe *recipe, const ssfer_compute *cx,
                                     ssfer_error *err);

#endif
