/* Resizing against Pillow's results, and the small geometric operations. */
#include "golden.h"

#include "image/resample.h"

static const char *const filter_names[] = {"nearest", "bilinear", "bicubic", "lanczos"};

static int find_filter(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (strcmp(name, filter_names[i]) == 0)
            return i;
    fail_msg("unknown filter %s", name);
    return 0;
}

/* Each case by both interfaces; the resampler is carried from case to case, as a loader does. */
static void test_golden_resizes(void **state)
{
    (void)state;
    FILE *table = golden_table("resample.txt");
    ssfer_resampler resampler = {0};
    size_t w, h, left, top, pw, ph, ow, oh, count = 0;
    int gray;
    char filter[16];
    uint64_t hash;
    while (fscanf(table, "%zu %zu %d %zu %zu %zu %zu %15s %zu %zu %" SCNx64, &w, &h, &gray, &left, &top, &pw, &ph,
                  filter, &ow, &oh, &hash) == 11) {
        enum { GUARD = 64 };
        ssfer_image in = noise_image(w, h, gray), out;
        ssfer_filter f = (ssfer_filter)find_filter(filter);
        size_t bytes = 3 * ow * oh;
        assert_int_equal(ssfer_image_resized_crop(&out, &in, left, top, pw, ph, ow, oh, f, NULL), SSFER_OK);
        if (image_hash(&out) != hash)
            fail_msg("%zu x %zu part %zu %zu %zu %zu %s to %zu x %zu differs from Pillow", w, h, left, top, pw, ph,
                     filter, ow, oh);
        uint8_t *again = ssfer_malloc(bytes + 2 * GUARD);
        memset(again, 0x5A, bytes + 2 * GUARD);
        assert_int_equal(ssfer_resample(&resampler, again + GUARD, ow, oh, &in, left, top, pw, ph, f, NULL), SSFER_OK);
        assert_memory_equal(again + GUARD, out.data, bytes);
        for (size_t i = 0; i < GUARD; i++)
            assert_true(again[i] == 0x5A && again[GUARD + bytes + i] == 0x5A);
        ssfer_free(again);
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&out);
        count++;
    }
    fclose(table);
    ssfer_resampler_deinit(&resampler);
    assert_true(count > 300);
}

static void test_resampler_stops_allocating(void **state)
{
    (void)state;
    ssfer_resampler resampler = {0};
    ssfer_image in = noise_image(48, 40, false);
    uint8_t *out = ssfer_malloc(3 * 64 * 64);
    for (int pass = 0; pass < 2; pass++) {
        ssfer_memory_fail_at(0);
        for (size_t part = 9; part <= 40; part++)
            for (int f = 0; f < 4; f++)
                assert_int_equal(
                    ssfer_resample(&resampler, out, 64, 64, &in, 0, 0, 49 - part, part, (ssfer_filter)f, NULL),
                    SSFER_OK);
        size_t made = ssfer_memory_fail_at(0);
        assert_true(pass == 0 ? made > 0 : made == 0);
    }
    ssfer_free(out);
    ssfer_image_deinit(&in);
    ssfer_resampler_deinit(&resampler);
}

static void test_resize_refuses(void **state)
{
    (void)state;
    ssfer_image in = noise_image(10, 8, false), out;
    ssfer_error err = {0};
    const struct {
        size_t left, top, w, h, width, height;
    } cases[] = {{0, 0, 10, 8, 0, 5}, {0, 0, 10, 8, 5, 0},       {0, 0, 0, 8, 5, 5},
                 {0, 0, 10, 0, 5, 5}, {1, 0, 10, 8, 5, 5},       {0, 1, 10, 8, 5, 5},
                 {0, 0, 11, 8, 5, 5}, {SIZE_MAX, 0, 2, 2, 5, 5}, {0, SIZE_MAX - 1, 2, 2, 5, 5},
                 {10, 0, 1, 1, 5, 5}, {0, 0, SIZE_MAX, 1, 5, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ssfer_image_resized_crop(&out, &in, cases[i].left, cases[i].top, cases[i].w, cases[i].h,
                                                  cases[i].width, cases[i].height, SSFER_FILTER_BILINEAR, &err),
                         SSFER_ERR_ARGUMENT);
        assert_null(out.data);
        assert_true(err.message[0]);
    }
    assert_int_equal(ssfer_image_resize(&out, &in, 5, 5, (ssfer_filter)9, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_resize(&out, &in, SIZE_MAX / 2, 5, SSFER_FILTER_BICUBIC, &err), SSFER_ERR_LIMIT);
    assert_int_equal(ssfer_image_crop(&out, &in, 3, 3, 8, 2, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_crop(&out, &in, 3, 3, 0, 2, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_create(&out, 0, 3, &err), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_image_create(&out, SIZE_MAX, 3, &err), SSFER_ERR_LIMIT);
    ssfer_image_deinit(&in);
}

static void test_resize_without_memory(void **state)
{
    (void)state;
    for (int gray = 0; gray < 2; gray++) {
        ssfer_image in = noise_image(30, 20, gray), out;
        size_t failures = 0;
        for (size_t n = 1;; n++) {
            ssfer_error err = {0};
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_image_resize(&out, &in, 17, 33, SSFER_FILTER_LANCZOS, &err);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK)
                break;
            assert_int_equal(st, SSFER_ERR_MEMORY);
            assert_null(out.data);
            failures++;
        }
        assert_int_equal(failures, 8); /* pixels, three tables an axis, scratch */
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&out);
    }
}

static void test_crop_and_flip(void **state)
{
    (void)state;
    ssfer_image in = noise_image(7, 5, false), part;
    assert_int_equal(ssfer_image_crop(&part, &in, 2, 1, 4, 3, NULL), SSFER_OK);
    for (size_t y = 0; y < 3; y++)
        assert_memory_equal(part.data + 12 * y, in.data + 3 * ((y + 1) * 7 + 2), 12);
    ssfer_image_deinit(&part);
    for (size_t width = 1; width < 8; width++) { /* odd widths have a middle column */
        assert_int_equal(ssfer_image_crop(&part, &in, 0, 0, width, 5, NULL), SSFER_OK);
        ssfer_image_flip_horizontal(&part);
        for (size_t y = 0; y < 5; y++)
            for (size_t x = 0; x < width; x++)
                assert_memory_equal(part.data + 3 * (y * width + x), in.data + 3 * (y * 7 + width - 1 - x), 3);
        ssfer_image_deinit(&part);
    }
    ssfer_image_deinit(&in);
    ssfer_image_deinit(&in); /* twice is fine */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_resizes), cmocka_unit_test(test_resampler_stops_allocating),
        cmocka_unit_test(test_resize_refuses), cmocka_unit_test(test_resize_without_memory),
        cmocka_unit_test(test_crop_and_flip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
