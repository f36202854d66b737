#include "bench/detect.h"

#include "base/number.h"
#include "bench/loader.h"
#include "bench/mae.h"
#include "bench/predict.h"
#include "bench/semi.h"
#include "cli/commands.h"
#include "cli/mae_args.h"
#include "data/class_sets.h"
#include "io/json.h"
#include "models/yolov7/config.h"

#include <string.h>

typedef struct detect_args {
    const char *detector, *network, *picture, *save;
    int64_t size;
} detect_args;

typedef struct semi_args {
    int64_t mu;
    double kept;
} semi_args;

typedef struct loader_args {
    const char *data;
    int view;
} loader_args;

typedef struct predict_args {
    const char *model, *classes;
} predict_args;

typedef struct bench_args {
    const char *what;
    int mode, format;
    double seconds;
    bool checkpoint_activations, breakdown;
    ssfer_model_args model;
    ssfer_decoder_args decoder;
    semi_args semi;
    detect_args detect;
    loader_args loader;
    predict_args predict;
    int64_t batch_size; /* 0: what the case usually has */
} bench_args;

static const char *const MODES[] = {"training", "inference", NULL};
static const char *const FORMATS[] = {"table", "json", NULL};
static const char *const VIEWS[] = {"train", "strong", "eval", NULL};
/* Sets of cases: bit i is CASES[i]. */
enum { VIT = 1, MAE = 2, SEMI = 4, DETECT = 8, LOADER = 16, PREDICT = 32 };
static const char *const CASES[] = {"vit", "mae", "semi", "detect", "loader", "predict", NULL};
#define CASES_HELP "vit, mae, semi, detect, loader or predict"

static ssfer_status check_what(const char *value, ssfer_error *err)
{
    for (size_t i = 0; CASES[i]; i++)
        if (strcmp(value, CASES[i]) == 0)
            return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "there is no case '%s'; give " CASES_HELP, value);
}

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_INT(bench_args, batch_size), .name = "batch-size", .value = "N", .initial_help = "32, for detect 1",
     .min = 1, .max = 65536, .help = "pictures in a step"},
    {SSFER_OPTION_FLOAT(bench_args, seconds), .name = "seconds", .value = "X", .initial = "10", .above_min = true,
     .max = 3600, .help = "about how long to measure"},
    {SSFER_OPTION_CHOICE(bench_args, format), .name = "format", .choices = FORMATS, .initial = "table",
     .help = "how to print the figures"},
    {0}};
static const ssfer_option MODE_OPTIONS[] = {
    {SSFER_OPTION_CHOICE(bench_args, mode), .name = "mode", .choices = MODES, .initial = "training",
     .help = "a training step (forward, backward, AdamW, for vit also EMA) or a forward pass"},
    {0}};
static const ssfer_option TRANSFORMER_OPTIONS[] = {
    {SSFER_OPTION_FLAG(bench_args, checkpoint_activations), .name = "checkpoint-activations",
     .help = "training keeps each block's input only and computes the rest again"},
    {0}};
static const ssfer_option BREAKDOWN_OPTIONS[] = {
    {SSFER_OPTION_FLAG(bench_args, breakdown), .name = "breakdown",
     .help = "also time each kind of operation within a step, and each product beside the bare one"},
    {0}};
static const ssfer_option SEMI_OPTIONS[] = {
    {SSFER_OPTION_INT(semi_args, mu), .name = "mu", .value = "N", .initial = "1", .min = 1, .max = 64,
     .help = "unlabeled pictures for a labeled one, of which --batch-size are in a step"},
    {SSFER_OPTION_FLOAT(semi_args, kept), .name = "kept", .value = "SHARE", .initial = "1", .min = 0, .max = 1,
     .help = "share of the unlabeled pictures that the student learns: those of which the teacher is sure"},
    {0}};
static const ssfer_option DETECT_OPTIONS[] = {
    {SSFER_OPTION_STRING(detect_args, detector), .name = "detector", .letter = 'd', .value = "D",
     .help = "face detector: a published .pt of YOLOv7-face, its bare weights, or what 'ssfer convert' made of them; "
             "without it detect measures --network with random weights, and predict looks at pictures as a whole"},
    {SSFER_OPTION_STRING(detect_args, network), .name = "network", .value = "NAME",
     .initial_help = "yolov7s-face, or what fits --detector",
     .help = "network of random or bare weights: " SSFER_YOLO_BUILTIN_NAMES},
    {SSFER_OPTION_INT(detect_args, size), .name = "size", .value = "N", .initial = "640", .min = 32, .max = 8192,
     .help = "side in pixels to which pictures are scaled for it, a multiple of 32"},
    {0}};
