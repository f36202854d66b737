#include "cli/plan.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "cli/resume.h"
#include "nn/try.h"
#include "train/run.h"

#include <stdlib.h>
#include <string.h>

static const char *const STAGE_NAMES[TRAIN_MAX_STAGES] = {"pretrain", "finetune", "semi"};
/* What only `ssfer train` understands, and what it decides for the stages itself. */
static const char *const OWN_KEYS[] = {"extends", "stages", "fraction", "labels"};
static const char *const SHARED_SPLIT[] = {"fraction", "labels"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static bool is_one_of(const char *word, const char *const *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(word, list[i]) == 0)
            return true;
    return false;
}

static ssfer_status no_memory(const train_plan *plan, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", plan->path);
}

/* ---- settings ------------------------------------------------------------------------------------------------ */

static bool same_name(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static train_setting *find_setting(const train_plan *plan, const char *section, const char *key)
{
    for (size_t i = 0; i < plan->count; i++)
        if (same_name(plan->settings[i].section, section) && same_name(plan->settings[i].key, key))
            return &plan->settings[i];
    return NULL;
}

const train_setting *ssfer_plan_find(const train_plan *plan, const char *section, const char *key)
{
    return find_setting(plan, section, key);
}

/* A copy with '-' for '_'. */
static const char *option_name(train_plan *plan, const char *key)
{
    char *name = ssfer_text_pool_add(&plan->text, key, strlen(key));
    for (char *c = name; c && *c; c++)
        *c = *c == '_' ? '-' : *c;
    return name;
}

/* Over what was there before. */
static ssfer_status put_setting(train_plan *plan, const train_setting *setting, ssfer_error *err)
{
    train_setting *before = find_setting(plan, setting->section, setting->key);
    if (!before) {
        if (ssfer_reserve((void **)&plan->settings, &plan->capacity, plan->count + 1, sizeof *plan->settings) != 0)
            return no_memory(plan, err);
        before = &plan->settings[plan->count++];
    }
    *before = *setting;
    return SSFER_OK;
}

/* ---- checking a key against the options of the stages ---------------------------------------------------------- */

static const ssfer_option *stage_option(const ssfer_command *command, const char *key)
{
    const ssfer_option *o = command ? ssfer_command_find(command, key, NULL) : NULL;
    return o && !o->hidden && o->on_resume != SSFER_RESUME_CALL ? o : NULL;
}

/* Whether a stage has the option, but not for recipes. */
static bool is_of_call(const char *key)
{
    for (size_t i = 0; i < TRAIN_MAX_STAGES; i++) {
        const ssfer_command *command = ssfer_command_named(STAGE_NAMES[i]);
        const ssfer_option *o = command ? ssfer_command_find(command, key, NULL) : NULL;
        if (o && o->on_resume == SSFER_RESUME_CALL)
            return true;
    }
    return false;
}

/* The name that a mistyped key of this section (NULL: any stage) may stand for. */
static const char *nearest_key(const char *section, const char *key)
{
    const char *names[TRAIN_MAX_STAGES * (SSFER_COMMAND_MAX_OPTIONS + 1) + COUNT(OWN_KEYS)];
    size_t count = 0;
    for (size_t s = 0; s < TRAIN_MAX_STAGES; s++) {
        const ssfer_command *command = ssfer_command_named(STAGE_NAMES[s]);
        const ssfer_option *o;
        if (section ? strcmp(section, STAGE_NAMES[s]) != 0 : false)
            continue;
        for (size_t i = 0; command && (o = ssfer_command_option(command, i, NULL)) != NULL; i++)
            if (stage_option(command, o->name))
                names[count++] = o->name;
        if (!section)
            names[count++] = STAGE_NAMES[s];
    }
    for (size_t i = 0; !section && i < COUNT(OWN_KEYS); i++)
        names[count++] = OWN_KEYS[i];
    return ssfer_suggest(key, names, count);
}

static ssfer_status fail_unknown(const train_setting *s, ssfer_error *err)
{
    const char *meant = nearest_key(s->section, s->key), *of = s->section ? " of " : "";
    const char *section = s->section ? s->section : "";
    if (meant)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: unknown key '%.60s'%s%s; did you mean %s?", s->where, s->key, of,
                          section, meant);
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: unknown key '%.60s'%s%s; see 'ssfer %s --help'", s->where, s->key, of,
                      section, s->section ? s->section : "train");
}

