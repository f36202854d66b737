/* Graphs of convolutions against plain loops over planes: odd channel counts, strides, all activations; pieces of
 * concatenations in place and copied; with memory shared and not; failures. */
#include "test_support.h"

#include "compute/cpu/block_ops.h"
#include "compute/cpu/conv_graph.h"

#include <omp.h>

typedef struct planes {
    size_t c, h, w;
    float *x;
} planes;

static float activate(const ssfer_conv_shape *s, double v)
{
    if (s->activation == SSFER_ACTIVATION_SILU)
        return (float)(v / (1 + exp(-v)));
    if (s->activation == SSFER_ACTIVATION_LEAKY_RELU)
        return (float)(v < 0 ? (double)s->slope * v : v);
    return (float)v;
}

/* The oracle: a convolution in double, one output at a time. */
static planes naive_conv(planes in, const ssfer_conv_shape *s, const float *weights, const float *bias)
{
    planes out = {s->out_channels, (in.h + 2 * s->pad_h - s->kernel_h) / s->stride + 1,
                  (in.w + 2 * s->pad_w - s->kernel_w) / s->stride + 1, NULL};
    size_t area = s->kernel_h * s->kernel_w, inputs = s->depthwise ? 1 : in.c;
    out.x = ssfer_malloc(out.c * out.h * out.w * sizeof *out.x);
    for (size_t o = 0; o < out.c; o++)
        for (size_t y = 0; y < out.h; y++)
            for (size_t x = 0; x < out.w; x++) {
                double sum = (double)bias[o];
                for (size_t i = 0; i < inputs; i++)
                    for (size_t k = 0; k < area; k++) {
                        long iy = (long)(y * s->stride + k / s->kernel_w) - (long)s->pad_h;
                        long ix = (long)(x * s->stride + k % s->kernel_w) - (long)s->pad_w;
                        size_t c = s->depthwise ? o : i;
                        if (iy >= 0 && ix >= 0 && iy < (long)in.h && ix < (long)in.w)
                            sum += (double)weights[(o * inputs + i) * area + k] *
                                   (double)in.x[(c * in.h + (size_t)iy) * in.w + (size_t)ix];
                    }
                out.x[(o * out.h + y) * out.w + x] = activate(s, sum);
            }
    return out;
}

static planes read_value(const ssfer_conv_graph *g, const ssfer_conv_plan *p, const ssfer_conv_workspace *ws, size_t v)
{
    planes out = {ssfer_conv_graph_channels(g, v), ssfer_conv_plan_height(p, v), ssfer_conv_plan_width(p, v), NULL};
    out.x = ssfer_malloc(out.c * out.h * out.w * sizeof *out.x);
    ssfer_block_to_planes(out.x, ssfer_conv_workspace_value(ws, v), out.c, out.h * out.w);
    return out;
}

static planes run_graph(ssfer_conv_graph *g, const planes *input, size_t value, bool keep_all)
{
    ssfer_error err = {0};
    ssfer_conv_plan *p;
    ssfer_conv_workspace *ws;
    CHECK_OK(ssfer_conv_plan_create(&p, g, input->h, input->w, keep_all, SIZE_MAX, &err));
    CHECK_OK(ssfer_conv_workspace_create(&ws, p, &err));
    for (int round = 0; round < 2; round++) { /* the second run finds the memory that the first one left */
        memcpy(ssfer_conv_workspace_input(ws), input->x, input->c * input->h * input->w * sizeof(float));
        CHECK_OK(ssfer_conv_workspace_run(ws, &err));
    }
    planes out = read_value(g, p, ws, value);
    ssfer_conv_workspace_destroy(ws);
    ssfer_conv_plan_destroy(p);
    return out;
}

/* A convolution of the graph with weights made from the seed. */
static size_t add_conv(ssfer_conv_graph *g, size_t in, ssfer_conv_shape s, uint64_t seed)
{
    ssfer_error err = {0};
    size_t out = 0, count = s.out_channels * (s.depthwise ? 1 : s.in_channels) * s.kernel_h * s.kernel_w;
    float *w = noise_floats(count, seed), *b = noise_floats(s.out_channels, seed + 1);
    CHECK_OK(ssfer_conv_graph_conv(g, &out, in, &s, w, b, &err));
    ssfer_free(w);
    ssfer_free(b);
    return out;
}

