#include "data/loader.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_THREADS = 1024,
    MAX_CHUNK = 8, /* samples that a worker takes at once */
    /* Draws for the place of a bad picture: when nine of ten are bad, one place in 10^45 would find none. */
    MAX_DRAWS = 1000
};
#define CACHE_DEFAULT_BYTES ((size_t)1 << 30)

/* What is known of a picture. Only FRESH -> BUSY -> CACHED publishes an image, and only of a picture that has gone
 * through the transform; BAD is final. */
enum { STATE_FRESH, STATE_BUSY, STATE_CACHED, STATE_BAD };

typedef struct slot {
    float *images, *second;
    int32_t *labels;
    size_t *indices;
    ssfer_seen *views;
    unsigned char *bad; /* per place: the picture that belongs here cannot be read */
    size_t size;        /* places of the batch now in this slot */
    size_t done;
    size_t failed_place; /* of `error`: the first of the batch, whoever finished first */
    ssfer_error error;
} slot;

typedef struct worker {
    ssfer_loader *loader;
    pthread_t thread;
    ssfer_transform_scratch scratch;
} worker;

struct ssfer_loader {
    ssfer_loader_options options;
    ssfer_transform second;
    size_t sample_floats; /* 3 * S * S */
    size_t count, batches;
    size_t *items;     /* positions in the dataset */
    uint64_t *streams; /* per item: the name of its random stream */
    size_t *first;     /* per item: the first one with the same picture, whose tables below are of that picture */
    size_t pictures;   /* distinct ones */
    size_t *order;     /* of this epoch, indices into items */
    uint32_t epoch;

    /* The ring: batch b lives in slots[b % slot_count]. Everything below is guarded by the mutex. */
    slot *slots;
    size_t slot_count;
    void *slot_memory, *image_memory;
    pthread_mutex_t mutex;
    pthread_cond_t work, ready, idle; /* for workers; for the consumer; for start */
    size_t claim_batch, claim_place;  /* the next place to fill */
    size_t released;                  /* batches that the consumer has given back */
    size_t active;                    /* workers between claim and completion */
    bool running, stop;
    size_t filled; /* places */
    double stage_s[SSFER_STAGES];

    /* Of the consumer's thread alone. */
    bool started, borrowed;
    size_t next_batch;
    unsigned char *counted; /* by first: counted as bad */
    ssfer_error failure;
    ssfer_loader_stats stats;

    /* Shared by the workers, atomic. */
    atomic_uchar *states; /* by first */
    ssfer_image *cache;   /* by first; NULL: no cache */
    atomic_size_t cached, cached_bytes;

    worker *workers;
    size_t worker_count;
};

/* ---- one sample ---- */

/* Which errors are the picture's own; others (memory) stop the run. */
static bool is_bad_picture(ssfer_status status)
{
    return status == SSFER_ERR_IO || status == SSFER_ERR_FORMAT || status == SSFER_ERR_LIMIT ||
           status == SSFER_ERR_UNSUPPORTED;
}

/* Hands the image over to the cache if it fits and nobody else has done so or found the picture bad. Returns true if
 * the cache owns it now. */
static bool keep_image(ssfer_loader *loader, size_t picture, const ssfer_image *image)
{
    size_t bytes = 3 * image->width * image->height;
    unsigned char fresh = STATE_FRESH, busy = STATE_BUSY;
    if (!loader->cache || bytes > loader->options.cache_bytes)
        return false;
    if (atomic_fetch_add(&loader->cached_bytes, bytes) <= loader->options.cache_bytes - bytes &&
        atomic_compare_exchange_strong(&loader->states[picture], &fresh, STATE_BUSY)) {
        loader->cache[picture] = *image;
        if (atomic_compare_exchange_strong(&loader->states[picture], &busy, STATE_CACHED)) {
            atomic_fetch_add(&loader->cached, 1);
            return true;
        }
        loader->cache[picture] = (ssfer_image){0}; /* found bad meanwhile, which no store may undo */
    }
    atomic_fetch_sub(&loader->cached_bytes, bytes);
    return false;
}

