/* The operations on bfloat16 activations against the reference in float32, on the same numbers: inputs are rounded to
 * bfloat16 first, so what may differ is the rounding of outputs (half an ulp, 2^-9 of the value) and of what an
 * operation keeps in bfloat16 inside (probabilities). Skipped on processors without AVX512-BF16. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "compute/backend.h"
#include "compute/cpu/cpu.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDING 0x1p-8 /* twice what one rounding costs */

enum { MAX_THREADS = 3, MAX_TABLES = 2 };
static ssfer_compute *reference, *bf16[MAX_TABLES * MAX_THREADS]; /* of each table, with 1, 2 and 3 threads */
static size_t contexts;

/* ---- tensors: the same numbers in both types --------------------------------------------------------------------- */

typedef struct tensor {
    size_t count;
    float *wide;      /* what the reference reads and writes; bfloat16 numbers to start with */
    uint16_t *narrow; /* the same in bfloat16: exactly as large as it says, so that AddressSanitizer sees overruns */
} tensor;

static uint16_t narrowed(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static float widened(uint16_t v)
{
    const uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

static tensor make(size_t count, double size)
{
    static uint64_t serial;
    ssfer_rng rng = ssfer_rng_stream(5, 0, 0, serial++, SSFER_RNG_TEST);
    tensor t = {count, malloc((count + 1) * sizeof(float)), malloc(count * sizeof(uint16_t))};
    assert_non_null(t.wide);
    assert_non_null(t.narrow);
    for (size_t i = 0; i < count; i++) {
        t.narrow[i] = narrowed((float)(size * (2.0 * ssfer_rng_uniform(&rng) - 1.0)));
        t.wide[i] = widened(t.narrow[i]);
    }
    return t;
}

static void drop(tensor *tensors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(tensors[i].wide);
        free(tensors[i].narrow);
    }
}
#define DROP(...) drop((tensor[]){__VA_ARGS__}, sizeof((tensor[]){__VA_ARGS__}) / sizeof(tensor))

static void close_to(const char *what, double got, double want, double absolute, size_t i)
{
    if (!(fabs(got - want) <= absolute + ROUNDING * fabs(want)))
        fail_msg("%s[%zu] is %.7g, wanted %.7g", what, i, got, want);
}

/* An activation output. */
static void check(const char *what, const tensor *t, double absolute)
{
    for (size_t i = 0; i < t->count; i++)
        close_to(what, (double)widened(t->narrow[i]), (double)t->wide[i], absolute, i);
}

/* A float32 output. */
static void check_floats(const char *what, const float *got, const float *want, size_t count, double absolute)
{
    for (size_t i = 0; i < count; i++)
        close_to(what, (double)got[i], (double)want[i], absolute, i);
}

static float *copy_of(const tensor *t)
{
    float *copy = malloc(t->count * sizeof *copy);
    assert_non_null(copy);
    memcpy(copy, t->wide, t->count * sizeof *copy);
    return copy;
}

#define OK(call) assert_int_equal(call, SSFER_OK)
#define EACH_CONTEXT(cx)                                                                                               \
    for (size_t t_ = 0; t_ < contexts; t_++)                                                                           \
        for (ssfer_compute *cx = bf16[t_]; cx; cx = NULL)

/* ---- conversion -------------------------------------------------------------------------------------------------- */

static void test_rounding(void **state)
{
    (void)state;
    const float numbers[] = {0.0f,
                             -0.0f,
                             1.0f,
                             1.00390625f /* tie: down */,
                             1.01171875f /* tie: up */,
                             3.3961776e38f /* beyond the largest */,
                             INFINITY,
                             -INFINITY,
                             0x1p-133f /* subnormal */,
                             -2.7182818f,
                             65535.0f,
                             1e-30f};
    enum { COUNT = sizeof numbers / sizeof *numbers };
    uint16_t acts[COUNT + 1];
    float back[COUNT + 1], all[COUNT + 1];
    memcpy(all, numbers, sizeof numbers);
    all[COUNT] = NAN;
    const ssfer_norm_dims d = {1, COUNT + 1, 1, 0.0f, 0};
    OK(ssfer_scale_rows(bf16[0], acts, all, NULL, d));
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(acts[i], narrowed(numbers[i]));
    OK(ssfer_act_to_float(bf16[1], back, acts, COUNT + 1));
    assert_true(back[3] == 1.0f && back[4] == 1.015625f && isinf(back[5]) && isnan(back[COUNT]));
    const uint32_t low_nan = 0x7F800001; /* its upper half alone would be an infinity */
    memcpy(all, &low_nan, sizeof low_nan);
    OK(ssfer_scale_rows(bf16[0], acts, all, NULL, d));
    OK(ssfer_act_to_float(bf16[0], back, acts, 1));
    assert_true(isnan(back[0]));
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* rows, in, out; the last two fill tiles, and more than one block of rows or panel of columns. */
static const size_t LINEAR[][3] = {{1, 1, 1},     {3, 5, 7},      {37, 33, 19}, {50, 64, 96},
                                   {130, 128, 8}, {1061, 32, 64}, {40, 288, 32}};

static void check_linear(ssfer_compute *cx, const size_t *s, bool wide, bool bias, bool held)
{
    const ssfer_linear_dims d = {s[0], s[1], s[2], wide};
    tensor x = make(d.rows * d.in, 1.0), w = make(d.in * d.out, 1.0), b = make(d.out, 1.0), y = make(d.rows * d.out, 0);
    const double absolute = 1e-5 * (double)d.in;
    for (int e = SSFER_EPILOGUE_NONE; e <= SSFER_EPILOGUE_GELU; e++) {
        OK(ssfer_linear_forward(reference, y.wide, x.wide, w.wide, bias ? b.wide : NULL, d, (ssfer_epilogue)e));
        float *got = copy_of(&y);
        if (held)
            OK(ssfer_weights_hold(cx, w.wide, w.count));
        for (int again = 0; again < 3; again++) {
            memset(y.narrow, 0xFF, y.count * sizeof *y.narrow);
            memset(got, 0xFF, y.count * sizeof *got);
            OK(ssfer_linear_forward(cx, wide ? (void *)got : y.narrow, x.narrow, w.wide, bias ? b.wide : NULL, d,
                                    (ssfer_epilogue)e));
            if (wide)
                check_floats("wide y", got, y.wide, y.count, absolute);
            else
                check("y", &y, absolute);
        }
        if (held)
            ssfer_weights_release(cx, w.wide);
        free(got);
    }
    DROP(x, w, b, y);
}

static void test_linear(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LINEAR / sizeof *LINEAR; i++)
        EACH_CONTEXT(cx)
    for (unsigned v = 0; v < 8; v++)
        check_linear(cx, LINEAR[i], v & 1, v & 2, v & 4);
}

static void check_linear_backward(ssfer_compute *cx, const size_t *s, bool wide)
{
    const ssfer_linear_dims d = {s[0], s[1], s[2], wide};
    tensor x = make(d.rows * d.in, 1.0), w = make(d.in * d.out, 1.0), dy = make(d.rows * d.out, 1.0),
           dx = make(d.rows * d.in, 0), dw = make(d.in * d.out, 1.0), db = make(d.out, 1.0);
    float *got_dw = copy_of(&dw), *got_db = copy_of(&db);
    const void *gradient = wide ? (const void *)dy.wide : dy.narrow;
    OK(ssfer_linear_backward_dx(reference, dx.wide, dy.wide, w.wide, d));
    OK(ssfer_linear_backward_dx(cx, dx.narrow, gradient, w.wide, d));
    check("dx", &dx, 1e-5 * (double)d.out);
    OK(ssfer_linear_backward_dw(reference, dw.wide, db.wide, dy.wide, x.wide, d));
    OK(ssfer_linear_backward_dw(cx, got_dw, got_db, gradient, x.narrow, d));
    check_floats("dw", got_dw, dw.wide, dw.count, 1e-5 * (double)d.rows);
    check_floats("db", got_db, db.wide, db.count, 1e-5 * (double)d.rows);
    free(got_dw);
    free(got_db);
    DROP(x, w, dy, dx, dw, db);
}

static void test_linear_backward(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof LINEAR / sizeof *LINEAR; i++)
        EACH_CONTEXT(cx)
        {
            check_linear_backward(cx, LINEAR[i], false);
            check_linear_backward(cx, LINEAR[i], true);
        }
}

