#include "cli/rehearse.h"

#include "base/file.h"
#include "nn/try.h"

#include <string.h>

ssfer_status ssfer_plan_choose_labels(train_labels *labels, const train_plan *plan, const ssfer_log *log,
                                      ssfer_error *err)
{
    const train_stage *stage = ssfer_plan_first_labeled(plan);
    *labels = (train_labels){0};
    if (!stage || !plan->labels || ssfer_plan_labels_stand(plan))
        return SSFER_OK;
    const ssfer_dataset_options options = {.split = ssfer_stage_string(stage, "split"),
                                           .folder_classes = ssfer_stage_string(stage, "folder-classes"),
                                           .log = log};
    TRY(ssfer_dataset_open(&labels->set, ssfer_stage_string(stage, "data"), &options, err));
    return plan->labels_from
               ? ssfer_split_load(&labels->split, labels->set, plan->labels_from, err)
               : ssfer_split_make(&labels->split, labels->set, plan->fraction, (uint64_t)stage->common.seed, err);
}

void ssfer_plan_labels_deinit(train_labels *labels)
{
    ssfer_split_deinit(&labels->split);
    ssfer_dataset_close(labels->set);
    *labels = (train_labels){0};
}

/* What stage i will find that is not there yet. */
static ssfer_rehearsal expect(const train_plan *plan, size_t i, const train_labels *labels,
                              const ssfer_tensor_set *former)
{
    const train_stage *stage = &plan->stages[i];
    const char *file = ssfer_stage_string(stage, "labels");
    const bool shared = file && plan->labels && strcmp(file, plan->labels) == 0;
    return (ssfer_rehearsal){.init_later =
                                 ssfer_plan_takes_former(plan, i) && !ssfer_file_exists(plan->stages[i - 1].model),
                             .init = former,
                             .labels_later = shared && !ssfer_plan_labels_stand(plan),
                             .labels = labels->split.labeled_count ? &labels->split : NULL,
                             .labels_set = labels->set};
}

/* Of a real run the stage itself will say it. */
static ssfer_log quiet_log(const ssfer_cli *cli, bool look)
{
    ssfer_log log = cli->log;
    log.most = look && log.most > SSFER_LOG_WARNING ? SSFER_LOG_WARNING : look ? log.most : SSFER_LOG_ERROR;
    return log;
}

static ssfer_status rehearse_stage(const train_stage *stage, ssfer_rehearsal *r, bool look, const ssfer_cli *cli,
                                   ssfer_error *err)
{
    ssfer_cli own = *cli;
    own.command = stage->command;
    own.parsed = stage->parsed;
    own.common = stage->common;
    own.rehearsal = r;
    own.log = quiet_log(cli, look);
    own.progress = NULL;
    if (own.common.threads == 0)
        own.common.threads = cli->common.threads;
    TRY(ssfer_common_check(&own.common, err));
    return stage->command->run(&own, stage->args, err);
}

ssfer_status ssfer_plan_rehearse(const train_plan *plan, const train_labels *labels, bool look, const ssfer_cli *cli,
                                 ssfer_error *err)
{
    ssfer_tensor_set *former = NULL;
    ssfer_status st = SSFER_OK;
    bool complete = true; /* nothing was missing so far */
    for (size_t i = 0; st == SSFER_OK && i < plan->stage_count; i++) {
        const train_stage *stage = &plan->stages[i];
        ssfer_rehearsal r = expect(plan, i, labels, former);
        if (ssfer_stage_finished(stage))
            continue;
        complete = complete && !ssfer_rehearsal_lacks_labels(&r);
        if (complete && r.init_later && !former)
            st = ssfer_fail(err, SSFER_ERR_ARGUMENT,
                            "%s: it starts from the model of %s, which leaves none to go on from (--folds); give init",
                            stage->name, plan->stages[i - 1].name);
        else if ((st = rehearse_stage(stage, &r, look, cli, err)) != SSFER_OK)
            ssfer_fail_prefix(err, st, "%s", stage->name);
        if (st == SSFER_ERR_IO && look) {
            ssfer_warn(&cli->log, "%s", err ? err->message : "");
            st = SSFER_OK;
            complete = false;
        }
        ssfer_tensor_set_destroy(former);
        former = r.model;
    }
    ssfer_tensor_set_destroy(former);
    return st;
}
