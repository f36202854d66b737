/* Winograd's convolution against a direct one in double: odd sizes, odd channel counts, every activation, guarded
 * memory; and with several threads against one. */
#include "test_support.h"

#include "compute/cpu/block_ops.h"
#include "compute/cpu/conv_winograd.h"

#include <omp.h>

enum { GUARD = 64 };
static const float guard = 12345.0f;

/* A picture, weights and bias of one convolution; blocked memory has padded channels and guards behind it. */
typedef struct sample {
    size_t in, out, height, width;
    ssfer_activation activation;
    float *x, *weights, *bias; /* planes (in, height, width), (out, in, 3, 3), (out) */
} sample;

static size_t padded(size_t channels)
{
    return (channels + 7) / 8 * 8;
}

static sample sample_create(size_t in, size_t out, size_t height, size_t width, ssfer_activation activation)
{
    return (sample){in,
                    out,
                    height,
                    width,
                    activation,
                    noise_floats(in * height * width, 1),
                    noise_floats(out * in * 9, 2),
                    noise_floats(out, 3)};
}

static void sample_destroy(sample *s)
{
    ssfer_free(s->x);
    ssfer_free(s->weights);
    ssfer_free(s->bias);
}

static double activate(ssfer_activation activation, double v)
{
    if (activation == SSFER_ACTIVATION_SILU)
        return v / (1 + exp(-v));
    return activation == SSFER_ACTIVATION_LEAKY_RELU && v < 0 ? 0.125 * v : v;
}

static double direct(const sample *s, size_t o, size_t y, size_t x)
{
    double sum = (double)s->bias[o];
    for (size_t i = 0; i < s->in; i++)
        for (size_t k = 0; k < 9; k++) {
            size_t py = y + k / 3, px = x + k % 3; /* by the padding too far */
            if (py > 0 && px > 0 && py <= s->height && px <= s->width)
                sum += (double)s->weights[(o * s->in + i) * 9 + k] *
                       (double)s->x[(i * s->height + py - 1) * s->width + px - 1];
        }
    return activate(s->activation, sum);
}

static float *guarded(size_t count)
{
    float *p = ssfer_aligned_alloc((count + GUARD) * sizeof *p);
    for (size_t i = 0; i < count + GUARD; i++)
        p[i] = guard;
    return p;
}

static void check_guard(const float *p, size_t count)
{
    for (size_t i = count; i < count + GUARD; i++)
        assert_true(p[i] == guard);
}

/* The blocked outputs, computed by so many threads. */
static float *winograd(const sample *s, size_t threads)
{
    const size_t in = padded(s->in), out = padded(s->out), pixels = s->height * s->width;
    const size_t scratch = ssfer_winograd_scratch_bytes(in, s->height, s->width, threads) / sizeof(float);
    const size_t count = ssfer_winograd_weight_floats(in, out);
    float *plain = ssfer_calloc(out * in * 9, sizeof *plain), *bias = ssfer_calloc(out, sizeof *bias);
    float *x = guarded(in * pixels);
    ssfer_winograd w = {s->height,        s->width,       in,   out, s->activation,
                        0.125f,           guarded(count), bias, x,   guarded(out * pixels),
                        guarded(scratch), threads};
    for (size_t o = 0; o < s->out; o++)
        memcpy(plain + o * in * 9, s->weights + o * s->in * 9, s->in * 9 * sizeof *plain);
    memcpy(bias, s->bias, s->out * sizeof *bias);
    ssfer_block_from_planes(x, s->x, s->in, pixels);
    ssfer_winograd_transform((float *)(uintptr_t)w.weights, plain, in, out);
    omp_set_num_threads((int)threads);
    ssfer_winograd_run(&w);
    check_guard(w.weights, count);
    check_guard(w.scratch, scratch);
    check_guard(w.out, out * pixels);
    ssfer_free(plain);
    ssfer_free(bias);
    ssfer_free(x);
    ssfer_free((float *)(uintptr_t)w.weights);
    ssfer_free(w.scratch);
    return w.out;
}

/* How far an output may be off. Inputs and weights lie in -1 .. 1, and rounding errors add up like independent ones:
 * with the square root of the number of products, 9 * in. 96 halves of an ulp a unit are three times the largest seen
 * (the share is printed); a mistake in a transform is off by a thousand times more. Activations are no steeper
 * than 1.1. */
static double allowed(const sample *s)
{
    return 96.0 * 0x1p-24 * (1.0 + sqrt(9.0 * (double)s->in));
}

static double worst;

static void check_sample(size_t in, size_t out, size_t height, size_t width, ssfer_activation activation)
{
    sample s = sample_create(in, out, height, width, activation);
    const size_t pixels = height * width;
    float *got = winograd(&s, 1), *again = winograd(&s, 3);
    assert_memory_equal(got, again, padded(out) * pixels * sizeof *got);
    for (size_t o = 0; o < padded(out); o++)
        for (size_t p = 0; p < pixels; p++) {
            double value = (double)got[(o / 8 * pixels + p) * 8 + o % 8];
            double want = o < out ? direct(&s, o, p / width, p % width) : 0; /* padding lanes stay zero */
            double error = fabs(value - want), most = o < out ? allowed(&s) : 0;
            if (!(error <= most))
                fail_msg("%zu to %zu channels, %zux%zu, activation %d: channel %zu, pixel %zu is %.9g, wanted %.9g", in,
                         out, width, height, (int)activation, o, p, value, want);
            if (error > worst * most)
                worst = error / most;
        }
    ssfer_free(got);
    ssfer_free(again);
    sample_destroy(&s);
}

static void test_against_direct(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {1, 7}, {4, 4}, {5, 3}, {6, 9}, {13, 2}, {23, 37}};
    static const size_t channels[][2] = {{1, 1}, {3, 8}, {8, 40}, {17, 16}, {40, 25}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t c = 0; c < sizeof channels / sizeof *channels; c++)
            for (int a = SSFER_ACTIVATION_NONE; a <= SSFER_ACTIVATION_LEAKY_RELU; a++)
                check_sample(channels[c][0], channels[c][1], sizes[i][0], sizes[i][1], (ssfer_activation)a);
    print_message("largest error: %.3g of what is allowed\n", worst);
}

/* More output channels than a panel has, the last panel narrower and not full. */
static void test_panels(void **state)
{
    (void)state;
    check_sample(9, 72, 7, 10, SSFER_ACTIVATION_SILU);
    check_sample(5, 130, 3, 5, SSFER_ACTIVATION_NONE);
}

/* Only 3x3 at stride 1 with padding 1 may be computed this way. */
static void test_rule(void **state)
{
    (void)state;
    const ssfer_conv_shape good = {32, 32, 3, 3, 1, 1, 1, false, SSFER_ACTIVATION_SILU, 0};
    ssfer_conv_shape s = good;
    assert_true(ssfer_winograd_pays(&s, 40, 40));
    assert_false(ssfer_winograd_pays(&s, 4, 4));
    s.stride = 2;
    assert_false(ssfer_winograd_pays(&s, 40, 40));
    s = good, s.pad_w = 0;
    assert_false(ssfer_winograd_pays(&s, 40, 40));
    s = good, s.kernel_h = 1;
    assert_false(ssfer_winograd_pays(&s, 40, 40));
    s = good, s.depthwise = true;
    assert_false(ssfer_winograd_pays(&s, 40, 40));
    s = good, s.in_channels = 3;
    assert_false(ssfer_winograd_pays(&s, 40, 40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_direct),
        cmocka_unit_test(test_panels),
        cmocka_unit_test(test_rule),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