static const ssfer_option PICTURE_OPTIONS[] = {
    {SSFER_OPTION_STRING(detect_args, picture), .name = "picture", .value = "FILE",
     .initial_help = "a drawn face of that size", .help = "the picture; a step looks at it --batch-size times"},
    {SSFER_OPTION_STRING(detect_args, save), .name = "save", .value = "T.safetensors", .conflicts = "detector",
     .help = "also write the network with its random weights, for measuring something else with it"},
    {0}};
static const ssfer_option LOADER_OPTIONS[] = {{SSFER_OPTION_STRING(loader_args, data), .name = "data", .value = "D",
                                               .help = "pictures at any depth of a folder or of tar files"},
                                              {0}};
static const ssfer_option VIEW_OPTIONS[] = {
    {SSFER_OPTION_CHOICE(loader_args, view), .name = "view", .choices = VIEWS, .initial = "train",
     .help = "what is made of a picture: a random crop that may be mirrored, the same with rand-m9-mstd0.5-inc1, or "
             "the central square"},
    {0}};
static const ssfer_option PREDICT_OPTIONS[] = {
    {SSFER_OPTION_STRING(predict_args, model), .name = "model", .letter = 'm', .value = "M",
     .help = "model file as for 'ssfer predict'"},
    {SSFER_OPTION_STRING(predict_args, classes), .name = "classes", .value = "C",
     .help = "names of the model's outputs if the file has none: " SSFER_CLASS_SETS_WITH_OUTPUTS " or a file"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRING(bench_args, what), .name = "CASE", .required = true,
                                         .check = check_what, .help = "what to measure: " CASES_HELP},
                                        {0}};

static bool is(const bench_args *a, const char *what)
{
    return strcmp(a->what, what) == 0;
}

static unsigned set_of(const bench_args *a)
{
    unsigned set = 1;
    for (size_t i = 0; !is(a, CASES[i]); i++)
        set <<= 1;
    return set;
}

static size_t batch_of(const bench_args *a)
{
    return a->batch_size ? (size_t)a->batch_size : is(a, "detect") ? 1 : 32;
}

static int64_t loader_size(const bench_args *a)
{
    return a->model.image_size ? a->model.image_size : 224;
}

/* ---- printing ---- */

static bool is_transformer(const bench_args *a)
{
    return set_of(a) & (VIT | MAE | SEMI);
}

/* Whether its figures are of pictures instead of steps: those of all batches together. */
static bool goes_through_pictures(const bench_args *a)
{
    return set_of(a) & (LOADER | PREDICT);
}

/* "training"; of the loader what it makes. */
static const char *mode_name(const bench_args *a)
{
    return is_transformer(a) ? MODES[a->mode] : is(a, "loader") ? VIEWS[a->loader.view] : "inference";
}

static const char *precision_name(const ssfer_cli *cli, const bench_args *a)
{
    return ssfer_precision_name(is_transformer(a) || is(a, "predict") ? ssfer_cli_precision(cli)
                                                                      : SSFER_PRECISION_FP32);
}

/* Of a part in all of them: the loader's are processor time a picture, the others' time that passes. */
static double share_of(const ssfer_bench_result *r, size_t i)
{
    return 1e-3 * r->parts[i].ms * (r->per_core > 0.0 ? r->per_core : r->images_per_second);
}

