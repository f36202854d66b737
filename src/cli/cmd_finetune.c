#include "cli/commands.h"
#include "cli/signals.h"

#include "base/number.h"
#include "cli/stage_args.h"
#include "train/folds.h"

#include <string.h>

typedef struct finetune_args {
    const char *run; /* the operand */
    const char *init, *out;
    const char *detector, *face_boxes, *randaugment;
    double mixup_alpha, detector_conf;
    int64_t detector_size;
    int64_t folds, valid_every, erasing_count;
    int facemix, balance, fold_kind;
    double crop_scale, flip, erasing, smoothing, layer_decay;
    int erasing_mode, schedule, ema_warmup, decay;
    ssfer_labeled_args data;
    ssfer_model_args model;
    ssfer_training_args training;
} finetune_args;

static const char *const ON_OFF[] = {"on", "off", NULL};
static const char *const DECAY_CHOICES[] = {"all", "matrices", NULL};
static const char *const ERASING_CHOICES[] = {"pixel", "rand", "const", NULL};
static const char *const FOLD_CHOICES[] = {"stratified", "plain", NULL};
static const char *const SCHEDULE_CHOICES[] = {"cosine", "constant", "released", NULL};

static const ssfer_option RUN[] = {
    {SSFER_OPTION_STRING(finetune_args, out), .name = "out", .letter = 'o', .value = "RUN", .required = true,
     .on_resume = SSFER_RESUME_CALL, .help = "folder of the run: recipe, metrics, checkpoints, model"},
    {SSFER_OPTION_STRING(finetune_args, init), .name = "init", .value = "CKPT",
     .help = "start from these weights (.safetensors or .pth), a masked autoencoder's or a classifier's, "
             "instead of random ones"},
    {SSFER_OPTION_INT(finetune_args, valid_every), .name = "valid-every", .value = "N", .initial = "1", .min = 1,
     .max = 1000000, .help = "validate every N epochs and after the last; only a validated epoch can be the best one"},
    {0}};

static const char *const BALANCE_CHOICES[] = {"none", "weights", "logit-adjust", "sampler", NULL};
static const char *const FACEMIX_CHOICES[] = {"off", "on", "released", "mixup", "cutmix", NULL};

static const ssfer_option MIXING[] = {
    {SSFER_OPTION_CHOICE(finetune_args, facemix), .name = "facemix", .choices = FACEMIX_CHOICES, .initial = "off",
     .help = "mix each batch with its own reverse: FaceMix as the paper describes it (on) or exactly as its code "
             "computes it (released), or plain mixup or CutMix"},
    {SSFER_OPTION_FLOAT(finetune_args, mixup_alpha), .name = "mixup-alpha", .value = "A", .initial = "1",
     .above_min = true, .max = 1000,
     .help = "the share of a picture in a mixture is drawn from Beta(A, A), once a batch"},
    {SSFER_OPTION_STRING(finetune_args, detector), .name = "detector", .value = "D",
     .help = "with --facemix on or released: the face detector, a YOLOv7-face .pt or what 'ssfer convert' made of it; "
             "without one every face is taken to be at 25,25,220,220 of 224, which makes FaceMix plain mixup"},
    {SSFER_OPTION_INT(finetune_args, detector_size), .name = "detector-size", .value = "N", .initial = "160", .min = 32,
     .max = 8192,
     .help =
         "with --facemix on: side to which pictures are scaled for the detector, a multiple of 32; 160 suits pictures "
         "that are mostly face, pictures with small faces need more"},
    {SSFER_OPTION_FLOAT(finetune_args, detector_conf), .name = "detector-conf", .value = "P", .initial = "0.4",
     .above_min = true, .max = 1, .below_max = true, .help = "least confidence of a face"},
    {SSFER_OPTION_STRING(finetune_args, face_boxes), .name = "face-boxes", .value = "FILE",
     .initial_help = "face-boxes.json in --out", .on_resume = SSFER_RESUME_FREE,
     .help = "with --facemix on: where the faces that the detector found are kept; runs that share the file look once. "
             "Without --detector a CSV file of faces found otherwise, with columns path, x1, y1, x2 and y2 (pixels), "
             "such as annotations.csv of 'ssfer synth'"},
    {0}};

static ssfer_status check_randaugment(const char *value, ssfer_error *err)
{
    ssfer_randaugment policy;
    return ssfer_randaugment_parse(&policy, value, err);
}

