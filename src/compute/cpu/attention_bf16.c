/* Attention on bfloat16, one (image, head) at a time, by the processor's dot products of pairs (AVX512-BF16): sums, the
 * softmax and its gradient in float32.
 *
 * A product c = a b reads a row by row, two neighbours at a time, and b as "pairs": element [k/2][j][k%2] is b(k, j),
 * so that one vector holds a pair of the inner index for 16 columns. A matrix that lies as rows is also the pairs of
 * its own transpose, seen 32 bits at a time; so transposing costs one pass of 32-bit moves. Inner sizes are padded to
 * even with zeros.
 *
 * The backward pass works on the transposed scores (N, Q): then all it needs are rows, or pairs of two rows. */
#include "base/size.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/simd_math.h"

#include <immintrin.h>
#include <math.h>
#include <omp.h>

enum { PAIR = 2, COLUMNS = 16, BF16_ROWS = 6, BF16_VECTORS = 4 };

/* One register tile: c (rows, 16 vectors) = sum over pairs of a[i][2k..2k+1] . b[k][j][0..1]; ldb in acts. */
static inline __attribute__((always_inline)) void tile(size_t rows, size_t vectors, size_t pairs, const act *a,
                                                       size_t lda, const act *b, size_t ldb, float *c, size_t ldc)
{
    __m512 sum[BF16_ROWS][BF16_VECTORS];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            sum[i][j] = _mm512_setzero_ps();
    for (size_t k = 0; k < pairs; k++) {
        __m512bh row[BF16_VECTORS];
        for (size_t j = 0; j < vectors; j++)
            row[j] = (__m512bh)_mm512_loadu_si512(b + k * ldb + j * PAIR * COLUMNS);
        for (size_t i = 0; i < rows; i++) {
            int32_t two;
            memcpy(&two, a + i * lda + PAIR * k, sizeof two);
            const __m512bh both = (__m512bh)_mm512_set1_epi32(two);
            for (size_t j = 0; j < vectors; j++)
                sum[i][j] = _mm512_dpbf16_ps(sum[i][j], both, row[j]);
        }
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < vectors; j++)
            _mm512_storeu_ps(c + i * ldc + j * COLUMNS, sum[i][j]);
}

/* Tiles with constant sizes, so that the compiler keeps the accumulators in registers. */
static inline __attribute__((always_inline)) void tile_rows(size_t rows, size_t vectors, size_t pairs, const act *a,
                                                            size_t lda, const act *b, size_t ldb, float *c, size_t ldc)
{
    if (vectors == BF16_VECTORS)
        tile(rows, BF16_VECTORS, pairs, a, lda, b, ldb, c, ldc);
    else if (vectors == 3)
        tile(rows, 3, pairs, a, lda, b, ldb, c, ldc);
    else if (vectors == 2)
        tile(rows, 2, pairs, a, lda, b, ldb, c, ldc);
    else
        tile(rows, 1, pairs, a, lda, b, ldb, c, ldc);
}

static void tile_any(size_t rows, size_t vectors, size_t pairs, const act *a, size_t lda, const act *b, size_t ldb,
                     float *c, size_t ldc)
{
    if (rows == BF16_ROWS)
        tile_rows(BF16_ROWS, vectors, pairs, a, lda, b, ldb, c, ldc);
    else
        for (size_t i = 0; i < rows; i++)
            tile_rows(1, vectors, pairs, a + i * lda, lda, b, ldb, c + i * ldc, ldc);
}

/* c (m, n) = a (m, inner) b; inner is even, n a multiple of 16; b has n pairs a row. */
static void product(size_t m, size_t n, size_t inner, const act *a, size_t lda, const act *b, float *c)
{
    for (size_t j = 0; j < n; j += BF16_VECTORS * COLUMNS) {
        size_t vectors = n - j < BF16_VECTORS * COLUMNS ? (n - j) / COLUMNS : BF16_VECTORS;
        for (size_t i = 0; i < m; i += BF16_ROWS) {
            size_t rows = m - i < BF16_ROWS ? m - i : BF16_ROWS;
            tile_any(rows, vectors, inner / PAIR, a + i * lda, lda, b + PAIR * j, PAIR * n, c + i * n + j, n);
        }
    }
}

/* to (N, De) = rows of one head, `from` having `stride` between tokens; De is D rounded up to even. */
static void copy_rows(act *to, const act *from, size_t stride, size_t N, size_t D)
{
    const size_t De = ssfer_align_size(D, PAIR);
    for (size_t n = 0; n < N; n++) {
        memcpy(to + n * De, from + n * stride, D * sizeof *to);
        if (De > D)
            to[n * De + D] = 0;
    }
}

