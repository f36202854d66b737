/* The public detector on a small network with random weights (its faces mean nothing, but they must not depend on
 * threads, batches or the way in): options, pictures of strange sizes, several threads, failures. */
#include "test_support.h"

#include "ssfer/detect.h"

#include <pthread.h>

#define NETWORK SSFER_TEST_DIR "/golden/yolov7/blocks.pt"

enum { SIZE = 64 };

static ssfer_detector *open_detector(ssfer_detector_options o)
{
    ssfer_error err = {0};
    ssfer_detector *d;
    o.size = o.size ? o.size : SIZE;
    o.confidence = o.confidence != 0 ? o.confidence : 0.2f;
    CHECK_OK(ssfer_detector_create(&d, NETWORK, &o, &err));
    return d;
}

static ssfer_image noise_image(size_t w, size_t h, uint64_t seed)
{
    ssfer_error err = {0};
    ssfer_image image;
    CHECK_OK(ssfer_image_create(&image, w, h, &err));
    noise_bytes(image.data, 3 * w * h, seed);
    return image;
}

static void check_same(const ssfer_faces *a, const ssfer_faces *b)
{
    assert_int_equal(a->count, b->count);
    if (a->count)
        assert_memory_equal(a->faces, b->faces, a->count * sizeof *a->faces);
}

static void check_inside(const ssfer_faces *f, const ssfer_image *image)
{
    for (size_t i = 0; i < f->count; i++) {
        const ssfer_face *face = &f->faces[i];
        assert_true(face->box[0] >= 0 && face->box[1] >= 0 && face->box[0] <= face->box[2]);
        assert_true(face->box[2] <= (float)image->width && face->box[3] <= (float)image->height);
        for (int k = 0; k < 5; k++)
            assert_true(face->keypoints[k][0] >= 0 && face->keypoints[k][0] <= (float)image->width &&
                        face->keypoints[k][1] >= 0 && face->keypoints[k][1] <= (float)image->height);
        assert_true(i == 0 || face->confidence <= f->faces[i - 1].confidence);
    }
}

/* Sizes in one call that make batches, single pictures and more plans than are kept. */
static void test_batches_and_threads(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{64, 64},  {64, 64},  {80, 40},  {1, 1},   {64, 64},   {40, 100}, {200, 60},
                                      {64, 128}, {10, 160}, {160, 10}, {64, 64}, {300, 300}, {64, 64},  {64, 64}};
    enum { COUNT = sizeof sizes / sizeof *sizes };
    ssfer_image images[COUNT];
    size_t total = 0;
    for (size_t i = 0; i < COUNT; i++)
        images[i] = noise_image(sizes[i][0], sizes[i][1], i);
    for (int rectangle = 0; rectangle < 2; rectangle++) {
        ssfer_error err = {0};
        ssfer_detector *one = open_detector((ssfer_detector_options){.threads = 1, .rectangle = rectangle});
        ssfer_detector *three = open_detector((ssfer_detector_options){.threads = 3, .rectangle = rectangle});
        ssfer_faces alone[COUNT], together[COUNT];
        for (size_t i = 0; i < COUNT; i++)
            CHECK_OK(ssfer_detector_run(one, &images[i], 1, &alone[i], &err));
        CHECK_OK(ssfer_detector_run(three, images, COUNT, together, &err));
        for (size_t i = 0; i < COUNT; i++) {
            check_same(&alone[i], &together[i]);
            check_inside(&alone[i], &images[i]);
            total += alone[i].count;
            ssfer_faces_deinit(&alone[i]);
            ssfer_faces_deinit(&together[i]);
        }
        ssfer_detector_times t = ssfer_detector_get_times(three);
        assert_int_equal(t.pictures, COUNT);
        assert_true(t.letterbox_s > 0 && t.network_s > 0 && t.select_s > 0);
        ssfer_detector_destroy(one);
        ssfer_detector_destroy(three);
    }
    assert_true(total > 0); /* or nothing was compared */
    for (size_t i = 0; i < COUNT; i++)
        ssfer_image_deinit(&images[i]);
}

