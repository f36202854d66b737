#include "data/stats.h"

#include "base/memory.h"
#include "base/number.h"
#include "base/size.h"
#include "base/text.h"
#include "io/json.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

enum { MAX_THREADS = 1024 };

/* What one thread adds up. */
typedef struct tally {
    struct job *job;
    pthread_t thread;
    uint64_t pixels, sum[3], squares[3];
    size_t unreadable, smallest[2], largest[2];
    ssfer_error failure; /* an error that is not a picture's own */
} tally;

typedef struct job {
    const ssfer_dataset *set;
    const ssfer_log *log;
    atomic_size_t next;
    atomic_bool stop;
} job;

/* Fewer pixels first, then the narrower one, so that the order of the threads does not matter. */
static bool is_smaller(const size_t a[2], const size_t b[2])
{
    size_t x = a[0] * a[1], y = b[0] * b[1];
    return x != y ? x < y : a[0] < b[0];
}

static void merge_sizes(size_t smallest[2], size_t largest[2], const size_t low[2], const size_t high[2])
{
    if (!low[0])
        return;
    if (!smallest[0] || is_smaller(low, smallest))
        memcpy(smallest, low, 2 * sizeof *low);
    if (!largest[0] || is_smaller(largest, high))
        memcpy(largest, high, 2 * sizeof *high);
}

static void add_picture(tally *t, const ssfer_image *image)
{
    size_t pixels = image->width * image->height, size[2] = {image->width, image->height};
    uint64_t sum[3] = {0}, squares[3] = {0};
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < 3; c++) {
            uint32_t u = image->data[3 * i + c];
            sum[c] += u;
            squares[c] += u * u;
        }
    for (size_t c = 0; c < 3; c++) {
        t->sum[c] += sum[c];
        t->squares[c] += squares[c];
    }
    t->pixels += pixels;
    merge_sizes(t->smallest, t->largest, size, size);
}

/* One sample; false when there is none left. */
static bool take_one(tally *t)
{
    job *j = t->job;
    size_t i = atomic_fetch_add(&j->next, 1);
    if (i >= ssfer_dataset_count(j->set) || atomic_load(&j->stop))
        return false;
    ssfer_image image = {0};
    ssfer_error error = {0};
    ssfer_status st = ssfer_dataset_image(j->set, i, &image, &error);
    if (st == SSFER_OK) {
        add_picture(t, &image);
    } else if (st == SSFER_ERR_MEMORY) {
        t->failure = error;
        atomic_store(&j->stop, true);
    } else {
        t->unreadable++;
        ssfer_warn(j->log, "%s", error.message);
    }
    ssfer_image_deinit(&image);
    return true;
}

static void *work(void *argument)
{
    while (take_one(argument))
        ;
    return NULL;
}

static ssfer_status merge(ssfer_dataset_stats *stats, const tally *tallies, size_t count, ssfer_error *err)
{
    uint64_t pixels = 0, sum[3] = {0}, squares[3] = {0};
    for (size_t k = 0; k < count; k++) {
        const tally *t = &tallies[k];
        if (t->failure.status != SSFER_OK)
            return ssfer_fail(err, t->failure.status, "%s", t->failure.message);
        stats->unreadable += t->unreadable;
        pixels += t->pixels;
        for (size_t c = 0; c < 3; c++) {
            sum[c] += t->sum[c];
            squares[c] += t->squares[c];
        }
        merge_sizes(stats->smallest, stats->largest, t->smallest, t->largest);
    }
    for (size_t c = 0; pixels && c < 3; c++) {
        double mean = (double)sum[c] / (double)pixels, square = (double)squares[c] / (double)pixels;
        stats->mean[c] = mean / 255.0;
        stats->std[c] = sqrt(fmax(0.0, square - mean * mean)) / 255.0;
    }
    return SSFER_OK;
}

/* The calling thread works as well and moves the bar. */
static void run(tally *tallies, size_t count, ssfer_progress *bar)
{
    size_t started = 0, total = ssfer_dataset_count(tallies[0].job->set);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started + 1 < count && pthread_create(&tallies[started + 1].thread, NULL, work, &tallies[started + 1]) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    while (take_one(&tallies[0]))
        if (bar)
            ssfer_progress_update(bar, ssfer_min_size(atomic_load(&tallies[0].job->next), total), NULL);
    for (size_t k = 1; k <= started; k++)
        pthread_join(tallies[k].thread, NULL);
}

static ssfer_status count_classes(ssfer_dataset_stats *stats, const ssfer_dataset *set, ssfer_error *err)
{
    stats->count = ssfer_dataset_count(set);
    if (ssfer_dataset_label(set, 0) == SSFER_LABEL_NONE)
        return SSFER_OK;
    stats->class_count = ssfer_dataset_class_count(set);
    stats->class_counts = ssfer_calloc(stats->class_count, sizeof *stats->class_counts);
    if (!stats->class_counts)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for its statistics", ssfer_dataset_source(set));
    for (size_t i = 0; i < stats->count; i++)
        stats->class_counts[ssfer_dataset_label(set, i)]++;
    return SSFER_OK;
}

