#include "cli/commands.h"
#include "cli/signals.h"
#include "cli/stage_args.h"
#include "train/semi.h"

typedef struct semi_args {
    const char *run; /* the operand */
    const char *init, *out, *unlabeled, *strong;
    int rest, select, align, schedule, decay, ema_warmup, on_collapse, keep, balanced, pseudo_mixup, abc, on_mismatch;
    int64_t mu, burn_in, valid_every;
    double threshold, momentum, fairness, temperature, unlabeled_weight, collapse;
    double crop_scale, strong_crop_scale, flip, smoothing, layer_decay, logit_adjustment;
    bool released;
    ssfer_labeled_args data;
    ssfer_training_args training;
} semi_args;

static const char *const ON_OFF[] = {"on", "off", NULL};
static const char *const DECAY_CHOICES[] = {"all", "matrices", NULL};
static const char *const SCHEDULE_CHOICES[] = {"steps", "cosine", "constant", NULL};
static const char *const SELECT_CHOICES[] = {"fixmatch",  "flexmatch", "freematch",
                                             "softmatch", "ada-cm",    NULL}; /* as SSFER_SELECT_METHODS */
static const char *const ALIGN_CHOICES[] = {"none", "labels", "uniform", NULL};
static const char *const COLLAPSE_CHOICES[] = {"warn", "stop", "rollback", NULL};
static const char *const MISMATCH_CHOICES[] = {"warn", "stop", NULL};
static const char *const SAMPLING_CHOICES[] = {"natural", "balanced", NULL};
static const char *const KEEP_CHOICES[] = {"best", "last", NULL};

static ssfer_status check_policy(const char *value, ssfer_error *err)
{
    ssfer_randaugment policy;
    return ssfer_randaugment_parse(&policy, value, err);
}

static const ssfer_option UNLABELED[] = {
    {SSFER_OPTION_STRING(semi_args, unlabeled), .name = "unlabeled", .value = "D[,D...]",
     .help = "unlabeled pictures: any folder or tar, at any depth; labels in them are not looked at"},
    {SSFER_OPTION_CHOICE(semi_args, rest), .name = "rest", .choices = ON_OFF, .initial = "on",
     .help = "also learn from the pictures of --data whose labels are not used"},
    {0}};

static const ssfer_option RUN[] = {
    {SSFER_OPTION_STRING(semi_args, out), .name = "out", .letter = 'o', .value = "RUN", .required = true,
     .on_resume = SSFER_RESUME_CALL, .help = "folder of the run: recipe, metrics, checkpoints, model"},
    {SSFER_OPTION_STRING(semi_args, init), .name = "init", .value = "CKPT", .required = true,
     .help = "Stage II's model, from which teacher and student start (.safetensors or .pth)"},
    {SSFER_OPTION_INT(semi_args, valid_every), .name = "valid-every", .value = "N", .initial = "1", .min = 1,
     .max = 1000000, .help = "validate every N epochs and after the last; only a validated epoch can be the best one"},
    {0}};

