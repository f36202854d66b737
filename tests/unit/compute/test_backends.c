/* Every operation of every instruction-set level that this processor runs, against the reference in float32.
 *
 * A `run` below makes the tensors of one call in a bank (op_bank.h) and makes the call. The driver at the end of the
 * part repeats it on the reference, and on each level with one, two and three threads (more than there are rows, for
 * the smallest shapes), twice each, and checks what the contracts of compute/ops.h promise:
 *   values       within the tolerance that `run` states, of the reference;
 *   memory       nothing outside the outputs written, no input changed;
 *   bits         the same on a second run, and for any thread count but in the matrix products;
 *   alignment    tensors one float off their alignment still work (a batch's second half starts anywhere);
 *   NaN          a NaN in any input reaches exactly the elements that it reaches in the reference.
 *
 * Tolerances are multiples of U, half an ulp of 1.0f, with the reason beside each; inputs are uniform in [-1, 1] unless
 * said otherwise. The run prints the largest error of each operation as a share of what is allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "compute/cpu/cpu.h"
#include "op_bank.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define U 0x1p-24
#define COUNT(array) (sizeof(array) / sizeof *(array))

enum { MAX_THREADS = 3 };

static ssfer_compute *reference, *contexts[SSFER_CPU_LEVEL_COUNT][MAX_THREADS];
static size_t tables; /* one for each instruction-set level up to the one in use */

typedef struct shape {
    size_t n[5];
    unsigned variant; /* bits that an operation defines: which optional parts are there */
    float size;       /* of the inputs, where an operation says so */
} shape;

typedef struct operation {
    const char *name;
    void (*run)(ssfer_compute *cx, bank *k, const shape *s);
    bool product; /* by oneDNN: the thread count may change the order of additions */
} operation;

static void check_ok(ssfer_compute *cx, ssfer_status status)
{
    if (status != SSFER_OK)
        fail_msg("%s: %s", ssfer_compute_backend_name(cx), ssfer_compute_error(cx)->message);
}

/* ---- the driver -------------------------------------------------------------------------------------------------- */

static void describe(char *out, size_t size, const operation *op, const shape *s, const ssfer_compute *cx)
{
    snprintf(out, size, "%s(%zu,%zu,%zu,%zu,%zu) variant %u on %s with %zu threads", op->name, s->n[0], s->n[1],
             s->n[2], s->n[3], s->n[4], s->variant, ssfer_compute_backend_name(cx), ssfer_compute_threads(cx));
}

static double check_context(const operation *op, const shape *s, ssfer_compute *cx, const bank *want, const bank *same)
{
    char what[160];
    bank again = BANK_EMPTY;
    describe(what, sizeof what, op, s, cx);
    op->run(cx, &again, s);
    bank_check_intact(&again, what);
    double worst = bank_check_close(&again, want, what);
    bank_check_same(&again, same, what);
    bank_free(&again);
    return worst;
}

static void check_shifted(const operation *op, const shape *s, ssfer_compute *cx, const bank *want)
{
    char what[160];
    bank shifted = {.shift_floats = 1, .poisoned = -1};
    describe(what, sizeof what, op, s, cx);
    op->run(cx, &shifted, s);
    bank_check_intact(&shifted, what);
    bank_check_close(&shifted, want, what);
    bank_free(&shifted);
}

static double check_shape(const operation *op, const shape *s)
{
    double worst = 0.0;
    bank want = BANK_EMPTY;
    op->run(reference, &want, s);
    bank_check_intact(&want, op->name);
    for (size_t level = 0; level < tables; level++) {
        bank first = BANK_EMPTY;
        for (size_t t = 0; t < MAX_THREADS; t++) {
            ssfer_compute *cx = contexts[level][t];
            if (t == 0 || op->product) {
                bank_free(&first);
                op->run(cx, &first, s);
            }
            worst = fmax(worst, check_context(op, s, cx, &want, &first));
        }
        bank_free(&first);
        check_shifted(op, s, contexts[level][1], &want);
    }
    bank_free(&want);
    return worst;
}

static void check_shapes(const operation *op, const shape *shapes, size_t count)
{
    double worst = 0.0;
    for (size_t i = 0; i < count; i++)
        worst = fmax(worst, check_shape(op, &shapes[i]));
    print_message("%s: %zu shapes, largest error %.3g %% of what is allowed\n", op->name, count, 100.0 * worst);
}

/* A NaN in each input in turn, at its start, at its end and inside. */
static void check_nan(const operation *op, const shape *s)
{
    const double places[] = {0.0, 0.4, 1.0};
    char what[160];
    bank plain = BANK_EMPTY;
    op->run(reference, &plain, s);
    for (size_t tensor = 0; tensor < plain.count; tensor++)
        for (size_t p = 0; p < COUNT(places); p++) {
            if (plain.tensors[tensor].role != BANK_INPUT && plain.tensors[tensor].role != BANK_ADD)
                continue;
            bank want = {.poisoned = (int)tensor, .poison_place = places[p]};
            op->run(reference, &want, s);
            for (size_t level = 0; level < tables; level++) {
                bank got = {.poisoned = (int)tensor, .poison_place = places[p]};
                describe(what, sizeof what, op, s, contexts[level][1]);
                strcat(what, ", NaN in ");
                strncat(what, plain.tensors[tensor].name, 16);
                op->run(contexts[level][1], &got, s);
                bank_check_intact(&got, what);
                bank_check_close(&got, &want, what);
                bank_free(&got);
            }
            bank_free(&want);
        }
    bank_free(&plain);
}

