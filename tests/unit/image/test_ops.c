/* RandAugment's operations against Pillow's results. */
#include "golden.h"
#include "point_number.h"

#include "base/rng.h"
#include "image/affine.h"
#include "image/ops.h"

#include <math.h>

static const uint8_t fill_colour[3] = {150, 117, 103};

static ssfer_image half_range_noise(size_t width, size_t height)
{
    ssfer_image image = noise_image(width, height, false);
    for (size_t i = 0; i < 3 * width * height; i++)
        image.data[i] = (uint8_t)(image.data[i] / 2 + 31);
    return image;
}

static void test_golden_ops(void **state)
{
    (void)state;
    FILE *table = golden_table("ops.txt");
    size_t width, height, count = 0;
    char name[32], number[32];
    uint64_t hash;
    while (fscanf(table, "%zu %zu %31s %31s %" SCNx64, &width, &height, name, number, &hash) == 5) {
        const ssfer_op *op = ssfer_op_find(name);
        const double argument = point_number(number);
        assert_non_null(op);
        ssfer_image image = half_range_noise(width, height);
        uint8_t *scratch = ssfer_malloc(3 * width * height); /* a sanitizer sees any byte beyond */
        ssfer_op_apply(op, &image, scratch, argument, fill_colour);
        if (image_hash(&image) != hash)
            fail_msg("%zu x %zu %s %g differs from Pillow", width, height, name, argument);
        ssfer_free(scratch);
        ssfer_image_deinit(&image);
        count++;
    }
    fclose(table);
    assert_true(count > 200);
}

static double cubic(const double v[4], double t)
{
    return v[1] + t * ((v[2] - v[0]) + t * ((2.0 * (v[0] - v[1]) + v[2] - v[3]) + t * (v[1] - v[0] + v[3] - v[2])));
}

static size_t clamped_index(double i, size_t length)
{
    return i < 0.0 ? 0 : i >= (double)length ? length - 1 : (size_t)i;
}

/* One channel of one output pixel, as Pillow's source says it. */
static uint8_t plain_affine(const ssfer_image *in, const ssfer_affine *m, size_t x, size_t y, size_t c)
{
    const double px = (double)x + 0.5, py = (double)y + 0.5;
    const double sx = m->a * px + m->b * py + m->c, sy = m->d * px + m->e * py + m->f;
    if (!(sx >= 0.0 && sx < (double)in->width && sy >= 0.0 && sy < (double)in->height))
        return fill_colour[c];
    const double left = floor(sx - 0.5), top = floor(sy - 0.5);
    double columns[4], rows[4];
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++)
            columns[i] = in->data[3 * (clamped_index(top - 1 + j, in->height) * in->width +
                                       clamped_index(left - 1 + i, in->width)) +
                                  c];
        rows[j] = cubic(columns, sx - 0.5 - left);
    }
    const double v = cubic(rows, sy - 0.5 - top);
    return (uint8_t)(v <= 0.0 ? 0.0 : v >= 255.0 ? 255.0 : v);
}

/* Whatever the processor: each pixel as the plain formula gives it, overshoots of hard edges among them. */
static void test_affine(void **state)
{
    (void)state;
    const size_t width = 61, height = 47;
    ssfer_rng rng = ssfer_rng_stream(7, 0, 0, 0, SSFER_RNG_AUGMENT);
    uint8_t *scratch = ssfer_malloc(3 * width * height);
    for (int round = 0; round < 24; round++) {
        ssfer_image in = noise_image(width, height, false), out = noise_image(width, height, false);
        ssfer_affine m = {ssfer_rng_range(&rng, -1.5, 1.5), ssfer_rng_range(&rng, -1.0, 1.0),
                          ssfer_rng_range(&rng, -20, 60),   ssfer_rng_range(&rng, -1.0, 1.0),
                          ssfer_rng_range(&rng, -1.5, 1.5), ssfer_rng_range(&rng, -20, 40)};
        if (round % 3 == 0) /* no fraction along one axis */
            m = (ssfer_affine){1.0, round % 2 ? m.b : 0.0, round % 2 ? 0.0 : m.c, 0.0, 1.0, round % 2 ? 0.0 : 5.0};
        ssfer_affine_apply(&out, scratch, m, fill_colour);
        for (size_t i = 0; i < 3 * width * height; i++)
            assert_int_equal(out.data[i], plain_affine(&in, &m, i / 3 % width, i / 3 / width, i % 3));
        ssfer_image_deinit(&in);
        ssfer_image_deinit(&out);
    }
    ssfer_free(scratch);
}

/* Whatever the argument: no crash, no pixel outside, and NaN changes nothing. */
static void test_wild_arguments(void **state)
{
    (void)state;
    const double arguments[] = {-1e300, -300, -1, -0.0, 1e-300, 17.5, 1e5, 1e300, HUGE_VAL, -HUGE_VAL};
    for (size_t i = 0; ssfer_op_at(i); i++) {
        ssfer_image image = half_range_noise(13, 8);
        uint8_t *scratch = ssfer_malloc(3 * 13 * 8);
        uint64_t before = image_hash(&image);
        ssfer_op_apply(ssfer_op_at(i), &image, scratch, NAN, fill_colour);
        assert_int_equal(image_hash(&image), before);
        for (size_t k = 0; k < sizeof arguments / sizeof *arguments; k++)
            ssfer_op_apply(ssfer_op_at(i), &image, scratch, arguments[k], fill_colour);
        ssfer_free(scratch);
        ssfer_image_deinit(&image);
    }
}

/* Names are unique and found; magnitude 0 of a signed operation is "as it was". */
static void test_table(void **state)
{
    (void)state;
    size_t count = 0;
    for (const ssfer_op *op; (op = ssfer_op_at(count)); count++) {
        assert_ptr_equal(ssfer_op_find(op->name), op);
        double plus = ssfer_op_argument(op, 7.0, false), minus = ssfer_op_argument(op, 7.0, true);
        assert_int_equal(plus != minus, op->is_signed);
    }
    assert_int_equal(count, 21);
    assert_null(ssfer_op_find("Nothing"));
    assert_null(ssfer_op_find(""));
    assert_true(ssfer_op_argument(ssfer_op_find("Rotate"), 9.0, true) == -27.0);
    assert_true(ssfer_op_argument(ssfer_op_find("Posterize"), 5.3, false) == 2.0);
    assert_true(ssfer_op_argument(ssfer_op_find("Solarize"), 10.0, false) == 256.0);
    assert_true(ssfer_op_argument(ssfer_op_find("Color"), 10.0, true) == 1.9000000000000001);
    assert_true(ssfer_op_argument(ssfer_op_find("ColorIncreasing"), 0.0, true) == 1.0);
    assert_true(ssfer_op_argument(ssfer_op_find("Rotate"), 20.0, false) == 30.0);
    assert_true(ssfer_op_argument_up_to(ssfer_op_find("Rotate"), 20.0, 15.0, false) == 45.0);
    assert_true(ssfer_op_argument_up_to(ssfer_op_find("Rotate"), 1e9, 1e9, false) == 300.0);
    assert_true(ssfer_op_argument_up_to(ssfer_op_find("PosterizeIncreasing"), 20.0, 30.0, false) == -4.0);
    assert_true(ssfer_op_argument(ssfer_op_find("SolarizeAdd"), 10.0, false) == 110.0);
    assert_true(ssfer_op_argument_up_to(ssfer_op_find("SolarizeAdd"), 20.0, 30.0, false) == 128.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_ops),
        cmocka_unit_test(test_affine),
        cmocka_unit_test(test_wild_arguments),
        cmocka_unit_test(test_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
