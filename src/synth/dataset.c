/* Writing a set: threads draw and encode, the caller's thread writes in order. */
#include "synth/synth.h"

#include "base/memory.h"
#include "base/size.h"
#include "base/threads.h"
#include "image/codec.h"
#include "io/sink.h"
#include "synth/annotations.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

enum { PART_TRAIN, PART_TEST, PART_UNLABELED, PART_COUNT, MAX_THREADS = 256, SLOTS_A_THREAD = 4 };

ssfer_synth_dataset_options ssfer_synth_dataset_options_default(void)
{
    return (ssfer_synth_dataset_options){.face = ssfer_synth_options_default(), .train = 4000, .test = 1000};
}

/* A picture on its way from the thread that draws it to the file. */
typedef struct slot {
    bool ready;
    ssfer_status status;
    ssfer_error error;
    uint8_t *bytes;
    size_t size_bytes;
    ssfer_synth_truth truth;
} slot;

typedef struct job {
    const ssfer_synth_dataset_options *options;
    size_t total;
    /* The rest only when threads draw; the mutex guards next, taken, stop and the slots' `ready`. */
    slot *slots; /* picture i passes through slot i % slot_count */
    size_t slot_count, thread_count;
    pthread_t threads[MAX_THREADS];
    pthread_mutex_t mutex;
    pthread_cond_t change;
    size_t next, taken; /* the next picture to draw; how many have been written */
    bool stop;
} job;

typedef struct place {
    size_t part;
    uint64_t number; /* within the part */
} place;

static place find_place(const ssfer_synth_dataset_options *o, size_t i)
{
    if (i < o->train)
        return (place){PART_TRAIN, i};
    if (i - o->train < o->test)
        return (place){PART_TEST, i - o->train};
    return (place){PART_UNLABELED, i - o->train - o->test};
}

static void format_name(char *out, size_t size, place at, ssfer_synth_expression label)
{
    unsigned long long number = at.number;
    if (at.part == PART_UNLABELED)
        snprintf(out, size, "unlabeled/synth%07llu.png", number);
    else
        snprintf(out, size, "%s/%s/synth%07llu.png", at.part == PART_TRAIN ? "train" : "test",
                 ssfer_synth_expression_name(label), number);
}

static void draw_into(slot *s, const job *j, size_t i)
{
    ssfer_image image = {0};
    place at = find_place(j->options, i);
    s->bytes = NULL;
    s->size_bytes = 0;
    s->error = (ssfer_error){0};
    s->status = ssfer_synth_face(&image, &s->truth, &j->options->face, at.part * SSFER_SYNTH_PART_STRIDE + at.number,
                                 &s->error);
    if (s->status == SSFER_OK)
        s->status = ssfer_image_encode(&s->bytes, &s->size_bytes, &image, SSFER_IMAGE_FORMAT_PNG, "synth", &s->error);
    ssfer_image_deinit(&image);
}

static void *work(void *argument)
{
    job *j = argument;
    pthread_mutex_lock(&j->mutex);
    for (;;) {
        while (!j->stop && j->next < j->total && j->next - j->taken >= j->slot_count)
            pthread_cond_wait(&j->change, &j->mutex);
        if (j->stop || j->next >= j->total)
            break;
        size_t i = j->next++;
        slot *s = &j->slots[i % j->slot_count];
        pthread_mutex_unlock(&j->mutex);
        draw_into(s, j, i);
        pthread_mutex_lock(&j->mutex);
        s->ready = true;
        pthread_cond_broadcast(&j->change);
    }
    pthread_mutex_unlock(&j->mutex);
    return NULL;
}

/* With a single thread the caller's own draws: no threads, and every allocation is one of the caller's. */
static ssfer_status job_start(job *j, ssfer_error *err)
{
    size_t wanted = j->options->threads ? j->options->threads : ssfer_thread_default();
    wanted = ssfer_min_size(ssfer_min_size(wanted, MAX_THREADS), j->total);
    j->slot_count = wanted > 1 ? wanted * SLOTS_A_THREAD : 1;
    j->slots = ssfer_calloc(j->slot_count, sizeof *j->slots);
    if (!j->slots)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "synth: out of memory");
    sigset_t all, before; /* signals are for the caller's thread */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (wanted > 1 && j->thread_count < wanted && pthread_create(&j->threads[j->thread_count], NULL, work, j) == 0)
        j->thread_count++; /* with fewer than wanted it takes longer, with none the caller's thread draws */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return SSFER_OK;
}

