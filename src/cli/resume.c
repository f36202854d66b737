#include "cli/resume.h"

#include "base/file.h"
#include "base/memory.h"
#include "cli/cli.h"
#include "io/yaml.h"
#include "nn/try.h"
#include "train/run.h"

#include <string.h>

static const char COMMAND_KEY[] = "command";

/* ---- writing --------------------------------------------------------------------------------------------------- */

void ssfer_resume_put_options(ssfer_recipe *r, const ssfer_parsed *parsed)
{
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(parsed->command, i, NULL)) != NULL; i++)
        if (parsed->given[i] && o->on_resume != SSFER_RESUME_CALL)
            ssfer_recipe_string(r, o->name, o->type == SSFER_OPTION_TYPE_FLAG ? "true" : parsed->text[i]);
}

void ssfer_resume_describe(ssfer_recipe *r, const ssfer_parsed *parsed)
{
    ssfer_recipe_section(r, SSFER_RECIPE_OPTIONS);
    ssfer_recipe_free_choice(r);
    ssfer_recipe_string(r, COMMAND_KEY, parsed->command->name);
    ssfer_resume_put_options(r, parsed);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static ssfer_status no_memory(const char *folder, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", folder);
}

/* *plain =: the text of a value of recipe.yaml, freed with ssfer_free; NULL if it is none that a YAML reader takes. */
static ssfer_status plain_value(char **plain, const char *value, const char *folder, ssfer_error *err)
{
    ssfer_yaml yaml = {0};
    char *text = ssfer_format("value: %s\n", value);
    ssfer_status st = text ? ssfer_yaml_parse(&yaml, text, strlen(text), folder, NULL) : SSFER_ERR_MEMORY;
    *plain = NULL;
    if (st == SSFER_OK && yaml.count == 1 && yaml.entries[0].value_count == 1) {
        *plain = ssfer_strdup(yaml.entries[0].values[0]);
        st = *plain ? SSFER_OK : SSFER_ERR_MEMORY;
    }
    ssfer_yaml_deinit(&yaml);
    ssfer_free(text);
    return st == SSFER_ERR_MEMORY ? no_memory(folder, err) : SSFER_OK;
}

/* Takes `word`. */
static ssfer_status add_own(ssfer_resume *r, char *word, const char *folder, ssfer_error *err)
{
    if (!word || ssfer_reserve((void **)&r->words, &r->word_capacity, r->word_count + 1, sizeof *r->words) != 0) {
        ssfer_free(word);
        return no_memory(folder, err);
    }
    r->words[r->word_count++] = word;
    r->owned++;
    return SSFER_OK;
}

/* What the recipe says of options, as words. One that cannot be read back (a name that is not UTF-8), or that the
 * command has no more, is left out: what followed from it is compared when the run is opened. */
static ssfer_status add_recorded(ssfer_resume *out, const ssfer_command *command, const ssfer_recipe *recipe,
                                 const char *folder, ssfer_error *err)
{
    for (size_t i = 0; i < recipe->count; i++) {
        const ssfer_recipe_entry *e = &recipe->entries[i];
        const bool option = strcmp(e->section, SSFER_RECIPE_OPTIONS) == 0 && strcmp(e->key, COMMAND_KEY) != 0;
        const ssfer_option *o = option ? ssfer_command_find(command, e->key, NULL) : NULL;
        char *value = NULL;
        if (o)
            TRY(plain_value(&value, e->value, folder, err));
        if (!value)
            continue;
        char *word =
            o->type == SSFER_OPTION_TYPE_FLAG ? ssfer_format("--%s", e->key) : ssfer_format("--%s=%s", e->key, value);
        ssfer_free(value);
        TRY(add_own(out, word, folder, err));
    }
    return SSFER_OK;
}

static bool says(const ssfer_recipe *recipe, const char *section, const char *key)
{
    return ssfer_recipe_find(recipe, section, key) != NULL;
}

/* Whether the recipe is of a run that this command can go on with. */
static ssfer_status check_kind(const ssfer_command *command, const ssfer_recipe *recipe, const char *folder,
                               ssfer_error *err)
{
    const char *name = ssfer_recipe_find(recipe, SSFER_RECIPE_OPTIONS, COMMAND_KEY);
    if (says(recipe, "common", "stages"))
        name = "train";
    if (name && strcmp(name, command->name) != 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: a run of 'ssfer %s'; go on with 'ssfer %s --resume %s'", folder,
                          name, name, folder);
    if (says(recipe, "data", "fold") && says(recipe, SSFER_RECIPE_OPTIONS, "folds"))
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: a fold of a cross-validation; give --resume the folder that holds all folds", folder);
    return SSFER_OK;
}

/* Reads the recipe of the run, or that of its first fold. *where: its path, freed with ssfer_free; NULL: there is none.
 */
static ssfer_status read_recipe(ssfer_recipe *recipe, char **where, bool *folds, const char *folder, ssfer_error *err)
{
    char *path = ssfer_format("%s/recipe.yaml", folder);
    *where = NULL;
    *folds = path && !ssfer_file_exists(path);
    if (*folds) {
        ssfer_free(path);
        path = ssfer_format("%s/fold-1/recipe.yaml", folder);
    }
    if (!path)
        return no_memory(folder, err);
    ssfer_status st = ssfer_file_exists(path) ? ssfer_recipe_read(recipe, path, err) : SSFER_OK;
    if (st == SSFER_OK && ssfer_file_exists(path))
        *where = path;
    else
        ssfer_free(path);
    return st;
}

/* ---- comparing ------------------------------------------------------------------------------------------------- */

/* A command line read by itself. */
typedef struct reading {
    ssfer_parsed parsed;
    ssfer_common_args common;
    void *args;
} reading;

static ssfer_status read_line(reading *r, const ssfer_command *command, int argc, char *const *argv, ssfer_error *err)
{
    *r = (reading){.args = ssfer_calloc(1, command->args_size)};
    return r->args ? ssfer_options_read(&r->parsed, command, argc, argv, r->args, &r->common, err)
                   : ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
}

static void forget_line(reading *r, const ssfer_command *command)
{
    if (r->args)
        ssfer_options_deinit(command, r->args);
    ssfer_free(r->args);
}

static const char *shown(const ssfer_command *command, const ssfer_parsed *parsed, size_t i)
{
    const ssfer_option *o = ssfer_command_option(command, i, NULL);
    const char *initial = o->initial_help ? o->initial_help : ssfer_command_initial(command, o);
    if (o->type == SSFER_OPTION_TYPE_FLAG)
        return parsed->given[i] ? "on" : "off";
    return parsed->given[i] ? parsed->text[i] : initial ? initial : "unset";
}

/* Refuses the first option of the call that is neither the run's nor free. */
static ssfer_status refuse_others(ssfer_resume *out, const ssfer_command *command, const reading *call,
                                  const char *where, ssfer_error *err)
{
    reading run;
    ssfer_status st = read_line(&run, command, (int)out->word_count, out->words, err);
    const ssfer_option *o;
    for (size_t i = 0; st == SSFER_OK && (o = ssfer_command_option(command, i, NULL)) != NULL; i++) {
        if (!call->parsed.given[i] || o->on_resume != SSFER_RESUME_SAME ||
            ssfer_option_equal(o, ssfer_options_member(command, i, call->args, &call->common),
                               ssfer_options_member(command, i, run.args, &run.common)))
            continue;
        out->differs = true;
        st = ssfer_fail(err, SSFER_ERR_ARGUMENT,
                        "%s: the run was started with --%s %s, not %s; leave the option out or use another --out",
                        where, o->name, shown(command, &run.parsed, i), shown(command, &call->parsed, i));
    }
    forget_line(&run, command);
    return st == SSFER_OK || out->differs ? st : ssfer_fail_prefix(err, st, "%s", where);
}

/* ---- completing ------------------------------------------------------------------------------------------------ */

static const char *string_of(const ssfer_command *command, const reading *r, const char *name)
{
    size_t i = 0;
    return ssfer_command_find(command, name, &i)
               ? *(const char *const *)ssfer_options_member(command, i, r->args, &r->common)
               : NULL;
}

/* The folder to go on with; NULL: the call is none to go on. */
static ssfer_status find_folder(const char **folder, const ssfer_command *command, const reading *call,
                                ssfer_error *err)
{
    size_t resume = 0;
    const char *out = string_of(command, call, "out"), *operand = *(const char *const *)call->args;
    ssfer_command_find(command, "resume", &resume);
    *folder = NULL;
    if (operand && !call->parsed.given[resume])
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "unexpected argument '%s'; see 'ssfer %s --help'", operand,
                          command->name);
    if (!call->parsed.given[resume])
        return SSFER_OK;
    if (operand && out && strcmp(operand, out) != 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--resume %s and --out %s are two folders; give one of them",
                          operand, out);
    if (!operand && !out)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "--resume: the folder of the run is missing; give --resume RUN");
    *folder = operand ? operand : out;
    return SSFER_OK;
}

