/* Every operation of the engine, declared once. Each calls the context's backend; compute/ref and compute/cpu hold one
 * file an operation. All tensors are row-major; outputs must not overlap inputs unless a comment allows it. They are
 * float32, but for activations (ssfer_act) and their gradients, which in a bf16 context are bfloat16: what goes into
 * and comes out of matrix products. Parameters, their gradients, residual sums, moments and losses are float32 always.
 * None allocates, except that a backend may build a kernel the first time it meets a shape. Same bits for any thread
 * count, but for the matrix products (same bits for the same thread count). NaN in gives NaN out, never a crash.
 * Errors: SSFER_ERR_SHAPE if a size is 0 or does not fit the others, outputs untouched (the flat passes over a block
 * take n = 0); SSFER_ERR_MEMORY or SSFER_ERR_UNSUPPORTED if the backend cannot build a kernel or its scratch memory.
 *
 * Checked by tests/unit/compute (against differences in double precision, and cpu/ against ref/ on odd sizes). */
#ifndef SSFER_COMPUTE_OPS_H
#define SSFER_COMPUTE_OPS_H

#include "compute/compute.h"

/* An array of activations: float, or uint16_t holding a bfloat16, ssfer_compute_act_bytes of them apart. */
typedef void ssfer_act;

/* y (n) =: to float32, whatever the precision. */
ssfer_status ssfer_act_to_float(ssfer_compute *cx, float *y, const ssfer_act *x, size_t n);

/* ---- linear: y = x w' + b, as torch.nn.Linear -------------------------------------------------------------------- */

typedef struct ssfer_linear_dims {
    size_t rows, in, out; /* M, K, J */
    bool wide;            /* y and dy are float32 whatever the precision: logits, predicted pixels */
} ssfer_linear_dims;

typedef enum ssfer_epilogue { SSFER_EPILOGUE_NONE, SSFER_EPILOGUE_GELU } ssfer_epilogue;

/* y (M, J) = epilogue(x (M, K) w' + b), w (J, K), b (J) or NULL. */
ssfer_status ssfer_linear_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                  ssfer_linear_dims d, ssfer_epilogue epilogue);

/* dx (M, K) = dy w. */
ssfer_status ssfer_linear_backward_dx(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                      ssfer_linear_dims d);

/* dw (J, K) += dy' x and db (J) += column sums of dy; db may be NULL. */
ssfer_status ssfer_linear_backward_dw(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                      ssfer_linear_dims d);

/* Says that the weights in [params, params + n) will not change until they are released or the context is destroyed:
 * products may then keep copies of them in the form that suits them best. Made when a weight is used for the second
 * time, so that a single pass pays nothing. Hold before the passes, release before changing or freeing the memory. */
ssfer_status ssfer_weights_hold(ssfer_compute *cx, const float *params, size_t n);
void ssfer_weights_release(ssfer_compute *cx, const float *params);
/* Whether results have the same bits with and without such copies. */
bool ssfer_weights_held_exactly(const ssfer_compute *cx);

/* ---- layer norm with the residual connection in front of it ------------------------------------------------------ */

typedef struct ssfer_norm_dims {
    size_t rows, width;     /* M, C */
    size_t rows_per_sample; /* N: row r belongs to sample r / N, for `scale` */
    float eps;
    size_t x_stride; /* floats between the rows of the forward pass's x; 0: C. (N*C picks every sample's first token) */
} ssfer_norm_dims;

/* sum (M, C) = x + scale[sample] * branch, then y (M, C) = (sum - mean) * rstd * gamma + beta, row by row.
 * mean, rstd (M): out, for the backward pass; may be NULL together.
 * branch NULL: there is no sum, x itself is normalised and `sum` is not touched. sum may be x itself
 * if x has no stride of its own.
 * scale (B) is the drop-path factor; NULL: 1. y NULL: only the sum is wanted.
 * The variance is the biased one: Ba et al. 2016, eq. (4), as torch.nn.LayerNorm. */
ssfer_status ssfer_residual_norm_forward(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                         const float *x, const ssfer_act *branch, const float *scale,
                                         const float *gamma, const float *beta, ssfer_norm_dims d);

/* x (M, C): what was normalised, its rows side by side. dx (M, C) += gradient through the norm; dgamma, dbeta (C) +=.
 */
ssfer_status ssfer_norm_backward(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                 const float *x, const float *mean, const float *rstd, const float *gamma,
                                 ssfer_norm_dims d);

