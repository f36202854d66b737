/* What a recipe says, as the command lines of its stages.
 *
 *     extends: base.yaml         # another recipe's keys first, those here over them; its path starts from this file
 *     stages: [finetune, semi]   # which to run; without it, those that have a section
 *     data: ferplus.tar          # an option of stages: given to every stage that knows it
 *     fraction: 0.05             # or labels: FILE; one split for all stages, kept as RUN/labels.json
 *     pretrain:                  # an option of this stage alone, over the common one
 *       data: faces.tar
 *       epochs: 600
 *
 * The keys of a stage are the options of its command, checked by that command's own table; `_` may stand for `-`. What
 * the command line says (--set, --seed, ...) holds over all of it: without a stage, for every stage that knows it, the
 * later of two over the earlier. Two exceptions: a common `init` is the first stage's, and what describes a common
 * option
 * (`split` of `data`) does not go to a stage with one of its own.
 *
 * A run keeps what it is made of as RUN/recipe.yaml, a recipe that makes it again. When the run goes on, a stage that
 * has begun keeps its options, and a new value is told of and passed over; the other stages may be given any. */
#ifndef SSFER_CLI_PLAN_H
#define SSFER_CLI_PLAN_H

#include "base/text_pool.h"
#include "cli/cli.h"
#include "io/yaml.h"

enum { TRAIN_MAX_STAGES = 3, TRAIN_MAX_DEPTH = 8 };

/* A key as it holds in the end. */
typedef struct train_setting {
    const char *section; /* a stage; NULL: all */
    const char *key;
    char *const *values;
    size_t value_count;
    const char *where; /* "FILE:LINE" or "--set KEY=VALUE" */
    size_t rank;       /* 0: of a recipe; else of the command line, so many-th */
} train_setting;

typedef struct train_stage {
    const ssfer_command *command;
    char *name, *folder, *model; /* "1-pretrain", RUN/1-pretrain, RUN/1-pretrain/model.safetensors */
    bool begun;                  /* of a run that goes on: it has done something that it must not lose */
    char **words;                /* its command line */
    size_t word_count, word_capacity;
    void *args; /* what its table makes of it */
    ssfer_parsed parsed;
    ssfer_common_args common;
} train_stage;

typedef struct train_plan {
    const char *path;   /* the recipe */
    ssfer_yaml **files; /* what the settings point into: the recipes, and a small one for each --set */
    size_t file_count, file_capacity;
    ssfer_text_pool text;
    train_setting *settings;
    size_t count, capacity;
    train_stage stages[TRAIN_MAX_STAGES];
    size_t stage_count;
    const char *labels_from; /* the file that `labels` names, or NULL: chosen by `fraction` */
    double fraction;
    char *labels;              /* RUN/labels.json; NULL: no stage takes labels */
    size_t set_count;          /* settings of the command line so far */
    struct train_plan *before; /* of a run that goes on: what its record says; else NULL */
} train_plan;

typedef struct train_plan_options {
    const char *path, *out;
    const ssfer_strings *sets; /* KEY=VALUE or STAGE.KEY=VALUE */
    bool resume;
} train_plan_options;

/* Reads and checks everything that can be known without data. Zero-initialised by the call; deinit in any case.
 * Errors: SSFER_ERR_FORMAT or SSFER_ERR_ARGUMENT, "FILE:LINE: KEY: what is wrong; what to do". */
ssfer_status ssfer_plan_read(train_plan *plan, const train_plan_options *options, const ssfer_cli *cli,
                             ssfer_error *err);
void ssfer_plan_deinit(train_plan *plan);

/* The setting that holds, or NULL. section NULL: the common one. */
const train_setting *ssfer_plan_find(const train_plan *plan, const char *section, const char *key);

/* Where an option's value lies in the stage's parsed structure; NULL: the command has no such option. */
const void *ssfer_stage_value(const train_stage *stage, const char *option);
const char *ssfer_stage_string(const train_stage *stage, const char *option); /* NULL: absent or not given */
bool ssfer_stage_given(const train_stage *stage, const char *option);

/* Whether a stage's folder holds something that it must not lose, and whether a name could be that of one. */
bool ssfer_stage_has_begun(const char *folder);
bool ssfer_plan_is_stage_folder(const char *name);

/* Whether nothing is left to do: its model and, written last, its report are there. */
bool ssfer_stage_finished(const train_stage *stage);

/* The first stage that learns from labels; NULL: there is none. */
const train_stage *ssfer_plan_first_labeled(const train_plan *plan);

/* Whether RUN/labels.json is there and must stay: a stage has learned from it, or nothing that decides it has changed.
 */
bool ssfer_plan_labels_stand(const train_plan *plan);

/* Whether `init` is what the stage before makes. */
bool ssfer_plan_takes_former(const train_plan *plan, size_t stage);

/* The plan in the form of a recipe: each stage's options in its own section. */
void ssfer_plan_describe(ssfer_recipe *recipe, const train_plan *plan);

/* The structure of a shared table (SSFER_MODEL_OPTIONS, ...) in the stage's own; NULL: it does not use the table. */
const void *ssfer_stage_group(const train_stage *stage, const ssfer_option *table);

#endif