/* The record's words, --out, and the call's. */
static ssfer_status complete(ssfer_resume *out, const ssfer_command *command, const reading *call, const char *folder,
                             ssfer_error *err)
{
    const bool operand = *(const char *const *)call->args != NULL;
    ssfer_recipe recipe = {0};
    char *where = NULL;
    bool folds = false;
    ssfer_status st = read_recipe(&recipe, &where, &folds, folder, err);
    if (st == SSFER_OK && operand && !where)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: holds no run to go on with; start one with --out %s", folder,
                        folder);
    if (st == SSFER_OK && where && !folds)
        st = check_kind(command, &recipe, folder, err);
    if (st == SSFER_OK)
        st = add_recorded(out, command, &recipe, folder, err);
    if (st == SSFER_OK && out->word_count) {
        char *first = folds ? ssfer_format("%s/fold-1", folder) : ssfer_strdup(folder);
        st = !first                       ? no_memory(folder, err)
             : ssfer_run_has_begun(first) ? refuse_others(out, command, call, where, err)
                                          : SSFER_OK;
        ssfer_free(first);
    }
    if (st == SSFER_OK && operand)
        st = add_own(out, ssfer_format("--out=%s", folder), folder, err);
    ssfer_recipe_deinit(&recipe);
    ssfer_free(where);
    return st;
}

