/* What the tests of Stage III share: a set, a model of Stage II, and how a run is made and looked at. The set is of
 * 16-pixel pictures, a part of which is bright: the left half (class 0), the upper one (1) or the middle (2). */
#ifndef SSFER_TESTS_SEMI_CASE_H
#define SSFER_TESTS_SEMI_CASE_H

#include "unit/data/scene.h"

#include "models/classifier.h"
#include "point_number.h"
#include "train/finetune.h"
#include "train/semi.h"

#include <glob.h>
#include <math.h>
#include <pthread.h>

/* ---- the set ----------------------------------------------------------------------------------------------------- */

static inline bool is_bright(size_t kind, size_t x, size_t y)
{
    return kind == 0 ? x < 8 : kind == 1 ? y < 8 : x >= 4 && x < 12 && y >= 4 && y < 12;
}

static inline void picture(const scene *s, const char *name, size_t kind, uint64_t seed)
{
    scene_path p = scene_at(s, name);
    ssfer_image image = {0};
    ssfer_error err = {0};
    ssfer_rng rng = ssfer_rng_stream(seed, 1, 0, kind, SSFER_RNG_TEST);
    scene_make_parent(p.text);
    assert_int_equal(ssfer_image_create(&image, 16, 16, &err), SSFER_OK);
    for (size_t i = 0; i < 16 * 16 * 3; i++) {
        const double level = is_bright(kind, i / 3 % 16, i / 3 / 16) ? 180 : 80;
        image.data[i] = (uint8_t)(level + ssfer_rng_range(&rng, -60, 60));
    }
    if (ssfer_image_save(&image, p.text, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    ssfer_image_deinit(&image);
}

static const char *const CLASSES[] = {"left", "top", "middle"};

static inline void make_split(const scene *s, const char *split, size_t a_class)
{
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < a_class; i++) {
            char name[128];
            snprintf(name, sizeof name, "set/%s/%s/%02zu.png", split, CLASSES[k], i);
            picture(s, name, k, 1000 * strlen(split) + i);
        }
}

/* 40 classes: a bright square of 4 pixels at one of 16 places, in red, green or blue. */
static inline void make_many_classes(const scene *s)
{
    for (size_t k = 0; k < 40; k++)
        for (size_t i = 0; i < 10; i++) {
            char name[128];
            ssfer_image image = {0};
            ssfer_rng rng = ssfer_rng_stream(i, 2, 0, k, SSFER_RNG_TEST);
            snprintf(name, sizeof name, "set/%s/class%02zu/%02zu.png", i < 8 ? "train" : "valid", k, i);
            scene_path p = scene_at(s, name);
            scene_make_parent(p.text);
            assert_int_equal(ssfer_image_create(&image, 16, 16, NULL), SSFER_OK);
            for (size_t b = 0; b < 16 * 16 * 3; b++) {
                const size_t place = b / 3 / 16 / 4 * 4 + b / 3 % 16 / 4;
                const bool bright = place == k % 16 && b % 3 == k / 16;
                image.data[b] = (uint8_t)((bright ? 230 : 60) + ssfer_rng_range(&rng, -20, 20));
            }
            assert_int_equal(ssfer_image_save(&image, p.text, NULL), SSFER_OK);
            ssfer_image_deinit(&image);
        }
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

static size_t polls, stop_at; /* a stop callback has no argument */

static inline int stop_now(void)
{
    return ++polls == stop_at;
}

static char logged[16384];

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
    scene_path data, init, out, unlabeled; /* what the options point to */
    ssfer_semi_options options;
} run_case;

/* Stage II in SCENE/stage2 from a quarter of the labels. */
static inline void make_stage2_with(const scene *s, size_t epochs, double lr, double warmup_epochs)
{
    const scene_path data = scene_at(s, "set"), out = scene_at(s, "stage2");
    ssfer_error err = {0};
    ssfer_finetune_options o = ssfer_finetune_defaults();
    o.data.data = data.text;
    o.data.split = "train";
    o.data.fraction = 0.25;
    o.model = (ssfer_vit_config){.image_size = 16,
                                 .patch_size = 8,
                                 .channels = 3,
                                 .embed_dim = 16,
                                 .depth = 2,
                                 .heads = 2,
                                 .hidden = 32,
                                 .eps = 1e-6f};
    o.training.out = out.text;
    o.training.epochs = epochs;
    o.training.batch = 4;
    o.training.lr = lr;
    o.training.min_lr = fmin(lr, o.training.min_lr);
    o.training.warmup_epochs = warmup_epochs;
    o.training.transform.scale_min = 0.8;
    o.training.transform.flip = 0.0; /* left is a class */
    o.training.threads = 1;
    o.training.log = &LOG;
    if (ssfer_finetune(&o, NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
}

/* A model that has learned a little. */
static inline void make_stage2(const scene *s, size_t epochs)
{
    make_stage2_with(s, epochs, 3e-3, 0.0);
}

/* One that has seen next to nothing but `left`, and says it of every picture. */
static inline __attribute__((unused)) void make_blind_stage2(const scene *s)
{
    for (size_t i = 0; i < 100; i++) {
        char name[64];
        snprintf(name, sizeof name, "set/train/left/more%03zu.png", i);
        picture(s, name, 0, i);
    }
    make_stage2_with(s, 4, 1e-3, 2.0);
}

/* Drop path, two batches a step, more unlabeled than labeled pictures: all that is random takes part. */
static inline void set_up(run_case *r, const scene *s, const char *out)
{
    r->data = scene_at(s, "set");
    r->init = scene_at(s, "stage2/model.safetensors");
    r->out = scene_at(s, out);
    r->options = ssfer_semi_defaults();
    ssfer_semi_options *o = &r->options;
    o->data.data = r->data.text;
    o->data.split = "train";
    o->data.fraction = 0.25;
    o->init = r->init.text;
    o->model.drop_path = 0.2f;
    o->mu = 2;
    o->selection.threshold = 0.45; /* so that some pictures count and some do not */
    o->strong_scale_min = 0.6;
    o->training.out = r->out.text;
    o->training.epochs = 2;
    o->training.batch = 4;
    o->training.accumulate = 2;
    o->training.lr = 1e-3;
    o->training.optimizer.ema_decay = 0.9f;
    o->training.transform.flip = 0.0;
    o->training.threads = 1;
    o->training.log = &LOG;
    o->training.stop = stop_now;
    polls = stop_at = 0;
}

static inline ssfer_status run(run_case *r, ssfer_evaluation *evaluation, ssfer_error *err)
{
    *logged = 0;
    polls = 0;
    *err = (ssfer_error){0};
    return ssfer_semi(&r->options, evaluation, err);
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

static inline unsigned char *read_file(const scene *s, const char *folder, const char *name, size_t *size)
{
    char path[128];
    unsigned char *bytes = NULL;
    ssfer_error err = {0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (ssfer_file_read(&bytes, size, scene_at(s, path).text, 1 << 24, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return bytes;
}

static inline bool same_file(const scene *s, const char *name, const char *a, const char *b)
{
    size_t size[2];
    unsigned char *x = read_file(s, a, name, &size[0]), *y = read_file(s, b, name, &size[1]);
    const bool same = size[0] == size[1] && memcmp(x, y, size[0]) == 0;
    ssfer_free(x);
    ssfer_free(y);
    return same;
}

/* A figure of the last record that has it; NaN if none does. */
static inline double last_figure(const scene *s, const char *folder, const char *name)
{
    char key[96];
    size_t size;
    double value = NAN;
    char *text = (char *)read_file(s, folder, "metrics.jsonl", &size);
    snprintf(key, sizeof key, "\"%s\":", name);
    for (char *at = text; (at = memmem(at, (size_t)(text + size - at), key, strlen(key))); at++)
        value = point_number(at + strlen(key));
    ssfer_free(text);
    return value;
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
