#include "cli/commands.h"

#include "base/number.h"
#include "cli/mae_args.h"
#include "cli/signals.h"
#include "cli/stage_args.h"
#include "train/pretrain.h"

#include <math.h>
#include <string.h>

typedef struct pretrain_args {
    const char *run; /* the operand */
    const char *data, *split, *init, *continue_from, *out;
    double holdout, max_bad;
    int64_t start_epoch;
    double crop_scale, flip;
    int schedule, decay, on_nan;
    ssfer_model_args model;
    ssfer_decoder_args decoder;
    ssfer_training_args training;
} pretrain_args;

enum { MAX_ROLLBACKS = 5 }; /* five halvings: a rate of 3 % that still fails is not the cause */

static const char *const DECAY_CHOICES[] = {"all", "matrices", NULL};
static const char *const SCHEDULE_CHOICES[] = {"released", "mae", "cosine", "constant", NULL};
static const char *const ON_NAN_CHOICES[] = {"stop", "rollback", NULL};

static const ssfer_option DATA[] = {
    {SSFER_OPTION_STRING(pretrain_args, data), .name = "data", .value = "D[,D...]", .required = true,
     .help = "pictures of faces: folders, tars or CSV lists, several with commas; labels are ignored"},
    {SSFER_OPTION_STRING(pretrain_args, split), .name = "split", .value = "S", .initial_help = "all",
     .describes = "data", .help = "which split of it to learn from, where the pictures lie in split/class/name"},
    {SSFER_OPTION_FLOAT(pretrain_args, holdout), .name = "holdout", .value = "X", .initial = "0.02", .max = 1,
     .below_max = true, .help = "share of the pictures that is kept aside and measured after each epoch; 0: none"},
    {SSFER_OPTION_FLOAT(pretrain_args, max_bad), .name = "max-bad", .value = "X", .initial = "0.1", .max = 1,
     .on_resume = SSFER_RESUME_FREE, .help = "stop when a larger share of the pictures cannot be read"},
    {0}};

static const ssfer_option RUN[] = {
    {SSFER_OPTION_STRING(pretrain_args, out), .name = "out", .letter = 'o', .value = "RUN", .required = true,
     .on_resume = SSFER_RESUME_CALL, .help = "folder of the run: recipe, metrics, checkpoints, curves, model"},
    {SSFER_OPTION_STRING(pretrain_args, init), .name = "init", .value = "CKPT", .conflicts = "continue",
     .help = "start from these weights (.safetensors or .pth) instead of random ones"},
    {SSFER_OPTION_STRING(pretrain_args, continue_from), .name = "continue", .value = "CKPT",
     .help =
         "go on from a training checkpoint, optimizer and epoch included: the published one, or one of another run"},
    {SSFER_OPTION_INT(pretrain_args, start_epoch), .name = "start-epoch", .value = "N", .initial = "-1",
     .initial_help = "what the checkpoint says", .min = -1, .max = 1000000,
     .help = "with --continue: how many epochs count as done"},
    {0}};

static const ssfer_option METHOD[] = {
    {SSFER_OPTION_FLOAT(pretrain_args, crop_scale), .name = "crop-scale", .value = "X", .initial = "0.2",
     .above_min = true, .max = 1, .help = "smallest area of a random crop, as a share of the picture"},
    {SSFER_OPTION_FLOAT(pretrain_args, flip), .name = "flip", .value = "P", .initial = "0.5", .max = 1,
     .help = "probability of a horizontal flip"},
    {SSFER_OPTION_CHOICE(pretrain_args, schedule), .name = "schedule", .choices = SCHEDULE_CHOICES,
     .initial = "released",
     .help =
         "learning rate over time: the published code's curve per epoch, MAE's own per step, the same without a jump "
         "at its start, or constant"},
    {SSFER_OPTION_CHOICE(pretrain_args, decay), .name = "decay", .choices = DECAY_CHOICES, .initial = "all",
     .help = "what weight decay applies to: all parameters (as published), or matrices, as "
             "MAE has it: not biases and norms"},
    {SSFER_OPTION_CHOICE(pretrain_args, on_nan), .name = "on-nan", .choices = ON_NAN_CHOICES, .initial = "stop",
     .help =
         "at a loss that is not finite: stop, or return to the last checkpoint of --save-every and go on at half the "
         "learning rate, at most five times"},
    {0}};

/* Whether the command line says anything about the model's sizes. */
static bool sizes_given(const ssfer_cli *cli)
{
    static const char *const sizes[] = {"arch",  "image-size",  "patch-size",    "embed-dim",    "depth",
                                        "heads", "decoder-dim", "decoder-depth", "decoder-heads"};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (ssfer_cli_given(cli, sizes[i]))
            return true;
    return false;
}

