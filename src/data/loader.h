/* The batch loader: worker threads decode and augment ahead of the consumer. Batches are the same, byte for byte, for
 * any number of threads: sample i of epoch e is augmented from its own random stream (seed, stage, e, i).
 *
 * A picture that cannot be read, decoded or transformed is counted once and reported to the log once, however often it
 * comes and however many threads meet it. With shuffle (training) another sample takes its place, drawn from a stream
 * of its own, so every batch keeps its size; without shuffle (evaluation) it is left out, so that each good picture
 * comes exactly once and a batch may be smaller. Either way batch b depends on the files and on (seed, stage, epoch, b)
 * alone: starting in the middle of an epoch gives the batches that running through gives. When more than max_bad_share
 * of the distinct pictures is bad, next fails and says so.
 *
 * Decoded pictures are kept in memory as long as they fit in cache_bytes, so a small set is decoded once. */
#ifndef SSFER_DATA_LOADER_H
#define SSFER_DATA_LOADER_H

#include "data/dataset.h"
#include "data/transform.h"

typedef struct ssfer_loader ssfer_loader;

/* A cache of this size holds nothing: for sets that are read once. */
enum { SSFER_LOADER_NO_CACHE = 1 };

typedef struct ssfer_loader_options {
    const ssfer_dataset *set; /* borrowed until destroy */
    const size_t *indices;    /* the samples to use; NULL: all. Copied. One may come several times. */
    size_t index_count;
    size_t batch;       /* B >= 1 */
    size_t threads;     /* workers, >= 1 */
    size_t prefetch;    /* batches ready ahead; 0: 2, and more for small batches, so that no worker idles */
    size_t cache_bytes; /* 0: 1 GiB, at most a quarter of the memory; SSFER_LOADER_NO_CACHE: none */
    bool shuffle;       /* a new order each epoch (Fisher-Yates of the epoch's stream) */
    bool drop_last;     /* leave out the last, smaller batch */
    uint64_t seed;
    uint32_t stage;
    size_t rank, world;   /* this process of `world` (0: 1): it gets its B of every B * world samples of the order */
    double max_bad_share; /* 0.1 by default in the program; 1: never stop */
    ssfer_transform transform;
    const ssfer_transform *second; /* a second view of every picture, of the same size (strong augmentation); or NULL */
    bool timed;                    /* keep account of where the workers' time goes (stage_s below) */
    const ssfer_log *log;          /* borrowed; written to from the workers */
} ssfer_loader_options;

typedef struct ssfer_batch {
    size_t count;            /* B, or fewer (the last batch of an epoch; bad pictures left out); 0: the epoch is over */
    size_t number;           /* of this batch in the epoch, 0-based: resume at number + 1 */
    const float *images;     /* (count, 3, S, S) */
    const float *second;     /* (count, 3, S, S): the second view, or NULL */
    const int32_t *labels;   /* count */
    const size_t *indices;   /* count: positions in the dataset */
    const ssfer_seen *views; /* count: what `images` shows of each picture; training transforms only */
    double wait_s;           /* how long next waited for it */
} ssfer_batch;

/* Allocates everything and starts the workers, which wait for ssfer_loader_start.
 * Errors: SSFER_ERR_ARGUMENT (an option out of range, nothing to load), SSFER_ERR_MEMORY. */
ssfer_status ssfer_loader_create(ssfer_loader **out, const ssfer_loader_options *options, ssfer_error *err);

/* Stops at once, whatever is under way. NULL is fine. */
void ssfer_loader_destroy(ssfer_loader *loader);

/* Batches of a whole epoch (before skipping of bad pictures). */
size_t ssfer_loader_batches(const ssfer_loader *loader);

/* Starts epoch e (0-based) at batch `first_batch` (for resuming in the middle); what was under way is dropped. */
ssfer_status ssfer_loader_start(ssfer_loader *loader, uint32_t epoch, size_t first_batch, ssfer_error *err);

/* The next batch, borrowed until the next call of next, start or destroy; batch->count is 0 at the end of the epoch.
 * After an error, next gives the same error until the next start. One consumer thread. */
ssfer_status ssfer_loader_next(ssfer_loader *loader, ssfer_batch *batch, ssfer_error *err);

typedef struct ssfer_loader_stats {
    double wait_s;                /* time that next had to wait for the workers */
    size_t bad;                   /* distinct bad pictures in the batches handed out so far */
    size_t cached;                /* decoded pictures kept in memory */
    size_t cache_bytes;           /* and their bytes */
    size_t pictures;              /* places that the workers have filled so far */
    double stage_s[SSFER_STAGES]; /* with `timed`: processor time that they took, by stage */
} ssfer_loader_stats;
ssfer_loader_stats ssfer_loader_get_stats(ssfer_loader *loader);

#endif