static const ssfer_option METHOD[] = {
    {SSFER_OPTION_FLOAT(finetune_args, crop_scale), .name = "crop-scale", .value = "X", .initial = "0.2",
     .above_min = true, .max = 1, .help = "smallest area of a random crop, as a share of the picture"},
    {SSFER_OPTION_FLOAT(finetune_args, flip), .name = "flip", .value = "P", .initial = "0.5", .max = 1,
     .help = "probability of a horizontal flip"},
    {SSFER_OPTION_STRING(finetune_args, randaugment), .name = "randaugment", .value = "POLICY", .initial = "none",
     .check = check_randaugment,
     .help =
         "picture operations drawn at random, in timm's grammar: 'rand-m9-mstd0.5-inc1'; m magnitude, n operations, "
         "p probability of each, mstd deviation of m, mmax its limit (10), inc1: throughout stronger with m"},
    {SSFER_OPTION_FLOAT(finetune_args, erasing), .name = "erasing", .value = "P", .initial = "0", .max = 1,
     .help = "probability that a random rectangle is erased"},
    {SSFER_OPTION_INT(finetune_args, erasing_count), .name = "erasing-count", .value = "N", .initial = "1", .min = 1,
     .max = SSFER_ERASING_MAX_COUNT, .help = "erase up to N rectangles, each as many times smaller as there are"},
    {SSFER_OPTION_CHOICE(finetune_args, erasing_mode), .name = "erasing-mode", .choices = ERASING_CHOICES,
     .initial = "pixel", .help = "what an erased rectangle is filled with: noise, one colour, or zeros"},
    {SSFER_OPTION_FLOAT(finetune_args, smoothing), .name = "smoothing", .value = "X", .initial = "0.1", .max = 1,
     .below_max = true, .help = "label smoothing"},
    {SSFER_OPTION_CHOICE(finetune_args, balance), .name = "balance", .choices = BALANCE_CHOICES, .initial = "none",
     .help =
         "against classes of unequal size: weights: a picture counts by the inverse of its class's share; "
         "logit-adjust: the loss adds the log of that share to the outputs (Menon et al. 2021); sampler: each class's "
         "pictures come as often in an epoch as those of the largest"},
    {SSFER_OPTION_CHOICE(finetune_args, schedule), .name = "schedule", .choices = SCHEDULE_CHOICES, .initial = "cosine",
     .help = "learning rate over time: warm-up and cosine per step, constant, or the published code's curve"},
    {SSFER_OPTION_INT(finetune_args, folds), .name = "folds", .value = "K", .initial = "0", .min = 0,
     .max = SSFER_MAX_FOLDS,
     .help = "cross-validate: train K times, each time judged on another Kth of the labeled pictures; "
             "runs in RUN/fold-1 and so on, figures in RUN/folds.json; 0: off"},
    {SSFER_OPTION_CHOICE(finetune_args, fold_kind), .name = "fold-kind", .choices = FOLD_CHOICES,
     .initial = "stratified",
     .help = "with --folds: each class is dealt out to the folds (stratified), or all pictures are cut into parts "
             "whatever their class, as the published code does (plain)"},
    {SSFER_OPTION_FLOAT(finetune_args, layer_decay), .name = "layer-decay", .value = "X", .initial = "1",
     .above_min = true, .max = 1, .help = "learning rate of a block relative to the next one"},
    {SSFER_OPTION_CHOICE(finetune_args, decay), .name = "decay", .choices = DECAY_CHOICES, .initial = "all",
     .help = "what weight decay applies to: all parameters (as published), or matrices, as "
             "timm has it: not biases, norms, class token and positions"},
    {SSFER_OPTION_CHOICE(finetune_args, ema_warmup), .name = "ema-warmup", .choices = ON_OFF, .initial = "on",
     .help = "let the average forget its start: decay min(--ema, (1+t)/(10+t))"},
    {0}};

