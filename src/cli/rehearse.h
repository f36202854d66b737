/* All stages of a plan, each as far as its own command can refuse it: before the first one starts. */
#ifndef SSFER_CLI_REHEARSE_H
#define SSFER_CLI_REHEARSE_H

#include "cli/plan.h"
#include "data/split.h"

/* The split that the stages share, as it is to become RUN/labels.json. */
typedef struct train_labels {
    ssfer_dataset *set; /* NULL: there is none to make */
    ssfer_split split;
} train_labels;

/* Chooses the labeled pictures, unless no stage needs them or those of RUN/labels.json stand. Nothing is written.
 * Release with deinit, also after an error. */
ssfer_status ssfer_plan_choose_labels(train_labels *labels, const train_plan *plan, const ssfer_log *log,
                                      ssfer_error *err);
void ssfer_plan_labels_deinit(train_labels *labels); /* {0} is fine */

/* Lets every stage that is not finished check its options and files by its own command (train/rehearsal.h). look: a
 * file that is missing is worth a warning only, and what depends on it is not checked. Errors begin with the stage. */
ssfer_status ssfer_plan_rehearse(const train_plan *plan, const train_labels *labels, bool look, const ssfer_cli *cli,
                                 ssfer_error *err);

#endif
