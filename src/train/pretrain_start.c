#include "train/pretrain_start.h"

#include "base/memory.h"
#include "base/number.h"
#include "nn/try.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static ssfer_status load_or_check(float *block, const ssfer_param_table *table, const ssfer_tensor_set *set,
                                  const char *prefix, bool *loaded, ssfer_error *err)
{
    return block ? ssfer_params_load(block, table, set, prefix, loaded, err)
                 : ssfer_params_check(table, set, prefix, loaded, err);
}

static bool has_shape(const ssfer_tensor *t, const ssfer_param *p)
{
    bool same = t->ndim == p->ndim;
    for (size_t i = 0; same && i < p->ndim; i++)
        same = t->shape[i] == p->shape[i];
    return same;
}

ssfer_status ssfer_pretrain_take_weights(float *params, const ssfer_mae *mae, const ssfer_tensor_set *set, bool all,
                                         const ssfer_log *log, ssfer_error *err)
{
    const ssfer_param_table *table = &mae->table;
    size_t taken = 0;
    const char *first_missing = NULL;
    if (all)
        return load_or_check(params, table, set, "", NULL, err);
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        const ssfer_param_table one = {.items = &table->items[i], .count = 1};
        const ssfer_tensor *t = ssfer_tensor_set_find(set, p->name);
        bool loaded = false;
        if (t && p->frozen && !has_shape(t, p)) /* the table of this grid is there already */
            continue;
        TRY(load_or_check(params, &one, set, "", &loaded, err));
        taken += loaded && !p->frozen;
        if (!loaded && !p->frozen && !first_missing)
            first_missing = p->name;
    }
    if (!taken)
        return ssfer_fail(err, SSFER_ERR_FORMAT, "holds none of the model's parameters");
    if (first_missing)
        ssfer_warn(log, "only %zu of the parameters are in the checkpoint; the others start random (%s, ...)", taken,
                   first_missing);
    return SSFER_OK;
}

/* ---- the optimizer's state --------------------------------------------------------------------------------------- */

/* How many of the moments that training needs were loaded; *wanted: how many there are. */
static size_t count_loaded(const ssfer_param_table *table, const bool *loaded, size_t *wanted)
{
    size_t found = 0;
    *wanted = 0;
    for (size_t i = 0; i < table->count; i++) {
        *wanted += !table->items[i].frozen;
        found += loaded[i] && !table->items[i].frozen;
    }
    return found;
}

/* AdamW's step count: that of every parameter alike. */
static double largest_step(const ssfer_param_table *table, const ssfer_tensor_set *set)
{
    double most = 0.0;
    for (size_t i = 0; i < table->count; i++) {
        char name[SSFER_PARAM_NAME_SIZE + 8];
        float step;
        snprintf(name, sizeof name, "step.%s", table->items[i].name);
        const ssfer_tensor *t = ssfer_tensor_set_find(set, name);
        if (!t || t->count != 1)
            continue;
        ssfer_tensor_to_f32(&step, t);
        most = (double)step > most ? (double)step : most;
    }
    return most;
}

static ssfer_status take_moments(ssfer_optimizer *o, const ssfer_tensor_set *set, bool *loaded, ssfer_error *err)
{
    size_t wanted, first, second;
    TRY(load_or_check(o->exp_avg, o->table, set, "exp_avg.", loaded, err));
    first = count_loaded(o->table, loaded, &wanted);
    TRY(load_or_check(o->exp_avg_sq, o->table, set, "exp_avg_sq.", loaded, err));
    second = count_loaded(o->table, loaded, &wanted);
    if (first != second || (first && first != wanted))
        return ssfer_fail(err, SSFER_ERR_SHAPE, "the optimizer has moments of %zu and %zu of %zu parameters", first,
                          second, wanted);
    return SSFER_OK;
}

static ssfer_status take_pytorch(ssfer_optimizer *o, ssfer_train_state *state, const char *path, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    TRY(ssfer_checkpoint_read_optimizer(&set, path, err));
    bool *loaded = ssfer_calloc(o->table->count, sizeof *loaded);
    ssfer_status st =
        loaded ? take_moments(o, set, loaded, err) : ssfer_fail(err, SSFER_ERR_MEMORY, "optimizer: out of memory");
    const double step = largest_step(o->table, set);
    size_t epoch = SIZE_MAX; /* counted from 0; without one none is done */
    if (st == SSFER_OK)
        st = ssfer_tensor_set_get_size(&epoch, set, "epoch", err);
    if (st == SSFER_OK && !(step >= 0.0 && step < 1e15))
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "a step count of %g is not possible", step);
    if (st == SSFER_OK) {
        o->updates = state->step = (size_t)step;
        state->epoch = epoch + 1;
    }
    ssfer_free(loaded);
    ssfer_tensor_set_destroy(set);
    return st == SSFER_OK ? st : ssfer_fail_prefix(err, st, "%s", path);
}

static ssfer_status take_own(ssfer_optimizer *o, ssfer_train_state *state, const ssfer_tensor_set *set,
                             const char *text, const char *path, ssfer_error *err)
{
    ssfer_train_state stored;
    TRY(ssfer_train_state_parse(&stored, text, path, err));
    TRY(ssfer_optimizer_load(o, set, stored.step, err));
    state->epoch = stored.epoch; /* one under way starts again from its beginning */
    state->step = stored.step;
    return SSFER_OK;
}

ssfer_status ssfer_pretrain_take_optimizer(ssfer_optimizer *optimizer, ssfer_train_state *state, const char *path,
                                           int64_t start_epoch, ssfer_error *err)
{
    ssfer_tensor_set *set = NULL;
    TRY(ssfer_checkpoint_read(&set, path, NULL, err));
    const char *own = ssfer_tensor_set_get(set, "train_state");
    ssfer_status st = own ? take_own(optimizer, state, set, own, path, err) : take_pytorch(optimizer, state, path, err);
    ssfer_tensor_set_destroy(set);
    if (st == SSFER_OK && start_epoch >= 0)
        state->epoch = (size_t)start_epoch;
    return st;
}

ssfer_status ssfer_pretrain_check_optimizer(size_t *epoch, const ssfer_param_table *table, bool ema, const char *path,
                                            int64_t start_epoch, ssfer_error *err)
{
    ssfer_optimizer without_blocks = {.table = table, .options.ema_decay = ema ? 1.0f : 0.0f};
    ssfer_train_state state = {0};
    TRY(ssfer_pretrain_take_optimizer(&without_blocks, &state, path, start_epoch, err));
    *epoch = state.epoch;
    return SSFER_OK;
}