static void fill_options(ssfer_finetune_options *o, const finetune_args *a, const ssfer_cli *cli)
{
    static const ssfer_erasing_mode modes[] = {SSFER_ERASING_PIXEL, SSFER_ERASING_RAND, SSFER_ERASING_CONST};
    static const ssfer_schedule_kind schedules[] = {SSFER_SCHEDULE_COSINE, SSFER_SCHEDULE_CONSTANT,
                                                    SSFER_SCHEDULE_STAGE2_RELEASED};
    static const ssfer_balance balances[] = {SSFER_BALANCE_NONE, SSFER_BALANCE_WEIGHTS, SSFER_BALANCE_LOGITS,
                                             SSFER_BALANCE_SAMPLER};
    static const ssfer_mix_mode mixes[] = {SSFER_MIX_OFF, SSFER_MIX_FACEMIX, SSFER_MIX_FACEMIX_RELEASED,
                                           SSFER_MIX_MIXUP, SSFER_MIX_CUTMIX};
    ssfer_training_options *t = &o->training;
    *o = ssfer_finetune_defaults();
    ssfer_training_from_args(t, &a->training, a->out, cli);
    o->data = ssfer_labeled_from_args(&a->data, cli);
    o->data.folds = (size_t)a->folds;
    o->data.plain_folds = a->fold_kind == 1;
    o->init = a->init;
    o->smoothing = a->smoothing;
    o->balance = balances[a->balance];
    o->mix.mode = mixes[a->facemix];
    o->mix.alpha = a->mixup_alpha;
    o->mix.detector = a->detector;
    o->mix.boxes = a->face_boxes;
    o->mix.find.size = (size_t)a->detector_size;
    o->mix.find.confidence = (float)a->detector_conf;
    o->mix.find.threads = t->threads;
    t->judge_every = (size_t)a->valid_every;
    t->max_bad_share = a->data.max_bad;
    t->schedule = schedules[a->schedule];
    t->optimizer.decay_all = a->decay == 0;
    t->optimizer.layer_decay = (float)a->layer_decay;
    t->optimizer.ema_warmup = a->ema_warmup == 0;
    t->transform.scale_min = a->crop_scale;
    t->transform.flip = a->flip;
    ssfer_randaugment_parse(&t->transform.randaugment, a->randaugment, NULL); /* the option has been checked */
    t->transform.erasing = a->erasing;
    t->transform.erasing_mode = modes[a->erasing_mode];
    t->transform.erasing_count = (size_t)a->erasing_count;
}

/* A warm-up that the user did not ask for must not make a short run impossible. */
static void fit_warmup(ssfer_training_options *o, const ssfer_cli *cli)
{
    if (!ssfer_cli_given(cli, "warmup-epochs") && o->warmup_epochs > 0.1 * (double)o->epochs)
        o->warmup_epochs = 0.1 * (double)o->epochs;
    if (!ssfer_cli_given(cli, "min-lr") && o->min_lr > o->lr)
        o->min_lr = o->lr;
}

/* Options that only count together with others. */
static ssfer_status check_finding(ssfer_cli *cli, const finetune_args *a, ssfer_error *err)
{
    static const struct {
        const char *name;
        bool released, alone; /* counts with --facemix released too; without --detector */
    } finding[] = {{"detector", true, true},
                   {"detector-conf", true, false},
                   {"detector-size", false, false},
                   {"face-boxes", false, true}};
    const bool on = strcmp(FACEMIX_CHOICES[a->facemix], "on") == 0,
               released = strcmp(FACEMIX_CHOICES[a->facemix], "released") == 0;
    for (size_t i = 0; i < sizeof finding / sizeof *finding; i++) {
        if (!ssfer_cli_given(cli, finding[i].name))
            continue;
        if (!on && !(released && finding[i].released))
            return ssfer_cli_usage(cli, err, "--%s goes with --facemix on%s", finding[i].name,
                                   finding[i].released ? " or released" : "");
        if (!a->detector && !finding[i].alone)
            return ssfer_cli_usage(cli, err, "--%s goes with --detector", finding[i].name);
    }
    return SSFER_OK;
}

static ssfer_status check_mixing(ssfer_cli *cli, const finetune_args *a, ssfer_error *err)
{
    ssfer_status st = check_finding(cli, a, err);
    if (st != SSFER_OK)
        return st;
    if (a->detector_size % 32)
        return ssfer_cli_usage(cli, err, "--detector-size: %d is no multiple of 32", (int)a->detector_size);
    if (ssfer_cli_given(cli, "mixup-alpha") && a->facemix == 0)
        return ssfer_cli_usage(cli, err, "--mixup-alpha goes with --facemix on, released, mixup or cutmix");
    return SSFER_OK;
}

static ssfer_status check_erasing(ssfer_cli *cli, const finetune_args *a, ssfer_error *err)
{
    static const char *const how[] = {"erasing-mode", "erasing-count"};
    for (size_t i = 0; i < sizeof how / sizeof *how; i++)
        if (ssfer_cli_given(cli, how[i]) && a->erasing <= 0.0)
            return ssfer_cli_usage(cli, err, "--%s goes with --erasing above 0", how[i]);
    return SSFER_OK;
}

