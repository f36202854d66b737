/* Faces cut out and classified in one call, against the same done step by step. Detector and model have random weights:
 * what they say means nothing, but it must not depend on the way. */
#include "test_support.h"

#include "image/align.h"
#include "predict/views.h"
#include "scratch.h"
#include "small_model.h"

#define NETWORK SSFER_TEST_DIR "/golden/yolov7/blocks.pt"

enum { K = SMALL_MODEL_CLASSES, SIDE = SMALL_MODEL_SIDE, COUNT = 5 };

static ssfer_predictor *open_predictor(size_t batch, size_t threads)
{
    ssfer_error err = {0};
    ssfer_predictor *p;
    write_small_model(scratch_path("m.safetensors"));
    CHECK_OK(ssfer_predictor_create(&p, scratch_path("m.safetensors"),
                                    &(ssfer_predictor_options){.batch = batch, .threads = threads}, &err));
    return p;
}

static ssfer_detector *open_detector(float confidence)
{
    const ssfer_detector_options o = {.size = 64, .confidence = confidence, .threads = 1, .max_faces = 5};
    ssfer_error err = {0};
    ssfer_detector *d;
    CHECK_OK(ssfer_detector_create(&d, NETWORK, &o, &err));
    return d;
}

/* The middle one is too long and thin to be scaled as a whole. */
static void make_images(ssfer_image images[COUNT])
{
    static const size_t sizes[COUNT][2] = {{64, 64}, {90, 50}, {1, 600000}, {33, 70}, {1, 1}};
    ssfer_error err = {0};
    for (size_t i = 0; i < COUNT; i++) {
        CHECK_OK(ssfer_image_create(&images[i], sizes[i][0], sizes[i][1], &err));
        noise_bytes(images[i].data, 3 * sizes[i][0] * sizes[i][1], i);
    }
}

static void free_images(ssfer_image images[COUNT])
{
    for (size_t i = 0; i < COUNT; i++)
        ssfer_image_deinit(&images[i]);
}

/* One face, cut out and classified by hand. */
static void classify_alone(float probabilities[K], float logits[K], ssfer_predictor *p, const ssfer_image *image,
                           const ssfer_face *face, const ssfer_expression_options *o)
{
    ssfer_error err = {0};
    ssfer_image cut;
    const double margin = (double)o->margin;
    if (!o->align || ssfer_image_align_face(&cut, image, face->keypoints, SIDE, margin, NULL) != SSFER_OK) {
        const ssfer_square square = ssfer_square_around(face->box, margin);
        assert_true(square.side <= 8 * SIDE || image->height > 1000); /* or it is no picture that this shows */
        CHECK_OK(ssfer_image_cut_square(&cut, image, square, &err));
    }
    CHECK_OK(ssfer_predictor_run(p, &cut, 1, probabilities, logits, &err));
    ssfer_image_deinit(&cut);
}

static void check_faces(ssfer_predictor *p, ssfer_predictor *alone, ssfer_detector *d, const ssfer_image *images,
                        const ssfer_expression_options *o)
{
    ssfer_error err = {0};
    ssfer_faces faces[COUNT];
    ssfer_expressions e;
    size_t at = 0;
    CHECK_OK(ssfer_detector_run(d, images, COUNT, faces, &err));
    CHECK_OK(ssfer_predictor_run_faces(p, d, images, COUNT, o, &e, &err));
    for (size_t i = 0; i < COUNT; i++) {
        for (size_t k = 0; k < faces[i].count; k++, at++) {
            float probabilities[K], logits[K];
            assert_true(at < e.count);
            assert_int_equal(e.items[at].picture, i);
            assert_false(e.items[at].whole);
            assert_memory_equal(&e.items[at].face, &faces[i].faces[k], sizeof(ssfer_face));
            classify_alone(probabilities, logits, alone, &images[i], &faces[i].faces[k], o);
            /* the same pixels; only the order of sums in the products may differ */
            check_close(e.items[at].logits, logits, K, 1e-5, "logits");
            check_close(e.items[at].probabilities, probabilities, K, 1e-5, "probabilities");
        }
        ssfer_faces_deinit(&faces[i]);
    }
    assert_int_equal(at, e.count);
    assert_true(at > 10);
    ssfer_expressions_deinit(&e);
}

static void test_faces(void **state)
{
    (void)state;
    ssfer_image images[COUNT];
    make_images(images);
    images[2].height = 1; /* long squares are another test's */
    ssfer_predictor *alone = open_predictor(1, 1), *p = open_predictor(7, 1), *threaded = open_predictor(32, 2);
    ssfer_detector *d = open_detector(0.05f);
    check_faces(p, alone, d, images, &(ssfer_expression_options){0});
    check_faces(p, alone, d, images, &(ssfer_expression_options){.margin = 0.3f, .whole = 1});
    check_faces(p, alone, d, images, &(ssfer_expression_options){.margin = -0.2f});
    check_faces(p, alone, d, images, &(ssfer_expression_options){.align = 1, .margin = 0.1f});
    check_faces(threaded, alone, d, images, &(ssfer_expression_options){.margin = 0.3f});
    ssfer_detector_destroy(d);
    ssfer_predictor_destroy(alone);
    ssfer_predictor_destroy(p);
    ssfer_predictor_destroy(threaded);
    free_images(images);
}

