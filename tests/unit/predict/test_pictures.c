/* Pictures in portions: how many, which ones cannot be read, and that a large one comes alone. */
#include "test_support.h"

#include "predict/pictures.h"
#include "scratch.h"

static const char *save(const char *name, size_t width, size_t height)
{
    ssfer_error err = {0};
    ssfer_image image;
    CHECK_OK(ssfer_image_create(&image, width, height, &err));
    memset(image.data, (int)width & 255, 3 * width * height);
    CHECK_OK(ssfer_image_save(&image, scratch_path(name), &err));
    ssfer_image_deinit(&image);
    return name;
}

static ssfer_dataset *open_set(void)
{
    ssfer_error err = {0};
    ssfer_dataset *set;
    const char *const paths[] = {scratch_path(".")};
    CHECK_OK(ssfer_dataset_open_paths(&set, paths, 1, &(ssfer_dataset_options){.unlabeled = true}, &err));
    return set;
}

/* Each portion as a string: the widths of its pictures, 'x' for one that cannot be read. */
static void describe(char *text, size_t size, const ssfer_dataset *set, size_t most, size_t threads)
{
    ssfer_error err = {0};
    ssfer_pictures *pictures;
    ssfer_portion p;
    size_t at = 0, next = 0;
    CHECK_OK(ssfer_pictures_create(&pictures, set, most, threads, &err));
    CHECK_OK(ssfer_pictures_next(pictures, &p, &err));
    for (; p.count; at += (size_t)snprintf(text + at, size - at, "|")) {
        size_t readable = 0;
        assert_int_equal(p.first, next);
        next += p.count;
        for (size_t i = 0; i < p.count; i++) {
            if (p.errors[i].status != SSFER_OK) {
                at += (size_t)snprintf(text + at, size - at, "x ");
                continue;
            }
            const ssfer_image *image = &p.images[p.place[i]];
            assert_int_equal(p.place[i], readable++);
            assert_int_equal(image->data[0], image->width & 255);
            at += (size_t)snprintf(text + at, size - at, "%zu ", image->width);
        }
        assert_int_equal(p.readable, readable);
        CHECK_OK(ssfer_pictures_next(pictures, &p, &err));
    }
    assert_int_equal(next, ssfer_dataset_count(set));
    ssfer_pictures_destroy(pictures);
}

static void test_portions(void **state)
{
    (void)state;
    char text[128];
    save("a.png", 10, 5);
    save("b.png", 20, 5);
    save("d.png", 6000, 5600); /* 33.6 million pixels */
    save("e.png", 30, 5);
    save("f.png", 40, 5);
    FILE *broken = fopen(scratch_path("c.png"), "wb");
    fputs("no picture", broken);
    fclose(broken);
    ssfer_dataset *set = open_set();
    describe(text, sizeof text, set, 2, 1);
    assert_string_equal(text, "10 20 |x |6000 |30 40 |");
    describe(text, sizeof text, set, 100, 1);
    assert_string_equal(text, "10 20 x |6000 |30 40 |");
    describe(text, sizeof text, set, 100, 5);
    assert_string_equal(text, "10 20 x |6000 |30 40 |");
    ssfer_dataset_close(set);
}

static void test_messages(void **state)
{
    (void)state;
    ssfer_error err = {.status = SSFER_ERR_FORMAT, .message = "a.png: cut off"};
    assert_string_equal(ssfer_picture_message(&err, "a.png"), "cut off");
    assert_string_equal(ssfer_picture_message(&err, "a"), "a.png: cut off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_portions), cmocka_unit_test(test_messages)};
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