/* Sizes below, at and above every vector width, tile and chunk of the kernels. */
static const size_t sizes[] = {1, 3, 5, 15, 16, 17, 31, 33, 37, 65, 197};
static const size_t widths[] = {1, 3, 24, 192, 193};

/* ---- linear ------------------------------------------------------------------------------------------------------ */

enum { LINEAR_BIAS = 1, LINEAR_GELU = 2 };

/* Adding K products of numbers below 1 in any order: an addition is off by U times the sum so far, which is seldom
 * above sqrt(K), and the errors have either sign, so that sqrt(K) of them add up. */
static double product_tolerance(size_t terms)
{
    return U * (4.0 + (double)terms);
}

#define PRODUCT_RELATIVE (4.0 * U) /* the last roundings, of a large result */

static void run_linear(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_linear_dims d = {s->n[0], s->n[1], s->n[2], false};
    const float *x = bank_input(k, "x", d.rows * d.in), *w = bank_input(k, "w", d.out * d.in);
    const float *b = bank_input(k, "b", d.out);
    const double erf_error = s->variant & LINEAR_GELU ? 8.0 * U : 0.0; /* oneDNN's polynomial, times x/2 */
    float *y = bank_set(k, "y", d.rows * d.out, product_tolerance(d.in) + erf_error, PRODUCT_RELATIVE);
    check_ok(cx, ssfer_linear_forward(cx, y, x, w, s->variant & LINEAR_BIAS ? b : NULL, d,
                                      s->variant & LINEAR_GELU ? SSFER_EPILOGUE_GELU : SSFER_EPILOGUE_NONE));
}

static void run_linear_dx(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_linear_dims d = {s->n[0], s->n[1], s->n[2], false};
    const float *dy = bank_input(k, "dy", d.rows * d.out), *w = bank_input(k, "w", d.out * d.in);
    float *dx = bank_set(k, "dx", d.rows * d.in, product_tolerance(d.out), PRODUCT_RELATIVE);
    check_ok(cx, ssfer_linear_backward_dx(cx, dx, dy, w, d));
}

static void run_linear_dw(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_linear_dims d = {s->n[0], s->n[1], s->n[2], false};
    const float *dy = bank_input(k, "dy", d.rows * d.out), *x = bank_input(k, "x", d.rows * d.in);
    float *dw = bank_add(k, "dw", d.out * d.in, product_tolerance(d.rows), PRODUCT_RELATIVE);
    float *db = bank_add(k, "db", d.out, product_tolerance(d.rows), PRODUCT_RELATIVE);
    check_ok(cx, ssfer_linear_backward_dw(cx, dw, s->variant & LINEAR_BIAS ? db : NULL, dy, x, d));
}

static void test_linear(void **state)
{
    (void)state;
    const operation forward = {"linear", run_linear, true}, dx = {"linear dx", run_linear_dx, true},
                    dw = {"linear dw", run_linear_dw, true};
    /* products of our own: one block and one piece, several of each, several panels, rows past the last block, an inner
     * index in several parts (widths for y and dx, rows for dw), either operand of dw the wider one */
    static const shape panels[] = {{.n = {1, 16, 32}},    {.n = {12, 192, 32}},  {.n = {37, 400, 64}},
                                   {.n = {301, 208, 96}}, {.n = {37, 1632, 32}}, {.n = {290, 32, 1568}},
                                   {.n = {33, 32, 32}},   {.n = {33, 32, 320}},  {.n = {1700, 352, 32}},
                                   {.n = {1700, 64, 576}}};
    shape shapes[3 * COUNT(sizes) + 1 + COUNT(panels)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++) /* each size in each place, beside sizes that differ */
        for (size_t j = 0; j < 3; j++) {
            const size_t n = COUNT(sizes);
            shapes[count++] = (shape){.n = {sizes[i], sizes[(3 * i + 4 * j) % n], sizes[(5 * i + 2 + j) % n]}};
        }
    shapes[count++] = (shape){.n = {2100, 8, 24}}; /* bias sums in chunks of more than 32 rows */
    for (size_t i = 0; i < COUNT(panels); i++)
        shapes[count++] = panels[i];
    for (unsigned variant = 0; variant < 4; variant++) {
        for (size_t i = 0; i < count; i++)
            shapes[i].variant = variant;
        check_shapes(&forward, shapes, count);
        if (variant & LINEAR_GELU)
            continue;
        check_shapes(&dw, shapes, count);
        check_nan(&forward, &(shape){.n = {5, 17, 33}, .variant = variant});
        check_nan(&forward, &(shape){.n = {5, 17, 33}, .variant = variant | LINEAR_GELU});
        check_nan(&forward, &(shape){.n = {5, 16, 32}, .variant = variant | LINEAR_GELU});
        check_nan(&dw, &(shape){.n = {5, 17, 33}, .variant = variant});
    }
    check_shapes(&dx, shapes, count);
    check_nan(&dx, &(shape){.n = {5, 17, 33}});
}

/* ---- layer norm -------------------------------------------------------------------------------------------------- */

enum {
    NORM_BRANCH = 1,
    NORM_SCALE = 2,
    NORM_IN_PLACE = 4,
    NORM_NO_STATISTICS = 8,
    NORM_SUM_ONLY = 16,
    NORM_STRIDE = 32
};