/* A batch of pixels, of planes and of normalised planes give what single pictures of the network's size give. */
static void test_ways_in(void **state)
{
    (void)state;
    enum { COUNT = 5, W = SIZE, H = SIZE };
    static const float mean[3] = {0.588f, 0.459f, 0.402f}, deviation[3] = {0.228f, 0.202f, 0.190f};
    ssfer_error err = {0};
    ssfer_detector *d = open_detector((ssfer_detector_options){.threads = 2});
    ssfer_faces want[COUNT], got[3][COUNT];
    uint8_t *pixels = ssfer_malloc(COUNT * 3 * W * H);
    float *planes = ssfer_malloc(COUNT * 3 * W * H * sizeof *planes),
          *normal = ssfer_malloc(COUNT * 3 * W * H * sizeof *normal);
    for (size_t i = 0; i < COUNT; i++) {
        ssfer_image image = noise_image(W, H, i);
        memcpy(pixels + i * 3 * W * H, image.data, 3 * W * H);
        for (size_t k = 0; k < 3 * W * H; k++) {
            size_t c = k / (W * H);
            planes[i * 3 * W * H + k] = (float)image.data[k % (W * H) * 3 + c] / 255.0f;
            normal[i * 3 * W * H + k] = (planes[i * 3 * W * H + k] - mean[c]) / deviation[c];
        }
        CHECK_OK(ssfer_detector_run(d, &image, 1, &want[i], &err));
        ssfer_image_deinit(&image);
    }
    CHECK_OK(ssfer_detector_run_pixels(d, pixels, COUNT, W, H, got[0], &err));
    CHECK_OK(ssfer_detector_run_planes(d, planes, COUNT, W, H, NULL, NULL, got[1], &err));
    CHECK_OK(ssfer_detector_run_planes(d, normal, COUNT, W, H, mean, deviation, got[2], &err));
    for (size_t i = 0; i < COUNT; i++) {
        for (int way = 0; way < 3; way++) {
            assert_int_equal(got[way][i].count, want[i].count);
            for (size_t k = 0; k < want[i].count; k++)
                assert_true(fabsf(got[way][i].faces[k].confidence - want[i].faces[k].confidence) < 1e-4f);
            ssfer_faces_deinit(&got[way][i]);
        }
        ssfer_faces_deinit(&want[i]);
    }
    /* sides that the stride does not divide are padded; nothing at all is a batch, too */
    CHECK_OK(ssfer_detector_run_pixels(d, pixels, 2, 50, 37, got[0], &err));
    CHECK_OK(ssfer_detector_run_planes(d, planes, 2, 50, 37, NULL, NULL, got[1], &err));
    for (size_t i = 0; i < 2; i++) {
        ssfer_faces_deinit(&got[0][i]);
        ssfer_faces_deinit(&got[1][i]);
    }
    CHECK_OK(ssfer_detector_run_pixels(d, pixels, 0, 50, 37, got[0], &err));
    CHECK_OK(ssfer_detector_run(d, NULL, 0, got[0], &err));
    CHECK_FAILS(ssfer_detector_run_pixels(d, pixels, 1, 0, 37, got[0], &err), SSFER_ERR_ARGUMENT, "0x37");
    CHECK_FAILS(ssfer_detector_run_pixels(d, pixels, 1, 100000, 37, got[0], &err), SSFER_ERR_ARGUMENT, "100000x37");
    ssfer_free(pixels);
    ssfer_free(planes);
    ssfer_free(normal);
    ssfer_detector_destroy(d);
}

static void test_selection_options(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image image = noise_image(SIZE, SIZE, 3);
    ssfer_faces all, few, large;
    ssfer_detector *d = open_detector((ssfer_detector_options){.confidence = 0.05f});
    CHECK_OK(ssfer_detector_run(d, &image, 1, &all, &err));
    assert_true(all.count >= 3);
    ssfer_detector_destroy(d);
    d = open_detector((ssfer_detector_options){.confidence = 0.05f, .max_faces = 2});
    CHECK_OK(ssfer_detector_run(d, &image, 1, &few, &err));
    assert_int_equal(few.count, 2);
    assert_memory_equal(few.faces, all.faces, 2 * sizeof *few.faces);
    ssfer_detector_destroy(d);
    float limit = 12;
    size_t want = 0;
    for (size_t i = 0; i < all.count; i++)
        want +=
            all.faces[i].box[2] - all.faces[i].box[0] >= limit && all.faces[i].box[3] - all.faces[i].box[1] >= limit;
    d = open_detector((ssfer_detector_options){.confidence = 0.05f, .min_face = limit});
    CHECK_OK(ssfer_detector_run(d, &image, 1, &large, &err));
    assert_int_equal(large.count, want);
    ssfer_detector_info info = ssfer_detector_get_info(d);
    assert_int_equal(info.keypoints, 5);
    assert_int_equal(info.stride, 16);
    assert_int_equal(info.size, SIZE);
    assert_true(info.parameters > 1000 && info.threads >= 1 && info.layers == 19 && info.levels == 2);
    ssfer_detector_destroy(d);
    ssfer_faces_deinit(&all);
    ssfer_faces_deinit(&few);
    ssfer_faces_deinit(&large);
    ssfer_faces_deinit(NULL);
    ssfer_image_deinit(&image);
}

