/* Any bytes as what a run keeps in its folder and reads again: recipe.yaml, metrics.jsonl, the TensorBoard events, and
 * the state in a checkpoint. */
#include "fuzz_case.h"
#include "train/events.h"
#include "train/run.h"
#include "train/run_history.h"
#include "train/run_recipe.h"

#include <math.h>

static void check_recipe(const uint8_t *data, size_t size)
{
    ssfer_recipe r, again;
    ssfer_error err = {0};
    const ssfer_status st = ssfer_recipe_read(&r, fuzz_file("recipe.yaml", data, size), &err);
    fuzz_check_error(st, &err);
    if (st != SSFER_OK)
        return;
    for (size_t i = 0; i < r.count; i++) /* a program before this one wrote the key twice: the first holds */
        fuzz_require(ssfer_recipe_find(&r, r.entries[i].section, r.entries[i].key) != NULL, "an entry is not found");
    fuzz_must(ssfer_recipe_write(&r, fuzz_path("again.yaml"), &err), &err);
    fuzz_must(ssfer_recipe_read(&again, fuzz_path("again.yaml"), &err), &err);
    fuzz_require(again.count == r.count, "written and read again: another recipe");
    for (size_t i = 0; i < r.count; i++)
        fuzz_require(strcmp(r.entries[i].section, again.entries[i].section) == 0 &&
                         strcmp(r.entries[i].key, again.entries[i].key) == 0 &&
                         strcmp(r.entries[i].value, again.entries[i].value) == 0,
                     "written and read again: another entry");
    ssfer_recipe_deinit(&again);
    ssfer_recipe_deinit(&r);
}

static void check_history(const uint8_t *data, size_t size)
{
    ssfer_history h;
    ssfer_error err = {0};
    uint64_t keep = 0, all = 0;
    const char *path = fuzz_file("metrics.jsonl", data, size);
    fuzz_must(ssfer_history_prefix(&keep, path, 5, NULL, &err), &err);
    fuzz_must(ssfer_history_prefix(&all, path, UINT64_MAX, NULL, &err), &err);
    fuzz_require(keep <= all && all <= size, "more is kept than there is");
    fuzz_must(ssfer_history_read(&h, path, NULL, &err), &err);
    for (size_t i = 0; i < h.count; i++) {
        const ssfer_series *s = &h.series[i];
        fuzz_require(s->count && ssfer_history_find(&h, s->stage, s->name) == s, "a series is not found");
        for (size_t k = 0; k < s->count; k++)
            fuzz_require(isfinite(s->value[k]) && isfinite(s->step[k]) && isfinite(s->epoch[k]), "no finite number");
    }
    ssfer_history_deinit(&h);
}

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void check_state(const char *text)
{
    ssfer_train_state state, again;
    char *written;
    ssfer_error err = {0};
    const ssfer_status st = ssfer_train_state_parse(&state, text, "state", &err);
    fuzz_check_error(st, &err);
    if (st != SSFER_OK)
        return;
    fuzz_must(ssfer_train_state_write(&written, &state, &err), &err);
    fuzz_must(ssfer_train_state_parse(&again, written, "written", &err), &err);
    fuzz_require(strcmp(state.stage, again.stage) == 0 && state.epoch == again.epoch && state.step == again.step &&
                     state.iteration == again.iteration && same_number(state.best, again.best) &&
                     same_number(state.lr_scale, again.lr_scale) && same_number(state.epoch_loss, again.epoch_loss),
                 "written and read again: another state");
    ssfer_free(written);
}

static void check_events(const uint8_t *data, size_t size)
{
    const size_t keep = ssfer_events_prefix(data, size, 5), all = ssfer_events_prefix(data, size, UINT64_MAX);
    fuzz_require(keep <= all && all <= size, "more is kept than there is");
    fuzz_require(ssfer_events_prefix(data, all, UINT64_MAX) == all, "what is kept is cut again");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = ssfer_malloc(size + 1);
    memcpy(text, data, size);
    text[size] = 0;
    fuzz_begin(size);
    check_events(data, size);
    if (size && data[0] == '{') {
        check_history(data, size);
        check_state(text);
    } else {
        check_recipe(data, size);
    }
    fuzz_end();
    ssfer_free(text);
    return 0;
}
