/* Attention on bfloat16, one (image, head) at a time, by tiles (AMX): sums, the softmax and its gradient in float32.
 *
 * Operands are packed into whole tiles (amx.h), short ones filled up with zeros, so that the products know no edges:
 * "rows" of D, "pairs" of two tokens' rows (the inner index is the token) and "columns", the pairs of the transposed
 * matrix (the inner index is the channel): 16 x 16 blocks of 32 bits, transposed.
 *
 * The forward pass takes 16 queries at a time through scores, softmax and output. The backward pass works on transposed
 * scores, 32 keys by 16 queries at a time: each then gives p' and ds' as rows, which dv and dk need, and ds' as pairs,
 * which one more transpose makes rows of ds, for dq. */
#include "base/size.h"
#include "compute/cpu/amx.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_acts.h"

#include <math.h>
#include <omp.h>

/* Sizes of one head: padded, and in tiles. */
typedef struct head_shape {
    size_t N, Q, D;          /* tokens, queries, channels of a head */
    size_t pitch;            /* D padded to TILE_K */
    size_t k_steps;          /* tiles of TILE_K channels */
    size_t d_tiles;          /* tiles of TILE channels that hold anything */
    size_t n_tiles, q_tiles; /* tiles of TILE tokens, queries */
    size_t n_steps, q_steps; /* tiles of TILE_K tokens, queries */
    size_t stride, width;    /* between tokens in qkv, in y */
} head_shape;

static head_shape shape_of(ssfer_attention_dims d)
{
    head_shape s = {.N = d.tokens, .Q = d.queries, .D = d.head_dim, .width = d.heads * d.head_dim};
    s.stride = 3 * s.width;
    s.pitch = ssfer_align_size(s.D, TILE_K);
    s.k_steps = s.pitch / TILE_K;
    s.d_tiles = (s.D + TILE - 1) / TILE;
    s.n_tiles = (s.N + TILE - 1) / TILE;
    s.q_tiles = (s.Q + TILE - 1) / TILE;
    s.n_steps = (s.N + TILE_K - 1) / TILE_K;
    s.q_steps = (s.Q + TILE_K - 1) / TILE_K;
    return s;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* Channels 32k .. 32k + 31 of one token; 0 beyond D and, where there is no such token, everywhere. */
static inline __m512i load_channels(const act *from, size_t stride, size_t n, size_t N, size_t k, size_t D)
{
    if (n >= N)
        return _mm512_setzero_si512();
    const act *at = from + n * stride + k * TILE_K;
    const size_t left = D - k * TILE_K;
    return left >= TILE_K ? _mm512_loadu_si512(at) : _mm512_maskz_loadu_epi16((__mmask32)((1u << left) - 1), at);
}

/* to (rows, pitch) = tokens from `first` on. */
static void pack_rows(act *to, const act *from, size_t stride, size_t first, size_t rows, size_t N, const head_shape *s)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t k = 0; k < s->k_steps; k++)
            _mm512_storeu_si512(to + r * s->pitch + k * TILE_K, load_channels(from, stride, first + r, N, k, s->D));
}

/* to [k_steps][tiles] tiles = the columns of N tokens. */
static void pack_columns(act *to, const act *from, size_t stride, size_t N, size_t tiles, const head_shape *s)
{
    for (size_t k = 0; k < s->k_steps; k++)
        for (size_t t = 0; t < tiles; t++) {
            __m512i r[TILE];
            for (size_t i = 0; i < TILE; i++)
                r[i] = load_channels(from, stride, t * TILE + i, N, k, s->D);
            vector_transpose(r);
            tile_fill(to + (k * tiles + t) * TILE_ACTS, r);
        }
}

/* to [steps][2 * k_steps] tiles = the pairs of N tokens. */
static void pack_pairs(act *to, const act *from, size_t stride, size_t N, size_t steps, const head_shape *s)
{
    for (size_t t = 0; t < steps; t++)
        for (size_t k = 0; k < s->k_steps; k++) {
            act *tiles = to + 2 * (t * s->k_steps + k) * TILE_ACTS;
            for (size_t i = 0; i < TILE; i++) {
                const size_t n = t * TILE_K + 2 * i;
                const __m512i even = load_channels(from, stride, n, N, k, s->D),
                              odd = load_channels(from, stride, n + 1, N, k, s->D);
                _mm512_storeu_si512(tiles + i * TILE_K, tile_pairs_low(even, odd));
                _mm512_storeu_si512(tiles + TILE_ACTS + i * TILE_K, tile_pairs_high(even, odd));
            }
        }
}

