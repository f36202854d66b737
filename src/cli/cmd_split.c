#include "base/text.h"
#include "cli/commands.h"
#include "data/by_class.h"
#include "data/split.h"
#include "data/stats.h"
#include "io/json.h"

#include <string.h>

typedef struct split_args {
    const char *data, *split, *output;
    double fraction;
    int format;
    bool stats, unlabeled;
} split_args;

static const char *const FORMAT_CHOICES[] = {"table", "json", NULL};
enum { FORMAT_TABLE, FORMAT_JSON };

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(split_args, data), .name = "data", .value = "D", .required = true,
     .help = "folder, tar file, comma list or pattern of tar files, or CSV list"},
    {SSFER_OPTION_STRING(split_args, split), .name = "split", .value = "S", .initial_help = "the only one there is",
     .help = "part of the set, such as train"},
    {SSFER_OPTION_FLOAT(split_args, fraction), .name = "fraction", .value = "F", .above_min = true, .max = 1,
     .help = "share of every class that counts as labeled, at least one sample of each"},
    {SSFER_OPTION_STRING(split_args, output), .name = "output", .letter = 'o', .value = "FILE",
     .help = "where to write the labeled samples' names, as JSON"},
    {SSFER_OPTION_FLAG(split_args, stats), .name = "stats", .conflicts = "fraction",
     .help = "instead, look at every picture: samples a class, mean and deviation of the pixels, sizes, damage"},
    {SSFER_OPTION_FLAG(split_args, unlabeled), .name = "unlabeled", .conflicts = "fraction",
     .help = "with --stats: take all pictures at any depth, without classes"},
    {SSFER_OPTION_CHOICE(split_args, format), .name = "format", .choices = FORMAT_CHOICES, .initial = "table",
     .help = "how to print the counts"},
    {0}};

static ssfer_status print_stats(ssfer_cli *cli, const split_args *args, const ssfer_dataset *set, ssfer_error *err)
{
    ssfer_progress bar;
    ssfer_dataset_stats stats = {0};
    ssfer_progress_begin(&bar, cli->progress, "looking", "img", ssfer_dataset_count(set));
    ssfer_status st = ssfer_dataset_stats_compute(&stats, set, (size_t)cli->common.threads, &cli->log, &bar, err);
    ssfer_progress_end(&bar);
    if (st == SSFER_OK && args->format == FORMAT_JSON)
        ssfer_dataset_stats_print_json(&stats, set, cli->out);
    else if (st == SSFER_OK)
        ssfer_dataset_stats_print(&stats, set, cli->out);
    ssfer_dataset_stats_deinit(&stats);
    return st;
}

/* The samples of each class, and those of them that are labeled. */
typedef struct class_counts {
    ssfer_by_class samples, labeled;
} class_counts;

static ssfer_status count_classes(class_counts *c, const ssfer_dataset *set, const ssfer_split *split, ssfer_error *err)
{
    *c = (class_counts){0};
    ssfer_status st = ssfer_by_class_init(&c->samples, set, NULL, 0, err);
    return st == SSFER_OK ? ssfer_by_class_init(&c->labeled, set, split->labeled, split->labeled_count, err) : st;
}

static void print_table(FILE *out, const ssfer_dataset *set, const class_counts *counts)
{
    size_t width = strlen("class");
    for (size_t k = 0; k < ssfer_dataset_class_count(set); k++) {
        size_t columns = ssfer_text_columns(ssfer_dataset_class_name(set, k));
        width = columns > width ? columns : width;
    }
    fprintf(out, "%-*s  labeled  samples\n", (int)width, "class");
    for (size_t k = 0; k < ssfer_dataset_class_count(set); k++) {
        ssfer_text_print(out, ssfer_dataset_class_name(set, k), width, SSFER_TEXT_LEFT);
        fprintf(out, "  %7zu  %7zu\n", ssfer_by_class_size(&counts->labeled, k),
                ssfer_by_class_size(&counts->samples, k));
    }
    fprintf(out, "%-*s  %7zu  %7zu\n", (int)width, "all", counts->labeled.count, counts->samples.count);
}

