/* The operations on blocks against the plain ones on planes, at odd sizes, with guard words around the outputs. */
#include "test_support.h"

#include "compute/cpu/block_ops.h"
#include "compute/cpu/conv.h"

enum { B = SSFER_CONV_BLOCK, GUARD = 16 };

static size_t padded(size_t channels)
{
    return (channels + B - 1) / B * B;
}

/* Output memory with guards; released by guarded_check, which looks at them and at the padding lanes. */
static float *guarded(size_t count)
{
    float *memory = ssfer_malloc((count + 2 * GUARD) * sizeof *memory);
    for (size_t i = 0; i < count + 2 * GUARD; i++)
        memory[i] = -12345.0f;
    return memory + GUARD;
}

static void guarded_check(float *out, size_t channels, size_t pixels)
{
    size_t count = padded(channels) * pixels;
    for (size_t i = 0; i < GUARD; i++) {
        assert_true(out[-1 - (long)i] == -12345.0f);
        assert_true(out[count + i] == -12345.0f);
    }
    for (size_t c = channels; c < padded(channels); c++)
        for (size_t p = 0; p < pixels; p++)
            assert_true(out[(c / B * pixels + p) * B + c % B] == 0.0f);
    ssfer_free(out - GUARD);
}

static float *blocks_of(const float *planes, size_t channels, size_t pixels)
{
    float *blocks = ssfer_malloc(padded(channels) * pixels * sizeof *blocks);
    ssfer_block_from_planes(blocks, planes, channels, pixels);
    return blocks;
}

static float *planes_of(const float *blocks, size_t channels, size_t pixels)
{
    float *planes = ssfer_malloc(channels * pixels * sizeof *planes);
    ssfer_block_to_planes(planes, blocks, channels, pixels);
    return planes;
}

static void test_layout(void **state)
{
    (void)state;
    enum { C = 11, P = 6 };
    float *x = noise_floats(C * P, 1), *out = guarded(padded(C) * P);
    ssfer_block_from_planes(out, x, C, P);
    for (size_t c = 0; c < C; c++)
        for (size_t p = 0; p < P; p++)
            assert_true(out[c / 8 * P * 8 + p * 8 + c % 8] == x[c * P + p]);
    float *back = planes_of(out, C, P);
    assert_memory_equal(back, x, C * P * sizeof *x);
    guarded_check(out, C, P);
    ssfer_free(back);
    ssfer_free(x);
}

static float pooled(const float *plane, const ssfer_block_pool *p, size_t oy, size_t ox)
{
    float best = -INFINITY;
    for (long ky = 0; ky < (long)p->kernel; ky++)
        for (long kx = 0; kx < (long)p->kernel; kx++) {
            long y = (long)(oy * p->stride) + ky - (long)p->pad, x = (long)(ox * p->stride) + kx - (long)p->pad;
            if (y >= 0 && x >= 0 && y < (long)p->height && x < (long)p->width)
                best = fmaxf(best, plane[(size_t)y * p->width + (size_t)x]);
        }
    return best;
}

static void test_max_pool(void **state)
{
    (void)state;
    /* the last two are what ceil mode gives for odd sizes: the last window reaches beyond the picture */
    static const ssfer_block_pool cases[] = {{2, 2, 0, 6, 8, 3, 4}, {3, 1, 1, 5, 7, 5, 7},  {5, 1, 2, 3, 4, 3, 4},
                                             {3, 2, 1, 7, 9, 4, 5}, {13, 1, 6, 4, 3, 4, 3}, {1, 1, 0, 1, 1, 1, 1},
                                             {2, 2, 0, 5, 7, 3, 4}, {3, 2, 0, 6, 4, 3, 2}};
    enum { C = 10 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const ssfer_block_pool *p = &cases[i];
        size_t in = p->height * p->width, out = p->out_height * p->out_width;
        float *x = noise_floats(C * in, i), *blocks = blocks_of(x, C, in), *y = guarded(padded(C) * out);
        ssfer_block_max_pool(y, blocks, padded(C) / B, p);
        float *got = planes_of(y, C, out);
        for (size_t c = 0; c < C; c++)
            for (size_t o = 0; o < out; o++)
                assert_true(got[c * out + o] == pooled(x + c * in, p, o / p->out_width, o % p->out_width));
        guarded_check(y, C, out);
        ssfer_free(got);
        ssfer_free(blocks);
        ssfer_free(x);
    }
}

