#include "cli/commands.h"
#include "cli/estimate.h"
#include "cli/rehearse.h"
#include "cli/resume.h"

#include "base/file.h"
#include "base/memory.h"
#include "nn/try.h"
#include "train/run.h"
#include "cli/signals.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

typedef struct train_args {
    const char *recipe, *out;
    ssfer_strings sets;
    bool resume, dry_run;
} train_args;

static const ssfer_option OPERANDS[] = {
    {SSFER_OPTION_STRING(train_args, recipe), .name = "RECIPE.yaml",
     .help = "what to train; see below. With --resume the folder of a run is enough"},
    {0}};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(train_args, out), .name = "out", .letter = 'o', .value = "RUN",
     .help = "folder of the run; needed unless --dry-run or --resume RUN is given"},
    {SSFER_OPTION_STRINGS(train_args, sets), .name = "set", .value = "KEY=VALUE",
     .help =
         "over what the recipe says: data=faces.tar for every stage that has such an option, finetune.epochs=20 for "
         "one; may be given several times"},
    {SSFER_OPTION_FLAG(train_args, resume), .name = "resume",
     .help = "go on with a run, --resume RUN: finished stages are skipped, an interrupted one continues, those that "
             "have not begun may be given other options by --set"},
    {SSFER_OPTION_FLAG(train_args, dry_run), .name = "dry-run",
     .help = "check everything that can be checked before training, and print stages, data, steps, parameters, memory "
             "and time; train nothing"},
    {0}};

/* ---- what is asked for ---------------------------------------------------------------------------------------- */

/* The recipe of a run that goes on is its own, unless one is given. Takes apart RECIPE and RUN; *own (freed with
 * ssfer_free): the path of the run's recipe, if it is taken. */
static ssfer_status find_recipe(train_plan_options *o, char **own, const train_args *a, ssfer_cli *cli,
                                ssfer_error *err)
{
    const bool run_given = a->resume && a->recipe && (ssfer_folder_exists(a->recipe) || !a->out);
    *own = NULL;
    *o = (train_plan_options){.path = a->recipe, .out = a->out, .sets = &a->sets, .resume = a->resume};
    if (!a->recipe && !a->resume)
        return ssfer_cli_usage(cli, err, "RECIPE.yaml is missing");
    if (run_given && a->out && strcmp(a->out, a->recipe) != 0)
        return ssfer_cli_usage(cli, err, "--resume %s and --out %s are two folders; give one of them", a->recipe,
                               a->out);
    if (run_given)
        o->out = a->recipe;
    if (!o->out && a->resume)
        return ssfer_cli_usage(cli, err, "--resume: the folder of the run is missing; give --resume RUN");
    if (!o->out && !a->dry_run)
        return ssfer_cli_usage(cli, err, "--out is missing");
    if (!o->out)
        o->out = "RUN";
    if (!run_given && a->recipe)
        return SSFER_OK;
    *own = ssfer_format("%s/recipe.yaml", o->out);
    if (!*own)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", o->out);
    o->path = *own;
    return ssfer_file_exists(*own) ? SSFER_OK
                                   : ssfer_fail(err, SSFER_ERR_FORMAT,
                                                "%s: holds no run to go on with; start one with "
                                                "'ssfer train RECIPE.yaml --out %s'",
                                                o->out, o->out);
}

/* A run of a single stage has a recipe.yaml, too. */
static ssfer_status refuse_stage_run(const char *folder, ssfer_error *err)
{
    ssfer_recipe recipe = {0};
    char *path = ssfer_format("%s/recipe.yaml", folder);
    if (!path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
    ssfer_status st = SSFER_OK;
    if (ssfer_file_exists(path) && ssfer_recipe_read(&recipe, path, NULL) == SSFER_OK) {
        const char *command = ssfer_recipe_find(&recipe, SSFER_RECIPE_OPTIONS, "command");
        if (command)
            st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a run of 'ssfer %s'; go on with 'ssfer %s --resume %s'", folder,
                            command, command, folder);
    }
    ssfer_recipe_deinit(&recipe);
    ssfer_free(path);
    return st;
}

