#include "train/unlabeled.h"

#include "base/memory.h"
#include "nn/try.h"

#include <string.h>

static ssfer_status no_memory(ssfer_error *err)
{
    return ssfer_fail(err, SSFER_ERR_MEMORY, "unlabeled pictures: out of memory");
}

/* Adds the samples of `set` that are not marked in `taken` (NULL: none is) as a source, if there are any. */
static ssfer_status add_source(ssfer_unlabeled *u, const ssfer_dataset *set, const unsigned char *taken,
                               ssfer_error *err)
{
    const size_t n = ssfer_dataset_count(set);
    struct ssfer_unlabeled_source *s = &u->sources[u->source_count];
    s->set = set;
    s->first = u->count;
    s->indices = ssfer_calloc(n, sizeof *s->indices);
    s->number = ssfer_calloc(n, sizeof *s->number);
    u->source_count++; /* from here on close releases it */
    if (!s->indices || !s->number)
        return no_memory(err);
    for (size_t i = 0; i < n; i++) {
        s->number[i] = s->count;
        if (!taken || !taken[i])
            s->indices[s->count++] = i;
    }
    u->count += s->count;
    return SSFER_OK;
}

static void drop_last_source(ssfer_unlabeled *u)
{
    struct ssfer_unlabeled_source *s = &u->sources[--u->source_count];
    ssfer_free(s->indices);
    ssfer_free(s->number);
    *s = (struct ssfer_unlabeled_source){0};
}

static ssfer_status add_rest(ssfer_unlabeled *u, ssfer_error *err)
{
    const ssfer_labeled *l = u->labeled;
    unsigned char *taken = ssfer_calloc(ssfer_dataset_count(l->train_set), 1);
    if (!taken)
        return no_memory(err);
    for (size_t i = 0; i < l->train_count; i++)
        taken[l->train[i]] = 1;
    for (size_t i = 0; i < l->valid_count; i++)
        taken[l->valid[i]] = 1;
    ssfer_status st = add_source(u, l->train_set, taken, err);
    ssfer_free(taken);
    if (st == SSFER_OK && !u->sources[u->source_count - 1].count)
        drop_last_source(u);
    return st;
}

ssfer_status ssfer_unlabeled_open(ssfer_unlabeled *u, const ssfer_unlabeled_options *options,
                                  const ssfer_labeled *labeled, const ssfer_log *log, ssfer_error *err)
{
    *u = (ssfer_unlabeled){.options = options, .labeled = labeled};
    if (options->rest)
        TRY(add_rest(u, err));
    if (options->data) {
        TRY(ssfer_dataset_open(&u->extra, options->data, &(ssfer_dataset_options){.unlabeled = true, .log = log}, err));
        TRY(add_source(u, u->extra, NULL, err));
    }
    if (!u->count)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "%s: no picture is unlabeled; use part of the labels (--labels, --fraction) or give others "
                          "with --unlabeled",
                          ssfer_dataset_source(labeled->train_set));
    return SSFER_OK;
}

void ssfer_unlabeled_close(ssfer_unlabeled *u)
{
    for (size_t i = 0; i < u->source_count; i++) {
        ssfer_endless_deinit(&u->sources[i].batches);
        ssfer_free(u->sources[i].indices);
        ssfer_free(u->sources[i].number);
    }
    ssfer_dataset_close(u->extra);
    ssfer_free(u->weak);
    ssfer_free(u->strong);
    ssfer_free(u->truth);
    ssfer_free(u->pictures);
    *u = (ssfer_unlabeled){0};
}

ssfer_status ssfer_unlabeled_check_batch(const ssfer_unlabeled *u, size_t batch, ssfer_error *err)
{
    if (u->source_count < 2 || batch >= 2)
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                      "one unlabeled picture a step cannot come from two sources; use a larger --batch-size");
}

/* How many of a batch come from which source: at least one of each. */
static ssfer_status divide(ssfer_unlabeled *u, ssfer_error *err)
{
    struct ssfer_unlabeled_source *s = u->sources;
    TRY(ssfer_unlabeled_check_batch(u, u->batch, err));
    s[0].share = u->batch;
    if (u->source_count < 2)
        return SSFER_OK;
    const double wanted = (double)u->batch * (double)s[1].count / (double)u->count;
    s[1].share = wanted < 1.0 ? 1 : wanted > (double)(u->batch - 1) ? u->batch - 1 : (size_t)(wanted + 0.5);
    s[0].share = u->batch - s[1].share;
    return SSFER_OK;
}

ssfer_status ssfer_unlabeled_start(ssfer_unlabeled *u, const ssfer_loader_options *loader, ssfer_error *err)
{
    u->batch = loader->batch;
    u->floats = 3 * loader->transform.size * loader->transform.size;
    u->weak = ssfer_calloc(u->batch * u->floats, sizeof *u->weak);
    u->strong = ssfer_calloc(u->batch * u->floats, sizeof *u->strong);
    u->truth = ssfer_calloc(u->batch, sizeof *u->truth);
    u->pictures = ssfer_calloc(u->batch, sizeof *u->pictures);
    if (!u->weak || !u->strong || !u->truth || !u->pictures)
        return no_memory(err);
    TRY(divide(u, err));
    for (size_t i = 0; i < u->source_count; i++) {
        struct ssfer_unlabeled_source *s = &u->sources[i];
        ssfer_loader_options o = *loader;
        o.set = s->set;
        o.indices = s->indices;
        o.index_count = s->count;
        o.batch = s->share;
        o.stage = loader->stage + 1 + (uint32_t)i;
        TRY(ssfer_endless_init(&s->batches, &o, err));
    }
    return SSFER_OK;
}

ssfer_status ssfer_unlabeled_seek(ssfer_unlabeled *u, uint64_t number, ssfer_error *err)
{
    for (size_t i = 0; i < u->source_count; i++)
        TRY(ssfer_endless_seek(&u->sources[i].batches, number, err));
    return SSFER_OK;
}

ssfer_status ssfer_unlabeled_next(ssfer_unlabeled *u, ssfer_error *err)
{
    size_t at = 0;
    u->wait_s = 0.0;
    for (size_t i = 0; i < u->source_count; i++) {
        const struct ssfer_unlabeled_source *s = &u->sources[i];
        ssfer_batch batch;
        TRY(ssfer_endless_next(&u->sources[i].batches, &batch, err));
        memcpy(u->weak + at * u->floats, batch.images, batch.count * u->floats * sizeof *u->weak);
        memcpy(u->strong + at * u->floats, batch.second, batch.count * u->floats * sizeof *u->strong);
        memcpy(u->truth + at, batch.labels, batch.count * sizeof *u->truth);
        for (size_t b = 0; b < batch.count; b++)
            u->pictures[at + b] = s->first + s->number[batch.indices[b]];
        at += batch.count;
        u->wait_s += batch.wait_s;
    }
    return SSFER_OK;
}

size_t ssfer_unlabeled_bad(const ssfer_unlabeled *u)
{
    size_t bad = 0;
    for (size_t i = 0; i < u->source_count; i++)
        bad += ssfer_loader_get_stats(u->sources[i].batches.loader).bad;
    return bad;
}

void ssfer_unlabeled_describe(ssfer_recipe *r, const ssfer_unlabeled *u)
{
    ssfer_recipe_string(r, "unlabeled", u->options->data);
    ssfer_recipe_bool(r, "rest", u->options->rest);
    ssfer_recipe_size(r, "unlabeled_pictures", u->count);
}
