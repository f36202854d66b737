#include "cli/commands.h"
#include "train/finetune.h"
#include "train/signal.h"

#include <string.h>

typedef struct finetune_args {
    const char *data, *split, *valid_data, *valid_split, *labels, *init, *out;
    double fraction, holdout, max_bad;
    double crop_scale, flip, erasing, smoothing, layer_decay;
    int erasing_mode, schedule, ema_warmup, decay;
    ssfer_model_args model;
    ssfer_training_args training;
} finetune_args;

static const char *const ON_OFF[] = {"on", "off", NULL};
static const char *const DECAY_CHOICES[] = {"all", "matrices", NULL};
static const char *const ERASING_CHOICES[] = {"pixel", "rand", "const", NULL};
static const char *const SCHEDULE_CHOICES[] = {"cosine", "constant", "released", NULL};

static const ssfer_option DATA[] = {
    {SSFER_OPTION_STRING(finetune_args, data), .name = "data", .value = "D", .required = true,
     .help =
         "training pictures: a folder [split/]class/name, a tar of it, a list of tar shards, or a CSV of path,label"},
    {SSFER_OPTION_STRING(finetune_args, split), .name = "split", .value = "S",
     .help = "which split of it to train on, if it has several"},
    {SSFER_OPTION_STRING(finetune_args, valid_data), .name = "valid-data", .value = "D",
     .initial_help = "that of --data", .help = "where the validation pictures are"},
    {SSFER_OPTION_STRING(finetune_args, valid_split), .name = "valid-split", .value = "S",
     .initial_help = "valid, val or test, if there is one", .help = "which split to validate on"},
    {SSFER_OPTION_FLOAT(finetune_args, holdout), .name = "holdout", .value = "X", .initial = "0.1", .above_min = true,
     .max = 1, .below_max = true, .help = "share of the training pictures to validate on when there is no such split"},
    {SSFER_OPTION_FLOAT(finetune_args, fraction), .name = "fraction", .value = "X", .initial = "1", .above_min = true,
     .max = 1, .conflicts = "labels", .help = "use only this share of the labels, class by class"},
    {SSFER_OPTION_STRING(finetune_args, labels), .name = "labels", .value = "FILE",
     .help = "a file of 'ssfer split' that says which pictures are labeled"},
    {SSFER_OPTION_FLOAT(finetune_args, max_bad), .name = "max-bad", .value = "X", .initial = "0.1", .max = 1,
     .help = "stop when a larger share of the pictures cannot be read"},
    {0}};

static const ssfer_option RUN[] = {
    {SSFER_OPTION_STRING(finetune_args, out), .name = "out", .letter = 'o', .value = "RUN", .required = true,
     .help = "folder of the run: recipe, metrics, checkpoints, model"},
    {SSFER_OPTION_STRING(finetune_args, init), .name = "init", .value = "CKPT",
     .help = "start from these weights (.safetensors or .pth), a masked autoencoder's or a classifier's, "
             "instead of random ones"},
    {0}};

static const ssfer_option METHOD[] = {
    {SSFER_OPTION_FLOAT(finetune_args, crop_scale), .name = "crop-scale", .value = "X", .initial = "0.2",
     .above_min = true, .max = 1, .help = "smallest area of a random crop, as a share of the picture"},
    {SSFER_OPTION_FLOAT(finetune_args, flip), .name = "flip", .value = "P", .initial = "0.5", .max = 1,
     .help = "probability of a horizontal flip"},
    {SSFER_OPTION_FLOAT(finetune_args, erasing), .name = "erasing", .value = "P", .initial = "0", .max = 1,
     .help = "probability that a random rectangle is erased"},
    {SSFER_OPTION_CHOICE(finetune_args, erasing_mode), .name = "erasing-mode", .choices = ERASING_CHOICES,
     .initial = "pixel", .help = "what an erased rectangle is filled with: noise, one colour, or zeros"},
    {SSFER_OPTION_FLOAT(finetune_args, smoothing), .name = "smoothing", .value = "X", .initial = "0.1", .max = 1,
     .below_max = true, .help = "label smoothing"},
    {SSFER_OPTION_CHOICE(finetune_args, schedule), .name = "schedule", .choices = SCHEDULE_CHOICES, .initial = "cosine",
     .help = "learning rate over time: warm-up and cosine per step, constant, or the published code's curve"},
    {SSFER_OPTION_FLOAT(finetune_args, layer_decay), .name = "layer-decay", .value = "X", .initial = "1",
     .above_min = true, .max = 1, .help = "learning rate of a block relative to the next one"},
    {SSFER_OPTION_CHOICE(finetune_args, decay), .name = "decay", .choices = DECAY_CHOICES, .initial = "all",
     .help = "what weight decay applies to: all parameters (as published) or matrices only"},
    {SSFER_OPTION_CHOICE(finetune_args, ema_warmup), .name = "ema-warmup", .choices = ON_OFF, .initial = "on",
     .help = "let the average forget its start: decay min(--ema, (1+t)/(10+t))"},
    {0}};