static bool read_flag(bool *on, const char *text)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    *on = is_one_of(text, yes, COUNT(yes));
    return *on || is_one_of(text, no, COUNT(no));
}

static ssfer_status check_value(const train_setting *s, const ssfer_option *o, ssfer_error *err)
{
    bool flag = false;
    if (s->value_count == 0)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s has no value; give one or remove the line", s->where, s->key);
    if (s->value_count > 1 && o->type != SSFER_OPTION_TYPE_STRINGS && o->type != SSFER_OPTION_TYPE_STRING)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s takes a single value, not a list", s->where, s->key);
    if (o->type == SSFER_OPTION_TYPE_FLAG)
        return read_flag(&flag, s->values[0])
                   ? SSFER_OK
                   : ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s: '%.60s' is neither true nor false", s->where, s->key,
                                s->values[0]);
    for (size_t i = 0; i < s->value_count; i++)
        if (ssfer_option_check_value(o, s->values[i], err) != SSFER_OK)
            return ssfer_fail_prefix(err, SSFER_ERR_FORMAT, "%s", s->where);
    return SSFER_OK;
}

/* A key of a stage, or a common one: at least one stage must know it, and all that do must accept the value. */
static ssfer_status check_setting(const train_setting *s, ssfer_error *err)
{
    bool known = !s->section && is_one_of(s->key, OWN_KEYS, COUNT(OWN_KEYS));
    if (is_of_call(s->key))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s is given on the command line, not in a recipe", s->where,
                          s->key);
    if (s->section && is_one_of(s->key, SHARED_SPLIT, COUNT(SHARED_SPLIT)))
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s belongs outside of %s: all stages share one split", s->where,
                          s->key, s->section);
    for (size_t i = 0; i < TRAIN_MAX_STAGES; i++) {
        if (s->section && strcmp(s->section, STAGE_NAMES[i]) != 0)
            continue;
        const ssfer_option *o = stage_option(ssfer_command_named(STAGE_NAMES[i]), s->key);
        if (o)
            TRY(check_value(s, o, err));
        known = known || o;
    }
    return known ? SSFER_OK : fail_unknown(s, err);
}

/* ---- reading ------------------------------------------------------------------------------------------------- */

/* Of a file its name and the line; what comes from the command line is its own place. */
static const char *entry_place(train_plan *plan, const ssfer_yaml *file, size_t line)
{
    if (strncmp(file->path, "--", 2) == 0)
        return file->path;
    char *text = ssfer_format("%s:%zu", file->path, line);
    const char *kept = text ? ssfer_text_pool_add(&plan->text, text, strlen(text)) : NULL;
    ssfer_free(text);
    return kept;
}

/* "common" is what a run's own recipe.yaml calls the keys at the top. */
static const char *section_name(const char *section)
{
    return section && strcmp(section, "common") == 0 ? NULL : section;
}

static ssfer_status take_entry(train_plan *plan, const ssfer_yaml *file, const ssfer_yaml_entry *e, ssfer_error *err)
{
    bool stage = !e->section && e->key && is_one_of(e->key, STAGE_NAMES, TRAIN_MAX_STAGES);
    const char *where = entry_place(plan, file, e->line);
    const char *section = stage ? e->key : section_name(e->section),
               *key = stage || !e->key ? NULL : option_name(plan, e->key);
    if (!where || (!stage && e->key && !key))
        return no_memory(plan, err);
    const bool typed = strncmp(file->path, "--", 2) == 0;
    const train_setting setting = {section, key, e->values, e->value_count, where, typed ? plan->set_count : 0};
    if (stage && e->value_count)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: %s is a stage; give it keys of its own", where, e->key);
    if (section && !is_one_of(section, STAGE_NAMES, TRAIN_MAX_STAGES)) {
        const char *meant = ssfer_suggest(section, STAGE_NAMES, TRAIN_MAX_STAGES);
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: there is no stage '%.60s'; %s%s%s", where, section,
                          meant ? "did you mean " : "give pretrain, finetune or semi", meant ? meant : "",
                          meant ? "?" : "");
    }
    if (section && !ssfer_command_named(section))
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "%s: this program has no stage '%s'", where, section);
    if (!key)
        return section ? put_setting(plan, &setting, err) : SSFER_OK;
    TRY(check_setting(&setting, err));
    return put_setting(plan, &setting, err);
}