/* A row's mean is off by a few U (its elements are below 2), and 1/deviation multiplies that; the deviation itself, a
 * root of a mean of squares, is off by a few U of its own times the same factor. */
static double norm_tolerance(const float *rstd, size_t rows)
{
    double most = 0.0;
    for (size_t r = 0; r < rows; r++)
        most = fmax(most, (double)rstd[r]);
    return 16.0 * U * (1.0 + most);
}

static ssfer_norm_dims norm_dims(const shape *s)
{
    return (ssfer_norm_dims){.rows = s->n[0],
                             .width = s->n[1],
                             .rows_per_sample = s->n[2],
                             .eps = 1e-6f,
                             .x_stride = s->variant & NORM_STRIDE ? 2 * s->n[1] + 1 : 0};
}

static void run_norm(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_norm_dims d = norm_dims(s);
    const size_t M = d.rows, C = d.width, samples = (M + d.rows_per_sample - 1) / d.rows_per_sample;
    const bool branch = s->variant & NORM_BRANCH, in_place = s->variant & NORM_IN_PLACE;
    const bool only_sum = s->variant & NORM_SUM_ONLY, statistics = !(s->variant & (NORM_NO_STATISTICS | NORM_SUM_ONLY));
    const float *gamma = bank_input(k, "gamma", C), *beta = bank_input(k, "beta", C);
    const float *added = bank_input(k, "branch", M * C), *scale = bank_input(k, "scale", samples);
    float *x, *sum;
    if (in_place) {
        x = sum = bank_add(k, "sum", M * C, 2 * U, 2 * U);
    } else {
        x = bank_input(k, "x", (M - 1) * (d.x_stride ? d.x_stride : C) + C);
        sum = bank_set(k, "sum", branch ? M * C : 0, 2 * U, 2 * U); /* one rounding more without a fused x + s*b */
    }
    float *mean = bank_set(k, "mean", statistics ? M : 0, 8 * U, 0);
    float *rstd = bank_set(k, "rstd", statistics ? M : 0, 0, 0);
    float *y = bank_set(k, "y", only_sum ? 0 : M * C, 0, 0);
    check_ok(cx, ssfer_residual_norm_forward(cx, only_sum ? NULL : y, branch ? sum : NULL, statistics ? mean : NULL,
                                             statistics ? rstd : NULL, x, branch ? added : NULL,
                                             s->variant & NORM_SCALE ? scale : NULL, gamma, beta, d));
    double tolerance = statistics ? norm_tolerance(rstd, M) : 16.0 * U * 1000.0; /* 1000: 1/sqrt(eps) bounds rstd */
    bank_tolerate(k, rstd, 0, tolerance);
    bank_tolerate(k, y, tolerance, tolerance);
}

static void run_norm_backward(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_norm_dims d = norm_dims(s);
    const size_t M = d.rows, C = d.width;
    const float *x = bank_input(k, "x", M * C), *dy = bank_input(k, "dy", M * C), *gamma = bank_input(k, "gamma", C);
    float *mean = bank_make(k, "mean", BANK_INPUT, M, -1.0f, 1.0f);
    float *rstd = bank_make(k, "rstd", BANK_INPUT, M, 0.5f, 3.0f); /* any numbers: the formula does not ask */
    /* dx: about ten roundings of numbers below 6 * 3, after means over C; the sums: M terms below 6, and below 1 */
    float *dx = bank_add(k, "dx", M * C, U * (64.0 + sqrt((double)C)), 8 * U);
    float *dgamma = bank_add(k, "dgamma", C, 6.0 * product_tolerance(M), 8 * U);
    float *dbeta = bank_add(k, "dbeta", C, product_tolerance(M), 8 * U);
    check_ok(cx, ssfer_norm_backward(cx, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, d));
}

static void run_scale_rows(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_norm_dims d = norm_dims(s);
    const size_t M = d.rows, C = d.width;
    const float *x = bank_input(k, "x", M * C), *scale = bank_input(k, "scale", (M - 1) / d.rows_per_sample + 1);
    float *y = bank_set(k, "y", M * C, 0, 0); /* one product: exact */
    check_ok(cx, ssfer_scale_rows(cx, y, x, scale, d));
}

static void test_norm(void **state)
{
    (void)state;
    const operation forward = {"norm", run_norm, false}, backward = {"norm backward", run_norm_backward, false},
                    scale = {"scale rows", run_scale_rows, false};
    shape shapes[COUNT(sizes) * COUNT(widths) + 1];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(widths); j++)
            shapes[count++] = (shape){.n = {sizes[i], widths[j], 1 + (i + j) % 5}};
    shapes[count++] = (shape){.n = {2100, 24, 197}}; /* column sums in chunks of more than 32 rows */
    const unsigned all = NORM_BRANCH | NORM_SCALE;
    const unsigned variants[] = {0,
                                 NORM_BRANCH,
                                 all,
                                 all | NORM_IN_PLACE,
                                 all | NORM_NO_STATISTICS,
                                 all | NORM_SUM_ONLY,
                                 all | NORM_SUM_ONLY | NORM_IN_PLACE,
                                 all | NORM_STRIDE,
                                 NORM_STRIDE};
    for (size_t v = 0; v < COUNT(variants); v++) {
        for (size_t i = 0; i < count; i++)
            shapes[i].variant = variants[v];
        size_t from = variants[v] == all ? 0 : count * (v % 3) / 3, some = variants[v] == all ? count : count / 3;
        check_shapes(&forward, shapes + from, some);
        check_nan(&forward, &(shape){.n = {5, 33, 2}, .variant = variants[v]});
    }
    for (size_t i = 0; i < count; i++)
        shapes[i].variant = 0;
    check_shapes(&backward, shapes, count);
    check_nan(&backward, &(shape){.n = {37, 33, 2}});
    check_shapes(&scale, shapes, count);
    check_nan(&scale, &(shape){.n = {37, 33, 2}});
}