static planes apply_conv(planes in, ssfer_conv_shape s, uint64_t seed)
{
    size_t count = s.out_channels * (s.depthwise ? 1 : s.in_channels) * s.kernel_h * s.kernel_w;
    float *w = noise_floats(count, seed), *b = noise_floats(s.out_channels, seed + 1);
    planes out = naive_conv(in, &s, w, b);
    ssfer_free(w);
    ssfer_free(b);
    return out;
}

static void test_single_convolutions(void **state)
{
    (void)state;
    static const ssfer_conv_shape shapes[] = {
        {3, 8, 3, 3, 2, 1, 1, false, SSFER_ACTIVATION_SILU, 0},
        {3, 13, 3, 3, 1, 1, 1, false, SSFER_ACTIVATION_NONE, 0},
        {12, 5, 1, 1, 1, 0, 0, false, SSFER_ACTIVATION_LEAKY_RELU, 0.1f},
        {5, 12, 3, 3, 2, 1, 1, false, SSFER_ACTIVATION_LEAKY_RELU, 0},
        {16, 16, 3, 3, 1, 1, 1, true, SSFER_ACTIVATION_SILU, 0},
        {12, 12, 3, 3, 2, 1, 1, true, SSFER_ACTIVATION_NONE, 0},
        {4, 24, 1, 5, 1, 0, 2, false, SSFER_ACTIVATION_SILU, 0},
        {1, 1, 5, 5, 3, 2, 2, false, SSFER_ACTIVATION_NONE, 0},
        {2, 9, 2, 2, 2, 0, 0, false, SSFER_ACTIVATION_SILU, 0},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        ssfer_error err = {0};
        ssfer_conv_graph *g;
        planes in = {shapes[i].in_channels, 9, 14, noise_floats(shapes[i].in_channels * 9 * 14, i)};
        CHECK_OK(ssfer_conv_graph_create(&g, in.c, &err));
        size_t v = add_conv(g, 0, shapes[i], 100 + i);
        ssfer_conv_graph_keep(g, v);
        planes got = run_graph(g, &in, v, false), want = apply_conv(in, shapes[i], 100 + i);
        assert_int_equal(got.h, want.h);
        assert_int_equal(got.w, want.w);
        check_close(got.x, want.x, want.c * want.h * want.w, 2e-6, "convolution");
        ssfer_free(got.x);
        ssfer_free(want.x);
        ssfer_free(in.x);
        ssfer_conv_graph_destroy(g);
    }
}

/* A graph with everything: pieces of a and b channels, split, shuffled, joined twice, pooled, scaled, added. */
typedef struct mixed {
    ssfer_conv_graph *g;
    size_t a, b, joined, left, right, shuffled, again, sum, out;
} mixed;

static const ssfer_conv_shape point = {0, 0, 1, 1, 1, 0, 0, false, SSFER_ACTIVATION_SILU, 0};

static ssfer_conv_shape point_of(size_t in, size_t out)
{
    ssfer_conv_shape s = point;
    s.in_channels = in;
    s.out_channels = out;
    return s;
}