static tile_operand rows_operand(const act *first, size_t pitch)
{
    return (tile_operand){first, pitch * sizeof *first, TILE_K, 0};
}

static tile_operand columns_operand(const act *first, size_t tiles)
{
    return (tile_operand){first, TILE_BYTES, tiles * TILE_ACTS, TILE_ACTS};
}

static tile_operand pairs_operand(const act *first, const head_shape *s)
{
    return (tile_operand){first, TILE_BYTES, 2 * s->k_steps * TILE_ACTS, TILE_ACTS};
}

/* to (rows, D) = from (rows, pitch) * factor (NULL: 1) for each row. */
static void store_rows(act *to, size_t stride, const float *from, size_t rows, const float *factor, const head_shape *s)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t t = 0; t < s->d_tiles; t++) {
            __m512 v = _mm512_loadu_ps(from + r * s->pitch + t * TILE);
            if (factor)
                v = _mm512_mul_ps(v, _mm512_set1_ps(factor[r]));
            vector_store_first(to + r * stride + t * TILE, first_lanes(s->D - t * TILE), v);
        }
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

typedef struct forward_scratch {
    float *scores, *out;           /* (16, n_tiles * 16), (16, pitch) */
    act *rows, *keys, *values, *p; /* (q_tiles * 16, pitch); columns; pairs; (16, n_steps * 32) */
} forward_scratch;

static size_t forward_place(forward_scratch *at, void *memory, const head_shape *s)
{
    const size_t scores = TILE * TILE * s->n_tiles, out = TILE * s->pitch, rows = s->q_tiles * TILE * s->pitch,
                 keys = s->k_steps * s->n_tiles * TILE_ACTS, values = 2 * s->n_steps * s->k_steps * TILE_ACTS;
    if (memory) {
        at->scores = memory;
        at->out = at->scores + scores;
        at->rows = (act *)(at->out + out);
        at->keys = at->rows + rows;
        at->values = at->keys + keys;
        at->p = at->values + values;
    }
    return (scores + out) * sizeof(float) + (rows + keys + values + s->n_steps * TILE_ACTS) * sizeof(act);
}

/* inverse (16) = 1 / sums of the exponentials of each row, which p (rows, n_steps * 32) gets unnormalised; lse: log of
 * the sums, NULL: not wanted. Rows beyond `rows` of p are left as they are: they only reach rows that nobody reads. */
static void softmax_rows(const forward_scratch *at, size_t rows, float *inverse, float *lse, const head_shape *s)
{
    const size_t pitch = s->n_tiles * TILE, p_pitch = s->n_steps * TILE_K;
    const float scale = 1.0f / sqrtf((float)s->D);
    const __m512 least = _mm512_set1_ps(-INFINITY), factor = _mm512_set1_ps(scale * LOG2_E);
    float most[TILE], total[TILE];
    __m512 v[TILE];
    for (size_t r = 0; r < TILE; r++) {
        v[r] = least;
        for (size_t j = 0; r < rows && j < s->N; j += TILE)
            v[r] = _mm512_mask_max_ps(v[r], first_lanes(s->N - j), v[r], _mm512_loadu_ps(at->scores + r * pitch + j));
    }
    _mm512_storeu_ps(most, vector_row_maxima(v));
    for (size_t r = 0; r < TILE; r++) {
        const __m512 max = _mm512_set1_ps(most[r]);
        v[r] = _mm512_setzero_ps();
        for (size_t j = 0; r < rows && j < p_pitch; j += TILE_K) {
            const float *from = at->scores + r * pitch + j;
            const size_t left = s->N - j;
            const __mmask16 low = first_lanes(left), high = left > TILE ? first_lanes(left - TILE) : 0;
            const __m512 a = _mm512_sub_ps(_mm512_maskz_loadu_ps(low, from), max),
                         b = _mm512_sub_ps(_mm512_maskz_loadu_ps(high, from + TILE), max);
            const __m512 e = _mm512_maskz_mov_ps(low, vector_exp2(_mm512_mul_ps(a, factor))),
                         f = _mm512_maskz_mov_ps(high, vector_exp2(_mm512_mul_ps(b, factor)));
            v[r] = _mm512_add_ps(v[r], _mm512_add_ps(e, f));
            _mm512_storeu_si512(at->p + r * p_pitch + j, (__m512i)_mm512_cvtne2ps_pbh(f, e));
        }
    }
    const __m512 sums = vector_row_sums(v);
    _mm512_storeu_ps(total, sums);
    _mm512_storeu_ps(inverse, _mm512_div_ps(_mm512_set1_ps(1.0f), sums));
    for (size_t r = 0; lse && r < rows; r++)
        lse[r] = scale * most[r] + logf(total[r]);
}

