/* y = epilogue(x b + bias) by tiles (AMX), for weights b that are packed first. oneDNN 2.6 reaches 0.8 to 1.2 TFLOP/s
 * of a core on a transformer's shapes, this about 2, of the 3.3 that the tiles alone can do ('ssfer bench vit').
 *
 * The caches decide. Loading two tiles of each operand for four products keeps the tiles busy only when one operand
 * comes from the first-level cache. So: a thread packs a panel of x, up to 256 rows, which stays in its second-level
 * cache; walks b by strips of 32 columns; cuts the inner index into pieces of DEEP tiles, whose 16 KiB of b stay in the
 * first-level cache while the whole panel passes by; and keeps the sums of a strip beside the panel in the meantime.
 * The next piece of b is asked for while this one is in use.
 *
 * Each element is one sum in the order of the inner index, in pieces of DEEP tiles: the same bits for any number of
 * threads. */
#include "compute/cpu/amx.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_math.h"

#include <omp.h>

enum {
    WIDE = 2 * TILE,      /* rows and columns of a block: four tiles of sums */
    PAIR = 2 * TILE_ACTS, /* two tiles of an operand, which lie side by side */
    BLOCK = WIDE * WIDE,  /* sums of a block */
    DEEP = 8,             /* tiles of the inner index in a piece */
    PANEL_BLOCKS = 8,     /* most blocks of 32 rows in a panel */
    PANEL_ACTS = 3 << 17, /* and about its largest size, 768 KiB */
    LINE = 64             /* bytes of a cache line */
};

bool CPU(product_fits)(size_t K, size_t J)
{
    return K % TILE_K == 0 && J % WIDE == 0 && K * WIDE <= PANEL_ACTS;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* 32 floats as bfloat16. */
static inline __m512i narrow(const float *from)
{
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_loadu_ps(from + VECTOR), _mm512_loadu_ps(from));
}

/* Columns `first` to first + 31 of b = w', w (J, K): to [K / 32] pairs of tiles. */
static void pack_rows_of(act *to, const float *w, size_t first, size_t K)
{
    for (size_t k = 0; k < K; k += TILE_K)
        for (size_t t = 0; t < 2; t++, to += TILE_ACTS) {
            __m512i rows[TILE];
            for (size_t i = 0; i < TILE; i++)
                rows[i] = narrow(w + (first + t * TILE + i) * K + k);
            vector_transpose(rows);
            tile_fill(to, rows);
        }
}

/* Columns `first` to first + 31 of b = w (K, J). */
static void pack_columns_of(act *to, const float *w, size_t first, size_t K, size_t J)
{
    for (size_t k = 0; k < K; k += TILE_K, to += PAIR) {
        __m512i low[TILE], high[TILE];
        for (size_t i = 0; i < TILE; i++) {
            const float *row = w + (k + 2 * i) * J + first;
            const __m512i even = narrow(row), odd = narrow(row + J);
            low[i] = tile_pairs_low(even, odd);
            high[i] = tile_pairs_high(even, odd);
        }
        tile_fill(to, low);
        tile_fill(to + TILE_ACTS, high);
    }
}

void CPU(product_pack)(ssfer_compute *cx, ssfer_act *packed, const float *w, size_t K, size_t J, bool transposed)
{
    act *to = packed;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t j = 0; j < J; j += WIDE) {
        if (transposed)
            pack_rows_of(to + j * K, w, j, K);
        else
            pack_columns_of(to + j * K, w, j, K, J);
    }
}

