/* The checkpoints folder of a run: the newest K and the best. */
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "train/run_private.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char STATE_KEY[] = "train_state";
static const char BEST[] = "checkpoints/best.safetensors", GOOD[] = "checkpoints/good.safetensors";

static char *checkpoint_path(const ssfer_run *run, uint64_t step)
{
    return ssfer_format("%s/checkpoints/step-%08" PRIu64 ".safetensors", run->folder, step);
}

static ssfer_status no_memory(const ssfer_run *run, ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", run->folder);
}

static int newest_first(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Of "step-12.safetensors"; false for any other name. */
static bool read_step(uint64_t *step, const char *name)
{
    static const char before[] = "step-", after[] = ".safetensors";
    if (strncmp(name, before, sizeof before - 1) != 0)
        return false;
    name += sizeof before - 1;
    const size_t digits = strspn(name, "0123456789");
    return strcmp(name + digits, after) == 0 && ssfer_parse_uint(step, name, digits) == SSFER_OK;
}

/* Steps of the checkpoints there are, newest first; freed with ssfer_free. A missing folder has none. */
static ssfer_status list_steps(uint64_t **out, size_t *count, const ssfer_run *run, ssfer_error *err)
{
    uint64_t *steps = NULL;
    size_t capacity = 0;
    *out = NULL;
    *count = 0;
    char *folder = ssfer_run_path(run, "checkpoints");
    if (!folder)
        return no_memory(run, err);
    DIR *list = opendir(folder);
    ssfer_status st = SSFER_OK;
    if (!list && errno != ENOENT)
        st = ssfer_fail_errno(err, folder, NULL, errno);
    for (struct dirent *entry; list && st == SSFER_OK && (entry = readdir(list));) {
        uint64_t step;
        if (!read_step(&step, entry->d_name))
            continue;
        if (ssfer_reserve((void **)&steps, &capacity, *count + 1, sizeof *steps) != 0)
            st = no_memory(run, err);
        else
            steps[(*count)++] = step;
    }
    if (list)
        closedir(list);
    ssfer_free(folder);
    if (st != SSFER_OK) {
        ssfer_free(steps);
        *count = 0;
        return st;
    }
    if (*count)
        qsort(steps, *count, sizeof *steps, newest_first);
    *out = steps;
    return SSFER_OK;
}

/* NAME.tmp.PID, as base/file.h names what is being written. */
static bool is_temporary(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && dot[1] && strspn(dot + 1, "0123456789") == strlen(dot + 1) && dot - name > 4 &&
           strncmp(dot - 4, ".tmp", 4) == 0;
}

static void remove_temporaries(const char *folder)
{
    DIR *list = folder ? opendir(folder) : NULL;
    for (struct dirent *entry; list && (entry = readdir(list));)
        if (is_temporary(entry->d_name))
            unlinkat(dirfd(list), entry->d_name, 0);
    if (list)
        closedir(list);
}

void ssfer_run_remove_temporaries(const ssfer_run *run)
{
    char *checkpoints = ssfer_run_path(run, "checkpoints");
    remove_temporaries(run->folder);
    remove_temporaries(checkpoints);
    ssfer_free(checkpoints);
}

/* Takes `path`, which it frees. */
static ssfer_status load(ssfer_run *run, char *path, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    ssfer_train_state state;
    if (!path)
        return no_memory(run, err);
    ssfer_status st = ssfer_safetensors_read(&set, path, err);
    const char *text = st == SSFER_OK ? ssfer_tensor_set_get(set, STATE_KEY) : NULL;
    if (st == SSFER_OK && !text)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: no %s in its metadata; it is no checkpoint of a run", path,
                        STATE_KEY);
    if (st == SSFER_OK)
        st = ssfer_train_state_parse(&state, text, path, err);
    if (st == SSFER_OK && strcmp(state.stage, run->stage) != 0)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%s: of stage %s, but this run is %s", path, state.stage, run->stage);
    ssfer_free(path);
    if (st != SSFER_OK) {
        ssfer_tensor_set_destroy(set);
        return st;
    }
    run->checkpoint = set;
    run->state = state;
    return SSFER_OK;
}

/* When no checkpoint of a step can be read there may be a whole one of earlier under another name. */
static ssfer_status load_other(ssfer_run *run, ssfer_error *err)
{
    static const char *const names[] = {BEST, GOOD};
    ssfer_status st = SSFER_ERR_FORMAT;
    for (size_t i = 0; st != SSFER_OK && st != SSFER_ERR_MEMORY && i < sizeof names / sizeof *names; i++)
        if ((st = load(run, ssfer_run_path(run, names[i]), err)) == SSFER_OK)
            ssfer_warn(&run->log->log, "going on from %s, step %zu", names[i], run->state.step);
    return st;
}

/* Gives a checkpoint that cannot be read another name: by its step it would be the newest for long, and the removal of
 * old ones would remove the good ones instead. */
static void set_aside(const ssfer_run *run, uint64_t step)
{
    char *path = checkpoint_path(run, step), *other = path ? ssfer_format("%s.damaged", path) : NULL;
    if (other && rename(path, other) == 0)
        ssfer_warn(&run->log->log, "%s is now %s", path, other);
    ssfer_free(path);
    ssfer_free(other);
}

