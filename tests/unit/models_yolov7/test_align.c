/* Similarity transforms, warping, square crops and upright faces. */
#include "test_support.h"

#include "image/align.h"

static void apply(double out[2], const ssfer_affine *a, const double p[2])
{
    out[0] = a->m[0] * p[0] + a->m[1] * p[1] + a->m[2];
    out[1] = a->m[3] * p[0] + a->m[4] * p[1] + a->m[5];
}

static const double points[5][2] = {{1, 2}, {7, 1}, {4, 5}, {2, 9}, {6, 8}};

static void test_fit_is_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 8; i++) {
        double angle = 0.9 * i, scale = 0.3 + i, moved[5][2], got[2];
        ssfer_affine a, want = {{scale * cos(angle), -scale * sin(angle), 3.5 * i, scale * sin(angle),
                                 scale * cos(angle), -20.0 + i}};
        for (int k = 0; k < 5; k++)
            apply(moved[k], &want, points[k]);
        assert_true(ssfer_similarity_fit(&a, points, (const double(*)[2])moved, 5));
        for (int k = 0; k < 6; k++)
            assert_true(fabs(a.m[k] - want.m[k]) < 1e-9);
        ssfer_affine back;
        assert_true(ssfer_affine_invert(&back, &a));
        apply(got, &back, moved[2]);
        assert_true(fabs(got[0] - points[2][0]) < 1e-9 && fabs(got[1] - points[2][1]) < 1e-9);
    }
}

static double squared_error(const ssfer_affine *a, const double (*to)[2])
{
    double sum = 0, got[2];
    for (int k = 0; k < 5; k++) {
        apply(got, a, points[k]);
        sum += (got[0] - to[k][0]) * (got[0] - to[k][0]) + (got[1] - to[k][1]) * (got[1] - to[k][1]);
    }
    return sum;
}

/* No similarity nearby does better: the fit is the least-squares one. */
static void test_fit_is_best(void **state)
{
    (void)state;
    uint64_t noise = 4;
    double to[5][2];
    ssfer_affine best;
    for (int k = 0; k < 5; k++)
        for (int c = 0; c < 2; c++)
            to[k][c] = 3 * points[k][1 - c] + (double)noise_float(&noise); /* mirrored and disturbed */
    assert_true(ssfer_similarity_fit(&best, points, (const double(*)[2])to, 5));
    assert_true(best.m[0] == best.m[4] && best.m[1] == -best.m[3]); /* never mirrors */
    double least = squared_error(&best, (const double(*)[2])to);
    for (int i = 0; i < 200; i++) {
        ssfer_affine a = best;
        double ds = 0.01 * (double)noise_float(&noise), dr = 0.01 * (double)noise_float(&noise);
        a.m[0] += ds;
        a.m[4] += ds;
        a.m[1] += dr;
        a.m[3] -= dr;
        a.m[2] += 0.01 * (double)noise_float(&noise);
        a.m[5] += 0.01 * (double)noise_float(&noise);
        assert_true(squared_error(&a, (const double(*)[2])to) >= least);
    }
}

static void test_no_fit(void **state)
{
    (void)state;
    const double same[3][2] = {{2, 2}, {2, 2}, {2, 2}}, bad[2][2] = {{0, 0}, {NAN, 1}}, two[2][2] = {{0, 0}, {1, 1}};
    ssfer_affine a;
    assert_false(ssfer_similarity_fit(&a, same, points, 3));
    assert_false(ssfer_similarity_fit(&a, points, same, 3)); /* everything into one point: not invertible */
    assert_false(ssfer_similarity_fit(&a, bad, two, 2));
    assert_false(ssfer_similarity_fit(&a, two, bad, 2));
    assert_false(ssfer_similarity_fit(&a, two, two, 1));
    assert_true(ssfer_similarity_fit(&a, two, two, 2));
    assert_false(ssfer_affine_invert(&a, &(ssfer_affine){{0}}));
}

static ssfer_image noise_image(size_t w, size_t h)
{
    ssfer_error err = {0};
    ssfer_image image;
    CHECK_OK(ssfer_image_create(&image, w, h, &err));
    noise_bytes(image.data, 3 * w * h, w + h);
    return image;
}

static void test_warp(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image in = noise_image(13, 9), out;
    const ssfer_affine same = {{1, 0, 0, 0, 1, 0}}, moved = {{1, 0, 3, 0, 1, -2}}, turned = {{0, 1, 0, -1, 0, 9}};
    CHECK_OK(ssfer_image_warp(&out, &in, &same, 13, 9, &err));
    assert_memory_equal(out.data, in.data, 3 * 13 * 9);
    ssfer_image_deinit(&out);
    CHECK_OK(ssfer_image_warp(&out, &in, &moved, 13, 9, &err)); /* beyond the border its pixels repeat */
    for (long y = 0; y < 9; y++)
        for (long x = 0; x < 13; x++) {
            long sx = x + 3 > 12 ? 12 : x + 3, sy = y - 2 < 0 ? 0 : y - 2;
            assert_memory_equal(out.data + (y * 13 + x) * 3, in.data + (sy * 13 + sx) * 3, 3);
        }
    ssfer_image_deinit(&out);
    CHECK_OK(ssfer_image_warp(&out, &in, &turned, 9, 13, &err)); /* a quarter turn is exact */
    for (size_t y = 0; y < 13; y++)
        for (size_t x = 0; x < 9; x++)
            assert_memory_equal(out.data + (y * 9 + x) * 3, in.data + ((8 - x) * 13 + y) * 3, 3);
    ssfer_image_deinit(&out);
    ssfer_image_deinit(&in);
}

