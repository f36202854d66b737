#include "nn/params.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ALIGN_FLOATS = 16 }; /* 64 bytes */

size_t ssfer_params_add(ssfer_param_table *table, ssfer_init init, float scale, const size_t *shape, size_t ndim,
                        const char *name_format, ...)
{
    ssfer_param p = {
        .ndim = ndim, .count = 1, .offset = table->block_floats, .init = init, .scale = scale, .layer = table->layer};
    size_t end;
    va_list args;
    va_start(args, name_format);
    ssfer_vsnprintf(p.name, sizeof p.name, name_format, args);
    va_end(args);
    for (size_t i = 0; i < ndim; i++) {
        p.shape[i] = shape[i];
        if (!ssfer_mul_size(p.count, shape[i], &p.count))
            table->failed = SSFER_ERR_LIMIT;
    }
    if (!ssfer_add_size(p.offset, p.count, &end) || !ssfer_add_size(end, ALIGN_FLOATS, &end))
        table->failed = SSFER_ERR_LIMIT;
    if (table->failed == SSFER_OK &&
        ssfer_reserve((void **)&table->items, &table->capacity, table->count + 1, sizeof *table->items))
        table->failed = SSFER_ERR_MEMORY;
    if (table->failed != SSFER_OK)
        return 0;
    p.frozen = init == SSFER_INIT_GIVEN;
    p.decays = ndim > 1 && !table->spared;
    if (init == SSFER_INIT_XAVIER)
        p.scale = (float)sqrt(6.0 / ((double)(p.count / p.shape[0]) + (double)p.shape[0]));
    table->block_floats = ssfer_align_size(p.offset + p.count, ALIGN_FLOATS);
    table->items[table->count++] = p;
    return p.offset;
}

ssfer_status ssfer_params_finish(const ssfer_param_table *table, ssfer_error *err)
{
    if (table->failed == SSFER_ERR_MEMORY)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "model: out of memory");
    if (table->failed != SSFER_OK || table->block_floats > SIZE_MAX / sizeof(float))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "model: too many parameters for this machine");
    return SSFER_OK;
}

void ssfer_params_deinit(ssfer_param_table *table)
{
    ssfer_free(table->items);
    *table = (ssfer_param_table){0};
}

const ssfer_param *ssfer_params_find(const ssfer_param_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++)
        if (strcmp(table->items[i].name, name) == 0)
            return &table->items[i];
    return NULL;
}

size_t ssfer_params_total(const ssfer_param_table *table)
{
    size_t total = 0;
    for (size_t i = 0; i < table->count; i++)
        total += table->items[i].count;
    return total;
}

ssfer_status ssfer_params_alloc(float **block, const ssfer_param_table *table, ssfer_error *err)
{
    size_t bytes = table->block_floats * sizeof **block;
    *block = ssfer_aligned_alloc(bytes);
    if (!*block)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "model: no memory for %.1f MiB of parameters",
                          (double)bytes / 1048576.0);
    memset(*block, 0, bytes);
    return SSFER_OK;
}

static float draw(const ssfer_param *p, ssfer_rng *rng)
{
    switch (p->init) {
    case SSFER_INIT_ONE:
        return 1.0f;
    case SSFER_INIT_NORMAL:
        return fminf(fmaxf((float)(ssfer_rng_normal(rng) * (double)p->scale), -2.0f), 2.0f);
    case SSFER_INIT_UNIFORM:
    case SSFER_INIT_XAVIER:
        return (float)ssfer_rng_range(rng, -(double)p->scale, (double)p->scale);
    case SSFER_INIT_ZERO:
    case SSFER_INIT_GIVEN:
        break;
    }
    return 0.0f;
}

void ssfer_params_init(float *block, const ssfer_param_table *table, uint64_t seed)
{
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, i, SSFER_RNG_INIT);
        for (size_t j = 0; p->init != SSFER_INIT_GIVEN && j < p->count; j++)
            block[p->offset + j] = draw(p, &rng);
    }
}