/* A result too large for the caches takes another way to memory: its rows are those of two halves that are not. */
static void test_large_linear(void **state)
{
    (void)state;
    const ssfer_linear_dims all = {.rows = 8200, .in = 32, .out = 544}, half = {.rows = 4100, .in = 32, .out = 544};
    tensor x = make(all.rows * all.in, 1.0), w = make(all.in * all.out, 1.0), y = make(all.rows * all.out, 0),
           halves = make(y.count, 0);
    const size_t second = half.rows * half.out;
    EACH_CONTEXT(cx)
    {
        memset(y.narrow, 0xFF, y.count * sizeof *y.narrow);
        OK(ssfer_linear_forward(cx, y.narrow, x.narrow, w.wide, NULL, all, SSFER_EPILOGUE_NONE));
        OK(ssfer_linear_forward(cx, halves.narrow, x.narrow, w.wide, NULL, half, SSFER_EPILOGUE_NONE));
        OK(ssfer_linear_forward(cx, halves.narrow + second, x.narrow + half.rows * half.in, w.wide, NULL, half,
                                SSFER_EPILOGUE_NONE));
        assert_memory_equal(y.narrow, halves.narrow, y.count * sizeof *y.narrow);
    }
    DROP(x, w, y, halves);
}

/* Where a table says so, results have the same bits before weights are held, when a copy is made, and with it. */
static void test_held_exactly(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{40, 64, 96}, {3, 32, 8}, {5, 17, 33}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        EACH_CONTEXT(cx)
        {
            const ssfer_linear_dims d = {shapes[i][0], shapes[i][1], shapes[i][2], false};
            if (!ssfer_weights_held_exactly(cx))
                continue;
            tensor x = make(d.rows * d.in, 1.0), w = make(d.in * d.out, 1.0), want = make(d.rows * d.out, 0),
                   y = make(d.rows * d.out, 0);
            OK(ssfer_linear_forward(cx, want.narrow, x.narrow, w.wide, NULL, d, SSFER_EPILOGUE_GELU));
            OK(ssfer_weights_hold(cx, w.wide, w.count));
            for (int again = 0; again < 3; again++) {
                OK(ssfer_linear_forward(cx, y.narrow, x.narrow, w.wide, NULL, d, SSFER_EPILOGUE_GELU));
                assert_memory_equal(y.narrow, want.narrow, y.count * sizeof *y.narrow);
            }
            ssfer_weights_release(cx, w.wide);
            DROP(x, w, want, y);
        }
}