static slot *job_take(job *j, size_t i)
{
    slot *s = &j->slots[i % j->slot_count];
    if (j->thread_count == 0) {
        draw_into(s, j, i);
        return s;
    }
    pthread_mutex_lock(&j->mutex);
    while (!s->ready)
        pthread_cond_wait(&j->change, &j->mutex);
    pthread_mutex_unlock(&j->mutex);
    return s;
}

static void job_return(job *j, slot *s)
{
    pthread_mutex_lock(&j->mutex);
    ssfer_free(s->bytes);
    s->bytes = NULL;
    s->ready = false;
    j->taken++;
    pthread_cond_broadcast(&j->change);
    pthread_mutex_unlock(&j->mutex);
}

static void job_finish(job *j)
{
    pthread_mutex_lock(&j->mutex);
    j->stop = true;
    pthread_cond_broadcast(&j->change);
    pthread_mutex_unlock(&j->mutex);
    for (size_t i = 0; i < j->thread_count; i++)
        pthread_join(j->threads[i], NULL);
    for (size_t i = 0; j->slots && i < j->slot_count; i++)
        ssfer_free(j->slots[i].bytes);
    ssfer_free(j->slots);
    pthread_cond_destroy(&j->change);
    pthread_mutex_destroy(&j->mutex);
}

static ssfer_status write_one(ssfer_sink *sink, ssfer_byte_buffer *csv, const job *j, const slot *s, size_t i,
                              ssfer_error *err)
{
    char name[96];
    if (s->status != SSFER_OK)
        return ssfer_fail(err, s->status, "%s", s->error.message);
    format_name(name, sizeof name, find_place(j->options, i), s->truth.label);
    ssfer_status st = ssfer_sink_add(sink, name, s->bytes, s->size_bytes, err);
    if (st == SSFER_OK && !ssfer_synth_annotations_add(csv, name, &s->truth))
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "synth: out of memory");
    return st;
}

static ssfer_status write_all(ssfer_sink *sink, ssfer_byte_buffer *csv, job *j, ssfer_error *err)
{
    const ssfer_synth_dataset_options *o = j->options;
    ssfer_status st =
        ssfer_synth_annotations_begin(csv) ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "synth: out of memory");
    for (size_t i = 0; i < j->total && st == SSFER_OK; i++) {
        slot *s = job_take(j, i);
        st = write_one(sink, csv, j, s, i, err);
        job_return(j, s);
        if (st == SSFER_OK && o->progress && o->progress(o->user, i + 1, j->total) != 0)
            st = ssfer_fail(err, SSFER_ERR_CANCELLED, "synth: stopped after %zu of %zu pictures; nothing was kept",
                            i + 1, j->total);
    }
    if (st == SSFER_OK)
        st = ssfer_sink_add(sink, "annotations.csv", csv->data, csv->size_bytes, err);
    return st;
}

static ssfer_status check_counts(size_t *total, const ssfer_synth_dataset_options *o, ssfer_error *err)
{
    if (o->train >= SSFER_SYNTH_PART_STRIDE || o->test >= SSFER_SYNTH_PART_STRIDE ||
        o->unlabeled >= SSFER_SYNTH_PART_STRIDE)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: more than 2^40 pictures in a part of the set");
    *total = o->train + o->test + o->unlabeled;
    if (*total == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "synth: no pictures asked for; give a count of at least 1");
    return SSFER_OK;
}

ssfer_status ssfer_synth_dataset(const char *output, const ssfer_synth_dataset_options *options, ssfer_error *err)
{
    job j = {.options = options};
    ssfer_sink sink = {0};
    ssfer_byte_buffer csv = {0};
    ssfer_status st = ssfer_synth_options_check(&options->face, err);
    if (st == SSFER_OK)
        st = check_counts(&j.total, options, err);
    if (st == SSFER_OK)
        st = ssfer_sink_open(&sink, output, err);
    if (st != SSFER_OK)
        return st;
    pthread_mutex_init(&j.mutex, NULL);
    pthread_cond_init(&j.change, NULL);
    st = job_start(&j, err);
    if (st == SSFER_OK)
        st = write_all(&sink, &csv, &j, err);
    job_finish(&j);
    ssfer_free(csv.data);
    if (st == SSFER_OK)
        return ssfer_sink_commit(&sink, err);
    ssfer_sink_abort(&sink);
    return st;
}