static void forward_head(act *y, float *lse, const act *qkv, const head_shape *s, const forward_scratch *at)
{
    const tile_operand keys = columns_operand(at->keys, s->n_tiles), values = pairs_operand(at->values, s),
                       p = rows_operand(at->p, s->n_steps * TILE_K);
    pack_rows(at->rows, qkv, s->stride, 0, s->q_tiles * TILE, s->Q, s);
    pack_columns(at->keys, qkv + s->width, s->stride, s->N, s->n_tiles, s);
    pack_pairs(at->values, qkv + 2 * s->width, s->stride, s->N, s->n_steps, s);
    for (size_t i = 0; i < s->Q; i += TILE) {
        const size_t rows = s->Q - i < TILE ? s->Q - i : TILE;
        const tile_operand queries = rows_operand(at->rows + i * s->pitch, s->pitch);
        float inverse[TILE];
        tile_row(at->scores, s->n_tiles * TILE, &queries, &keys, s->k_steps, s->n_tiles);
        softmax_rows(at, rows, inverse, lse ? lse + i : NULL, s);
        tile_row(at->out, s->pitch, &p, &values, s->n_steps, s->d_tiles);
        store_rows(y + i * s->width, s->width, at->out, rows, inverse, s);
    }
}

ssfer_status CPU(attention_forward)(ssfer_compute *cx, ssfer_act *y_out, float *lse, const ssfer_act *qkv_in,
                                    ssfer_attention_dims d)
{
    d.queries = d.queries ? d.queries : d.tokens;
    const head_shape s = shape_of(d);
    const size_t each = ssfer_align_size(forward_place(NULL, NULL, &s), 64);
    act *y = y_out;
    const act *qkv = qkv_in;
    char *scratch = ssfer_cpu_scratch(cx, cx->threads * each);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel num_threads((int)cx->threads)
    {
        forward_scratch at;
        forward_place(&at, scratch + (size_t)omp_get_thread_num() * each, &s);
        tiles_configure();
#pragma omp for schedule(static) collapse(2)
        for (size_t b = 0; b < d.batch; b++)
            for (size_t h = 0; h < d.heads; h++)
                forward_head(y + b * s.Q * s.width + h * s.D, lse ? lse + (b * d.heads + h) * s.Q : NULL,
                             qkv + b * s.N * s.stride + h * s.D, &s, &at);
        tiles_release();
    }
    return SSFER_OK;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

typedef struct backward_scratch {
    float *scores, *dp, *out;    /* (32, 16) each, transposed; (16, pitch) */
    float *lse, *row;            /* (q_tiles * 16): in units of log 2; sum of dy * y */
    act *keys, *values;          /* (32, pitch) rows of the keys at hand */
    act *q_columns, *dy_columns; /* columns of the queries */
    act *q_pairs, *dy_pairs, *k_pairs;
    act *pt, *dst; /* (32, q_steps * 32): p', ds' of the keys at hand */
    act *ds;       /* [q_tiles][n_steps] tiles: rows of ds */
} backward_scratch;

static size_t backward_place(backward_scratch *at, void *memory, const head_shape *s)
{
    const size_t queries = s->q_tiles * TILE, columns = s->k_steps * s->q_tiles * TILE_ACTS,
                 q_pairs = 2 * s->q_steps * s->k_steps * TILE_ACTS, k_pairs = 2 * s->n_steps * s->k_steps * TILE_ACTS;
    float **const floats[] = {&at->scores, &at->dp, &at->out, &at->lse, &at->row};
    act **const acts[] = {&at->keys,     &at->values,  &at->q_columns, &at->dy_columns, &at->q_pairs,
                          &at->dy_pairs, &at->k_pairs, &at->pt,        &at->dst,        &at->ds};
    const size_t float_counts[] = {TILE_ACTS, TILE_ACTS, TILE * s->pitch, queries, queries},
                 act_counts[] = {TILE_K * s->pitch,
                                 TILE_K * s->pitch,
                                 columns,
                                 columns,
                                 q_pairs,
                                 q_pairs,
                                 k_pairs,
                                 2 * s->q_steps * TILE_ACTS,
                                 2 * s->q_steps * TILE_ACTS,
                                 s->q_tiles * s->n_steps * TILE_ACTS};
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof floats / sizeof *floats; i++) {
        if (memory)
            *floats[i] = (float *)(void *)((char *)memory + bytes);
        bytes += float_counts[i] * sizeof(float);
    }
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++) {
        if (memory)
            *acts[i] = (act *)(void *)((char *)memory + bytes);
        bytes += act_counts[i] * sizeof(act);
    }
    return bytes;
}

