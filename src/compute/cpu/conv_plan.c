#include "base/memory.h"
#include "compute/cpu/block_ops.h"
#include "compute/cpu/conv_graph_impl.h"
#include "compute/cpu/neighbours.h"

#include <omp.h>
#include <string.h>

enum { BLOCK = SSFER_CONV_BLOCK };

/* Where a value lives: at a channel offset of another value (a piece of a concatenation, a split), or in the arena. */
typedef struct place {
    size_t height, width;
    int64_t parent;                       /* SSFER_CONV_NO_VALUE: has its own place */
    size_t parent_first;                  /* first channel within the parent, a multiple of 8 */
    bool live;                            /* somebody needs it */
    size_t first_step, last_step, offset; /* of a value with its own place; offset in floats */
} place;

struct ssfer_conv_plan {
    const ssfer_conv_graph *graph;
    place *places;
    ssfer_conv **convs; /* one an operation, NULL where there is nothing to run */
    bool *skip;         /* operations without work: dead, or a matter of places alone */
    size_t arena_floats, scratch_bytes, copies;
};

struct ssfer_conv_workspace {
    const ssfer_conv_plan *plan;
    float *arena;
    void *scratch;
    ssfer_conv_call **calls; /* one an operation */
};

/* ---- places ---- */

static size_t value_floats(const ssfer_conv_plan *p, size_t value)
{
    size_t channels = p->graph->values[value].channels;
    size_t rows = value == 0 ? channels : ssfer_conv_blocks(channels) * BLOCK; /* the input is planar */
    return rows * p->places[value].height * p->places[value].width;            /* bounded by check_sizes */
}

/* Follows the chain of parents to the value with its own place; *first becomes the channel offset in it. */
static size_t root_of(const ssfer_conv_plan *p, size_t value, size_t *first)
{
    *first = 0;
    while (p->places[value].parent != SSFER_CONV_NO_VALUE) {
        *first += p->places[value].parent_first;
        value = (size_t)p->places[value].parent;
    }
    return value;
}

/* Values that no result depends on are not computed (the released lite-t has such a layer). */
static void mark_live(ssfer_conv_plan *p, bool keep_all)
{
    const ssfer_conv_graph *g = p->graph;
    for (size_t v = 0; v < g->value_count; v++)
        p->places[v].live = keep_all || g->values[v].keep;
    p->places[0].live = true;
    for (size_t i = g->op_count; i-- > 0;) {
        const ssfer_conv_op *op = &g->ops[i];
        p->skip[i] = !p->places[op->out].live;
        for (size_t k = 0; k < op->in_count && !p->skip[i]; k++)
            p->places[op->in[k]].live = true;
    }
}

static void put_inside(ssfer_conv_plan *p, size_t value, size_t parent, size_t first)
{
    p->places[value].parent = (int64_t)parent;
    p->places[value].parent_first = first;
}

/* A split that starts at a block is a place inside of what it splits. A piece that does not end at a block may only be
 * the last one: its padding lanes are then its parent's. */
static void place_slice(ssfer_conv_plan *p, const ssfer_conv_op *op, bool *skip)
{
    const ssfer_conv_graph_value *v = p->graph->values;
    bool last = op->first + v[op->out].channels == v[op->in[0]].channels;
    if (op->first % BLOCK == 0 && (last || v[op->out].channels % BLOCK == 0)) {
        put_inside(p, op->out, op->in[0], op->first);
        *skip = true;
    }
}

/* The pieces of a concatenation are computed right where they belong, unless they already live elsewhere. */
static void place_concat(ssfer_conv_plan *p, const ssfer_conv_op *op, bool *skip)
{
    const ssfer_conv_graph_value *v = p->graph->values;
    size_t first = 0;
    bool copies = false;
    for (size_t k = 0; k < op->in_count; k++) {
        size_t in = op->in[k], channels = v[in].channels;
        bool last = k + 1 == op->in_count, fits = first % BLOCK == 0 && (last || channels % BLOCK == 0);
        if (fits && p->places[in].parent == SSFER_CONV_NO_VALUE)
            put_inside(p, in, op->out, first);
        else
            copies = true;
        first += channels;
    }
    *skip = !copies;
}

static void place_all(ssfer_conv_plan *p)
{
    for (size_t i = 0; i < p->graph->op_count; i++) {
        const ssfer_conv_op *op = &p->graph->ops[i];
        if (p->skip[i])
            continue;
        if (op->kind == SSFER_CONV_OP_SLICE)
            place_slice(p, op, &p->skip[i]);
        else if (op->kind == SSFER_CONV_OP_CONCAT)
            place_concat(p, op, &p->skip[i]);
        p->copies += !p->skip[i] && (op->kind == SSFER_CONV_OP_SLICE || op->kind == SSFER_CONV_OP_CONCAT);
    }
}

