/* NULL in the functions of include/ssfer: an error for what is required, and no need for an ssfer_error. */
#include "test_support.h"

#include "scratch.h"
#include "small_model.h"
#include "ssfer/predict.h"

#define NETWORK SSFER_TEST_DIR "/golden/yolov7/blocks.pt"
#define PICTURE SSFER_TEST_DIR "/golden/image/png_palette2_trns.png"

static ssfer_detector *detector;
static ssfer_predictor *predictor;
static ssfer_image picture;
static uint8_t pixels[3 * 64 * 64];
static float planes[3 * 64 * 64];

/* Every call takes pointer `null_at` away; with NONE it succeeds, so that it was that pointer which was missed. */
enum { NONE = 99 };
#define P(i, pointer) ((i) == null_at ? NULL : (pointer))

static ssfer_status image_load(unsigned null_at, ssfer_error *err)
{
    ssfer_image out = {0};
    ssfer_status st = ssfer_image_load(P(0, &out), P(1, PICTURE), NULL, err);
    ssfer_image_deinit(&out);
    return st;
}

static ssfer_status image_decode(unsigned null_at, ssfer_error *err)
{
    ssfer_image out = {0};
    unsigned char *bytes;
    size_t size;
    assert_int_equal(ssfer_file_read(&bytes, &size, PICTURE, 1 << 20, NULL), SSFER_OK);
    ssfer_status st = ssfer_image_decode(P(0, &out), P(1, bytes), size, P(2, "x"), NULL, err);
    ssfer_image_deinit(&out);
    ssfer_free(bytes);
    return st;
}

static ssfer_status image_save(unsigned null_at, ssfer_error *err)
{
    return ssfer_image_save(P(0, &picture), P(1, scratch_path("saved.png")), err);
}

static ssfer_status image_create(unsigned null_at, ssfer_error *err)
{
    ssfer_image out = {0};
    ssfer_status st = ssfer_image_create(P(0, &out), 2, 3, err);
    ssfer_image_deinit(&out);
    return st;
}

static ssfer_status image_resize(unsigned null_at, ssfer_error *err)
{
    const ssfer_image undecoded = {.width = 64, .height = 64};
    ssfer_image out = {0};
    ssfer_status st =
        ssfer_image_resize(P(0, &out), P(1, null_at == 2 ? &undecoded : &picture), 5, 7, SSFER_FILTER_BILINEAR, err);
    ssfer_image_deinit(&out);
    return st;
}

static ssfer_status image_resized_crop(unsigned null_at, ssfer_error *err)
{
    const ssfer_image undecoded = {.width = 64, .height = 64};
    ssfer_image out = {0};
    ssfer_status st = ssfer_image_resized_crop(P(0, &out), P(1, null_at == 2 ? &undecoded : &picture), 1, 2, 3, 4, 5, 7,
                                               SSFER_FILTER_BILINEAR, err);
    ssfer_image_deinit(&out);
    return st;
}

static ssfer_status image_crop(unsigned null_at, ssfer_error *err)
{
    const ssfer_image undecoded = {.width = 64, .height = 64};
    ssfer_image out = {0};
    ssfer_status st = ssfer_image_crop(P(0, &out), P(1, null_at == 2 ? &undecoded : &picture), 1, 2, 3, 4, err);
    ssfer_image_deinit(&out);
    return st;
}

static ssfer_status detector_create(unsigned null_at, ssfer_error *err)
{
    ssfer_detector *out = NULL;
    ssfer_status st = ssfer_detector_create(P(0, &out), P(1, NETWORK), NULL, err);
    ssfer_detector_destroy(out);
    return st;
}

static ssfer_status detector_run(unsigned null_at, ssfer_error *err)
{
    ssfer_faces out = {0};
    ssfer_status st = ssfer_detector_run(P(0, detector), P(1, &picture), 1, P(2, &out), err);
    ssfer_faces_deinit(&out);
    return st;
}

static ssfer_status detector_run_pixels(unsigned null_at, ssfer_error *err)
{
    ssfer_faces out = {0};
    ssfer_status st = ssfer_detector_run_pixels(P(0, detector), P(1, pixels), 1, 64, 64, P(2, &out), err);
    ssfer_faces_deinit(&out);
    return st;
}

static ssfer_status detector_run_planes(unsigned null_at, ssfer_error *err)
{
    ssfer_faces out = {0};
    ssfer_status st = ssfer_detector_run_planes(P(0, detector), P(1, planes), 1, 64, 64, NULL, NULL, P(2, &out), err);
    ssfer_faces_deinit(&out);
    return st;
}

static ssfer_status detector_convert(unsigned null_at, ssfer_error *err)
{
    return ssfer_detector_convert(P(0, NETWORK), P(1, scratch_path("d.safetensors")), NULL, err);
}

static ssfer_status predictor_create(unsigned null_at, ssfer_error *err)
{
    ssfer_predictor *out = NULL;
    ssfer_status st = ssfer_predictor_create(P(0, &out), P(1, scratch_path("m.safetensors")), NULL, err);
    ssfer_predictor_destroy(out);
    return st;
}

