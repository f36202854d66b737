/* Marks on pictures, cards, contact sheets: what must hold whatever the fonts are. */
#include "golden.h"

#include "image/draw.h"

#include <math.h>

static const char *const names[] = {"anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"};
static const float shares[] = {0.01f, 0.02f, 0.07f, 0.7f, 0.1f, 0.06f, 0.04f};
static const ssfer_draw_classes seven = {names, shares, 7};

static ssfer_image plain_image(size_t width, size_t height, uint8_t value)
{
    ssfer_image image;
    assert_int_equal(ssfer_image_create(&image, width, height, NULL), SSFER_OK);
    memset(image.data, value, 3 * width * height);
    return image;
}

/* Pixels that differ from `value` inside the rectangle. */
static size_t count_changed(const ssfer_image *image, uint8_t value, size_t x1, size_t y1, size_t x2, size_t y2)
{
    size_t changed = 0;
    for (size_t y = y1; y < y2; y++)
        for (size_t x = x1; x < x2; x++) {
            const uint8_t *p = image->data + 3 * (y * image->width + x);
            changed += p[0] != value || p[1] != value || p[2] != value;
        }
    return changed;
}

static void test_no_faces(void **state)
{
    (void)state;
    ssfer_image image = noise_image(33, 21, false);
    uint64_t before = image_hash(&image);
    assert_int_equal(ssfer_draw_faces(&image, NULL, 0, NULL), SSFER_OK);
    assert_int_equal(image_hash(&image), before);
    ssfer_image_deinit(&image);
}

/* A bare box: its edge is drawn, the face inside and the rest of the picture stay. */
static void test_box_only(void **state)
{
    (void)state;
    for (int value = 0; value < 256; value += 255) { /* visible on black and on white */
        ssfer_image image = plain_image(400, 300, (uint8_t)value);
        const ssfer_draw_face face = {.box = {100, 80, 220, 230}};
        assert_int_equal(ssfer_draw_faces(&image, &face, 1, NULL), SSFER_OK);
        assert_true(count_changed(&image, (uint8_t)value, 98, 140, 103, 160) >= 40);
        assert_int_equal(count_changed(&image, (uint8_t)value, 110, 90, 210, 220), 0);
        assert_int_equal(count_changed(&image, (uint8_t)value, 0, 0, 90, 300), 0);
        assert_int_equal(count_changed(&image, (uint8_t)value, 230, 0, 400, 300), 0);
        ssfer_image_deinit(&image);
    }
}