/* ---- lifetimes and offsets ---- */

static void touch(ssfer_conv_plan *p, size_t value, size_t step)
{
    size_t first;
    place *root = &p->places[root_of(p, value, &first)];
    root->first_step = ssfer_min_size(root->first_step, step);
    root->last_step = ssfer_max_size(root->last_step, step);
}

static void find_lifetimes(ssfer_conv_plan *p, bool keep_all)
{
    const ssfer_conv_graph *g = p->graph;
    for (size_t v = 0; v < g->value_count; v++) {
        p->places[v].first_step = SIZE_MAX;
        p->places[v].last_step = 0;
    }
    touch(p, 0, 0);
    for (size_t i = 0; i < g->op_count; i++) {
        if (p->skip[i])
            continue;
        for (size_t k = 0; k < g->ops[i].in_count; k++)
            touch(p, g->ops[i].in[k], i);
        touch(p, g->ops[i].out, i);
    }
    for (size_t v = 0; v < g->value_count; v++)
        if (keep_all || g->values[v].keep)
            touch(p, v, g->op_count);
}

static bool overlap(const place *a, const place *b)
{
    return a->first_step <= b->last_step && b->first_step <= a->last_step;
}

/* The lowest offset at which `size` floats collide with none of the values placed so far whose lifetimes overlap. */
static size_t lowest_offset(const ssfer_conv_plan *p, const size_t *placed, size_t count, const place *wanted,
                            size_t size)
{
    size_t offset = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (size_t i = 0; i < count; i++) {
            const place *other = &p->places[placed[i]];
            size_t end = other->offset + ssfer_align_size(value_floats(p, placed[i]), 16);
            if (overlap(wanted, other) && offset < end && other->offset < offset + size) {
                offset = end;
                moved = true;
            }
        }
    }
    return offset;
}

/* Largest first, each at the lowest place that is free during its lifetime. */
static ssfer_status assign_offsets(ssfer_conv_plan *p, ssfer_error *err)
{
    size_t count = 0, values = p->graph->value_count;
    size_t *order = ssfer_malloc(values * sizeof *order);
    if (!order)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    for (size_t v = 0; v < values; v++)
        if (p->places[v].parent == SSFER_CONV_NO_VALUE && p->places[v].first_step != SIZE_MAX)
            order[count++] = v;
    for (size_t i = 1; i < count; i++) { /* insertion sort: a few hundred values, and stable */
        size_t v = order[i], k = i;
        for (; k > 0 && value_floats(p, order[k - 1]) < value_floats(p, v); k--)
            order[k] = order[k - 1];
        order[k] = v;
    }
    for (size_t i = 0; i < count; i++) {
        place *mine = &p->places[order[i]];
        size_t size = ssfer_align_size(value_floats(p, order[i]), 16); /* 64-byte alignment */
        mine->offset = lowest_offset(p, order, i, mine, size);
        p->arena_floats = ssfer_max_size(p->arena_floats, mine->offset + size);
    }
    ssfer_free(order);
    return SSFER_OK;
}

/* ---- the plan ---- */

static ssfer_status check_sizes(ssfer_conv_plan *p, size_t height, size_t width, size_t max_bytes, ssfer_error *err)
{
    const ssfer_conv_graph *g = p->graph;
    size_t *sizes = ssfer_calloc(g->value_count, 2 * sizeof *sizes), largest = 0;
    if (!sizes)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    ssfer_status st = ssfer_conv_graph_sizes(g, sizes, height, width, err);
    for (size_t v = 0; v < g->value_count && st == SSFER_OK; v++) {
        size_t bytes;
        p->places[v] = (place){.height = sizes[2 * v], .width = sizes[2 * v + 1], .parent = SSFER_CONV_NO_VALUE};
        if (!ssfer_mul_size(sizes[2 * v] * sizes[2 * v + 1], ssfer_conv_blocks(g->values[v].channels) * BLOCK,
                            &bytes) ||
            !ssfer_mul_size(bytes, sizeof(float), &bytes))
            bytes = SIZE_MAX;
        largest = ssfer_max_size(largest, bytes);
    }
    if (st == SSFER_OK && largest > max_bytes)
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "network plan: %zux%zu pixels need too much memory; use a smaller size",
                        width, height);
    ssfer_free(sizes);
    return st;
}

static ssfer_status make_convs(ssfer_conv_plan *p, ssfer_error *err)
{
    const ssfer_conv_graph *g = p->graph;
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; i < g->op_count && st == SSFER_OK; i++) {
        const ssfer_conv_op *op = &g->ops[i];
        if (p->skip[i] || op->kind != SSFER_CONV_OP_CONV)
            continue;
        const place *in = &p->places[op->in[0]];
        st = ssfer_conv_create(&p->convs[i], g->engine, op->weights, in->height, in->width, op->in[0] == 0, err);
        if (st == SSFER_OK)
            p->scratch_bytes = ssfer_max_size(p->scratch_bytes, ssfer_conv_scratch_bytes(p->convs[i]));
    }
    return st;
}