static ssfer_status build_mixed(mixed *m, size_t a, size_t b, ssfer_error *err)
{
    size_t parts[4], pooled, half = (a + b) / 2;
    ssfer_status st = ssfer_conv_graph_create(&m->g, 3, err);
    if (st != SSFER_OK)
        return st;
    float *w = noise_floats(4 * (a + b) * (a + b) + 64, 5), *bias = noise_floats(4 * (a + b), 6);
    ssfer_conv_shape sa = point_of(3, a), sb = point_of(3, b), sc = point_of(2 * half, half);
    ssfer_conv_shape last = point_of(half * 2 + a + half, 7);
    st = ssfer_conv_graph_conv(m->g, &m->a, 0, &sa, w, bias, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_conv(m->g, &m->b, 0, &sb, w + 1, bias + 1, err);
    parts[0] = m->a;
    parts[1] = m->b;
    if (st == SSFER_OK)
        st = ssfer_conv_graph_concat(m->g, &m->joined, parts, 2, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_slice(m->g, &m->left, m->joined, 0, half, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_slice(m->g, &m->right, m->joined, half, half, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_interleave(m->g, &m->shuffled, m->left, m->right, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_conv(m->g, &m->sum, m->shuffled, &sc, w, bias, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_max_pool(m->g, &pooled, m->sum, 3, 1, 1, false, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_add(m->g, &m->sum, m->sum, pooled, 0.5f, err);
    parts[0] = m->shuffled; /* a whole, one that lives elsewhere, one that is needed twice */
    parts[1] = m->a;
    parts[2] = m->sum;
    if (st == SSFER_OK)
        st = ssfer_conv_graph_concat(m->g, &m->again, parts, 3, err);
    if (st == SSFER_OK)
        st = ssfer_conv_graph_conv(m->g, &m->out, m->again, &last, w, bias, err);
    if (st == SSFER_OK)
        ssfer_conv_graph_keep(m->g, m->out);
    ssfer_free(w);
    ssfer_free(bias);
    return st;
}

static planes join(const planes *parts, size_t count)
{
    planes out = {0, parts[0].h, parts[0].w, NULL};
    for (size_t i = 0; i < count; i++)
        out.c += parts[i].c;
    size_t pixels = out.h * out.w, at = 0;
    out.x = ssfer_malloc(out.c * pixels * sizeof *out.x);
    for (size_t i = 0; i < count; at += parts[i++].c)
        memcpy(out.x + at * pixels, parts[i].x, parts[i].c * pixels * sizeof *out.x);
    return out;
}

/* The same with plain loops. */
static planes naive_mixed(planes in, size_t a, size_t b)
{
    size_t half = (a + b) / 2, pixels = in.h * in.w;
    float *w = noise_floats(4 * (a + b) * (a + b) + 64, 5), *bias = noise_floats(4 * (a + b), 6);
    ssfer_conv_shape sa = point_of(3, a), sb = point_of(3, b), sc = point_of(2 * half, half);
    ssfer_conv_shape last = point_of(half * 2 + a + half, 7);
    planes pa = naive_conv(in, &sa, w, bias), pb = naive_conv(in, &sb, w + 1, bias + 1);
    planes joined = join((const planes[2]){pa, pb}, 2);
    planes shuffled = {2 * half, in.h, in.w, ssfer_malloc(2 * half * pixels * sizeof(float))};
    for (size_t c = 0; c < half; c++)
        for (size_t side = 0; side < 2; side++)
            memcpy(shuffled.x + (2 * c + side) * pixels, joined.x + (side * half + c) * pixels, pixels * sizeof(float));
    planes conv = naive_conv(shuffled, &sc, w, bias);
    planes sum = {half, in.h, in.w, ssfer_malloc(half * pixels * sizeof(float))};
    for (size_t i = 0; i < half * pixels; i++) {
        long y = (long)(i / in.w % in.h), x = (long)(i % in.w);
        float best = -INFINITY;
        for (long dy = -1; dy <= 1; dy++)
            for (long dx = -1; dx <= 1; dx++)
                if (y + dy >= 0 && x + dx >= 0 && y + dy < (long)in.h && x + dx < (long)in.w)
                    best = fmaxf(best, conv.x[(long)i + dy * (long)in.w + dx]);
        sum.x[i] = conv.x[i] + 0.5f * best;
    }
    planes again = join((const planes[3]){shuffled, pa, sum}, 3), out = naive_conv(again, &last, w, bias);
    planes all[] = {pa, pb, joined, shuffled, conv, sum, again};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        ssfer_free(all[i].x);
    ssfer_free(w);
    ssfer_free(bias);
    return out;
}

static void test_mixed_graphs(void **state)
{
    (void)state;
    /* multiples of 8 and 16, pieces that start inside of a block, a last piece that is odd, halves that are odd */
    static const size_t sizes[][2] = {{16, 16}, {8, 24}, {12, 4}, {5, 11}, {8, 6}, {3, 3}, {24, 10}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ssfer_error err = {0};
        mixed m;
        planes in = {3, 6, 5, noise_floats(90, 77)};
        CHECK_OK(build_mixed(&m, sizes[i][0], sizes[i][1], &err));
        planes want = naive_mixed(in, sizes[i][0], sizes[i][1]);
        for (int keep_all = 0; keep_all < 2; keep_all++) {
            planes got = run_graph(m.g, &in, m.out, keep_all);
            assert_int_equal(got.c, want.c);
            check_close(got.x, want.x, want.c * want.h * want.w, 1e-5, "mixed graph");
            ssfer_free(got.x);
        }
        ssfer_free(want.x);
        ssfer_free(in.x);
        ssfer_conv_graph_destroy(m.g);
    }
}

/* Concatenations and splits at multiples of 8 cost nothing; memory is shared. */
static void test_places(void **state)
{
    (void)state;
    ssfer_error err = {0};
    mixed m;
    ssfer_conv_plan *p, *all;
    CHECK_OK(build_mixed(&m, 16, 16, &err));
    CHECK_OK(ssfer_conv_plan_create(&p, m.g, 8, 8, false, SIZE_MAX, &err));
    CHECK_OK(ssfer_conv_plan_create(&all, m.g, 8, 8, true, SIZE_MAX, &err));
    assert_int_equal(ssfer_conv_plan_copies(p), 1); /* `a` is a piece of two concatenations and can live in one */
    assert_true(ssfer_conv_plan_bytes(p) < ssfer_conv_plan_bytes(all));
    assert_non_null(ssfer_conv_plan_kernel(p, 0));
    assert_null(ssfer_conv_plan_kernel(p, 1000));
    ssfer_conv_plan_destroy(p);
    ssfer_conv_plan_destroy(all);
    ssfer_conv_graph_destroy(m.g);
}

/* The same bits for any number of threads, and from several threads at a time. */
static void test_threads(void **state)
{
    (void)state;
    ssfer_error err = {0};
    mixed m;
    planes in = {3, 16, 16, noise_floats(3 * 256, 9)};
    CHECK_OK(build_mixed(&m, 24, 8, &err));
    planes want = run_graph(m.g, &in, m.out, false);
    ssfer_conv_plan *p;
    ssfer_conv_workspace *ws[3];
    int bad = 0;
    CHECK_OK(ssfer_conv_plan_create(&p, m.g, in.h, in.w, false, SIZE_MAX, &err));
    for (int i = 0; i < 3; i++)
        CHECK_OK(ssfer_conv_workspace_create(&ws[i], p, &err));
#pragma omp parallel for num_threads(3) reduction(+ : bad)
    for (int i = 0; i < 3; i++) {
        memcpy(ssfer_conv_workspace_input(ws[i]), in.x, 3 * 256 * sizeof(float));
        bad += ssfer_conv_workspace_run(ws[i], NULL) != SSFER_OK;
    }
    assert_int_equal(bad, 0);
    for (int i = 0; i < 3; i++) {
        planes got = read_value(m.g, p, ws[i], m.out);
        assert_memory_equal(got.x, want.x, want.c * want.h * want.w * sizeof(float));
        ssfer_free(got.x);
        ssfer_conv_workspace_destroy(ws[i]);
    }
    ssfer_conv_plan_destroy(p);
    ssfer_free(want.x);
    ssfer_free(in.x);
    ssfer_conv_graph_destroy(m.g);
}

static void test_refusals(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_conv_graph *g;
    ssfer_conv_plan *p;
    size_t v, u;
    float one[64] = {1}, zero[8] = {0};
    ssfer_conv_shape s = point_of(4, 8), strided = point_of(3, 8);
    CHECK_OK(ssfer_conv_graph_create(&g, 3, &err));
    CHECK_FAILS(ssfer_conv_graph_conv(g, &v, 0, &s, one, zero, &err), SSFER_ERR_SHAPE, "gets 3");
    CHECK_FAILS(ssfer_conv_graph_upsample(g, &v, 0, 0, &err), SSFER_ERR_SHAPE, "upsampling");
    CHECK_FAILS(ssfer_conv_graph_upsample(g, &v, 99, 2, &err), SSFER_ERR_ARGUMENT, "99");
    CHECK_FAILS(ssfer_conv_graph_max_pool(g, &v, 0, 2, 2, 2, false, &err), SSFER_ERR_SHAPE, "padding");
    CHECK_FAILS(ssfer_conv_graph_slice(g, &v, 0, 2, 2, &err), SSFER_ERR_SHAPE, "channels 2 to 4 of 3");
    CHECK_FAILS(ssfer_conv_graph_concat(g, &v, NULL, 0, &err), SSFER_ERR_LIMIT, "concatenation of 0");
    strided.stride = 0;
    CHECK_FAILS(ssfer_conv_graph_conv(g, &v, 0, &strided, one, zero, &err), SSFER_ERR_SHAPE, "stride 0");
    strided.stride = 2;
    CHECK_OK(ssfer_conv_graph_conv(g, &v, 0, &strided, one, zero, &err));
    CHECK_OK(ssfer_conv_graph_upsample(g, &u, v, 2, &err));
    CHECK_FAILS(ssfer_conv_graph_add(g, &v, u, 0, 1, &err), SSFER_ERR_SHAPE, "8 and 3 channels");
    const size_t both[2] = {u, 0};
    CHECK_OK(ssfer_conv_graph_concat(g, &v, both, 2, &err));
    ssfer_conv_graph_keep(g, v);
    CHECK_FAILS(ssfer_conv_plan_create(&p, g, 5, 6, false, SIZE_MAX, &err), SSFER_ERR_SHAPE, "6x5 pixels");
    CHECK_FAILS(ssfer_conv_plan_create(&p, g, 0, 6, false, SIZE_MAX, &err), SSFER_ERR_SHAPE, "6x0 pixels");
    CHECK_FAILS(ssfer_conv_plan_create(&p, g, 1024, 1024, false, 1 << 20, &err), SSFER_ERR_LIMIT, "smaller size");
    CHECK_OK(ssfer_conv_plan_create(&p, g, 4, 6, false, SIZE_MAX, &err));
    ssfer_conv_plan_destroy(p);
    ssfer_conv_graph_destroy(g);
}

/* As many steps as a graph may have: a chain of places inside places, and one of values that come and go. */
static void test_long_graphs(void **state)
{
    (void)state;
    enum { STEPS = 2000, MANY = 300 };
    ssfer_error err = {0};
    ssfer_conv_graph *g;
    ssfer_conv_plan *p;
    size_t v = 0, kept[MANY];
    planes in = {3, 2, 2, noise_floats(12, 5)};
    CHECK_OK(ssfer_conv_graph_create(&g, 3, &err));
    for (size_t i = 0; i < STEPS; i++) {
        if (i % 3 == 0)
            CHECK_OK(ssfer_conv_graph_max_pool(g, &v, v, 1, 1, 0, false, &err)); /* changes nothing */
        else
            CHECK_OK(ssfer_conv_graph_concat(g, &v, &v, 1, &err));
    }
    ssfer_conv_graph_keep(g, v);
    planes got = run_graph(g, &in, v, false);
    assert_memory_equal(got.x, in.x, 12 * sizeof(float));
    ssfer_free(got.x);
    CHECK_OK(ssfer_conv_plan_create(&p, g, 2, 2, false, SIZE_MAX, &err));
    assert_true(ssfer_conv_plan_bytes(p) <= 4 * 2 * 2 * 8 * sizeof(float)); /* the picture, and two at a time */
    ssfer_conv_plan_destroy(p);
    while (ssfer_conv_graph_max_pool(g, &v, v, 1, 1, 0, false, &err) == SSFER_OK)
        continue;
    CHECK_FAILS(ssfer_conv_graph_max_pool(g, &v, v, 1, 1, 0, false, &err), SSFER_ERR_LIMIT, "more than 2048 steps");
    ssfer_conv_graph_destroy(g);
    CHECK_OK(ssfer_conv_graph_create(&g, 3, &err));
    for (size_t i = 0; i < MANY; i++) {
        CHECK_OK(ssfer_conv_graph_max_pool(g, &kept[i], 0, 1, 1, 0, false, &err));
        ssfer_conv_graph_keep(g, kept[i]);
    }
    CHECK_FAILS(ssfer_conv_plan_create(&p, g, 2, 2, false, SIZE_MAX, &err), SSFER_ERR_LIMIT, "needed at a time");
    CHECK_OK(ssfer_conv_plan_create(&p, g, 2, 2, true, SIZE_MAX, &err));
    ssfer_conv_plan_destroy(p);
    ssfer_conv_graph_destroy(g);
    ssfer_free(in.x);
}

/* Work and memory as a graph states them beforehand: padded channels, and every step. */
static void test_cost(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_conv_graph *g;
    size_t v, sizes[2 * 8];
    float weights[27] = {0}, bias[8] = {0};
    const ssfer_conv_shape s = point_of(3, 8);
    CHECK_OK(ssfer_conv_graph_create(&g, 3, &err));
    CHECK_OK(ssfer_conv_graph_conv(g, &v, 0, &s, weights, bias, &err));
    CHECK_OK(ssfer_conv_graph_max_pool(g, &v, v, 3, 1, 1, false, &err));
    CHECK_OK(ssfer_conv_graph_upsample(g, &v, v, 2, &err));
    CHECK_OK(ssfer_conv_graph_sizes(g, sizes, 4, 6, &err));
    const ssfer_conv_cost cost = ssfer_conv_graph_cost(g, sizes);
    assert_int_equal(cost.operations, 2 * 8 * 8 * 24 + 9 * 8 * 24 + 8 * 96);
    assert_int_equal(cost.largest_value, 8 * 96);
    assert_int_equal(ssfer_conv_graph_weight_floats(g), 64);
    ssfer_conv_graph_destroy(g);
}

/* Whatever allocation fails while building, planning or making a workspace: an error, and nothing lost. */
static void test_out_of_memory(void **state)
{
    (void)state;
    ssfer_status st = SSFER_ERR_MEMORY;
    size_t n = 0;
    for (; st != SSFER_OK; n++) {
        ssfer_error err = {0};
        ssfer_conv_graph *g;
        ssfer_conv_plan *p = NULL;
        ssfer_conv_workspace *ws = NULL;
        size_t a = 0, b = 0, joined = 0;
        float *w = noise_floats(64, 1); /* before the counter starts */
        ssfer_conv_shape s = point_of(3, 8);
        assert_true(n < 200);
        ssfer_memory_fail_at(n + 1);
        st = ssfer_conv_graph_create(&g, 3, &err);
        if (st == SSFER_OK)
            st = ssfer_conv_graph_conv(g, &a, 0, &s, w, w, &err);
        if (st == SSFER_OK)
            st = ssfer_conv_graph_max_pool(g, &b, 0, 3, 1, 1, false, &err);
        const size_t parts[2] = {a, b};
        if (st == SSFER_OK)
            st = ssfer_conv_graph_concat(g, &joined, parts, 2, &err);
        if (st == SSFER_OK) {
            ssfer_conv_graph_keep(g, joined);
            st = ssfer_conv_plan_create(&p, g, 8, 8, false, SIZE_MAX, &err);
        }
        if (st == SSFER_OK)
            st = ssfer_conv_workspace_create(&ws, p, &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || (st == SSFER_ERR_MEMORY && err.status == SSFER_ERR_MEMORY));
        ssfer_conv_workspace_destroy(ws);
        ssfer_conv_plan_destroy(p);
        ssfer_conv_graph_destroy(g);
        ssfer_free(w);
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_convolutions),
        cmocka_unit_test(test_mixed_graphs),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_graphs),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
