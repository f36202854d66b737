#include "train/run.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "train/run_history.h"
#include "train/run_private.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

static double wall_time_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

char *ssfer_run_path(const ssfer_run *run, const char *name)
{
    return ssfer_format("%s/%s", run->folder, name);
}

bool ssfer_run_is_finished(const ssfer_run *run)
{
    return run->finished;
}

const ssfer_log *ssfer_run_log(const ssfer_run *run)
{
    return &run->log->log;
}

ssfer_training_log *ssfer_run_training_log(ssfer_run *run)
{
    return run->log;
}

ssfer_tensor_set *ssfer_run_take_checkpoint(ssfer_run *run, ssfer_train_state *state)
{
    ssfer_tensor_set *set = run->checkpoint;
    *state = run->state;
    run->checkpoint = NULL;
    return set;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

typedef enum folder_kind { FOLDER_EMPTY, FOLDER_RUN, FOLDER_OTHER } folder_kind;

/* What is in the folder; one that holds nothing but a log never got as far as its recipe and counts as empty. */
static ssfer_status look_at_folder(folder_kind *kind, bool *finished, const char *folder, ssfer_error *err)
{
    *kind = FOLDER_EMPTY;
    *finished = false;
    DIR *list = opendir(folder);
    if (!list)
        return ssfer_fail_errno(err, folder, NULL, errno);
    bool has_recipe = false, has_other = false;
    for (struct dirent *entry; (entry = readdir(list));) {
        const char *name = entry->d_name;
        has_recipe |= strcmp(name, "recipe.yaml") == 0;
        *finished |= strcmp(name, "model.safetensors") == 0;
        has_other |= strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "training.log") != 0 &&
                     strncmp(name, "recipe.yaml.tmp.", strlen("recipe.yaml.tmp.")) != 0;
    }
    closedir(list);
    *kind = has_recipe ? FOLDER_RUN : has_other ? FOLDER_OTHER : FOLDER_EMPTY;
    return SSFER_OK;
}

/* Whether there is more in the folder than what an unfinished write left. */
static bool has_files(const char *folder)
{
    DIR *list = opendir(folder);
    bool any = false;
    for (struct dirent *entry; list && (entry = readdir(list));)
        any |= strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && !strstr(entry->d_name, ".tmp.");
    if (list)
        closedir(list);
    return any;
}

bool ssfer_run_has_begun(const char *folder)
{
    char *model = ssfer_format("%s/model.safetensors", folder), *metrics = ssfer_format("%s/metrics.jsonl", folder);
    char *checkpoints = ssfer_format("%s/checkpoints", folder);
    struct stat info;
    bool begun = !model || !metrics || !checkpoints; /* without memory nothing is given away */
    begun =
        begun || ssfer_file_exists(model) || (stat(metrics, &info) == 0 && info.st_size > 0) || has_files(checkpoints);
    ssfer_free(model);
    ssfer_free(metrics);
    ssfer_free(checkpoints);
    return begun;
}

/* *exists: there is a run that has begun. */
static ssfer_status check_folder(bool *exists, const ssfer_run_options *o, bool *finished, ssfer_error *err)
{
    folder_kind kind;
    ssfer_status st = ssfer_folder_create(o->folder, err);
    if (st == SSFER_OK)
        st = look_at_folder(&kind, finished, o->folder, err);
    if (st != SSFER_OK)
        return st;
    *exists = kind == FOLDER_RUN && ssfer_run_has_begun(o->folder);
    if (kind == FOLDER_OTHER)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: holds files that are no run; use another --out", o->folder);
    if (*exists && !o->resume)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: holds %s run already; %s or use another --out", o->folder,
                          *finished ? "a finished" : "an unfinished",
                          *finished ? "remove the folder" : "continue it with --resume");
    return SSFER_OK;
}

/* Writes the recipe of a new run, compares that of an old one. */
static ssfer_status settle_recipe(ssfer_run *run, const ssfer_recipe *recipe, bool exists, ssfer_error *err)
{
    ssfer_recipe before;
    char *path = ssfer_run_path(run, "recipe.yaml");
    if (!path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->folder);
    ssfer_status st;
    if (!exists) {
        st = ssfer_recipe_write(recipe, path, err);
    } else if ((st = ssfer_recipe_read(&before, path, err)) == SSFER_OK) {
        st = ssfer_recipe_compare(recipe, &before, path, err);
        ssfer_recipe_deinit(&before);
    }
    ssfer_free(path);
    return st;
}

/* Opens metrics.jsonl and the event file, which may be there already, cut to what was recorded up to the checkpoint's
 * step. */
static ssfer_status open_records(ssfer_run *run, ssfer_error *err)
{
    uint64_t keep, end_step = run->checkpoint ? run->state.step + 1 : 0;
    char *path = ssfer_run_path(run, "metrics.jsonl");
    if (!path)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->folder);
    ssfer_status st = ssfer_history_prefix(&keep, path, end_step, &run->log->log, err);
    if (st == SSFER_OK)
        st = ssfer_append_open(&run->metrics, path, keep, err);
    if (st == SSFER_OK)
        st = ssfer_events_resume(&run->events, run->folder, end_step, wall_time_s(), err);
    ssfer_free(path);
    return st;
}