ssfer_status ssfer_conv_plan_create(ssfer_conv_plan **out, ssfer_conv_graph *graph, size_t height, size_t width,
                                    bool keep_all, size_t max_bytes, ssfer_error *err)
{
    *out = NULL;
    ssfer_conv_plan *p = ssfer_calloc(1, sizeof *p);
    if (!p)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    p->graph = graph;
    p->places = ssfer_calloc(graph->value_count, sizeof *p->places);
    p->convs = ssfer_calloc(graph->op_count, sizeof *p->convs);
    p->skip = ssfer_calloc(graph->op_count, sizeof *p->skip);
    ssfer_status st =
        p->places && p->convs && p->skip ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    if (st == SSFER_OK)
        st = check_sizes(p, height, width, max_bytes, err);
    if (st == SSFER_OK) {
        mark_live(p, keep_all);
        place_all(p);
        find_lifetimes(p, keep_all);
        st = assign_offsets(p, err);
    }
    if (st == SSFER_OK && p->arena_floats > max_bytes / sizeof(float))
        st = ssfer_fail(err, SSFER_ERR_LIMIT, "network plan: %zux%zu pixels need %zu MB; use a smaller size", width,
                        height, p->arena_floats >> 18);
    if (st == SSFER_OK)
        st = make_convs(p, err);
    if (st == SSFER_OK)
        *out = p;
    else
        ssfer_conv_plan_destroy(p);
    return st;
}

void ssfer_conv_plan_destroy(ssfer_conv_plan *plan)
{
    if (!plan)
        return;
    for (size_t i = 0; plan->convs && i < plan->graph->op_count; i++)
        ssfer_conv_destroy(plan->convs[i]);
    ssfer_free(plan->convs);
    ssfer_free(plan->places);
    ssfer_free(plan->skip);
    ssfer_free(plan);
}

size_t ssfer_conv_plan_height(const ssfer_conv_plan *plan, size_t value)
{
    return plan->places[value].height;
}

size_t ssfer_conv_plan_width(const ssfer_conv_plan *plan, size_t value)
{
    return plan->places[value].width;
}

size_t ssfer_conv_plan_bytes(const ssfer_conv_plan *plan)
{
    return plan->arena_floats * sizeof(float) + plan->scratch_bytes;
}

size_t ssfer_conv_plan_copies(const ssfer_conv_plan *plan)
{
    return plan->copies;
}

const char *ssfer_conv_plan_kernel(const ssfer_conv_plan *plan, size_t i)
{
    for (size_t k = 0; k < plan->graph->op_count; k++)
        if (plan->convs[k] && i-- == 0)
            return ssfer_conv_kernel_name(plan->convs[k]);
    return NULL;
}

/* ---- workspaces ---- */

static float *value_at(const ssfer_conv_workspace *ws, size_t value)
{
    size_t first, root = root_of(ws->plan, value, &first);
    const place *r = &ws->plan->places[root];
    return ws->arena + r->offset + first * r->height * r->width; /* whole blocks: first is a multiple of 8 */
}

ssfer_status ssfer_conv_workspace_create(ssfer_conv_workspace **out, const ssfer_conv_plan *plan, ssfer_error *err)
{
    const ssfer_conv_graph *g = plan->graph;
    *out = NULL;
    ssfer_conv_workspace *ws = ssfer_calloc(1, sizeof *ws);
    if (!ws)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "network workspace: out of memory");
    ws->plan = plan;
    ws->calls = ssfer_calloc(g->op_count, sizeof *ws->calls);
    ws->arena = ssfer_aligned_alloc(plan->arena_floats * sizeof(float));
    ws->scratch = ssfer_aligned_alloc(plan->scratch_bytes);
    ssfer_status st = SSFER_OK;
    if (!ws->calls || !ws->arena || !ws->scratch)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "network workspace: out of memory for %zu bytes",
                        ssfer_conv_plan_bytes(plan));
    for (size_t i = 0; i < g->op_count && st == SSFER_OK; i++)
        if (plan->convs[i])
            st = ssfer_conv_call_create(&ws->calls[i], plan->convs[i], value_at(ws, g->ops[i].in[0]),
                                        value_at(ws, g->ops[i].out), ws->scratch, err);
    if (st == SSFER_OK)
        *out = ws;
    else
        ssfer_conv_workspace_destroy(ws);
    return st;
}

