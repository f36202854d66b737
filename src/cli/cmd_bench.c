#include "bench/mae.h"
#include "bench/vit.h"
#include "cli/commands.h"
#include "cli/mae_args.h"
#include "io/json.h"

#include <string.h>

typedef struct bench_args {
    const char *what;
    int mode, format;
    double seconds;
    ssfer_model_args model;
    ssfer_decoder_args decoder;
    int64_t batch_size;
} bench_args;

static const char *const MODES[] = {"training", "inference", NULL};
static const char *const FORMATS[] = {"table", "json", NULL};

static ssfer_status check_what(const char *value, ssfer_error *err)
{
    if (strcmp(value, "vit") == 0 || strcmp(value, "mae") == 0)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "there is no case '%s'; give vit or mae", value);
}

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_CHOICE(bench_args, mode), .name = "mode", .choices = MODES, .initial = "training",
     .help = "a training step (forward, backward, AdamW, for vit also EMA) or a forward pass"},
    {SSFER_OPTION_INT(bench_args, batch_size), .name = "batch-size", .value = "N", .initial = "32", .min = 1,
     .max = 65536, .help = "pictures in a step"},
    {SSFER_OPTION_FLOAT(bench_args, seconds), .name = "seconds", .value = "X", .initial = "10", .above_min = true,
     .max = 3600, .help = "about how long to measure"},
    {SSFER_OPTION_CHOICE(bench_args, format), .name = "format", .choices = FORMATS, .initial = "table",
     .help = "how to print the figures"},
    {0}};
static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRING(bench_args, what), .name = "CASE", .required = true,
                                         .check = check_what, .help = "what to measure: vit or mae"},
                                        {0}};

static void print_json(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, cli->out, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "case", a->what);
    ssfer_json_put_string(&w, "mode", MODES[a->mode]);
    ssfer_json_put_double(&w, "images_per_second", r->images_per_second);
    ssfer_json_put_double(&w, "gflops", r->gflops);
    ssfer_json_put_double(&w, "limit_gflops", r->limit_gflops);
    ssfer_json_put_double(&w, "of_limit", r->gflops / r->limit_gflops);
    ssfer_json_put_double(&w, "spread", r->spread);
    ssfer_json_put_double(&w, "forward_ms", r->forward_ms);
    ssfer_json_put_double(&w, "backward_ms", r->backward_ms);
    ssfer_json_put_double(&w, "update_ms", r->update_ms);
    ssfer_json_put_double(&w, "peak_rss_mib", r->peak_rss_mib);
    ssfer_json_put_int(&w, "threads", cli->common.threads);
    ssfer_json_put_string(&w, "precision", "fp32");
    ssfer_json_put_int(&w, "batch", a->batch_size);
    ssfer_json_end(&w);
}

static void print_table(const ssfer_cli *cli, const bench_args *a, const ssfer_bench_result *r)
{
    fprintf(cli->out, "%s %s, batch %lld, %lld threads, fp32, %zu steps\n", a->what, MODES[a->mode],
            (long long)a->batch_size, (long long)cli->common.threads, r->steps);
    fprintf(cli->out, "  %.1f images/s  (median; middle half within %.1f %%)\n", r->images_per_second, 100 * r->spread);
    fprintf(cli->out, "  %.1f GFLOP/s, %.0f %% of the %.1f GFLOP/s that the bare products reach\n", r->gflops,
            100 * r->gflops / r->limit_gflops, r->limit_gflops);
    fprintf(cli->out, "  forward %.2f ms", r->forward_ms);
    if (a->mode == 0)
        fprintf(cli->out, ", backward %.2f ms, update %.2f ms", r->backward_ms, r->update_ms);
    fprintf(cli->out, "; peak memory %.0f MiB\n", r->peak_rss_mib);
}

static ssfer_bench_mode mode_of(const bench_args *a)
{
    return a->mode == 0 ? SSFER_BENCH_TRAINING : SSFER_BENCH_INFERENCE;
}

static ssfer_status bench_vit(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_bench_vit_options options = {.mode = mode_of(a),
                                       .batch = (size_t)a->batch_size,
                                       .threads = (size_t)cli->common.threads,
                                       .seconds = a->seconds};
    if (ssfer_model_config(&options.config, &a->model, err) != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    options.config.classes = 8;
    return ssfer_bench_vit(result, &options, err);
}

static ssfer_status bench_mae(ssfer_bench_result *result, const bench_args *a, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_bench_mae_options options = {.mode = mode_of(a),
                                       .batch = (size_t)a->batch_size,
                                       .threads = (size_t)cli->common.threads,
                                       .seconds = a->seconds};
    if (ssfer_mae_model_config(&options.config, &a->model, &a->decoder, err) != SSFER_OK)
        return ssfer_cli_usage(cli, err, "%s", err->message);
    return ssfer_bench_mae(result, &options, err);
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const bench_args *a = data;
    ssfer_bench_result result;
    ssfer_status st = strcmp(a->what, "mae") == 0 ? bench_mae(&result, a, cli, err) : bench_vit(&result, a, cli, err);
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
    .description = "Measures how fast a model runs on this machine, beside the rate that its matrix products reach by "
                   "themselves (the limit). Both are measured in turns, so a machine that drifts affects both alike.",
    .groups = {{"Options", OPTIONS, 0},
               {"Model", SSFER_MODEL_OPTIONS, offsetof(bench_args, model)},
               {"Decoder and masking (mae)", SSFER_DECODER_OPTIONS, offsetof(bench_args, decoder)}},
    .operands = OPERANDS,
    .examples = {{"ssfer bench vit --arch base --mode inference --batch-size 32", "ViT-B/16 at 224 pixels."},
                 {"ssfer bench vit --arch tiny --depth 6 --image-size 48 --patch-size 8 --batch-size 64",
                  "Training of the small model that the README trains on FER+."},
                 {"ssfer bench mae --arch tiny --image-size 48 --patch-size 8 --batch-size 64",
                  "Pre-training of a small masked autoencoder."}},
    .args_size = sizeof(bench_args),
    .run = run,
};