static ssfer_status read_file(train_plan *plan, const char *path, size_t depth, ssfer_error *err);

/* The recipe that a file extends, before the file's own keys. */
static ssfer_status read_base(train_plan *plan, const ssfer_yaml *file, const ssfer_yaml_entry *e, size_t depth,
                              ssfer_error *err)
{
    if (e->value_count != 1)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s:%zu: extends names a single recipe", file->path, e->line);
    const char *slash = e->values[0][0] == '/' ? NULL : strrchr(file->path, '/');
    char *path = ssfer_format("%.*s%s", slash ? (int)(slash + 1 - file->path) : 0, file->path, e->values[0]);
    if (!path)
        return no_memory(plan, err);
    ssfer_status st = read_file(plan, path, depth + 1, err);
    ssfer_free(path);
    return st;
}

/* An empty file of the plan's. */
static ssfer_yaml *add_file(train_plan *plan)
{
    if (ssfer_reserve((void **)&plan->files, &plan->file_capacity, plan->file_count + 1, sizeof *plan->files) != 0)
        return NULL;
    ssfer_yaml *file = ssfer_calloc(1, sizeof *file);
    if (file)
        plan->files[plan->file_count++] = file;
    return file;
}

static ssfer_status read_file(train_plan *plan, const char *path, size_t depth, ssfer_error *err)
{
    if (depth >= TRAIN_MAX_DEPTH)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%s: recipes extend each other more than %d times; is it a circle?",
                          path, TRAIN_MAX_DEPTH - 1);
    ssfer_yaml *file = add_file(plan);
    ssfer_status st = file ? ssfer_yaml_read(file, path, err) : no_memory(plan, err);
    for (size_t i = 0; st == SSFER_OK && i < file->count; i++)
        if (!file->entries[i].section && same_name(file->entries[i].key, "extends"))
            st = read_base(plan, file, &file->entries[i], depth, err);
    for (size_t i = 0; st == SSFER_OK && i < file->count; i++)
        if (file->entries[i].section || !same_name(file->entries[i].key, "extends"))
            st = take_entry(plan, file, &file->entries[i], err);
    return st;
}

