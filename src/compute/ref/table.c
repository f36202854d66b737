/* The reference backend: the float32 oracle behind the table. */
#include "compute/backend.h"
#include "compute/ref/ref.h"

#include <string.h>

static ssfer_status act_to_float(ssfer_compute *cx, float *y, const ssfer_act *x, size_t n)
{
    (void)cx;
    memcpy(y, x, n * sizeof *y);
    return SSFER_OK;
}

static ssfer_status linear_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                   ssfer_linear_dims d, ssfer_epilogue epilogue)
{
    (void)cx;
    REF(linear_forward)(y, x, w, b, d, epilogue);
    return SSFER_OK;
}

static ssfer_status linear_backward_dx(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                       ssfer_linear_dims d)
{
    (void)cx;
    REF(linear_backward_dx)(dx, dy, w, d);
    return SSFER_OK;
}

static ssfer_status linear_backward_dw(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                       ssfer_linear_dims d)
{
    (void)cx;
    REF(linear_backward_dw)(dw, db, dy, x, d);
    return SSFER_OK;
}

static ssfer_status residual_norm_forward(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                          const float *x, const ssfer_act *branch, const float *scale,
                                          const float *gamma, const float *beta, ssfer_norm_dims d)
{
    (void)cx;
    REF(residual_norm_forward)(y, sum, mean, rstd, x, branch, scale, gamma, beta, d);
    return SSFER_OK;
}

static ssfer_status norm_backward(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                  const float *x, const float *mean, const float *rstd, const float *gamma,
                                  ssfer_norm_dims d)
{
    (void)cx;
    REF(norm_backward)(dx, dgamma, dbeta, dy, x, mean, rstd, gamma, d);
    return SSFER_OK;
}

static ssfer_status scale_rows(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d)
{
    (void)cx;
    REF(scale_rows)(y, x, scale, d);
    return SSFER_OK;
}

static ssfer_status gelu_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count)
{
    (void)cx;
    REF(gelu_forward)(y, x, count);
    return SSFER_OK;
}

static ssfer_status gelu_backward(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy,
                                  const ssfer_act *x, size_t count)
{
    (void)cx;
    REF(gelu_backward)(dx, y, dy, x, count);
    return SSFER_OK;
}

static ssfer_status attention_forward(ssfer_compute *cx, ssfer_act *y, float *lse, const ssfer_act *qkv,
                                      ssfer_attention_dims d)
{
    (void)cx;
    REF(attention_forward)(y, lse, qkv, d);
    return SSFER_OK;
}

static ssfer_status attention_backward(ssfer_compute *cx, ssfer_act *dqkv, const ssfer_act *dy, const ssfer_act *qkv,
                                       const ssfer_act *y, const float *lse, ssfer_attention_dims d)
{
    (void)cx;
    REF(attention_backward)(dqkv, dy, qkv, y, lse, d);
    return SSFER_OK;
}

static ssfer_status patches_gather(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d)
{
    (void)cx;
    REF(patches_gather)(out, image, d);
    return SSFER_OK;
}

static ssfer_status tokens_assemble(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                    const float *pos, ssfer_token_dims d)
{
    (void)cx;
    REF(tokens_assemble)(x, tokens, cls, pos, d);
    return SSFER_OK;
}

static ssfer_status tokens_assemble_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                             const float *dx, ssfer_token_dims d)
{
    (void)cx;
    REF(tokens_assemble_backward)(dtokens, dcls, dpos, dx, d);
    return SSFER_OK;
}

static ssfer_status first_token_backward(ssfer_compute *cx, float *dx, const float *d_first, size_t batch,
                                         size_t tokens, size_t width)
{
    (void)cx;
    REF(first_token_backward)(dx, d_first, batch, tokens, width);
    return SSFER_OK;
}

static ssfer_status patches_pick(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_mask mask,
                                 ssfer_patch_dims d)
{
    (void)cx;
    REF(patches_pick)(out, image, mask, d);
    return SSFER_OK;
}

static ssfer_status tokens_assemble_seen(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                         const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    (void)cx;
    REF(tokens_assemble_seen)(x, tokens, cls, pos, mask, d);
    return SSFER_OK;
}

static ssfer_status tokens_restore(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *hidden,
                                   const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    (void)cx;
    REF(tokens_restore)(x, tokens, hidden, pos, mask, d);
    return SSFER_OK;
}

static ssfer_status tokens_restore_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dhidden, const float *dx,
                                            ssfer_mask mask, ssfer_token_dims d)
{
    (void)cx;
    REF(tokens_restore_backward)(dtokens, dhidden, dx, mask, d);
    return SSFER_OK;
}

static ssfer_status reconstruction_loss(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                        const float *image, const float *weight, ssfer_mask mask,
                                        ssfer_reconstruction_dims d)
{
    (void)cx;
    REF(reconstruction_loss)(loss, dpred, pred, image, weight, mask, d);
    return SSFER_OK;
}

static ssfer_status cross_entropy(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                  const float *target, const float *weight, size_t batch, size_t classes)
{
    (void)cx;
    REF(cross_entropy)(loss, dlogits, logits, target, weight, batch, classes);
    return SSFER_OK;
}

static ssfer_status adamw_step(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                               const ssfer_adamw_args *args)
{
    (void)cx;
    REF(adamw_step)(p, m, v, shadow, g, n, args);
    return SSFER_OK;
}

static ssfer_status sum_squares(ssfer_compute *cx, double *out, const float *x, size_t n)
{
    (void)cx;
    REF(sum_squares)(out, x, n);
    return SSFER_OK;
}

static ssfer_status zero(ssfer_compute *cx, float *x, size_t n)
{
    (void)cx;
    memset(x, 0, n * sizeof *x);
    return SSFER_OK;
}

const ssfer_backend ssfer_backend_ref = {
    .name = "ref",
    .precision = SSFER_PRECISION_FP32,
    .act_to_float = act_to_float,
    .linear_forward = linear_forward,
    .linear_backward_dx = linear_backward_dx,
    .linear_backward_dw = linear_backward_dw,
    .residual_norm_forward = residual_norm_forward,
    .norm_backward = norm_backward,
    .scale_rows = scale_rows,
    .gelu_forward = gelu_forward,
    .gelu_backward = gelu_backward,
    .attention_forward = attention_forward,
    .attention_backward = attention_backward,
    .patches_gather = patches_gather,
    .tokens_assemble = tokens_assemble,
    .tokens_assemble_backward = tokens_assemble_backward,
    .first_token_backward = first_token_backward,
    .patches_pick = patches_pick,
    .tokens_assemble_seen = tokens_assemble_seen,
    .tokens_restore = tokens_restore,
    .tokens_restore_backward = tokens_restore_backward,
    .reconstruction_loss = reconstruction_loss,
    .cross_entropy = cross_entropy,
    .adamw_step = adamw_step,
    .sum_squares = sum_squares,
    .zero = zero,
};
