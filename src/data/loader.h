/* The batch loader: worker threads decode and augment ahead of the consumer. Batches are the same, byte for byte, for
 * any number of threads: sample i of epoch e is augmented from its own random stream (seed, stage, e, i).
 *
 * A picture that cannot be decoded is skipped: the batch is filled up with the next sample of the order, the picture is
 * counted once and reported to the log. When more than max_bad_share of the set is bad, next fails and says so. */
#ifndef SSFER_DATA_LOADER_H
#define SSFER_DATA_LOADER_H

#include "data/dataset.h"
#include "data/transform.h"

typedef struct ssfer_loader ssfer_loader;

typedef struct ssfer_loader_options {
    const ssfer_dataset *set;
    const size_t *indices; /* the samples to use; NULL: all. Copied. */
    size_t index_count;
    size_t batch;          /* B >= 1 */
    size_t threads;        /* workers, >= 1 */
    size_t prefetch;       /* batches ready ahead; 0: 2 per worker, at least 2 */
    bool shuffle;          /* a new order each epoch (Fisher-Yates of the epoch's stream) */
    bool drop_last;        /* leave out the last, smaller batch */
    uint64_t seed;
    uint32_t stage;
    double max_bad_share;  /* 0.1 by default in the program; 1: never stop */
    ssfer_transform transform;
    const ssfer_log *log;
} ssfer_loader_options;

typedef struct ssfer_batch {
    size_t count;          /* B, or fewer in the last batch of an epoch */
    const float *images;   /* (count, 3, S, S) */
    const int32_t *labels; /* count */
    const size_t *indices; /* count: positions in the dataset */
} ssfer_batch;

ssfer_status ssfer_loader_create(ssfer_loader **out, const ssfer_loader_options *options, ssfer_error *err);
void ssfer_loader_destroy(ssfer_loader *loader);

/* Batches of a whole epoch (before skipping of bad pictures). */
size_t ssfer_loader_batches(const ssfer_loader *loader);

/* Starts epoch e (0-based) at batch `first_batch` (for resuming in the middle); what was under way is dropped. */
ssfer_status ssfer_loader_start(ssfer_loader *loader, uint32_t epoch, size_t first_batch, ssfer_error *err);

/* The next batch, borrowed until the next call; batch->count is 0 at the end of the epoch. */
ssfer_status ssfer_loader_next(ssfer_loader *loader, ssfer_batch *batch, ssfer_error *err);

typedef struct ssfer_loader_stats {
    double wait_s;     /* time that next had to wait for the workers */
    size_t bad;        /* pictures that could not be decoded so far (distinct) */
} ssfer_loader_stats;
ssfer_loader_stats ssfer_loader_get_stats(const ssfer_loader *loader);

#endif