/* The transposed scores and dp of 32 keys and 16 queries. */
static void block_products(const backward_scratch *at, size_t q_tile, const head_shape *s)
{
    const size_t bytes = s->pitch * sizeof(act);
    TILE_ZERO(0);
    TILE_ZERO(1);
    TILE_ZERO(2);
    TILE_ZERO(3);
    for (size_t k = 0; k < s->k_steps; k++) {
        const size_t from = (k * s->q_tiles + q_tile) * TILE_ACTS, at_k = k * TILE_K;
        TILE_LOAD(4, at->keys + at_k, bytes);
        TILE_LOAD(5, at->q_columns + from, TILE_BYTES);
        TILE_PRODUCT(0, 4, 5);
        TILE_LOAD(6, at->keys + TILE * s->pitch + at_k, bytes);
        TILE_PRODUCT(1, 6, 5);
        TILE_LOAD(4, at->values + at_k, bytes);
        TILE_LOAD(7, at->dy_columns + from, TILE_BYTES);
        TILE_PRODUCT(2, 4, 7);
        TILE_LOAD(6, at->values + TILE * s->pitch + at_k, bytes);
        TILE_PRODUCT(3, 6, 7);
    }
    TILE_STORE(0, at->scores, TILE_BYTES);
    TILE_STORE(1, at->scores + TILE * TILE, TILE_BYTES);
    TILE_STORE(2, at->dp, TILE_BYTES);
    TILE_STORE(3, at->dp + TILE * TILE, TILE_BYTES);
}

/* p = exp(scale * s - lse) and ds = scale * p * (dp - row) of key n of the block, 0 in lanes without a query. */
static inline __m512 key_gradients(__m512 *p_out, const backward_scratch *at, size_t n, __m512 lse, __m512 row,
                                   __mmask16 lanes, float scale)
{
    const __m512 t = _mm512_fmsub_ps(_mm512_loadu_ps(at->scores + n * TILE), _mm512_set1_ps(scale * LOG2_E), lse);
    const __m512 p = _mm512_maskz_mov_ps(lanes, vector_exp2(t));
    const __m512 ds = _mm512_mul_ps(p, _mm512_sub_ps(_mm512_loadu_ps(at->dp + n * TILE), row));
    *p_out = p;
    return _mm512_maskz_mul_ps(lanes, ds, _mm512_set1_ps(scale));
}

/* One half of a register that holds two rows. */
static inline void store_two(act *first, act *second, __m512i both)
{
    _mm256_storeu_si256((__m256i *)(void *)first, _mm512_castsi512_si256(both));
    _mm256_storeu_si256((__m256i *)(void *)second, _mm512_extracti64x4_epi64(both, 1));
}

