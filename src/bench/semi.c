#include "bench/semi.h"

#include "base/clock.h"
#include "base/memory.h"
#include "base/size.h"
#include "bench/vit_model.h"
#include "nn/targets.h"
#include "nn/try.h"
#include "train/pseudo.h"

#include <string.h>

enum { CHUNK_STEP = 8 }; /* as in train/semi_step.c: numbers of pictures that the student meets are multiples of it */

typedef struct bench {
    const ssfer_bench_semi_options *options;
    ssfer_bench_vit_model student;
    ssfer_vit_acts teacher;
    float *weak, *strong; /* (mu B, 3, S, S) each */
    float *opinions;      /* (mu B, K): the teacher's probabilities */
    float *targets;       /* (mu B, K) */
    size_t unlabeled;     /* mu B */
    size_t kept;          /* of them */
} bench;

static ssfer_status prepare(bench *b, ssfer_error *err)
{
    const ssfer_bench_vit_options *o = &b->options->vit;
    TRY(ssfer_bench_vit_model_init(&b->student, o, err));
    TRY(ssfer_vit_acts_init(&b->teacher, b->student.cx, &b->student.vit, b->student.part, false, err));
    const size_t pixels = b->unlabeled * ssfer_bench_vit_pixels(o), numbers = b->unlabeled * o->config.classes;
    b->weak = ssfer_bench_floats(pixels);
    b->strong = ssfer_bench_floats(pixels);
    b->opinions = ssfer_bench_floats(numbers);
    b->targets = ssfer_bench_floats(numbers);
    return b->weak && b->strong && b->opinions && b->targets
               ? SSFER_OK
               : ssfer_fail(err, SSFER_ERR_MEMORY, "bench: out of memory");
}

static void release(bench *b)
{
    ssfer_free(b->weak);
    ssfer_free(b->strong);
    ssfer_free(b->opinions);
    ssfer_free(b->targets);
    ssfer_vit_acts_deinit(&b->teacher);
    ssfer_bench_vit_model_deinit(&b->student);
}

/* The teacher's labels of all weak views. */
static ssfer_status ask_teacher(bench *b)
{
    ssfer_bench_vit_model *m = &b->student;
    const size_t K = m->options->config.classes, floats = ssfer_bench_vit_pixels(m->options);
    for (size_t first = 0; first < b->unlabeled; first += m->part) {
        const ssfer_stack_call call = {.batch = ssfer_min_size(m->part, b->unlabeled - first), .first_only = true};
        TRY(ssfer_vit_forward(m->cx, m->optimizer.ema, &b->teacher, b->weak + first * floats, &call));
        ssfer_softmax_rows(b->opinions + first * K, b->teacher.logits, call.batch, K);
    }
    for (size_t i = 0; i < b->unlabeled; i++) {
        const int32_t label = (int32_t)ssfer_largest_of(b->opinions + i * K, K);
        ssfer_targets_from_labels(b->targets + i * K, &label, 1, K, 0.0);
    }
    return SSFER_OK;
}

/* Moves the strong views that are kept to the front. They lie evenly among the others. */
static void gather_kept(bench *b)
{
    const size_t floats = ssfer_bench_vit_pixels(&b->options->vit), K = b->options->vit.config.classes;
    for (size_t i = 0; i < b->kept; i++) {
        const size_t from = i * b->unlabeled / b->kept;
        if (from == i)
            continue;
        memcpy(b->strong + i * floats, b->strong + from * floats, floats * sizeof *b->strong);
        memcpy(b->targets + i * K, b->targets + from * K, K * sizeof *b->targets);
    }
}

static ssfer_status learn_all(bench *b)
{
    ssfer_bench_vit_model *m = &b->student;
    const size_t B = m->options->batch, K = m->options->config.classes, floats = ssfer_bench_vit_pixels(m->options);
    TRY(ssfer_zero(m->cx, m->grads, m->vit.table.block_floats));
    TRY(ssfer_bench_vit_learn(m, m->images, m->targets, B, NULL));
    gather_kept(b);
    for (size_t first = 0; first < b->kept; first += B) {
        const size_t real = ssfer_min_size(b->kept - first, B);
        TRY(ssfer_bench_vit_learn(m, b->strong + first * floats, b->targets + first * K,
                                  ssfer_min_size(ssfer_align_size(real, CHUNK_STEP), B), NULL));
    }
    return SSFER_OK;
}

static ssfer_status step(void *self, size_t i, double *total_s, double *part_s, ssfer_error *err)
{
    bench *b = self;
    (void)i;
    const double start = ssfer_clock_s();
    TRY(ask_teacher(b));
    const double taught = ssfer_clock_s();
    TRY(learn_all(b));
    const double learned = ssfer_clock_s();
    TRY(ssfer_bench_vit_update(&b->student, err));
    *total_s = ssfer_clock_s() - start;
    part_s[0] = taught - start;
    part_s[1] = learned - taught;
    part_s[2] = *total_s - (learned - start);
    return SSFER_OK;
}

static ssfer_status prepare_products(void *self, ssfer_error *err)
{
    bench *b = self;
    return ssfer_bench_vit_prepare_products(&b->student, err);
}

static ssfer_status products(void *self, double *seconds, double *flops)
{
    bench *b = self;
    return ssfer_bench_vit_products(&b->student, seconds, flops);
}

ssfer_status ssfer_bench_semi(ssfer_bench_result *out, const ssfer_bench_semi_options *options, ssfer_error *err)
{
    const size_t B = options->vit.batch;
    bench b = {.options = options, .unlabeled = options->mu * B};
    b.kept = (size_t)(options->kept * (double)b.unlabeled + 0.5);
    ssfer_status st = prepare(&b, err);
    if (st == SSFER_OK) {
        const double passes = (double)b.unlabeled + 3.0 * (double)(B + b.kept);
        const ssfer_bench_case measured = {
            .self = &b,
            .cx = b.student.cx,
            .parts = {"teacher", "student", "update"},
            .part_count = 3,
            .images = (double)(B + b.unlabeled),
            .flops = passes * ssfer_vit_flops(&options->vit.config),
            .seconds = options->vit.seconds,
            .cap_s = options->vit.cap_s,
            .step = step,
            .prepare_products = prepare_products,
            .products = products,
        };
        st = ssfer_bench_measure(out, &measured, err);
    }
    release(&b);
    return st;
}