static void format_shape(char *out, size_t size, const size_t *shape, size_t ndim)
{
    size_t used = (size_t)snprintf(out, size, "(");
    for (size_t i = 0; i < ndim && used < size; i++)
        used += (size_t)snprintf(out + used, size - used, i ? ", %zu" : "%zu", shape[i]);
    if (used < size)
        snprintf(out + used, size - used, ")");
}

static bool same_shape(const ssfer_param *p, const ssfer_tensor *t)
{
    if (p->ndim != t->ndim)
        return false;
    for (size_t i = 0; i < p->ndim; i++)
        if (p->shape[i] != t->shape[i])
            return false;
    return true;
}

static const ssfer_tensor *find_tensor(const ssfer_tensor_set *set, const char *prefix, const ssfer_param *p,
                                       char name[2 * SSFER_PARAM_NAME_SIZE])
{
    snprintf(name, 2 * SSFER_PARAM_NAME_SIZE, "%s%s", prefix, p->name);
    return ssfer_tensor_set_find(set, name);
}

ssfer_status ssfer_params_check(const ssfer_param_table *table, const ssfer_tensor_set *set, const char *prefix,
                                bool *loaded, ssfer_error *err)
{
    char name[2 * SSFER_PARAM_NAME_SIZE];
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        const ssfer_tensor *t = find_tensor(set, prefix, p, name);
        if (loaded)
            loaded[i] = t != NULL;
        if (!t && loaded)
            continue;
        if (!t)
            return ssfer_fail(err, SSFER_ERR_SHAPE, "no tensor %s; the checkpoint is of another model", name);
        if (!same_shape(p, t)) {
            char want[96], have[96];
            format_shape(want, sizeof want, p->shape, p->ndim);
            format_shape(have, sizeof have, t->shape, t->ndim);
            return ssfer_fail(err, SSFER_ERR_SHAPE, "%s has shape %s, the model needs %s", name, have, want);
        }
    }
    return SSFER_OK;
}

const float *ssfer_params_in_place(const ssfer_param_table *table, const ssfer_tensor_set *set)
{
    const float *block = NULL;
    for (size_t i = 0; i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        const ssfer_tensor *t = ssfer_tensor_set_find(set, p->name);
        if (i == 0)
            block = t->data;
        if (t->dtype != SSFER_DTYPE_F32 || t->data != block + p->offset)
            return NULL;
    }
    return (uintptr_t)block % sizeof *block == 0 ? block : NULL;
}

ssfer_status ssfer_params_load(float *block, const ssfer_param_table *table, const ssfer_tensor_set *set,
                               const char *prefix, bool *loaded, ssfer_error *err)
{
    char name[2 * SSFER_PARAM_NAME_SIZE];
    ssfer_status st = ssfer_params_check(table, set, prefix, loaded, err);
    for (size_t i = 0; st == SSFER_OK && i < table->count; i++) {
        const ssfer_tensor *t = find_tensor(set, prefix, &table->items[i], name);
        if (t)
            ssfer_tensor_to_f32(block + table->items[i].offset, t);
    }
    return st;
}

ssfer_status ssfer_params_store(const float *block, const ssfer_param_table *table, ssfer_tensor_set *set,
                                const char *prefix, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        char name[2 * SSFER_PARAM_NAME_SIZE];
        snprintf(name, sizeof name, "%s%s", prefix, p->name);
        st = ssfer_tensor_set_add(set, name, SSFER_DTYPE_F32, p->shape, p->ndim, block + p->offset, err);
    }
    return st;
}

ssfer_status ssfer_params_sketch(const ssfer_param_table *table, ssfer_tensor_set *set, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; st == SSFER_OK && i < table->count; i++) {
        const ssfer_param *p = &table->items[i];
        st = ssfer_tensor_set_add(set, p->name, SSFER_DTYPE_F32, p->shape, p->ndim, NULL, err);
    }
    return st;
}
