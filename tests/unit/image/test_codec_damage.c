/* Damaged files: cut at every length, every byte changed, sizes that lie, no memory. */
#include "golden.h"

/* One of each kind of data; none with trailing chunks, which may be lost without loss of pixels. */
static const char *const samples[] = {
    "jpeg_420.jpg",          "jpeg_gray.jpg",   "jpeg_progressive.jpg", "jpeg_restart.jpg",
    "jpeg_cmyk.jpg",         "png_rgb8.png",    "png_gray16.png",       "png_rgba8_interlaced.png",
    "png_palette2_trns.png", "webp_lossy.webp", "webp_lossless.webp",   "webp_alpha_lossy.webp"};
enum { SAMPLES = sizeof samples / sizeof *samples };

static void test_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size;
        uint8_t *whole = golden_bytes(samples[i], &size);
        for (size_t length = 0; length < size; length++) {
            ssfer_image image;
            ssfer_error err = {0};
            uint8_t *bytes = ssfer_malloc(length); /* exactly as long, so that a sanitizer sees the first byte beyond */
            memcpy(bytes, whole, length);
            assert_refused(ssfer_image_decode(&image, bytes, length, samples[i], NULL, &err), SSFER_ERR_FORMAT, &err,
                           samples[i]);
            assert_null(image.data);
            ssfer_free(bytes);
        }
        ssfer_free(whole);
    }
}

static void test_trailing_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        size_t size;
        ssfer_image plain, longer;
        uint8_t *whole = golden_bytes(samples[i], &size), *bytes = ssfer_malloc(size + 1000);
        memcpy(bytes, whole, size);
        memset(bytes + size, 0xA5, 1000);
        assert_int_equal(ssfer_image_decode(&plain, whole, size, samples[i], NULL, NULL), SSFER_OK);
        assert_int_equal(ssfer_image_decode(&longer, bytes, size + 1000, samples[i], NULL, NULL), SSFER_OK);
        assert_int_equal(image_hash(&plain), image_hash(&longer));
        ssfer_image_deinit(&plain);
        ssfer_image_deinit(&longer);
        ssfer_free(whole);
        ssfer_free(bytes);
    }
}

/* Whatever a byte becomes: a picture or a refusal, never anything else. */
static void test_changed_bytes(void **state)
{
    (void)state;
    const ssfer_image_options options = {.apply_exif_orientation = 1, .max_pixels = 1 << 20};
    const char *more[] = {"exif_6.jpg", "exif_6.png", "exif_8.webp"};
    for (size_t i = 0; i < SAMPLES + 3; i++) {
        size_t size;
        const char *name = i < SAMPLES ? samples[i] : more[i - SAMPLES];
        uint8_t *bytes = golden_bytes(name, &size);
        for (size_t at = 0; at < size; at++)
            for (int k = 0; k < 3; k++) {
                ssfer_image image;
                ssfer_error err = {0};
                uint8_t kept = bytes[at];
                bytes[at] = k == 0 ? 0 : k == 1 ? 0xFF : kept ^ 0x55;
                ssfer_status st = ssfer_image_decode(&image, bytes, size, name, &options, &err);
                if (st != SSFER_OK) {
                    assert_null(image.data);
                    assert_refused(st, err.status, &err, name);
                }
                ssfer_image_deinit(&image);
                bytes[at] = kept;
            }
        ssfer_free(bytes);
    }
}

