#include "models/vit.h"

#include "nn/positions.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

ssfer_status ssfer_vit_init(ssfer_vit *vit, const ssfer_vit_config *config, ssfer_error *err)
{
    *vit = (ssfer_vit){.config = *config};
    TRY(ssfer_vit_config_check(config, err));
    const size_t C = config->embed_dim, P = config->patch_size, K = config->classes;
    const size_t side = config->image_size / P, N = side * side + 1;
    const float bound = 1.0f / sqrtf((float)(config->channels * P * P)); /* PyTorch's default for a convolution */
    ssfer_param_table *t = &vit->table;
    t->spared = true; /* timm's no_weight_decay() */
    vit->cls = ssfer_params_add(t, SSFER_INIT_NORMAL, 1e-6f, (size_t[]){1, 1, C}, 3, "cls_token");
    vit->pos = ssfer_params_add(t, SSFER_INIT_NORMAL, 0.02f, (size_t[]){1, N, C}, 3, "pos_embed");
    t->spared = false;
    vit->patch_w = ssfer_params_add(t, SSFER_INIT_UNIFORM, bound, (size_t[]){C, config->channels, P, P}, 4,
                                    "patch_embed.proj.weight");
    vit->patch_b = ssfer_params_add(t, SSFER_INIT_UNIFORM, bound, (size_t[]){C}, 1, "patch_embed.proj.bias");
    const ssfer_stack_config stack = {.width = C,
                                      .depth = config->depth,
                                      .heads = config->heads,
                                      .hidden = config->hidden,
                                      .eps = config->eps,
                                      .drop_path = config->drop_path,
                                      .checkpoint = config->checkpoint};
    ssfer_status st = ssfer_stack_init(&vit->stack, &stack, t, "blocks", err);
    if (st == SSFER_OK) {
        ssfer_stack_add_norm(&vit->stack, t, "norm");
        vit->head_w = ssfer_params_add(t, SSFER_INIT_NORMAL, 0.02f, (size_t[]){K, C}, 2, "head.weight");
        vit->head_b = ssfer_params_add(t, SSFER_INIT_ZERO, 0.0f, (size_t[]){K}, 1, "head.bias");
        st = ssfer_params_finish(t, err);
    }
    if (st != SSFER_OK)
        ssfer_vit_deinit(vit);
    return st;
}

void ssfer_vit_deinit(ssfer_vit *vit)
{
    ssfer_stack_deinit(&vit->stack);
    ssfer_params_deinit(&vit->table);
    *vit = (ssfer_vit){0};
}

void ssfer_vit_init_params(float *params, const ssfer_vit *vit, uint64_t seed)
{
    ssfer_params_init(params, &vit->table, seed);
    ssfer_sincos_positions(params + vit->pos, vit->config.embed_dim, vit->config.image_size / vit->config.patch_size);
}

static ssfer_patch_dims patch_dims(const ssfer_vit_config *c, size_t batch)
{
    return (ssfer_patch_dims){batch, c->channels, c->image_size, c->image_size, c->patch_size};
}

static size_t patch_count(const ssfer_vit_config *c)
{
    size_t side = c->image_size / c->patch_size;
    return side * side;
}

size_t ssfer_vit_tokens(const ssfer_vit_config *c)
{
    return patch_count(c) + 1;
}

static size_t patch_floats(const ssfer_vit_config *c)
{
    return c->channels * c->patch_size * c->patch_size;
}

ssfer_status ssfer_vit_acts_init(ssfer_vit_acts *acts, const ssfer_compute *cx, const ssfer_vit *vit, size_t batch,
                                 bool training, ssfer_error *err)
{
    const ssfer_vit_config *c = &vit->config;
    const size_t L = patch_count(c), C = c->embed_dim, act = ssfer_compute_act_bytes(cx);
    *acts = (ssfer_vit_acts){.vit = vit};
    ssfer_arena *arena = &acts->arena;
    if (batch > SIZE_MAX / (L + 1)) /* the only product the arena does not check */
        return ssfer_fail(err, SSFER_ERR_LIMIT, "model: a batch of %zu is too large", batch);
    size_t patches = ssfer_arena_plan_array(arena, batch * L, patch_floats(c) * act);
    size_t tokens = ssfer_arena_plan_array(arena, batch * L, C * act);
    size_t logits = ssfer_arena_plan_array(arena, batch, c->classes * sizeof(float));
    size_t dnormed = ssfer_arena_plan_array(arena, training ? batch : 0, C * act);
    ssfer_status st = ssfer_stack_acts_plan(&acts->stack, cx, &vit->stack, batch, L + 1, training, arena, err);
    if (st == SSFER_OK)
        st = ssfer_arena_commit(arena, err);
    if (st != SSFER_OK) {
        ssfer_vit_acts_deinit(acts);
        return st;
    }
    acts->patches = ssfer_arena_at(arena, patches);
    acts->tokens = ssfer_arena_at(arena, tokens);
    acts->logits = ssfer_arena_at(arena, logits);
    acts->dnormed = ssfer_arena_at(arena, dnormed);
    ssfer_stack_acts_bind(&acts->stack, arena);
    return SSFER_OK;
}