static ssfer_status predictor_run(unsigned null_at, ssfer_error *err)
{
    return ssfer_predictor_run(P(0, predictor), P(1, &picture), 1, NULL, NULL, err);
}

static ssfer_status predictor_run_faces(unsigned null_at, ssfer_error *err)
{
    ssfer_expressions out = {0};
    ssfer_status st = ssfer_predictor_run_faces(P(0, predictor), NULL, P(1, &picture), 1, NULL, P(2, &out), err);
    ssfer_expressions_deinit(&out);
    return st;
}

#define CALL(name, ...)                                                                                                \
    {                                                                                                                  \
        "ssfer_" #name, name,                                                                                          \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
static const struct {
    const char *name;
    ssfer_status (*call)(unsigned null_at, ssfer_error *err);
    const char *pointers[4];
} calls[] = {
    CALL(image_load, "out", "path"),
    CALL(image_decode, "out", "bytes", "name"),
    CALL(image_save, "image", "path"),
    CALL(image_create, "out"),
    CALL(image_resize, "out", "in", "data"),
    CALL(image_resized_crop, "out", "in", "data"),
    CALL(image_crop, "out", "in", "data"),
    CALL(detector_create, "out", "path"),
    CALL(detector_run, "detector", "images", "out"),
    CALL(detector_run_pixels, "detector", "pixels", "out"),
    CALL(detector_run_planes, "detector", "planes", "out"),
    CALL(detector_convert, "in", "out"),
    CALL(predictor_create, "out", "path"),
    CALL(predictor_run, "predictor", "images"),
    CALL(predictor_run_faces, "predictor", "images", "out"),
};
enum { CALLS = sizeof calls / sizeof *calls };

static void test_required_pointers(void **state)
{
    (void)state;
    for (size_t i = 0; i < CALLS; i++) {
        ssfer_error err = {0};
        CHECK_OK(calls[i].call(NONE, &err));
        assert_int_equal(calls[i].call(NONE, NULL), SSFER_OK);
        for (unsigned k = 0; k < 4 && calls[i].pointers[k]; k++) {
            char text[80];
            snprintf(text, sizeof text, "%s is NULL", calls[i].pointers[k]);
            CHECK_FAILS(calls[i].call(k, &err), SSFER_ERR_ARGUMENT, text);
            assert_true(strncmp(err.message, "ssfer_", 6) == 0);
            assert_int_equal(calls[i].call(k, NULL), SSFER_ERR_ARGUMENT);
        }
    }
}

/* The table has every function of the headers that returns a status. */
static void test_table_is_complete(void **state)
{
    (void)state;
    static const char *const headers[] = {"status.h", "image.h", "detect.h", "predict.h"};
    size_t found = 0;
    for (size_t h = 0; h < sizeof headers / sizeof *headers; h++) {
        unsigned char *bytes;
        size_t size;
        char *path = ssfer_format("%s/../include/ssfer/%s", SSFER_TEST_DIR, headers[h]);
        assert_int_equal(ssfer_file_read(&bytes, &size, path, 1 << 20, NULL), SSFER_OK);
        char *text = ssfer_format("\n%.*s", (int)size, (const char *)bytes);
        for (const char *at = text; (at = strstr(at, "\nssfer_status ssfer_")); found++) {
            size_t known = 0, length = strcspn(at += 14, "(");
            while (known < CALLS && (strncmp(at, calls[known].name, length) != 0 || calls[known].name[length]))
                known++;
            if (known == CALLS)
                fail_msg("%s: %.*s is not called here", headers[h], (int)length, at);
        }
        ssfer_free(text);
        ssfer_free(bytes);
        ssfer_free(path);
    }
    assert_int_equal(found, CALLS);
}

static void test_functions_without_a_status(void **state)
{
    (void)state;
    ssfer_image_deinit(NULL);
    ssfer_image_flip_horizontal(NULL);
    ssfer_image_flip_horizontal(&(ssfer_image){.width = 5, .height = 5});
    ssfer_faces_deinit(NULL);
    ssfer_expressions_deinit(NULL);
    ssfer_detector_destroy(NULL);
    ssfer_predictor_destroy(NULL);
    assert_int_equal(ssfer_detector_recognise(NULL), 0);
    assert_int_equal(ssfer_detector_get_info(NULL).layers, 0);
    assert_int_equal(ssfer_detector_get_times(NULL).pictures, 0);
    assert_int_equal(ssfer_predictor_class_count(NULL), 0);
    assert_int_equal(ssfer_predictor_image_size(NULL), 0);
    assert_null(ssfer_predictor_class_name(NULL, 0));
    assert_non_null(ssfer_predictor_class_name(predictor, SMALL_MODEL_CLASSES - 1));
    assert_null(ssfer_predictor_class_name(predictor, SMALL_MODEL_CLASSES));
    float mean[3] = {1, 1, 1}, std[3] = {1, 1, 1};
    int mean_stated = 1, std_stated = 1;
    ssfer_predictor_normalization(NULL, mean, &mean_stated, std, &std_stated);
    assert_true(mean[0] == 0 && mean[2] == 0 && std[0] == 0 && std[2] == 0 && !mean_stated && !std_stated);
    ssfer_predictor_normalization(predictor, NULL, NULL, std, NULL);
    assert_true(std[0] > 0);
    ssfer_predictor_normalization(predictor, NULL, NULL, NULL, NULL);
}

/* Nothing is to be done with no pictures, wherever they are. */
static void test_no_pictures(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_expressions found;
    ssfer_image out;
    CHECK_OK(ssfer_detector_run(detector, NULL, 0, NULL, &err));
    CHECK_OK(ssfer_detector_run_pixels(detector, NULL, 0, 64, 64, NULL, &err));
    CHECK_OK(ssfer_detector_run_planes(detector, NULL, 0, 64, 64, NULL, NULL, NULL, &err));
    CHECK_OK(ssfer_predictor_run(predictor, NULL, 0, NULL, NULL, &err));
    CHECK_OK(ssfer_predictor_run_faces(predictor, detector, NULL, 0, NULL, &found, &err));
    assert_int_equal(found.count, 0);
    ssfer_expressions_deinit(&found);
    CHECK_FAILS(ssfer_image_decode(&out, NULL, 0, "nothing", NULL, &err), SSFER_ERR_FORMAT, "nothing");
    CHECK_FAILS(ssfer_image_crop(&picture, &picture, 0, 0, 1, 1, &err), SSFER_ERR_ARGUMENT, "itself");
    CHECK_FAILS(ssfer_image_resize(&picture, &picture, 1, 1, SSFER_FILTER_BILINEAR, &err), SSFER_ERR_ARGUMENT,
                "itself");
    assert_non_null(picture.data);
}

/* Every kind of failure with nobody to tell. */
static void test_failures_without_an_error(void **state)
{
    (void)state;
    static const char *const paths[] = {"/nowhere/x",
                                        SSFER_TEST_DIR,
                                        SSFER_TEST_DIR "/golden/io/bad_cycle.pth",
                                        SSFER_TEST_DIR "/golden/io/module.pt",
                                        SSFER_TEST_DIR "/golden/io/native.safetensors",
                                        SSFER_TEST_DIR "/fuzz/corpus/detector/cut.pt",
                                        SSFER_TEST_DIR "/fuzz/corpus/detector/cyclic.pt",
                                        SSFER_TEST_DIR "/fuzz/corpus/detector/unknown.pt",
                                        SSFER_TEST_DIR "/golden/yolov7/blocks.pth"};
    const ssfer_image empty = {0};
    ssfer_detector_options wrong = {.size = 7};
    ssfer_detector *d;
    ssfer_predictor *p;
    ssfer_image image;
    ssfer_faces faces;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        assert_int_not_equal(ssfer_detector_create(&d, paths[i], NULL, NULL), SSFER_OK);
        assert_int_not_equal(ssfer_predictor_create(&p, paths[i], NULL, NULL), SSFER_OK);
        assert_int_not_equal(ssfer_image_load(&image, paths[i], NULL, NULL), SSFER_OK);
        assert_int_not_equal(ssfer_detector_convert(paths[i], scratch_path("x"), NULL, NULL), SSFER_OK);
        assert_int_equal(ssfer_detector_recognise(paths[i]),
                         strstr(paths[i], "unknown.pt") != NULL || strstr(paths[i], "cyclic.pt") != NULL);
        assert_true(!d && !p && !image.data);
    }
    assert_int_equal(ssfer_detector_create(&d, NETWORK, &wrong, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_detector_run(detector, &empty, 1, &faces, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_detector_run_pixels(detector, pixels, 1, 0, 64, &faces, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_predictor_run(predictor, &empty, 1, NULL, NULL, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_save(&empty, scratch_path("x.png"), NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_save(&picture, "/nowhere/x.png", NULL), SSFER_ERR_IO);
    assert_int_equal(ssfer_image_crop(&image, &picture, 60, 0, 10, 10, NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_create(&image, SIZE_MAX, 2, NULL), SSFER_ERR_LIMIT);
}

static int setup(void **state)
{
    ssfer_error err = {0};
    if (scratch_setup(state) != 0)
        return -1;
    write_small_model(scratch_path("m.safetensors"));
    CHECK_OK(ssfer_predictor_create(&predictor, scratch_path("m.safetensors"), NULL, &err));
    CHECK_OK(ssfer_detector_create(&detector, NETWORK, &(ssfer_detector_options){.size = 64}, &err));
    CHECK_OK(ssfer_image_create(&picture, 64, 64, &err));
    memset(picture.data, 100, 3 * 64 * 64);
    return 0;
}

static int teardown(void **state)
{
    ssfer_image_deinit(&picture);
    ssfer_detector_destroy(detector);
    ssfer_predictor_destroy(predictor);
    return scratch_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_required_pointers),          cmocka_unit_test(test_table_is_complete),
        cmocka_unit_test(test_functions_without_a_status), cmocka_unit_test(test_no_pictures),
        cmocka_unit_test(test_failures_without_an_error),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