/* STAGE.KEY=VALUE or KEY=VALUE, the value as a recipe would have it; `option` is what it was given with. */
static ssfer_status read_set(train_plan *plan, const char *option, const char *text, ssfer_error *err)
{
    size_t key = strcspn(text, "="), stage = strcspn(text, ".=");
    if (!text[key] || key == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: '%.60s' is not KEY=VALUE or STAGE.KEY=VALUE", option, text);
    bool common = stage == key;
    char *yaml = common ? ssfer_format("%.*s: %s\n", (int)key, text, text + key + 1)
                        : ssfer_format("%.*s:\n  %.*s: %s\n", (int)stage, text, (int)(key - stage - 1),
                                       text + stage + 1, text + key + 1);
    char *name = ssfer_format("%s %.200s", option, text);
    ssfer_yaml *file = yaml && name ? add_file(plan) : NULL;
    ssfer_status st = file ? ssfer_yaml_parse(file, yaml, strlen(yaml), name, err) : no_memory(plan, err);
    plan->set_count++;
    for (size_t i = 0; st == SSFER_OK && i < file->count; i++)
        if (common || file->entries[i].key) /* a value for a stage does not switch the stage on */
            st = take_entry(plan, file, &file->entries[i], err);
    ssfer_free(name);
    ssfer_free(yaml);
    return st;
}

/* The common options that were given to `ssfer train` itself. */
static ssfer_status read_own_options(train_plan *plan, const ssfer_cli *cli, ssfer_error *err)
{
    char text[64];
    if (ssfer_cli_given(cli, "seed")) {
        snprintf(text, sizeof text, "seed=%lld", (long long)cli->common.seed);
        TRY(read_set(plan, "--seed", text, err));
    }
    if (ssfer_cli_given(cli, "threads")) {
        snprintf(text, sizeof text, "threads=%lld", (long long)cli->common.threads);
        TRY(read_set(plan, "--threads", text, err));
    }
    if (ssfer_cli_given(cli, "device")) {
        snprintf(text, sizeof text, "device=%.40s", cli->common.device);
        TRY(read_set(plan, "--device", text, err));
    }
    if (ssfer_cli_given(cli, "precision")) {
        static const char *const names[] = {"auto", "fp32", "bf16"};
        snprintf(text, sizeof text, "precision=%s", names[cli->common.precision]);
        TRY(read_set(plan, "--precision", text, err));
    }
    return SSFER_OK;
}

/* ---- the stages ---------------------------------------------------------------------------------------------- */

static ssfer_status add_word(train_plan *plan, train_stage *stage, char *word, ssfer_error *err)
{
    if (!word || ssfer_reserve((void **)&stage->words, &stage->word_capacity, stage->word_count + 1,
                               sizeof *stage->words) != 0) {
        ssfer_free(word);
        return no_memory(plan, err);
    }
    stage->words[stage->word_count++] = word;
    return SSFER_OK;
}

/* The words of one setting: --key=value, or for each of several values; lists of a single string have commas. */
static ssfer_status add_setting(train_plan *plan, train_stage *stage, const train_setting *s, ssfer_error *err)
{
    const ssfer_option *o = stage_option(stage->command, s->key);
    bool on = false;
    if (o->type == SSFER_OPTION_TYPE_FLAG) {
        (void)read_flag(&on, s->values[0]);
        return on ? add_word(plan, stage, ssfer_format("--%s", s->key), err) : SSFER_OK;
    }
    if (o->type == SSFER_OPTION_TYPE_STRINGS) {
        for (size_t i = 0; i < s->value_count; i++)
            TRY(add_word(plan, stage, ssfer_format("--%s=%s", s->key, s->values[i]), err));
        return SSFER_OK;
    }
    char *joined = ssfer_format("--%s=%s", s->key, s->values[0]);
    for (size_t i = 1; joined && i < s->value_count; i++) {
        char *longer = ssfer_format("%s,%s", joined, s->values[i]);
        ssfer_free(joined);
        joined = longer;
    }
    return add_word(plan, stage, joined, err);
}

/* The setting of an option that holds for a stage: its own or the common one; NULL: neither. */
static const train_setting *setting_for(const train_plan *plan, const char *stage, const char *key, bool first)
{
    const train_setting *own = find_setting(plan, stage, key), *common = find_setting(plan, NULL, key);
    if (!first && strcmp(key, "init") == 0)
        return own;
    return own && (!common || common->rank <= own->rank) ? own : common;
}

static ssfer_status add_settings(train_plan *plan, train_stage *stage, bool first, ssfer_error *err)
{
    const char *name = stage->command->name;
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(stage->command, i, NULL)) != NULL; i++) {
        if (!stage_option(stage->command, o->name) || is_one_of(o->name, SHARED_SPLIT, COUNT(SHARED_SPLIT)))
            continue;
        const train_setting *s = setting_for(plan, name, o->name, first);
        const train_setting *described = o->describes ? setting_for(plan, name, o->describes, first) : NULL;
        if (s && (s->section || !described || !described->section))
            TRY(add_setting(plan, stage, s, err));
    }
    return SSFER_OK;
}

/* The published code draws its labeled pictures anew in each stage: a stage with `released` gets the share alone. */
static ssfer_status add_split(train_plan *plan, train_stage *stage, const train_plan_options *options, ssfer_error *err)
{
    bool released = false;
    for (size_t i = 0; i < stage->word_count; i++)
        released = released || strcmp(stage->words[i], "--released") == 0;
    if (released)
        return add_word(plan, stage, ssfer_format("--fraction=%.17g", plan->fraction), err);
    if (!plan->labels)
        plan->labels = ssfer_format("%s/labels.json", options->out);
    return add_word(plan, stage, plan->labels ? ssfer_format("--labels=%s", plan->labels) : NULL, err);
}