/* ---- GELU -------------------------------------------------------------------------------------------------------- */

enum { GELU_IN_PLACE = 1, GELU_AGAIN = 2 };

/* erf by its rational fit is off by 3.6e-7 at most (tools/fit_erf.py), 6 U; half of x times that, and two roundings. */
static void run_gelu(ssfer_compute *cx, bank *k, const shape *s)
{
    const float *x = bank_make(k, "x", BANK_INPUT, s->n[0], -s->size, s->size);
    float *y = bank_set(k, "y", s->n[0], 4.0 * U * (double)fminf(s->size, 6.0f), 4.0 * U);
    check_ok(cx, ssfer_gelu_forward(cx, y, x, s->n[0]));
}

/* The same erf, and x times an exp that is off by two ulp: |x phi(x)| < 0.25. */
static void run_gelu_backward(ssfer_compute *cx, bank *k, const shape *s)
{
    const float *x = bank_make(k, "x", BANK_INPUT, s->n[0], -s->size, s->size);
    const bool in_place = s->variant & GELU_IN_PLACE;
    float *dx = in_place ? bank_add(k, "dx", s->n[0], 6.0 * U, 4.0 * U) : bank_set(k, "dx", s->n[0], 6.0 * U, 4.0 * U);
    const float *dy = in_place ? dx : bank_input(k, "dy", s->n[0]);
    float *y =
        s->variant & GELU_AGAIN ? bank_set(k, "y", s->n[0], 4.0 * U * (double)fminf(s->size, 6.0f), 4.0 * U) : NULL;
    check_ok(cx, ssfer_gelu_backward(cx, dx, y, dy, x, s->n[0]));
}

static void test_gelu(void **state)
{
    (void)state;
    const operation forward = {"gelu", run_gelu, false}, backward = {"gelu backward", run_gelu_backward, false};
    shape shapes[3 * COUNT(sizes) + 1] = {{.n = {0}, .size = 1.0f}}; /* a flat pass takes an empty block */
    size_t count = 1;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        shapes[count++] = (shape){.n = {sizes[i]}, .size = 1.0f};
        shapes[count++] = (shape){.n = {sizes[i]}, .size = 6.0f};
        shapes[count++] = (shape){.n = {sizes[i]}, .size = 1e5f}; /* x or 0, and a slope of 1 or 0 */
    }
    check_shapes(&forward, shapes, count);
    check_shapes(&backward, shapes, count);
    for (size_t i = 0; i < count; i++)
        shapes[i].variant = i % 2 ? GELU_IN_PLACE : GELU_IN_PLACE | GELU_AGAIN;
    check_shapes(&backward, shapes, count);
    check_nan(&forward, &(shape){.n = {37}, .size = 3.0f});
    check_nan(&backward, &(shape){.n = {37}, .size = 3.0f});
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

enum { ATTENTION_NO_LSE = 1 };

/* By how much a probability may be off, relatively: what its score is off, absolutely. A score is a sum of D products
 * below size^2 (error about sqrt(D) U of its largest partial sum), rounded a few times more when it is scaled, shifted
 * by the row's maximum or log-sum (up to `most` itself) and given to exp. */
static double probability_error(const shape *s)
{
    double D = (double)s->n[3], most = (double)s->size * (double)s->size * sqrt(D);
    return U * (8.0 + sqrt(D) + 4.0 * most);
}

static ssfer_attention_dims attention_dims(const shape *s)
{
    return (ssfer_attention_dims){
        .batch = s->n[0], .tokens = s->n[1], .heads = s->n[2], .head_dim = s->n[3], .queries = s->n[4]};
}

/* Scores as large as `size` makes them, values within [-1, 1]. */
static float *attention_input(bank *k, const shape *s)
{
    const size_t C = s->n[2] * s->n[3];
    const size_t count = s->n[0] * s->n[1] * 3 * C;
    float *qkv = bank_make(k, "qkv", BANK_INPUT, count, -s->size, s->size);
    for (size_t i = 0; i < count; i++)
        if (i / C % 3 == 2)
            qkv[i] /= s->size;
    bank_assign(k, qkv, qkv);
    return qkv;
}

static void run_attention(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_attention_dims d = attention_dims(s);
    const size_t Q = d.queries ? d.queries : d.tokens;
    const bool with_lse = !(s->variant & ATTENTION_NO_LSE);
    const double e = probability_error(s);
    const float *qkv = attention_input(k, s);
    float *y = bank_set(k, "y", d.batch * Q * d.heads * d.head_dim, 2.0 * e, 0); /* a mean of values below 1 */
    float *lse = bank_set(k, "lse", with_lse ? d.batch * d.heads * Q : 0, e, 2.0 * U);
    check_ok(cx, ssfer_attention_forward(cx, y, with_lse ? lse : NULL, qkv, d));
}