static ssfer_status transform_views(worker *w, uint64_t stream, const ssfer_image *image, float *out, float *second,
                                    ssfer_seen *view, ssfer_error *err)
{
    const ssfer_loader *loader = w->loader;
    const ssfer_loader_options *o = &loader->options;
    ssfer_rng rng = ssfer_rng_stream(o->seed, o->stage, loader->epoch, stream, SSFER_RNG_AUGMENT);
    ssfer_status st = ssfer_transform_apply_with(&o->transform, image, &rng, out, &w->scratch, err);
    *view = w->scratch.view;
    if (st == SSFER_OK && second) {
        rng = ssfer_rng_stream(o->seed, o->stage, loader->epoch, stream, SSFER_RNG_AUGMENT_STRONG);
        st = ssfer_transform_apply_with(&loader->second, image, &rng, second, &w->scratch, err);
    }
    return st;
}

/* Fills a place with an item, augmented from the given stream. */
static ssfer_status fill_place(worker *w, slot *s, size_t place, size_t item, uint64_t stream, ssfer_error *err)
{
    ssfer_loader *loader = w->loader;
    size_t index = loader->items[item], picture = loader->first[item];
    ssfer_image image = {0};
    bool cached = atomic_load(&loader->states[picture]) == STATE_CACHED;
    ssfer_status st = SSFER_OK;
    if (cached)
        image = loader->cache[picture];
    else
        st = ssfer_dataset_image(loader->options.set, index, &image, err);
    ssfer_stage_lap(&w->scratch.clock, SSFER_STAGE_DECODE);
    if (st == SSFER_OK) {
        float *second = s->second ? s->second + place * loader->sample_floats : NULL;
        st = transform_views(w, stream, &image, s->images + place * loader->sample_floats, second, &s->views[place],
                             err);
        if (st != SSFER_OK && is_bad_picture(st)) {
            char location[SSFER_ERROR_MESSAGE_SIZE];
            ssfer_dataset_location(loader->options.set, index, location, sizeof location);
            ssfer_fail_prefix(err, st, "%s", location);
        }
        cached = cached || (st == SSFER_OK && keep_image(loader, picture, &image));
    }
    if (!cached)
        ssfer_image_deinit(&image);
    s->labels[place] = ssfer_dataset_label(loader->options.set, index);
    s->indices[place] = index;
    return st;
}

static bool is_known_bad(const ssfer_loader *loader, size_t item)
{
    return atomic_load(&loader->states[loader->first[item]]) == STATE_BAD;
}

static void mark_bad(ssfer_loader *loader, size_t item, const ssfer_error *why)
{
    if (atomic_exchange(&loader->states[loader->first[item]], STATE_BAD) != STATE_BAD)
        ssfer_warn(loader->options.log, "%s; skipped", why->message);
}

/* Another sample for the place of a bad one. The draws depend on that sample and the epoch only; what is already known
 * to be bad is passed over, which gives the same result as trying it again. */
static ssfer_status fill_with_another(worker *w, slot *s, size_t place, size_t bad_item, ssfer_error *err)
{
    ssfer_loader *loader = w->loader;
    const ssfer_loader_options *o = &loader->options;
    const uint64_t stream = loader->streams[bad_item];
    ssfer_rng rng = ssfer_rng_stream(o->seed, o->stage, loader->epoch, stream + 1, SSFER_RNG_ORDER);
    for (int draw = 0; draw < MAX_DRAWS; draw++) {
        size_t item = ssfer_rng_below(&rng, (uint32_t)loader->count);
        if (is_known_bad(loader, item))
            continue;
        ssfer_status st = fill_place(w, s, place, item, stream, err);
        if (st == SSFER_OK || !is_bad_picture(st))
            return st;
        mark_bad(loader, item, err);
    }
    return ssfer_fail(err, SSFER_ERR_FORMAT, "%s: found no readable picture in %d tries", ssfer_dataset_source(o->set),
                      MAX_DRAWS);
}

