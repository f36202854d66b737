#include "cli/commands.h"
#include "cli/estimate.h"
#include "cli/plan.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/threads.h"
#include "data/split.h"
#include "nn/try.h"
#include "train/run_recipe.h"

#include <dirent.h>
#include <string.h>

typedef struct train_args {
    const char *recipe, *out;
    ssfer_strings sets;
    bool resume, dry_run;
} train_args;

static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRING(train_args, recipe), .name = "RECIPE.yaml",
                                         .required = true, .help = "what to train; see below"},
                                        {0}};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(train_args, out), .name = "out", .letter = 'o', .value = "RUN",
     .help = "folder of the run; needed unless --dry-run is given"},
    {SSFER_OPTION_STRINGS(train_args, sets), .name = "set", .value = "KEY=VALUE",
     .help = "over what the recipe says: data=faces.tar, finetune.epochs=20; may be given several times"},
    {SSFER_OPTION_FLAG(train_args, resume), .name = "resume",
     .help = "go on with the run in --out: finished stages are skipped, an interrupted one continues"},
    {SSFER_OPTION_FLAG(train_args, dry_run), .name = "dry-run",
     .help = "check the recipe and print stages, data, steps, parameters, memory and time; train nothing"},
    {0}};

/* ---- the run folder ------------------------------------------------------------------------------------------- */

static bool is_empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    size_t entries = 0;
    for (const struct dirent *entry; dir && (entry = readdir(dir));)
        entries += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    if (dir)
        closedir(dir);
    return dir && entries == 0;
}

/* The settings of one section; how many threads work on it may differ on a resume. */
static void describe_section(ssfer_recipe *r, const train_plan *plan, const char *section)
{
    for (int last = 0; last < 2; last++) {
        if (last)
            ssfer_recipe_free_choice(r);
        for (size_t i = 0; i < plan->count; i++) {
            const train_setting *s = &plan->settings[i];
            bool mine = section ? s->section && strcmp(s->section, section) == 0 : !s->section;
            if (!mine || !s->key || strcmp(s->key, "stages") == 0 || (strcmp(s->key, "threads") == 0) != (last == 1))
                continue;
            if (s->value_count == 1)
                ssfer_recipe_string(r, s->key, s->values[0]);
            else
                ssfer_recipe_strings(r, s->key, (const char *const *)s->values, s->value_count);
        }
    }
}

/* In the form of a recipe, so that it makes the same run again. */
static void describe(ssfer_recipe *r, const train_plan *plan)
{
    const char *names[TRAIN_MAX_STAGES];
    for (size_t i = 0; i < plan->stage_count; i++)
        names[i] = plan->stages[i].command->name;
    ssfer_recipe_section(r, "common");
    ssfer_recipe_strings(r, "stages", names, plan->stage_count);
    describe_section(r, plan, NULL);
    for (size_t i = 0; i < plan->stage_count; i++) {
        ssfer_recipe_section(r, names[i]);
        describe_section(r, plan, names[i]);
    }
}

/* Keeps what the run is made of, or compares with what it was made of before. */
static ssfer_status keep_recipe(const train_plan *plan, const train_args *a, ssfer_error *err)
{
    ssfer_recipe now = {0}, before = {0};
    char *path = ssfer_format("%s/recipe.yaml", a->out);
    describe(&now, plan);
    ssfer_status st = path ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", a->out);
    if (st == SSFER_OK && ssfer_file_exists(path)) {
        st = ssfer_recipe_read(&before, path, err);
        if (st == SSFER_OK)
            st = ssfer_recipe_compare(&now, &before, path, err);
    } else if (st == SSFER_OK) {
        st = ssfer_recipe_write(&now, path, err);
    }
    ssfer_recipe_deinit(&now);
    ssfer_recipe_deinit(&before);
    ssfer_free(path);
    return st;
}

static ssfer_status open_folder(const train_plan *plan, const train_args *a, ssfer_error *err)
{
    if (ssfer_file_exists(a->out) && !ssfer_folder_exists(a->out))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: exists and is not a folder; choose another name", a->out);
    if (ssfer_folder_exists(a->out) && !a->resume && !is_empty_folder(a->out))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: holds files already; go on with --resume, remove the folder or use another --out",
                          a->out);
    TRY(ssfer_folder_create(a->out, err));
    return keep_recipe(plan, a, err);
}

/* ---- the split -------------------------------------------------------------------------------------------------- */

static const train_stage *first_labeled(const train_plan *plan)
{
    for (size_t i = 0; i < plan->stage_count; i++)
        if (ssfer_stage_value(&plan->stages[i], "labels"))
            return &plan->stages[i];
    return NULL;
}

