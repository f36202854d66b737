/* y = epilogue(x b + bias) for weights b that were packed before, by panels of x and strips of b; for one C file a kind
 * of arithmetic, which says what a block is and how two packed pieces are multiplied (product_avx512.c,
 * product_tiles.c).
 *
 * The caches decide. A thread packs a panel of x, some blocks of ROWS rows, which stays in its second-level cache;
 * walks b by strips of COLUMNS columns; cuts the inner index into pieces of DEPTH, whose part of b stays in the
 * first-level cache while the whole panel passes by; and keeps the sums of a strip beside the panel in the meantime.
 * The next piece of b is asked for while this one is in use. Where an inner index is longer than PANEL_DEPTH, a panel
 * has a part of it only, and y collects the sums of the parts.
 *
 * Each element is one sum in the order of the inner index, by pieces: the same bits for any number of threads, and
 * whatever rows are beside it. */
#ifndef SSFER_COMPUTE_CPU_PANEL_PRODUCT_H
#define SSFER_COMPUTE_CPU_PANEL_PRODUCT_H

#include "base/size.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/vector_math.h"

#include <omp.h>

/* The including file defines ROWS, DEPTH, PANEL_BLOCKS (most blocks in a panel), PANEL_BYTES (its size, about),
 * PANEL_DEPTH (less than any K only where an act is a float), PARTS (numbers that an element is packed as), the type
 * `packed` of these, and the functions declared here. */
enum { COLUMNS = 2 * VECTOR, LINE = 64 /* bytes of a cache line */, UNIT = 32 /* parts of K are multiples of it */ };

/* A strip of 32 columns of b (K, J): to [K][32][PARTS], in any order that leaves pieces of UNIT in their place. Either
 * all of it from b's transpose (J, K), of which w is the first row, or `rows` rows of b, at most UNIT of them, of which
 * w is the first one. */
static void pack_transposed(packed *to, const float *w, size_t K);
static void pack_rows(packed *to, const float *w, size_t rows, size_t J);
/* Rows `first` on, columns k to k + depth - 1, of x (M, K): to [blocks][depth][ROWS][PARTS], likewise; rows from M on
 * are zeros. */
static void pack_panel(packed *to, const act *x, size_t first, size_t blocks, size_t k, size_t depth, size_t M,
                       size_t K);
/* What is on its way while a block is multiplied. */
typedef struct meanwhile meanwhile;
/* sums (ROWS, COLUMNS) = or += a b over `depth`, with a call of `work` for each UNIT of depth. */
static void multiply_block(float *sums, bool start, const packed *a, const packed *b, size_t depth, meanwhile *work);
/* Row i of a block's sums: columns 0 to 15, and 16 to 31. */
static const float *sums_low(const float *sums, size_t i);
static const float *sums_high(const float *sums, size_t i);
static void begin_thread(void);
static void end_thread(void);

typedef struct panel_product {
    void *y;
    const act *x;
    const packed *b;
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
    return !p->wide && p->K <= PANEL_DEPTH && bytes > ((size_t)4 << 20) && (uintptr_t)p->y % LINE == 0;
}

static inline void store_floats(float *to, __m512 low, __m512 high, bool stream)
{
    if (stream) {
        _mm512_stream_ps(to, low);
        _mm512_stream_ps(to + VECTOR, high);
    } else {
        _mm512_storeu_ps(to, low);
        _mm512_storeu_ps(to + VECTOR, high);
    }
}

static inline void store_acts(act *to, __m512 low, __m512 high, bool stream)
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

/* A part of the inner index. */
typedef struct depth_part {
    size_t k, depth;
    bool first, last;
} depth_part;

/* A block whose sums are complete is finished while the next one is multiplied: tiles leave the vector units idle. */
struct meanwhile {
    const panel_product *p;
    const float *sums;
    size_t row, column, rows, done; /* of y: rows `row` to row + rows - 1, of which `done` are finished */
    bool add, last;                 /* to what y has; then bias and GELU */
    const char *next;               /* of b, what is wanted soon: `lines` cache lines a UNIT */
    size_t lines;
    const float *ahead; /* of y, what the block that is being multiplied will be added to: `ahead_rows` rows */
    size_t ahead_rows;
};