static ssfer_status make_sample(worker *w, slot *s, size_t place, size_t item, ssfer_error *err)
{
    ssfer_loader *loader = w->loader;
    ssfer_status st = SSFER_ERR_FORMAT;
    if (!is_known_bad(loader, item))
        st = fill_place(w, s, place, item, loader->streams[item], err);
    s->bad[place] = st != SSFER_OK && is_bad_picture(st);
    if (!s->bad[place])
        return st;
    if (!is_known_bad(loader, item))
        mark_bad(loader, item, err);
    return loader->options.shuffle ? fill_with_another(w, s, place, item, err) : SSFER_OK;
}

/* ---- the order ---- */

static size_t world_of(const ssfer_loader *loader)
{
    return loader->options.world ? loader->options.world : 1;
}

/* Where this rank's batch b starts in the order. */
static size_t batch_start(const ssfer_loader *loader, size_t b)
{
    return (b * world_of(loader) + loader->options.rank) * loader->options.batch;
}

static size_t batch_size(const ssfer_loader *loader, size_t b)
{
    size_t start = batch_start(loader, b);
    return start >= loader->count ? 0 : ssfer_min_size(loader->options.batch, loader->count - start);
}

static void make_order(ssfer_loader *loader)
{
    for (size_t i = 0; i < loader->count; i++)
        loader->order[i] = i;
    if (loader->options.shuffle) {
        ssfer_rng rng =
            ssfer_rng_stream(loader->options.seed, loader->options.stage, loader->epoch, 0, SSFER_RNG_ORDER);
        ssfer_rng_shuffle(&rng, loader->order, loader->count);
    }
}

/* ---- workers ---- */

static bool can_claim(const ssfer_loader *loader)
{
    return loader->running && loader->claim_batch < loader->batches &&
           loader->claim_batch < loader->released + loader->slot_count;
}

/* Takes the next places of a batch. With the mutex held. */
static size_t claim(ssfer_loader *loader, size_t *batch, size_t *place)
{
    slot *s = &loader->slots[loader->claim_batch % loader->slot_count];
    if (loader->claim_place == 0) {
        s->size = batch_size(loader, loader->claim_batch);
        s->done = 0;
        s->error.status = SSFER_OK;
    }
    size_t left = s->size - loader->claim_place, share = left / (2 * loader->worker_count);
    size_t taken = ssfer_min_size(left, ssfer_max_size(1, ssfer_min_size(share, MAX_CHUNK)));
    *batch = loader->claim_batch;
    *place = loader->claim_place;
    loader->claim_place += taken;
    if (loader->claim_place >= s->size) {
        loader->claim_place = 0;
        loader->claim_batch++;
    }
    return taken;
}

/* Adds what a worker has done to the loader's account. With the mutex held. */
static void account_for_work(worker *w, size_t filled)
{
    ssfer_stage_clock *clock = &w->scratch.clock;
    ssfer_stage_lap(clock, SSFER_STAGE_OTHER);
    w->loader->filled += filled;
    for (size_t i = 0; i < SSFER_STAGES; i++) {
        w->loader->stage_s[i] += clock->spent_s[i];
        clock->spent_s[i] = 0.0;
    }
}