/* The lock comes with the file: from here on the folder is ours. */
static ssfer_status open_log(ssfer_run *run, ssfer_error *err)
{
    char *path = ssfer_run_path(run, "training.log");
    ssfer_status st = path ? ssfer_training_log_open(run->log, path, run->folder, err)
                           : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->folder);
    ssfer_free(path);
    return st;
}

static ssfer_status open_all(ssfer_run *run, const ssfer_run_options *o, ssfer_error *err)
{
    bool exists = false;
    ssfer_status st = check_folder(&exists, o, &run->finished, err);
    if (st == SSFER_OK)
        st = open_log(run, err);
    if (st == SSFER_OK)
        ssfer_run_remove_temporaries(run);
    if (st == SSFER_OK)
        st = settle_recipe(run, o->recipe, exists, err);
    if (st == SSFER_OK)
        st = ssfer_run_find_checkpoint(run, err);
    if (st == SSFER_OK)
        st = open_records(run, err);
    if (st == SSFER_OK && exists)
        ssfer_info(&run->log->log, "%s: resuming %s after %zu steps", run->folder, run->stage, run->state.step);
    return st;
}

ssfer_status ssfer_run_open(ssfer_run **out, const ssfer_run_options *options, ssfer_error *err)
{
    *out = NULL;
    if (options->keep_checkpoints == 0 || strlen(options->stage) >= sizeof(((ssfer_train_state *)0)->stage))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: stage %s, %zu checkpoints to keep (at least 1)",
                          options->folder, options->stage, options->keep_checkpoints);
    ssfer_run *run = ssfer_calloc(1, sizeof *run);
    if (!run)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", options->folder);
    run->folder = ssfer_strdup(options->folder);
    run->stage = ssfer_strdup(options->stage);
    run->keep_checkpoints = options->keep_checkpoints;
    run->metrics.fd = -1;
    ssfer_training_log_init(&run->own_log, options->log);
    run->log = options->training_log ? options->training_log : &run->own_log;
    ssfer_status st = SSFER_OK;
    if (!run->folder || !run->stage)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", options->folder);
    if (st == SSFER_OK)
        st = open_all(run, options, err);
    if (st == SSFER_OK)
        *out = run;
    else
        ssfer_run_close(run);
    return st;
}

void ssfer_run_close(ssfer_run *run)
{
    if (!run)
        return;
    ssfer_append_close(&run->metrics);
    ssfer_events_close(run->events);
    ssfer_training_log_close(&run->own_log, SSFER_OK, NULL);
    ssfer_tensor_set_destroy(run->checkpoint);
    for (size_t i = 0; i < run->tag_count; i++)
        ssfer_free(run->tags[i]);
    ssfer_free(run->tags);
    ssfer_free(run->folder);
    ssfer_free(run->stage);
    ssfer_free(run);
}

ssfer_status ssfer_run_rewind(ssfer_run *run, ssfer_tensor_set **set, ssfer_train_state *state, ssfer_error *err)
{
    *set = NULL;
    ssfer_status st = ssfer_run_find_good(run, err);
    if (st != SSFER_OK)
        return st;
    ssfer_append_close(&run->metrics);
    ssfer_events_close(run->events);
    run->events = NULL;
    st = open_records(run, err);
    if (st == SSFER_OK)
        *set = ssfer_run_take_checkpoint(run, state);
    return st;
}

/* ---- records ------------------------------------------------------------------------------------------------- */

/* "STAGE/NAME", made once a name; NULL without memory. */
static const char *tag_of(ssfer_run *run, const char *name)
{
    size_t prefix = strlen(run->stage) + 1;
    for (size_t i = 0; i < run->tag_count; i++)
        if (strcmp(run->tags[i] + prefix, name) == 0)
            return run->tags[i];
    if (ssfer_reserve((void **)&run->tags, &run->tag_capacity, run->tag_count + 1, sizeof *run->tags) != 0)
        return NULL;
    char *tag = ssfer_format("%s/%s", run->stage, name);
    if (tag)
        run->tags[run->tag_count++] = tag;
    return tag;
}

static ssfer_status record_line(ssfer_run *run, size_t epoch, size_t step, const ssfer_metric *metrics, size_t count,
                                ssfer_error *err)
{
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    if (!stream)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->metrics.path);
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "stage", run->stage);
    ssfer_json_put_uint(&w, "epoch", epoch);
    ssfer_json_put_uint(&w, "step", step);
    for (size_t i = 0; i < count; i++)
        ssfer_json_put_double(&w, metrics[i].name, metrics[i].value);
    ssfer_json_end(&w);
    bool good = fclose(stream) == 0;
    ssfer_status st = good ? ssfer_append_write(&run->metrics, text, size, err)
                           : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->metrics.path);
    free(text);
    return st;
}