static void fill_options(ssfer_pretrain_options *o, const pretrain_args *a, const ssfer_cli *cli)
{
    static const ssfer_schedule_kind schedules[] = {SSFER_SCHEDULE_STAGE1_RELEASED, SSFER_SCHEDULE_MAE,
                                                    SSFER_SCHEDULE_COSINE, SSFER_SCHEDULE_CONSTANT};
    ssfer_training_options *t = &o->training;
    *o = ssfer_pretrain_defaults();
    ssfer_training_from_args(t, &a->training, a->out, cli);
    o->data = a->data;
    o->split = a->split;
    o->holdout = a->holdout;
    o->init = a->init;
    o->continue_from = a->continue_from;
    o->start_epoch = a->start_epoch;
    o->rollbacks = a->on_nan == 1 ? MAX_ROLLBACKS : 0;
    t->max_bad_share = a->max_bad;
    t->schedule = schedules[a->schedule];
    t->optimizer.decay_all = a->decay == 0;
    t->transform.scale_min = a->crop_scale;
    t->transform.flip = a->flip;
    /* A warm-up that the user did not ask for must not take up a short run: the published share of it, 50 of 600. */
    if (!ssfer_cli_given(cli, "warmup-epochs"))
        t->warmup_epochs = fmin(t->warmup_epochs, (double)t->epochs / 12.0);
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const pretrain_args *a = data;
    ssfer_pretrain_options options;
    ssfer_pretrain_result result;
    if (a->training.drop_path > 0.0)
        return ssfer_cli_usage(cli, err, "--drop-path: the masked autoencoder has no stochastic depth");
    if (a->start_epoch >= 0 && !a->continue_from)
        return ssfer_cli_usage(cli, err, "--start-epoch goes with --continue");
    fill_options(&options, a, cli);
    ssfer_status st = ssfer_mae_model_config(&options.model, &a->model, &a->decoder, err);
    if (st != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    if ((a->init || a->continue_from) && !sizes_given(cli))
        options.model.embed_dim = 0; /* the checkpoint's */
    if (cli->rehearsal)
        return ssfer_pretrain(&options, NULL, err);
    ssfer_signals_listen();
    st = ssfer_pretrain(&options, &result, err);
    ssfer_signals_unlisten();
    if (st != SSFER_OK)
        return st;
    fprintf(cli->out, "pictures         %zu\n", result.training_pictures);
    if (result.held_out)
        ssfer_fprintf(cli->out, "held out         %zu\nvalidation loss  %.5f\n", result.held_out,
                      result.validation_loss);
    ssfer_info(&cli->log, "the model is %s/model.safetensors", a->out);
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_PRETRAIN = {
    .name = "pretrain",
    .group = SSFER_COMMAND_GROUP_TRAIN,
    .summary = "learn from unlabeled faces by painting hidden patches (Stage I)",
    .description =
        "Trains a masked autoencoder: a vision transformer sees a quarter of each picture's patches and a small "
        "decoder "
        "paints the others. Its encoder is what 'ssfer finetune --init' starts from; 'ssfer reconstruct' shows what it "
        "has learned. RUN/model.safetensors holds the whole autoencoder after the last epoch.\n\n"
        "The defaults are the published recipe. With --init or --continue, and no option about sizes, the model has "
        "those of the checkpoint. Without --warmup-epochs a short run warms up for a twelfth of its epochs.\n\n"
        "A run that is interrupted (Ctrl-C once, or SIGTERM) saves a checkpoint; 'ssfer pretrain --resume RUN' goes "
        "on, with "
        "the options that it was started with, and ends with the same weights as if nothing had happened. Only what "
        "changes no number may then be given anew, such as --threads, and paths are relative to the same folder.",
    .groups = {{"Data", DATA, 0},
               {"Run", RUN, 0},
               {"Model", SSFER_MODEL_OPTIONS, offsetof(pretrain_args, model)},
               {"Decoder and masking", SSFER_DECODER_OPTIONS, offsetof(pretrain_args, decoder)},
               {"Training", SSFER_TRAINING_OPTIONS, offsetof(pretrain_args, training)},
               {"Method", METHOD, 0}},
    .initials = {{"epochs", "600"},
                 {"batch-size", "256"},
                 {"lr", "3.4e-4"},
                 {"min-lr", "0"},
                 {"warmup-epochs", "50"},
                 {"ema", "0"},
                 {"save-every", "10"}},
    .examples = {{"ssfer pretrain --data faces.tar --arch tiny --image-size 48 --patch-size 8 --epochs 200 -o mae",
                  "A small model, which a notebook can train."},
                 {"ssfer pretrain --data faces.tar,ferplus.tar/train --init mae.pth -o mae",
                  "From given weights, on two sets of pictures."}},
    .operands = SSFER_RESUMED_OPERANDS,
    .resumable = true,
    .args_size = sizeof(pretrain_args),
    .run = run,
};
