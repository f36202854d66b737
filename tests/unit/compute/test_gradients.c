/* Every backward operation of the reference, in double precision, against differences of its own forward operation.
 *
 * For a scalar L = sum(g * y), each gradient element is compared with the five-point difference
 *     (L(x-2h) - 8 L(x-h) + 8 L(x+h) - L(x+2h)) / 12h,   h = 1e-3.
 * Its truncation error is h^4/30 of the fifth derivative, below 1e-12 here, and its rounding error the last digit of L
 * (|L| < 20) over h, 1e-12. Measured: below 3e-12 everywhere. TOLERANCE leaves room for other libms, and is far below
 * what a wrong term would give. Outputs that are added to (`+=`) start from numbers, not from zero.
 *
 * The sizes are odd and all different, so that no swapped pair of dimensions can pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define SSFER_REF_DOUBLE
#include "base/rng.h"
#include "compute/ref/ref.h"

#include <math.h>
#include <string.h>

#define TOLERANCE 1e-10
#define STEP 1e-3

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void fill(double *x, size_t n, uint64_t seed)
{
    ssfer_rng rng = ssfer_rng_stream(seed, 0, 0, 0, SSFER_RNG_TEST);
    for (size_t i = 0; i < n; i++)
        x[i] = ssfer_rng_range(&rng, -1.0, 1.0);
}
#define FILL(object, seed) fill((double *)&(object), sizeof(object) / sizeof(double), (seed)) /* all its numbers */

