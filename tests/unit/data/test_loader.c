/* The loader: the same batches for any number of threads, bad pictures, resuming, stopping at any moment. */
#include "scene.h"

#include "data/loader.h"

#include <math.h>
#include <stdatomic.h>

enum { COUNT = 37, SIZE = 8, FLOATS = 3 * SIZE * SIZE };

/* 37 pictures in three classes; those whose number is in `bad` (a zero-terminated list of number + 1) are corrupt. */
static ssfer_dataset *make_set(const scene *s, const size_t *bad)
{
    static const char *const classes[] = {"anger", "fear", "neutral"};
    ssfer_dataset *set = NULL;
    for (size_t i = 0; i < COUNT; i++) {
        char name[64];
        bool corrupt = false;
        for (const size_t *b = bad; b && *b; b++)
            corrupt |= *b == i + 1;
        snprintf(name, sizeof name, "set/%s/%02zu.png", classes[i / 13], i);
        if (corrupt)
            scene_text(s, name, "\x89PNG\r\n\x1a\n and then nothing of use");
        else
            scene_picture(s, name, 9 + i % 4, 8 + i % 7, i);
    }
    assert_ok(ssfer_dataset_open(&set, scene_at(s, "set").text, NULL, err));
    assert_int_equal(ssfer_dataset_count(set), COUNT);
    return set;
}

static ssfer_loader_options options_for(const ssfer_dataset *set)
{
    ssfer_transform t = ssfer_transform_train(SIZE);
    t.erasing = 0.5;
    t.erasing_mode = SSFER_ERASING_PIXEL;
    return (ssfer_loader_options){.set = set,
                                  .batch = 5,
                                  .threads = 2,
                                  .shuffle = true,
                                  .seed = 42,
                                  .stage = 2,
                                  .max_bad_share = 0.3,
                                  .transform = t};
}

/* Everything that an epoch gives, batch by batch. */
typedef struct record {
    size_t batches, count[64], number[64];
    size_t indices[256];
    int32_t labels[256];
    float images[256][FLOATS], second[256][FLOATS];
    size_t total;
} record;

static record *run_epoch(ssfer_loader *loader, uint32_t epoch, size_t first)
{
    record *r = calloc(1, sizeof *r);
    ssfer_batch b;
    assert_ok(ssfer_loader_start(loader, epoch, first, err));
    for (;;) {
        assert_ok(ssfer_loader_next(loader, &b, err));
        if (!b.count)
            break;
        r->count[r->batches] = b.count;
        r->number[r->batches++] = b.number;
        for (size_t i = 0; i < b.count; i++, r->total++) {
            r->indices[r->total] = b.indices[i];
            r->labels[r->total] = b.labels[i];
            memcpy(r->images[r->total], b.images + i * FLOATS, sizeof r->images[0]);
            if (b.second)
                memcpy(r->second[r->total], b.second + i * FLOATS, sizeof r->second[0]);
        }
    }
    assert_ok(ssfer_loader_next(loader, &b, err)); /* the end stays the end */
    assert_int_equal(b.count, 0);
    return r;
}

static ssfer_loader *create(const ssfer_loader_options *o)
{
    ssfer_loader *loader = NULL;
    assert_ok(ssfer_loader_create(&loader, o, err));
    return loader;
}

static const size_t BAD[] = {4, 5, 6, 20, 37, 0};

/* Threads, prefetch and cache make no difference, with and without bad pictures, in order or shuffled. */
static void test_same_batches(void **state)
{
    (void)state;
    static const struct {
        size_t threads, prefetch, cache;
    } ways[] = {{1, 0, 0}, {2, 1, SSFER_LOADER_NO_CACHE}, {5, 3, 1500}, {5, 0, 0}, {3, 40, 0}};
    for (int k = 0; k < 4; k++) {
        scene s = scene_create();
        ssfer_dataset *set = make_set(&s, k % 2 ? BAD : NULL);
        record *reference[2] = {NULL, NULL};
        for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
            ssfer_loader_options o = options_for(set);
            ssfer_transform strong = o.transform;
            strong.erasing = 1.0;
            o.threads = ways[w].threads;
            o.prefetch = ways[w].prefetch;
            o.cache_bytes = ways[w].cache;
            o.shuffle = k < 2;
            o.second = &strong;
            ssfer_loader *loader = create(&o);
            for (uint32_t epoch = 0; epoch < 2; epoch++) {
                record *r = run_epoch(loader, epoch, 0);
                if (!reference[epoch])
                    reference[epoch] = r;
                else
                    assert_memory_equal(r, reference[epoch], sizeof *r);
                if (reference[epoch] != r)
                    free(r);
            }
            ssfer_loader_stats stats = ssfer_loader_get_stats(loader);
            assert_int_equal(stats.bad, k % 2 ? 5 : 0);
            if (ways[w].cache == 0)
                assert_int_equal(stats.cached, COUNT - stats.bad);
            else
                assert_true(stats.cached < COUNT - stats.bad && stats.cache_bytes <= ways[w].cache);
            ssfer_loader_destroy(loader);
        }
        if (k < 2)
            assert_memory_not_equal(reference[0]->indices, reference[1]->indices, sizeof reference[0]->indices);
        free(reference[0]);
        free(reference[1]);
        ssfer_dataset_close(set);
        scene_destroy(&s);
    }
}

