/* Decoding against Pillow's pixels, encoding and back, options, limits. */
#include "golden.h"

#include <sys/stat.h>
#include <unistd.h>

static void check_golden(const char *name, bool upright, size_t width, size_t height, uint64_t hash)
{
    char path[512];
    ssfer_image image;
    ssfer_error err = {0};
    ssfer_image_options options = {.apply_exif_orientation = upright};
    snprintf(path, sizeof path, GOLDEN_FOLDER "%s", name);
    if (ssfer_image_load(&image, path, upright ? &options : NULL, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    if (image.width != width || image.height != height || image_hash(&image) != hash)
        fail_msg("%s%s: %zu x %zu, hash %016" PRIx64 ", expected %zu x %zu, %016" PRIx64, name,
                 upright ? " upright" : "", image.width, image.height, image_hash(&image), width, height, hash);
    ssfer_image_deinit(&image);
}

static void test_golden_files(void **state)
{
    (void)state;
    FILE *table = golden_table("codec.txt");
    char name[128];
    size_t w, h, upright_w, upright_h, count = 0;
    uint64_t hash, upright_hash;
    while (fscanf(table, "%127s %zu %zu %" SCNx64 " %zu %zu %" SCNx64, name, &w, &h, &hash, &upright_w, &upright_h,
                  &upright_hash) == 7) {
        check_golden(name, false, w, h, hash);
        check_golden(name, true, upright_w, upright_h, upright_hash);
        count++;
    }
    fclose(table);
    assert_true(count > 50);
}

static void test_encode_and_back(void **state)
{
    (void)state;
    const struct {
        ssfer_image_format format;
        size_t width, height;
    } cases[] = {{SSFER_IMAGE_FORMAT_PNG, 31, 17}, {SSFER_IMAGE_FORMAT_PNG, 1, 1},    {SSFER_IMAGE_FORMAT_WEBP, 31, 17},
                 {SSFER_IMAGE_FORMAT_WEBP, 1, 1},  {SSFER_IMAGE_FORMAT_WEBP, 257, 3}, {SSFER_IMAGE_FORMAT_PNG, 1, 300}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_image image = noise_image(cases[i].width, cases[i].height, false), back;
        uint8_t *bytes, *again;
        size_t size, again_size;
        assert_int_equal(ssfer_image_encode(&bytes, &size, &image, cases[i].format, "x", NULL), SSFER_OK);
        assert_int_equal(ssfer_image_encode(&again, &again_size, &image, cases[i].format, "x", NULL), SSFER_OK);
        assert_int_equal(size, again_size);
        assert_memory_equal(bytes, again, size);
        assert_int_equal(ssfer_image_format_of_bytes(bytes, size), cases[i].format);
        assert_int_equal(ssfer_image_decode(&back, bytes, size, "x", NULL, NULL), SSFER_OK);
        assert_int_equal(back.width, image.width);
        assert_int_equal(image_hash(&back), image_hash(&image));
        ssfer_image_deinit(&back);
        ssfer_image_deinit(&image);
        ssfer_free(bytes);
        ssfer_free(again);
    }
}

/* Quality 95 without chroma subsampling: even single saturated pixels stay near their colour. */
static void test_encode_jpeg(void **state)
{
    (void)state;
    ssfer_image image = noise_image(40, 24, true), back;
    for (size_t i = 0; i < 3 * 40 * 24; i++)
        image.data[i] = (uint8_t)(i / 3 % 8 < 4 ? 200 * (i % 3 == 0) : 200 * (i % 3 == 2));
    uint8_t *bytes;
    size_t size;
    assert_int_equal(ssfer_image_encode(&bytes, &size, &image, SSFER_IMAGE_FORMAT_JPEG, "x", NULL), SSFER_OK);
    assert_int_equal(ssfer_image_decode(&back, bytes, size, "x", NULL, NULL), SSFER_OK);
    for (size_t i = 0; i < 3 * 40 * 24; i++)
        assert_true(abs(back.data[i] - image.data[i]) <= 12); /* measured 8 */
    ssfer_free(bytes);
    ssfer_image_deinit(&image);
    ssfer_image_deinit(&back);
}

static void test_save(void **state)
{
    (void)state;
    const char *names[] = {"save.png", "save.PNG", "save.jpg", "save.JPEG", "save.webp"};
    ssfer_image image = noise_image(9, 5, false), back;
    ssfer_error err = {0};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(ssfer_image_save(&image, names[i], &err), SSFER_OK);
        assert_int_equal(ssfer_image_load(&back, names[i], NULL, &err), SSFER_OK);
        assert_int_equal(back.width, 9);
        ssfer_image_deinit(&back);
        unlink(names[i]);
    }
    assert_refused(ssfer_image_save(&image, "save.gif", &err), SSFER_ERR_ARGUMENT, &err, "save.gif");
    assert_refused(ssfer_image_save(&image, "folder.png/save", &err), SSFER_ERR_ARGUMENT, &err, "folder.png/save");
    assert_refused(ssfer_image_save(&image, "no/such/folder/save.png", &err), SSFER_ERR_IO, &err, "save.png");
    assert_refused(ssfer_image_save(&(ssfer_image){0}, "save.png", &err), SSFER_ERR_ARGUMENT, &err, "save.png");
    ssfer_image_deinit(&image);
    /* wider than a format can hold: refused, and nothing is written */
    image = noise_image(70000, 1, true);
    assert_refused(ssfer_image_save(&image, "wide.jpg", &err), SSFER_ERR_LIMIT, &err, "wide.jpg");
    assert_refused(ssfer_image_save(&image, "wide.webp", &err), SSFER_ERR_LIMIT, &err, "wide.webp");
    assert_false(ssfer_file_exists("wide.jpg") || ssfer_file_exists("wide.webp"));
    ssfer_image_deinit(&image);
}

static void test_load_refuses(void **state)
{
    (void)state;
    ssfer_image image;
    ssfer_error err = {0};
    assert_refused(ssfer_image_load(&image, "no-such-file.png", NULL, &err), SSFER_ERR_IO, &err, "no-such-file.png");
    assert_refused(ssfer_image_load(&image, ".", NULL, &err), SSFER_ERR_IO, &err, ".");
    assert_null(image.data);
    const struct {
        const char *bytes;
        size_t size;
        const char *hint;
    } others[] = {{"", 0, "empty"},
                  {"hello", 5, "not a JPEG"},
                  {"GIF89a\1\0\1\0", 10, "GIF"},
                  {"BM\0\0\0\0", 6, "BMP"},
                  {"RIFF\4\0\0\0WAVEfmt ", 16, "not a JPEG"},
                  {"\0\0\0\x18"
                   "ftypheic",
                   12, "HEIC"},
                  {"\xFF\xD8", 2, "not a JPEG"},
                  {"\xFF\xD8\xFF", 3, "JPEG"},
                  {"\x89PNG\r\n\x1A\n", 8, "PNG"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_refused(ssfer_image_decode(&image, others[i].bytes, others[i].size, "NAME", NULL, &err),
                       SSFER_ERR_FORMAT, &err, "NAME");
        assert_non_null(strstr(err.message, others[i].hint));
    }
    size_t size;
    uint8_t *bytes = golden_bytes("animated.webp", &size);
    assert_refused(ssfer_image_decode(&image, bytes, size, "NAME", NULL, &err), SSFER_ERR_UNSUPPORTED, &err, "NAME");
    ssfer_free(bytes);
}

static void test_pixel_limit(void **state)
{
    (void)state;
    const char *names[] = {"jpeg_420.jpg", "jpeg_cmyk.jpg", "png_rgb8.png", "webp_lossy.webp"};
    for (size_t i = 0; i < 4; i++) {
        size_t size;
        ssfer_image image;
        ssfer_error err = {0};
        uint8_t *bytes = golden_bytes(names[i], &size);
        assert_int_equal(ssfer_image_decode(&image, bytes, size, names[i], NULL, &err), SSFER_OK);
        ssfer_image_options options = {.max_pixels = image.width * image.height};
        ssfer_image_deinit(&image);
        assert_int_equal(ssfer_image_decode(&image, bytes, size, names[i], &options, &err), SSFER_OK);
        ssfer_image_deinit(&image);
        options.max_pixels--;
        assert_refused(ssfer_image_decode(&image, bytes, size, names[i], &options, &err), SSFER_ERR_LIMIT, &err,
                       names[i]);
        assert_null(image.data);
        ssfer_free(bytes);
    }
}

/* A buffer is used again: no new pixels for a picture that fits. */
static void test_decode_into(void **state)
{
    (void)state;
    const char *names[] = {"jpeg_420.jpg", "webp_lossy.webp", "png_gray8.png", "jpeg_gray.jpg"};
    ssfer_image_buffer buffer = {0};
    const uint8_t *first = NULL;
    for (size_t i = 0; i < 4; i++) {
        size_t size;
        ssfer_image image;
        uint8_t *bytes = golden_bytes(names[i], &size);
        assert_int_equal(ssfer_image_decode_into(&buffer, bytes, size, names[i], NULL, NULL), SSFER_OK);
        assert_int_equal(ssfer_image_decode(&image, bytes, size, names[i], NULL, NULL), SSFER_OK);
        assert_int_equal(buffer.image.width, image.width);
        assert_int_equal(image_hash(&buffer.image), image_hash(&image));
        first = first ? first : buffer.image.data;
        assert_ptr_equal(buffer.image.data, first);
        ssfer_image_deinit(&image);
        ssfer_free(bytes);
    }
    assert_int_not_equal(ssfer_image_decode_into(&buffer, "x", 1, "x", NULL, NULL), SSFER_OK);
    ssfer_image_buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_files), cmocka_unit_test(test_encode_and_back), cmocka_unit_test(test_encode_jpeg),
        cmocka_unit_test(test_save),         cmocka_unit_test(test_load_refuses),    cmocka_unit_test(test_pixel_limit),
        cmocka_unit_test(test_decode_into),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
