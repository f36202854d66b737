#include "compute/ops.h"

#include "compute/backend.h"

/* The one place where an operation meets its backend, and where sizes are checked: no backend sees a zero. */

static ssfer_status bad_shape(ssfer_compute *cx, const char *operation)
{
    return ssfer_fail(&cx->error, SSFER_ERR_SHAPE, "%s: a size is zero or does not fit the others", operation);
}

static bool linear_fits(ssfer_linear_dims d)
{
    return d.rows && d.in && d.out;
}

static bool norm_fits(ssfer_norm_dims d, const float *scale)
{
    return d.rows && d.width && (!scale || d.rows_per_sample) && (!d.x_stride || d.x_stride >= d.width);
}

static bool attention_fits(ssfer_attention_dims d)
{
    return d.batch && d.tokens && d.heads && d.head_dim && d.queries <= d.tokens;
}

static bool patches_fit(ssfer_patch_dims d)
{
    return d.batch && d.channels && d.height && d.width && d.patch && d.height % d.patch == 0 && d.width % d.patch == 0;
}

static bool tokens_fit(ssfer_token_dims d)
{
    return d.batch && d.patches && d.width;
}

static bool mask_fits(ssfer_mask m, size_t patches)
{
    return m.kept >= 1 && m.kept <= patches && patches <= INT32_MAX;
}

ssfer_status ssfer_act_to_float(ssfer_compute *cx, float *y, const ssfer_act *x, size_t n)
{
    return cx->backend->act_to_float(cx, y, x, n);
}

ssfer_status ssfer_weights_hold(ssfer_compute *cx, const float *params, size_t n)
{
    return cx->backend->weights_hold ? cx->backend->weights_hold(cx, params, n) : SSFER_OK;
}

bool ssfer_weights_held_exactly(const ssfer_compute *cx)
{
    return cx->backend->held_exactly || !cx->backend->weights_hold;
}

void ssfer_weights_release(ssfer_compute *cx, const float *params)
{
    if (cx->backend->weights_release)
        cx->backend->weights_release(cx, params);
}

ssfer_status ssfer_linear_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                  ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    if (!linear_fits(d))
        return bad_shape(cx, "linear forward");
    return cx->backend->linear_forward(cx, y, x, w, b, d, epilogue);
}

ssfer_status ssfer_linear_backward_dx(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                      ssfer_linear_dims d)
{
    if (!linear_fits(d))
        return bad_shape(cx, "linear backward dx");
    return cx->backend->linear_backward_dx(cx, dx, dy, w, d);
}

ssfer_status ssfer_linear_backward_dw(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                      ssfer_linear_dims d)
{
    if (!linear_fits(d))
        return bad_shape(cx, "linear backward dw");
    return cx->backend->linear_backward_dw(cx, dw, db, dy, x, d);
}

ssfer_status ssfer_residual_norm_forward(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                         const float *x, const ssfer_act *branch, const float *scale,
                                         const float *gamma, const float *beta, ssfer_norm_dims d)
{
    bool torn = sum == x && d.x_stride && d.x_stride != d.width; /* a sum would overwrite rows not yet read */
    if (!norm_fits(d, branch ? scale : NULL) || (branch && torn))
        return bad_shape(cx, "residual norm forward");
    return cx->backend->residual_norm_forward(cx, y, sum, mean, rstd, x, branch, scale, gamma, beta, d);
}

ssfer_status ssfer_norm_backward(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                 const float *x, const float *mean, const float *rstd, const float *gamma,
                                 ssfer_norm_dims d)
{
    if (!norm_fits(d, NULL))
        return bad_shape(cx, "norm backward");
    return cx->backend->norm_backward(cx, dx, dgamma, dbeta, dy, x, mean, rstd, gamma, d);
}

ssfer_status ssfer_scale_rows(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d)
{
    if (!norm_fits(d, scale))
        return bad_shape(cx, "scale rows");
    return cx->backend->scale_rows(cx, y, x, scale, d);
}

ssfer_status ssfer_gelu_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count)
{
    return cx->backend->gelu_forward(cx, y, x, count);
}

ssfer_status ssfer_gelu_backward(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy,
                                 const ssfer_act *x, size_t count)
{
    return cx->backend->gelu_backward(cx, dx, y, dy, x, count);
}

ssfer_status ssfer_attention_forward(ssfer_compute *cx, ssfer_act *y, float *lse, const ssfer_act *qkv,
                                     ssfer_attention_dims d)
{
    if (!attention_fits(d))
        return bad_shape(cx, "attention forward");
    return cx->backend->attention_forward(cx, y, lse, qkv, d);
}