/* Each row beside the rate that the bare product reaches. */
static void put_breakdown(ssfer_json_writer *w, const ssfer_breakdown *b)
{
    ssfer_breakdown_row rows[SSFER_BREAKDOWN_ROWS];
    const size_t count = ssfer_breakdown_rows(rows, b);
    ssfer_json_key(w, "breakdown");
    ssfer_json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        ssfer_json_begin_flat_object(w);
        ssfer_json_put_string(w, "operation", rows[i].name);
        ssfer_json_put_double(w, "ms", rows[i].ms);
        ssfer_json_put_double(w, "share", rows[i].share);
        if (rows[i].gflops > 0.0)
            ssfer_json_put_double(w, "gflops", rows[i].gflops);
        if (rows[i].limit_gflops > 0.0) {
            ssfer_json_put_double(w, "limit_gflops", rows[i].limit_gflops);
            ssfer_json_put_double(w, "of_limit", rows[i].gflops / rows[i].limit_gflops);
        }
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
    ssfer_json_put_double(w, "fastest_step_ms", 1e3 * b->fastest.seconds);
}

static void print_breakdown(FILE *out, const ssfer_breakdown *b)
{
    ssfer_breakdown_row rows[SSFER_BREAKDOWN_ROWS];
    const size_t count = ssfer_breakdown_rows(rows, b);
    fprintf(out, "  %-20s %10s %8s %9s %8s\n", "operation", "ms", "share", "GFLOP/s", "of bare");
    for (size_t i = 0; i < count; i++) {
        const ssfer_breakdown_row *r = &rows[i];
        ssfer_fprintf(out, "  %-20s %10.3f %6.1f %%", r->name, r->ms, 100 * r->share);
        if (r->gflops > 0.0)
            ssfer_fprintf(out, " %9.1f", r->gflops);
        if (r->limit_gflops > 0.0)
            ssfer_fprintf(out, " %6.0f %%", 100 * r->gflops / r->limit_gflops);
        fputc('\n', out);
    }
    ssfer_fprintf(out, "  %-20s %10.3f\n", "the fastest step", 1e3 * b->fastest.seconds);
}

/* b: NULL without --breakdown. */
static void print_json(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r, const ssfer_breakdown *b)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, cli->out, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "case", a->what);
    ssfer_json_put_string(&w, "mode", mode_name(a));
    ssfer_json_put_double(&w, "images_per_second", r->images_per_second);
    if (r->per_core > 0.0)
        ssfer_json_put_double(&w, "images_per_second_per_core", r->per_core);
    if (r->limit_gflops > 0.0) {
        ssfer_json_put_double(&w, "gflops", r->gflops);
        ssfer_json_put_double(&w, "limit_gflops", r->limit_gflops);
        ssfer_json_put_double(&w, "of_limit", r->gflops / r->limit_gflops);
        ssfer_json_put_double(&w, "spread", r->spread);
    }
    for (size_t i = 0; i < r->part_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_ms", r->parts[i].name);
        ssfer_json_put_double(&w, name, r->parts[i].ms);
        if (!goes_through_pictures(a))
            continue;
        snprintf(name, sizeof name, "%s_share", r->parts[i].name);
        ssfer_json_put_double(&w, name, share_of(r, i));
    }
    ssfer_json_put_double(&w, "peak_rss_mib", r->peak_rss_mib);
    ssfer_json_put_int(&w, "threads", cli->common.threads);
    ssfer_json_put_string(&w, "precision", precision_name(cli, a));
    ssfer_json_put_int(&w, "batch", (int64_t)batch_of(a));
    if (b)
        put_breakdown(&w, b);
    ssfer_json_end(&w);
}

static void print_pictures(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    if (is(a, "loader"))
        fprintf(cli->out, "loader, %s view of %lld pixels, batch %zu, %lld threads, %zu batches\n", mode_name(a),
                (long long)loader_size(a), batch_of(a), (long long)cli->common.threads, r->steps);
    else
        fprintf(cli->out, "predict, batch %zu, %lld threads, %s, %zu batches\n", batch_of(a),
                (long long)cli->common.threads, precision_name(cli, a), r->steps);
    ssfer_fprintf(cli->out, "  %.1f images/s", r->images_per_second);
    if (r->per_core > 0.0)
        ssfer_fprintf(cli->out, ", %.1f a core", r->per_core);
    fputs("\n ", cli->out);
    for (size_t i = 0; i < r->part_count; i++)
        ssfer_fprintf(cli->out, "%s %s %.3f ms (%.1f %%)", i ? "," : "", r->parts[i].name, r->parts[i].ms,
                      100 * share_of(r, i));
    ssfer_fprintf(cli->out, "; peak memory %.0f MiB\n", r->peak_rss_mib);
}