/* y and lse come from the same forward pass whoever goes backwards, so that the backward pass alone is compared. */
static void run_attention_backward(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_attention_dims d = attention_dims(s);
    const size_t Q = d.queries ? d.queries : d.tokens, out = d.batch * Q * d.heads * d.head_dim;
    const double e = probability_error(s);
    const float *qkv = attention_input(k, s), *dy = bank_input(k, "dy", out);
    float *y = bank_input(k, "y", out), *lse = bank_input(k, "lse", d.batch * d.heads * Q);
    bank forward = BANK_EMPTY;
    run_attention(contexts[0][0], &forward,
                  &(shape){.n = {s->n[0], s->n[1], s->n[2], s->n[3], s->n[4]}, .size = s->size});
    bank_assign(k, y, forward.tensors[1].data);
    bank_assign(k, lse, forward.tensors[2].data);
    bank_free(&forward);
    /* The N probabilities of a row sum to 1, so dv is off by e times dy; dq and dk add products p (dp - row) k/sqrt(D),
     * in which dp and row are sums of D products below 1, about sqrt(D)/3 in size. The errors of the N terms have
     * either sign: a quarter of their sum is never reached. */
    float *dqkv =
        bank_set(k, "dqkv", d.batch * d.tokens * 3 * d.heads * d.head_dim, e * (1.0 + (double)s->size) / 4.0, 0);
    check_ok(cx, ssfer_attention_backward(cx, dqkv, dy, qkv, y, lse, d));
}

static void test_attention(void **state)
{
    (void)state;
    const operation forward = {"attention", run_attention, false},
                    backward = {"attention backward", run_attention_backward, false};
    const size_t head_dims[] = {1, 8, 16, 24, 64, 80};
    shape shapes[COUNT(sizes) * COUNT(head_dims) + 2];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(head_dims); j++) {
            size_t N = sizes[i];
            if (N < 65) /* the reference is slow on purpose; large N get one head each */
                shapes[count++] = (shape){.n = {2, N, 3, head_dims[j], 0}, .size = 1.5f};
            else if (N == 65 || head_dims[j] == 16 || head_dims[j] == 64)
                shapes[count++] = (shape){.n = {1, N, 1 + (N == 65), head_dims[j], 0}, .size = 1.5f};
        }
    shapes[count++] = (shape){.n = {2, 37, 2, 24, 1}, .size = 1.5f}; /* the class token asks alone */
    shapes[count++] = (shape){.n = {1, 65, 3, 8, 50}, .size = 1.5f};
    check_shapes(&forward, shapes, count);
    check_shapes(&backward, shapes, count);
    for (size_t i = 0; i < count; i++)
        shapes[i].variant = ATTENTION_NO_LSE;
    check_shapes(&forward, shapes, count / 2);
    check_nan(&forward, &(shape){.n = {2, 17, 2, 8, 0}, .size = 1.0f});
    check_nan(&backward, &(shape){.n = {2, 17, 2, 8, 0}, .size = 1.0f});
    check_nan(&backward, &(shape){.n = {2, 17, 2, 8, 3}, .size = 1.0f});
}

/* Scores up to 1e4 (24 * 45^2 / sqrt(24)): exp without the row maximum would overflow at 89. */
static void test_attention_large(void **state)
{
    (void)state;
    const operation forward = {"attention, scores of 1e4", run_attention, false},
                    backward = {"attention backward, scores of 1e4", run_attention_backward, false};
    const shape shapes[] = {{.n = {2, 17, 2, 24, 0}, .size = 45.0f}, {.n = {1, 65, 1, 24, 0}, .size = 45.0f}};
    check_shapes(&forward, shapes, COUNT(shapes));
    check_shapes(&backward, shapes, COUNT(shapes));
}

/* ---- patches and tokens ------------------------------------------------------------------------------------------ */

static void run_patches(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_patch_dims d = {s->n[0], s->n[1], s->n[2] * s->n[4], s->n[3] * s->n[4], s->n[4]};
    const size_t all = d.batch * d.channels * d.height * d.width;
    const float *image = bank_input(k, "image", all);
    float *out = bank_set(k, "out", all, 0, 0); /* only moved */
    check_ok(cx, ssfer_patches_gather(cx, out, image, d));
}

static void run_tokens(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_token_dims d = {s->n[0], s->n[1], s->n[2]};
    const float *tokens = bank_input(k, "tokens", d.batch * d.patches * d.width), *cls = bank_input(k, "cls", d.width);
    const float *pos = bank_input(k, "pos", (d.patches + 1) * d.width);
    float *x = bank_set(k, "x", d.batch * (d.patches + 1) * d.width, 0, 0); /* one addition: exact */
    check_ok(cx, ssfer_tokens_assemble(cx, x, tokens, cls, pos, d));
}

enum { TOKENS_FIXED_POSITIONS = 1 };

static void run_tokens_backward(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_token_dims d = {s->n[0], s->n[1], s->n[2]};
    const size_t N = d.patches + 1;
    const double batch = (double)d.batch;
    const float *dx = bank_input(k, "dx", d.batch * N * d.width);
    float *dtokens = bank_set(k, "dtokens", d.batch * d.patches * d.width, 0, 0);
    float *dcls = bank_add(k, "dcls", d.width, U * batch, 0); /* B additions of numbers below 1 */
    float *dpos = bank_add(k, "dpos", N * d.width, U * batch, 0);
    check_ok(cx, ssfer_tokens_assemble_backward(cx, dtokens, dcls, s->variant & TOKENS_FIXED_POSITIONS ? NULL : dpos,
                                                dx, d));
}