static void *work(void *argument)
{
    worker *w = argument;
    ssfer_loader *loader = w->loader;
    w->scratch.clock = (ssfer_stage_clock){.on = loader->options.timed, .last_s = ssfer_thread_clock_s()};
    pthread_mutex_lock(&loader->mutex);
    for (;;) {
        while (!loader->stop && !can_claim(loader))
            pthread_cond_wait(&loader->work, &loader->mutex);
        if (loader->stop)
            break;
        size_t batch, place, failed = 0, taken = claim(loader, &batch, &place);
        slot *s = &loader->slots[batch % loader->slot_count];
        ssfer_error error = {0};
        loader->active++;
        pthread_mutex_unlock(&loader->mutex);
        const size_t *order = loader->order + batch_start(loader, batch);
        for (size_t i = place; i < place + taken; i++) {
            ssfer_error now = {0};
            ssfer_status st = make_sample(w, s, i, order[i], &now);
            if (st != SSFER_OK && error.status == SSFER_OK) {
                error = now;
                error.status = st;
                failed = i;
            }
        }
        pthread_mutex_lock(&loader->mutex);
        if (error.status != SSFER_OK && (s->error.status == SSFER_OK || failed < s->failed_place)) {
            s->error = error;
            s->failed_place = failed;
        }
        account_for_work(w, taken);
        s->done += taken;
        if (s->done >= s->size)
            pthread_cond_signal(&loader->ready);
        if (--loader->active == 0)
            pthread_cond_signal(&loader->idle);
    }
    pthread_mutex_unlock(&loader->mutex);
    return NULL;
}

static ssfer_status start_workers(ssfer_loader *loader, ssfer_error *err)
{
    size_t wanted = loader->options.threads;
    sigset_t all, before;
    loader->workers = ssfer_calloc(wanted, sizeof *loader->workers);
    if (!loader->workers)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for %zu loader threads", wanted);
    /* The workers inherit a full signal mask: signals are for the program's own threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(&loader->mutex); /* worker_count is read by the workers */
    for (size_t i = 0; i < wanted; i++) {
        loader->workers[i].loader = loader;
        if (pthread_create(&loader->workers[i].thread, NULL, work, &loader->workers[i]) != 0)
            break;
        loader->worker_count++;
    }
    pthread_mutex_unlock(&loader->mutex);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (loader->worker_count == 0)
        return ssfer_fail(
            err, SSFER_ERR_MEMORY,
            "the system gives no thread for loading; free memory, or raise the limits on memory and processes "
            "(ulimit -v, -u)");
    if (loader->worker_count < wanted) /* slower, but the batches are the same */
        ssfer_warn(loader->options.log, "only %zu of %zu loader threads could be started", loader->worker_count,
                   wanted);
    return SSFER_OK;
}

/* ---- create, destroy ---- */

static ssfer_status check_options(const ssfer_loader_options *o, size_t count, ssfer_error *err)
{
    ssfer_status st = ssfer_transform_check(&o->transform, err);
    if (st == SSFER_OK && o->second)
        st = ssfer_transform_check(o->second, err);
    if (st != SSFER_OK)
        return st;
    size_t world = o->world ? o->world : 1, all;
    if (o->batch < 1 || o->threads < 1 || o->threads > MAX_THREADS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "batch %zu, %zu loader threads: at least 1, at most %d threads",
                          o->batch, o->threads, MAX_THREADS);
    if (!(o->max_bad_share >= 0.0 && o->max_bad_share <= 1.0))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "share of bad pictures %g: 0 to 1 is possible", o->max_bad_share);
    if (o->rank >= world)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "rank %zu of %zu", o->rank, world);
    if (o->second && o->second->size != o->transform.size)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "the views have sizes %zu and %zu", o->transform.size,
                          o->second->size);
    if (count == 0 || count > UINT32_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: %zu samples to load; 1 to 2^32 - 1 are possible",
                          ssfer_dataset_source(o->set), count);
    if (!ssfer_mul_size(o->batch, world, &all) || (o->drop_last && all > count))
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: %zu samples do not fill one batch of %zu; use a smaller batch",
                          ssfer_dataset_source(o->set), count, o->batch);
    for (size_t i = 0; o->indices && i < count; i++)
        if (o->indices[i] >= ssfer_dataset_count(o->set))
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "sample %zu is beyond the set of %zu", o->indices[i],
                              ssfer_dataset_count(o->set));
    return SSFER_OK;
}

static size_t default_cache(void)
{
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    size_t quarter = pages > 0 && page > 0 ? (size_t)pages / 4 * (size_t)page : CACHE_DEFAULT_BYTES;
    return ssfer_min_size(CACHE_DEFAULT_BYTES, quarter);
}

