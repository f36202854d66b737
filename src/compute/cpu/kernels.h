/* Names and vector types of the kernels of one instruction-set level; see cpu.h. */
#ifndef SSFER_COMPUTE_CPU_KERNELS_H
#define SSFER_COMPUTE_CPU_KERNELS_H

#include "compute/cpu/cpu.h"

#define CPU_JOIN2(name, level) cpu_##name##_##level
#define CPU_JOIN(name, level) CPU_JOIN2(name, level)
#define CPU(name) CPU_JOIN(name, CPU_LEVEL)

/* One vector register of floats, and how many rows by vectors of accumulators fit beside their operands. */
#if defined(__AVX512F__)
enum { LANES = 16, TILE_ROWS = 6, TILE_VECTORS = 4 };
#elif defined(__AVX__)
enum { LANES = 8, TILE_ROWS = 6, TILE_VECTORS = 2 };
#else
enum { LANES = 4, TILE_ROWS = 4, TILE_VECTORS = 2 };
#endif

ssfer_status CPU(linear_backward_dw)(ssfer_compute *cx, float *dw, float *db, const float *dy, const float *x,
                                     ssfer_linear_dims d);
ssfer_status CPU(residual_norm_forward)(ssfer_compute *cx, float *y, float *sum, float *mean, float *rstd,
                                        const float *x, const float *branch, const float *scale, const float *gamma,
                                        const float *beta, ssfer_norm_dims d);
ssfer_status CPU(norm_backward)(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const float *dy,
                                const float *x, const float *mean, const float *rstd, const float *gamma,
                                ssfer_norm_dims d);
ssfer_status CPU(scale_rows)(ssfer_compute *cx, float *y, const float *x, const float *scale, ssfer_norm_dims d);
ssfer_status CPU(gelu_forward)(ssfer_compute *cx, float *y, const float *x, size_t count);
ssfer_status CPU(gelu_backward)(ssfer_compute *cx, float *dx, const float *dy, const float *x, size_t count);
ssfer_status CPU(attention_forward)(ssfer_compute *cx, float *y, float *lse, const float *qkv, ssfer_attention_dims d);
ssfer_status CPU(attention_backward)(ssfer_compute *cx, float *dqkv, const float *dy, const float *qkv, const float *y,
                                     const float *lse, ssfer_attention_dims d);
ssfer_status CPU(patches_gather)(ssfer_compute *cx, float *out, const float *image, ssfer_patch_dims d);
ssfer_status CPU(tokens_assemble)(ssfer_compute *cx, float *x, const float *tokens, const float *cls, const float *pos,
                                  ssfer_token_dims d);
ssfer_status CPU(tokens_assemble_backward)(ssfer_compute *cx, float *dtokens, float *dcls, float *dpos, const float *dx,
                                           ssfer_token_dims d);
ssfer_status CPU(first_token_backward)(ssfer_compute *cx, float *dx, const float *d_first, size_t batch, size_t tokens,
                                       size_t width);
ssfer_status CPU(patches_pick)(ssfer_compute *cx, float *out, const float *image, ssfer_mask mask, ssfer_patch_dims d);
ssfer_status CPU(tokens_assemble_seen)(ssfer_compute *cx, float *x, const float *tokens, const float *cls,
                                       const float *pos, ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(tokens_restore)(ssfer_compute *cx, float *x, const float *tokens, const float *hidden,
                                 const float *pos, ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(tokens_restore_backward)(ssfer_compute *cx, float *dtokens, float *dhidden, const float *dx,
                                          ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(reconstruction_loss)(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                      const float *image, const float *weight, ssfer_mask mask,
                                      ssfer_reconstruction_dims d);
ssfer_status CPU(cross_entropy)(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                const float *target, const float *weight, size_t batch, size_t classes);
ssfer_status CPU(adamw_step)(ssfer_compute *cx, float *p, float *m, float *v, const float *g, size_t n,
                             const ssfer_adamw_args *a);
ssfer_status CPU(ema_update)(ssfer_compute *cx, float *shadow, const float *p, size_t n, float decay);
ssfer_status CPU(sum_squares)(ssfer_compute *cx, double *out, const float *x, size_t n);
ssfer_status CPU(zero)(ssfer_compute *cx, float *x, size_t n);

#endif