/* Rows `first` to first + 32 * blocks - 1 of x (M, K): to [blocks][K / 32] pairs of tiles; rows from M on are zeros. */
static void pack_panel(act *to, const act *x, size_t first, size_t blocks, size_t M, size_t K)
{
    for (size_t b = 0; b < blocks; b++, to += WIDE * K)
        for (size_t i = 0; i < WIDE; i++) {
            const size_t row = first + b * WIDE + i;
            for (size_t k = 0; k < K; k += TILE_K)
                _mm512_store_si512(to + k * WIDE + i * TILE_K,
                                   row < M ? _mm512_loadu_si512(x + row * K + k) : _mm512_setzero_si512());
        }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* sums (32, 32) = or += a b over `steps` pairs of tiles; asks for `lines` cache lines of `next` a step. */
static void multiply_block(float *sums, bool start, const act *a, const act *b, size_t steps, const act *next,
                           size_t lines)
{
    const size_t tile = TILE * TILE;
    if (start) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    } else {
        TILE_LOAD(0, sums, TILE_BYTES);
        TILE_LOAD(1, sums + tile, TILE_BYTES);
        TILE_LOAD(2, sums + 2 * tile, TILE_BYTES);
        TILE_LOAD(3, sums + 3 * tile, TILE_BYTES);
    }
    for (size_t s = 0; s < steps; s++, a += PAIR, b += PAIR) {
        TILE_LOAD(4, a, TILE_BYTES);
        TILE_LOAD(6, b, TILE_BYTES);
        TILE_PRODUCT(0, 4, 6);
        TILE_LOAD(7, b + TILE_ACTS, TILE_BYTES);
        TILE_PRODUCT(1, 4, 7);
        TILE_LOAD(5, a + TILE_ACTS, TILE_BYTES);
        TILE_PRODUCT(2, 5, 6);
        for (size_t i = 0; i < lines; i++, next += LINE / sizeof *next)
            _mm_prefetch((const char *)next, _MM_HINT_T1);
        TILE_PRODUCT(3, 5, 7);
    }
    TILE_STORE(0, sums, TILE_BYTES);
    TILE_STORE(1, sums + tile, TILE_BYTES);
    TILE_STORE(2, sums + 2 * tile, TILE_BYTES);
    TILE_STORE(3, sums + 3 * tile, TILE_BYTES);
}

typedef struct product {
    void *y;
    const act *x, *b;
    const float *bias; /* or NULL */
    size_t M, K, J;
    bool wide;   /* y is float32 */
    bool stream; /* y goes past the caches */
    ssfer_epilogue epilogue;
} product;

/* A result that the caches cannot hold until it is read is written past them, at twice the rate: without that each line
 * would be read first. One that is still there from its last use would be thrown out instead, at half the rate. */
static bool worth_streaming(const product *p)
{
    const size_t bytes = p->M * p->J * sizeof(act);
    return !p->wide && bytes > ((size_t)8 << 20) && (uintptr_t)p->y % LINE == 0;
}

/* Rows `row` on and columns `column` on of y, from a block's sums. */
static inline __attribute__((always_inline)) void finish_block_as(const product *p, size_t row, size_t column,
                                                                  const float *sums, bool wide, bool gelu)
{
    const size_t rows = p->M - row < WIDE ? p->M - row : WIDE;
    const __m512 zero = _mm512_setzero_ps();
    const __m512 bias[2] = {p->bias ? _mm512_loadu_ps(p->bias + column) : zero,
                            p->bias ? _mm512_loadu_ps(p->bias + column + VECTOR) : zero};
    for (size_t i = 0; i < rows; i++) {
        const float *from = sums + i / TILE * 2 * TILE * TILE + i % TILE * TILE;
        __m512 low = _mm512_add_ps(_mm512_load_ps(from), bias[0]);
        __m512 high = _mm512_add_ps(_mm512_load_ps(from + TILE * TILE), bias[1]);
        if (gelu) {
            low = vector_gelu(low);
            high = vector_gelu(high);
        }
        const size_t at = (row + i) * p->J + column;
        if (wide) {
            _mm512_storeu_ps((float *)p->y + at, low);
            _mm512_storeu_ps((float *)p->y + at + VECTOR, high);
        } else if (p->stream)
            _mm512_stream_si512((void *)((act *)p->y + at), (__m512i)_mm512_cvtne2ps_pbh(high, low));
        else
            _mm512_storeu_si512((act *)p->y + at, (__m512i)_mm512_cvtne2ps_pbh(high, low));
    }
}