static size_t slots_needed(const ssfer_loader_options *o)
{
    size_t ahead = o->prefetch;
    if (!ahead) /* two samples for each worker, and two batches in any case */
        ahead = ssfer_max_size(2, (2 * o->threads + o->batch - 1) / o->batch);
    return ssfer_min_size(ahead, 1 << 20) + 1; /* and the one that the consumer holds */
}

/* A sample's stream is its position in the dataset; of one that comes several times, the k-th has a stream beyond all
 * positions, so that it is augmented in another way. */
static ssfer_status name_streams(ssfer_loader *loader, ssfer_error *err)
{
    const size_t samples = ssfer_dataset_count(loader->options.set);
    struct {
        uint32_t seen, first;
    } *of = ssfer_calloc(samples, sizeof *of);
    if (!of)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the order of %zu samples", samples);
    for (size_t i = 0; i < loader->count; i++) { /* count fits 32 bits */
        const size_t sample = loader->items[i];
        if (!of[sample].seen) {
            of[sample].first = (uint32_t)i;
            loader->pictures++;
        }
        loader->first[i] = of[sample].first;
        loader->streams[i] = (uint64_t)sample + (uint64_t)of[sample].seen++ * samples;
    }
    ssfer_free(of);
    return SSFER_OK;
}

/* The tables per item. */
static ssfer_status allocate_items(ssfer_loader *loader, ssfer_error *err)
{
    const ssfer_loader_options *o = &loader->options;
    size_t n = loader->count;
    loader->items = ssfer_calloc(n, sizeof *loader->items);
    loader->streams = ssfer_calloc(n, sizeof *loader->streams);
    loader->first = ssfer_calloc(n, sizeof *loader->first);
    loader->order = ssfer_calloc(n, sizeof *loader->order);
    loader->counted = ssfer_calloc(n, 1);
    loader->states = ssfer_calloc(n, sizeof *loader->states);
    bool cache = o->cache_bytes > SSFER_LOADER_NO_CACHE;
    if (cache)
        loader->cache = ssfer_calloc(n, sizeof *loader->cache);
    if (!loader->items || !loader->streams || !loader->first || !loader->order || !loader->counted || !loader->states ||
        (cache && !loader->cache))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the order of %zu samples", n);
    for (size_t i = 0; i < n; i++)
        loader->items[i] = o->indices ? o->indices[i] : i;
    return name_streams(loader, err);
}

/* The ring: one block for the images of all slots, one for the rest. */
static ssfer_status allocate_slots(ssfer_loader *loader, ssfer_error *err)
{
    const ssfer_loader_options *o = &loader->options;
    size_t slots = slots_needed(o), views = o->second ? 2 : 1, places, floats, bytes, small;
    size_t each = sizeof(int32_t) + sizeof(size_t) + sizeof(ssfer_seen) + 1;
    loader->sample_floats = 3 * o->transform.size * o->transform.size;
    if (!ssfer_mul_size(slots, o->batch, &places) || !ssfer_mul_size(places, each, &small) ||
        !ssfer_mul_size(places, views * loader->sample_floats, &floats) ||
        !ssfer_mul_size(floats, sizeof(float), &bytes))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "%zu batches of %zu pictures of %zu px do not fit in memory", slots,
                          o->batch, o->transform.size);
    loader->slots = ssfer_calloc(slots, sizeof *loader->slots);
    loader->slot_memory = ssfer_malloc(small);
    loader->image_memory = ssfer_aligned_alloc(bytes);
    if (!loader->slots || !loader->slot_memory || !loader->image_memory)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for %zu batches ahead (%.1f MiB); use a smaller batch",
                          slots, (double)bytes / 1048576.0);
    loader->slot_count = slots;
    ssfer_seen *shown = loader->slot_memory;
    size_t *indices = (size_t *)(shown + places);
    int32_t *labels = (int32_t *)(indices + places);
    unsigned char *bad = (unsigned char *)(labels + places);
    float *images = loader->image_memory;
    for (size_t i = 0; i < slots; i++) {
        slot *s = &loader->slots[i];
        s->views = shown + i * o->batch;
        s->indices = indices + i * o->batch;
        s->labels = labels + i * o->batch;
        s->bad = bad + i * o->batch;
        s->images = images + i * views * o->batch * loader->sample_floats;
        s->second = o->second ? s->images + o->batch * loader->sample_floats : NULL;
    }
    return SSFER_OK;
}