ssfer_status ssfer_resume_complete(ssfer_resume *out, const ssfer_command *command, int argc, char *const *argv,
                                   ssfer_error *err)
{
    reading call = {0};
    const char *folder = NULL;
    *out = (ssfer_resume){.argc = argc, .argv = argv};
    if (!command->resumable)
        return SSFER_OK;
    ssfer_status st = read_line(&call, command, argc, argv, err);
    if (st == SSFER_OK && !call.parsed.help)
        st = find_folder(&folder, command, &call, err);
    if (st == SSFER_OK && folder)
        st = complete(out, command, &call, folder, err);
    if (st == SSFER_OK && out->word_count) {
        const size_t count = out->word_count + (size_t)argc;
        if (ssfer_reserve((void **)&out->words, &out->word_capacity, count, sizeof *out->words) != 0)
            st = no_memory(folder, err);
        for (int i = 0; st == SSFER_OK && i < argc; i++)
            out->words[out->word_count++] = argv[i];
        out->argc = (int)out->word_count;
        out->argv = out->words;
    }
    forget_line(&call, command);
    return st;
}

void ssfer_resume_deinit(ssfer_resume *r)
{
    for (size_t i = 0; i < r->owned; i++)
        ssfer_free(r->words[i]);
    ssfer_free(r->words);
    *r = (ssfer_resume){0};
}