static void finish_block(const product *p, size_t row, size_t column, const float *sums)
{
    if (p->wide)
        finish_block_as(p, row, column, sums, true, p->epilogue == SSFER_EPILOGUE_GELU);
    else if (p->epilogue == SSFER_EPILOGUE_GELU)
        finish_block_as(p, row, column, sums, false, true);
    else
        finish_block_as(p, row, column, sums, false, false);
}

/* Columns `column` to column + 31 of y, in the rows of a panel. sums: room for its blocks. */
static void multiply_strip(const product *p, size_t row, size_t blocks, size_t column, const act *panel, float *sums)
{
    const size_t steps = p->K / TILE_K;
    const act *b = p->b + column * p->K;
    for (size_t s = 0; s < steps; s += DEEP) {
        const size_t deep = steps - s < DEEP ? steps - s : DEEP, lines = PAIR * sizeof *b / LINE / blocks;
        const act *here = b + s * PAIR, *next = here + deep * PAIR;
        for (size_t i = 0; i < blocks; i++) {
            multiply_block(sums + i * BLOCK, s == 0, panel + i * WIDE * p->K + s * PAIR, here, deep, next, lines);
            next += deep * lines * LINE / sizeof *next;
            if (s + deep == steps)
                finish_block(p, row + i * WIDE, column, sums + i * BLOCK);
        }
    }
}

/* Blocks `first` to end - 1 of the rows, columns from `column` to `last` - 1. */
static void multiply_part(const product *p, size_t first, size_t end, size_t column, size_t last, act *panel,
                          float *sums)
{
    const size_t fit = PANEL_ACTS / (WIDE * p->K), most = fit < PANEL_BLOCKS ? fit : PANEL_BLOCKS;
    const size_t count = end - first, panels = (count + most - 1) / most;
    for (size_t i = 0; i < panels; i++) { /* of sizes that differ by one block at most */
        const size_t from = first + i * count / panels, to = first + (i + 1) * count / panels;
        pack_panel(panel, p->x, from * WIDE, to - from, p->M, p->K);
        for (size_t j = column; j < last; j += WIDE)
            multiply_strip(p, from * WIDE, to - from, j, panel, sums);
    }
}

/* Threads share the rows; where these are so few that each would walk all of b for next to nothing, the columns. */
static size_t row_shares(size_t blocks, size_t threads)
{
    size_t shares = threads;
    while (shares > 1 && (threads % shares != 0 || blocks / shares < PANEL_BLOCKS))
        shares--;
    return shares;
}

ssfer_status CPU(product)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const ssfer_act *packed,
                          const float *bias, ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    product p = {y, x, packed, bias, d.rows, d.in, d.out, d.wide, false, epilogue};
    p.stream = worth_streaming(&p);
    const size_t blocks = (p.M + WIDE - 1) / WIDE, strips = p.J / WIDE;
    const size_t by_rows = row_shares(blocks, cx->threads), by_columns = cx->threads / by_rows;
    const size_t sums_bytes = PANEL_BLOCKS * BLOCK * sizeof(float);
    const size_t part_bytes = sums_bytes + PANEL_BLOCKS * WIDE * p.K * sizeof(act);
    char *memory = ssfer_cpu_scratch(cx, cx->threads * part_bytes);
    if (!memory)
        return cx->error.status;
#pragma omp parallel num_threads((int)cx->threads)
    {
        tiles_configure();
        const size_t all = cx->threads;
        for (size_t t = (size_t)omp_get_thread_num(); t < all; t += (size_t)omp_get_num_threads()) {
            const size_t r = t / by_columns, c = t % by_columns;
            float *sums = (float *)(void *)(memory + t * part_bytes);
            multiply_part(&p, r * blocks / by_rows, (r + 1) * blocks / by_rows, c * strips / by_columns * WIDE,
                          (c + 1) * strips / by_columns * WIDE, (act *)(void *)(memory + t * part_bytes + sums_bytes),
                          sums);
        }
        tiles_release();
        _mm_sfence(); /* what was streamed is there before the threads meet */
    }
    return SSFER_OK;
}