static void fill_options(ssfer_finetune_options *o, const finetune_args *a, const ssfer_cli *cli)
{
    static const ssfer_erasing_mode modes[] = {SSFER_ERASING_PIXEL, SSFER_ERASING_RAND, SSFER_ERASING_CONST};
    static const ssfer_schedule_kind schedules[] = {SSFER_SCHEDULE_COSINE, SSFER_SCHEDULE_CONSTANT,
                                                    SSFER_SCHEDULE_STAGE2_RELEASED};
    const ssfer_training_args *t = &a->training;
    *o = ssfer_finetune_defaults();
    o->data = a->data;
    o->split = a->split;
    o->valid_data = a->valid_data;
    o->valid_split = a->valid_split;
    o->holdout = a->holdout;
    o->fraction = a->fraction;
    o->labels = a->labels;
    o->max_bad_share = a->max_bad;
    o->init = a->init;
    o->epochs = (size_t)t->epochs;
    o->batch = (size_t)t->batch_size;
    o->accumulate = (size_t)t->accumulate;
    o->lr = t->lr;
    o->min_lr = t->min_lr;
    o->warmup_epochs = t->warmup_epochs;
    o->schedule = schedules[a->schedule];
    o->optimizer.weight_decay = (float)t->weight_decay;
    o->optimizer.decay_all = a->decay == 0;
    o->optimizer.layer_decay = (float)a->layer_decay;
    o->optimizer.clip_grad = (float)t->clip_grad;
    o->optimizer.ema_decay = (float)t->ema;
    o->optimizer.ema_warmup = a->ema_warmup == 0;
    o->transform.scale_min = a->crop_scale;
    o->transform.flip = a->flip;
    o->transform.erasing = a->erasing;
    o->transform.erasing_mode = modes[a->erasing_mode];
    o->smoothing = a->smoothing;
    o->seed = (uint64_t)cli->common.seed;
    o->out = a->out;
    o->resume = t->resume;
    o->save_every = (size_t)t->save_every;
    o->threads = (size_t)cli->common.threads;
    o->log = &cli->log;
    o->progress = cli->progress;
    o->report = cli->common.quiet ? NULL : stderr;
    o->stop = ssfer_signals_received;
}

/* A warm-up that the user did not ask for must not make a short run impossible. */
static void fit_warmup(ssfer_finetune_options *o, const ssfer_cli *cli)
{
    if (!ssfer_cli_given(cli, "warmup-epochs") && o->warmup_epochs > 0.1 * (double)o->epochs)
        o->warmup_epochs = 0.1 * (double)o->epochs;
    if (!ssfer_cli_given(cli, "min-lr") && o->min_lr > o->lr)
        o->min_lr = o->lr;
}

/* With --init, sizes that were not asked for are the checkpoint's: 0 stands for them, and they are checked with it. */
static ssfer_status model_config(ssfer_vit_config *c, const finetune_args *a, const ssfer_cli *cli, ssfer_error *err)
{
    const ssfer_model_args *m = &a->model;
    if (a->init && !ssfer_cli_given(cli, "arch")) {
        *c = (ssfer_vit_config){.image_size = (size_t)m->image_size,
                                .patch_size = (size_t)m->patch_size,
                                .embed_dim = (size_t)m->embed_dim,
                                .depth = (size_t)m->depth,
                                .heads = (size_t)m->heads};
        return SSFER_OK;
    }
    ssfer_status st = ssfer_model_config(c, m, err);
    if (a->init)
        c->heads = (size_t)m->heads;
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const finetune_args *args = data;
    ssfer_finetune_options options;
    ssfer_evaluation evaluation = {0};
    fill_options(&options, args, cli);
    fit_warmup(&options, cli);
    ssfer_status st = model_config(&options.model, args, cli, err);
    if (st != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options.model.drop_path = (float)args->training.drop_path;
    st = ssfer_signals_install(err);
    if (st == SSFER_OK) {
        st = ssfer_finetune(&options, &evaluation, err);
        ssfer_signals_restore();
    }
    if (st == SSFER_OK) {
        ssfer_evaluation_print(cli->out, &evaluation);
        ssfer_info(&cli->log, "the model is %s/model.safetensors", args->out);
    }
    ssfer_evaluation_deinit(&evaluation);
    return st;
}

const ssfer_command SSFER_COMMAND_FINETUNE = {
    .name = "finetune",
    .group = SSFER_COMMAND_GROUP_TRAIN,
    .summary = "train a classifier on labeled faces (Stage II)",
    .description =
        "Trains a vision transformer on labeled pictures of faces, from random weights or from --init: then the model "
        "has the checkpoint's sizes where no option says otherwise, positions are resampled when the grid differs, and "
        "a decoder is dropped. After each epoch it is validated, on the averaged weights (EMA) where there are any; "
        "the best ones become "
        "RUN/model.safetensors, which 'ssfer eval' and 'ssfer predict' take.\n\n"
        "A run that is interrupted (Ctrl-C once, or SIGTERM) saves a checkpoint; --resume goes on and ends with the "
        "same weights as if nothing had happened.",
    .groups = {{"Data", DATA, 0},
               {"Run", RUN, 0},
               {"Model", SSFER_MODEL_OPTIONS, offsetof(finetune_args, model)},
               {"Training", SSFER_TRAINING_OPTIONS, offsetof(finetune_args, training)},
               {"Method", METHOD, 0}},
    .initials = {{"epochs", "100"}},
    .examples = {{"ssfer finetune --data ferplus.tar --split train --arch tiny --image-size 48 --patch-size 8 -o run",
                  "Train a small model on FER+."},
                 {"ssfer finetune --data raf-db --split train --init pretrained.pth --fraction 0.1 -o run",
                  "A tenth of RAF-DB's labels, from a pre-trained encoder."}},
    .args_size = sizeof(finetune_args),
    .run = run,
};