/* y (M, C) = scale[row / N] * x: the gradient that a branch receives from the sum. scale NULL: 1. */
ssfer_status ssfer_scale_rows(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d);

/* ---- GELU, the exact one: x Phi(x) (Hendrycks and Gimpel 2016), not the tanh approximation ----------------------- */

ssfer_status ssfer_gelu_forward(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count);
/* dx = dy * (Phi(x) + x phi(x)); dx may be dy. y =: the forward pass's output again, which need not be kept then; NULL:
 * not wanted. */
ssfer_status ssfer_gelu_backward(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy,
                                 const ssfer_act *x, size_t count);

/* ---- multi-head self-attention ----------------------------------------------------------------------------------- */

typedef struct ssfer_attention_dims {
    size_t batch, tokens, heads, head_dim; /* B, N, H, D */
    size_t queries; /* Q: only the first Q tokens ask; 0: all N. y, lse and dy then have Q in the place of N */
} ssfer_attention_dims;

/* y = softmax(q k' / sqrt(D)) v, for each head, over all tokens, no mask.
 *   qkv  (B, N, 3, H, D)  in   the fused projection: q, then k, then v
 *   y    (B, N, H, D)     out (=)  heads side by side, so it also reads as (B, N, C)
 *   lse  (B, H, N)        out (=)  log of each row's sum of exponentials, which the backward pass needs; may be NULL
 * Row maxima are subtracted before exp, so finite logits never overflow. Source: Vaswani et al. 2017, eq. (1). */
ssfer_status ssfer_attention_forward(ssfer_compute *cx, ssfer_act *y, float *lse, const ssfer_act *qkv,
                                     ssfer_attention_dims d);

/* dqkv (B, N, 3, H, D) =, the q part of tokens from Q on is 0. The probabilities are recomputed from qkv and lse
 * instead of being kept: N*N*H*B floats less for one more small product. y is the forward output. Formulae: Dao et al.
 * 2022 (FlashAttention), appendix B.4. */
ssfer_status ssfer_attention_backward(ssfer_compute *cx, ssfer_act *dqkv, const ssfer_act *dy, const ssfer_act *qkv,
                                      const ssfer_act *y, const float *lse, ssfer_attention_dims d);

/* ---- patches and tokens ------------------------------------------------------------------------------------------ */

typedef struct ssfer_patch_dims {
    size_t batch, channels, height, width, patch; /* height and width are multiples of patch */
} ssfer_patch_dims;

/* out (B, L, channels*P*P) = image (B, channels, height, width) cut into L = (height/P)*(width/P) patches in row order;
 * inside a patch channel, row, column, as the weight of a convolution with stride P is laid out. */
ssfer_status ssfer_patches_gather(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d);

typedef struct ssfer_token_dims {
    size_t batch, patches, width; /* B, L, C; N = L + 1 */
} ssfer_token_dims;

/* x (B, L+1, C) =: row 0 is cls + pos[0], row 1+i is token[i] + pos[1+i]. cls (C), pos (L+1, C). */
ssfer_status ssfer_tokens_assemble(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                   const float *pos, ssfer_token_dims d);
/* dtokens (B, L, C) =, dcls (C) +=, dpos (L+1, C) +=; dpos NULL: fixed positions. */
ssfer_status ssfer_tokens_assemble_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                            const float *dx, ssfer_token_dims d);

/* dx (B, N, C) = 0, but token 0 of sample b is d_first (B, C) row b: the gradient of having used that token alone. */
ssfer_status ssfer_first_token_backward(ssfer_compute *cx, float *dx, const float *d_first, size_t batch, size_t tokens,
                                        size_t width);

/* ---- the masked autoencoder: patches that are seen, patches that are not ----------------------------------------- */

/* Which patches of each picture are seen: He et al. 2022, section 3, "Masking". A mask names L patches in shuffled
 * order and keeps the first K of them. It is made by models/mae.h; every entry must be in range. */
typedef struct ssfer_mask {
    const int32_t *keep;    /* (B, K): the patches seen, 0 .. L-1, in shuffled order */
    const int32_t *restore; /* (B, L): where patch l stands in shuffled order; it is seen if that is below K */
    size_t kept;            /* K: 1 .. L */
} ssfer_mask;

/* out (B, K, channels*P*P) = the patches mask.keep of image, each as ssfer_patches_gather has it. */
ssfer_status ssfer_patches_pick(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_mask mask,
                                ssfer_patch_dims d);