static void print_table(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    const bool forward_only = is_transformer(a) && a->mode != 0; /* the other parts are empty then */
    fprintf(cli->out, "%s %s, batch %zu, %lld threads, %s, %zu steps\n", a->what, mode_name(a), batch_of(a),
            (long long)cli->common.threads, precision_name(cli, a), r->steps);
    ssfer_fprintf(cli->out, "  %.1f images/s  (median; middle half within %.1f %%)\n", r->images_per_second,
                  100 * r->spread);
    ssfer_fprintf(cli->out, "  %.1f GFLOP/s, %.0f %% of the %.1f GFLOP/s that the bare products reach\n", r->gflops,
                  100 * r->gflops / r->limit_gflops, r->limit_gflops);
    for (size_t i = 0; i < (forward_only ? 1 : r->part_count); i++)
        ssfer_fprintf(cli->out, "%s%s %.2f ms", i ? ", " : "  ", r->parts[i].name, r->parts[i].ms);
    ssfer_fprintf(cli->out, "; peak memory %.0f MiB\n", r->peak_rss_mib);
}

/* ---- cases ---- */

static ssfer_bench_mode mode_of(const bench_args *a)
{
    return a->mode == 0 ? SSFER_BENCH_TRAINING : SSFER_BENCH_INFERENCE;
}