static uint32_t crc32_of(const uint8_t *p, size_t n)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void put_big(uint8_t *p, size_t bytes, uint32_t value)
{
    for (size_t i = 0; i < bytes; i++)
        p[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

static void set_png_size(uint8_t *bytes, uint32_t width, uint32_t height)
{
    put_big(bytes + 16, 4, width);
    put_big(bytes + 20, 4, height);
    put_big(bytes + 29, 4, crc32_of(bytes + 12, 17));
}

/* The frame header of a baseline or progressive JPEG: FF C0/C2, length, precision, height, width. */
static void set_jpeg_size(uint8_t *bytes, size_t size, uint32_t width, uint32_t height)
{
    for (size_t at = 2; at + 9 < size; at += 2 + ((size_t)bytes[at + 2] << 8 | bytes[at + 3]))
        if (bytes[at + 1] == 0xC0 || bytes[at + 1] == 0xC2) {
            put_big(bytes + at + 5, 2, height);
            put_big(bytes + at + 7, 2, width);
            return;
        }
    fail();
}

/* A small file that declares an enormous picture is refused before its pixels are allocated. */
static void test_lying_sizes(void **state)
{
    (void)state;
    const struct {
        const char *name;
        uint32_t width, height;
        ssfer_status want;
    } cases[] = {
        {"png_rgb8.png", 20000, 20000, SSFER_ERR_LIMIT},
        {"png_rgb8.png", 0x7FFFFFFF, 0x7FFFFFFF, SSFER_ERR_LIMIT},
        {"png_rgb8.png", 1 << 21, 1, SSFER_ERR_LIMIT},
        {"png_rgb8.png", 1, 1 << 21, SSFER_ERR_LIMIT},
        {"png_rgb8.png", 16000, 16000, SSFER_ERR_FORMAT},
        {"png_rgb8.png", 0, 5, SSFER_ERR_FORMAT},
        {"png_palette1.png", 16000, 16000, SSFER_ERR_FORMAT},
        {"jpeg_420.jpg", 65000, 65000, SSFER_ERR_LIMIT},
        {"jpeg_420.jpg", 16000, 16000, SSFER_ERR_FORMAT},
        {"jpeg_420.jpg", 65535, 1, SSFER_ERR_FORMAT},
        {"jpeg_progressive.jpg", 60000, 60000, SSFER_ERR_LIMIT},
        {"jpeg_progressive.jpg", 16000, 16000, SSFER_ERR_FORMAT},
        {"jpeg_gray.jpg", 0, 9, SSFER_ERR_FORMAT},
        {"jpeg_gray.jpg", 9, 0, SSFER_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        ssfer_image image;
        ssfer_error err = {0};
        uint8_t *bytes = golden_bytes(cases[i].name, &size);
        if (cases[i].name[0] == 'p')
            set_png_size(bytes, cases[i].width, cases[i].height);
        else
            set_jpeg_size(bytes, size, cases[i].width, cases[i].height);
        assert_refused(ssfer_image_decode(&image, bytes, size, cases[i].name, NULL, &err), cases[i].want, &err,
                       cases[i].name);
        ssfer_free(bytes);
    }
}

static void test_decode_without_memory(void **state)
{
    (void)state;
    const ssfer_image_options options = {.apply_exif_orientation = 1};
    const char *names[] = {"exif_6.jpg", "jpeg_cmyk.jpg", "exif_6.png", "png_palette8_interlaced.png", "exif_8.webp"};
    for (size_t i = 0; i < 5; i++) {
        size_t size, failures = 0;
        uint8_t *bytes = golden_bytes(names[i], &size);
        ssfer_image image;
        ssfer_error err = {0};
        for (size_t n = 1;; n++) {
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_image_decode(&image, bytes, size, names[i], &options, &err);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK)
                break;
            assert_refused(st, SSFER_ERR_MEMORY, &err, names[i]);
            assert_null(image.data);
            failures++;
        }
        assert_true(failures > 0);
        ssfer_image_deinit(&image);
        ssfer_free(bytes);
    }
}

static void test_encode_without_memory(void **state)
{
    (void)state;
    ssfer_image image = noise_image(64, 48, false);
    for (int format = SSFER_IMAGE_FORMAT_JPEG; format <= SSFER_IMAGE_FORMAT_WEBP; format++) {
        size_t failures = 0, size;
        uint8_t *bytes;
        ssfer_error err = {0};
        for (size_t n = 1;; n++) {
            ssfer_memory_fail_at(n);
            ssfer_status st = ssfer_image_encode(&bytes, &size, &image, (ssfer_image_format)format, "NAME", &err);
            ssfer_memory_fail_at(0);
            if (st == SSFER_OK)
                break;
            assert_refused(st, SSFER_ERR_MEMORY, &err, "NAME");
            assert_null(bytes);
            failures++;
        }
        assert_true(failures > 0);
        ssfer_free(bytes);
    }
    ssfer_image_deinit(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_trailing_bytes),
        cmocka_unit_test(test_changed_bytes),
        cmocka_unit_test(test_lying_sizes),
        cmocka_unit_test(test_decode_without_memory),
        cmocka_unit_test(test_encode_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