static size_t count_batches(const ssfer_loader *loader)
{
    size_t all = loader->options.batch * world_of(loader);
    return loader->options.drop_last ? loader->count / all : loader->count / all + (loader->count % all != 0);
}

ssfer_status ssfer_loader_create(ssfer_loader **out, const ssfer_loader_options *options, ssfer_error *err)
{
    size_t count = options->indices ? options->index_count : ssfer_dataset_count(options->set);
    *out = NULL;
    ssfer_status st = check_options(options, count, err);
    if (st != SSFER_OK)
        return st;
    ssfer_loader *loader = ssfer_calloc(1, sizeof *loader);
    if (!loader)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for a loader");
    loader->options = *options;
    loader->count = count;
    if (options->second)
        loader->second = *options->second;
    if (!options->cache_bytes)
        loader->options.cache_bytes = default_cache();
    pthread_mutex_init(&loader->mutex, NULL);
    pthread_cond_init(&loader->work, NULL);
    pthread_cond_init(&loader->ready, NULL);
    pthread_cond_init(&loader->idle, NULL);
    st = allocate_items(loader, err);
    if (st == SSFER_OK)
        st = allocate_slots(loader, err);
    if (st == SSFER_OK) {
        loader->batches = count_batches(loader);
        st = start_workers(loader, err);
    }
    loader->options.indices = NULL; /* copied; the caller's may go */
    if (st == SSFER_OK)
        *out = loader;
    else
        ssfer_loader_destroy(loader);
    return st;
}

void ssfer_loader_destroy(ssfer_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (size_t i = 0; i < loader->worker_count; i++) {
        pthread_join(loader->workers[i].thread, NULL);
        ssfer_transform_scratch_deinit(&loader->workers[i].scratch);
    }
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->ready);
    pthread_cond_destroy(&loader->idle);
    pthread_mutex_destroy(&loader->mutex);
    for (size_t i = 0; loader->cache && i < loader->count; i++)
        ssfer_image_deinit(&loader->cache[i]);
    ssfer_free(loader->workers);
    ssfer_free(loader->slots);
    ssfer_free(loader->slot_memory);
    ssfer_free(loader->image_memory);
    ssfer_free(loader->items);
    ssfer_free(loader->streams);
    ssfer_free(loader->first);
    ssfer_free(loader->order);
    ssfer_free(loader->counted);
    ssfer_free(loader->states);
    ssfer_free(loader->cache);
    ssfer_free(loader);
}

size_t ssfer_loader_batches(const ssfer_loader *loader)
{
    return loader->batches;
}

ssfer_loader_stats ssfer_loader_get_stats(ssfer_loader *loader)
{
    ssfer_loader_stats stats = loader->stats;
    pthread_mutex_lock(&loader->mutex);
    stats.pictures = loader->filled;
    memcpy(stats.stage_s, loader->stage_s, sizeof stats.stage_s);
    pthread_mutex_unlock(&loader->mutex);
    stats.cached = atomic_load(&loader->cached);
    stats.cache_bytes = atomic_load(&loader->cached_bytes);
    return stats;
}

/* ---- the consumer ---- */