/* From the scores and dp of `keys` keys and 16 queries: their columns of p' and ds', and a tile of ds. */
static void block_gradients(const backward_scratch *at, size_t q_tile, size_t keys, act *ds_tile, const head_shape *s)
{
    const __m512i pairing = _mm512_set_epi32(0x001F000F, 0x001E000E, 0x001D000D, 0x001C000C, 0x001B000B, 0x001A000A,
                                             0x00190009, 0x00180008, 0x00170007, 0x00160006, 0x00150005, 0x00140004,
                                             0x00130003, 0x00120002, 0x00110001, 0x00100000);
    const size_t pitch = s->q_steps * TILE_K, q = q_tile * TILE;
    const __m512 lse = _mm512_loadu_ps(at->lse + q), row = _mm512_loadu_ps(at->row + q);
    const __mmask16 lanes = first_lanes(s->Q - q);
    const float scale = 1.0f / sqrtf((float)s->D);
    __m512i pairs[TILE];
    for (size_t i = 0; i < TILE; i++) {
        const size_t n = 2 * i;
        __m512 p0, p1;
        if (n >= keys) {
            pairs[i] = _mm512_setzero_si512();
            continue;
        }
        const __mmask16 second = n + 1 < keys ? lanes : 0; /* padding: exp(-lse) may be infinite */
        const __m512 ds0 = key_gradients(&p0, at, n, lse, row, lanes, scale),
                     ds1 = key_gradients(&p1, at, n + 1, lse, row, second, scale);
        const __m512i ds = (__m512i)_mm512_cvtne2ps_pbh(ds1, ds0);
        store_two(at->pt + n * pitch + q, at->pt + (n + 1) * pitch + q, (__m512i)_mm512_cvtne2ps_pbh(p1, p0));
        store_two(at->dst + n * pitch + q, at->dst + (n + 1) * pitch + q, ds);
        pairs[i] = _mm512_permutexvar_epi16(pairing, ds);
    }
    vector_transpose(pairs);
    tile_fill(ds_tile, pairs);
}

/* at->lse and at->row: what each query brings along. */
static void query_terms(const backward_scratch *at, const float *lse, const act *dy, const act *y, const head_shape *s)
{
    for (size_t q = 0; q < s->q_tiles * TILE; q += TILE) {
        __m512 v[TILE];
        for (size_t i = 0; i < TILE; i++) {
            v[i] = _mm512_setzero_ps();
            for (size_t k = 0; k < s->k_steps; k++)
                v[i] = _mm512_dpbf16_ps(v[i], (__m512bh)load_channels(dy, s->width, q + i, s->Q, k, s->D),
                                        (__m512bh)load_channels(y, s->width, q + i, s->Q, k, s->D));
        }
        _mm512_storeu_ps(at->row + q, vector_row_sums(v));
        const __m512 logs = _mm512_maskz_loadu_ps(first_lanes(s->Q - q), lse + q);
        _mm512_storeu_ps(at->lse + q, _mm512_mul_ps(logs, _mm512_set1_ps(LOG2_E)));
    }
}

/* dk and dv of `keys` keys from `first` on. */
static void key_rows(act *dqkv, const backward_scratch *at, size_t first, size_t keys, const head_shape *s)
{
    const size_t pitch = s->q_steps * TILE_K;
    const tile_operand q_pairs = pairs_operand(at->q_pairs, s), dy_pairs = pairs_operand(at->dy_pairs, s);
    for (size_t n = 0; n < keys; n += TILE) {
        const size_t rows = keys - n < TILE ? keys - n : TILE;
        const tile_operand pt = rows_operand(at->pt + n * pitch, pitch), dst = rows_operand(at->dst + n * pitch, pitch);
        act *to = dqkv + (first + n) * s->stride;
        tile_row(at->out, s->pitch, &dst, &q_pairs, s->q_steps, s->d_tiles);
        store_rows(to + s->width, s->stride, at->out, rows, NULL, s);
        tile_row(at->out, s->pitch, &pt, &dy_pairs, s->q_steps, s->d_tiles);
        store_rows(to + 2 * s->width, s->stride, at->out, rows, NULL, s);
    }
}