static const ssfer_option LABELS[] = {
    {SSFER_OPTION_CHOICE(semi_args, select), .name = "select", .choices = SELECT_CHOICES, .initial = "fixmatch",
     .help =
         "which pseudo-labels count: those above a fixed threshold, above thresholds by class that follow how far "
         "each is learned (flexmatch) or the teacher (freematch) or the labeled pictures (ada-cm), or all by weight "
         "(softmatch)"},
    {SSFER_OPTION_FLOAT(semi_args, momentum), .name = "select-momentum", .value = "X", .initial = "0.999", .max = 1,
     .below_max = true, .help = "of freematch's and softmatch's running figures"},
    {SSFER_OPTION_FLOAT(semi_args, fairness), .name = "fairness", .value = "X", .initial = "0.01", .max = 100,
     .help = "weight of freematch's fairness term"},
    {SSFER_OPTION_FLOAT(semi_args, threshold), .name = "threshold", .value = "X", .initial = "0.7", .max = 1,
     .help = "confidence from which a pseudo-label counts"},
    {SSFER_OPTION_FLOAT(semi_args, temperature), .name = "temperature", .value = "T", .initial = "0", .max = 100,
     .help = "soft pseudo-labels, sharpened by this; 0: the most likely class alone"},
    {SSFER_OPTION_CHOICE(semi_args, align), .name = "align", .choices = ALIGN_CHOICES, .initial = "none",
     .help = "distribution alignment: move the teacher's mean opinion to the labeled pictures' classes, or weigh "
             "pictures as if all classes were alike"},
    {SSFER_OPTION_CHOICE(semi_args, pseudo_mixup), .name = "pseudo-mixup", .choices = ON_OFF, .initial = "off",
     .help = "blend the unlabeled pictures pairwise, the one that the teacher is surer of counting more, so that those "
             "below the threshold teach too"},
    {SSFER_OPTION_INT(semi_args, mu), .name = "mu", .value = "N", .initial = "1", .min = 1, .max = 64,
     .help = "unlabeled pictures for each labeled one"},
    {SSFER_OPTION_FLOAT(semi_args, unlabeled_weight), .name = "unlabeled-weight", .value = "X", .initial = "5",
     .above_min = true, .max = 1000, .help = "weight of the unlabeled loss"},
    {SSFER_OPTION_INT(semi_args, burn_in), .name = "burn-in", .value = "N", .initial = "0", .min = 0, .max = 1000000,
     .help = "epochs of labeled pictures only, before the teacher is asked"},
    {SSFER_OPTION_CHOICE(semi_args, on_collapse), .name = "on-collapse", .choices = COLLAPSE_CHOICES, .initial = "warn",
     .help = "what to do when the teacher gives up on classes or confidence, or, with rollback, when a loss is not "
             "finite: go back to the last good checkpoint at half the rate, three times at most"},
    {SSFER_OPTION_FLOAT(semi_args, collapse), .name = "collapse", .value = "X", .initial = "0.3", .max = 1,
     .help = "collapse is when pseudo-label rate or entropy falls below this share of the best epoch's; 0: never"},
    {SSFER_OPTION_CHOICE(semi_args, on_mismatch), .name = "on-mismatch", .choices = MISMATCH_CHOICES, .initial = "warn",
     .on_resume = SSFER_RESUME_FREE,
     .help = "what to do when a batch is larger than the labeled or the unlabeled pictures are many"},
    {0}};

