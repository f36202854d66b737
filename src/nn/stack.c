#include "nn/stack.h"

#include "base/memory.h"
#include "nn/try.h"

#include <string.h>

ssfer_status ssfer_stack_init(ssfer_stack *stack, const ssfer_stack_config *config, ssfer_param_table *table,
                              const char *blocks, ssfer_error *err)
{
    const size_t C = config->width, hidden = config->hidden, C3 = 3 * C;
    *stack = (ssfer_stack){.config = *config, .blocks = ssfer_calloc(config->depth, sizeof *stack->blocks)};
    if (!stack->blocks)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "model: out of memory");
    for (size_t i = 0; i < config->depth; i++) {
        ssfer_block_params *b = &stack->blocks[i];
        table->layer = i + 1;
#define ADD(field, init, name, ...)                                                                                    \
    b->field = ssfer_params_add(table, init, 0.0f, (const size_t[]){__VA_ARGS__},                                      \
                                sizeof((const size_t[]){__VA_ARGS__}) / sizeof(size_t), "%s.%zu." name, blocks, i)
        ADD(norm1_w, SSFER_INIT_ONE, "norm1.weight", C);
        ADD(norm1_b, SSFER_INIT_ZERO, "norm1.bias", C);
        ADD(qkv_w, SSFER_INIT_XAVIER, "attn.qkv.weight", C3, C);
        ADD(qkv_b, SSFER_INIT_ZERO, "attn.qkv.bias", C3);
        ADD(proj_w, SSFER_INIT_XAVIER, "attn.proj.weight", C, C);
        ADD(proj_b, SSFER_INIT_ZERO, "attn.proj.bias", C);
        ADD(norm2_w, SSFER_INIT_ONE, "norm2.weight", C);
        ADD(norm2_b, SSFER_INIT_ZERO, "norm2.bias", C);
        ADD(fc1_w, SSFER_INIT_XAVIER, "mlp.fc1.weight", hidden, C);
        ADD(fc1_b, SSFER_INIT_ZERO, "mlp.fc1.bias", hidden);
        ADD(fc2_w, SSFER_INIT_XAVIER, "mlp.fc2.weight", C, hidden);
        ADD(fc2_b, SSFER_INIT_ZERO, "mlp.fc2.bias", C);
#undef ADD
    }
    table->layer = config->depth + 1;
    return SSFER_OK;
}

void ssfer_stack_add_norm(ssfer_stack *stack, ssfer_param_table *table, const char *norm)
{
    const size_t shape[] = {stack->config.width};
    stack->norm_w = ssfer_params_add(table, SSFER_INIT_ONE, 0.0f, shape, 1, "%s.weight", norm);
    stack->norm_b = ssfer_params_add(table, SSFER_INIT_ZERO, 0.0f, shape, 1, "%s.bias", norm);
}

void ssfer_stack_deinit(ssfer_stack *stack)
{
    ssfer_free(stack->blocks);
    *stack = (ssfer_stack){0};
}

