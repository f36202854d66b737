/* Sizes of the letterbox, OpenCV's resize (hashes made by OpenCV itself), planes, and the way back. */
#include "test_support.h"

#include "image/letterbox.h"

static void check_plan(size_t w, size_t h, size_t size, bool rectangle, const size_t want[6])
{
    ssfer_letterbox b = ssfer_letterbox_plan(w, h, size, 32, rectangle);
    const size_t got[6] = {b.width, b.height, b.resized_width, b.resized_height, b.left, b.top};
    for (int i = 0; i < 6; i++)
        if (got[i] != want[i])
            fail_msg("%zux%zu at %zu: number %d is %zu, wanted %zu", w, h, size, i, got[i], want[i]);
    assert_true(b.left + b.resized_width <= b.width && b.top + b.resized_height <= b.height);
}

static void test_plans(void **state)
{
    (void)state;
    check_plan(1024, 681, 640, false, (const size_t[6]){640, 640, 640, 426, 0, 107});
    check_plan(1024, 681, 640, true, (const size_t[6]){640, 448, 640, 426, 0, 11});
    check_plan(640, 640, 640, true, (const size_t[6]){640, 640, 640, 640, 0, 0});
    check_plan(1, 1, 640, false, (const size_t[6]){640, 640, 640, 640, 0, 0});
    check_plan(1024, 1548, 640, false, (const size_t[6]){640, 640, 423, 640, 108, 0});
    check_plan(20000, 1, 640, false, (const size_t[6]){640, 640, 640, 1, 0, 319}); /* would vanish */
    check_plan(1, 20000, 64, true, (const size_t[6]){32 + 1 - 1, 64, 1, 64, 15, 0});
    check_plan(20000, 20000, 640, false, (const size_t[6]){640, 640, 640, 640, 0, 0});
    check_plan(33, 32, 32, false, (const size_t[6]){32, 32, 32, 31, 0, 0}); /* one row of padding goes below */
}

static uint64_t hash_of(const ssfer_image *image)
{
    uint64_t v = UINT64_C(0xCBF29CE484222325);
    for (size_t i = 0; i < 3 * image->width * image->height; i++)
        v = (v ^ image->data[i]) * UINT64_C(0x100000001B3);
    return v;
}

static void test_resize(void **state)
{
    (void)state;
    FILE *f = fopen(SSFER_TEST_DIR "/golden/yolov7/opencv_resize.txt", "r");
    assert_non_null(f);
    size_t w, h, ow, oh, cases = 0;
    unsigned long long hash;
    while (fscanf(f, "%zu %zu %zu %zu %llx", &w, &h, &ow, &oh, &hash) == 5) {
        ssfer_error err = {0};
        ssfer_image in, out;
        CHECK_OK(ssfer_image_create(&in, w, h, &err));
        noise_bytes(in.data, 3 * w * h, w * 1000 + h);
        CHECK_OK(ssfer_image_resize_opencv(&out, &in, ow, oh, &err));
        if (hash_of(&out) != hash)
            fail_msg("%zux%zu to %zux%zu differs from OpenCV's", w, h, ow, oh);
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&out);
        cases++;
    }
    fclose(f);
    assert_true(cases >= 10);
}

static void test_planes(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image in;
    CHECK_OK(ssfer_image_create(&in, 4, 2, &err));
    noise_bytes(in.data, 24, 5);
    ssfer_letterbox box = ssfer_letterbox_plan(4, 2, 4, 4, false);
    float planes[48];
    CHECK_OK(ssfer_letterbox_planes(planes, &in, &box, &err));
    for (size_t c = 0; c < 3; c++)
        for (size_t y = 0; y < 4; y++)
            for (size_t x = 0; x < 4; x++) {
                bool inside = y >= 1 && y < 3;
                float want = (inside ? (float)in.data[((y - 1) * 4 + x) * 3 + c] : 114.0f) / 255.0f;
                assert_true(planes[(c * 4 + y) * 4 + x] == want);
            }
    ssfer_image_deinit(&in);
}

static void test_way_back(void **state)
{
    (void)state;
    ssfer_letterbox box = ssfer_letterbox_plan(1000, 500, 640, 32, false);
    float points[3][2] = {{320, 320}, {-10, 700}, {640, 160}};
    ssfer_letterbox_back(points[0], 3, 2, &box, 1000, 500, false);
    assert_true(fabsf(points[0][0] - 500) < 1e-3f && fabsf(points[0][1] - 250) < 1e-3f);
    assert_true(points[1][0] < 0 && points[1][1] > 500);
    ssfer_letterbox_back(points[1], 1, 2, &box, 1000, 500, true);
    assert_true(points[1][0] == 0 && points[1][1] >= 0 && points[1][1] <= 500);
}

static void test_failures(void **state)
{
    (void)state;
    ssfer_error err;
    ssfer_image in, out, empty = {0};
    CHECK_OK(ssfer_image_create(&in, 8, 8, &err));
    CHECK_FAILS(ssfer_image_resize_opencv(&out, &empty, 4, 4, &err), SSFER_ERR_ARGUMENT, "0x0");
    for (size_t n = 1; n <= 4; n++) {
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_image_resize_opencv(&out, &in, 4, 4, &err);
        ssfer_memory_fail_at(0);
        assert_int_equal(st, SSFER_ERR_MEMORY);
        assert_null(out.data);
    }
    ssfer_image_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),    cmocka_unit_test(test_resize),   cmocka_unit_test(test_planes),
        cmocka_unit_test(test_way_back), cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