static ssfer_status vit_options(ssfer_bench_vit_options *options, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    *options = (ssfer_bench_vit_options){.mode = mode_of(a),
                                         .batch = batch_of(a),
                                         .threads = (size_t)cli->common.threads,
                                         .precision = ssfer_cli_precision(cli),
                                         .seconds = a->seconds};
    if (ssfer_model_config(&options->config, &a->model, err) != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options->config.classes = 8;
    options->config.checkpoint = a->checkpoint_activations;
    return SSFER_OK;
}

/* b: NULL without --breakdown. */
static ssfer_status bench_vit(ssfer_bench_result *result, ssfer_breakdown *b, const bench_args *a, ssfer_cli *cli,
                              ssfer_error *err)
{
    ssfer_bench_vit_options options;
    const ssfer_status st = vit_options(&options, a, cli, err);
    options.breakdown = b;
    return st == SSFER_OK ? ssfer_bench_vit(result, &options, err) : st;
}

static ssfer_status bench_semi(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_bench_semi_options options = {.mu = (size_t)a->semi.mu, .kept = a->semi.kept};
    const ssfer_status st = vit_options(&options.vit, a, cli, err);
    return st == SSFER_OK ? ssfer_bench_semi(result, &options, err) : st;
}

static ssfer_status bench_mae(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_bench_mae_options options = {.mode = mode_of(a),
                                       .batch = batch_of(a),
                                       .threads = (size_t)cli->common.threads,
                                       .precision = ssfer_cli_precision(cli),
                                       .seconds = a->seconds};
    if (ssfer_mae_model_config(&options.config, &a->model, &a->decoder, err) != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options.config.checkpoint = a->checkpoint_activations;
    return ssfer_bench_mae(result, &options, err);
}

static ssfer_status bench_detect(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    const detect_args *d = &a->detect;
    const ssfer_bench_detect_options options = {.detector = d->detector,
                                                .network = d->network || d->detector ? d->network : "yolov7s-face",
                                                .save = d->save,
                                                .picture = d->picture,
                                                .seed = (uint64_t)cli->common.seed,
                                                .size = (size_t)d->size,
                                                .batch = batch_of(a),
                                                .threads = (size_t)cli->common.threads,
                                                .seconds = a->seconds};
    size_t faces = 0;
    const ssfer_status st = ssfer_bench_detect(result, &faces, &options, err);
    if (st == SSFER_OK)
        ssfer_debug(&cli->log, "%zu faces in the picture", faces);
    return st;
}

static ssfer_status bench_loader(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    static ssfer_transform (*const views[])(size_t) = {ssfer_transform_train, ssfer_transform_strong,
                                                       ssfer_transform_eval};
    if (!a->loader.data)
        return ssfer_cli_usage(cli, err, "--data: give the pictures to load");
    const ssfer_bench_loader_options options = {.data = a->loader.data,
                                                .transform = views[a->loader.view]((size_t)loader_size(a)),
                                                .batch = batch_of(a),
                                                .threads = (size_t)cli->common.threads,
                                                .seed = (uint64_t)cli->common.seed,
                                                .seconds = a->seconds,
                                                .log = &cli->log};
    return ssfer_bench_loader(result, &options, err);
}

/* An option about a detector that would be ignored is a mistake. */
static ssfer_status check_predict(const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    if (!a->predict.model)
        return ssfer_cli_usage(cli, err, "--model: give the model to predict with");
    if (!a->loader.data)
        return ssfer_cli_usage(cli, err, "--data: give the pictures to look at");
    for (const ssfer_option *o = DETECT_OPTIONS; !a->detect.detector && o->name; o++)
        if (ssfer_cli_given(cli, o->name))
            return ssfer_cli_usage(cli, err, "--%s needs --detector", o->name);
    return SSFER_OK;
}

static ssfer_status bench_predict(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    const ssfer_bench_predict_options options = {.data = a->loader.data,
                                                 .model = a->predict.model,
                                                 .classes = a->predict.classes,
                                                 .detector = a->detect.detector,
                                                 .network = a->detect.network,
                                                 .size = (size_t)a->detect.size,
                                                 .batch = batch_of(a),
                                                 .threads = (size_t)cli->common.threads,
                                                 .bf16 = ssfer_cli_precision(cli) == SSFER_PRECISION_BF16,
                                                 .seconds = a->seconds,
                                                 .log = &cli->log};
    double faces;
    ssfer_status st = check_predict(a, cli, err);
    if (st == SSFER_OK)
        st = ssfer_bench_predict(result, &faces, &options, err);
    if (st == SSFER_OK)
        ssfer_debug(&cli->log, "%.2f faces a picture", faces);
    return st;
}

/* "vit, mae and semi" */
static void name_cases(char *text, size_t size, unsigned set)
{
    size_t length = 0;
    for (size_t i = 0; CASES[i]; i++) {
        if (!(set >> i & 1u))
            continue;
        const char *between = !length ? "" : set >> i == 1u ? " and " : ", ";
        length += (size_t)snprintf(text + length, size - length, "%s%s", between, CASES[i]);
    }
}

/* Options that say nothing about this case or mode. */
static ssfer_status refuse_foreign(ssfer_cli *cli, const bench_args *a, ssfer_error *err)
{
    static const struct {
        const ssfer_option *options;
        unsigned of;
    } groups[] = {{MODE_OPTIONS, VIT | MAE},
                  {TRANSFORMER_OPTIONS, VIT | MAE | SEMI},
                  {SSFER_MODEL_OPTIONS, VIT | MAE | SEMI},
                  {SSFER_DECODER_OPTIONS, MAE},
                  {BREAKDOWN_OPTIONS, VIT},
                  {SEMI_OPTIONS, SEMI},
                  {DETECT_OPTIONS, DETECT | PREDICT},
                  {PICTURE_OPTIONS, DETECT},
                  {LOADER_OPTIONS, LOADER | PREDICT},
                  {VIEW_OPTIONS, LOADER},
                  {PREDICT_OPTIONS, PREDICT}};
    char of[64];
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const ssfer_option *o = groups[g].options; !(groups[g].of & set_of(a)) && o->name; o++)
            if (ssfer_cli_given(cli, o->name) && !(is(a, "loader") && strcmp(o->name, "image-size") == 0)) {
                name_cases(of, sizeof of, groups[g].of);
                return ssfer_cli_usage(cli, err, "--%s: only for %s", o->name, of);
            }
    if (a->checkpoint_activations && mode_of(a) != SSFER_BENCH_TRAINING)
        return ssfer_cli_usage(cli, err, "--checkpoint-activations: only for --mode training");
    return SSFER_OK;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const bench_args *a = data;
    ssfer_bench_result result = {0};
    ssfer_breakdown watched = {0}, *breakdown = a->breakdown ? &watched : NULL;
    ssfer_status st = refuse_foreign(cli, a, err);
    if (st == SSFER_OK)
        st = is(a, "detect")    ? bench_detect(&result, a, cli, err)
             : is(a, "mae")     ? bench_mae(&result, a, cli, err)
             : is(a, "semi")    ? bench_semi(&result, a, cli, err)
             : is(a, "predict") ? bench_predict(&result, a, cli, err)
             : is(a, "loader")  ? bench_loader(&result, a, cli, err)
                                : bench_vit(&result, breakdown, a, cli, err);
    if (st != SSFER_OK)
        return st;
    if (a->format == 1)
        print_json(cli, a, &result, breakdown);
    else if (goes_through_pictures(a))
        print_pictures(cli, a, &result);
    else
        print_table(cli, a, &result);
    if (breakdown && a->format == 0)
        print_breakdown(cli->out, breakdown);
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_BENCH = {
    .name = "bench",
    .group = SSFER_COMMAND_GROUP_FILES,
    .summary = "measure this machine",
    .description =
        "Measures how fast a model runs on this machine, beside the rate that its matrix products reach by "
        "themselves (the limit). Both are measured in turns, so a machine that drifts affects both alike.\n"
        "\n"
        "Images per second are those of a whole step. For semi that is a step of 'ssfer semi' with the pictures "
        "ready: the teacher labels the unlabeled ones, the student learns the labeled ones and --kept of the others, "
        "and both kinds count as images. For detect that is letterbox, network and selection of "
        "the faces; decoding the picture's file is measured beside it, once and by one thread. For loader they are "
        "what all threads "
        "make together, with nobody else to compete for the processor; 'a core', and the share of each stage, go by "
        "the threads' processor time. For predict they are those of all that 'ssfer predict' does to a picture; its "
        "parts follow one another.\n"
        "\n"
        "--breakdown tells apart the products of each kind of layer, by pass (forward, dx, dw), and the operations "
        "between them; 'adamw' is also the running average, the gradients' norm and their clearing, 'between' is what "
        "is no operation. "
        "Times are those of the fastest step, which they add up to, and of the fastest bare products. A product "
        "includes its bias and, in a forward pass alone, the "
        "GELU behind it; in the last block most products have the class tokens only, unlike the bare ones.",
    .groups = {{"Options", OPTIONS, 0},
               {"Step (vit, mae)", MODE_OPTIONS, 0},
               {"Operations (vit)", BREAKDOWN_OPTIONS, 0},
               {"Memory (vit, mae, semi)", TRANSFORMER_OPTIONS, 0},
               {"Model (vit, mae, semi)", SSFER_MODEL_OPTIONS, offsetof(bench_args, model)},
               {"Decoder and masking (mae)", SSFER_DECODER_OPTIONS, offsetof(bench_args, decoder)},
               {"Step (semi)", SEMI_OPTIONS, offsetof(bench_args, semi)},
               {"Detector (detect, predict)", DETECT_OPTIONS, offsetof(bench_args, detect)},
               {"Picture (detect)", PICTURE_OPTIONS, offsetof(bench_args, detect)},
               {"Pictures (loader, predict)", LOADER_OPTIONS, offsetof(bench_args, loader)},
               {"View (loader)", VIEW_OPTIONS, offsetof(bench_args, loader)},
               {"Classifier (predict)", PREDICT_OPTIONS, offsetof(bench_args, predict)}},
    .operands = OPERANDS,
    .examples =
        {{"ssfer bench vit --arch base --mode inference --batch-size 32", "ViT-B/16 at 224 pixels."},
         {"ssfer bench vit --arch tiny --depth 6 --image-size 48 --patch-size 8 --batch-size 64",
          "Training of the small model that the README trains on FER+."},
         {"ssfer bench mae --arch tiny --image-size 48 --patch-size 8 --batch-size 64",
          "Pre-training of a small masked autoencoder."},
         {"ssfer bench semi --arch tiny --image-size 48 --patch-size 8 --batch-size 64 --mu 5 --kept 0.6",
          "Semi-supervised training: 64 labeled pictures a step, 320 that the teacher labels, 192 of them kept."},
         {"ssfer bench detect --network yolov7-lite-t", "A small face detector on a drawn face at 640 pixels."},
         {"ssfer bench detect --detector yolov7s-face.pt --picture photo.jpg --size 224 --batch-size 32",
          "A given one, in batches."},
         {"ssfer bench loader --data faces.tar --view strong --threads 1",
          "Decoding and augmenting pictures for training."}},
    .args_size = sizeof(bench_args),
    .run = run,
};
