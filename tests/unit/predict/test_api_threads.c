/* One predictor and one detector in the hands of several threads: each gets what one thread alone gets. Each call
 * computes with one thread itself, so that ThreadSanitizer sees all of it. */
#include "test_support.h"

#include "scratch.h"
#include "small_model.h"
#include "ssfer/predict.h"

#include <pthread.h>

#define NETWORK SSFER_TEST_DIR "/golden/yolov7/blocks.pt"

enum { THREADS = 4, ROUNDS = 12, COUNT = 6, K = SMALL_MODEL_CLASSES };

typedef struct answers { /* to one picture */
    float logits[K];
    ssfer_faces faces;
    ssfer_expressions expressions;
} answers;

static ssfer_predictor *predictor;
static ssfer_detector *detector;
static ssfer_image images[COUNT];
static answers expected[COUNT];

static bool ask(answers *a, size_t i)
{
    *a = (answers){0};
    return ssfer_predictor_run(predictor, &images[i], 1, NULL, a->logits, NULL) == SSFER_OK &&
           ssfer_detector_run(detector, &images[i], 1, &a->faces, NULL) == SSFER_OK &&
           ssfer_predictor_run_faces(predictor, detector, &images[i], 1, NULL, &a->expressions, NULL) == SSFER_OK;
}

static void forget(answers *a)
{
    ssfer_faces_deinit(&a->faces);
    ssfer_expressions_deinit(&a->expressions);
}

static bool equal(const answers *a, const answers *b)
{
    if (memcmp(a->logits, b->logits, sizeof a->logits) != 0 || a->faces.count != b->faces.count ||
        a->expressions.count != b->expressions.count)
        return false;
    for (size_t k = 0; k < a->faces.count; k++)
        if (memcmp(&a->faces.faces[k], &b->faces.faces[k], sizeof(ssfer_face)) != 0)
            return false;
    for (size_t k = 0; k < a->expressions.count; k++)
        if (memcmp(a->expressions.items[k].logits, b->expressions.items[k].logits, K * sizeof(float)) != 0)
            return false;
    return true;
}

/* Several pictures in one call: the buffers of the predictor grow while others want them. */
static bool equal_together(size_t first)
{
    float logits[COUNT * K];
    const size_t n = COUNT - first;
    if (ssfer_predictor_run(predictor, images + first, n, NULL, logits, NULL) != SSFER_OK)
        return false;
    for (size_t i = 0; i < n * K; i++) /* a batch may round differently */
        if (!(fabsf(logits[i] - expected[first + i / K].logits[i % K]) <= 1e-4f))
            return false;
    return true;
}

/* cmocka's checks belong to the main thread: the others count what is wrong. */
static void *work(void *argument)
{
    size_t *wrong = argument, start = *wrong;
    size_t pictures = 0;
    *wrong = 0;
    for (size_t r = 0; r < ROUNDS; r++) {
        answers got;
        const size_t i = (start + r * (1 + start)) % COUNT;
        *wrong += !ask(&got, i) || !equal(&got, &expected[i]);
        *wrong += !equal_together(i);
        const ssfer_detector_times t = ssfer_detector_get_times(detector);
        *wrong += t.pictures < pictures + 2; /* this thread's own two at least */
        pictures = t.pictures;
        forget(&got);
    }
    return NULL;
}

static void test_shared(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    size_t wrong[THREADS], faces = 0;
    const size_t before = ssfer_detector_get_times(detector).pictures;
    for (size_t t = 0; t < THREADS; t++) {
        wrong[t] = t;
        assert_int_equal(pthread_create(&threads[t], NULL, work, &wrong[t]), 0);
    }
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    for (size_t t = 0; t < THREADS; t++)
        assert_int_equal(wrong[t], 0);
    for (size_t i = 0; i < COUNT; i++)
        faces += expected[i].faces.count;
    assert_true(faces > 0); /* or little was compared */
    assert_int_equal(ssfer_detector_get_times(detector).pictures - before, 2 * THREADS * ROUNDS);
}

static int setup(void **state)
{
    static const size_t sizes[COUNT][2] = {{64, 64}, {90, 50}, {33, 70}, {128, 64}, {64, 64}, {40, 100}};
    ssfer_error err = {0};
    if (scratch_setup(state) != 0)
        return -1;
    write_small_model(scratch_path("m.safetensors"));
    CHECK_OK(ssfer_predictor_create(&predictor, scratch_path("m.safetensors"),
                                    &(ssfer_predictor_options){.batch = 4, .threads = 1}, &err));
    CHECK_OK(ssfer_detector_create(
        &detector, NETWORK,
        &(ssfer_detector_options){.size = 64, .confidence = 0.2f, .threads = 1, .rectangle = 1, .max_faces = 5}, &err));
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(ssfer_image_create(&images[i], sizes[i][0], sizes[i][1], &err));
        noise_bytes(images[i].data, 3 * sizes[i][0] * sizes[i][1], i);
        assert_true(ask(&expected[i], i));
    }
    return 0;
}

static int teardown(void **state)
{
    for (size_t i = 0; i < COUNT; i++) {
        forget(&expected[i]);
        ssfer_image_deinit(&images[i]);
    }
    ssfer_detector_destroy(detector);
    ssfer_predictor_destroy(predictor);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_shared)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