static void run_first_token(ssfer_compute *cx, bank *k, const shape *s)
{
    const float *first = bank_input(k, "d_first", s->n[0] * s->n[2]);
    float *dx = bank_set(k, "dx", s->n[0] * s->n[1] * s->n[2], 0, 0);
    check_ok(cx, ssfer_first_token_backward(cx, dx, first, s->n[0], s->n[1], s->n[2]));
}

static void test_tokens(void **state)
{
    (void)state;
    const operation patches = {"patches", run_patches, false}, tokens = {"tokens", run_tokens, false},
                    backward = {"tokens backward", run_tokens_backward, false},
                    first = {"first token", run_first_token, false};
    const shape grids[] = {{.n = {1, 1, 1, 1, 1}}, {.n = {1, 3, 1, 5, 4}},  {.n = {2, 3, 5, 1, 3}},
                           {.n = {3, 2, 3, 4, 7}}, {.n = {2, 3, 4, 3, 16}}, {.n = {5, 1, 7, 2, 8}}};
    shape shapes[COUNT(sizes) * COUNT(widths)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(widths); j++)
            shapes[count++] = (shape){.n = {1 + (i + j) % 4, sizes[i], widths[j]}};
    check_shapes(&patches, grids, COUNT(grids));
    check_shapes(&tokens, shapes, count);
    check_shapes(&first, shapes, count);
    check_shapes(&backward, shapes, count);
    for (size_t i = 0; i < count; i++)
        shapes[i].variant = TOKENS_FIXED_POSITIONS;
    check_shapes(&backward, shapes, count);
    check_nan(&patches, &grids[3]);
    check_nan(&tokens, &(shape){.n = {3, 5, 17}});
    check_nan(&first, &(shape){.n = {3, 5, 17}});
    check_nan(&backward, &(shape){.n = {3, 5, 17}});
}

/* ---- the masked autoencoder -------------------------------------------------------------------------------------- */

enum { MASK_MOST = 4096 };
static int32_t mask_keep[MASK_MOST], mask_restore[MASK_MOST];

/* A random mask of each picture, the same for every run of a shape. */
static ssfer_mask make_mask(size_t batch, size_t patches, size_t kept)
{
    size_t order[MASK_MOST];
    assert_true(batch * patches <= MASK_MOST);
    ssfer_rng rng = ssfer_rng_stream(batch, 0, (uint32_t)kept, patches, SSFER_RNG_TEST);
    for (size_t b = 0; b < batch; b++) {
        for (size_t l = 0; l < patches; l++)
            order[l] = l;
        ssfer_rng_shuffle(&rng, order, patches);
        for (size_t i = 0; i < patches; i++) {
            mask_restore[b * patches + order[i]] = (int32_t)i;
            if (i < kept)
                mask_keep[b * kept + i] = (int32_t)order[i];
        }
    }
    return (ssfer_mask){mask_keep, mask_restore, kept};
}

/* n: batch, channels, patches down, patches across, patch side; `variant` patches are seen. */
static ssfer_patch_dims grid_dims(const shape *s)
{
    return (ssfer_patch_dims){s->n[0], s->n[1], s->n[2] * s->n[4], s->n[3] * s->n[4], s->n[4]};
}

static void run_pick(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_patch_dims d = grid_dims(s);
    const ssfer_mask mask = make_mask(s->n[0], s->n[2] * s->n[3], s->variant);
    const float *image = bank_input(k, "image", d.batch * d.channels * d.height * d.width);
    float *out = bank_set(k, "out", d.batch * mask.kept * d.channels * d.patch * d.patch, 0, 0); /* only moved */
    check_ok(cx, ssfer_patches_pick(cx, out, image, mask, d));
}

/* n: batch, patches, width, patches seen. */
static void run_assemble_seen(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_token_dims d = {s->n[0], s->n[1], s->n[2]};
    const ssfer_mask mask = make_mask(d.batch, d.patches, s->n[3]);
    const float *tokens = bank_input(k, "tokens", d.batch * mask.kept * d.width), *cls = bank_input(k, "cls", d.width);
    const float *pos = bank_input(k, "pos", (d.patches + 1) * d.width);
    float *x = bank_set(k, "x", d.batch * (mask.kept + 1) * d.width, 0, 0); /* one addition: exact */
    check_ok(cx, ssfer_tokens_assemble_seen(cx, x, tokens, cls, pos, mask, d));
}

static void run_restore(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_token_dims d = {s->n[0], s->n[1], s->n[2]};
    const ssfer_mask mask = make_mask(d.batch, d.patches, s->n[3]);
    const float *tokens = bank_input(k, "tokens", d.batch * (mask.kept + 1) * d.width);
    const float *hidden = bank_input(k, "hidden", d.width), *pos = bank_input(k, "pos", (d.patches + 1) * d.width);
    float *x = bank_set(k, "x", d.batch * (d.patches + 1) * d.width, 0, 0); /* one addition: exact */
    check_ok(cx, ssfer_tokens_restore(cx, x, tokens, hidden, pos, mask, d));
}

static void run_restore_backward(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_token_dims d = {s->n[0], s->n[1], s->n[2]};
    const ssfer_mask mask = make_mask(d.batch, d.patches, s->n[3]);
    const float *dx = bank_input(k, "dx", d.batch * (d.patches + 1) * d.width);
    float *dtokens = bank_set(k, "dtokens", d.batch * (mask.kept + 1) * d.width, 0, 0);
    /* Sums of numbers below 1 in two orders: a partial sum is seldom above twice the root of the number of terms, and
     * the errors, of either sign, add up as that root. */
    float *dhidden = bank_add(k, "dhidden", d.width, U * (4.0 + 2.0 * (double)(d.batch * (d.patches - mask.kept))), 0);
    check_ok(cx, ssfer_tokens_restore_backward(cx, dtokens, dhidden, dx, mask, d));
}