static ssfer_status parse_stage(train_plan *plan, train_stage *stage, ssfer_error *err)
{
    stage->args = ssfer_calloc(1, stage->command->args_size);
    if (!stage->args)
        return no_memory(plan, err);
    ssfer_status st = ssfer_options_parse(&stage->parsed, stage->command, (int)stage->word_count, stage->words,
                                          stage->args, &stage->common, err);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s: %s", plan->path, stage->command->name);
}

/* What every stage of this call gets, after its own options. */
static ssfer_status add_call(train_plan *plan, train_stage *stage, const train_plan_options *options,
                             const ssfer_cli *cli, ssfer_error *err)
{
    TRY(add_word(plan, stage, ssfer_format("--out=%s", stage->folder), err));
    if (options->resume)
        TRY(add_word(plan, stage, ssfer_strdup("--resume"), err));
    if (cli->common.quiet || cli->common.verbose)
        TRY(add_word(plan, stage, ssfer_strdup(cli->common.quiet ? "--quiet" : "--verbose"), err));
    return SSFER_OK;
}

static ssfer_status add_stage(train_plan *plan, const ssfer_command *command, const train_plan_options *options,
                              const ssfer_cli *cli, ssfer_error *err)
{
    const train_stage *former = plan->stage_count ? &plan->stages[plan->stage_count - 1] : NULL;
    train_stage *stage = &plan->stages[plan->stage_count++];
    stage->command = command;
    stage->name = ssfer_format("%zu-%s", plan->stage_count, command->name);
    stage->folder = stage->name ? ssfer_format("%s/%s", options->out, stage->name) : NULL;
    stage->model = stage->folder ? ssfer_format("%s/model.safetensors", stage->folder) : NULL;
    if (!stage->model)
        return no_memory(plan, err);
    TRY(add_settings(plan, stage, !former, err));
    if (former && stage_option(command, "init") && !find_setting(plan, command->name, "init"))
        TRY(add_word(plan, stage, ssfer_format("--init=%s", former->model), err));
    if (stage_option(command, "labels"))
        TRY(add_split(plan, stage, options, err));
    TRY(add_call(plan, stage, options, cli, err));
    return parse_stage(plan, stage, err);
}

/* Which stages: those that `stages` names, else those with a section; in their own order in either case. */
static ssfer_status choose_stages(bool chosen[TRAIN_MAX_STAGES], const train_plan *plan, ssfer_error *err)
{
    const train_setting *listed = find_setting(plan, NULL, "stages");
    for (size_t i = 0; i < TRAIN_MAX_STAGES; i++)
        chosen[i] = !listed && find_setting(plan, STAGE_NAMES[i], NULL);
    for (size_t k = 0; listed && k < listed->value_count; k++) {
        size_t i = 0;
        while (i < TRAIN_MAX_STAGES && strcmp(listed->values[k], STAGE_NAMES[i]) != 0)
            i++;
        if (i == TRAIN_MAX_STAGES || !ssfer_command_named(STAGE_NAMES[i]))
            return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: there is no stage '%.60s'", listed->where, listed->values[k]);
        chosen[i] = true;
    }
    if (!chosen[0] && !chosen[1] && !chosen[2])
        return ssfer_fail(err, SSFER_ERR_FORMAT,
                          "%s: no stage to run; add a section pretrain, finetune or semi, or a line 'stages: [...]'",
                          plan->path);
    return SSFER_OK;
}

/* fraction and labels, which are not given to the stages as they are. */
static ssfer_status read_split_keys(train_plan *plan, ssfer_error *err)
{
    const train_setting *fraction = find_setting(plan, NULL, "fraction"), *labels = find_setting(plan, NULL, "labels");
    plan->fraction = 1.0;
    if (fraction && labels && fraction->rank > labels->rank)
        labels = NULL;
    else if (fraction && labels && labels->rank > fraction->rank)
        fraction = NULL;
    if (fraction && labels)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: labels and fraction exclude each other; give one of them",
                          labels->where);
    if (fraction) /* a number in range: checked by the option of a stage */
        (void)ssfer_parse_double(&plan->fraction, fraction->values[0], strlen(fraction->values[0]));
    plan->labels_from = labels ? labels->values[0] : NULL;
    return SSFER_OK;
}

