#include "base/memory.h"
#include "compute/cpu/block_ops.h"
#include "compute/cpu/conv_graph_impl.h"
#include "compute/cpu/neighbours.h"

#include <omp.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = SSFER_CONV_BLOCK };

/* Where a value lives: at a channel offset of another value (a piece of a concatenation, a split), or in the arena. */
typedef struct place {
    size_t height, width;
    int64_t parent;                       /* SSFER_CONV_NO_VALUE: has its own place */
    size_t parent_first;                  /* first channel within the parent, a multiple of 8 */
    int64_t root;                         /* at the end of the chain of parents: the value with its own place */
    size_t root_first;                    /* first channel within that one */
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

static size_t tenant_floats(const ssfer_conv_plan *p, size_t value)
{
    return ssfer_align_size(value_floats(p, value), 16); /* 64-byte alignment */
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

/* The end of every chain of parents. Each link is followed once: what lies behind a value that is known is known. */
static void find_roots(ssfer_conv_plan *p)
{
    for (size_t v = 0; v < p->graph->value_count; v++) {
        size_t end = v, first = 0;
        while (p->places[end].root == SSFER_CONV_NO_VALUE && p->places[end].parent != SSFER_CONV_NO_VALUE) {
            first += p->places[end].parent_first;
            end = (size_t)p->places[end].parent;
        }
        if (p->places[end].root == SSFER_CONV_NO_VALUE)
            p->places[end].root = (int64_t)end;
        first += p->places[end].root_first;
        for (size_t u = v; u != end; u = (size_t)p->places[u].parent) {
            p->places[u].root = p->places[end].root;
            p->places[u].root_first = first;
            first -= p->places[u].parent_first;
        }
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
    place *root = &p->places[p->places[value].root];
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

/* A value with a place of its own while places are assigned. */
typedef struct tenant {
    size_t value, floats;
    size_t others, other_count; /* those that are needed at the same time: a range of tenancy.others */
} tenant;

typedef struct tenancy {
    tenant *tenants; /* by first step */
    size_t count;
    size_t *others; /* indices of tenants */
    size_t *active; /* a work list */
    size_t *order;  /* indices, largest first */
} tenancy;

enum { MAX_ACTIVE = 256 }; /* published face detectors need at most 8 values at a time */

static int by_first_step(const void *a, const void *b, void *places)
{
    const tenant *x = a, *y = b;
    const place *p = places;
    if (p[x->value].first_step != p[y->value].first_step)
        return p[x->value].first_step < p[y->value].first_step ? -1 : 1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int by_size(const void *a, const void *b, void *tenants)
{
    const tenant *x = (const tenant *)tenants + *(const size_t *)a, *y = (const tenant *)tenants + *(const size_t *)b;
    if (x->floats != y->floats)
        return x->floats < y->floats ? 1 : -1;
    return x->value < y->value ? -1 : x->value > y->value;
}

static int by_offset(const void *a, const void *b, void *places)
{
    const place *p = places, *x = &p[*(const size_t *)a], *y = &p[*(const size_t *)b];
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Goes through the tenants by first step and notes who meets whom: with others == NULL only how many. False: more than
 * MAX_ACTIVE are needed at a time. */
static bool note_others(const ssfer_conv_plan *p, tenancy *t, size_t *others)
{
    size_t active = 0;
    for (size_t i = 0; i < t->count; i++)
        t->tenants[i].other_count = 0;
    for (size_t i = 0; i < t->count; i++) {
        size_t left = 0;
        for (size_t k = 0; k < active; k++)
            if (p->places[t->tenants[t->active[k]].value].last_step >= p->places[t->tenants[i].value].first_step)
                t->active[left++] = t->active[k];
        active = left;
        if (active == MAX_ACTIVE)
            return false;
        tenant *mine = &t->tenants[i];
        for (size_t k = 0; k < active; k++) {
            tenant *other = &t->tenants[t->active[k]];
            if (others) {
                others[mine->others + mine->other_count] = t->active[k];
                others[other->others + other->other_count] = i;
            }
            mine->other_count++;
            other->other_count++;
        }
        t->active[active++] = i;
    }
    return true;
}

static ssfer_status find_others(const ssfer_conv_plan *p, tenancy *t, ssfer_error *err)
{
    size_t total = 0;
    if (!note_others(p, t, NULL))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "network plan: more than %d values are needed at a time", MAX_ACTIVE);
    for (size_t i = 0; i < t->count; i++) {
        t->tenants[i].others = total;
        total += t->tenants[i].other_count;
    }
    if (!(t->others = ssfer_malloc(total * sizeof *t->others)))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    (void)note_others(p, t, t->others);
    return SSFER_OK;
}

/* The lowest offset at which a tenant collides with none of those that have their place and are needed at the same
 * time. `nearby` has room for all of them. */
static size_t lowest_offset(const ssfer_conv_plan *p, const tenancy *t, const tenant *mine, const bool *placed,
                            size_t *nearby)
{
    size_t count = 0, offset = 0;
    for (size_t k = 0; k < mine->other_count; k++) {
        size_t other = t->others[mine->others + k];
        if (placed[other])
            nearby[count++] = t->tenants[other].value;
    }
    if (count > 1)
        qsort_r(nearby, count, sizeof *nearby, by_offset, p->places);
    for (size_t k = 0; k < count && p->places[nearby[k]].offset < offset + mine->floats; k++)
        offset = ssfer_max_size(offset, p->places[nearby[k]].offset + tenant_floats(p, nearby[k]));
    return offset;
}

/* Largest first, each at the lowest place that is free during its lifetime. */
static void place_tenants(ssfer_conv_plan *p, tenancy *t, bool *placed)
{
    for (size_t i = 0; i < t->count; i++)
        t->order[i] = i;
    qsort_r(t->order, t->count, sizeof *t->order, by_size, t->tenants);
    for (size_t i = 0; i < t->count; i++) {
        const tenant *mine = &t->tenants[t->order[i]];
        place *to = &p->places[mine->value];
        to->offset = lowest_offset(p, t, mine, placed, t->active);
        placed[t->order[i]] = true;
        p->arena_floats = ssfer_max_size(p->arena_floats, to->offset + mine->floats);
    }
}

/* Without sharing: one after the other. */
static void place_apart(ssfer_conv_plan *p, const tenancy *t)
{
    for (size_t i = 0; i < t->count; i++) {
        p->places[t->tenants[i].value].offset = p->arena_floats;
        p->arena_floats += t->tenants[i].floats;
    }
}

static ssfer_status assign_offsets(ssfer_conv_plan *p, bool keep_all, ssfer_error *err)
{
    size_t values = p->graph->value_count;
    tenancy t = {.tenants = ssfer_calloc(values, sizeof *t.tenants),
                 .active = ssfer_malloc(values * sizeof *t.active),
                 .order = ssfer_malloc(values * sizeof *t.order)};
    bool *placed = ssfer_calloc(values, sizeof *placed);
    ssfer_status st = t.tenants && t.active && t.order && placed
                          ? SSFER_OK
                          : ssfer_fail(err, SSFER_ERR_MEMORY, "network plan: out of memory");
    for (size_t v = 0; v < values && st == SSFER_OK; v++)
        if (p->places[v].parent == SSFER_CONV_NO_VALUE && p->places[v].first_step != SIZE_MAX)
            t.tenants[t.count++] = (tenant){.value = v, .floats = tenant_floats(p, v)};
    if (st == SSFER_OK && keep_all)
        place_apart(p, &t);
    else if (st == SSFER_OK) {
        qsort_r(t.tenants, t.count, sizeof *t.tenants, by_first_step, p->places);
        st = find_others(p, &t, err);
        if (st == SSFER_OK)
            place_tenants(p, &t, placed);
    }
    ssfer_free(t.tenants);
    ssfer_free(t.others);
    ssfer_free(t.active);
    ssfer_free(t.order);
    ssfer_free(placed);
    return st;
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
        p->places[v] = (place){.height = sizes[2 * v],
                               .width = sizes[2 * v + 1],
                               .parent = SSFER_CONV_NO_VALUE,
                               .root = SSFER_CONV_NO_VALUE};
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
        find_roots(p);
        find_lifetimes(p, keep_all);
        st = assign_offsets(p, keep_all, err);
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
    const place *v = &ws->plan->places[value], *r = &ws->plan->places[v->root];
    return ws->arena + r->offset + v->root_first * r->height * r->width; /* whole blocks: a multiple of 8 channels */
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