static void test_upsample(void **state)
{
    (void)state;
    enum { C = 9, H = 3, W = 5, F = 2 };
    float *x = noise_floats(C * H * W, 3), *blocks = blocks_of(x, C, H * W), *y = guarded(padded(C) * H * W * F * F);
    ssfer_block_upsample(y, blocks, padded(C) / B, H, W, F);
    float *got = planes_of(y, C, H * W * F * F);
    for (size_t c = 0; c < C; c++)
        for (size_t oy = 0; oy < H * F; oy++)
            for (size_t ox = 0; ox < W * F; ox++)
                assert_true(got[(c * H * F + oy) * W * F + ox] == x[(c * H + oy / F) * W + ox / F]);
    guarded_check(y, C, H * W * F * F);
    ssfer_free(got);
    ssfer_free(blocks);
    ssfer_free(x);
}

static void test_add(void **state)
{
    (void)state;
    enum { N = 8192 + 4096 + 8 }; /* more than one piece */
    float *a = noise_floats(N, 4), *b = noise_floats(N, 5), *y = guarded(N);
    ssfer_block_add(y, a, b, 0.5f, N);
    for (size_t i = 0; i < N; i++)
        assert_true(fabsf(y[i] - (a[i] + 0.5f * b[i])) <= 1e-7f); /* a fused multiply-add may round once */
    guarded_check(y, 8, N / 8);
    ssfer_free(a);
    ssfer_free(b);
}

static void test_interleave(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 4, 6, 8, 12, 20, 24};
    enum { P = 7 };
    for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
        size_t c = channels[i];
        float *a = noise_floats(c * P, 6), *b = noise_floats(c * P, 7);
        float *ba = blocks_of(a, c, P), *bb = blocks_of(b, c, P), *y = guarded(padded(2 * c) * P);
        ssfer_block_interleave(y, ba, bb, c, P);
        float *got = planes_of(y, 2 * c, P);
        for (size_t k = 0; k < c; k++) {
            assert_memory_equal(got + 2 * k * P, a + k * P, P * sizeof *a);
            assert_memory_equal(got + (2 * k + 1) * P, b + k * P, P * sizeof *b);
        }
        guarded_check(y, 2 * c, P);
        ssfer_free(got);
        ssfer_free(a);
        ssfer_free(b);
        ssfer_free(ba);
        ssfer_free(bb);
    }
}

static void test_copy(void **state)
{
    (void)state;
    static const size_t cases[][3] = {{0, 0, 24}, {8, 16, 12}, {3, 0, 10}, {0, 5, 9}, {16, 8, 8}, {5, 13, 1}};
    enum { C = 40, P = 5 };
    float *x = noise_floats(C * P, 8), *blocks = blocks_of(x, C, P);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t to = cases[i][0], from = cases[i][1], count = cases[i][2];
        float *y = guarded(C * P);
        memset(y, 0, C * P * sizeof *y);
        ssfer_block_copy(y, to, blocks, from, count, P);
        float *got = planes_of(y, C, P);
        for (size_t c = 0; c < C; c++)
            for (size_t p = 0; p < P; p++) /* channels outside of the range stay as they were */
                assert_true(got[c * P + p] == (c >= to && c < to + count ? x[(c - to + from) * P + p] : 0.0f));
        guarded_check(y, C, P);
        ssfer_free(got);
    }
    ssfer_free(x);
    ssfer_free(blocks);
}

static void test_space_to_depth(void **state)
{
    (void)state;
    enum { C = 3, H = 4, W = 6 };
    static const size_t dy[4] = {0, 1, 0, 1}, dx[4] = {0, 0, 1, 1};
    float *x = noise_floats(C * H * W, 9), *blocks = blocks_of(x, C, H * W), *y = guarded(padded(4 * C) * H * W / 4);
    ssfer_block_space_to_depth(y, blocks, C, H, W);
    float *got = planes_of(y, 4 * C, H * W / 4);
    for (size_t q = 0; q < 4; q++)
        for (size_t c = 0; c < C; c++)
            for (size_t oy = 0; oy < H / 2; oy++)
                for (size_t ox = 0; ox < W / 2; ox++)
                    assert_true(got[((q * C + c) * H / 2 + oy) * W / 2 + ox] ==
                                x[(c * H + 2 * oy + dy[q]) * W + 2 * ox + dx[q]]);
    guarded_check(y, 4 * C, H * W / 4);
    ssfer_free(got);
    ssfer_free(blocks);
    ssfer_free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),         cmocka_unit_test(test_max_pool),
        cmocka_unit_test(test_upsample),       cmocka_unit_test(test_add),
        cmocka_unit_test(test_interleave),     cmocka_unit_test(test_copy),
        cmocka_unit_test(test_space_to_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
