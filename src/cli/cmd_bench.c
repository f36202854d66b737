#include "bench/detect.h"
#include "bench/mae.h"
#include "bench/vit.h"
#include "cli/commands.h"
#include "cli/mae_args.h"
#include "io/json.h"
#include "models/yolov7/config.h"

#include <string.h>

typedef struct detect_args {
    const char *detector, *network, *picture, *save;
    int64_t size;
} detect_args;

typedef struct bench_args {
    const char *what;
    int mode, format;
    double seconds;
    ssfer_model_args model;
    ssfer_decoder_args decoder;
    detect_args detect;
    int64_t batch_size; /* 0: what the case usually has */
} bench_args;

static const char *const MODES[] = {"training", "inference", NULL};
static const char *const FORMATS[] = {"table", "json", NULL};

static ssfer_status check_what(const char *value, ssfer_error *err)
{
    if (strcmp(value, "vit") == 0 || strcmp(value, "mae") == 0 || strcmp(value, "detect") == 0)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "there is no case '%s'; give vit, mae or detect", value);
}

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_CHOICE(bench_args, mode), .name = "mode", .choices = MODES, .initial = "training",
     .help = "vit, mae: a training step (forward, backward, AdamW, for vit also EMA) or a forward pass"},
    {SSFER_OPTION_INT(bench_args, batch_size), .name = "batch-size", .value = "N", .initial_help = "32, for detect 1",
     .min = 1, .max = 65536, .help = "pictures in a step"},
    {SSFER_OPTION_FLOAT(bench_args, seconds), .name = "seconds", .value = "X", .initial = "10", .above_min = true,
     .max = 3600, .help = "about how long to measure"},
    {SSFER_OPTION_CHOICE(bench_args, format), .name = "format", .choices = FORMATS, .initial = "table",
     .help = "how to print the figures"},
    {0}};
static const ssfer_option DETECT_OPTIONS[] = {
    {SSFER_OPTION_STRING(detect_args, detector), .name = "detector", .letter = 'd', .value = "D",
     .help = "face detector: a published .pt of YOLOv7-face, its bare weights, or what 'ssfer convert' made of them; "
             "without it, --network with random weights"},
    {SSFER_OPTION_STRING(detect_args, network), .name = "network", .value = "NAME",
     .initial_help = "yolov7s-face, or what fits --detector",
     .help = "network of random or bare weights: " SSFER_YOLO_BUILTIN_NAMES},
    {SSFER_OPTION_INT(detect_args, size), .name = "size", .value = "N", .initial = "640", .min = 32, .max = 8192,
     .help = "side in pixels to which the picture is scaled, a multiple of 32"},
    {SSFER_OPTION_STRING(detect_args, picture), .name = "picture", .value = "FILE",
     .initial_help = "a drawn face of that size", .help = "the picture; a step looks at it --batch-size times"},
    {SSFER_OPTION_STRING(detect_args, save), .name = "save", .value = "T.safetensors", .conflicts = "detector",
     .help = "also write the network with its random weights, for measuring something else with it"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRING(bench_args, what), .name = "CASE", .required = true,
                                         .check = check_what, .help = "what to measure: vit, mae or detect"},
                                        {0}};

static bool is(const bench_args *a, const char *what)
{
    return strcmp(a->what, what) == 0;
}

static size_t batch_of(const bench_args *a)
{
    return a->batch_size ? (size_t)a->batch_size : is(a, "detect") ? 1 : 32;
}

/* ---- printing ---- */

static void print_json(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, cli->out, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "case", a->what);
    ssfer_json_put_string(&w, "mode", is(a, "detect") ? "inference" : MODES[a->mode]);
    ssfer_json_put_double(&w, "images_per_second", r->images_per_second);
    ssfer_json_put_double(&w, "gflops", r->gflops);
    ssfer_json_put_double(&w, "limit_gflops", r->limit_gflops);
    ssfer_json_put_double(&w, "of_limit", r->gflops / r->limit_gflops);
    ssfer_json_put_double(&w, "spread", r->spread);
    for (size_t i = 0; i < r->part_count; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s_ms", r->parts[i].name);
        ssfer_json_put_double(&w, name, r->parts[i].ms);
    }
    ssfer_json_put_double(&w, "peak_rss_mib", r->peak_rss_mib);
    ssfer_json_put_int(&w, "threads", cli->common.threads);
    ssfer_json_put_string(&w, "precision",
                          ssfer_precision_name(is(a, "detect") ? SSFER_PRECISION_FP32 : ssfer_cli_precision(cli)));
    ssfer_json_put_int(&w, "batch", (int64_t)batch_of(a));
    ssfer_json_end(&w);
}

