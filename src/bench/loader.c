#include "bench/loader.h"

#include "base/clock.h"
#include "bench/series.h"
#include "nn/try.h"

enum { WARM_UP_BATCHES = 2 };

static const char *const STAGES[SSFER_STAGES] = {"decode", "resample", "augment", "normalise", "other"};

/* The next batch, of the next epoch where one ends. */
static ssfer_status next(ssfer_loader *loader, uint32_t *epoch, ssfer_batch *batch, ssfer_error *err)
{
    TRY(ssfer_loader_next(loader, batch, err));
    if (batch->count)
        return SSFER_OK;
    TRY(ssfer_loader_start(loader, ++*epoch, 0, err));
    return ssfer_loader_next(loader, batch, err);
}

static void summarise(ssfer_bench_result *out, const ssfer_loader_stats *before, const ssfer_loader_stats *after,
                      double seconds, size_t batches)
{
    const double pictures = (double)(after->pictures - before->pictures);
    double whole = 0.0;
    *out = (ssfer_bench_result){.images_per_second = pictures / seconds,
                                .part_count = SSFER_STAGES,
                                .steps = batches,
                                .peak_rss_mib = ssfer_peak_rss_mib()};
    for (size_t i = 0; i < SSFER_STAGES; i++) {
        const double spent = after->stage_s[i] - before->stage_s[i];
        out->parts[i] = (ssfer_bench_part){STAGES[i], 1e3 * spent / pictures};
        whole += spent;
    }
    out->per_core = pictures / whole;
}

static ssfer_status measure(ssfer_bench_result *out, ssfer_loader *loader, double seconds, ssfer_error *err)
{
    uint32_t epoch = 0;
    ssfer_batch batch;
    TRY(ssfer_loader_start(loader, epoch, 0, err));
    for (size_t i = 0; i < WARM_UP_BATCHES; i++)
        TRY(next(loader, &epoch, &batch, err));
    const ssfer_loader_stats before = ssfer_loader_get_stats(loader);
    const double start = ssfer_clock_s();
    ssfer_loader_stats after = before;
    double passed = 0.0;
    size_t batches = 0;
    while (passed < seconds || after.pictures == before.pictures) {
        TRY(next(loader, &epoch, &batch, err));
        batches++;
        passed = ssfer_clock_s() - start;
        after = ssfer_loader_get_stats(loader);
    }
    summarise(out, &before, &after, passed, batches);
    return SSFER_OK;
}

ssfer_status ssfer_bench_loader(ssfer_bench_result *out, const ssfer_bench_loader_options *o, ssfer_error *err)
{
    ssfer_dataset *set = NULL;
    ssfer_loader *loader = NULL;
    TRY(ssfer_dataset_open(&set, o->data, &(ssfer_dataset_options){.unlabeled = true, .log = o->log}, err));
    const ssfer_loader_options options = {.set = set,
                                          .batch = o->batch,
                                          .threads = o->threads,
                                          .cache_bytes = SSFER_LOADER_NO_CACHE,
                                          .shuffle = true,
                                          .seed = o->seed,
                                          .stage = 1,
                                          .max_bad_share = 0.1,
                                          .transform = o->transform,
                                          .timed = true,
                                          .log = o->log};
    ssfer_status st = ssfer_loader_create(&loader, &options, err);
    if (st == SSFER_OK)
        st = measure(out, loader, o->seconds, err);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    return st;
}