static void print_json(FILE *out, const ssfer_dataset *set, const ssfer_split *split, const class_counts *counts)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, out, 2);
    ssfer_json_begin_object(&w);
    ssfer_json_put_double(&w, "fraction", split->fraction);
    ssfer_json_put_uint(&w, "seed", split->seed);
    ssfer_json_put_uint(&w, "labeled", split->labeled_count);
    ssfer_json_put_uint(&w, "samples", ssfer_dataset_count(set));
    ssfer_json_key(&w, "classes");
    ssfer_json_begin_object(&w);
    for (size_t k = 0; k < ssfer_dataset_class_count(set); k++) {
        ssfer_json_key(&w, ssfer_dataset_class_name(set, k));
        ssfer_json_begin_flat_object(&w);
        ssfer_json_put_uint(&w, "labeled", ssfer_by_class_size(&counts->labeled, k));
        ssfer_json_put_uint(&w, "samples", ssfer_by_class_size(&counts->samples, k));
        ssfer_json_end(&w);
    }
    ssfer_json_end(&w);
    ssfer_json_end(&w);
}

static ssfer_status write_split(ssfer_cli *cli, const split_args *args, const ssfer_dataset *set, ssfer_error *err)
{
    ssfer_split split = {0};
    class_counts counts = {0};
    ssfer_status st = ssfer_split_make(&split, set, args->fraction, (uint64_t)cli->common.seed, err);
    if (st == SSFER_OK)
        st = count_classes(&counts, set, &split, err);
    if (st == SSFER_OK)
        st = ssfer_split_save(&split, set, args->output, err);
    if (st == SSFER_OK && args->format == FORMAT_JSON)
        print_json(cli->out, set, &split, &counts);
    else if (st == SSFER_OK)
        print_table(cli->out, set, &counts);
    ssfer_by_class_deinit(&counts.samples);
    ssfer_by_class_deinit(&counts.labeled);
    ssfer_split_deinit(&split);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const split_args *args = data;
    if (!args->stats && !ssfer_cli_given(cli, "fraction"))
        return ssfer_cli_usage(cli, err, "neither --fraction nor --stats is given");
    if (!args->stats && !args->output)
        return ssfer_cli_usage(cli, err, "--output is missing");
    if (args->stats && args->output)
        return ssfer_cli_usage(cli, err, "--output goes with --fraction, not with --stats");
    const ssfer_dataset_options options = {.split = args->split, .unlabeled = args->unlabeled, .log = &cli->log};
    ssfer_dataset *set = NULL;
    ssfer_status st = ssfer_dataset_open(&set, args->data, &options, err);
    if (st == SSFER_OK) {
        ssfer_cli_mention_left_out(cli, set);
        st = args->stats ? print_stats(cli, args, set, err) : write_split(cli, args, set, err);
    }
    ssfer_dataset_close(set);
    return st;
}

const ssfer_command SSFER_COMMAND_SPLIT = {
    .name = "split",
    .group = SSFER_COMMAND_GROUP_DATA,
    .summary = "choose which samples count as labeled; statistics of a data set",
    .description =
        "Chooses, class by class and by --seed, which samples of a data set count as labeled, and writes their names "
        "into a small file for 'ssfer finetune --labels'. The same seed gives the same choice, and a smaller fraction "
        "of it is part of a larger one.\n"
        "\n"
        "A data set is a folder or tar file with [split/]class/name.{jpg,png,webp} inside, or a CSV list of lines "
        "path,label. Several tar files form one set: a comma list, a range set-{00..15}.tar, or a pattern in quotes.",
    .groups = {{"Options", OPTIONS, 0}},
    .examples = {{"ssfer split --data ferplus --split train --fraction 0.05 --seed 1 --output labels.json",
                  "5 % of every class."},
                 {"ssfer split --data ferplus.tar --split train --stats", "What is in the set."}},
    .args_size = sizeof(split_args),
    .run = run,
};
