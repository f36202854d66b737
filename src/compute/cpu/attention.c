/* Attention in float32, one (image, head) at a time: its q, k, v and scores stay in the first two cache levels, the
 * matrix is never written to memory, and heads are what the threads share out. */
#include "compute/cpu/kernels.h"
#include "compute/cpu/tile_product.h"
#ifdef __AVX512F__
#    include "compute/cpu/attention_rows_avx512.h"
#else
#    include "compute/cpu/attention_rows.h"
#endif

#include <math.h>
#include <omp.h>
#include <string.h>

enum { PAD = 16 }; /* rows of scratch are padded to this many floats, a multiple of every LANES */

static size_t padded(size_t n)
{
    return (n + PAD - 1) / PAD * PAD;
}

/* to (N, pitch) = rows of one head, `from` having `stride` floats between tokens; the padding is zeroed. */
static void copy_rows(float *to, size_t pitch, const float *from, size_t stride, size_t N, size_t D)
{
    for (size_t n = 0; n < N; n++) {
        memcpy(to + n * pitch, from + n * stride, D * sizeof *to);
        memset(to + n * pitch + D, 0, (pitch - D) * sizeof *to);
    }
}

enum { ROW_BLOCK = 48 }; /* query rows whose scores are alive at a time: 48 x 208 floats fit the first-level cache */

static void forward_head(float *y, float *lse, const float *qkv, ssfer_attention_dims d, float *scratch)
{
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D, Np = padded(N), Dp = padded(D);
    const float scale = 1.0f / sqrtf((float)D);
    float *kt = scratch, *v = kt + D * Np, *scores = v + N * Dp, *out = scores + ROW_BLOCK * Np;
    copy_transposed(kt, Np, qkv + C, 3 * C, N, D);
    copy_rows(v, Dp, qkv + 2 * C, 3 * C, N, D);
    for (size_t i = 0; i < Q; i += ROW_BLOCK) {
        size_t rows = Q - i < ROW_BLOCK ? Q - i : ROW_BLOCK;
        float inverse[ROW_BLOCK];
        product(rows, Np, D, qkv + i * 3 * C, 3 * C, 1, kt, Np, scores, Np);
        for (size_t r = 0; r < rows; r++) {
            float most, total = exponentials(scores + r * Np, N, Np, scale, &most);
            inverse[r] = 1.0f / total;
            if (lse)
                lse[i + r] = most + logf(total);
        }
        product(rows, Dp, N, scores, Np, 1, v, Dp, out, Dp);
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < D; c++)
                y[(i + r) * C + c] = out[r * Dp + c] * inverse[r];
    }
}

ssfer_status CPU(attention_forward)(ssfer_compute *cx, ssfer_act *y_out, float *lse, const ssfer_act *qkv_in,
                                    ssfer_attention_dims d)
{
    float *y = y_out;
    const float *qkv = qkv_in;
    d.queries = d.queries ? d.queries : d.tokens;
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D, Np = padded(N), Dp = padded(D);
    const size_t each = D * Np + N * Dp + ROW_BLOCK * (Np + Dp);
    float *scratch = ssfer_cpu_scratch(cx, cx->threads * each * sizeof *scratch);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            forward_head(y + b * Q * C + h * D, lse ? lse + (b * d.heads + h) * Q : NULL, qkv + b * N * 3 * C + h * D,
                         d, scratch + (size_t)omp_get_thread_num() * each);
    return SSFER_OK;
}

/* p (Q, Np) = softmax of the scores, by the row sums that the forward pass kept. */
static void probabilities(float *p, size_t Np, const float *lse, size_t Q, size_t N, float scale)
{
    for (size_t i = 0; i < Q; i++)
        shifted_exponentials(p + i * Np, N, Np, scale, lse[i]);
}

/* ds = scale * p * (dp - rowsum(dy * y)), in place of dp. */
static void score_gradients(float *dp, const float *p, size_t Np, const float *dy, const float *y, size_t Q, size_t C,
                            size_t D, float scale)
{
    for (size_t i = 0; i < Q; i++) {
        float row = 0.0f;
#pragma omp simd reduction(+ : row)
        for (size_t c = 0; c < D; c++)
            row += dy[i * C + c] * y[i * C + c];
#pragma omp simd
        for (size_t j = 0; j < Np; j++)
            dp[i * Np + j] = scale * p[i * Np + j] * (dp[i * Np + j] - row);
    }
}

static void store_rows(float *to, size_t stride, const float *from, size_t pitch, size_t N, size_t D)
{
    for (size_t n = 0; n < N; n++)
        memcpy(to + n * stride, from + n * pitch, D * sizeof *to);
}

static size_t backward_scratch(size_t Q, size_t N, size_t D)
{
    size_t Np = padded(N), Dp = padded(D);
    return 2 * Q * Np + D * Np + 2 * N * Dp;
}

static void backward_head(float *dqkv, const float *dy, const float *qkv, const float *y, const float *lse,
                          ssfer_attention_dims d, float *scratch)
{
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D, Np = padded(N), Dp = padded(D);
    const size_t stride = 3 * C;
    const float scale = 1.0f / sqrtf((float)D);
    float *p = scratch, *ds = p + Q * Np, *t = ds + Q * Np, *rows = t + D * Np, *out = rows + N * Dp;

    copy_transposed(t, Np, qkv + C, stride, N, D); /* k' */
    product(Q, Np, D, qkv, stride, 1, t, Np, p, Np);
    probabilities(p, Np, lse, Q, N, scale);

    copy_transposed(t, Np, qkv + 2 * C, stride, N, D); /* v' */
    product(Q, Np, D, dy, C, 1, t, Np, ds, Np);
    score_gradients(ds, p, Np, dy, y, Q, C, D, scale);

    copy_rows(rows, Dp, dy, C, Q, D); /* dv = p' dy */
    product(N, Dp, Q, p, 1, Np, rows, Dp, out, Dp);
    store_rows(dqkv + 2 * C, stride, out, Dp, N, D);

    copy_rows(rows, Dp, qkv, stride, Q, D); /* dk = ds' q */
    product(N, Dp, Q, ds, 1, Np, rows, Dp, out, Dp);
    store_rows(dqkv + C, stride, out, Dp, N, D);

    copy_rows(rows, Dp, qkv + C, stride, N, D); /* dq = ds k */
    product(Q, Dp, N, ds, Np, 1, rows, Dp, out, Dp);
    store_rows(dqkv, stride, out, Dp, Q, D);
    for (size_t n = Q; n < N; n++)
        memset(dqkv + n * stride, 0, D * sizeof *dqkv);
}

ssfer_status CPU(attention_backward)(ssfer_compute *cx, ssfer_act *dqkv_out, const ssfer_act *dy_in,
                                     const ssfer_act *qkv_in, const ssfer_act *y_in, const float *lse,
                                     ssfer_attention_dims d)
{
    float *dqkv = dqkv_out;
    const float *dy = dy_in, *qkv = qkv_in, *y = y_in;
    d.queries = d.queries ? d.queries : d.tokens;
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D, each = backward_scratch(Q, N, D);
    float *scratch = ssfer_cpu_scratch(cx, cx->threads * each * sizeof *scratch);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            backward_head(dqkv + b * N * 3 * C + h * D, dy + b * Q * C + h * D, qkv + b * N * 3 * C + h * D,
                          y + b * Q * C + h * D, lse + (b * d.heads + h) * Q, d,
                          scratch + (size_t)omp_get_thread_num() * each);
    return SSFER_OK;
}