void ssfer_conv_workspace_destroy(ssfer_conv_workspace *workspace)
{
    if (!workspace)
        return;
    for (size_t i = 0; workspace->calls && i < workspace->plan->graph->op_count; i++)
        ssfer_conv_call_destroy(workspace->calls[i]);
    ssfer_free(workspace->calls);
    ssfer_free(workspace->arena);
    ssfer_free(workspace->scratch);
    ssfer_free(workspace);
}

float *ssfer_conv_workspace_input(ssfer_conv_workspace *workspace)
{
    return value_at(workspace, 0);
}

const float *ssfer_conv_workspace_value(const ssfer_conv_workspace *workspace, size_t value)
{
    return value_at(workspace, value);
}

/* Pieces that are not in place yet are copied; the padding lanes behind odd pieces are cleared. */
static void run_concat(const ssfer_conv_workspace *ws, const ssfer_conv_op *op, float *out, size_t pixels)
{
    const ssfer_conv_graph_value *v = ws->plan->graph->values;
    size_t first = 0, channels = v[op->out].channels, blocks = ssfer_conv_blocks(channels);
    const place *places = ws->plan->places;
    size_t last = op->in[op->in_count - 1];
    bool last_in_place = places[last].parent == (int64_t)op->out &&
                         places[last].parent_first + v[last].channels == channels; /* its own padding is ours */
    if (channels % BLOCK != 0 && !last_in_place)
        for (size_t p = 0; p < pixels; p++) /* only lanes of the last block behind `channels` */
            for (size_t c = channels % BLOCK; c < BLOCK; c++)
                out[((blocks - 1) * pixels + p) * BLOCK + c] = 0.0f;
    for (size_t k = 0; k < op->in_count; k++) {
        size_t in = op->in[k];
        bool in_place = places[in].parent == (int64_t)op->out && places[in].parent_first == first;
        if (!in_place)
            ssfer_block_copy(out, first, value_at(ws, in), 0, v[in].channels, pixels);
        first += v[in].channels;
    }
}

static void run_slice(const ssfer_conv_workspace *ws, const ssfer_conv_op *op, float *out, size_t pixels)
{
    size_t channels = ws->plan->graph->values[op->out].channels;
    memset(out, 0, ssfer_conv_blocks(channels) * BLOCK * pixels * sizeof *out);
    ssfer_block_copy(out, 0, value_at(ws, op->in[0]), op->first, channels, pixels);
}

static void run_op(const ssfer_conv_workspace *ws, const ssfer_conv_op *op)
{
    const ssfer_conv_graph_value *v = ws->plan->graph->values;
    const place *in = &ws->plan->places[op->in[0]], *to = &ws->plan->places[op->out];
    const float *a = value_at(ws, op->in[0]), *b = op->in_count > 1 ? value_at(ws, op->in[1]) : NULL;
    float *out = value_at(ws, op->out);
    size_t blocks = ssfer_conv_blocks(v[op->in[0]].channels), pixels = in->height * in->width;
    const ssfer_block_pool pool = {op->kernel, op->stride, op->pad, in->height, in->width, to->height, to->width};
    switch (op->kind) {
    case SSFER_CONV_OP_PACK:
        ssfer_block_from_planes(out, a, v[0].channels, pixels);
        break;
    case SSFER_CONV_OP_POOL:
        ssfer_block_max_pool(out, a, blocks, &pool);
        break;
    case SSFER_CONV_OP_UPSAMPLE:
        ssfer_block_upsample(out, a, blocks, in->height, in->width, op->factor);
        break;
    case SSFER_CONV_OP_ADD:
        ssfer_block_add(out, a, b, op->alpha, blocks * BLOCK * pixels);
        break;
    case SSFER_CONV_OP_INTERLEAVE:
        ssfer_block_interleave(out, a, b, v[op->in[0]].channels, pixels);
        break;
    case SSFER_CONV_OP_DEPTH:
        ssfer_block_space_to_depth(out, a, v[op->in[0]].channels, in->height, in->width);
        break;
    case SSFER_CONV_OP_CONCAT:
        run_concat(ws, op, out, pixels);
        break;
    case SSFER_CONV_OP_SLICE:
        run_slice(ws, op, out, pixels);
        break;
    case SSFER_CONV_OP_CONV: /* has a call of its own */
        break;
    }
}

ssfer_status ssfer_conv_workspace_run(ssfer_conv_workspace *workspace, ssfer_error *err)
{
    ssfer_neighbours_look((size_t)omp_get_max_threads());
    const ssfer_conv_plan *p = workspace->plan;
    ssfer_status st = SSFER_OK;
    for (size_t i = 0; i < p->graph->op_count && st == SSFER_OK; i++) {
        if (p->skip[i])
            continue;
        if (workspace->calls[i])
            st = ssfer_conv_call_run(workspace->calls[i], err);
        else
            run_op(workspace, &p->graph->ops[i]);
    }
    return st;
}
