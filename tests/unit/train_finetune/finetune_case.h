/* What the tests of fine-tuning share: a set of a few 16-pixel pictures of stripes, a run with settings in which all
 * that is random takes part, and what is expected of its folder. */
#ifndef SSFER_TESTS_FINETUNE_CASE_H
#define SSFER_TESTS_FINETUNE_CASE_H

#include "unit/data/scene.h"

#include "train/finetune.h"

#include <glob.h>
#include <math.h>
#include <pthread.h>

/* ---- the set ----------------------------------------------------------------------------------------------------- */

/* Stripes across (class 0), down (1) or slanting (2), under noise: not to be told by a mean colour. */
static inline void striped(const scene *s, const char *name, size_t kind, uint64_t seed)
{
    scene_path p = scene_at(s, name);
    ssfer_image image = {0};
    ssfer_error err = {0};
    ssfer_rng rng = ssfer_rng_stream(seed, 1, 0, kind, SSFER_RNG_TEST);
    const size_t phase = ssfer_rng_below(&rng, 6);
    scene_make_parent(p.text);
    assert_int_equal(ssfer_image_create(&image, 16, 16, &err), SSFER_OK);
    for (size_t y = 0; y < 16; y++)
        for (size_t x = 0; x < 16; x++) {
            const size_t along = kind == 0 ? y : kind == 1 ? x : x + y;
            const double bright = (along + phase) / 3 % 2 ? 190 : 70;
            for (size_t c = 0; c < 3; c++)
                image.data[(y * 16 + x) * 3 + c] = (uint8_t)(bright + ssfer_rng_range(&rng, -40, 40));
        }
    if (ssfer_image_save(&image, p.text, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    ssfer_image_deinit(&image);
}

static const char *const CLASSES[] = {"across", "down", "slanting"};

/* FOLDER/split/class/number.png */
static inline void make_split(const scene *s, const char *folder, const char *split, size_t a_class)
{
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < a_class; i++) {
            char name[128];
            snprintf(name, sizeof name, "%s/%s%s%s/%02zu.png", folder, split, *split ? "/" : "", CLASSES[k], i);
            striped(s, name, k, 1000 * strlen(split) + i);
        }
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static size_t polls, stop_at; /* a stop callback has no argument */

static inline int stop_now(void)
{
    return ++polls == stop_at;
}

/* 24 pictures, batches of 4, two of them a step: 3 steps an epoch, 9 in all. It is asked whether to stop after each step
 * and each batch of a validation: once at the end of an epoch, and once more when the model is done. */
enum { STEPS = 9, EPOCH_STEPS = 3, EPOCH_POLLS = EPOCH_STEPS + 1, POLLS = STEPS + STEPS / EPOCH_STEPS + 1 };

static char logged[8192];

static inline void keep_log(void *user, ssfer_log_level level, const char *line)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* workers write too */
    (void)user, (void)level;
    pthread_mutex_lock(&mutex);
    snprintf(logged + strlen(logged), sizeof logged - strlen(logged), "%s\n", line);
    pthread_mutex_unlock(&mutex);
}

static const ssfer_log LOG = {.write = keep_log, .most = SSFER_LOG_INFO};

typedef struct run_case {
    scene_path data, out; /* what the options point to */
    ssfer_finetune_options options;
} run_case;

/* Two blocks with drop path, two batches a step, random crops, flips and erasing: all that is random takes part. */
static inline void set_up(run_case *r, const scene *s, const char *data, const char *out)
{
    r->data = scene_at(s, data);
    r->out = scene_at(s, out);
    r->options = ssfer_finetune_defaults();
    ssfer_finetune_options *o = &r->options;
    o->data.data = r->data.text;
    o->data.split = "train";
    o->training.out = r->out.text;
    o->model = (ssfer_vit_config){.image_size = 16,
                                  .patch_size = 8,
                                  .channels = 3,
                                  .embed_dim = 16,
                                  .depth = 2,
                                  .heads = 2,
                                  .hidden = 32,
                                  .eps = 1e-6f,
                                  .drop_path = 0.3f};
    o->training.epochs = 3;
    o->training.batch = 4;
    o->training.accumulate = 2;
    o->training.lr = 3e-3;
    o->training.min_lr = 1e-4;
    o->training.warmup_epochs = 0.5;
    o->training.optimizer.ema_decay = 0.9f;
    o->training.optimizer.clip_grad = 1.0f;
    o->training.transform.erasing = 0.3;
    o->training.threads = 1;
    o->training.log = &LOG;
    o->training.stop = stop_now;
    *logged = 0;
    polls = stop_at = 0;
}

static inline ssfer_status run(run_case *r, ssfer_evaluation *evaluation, ssfer_error *err)
{
    *logged = 0;
    polls = 0;
    *err = (ssfer_error){0};
    return ssfer_finetune(&r->options, evaluation, err);
}

static inline void expect_trained(run_case *r)
{
    ssfer_error err;
    if (run(r, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
}

static inline void expect_failure(run_case *r, ssfer_status status, const char *part)
{
    ssfer_error err;
    const ssfer_status st = run(r, NULL, &err);
    if (st != status || !strstr(err.message, part))
        fail_msg("status %s, \"%s\"; wanted %s, \"%s\"", ssfer_status_name(st), err.message, ssfer_status_name(status),
                 part);
}

static inline size_t count_files(const scene *s, const char *pattern)
{
    glob_t found;
    size_t count = glob(scene_at(s, pattern).text, 0, NULL, &found) == 0 ? found.gl_pathc : 0;
    globfree(&found);
    return count;
}

static __attribute__((noinline, unused)) unsigned char *read_file(const scene *s, const char *name, size_t *size)
{
    unsigned char *bytes = NULL;
    ssfer_error err = {0};
    if (ssfer_file_read(&bytes, size, scene_at(s, name).text, 1 << 24, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static inline void expect_same_model(const scene *s, const char *a, const char *b)
{
    char path[2][128];
    size_t size[2];
    snprintf(path[0], sizeof path[0], "%s/model.safetensors", a);
    snprintf(path[1], sizeof path[1], "%s/model.safetensors", b);
    unsigned char *x = read_file(s, path[0], &size[0]), *y = read_file(s, path[1], &size[1]);
    if (size[0] != size[1] || memcmp(x, y, size[0]) != 0)
        fail_msg("%s and %s differ", path[0], path[1]);
    ssfer_free(x);
    ssfer_free(y);
}

/* Nothing half-written anywhere. */
static inline void expect_no_leftovers(const scene *s)
{
    assert_int_equal(count_files(s, "*.tmp.*") + count_files(s, "*/*.tmp.*") + count_files(s, "*/*/*.tmp.*"), 0);
}

static inline int open_scene(void **state)
{
    static scene s;
    s = scene_create();
    *state = &s;
    return 0;
}

static inline int close_scene(void **state)
{
    scene_destroy(*state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

#endif