size_t ssfer_stack_part(size_t batch, size_t tokens)
{
    enum { ROWS = 1536 };
    const size_t parts = batch / ((ROWS + tokens - 1) / tokens);
    return parts > 1 ? (batch + parts - 1) / parts : batch;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

/* `pointer` is the address of the pointer that bind sets. */
static void take(ssfer_stack_acts *acts, ssfer_arena *arena, void *pointer, size_t rows, size_t width, size_t bytes)
{
    size_t count;
    if (__builtin_mul_overflow(rows, width, &count))
        arena->overflow = true;
    else
        acts->slots[acts->slot_count++] =
            (struct ssfer_stack_slot){pointer, ssfer_arena_plan_array(arena, count, bytes)};
}

/* The buffer of an earlier slot again. */
static void share(ssfer_stack_acts *acts, void *pointer, size_t slot)
{
    acts->slots[acts->slot_count++] = (struct ssfer_stack_slot){pointer, acts->slots[slot].offset};
}

/* Of the blocks after the first, inference needs nothing of their own, and with checkpoints training needs the input
 * and its moments. */
static void plan_block(ssfer_stack_acts *acts, ssfer_arena *arena, size_t i, size_t M)
{
    enum { INPUT = 3 };
    const ssfer_stack_config *c = &acts->stack->config;
    ssfer_block_acts *b = &acts->blocks[i];
    const size_t act = acts->act_bytes, C = c->width;
    const struct {
        void *pointer;
        size_t width, bytes;
    } kept[] = {{&b->x, C, sizeof(float)},      {&b->mean1, 1, sizeof(float)},
                {&b->rstd1, 1, sizeof(float)},  {&b->qkv, 3 * C, act},
                {&b->attention, C, act},        {&b->lse, c->heads, sizeof(float)},
                {&b->middle, C, sizeof(float)}, {&b->mean2, 1, sizeof(float)},
                {&b->rstd2, 1, sizeof(float)},  {&b->fc1, acts->training ? c->hidden : 0, act}};
    for (size_t k = 0; k < sizeof kept / sizeof *kept; k++) {
        if (i == 0 || (acts->training && (k < INPUT || !c->checkpoint)))
            take(acts, arena, kept[k].pointer, M, kept[k].width, kept[k].bytes);
        else
            share(acts, kept[k].pointer, k);
    }
}

/* `branch`: the slot of acts->branch. */
static void plan_backward(ssfer_stack_acts *acts, ssfer_arena *arena, size_t M, size_t branch)
{
    const ssfer_stack_config *c = &acts->stack->config;
    const size_t act = acts->act_bytes;
    take(acts, arena, &acts->dx, M, c->width, sizeof(float));
    take(acts, arena, &acts->dfirst, acts->batch, c->width, sizeof(float));
    share(acts, &acts->dn, branch); /* which the backward pass has no use for */
    take(acts, arena, &acts->dhidden, M, c->hidden > 3 * c->width ? c->hidden : 3 * c->width, act);
    share(acts, &acts->dqkv, acts->slot_count - 1); /* the MLP's gradients are done when the attention's begin */
    if (c->drop_path > 0.0f || act != sizeof(float))
        take(acts, arena, &acts->dbranch, M, c->width, act);
    if (c->drop_path > 0.0f)
        take(acts, arena, &acts->drop, 2 * c->depth, acts->batch, sizeof(float));
}

ssfer_status ssfer_stack_acts_plan(ssfer_stack_acts *acts, const ssfer_compute *cx, const ssfer_stack *stack,
                                   size_t batch, size_t tokens, bool training, ssfer_arena *arena, ssfer_error *err)
{
    const ssfer_stack_config *c = &stack->config;
    size_t M;
    *acts = (ssfer_stack_acts){.stack = stack,
                               .batch = batch,
                               .tokens = tokens,
                               .act_bytes = ssfer_compute_act_bytes(cx),
                               .training = training};
    acts->blocks = ssfer_calloc(c->depth, sizeof *acts->blocks);
    acts->slots = ssfer_calloc(10 * c->depth + 16, sizeof *acts->slots);
    if (!acts->blocks || !acts->slots)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "model: out of memory");
    if (__builtin_mul_overflow(batch, tokens, &M))
        return ssfer_fail(err, SSFER_ERR_LIMIT, "model: a batch of %zu is too large", batch);
    for (size_t i = 0; i < c->depth; i++)
        plan_block(acts, arena, i, M);
    take(acts, arena, &acts->norm, M, c->width, acts->act_bytes);
    take(acts, arena, &acts->hidden, M, c->hidden, acts->act_bytes);
    take(acts, arena, &acts->branch, M, c->width, acts->act_bytes);
    const size_t branch = acts->slot_count - 1;
    take(acts, arena, &acts->out, M, c->width, sizeof(float));
    take(acts, arena, &acts->mean, M, 1, sizeof(float));
    take(acts, arena, &acts->rstd, M, 1, sizeof(float));
    take(acts, arena, &acts->normed, M, c->width, acts->act_bytes);
    if (training)
        plan_backward(acts, arena, M, branch);
    return SSFER_OK;
}

void ssfer_stack_acts_bind(ssfer_stack_acts *acts, const ssfer_arena *arena)
{
    for (size_t i = 0; i < acts->slot_count; i++) {
        void *place = ssfer_arena_at(arena, acts->slots[i].offset);
        memcpy(acts->slots[i].pointer, &place, sizeof place); /* float * or void *: alike on every POSIX system */
    }
    for (size_t i = 0; acts->drop && i < 2 * acts->stack->config.depth * acts->batch; i++)
        acts->drop[i] = 1.0f; /* nothing is dropped until factors are drawn */
}