static double dot(const double *a, const double *b, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

typedef double loss_function(void *user);

/* gradient (n) - start (n, NULL: zero) against the differences of loss in each of x (n), which loss reads. */
static void check_gradient(const char *what, double *x, size_t n, const double *gradient, const double *start,
                           loss_function *loss, void *user)
{
    for (size_t i = 0; i < n; i++) {
        const double kept = x[i], offsets[4] = {-2.0, -1.0, 1.0, 2.0}, weights[4] = {1.0, -8.0, 8.0, -1.0};
        double sum = 0.0;
        for (size_t k = 0; k < 4; k++) {
            x[i] = kept + offsets[k] * STEP;
            sum += weights[k] * loss(user);
        }
        x[i] = kept;
        double want = sum / (12.0 * STEP), got = gradient[i] - (start ? start[i] : 0.0);
        if (!(fabs(got - want) <= TOLERANCE * (1.0 + fabs(want))))
            fail_msg("%s[%zu]: %.15g, by differences %.15g", what, i, got, want);
    }
}

/* ---- linear ------------------------------------------------------------------------------------------------------ */

enum { M = 5, K = 7, J = 3 };

typedef struct linear_case {
    double x[M * K], w[J * K], b[J], g[M * J], y[M * J];
} linear_case;

static const ssfer_linear_dims linear_dims = {M, K, J, false};

static double linear_loss(void *user)
{
    linear_case *c = user;
    ref_linear_forward_f64(c->y, c->x, c->w, c->b, linear_dims, SSFER_EPILOGUE_NONE);
    return dot(c->g, c->y, M * J);
}

static void test_linear(void **state)
{
    (void)state;
    linear_case c;
    double dx[M * K], dw[J * K], db[J], dw0[J * K], db0[J];
    FILL(c, 1);
    fill(dx, M * K, 2); /* `=`: what was there must not matter */
    fill(dw0, J * K, 3);
    fill(db0, J, 4);
    memcpy(dw, dw0, sizeof dw);
    memcpy(db, db0, sizeof db);
    ref_linear_backward_dx_f64(dx, c.g, c.w, linear_dims);
    ref_linear_backward_dw_f64(dw, db, c.g, c.x, linear_dims);
    check_gradient("dx", c.x, M * K, dx, NULL, linear_loss, &c);
    check_gradient("dw", c.w, J * K, dw, dw0, linear_loss, &c);
    check_gradient("db", c.b, J, db, db0, linear_loss, &c);

    double without_db[J * K];
    memcpy(without_db, dw0, sizeof dw0);
    ref_linear_backward_dw_f64(without_db, NULL, c.g, c.x, linear_dims);
    assert_memory_equal(without_db, dw, sizeof dw);
}

/* No backward operation belongs to the fused GELU: it is the linear one after the GELU one, and so must the forward
 * operation be. */
static void test_linear_epilogue(void **state)
{
    (void)state;
    linear_case c;
    double fused[M * J];
    FILL(c, 5);
    ref_linear_forward_f64(fused, c.x, c.w, NULL, linear_dims, SSFER_EPILOGUE_GELU);
    ref_linear_forward_f64(c.y, c.x, c.w, NULL, linear_dims, SSFER_EPILOGUE_NONE);
    ref_gelu_forward_f64(c.y, c.y, M * J);
    assert_memory_equal(fused, c.y, sizeof fused);
}

/* ---- layer norm and the residual connection ---------------------------------------------------------------------- */

enum { SAMPLES = 3, PER_SAMPLE = 2, ROWS = SAMPLES * PER_SAMPLE, WIDTH = 5 };

typedef struct norm_case {
    double x[ROWS * WIDTH], branch[ROWS * WIDTH], scale[SAMPLES], gamma[WIDTH], beta[WIDTH];
    double gy[ROWS * WIDTH], gsum[ROWS * WIDTH]; /* of y, and of the sum, which goes on to the next block */
    double y[ROWS * WIDTH], sum[ROWS * WIDTH], mean[ROWS], rstd[ROWS];
} norm_case;

static const ssfer_norm_dims norm_dims = {.rows = ROWS, .width = WIDTH, .rows_per_sample = PER_SAMPLE, .eps = 1e-6f};

static double norm_loss(void *user)
{
    norm_case *c = user;
    ref_residual_norm_forward_f64(c->y, c->sum, c->mean, c->rstd, c->x, c->branch, c->scale, c->gamma, c->beta,
                                  norm_dims);
    return dot(c->gy, c->y, ROWS * WIDTH) + dot(c->gsum, c->sum, ROWS * WIDTH);
}

static double plain_norm_loss(void *user)
{
    norm_case *c = user;
    ref_residual_norm_forward_f64(c->y, NULL, c->mean, c->rstd, c->x, NULL, NULL, c->gamma, c->beta, norm_dims);
    return dot(c->gy, c->y, ROWS * WIDTH);
}

/* The whole of what a block does backwards: the gradient of the sum arrives in dx, the norm adds its own, and the
 * branch gets it scaled. */
static void test_residual_norm(void **state)
{
    (void)state;
    norm_case c;
    double dx[ROWS * WIDTH], dbranch[ROWS * WIDTH], dgamma[WIDTH], dbeta[WIDTH], dgamma0[WIDTH], dbeta0[WIDTH];
    FILL(c, 6);
    c.scale[0] = 0.0; /* a dropped sample; the others are scaled up */
    c.scale[1] = c.scale[2] = 1.25;
    norm_loss(&c);
    memcpy(dx, c.gsum, sizeof dx);
    fill(dgamma0, WIDTH, 7);
    fill(dbeta0, WIDTH, 8);
    memcpy(dgamma, dgamma0, sizeof dgamma);
    memcpy(dbeta, dbeta0, sizeof dbeta);
    ref_norm_backward_f64(dx, dgamma, dbeta, c.gy, c.sum, c.mean, c.rstd, c.gamma, norm_dims);
    ref_scale_rows_f64(dbranch, dx, c.scale, norm_dims);
    check_gradient("dx", c.x, ROWS * WIDTH, dx, NULL, norm_loss, &c);
    check_gradient("dbranch", c.branch, ROWS * WIDTH, dbranch, NULL, norm_loss, &c);
    check_gradient("dgamma", c.gamma, WIDTH, dgamma, dgamma0, norm_loss, &c);
    check_gradient("dbeta", c.beta, WIDTH, dbeta, dbeta0, norm_loss, &c);
}

static void test_plain_norm(void **state)
{
    (void)state;
    norm_case c;
    double dx[ROWS * WIDTH], dx0[ROWS * WIDTH], dgamma[WIDTH] = {0}, dbeta[WIDTH] = {0};
    FILL(c, 9);
    plain_norm_loss(&c);
    fill(dx0, ROWS * WIDTH, 10);
    memcpy(dx, dx0, sizeof dx);
    ref_norm_backward_f64(dx, dgamma, dbeta, c.gy, c.x, c.mean, c.rstd, c.gamma, norm_dims);
    check_gradient("dx", c.x, ROWS * WIDTH, dx, dx0, plain_norm_loss, &c);
    check_gradient("dgamma", c.gamma, WIDTH, dgamma, NULL, plain_norm_loss, &c);
    check_gradient("dbeta", c.beta, WIDTH, dbeta, NULL, plain_norm_loss, &c);
}

/* What the gradients cannot show: the statistics themselves, by their definition. */
static void test_norm_statistics(void **state)
{
    (void)state;
    norm_case c;
    FILL(c, 11);
    norm_loss(&c);
    for (size_t r = 0; r < ROWS; r++) {
        double mean = 0.0, variance = 0.0;
        for (size_t i = 0; i < WIDTH; i++)
            mean += (c.x[r * WIDTH + i] + c.scale[r / PER_SAMPLE] * c.branch[r * WIDTH + i]) / WIDTH;
        for (size_t i = 0; i < WIDTH; i++) {
            double v = c.x[r * WIDTH + i] + c.scale[r / PER_SAMPLE] * c.branch[r * WIDTH + i] - mean;
            variance += v * v / WIDTH;
        }
        double rstd = 1.0 / sqrt(variance + (double)1e-6f);
        assert_true(fabs(c.mean[r] - mean) <= 1e-15 * 8); /* a few additions of numbers below 2 */
        assert_true(fabs(c.rstd[r] - rstd) <= 1e-14 * (1 + rstd));
        for (size_t i = 0; i < WIDTH; i++) {
            double v = c.x[r * WIDTH + i] + c.scale[r / PER_SAMPLE] * c.branch[r * WIDTH + i];
            assert_true(fabs(c.y[r * WIDTH + i] - ((v - mean) * rstd * c.gamma[i] + c.beta[i])) <= 1e-13 * (1 + rstd));
        }
    }
}

/* Rows taken with a stride, as when only every sample's first token is normalised. */
static void test_norm_stride(void **state)
{
    (void)state;
    enum { STRIDE = PER_SAMPLE * WIDTH };
    norm_case c, packed;
    FILL(c, 25);
    packed = c;
    for (size_t s = 0; s < SAMPLES; s++)
        memmove(packed.x + s * WIDTH, c.x + s * STRIDE, WIDTH * sizeof *c.x);
    ssfer_norm_dims d = {.rows = SAMPLES, .width = WIDTH, .rows_per_sample = 1, .eps = 1e-6f};
    ref_residual_norm_forward_f64(packed.y, packed.sum, NULL, NULL, packed.x, c.branch, c.scale, c.gamma, c.beta, d);
    d.x_stride = STRIDE;
    ref_residual_norm_forward_f64(c.y, c.sum, NULL, NULL, c.x, c.branch, c.scale, c.gamma, c.beta, d);
    assert_memory_equal(c.y, packed.y, SAMPLES * WIDTH * sizeof *c.y);
    assert_memory_equal(c.sum, packed.sum, SAMPLES * WIDTH * sizeof *c.sum);
}

/* ---- GELU -------------------------------------------------------------------------------------------------------- */

typedef struct gelu_case {
    double x[11], g[11], y[11];
} gelu_case;

static double gelu_loss(void *user)
{
    gelu_case *c = user;
    ref_gelu_forward_f64(c->y, c->x, COUNT(c->x));
    return dot(c->g, c->y, COUNT(c->x));
}

static void test_gelu(void **state)
{
    (void)state;
    gelu_case c = {.x = {-9.0, -3.0, -1.5, -0.7517916243, -0.2, 0.0, 1e-3, 0.4, 1.1, 2.9, 12.0}};
    double dx[COUNT(c.x)], again[COUNT(c.x)];
    fill(c.g, COUNT(c.g), 12);
    memcpy(dx, c.g, sizeof dx);
    ref_gelu_backward_f64(dx, again, dx, c.x, COUNT(c.x)); /* in place, as the contract allows */
    check_gradient("dx", c.x, COUNT(c.x), dx, NULL, gelu_loss, &c);
    gelu_loss(&c);
    assert_memory_equal(again, c.y, sizeof again);
    assert_true(fabs(c.y[8] - 1.1 * 0.8643339390536173) <= 1e-15); /* Phi(1.1), from tables */
}

/* ---- attention --------------------------------------------------------------------------------------------------- */

enum { B = 2, N = 5, H = 3, D = 7, QKV = B * N * 3 * H * D, OUT = B * N * H * D };

typedef struct attention_case {
    ssfer_attention_dims dims;
    double qkv[QKV], g[OUT], y[OUT], lse[B * H * N]; /* of the last three only the first Q/N when Q tokens ask */
} attention_case;

static double attention_loss(void *user)
{
    attention_case *c = user;
    ref_attention_forward_f64(c->y, c->lse, c->qkv, c->dims);
    return dot(c->g, c->y, OUT / N * (c->dims.queries ? c->dims.queries : N));
}

static void check_attention(size_t queries)
{
    static attention_case c;
    static double dqkv[QKV];
    fill(c.qkv, QKV, 13);
    fill(c.g, OUT, 14);
    c.dims = (ssfer_attention_dims){.batch = B, .tokens = N, .heads = H, .head_dim = D, .queries = queries};
    for (size_t i = 0; i < QKV; i++)
        c.qkv[i] *= 2.0; /* scores to about 5: a softmax that is neither flat nor one-hot */
    fill(dqkv, QKV, 15);
    attention_loss(&c);
    ref_attention_backward_f64(dqkv, c.g, c.qkv, c.y, c.lse, c.dims);
    check_gradient("dqkv", c.qkv, QKV, dqkv, NULL, attention_loss, &c);
}

static void test_attention(void **state)
{
    (void)state;
    check_attention(0);
    check_attention(2); /* all that the last block needs is what its class token asks */
}

/* The forward pass by its definition, with an index arithmetic of its own. */
static void test_attention_forward(void **state)
{
    (void)state;
    static attention_case c;
    fill(c.qkv, QKV, 16);
    c.dims = (ssfer_attention_dims){.batch = B, .tokens = N, .heads = H, .head_dim = D};
    attention_loss(&c);
    const double(*qkv)[N][3][H][D] = (const double(*)[N][3][H][D])c.qkv;
    const double(*y)[N][H][D] = (const double(*)[N][H][D])c.y;
    const double(*lse)[H][N] = (const double(*)[H][N])c.lse;
    for (size_t b = 0; b < B; b++)
        for (size_t h = 0; h < H; h++)
            for (size_t i = 0; i < N; i++) {
                double e[N], total = 0.0;
                for (size_t j = 0; j < N; j++)
                    total += e[j] = exp(dot(qkv[b][i][0][h], qkv[b][j][1][h], D) / sqrt(D));
                assert_true(fabs(lse[b][h][i] - log(total)) <= 1e-14);
                for (size_t d = 0; d < D; d++) {
                    double want = 0.0;
                    for (size_t j = 0; j < N; j++)
                        want += e[j] / total * qkv[b][j][2][h][d];
                    assert_true(fabs(y[b][i][h][d] - want) <= 1e-14);
                }
            }

    /* fewer queries: the same rows, closer together */
    enum { Q = 2 };
    double few[B][Q][H][D], few_lse[B][H][Q];
    c.dims.queries = Q;
    ref_attention_forward_f64((double *)few, (double *)few_lse, c.qkv, c.dims);
    for (size_t b = 0; b < B; b++) {
        assert_memory_equal(few[b], y[b], sizeof few[b]);
        for (size_t h = 0; h < H; h++)
            assert_memory_equal(few_lse[b][h], lse[b][h], sizeof few_lse[b][h]);
    }
}

/* ---- tokens and patches ------------------------------------------------------------------------------------------ */

enum { IMAGES = 3, PATCHES = 5, CHANNELS = 2, TOKENS = PATCHES + 1 };

typedef struct token_case {
    double tokens[IMAGES * PATCHES * CHANNELS], cls[CHANNELS], pos[TOKENS * CHANNELS];
    double g[IMAGES * TOKENS * CHANNELS], x[IMAGES * TOKENS * CHANNELS];
} token_case;

static const ssfer_token_dims token_dims = {IMAGES, PATCHES, CHANNELS};

static double token_loss(void *user)
{
    token_case *c = user;
    ref_tokens_assemble_f64(c->x, c->tokens, c->cls, c->pos, token_dims);
    return dot(c->g, c->x, COUNT(c->x));
}

static void test_tokens(void **state)
{
    (void)state;
    token_case c;
    double dtokens[COUNT(c.tokens)], dcls[CHANNELS], dcls0[CHANNELS], dpos[COUNT(c.pos)], dpos0[COUNT(c.pos)];
    FILL(c, 16);
    FILL(dtokens, 17);
    FILL(dcls0, 18);
    FILL(dpos0, 19);
    memcpy(dcls, dcls0, sizeof dcls);
    memcpy(dpos, dpos0, sizeof dpos);
    ref_tokens_assemble_backward_f64(dtokens, dcls, dpos, c.g, token_dims);
    check_gradient("dtokens", c.tokens, COUNT(c.tokens), dtokens, NULL, token_loss, &c);
    check_gradient("dcls", c.cls, CHANNELS, dcls, dcls0, token_loss, &c);
    check_gradient("dpos", c.pos, COUNT(c.pos), dpos, dpos0, token_loss, &c);

    double fixed[CHANNELS];
    memcpy(fixed, dcls0, sizeof fixed);
    ref_tokens_assemble_backward_f64(dtokens, fixed, NULL, c.g, token_dims);
    assert_memory_equal(fixed, dcls, sizeof dcls);
}

static void test_first_token(void **state)
{
    (void)state;
    double x[IMAGES][TOKENS][CHANNELS], first[IMAGES][CHANNELS];
    FILL(x, 23);
    FILL(first, 24);
    ref_first_token_backward_f64((double *)x, (double *)first, IMAGES, TOKENS, CHANNELS);
    for (size_t b = 0; b < IMAGES; b++)
        for (size_t n = 0; n < TOKENS; n++)
            for (size_t i = 0; i < CHANNELS; i++)
                assert_true(x[b][n][i] == (n ? 0.0 : first[b][i]));
}

/* A 2 x 3 grid of 2 x 2 patches with 2 channels, counted by hand: the value is its own place in the image. */
static void test_patches(void **state)
{
    (void)state;
    enum { C = 2, TALL = 4, WIDE = 6, P = 2 };
    double image[C * TALL * WIDE], out[C * TALL * WIDE];
    for (size_t i = 0; i < COUNT(image); i++)
        image[i] = (double)i;
    ref_patches_gather_f64(out, image, (ssfer_patch_dims){1, C, TALL, WIDE, P});
    const double first[] = {0, 1, 6, 7, 24, 25, 30, 31}, second[] = {2, 3, 8, 9, 26, 27, 32, 33};
    const double last[] = {16, 17, 22, 23, 40, 41, 46, 47};
    assert_memory_equal(out, first, sizeof first);
    assert_memory_equal(out + 8, second, sizeof second);
    assert_memory_equal(out + 40, last, sizeof last);
}

/* ---- the masked autoencoder -------------------------------------------------------------------------------------- */

/* Three pictures of a 2 x 3 grid: six patches, of which two are seen, in an order of their own. */
enum { GRID_TALL = 2, GRID_WIDE = 3, GRID = GRID_TALL * GRID_WIDE, SEEN = 2, SIDE = 2, PLANES = 2 };
enum { PATCH_SIZE = PLANES * SIDE * SIDE };

static const int32_t keep[IMAGES * SEEN] = {4, 1, 0, 5, 2, 3};
static const int32_t restore[IMAGES * GRID] = {2, 1, 3, 4, 0, 5, 0, 4, 2, 5, 3, 1, 5, 4, 0, 1, 3, 2};
static const ssfer_mask mask = {keep, restore, SEEN};

typedef struct restore_case {
    double tokens[IMAGES * (SEEN + 1) * CHANNELS], hidden[CHANNELS], pos[(GRID + 1) * CHANNELS];
    double g[IMAGES * (GRID + 1) * CHANNELS], x[IMAGES * (GRID + 1) * CHANNELS];
} restore_case;

static const ssfer_token_dims restore_dims = {IMAGES, GRID, CHANNELS};

static double restore_loss(void *user)
{
    restore_case *c = user;
    ref_tokens_restore_f64(c->x, c->tokens, c->hidden, c->pos, mask, restore_dims);
    return dot(c->g, c->x, COUNT(c->x));
}

static void test_tokens_restore(void **state)
{
    (void)state;
    restore_case c;
    double dtokens[COUNT(c.tokens)], dhidden[CHANNELS], start[CHANNELS];
    FILL(c, 30);
    FILL(dtokens, 31);
    FILL(start, 32);
    memcpy(dhidden, start, sizeof dhidden);
    ref_tokens_restore_backward_f64(dtokens, dhidden, c.g, mask, restore_dims);
    check_gradient("dtokens", c.tokens, COUNT(c.tokens), dtokens, NULL, restore_loss, &c);
    check_gradient("dhidden", c.hidden, CHANNELS, dhidden, start, restore_loss, &c);
    restore_loss(&c);
    for (size_t i = 0; i < CHANNELS; i++) {
        assert_true(c.x[i] == c.tokens[i] + c.pos[i]); /* the class token */
        assert_true(c.x[5 * CHANNELS + i] ==
                    c.tokens[CHANNELS + i] + c.pos[5 * CHANNELS + i]);       /* patch 4: seen first */
        assert_true(c.x[CHANNELS + i] == c.hidden[i] + c.pos[CHANNELS + i]); /* patch 0 */
    }
}

typedef struct seen_case {
    double tokens[IMAGES * SEEN * CHANNELS], cls[CHANNELS], pos[(GRID + 1) * CHANNELS];
    double g[IMAGES * (SEEN + 1) * CHANNELS], x[IMAGES * (SEEN + 1) * CHANNELS];
} seen_case;

static double seen_loss(void *user)
{
    seen_case *c = user;
    ref_tokens_assemble_seen_f64(c->x, c->tokens, c->cls, c->pos, mask, restore_dims);
    return dot(c->g, c->x, COUNT(c->x));
}

/* Its backward operation is the one of all patches, with fixed positions. */
static void test_tokens_assemble_seen(void **state)
{
    (void)state;
    seen_case c;
    double dtokens[COUNT(c.tokens)], dcls[CHANNELS] = {0};
    FILL(c, 33);
    ref_tokens_assemble_backward_f64(dtokens, dcls, NULL, c.g, (ssfer_token_dims){IMAGES, SEEN, CHANNELS});
    check_gradient("dtokens", c.tokens, COUNT(c.tokens), dtokens, NULL, seen_loss, &c);
    check_gradient("dcls", c.cls, CHANNELS, dcls, NULL, seen_loss, &c);
    seen_loss(&c);
    for (size_t i = 0; i < CHANNELS; i++)
        assert_true(c.x[CHANNELS + i] == c.tokens[i] + c.pos[5 * CHANNELS + i]); /* patch 4 of picture 0 */
}

/* A part of all patches is what picking gives. */
static void test_patches_pick(void **state)
{
    (void)state;
    const ssfer_patch_dims d = {IMAGES, PLANES, GRID_TALL * SIDE, GRID_WIDE * SIDE, SIDE};
    double image[IMAGES * GRID * PATCH_SIZE], all[IMAGES][GRID][PATCH_SIZE], some[IMAGES][SEEN][PATCH_SIZE];
    FILL(image, 34);
    ref_patches_gather_f64((double *)all, image, d);
    ref_patches_pick_f64((double *)some, image, mask, d);
    for (size_t b = 0; b < IMAGES; b++)
        for (size_t j = 0; j < SEEN; j++)
            assert_memory_equal(some[b][j], all[b][keep[b * SEEN + j]], sizeof some[b][j]);
}

typedef struct reconstruction_case {
    ssfer_reconstruction_dims dims;
    double pred[IMAGES * (GRID + 1) * PATCH_SIZE], image[IMAGES * GRID * PATCH_SIZE], weight[IMAGES], loss[IMAGES];
} reconstruction_case;

static double reconstruction_loss(void *user)
{
    reconstruction_case *c = user;
    ref_reconstruction_loss_f64(c->loss, NULL, c->pred, c->image, c->weight, mask, c->dims);
    return dot(c->loss, c->weight, IMAGES);
}

/* The loss by its definition, with the order of a patch's numbers spelled out. */
static double expected_reconstruction(const reconstruction_case *c, size_t b)
{
    double sum = 0.0;
    for (size_t l = 0; l < GRID; l++) {
        double target[SIDE][SIDE][PLANES], mean = 0.0, variance = 0.0;
        if (l == (size_t)keep[b * SEEN] || l == (size_t)keep[b * SEEN + 1])
            continue;
        const double(*image)[PLANES][GRID_TALL * SIDE][GRID_WIDE * SIDE] =
            (const double(*)[PLANES][GRID_TALL * SIDE][GRID_WIDE * SIDE]) c->image;
        for (size_t y = 0; y < SIDE; y++)
            for (size_t x = 0; x < SIDE; x++)
                for (size_t k = 0; k < PLANES; k++)
                    mean += target[y][x][k] = image[b][k][l / GRID_WIDE * SIDE + y][l % GRID_WIDE * SIDE + x];
        mean /= PATCH_SIZE;
        for (size_t i = 0; i < PATCH_SIZE; i++)
            variance += pow((&target[0][0][0])[i] - mean, 2) / (PATCH_SIZE - 1);
        for (size_t i = 0; i < PATCH_SIZE; i++) {
            double t = (&target[0][0][0])[i];
            t = c->dims.normalize ? (t - mean) / sqrt(variance + 1e-6) : t;
            sum += pow(c->pred[(b * (GRID + 1) + 1 + l) * PATCH_SIZE + i] - t, 2);
        }
    }
    return sum / (PATCH_SIZE * (GRID - SEEN));
}

static void check_reconstruction(bool normalize)
{
    static reconstruction_case c;
    static double dpred[COUNT(c.pred)];
    fill(c.pred, COUNT(c.pred), 35);
    fill(c.image, COUNT(c.image), 36);
    fill(c.weight, IMAGES, 37);
    fill(dpred, COUNT(dpred), 38);
    c.dims = (ssfer_reconstruction_dims){{IMAGES, PLANES, GRID_TALL * SIDE, GRID_WIDE * SIDE, SIDE}, normalize};
    ref_reconstruction_loss_f64(c.loss, dpred, c.pred, c.image, c.weight, mask, c.dims);
    check_gradient("dpred", c.pred, COUNT(c.pred), dpred, NULL, reconstruction_loss, &c);
    static double in_place[COUNT(c.pred)];
    memcpy(in_place, c.pred, sizeof in_place);
    ref_reconstruction_loss_f64(c.loss, in_place, in_place, c.image, c.weight, mask, c.dims);
    assert_memory_equal(in_place, dpred, sizeof dpred);
    reconstruction_loss(&c);
    for (size_t b = 0; b < IMAGES; b++)
        assert_true(fabs(c.loss[b] - expected_reconstruction(&c, b)) <= 1e-13);
}

static void test_reconstruction(void **state)
{
    (void)state;
    check_reconstruction(false);
    check_reconstruction(true);
}

/* ---- loss -------------------------------------------------------------------------------------------------------- */

enum { EXAMPLES = 3, CLASSES = 7 };

typedef struct loss_case {
    double logits[EXAMPLES * CLASSES], target[EXAMPLES * CLASSES], weight[EXAMPLES], loss[EXAMPLES];
} loss_case;

static double weighted_loss(void *user)
{
    loss_case *c = user;
    ref_cross_entropy_f64(c->loss, NULL, c->logits, c->target, c->weight, EXAMPLES, CLASSES);
    return dot(c->loss, c->weight, EXAMPLES);
}

/* Random targets, some negative: no row sums to one. A zero weight takes an example out of the gradient. */
static void test_cross_entropy(void **state)
{
    (void)state;
    loss_case c;
    double dlogits[COUNT(c.logits)], start[COUNT(c.logits)];
    FILL(c, 20);
    c.weight[1] = 0.0;
    FILL(start, 21);
    memcpy(dlogits, start, sizeof start);
    ref_cross_entropy_f64(c.loss, dlogits, c.logits, c.target, c.weight, EXAMPLES, CLASSES);
    check_gradient("dlogits", c.logits, COUNT(c.logits), dlogits, start, weighted_loss, &c);

    /* by its definition: the loss is not weighted */
    weighted_loss(&c);
    for (size_t b = 0; b < EXAMPLES; b++) {
        double total = 0.0, want = 0.0;
        for (size_t k = 0; k < CLASSES; k++)
            total += exp(c.logits[b * CLASSES + k]);
        for (size_t k = 0; k < CLASSES; k++)
            want -= c.target[b * CLASSES + k] * log(exp(c.logits[b * CLASSES + k]) / total);
        assert_true(fabs(c.loss[b] - want) <= 1e-13);
    }
}

/* ---- flat passes ------------------------------------------------------------------------------------------------- */

/* AdamW by Loshchilov and Hutter's algorithm 2 as the paper writes it, with m-hat and v-hat: another arrangement of the
 * same formula, so a few ulp apart. The average as a step towards the new parameter. */
static void test_adamw(void **state)
{
    (void)state;
    enum { COUNT_P = 9, STEPS = 6 };
    double p[COUNT_P], m[COUNT_P] = {0}, v[COUNT_P] = {0}, g[COUNT_P];
    double theta[COUNT_P], first[COUNT_P] = {0}, second[COUNT_P] = {0}, power1 = 1.0, power2 = 1.0;
    double shadow[COUNT_P], average[COUNT_P];
    FILL(p, 22);
    FILL(shadow, 22 + STEPS + 1);
    memcpy(theta, p, sizeof p);
    memcpy(average, shadow, sizeof shadow);
    for (size_t step = 1; step <= STEPS; step++) {
        ssfer_adamw_args a = {.lr = 1e-2 / (double)step,
                              .beta1 = 0.9,
                              .beta2 = 0.95,
                              .eps = 1e-8,
                              .weight_decay = 0.05,
                              .step = step,
                              .grad_scale = 0.5,
                              .ema_decay = 0.9};
        FILL(g, 22 + step);
        g[3] = 0.0; /* never a gradient: only the decay moves it */
        ref_adamw_step_f64(p, m, v, shadow, g, COUNT_P, &a);
        power1 *= a.beta1;
        power2 *= a.beta2;
        for (size_t i = 0; i < COUNT_P; i++) {
            double gradient = a.grad_scale * g[i];
            first[i] = a.beta1 * first[i] + (1 - a.beta1) * gradient;
            second[i] = a.beta2 * second[i] + (1 - a.beta2) * gradient * gradient;
            double mhat = first[i] / (1 - power1), vhat = second[i] / (1 - power2);
            theta[i] = theta[i] - a.lr * a.weight_decay * theta[i] - a.lr * mhat / (sqrt(vhat) + a.eps);
            average[i] += (1 - a.ema_decay) * (theta[i] - average[i]);
            assert_true(fabs(m[i] - first[i]) <= 1e-14);
            assert_true(fabs(v[i] - second[i]) <= 1e-14);
            assert_true(fabs(p[i] - theta[i]) <= 1e-14);
            assert_true(fabs(shadow[i] - average[i]) <= 1e-14);
        }
    }
    assert_true(v[3] == 0.0 && m[3] == 0.0);
}

/* A rate of 0 leaves the parameters as they are, whatever the gradient: what is left of the step is the average. */
static void test_average_alone(void **state)
{
    (void)state;
    const ssfer_adamw_args still = {.beta1 = 0.9,
                                    .beta2 = 0.95,
                                    .eps = 1e-8,
                                    .weight_decay = 0.05,
                                    .step = 1,
                                    .grad_scale = 1.0,
                                    .ema_decay = 0.75};
    double shadow[5] = {1, 2, 3, 4, 5}, p[5] = {5, 4, 3, 2, 1}, m[5] = {0}, v[5] = {0};
    const double g[5] = {0.5, -1, 0, 2, 3}, start[5] = {5, 4, 3, 2, 1}, want[5] = {2.0, 2.5, 3.0, 3.5, 4.0};
    ref_adamw_step_f64(p, m, v, NULL, g, 5, &still); /* nowhere to keep one */
    assert_memory_equal(p, start, sizeof start);
    ref_adamw_step_f64(p, m, v, shadow, g, 5, &still);
    assert_memory_equal(p, start, sizeof start);
    assert_memory_equal(shadow, want, sizeof want); /* exact in binary */
}

static void test_flat_passes(void **state)
{
    (void)state;
    const double x[5] = {2.0, 2.5, 3.0, 3.5, 4.0};
    double squares;
    ref_sum_squares_f64(&squares, x, 5);
    assert_true(squares == 4.0 + 6.25 + 9.0 + 12.25 + 16.0);
    ref_sum_squares_f64(&squares, x, 0);
    assert_true(squares == 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_linear_epilogue),
        cmocka_unit_test(test_residual_norm),
        cmocka_unit_test(test_plain_norm),
        cmocka_unit_test(test_norm_statistics),
        cmocka_unit_test(test_norm_stride),
        cmocka_unit_test(test_gelu),
        cmocka_unit_test(test_attention),
        cmocka_unit_test(test_attention_forward),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_first_token),
        cmocka_unit_test(test_patches),
        cmocka_unit_test(test_tokens_restore),
        cmocka_unit_test(test_tokens_assemble_seen),
        cmocka_unit_test(test_patches_pick),
        cmocka_unit_test(test_reconstruction),
        cmocka_unit_test(test_cross_entropy),
        cmocka_unit_test(test_adamw),
        cmocka_unit_test(test_average_alone),
        cmocka_unit_test(test_flat_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