/* Weights that change after they were released are read anew. */
static void test_released_weights(void **state)
{
    (void)state;
    const ssfer_linear_dims d = {2, 8, 4, true};
    tensor x = make(16, 1.0), w = make(32, 1.0);
    float want[8], got[8];
    for (int round = 0; round < 3; round++) {
        OK(ssfer_weights_hold(bf16[0], w.wide, w.count));
        OK(ssfer_linear_forward(reference, want, x.wide, w.wide, NULL, d, SSFER_EPILOGUE_NONE));
        for (int again = 0; again < 3; again++) {
            OK(ssfer_linear_forward(bf16[0], got, x.narrow, w.wide, NULL, d, SSFER_EPILOGUE_NONE));
            check_floats("y", got, want, 8, 1e-5);
        }
        ssfer_weights_release(bf16[0], w.wide);
        for (size_t i = 0; i < w.count; i++)
            w.wide[i] = -2.0f * w.wide[i];
    }
    ssfer_weights_release(bf16[0], x.wide); /* never held: nothing happens */
    DROP(x, w);
}

/* ---- norms and GELU ---------------------------------------------------------------------------------------------- */

static void check_norm(ssfer_compute *cx, size_t samples, size_t tokens, size_t C, bool branch, bool scaled)
{
    const size_t M = samples * tokens;
    const ssfer_norm_dims d = {M, C, tokens, 1e-6f, 0};
    tensor x = make(M * C, 2.0), added = make(M * C, 1.0), gamma = make(C, 1.0), beta = make(C, 1.0),
           y = make(M * C, 0), sum = make(M * C, 0), moments = make(2 * M, 0), scale = make(samples, 1.0),
           dy = make(M * C, 1.0), dx = make(M * C, 1.0), dgamma = make(C, 1.0), dbeta = make(C, 1.0);
    float *got_sum = copy_of(&sum), *got_moments = copy_of(&moments), *got_dx = copy_of(&dx),
          *got_dgamma = copy_of(&dgamma), *got_dbeta = copy_of(&dbeta);
    const float *s = scaled ? scale.wide : NULL;
    OK(ssfer_residual_norm_forward(reference, y.wide, sum.wide, moments.wide, moments.wide + M, x.wide,
                                   branch ? added.wide : NULL, s, gamma.wide, beta.wide, d));
    OK(ssfer_residual_norm_forward(cx, y.narrow, got_sum, got_moments, got_moments + M, x.wide,
                                   branch ? added.narrow : NULL, s, gamma.wide, beta.wide, d));
    check("y", &y, 1e-3);
    check_floats("sum", got_sum, sum.wide, sum.count, 1e-6);
    check_floats("moments", got_moments, moments.wide, moments.count, 1e-4);
    OK(ssfer_norm_backward(reference, dx.wide, dgamma.wide, dbeta.wide, dy.wide, x.wide, moments.wide, moments.wide + M,
                           gamma.wide, d));
    OK(ssfer_norm_backward(cx, got_dx, got_dgamma, got_dbeta, dy.narrow, x.wide, moments.wide, moments.wide + M,
                           gamma.wide, d));
    check_floats("dx", got_dx, dx.wide, dx.count, 1e-3);
    check_floats("dgamma", got_dgamma, dgamma.wide, C, 1e-3 * (double)M);
    check_floats("dbeta", got_dbeta, dbeta.wide, C, 1e-3 * (double)M);
    OK(ssfer_scale_rows(reference, y.wide, x.wide, s, d));
    OK(ssfer_scale_rows(cx, y.narrow, x.wide, s, d));
    check("scaled rows", &y, 0.0);
    free(got_sum);
    free(got_moments);
    free(got_dx);
    free(got_dgamma);
    free(got_dbeta);
    DROP(x, added, gamma, beta, y, sum, moments, scale, dy, dx, dgamma, dbeta);
}