static void test_points_and_chart(void **state)
{
    (void)state;
    const float points[] = {40, 50, 70, 50, 55, 65, 45, 80, 65, 80};
    ssfer_image image = plain_image(640, 480, 90), again = plain_image(640, 480, 90);
    const ssfer_draw_face face = {.box = {20, 20, 100, 110}, .points = points, .classes = seven};
    assert_int_equal(ssfer_draw_faces(&image, &face, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_draw_faces(&again, &face, 1, NULL), SSFER_OK);
    assert_int_equal(image_hash(&image), image_hash(&again));
    assert_true(count_changed(&image, 90, 38, 48, 43, 53) > 0);
    assert_true(count_changed(&image, 90, 106, 20, 200, 110) > 500); /* the chart lies to the right */
    assert_int_equal(count_changed(&image, 90, 0, 300, 640, 480), 0);
    ssfer_image_deinit(&image);
    ssfer_image_deinit(&again);
}

/* Whatever a detector or a model says, drawing goes through. */
static void test_odd_faces(void **state)
{
    (void)state;
    const float bad_points[] = {NAN, 1, HUGE_VALF, 2, -1e30f, 3, 1e30f, 4, 5, 5};
    const float bad_shares[] = {NAN, -1, 7, HUGE_VALF, 0, -HUGE_VALF, 1};
    const char *bad_names[] = {"\xFF\xFE",
                               "",
                               "line\nbreak",
                               "\xF0\x9F\x98\x80 grin",
                               "\xC3",
                               "\xED\xA0\x80",
                               "an extraordinarily long name of an expression that nobody will ever find a use for, "
                               "and which goes on, and on, and on, well beyond what any label could ever hold in it, "
                               "until it has become longer than all the buffers through which it has to pass at last"};
    const ssfer_draw_face faces[] = {
        {.box = {NAN, NAN, NAN, NAN}, .classes = seven},
        {.box = {-1e30f, -HUGE_VALF, 1e30f, HUGE_VALF}, .points = bad_points, .classes = seven},
        {.box = {50, 50, 10, 10}, .classes = {bad_names, bad_shares, 7}},
        {.box = {5, 5, 5, 5}, .label = bad_names[6]},
        {.box = {900, 900, 950, 950}, .label = ""},
    };
    const size_t sizes[][2] = {{1, 1}, {2, 50}, {64, 3}, {48, 48}, {300, 200}, {2000, 30}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ssfer_error err = {0};
        ssfer_image image = plain_image(sizes[i][0], sizes[i][1], 128);
        for (size_t k = 0; k < 5; k++)
            if (ssfer_draw_faces(&image, &faces[k], 1, &err) != SSFER_OK)
                fail_msg("%zu x %zu, face %zu: %s", sizes[i][0], sizes[i][1], k, err.message);
        assert_int_equal(ssfer_draw_faces(&image, faces, 5, &err), SSFER_OK);
        ssfer_image_deinit(&image);
    }
}

static void test_crowd(void **state)
{
    (void)state;
    enum { N = 200 };
    ssfer_draw_face faces[N];
    ssfer_image image = plain_image(800, 600, 128);
    for (int i = 0; i < N; i++) {
        float x = 40.0f * (float)(i % 20), y = 60.0f * (float)(i / 20);
        faces[i] = (ssfer_draw_face){.box = {x, y, x + 30, y + 30}, .classes = seven};
    }
    assert_int_equal(ssfer_draw_faces(&image, faces, N, NULL), SSFER_OK);
    ssfer_image_deinit(&image);
}

static void test_card(void **state)
{
    (void)state;
    ssfer_image card, picture = noise_image(48, 60, true), long_picture = noise_image(500, 3, true);
    assert_int_equal(ssfer_draw_card(&card, &picture, "a.png", "fear", seven, 0, NULL), SSFER_OK);
    assert_int_equal(card.height, 360);
    assert_int_equal(card.width, 793);
    ssfer_image_deinit(&card);
    assert_int_equal(ssfer_draw_card(&card, &long_picture, NULL, NULL, (ssfer_draw_classes){0}, 40, NULL), SSFER_OK);
    assert_int_equal(card.height, 40);
    ssfer_image_deinit(&card);
    assert_int_equal(ssfer_draw_card(&card, &picture, NULL, NULL, seven, 1, NULL), SSFER_OK);
    ssfer_image_deinit(&card);
    ssfer_error err = {0};
    assert_int_equal(ssfer_draw_card(&card, &picture, NULL, NULL, seven, 1 << 20, &err), SSFER_ERR_LIMIT);
    assert_null(card.data);
    ssfer_image_deinit(&picture);
    ssfer_image_deinit(&long_picture);
}

static void test_sheet(void **state)
{
    (void)state;
    const char *columns[] = {"one", "two"};
    ssfer_error err = {0};
    ssfer_image sheet, wider, picture = noise_image(20, 10, false);
    ssfer_draw_cell cells[5] = {{.image = &picture, .caption = "a", .note = "b", .mark = SSFER_DRAW_MARK_GOOD},
                                {.image = &picture, .mark = SSFER_DRAW_MARK_BAD},
                                {.image = NULL, .caption = "nothing"},
                                {.image = &picture},
                                {.image = &picture}};
    ssfer_draw_sheet_options options = {.title = "T", .column_names = columns, .columns = 2, .cell = 64};
    assert_int_equal(ssfer_draw_sheet(&sheet, cells, 5, &options, &err), SSFER_OK);
    assert_true(sheet.width >= 2 * 64 && sheet.width < 4 * 64 && sheet.height > 3 * 64);
    options = (ssfer_draw_sheet_options){.columns = 5, .cell = 64};
    assert_int_equal(ssfer_draw_sheet(&wider, cells, 5, &options, &err), SSFER_OK);
    assert_true(wider.width > sheet.width && wider.height < sheet.height);
    ssfer_image_deinit(&sheet);
    ssfer_image_deinit(&wider);
    assert_int_equal(ssfer_draw_sheet(&sheet, cells, 0, &options, &err), SSFER_ERR_ARGUMENT);
    options.cell = 1 << 20;
    assert_int_equal(ssfer_draw_sheet(&sheet, cells, 5, &options, &err), SSFER_ERR_LIMIT);
    assert_null(sheet.data);
    ssfer_image_deinit(&picture);
}

static void test_too_large(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image image = plain_image(40000, 1, 7);
    const ssfer_draw_face face = {.box = {0, 0, 1, 1}};
    assert_int_equal(ssfer_draw_faces(&image, &face, 1, &err), SSFER_ERR_LIMIT);
    assert_int_equal(count_changed(&image, 7, 0, 0, 40000, 1), 0);
    ssfer_image_deinit(&image);
}

static void test_without_memory(void **state)
{
    (void)state;
    ssfer_image picture = noise_image(48, 48, true), out;
    const ssfer_draw_cell cell = {.image = &picture};
    const ssfer_draw_face face = {.box = {5, 5, 40, 40}, .classes = seven};
    const ssfer_draw_sheet_options options = {0};
    for (int kind = 0; kind < 3; kind++) {
        ssfer_status st = SSFER_ERR_MEMORY;
        size_t failures = 0;
        for (size_t n = 1; st != SSFER_OK; n++) {
            ssfer_error err = {0};
            out = (ssfer_image){0};
            ssfer_memory_fail_at(n);
            st = kind == 0   ? ssfer_draw_faces(&picture, &face, 1, &err)
                 : kind == 1 ? ssfer_draw_card(&out, &picture, "t", NULL, seven, 0, &err)
                             : ssfer_draw_sheet(&out, &cell, 1, &options, &err);
            ssfer_memory_fail_at(0);
            assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && !out.data && err.message[0]));
            failures += st != SSFER_OK;
        }
        assert_true(failures > 0);
        ssfer_image_deinit(&out);
    }
    ssfer_image_deinit(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_faces),  cmocka_unit_test(test_box_only),  cmocka_unit_test(test_points_and_chart),
        cmocka_unit_test(test_odd_faces), cmocka_unit_test(test_crowd),     cmocka_unit_test(test_card),
        cmocka_unit_test(test_sheet),     cmocka_unit_test(test_too_large), cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