/* ---- the run folder ------------------------------------------------------------------------------------------- */

/* Of RUN/NAME: what a run leaves that failed, or was killed, before its first step. */
static bool is_remainder(const char *folder, const char *name)
{
    static const char *const files[] = {".", "..", "recipe.yaml", SSFER_SPLIT_FILE};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (strcmp(files[i], name) == 0)
            return true;
    if (strstr(name, ".tmp."))
        return true;
    char *stage = ssfer_format("%s/%s", folder, name);
    const bool unbegun = stage && ssfer_plan_is_stage_folder(name) && !ssfer_stage_has_begun(stage);
    ssfer_free(stage);
    return unbegun;
}

static bool is_in_use(const char *folder)
{
    DIR *list = opendir(folder);
    bool used = !list;
    for (const struct dirent *entry; list && !used && (entry = readdir(list));)
        used = !is_remainder(folder, entry->d_name);
    if (list)
        closedir(list);
    return used;
}

static ssfer_status check_folder(const train_plan_options *o, ssfer_error *err)
{
    if (ssfer_file_exists(o->out) && !ssfer_folder_exists(o->out))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: exists and is not a folder; choose another name", o->out);
    if (ssfer_folder_exists(o->out) && !o->resume && is_in_use(o->out))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: holds files already; go on with --resume, remove the folder or use another --out",
                          o->out);
    return SSFER_OK;
}

/* Holds the folder until *lock is closed, or the process ends: two runs in it would mix their recipes. */
static ssfer_status lock_folder(int *lock, const char *folder, ssfer_error *err)
{
    *lock = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*lock < 0)
        return ssfer_fail_errno(err, folder, NULL, errno);
    if (flock(*lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: another process is training in this folder; use another --out",
                          folder);
    return SSFER_OK; /* some network file systems know no locks; the stages have their own */
}

/* RUN/recipe.yaml: what the run is made of, as it is now. */
static ssfer_status keep_recipe(const train_plan *plan, const char *folder, ssfer_error *err)
{
    ssfer_recipe recipe = {0};
    char *path = ssfer_format("%s/recipe.yaml", folder);
    ssfer_plan_describe(&recipe, plan);
    ssfer_status st =
        path ? ssfer_recipe_write(&recipe, path, err) : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
    ssfer_recipe_deinit(&recipe);
    ssfer_free(path);
    return st;
}

