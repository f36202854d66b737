/* y = epilogue(x b + bias) for weights b that were packed before, by panels of x and strips of b; for one C file a kind
 * of arithmetic, which says what a block is and how two packed pieces are multiplied (product_amx.c, product_avx512.c).
 *
 * The caches decide. A thread packs a panel of x, some blocks of ROWS rows, which stays in its second-level cache;
 * walks b by strips of COLUMNS columns; cuts the inner index into pieces of DEPTH, whose part of b stays in the
 * first-level cache while the whole panel passes by; and keeps the sums of a strip beside the panel in the meantime.
 * The next piece of b is asked for while this one is in use.
 *
 * Each element is one sum in the order of the inner index, by pieces: the same bits for any number of threads, and
 * whatever rows are beside it. */
#ifndef SSFER_COMPUTE_CPU_PANEL_PRODUCT_H
#define SSFER_COMPUTE_CPU_PANEL_PRODUCT_H

#include "base/size.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_math.h"

#include <omp.h>

/* The including file defines ROWS, DEPTH, PANEL_BLOCKS (most blocks in a panel) and PANEL_BYTES (its size, about), and
 * the functions declared here. */
enum { COLUMNS = 2 * VECTOR, LINE = 64 /* bytes of a cache line */ };

/* Columns `first` to first + 31 of b (K, J), stored as it is or transposed, as (J, K): to [K][32], in any order that
 * leaves pieces of DEPTH in their place. */
static void pack_strip(act *to, const float *w, size_t first, size_t K, size_t J, bool transposed);
/* Rows `first` on of x (M, K): to [blocks][K][ROWS], likewise; rows from M on are zeros. */
static void pack_panel(act *to, const act *x, size_t first, size_t blocks, size_t M, size_t K);
/* sums (ROWS, COLUMNS) = or += a b over `depth`; asks for `next` on the way: `lines` cache lines for each 32 of depth.
 */
static void multiply_block(float *sums, bool start, const act *a, const act *b, size_t depth, const act *next,
                           size_t lines);
/* Row i of a block's sums: columns 0 to 15, and 16 to 31. */
static const float *sums_low(const float *sums, size_t i);
static const float *sums_high(const float *sums, size_t i);
static void begin_thread(void);
static void end_thread(void);

typedef struct panel_product {
    void *y;
    const act *x, *b;
    const float *bias; /* or NULL */
    size_t M, K, J;
    bool wide;   /* y is float32 */
    bool stream; /* y goes past the caches */
    ssfer_epilogue epilogue;
} panel_product;

/* A result that the caches cannot hold until it is read is written past them, at twice the rate: without that each line
 * would be read first. One that is still there from its last use would be thrown out instead, at half the rate. */
static bool worth_streaming(const panel_product *p)
{
    const size_t bytes = p->M * p->J * sizeof(act);
    return !p->wide && bytes > ((size_t)8 << 20) && (uintptr_t)p->y % LINE == 0;
}

static inline __attribute__((always_inline)) void store_floats(float *to, __m512 low, __m512 high, bool stream)
{
    if (stream) {
        _mm512_stream_ps(to, low);
        _mm512_stream_ps(to + VECTOR, high);
    } else {
        _mm512_storeu_ps(to, low);
        _mm512_storeu_ps(to + VECTOR, high);
    }
}

static inline __attribute__((always_inline)) void store_acts(act *to, __m512 low, __m512 high, bool stream)
{
#ifdef CPU_BF16
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(high, low);
    if (stream)
        _mm512_stream_si512((void *)to, both);
    else
        _mm512_storeu_si512(to, both);
#else
    store_floats(to, low, high, stream);
#endif
}

/* Rows `row` on and columns `column` on of y, from a block's sums. */
static inline __attribute__((always_inline)) void finish_block_as(const panel_product *p, size_t row, size_t column,
                                                                  const float *sums, bool wide, bool gelu)
{
    const size_t rows = p->M - row < ROWS ? p->M - row : ROWS;
    const __m512 zero = _mm512_setzero_ps();
    const __m512 bias[2] = {p->bias ? _mm512_loadu_ps(p->bias + column) : zero,
                            p->bias ? _mm512_loadu_ps(p->bias + column + VECTOR) : zero};
    for (size_t i = 0; i < rows; i++) {
        __m512 low = _mm512_add_ps(_mm512_load_ps(sums_low(sums, i)), bias[0]);
        __m512 high = _mm512_add_ps(_mm512_load_ps(sums_high(sums, i)), bias[1]);
        if (gelu) {
            low = vector_gelu(low);
            high = vector_gelu(high);
        }
        const size_t at = (row + i) * p->J + column;
        if (wide)
            store_floats((float *)p->y + at, low, high, false);
        else
            store_acts((act *)p->y + at, low, high, p->stream);
    }
}