static ssfer_status add_stages(train_plan *plan, const train_plan_options *options, const ssfer_cli *cli,
                               ssfer_error *err)
{
    bool chosen[TRAIN_MAX_STAGES];
    TRY(choose_stages(chosen, plan, err));
    for (size_t i = 0; i < TRAIN_MAX_STAGES; i++)
        if (chosen[i])
            TRY(add_stage(plan, ssfer_command_named(STAGE_NAMES[i]), options, cli, err));
    return SSFER_OK;
}

/* ---- a run that goes on ---------------------------------------------------------------------------------------- */

bool ssfer_plan_is_stage_folder(const char *name)
{
    return name[0] >= '1' && name[0] < '1' + TRAIN_MAX_STAGES && name[1] == '-' &&
           is_one_of(name + 2, STAGE_NAMES, TRAIN_MAX_STAGES);
}

bool ssfer_stage_has_begun(const char *folder)
{
    char *fold = ssfer_format("%s/fold-1", folder);
    const bool begun = !fold || ssfer_run_has_begun(folder) || ssfer_run_has_begun(fold);
    ssfer_free(fold);
    return begun;
}

/* plan->before: what the run is made of so far; stays NULL where it has no record yet. */
static ssfer_status read_before(train_plan *plan, const train_plan_options *options, const ssfer_cli *cli,
                                ssfer_error *err)
{
    char *path = ssfer_format("%s/recipe.yaml", options->out);
    ssfer_status st = path ? SSFER_OK : no_memory(plan, err);
    if (st == SSFER_OK && options->resume && ssfer_file_exists(path)) {
        plan->before = ssfer_calloc(1, sizeof *plan->before);
        st = plan->before ? SSFER_OK : no_memory(plan, err);
    }
    train_plan *before = plan->before;
    if (st == SSFER_OK && before) {
        const char *kept = ssfer_text_pool_add(&plan->text, path, strlen(path));
        *before = (train_plan){.path = kept ? kept : plan->path};
        st = read_file(before, path, 0, err);
        if (st == SSFER_OK)
            st = read_split_keys(before, err);
        if (st == SSFER_OK)
            st = add_stages(before, options, cli, err);
        for (size_t i = 0; i < before->stage_count; i++)
            before->stages[i].begun = before->stages[i].folder && ssfer_stage_has_begun(before->stages[i].folder);
    }
    ssfer_free(path);
    return st;
}

/* The labels that a stage has learned from are the run's. */
static void keep_split(train_plan *plan, const ssfer_cli *cli)
{
    const train_plan *before = plan->before;
    bool learned = false;
    for (size_t i = 0; before && i < before->stage_count; i++)
        learned = learned || (before->stages[i].begun && ssfer_stage_value(&before->stages[i], "labels"));
    if (!learned || (plan->fraction == before->fraction && same_name(plan->labels_from, before->labels_from)))
        return;
    if (before->labels_from)
        ssfer_warn(&cli->log, "stages have learned from labels: the run keeps labels %s", before->labels_from);
    else
        ssfer_warn(&cli->log, "stages have learned from labels: the run keeps fraction %g", before->fraction);
    plan->fraction = before->fraction;
    plan->labels_from = before->labels_from;
}

/* Its text, as it was given, or how its default is called. */
static const char *shown(const train_stage *stage, size_t i)
{
    const ssfer_option *o = ssfer_command_option(stage->command, i, NULL);
    const char *initial = o->initial_help ? o->initial_help : ssfer_command_initial(stage->command, o);
    if (o->type == SSFER_OPTION_TYPE_FLAG)
        return stage->parsed.given[i] ? "on" : "off";
    return stage->parsed.given[i] ? stage->parsed.text[i] : initial ? initial : "unset";
}