void ssfer_vit_acts_deinit(ssfer_vit_acts *acts)
{
    ssfer_stack_acts_deinit(&acts->stack);
    ssfer_arena_deinit(&acts->arena);
    *acts = (ssfer_vit_acts){0};
}

/* Row b of `to` (B, C) <-> row 0 of sample b in `from` (B, N, C). */
static void take_first_tokens(ssfer_act *to, const ssfer_act *from, size_t batch, size_t tokens, size_t row_bytes)
{
    for (size_t b = 0; b < batch; b++)
        memcpy((char *)to + b * row_bytes, (const char *)from + b * tokens * row_bytes, row_bytes);
}

static void give_first_tokens(ssfer_act *to, const ssfer_act *from, size_t batch, size_t tokens, size_t row_bytes)
{
    memset(to, 0, batch * tokens * row_bytes);
    for (size_t b = 0; b < batch; b++)
        memcpy((char *)to + b * tokens * row_bytes, (const char *)from + b * row_bytes, row_bytes);
}

ssfer_status ssfer_vit_forward(ssfer_compute *cx, const float *params, ssfer_vit_acts *acts, const float *images,
                               const ssfer_stack_call *call)
{
    const ssfer_vit *vit = acts->vit;
    const ssfer_vit_config *c = &vit->config;
    const size_t L = patch_count(c), C = c->embed_dim;
    const ssfer_act *normed = acts->stack.normed;
    TRY(ssfer_patches_gather(cx, acts->patches, images, patch_dims(c, call->batch)));
    TRY(ssfer_linear_forward(cx, acts->tokens, acts->patches, params + vit->patch_w, params + vit->patch_b,
                             (ssfer_linear_dims){call->batch * L, patch_floats(c), C, false}, SSFER_EPILOGUE_NONE));
    TRY(ssfer_tokens_assemble(cx, acts->stack.blocks[0].x, acts->tokens, params + vit->cls, params + vit->pos,
                              (ssfer_token_dims){call->batch, L, C}));
    TRY(ssfer_stack_forward(cx, params, &acts->stack, call));
    if (!call->first_only) { /* the head wants the class tokens side by side */
        take_first_tokens(acts->stack.branch, normed, call->batch, L + 1, C * acts->stack.act_bytes);
        normed = acts->stack.branch;
    }
    return ssfer_linear_forward(cx, acts->logits, normed, params + vit->head_w, params + vit->head_b,
                                (ssfer_linear_dims){call->batch, C, c->classes, true}, SSFER_EPILOGUE_NONE);
}

ssfer_status ssfer_vit_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_vit_acts *acts,
                                const float *dlogits, const ssfer_stack_call *call)
{
    const ssfer_vit *vit = acts->vit;
    const ssfer_vit_config *c = &vit->config;
    const size_t L = patch_count(c), C = c->embed_dim;
    const ssfer_linear_dims head = {call->batch, C, c->classes, true},
                            patch = {call->batch * L, patch_floats(c), C, false};
    const ssfer_act *normed = call->first_only ? acts->stack.normed : acts->stack.branch;
    TRY(ssfer_linear_backward_dw(cx, grads + vit->head_w, grads + vit->head_b, dlogits, normed, head));
    TRY(ssfer_linear_backward_dx(cx, acts->dnormed, dlogits, params + vit->head_w, head));
    const ssfer_act *dnormed = acts->dnormed;
    if (!call->first_only) {
        give_first_tokens(acts->stack.normed, acts->dnormed, call->batch, L + 1, C * acts->stack.act_bytes);
        dnormed = acts->stack.normed; /* its values are not needed any more */
    }
    TRY(ssfer_stack_backward(cx, params, grads, &acts->stack, dnormed, call));
    TRY(ssfer_tokens_assemble_backward(cx, acts->tokens, grads + vit->cls, grads + vit->pos, acts->stack.dx,
                                       (ssfer_token_dims){call->batch, L, C}));
    return ssfer_linear_backward_dw(cx, grads + vit->patch_w, grads + vit->patch_b, acts->tokens, acts->patches, patch);
}

double ssfer_vit_flops(const ssfer_vit_config *c)
{
    const double L = (double)patch_count(c), N = L + 1, C = (double)c->embed_dim, hidden = (double)c->hidden;
    const double block = N * (4 * C * C + 2 * C * hidden) + 2 * N * N * C;
    return 2.0 * (L * (double)patch_floats(c) * C + (double)c->depth * block + C * (double)c->classes);
}