/* What is in a batch: the sample's own picture, label and streams, in the epoch's order. */
static void test_contents(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    ssfer_loader_options o = options_for(set);
    ssfer_transform strong = o.transform;
    strong.flip = 1.0;
    o.second = &strong;
    ssfer_loader *loader = create(&o);
    assert_int_equal(ssfer_loader_batches(loader), 8);
    record *r = run_epoch(loader, 7, 0);
    assert_int_equal(r->batches, 8);
    assert_int_equal(r->total, COUNT);
    assert_int_equal(r->count[7], COUNT - 35);
    size_t order[COUNT];
    for (size_t i = 0; i < COUNT; i++)
        order[i] = i;
    ssfer_rng rng = ssfer_rng_stream(o.seed, o.stage, 7, 0, SSFER_RNG_ORDER);
    ssfer_rng_shuffle(&rng, order, COUNT);
    assert_memory_equal(order, r->indices, sizeof order);
    for (size_t i = 0; i < COUNT; i++) {
        ssfer_image image = {0};
        float out[FLOATS];
        assert_ok(ssfer_dataset_image(set, order[i], &image, err));
        rng = ssfer_rng_stream(o.seed, o.stage, 7, order[i], SSFER_RNG_AUGMENT);
        assert_ok(ssfer_transform_apply(&o.transform, &image, &rng, out, err));
        assert_memory_equal(out, r->images[i], sizeof out);
        rng = ssfer_rng_stream(o.seed, o.stage, 7, order[i], SSFER_RNG_AUGMENT_STRONG);
        assert_ok(ssfer_transform_apply(&strong, &image, &rng, out, err));
        assert_memory_equal(out, r->second[i], sizeof out);
        assert_int_equal(r->labels[i], ssfer_dataset_label(set, order[i]));
        ssfer_image_deinit(&image);
    }
    free(r);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static bool is_bad(size_t index)
{
    for (const size_t *b = BAD; *b; b++)
        if (*b == index + 1)
            return true;
    return false;
}

/* Shuffled: every batch keeps its size, the good samples keep their places, others stand in for the bad ones. */
static void test_bad_pictures_are_replaced(void **state)
{
    (void)state;
    scene s = scene_create();
    scene_log kept = {0};
    ssfer_log log = {scene_log_write, &kept, SSFER_LOG_WARNING};
    ssfer_dataset *set = make_set(&s, BAD);
    ssfer_loader_options o = options_for(set);
    o.threads = 1; /* the log of this test is not locked */
    o.log = &log;
    ssfer_loader *loader = create(&o);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        record *r = run_epoch(loader, epoch, 0);
        size_t order[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            order[i] = i;
        ssfer_rng rng = ssfer_rng_stream(o.seed, o.stage, epoch, 0, SSFER_RNG_ORDER);
        ssfer_rng_shuffle(&rng, order, COUNT);
        assert_int_equal(r->total, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            assert_false(is_bad(r->indices[i]));
            if (!is_bad(order[i]))
                assert_int_equal(r->indices[i], order[i]);
        }
        free(r);
    }
    assert_int_equal(kept.count, 5); /* each is reported once */
    assert_non_null(strstr(kept.last, ".png"));
    assert_non_null(strstr(kept.last, "skipped"));
    assert_int_equal(ssfer_loader_get_stats(loader).bad, 5);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* In order: each good sample once, in order; a batch without any good one is passed over. */
static void test_bad_pictures_are_left_out(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, BAD);
    for (size_t batch = 1; batch <= 4; batch += 3) {
        ssfer_loader_options o = options_for(set);
        o.shuffle = false;
        o.batch = batch;
        ssfer_loader *loader = create(&o);
        record *r = run_epoch(loader, 0, 0);
        assert_int_equal(r->total, COUNT - 5);
        for (size_t i = 0, k = 0; i < COUNT; i++)
            if (!is_bad(i))
                assert_int_equal(r->indices[k++], i);
        for (size_t i = 1; i < r->batches; i++)
            assert_true(r->number[i] > r->number[i - 1]);
        assert_int_equal(r->number[r->batches - 1], batch == 1 ? 35 : 8);
        free(r);
        ssfer_loader_destroy(loader);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_resume(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, BAD);
    for (int shuffle = 0; shuffle < 2; shuffle++) {
        ssfer_loader_options o = options_for(set);
        o.shuffle = shuffle;
        ssfer_loader *loader = create(&o);
        record *whole = run_epoch(loader, 3, 0);
        for (size_t first = 0; first <= ssfer_loader_batches(loader); first++) {
            ssfer_loader *fresh = create(&o); /* which knows of no bad picture */
            record *rest = run_epoch(fresh, 3, first);
            size_t skipped = 0;
            for (size_t b = 0; b < first; b++)
                skipped += whole->count[b];
            assert_int_equal(rest->batches, whole->batches - first);
            assert_int_equal(rest->total, whole->total - skipped);
            assert_memory_equal(rest->indices, whole->indices + skipped, rest->total * sizeof *rest->indices);
            assert_memory_equal(rest->images, whole->images + skipped, rest->total * sizeof *rest->images);
            free(rest);
            ssfer_loader_destroy(fresh);
        }
        assert_fails(ssfer_loader_start(loader, 3, 9, err), SSFER_ERR_ARGUMENT, "batch 9");
        free(whole);
        ssfer_loader_destroy(loader);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_indices_and_drop_last(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    size_t some[] = {30, 2, 2, 17, 5, 9, 36};
    ssfer_loader_options o = options_for(set);
    o.indices = some;
    o.index_count = 7;
    o.batch = 3;
    o.shuffle = false;
    o.drop_last = true;
    ssfer_loader *loader = create(&o);
    size_t kept[7];
    memcpy(kept, some, sizeof some);
    memset(some, 0xff, sizeof some); /* the list was copied */
    record *r = run_epoch(loader, 0, 0);
    assert_int_equal(ssfer_loader_batches(loader), 2);
    assert_int_equal(r->total, 6);
    assert_memory_equal(r->indices, kept, 6 * sizeof *kept);
    free(r);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* Two ranks with batches of 4 see together what one process with batches of 8 sees. */
static void test_ranks(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, BAD);
    for (int drop = 0; drop < 2; drop++) {
        ssfer_loader_options o = options_for(set);
        o.batch = 8;
        o.drop_last = drop;
        ssfer_loader *whole = create(&o), *rank[2];
        o.batch = 4;
        o.world = 2;
        record *r = run_epoch(whole, 1, 0), *part[2];
        for (size_t k = 0; k < 2; k++) {
            o.rank = k;
            rank[k] = create(&o);
            part[k] = run_epoch(rank[k], 1, 0);
            assert_int_equal(ssfer_loader_batches(rank[k]), ssfer_loader_batches(whole));
        }
        assert_int_equal(part[0]->total + part[1]->total, r->total);
        size_t at[2] = {0, 0};
        for (size_t i = 0; i < r->total; i++) {
            size_t k = i % 8 / 4;
            assert_int_equal(r->indices[i], part[k]->indices[at[k]]);
            assert_memory_equal(r->images[i], part[k]->images[at[k]], sizeof r->images[i]);
            at[k]++;
        }
        for (size_t k = 0; k < 2; k++) {
            free(part[k]);
            ssfer_loader_destroy(rank[k]);
        }
        free(r);
        ssfer_loader_destroy(whole);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_too_many_bad(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, BAD);
    size_t failed_at[3];
    for (size_t threads = 1; threads <= 3; threads++) {
        ssfer_loader_options o = options_for(set);
        o.max_bad_share = 0.1; /* 3 of 37 are fine, 4 are not */
        o.threads = threads;
        ssfer_loader *loader = create(&o);
        ssfer_batch b;
        ssfer_error first = {0}, again = {0};
        size_t n = 0;
        assert_ok(ssfer_loader_start(loader, 0, 0, err));
        while (ssfer_loader_next(loader, &b, &first) == SSFER_OK && b.count)
            n++;
        assert_int_equal(first.status, SSFER_ERR_FORMAT);
        assert_non_null(strstr(first.message, "of its 37 pictures are bad"));
        assert_int_equal(b.count, 0);
        assert_int_equal(ssfer_loader_next(loader, &b, &again), SSFER_ERR_FORMAT);
        assert_string_equal(first.message, again.message);
        failed_at[threads - 1] = n; /* the moment does not depend on how far the workers are ahead */
        ssfer_loader_destroy(loader);
    }
    assert_int_equal(failed_at[0], failed_at[1]);
    assert_int_equal(failed_at[0], failed_at[2]);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void count_line(void *user, ssfer_log_level level, const char *line)
{
    (void)level, (void)line;
    atomic_fetch_add((atomic_size_t *)user, 1); /* from the workers */
}

/* Pictures that are bad, of which each comes six times, as the balanced samplers have it: two whose bytes are damaged,
 * one that can be decoded and not be resized. Each is one bad picture, and named once, whoever meets it. */
static void test_bad_pictures_that_come_often(void **state)
{
    (void)state;
    enum { PICTURES = 5, TIMES = 6 };
    scene s = scene_create();
    ssfer_dataset *set = NULL;
    size_t indices[PICTURES * TIMES];
    scene_text(&s, "set/a/0.png", "x");
    scene_text(&s, "set/a/1.png", "y");
    scene_picture(&s, "set/a/2.png", 1, 5000, 1); /* 64 px wide it would have 320,000 rows */
    scene_picture(&s, "set/b/3.png", 9, 9, 2);
    scene_picture(&s, "set/b/4.png", 9, 9, 3);
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "set").text, NULL, err));
    for (size_t i = 0; i < PICTURES * TIMES; i++)
        indices[i] = i / TIMES;
    for (size_t threads = 1; threads <= 6; threads += 5)
        for (size_t cache = 0; cache <= SSFER_LOADER_NO_CACHE; cache++) {
            atomic_size_t named = 0;
            const ssfer_log log = {count_line, &named, SSFER_LOG_WARNING};
            ssfer_loader_options o = options_for(set);
            ssfer_batch b;
            size_t seen = 0;
            o.transform = ssfer_transform_eval(64);
            o.indices = indices;
            o.index_count = PICTURES * TIMES;
            o.threads = threads;
            o.cache_bytes = cache;
            o.shuffle = false;
            o.max_bad_share = 0.6; /* three of five pictures */
            o.log = &log;
            ssfer_loader *loader = create(&o);
            assert_ok(ssfer_loader_start(loader, 0, 0, err));
            do {
                assert_ok(ssfer_loader_next(loader, &b, err));
                seen += b.count;
            } while (b.count);
            const ssfer_loader_stats stats = ssfer_loader_get_stats(loader);
            assert_int_equal(seen, 2 * TIMES);
            assert_int_equal(stats.bad, 3);
            assert_int_equal(named, 3);
            assert_int_equal(stats.cached, cache ? 0 : 2); /* none that cannot be used */
            ssfer_loader_destroy(loader);
        }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_all_bad(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = NULL;
    scene_text(&s, "set/a/1.png", "x");
    scene_text(&s, "set/b/1.png", "");
    assert_ok(ssfer_dataset_open(&set, scene_at(&s, "set").text, NULL, err));
    ssfer_loader_options o = options_for(set);
    o.max_bad_share = 1.0;
    ssfer_loader *loader = create(&o);
    ssfer_batch b;
    assert_ok(ssfer_loader_start(loader, 0, 0, err));
    assert_fails(ssfer_loader_next(loader, &b, err), SSFER_ERR_FORMAT, "no readable picture");
    ssfer_loader_destroy(loader);
    o.shuffle = false;
    loader = create(&o);
    assert_ok(ssfer_loader_start(loader, 0, 0, err));
    assert_ok(ssfer_loader_next(loader, &b, err));
    assert_int_equal(b.count, 0);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* Start, take some batches, start again or destroy: at any moment, with workers busy, waiting or not yet awake. */
static void test_stopping_at_any_moment(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, BAD);
    ssfer_rng rng = ssfer_rng_stream(1, 0, 0, 0, SSFER_RNG_TEST);
    for (int k = 0; k < 60; k++) {
        ssfer_loader_options o = options_for(set);
        ssfer_batch b;
        o.threads = 1 + ssfer_rng_below(&rng, 6);
        o.prefetch = ssfer_rng_below(&rng, 4);
        ssfer_loader *loader = create(&o);
        if (k == 0)
            assert_fails(ssfer_loader_next(loader, &b, err), SSFER_ERR_ARGUMENT, "not been started");
        for (uint32_t starts = ssfer_rng_below(&rng, 4); starts > 0; starts--) {
            assert_ok(ssfer_loader_start(loader, starts, ssfer_rng_below(&rng, 8), err));
            for (uint32_t n = ssfer_rng_below(&rng, 5); n > 0; n--)
                assert_ok(ssfer_loader_next(loader, &b, err));
            if (ssfer_rng_below(&rng, 2))
                usleep(ssfer_rng_below(&rng, 3000));
        }
        ssfer_loader_destroy(loader);
    }
    ssfer_loader_destroy(NULL);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* A batch is the consumer's until the next call, however far ahead the workers are. */
static void test_batch_is_borrowed(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    ssfer_loader_options o = options_for(set);
    o.prefetch = 1;
    ssfer_loader *loader = create(&o);
    ssfer_batch b;
    double waited = 0.0;
    assert_ok(ssfer_loader_start(loader, 0, 0, err));
    for (;;) {
        float copy[5 * FLOATS];
        assert_ok(ssfer_loader_next(loader, &b, err));
        if (!b.count)
            break;
        assert_int_equal((uintptr_t)b.images % 4, 0);
        memcpy(copy, b.images, b.count * sizeof *copy * FLOATS);
        usleep(3000);
        assert_memory_equal(copy, b.images, b.count * sizeof *copy * FLOATS);
        waited += b.wait_s;
    }
    assert_true(fabs(ssfer_loader_get_stats(loader).wait_s - waited - b.wait_s) < 1e-9);
    ssfer_loader_destroy(loader);
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

/* What the workers did, by stage, once an epoch has been handed out; nothing is timed unasked. */
static void test_timed(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    for (int timed = 0; timed < 2; timed++) {
        ssfer_loader_options o = options_for(set);
        o.timed = timed;
        ssfer_loader *loader = create(&o);
        record *r = run_epoch(loader, 0, 0);
        const ssfer_loader_stats stats = ssfer_loader_get_stats(loader);
        assert_int_equal(stats.pictures, COUNT);
        for (int i = 0; i < SSFER_STAGES; i++)
            assert_true(timed ? stats.stage_s[i] > 0.0 && stats.stage_s[i] < 60.0 : stats.stage_s[i] == 0.0);
        free(r);
        ssfer_loader_destroy(loader);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_bad_options(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    ssfer_loader_options good = options_for(set), o;
    ssfer_transform other = ssfer_transform_train(SIZE + 1);
    size_t beyond = COUNT;
    ssfer_loader *loader;
#define BAD_OPTION(change, wanted)                                                                                     \
    o = good;                                                                                                          \
    change;                                                                                                            \
    assert_int_equal(ssfer_loader_create(&loader, &o, NULL), wanted);                                                  \
    assert_null(loader)
    BAD_OPTION(o.batch = 0, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.threads = 0, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.threads = 5000, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.max_bad_share = -1.0, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.transform.size = 0, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.second = &other, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.rank = 1, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.indices = &beyond; o.index_count = 1, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.indices = &beyond; o.index_count = 0, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.drop_last = true; o.batch = COUNT + 1, SSFER_ERR_ARGUMENT);
    BAD_OPTION(o.batch = SIZE_MAX / 2, SSFER_ERR_LIMIT);
#undef BAD_OPTION
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

static void test_allocations_fail(void **state)
{
    (void)state;
    scene s = scene_create();
    ssfer_dataset *set = make_set(&s, NULL);
    ssfer_loader_options o = options_for(set);
    for (size_t n = 1;; n++) {
        ssfer_loader *loader;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_loader_create(&loader, &o, NULL);
        ssfer_memory_fail_at(0);
        if (st == SSFER_OK) {
            assert_true(n > 8);
            ssfer_loader_destroy(loader);
            break;
        }
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_null(loader);
    }
    ssfer_dataset_close(set);
    scene_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_batches),
        cmocka_unit_test(test_contents),
        cmocka_unit_test(test_bad_pictures_are_replaced),
        cmocka_unit_test(test_bad_pictures_are_left_out),
        cmocka_unit_test(test_resume),
        cmocka_unit_test(test_indices_and_drop_last),
        cmocka_unit_test(test_ranks),
        cmocka_unit_test(test_too_many_bad),
        cmocka_unit_test(test_bad_pictures_that_come_often),
        cmocka_unit_test(test_all_bad),
        cmocka_unit_test(test_stopping_at_any_moment),
        cmocka_unit_test(test_batch_is_borrowed),
        cmocka_unit_test(test_timed),
        cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_allocations_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
