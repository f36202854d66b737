#include "models/mae.h"

#include "nn/positions.h"
#include "nn/try.h"

#include <math.h>
#include <string.h>

/* ---- parameters -------------------------------------------------------------------------------------------------- */

static size_t side_of(const ssfer_mae_config *c)
{
    return c->image_size / c->patch_size;
}

size_t ssfer_mae_patches(const ssfer_mae_config *c)
{
    return side_of(c) * side_of(c);
}

static size_t patch_floats(const ssfer_mae_config *c)
{
    return c->channels * c->patch_size * c->patch_size;
}

/* The tokens, tables and patch embedding that come before the blocks, in the order of the checkpoints. */
static void add_embeddings(ssfer_mae *mae)
{
    const ssfer_mae_config *c = &mae->config;
    const size_t C = c->embed_dim, Cd = c->decoder_dim, P = c->patch_size, N = ssfer_mae_patches(c) + 1;
    ssfer_param_table *t = &mae->table;
    mae->cls = ssfer_params_add(t, SSFER_INIT_NORMAL, 0.02f, (size_t[]){1, 1, C}, 3, "cls_token");
    mae->pos = ssfer_params_add(t, SSFER_INIT_GIVEN, 0.0f, (size_t[]){1, N, C}, 3, "pos_embed");
    mae->hidden_token = ssfer_params_add(t, SSFER_INIT_NORMAL, 0.02f, (size_t[]){1, 1, Cd}, 3, "mask_token");
    mae->decoder_pos = ssfer_params_add(t, SSFER_INIT_GIVEN, 0.0f, (size_t[]){1, N, Cd}, 3, "decoder_pos_embed");
    mae->patch_w =
        ssfer_params_add(t, SSFER_INIT_XAVIER, 0.0f, (size_t[]){C, c->channels, P, P}, 4, "patch_embed.proj.weight");
    const float bound = 1.0f / sqrtf((float)patch_floats(c)); /* PyTorch's default for a convolution */
    mae->patch_b = ssfer_params_add(t, SSFER_INIT_UNIFORM, bound, (size_t[]){C}, 1, "patch_embed.proj.bias");
}

static ssfer_status add_stacks(ssfer_mae *mae, ssfer_error *err)
{
    const ssfer_mae_config *c = &mae->config;
    const size_t C = c->embed_dim, Cd = c->decoder_dim, D = patch_floats(c);
    ssfer_param_table *t = &mae->table;
    const ssfer_stack_config encoder = {C, c->depth, c->heads, c->hidden, c->eps, 0.0f, c->checkpoint};
    const ssfer_stack_config decoder = {Cd,   c->decoder_depth, c->decoder_heads, c->decoder_hidden, c->eps,
                                        0.0f, c->checkpoint};
    TRY(ssfer_stack_init(&mae->encoder, &encoder, t, "blocks", err));
    ssfer_stack_add_norm(&mae->encoder, t, "norm");
    mae->embed_w = ssfer_params_add(t, SSFER_INIT_XAVIER, 0.0f, (size_t[]){Cd, C}, 2, "decoder_embed.weight");
    mae->embed_b = ssfer_params_add(t, SSFER_INIT_ZERO, 0.0f, (size_t[]){Cd}, 1, "decoder_embed.bias");
    TRY(ssfer_stack_init(&mae->decoder, &decoder, t, "decoder_blocks", err));
    ssfer_stack_add_norm(&mae->decoder, t, "decoder_norm");
    mae->pred_w = ssfer_params_add(t, SSFER_INIT_XAVIER, 0.0f, (size_t[]){D, Cd}, 2, "decoder_pred.weight");
    mae->pred_b = ssfer_params_add(t, SSFER_INIT_ZERO, 0.0f, (size_t[]){D}, 1, "decoder_pred.bias");
    return ssfer_params_finish(t, err);
}

ssfer_status ssfer_mae_init(ssfer_mae *mae, const ssfer_mae_config *config, ssfer_error *err)
{
    *mae = (ssfer_mae){.config = *config};
    TRY(ssfer_mae_config_check(config, err));
    add_embeddings(mae);
    ssfer_status st = add_stacks(mae, err);
    if (st != SSFER_OK)
        ssfer_mae_deinit(mae);
    return st;
}

void ssfer_mae_deinit(ssfer_mae *mae)
{
    ssfer_stack_deinit(&mae->encoder);
    ssfer_stack_deinit(&mae->decoder);
    ssfer_params_deinit(&mae->table);
    *mae = (ssfer_mae){0};
}