ssfer_status ssfer_dataset_stats_compute(ssfer_dataset_stats *out, const ssfer_dataset *set, size_t threads,
                                         const ssfer_log *log, ssfer_progress *bar, ssfer_error *err)
{
    ssfer_dataset_stats stats = {0};
    job j = {.set = set, .log = log};
    *out = (ssfer_dataset_stats){0};
    if (threads < 1 || threads > MAX_THREADS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%zu threads: 1 to %d are possible", threads, MAX_THREADS);
    ssfer_status st = count_classes(&stats, set, err);
    tally *tallies = st == SSFER_OK ? ssfer_calloc(threads, sizeof *tallies) : NULL;
    if (st == SSFER_OK && !tallies)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "%s: no memory for its statistics", ssfer_dataset_source(set));
    if (st == SSFER_OK) {
        for (size_t k = 0; k < threads; k++)
            tallies[k].job = &j;
        run(tallies, threads, bar);
        st = merge(&stats, tallies, threads, err);
    }
    ssfer_free(tallies);
    if (st == SSFER_OK)
        *out = stats;
    else
        ssfer_dataset_stats_deinit(&stats);
    return st;
}

void ssfer_dataset_stats_deinit(ssfer_dataset_stats *stats)
{
    ssfer_free(stats->class_counts);
    *stats = (ssfer_dataset_stats){0};
}

void ssfer_dataset_stats_print(const ssfer_dataset_stats *s, const ssfer_dataset *set, FILE *stream)
{
    const char *split = ssfer_dataset_split(set);
    size_t width = strlen("class");
    ssfer_text_print(stream, ssfer_dataset_source(set), 0, SSFER_TEXT_LEFT);
    fputs(split ? ", split " : "", stream);
    ssfer_text_print(stream, split ? split : "", 0, SSFER_TEXT_LEFT);
    fprintf(stream, ": %zu pictures\n", s->count);
    for (size_t k = 0; k < s->class_count; k++)
        width = ssfer_max_size(width, ssfer_text_columns(ssfer_dataset_class_name(set, k)));
    if (s->class_count)
        fprintf(stream, "\n%-*s  pictures    share\n", (int)width, "class");
    for (size_t k = 0; k < s->class_count; k++) {
        ssfer_text_print(stream, ssfer_dataset_class_name(set, k), width, SSFER_TEXT_LEFT);
        ssfer_fprintf(stream, "  %8zu  %5.1f %%\n", s->class_counts[k],
                      100.0 * (double)s->class_counts[k] / (double)s->count);
    }
    ssfer_fprintf(stream, "\nmean        %.4f %.4f %.4f\n", s->mean[0], s->mean[1], s->mean[2]);
    ssfer_fprintf(stream, "deviation   %.4f %.4f %.4f\n", s->std[0], s->std[1], s->std[2]);
    fprintf(stream, "smallest    %zux%zu\n", s->smallest[0], s->smallest[1]);
    fprintf(stream, "largest     %zux%zu\n", s->largest[0], s->largest[1]);
    fprintf(stream, "unreadable  %zu\n", s->unreadable);
}

static void put_numbers(ssfer_json_writer *w, const char *key, const double values[3])
{
    ssfer_json_key(w, key);
    ssfer_json_begin_array(w);
    for (size_t c = 0; c < 3; c++)
        ssfer_json_double(w, values[c]);
    ssfer_json_end(w);
}

static void put_size(ssfer_json_writer *w, const char *key, const size_t size[2])
{
    ssfer_json_key(w, key);
    ssfer_json_begin_array(w);
    ssfer_json_uint(w, size[0]);
    ssfer_json_uint(w, size[1]);
    ssfer_json_end(w);
}

void ssfer_dataset_stats_print_json(const ssfer_dataset_stats *s, const ssfer_dataset *set, FILE *stream)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 0);
    ssfer_json_begin_object(&w);
    ssfer_json_put_string(&w, "dataset", ssfer_dataset_source(set));
    ssfer_json_put_string(&w, "split", ssfer_dataset_split(set));
    ssfer_json_put_uint(&w, "count", s->count);
    ssfer_json_put_uint(&w, "unreadable", s->unreadable);
    ssfer_json_key(&w, "classes");
    ssfer_json_begin_object(&w);
    for (size_t k = 0; k < s->class_count; k++)
        ssfer_json_put_uint(&w, ssfer_dataset_class_name(set, k), s->class_counts[k]);
    ssfer_json_end(&w);
    put_numbers(&w, "mean", s->mean);
    put_numbers(&w, "std", s->std);
    put_size(&w, "smallest", s->smallest);
    put_size(&w, "largest", s->largest);
    ssfer_json_end(&w);
}