static void print_table(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    const bool forward_only = !is(a, "detect") && a->mode != 0; /* the other parts are empty then */
    fprintf(cli->out, "%s %s, batch %zu, %lld threads, %s, %zu steps\n", a->what,
            is(a, "detect") ? "inference" : MODES[a->mode], batch_of(a), (long long)cli->common.threads,
            ssfer_precision_name(is(a, "detect") ? SSFER_PRECISION_FP32 : ssfer_cli_precision(cli)), r->steps);
    fprintf(cli->out, "  %.1f images/s  (median; middle half within %.1f %%)\n", r->images_per_second, 100 * r->spread);
    fprintf(cli->out, "  %.1f GFLOP/s, %.0f %% of the %.1f GFLOP/s that the bare products reach\n", r->gflops,
            100 * r->gflops / r->limit_gflops, r->limit_gflops);
    for (size_t i = 0; i < (forward_only ? 1 : r->part_count); i++)
        fprintf(cli->out, "%s%s %.2f ms", i ? ", " : "  ", r->parts[i].name, r->parts[i].ms);
    fprintf(cli->out, "; peak memory %.0f MiB\n", r->peak_rss_mib);
}

/* ---- cases ---- */

static ssfer_bench_mode mode_of(const bench_args *a)
{
    return a->mode == 0 ? SSFER_BENCH_TRAINING : SSFER_BENCH_INFERENCE;
}

static ssfer_status bench_vit(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_bench_vit_options options = {.mode = mode_of(a),
                                       .batch = batch_of(a),
                                       .threads = (size_t)cli->common.threads,
                                       .precision = ssfer_cli_precision(cli),
                                       .seconds = a->seconds};
    if (ssfer_model_config(&options.config, &a->model, err) != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options.config.classes = 8;
    return ssfer_bench_vit(result, &options, err);
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

/* Options that say nothing about this case. */
static ssfer_status refuse_foreign(ssfer_cli *cli, const bench_args *a, ssfer_error *err)
{
    const struct {
        const ssfer_option *options;
        bool fits;
        const char *of;
    } groups[] = {{SSFER_MODEL_OPTIONS, !is(a, "detect"), "vit and mae"},
                  {SSFER_DECODER_OPTIONS, is(a, "mae"), "mae"},
                  {DETECT_OPTIONS, is(a, "detect"), "detect"}};
    if (is(a, "detect") && ssfer_cli_given(cli, "mode"))
        return ssfer_cli_usage(cli, err, "--mode: only for vit and mae");
    for (size_t g = 0; g < sizeof groups / sizeof *groups; g++)
        for (const ssfer_option *o = groups[g].options; !groups[g].fits && o->name; o++)
            if (ssfer_cli_given(cli, o->name))
                return ssfer_cli_usage(cli, err, "--%s: only for %s", o->name, groups[g].of);
    return SSFER_OK;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const bench_args *a = data;
    ssfer_bench_result result;
    ssfer_status st = refuse_foreign(cli, a, err);
    if (st == SSFER_OK)
        st = is(a, "detect") ? bench_detect(&result, a, cli, err)
             : is(a, "mae")  ? bench_mae(&result, a, cli, err)
                             : bench_vit(&result, a, cli, err);
    if (st != SSFER_OK)
        return st;
    if (a->format == 1)
        print_json(cli, a, &result);
    else
        print_table(cli, a, &result);
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
        "Images per second are those of a whole step. For detect that is letterbox, network and selection of "
        "the faces; decoding the picture's file is measured beside it, once and by one thread.",
    .groups = {{"Options", OPTIONS, 0},
               {"Model (vit, mae)", SSFER_MODEL_OPTIONS, offsetof(bench_args, model)},
               {"Decoder and masking (mae)", SSFER_DECODER_OPTIONS, offsetof(bench_args, decoder)},
               {"Detector (detect)", DETECT_OPTIONS, offsetof(bench_args, detect)}},
    .operands = OPERANDS,
    .examples = {{"ssfer bench vit --arch base --mode inference --batch-size 32", "ViT-B/16 at 224 pixels."},
                 {"ssfer bench vit --arch tiny --depth 6 --image-size 48 --patch-size 8 --batch-size 64",
                  "Training of the small model that the README trains on FER+."},
                 {"ssfer bench mae --arch tiny --image-size 48 --patch-size 8 --batch-size 64",
                  "Pre-training of a small masked autoencoder."},
                 {"ssfer bench detect --network yolov7-lite-t", "A small face detector on a drawn face at 640 pixels."},
                 {"ssfer bench detect --detector yolov7s-face.pt --picture photo.jpg --size 224 --batch-size 32",
                  "A given one, in batches."}},
    .args_size = sizeof(bench_args),
    .run = run,
};