static void test_norm(void **state)
{
    (void)state;
    EACH_CONTEXT(cx)
    for (unsigned v = 0; v < 4; v++) {
        check_norm(cx, 1, 1, 2, v & 1, v & 2);
        check_norm(cx, 3, 5, 33, v & 1, v & 2);
        check_norm(cx, 2, 37, 64, v & 1, v & 2);
    }
}

static void test_gelu(void **state)
{
    (void)state;
    EACH_CONTEXT(cx)
    for (size_t n = 0; n < 40; n += 13) {
        tensor x = make(n, 6.0), y = make(n, 0), dy = make(n, 1.0), dx = make(n, 0);
        OK(ssfer_gelu_forward(reference, y.wide, x.wide, n));
        OK(ssfer_gelu_forward(cx, y.narrow, x.narrow, n));
        check("y", &y, 1e-6);
        OK(ssfer_gelu_backward(reference, dx.wide, NULL, dy.wide, x.wide, n));
        OK(ssfer_gelu_backward(cx, dx.narrow, NULL, dy.narrow, x.narrow, n));
        check("dx", &dx, 1e-6);
        memset(y.narrow, 0, n * sizeof *y.narrow);
        OK(ssfer_gelu_backward(cx, dy.narrow, y.narrow, dy.narrow, x.narrow, n)); /* in place, and y again */
        assert_memory_equal(dy.narrow, dx.narrow, n * sizeof *dx.narrow);
        check("y again", &y, 1e-6);
        DROP(x, y, dy, dx);
    }
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

/* Probabilities are rounded to bfloat16 (2^-9 each) and so are ds and p of the backward pass: an output is a sum of up
 * to N such terms, so the error is a share of the largest rather than of the result. */
static void check_attention(ssfer_compute *cx, ssfer_attention_dims d, bool keep)
{
    const size_t N = d.tokens, Q = d.queries ? d.queries : N, C = d.heads * d.head_dim;
    tensor qkv = make(d.batch * N * 3 * C, 1.0), y = make(d.batch * Q * C, 0), dy = make(d.batch * Q * C, 1.0),
           dqkv = make(d.batch * N * 3 * C, 0), lse = make(d.batch * d.heads * Q, 0);
    float *got_lse = copy_of(&lse);
    OK(ssfer_attention_forward(reference, y.wide, lse.wide, qkv.wide, d));
    OK(ssfer_attention_forward(cx, y.narrow, keep ? got_lse : NULL, qkv.narrow, d));
    check("y", &y, 4e-3);
    if (keep)
        check_floats("lse", got_lse, lse.wide, lse.count, 1e-4);
    for (size_t i = 0; i < y.count; i++) { /* both backward passes are to see the same y */
        y.narrow[i] = narrowed(y.wide[i]);
        y.wide[i] = widened(y.narrow[i]);
    }
    OK(ssfer_attention_backward(reference, dqkv.wide, dy.wide, qkv.wide, y.wide, lse.wide, d));
    OK(ssfer_attention_backward(cx, dqkv.narrow, dy.narrow, qkv.narrow, y.narrow, lse.wide, d));
    check("dqkv", &dqkv, 8e-3);
    free(got_lse);
    DROP(qkv, y, dy, dqkv, lse);
}

static void test_attention(void **state)
{
    (void)state;
    static const ssfer_attention_dims shapes[] = {{1, 1, 1, 1, 0},   {2, 3, 1, 5, 0},    {1, 16, 2, 16, 0},
                                                  {3, 17, 2, 32, 0}, {1, 37, 4, 32, 1},  {1, 50, 3, 7, 0},
                                                  {2, 65, 1, 64, 2}, {1, 197, 2, 64, 0}, {1, 130, 1, 80, 49}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        EACH_CONTEXT(cx)
        {
            check_attention(cx, shapes[i], true);
            check_attention(cx, shapes[i], false);
        }
}

/* Logits far below zero, so that exp(-lse) is beyond float32: what fills up a tile must not be multiplied by it. */
static void test_attention_low_logits(void **state)
{
    (void)state;
    enum { N = 21, D = 8, C = D };
    const ssfer_attention_dims d = {1, N, 1, D, 0};
    tensor qkv = make(N * 3 * C, 1.0), y = make(N * C, 0), dy = make(N * C, 1.0), dqkv = make(N * 3 * C, 0),
           lse = make(N, 0);
    for (size_t n = 0; n < N; n++)
        for (size_t c = 0; c < 2 * D; c++) {
            qkv.wide[n * 3 * C + c] = (c < D ? 8.0f : -8.0f) + qkv.wide[n * 3 * C + c] / 16.0f;
            qkv.narrow[n * 3 * C + c] = narrowed(qkv.wide[n * 3 * C + c]);
            qkv.wide[n * 3 * C + c] = widened(qkv.narrow[n * 3 * C + c]);
        }
    OK(ssfer_attention_forward(reference, y.wide, lse.wide, qkv.wide, d));
    assert_true(lse.wide[0] < -100.0f);
    for (size_t i = 0; i < y.count; i++) {
        y.narrow[i] = narrowed(y.wide[i]);
        y.wide[i] = widened(y.narrow[i]);
    }
    OK(ssfer_attention_backward(reference, dqkv.wide, dy.wide, qkv.wide, y.wide, lse.wide, d));
    EACH_CONTEXT(cx)
    {
        OK(ssfer_attention_backward(cx, dqkv.narrow, dy.narrow, qkv.narrow, y.narrow, lse.wide, d));
        check("dqkv", &dqkv, 0.1); /* keys of size 8 times ds, which is rounded to 2^-9 */
    }
    DROP(qkv, y, dy, dqkv, lse);
}

/* compute/ops.h promises the same bits for any thread count. */
static void test_attention_bits(void **state)
{
    (void)state;
    const ssfer_attention_dims d = {2, 37, 3, 32, 0};
    const size_t C = 96, M = 2 * 37;
    tensor qkv = make(M * 3 * C, 1.0), y = make(M * C, 0), dy = make(M * C, 1.0), dqkv = make(M * 3 * C, 0),
           lse = make(M * 3, 0), first_y = make(M * C, 0), first_dqkv = make(M * 3 * C, 0), first_lse = make(M * 3, 0);
    for (size_t i = 0; i < contexts; i++) {
        const bool first = i % MAX_THREADS == 0; /* of a table */
        const tensor *to_y = first ? &first_y : &y, *to_dqkv = first ? &first_dqkv : &dqkv,
                     *to_lse = first ? &first_lse : &lse;
        OK(ssfer_attention_forward(bf16[i], to_y->narrow, to_lse->wide, qkv.narrow, d));
        OK(ssfer_attention_backward(bf16[i], to_dqkv->narrow, dy.narrow, qkv.narrow, to_y->narrow, to_lse->wide, d));
        if (first)
            continue;
        assert_memory_equal(y.narrow, first_y.narrow, y.count * sizeof *y.narrow);
        assert_memory_equal(lse.wide, first_lse.wide, lse.count * sizeof *lse.wide);
        assert_memory_equal(dqkv.narrow, first_dqkv.narrow, dqkv.count * sizeof *dqkv.narrow);
    }
    DROP(qkv, y, dy, dqkv, lse, first_y, first_dqkv, first_lse);
}

/* A NaN in one picture's values stays in that picture and head. */
static void test_attention_nan(void **state)
{
    (void)state;
    const ssfer_attention_dims d = {2, 21, 2, 8, 0};
    const size_t C = 16;
    tensor qkv = make(2 * 21 * 3 * C, 1.0), y = make(2 * 21 * C, 0);
    qkv.narrow[(21 + 20) * 3 * C + 2 * C + 8] = 0x7FC0; /* picture 1, last token, v of head 1 */
    EACH_CONTEXT(cx)
    {
        OK(ssfer_attention_forward(cx, y.narrow, NULL, qkv.narrow, d));
        for (size_t b = 0; b < 2; b++)
            for (size_t n = 0; n < 21; n++)
                for (size_t c = 0; c < C; c++)
                    assert_int_equal(isnan(widened(y.narrow[(b * 21 + n) * C + c])) != 0, b == 1 && c == 8);
    }
    DROP(qkv, y);
}

/* ---- patches and tokens ------------------------------------------------------------------------------------------ */

static void test_tokens(void **state)
{
    (void)state;
    enum { B = 2, S = 6, P = 2, L = 9, C = 5, K = 4, D = 3 * P * P };
    const ssfer_patch_dims p = {B, 3, S, S, P};
    const ssfer_token_dims t = {B, L, C};
    const int32_t keep[B * K] = {8, 1, 0, 4, 2, 3, 7, 5};
    const int32_t restore[B * L] = {2, 1, 4, 5, 3, 6, 7, 8, 0, 4, 5, 0, 1, 6, 3, 7, 2, 8};
    const ssfer_mask mask = {keep, restore, K};
    EACH_CONTEXT(cx)
    {
        tensor image = make(B * 3 * S * S, 1.0), patches = make(B * L * D, 0), picked = make(B * K * D, 0),
               tokens = make(B * L * C, 1.0), cls = make(C, 1.0), pos = make((L + 1) * C, 1.0),
               x = make(B * (L + 1) * C, 0), few = make(B * (K + 1) * C, 1.0), xs = make(B * (K + 1) * C, 0),
               dtokens = make(B * L * C, 0), dfew = make(B * (K + 1) * C, 0);
        float *got_x = copy_of(&x), *got_xs = copy_of(&xs), sums[4][(L + 1) * C];
        memset(sums, 0, sizeof sums);
        OK(ssfer_patches_gather(reference, patches.wide, image.wide, p));
        OK(ssfer_patches_gather(cx, patches.narrow, image.wide, p));
        check("patches", &patches, 0.0);
        OK(ssfer_patches_pick(reference, picked.wide, image.wide, mask, p));
        OK(ssfer_patches_pick(cx, picked.narrow, image.wide, mask, p));
        check("picked", &picked, 0.0);
        OK(ssfer_tokens_assemble(reference, x.wide, tokens.wide, cls.wide, pos.wide, t));
        OK(ssfer_tokens_assemble(cx, got_x, tokens.narrow, cls.wide, pos.wide, t));
        assert_memory_equal(got_x, x.wide, x.count * sizeof *got_x);
        OK(ssfer_tokens_assemble_seen(reference, xs.wide, tokens.wide, cls.wide, pos.wide, mask, t));
        OK(ssfer_tokens_assemble_seen(cx, got_xs, tokens.narrow, cls.wide, pos.wide, mask, t));
        assert_memory_equal(got_xs, xs.wide, xs.count * sizeof *got_xs);
        OK(ssfer_tokens_restore(reference, x.wide, few.wide, cls.wide, pos.wide, mask, t));
        OK(ssfer_tokens_restore(cx, got_x, few.narrow, cls.wide, pos.wide, mask, t));
        assert_memory_equal(got_x, x.wide, x.count * sizeof *got_x);
        OK(ssfer_tokens_assemble_backward(reference, dtokens.wide, sums[0], sums[1], x.wide, t));
        OK(ssfer_tokens_assemble_backward(cx, dtokens.narrow, sums[2], sums[3], x.wide, t));
        check("dtokens", &dtokens, 0.0);
        check_floats("dcls", sums[2], sums[0], C, 1e-6);
        check_floats("dpos", sums[3], sums[1], (L + 1) * C, 1e-6);
        OK(ssfer_tokens_restore_backward(reference, dfew.wide, sums[0], x.wide, mask, t));
        OK(ssfer_tokens_restore_backward(cx, dfew.narrow, sums[2], x.wide, mask, t));
        check("dfew", &dfew, 0.0);
        check_floats("dhidden", sums[2], sums[0], C, 1e-5);
        free(got_x);
        free(got_xs);
        DROP(image, patches, picked, tokens, cls, pos, x, few, xs, dtokens, dfew);
    }
}

int main(void)
{
    ssfer_error err = {0};
    if (!ssfer_compute_has(SSFER_PRECISION_BF16)) {
        if (ssfer_compute_create(&bf16[0], SSFER_BACKEND_CPU, SSFER_PRECISION_BF16, 1, &err) != SSFER_ERR_UNSUPPORTED)
            return 1;
        print_message("skipped: no AVX512-BF16\n");
        return 77;
    }
    if (ssfer_compute_create(&reference, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, &err) != SSFER_OK)
        return 1;
    for (int level = 0; level <= (int)ssfer_cpu_level_in_use(); level++) {
        const ssfer_backend *backend = ssfer_cpu_backend((ssfer_cpu_level)level, SSFER_PRECISION_BF16);
        for (size_t threads = 1; backend && threads <= MAX_THREADS; threads++, contexts++)
            if (ssfer_compute_create_with(&bf16[contexts], backend, threads, &err) != SSFER_OK)
                return 1;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_backward),
        cmocka_unit_test(test_large_linear),
        cmocka_unit_test(test_held_exactly),
        cmocka_unit_test(test_released_weights),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_low_logits),
        cmocka_unit_test(test_attention_bits),
        cmocka_unit_test(test_attention_nan),
        cmocka_unit_test(test_tokens),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    ssfer_compute_destroy(reference);
    for (size_t i = 0; i < contexts; i++)
        ssfer_compute_destroy(bf16[i]);
    return failed;
}