/* to [De/2][Np][2] = the pairs of the transpose of rows (N, De): columns are tokens, padded to Np with zeros. */
static void pairs_of_transposed(act *to, const act *rows, size_t N, size_t De, size_t Np)
{
    for (size_t p = 0; p < De / PAIR; p++) {
        uint32_t *line = (uint32_t *)(void *)(to + p * PAIR * Np);
        for (size_t n = 0; n < N; n++)
            memcpy(&line[n], rows + n * De + PAIR * p, sizeof *line);
        memset(line + N, 0, (Np - N) * sizeof *line);
    }
}

/* One line of pairs, [Dp][2], from two rows of D; `second` NULL: zeros. */
static inline void interleave(act *to, const act *first, const act *second, size_t D, size_t Dp)
{
#pragma omp simd
    for (size_t c = 0; c < D; c++) {
        to[PAIR * c] = first[c];
        to[PAIR * c + 1] = second ? second[c] : 0;
    }
    memset(to + PAIR * D, 0, PAIR * (Dp - D) * sizeof *to);
}

/* to [Ne/2][Dp][2] = the pairs of rows (N, De): columns are channels. */
static void pairs_of_rows(act *to, const act *rows, size_t N, size_t D, size_t Dp)
{
    const size_t De = ssfer_align_size(D, PAIR);
    for (size_t n = 0; n < N; n += PAIR)
        interleave(to + n * Dp, rows + n * De, n + 1 < N ? rows + (n + 1) * De : NULL, D, Dp);
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

enum { ROW_BLOCK = 48 }; /* query rows whose scores are alive at a time */

typedef struct forward_scratch {
    float *scores, *out;           /* (ROW_BLOCK, Np), (ROW_BLOCK, Dp) */
    act *rows, *keys, *values, *p; /* (N, De); pairs (De, Np); pairs (Ne, Dp); (ROW_BLOCK, Ne) */
} forward_scratch;

static size_t forward_bytes(ssfer_attention_dims d)
{
    const size_t Np = ssfer_align_size(d.tokens, COLUMNS), Dp = ssfer_align_size(d.head_dim, COLUMNS);
    return ROW_BLOCK * (Np + Dp) * sizeof(float) + (3 * Np * Dp + ROW_BLOCK * Np) * sizeof(act);
}

static forward_scratch forward_place(void *memory, ssfer_attention_dims d)
{
    const size_t Np = ssfer_align_size(d.tokens, COLUMNS), Dp = ssfer_align_size(d.head_dim, COLUMNS);
    forward_scratch s = {.scores = memory};
    s.out = s.scores + ROW_BLOCK * Np;
    s.keys = (act *)(s.out + ROW_BLOCK * Dp);
    s.values = s.keys + Dp * Np;
    s.p = s.values + Np * Dp;
    s.rows = s.p + ROW_BLOCK * Np;
    return s;
}

/* p (Ne) = exp(scale * (scores - max)) in bfloat16, padded with zeros. Returns the sum, taken before the rounding. */
static float exponentials(act *p, float *scores, size_t N, float scale, float *max_out)
{
    float most = -INFINITY, total = 0.0f;
#pragma omp simd reduction(max : most)
    for (size_t j = 0; j < N; j++)
        most = scores[j] > most ? scores[j] : most;
#pragma omp simd reduction(+ : total)
    for (size_t j = 0; j < N; j++) {
        const float e = simd_exp(scale * (scores[j] - most));
        p[j] = act_put(e);
        total += e;
    }
    if (N % PAIR)
        p[N] = 0;
    *max_out = scale * most;
    return total;
}

static void forward_head(act *y, float *lse, const act *qkv, ssfer_attention_dims d, forward_scratch s)
{
    const size_t N = d.tokens, D = d.head_dim, C = d.heads * D, De = ssfer_align_size(D, PAIR),
                 Ne = ssfer_align_size(N, PAIR);
    const size_t Np = ssfer_align_size(N, COLUMNS), Dp = ssfer_align_size(D, COLUMNS);
    const float scale = 1.0f / sqrtf((float)D);
    copy_rows(s.rows, qkv + C, 3 * C, N, D);
    pairs_of_transposed(s.keys, s.rows, N, De, Np);
    copy_rows(s.rows, qkv + 2 * C, 3 * C, N, D);
    pairs_of_rows(s.values, s.rows, N, D, Dp);
    copy_rows(s.rows, qkv, 3 * C, d.queries, D);
    for (size_t i = 0; i < d.queries; i += ROW_BLOCK) {
        const size_t rows = d.queries - i < ROW_BLOCK ? d.queries - i : ROW_BLOCK;
        float inverse[ROW_BLOCK];
        product(rows, Np, De, s.rows + i * De, De, s.keys, s.scores);
        for (size_t r = 0; r < rows; r++) {
            float most, total = exponentials(s.p + r * Ne, s.scores + r * Np, N, scale, &most);
            inverse[r] = 1.0f / total;
            if (lse)
                lse[i + r] = most + logf(total);
        }
        product(rows, Dp, Ne, s.p, Ne, s.values, s.out);
        for (size_t r = 0; r < rows; r++)
#pragma omp simd
            for (size_t c = 0; c < D; c++)
                y[(i + r) * C + c] = act_put(s.out[r * Dp + c] * inverse[r]);
    }
}

ssfer_status CPU(attention_forward)(ssfer_compute *cx, ssfer_act *y_out, float *lse, const ssfer_act *qkv_in,
                                    ssfer_attention_dims d)
{
    d.queries = d.queries ? d.queries : d.tokens;
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D;
    const size_t each = ssfer_align_size(forward_bytes(d), 64);
    act *y = y_out;
    const act *qkv = qkv_in;
    char *scratch = ssfer_cpu_scratch(cx, cx->threads * each);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            forward_head(y + b * Q * C + h * D, lse ? lse + (b * d.heads + h) * Q : NULL, qkv + b * N * 3 * C + h * D,
                         d, forward_place(scratch + (size_t)omp_get_thread_num() * each, d));
    return SSFER_OK;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

typedef struct backward_scratch {
    float *p, *dp;                      /* (N, Qp): transposed scores, then probabilities; their gradient */
    float *out, *lse, *row;             /* (max(N, D), max(Dp, Qp)); (Qp); (Qp) = rowsum(dy * y) */
    act *rows, *pairs, *pt, *dst, *dsp; /* (N, De); pairs of one operand; (N, Qe); (N, Qe); pairs (Ne, Qp) */
    act *kt;                            /* (D, Ne) */
} backward_scratch;

static size_t backward_bytes(ssfer_attention_dims d)
{
    const size_t N = ssfer_align_size(d.tokens, COLUMNS), Q = ssfer_align_size(d.queries, COLUMNS),
                 D = ssfer_align_size(d.head_dim, COLUMNS);
    return (2 * N * Q + D * ssfer_max_size(N, Q) + 2 * Q) * sizeof(float) +
           (2 * N * D + D * ssfer_max_size(N, Q) + 3 * N * Q) * sizeof(act);
}

static backward_scratch backward_place(void *memory, ssfer_attention_dims d)
{
    const size_t N = ssfer_align_size(d.tokens, COLUMNS), Q = ssfer_align_size(d.queries, COLUMNS),
                 D = ssfer_align_size(d.head_dim, COLUMNS);
    backward_scratch s = {.p = memory};
    s.dp = s.p + N * Q;
    s.out = s.dp + N * Q;
    s.lse = s.out + D * ssfer_max_size(N, Q);
    s.row = s.lse + Q;
    s.rows = (act *)(s.row + Q);
    s.pairs = s.rows + N * D;
    s.pt = s.pairs + D * ssfer_max_size(N, Q);
    s.dst = s.pt + N * Q;
    s.dsp = s.dst + N * Q;
    s.kt = s.dsp + N * Q;
    return s;
}

/* The transposed probabilities from the transposed scores: p[n][q] = exp(scale * s[n][q] - lse[q]), 0 beyond Q. */
static void probabilities(const backward_scratch *s, size_t N, size_t Q, size_t Qp, size_t Qe, float scale)
{
    for (size_t n = 0; n < N; n++) {
        float *p = s->p + n * Qp;
        act *rounded = s->pt + n * Qe;
#pragma omp simd
        for (size_t q = 0; q < Q; q++)
            p[q] = simd_exp(scale * p[q] - s->lse[q]);
#pragma omp simd
        for (size_t q = 0; q < Q; q++)
            rounded[q] = act_put(p[q]);
        if (Qe > Q)
            rounded[Q] = 0;
    }
}

/* ds' = scale * p' * (dp' - row), as rows and as pairs of rows. */
static void score_gradients(const backward_scratch *s, size_t N, size_t Q, size_t Qp, size_t Qe, float scale)
{
    for (size_t n = 0; n < N; n++) {
        const float *p = s->p + n * Qp, *dp = s->dp + n * Qp;
        act *ds = s->dst + n * Qe;
#pragma omp simd
        for (size_t q = 0; q < Q; q++)
            ds[q] = act_put(scale * p[q] * (dp[q] - s->row[q]));
        if (Qe > Q)
            ds[Q] = 0;
    }
    for (size_t n = 0; n < N; n += PAIR)
        interleave(s->dsp + n * Qp, s->dst + n * Qe, n + 1 < N ? s->dst + (n + 1) * Qe : NULL, Q, Qp);
}

static void store_rows(act *to, size_t stride, const float *from, size_t pitch, size_t N, size_t D)
{
    for (size_t n = 0; n < N; n++)
        acts_from_floats(to + n * stride, from + n * pitch, D);
}

static void backward_head(act *dqkv, const act *dy, const act *qkv, const act *y, const float *lse,
                          ssfer_attention_dims d, backward_scratch s)
{
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D, stride = 3 * C;
    const size_t De = ssfer_align_size(D, PAIR), Dp = ssfer_align_size(D, COLUMNS), Ne = ssfer_align_size(N, PAIR),
                 Qe = ssfer_align_size(Q, PAIR);
    const size_t Qp = ssfer_align_size(Q, COLUMNS);
    const float scale = 1.0f / sqrtf((float)D);
    memcpy(s.lse, lse, Q * sizeof *lse);
    for (size_t q = 0; q < Q; q++) {
        float row = 0.0f;
#pragma omp simd reduction(+ : row)
        for (size_t c = 0; c < D; c++)
            row += act_get(dy[q * C + c]) * act_get(y[q * C + c]);
        s.row[q] = row;
    }

    copy_rows(s.rows, qkv, stride, Q, D); /* s' = k q' */
    pairs_of_transposed(s.pairs, s.rows, Q, De, Qp);
    copy_rows(s.rows, qkv + C, stride, N, D);
    product(N, Qp, De, s.rows, De, s.pairs, s.p);
    probabilities(&s, N, Q, Qp, Qe, scale);

    copy_rows(s.rows, dy, C, Q, D); /* dp' = v dy' */
    pairs_of_transposed(s.pairs, s.rows, Q, De, Qp);
    copy_rows(s.rows, qkv + 2 * C, stride, N, D);
    product(N, Qp, De, s.rows, De, s.pairs, s.dp);
    score_gradients(&s, N, Q, Qp, Qe, scale);

    copy_rows(s.rows, dy, C, Q, D); /* dv = p' dy */
    pairs_of_rows(s.pairs, s.rows, Q, D, Dp);
    product(N, Dp, Qe, s.pt, Qe, s.pairs, s.out);
    store_rows(dqkv + 2 * C, stride, s.out, Dp, N, D);

    copy_rows(s.rows, qkv, stride, Q, D); /* dk = ds' q */
    pairs_of_rows(s.pairs, s.rows, Q, D, Dp);
    product(N, Dp, Qe, s.dst, Qe, s.pairs, s.out);
    store_rows(dqkv + C, stride, s.out, Dp, N, D);

    for (size_t c = 0; c < D; c++) { /* dq' = k' ds' */
        for (size_t n = 0; n < N; n++)
            s.kt[c * Ne + n] = qkv[C + n * stride + c];
        if (Ne > N)
            s.kt[c * Ne + N] = 0;
    }
    product(D, Qp, Ne, s.kt, Ne, s.dsp, s.out);
    for (size_t q = 0; q < Q; q++)
        for (size_t c = 0; c < D; c++)
            dqkv[q * stride + c] = act_put(s.out[c * Qp + q]);
    for (size_t n = Q; n < N; n++)
        memset(dqkv + n * stride, 0, D * sizeof *dqkv);
}

ssfer_status CPU(attention_backward)(ssfer_compute *cx, ssfer_act *dqkv_out, const ssfer_act *dy_in,
                                     const ssfer_act *qkv_in, const ssfer_act *y_in, const float *lse,
                                     ssfer_attention_dims d)
{
    d.queries = d.queries ? d.queries : d.tokens;
    const size_t N = d.tokens, Q = d.queries, D = d.head_dim, C = d.heads * D;
    const size_t each = ssfer_align_size(backward_bytes(d), 64);
    act *dqkv = dqkv_out;
    const act *dy = dy_in, *qkv = qkv_in, *y = y_in;
    char *scratch = ssfer_cpu_scratch(cx, cx->threads * each);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            backward_head(dqkv + b * N * 3 * C + h * D, dy + b * Q * C + h * D, qkv + b * N * 3 * C + h * D,
                          y + b * Q * C + h * D, lse + (b * d.heads + h) * Q, d,
                          backward_place(scratch + (size_t)omp_get_thread_num() * each, d));
    return SSFER_OK;
}
