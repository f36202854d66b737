/* dw += dy' x and db += the column sums of dy by tiles (AMX), in bfloat16 and in float32 (tile_piece.h).
 *
 * The inner index is the row of the batch, so both operands change their order when they are packed. The narrower one
 * is packed as a whole by all threads, by strips of 32 columns; of the wider one each thread packs panels of its own
 * that stay in its second-level cache, and passes all strips by them. The rows are cut into parts, so that a panel
 * holds PANEL_STEPS * 32 of them at most; dw collects the sums of the parts. Each element is one sum in the order of
 * the rows, by parts: the same bits for any number of threads. */
#include "base/size.h"
#include "compute/cpu/tile_piece.h"

#include <omp.h>

enum { PANEL_BLOCKS = 8, PANEL_STEPS = PARTS > 1 ? 26 : 64, LINE = 64 };

typedef struct gradient {
    float *dw, *db;
    const act *dy, *x;
    size_t M, J, K, steps; /* steps of 32 rows */
    bool dy_wider;         /* and therefore what the panels are of */
    uint16_t *strips;      /* (blocks of the narrower one, steps, PIECE) */
} gradient;

/* ---- packing ----------------------------------------------------------------------------------------------------- */

static const act zeros[PIECE_SIDE];

/* Row i of `rows`; from there on zeros. */
static inline const act *row_of(const act *from, size_t pitch, size_t rows, size_t i)
{
    return i < rows ? from + i * pitch : zeros;
}

/* 32 rows by 32 columns of x as a right operand. */
static void pack_right(uint16_t *to, const act *from, size_t pitch, size_t rows)
{
    for (size_t i = 0; i < TILE; i++) {
        __m512i lines[2][PARTS];
        piece_pairs(lines, row_of(from, pitch, rows, 2 * i), row_of(from, pitch, rows, 2 * i + 1));
        piece_put(to, 0, i, lines[0]);
        piece_put(to, 1, i, lines[1]);
    }
}

/* db (32) += the sums of 32 columns. */
static void add_column_sums(float *db, const act *from, size_t pitch, size_t rows)
{
    for (size_t t = 0; t < 2; t++) {
        __m512 sum = _mm512_setzero_ps();
        for (size_t i = 0; i < rows; i++)
            sum = _mm512_add_ps(sum, piece_floats(from + i * pitch + t * TILE));
        _mm512_storeu_ps(db + t * TILE, _mm512_add_ps(_mm512_loadu_ps(db + t * TILE), sum));
    }
}

/* 32 rows by 32 columns of dy, transposed, as a left operand. */
static void pack_left(uint16_t *to, const act *from, size_t pitch, size_t rows)
{
    __m512i columns[2][PARTS][TILE];
    for (size_t i = 0; i < TILE; i++) {
        __m512i lines[2][PARTS];
        piece_pairs(lines, row_of(from, pitch, rows, 2 * i), row_of(from, pitch, rows, 2 * i + 1));
        for (size_t t = 0; t < 2; t++)
            for (size_t p = 0; p < PARTS; p++)
                columns[t][p][i] = lines[t][p];
    }
    for (size_t t = 0; t < 2; t++)
        for (size_t p = 0; p < PARTS; p++) {
            vector_transpose(columns[t][p]);
            tile_fill(to + p * PART + t * TILE_ACTS, columns[t][p]);
        }
}

/* Step `step`, columns 32 * block on, of the wider operand or the narrower one. with_db: once for each step and block.
 */
static void pack(const gradient *g, uint16_t *to, bool wider, size_t step, size_t block, bool with_db)
{
    const size_t first = step * TILE_K, rows = ssfer_min_size(g->M - first, TILE_K), column = block * PIECE_SIDE;
    if (wider == g->dy_wider) {
        const act *from = g->dy + first * g->J + column;
        pack_left(to, from, g->J, rows);
        if (g->db && with_db)
            add_column_sums(g->db + column, from, g->J, rows);
    } else {
        pack_right(to, g->x + first * g->K + column, g->K, rows);
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* Sums of a block that are added to dw while the next block is multiplied. */
typedef struct unfinished {
    float *dw;
    const float *sums;
    size_t row; /* of the block: the next one; PIECE_SIDE: none is left */
} unfinished;

static inline void add_rows(unfinished *u, size_t K, size_t count)
{
    for (; count > 0 && u->row < PIECE_SIDE; count--, u->row++) {
        float *to = u->dw + u->row * K;
        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), _mm512_load_ps(block_low(u->sums, u->row))));
        _mm512_storeu_ps(to + TILE,
                         _mm512_add_ps(_mm512_loadu_ps(to + TILE), _mm512_load_ps(block_high(u->sums, u->row))));
    }
}

/* What a block is made of, and what is wanted after it: `lines` cache lines a step, from `next` on. */
typedef struct block {
    const uint16_t *left, *right;
    size_t steps;
    float *dw;
    const char *next;
    size_t lines;
} block;

/* Multiplies a block and leaves its sums in *u. */
static void multiply_block(const block *b, unfinished *u, float *sums, size_t K)
{
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): no block is without steps
    const size_t rows_a_step = (PIECE_SIDE + b->steps - 1) / b->steps;
    const char *next = b->next;
    block_zero();
    for (size_t s = 0; s < b->steps; s++) {
        piece_product(b->left + s * PIECE, b->right + s * PIECE);
        for (size_t i = 0; i < b->lines; i++, next += LINE)
            _mm_prefetch(next, _MM_HINT_T1);
        add_rows(u, K, rows_a_step);
        for (size_t i = s * rows_a_step; i < (s + 1) * rows_a_step && i < PIECE_SIDE; i++) { /* for its own turn */
            _mm_prefetch((const char *)(b->dw + i * K), _MM_HINT_T0);
            _mm_prefetch((const char *)(b->dw + i * K + TILE), _MM_HINT_T0);
        }
    }
    add_rows(u, K, PIECE_SIDE);
    block_store(sums);
    *u = (unfinished){b->dw, sums, 0};
}