static void test_no_face(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image images[COUNT];
    ssfer_expressions e;
    float probabilities[COUNT * K], logits[COUNT * K];
    make_images(images);
    ssfer_predictor *p = open_predictor(2, 1);
    ssfer_detector *blind = open_detector(0.999f);
    CHECK_OK(ssfer_predictor_run_faces(p, blind, images, COUNT, NULL, &e, &err));
    assert_int_equal(e.count, 0);
    ssfer_expressions_deinit(&e);
    CHECK_OK(ssfer_predictor_run(p, images, COUNT, probabilities, logits, &err));
    for (int way = 0; way < 2; way++) {
        const ssfer_expression_options whole = {.whole = 1};
        CHECK_OK(ssfer_predictor_run_faces(p, way ? NULL : blind, images, COUNT, way ? NULL : &whole, &e, &err));
        assert_int_equal(e.count, COUNT);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(e.items[i].picture, i);
            assert_true(e.items[i].whole);
            assert_memory_equal(&e.items[i].face, &(ssfer_face){0}, sizeof(ssfer_face));
            check_close(e.items[i].logits, logits + i * K, K, 1e-5, "logits");
            check_close(e.items[i].probabilities, probabilities + i * K, K, 1e-5, "probabilities");
        }
        ssfer_expressions_deinit(&e);
    }
    ssfer_detector_destroy(blind);
    ssfer_predictor_destroy(p);
    free_images(images);
}

/* A face without keypoints is cut out as it is. */
static void test_no_keypoints(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image images[COUNT], aligned, plain;
    make_images(images);
    const ssfer_face face = {.box = {10, 12, 40, 50}, .confidence = 1};
    ssfer_view view = {.image = &images[0], .face = &face, .margin = 0.1, .align = true};
    CHECK_OK(ssfer_view_cut(&aligned, &view, SIDE, &err));
    view.align = false;
    CHECK_OK(ssfer_view_cut(&plain, &view, SIDE, &err));
    assert_int_equal(aligned.width, 46); /* 38 * 1.2 */
    assert_int_equal(aligned.width, plain.width);
    assert_memory_equal(aligned.data, plain.data, 3 * plain.width * plain.height);
    ssfer_image_deinit(&aligned);
    ssfer_image_deinit(&plain);
    free_images(images);
}

/* A square much larger than the model's input is scaled at once: a ramp of grays stays a ramp, and beyond the picture
 * its border goes on. */
static void test_large_face(void **state)
{
    (void)state;
    enum { W = 512, H = 512 };
    ssfer_error err = {0};
    ssfer_image ramp, cut;
    CHECK_OK(ssfer_image_create(&ramp, W, H, &err));
    for (size_t i = 0; i < 3 * W * H; i++)
        ramp.data[i] = (uint8_t)(i / 3 % W / 2);
    const ssfer_face face = {.box = {0, 0, W, H}, .confidence = 1};
    CHECK_OK(ssfer_view_cut(&cut, &(ssfer_view){.image = &ramp, .face = &face, .margin = 0.5}, SIDE, &err));
    assert_int_equal(cut.width, SIDE);
    assert_int_equal(cut.height, SIDE);
    for (size_t i = 0; i < SIDE * SIDE; i++) { /* 128 pixels each, the first 2 of a row lie beyond */
        const double left = 128.0 * (double)(i % SIDE) - 256.0;
        const double want = fmin(fmax(left / 2 + 31.75, 0), 255);
        assert_true(fabs((double)cut.data[3 * i] - want) <= 1.5); /* 8-bit values of steps of 2 pixels */
    }
    ssfer_image_deinit(&cut);
    ssfer_image_deinit(&ramp);
}

static void test_refused(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image images[COUNT];
    ssfer_expressions e;
    make_images(images);
    ssfer_predictor *p = open_predictor(2, 1);
    ssfer_detector *d = open_detector(0.05f);
    const float margins[] = {-0.5f, 4.5f, NAN, INFINITY};
    for (size_t i = 0; i < 4; i++) {
        const ssfer_expression_options o = {.margin = margins[i]};
        CHECK_FAILS(ssfer_predictor_run_faces(p, d, images, 1, &o, &e, &err), SSFER_ERR_ARGUMENT, "margin");
    }
    const ssfer_image some[2] = {images[0], {0}};
    CHECK_FAILS(ssfer_predictor_run_faces(p, d, some, 2, NULL, &e, &err), SSFER_ERR_ARGUMENT, "picture 1 is empty");
    CHECK_FAILS(ssfer_predictor_run_faces(p, NULL, some, 2, NULL, &e, &err), SSFER_ERR_ARGUMENT, "picture 1 is empty");
    assert_null(e.items);
    CHECK_OK(ssfer_predictor_run_faces(p, d, NULL, 0, NULL, &e, &err));
    assert_int_equal(e.count, 0);
    ssfer_expressions_deinit(&e);
    ssfer_expressions_deinit(NULL);
    ssfer_detector_destroy(d);
    ssfer_predictor_destroy(p);
    free_images(images);
}

static void test_no_memory(void **state)
{
    (void)state;
    ssfer_image images[COUNT];
    make_images(images);
    ssfer_predictor *p = open_predictor(2, 1);
    ssfer_detector *d = open_detector(0.2f);
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    while (st != SSFER_OK) {
        ssfer_error err = {0};
        ssfer_expressions e;
        ssfer_memory_fail_at(++n);
        st = ssfer_predictor_run_faces(p, d, images, 1, &(ssfer_expression_options){.align = 1}, &e, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || st == SSFER_ERR_MEMORY);
        assert_true(st == SSFER_OK ? e.count > 0 : !e.items && !e.count && err.message[0]);
        assert_true(n < 1000);
        ssfer_expressions_deinit(&e);
    }
    assert_true(n > 8);
    ssfer_detector_destroy(d);
    ssfer_predictor_destroy(p);
    free_images(images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faces),      cmocka_unit_test(test_no_face), cmocka_unit_test(test_no_keypoints),
        cmocka_unit_test(test_large_face), cmocka_unit_test(test_refused), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