ssfer_status ssfer_attention_backward(ssfer_compute *cx, ssfer_act *dqkv, const ssfer_act *dy, const ssfer_act *qkv,
                                      const ssfer_act *y, const float *lse, ssfer_attention_dims d)
{
    if (!attention_fits(d))
        return bad_shape(cx, "attention backward");
    return cx->backend->attention_backward(cx, dqkv, dy, qkv, y, lse, d);
}

ssfer_status ssfer_patches_gather(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d)
{
    if (!patches_fit(d))
        return bad_shape(cx, "patches gather");
    return cx->backend->patches_gather(cx, out, image, d);
}

ssfer_status ssfer_tokens_assemble(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                   const float *pos, ssfer_token_dims d)
{
    if (!tokens_fit(d))
        return bad_shape(cx, "tokens assemble");
    return cx->backend->tokens_assemble(cx, x, tokens, cls, pos, d);
}

ssfer_status ssfer_tokens_assemble_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                            const float *dx, ssfer_token_dims d)
{
    if (!tokens_fit(d))
        return bad_shape(cx, "tokens assemble backward");
    return cx->backend->tokens_assemble_backward(cx, dtokens, dcls, dpos, dx, d);
}

ssfer_status ssfer_first_token_backward(ssfer_compute *cx, float *dx, const float *d_first, size_t batch, size_t tokens,
                                        size_t width)
{
    if (!batch || !tokens || !width)
        return bad_shape(cx, "first token backward");
    return cx->backend->first_token_backward(cx, dx, d_first, batch, tokens, width);
}

ssfer_status ssfer_patches_pick(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_mask mask,
                                ssfer_patch_dims d)
{
    if (!patches_fit(d) || !mask_fits(mask, d.height / d.patch * (d.width / d.patch)))
        return bad_shape(cx, "patches pick");
    return cx->backend->patches_pick(cx, out, image, mask, d);
}

ssfer_status ssfer_tokens_assemble_seen(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                        const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    if (!tokens_fit(d) || !mask_fits(mask, d.patches))
        return bad_shape(cx, "tokens assemble seen");
    return cx->backend->tokens_assemble_seen(cx, x, tokens, cls, pos, mask, d);
}

ssfer_status ssfer_tokens_restore(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *hidden,
                                  const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    if (!tokens_fit(d) || !mask_fits(mask, d.patches))
        return bad_shape(cx, "tokens restore");
    return cx->backend->tokens_restore(cx, x, tokens, hidden, pos, mask, d);
}

ssfer_status ssfer_tokens_restore_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dhidden, const float *dx,
                                           ssfer_mask mask, ssfer_token_dims d)
{
    if (!tokens_fit(d) || !mask_fits(mask, d.patches))
        return bad_shape(cx, "tokens restore backward");
    return cx->backend->tokens_restore_backward(cx, dtokens, dhidden, dx, mask, d);
}

ssfer_status ssfer_reconstruction_loss(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                       const float *image, const float *weight, ssfer_mask mask,
                                       ssfer_reconstruction_dims d)
{
    const ssfer_patch_dims p = d.patch;
    const size_t patches = patches_fit(p) ? p.height / p.patch * (p.width / p.patch) : 0;
    const bool single = p.patch == 1 && p.channels == 1; /* one number has no unbiased variance */
    if (!patches || !mask_fits(mask, patches) || mask.kept == patches || (d.normalize && single))
        return bad_shape(cx, "reconstruction loss");
    return cx->backend->reconstruction_loss(cx, loss, dpred, pred, image, weight, mask, d);
}

ssfer_status ssfer_cross_entropy(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                 const float *target, const float *weight, size_t batch, size_t classes)
{
    if (!batch || !classes)
        return bad_shape(cx, "cross entropy");
    return cx->backend->cross_entropy(cx, loss, dlogits, logits, target, weight, batch, classes);
}

ssfer_status ssfer_adamw_step(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                              const ssfer_adamw_args *args)
{
    return cx->backend->adamw_step(cx, p, m, v, shadow, g, n, args);
}

ssfer_status ssfer_sum_squares(ssfer_compute *cx, double *out, const float *x, size_t n)
{
    return cx->backend->sum_squares(cx, out, x, n);
}

ssfer_status ssfer_zero(ssfer_compute *cx, float *x, size_t n)
{
    return cx->backend->zero(cx, x, n);
}