/* A share of the work: blocks of the wider operand against strips of the narrower one. */
typedef struct share {
    size_t first, end, strip, last_strip;
} share;

/* Passes the strips by a panel that holds the steps from `from` on. */
static void multiply_panel(const gradient *g, const share *s, const uint16_t *panel, size_t from, size_t steps)
{
    float sums[2][BLOCK_SUMS] __attribute__((aligned(LINE)));
    unfinished u = {NULL, NULL, PIECE_SIDE};
    size_t number = 0;
    block b = {.steps = steps, .lines = PIECE * sizeof(uint16_t) / LINE / (s->end - s->first)};
    for (size_t j = s->strip; j < s->last_strip; j++) {
        const uint16_t *strip = g->strips + (j * g->steps + from) * PIECE;
        b.next = (const char *)(strip + g->steps * PIECE);
        for (size_t i = s->first; i < s->end; i++, b.next += steps * b.lines * LINE) {
            const uint16_t *mine = panel + (i - s->first) * steps * PIECE;
            b.left = g->dy_wider ? mine : strip;
            b.right = g->dy_wider ? strip : mine;
            b.dw = g->dw + (g->dy_wider ? i : j) * PIECE_SIDE * g->K + (g->dy_wider ? j : i) * PIECE_SIDE;
            multiply_block(&b, &u, sums[number++ % 2], g->K);
        }
    }
    add_rows(&u, g->K, PIECE_SIDE);
}

static void multiply_share(const gradient *g, const share *s, uint16_t *panel)
{
    const size_t parts = (g->steps + PANEL_STEPS - 1) / PANEL_STEPS;
    for (size_t p = 0; p < parts; p++) {
        const size_t from = p * g->steps / parts, steps = (p + 1) * g->steps / parts - from;
        for (size_t k = 0; k < steps; k++) /* of a row, what lies side by side */
            for (size_t i = s->first; i < s->end; i++)
                pack(g, panel + ((i - s->first) * steps + k) * PIECE, true, from + k, i, s->strip == 0);
        multiply_panel(g, s, panel, from, steps);
    }
}

/* ---- sharing ----------------------------------------------------------------------------------------------------- */

/* Panels, as many for each thread; where there are fewer, threads share the strips of one. */
typedef struct plan {
    size_t blocks, strips, panels, shares;
} plan;

static plan make_plan(ssfer_linear_dims d, size_t threads)
{
    plan p = {.blocks = ssfer_max_size(d.out, d.in) / PIECE_SIDE, .strips = ssfer_min_size(d.out, d.in) / PIECE_SIDE};
    const size_t fewest = (p.blocks + PANEL_BLOCKS - 1) / PANEL_BLOCKS;
    p.panels = fewest < threads ? ssfer_min_size(p.blocks, threads) : (fewest + threads - 1) / threads * threads;
    p.shares = ssfer_min_size((threads + p.panels - 1) / p.panels, p.strips);
    return p;
}

static share share_of(const plan *p, size_t i)
{
    const size_t panel = i / p->shares, part = i % p->shares;
    return (share){panel * p->blocks / p->panels, (panel + 1) * p->blocks / p->panels, part * p->strips / p->shares,
                   (part + 1) * p->strips / p->shares};
}

bool CPU(weight_gradient_fits)(ssfer_linear_dims d)
{
    return d.out % PIECE_SIDE == 0 && d.in % PIECE_SIDE == 0;
}

ssfer_status CPU(weight_gradient)(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                  ssfer_linear_dims d)
{
    const size_t T = cx->threads, panel_bytes = (size_t)PANEL_BLOCKS * PANEL_STEPS * PIECE * sizeof(uint16_t);
    const plan p = make_plan(d, T);
    gradient g = {.dw = dw, .db = db, .dy = dy, .x = x, .M = d.rows, .J = d.out, .K = d.in};
    g.steps = (d.rows + TILE_K - 1) / TILE_K;
    g.dy_wider = d.out >= d.in;
    char *memory = ssfer_cpu_scratch(cx, T * panel_bytes);
    g.strips = ssfer_cpu_scratch_slot(cx, SSFER_CPU_WEIGHTS, p.strips * g.steps * PIECE * sizeof *g.strips);
    if (!memory || !g.strips)
        return cx->error.status;
#pragma omp parallel num_threads((int)T)
    {
        tiles_configure();
#pragma omp for schedule(static)
        for (size_t t = 0; t < T; t++) /* columns of its own, in the order of the rows: they lie side by side */
            for (size_t s = 0; s < g.steps; s++)
                for (size_t j = t * p.strips / T; j < (t + 1) * p.strips / T; j++)
                    pack(&g, g.strips + (j * g.steps + s) * PIECE, false, s, j, true);
#pragma omp for schedule(static)
        for (size_t i = 0; i < p.panels * p.shares; i++) {
            const share s = share_of(&p, i);
            multiply_share(&g, &s, (uint16_t *)(void *)(memory + (size_t)omp_get_thread_num() * panel_bytes));
        }
        tiles_release();
    }
    return SSFER_OK;
}