static void forget_words(train_stage *stage)
{
    for (size_t k = 0; k < stage->word_count; k++)
        ssfer_free(stage->words[k]);
    stage->word_count = 0;
    if (stage->args)
        ssfer_options_deinit(stage->command, stage->args);
    ssfer_free(stage->args);
    stage->args = NULL;
}

/* A stage that has begun: the options that it began with, but for those that may change. */
static ssfer_status keep_stage(train_plan *plan, train_stage *stage, const train_stage *before, const ssfer_cli *cli,
                               ssfer_error *err)
{
    train_stage kept = {.command = stage->command};
    const ssfer_option *o;
    ssfer_status st = SSFER_OK;
    for (size_t k = 0; st == SSFER_OK && k < before->word_count; k++)
        st = add_word(plan, &kept, ssfer_strdup(before->words[k]), err);
    for (size_t i = 0; st == SSFER_OK && (o = ssfer_command_option(stage->command, i, NULL)) != NULL; i++) {
        const bool equal = ssfer_option_equal(o, ssfer_options_member(stage->command, i, stage->args, &stage->common),
                                              ssfer_options_member(stage->command, i, before->args, &before->common));
        if (equal || o->on_resume == SSFER_RESUME_CALL || is_one_of(o->name, SHARED_SPLIT, COUNT(SHARED_SPLIT)))
            continue;
        if (o->on_resume == SSFER_RESUME_SAME)
            ssfer_warn(&cli->log, "%s has begun: it keeps %s %s, not %s", stage->name, o->name, shown(before, i),
                       shown(stage, i));
        else if (o->type == SSFER_OPTION_TYPE_FLAG && stage->parsed.given[i])
            st = add_word(plan, &kept, ssfer_format("--%s", o->name), err);
        else if (stage->parsed.given[i])
            st = add_word(plan, &kept, ssfer_format("--%s=%s", o->name, stage->parsed.text[i]), err);
    }
    forget_words(stage);
    ssfer_free(stage->words);
    stage->words = kept.words;
    stage->word_count = kept.word_count;
    stage->word_capacity = kept.word_capacity;
    stage->begun = true;
    return st == SSFER_OK ? parse_stage(plan, stage, err) : st;
}

static ssfer_status keep_stages(train_plan *plan, const ssfer_cli *cli, ssfer_error *err)
{
    for (size_t i = 0; plan->before && i < plan->before->stage_count; i++) {
        const train_stage *before = &plan->before->stages[i];
        train_stage *stage = i < plan->stage_count ? &plan->stages[i] : NULL;
        if (!before->begun)
            continue;
        if (!stage || stage->command != before->command)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "%s: %s has begun; leave it in its place among the stages, or use another --out",
                              plan->before->path, before->name);
        TRY(keep_stage(plan, stage, before, cli, err));
    }
    return SSFER_OK;
}

ssfer_status ssfer_plan_read(train_plan *plan, const train_plan_options *options, const ssfer_cli *cli,
                             ssfer_error *err)
{
    *plan = (train_plan){.path = options->path};
    TRY(read_file(plan, options->path, 0, err));
    for (size_t i = 0; i < options->sets->count; i++)
        TRY(read_set(plan, "--set", options->sets->items[i], err));
    TRY(read_own_options(plan, cli, err));
    TRY(read_split_keys(plan, err));
    TRY(read_before(plan, options, cli, err));
    keep_split(plan, cli);
    TRY(add_stages(plan, options, cli, err));
    return keep_stages(plan, cli, err);
}

void ssfer_plan_deinit(train_plan *plan)
{
    if (plan->before)
        ssfer_plan_deinit(plan->before);
    ssfer_free(plan->before);
    for (size_t i = 0; i < plan->stage_count; i++) {
        train_stage *stage = &plan->stages[i];
        forget_words(stage);
        ssfer_free(stage->words);
        ssfer_free(stage->name);
        ssfer_free(stage->folder);
        ssfer_free(stage->model);
    }
    for (size_t i = 0; i < plan->file_count; i++) {
        ssfer_yaml_deinit(plan->files[i]);
        ssfer_free(plan->files[i]);
    }
    ssfer_free(plan->files);
    ssfer_free(plan->settings);
    ssfer_free(plan->labels);
    ssfer_text_pool_deinit(&plan->text);
    *plan = (train_plan){0};
}