ssfer_status ssfer_loader_start(ssfer_loader *loader, uint32_t epoch, size_t first_batch, ssfer_error *err)
{
    if (first_batch > loader->batches)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "batch %zu of an epoch of %zu", first_batch, loader->batches);
    pthread_mutex_lock(&loader->mutex);
    loader->running = false;
    while (loader->active)
        pthread_cond_wait(&loader->idle, &loader->mutex);
    loader->epoch = epoch;
    make_order(loader);
    loader->claim_batch = loader->released = loader->next_batch = first_batch;
    loader->claim_place = 0;
    for (size_t i = 0; i < loader->slot_count; i++)
        loader->slots[i].size = loader->slots[i].done = 0;
    loader->running = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    loader->started = true;
    loader->borrowed = false;
    loader->failure = (ssfer_error){0};
    return SSFER_OK;
}

/* Gives the borrowed slot back, then waits until batch number next_batch is complete and returns its slot. */
static slot *wait_for_batch(ssfer_loader *loader)
{
    slot *s = &loader->slots[loader->next_batch % loader->slot_count];
    pthread_mutex_lock(&loader->mutex);
    if (loader->borrowed) {
        loader->borrowed = false;
        loader->released++;
        pthread_cond_broadcast(&loader->work);
    }
    double start = 0.0;
    /* claim_batch has passed the batch once all its places are taken; done reaches size when they are filled. */
    while (loader->claim_batch <= loader->next_batch || s->done < s->size) {
        if (start == 0.0)
            start = ssfer_clock_s();
        pthread_cond_wait(&loader->ready, &loader->mutex);
    }
    pthread_mutex_unlock(&loader->mutex);
    if (start != 0.0)
        loader->stats.wait_s += ssfer_clock_s() - start;
    return s;
}

/* Counts the bad pictures of a batch and, without shuffle, closes the gaps that they leave. Returns what is left. */
static size_t account_for_bad(ssfer_loader *loader, slot *s)
{
    const size_t *order = loader->order + batch_start(loader, loader->next_batch);
    size_t kept = 0, n = loader->sample_floats;
    for (size_t i = 0; i < s->size; i++) {
        if (s->bad[i]) {
            unsigned char *counted = &loader->counted[loader->first[order[i]]];
            loader->stats.bad += !*counted;
            *counted = 1;
            if (!loader->options.shuffle)
                continue;
        }
        if (kept != i) {
            memcpy(s->images + kept * n, s->images + i * n, n * sizeof(float));
            if (s->second)
                memcpy(s->second + kept * n, s->second + i * n, n * sizeof(float));
            s->labels[kept] = s->labels[i];
            s->indices[kept] = s->indices[i];
            s->views[kept] = s->views[i];
        }
        kept++;
    }
    return kept;
}

ssfer_status ssfer_loader_next(ssfer_loader *loader, ssfer_batch *batch, ssfer_error *err)
{
    *batch = (ssfer_batch){0};
    if (!loader->started)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "the loader has not been started");
    if (loader->failure.status != SSFER_OK)
        return ssfer_fail(err, loader->failure.status, "%s", loader->failure.message);
    const double waited_s = loader->stats.wait_s;
    while (loader->next_batch < loader->batches && batch_size(loader, loader->next_batch)) {
        slot *s = wait_for_batch(loader);
        size_t count = account_for_bad(loader, s);
        if ((double)loader->stats.bad > loader->options.max_bad_share * (double)loader->pictures)
            ssfer_fail(&loader->failure, SSFER_ERR_FORMAT,
                       "%s: %zu of its %zu pictures are bad so far, more than the share %g that is allowed",
                       ssfer_dataset_source(loader->options.set), loader->stats.bad, loader->pictures,
                       loader->options.max_bad_share);
        else if (s->error.status != SSFER_OK)
            loader->failure = s->error;
        if (loader->failure.status != SSFER_OK)
            return ssfer_fail(err, loader->failure.status, "%s", loader->failure.message);
        *batch = (ssfer_batch){count,     loader->next_batch, s->images, s->second,
                               s->labels, s->indices,         s->views,  loader->stats.wait_s - waited_s};
        loader->borrowed = true;
        loader->next_batch++;
        if (count)
            return SSFER_OK;
    }
    *batch = (ssfer_batch){.wait_s = loader->stats.wait_s - waited_s};
    return SSFER_OK;
}