/* Shrinking by a whole factor is the mean of the pixels: nothing aliases. */
static void test_warp_shrinks(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_image in = noise_image(16, 12), out;
    const ssfer_affine four = {{4, 0, 0, 0, 4, 0}};
    CHECK_OK(ssfer_image_warp(&out, &in, &four, 4, 3, &err));
    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < 4; x++)
            for (size_t c = 0; c < 3; c++) {
                unsigned sum = 0;
                for (size_t k = 0; k < 16; k++)
                    sum += in.data[((4 * y + k / 4) * 16 + 4 * x + k % 4) * 3 + c];
                assert_int_equal(out.data[(y * 4 + x) * 3 + c], (unsigned)(sum / 16.0 + 0.5));
            }
    ssfer_image_deinit(&out);
    ssfer_image_deinit(&in);
}

static void test_squares(void **state)
{
    (void)state;
    ssfer_square s = ssfer_square_around((const float[4]){10, 20, 30, 60}, 0);
    assert_true(s.side == 40 && s.left == 0 && s.top == 20);
    s = ssfer_square_around((const float[4]){10, 20, 30, 60}, 0.25);
    assert_true(s.side == 60 && s.left == -10 && s.top == 10);
    s = ssfer_square_around((const float[4]){5, 5, 5, 5}, 0.3);
    assert_true(s.side == 1);
    s = ssfer_square_around((const float[4]){NAN, 0, INFINITY, 1}, 0.3);
    assert_true(s.side >= 1);
    s = ssfer_square_around((const float[4]){-1e30f, 0, 1e30f, 1}, 0.3);
    assert_true(s.side >= 1);

    ssfer_error err = {0};
    ssfer_image in = noise_image(7, 5), out, empty = {0};
    CHECK_OK(ssfer_image_cut_square(&out, &in, (ssfer_square){-3, 2, 9}, &err));
    for (long y = 0; y < 9; y++)
        for (long x = 0; x < 9; x++) {
            long sx = x - 3 < 0 ? 0 : x - 3 > 6 ? 6 : x - 3, sy = y + 2 > 4 ? 4 : y + 2;
            assert_memory_equal(out.data + (y * 9 + x) * 3, in.data + (sy * 7 + sx) * 3, 3);
        }
    ssfer_image_deinit(&out);
    CHECK_OK(ssfer_image_cut_square(&out, &in, (ssfer_square){1000000, -1000000, 2}, &err)); /* a corner, repeated */
    for (size_t i = 0; i < 4; i++)
        assert_memory_equal(out.data + 3 * i, in.data + 3 * 6, 3);
    ssfer_image_deinit(&out);
    CHECK_FAILS(ssfer_image_cut_square(&out, &in, (ssfer_square){0, 0, 100000}, &err), SSFER_ERR_LIMIT, "100000");
    CHECK_FAILS(ssfer_image_cut_square(&out, &empty, (ssfer_square){0, 0, 1}, &err), SSFER_ERR_ARGUMENT, "0x0");
    ssfer_image_deinit(&in);
}

/* A face drawn as five dots, turned by some angle: after alignment the dots are where an upright face has them. */
static void test_upright(void **state)
{
    (void)state;
    enum { SIZE = 100 };
    static const double usual[5][2] = {{0.342, 0.461}, {0.658, 0.461}, {0.5, 0.64}, {0.37, 0.824}, {0.63, 0.824}};
    for (int turn = 0; turn < 6; turn++) {
        ssfer_error err = {0};
        ssfer_image in, out;
        float keypoints[5][3];
        double angle = turn, margin = turn % 2 ? 0.25 : 0;
        CHECK_OK(ssfer_image_create(&in, 300, 300, &err));
        memset(in.data, 0, 3 * 300 * 300);
        for (int k = 0; k < 5; k++) {
            double x = (usual[k][0] - 0.5) * 150, y = (usual[k][1] - 0.5) * 150;
            keypoints[k][0] = (float)(150 + cos(angle) * x - sin(angle) * y);
            keypoints[k][1] = (float)(150 + sin(angle) * x + cos(angle) * y);
            keypoints[k][2] = 1;
            for (long dy = -4; dy <= 4; dy++)
                for (long dx = -4; dx <= 4; dx++)
                    in.data[(((long)keypoints[k][1] + dy) * 300 + (long)keypoints[k][0] + dx) * 3] = 255;
        }
        CHECK_OK(ssfer_image_align_face(&out, &in, (const float(*)[3])keypoints, SIZE, margin, &err));
        for (int k = 0; k < 5; k++) {
            size_t x = (size_t)((usual[k][0] + margin) / (1 + 2 * margin) * SIZE);
            size_t y = (size_t)((usual[k][1] + margin) / (1 + 2 * margin) * SIZE);
            assert_true(out.data[(y * SIZE + x) * 3] > 200);
        }
        ssfer_image_deinit(&out);
        ssfer_image_deinit(&in);
    }
    ssfer_error err;
    ssfer_image in = noise_image(8, 8), out;
    const float nowhere[5][3] = {{0}};
    CHECK_FAILS(ssfer_image_align_face(&out, &in, nowhere, 10, 0, &err), SSFER_ERR_NUMERIC, "no direction");
    ssfer_image_deinit(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fit_is_exact), cmocka_unit_test(test_fit_is_best),  cmocka_unit_test(test_no_fit),
        cmocka_unit_test(test_warp),         cmocka_unit_test(test_warp_shrinks), cmocka_unit_test(test_squares),
        cmocka_unit_test(test_upright),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
