/* The operations against PyTorch's numbers (tests/golden/compute, made by tools/make_golden_compute.py), on the
 * reference and on every level of the CPU backend. Sizes come from the files. The files hold float64 results rounded
 * once, so a tolerance covers the engine's own roundings: multiples of U, half an ulp of 1, times the size of what is
 * added up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "compute/cpu/cpu.h"
#include "io/tensor_set.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define U 0x1p-24

static ssfer_compute *contexts[1 + SSFER_CPU_LEVEL_COUNT]; /* the reference first */

typedef struct golden {
    ssfer_tensor_set *set;
    const char *name;
    ssfer_compute *cx;
    float *made[16]; /* outputs, freed at the end */
    size_t count;
} golden;

static golden open_golden(const char *name, ssfer_compute *cx)
{
    golden g = {.name = name, .cx = cx};
    ssfer_error err = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/golden/compute/%s.safetensors", SSFER_TEST_DIR, name);
    if (ssfer_safetensors_read(&g.set, path, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    return g;
}

static void close_golden(golden *g)
{
    for (size_t i = 0; i < g->count; i++)
        ssfer_free(g->made[i]);
    ssfer_tensor_set_destroy(g->set);
}

static const ssfer_tensor *find(const golden *g, const char *tensor)
{
    const ssfer_tensor *t = ssfer_tensor_set_find(g->set, tensor);
    if (!t)
        fail_msg("%s: has no tensor %s", g->name, tensor);
    return t;
}

static const float *get(const golden *g, const char *tensor)
{
    const ssfer_tensor *t = find(g, tensor);
    assert_int_equal(t->dtype, SSFER_DTYPE_F32);
    return t->data;
}

static size_t size_of(const golden *g, const char *tensor, size_t axis)
{
    const ssfer_tensor *t = find(g, tensor);
    assert_true(axis < t->ndim);
    return t->shape[axis];
}

/* Zeroed memory as large as a tensor of the file. */
static float *make(golden *g, const char *like)
{
    float *data = ssfer_calloc(find(g, like)->count, sizeof *data);
    assert_non_null(data);
    g->made[g->count++] = data;
    return data;
}

static void check_part(const golden *g, const char *tensor, const float *got, const float *want, size_t count,
                       double absolute, double relative)
{
    for (size_t i = 0; i < count; i++) {
        double a = (double)got[i], b = (double)want[i];
        if (!(fabs(a - b) <= absolute + relative * fabs(b)))
            fail_msg("%s on %s: %s[%zu of %zu] is %.9g, PyTorch says %.9g", g->name, ssfer_compute_backend_name(g->cx),
                     tensor, i, count, a, b);
    }
}

static void check(const golden *g, const char *tensor, const float *got, double absolute, double relative)
{
    check_part(g, tensor, got, get(g, tensor), find(g, tensor)->count, absolute, relative);
}

#define CALL(call) assert_int_equal((call), SSFER_OK)

/* ---- the operations ---------------------------------------------------------------------------------------------- */

/* Rows of about unit deviation: n, y and their gradients are below about 10 and come from some ten roundings; a sum
 * over the 15 rows or over 37 channels adds up as many. */
static void check_layer_norm(ssfer_compute *cx)
{
    golden g = open_golden("layer_norm", cx);
    const size_t B = size_of(&g, "x", 0), N = size_of(&g, "x", 1), C = size_of(&g, "x", 2);
    const ssfer_norm_dims d = {.rows = B * N, .width = C, .rows_per_sample = N, .eps = *get(&g, "eps")};
    float *y = make(&g, "y"), *sum = make(&g, "sum"), *mean = make(&g, "mean"), *rstd = make(&g, "rstd");
    float *dx = make(&g, "dx"), *dbranch = make(&g, "dbranch"), *dgamma = make(&g, "dgamma"),
          *dbeta = make(&g, "dbeta");
    CALL(ssfer_residual_norm_forward(cx, y, sum, mean, rstd, get(&g, "x"), get(&g, "branch"), get(&g, "scale"),
                                     get(&g, "gamma"), get(&g, "beta"), d));
    check(&g, "sum", sum, 2 * U, 4 * U);
    check(&g, "mean", mean, 8 * U, 0);
    check(&g, "rstd", rstd, 0, 16 * U);
    check(&g, "y", y, 16 * U, 16 * U);
    CALL(ssfer_norm_backward(cx, dx, dgamma, dbeta, get(&g, "dy"), sum, mean, rstd, get(&g, "gamma"), d));
    CALL(ssfer_scale_rows(cx, dbranch, dx, get(&g, "scale"), d));
    check(&g, "dx", dx, 16 * U, 16 * U);
    check(&g, "dbranch", dbranch, 16 * U, 16 * U);
    check(&g, "dgamma", dgamma, 48 * U, 16 * U);
    check(&g, "dbeta", dbeta, 32 * U, 16 * U);
    close_golden(&g);
}

/* Products of K = 33 (dx: 21, dw: 19) terms below about 10, sums below 30. GELU's erf is off by 6 U, times x/2. */
static void check_linear_gelu(ssfer_compute *cx)
{
    golden g = open_golden("linear_gelu", cx);
    const ssfer_linear_dims d = {size_of(&g, "x", 0), size_of(&g, "x", 1), size_of(&g, "w", 0), false};
    const size_t count = d.rows * d.out;
    const float *x = get(&g, "x"), *w = get(&g, "w"), *b = get(&g, "b");
    float *fused = make(&g, "y"), *h = make(&g, "h"), *y = make(&g, "y"), *dh = make(&g, "dh");
    float *dx = make(&g, "dx"), *dw = make(&g, "dw"), *db = make(&g, "db");
    CALL(ssfer_linear_forward(cx, fused, x, w, b, d, SSFER_EPILOGUE_GELU));
    CALL(ssfer_linear_forward(cx, h, x, w, b, d, SSFER_EPILOGUE_NONE));
    CALL(ssfer_gelu_forward(cx, y, h, count));
    check(&g, "h", h, 64 * U, 8 * U);
    check(&g, "y", fused, 80 * U, 8 * U);
    check(&g, "y", y, 80 * U, 8 * U);
    memset(y, 0, count * sizeof *y);
    CALL(ssfer_gelu_backward(cx, dh, y, get(&g, "dy"), h, count));
    check(&g, "y", y, 80 * U, 8 * U);
    CALL(ssfer_linear_backward_dx(cx, dx, dh, w, d));
    CALL(ssfer_linear_backward_dw(cx, dw, db, dh, x, d));
    check(&g, "dh", dh, 64 * U, 8 * U); /* GELU's slope changes by 0.8 at most per unit that h is off */
    check(&g, "dx", dx, 128 * U, 8 * U);
    check(&g, "dw", dw, 128 * U, 8 * U);
    check(&g, "db", db, 64 * U, 8 * U);
    close_golden(&g);
}

/* Scores are below 20 and off by a few U of that, the probabilities by as much relatively, and values are below 5;
 * gradients add that up over the tokens, with either sign. */
static void check_attention(ssfer_compute *cx)
{
    golden g = open_golden("attention", cx);
    const ssfer_attention_dims d = {.batch = size_of(&g, "qkv", 0),
                                    .tokens = size_of(&g, "qkv", 1),
                                    .heads = size_of(&g, "qkv", 3),
                                    .head_dim = size_of(&g, "qkv", 4)};
    float *y = make(&g, "y"), *lse = make(&g, "lse"), *dqkv = make(&g, "dqkv");
    CALL(ssfer_attention_forward(cx, y, lse, get(&g, "qkv"), d));
    check(&g, "y", y, 128 * U, 8 * U);
    check(&g, "lse", lse, 32 * U, 8 * U);
    CALL(ssfer_attention_backward(cx, dqkv, get(&g, "dy"), get(&g, "qkv"), y, lse, d));
    check(&g, "dqkv", dqkv, 128 * U, 16 * U);
    close_golden(&g);
}

/* PyTorch's convolution is our gather and product, and its weight our (C, channels*P*P) matrix as it lies. */
static void check_patch_embedding(ssfer_compute *cx)
{
    golden g = open_golden("patch_embedding", cx);
    const ssfer_patch_dims p = {size_of(&g, "image", 0), size_of(&g, "image", 1), size_of(&g, "image", 2),
                                size_of(&g, "image", 3), size_of(&g, "w", 2)};
    const ssfer_token_dims t = {p.batch, size_of(&g, "pos", 0) - 1, size_of(&g, "w", 0)};
    const ssfer_linear_dims d = {t.batch * t.patches, p.channels * p.patch * p.patch, t.width, false};
    float *patches = make(&g, "image"), *tokens = make(&g, "x"), *x = make(&g, "x"), *dtokens = make(&g, "x");
    float *dw = make(&g, "w"), *db = make(&g, "b"), *dcls = make(&g, "cls"), *dpos = make(&g, "pos");
    CALL(ssfer_patches_gather(cx, patches, get(&g, "image"), p));
    CALL(ssfer_linear_forward(cx, tokens, patches, get(&g, "w"), get(&g, "b"), d, SSFER_EPILOGUE_NONE));
    CALL(ssfer_tokens_assemble(cx, x, tokens, get(&g, "cls"), get(&g, "pos"), t));
    check(&g, "x", x, 96 * U, 8 * U); /* 48 products below 10, sums below 30 */
    CALL(ssfer_tokens_assemble_backward(cx, dtokens, dcls, dpos, get(&g, "dx"), t));
    CALL(ssfer_linear_backward_dw(cx, dw, db, dtokens, patches, d));
    check(&g, "dcls", dcls, 4 * U, 4 * U);
    check(&g, "dpos", dpos, 4 * U, 4 * U);
    check(&g, "dw", dw, 96 * U, 8 * U);
    check(&g, "db", db, 64 * U, 8 * U);
    close_golden(&g);
}

/* In double inside: one rounding of the result. */
static void check_cross_entropy(ssfer_compute *cx)
{
    golden g = open_golden("cross_entropy", cx);
    float *loss = make(&g, "loss"), *dlogits = make(&g, "dlogits"), *alone = make(&g, "loss");
    CALL(ssfer_cross_entropy(cx, loss, dlogits, get(&g, "logits"), get(&g, "target"), get(&g, "weight"),
                             size_of(&g, "logits", 0), size_of(&g, "logits", 1)));
    check(&g, "loss", loss, U / 16, 2 * U);
    check(&g, "dlogits", dlogits, U / 16, 2 * U);
    CALL(ssfer_cross_entropy(cx, alone, NULL, get(&g, "logits"), get(&g, "target"), get(&g, "weight"),
                             size_of(&g, "logits", 0), size_of(&g, "logits", 1)));
    assert_memory_equal(alone, loss, find(&g, "loss")->size_bytes);
    close_golden(&g);
}

/* Parameters of about 1 move by at most lr = 0.01 a step; what they are off by is their own rounding, once a step. */
static void check_adamw(ssfer_compute *cx)
{
    golden g = open_golden("adamw", cx);
    const size_t steps = size_of(&g, "grads", 0), n = size_of(&g, "grads", 1);
    const double *rates = find(&g, "rates")->data, *settings = find(&g, "settings")->data;
    assert_int_equal(find(&g, "rates")->dtype, SSFER_DTYPE_F64);
    assert_int_equal(find(&g, "settings")->count, 5);
    float *p = make(&g, "start"), *m = make(&g, "start"), *v = make(&g, "start"), *shadow = make(&g, "start");
    memcpy(p, get(&g, "start"), n * sizeof *p);
    memcpy(shadow, p, n * sizeof *p);
    for (size_t step = 0; step < steps; step++) {
        const ssfer_adamw_args a = {.lr = rates[step],
                                    .beta1 = settings[0],
                                    .beta2 = settings[1],
                                    .eps = settings[2],
                                    .weight_decay = settings[3],
                                    .step = step + 1,
                                    .grad_scale = 1.0,
                                    .ema_decay = settings[4]};
        CALL(ssfer_adamw_step(cx, p, m, v, shadow, get(&g, "grads") + step * n, n, &a));
        const double roundings = (double)(step + 1);
        check_part(&g, "p", p, get(&g, "p") + step * n, n, 2 * U * roundings, 2 * U * roundings);
        check_part(&g, "m", m, get(&g, "m") + step * n, n, 2 * U, 4 * U * roundings);
        check_part(&g, "v", v, get(&g, "v") + step * n, n, 0, 4 * U * roundings);
        check_part(&g, "shadow", shadow, get(&g, "shadow") + step * n, n, 2 * U * roundings, 4 * U * roundings);
    }
    close_golden(&g);
}

/* ---- on every backend -------------------------------------------------------------------------------------------- */

#define ON_EVERY_BACKEND(operation)                                                                                    \
    static void test_##operation(void **state)                                                                         \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)                                                \
            if (contexts[i])                                                                                           \
                check_##operation(contexts[i]);                                                                        \
    }

ON_EVERY_BACKEND(layer_norm)
ON_EVERY_BACKEND(linear_gelu)
ON_EVERY_BACKEND(attention)
ON_EVERY_BACKEND(patch_embedding)
ON_EVERY_BACKEND(cross_entropy)
ON_EVERY_BACKEND(adamw)

static int open_contexts(void **state)
{
    (void)state;
    if (ssfer_compute_create(&contexts[0], SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, NULL) != SSFER_OK)
        return -1;
    for (int level = 0; level <= (int)ssfer_cpu_level_in_use(); level++) {
        const ssfer_backend *backend = ssfer_cpu_backend((ssfer_cpu_level)level, SSFER_PRECISION_FP32);
        if (backend && ssfer_compute_create_with(&contexts[1 + level], backend, 2, NULL))
            return -1;
    }
    return 0;
}

static int close_contexts(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++)
        ssfer_compute_destroy(contexts[i]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layer_norm),      cmocka_unit_test(test_linear_gelu),   cmocka_unit_test(test_attention),
        cmocka_unit_test(test_patch_embedding), cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_adamw),
    };
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