static void query_rows(act *dqkv, const backward_scratch *at, const head_shape *s)
{
    const tile_operand keys = pairs_operand(at->k_pairs, s);
    for (size_t q = 0; q < s->Q; q += TILE) {
        const size_t rows = s->Q - q < TILE ? s->Q - q : TILE;
        const tile_operand ds = {at->ds + q / TILE * s->n_steps * TILE_ACTS, TILE_BYTES, TILE_ACTS, 0};
        tile_row(at->out, s->pitch, &ds, &keys, s->n_steps, s->d_tiles);
        store_rows(dqkv + q * s->stride, s->stride, at->out, rows, NULL, s);
    }
    for (size_t n = s->Q; n < s->N; n++)
        memset(dqkv + n * s->stride, 0, s->D * sizeof *dqkv);
}

static void backward_head(act *dqkv, const act *dy, const act *qkv, const act *y, const float *lse, const head_shape *s,
                          const backward_scratch *at)
{
    query_terms(at, lse, dy, y, s);
    pack_columns(at->q_columns, qkv, s->stride, s->Q, s->q_tiles, s);
    pack_columns(at->dy_columns, dy, s->width, s->Q, s->q_tiles, s);
    pack_pairs(at->q_pairs, qkv, s->stride, s->Q, s->q_steps, s);
    pack_pairs(at->dy_pairs, dy, s->width, s->Q, s->q_steps, s);
    pack_pairs(at->k_pairs, qkv + s->width, s->stride, s->N, s->n_steps, s);
    if (s->q_tiles % 2) { /* the last half tile of p' and ds' has no queries */
        memset(at->pt, 0, 2 * s->q_steps * TILE_ACTS * sizeof *at->pt);
        memset(at->dst, 0, 2 * s->q_steps * TILE_ACTS * sizeof *at->dst);
    }
    for (size_t t = 0; t < s->n_steps; t++) {
        const size_t first = t * TILE_K, keys = s->N - first < TILE_K ? s->N - first : TILE_K;
        pack_rows(at->keys, qkv + s->width, s->stride, first, TILE_K, s->N, s);
        pack_rows(at->values, qkv + 2 * s->width, s->stride, first, TILE_K, s->N, s);
        for (size_t q = 0; q < s->q_tiles; q++) {
            block_products(at, q, s);
            block_gradients(at, q, keys, at->ds + (q * s->n_steps + t) * TILE_ACTS, s);
        }
        key_rows(dqkv, at, first, keys, s);
    }
    query_rows(dqkv, at, s);
}

ssfer_status CPU(attention_backward)(ssfer_compute *cx, ssfer_act *dqkv_out, const ssfer_act *dy_in,
                                     const ssfer_act *qkv_in, const ssfer_act *y_in, const float *lse,
                                     ssfer_attention_dims d)
{
    d.queries = d.queries ? d.queries : d.tokens;
    const head_shape s = shape_of(d);
    backward_scratch at;
    const size_t each = ssfer_align_size(backward_place(&at, NULL, &s), 64);
    act *dqkv = dqkv_out;
    const act *dy = dy_in, *qkv = qkv_in, *y = y_in;
    char *scratch = ssfer_cpu_scratch(cx, cx->threads * each);
    if (!scratch)
        return cx->error.status;
#pragma omp parallel num_threads((int)cx->threads) private(at)
    {
        backward_place(&at, scratch + (size_t)omp_get_thread_num() * each, &s);
        tiles_configure();
#pragma omp for schedule(static) collapse(2)
        for (size_t b = 0; b < d.batch; b++)
            for (size_t h = 0; h < d.heads; h++)
                backward_head(dqkv + b * s.N * s.stride + h * s.D, dy + b * s.Q * s.width + h * s.D,
                              qkv + b * s.N * s.stride + h * s.D, y + b * s.Q * s.width + h * s.D,
                              lse + (b * d.heads + h) * s.Q, &s, &at);
        tiles_release();
    }
    return SSFER_OK;
}