/* Gives `path` the second name `name`, replacing what had it. Without hard links it becomes a second file. */
static ssfer_status make_link(const char *name, const char *path, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    char *temporary = ssfer_format("%s.tmp.%ld", name, (long)getpid());
    if (!temporary)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", name);
    unlink(temporary);
    bool linked = link(path, temporary) == 0 && rename(temporary, name) == 0;
    if (!linked || access(temporary, F_OK) == 0) /* rename does nothing when both names are the same file already */
        unlink(temporary);
    ssfer_free(temporary);
    if (linked)
        return SSFER_OK;
    ssfer_status st = ssfer_safetensors_read(&set, path, err);
    if (st == SSFER_OK)
        st = ssfer_safetensors_write(set, name, err);
    ssfer_tensor_set_destroy(set);
    return st;
}

/* A process killed between saving a checkpoint and naming it the best left that undone. */
static ssfer_status complete_best(const ssfer_run *run, ssfer_error *err)
{
    const ssfer_train_state *s = &run->state;
    if (s->best_epoch == 0 || s->best_epoch != s->epoch || s->iteration != 0)
        return SSFER_OK;
    char *path = checkpoint_path(run, s->step), *best = ssfer_run_path(run, BEST);
    ssfer_status st = path && best ? make_link(best, path, err) : no_memory(run, err);
    ssfer_free(path);
    ssfer_free(best);
    return st;
}

ssfer_status ssfer_run_find_checkpoint(ssfer_run *run, ssfer_error *err)
{
    uint64_t *steps;
    size_t count;
    ssfer_status st = list_steps(&steps, &count, run, err);
    size_t unreadable = 0;
    ssfer_error why = {0};
    for (; st == SSFER_OK && unreadable < count; unreadable++) {
        st = load(run, checkpoint_path(run, steps[unreadable]), &why);
        if (st == SSFER_OK || st == SSFER_ERR_MEMORY)
            break;
        ssfer_warn(&run->log->log, "%s; trying the one before", why.message);
        st = SSFER_OK;
    }
    const bool other = st == SSFER_OK && count && !run->checkpoint;
    if (other)
        st = load_other(run, NULL);
    if (st != SSFER_OK && why.status != SSFER_OK)
        st = ssfer_fail(err, why.status, "%s; remove %s to start anew", why.message, run->folder);
    for (size_t i = 0; st == SSFER_OK && i < unreadable; i++)
        set_aside(run, steps[i]);
    ssfer_free(steps);
    if (st == SSFER_OK && run->checkpoint && !other)
        st = complete_best(run, err);
    return st;
}

static void remove_old(const ssfer_run *run)
{
    uint64_t *steps;
    size_t count;
    if (list_steps(&steps, &count, run, NULL) != SSFER_OK)
        return; /* the new checkpoint is safe; one too many does no harm */
    for (size_t i = run->keep_checkpoints; i < count; i++) {
        char *path = checkpoint_path(run, steps[i]);
        if (path)
            unlink(path);
        ssfer_free(path);
    }
    ssfer_free(steps);
}

static ssfer_status save(ssfer_run *run, const char *path, const char *best_path, ssfer_tensor_set *set,
                         const ssfer_train_state *state, bool best, ssfer_error *err)
{
    char *text = NULL, *folder = ssfer_run_path(run, "checkpoints");
    ssfer_status st = folder ? ssfer_folder_create(folder, err) : no_memory(run, err);
    ssfer_free(folder);
    if (st == SSFER_OK)
        st = ssfer_train_state_write(&text, state, err);
    if (st == SSFER_OK)
        st = ssfer_tensor_set_put(set, STATE_KEY, text, err);
    ssfer_free(text);
    /* The records of this step must not be younger than its checkpoint after a power cut. */
    if (st == SSFER_OK)
        st = ssfer_append_sync(&run->metrics, err);
    if (st == SSFER_OK)
        st = ssfer_safetensors_write(set, path, err);
    if (st == SSFER_OK && best)
        st = make_link(best_path, path, err);
    return st;
}

ssfer_status ssfer_run_save(ssfer_run *run, ssfer_tensor_set *set, const ssfer_train_state *state, bool best,
                            ssfer_error *err)
{
    char *path = checkpoint_path(run, state->step), *best_path = ssfer_run_path(run, BEST);
    ssfer_status st = path && best_path ? save(run, path, best_path, set, state, best, err) : no_memory(run, err);
    if (st == SSFER_OK)
        remove_old(run);
    ssfer_free(path);
    ssfer_free(best_path);
    return st;
}

ssfer_status ssfer_run_mark_good(ssfer_run *run, size_t step, ssfer_error *err)
{
    char *path = checkpoint_path(run, step), *good = ssfer_run_path(run, GOOD);
    ssfer_status st = path && good ? make_link(good, path, err) : no_memory(run, err);
    ssfer_free(path);
    ssfer_free(good);
    return st;
}

ssfer_status ssfer_run_find_good(ssfer_run *run, ssfer_error *err)
{
    uint64_t *steps;
    size_t count;
    ssfer_status st = load(run, ssfer_run_path(run, GOOD), err);
    if (st == SSFER_OK)
        st = list_steps(&steps, &count, run, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < count; i++) {
        char *path = steps[i] > run->state.step ? checkpoint_path(run, steps[i]) : NULL;
        if (path)
            unlink(path);
        ssfer_free(path);
    }
    ssfer_free(steps);
    return SSFER_OK;
}

ssfer_status ssfer_run_finish(ssfer_run *run, const ssfer_tensor_set *model, ssfer_error *err)
{
    char *path = ssfer_run_path(run, "model.safetensors");
    if (!path)
        return no_memory(run, err);
    ssfer_status st = ssfer_safetensors_write(model, path, err);
    ssfer_free(path);
    run->finished |= st == SSFER_OK;
    return st;
}