static inline void finish_row(const meanwhile *work, size_t i)
{
    const panel_product *p = work->p;
    const size_t at = (work->row + i) * p->J + work->column;
    __m512 low = _mm512_load_ps(sums_low(work->sums, i)), high = _mm512_load_ps(sums_high(work->sums, i));
    if (work->add) {
        low = _mm512_add_ps(low, _mm512_loadu_ps((const float *)p->y + at));
        high = _mm512_add_ps(high, _mm512_loadu_ps((const float *)p->y + at + VECTOR));
    }
    if (work->last && p->bias) {
        low = _mm512_add_ps(low, _mm512_loadu_ps(p->bias + work->column));
        high = _mm512_add_ps(high, _mm512_loadu_ps(p->bias + work->column + VECTOR));
    }
    if (work->last && p->epilogue == SSFER_EPILOGUE_GELU) {
        low = vector_gelu(low);
        high = vector_gelu(high);
    }
    if (p->wide)
        store_floats((float *)p->y + at, low, high, false);
    else
        store_acts((act *)p->y + at, low, high, p->stream);
}

static inline void finish_rows(meanwhile *work, size_t count)
{
    for (; count > 0 && work->done < work->rows; count--)
        finish_row(work, work->done++);
}

/* Brings near what is wanted soon, a little at a time: a core has few requests on their way at once. */
static inline void ask_for_next(meanwhile *work)
{
    for (size_t i = 0; i < work->lines; i++, work->next += LINE)
        _mm_prefetch(work->next, _MM_HINT_T1);
    for (size_t i = 0; i < 2 && work->ahead_rows; i++, work->ahead_rows--, work->ahead += work->p->J) {
        _mm_prefetch((const char *)work->ahead, _MM_HINT_T0);
        _mm_prefetch((const char *)(work->ahead + VECTOR), _MM_HINT_T0);
    }
}

/* Leaves a block to be finished. */
static void begin_finish(meanwhile *work, const depth_part *part, size_t row, size_t column, const float *sums)
{
    const panel_product *p = work->p;
    work->sums = sums;
    work->row = row;
    work->column = column;
    work->rows = p->M - row < ROWS ? p->M - row : ROWS;
    work->done = 0;
    work->add = !part->first;
    work->last = part->last;
}

/* What a part of K adds to columns `column` to column + 31 of y, in the rows of a panel. sums: room for its blocks. */
static void multiply_strip(meanwhile *work, const depth_part *part, size_t row, size_t blocks, size_t column,
                           const packed *panel, float *sums)
{
    const panel_product *p = work->p;
    const packed *b = p->b + (column * p->K + part->k * COLUMNS) * PARTS;
    work->lines = UNIT * COLUMNS * PARTS * sizeof *b / LINE / blocks;
    for (size_t k = 0; k < part->depth; k += DEPTH) {
        const size_t depth = part->depth - k < DEPTH ? part->depth - k : DEPTH;
        const packed *here = b + k * COLUMNS * PARTS;
        const bool end = k + depth == part->depth; /* then the next strip's turn comes */
        work->next = (const char *)(end ? b + COLUMNS * p->K * PARTS : here + depth * COLUMNS * PARTS);
        for (size_t i = 0; i < blocks; i++) {
            float *block_sums = sums + i * ROWS * COLUMNS;
            work->ahead = (const float *)p->y + (row + i * ROWS) * p->J + column;
            work->ahead_rows = part->first ? 0 : ROWS;
            multiply_block(block_sums, k == 0, panel + (i * part->depth + k) * ROWS * PARTS, here, depth, work);
            finish_rows(work, ROWS);
            if (end)
                begin_finish(work, part, row + i * ROWS, column, block_sums);
        }
    }
}

/* How many parts K is cut into. */
static size_t depth_parts(size_t K)
{
    return (K + PANEL_DEPTH - 1) / PANEL_DEPTH;
}

