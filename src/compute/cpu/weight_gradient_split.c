/* dw += dy' x and db += the column sums of dy in float32 by tiles (AMX), see split_tiles.h.
 *
 * The inner index is the row of the batch, so both operands change their order when they are packed. The narrower one
 * is packed as a whole by all threads, by strips of 32 columns; of the wider one each thread packs panels of its own
 * that stay in its second-level cache, and passes all strips by them. The rows are cut into parts, so that a panel
 * holds PANEL_STEPS * 32 of them at most; dw collects the sums of the parts. Each element is one sum in the order of
 * the rows, by parts: the same bits for any number of threads. */
#include "base/size.h"
#include "compute/cpu/kernels.h"
#include "compute/cpu/split_tiles.h"

#include <omp.h>

enum { WIDE = 2 * TILE, PANEL_BLOCKS = 8, PANEL_STEPS = 26, LINE = 64 };

typedef struct gradient {
    float *dw, *db;
    const float *dy, *x;
    size_t M, J, K, steps; /* steps of 32 rows */
    bool dy_wider;         /* and therefore what the panels are of */
    uint16_t *strips;      /* (blocks of the narrower one, steps, SPLIT) */
} gradient;

/* 32 rows by 32 columns of x as a right operand: rows from `rows` on are zeros. */
static void pack_right(uint16_t *to, const float *from, size_t pitch, size_t rows)
{
    const __m512 zero = _mm512_setzero_ps();
    for (size_t i = 0; i < TILE; i++)
        for (size_t t = 0; t < 2; t++) {
            const float *even = from + 2 * i * pitch + t * TILE;
            __m512i parts[PARTS];
            split_pairs(parts, 2 * i < rows ? _mm512_loadu_ps(even) : zero,
                        2 * i + 1 < rows ? _mm512_loadu_ps(even + pitch) : zero);
            for (size_t p = 0; p < PARTS; p++)
                _mm512_storeu_si512(to + p * PART + t * TILE_ACTS + i * TILE_K, parts[p]);
        }
}

/* 32 rows by 32 columns of dy, transposed, as a left operand; db (32), if any, gets the sums of the columns. */
static void pack_left(uint16_t *to, float *db, const float *from, size_t pitch, size_t rows)
{
    const __m512 zero = _mm512_setzero_ps();
    for (size_t t = 0; t < 2; t++, from += TILE) {
        __m512i lines[PARTS][TILE];
        __m512 sum = zero;
        for (size_t i = 0; i < TILE; i++) {
            const float *row = from + 2 * i * pitch;
            const __m512 even = 2 * i < rows ? _mm512_loadu_ps(row) : zero,
                         odd = 2 * i + 1 < rows ? _mm512_loadu_ps(row + pitch) : zero;
            __m512i parts[PARTS];
            sum = _mm512_add_ps(_mm512_add_ps(sum, even), odd);
            split_pairs(parts, even, odd);
            for (size_t p = 0; p < PARTS; p++)
                lines[p][i] = parts[p];
        }
        if (db)
            _mm512_storeu_ps(db + t * TILE, _mm512_add_ps(_mm512_loadu_ps(db + t * TILE), sum));
        for (size_t p = 0; p < PARTS; p++) {
            vector_transpose(lines[p]);
            tile_fill(to + p * PART + t * TILE_ACTS, lines[p]);
        }
    }
}

/* Step `step`, columns 32 * block on, of the wider operand or the narrower one. with_db: once for each step and block.
 */
static void pack(const gradient *g, uint16_t *to, bool wider, size_t step, size_t block, bool with_db)
{
    const size_t first = step * TILE_K, rows = g->M - first < TILE_K ? g->M - first : TILE_K, column = block * WIDE;
    if (wider == g->dy_wider)
        pack_left(to, g->db && with_db ? g->db + column : NULL, g->dy + first * g->J + column, g->J, rows);
    else
        pack_right(to, g->x + first * g->K + column, g->K, rows);
}

/* Sums of a block that are added to dw while the next block is multiplied. */
typedef struct unfinished {
    float *dw;
    size_t row; /* of the block: the next one; WIDE: none is left */
} unfinished;

static void add_rows(unfinished *u, const float *sums, size_t K, size_t count)
{
    for (; count > 0 && u->row < WIDE; count--, u->row++) {
        const float *from = sums + u->row / TILE * 2 * SUMS + u->row % TILE * TILE;
        float *to = u->dw + u->row * K;
        _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), _mm512_loadu_ps(from)));
        _mm512_storeu_ps(to + TILE, _mm512_add_ps(_mm512_loadu_ps(to + TILE), _mm512_loadu_ps(from + SUMS)));
    }
}

/* Multiplies a part of `steps` and leaves the sums in *u. Of what is wanted soon, `lines` cache lines are asked for a
 * step, from `next` on. */
