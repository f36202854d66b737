#include "train/endless.h"

#include "base/memory.h"
#include "nn/try.h"

/* The indices, over and over until they fill a batch. */
static ssfer_status repeat(size_t **indices, size_t *count, const ssfer_loader_options *o, ssfer_error *err)
{
    const size_t n = o->index_count, times = (o->batch + n - 1) / n;
    *count = n * times;
    *indices = ssfer_calloc(*count, sizeof **indices);
    if (!*indices)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    for (size_t i = 0; i < *count; i++)
        (*indices)[i] = o->indices[i % n];
    return SSFER_OK;
}

ssfer_status ssfer_endless_init(ssfer_endless *e, const ssfer_loader_options *options, ssfer_error *err)
{
    ssfer_loader_options o = *options;
    size_t *repeated = NULL;
    *e = (ssfer_endless){0};
    o.shuffle = o.drop_last = true;
    if (o.index_count && o.index_count < o.batch) {
        TRY(repeat(&repeated, &o.index_count, options, err));
        o.indices = repeated;
    }
    ssfer_status st = ssfer_loader_create(&e->loader, &o, err);
    ssfer_free(repeated);
    if (st == SSFER_OK)
        e->batches = ssfer_loader_batches(e->loader);
    return st;
}

void ssfer_endless_deinit(ssfer_endless *e)
{
    ssfer_loader_destroy(e->loader);
    *e = (ssfer_endless){0};
}

ssfer_status ssfer_endless_seek(ssfer_endless *e, uint64_t number, ssfer_error *err)
{
    e->round = (uint32_t)(number / e->batches);
    e->next = (size_t)(number % e->batches);
    return ssfer_loader_start(e->loader, e->round, e->next, err);
}

ssfer_status ssfer_endless_next(ssfer_endless *e, ssfer_batch *batch, ssfer_error *err)
{
    if (e->next == e->batches) {
        e->next = 0;
        TRY(ssfer_loader_start(e->loader, ++e->round, 0, err));
    }
    e->next++;
    return ssfer_loader_next(e->loader, batch, err);
}