static size_t block_bytes(size_t K)
{
    return ROWS * ssfer_min_size(K, PANEL_DEPTH) * PARTS * sizeof(packed);
}

/* The most blocks that a panel has room for. */
static size_t panel_blocks(size_t K)
{
    return ssfer_min_size(PANEL_BYTES / block_bytes(K), PANEL_BLOCKS);
}

static depth_part depth_part_of(size_t K, size_t i)
{
    const size_t parts = depth_parts(K), units = (K + UNIT - 1) / UNIT;
    const size_t k = i * units / parts * UNIT, end = (i + 1) * units / parts * UNIT;
    return (depth_part){k, (end < K ? end : K) - k, i == 0, i + 1 == parts};
}

/* Blocks `first` to end - 1 of the rows, columns from `column` to `last` - 1. */
static void multiply_part(const panel_product *p, size_t first, size_t end, size_t column, size_t last, packed *panel,
                          float *sums)
{
    const size_t most = panel_blocks(p->K), count = end - first, panels = (count + most - 1) / most;
    const size_t parts = depth_parts(p->K);
    meanwhile work = {.p = p};
    for (size_t i = 0; i < panels * parts; i++) { /* of sizes that differ by one block at most */
        const size_t from = first + i / parts * count / panels, to = first + (i / parts + 1) * count / panels;
        const depth_part part = depth_part_of(p->K, i % parts);
        pack_panel(panel, p->x, from * ROWS, to - from, part.k, part.depth, p->M, p->K);
        for (size_t j = column; j < last; j += COLUMNS)
            multiply_strip(&work, &part, from * ROWS, to - from, j, panel, sums);
    }
    finish_rows(&work, ROWS);
}

/* Threads share the rows; where these are so few that each would walk all of b for next to nothing, the columns. */
static size_t row_shares(size_t blocks, size_t threads)
{
    size_t shares = threads;
    while (shares > 1 && (threads % shares != 0 || blocks / shares < PANEL_BLOCKS))
        shares--;
    return shares;
}

size_t CPU(product_bytes)(size_t K, size_t J)
{
    return K * J * PARTS * sizeof(packed);
}

void CPU(product_pack)(ssfer_compute *cx, void *packed_w, const float *w, size_t K, size_t J, bool transposed)
{
    packed *to = packed_w;
    const size_t T = cx->threads, strips = J / COLUMNS;
#pragma omp parallel for num_threads((int)T) schedule(static)
    for (size_t t = 0; t < T; t++) {
        const size_t first = t * strips / T, end = (t + 1) * strips / T;
        for (size_t j = first; transposed && j < end; j++)
            pack_transposed(to + j * COLUMNS * K * PARTS, w + j * COLUMNS * K, K);
        for (size_t k = 0; !transposed && k < K; k += UNIT) /* of a row, what lies side by side */
            for (size_t j = first; j < end; j++)
                pack_rows(to + (j * K + k) * COLUMNS * PARTS, w + k * J + j * COLUMNS, K - k < UNIT ? K - k : UNIT, J);
    }
}

ssfer_status CPU(product)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const void *packed_w, const float *bias,
                          ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    panel_product p = {y, x, packed_w, bias, d.rows, d.in, d.out, d.wide, false, epilogue};
    p.stream = worth_streaming(&p);
    const size_t blocks = (p.M + ROWS - 1) / ROWS, strips = p.J / COLUMNS;
    const size_t by_rows = row_shares(blocks, cx->threads), by_columns = cx->threads / by_rows;
    const size_t most = panel_blocks(p.K), sums_bytes = most * ROWS * COLUMNS * sizeof(float);
    const size_t part_bytes = sums_bytes + ssfer_align_size(most * block_bytes(p.K), LINE);
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
                          (c + 1) * strips / by_columns * COLUMNS, (packed *)(void *)(mine + sums_bytes),
                          (float *)(void *)mine);
        }
        end_thread();
        _mm_sfence(); /* what was streamed is there before the threads meet */
    }
    return SSFER_OK;
}

#endif