/* ---- looking at a stage ---------------------------------------------------------------------------------------- */

const void *ssfer_stage_value(const train_stage *stage, const char *option)
{
    size_t index = 0;
    return ssfer_command_find(stage->command, option, &index)
               ? ssfer_options_member(stage->command, index, stage->args, &stage->common)
               : NULL;
}

const char *ssfer_stage_string(const train_stage *stage, const char *option)
{
    const void *value = ssfer_stage_value(stage, option);
    return value ? *(const char *const *)value : NULL;
}

bool ssfer_stage_given(const train_stage *stage, const char *option)
{
    size_t index = 0;
    return ssfer_command_find(stage->command, option, &index) && stage->parsed.given[index];
}

const void *ssfer_stage_group(const train_stage *stage, const ssfer_option *table)
{
    for (size_t g = 0; g < SSFER_COMMAND_MAX_GROUPS; g++)
        if (stage->command->groups[g].options == table)
            return (const unsigned char *)stage->args + stage->command->groups[g].offset;
    return NULL;
}

bool ssfer_stage_finished(const train_stage *stage)
{
    char *report = ssfer_format("%s/report.html", stage->folder);
    const bool finished = report && ssfer_file_exists(report) && ssfer_file_exists(stage->model);
    ssfer_free(report);
    return finished;
}

const train_stage *ssfer_plan_first_labeled(const train_plan *plan)
{
    for (size_t i = 0; i < plan->stage_count; i++)
        if (ssfer_stage_value(&plan->stages[i], "labels"))
            return &plan->stages[i];
    return NULL;
}

bool ssfer_plan_labels_stand(const train_plan *plan)
{
    static const char *const decide[] = {"data", "split", "seed"};
    const train_plan *before = plan->before;
    const train_stage *now = ssfer_plan_first_labeled(plan), *then = before ? ssfer_plan_first_labeled(before) : NULL;
    if (!now || !then || !plan->labels || !ssfer_file_exists(plan->labels))
        return false;
    if (then->begun)
        return true;
    bool same = plan->fraction == before->fraction && same_name(plan->labels_from, before->labels_from);
    for (size_t i = 0; same && i < COUNT(decide); i++)
        same = ssfer_option_equal(ssfer_command_find(now->command, decide[i], NULL), ssfer_stage_value(now, decide[i]),
                                  ssfer_stage_value(then, decide[i]));
    return same;
}

bool ssfer_plan_takes_former(const train_plan *plan, size_t stage)
{
    /* cppcheck-suppress arrayIndexOutOfBoundsCond ; a stage is less than stage_count, which is at most 3 */
    return stage > 0 && same_name(ssfer_stage_string(&plan->stages[stage], "init"), plan->stages[stage - 1].model);
}

void ssfer_plan_describe(ssfer_recipe *r, const train_plan *plan)
{
    const char *names[TRAIN_MAX_STAGES];
    for (size_t i = 0; i < plan->stage_count; i++)
        names[i] = plan->stages[i].command->name;
    ssfer_recipe_section(r, "common");
    ssfer_recipe_strings(r, "stages", names, plan->stage_count);
    if (plan->labels_from)
        ssfer_recipe_string(r, "labels", plan->labels_from);
    else if (ssfer_plan_first_labeled(plan))
        ssfer_recipe_double(r, "fraction", plan->fraction);
    for (size_t i = 0; i < plan->stage_count; i++) {
        ssfer_parsed parsed = plan->stages[i].parsed;
        size_t at = 0;
        for (size_t k = 0; k < COUNT(SHARED_SPLIT); k++)
            if (ssfer_command_find(parsed.command, SHARED_SPLIT[k], &at))
                parsed.given[at] = false;
        if (ssfer_plan_takes_former(plan, i) && ssfer_command_find(parsed.command, "init", &at))
            parsed.given[at] = false;
        ssfer_recipe_section(r, names[i]);
        ssfer_resume_put_options(r, &parsed);
    }
}