static void multiply_block(const gradient *g, unfinished *u, float sums[2][BLOCK_SUMS], size_t number,
                           const uint16_t *panel, const uint16_t *strip, size_t steps, float *dw, const char *next,
                           size_t lines)
{
    const size_t rows_a_step = (WIDE + steps - 1) / steps;
    split_zero();
    for (size_t s = 0; s < steps; s++, panel += SPLIT, strip += SPLIT) {
        for (size_t i = 0; i < lines; i++, next += LINE)
            _mm_prefetch(next, _MM_HINT_T1);
        if (g->dy_wider)
            split_step(panel, strip);
        else
            split_step(strip, panel);
        add_rows(u, sums[1 - number % 2], g->K, rows_a_step);
        for (size_t i = s * rows_a_step; i < (s + 1) * rows_a_step && i < WIDE; i++) { /* for its own turn */
            _mm_prefetch((const char *)(dw + i * g->K), _MM_HINT_T0);
            _mm_prefetch((const char *)(dw + i * g->K + TILE), _MM_HINT_T0);
        }
    }
    split_store(sums[number % 2]);
    *u = (unfinished){dw, 0};
}

/* A share of the work: blocks of the wider operand against blocks of the narrower one. */
typedef struct share {
    size_t first, end, strip, last_strip;
} share;

static void multiply_share(const gradient *g, const share *s, uint16_t *panel)
{
    const size_t parts = (g->steps + PANEL_STEPS - 1) / PANEL_STEPS;
    float sums[2][BLOCK_SUMS] __attribute__((aligned(LINE)));
    unfinished u = {NULL, WIDE};
    size_t number = 0;
    for (size_t p = 0; p < parts; p++) {
        const size_t from = p * g->steps / parts, steps = (p + 1) * g->steps / parts - from;
        for (size_t k = 0; k < steps; k++) /* of a row, what lies side by side */
            for (size_t i = s->first; i < s->end; i++)
                pack(g, panel + ((i - s->first) * steps + k) * SPLIT, true, from + k, i, s->strip == 0);
        const size_t lines = SPLIT * sizeof(uint16_t) / LINE / (s->end - s->first);
        for (size_t j = s->strip; j < s->last_strip; j++) {
            const uint16_t *strip = g->strips + (j * g->steps + from) * SPLIT;
            const char *next = (const char *)(strip + g->steps * SPLIT);
            for (size_t i = s->first; i < s->end; i++, number++, next += steps * lines * LINE) {
                const size_t row = g->dy_wider ? i : j, column = g->dy_wider ? j : i;
                multiply_block(g, &u, sums, number, panel + (i - s->first) * steps * SPLIT, strip, steps,
                               g->dw + row * WIDE * g->K + column * WIDE, next, lines);
            }
        }
    }
    add_rows(&u, sums[1 - number % 2], g->K, WIDE);
}

/* Panels, as many for each thread; where there are fewer, threads share the strips of one. */
static share share_of(size_t i, size_t panels, size_t shares, size_t blocks, size_t strips)
{
    const size_t panel = i / shares, part = i % shares;
    return (share){panel * blocks / panels, (panel + 1) * blocks / panels, part * strips / shares,
                   (part + 1) * strips / shares};
}

bool CPU(weight_gradient_fits)(ssfer_linear_dims d)
{
    return d.out % WIDE == 0 && d.in % WIDE == 0;
}

ssfer_status CPU(weight_gradient)(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                  ssfer_linear_dims d)
{
    gradient g = {.dw = dw, .db = db, .dy = dy, .x = x, .M = d.rows, .J = d.out, .K = d.in};
    g.steps = (d.rows + TILE_K - 1) / TILE_K;
    g.dy_wider = d.out >= d.in;
    const size_t T = cx->threads, blocks = ssfer_max_size(d.out, d.in) / WIDE,
                 strips = ssfer_min_size(d.out, d.in) / WIDE;
    const size_t fewest = (blocks + PANEL_BLOCKS - 1) / PANEL_BLOCKS;
    const size_t panels = fewest >= T ? (fewest + T - 1) / T * T : blocks < T ? blocks : T;
    const size_t shares = ssfer_min_size((T + panels - 1) / panels, strips);
    const size_t panel_bytes = (size_t)PANEL_BLOCKS * PANEL_STEPS * SPLIT * sizeof(uint16_t);
    char *memory = ssfer_cpu_scratch(cx, T * panel_bytes);
    g.strips = ssfer_cpu_scratch_slot(cx, SSFER_CPU_WEIGHTS, strips * g.steps * SPLIT * sizeof *g.strips);
    if (!memory || !g.strips)
        return cx->error.status;
#pragma omp parallel num_threads((int)T)
    {
        tiles_configure();
#pragma omp for schedule(static)
        for (size_t t = 0; t < T; t++) /* columns of its own, in the order of the rows: they lie side by side */
            for (size_t s = 0; s < g.steps; s++)
                for (size_t j = t * strips / T; j < (t + 1) * strips / T; j++)
                    pack(&g, g.strips + (j * g.steps + s) * SPLIT, false, s, j, true);
#pragma omp for schedule(static)
        for (size_t i = 0; i < panels * shares; i++) {
            const share s = share_of(i, panels, shares, blocks, strips);
            multiply_share(&g, &s, (uint16_t *)(void *)(memory + (size_t)omp_get_thread_num() * panel_bytes));
        }
        tiles_release();
    }
    return SSFER_OK;
}