static const ssfer_option METHOD[] = {
    {SSFER_OPTION_FLAG(semi_args, released), .name = "released", .conflicts = "labels",
     .help = "as the published code runs: constant rate, weak crops from 0.2, labeled pictures drawn anew by "
             "--fraction, the accuracy of Stage II's model recorded; the last teacher is kept"},
    {SSFER_OPTION_CHOICE(semi_args, keep), .name = "keep", .choices = KEEP_CHOICES, .initial = "best",
     .help = "which teacher becomes the model: the best one on the validation pictures, or the last"},
    {SSFER_OPTION_FLOAT(semi_args, crop_scale), .name = "crop-scale", .value = "X", .initial = "0.6", .above_min = true,
     .max = 1, .help = "smallest area of a weak view's crop, as a share of the picture"},
    {SSFER_OPTION_STRING(semi_args, strong), .name = "strong", .value = "POLICY", .initial = "rand-m9-mstd0.5-inc1",
     .check = check_policy, .help = "RandAugment of the strong view, as timm writes it"},
    {SSFER_OPTION_FLOAT(semi_args, strong_crop_scale), .name = "strong-crop-scale", .value = "X", .initial = "0.2",
     .above_min = true, .max = 1, .help = "the same of a strong view's crop"},
    {SSFER_OPTION_FLOAT(semi_args, flip), .name = "flip", .value = "P", .initial = "0.5", .max = 1,
     .help = "probability of a horizontal flip"},
    {SSFER_OPTION_FLOAT(semi_args, smoothing), .name = "smoothing", .value = "X", .initial = "0", .max = 1,
     .below_max = true, .help = "label smoothing of the labeled pictures"},
    {SSFER_OPTION_CHOICE(semi_args, balanced), .name = "sampling", .choices = SAMPLING_CHOICES, .initial = "natural",
     .help = "labeled pictures as they are, or those of small classes more often"},
    {SSFER_OPTION_FLOAT(semi_args, logit_adjustment), .name = "logit-adjustment", .value = "X", .initial = "0",
     .max = 10, .help = "how much the loss allows for the labeled pictures' class sizes; 1 as in the paper, 0: off"},
    {SSFER_OPTION_CHOICE(semi_args, abc), .name = "abc", .choices = ON_OFF, .initial = "off",
     .help = "train an auxiliary head on batches in which all classes come alike; the model has it in the end"},
    {SSFER_OPTION_CHOICE(semi_args, schedule), .name = "schedule", .choices = SCHEDULE_CHOICES, .initial = "steps",
     .help = "learning rate over time: a tenth after 2/5 and again after 4/5 of the epochs, cosine, or constant"},
    {SSFER_OPTION_FLOAT(semi_args, layer_decay), .name = "layer-decay", .value = "X", .initial = "1", .above_min = true,
     .max = 1, .help = "learning rate of a block relative to the next one"},
    {SSFER_OPTION_CHOICE(semi_args, decay), .name = "decay", .choices = DECAY_CHOICES, .initial = "all",
     .help = "what weight decay applies to: all parameters (as published), or matrices, as "
             "timm has it: not biases, norms, class token and positions"},
    {SSFER_OPTION_CHOICE(semi_args, ema_warmup), .name = "ema-warmup", .choices = ON_OFF, .initial = "off",
     .help = "let the average forget its start: decay min(--ema, (1+t)/(10+t))"},
    {0}};

static ssfer_status fill_options(ssfer_semi_options *o, const semi_args *a, const ssfer_cli *cli, ssfer_error *err)
{
    static const ssfer_schedule_kind schedules[] = {SSFER_SCHEDULE_MULTISTEP, SSFER_SCHEDULE_COSINE,
                                                    SSFER_SCHEDULE_CONSTANT};
    ssfer_training_options *t = &o->training;
    *o = ssfer_semi_defaults();
    ssfer_training_from_args(t, &a->training, a->out, cli);
    o->data = ssfer_labeled_from_args(&a->data, cli);
    o->unlabeled = (ssfer_unlabeled_options){.data = a->unlabeled, .rest = a->rest == 0};
    o->init = a->init;
    o->model.drop_path = (float)a->training.drop_path;
    o->strong_scale_min = a->strong_crop_scale;
    o->mu = (size_t)a->mu;
    o->unlabeled_weight = a->unlabeled_weight;
    o->burn_in = (size_t)a->burn_in;
    o->smoothing = a->smoothing;
    o->select = SSFER_SELECT_METHODS[a->select];
    o->selection = (ssfer_select_options){a->threshold, a->momentum, a->fairness};
    o->balanced = a->balanced == 1;
    o->abc = a->abc == 0;
    o->pseudo_mixup = a->pseudo_mixup == 0;
    o->logit_adjustment = a->logit_adjustment;
    o->pseudo = (ssfer_pseudo_options){.align = (ssfer_align)a->align, .temperature = a->temperature};
    o->collapse_share = a->collapse;
    o->on_collapse = (ssfer_collapse)a->on_collapse;
    o->stop_on_mismatch = a->on_mismatch == 1;
    o->last_weights = a->keep == 1;
    t->max_bad_share = a->data.max_bad;
    t->judge_every = (size_t)a->valid_every;
    t->schedule = schedules[a->schedule];
    t->optimizer.decay_all = a->decay == 0;
    t->optimizer.layer_decay = (float)a->layer_decay;
    t->optimizer.ema_warmup = a->ema_warmup == 0;
    t->transform.scale_min = a->crop_scale;
    t->transform.flip = a->flip;
    return ssfer_randaugment_parse(&o->strong, a->strong, err);
}

