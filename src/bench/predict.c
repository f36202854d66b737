#include "bench/predict.h"

#include "base/clock.h"
#include "base/memory.h"
#include "bench/series.h"
#include "nn/try.h"
#include "predict/pictures.h"
#include "predict/views.h"

#include <string.h>

enum { DECODE, DETECT, CLASSIFY, PARTS };

typedef struct bench {
    const ssfer_bench_predict_options *options;
    ssfer_predictor *predictor;
    ssfer_detector *detector; /* NULL: none */
    ssfer_dataset *set;
    ssfer_pictures *pictures;
    ssfer_faces *found; /* (batch); all {0} without a detector */
    size_t tried;       /* pictures of this round of the set, readable or not */
    size_t readable;    /* of them */
    size_t images, faces, steps;
    double part_s[PARTS];
} bench;

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    const ssfer_bench_predict_options *o = b->options;
    const ssfer_predictor_options predictor = {
        .threads = o->threads, .bf16 = o->bf16, .batch = o->batch, .classes = o->classes};
    const ssfer_detector_options detector = {.size = o->size, .threads = o->threads, .network = o->network};
    TRY(ssfer_predictor_create(&b->predictor, o->model, &predictor, err));
    if (o->detector)
        TRY(ssfer_detector_create(&b->detector, o->detector, &detector, err));
    TRY(ssfer_dataset_open(&b->set, o->data, &(ssfer_dataset_options){.unlabeled = true, .log = o->log}, err));
    b->found = ssfer_calloc(o->batch, sizeof *b->found);
    return b->found ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
}

static void release(bench *b)
{
    ssfer_pictures_destroy(b->pictures);
    ssfer_dataset_close(b->set);
    ssfer_detector_destroy(b->detector);
    ssfer_predictor_destroy(b->predictor);
    ssfer_free(b->found);
}

/* The set from its first picture on. */
static ssfer_status start_round(bench *b, ssfer_error *err)
{
    ssfer_pictures_destroy(b->pictures);
    b->pictures = NULL;
    b->tried = b->readable = 0;
    return ssfer_pictures_create(&b->pictures, b->set, b->options->batch, b->options->threads, err);
}

static ssfer_status look_at(bench *b, const ssfer_portion *portion, ssfer_error *err)
{
    const ssfer_expression_options options = {.whole = !b->detector};
    ssfer_expressions expressions;
    const double start = ssfer_clock_s();
    if (b->detector)
        TRY(ssfer_detector_run(b->detector, portion->images, portion->readable, b->found, err));
    const double detected = ssfer_clock_s();
    const ssfer_status st = ssfer_predictor_run_found(b->predictor, b->found, portion->images, portion->readable,
                                                      &options, &expressions, err);
    b->part_s[DETECT] += detected - start;
    b->part_s[CLASSIFY] += ssfer_clock_s() - detected;
    for (size_t i = 0; i < portion->readable; i++)
        ssfer_faces_deinit(&b->found[i]);
    if (st != SSFER_OK)
        return st;
    b->faces += expressions.count;
    ssfer_expressions_deinit(&expressions);
    return SSFER_OK;
}

static ssfer_status step(bench *b, ssfer_error *err)
{
    ssfer_portion portion;
    if (b->tried == ssfer_dataset_count(b->set)) {
        if (!b->readable)
            return ssfer_fail(err, SSFER_ERR_FORMAT, "none of the %zu pictures could be read", b->tried);
        TRY(start_round(b, err));
    }
    const double start = ssfer_clock_s();
    TRY(ssfer_pictures_next(b->pictures, &portion, err));
    b->part_s[DECODE] += ssfer_clock_s() - start;
    b->tried += portion.count;
    b->readable += portion.readable;
    b->images += portion.readable;
    b->steps++;
    return portion.readable ? look_at(b, &portion, err) : SSFER_OK;
}

static ssfer_status measure(bench *b, ssfer_error *err)
{
    TRY(start_round(b, err));
    while (!b->images)
        TRY(step(b, err));
    b->images = b->faces = b->steps = 0;
    memset(b->part_s, 0, sizeof b->part_s);
    TRY(start_round(b, err));
    const double start = ssfer_clock_s();
    while (!b->images || ssfer_clock_s() - start < b->options->seconds)
        TRY(step(b, err));
    return SSFER_OK;
}

static void summarise(ssfer_bench_result *out, const bench *b)
{
    static const char *const names[PARTS] = {"decode", "detect", "classify"};
    const double images = (double)b->images, whole = b->part_s[DECODE] + b->part_s[DETECT] + b->part_s[CLASSIFY];
    *out = (ssfer_bench_result){
        .images_per_second = images / whole, .steps = b->steps, .peak_rss_mib = ssfer_peak_rss_mib()};
    for (size_t i = 0; i < PARTS; i++)
        if (i != DETECT || b->detector)
            out->parts[out->part_count++] = (ssfer_bench_part){names[i], 1e3 * b->part_s[i] / images};
}

ssfer_status ssfer_bench_predict(ssfer_bench_result *out, double *faces, const ssfer_bench_predict_options *options,
                                 ssfer_error *err)
{
    bench b = {.options = options};
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK)
        st = measure(&b, err);
    if (st == SSFER_OK) {
        summarise(out, &b);
        *faces = (double)b.faces / (double)b.images;
    }
    release(&b);
    return st;
}
