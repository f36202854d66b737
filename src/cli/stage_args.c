#include "cli/stage_args.h"

#include "cli/signals.h"
#include "data/class_sets.h"

void ssfer_training_from_args(ssfer_training_options *o, const ssfer_training_args *a, const char *out,
                              const ssfer_cli *cli)
{
    o->epochs = (size_t)a->epochs;
    o->batch = (size_t)a->batch_size;
    o->accumulate = (size_t)a->accumulate;
    o->lr = a->lr;
    o->min_lr = a->min_lr;
    o->warmup_epochs = a->warmup_epochs;
    o->optimizer.weight_decay = (float)a->weight_decay;
    o->optimizer.clip_grad = (float)a->clip_grad;
    o->optimizer.ema_decay = (float)a->ema;
    o->seed = (uint64_t)cli->common.seed;
    o->out = out;
    o->resume = a->resume;
    o->save_every = (size_t)a->save_every;
    o->threads = (size_t)cli->common.threads;
    o->checkpoint_activations = a->checkpoint_activations;
    o->precision = ssfer_cli_precision(cli);
    o->log = &cli->log;
    o->progress = cli->progress;
    o->report = cli->common.quiet ? NULL : stderr;
    o->verbose = cli->common.verbose;
    o->stop = ssfer_signals_received;
    o->given = cli->given;
    o->rehearsal = cli->rehearsal;
}

const ssfer_option SSFER_LABELED_OPTIONS[] = {
    {SSFER_OPTION_STRING(ssfer_labeled_args, data), .name = "data", .value = "D", .required = true,
     .help =
         "training pictures: a folder [split/]class/name, a tar of it, a list of tar shards, or a CSV of path,label"},
    {SSFER_OPTION_STRING(ssfer_labeled_args, split), .name = "split", .value = "S",
     .help = "which split of it to train on, if it has several"},
    {SSFER_OPTION_STRING(ssfer_labeled_args, valid_data), .name = "valid-data", .value = "D",
     .initial_help = "that of --data", .help = "where the validation pictures are"},
    {SSFER_OPTION_STRING(ssfer_labeled_args, valid_split), .name = "valid-split", .value = "S",
     .initial_help = "valid, val or test, if there is one", .help = "which split to validate on"},
    {SSFER_OPTION_STRING(ssfer_labeled_args, folder_classes), .name = "folder-classes", .value = "C",
     .initial_help = "themselves",
     .help = "what class folders that are numbers stand for: " SSFER_CLASS_SETS_ALL
             " (as in these data sets), or a file with a line FOLDER CLASS for each folder"},
    {SSFER_OPTION_FLOAT(ssfer_labeled_args, holdout), .name = "holdout", .value = "X", .initial = "0.1",
     .above_min = true, .max = 1, .below_max = true,
     .help = "share of the training pictures to validate on when there is no such split"},
    {SSFER_OPTION_FLOAT(ssfer_labeled_args, fraction), .name = "fraction", .value = "X", .initial = "1",
     .above_min = true, .max = 1, .conflicts = "labels", .help = "use only this share of the labels, class by class"},
    {SSFER_OPTION_STRING(ssfer_labeled_args, labels), .name = "labels", .value = "FILE",
     .help = "which pictures are labeled: a file of 'ssfer split', or the folder of a run, whose labels are meant"},
    {SSFER_OPTION_FLOAT(ssfer_labeled_args, max_bad), .name = "max-bad", .value = "X", .initial = "0.1", .max = 1,
     .on_resume = SSFER_RESUME_FREE, .help = "stop when a larger share of the pictures cannot be read"},
    {0}};

const ssfer_option SSFER_RESUMED_OPERANDS[] = {{.type = SSFER_OPTION_TYPE_STRING,
                                                .offset = 0,
                                                .name = "RUN",
                                                .help = "with --resume: the folder of the run to go on with"},
                                               {0}};

ssfer_labeled_options ssfer_labeled_from_args(const ssfer_labeled_args *a, const ssfer_cli *cli)
{
    return (ssfer_labeled_options){.data = a->data,
                                   .split = a->split,
                                   .valid_data = a->valid_data,
                                   .valid_split = a->valid_split,
                                   .folder_classes = a->folder_classes,
                                   .holdout = a->holdout,
                                   .fraction = a->fraction,
                                   .labels = a->labels,
                                   .rehearsal = cli->rehearsal};
}

ssfer_status ssfer_classifier_config(ssfer_vit_config *c, const ssfer_model_args *m, const char *init,
                                     const ssfer_cli *cli, ssfer_error *err)
{
    if (init && !ssfer_cli_given(cli, "arch")) {
        *c = (ssfer_vit_config){.image_size = (size_t)m->image_size,
                                .patch_size = (size_t)m->patch_size,
                                .embed_dim = (size_t)m->embed_dim,
                                .depth = (size_t)m->depth,
                                .heads = (size_t)m->heads};
        return SSFER_OK;
    }
    ssfer_status st = ssfer_model_config(c, m, err);
    if (init)
        c->heads = (size_t)m->heads;
    return st;
}