static void finish_block(const panel_product *p, size_t row, size_t column, const float *sums)
{
    const bool gelu = p->epilogue == SSFER_EPILOGUE_GELU;
    if (p->wide)
        finish_block_as(p, row, column, sums, true, gelu);
    else if (gelu)
        finish_block_as(p, row, column, sums, false, true);
    else
        finish_block_as(p, row, column, sums, false, false);
}

/* Columns `column` to column + 31 of y, in the rows of a panel. sums: room for its blocks. */
static void multiply_strip(const panel_product *p, size_t row, size_t blocks, size_t column, const act *panel,
                           float *sums)
{
    enum { UNIT = 32 };
    const act *b = p->b + column * p->K;
    const size_t lines = UNIT * COLUMNS * sizeof *b / LINE / blocks;
    for (size_t k = 0; k < p->K; k += DEPTH) {
        const size_t depth = p->K - k < DEPTH ? p->K - k : DEPTH;
        const act *here = b + k * COLUMNS, *next = here + depth * COLUMNS;
        for (size_t i = 0; i < blocks; i++) {
            multiply_block(sums + i * ROWS * COLUMNS, k == 0, panel + (i * p->K + k) * ROWS, here, depth, next, lines);
            next += depth / UNIT * lines * LINE / sizeof *next;
            if (k + depth == p->K)
                finish_block(p, row + i * ROWS, column, sums + i * ROWS * COLUMNS);
        }
    }
}

/* The most blocks that a panel has room for. */
static size_t panel_blocks(size_t K)
{
    const size_t fit = PANEL_BYTES / (ROWS * K * sizeof(act));
    return fit < PANEL_BLOCKS ? fit : PANEL_BLOCKS;
}

/* Blocks `first` to end - 1 of the rows, columns from `column` to `last` - 1. */
static void multiply_part(const panel_product *p, size_t first, size_t end, size_t column, size_t last, act *panel,
                          float *sums)
{
    const size_t most = panel_blocks(p->K), count = end - first, panels = (count + most - 1) / most;
    for (size_t i = 0; i < panels; i++) { /* of sizes that differ by one block at most */
        const size_t from = first + i * count / panels, to = first + (i + 1) * count / panels;
        pack_panel(panel, p->x, from * ROWS, to - from, p->M, p->K);
        for (size_t j = column; j < last; j += COLUMNS)
            multiply_strip(p, from * ROWS, to - from, j, panel, sums);
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

void CPU(product_pack)(ssfer_compute *cx, ssfer_act *packed, const float *w, size_t K, size_t J, bool transposed)
{
    act *to = packed;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t j = 0; j < J; j += COLUMNS)
        pack_strip(to + j * K, w, j, K, J, transposed);
}

ssfer_status CPU(product)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const ssfer_act *packed,
                          const float *bias, ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    panel_product p = {y, x, packed, bias, d.rows, d.in, d.out, d.wide, false, epilogue};
    p.stream = worth_streaming(&p);
    const size_t blocks = (p.M + ROWS - 1) / ROWS, strips = p.J / COLUMNS;
    const size_t by_rows = row_shares(blocks, cx->threads), by_columns = cx->threads / by_rows;
    const size_t most = panel_blocks(p.K), sums_bytes = most * ROWS * COLUMNS * sizeof(float);
    const size_t part_bytes = sums_bytes + ssfer_align_size(most * ROWS * p.K * sizeof(act), LINE);
    char *memory = ssfer_cpu_scratch(cx, cx->threads * part_bytes);
    if (!memory)
        return cx->error.status;
#pragma omp parallel num_threads((int)cx->threads)
    {
        begin_thread();
        const size_t all = cx->threads;
        for (size_t t = (size_t)omp_get_thread_num(); t < all; t += (size_t)omp_get_num_threads()) {
            const size_t r = t / by_columns, c = t % by_columns;
            char *mine = memory + t * part_bytes;
            multiply_part(&p, r * blocks / by_rows, (r + 1) * blocks / by_rows, c * strips / by_columns * COLUMNS,
                          (c + 1) * strips / by_columns * COLUMNS, (act *)(void *)(mine + sums_bytes),
                          (float *)(void *)mine);
        }
        end_thread();
        _mm_sfence(); /* what was streamed is there before the threads meet */
    }
    return SSFER_OK;
}

#endif