void ssfer_stack_acts_deinit(ssfer_stack_acts *acts)
{
    ssfer_free(acts->blocks);
    ssfer_free(acts->slots);
    *acts = (ssfer_stack_acts){0};
}

void ssfer_stack_draw_drop_path(ssfer_stack_acts *acts, size_t batch, uint64_t seed, uint32_t stage, uint64_t step,
                                uint32_t micro_batch, uint32_t part)
{
    const size_t depth = acts->stack->config.depth;
    if (!acts->drop)
        return;
    ssfer_rng rng = ssfer_rng_stream(seed, stage, micro_batch, step, SSFER_RNG_DROP_PATH);
    ssfer_rng_skip_blocks(&rng, part * (uint32_t)(depth * acts->batch)); /* a uniform is half a block */
    for (size_t branch = 0; branch < 2 * depth; branch++) {
        double rate =
            depth > 1 ? (double)acts->stack->config.drop_path * (double)(branch / 2) / (double)(depth - 1) : 0;
        for (size_t b = 0; b < batch; b++)
            acts->drop[branch * acts->batch + b] = ssfer_rng_uniform(&rng) < rate ? 0.0f : (float)(1.0 / (1.0 - rate));
    }
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* The shapes of one block in one pass: `rows` before the attention, `rest` after it. */
typedef struct block_shape {
    size_t rows, rest;
    ssfer_attention_dims attention;
    ssfer_norm_dims norm1, norm2;
    const float *scale1, *scale2; /* drop-path factors of the branches, or NULL */
} block_shape;

static block_shape shape_of(const ssfer_stack_acts *acts, const ssfer_stack_call *call, size_t i)
{
    const ssfer_stack_config *c = &acts->stack->config;
    const size_t N = acts->tokens, M = call->batch * N;
    const bool first = call->first_only && i + 1 == c->depth;
    block_shape s = {.rows = M, .rest = first ? call->batch : M};
    s.attention = (ssfer_attention_dims){call->batch, N, c->heads, c->width / c->heads, first ? 1 : N};
    s.norm1 = (ssfer_norm_dims){M, c->width, N, c->eps, 0};
    s.norm2 = (ssfer_norm_dims){s.rest, c->width, first ? 1 : N, c->eps, first ? N * c->width : 0};
    if (call->drop && acts->drop) {
        s.scale1 = acts->drop + 2 * i * acts->batch;
        s.scale2 = s.scale1 + acts->batch;
    }
    return s;
}

/* From the output of the block's first norm, in `acts->norm`, to that of its first MLP layer in `fc1`: all that a
 * backward pass reads. */
static ssfer_status first_half_forward(ssfer_compute *cx, const float *p, const ssfer_block_params *w,
                                       const ssfer_block_acts *a, const ssfer_stack_acts *acts, const block_shape *s,
                                       ssfer_act *fc1, ssfer_epilogue epilogue)
{
    const size_t C = acts->stack->config.width;
    TRY(ssfer_linear_forward(cx, a->qkv, acts->norm, p + w->qkv_w, p + w->qkv_b,
                             (ssfer_linear_dims){s->rows, C, 3 * C, false}, SSFER_EPILOGUE_NONE));
    TRY(ssfer_attention_forward(cx, a->attention, acts->training ? a->lse : NULL, a->qkv, s->attention));
    TRY(ssfer_linear_forward(cx, acts->branch, a->attention, p + w->proj_w, p + w->proj_b,
                             (ssfer_linear_dims){s->rest, C, C, false}, SSFER_EPILOGUE_NONE));
    TRY(ssfer_residual_norm_forward(cx, acts->norm, a->middle, a->mean2, a->rstd2, a->x, acts->branch, s->scale1,
                                    p + w->norm2_w, p + w->norm2_b, s->norm2));
    return ssfer_linear_forward(cx, fc1, acts->norm, p + w->fc1_w, p + w->fc1_b,
                                (ssfer_linear_dims){s->rest, C, acts->stack->config.hidden, false}, epilogue);
}

/* `acts->norm` holds the output of the block's first norm; what the block adds last is left in `acts->branch`. */
static ssfer_status block_forward(ssfer_compute *cx, const float *p, const ssfer_block_params *w,
                                  const ssfer_block_acts *a, const ssfer_stack_acts *acts, const block_shape *s)
{
    const size_t C = acts->stack->config.width, hidden = acts->stack->config.hidden;
    if (acts->training) {
        TRY(first_half_forward(cx, p, w, a, acts, s, a->fc1, SSFER_EPILOGUE_NONE));
        TRY(ssfer_gelu_forward(cx, acts->hidden, a->fc1, s->rest * hidden));
    } else {
        TRY(first_half_forward(cx, p, w, a, acts, s, acts->hidden, SSFER_EPILOGUE_GELU));
    }
    return ssfer_linear_forward(cx, acts->branch, acts->hidden, p + w->fc2_w, p + w->fc2_b,
                                (ssfer_linear_dims){s->rest, hidden, C, false}, SSFER_EPILOGUE_NONE);
}

ssfer_status ssfer_stack_forward(ssfer_compute *cx, const float *params, ssfer_stack_acts *acts,
                                 const ssfer_stack_call *call)
{
    const ssfer_stack *stack = acts->stack;
    const ssfer_stack_config *c = &stack->config;
    const ssfer_block_params *w = stack->blocks;
    const ssfer_block_acts *a = acts->blocks;
    block_shape s = shape_of(acts, call, 0);
    TRY(ssfer_residual_norm_forward(cx, acts->norm, NULL, a->mean1, a->rstd1, a->x, NULL, NULL, params + w->norm1_w,
                                    params + w->norm1_b, s.norm1));
    for (size_t i = 0; i < c->depth; i++, w++, a++) {
        s = shape_of(acts, call, i);
        TRY(block_forward(cx, params, w, a, acts, &s));
        /* The block's output is summed by the norm that comes next: the next block's first, or the stack's last. */
        const bool last = i + 1 == c->depth;
        ssfer_norm_dims d = s.norm2;
        d.x_stride = 0; /* `middle` has no gaps */
        float *sum = last ? acts->out : a[1].x;
        TRY(ssfer_residual_norm_forward(cx, last ? acts->normed : acts->norm, sum, last ? acts->mean : a[1].mean1,
                                        last ? acts->rstd : a[1].rstd1, a->middle, acts->branch, s.scale2,
                                        params + (last ? stack->norm_w : w[1].norm1_w),
                                        params + (last ? stack->norm_b : w[1].norm1_b), d));
        if (call->tap)
            call->tap(call->tap_user, i, sum, s.rest * c->width);
    }
    return SSFER_OK;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* The gradient that enters a branch: dx itself, or what has to be made of it when the branch was dropped or boosted, or
 * activations have another type. */
static ssfer_status branch_gradient(ssfer_compute *cx, const ssfer_stack_acts *acts, const float *dx,
                                    const float *scale, ssfer_norm_dims d, const ssfer_act **out)
{
    const bool same = !scale && acts->act_bytes == sizeof *dx;
    *out = same ? dx : acts->dbranch;
    return same ? SSFER_OK : ssfer_scale_rows(cx, acts->dbranch, dx, scale, d);
}

/* The output of a norm again, from the sum that it normalised. */
static ssfer_status norm_again(ssfer_compute *cx, const ssfer_stack_acts *acts, const float *x, const float *gamma,
                               const float *beta, ssfer_norm_dims d)
{
    d.x_stride = 0; /* what was kept has no gaps */
    return ssfer_residual_norm_forward(cx, acts->norm, NULL, NULL, NULL, x, NULL, NULL, gamma, beta, d);
}

/* The block's activations again, from its input. */
static ssfer_status block_again(ssfer_compute *cx, const float *p, const ssfer_block_params *w,
                                const ssfer_block_acts *a, const ssfer_stack_acts *acts, const block_shape *s)
{
    TRY(norm_again(cx, acts, a->x, p + w->norm1_w, p + w->norm1_b, s->norm1));
    return first_half_forward(cx, p, w, a, acts, s, a->fc1, SSFER_EPILOGUE_NONE);
}

/* dx (rest, C) comes in as the gradient of the block's output and leaves as that of `middle`. */
static ssfer_status mlp_backward(ssfer_compute *cx, const float *p, float *g, const ssfer_block_params *w,
                                 const ssfer_block_acts *a, const ssfer_stack_acts *acts, const block_shape *s,
                                 float *dx)
{
    const ssfer_stack_config *c = &acts->stack->config;
    const ssfer_linear_dims fc1 = {s->rest, c->width, c->hidden, false}, fc2 = {s->rest, c->hidden, c->width, false};
    const ssfer_act *dy;
    TRY(branch_gradient(cx, acts, dx, s->scale2, s->norm2, &dy));
    TRY(ssfer_linear_backward_dx(cx, acts->dhidden, dy, p + w->fc2_w, fc2));
    TRY(ssfer_gelu_backward(cx, acts->dhidden, acts->hidden, acts->dhidden, a->fc1, s->rest * c->hidden));
    TRY(ssfer_linear_backward_dw(cx, g + w->fc2_w, g + w->fc2_b, dy, acts->hidden, fc2));
    TRY(norm_again(cx, acts, a->middle, p + w->norm2_w, p + w->norm2_b, s->norm2));
    TRY(ssfer_linear_backward_dw(cx, g + w->fc1_w, g + w->fc1_b, acts->dhidden, acts->norm, fc1));
    TRY(ssfer_linear_backward_dx(cx, acts->dn, acts->dhidden, p + w->fc1_w, fc1));
    return ssfer_norm_backward(cx, dx, g + w->norm2_w, g + w->norm2_b, acts->dn, a->middle, a->mean2, a->rstd2,
                               p + w->norm2_w, s->norm2);
}

/* dx (rest, C), the gradient of `middle`, goes through the attention branch; what is left in acts->dx (rows, C) is the
 * gradient of the block's input. */
static ssfer_status attention_branch_backward(ssfer_compute *cx, const float *p, float *g, const ssfer_block_params *w,
                                              const ssfer_block_acts *a, const ssfer_stack_acts *acts,
                                              const block_shape *s, const float *dx)
{
    const size_t C = acts->stack->config.width;
    const ssfer_linear_dims proj = {s->rest, C, C, false}, qkv = {s->rows, C, 3 * C, false};
    const ssfer_act *dy;
    TRY(branch_gradient(cx, acts, dx, s->scale1, s->norm2, &dy));
    TRY(ssfer_linear_backward_dw(cx, g + w->proj_w, g + w->proj_b, dy, a->attention, proj));
    TRY(ssfer_linear_backward_dx(cx, acts->dn, dy, p + w->proj_w, proj));
    TRY(ssfer_attention_backward(cx, acts->dqkv, acts->dn, a->qkv, a->attention, a->lse, s->attention));
    TRY(norm_again(cx, acts, a->x, p + w->norm1_w, p + w->norm1_b, s->norm1));
    TRY(ssfer_linear_backward_dw(cx, g + w->qkv_w, g + w->qkv_b, acts->dqkv, acts->norm, qkv));
    TRY(ssfer_linear_backward_dx(cx, acts->dn, acts->dqkv, p + w->qkv_w, qkv));
    if (dx != acts->dx) /* only the first tokens had a gradient so far */
        TRY(ssfer_first_token_backward(cx, acts->dx, dx, s->attention.batch, s->attention.tokens, C));
    return ssfer_norm_backward(cx, acts->dx, g + w->norm1_w, g + w->norm1_b, acts->dn, a->x, a->mean1, a->rstd1,
                               p + w->norm1_w, s->norm1);
}

ssfer_status ssfer_stack_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_stack_acts *acts,
                                  const ssfer_act *dnormed, const ssfer_stack_call *call)
{
    const ssfer_stack *stack = acts->stack;
    const size_t depth = stack->config.depth, C = stack->config.width;
    float *dx = call->first_only ? acts->dfirst : acts->dx;
    block_shape s = shape_of(acts, call, depth - 1);
    TRY(ssfer_zero(cx, dx, s.rest * C));
    TRY(ssfer_norm_backward(cx, dx, grads + stack->norm_w, grads + stack->norm_b, dnormed, acts->out, acts->mean,
                            acts->rstd, params + stack->norm_w, s.norm2));
    for (size_t i = depth; i-- > 0; dx = acts->dx) {
        const ssfer_block_params *w = &stack->blocks[i];
        const ssfer_block_acts *a = &acts->blocks[i];
        s = shape_of(acts, call, i);
        if (stack->config.checkpoint && i + 1 < depth) /* the forward pass has left those of the last block */
            TRY(block_again(cx, params, w, a, acts, &s));
        TRY(mlp_backward(cx, params, grads, w, a, acts, &s, dx));
        TRY(attention_branch_backward(cx, params, grads, w, a, acts, &s, dx));
    }
    return SSFER_OK;
}