enum {
    RECONSTRUCTION_NORMALIZE = 1 << 16,
    RECONSTRUCTION_NO_GRADIENT = 1 << 17,
    RECONSTRUCTION_IN_PLACE = 1 << 18,
    RECONSTRUCTION_SEEN = 0xffff
};

static void run_reconstruction(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_reconstruction_dims d = {grid_dims(s), (s->variant & RECONSTRUCTION_NORMALIZE) != 0};
    const size_t L = s->n[2] * s->n[3], D = s->n[1] * s->n[4] * s->n[4], all = s->n[0] * (L + 1) * D;
    const bool gradient = !(s->variant & RECONSTRUCTION_NO_GRADIENT), in_place = s->variant & RECONSTRUCTION_IN_PLACE;
    const ssfer_mask mask = make_mask(s->n[0], L, s->variant & RECONSTRUCTION_SEEN);
    /* Both in double inside, but a normalised target is rounded to float here: U of a target up to 4 (sqrt(D) for the
     * smallest D), in an error of about that size. */
    const double step = 16.0 * U / (double)(D * (L - mask.kept));
    float *pred = in_place ? bank_add(k, "pred", all, step, 4.0 * U) : bank_input(k, "pred", all);
    const float *image = bank_input(k, "image", s->n[0] * L * D), *weight = bank_input(k, "weight", s->n[0]);
    float *loss = bank_set(k, "loss", s->n[0], 0, 16.0 * U);
    float *dpred = bank_set(k, "dpred", gradient && !in_place ? all : 0, step, 4.0 * U);
    dpred = in_place ? pred : gradient ? dpred : NULL;
    check_ok(cx, ssfer_reconstruction_loss(cx, loss, dpred, pred, image, weight, mask, d));
}

static void test_masked(void **state)
{
    (void)state;
    const operation pick = {"patches pick", run_pick, false}, seen = {"assemble seen", run_assemble_seen, false},
                    restore = {"restore", run_restore, false},
                    backward = {"restore backward", run_restore_backward, false},
                    loss = {"reconstruction loss", run_reconstruction, false};
    shape grids[] = {{.n = {1, 1, 1, 2, 2}, .variant = 1},  {.n = {1, 3, 1, 5, 4}, .variant = 2},
                     {.n = {2, 3, 5, 1, 3}, .variant = 4},  {.n = {3, 2, 3, 4, 7}, .variant = 3},
                     {.n = {2, 3, 4, 3, 16}, .variant = 3}, {.n = {5, 1, 7, 2, 8}, .variant = 1}};
    shape shapes[3 * COUNT(sizes) * COUNT(widths)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(widths); j++) {
            const size_t kepts[] = {1, (sizes[i] + 3) / 4, sizes[i]}; /* the last hides nothing */
            for (size_t k = 0; k < COUNT(kepts); k++)
                shapes[count++] = (shape){.n = {1 + (i + j) % 4, sizes[i], widths[j], kepts[k]}};
        }
    check_shapes(&pick, grids, COUNT(grids));
    check_shapes(&seen, shapes, count);
    check_shapes(&restore, shapes, count);
    check_shapes(&backward, shapes, count);
    check_nan(&pick, &grids[3]);
    check_nan(&seen, &(shape){.n = {3, 5, 17, 2}});
    check_nan(&restore, &(shape){.n = {3, 5, 17, 2}});
    check_nan(&backward, &(shape){.n = {3, 5, 17, 2}});
    const unsigned variants[] = {0, RECONSTRUCTION_NORMALIZE, RECONSTRUCTION_NO_GRADIENT, RECONSTRUCTION_IN_PLACE};
    for (size_t v = 0; v < COUNT(variants); v++) {
        shape each[COUNT(grids)];
        for (size_t i = 0; i < COUNT(grids); i++) {
            each[i] = grids[i];
            each[i].variant |= variants[v];
        }
        check_shapes(&loss, each, COUNT(each));
        check_nan(&loss, &each[3]);
    }
}

/* ---- loss -------------------------------------------------------------------------------------------------------- */

enum { LOSS_NO_GRADIENT = 1 };

static void run_cross_entropy(ssfer_compute *cx, bank *k, const shape *s)
{
    const size_t batch = s->n[0], classes = s->n[1], all = batch * classes;
    const float *logits = bank_make(k, "logits", BANK_INPUT, all, -s->size, s->size);
    const float *target = bank_make(k, "target", BANK_INPUT, all, 0.0f, 1.0f), *weight = bank_input(k, "weight", batch);
    const bool gradient = !(s->variant & LOSS_NO_GRADIENT);
    float *loss = bank_set(k, "loss", batch, 0, 2.0 * U); /* both in double inside, rounded once */
    float *dlogits = bank_add(k, "dlogits", gradient ? all : 0, 0, 4.0 * U);
    check_ok(cx, ssfer_cross_entropy(cx, loss, gradient ? dlogits : NULL, logits, target, weight, batch, classes));
}