static void test_bad_options(void **state)
{
    (void)state;
    static const struct {
        ssfer_detector_options options;
        const char *text;
    } cases[] = {
        {{.size = 100}, "multiple of 16"},         {{.size = 16000}, "up to"},
        {{.confidence = 1.5f}, "between 0 and 1"}, {{.confidence = -1}, "between 0 and 1"},
        {{.iou = 2}, "between 0 and 1"},           {{.min_face = -1}, "negative size"},
        {{.threads = 5000}, "5000 threads"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_error err;
        ssfer_detector *d;
        CHECK_FAILS(ssfer_detector_create(&d, NETWORK, &cases[i].options, &err), SSFER_ERR_ARGUMENT, cases[i].text);
        assert_null(d);
    }
    ssfer_error err;
    ssfer_image empty = {0};
    ssfer_faces faces;
    ssfer_detector *d = open_detector((ssfer_detector_options){0});
    CHECK_FAILS(ssfer_detector_run(d, &empty, 1, &faces, &err), SSFER_ERR_ARGUMENT, "picture 0 is empty");
    ssfer_detector_destroy(d);
    ssfer_detector_destroy(NULL);
}

/* Pictures of one pixel, of one row, and a very large one. */
static void test_strange_pictures(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {1, 3000}, {3000, 1}, {2, 1}, {6000, 4000}};
    ssfer_detector *d = open_detector((ssfer_detector_options){.threads = 2});
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ssfer_error err = {0};
        ssfer_image image = noise_image(sizes[i][0], sizes[i][1], i);
        ssfer_faces faces;
        CHECK_OK(ssfer_detector_run(d, &image, 1, &faces, &err));
        check_inside(&faces, &image);
        ssfer_faces_deinit(&faces);
        ssfer_image_deinit(&image);
    }
    ssfer_detector_destroy(d);
}

typedef struct caller {
    ssfer_detector *detector;
    const ssfer_image *image;
    ssfer_faces faces[4];
    int failed;
} caller;

static void *call_often(void *data)
{
    caller *c = data;
    for (int i = 0; i < 4; i++)
        c->failed += ssfer_detector_run(c->detector, c->image, 1, &c->faces[i], NULL) != SSFER_OK;
    return NULL;
}

/* Two threads on one detector, two on detectors of their own: all find the same. */
static void test_callers(void **state)
{
    (void)state;
    ssfer_image image = noise_image(SIZE, 48, 3);
    ssfer_detector *shared = open_detector((ssfer_detector_options){.threads = 2});
    caller callers[4] = {{.detector = shared}, {.detector = shared}, {0}, {0}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        callers[i].image = &image;
        if (!callers[i].detector)
            callers[i].detector = open_detector((ssfer_detector_options){.threads = 1});
        assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(callers[i].failed, 0);
        for (int k = 0; k < 4; k++)
            check_same(&callers[0].faces[0], &callers[i].faces[k]);
    }
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 4; k++)
            ssfer_faces_deinit(&callers[i].faces[k]);
        if (i != 1)
            ssfer_detector_destroy(callers[i].detector);
    }
    ssfer_image_deinit(&image);
}

/* Whatever allocation fails: creation leaves nothing behind, a run leaves a detector that works the next time. */
static void test_out_of_memory(void **state)
{
    (void)state;
    const ssfer_detector_options options = {.size = SIZE, .threads = 1, .confidence = 0.05f};
    ssfer_image image = noise_image(70, 50, 3);
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 1;
    for (; st != SSFER_OK; n += n < 40 ? 1 : 7) { /* later ones are much alike: one or two a layer */
        ssfer_error err = {0};
        ssfer_detector *d;
        ssfer_faces faces = {0}, again;
        assert_true(n < 1000);
        CHECK_OK(ssfer_detector_create(&d, NETWORK, &options, &err));
        ssfer_memory_fail_at(n);
        st = ssfer_detector_run(d, &image, 1, &faces, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && err.status == SSFER_ERR_MEMORY && !faces.faces));
        CHECK_OK(ssfer_detector_run(d, &image, 1, &again, &err));
        assert_true(again.count > 0);
        ssfer_faces_deinit(&faces);
        ssfer_faces_deinit(&again);
        ssfer_detector_destroy(d);
    }
    assert_true(n > 50);
    for (n = 1; n <= 3; n++) {
        ssfer_error err = {0};
        ssfer_detector *d;
        ssfer_memory_fail_at(n);
        assert_int_equal(ssfer_detector_create(&d, NETWORK, &options, &err), SSFER_ERR_MEMORY);
        ssfer_memory_fail_at(0);
        assert_null(d);
    }
    ssfer_image_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_and_threads), cmocka_unit_test(test_ways_in),
        cmocka_unit_test(test_selection_options),   cmocka_unit_test(test_bad_options),
        cmocka_unit_test(test_strange_pictures),    cmocka_unit_test(test_callers),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