/* One split for all stages, by the data and the seed of the first one that needs it. */
static ssfer_status make_split(const train_plan *plan, const ssfer_cli *cli, ssfer_error *err)
{
    const train_stage *stage = first_labeled(plan);
    ssfer_dataset *set = NULL;
    ssfer_split split = {0};
    if (!stage || ssfer_file_exists(plan->labels))
        return SSFER_OK;
    const ssfer_dataset_options options = {.split = ssfer_stage_string(stage, "split"),
                                           .folder_classes = ssfer_stage_string(stage, "folder-classes"),
                                           .log = &cli->log};
    ssfer_status st = ssfer_dataset_open(&set, ssfer_stage_string(stage, "data"), &options, err);
    if (st == SSFER_OK)
        st = plan->labels_from ? ssfer_split_load(&split, set, plan->labels_from, err)
                               : ssfer_split_make(&split, set, plan->fraction, (uint64_t)stage->common.seed, err);
    if (st == SSFER_OK)
        st = ssfer_split_save(&split, set, plan->labels, err);
    if (st == SSFER_OK)
        ssfer_info(&cli->log, "%zu of %zu pictures are labeled: %s", split.labeled_count, ssfer_dataset_count(set),
                   plan->labels);
    ssfer_split_deinit(&split);
    ssfer_dataset_close(set);
    return st;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* The report is the last thing that a stage writes: one that was killed in between has a model and goes on to it. */
static bool is_finished(const train_stage *stage)
{
    char *report = ssfer_format("%s/report.html", stage->folder);
    const bool finished = ssfer_file_exists(stage->model) && report && ssfer_file_exists(report);
    ssfer_free(report);
    return finished;
}

/* The stage's command as if it had been called by itself, with this program's log. */
static ssfer_status run_stage(const train_stage *stage, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_cli own = *cli;
    own.command = stage->command;
    own.parsed = stage->parsed;
    own.common = stage->common;
    if (own.common.threads == 0)
        own.common.threads = cli->common.threads;
    if (is_finished(stage)) {
        ssfer_info(&cli->log, "%s is finished", stage->name);
        return SSFER_OK;
    }
    ssfer_info(&cli->log, "%s", stage->name);
    if (!cli->common.quiet)
        fprintf(cli->out, "== %s\n", stage->name);
    ssfer_status st = stage->command->run(&own, stage->args, err);
    cli->usage_error = cli->usage_error || own.usage_error;
    return st;
}

/* The last stage's report tells of those before it, too: it is the run's. */
static ssfer_status copy_report(const train_plan *plan, const char *out, ssfer_error *err)
{
    char *from = ssfer_format("%s/report.html", plan->stages[plan->stage_count - 1].folder);
    char *to = ssfer_format("%s/report.html", out);
    ssfer_file_map report = {0};
    ssfer_status st = from && to ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", out);
    if (st == SSFER_OK && ssfer_file_exists(from)) {
        st = ssfer_file_map_open(&report, from, err);
        if (st == SSFER_OK)
            st = ssfer_file_write(to, report.data, report.size_bytes, err);
        ssfer_file_map_close(&report);
    }
    ssfer_free(from);
    ssfer_free(to);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const train_args *a = data;
    train_plan plan;
    if (!a->out && !a->dry_run)
        return ssfer_cli_usage(cli, err, "--out is missing");
    const train_plan_options options = {a->recipe, a->out ? a->out : "RUN", &a->sets, a->resume};
    ssfer_status st = ssfer_plan_read(&plan, &options, cli, err);
    if (st == SSFER_OK && a->dry_run) {
        st = ssfer_plan_print(cli->out, &plan, cli, err);
    } else if (st == SSFER_OK) {
        st = open_folder(&plan, a, err);
        if (st == SSFER_OK)
            st = make_split(&plan, cli, err);
        for (size_t i = 0; st == SSFER_OK && i < plan.stage_count; i++)
            st = run_stage(&plan.stages[i], cli, err);
        if (st == SSFER_OK)
            st = copy_report(&plan, a->out, err);
    }
    ssfer_plan_deinit(&plan);
    return st;
}

const ssfer_command SSFER_COMMAND_TRAIN = {
    .name = "train",
    .group = SSFER_COMMAND_GROUP_TRAIN,
    .summary = "run all stages of a recipe",
    .description =
        "Runs the stages pretrain, finetune and semi, or some of them, as one YAML file says:\n"
        "\n"
        "  data: ferplus.tar     # for every stage that has such an option\n"
        "  fraction: 0.05        # of the labels; one split for all stages, RUN/labels.json\n"
        "  pretrain:             # options of this stage alone\n"
        "    data: faces.tar\n"
        "    epochs: 200\n"
        "  finetune: {lr: 1e-3}\n"
        "\n"
        "Keys are the options of 'ssfer pretrain', 'finetune' and 'semi'; a stage runs if it has a section, or if "
        "'stages: [finetune, semi]' names it. 'extends: other.yaml' takes the keys of another recipe first. Each stage "
        "starts from the model of the one before. Stages lie in RUN/1-pretrain, RUN/2-finetune and so on; paths of "
        "data start from the current folder. Recipes of the published table are in share/ssfer/recipes.\n"
        "\n"
        "RUN/report.html, the last stage's, shows all of it: curves, figures by class, pictures.\n"
        "\n"
        "A run that is interrupted goes on with --resume and ends with the same weights as if nothing had happened.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer train recipes/ferplus-small.yaml --set data=ferplus.tar --out run", "All stages on FER+."},
                 {"ssfer train recipe.yaml --set finetune.epochs=20 --dry-run", "What it would take."}},
    .args_size = sizeof(train_args),
    .run = run,
};
