/* The oracle: every operation in plain C, short and obviously right, never tuned.
 *
 * These sources are compiled twice: with real = float they fill the table `ssfer_backend_ref`, with real = double
 * (SSFER_REF_DOUBLE) they are what the gradient tests difference. A name `ref_x` therefore exists as ref_x_f32 and
 * ref_x_f64. The contracts are those of compute/ops.h. */
#ifndef SSFER_COMPUTE_REF_REF_H
#define SSFER_COMPUTE_REF_REF_H

#include "compute/ops.h"

#ifdef SSFER_REF_DOUBLE
typedef double real;
#    define REF(name) ref_##name##_f64
#else
typedef float real;
#    define REF(name) ref_##name##_f32
#endif

void REF(linear_forward)(real *y, const real *x, const real *w, const real *b, ssfer_linear_dims d, ssfer_epilogue e);
void REF(linear_backward_dx)(real *dx, const real *dy, const real *w, ssfer_linear_dims d);
void REF(linear_backward_dw)(real *dw, real *db, const real *dy, const real *x, ssfer_linear_dims d);
void REF(residual_norm_forward)(real *y, real *sum, real *mean, real *rstd, const real *x, const real *branch,
                                const real *scale, const real *gamma, const real *beta, ssfer_norm_dims d);
void REF(norm_backward)(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                        const real *rstd, const real *gamma, ssfer_norm_dims d);
void REF(scale_rows)(real *y, const real *x, const real *scale, ssfer_norm_dims d);
void REF(gelu_forward)(real *y, const real *x, size_t count);
void REF(gelu_backward)(real *dx, real *y, const real *dy, const real *x, size_t count);
void REF(attention_forward)(real *y, real *lse, const real *qkv, ssfer_attention_dims d);
void REF(attention_backward)(real *dqkv, const real *dy, const real *qkv, const real *y, const real *lse,
                             ssfer_attention_dims d);
void REF(patches_gather)(real *out, const real *image, ssfer_patch_dims d);
void REF(tokens_assemble)(real *x, const real *tokens, const real *cls, const real *pos, ssfer_token_dims d);
void REF(tokens_assemble_backward)(real *dtokens, real *dcls, real *dpos, const real *dx, ssfer_token_dims d);
void REF(first_token_backward)(real *dx, const real *d_first, size_t batch, size_t tokens, size_t width);
void REF(patches_pick)(real *out, const real *image, ssfer_mask mask, ssfer_patch_dims d);
void REF(tokens_assemble_seen)(real *x, const real *tokens, const real *cls, const real *pos, ssfer_mask mask,
                               ssfer_token_dims d);
void REF(tokens_restore)(real *x, const real *tokens, const real *hidden, const real *pos, ssfer_mask mask,
                         ssfer_token_dims d);
void REF(tokens_restore_backward)(real *dtokens, real *dhidden, const real *dx, ssfer_mask mask, ssfer_token_dims d);
void REF(reconstruction_loss)(real *loss, real *dpred, const real *pred, const real *image, const real *weight,
                              ssfer_mask mask, ssfer_reconstruction_dims d);
void REF(cross_entropy)(real *loss, real *dlogits, const real *logits, const real *target, const real *weight,
                        size_t batch, size_t classes);
void REF(adamw_step)(real *p, real *m, real *v, real *shadow, const real *g, size_t n, const ssfer_adamw_args *a);
void REF(sum_squares)(double *out, const real *x, size_t n);

#endif