ssfer_status ssfer_run_record(ssfer_run *run, size_t epoch, size_t step, const ssfer_metric *metrics, size_t count,
                              ssfer_error *err)
{
    const char **tags = ssfer_calloc(count, sizeof *tags);
    double *values = ssfer_calloc(count, sizeof *values);
    bool good = tags && values;
    for (size_t i = 0; good && i < count; i++) {
        tags[i] = tag_of(run, metrics[i].name);
        values[i] = metrics[i].value;
        good = tags[i] != NULL;
    }
    ssfer_status st = good ? record_line(run, epoch, step, metrics, count, err)
                           : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->folder);
    if (st == SSFER_OK)
        st = ssfer_events_scalars(run->events, step, wall_time_s(), tags, values, count, err);
    ssfer_free(tags);
    ssfer_free(values);
    return st;
}

void ssfer_metric_list_add(ssfer_metric_list *list, const char *name, double value)
{
    if (ssfer_reserve((void **)&list->items, &list->capacity, list->count + 1, sizeof *list->items) != 0)
        list->failed = true;
    else
        list->items[list->count++] = (ssfer_metric){name, value};
}

void ssfer_metric_list_deinit(ssfer_metric_list *list)
{
    ssfer_free(list->items);
    *list = (ssfer_metric_list){0};
}

/* ---- the state ----------------------------------------------------------------------------------------------- */

/* Without the newline that ends a document. */
static char *copy_line(const char *text)
{
    return ssfer_format("%.*s", (int)strcspn(text, "\n"), text);
}

ssfer_status ssfer_train_state_write(char **text, const ssfer_train_state *state, ssfer_error *err)
{
    char *printed = NULL;
    size_t size = 0;
    *text = NULL;
    FILE *stream = open_memstream(&printed, &size);
    if (!stream)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training state: out of memory");
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "stage", state->stage);
    ssfer_json_put_uint(&w, "epoch", state->epoch);
    ssfer_json_put_uint(&w, "iteration", state->iteration);
    ssfer_json_put_uint(&w, "step", state->step);
    ssfer_json_put_uint(&w, "best_epoch", state->best_epoch);
    ssfer_json_put_double(&w, "best", state->best);
    ssfer_json_put_double(&w, "elapsed_s", state->elapsed_s);
    ssfer_json_put_double(&w, "epoch_loss", state->epoch_loss);
    ssfer_json_put_uint(&w, "epoch_images", state->epoch_images);
    ssfer_json_put_uint(&w, "epoch_right", state->epoch_right);
    ssfer_json_put_uint(&w, "rollbacks", state->rollbacks);
    ssfer_json_put_double(&w, "lr_scale", state->lr_scale);
    ssfer_json_put_double(&w, "window_loss", state->window_loss);
    ssfer_json_put_uint(&w, "window_images", state->window_images);
    ssfer_json_end(&w);
    if (fclose(stream) == 0)
        *text = copy_line(printed);
    free(printed);
    return *text ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "training state: out of memory");
}

ssfer_status ssfer_train_state_parse(ssfer_train_state *state, const char *text, const char *name, ssfer_error *err)
{
    ssfer_train_state s = {0};
    ssfer_json *json;
    const char *stage = "";
    ssfer_status st = ssfer_json_parse(&json, text, strlen(text), name, err);
    if (st != SSFER_OK)
        return st;
    struct {
        const char *key;
        size_t *value;
    } sizes[] = {{"epoch", &s.epoch},           {"iteration", &s.iteration},       {"step", &s.step},
                 {"best_epoch", &s.best_epoch}, {"epoch_images", &s.epoch_images}, {"epoch_right", &s.epoch_right},
                 {"rollbacks", &s.rollbacks}};
    struct {
        const char *key;
        double *value;
    } doubles[] = {
        {"best", &s.best}, {"elapsed_s", &s.elapsed_s}, {"epoch_loss", &s.epoch_loss}, {"lr_scale", &s.lr_scale}};
    st = ssfer_json_get_string(&stage, json, "stage", name, err);
    for (size_t i = 0; st == SSFER_OK && i < sizeof sizes / sizeof *sizes; i++)
        st = ssfer_json_get_size(sizes[i].value, json, sizes[i].key, name, err);
    for (size_t i = 0; st == SSFER_OK && i < sizeof doubles / sizeof *doubles; i++)
        if (ssfer_json_kind_of(ssfer_json_find(json, doubles[i].key)) == SSFER_JSON_NULL)
            *doubles[i].value = NAN; /* as the writer has it */
        else
            st = ssfer_json_get_double(doubles[i].value, json, doubles[i].key, name, err);
    if (st == SSFER_OK && ssfer_json_find(json, "window_images")) { /* older checkpoints lack them */
        st = ssfer_json_get_size(&s.window_images, json, "window_images", name, err);
        if (st == SSFER_OK)
            st = ssfer_json_get_double(&s.window_loss, json, "window_loss", name, err);
    }
    if (st == SSFER_OK && strlen(stage) >= sizeof s.stage)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: stage \"%.40s...\" is too long", name, stage);
    if (st == SSFER_OK) {
        memcpy(s.stage, stage, strlen(stage) + 1);
        *state = s;
    }
    ssfer_json_destroy(json);
    return st;
}