static ssfer_status keep_labels(const train_plan *plan, const train_labels *labels, const ssfer_cli *cli,
                                ssfer_error *err)
{
    if (!labels->set)
        return SSFER_OK;
    TRY(ssfer_split_save(&labels->split, labels->set, plan->labels, err));
    ssfer_info(&cli->log, "%zu of %zu pictures are labeled: %s", labels->split.labeled_count,
               ssfer_dataset_count(labels->set), plan->labels);
    return SSFER_OK;
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* The stage's command as if it had been called by itself, with this program's log. */
static ssfer_status run_stage(const train_stage *stage, ssfer_cli *cli, ssfer_error *err)
{
    ssfer_cli own = *cli;
    ssfer_recipe given = {0};
    own.command = stage->command;
    own.parsed = stage->parsed;
    own.common = stage->common;
    own.given = &given;
    if (own.common.threads == 0)
        own.common.threads = cli->common.threads;
    if (ssfer_stage_finished(stage)) {
        ssfer_info(&cli->log, "%s is finished", stage->name);
        return SSFER_OK;
    }
    ssfer_info(&cli->log, "%s", stage->name);
    if (!cli->common.quiet)
        fprintf(cli->out, "== %s\n", stage->name);
    ssfer_resume_describe(&given, &stage->parsed);
    ssfer_status st = stage->command->run(&own, stage->args, err);
    cli->usage_error = cli->usage_error || own.usage_error;
    ssfer_recipe_deinit(&given);
    return st;
}

/* A signal that came when a stage had made its last step has not stopped it; it stops the run. */
static ssfer_status run_stages(const train_plan *plan, ssfer_cli *cli, ssfer_error *err)
{
    for (size_t i = 0; i < plan->stage_count; i++) {
        const bool finished = ssfer_stage_finished(&plan->stages[i]);
        TRY(run_stage(&plan->stages[i], cli, err));
        if (!finished && i + 1 < plan->stage_count && ssfer_signals_received())
            return ssfer_fail(err, SSFER_ERR_CANCELLED, "stopped after %s; go on with --resume", plan->stages[i].name);
    }
    return SSFER_OK;
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

static ssfer_status train(const train_plan *plan, train_labels *labels, const train_plan_options *o, ssfer_cli *cli,
                          ssfer_error *err)
{
    int lock = -1;
    TRY(ssfer_folder_create(o->out, err));
    ssfer_status st = lock_folder(&lock, o->out, err);
    if (st == SSFER_OK)
        st = keep_recipe(plan, o->out, err);
    if (st == SSFER_OK)
        st = keep_labels(plan, labels, cli, err);
    ssfer_plan_labels_deinit(labels);
    if (st == SSFER_OK)
        st = run_stages(plan, cli, err);
    if (st == SSFER_OK)
        st = copy_report(plan, o->out, err);
    if (lock >= 0)
        close(lock);
    return st;
}

/* All that can be checked before something is written. With --dry-run what is missing is told of. */
static ssfer_status check(const train_plan *plan, train_labels *labels, const train_plan_options *o, bool look,
                          const ssfer_cli *cli, ssfer_error *err)
{
    if (!look)
        TRY(check_folder(o, err));
    const ssfer_status st = ssfer_plan_choose_labels(labels, plan, look ? NULL : &cli->log, err);
    if (st != SSFER_OK && !(look && st == SSFER_ERR_IO))
        return st;
    if (st != SSFER_OK && labels->set) /* else the first stage with labels will say so */
        ssfer_warn(&cli->log, "%s", err ? err->message : "");
    return ssfer_plan_rehearse(plan, labels, look, cli, err);
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const train_args *a = data;
    train_plan plan = {0};
    train_labels labels = {0};
    train_plan_options options;
    char *own = NULL;
    ssfer_status st = find_recipe(&options, &own, a, cli, err);
    if (st == SSFER_OK && a->resume)
        st = refuse_stage_run(options.out, err);
    if (st == SSFER_OK)
        st = ssfer_plan_read(&plan, &options, cli, err);
    if (st == SSFER_OK)
        st = check(&plan, &labels, &options, a->dry_run, cli, err);
    if (st == SSFER_OK)
        st = a->dry_run ? ssfer_plan_print(cli->out, &plan, cli, err) : train(&plan, &labels, &options, cli, err);
    ssfer_plan_labels_deinit(&labels);
    ssfer_plan_deinit(&plan);
    ssfer_free(own);
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
        "starts from the model of the one before. A common split goes with the common data: where pretrain has data of "
        "its "
        "own, it is left out. Stages lie in RUN/1-pretrain, RUN/2-finetune and so on; paths of "
        "data start from the current folder. Recipes of the published table are in share/ssfer/recipes.\n"
        "\n"
        "RUN/report.html, the last stage's, shows all of it: curves, figures by class, pictures.\n"
        "\n"
        "All stages are checked before the first one starts, by their own commands: options, data, labels, files to "
        "start "
        "from. --dry-run does that alone; for it a file that is missing is worth a warning.\n"
        "\n"
        "A run that is interrupted goes on with 'ssfer train --resume RUN' and ends with the same weights as if "
        "nothing "
        "had happened. A stage that has begun keeps its options, and says so where others are given; the stages after "
        "it may be given others: --resume RUN --set finetune.lr=1e-3.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer train recipes/ferplus-small.yaml --set data=ferplus.tar --out run", "All stages on FER+."},
                 {"ssfer train recipe.yaml --set finetune.epochs=20 --dry-run", "What it would take."},
                 {"ssfer train --resume run", "On with what was interrupted."}},
    .args_size = sizeof(train_args),
    .run = run,
};