static void test_cross_entropy(void **state)
{
    (void)state;
    const operation loss = {"cross entropy", run_cross_entropy, false};
    shape shapes[3 * COUNT(sizes) * COUNT(sizes)];
    size_t count = 0;
    for (size_t i = 0; i < COUNT(sizes); i++)
        for (size_t j = 0; j < COUNT(sizes); j++) {
            shapes[count++] = (shape){.n = {sizes[i], sizes[j]}, .size = 3.0f};
            shapes[count++] =
                (shape){.n = {sizes[i], sizes[j]}, .size = 80.0f}; /* a range of 160: beyond exp's in float */
            shapes[count++] = (shape){.n = {sizes[i], sizes[j]}, .size = 3.0f, .variant = LOSS_NO_GRADIENT};
        }
    check_shapes(&loss, shapes, count);
    check_nan(&loss, &(shape){.n = {5, 7}, .size = 3.0f});
}

/* ---- flat passes ------------------------------------------------------------------------------------------------- */

enum { ADAMW_NO_AVERAGE = 1 };

static void run_adamw(ssfer_compute *cx, bank *k, const shape *s)
{
    const ssfer_adamw_args a = {.lr = 1e-3,
                                .beta1 = 0.9,
                                .beta2 = 0.999,
                                .eps = 1e-8,
                                .weight_decay = 0.05,
                                .step = s->n[1],
                                .grad_scale = 0.25,
                                .ema_decay = 0.996};
    const bool average = !(s->variant & ADAMW_NO_AVERAGE);
    const float *g = bank_input(k, "g", s->n[0]);
    /* the update is below lr * 0.3 / sqrt(v / bc2), v > 0.1: a few roundings of it, and one of p */
    float *p = bank_add(k, "p", s->n[0], U, 2.0 * U), *m = bank_add(k, "m", s->n[0], 2.0 * U, 0);
    float *v = bank_make(k, "v", BANK_ADD, s->n[0], 0.1f, 1.0f);
    bank_tolerate(k, v, 0, 4.0 * U);
    /* two products and a sum of numbers below 1; of what p is off by, a 250th */
    float *shadow = bank_add(k, "shadow", average ? s->n[0] : 0, 2.0 * U, 0);
    check_ok(cx, ssfer_adamw_step(cx, p, m, v, average ? shadow : NULL, g, s->n[0], &a));
}

static void run_sum_squares(ssfer_compute *cx, bank *k, const shape *s)
{
    const float *x = bank_input(k, "x", s->n[0]);
    float *rounded = bank_set(k, "sum", 1, 0, 2.0 * U); /* in double on both sides, whatever the order */
    float *bits = bank_make(k, "bits", BANK_BITS, 2, 0.0f, 0.0f);
    double sum = NAN;
    check_ok(cx, ssfer_sum_squares(cx, &sum, x, s->n[0]));
    *rounded = (float)sum;
    memcpy(bits, &sum, sizeof sum);
}

static void run_zero(ssfer_compute *cx, bank *k, const shape *s)
{
    float *x = bank_set(k, "x", s->n[0], 0, 0);
    check_ok(cx, ssfer_zero(cx, x, s->n[0]));
}

static void test_flat_passes(void **state)
{
    (void)state;
    const operation adamw = {"adamw", run_adamw, false}, squares = {"sum of squares", run_sum_squares, false},
                    zero = {"zero", run_zero, false};
    shape shapes[COUNT(sizes) + 3] = {{.n = {0, 1}}};
    size_t count = 1;
    for (size_t i = 0; i < COUNT(sizes); i++)
        shapes[count++] = (shape){.n = {sizes[i], 1 + 7 * i}};
    shapes[count++] = (shape){.n = {65536, 3}}; /* one chunk of the sum, and three and a bit */
    shapes[count++] = (shape){.n = {3 * 65536 + 37, 100000}};
    check_shapes(&adamw, shapes, count);
    check_shapes(&squares, shapes, count);
    check_shapes(&zero, shapes, count);
    for (size_t i = 0; i < count; i++)
        shapes[i].variant = ADAMW_NO_AVERAGE;
    check_shapes(&adamw, shapes, count);
    check_nan(&adamw, &(shape){.n = {37, 5}});
    check_nan(&adamw, &(shape){.n = {37, 5}, .variant = ADAMW_NO_AVERAGE});
    check_nan(&squares, &(shape){.n = {37}});
}

/* ---- contexts ---------------------------------------------------------------------------------------------------- */

static int open_contexts(void **state)
{
    (void)state;
    ssfer_error err = {0};
    if (ssfer_compute_create(&reference, SSFER_BACKEND_REF, SSFER_PRECISION_FP32, 1, &err) != SSFER_OK)
        return -1;
    for (int level = 0; level <= (int)ssfer_cpu_level_in_use(); level++) {
        const ssfer_backend *backend = ssfer_cpu_backend((ssfer_cpu_level)level, SSFER_PRECISION_FP32);
        for (size_t t = 0; backend && t < MAX_THREADS; t++)
            if (ssfer_compute_create_with(&contexts[tables][t], backend, t + 1, &err))
                return -1;
        tables += backend != NULL;
    }
    return 0;
}

static int close_contexts(void **state)
{
    (void)state;
    ssfer_compute_destroy(reference);
    for (size_t level = 0; level < tables; level++)
        for (size_t t = 0; t < MAX_THREADS; t++)
            ssfer_compute_destroy(contexts[level][t]);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_large),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_masked),
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_flat_passes),
    };
    return cmocka_run_group_tests(tests, open_contexts, close_contexts);
}