/* x (B, K+1, C) =: row 0 is cls + pos[0], row 1+j is token[j] + pos[1+keep[j]]. tokens (B, K, C), pos (L+1, C).
 * Going backwards it is ssfer_tokens_assemble_backward with K patches and fixed positions. */
ssfer_status ssfer_tokens_assemble_seen(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                        const float *pos, ssfer_mask mask, ssfer_token_dims d);

/* x (B, L+1, C) =: all tokens in picture order. Row 0 is token[0] + pos[0]; row 1+l is token[1+restore[l]] + pos[1+l]
 * for a patch that is seen, hidden + pos[1+l] for one that is not. tokens (B, K+1, C), hidden (C), pos (L+1, C). */
ssfer_status ssfer_tokens_restore(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *hidden,
                                  const float *pos, ssfer_mask mask, ssfer_token_dims d);
/* dtokens (B, K+1, C) =, dhidden (C) +=. */
ssfer_status ssfer_tokens_restore_backward(ssfer_compute *cx, ssfer_act *dtokens, float *dhidden, const float *dx,
                                           ssfer_mask mask, ssfer_token_dims d);

/* ---- loss -------------------------------------------------------------------------------------------------------- */

/* Cross entropy with soft targets: loss[b] = -sum_k target[b,k] log softmax(logits[b])[k].
 * dlogits (B, K) += weight[b] * d loss[b] / d logits; NULL: not wanted. weight (B).
 * The targets of a row need not sum to 1: with S their sum, the gradient is S softmax - target. */
ssfer_status ssfer_cross_entropy(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                 const float *target, const float *weight, size_t batch, size_t classes);

typedef struct ssfer_reconstruction_dims {
    ssfer_patch_dims patch;
    bool normalize; /* each target patch is (t - mean) / sqrt(var + 1e-6), its variance unbiased (needs 2 numbers) */
} ssfer_reconstruction_dims;

/* Squared error of the hidden patches: loss[b] = mean over them of mean((pred - target)^2).
 *   pred   (B, L+1, P*P*channels)  in   row 0, the class token's, is not looked at; inside a patch row, column, channel
 *   image  (B, channels, H, W)     in   where the targets are cut from
 *   loss   (B)                     out (=)
 *   dpred  as pred                 out (=)  weight[b] * d loss[b] / d pred, zero in seen patches; NULL: not wanted;
 *                                           it may be pred
 *   weight (B)                     in   not read without dpred
 * At least one patch must be hidden (K < L). Source: He et al. 2022, section 3, "Reconstruction target". */
ssfer_status ssfer_reconstruction_loss(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                       const float *image, const float *weight, ssfer_mask mask,
                                       ssfer_reconstruction_dims d);

/* ---- flat passes over parameter blocks --------------------------------------------------------------------------- */

typedef struct ssfer_adamw_args {
    double lr, beta1, beta2, eps, weight_decay; /* double: 1 - beta and 1 - lr*wd lose digits in float */
    uint64_t step;                              /* 1 for the first update: bias correction */
    double grad_scale; /* every gradient is multiplied by this first (clipping, accumulation) */
    double ema_decay;  /* of the running average; not read without one */
} ssfer_adamw_args;

/* One AdamW update of n parameters and of their running average, in one pass over memory. g' = grad_scale * g, then
 *   m = b1 * m + (1 - b1) * g',  v = b2 * v + (1 - b2) * g'^2
 *   p = (1 - lr * wd) * p - lr / bc1 * m / (sqrt(v / bc2) + eps),  bc1 = 1 - b1^step, bc2 = 1 - b2^step
 *   shadow = ema_decay * shadow + (1 - ema_decay) * p, of the new p; shadow NULL: there is none
 * p, m, v, shadow (n) are changed in place and must not overlap. Source: torch.optim.AdamW, which is Loshchilov and
 * Hutter 2019, algorithm 2; the average is the mean teacher of Tarvainen and Valpola 2017, section 2. */
ssfer_status ssfer_adamw_step(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                              const ssfer_adamw_args *args);

/* *out = sum of squares, accumulated in double over chunks of fixed size: the same for any thread count. */
ssfer_status ssfer_sum_squares(ssfer_compute *cx, double *out, const float *x, size_t n);

ssfer_status ssfer_zero(ssfer_compute *cx, float *x, size_t n);

#endif