static ssfer_status check_folds(ssfer_cli *cli, const finetune_args *a, ssfer_error *err)
{
    static const char *const judges[] = {"valid-data", "valid-split", "holdout"};
    if (a->folds == 1)
        return ssfer_cli_usage(cli, err, "--folds: 1 leaves nothing to train on; give 2 or more");
    if (!a->folds && ssfer_cli_given(cli, "fold-kind"))
        return ssfer_cli_usage(cli, err, "--fold-kind goes with --folds");
    for (size_t i = 0; a->folds && i < sizeof judges / sizeof *judges; i++)
        if (ssfer_cli_given(cli, judges[i]))
            return ssfer_cli_usage(cli, err, "--%s: with --folds the folds themselves validate", judges[i]);
    return SSFER_OK;
}

static ssfer_status cross_validate(ssfer_cli *cli, const ssfer_finetune_options *options, ssfer_error *err)
{
    ssfer_folds f;
    ssfer_status st = ssfer_finetune_folds(&f, options, err);
    if (st != SSFER_OK)
        return st;
    fprintf(cli->out, "%-10s %10s %14s %10s\n", "fold", "accuracy", "mean class", "macro F1");
    for (size_t i = 0; i < f.count; i++)
        ssfer_fprintf(cli->out, "%-10zu %8.2f %% %12.2f %% %8.2f %%\n", i + 1, 100 * f.fold[i].accuracy,
                      100 * f.fold[i].mean_class_accuracy, 100 * f.fold[i].macro_f1);
    ssfer_fprintf(cli->out, "%-10s %8.2f %% %12.2f %% %8.2f %%\n", "mean", 100 * f.mean.accuracy,
                  100 * f.mean.mean_class_accuracy, 100 * f.mean.macro_f1);
    ssfer_fprintf(cli->out, "%-10s %8.2f   %12.2f   %8.2f\n", "deviation", 100 * f.deviation.accuracy,
                  100 * f.deviation.mean_class_accuracy, 100 * f.deviation.macro_f1);
    return SSFER_OK;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const finetune_args *args = data;
    ssfer_finetune_options options;
    ssfer_evaluation evaluation = {0};
    ssfer_status st = check_mixing(cli, args, err);
    if (st == SSFER_OK)
        st = check_erasing(cli, args, err);
    if (st == SSFER_OK)
        st = check_folds(cli, args, err);
    if (st != SSFER_OK)
        return st;
    fill_options(&options, args, cli);
    fit_warmup(&options.training, cli);
    st = ssfer_classifier_config(&options.model, &args->model, args->init, cli, err);
    if (st != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options.model.drop_path = (float)args->training.drop_path;
    if (cli->rehearsal)
        return args->folds ? ssfer_finetune_folds(&(ssfer_folds){0}, &options, err)
                           : ssfer_finetune(&options, NULL, err);
    ssfer_signals_listen();
    st = args->folds ? cross_validate(cli, &options, err) : ssfer_finetune(&options, &evaluation, err);
    ssfer_signals_unlisten();
    if (st == SSFER_OK && !args->folds) {
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
        "a decoder is dropped. After each epoch (or every few, --valid-every) it is validated, on the averaged weights "
        "(EMA) where there are any; "
        "the best ones become "
        "RUN/model.safetensors, which 'ssfer eval' and 'ssfer predict' take.\n\n"
        "A run that is interrupted (Ctrl-C once, or SIGTERM) saves a checkpoint; 'ssfer finetune --resume RUN' goes "
        "on, with "
        "the options that it was started with, and ends with the same weights as if nothing had happened. Only what "
        "changes no number may then be given anew, such as --threads, and paths are relative to the same folder.",
    .groups = {{"Data", SSFER_LABELED_OPTIONS, offsetof(finetune_args, data)},
               {"Run", RUN, 0},
               {"Model", SSFER_MODEL_OPTIONS, offsetof(finetune_args, model)},
               {"Training", SSFER_TRAINING_OPTIONS, offsetof(finetune_args, training)},
               {"Method", METHOD, 0},
               {"Mixing", MIXING, 0}},
    .initials = {{"epochs", "100"}},
    .examples = {{"ssfer finetune --data ferplus.tar --split train --arch tiny --image-size 48 --patch-size 8 -o run",
                  "Train a small model on FER+."},
                 {"ssfer finetune --data raf-db --split train --init pretrained.pth --fraction 0.1 -o run",
                  "A tenth of RAF-DB's labels, from a pre-trained encoder."}},
    .operands = SSFER_RESUMED_OPERANDS,
    .resumable = true,
    .args_size = sizeof(finetune_args),
    .run = run,
};