void ssfer_mae_init_params(float *params, const ssfer_mae *mae, uint64_t seed)
{
    const ssfer_mae_config *c = &mae->config;
    ssfer_params_init(params, &mae->table, seed);
    ssfer_sincos_positions(params + mae->pos, c->embed_dim, side_of(c));
    ssfer_sincos_positions(params + mae->decoder_pos, c->decoder_dim, side_of(c));
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

ssfer_status ssfer_mae_acts_init(ssfer_mae_acts *acts, const ssfer_compute *cx, const ssfer_mae *mae, size_t batch,
                                 size_t kept, bool training, ssfer_error *err)
{
    const ssfer_mae_config *c = &mae->config;
    const size_t L = ssfer_mae_patches(c), D = patch_floats(c);
    *acts = (ssfer_mae_acts){.mae = mae, .batch = batch, .kept = kept};
    ssfer_arena *arena = &acts->arena;
    if (kept < 1 || kept > L || batch > SIZE_MAX / (L + 1)) /* the only product the arena does not check */
        return ssfer_fail(err, SSFER_ERR_LIMIT, "model: a batch of %zu with %zu of %zu patches seen is not possible",
                          batch, kept, L);
    const size_t act = ssfer_compute_act_bytes(cx);
    size_t patches = ssfer_arena_plan_array(arena, batch * kept, D * act);
    size_t tokens = ssfer_arena_plan_array(arena, batch * kept, c->embed_dim * act);
    size_t embedded = ssfer_arena_plan_array(arena, batch * (kept + 1), c->decoder_dim * act);
    size_t pred = ssfer_arena_plan_array(arena, batch * (L + 1), D * sizeof(float));
    ssfer_status st = ssfer_stack_acts_plan(&acts->encoder, cx, &mae->encoder, batch, kept + 1, training, arena, err);
    if (st == SSFER_OK)
        st = ssfer_stack_acts_plan(&acts->decoder, cx, &mae->decoder, batch, L + 1, training, arena, err);
    if (st == SSFER_OK)
        st = ssfer_arena_commit(arena, err);
    if (st != SSFER_OK) {
        ssfer_mae_acts_deinit(acts);
        return st;
    }
    acts->patches = ssfer_arena_at(arena, patches);
    acts->tokens = ssfer_arena_at(arena, tokens);
    acts->embedded = ssfer_arena_at(arena, embedded);
    acts->pred = ssfer_arena_at(arena, pred);
    ssfer_stack_acts_bind(&acts->encoder, arena);
    ssfer_stack_acts_bind(&acts->decoder, arena);
    return SSFER_OK;
}

void ssfer_mae_acts_deinit(ssfer_mae_acts *acts)
{
    ssfer_stack_acts_deinit(&acts->encoder);
    ssfer_stack_acts_deinit(&acts->decoder);
    ssfer_arena_deinit(&acts->arena);
    *acts = (ssfer_mae_acts){0};
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* The shapes of one pass, written once for both directions. */
typedef struct pass_shape {
    ssfer_patch_dims image;
    ssfer_token_dims seen, all; /* of the encoder, K patches; of the decoder, L patches */
    ssfer_linear_dims patch, embed, pred;
} pass_shape;

static pass_shape shape_of(const ssfer_mae_acts *acts, size_t batch)
{
    const ssfer_mae_config *c = &acts->mae->config;
    const size_t L = ssfer_mae_patches(c), K = acts->kept, D = patch_floats(c), C = c->embed_dim, Cd = c->decoder_dim;
    return (pass_shape){.image = {batch, c->channels, c->image_size, c->image_size, c->patch_size},
                        .seen = {batch, K, C},
                        .all = {batch, L, Cd},
                        .patch = {batch * K, D, C, false},
                        .embed = {batch * (K + 1), C, Cd, false},
                        .pred = {batch * (L + 1), Cd, D, true}};
}

ssfer_status ssfer_mae_forward(ssfer_compute *cx, const float *params, ssfer_mae_acts *acts, const float *images,
                               ssfer_mask mask, size_t batch)
{
    const ssfer_mae *m = acts->mae;
    const float *p = params;
    const pass_shape s = shape_of(acts, batch);
    const ssfer_stack_call call = {.batch = batch};
    TRY(ssfer_patches_pick(cx, acts->patches, images, mask, s.image));
    TRY(ssfer_linear_forward(cx, acts->tokens, acts->patches, p + m->patch_w, p + m->patch_b, s.patch,
                             SSFER_EPILOGUE_NONE));
    /* the positions are those of all L patches, whatever the mask leaves */
    TRY(ssfer_tokens_assemble_seen(cx, acts->encoder.blocks[0].x, acts->tokens, p + m->cls, p + m->pos, mask,
                                   (ssfer_token_dims){batch, s.all.patches, s.seen.width}));
    TRY(ssfer_stack_forward(cx, p, &acts->encoder, &call));
    TRY(ssfer_linear_forward(cx, acts->embedded, acts->encoder.normed, p + m->embed_w, p + m->embed_b, s.embed,
                             SSFER_EPILOGUE_NONE));
    TRY(ssfer_tokens_restore(cx, acts->decoder.blocks[0].x, acts->embedded, p + m->hidden_token, p + m->decoder_pos,
                             mask, s.all));
    TRY(ssfer_stack_forward(cx, p, &acts->decoder, &call));
    return ssfer_linear_forward(cx, acts->pred, acts->decoder.normed, p + m->pred_w, p + m->pred_b, s.pred,
                                SSFER_EPILOGUE_NONE);
}

ssfer_status ssfer_mae_loss(ssfer_compute *cx, ssfer_mae_acts *acts, float *losses, const float *images,
                            const float *weights, ssfer_mask mask, size_t batch)
{
    const ssfer_reconstruction_dims d = {shape_of(acts, batch).image, acts->mae->config.norm_pix};
    return ssfer_reconstruction_loss(cx, losses, weights ? acts->pred : NULL, acts->pred, images, weights, mask, d);
}

/* Gradients take the place of activations that are not needed any more: `normed` after the weights behind it have had
 * theirs, `embedded` and `tokens` because what reads them is linear. */
ssfer_status ssfer_mae_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_mae_acts *acts,
                                ssfer_mask mask, size_t batch)
{
    const ssfer_mae *m = acts->mae;
    const float *p = params;
    float *g = grads;
    ssfer_act *dnormed = acts->decoder.normed, *dlatent = acts->encoder.normed, *dembedded = acts->embedded;
    const pass_shape s = shape_of(acts, batch);
    const ssfer_stack_call call = {.batch = batch};
    TRY(ssfer_linear_backward_dw(cx, g + m->pred_w, g + m->pred_b, acts->pred, acts->decoder.normed, s.pred));
    TRY(ssfer_linear_backward_dx(cx, dnormed, acts->pred, p + m->pred_w, s.pred));
    TRY(ssfer_stack_backward(cx, p, g, &acts->decoder, dnormed, &call));
    TRY(ssfer_tokens_restore_backward(cx, dembedded, g + m->hidden_token, acts->decoder.dx, mask, s.all));
    TRY(ssfer_linear_backward_dw(cx, g + m->embed_w, g + m->embed_b, dembedded, acts->encoder.normed, s.embed));
    TRY(ssfer_linear_backward_dx(cx, dlatent, dembedded, p + m->embed_w, s.embed));
    TRY(ssfer_stack_backward(cx, p, g, &acts->encoder, dlatent, &call));
    TRY(ssfer_tokens_assemble_backward(cx, acts->tokens, g + m->cls, NULL, acts->encoder.dx, s.seen));
    return ssfer_linear_backward_dw(cx, g + m->patch_w, g + m->patch_b, acts->tokens, acts->patches, s.patch);
}

/* Where number i of patch l lies in a picture. */
static size_t pixel_of(const ssfer_mae_config *c, size_t l, size_t i)
{
    const size_t P = c->patch_size, S = c->image_size, across = side_of(c);
    const size_t column = l % across * P + i / c->channels % P, row = l / across * P + i / c->channels / P;
    return (i % c->channels * S + row) * S + column;
}

void ssfer_mae_patchify(float *patches, const float *image, const ssfer_mae_config *config)
{
    const size_t L = ssfer_mae_patches(config), D = patch_floats(config);
    for (size_t l = 0; l < L; l++)
        for (size_t i = 0; i < D; i++)
            patches[l * D + i] = image[pixel_of(config, l, i)];
}

void ssfer_mae_unpatchify(float *image, const float *patches, const ssfer_mae_config *config)
{
    const size_t L = ssfer_mae_patches(config), D = patch_floats(config);
    for (size_t l = 0; l < L; l++)
        for (size_t i = 0; i < D; i++)
            image[pixel_of(config, l, i)] = patches[l * D + i];
}

static double stack_flops(double tokens, double width, double depth, double hidden)
{
    return depth * (tokens * (4 * width * width + 2 * width * hidden) + 2 * tokens * tokens * width);
}

double ssfer_mae_flops(const ssfer_mae_config *c, size_t kept)
{
    const double L = (double)ssfer_mae_patches(c), K = (double)kept, D = (double)patch_floats(c);
    const double C = (double)c->embed_dim, Cd = (double)c->decoder_dim;
    return 2.0 * (K * D * C + stack_flops(K + 1, C, (double)c->depth, (double)c->hidden) + (K + 1) * C * Cd +
                  stack_flops(L + 1, Cd, (double)c->decoder_depth, (double)c->decoder_hidden) + (L + 1) * Cd * D);
}