/* What the published code does differently, where no option says otherwise. */
static void release_options(ssfer_semi_options *o, const ssfer_cli *cli)
{
    o->released = true;
    o->last_weights = true;
    if (!ssfer_cli_given(cli, "schedule"))
        o->training.schedule = SSFER_SCHEDULE_CONSTANT;
    if (!ssfer_cli_given(cli, "crop-scale"))
        o->training.transform.scale_min = 0.2;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const semi_args *args = data;
    ssfer_semi_options options;
    ssfer_evaluation evaluation = {0};
    ssfer_status st = fill_options(&options, args, cli, err);
    if (st == SSFER_OK && args->released && ssfer_cli_given(cli, "keep") && !options.last_weights)
        st = ssfer_cli_usage(cli, err, "--released keeps the last weights; leave out --keep best");
    if (args->released)
        release_options(&options, cli);
    if (st == SSFER_OK && cli->rehearsal)
        return ssfer_semi(&options, NULL, err);
    if (st == SSFER_OK) {
        ssfer_signals_listen();
        st = ssfer_semi(&options, &evaluation, err);
        ssfer_signals_unlisten();
    }
    if (st == SSFER_OK) {
        ssfer_evaluation_print(cli->out, &evaluation);
        ssfer_info(&cli->log, "the model is %s/model.safetensors", args->out);
    }
    ssfer_evaluation_deinit(&evaluation);
    return st;
}

const ssfer_command SSFER_COMMAND_SEMI = {
    .name = "semi",
    .group = SSFER_COMMAND_GROUP_TRAIN,
    .summary = "go on with unlabeled faces: a teacher labels, a student learns (Stage III)",
    .description =
        "Goes on from a classifier of 'ssfer finetune'. In each step the student learns labeled pictures and, on "
        "strongly augmented views, unlabeled ones as the teacher labels their weakly augmented views, where it is sure "
        "enough. The teacher is the running average (--ema) of the student; it is what is validated after each epoch "
        "(or every few, --valid-every) and what RUN/model.safetensors holds in the end.\n\n"
        "Give the same --data, --fraction or --labels, and --seed as to 'ssfer finetune': then the same pictures are "
        "labeled, and the same are held out. Where the labels of unlabeled pictures are known, they are used to count "
        "how many pseudo-labels are right, and for nothing else.\n\n"
        "A run that is interrupted (Ctrl-C once, or SIGTERM) saves a checkpoint; 'ssfer semi --resume RUN' goes on, "
        "with "
        "the options that it was started with, and ends with the same weights as if nothing had happened. Only what "
        "changes no number may then be given anew, such as --threads, and paths are relative to the same folder.",
    .groups = {{"Data", SSFER_LABELED_OPTIONS, offsetof(semi_args, data)},
               {"Unlabeled data", UNLABELED, 0},
               {"Run", RUN, 0},
               {"Pseudo-labels", LABELS, 0},
               {"Training", SSFER_TRAINING_OPTIONS, offsetof(semi_args, training)},
               {"Method", METHOD, 0}},
    .initials = {{"epochs", "50"}, {"batch-size", "64"}, {"warmup-epochs", "0"}},
    .examples = {{"ssfer semi --data ferplus.tar --split train --fraction 0.1 --init run2/model.safetensors -o run3",
                  "The other nine tenths of FER+ without their labels."},
                 {"ssfer semi --data raf-db --labels labels.json --unlabeled faces.tar --mu 5 --init run2.pth -o run3",
                  "Also a folder of other faces, five unlabeled ones for each labeled one."}},
    .operands = SSFER_RESUMED_OPERANDS,
    .resumable = true,
    .args_size = sizeof(semi_args),
    .run = run,
};
