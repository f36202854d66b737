/* Names and types of the kernels of one instruction-set level and precision; see cpu.h. */
#ifndef SSFER_COMPUTE_CPU_KERNELS_H
#define SSFER_COMPUTE_CPU_KERNELS_H

#include "compute/cpu/cpu.h"

#include <string.h>

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

/* An activation. Kernels compute in float32 and convert where they load and store. */
#ifdef CPU_BF16
typedef uint16_t act;

static inline float act_get(act v)
{
    const uint32_t bits = (uint32_t)v << 16;
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To the nearest bfloat16, of two equally near ones the even. A NaN stays one: rounding could carry it into infinity.
 */
static inline act act_put(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
    return (act)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}
#else
typedef float act;

static inline float act_get(act v)
{
    return v;
}

static inline act act_put(float f)
{
    return f;
}
#endif

static inline void acts_from_floats(act *to, const float *from, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = act_put(from[i]);
}

static inline void floats_from_acts(float *to, const act *from, size_t n)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = act_get(from[i]);
}

ssfer_status CPU(act_to_float)(ssfer_compute *cx, float *y, const ssfer_act *x, size_t n);
ssfer_status CPU(linear_forward)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const float *w, const float *b,
                                 ssfer_linear_dims d, ssfer_epilogue epilogue);
ssfer_status CPU(linear_backward_dx)(ssfer_compute *cx, ssfer_act *dx, const ssfer_act *dy, const float *w,
                                     ssfer_linear_dims d);
ssfer_status CPU(linear_backward_dw)(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                     ssfer_linear_dims d);
#ifdef CPU_PRODUCT
/* Products with weights b (K, J) of our own (panel_product.h), for most widths that are multiples of 32. product_pack
 * brings float32 weights into the form that a product reads, product_bytes of it: b as it lies, or transposed, as
 * (J, K). In d, in is K and out is J. */
bool CPU(product_fits)(size_t K, size_t J);
size_t CPU(product_bytes)(size_t K, size_t J);
void CPU(product_pack)(ssfer_compute *cx, void *packed, const float *w, size_t K, size_t J, bool transposed);
ssfer_status CPU(product)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, const void *packed, const float *bias,
                          ssfer_linear_dims d, ssfer_epilogue epilogue);
#endif
#ifdef CPU_TILES
/* linear_backward_dw for dy as acts and widths that are multiples of 32; db may be NULL. */
bool CPU(weight_gradient_fits)(ssfer_linear_dims d);
ssfer_status CPU(weight_gradient)(ssfer_compute *cx, float *dw, float *db, const ssfer_act *dy, const ssfer_act *x,
                                  ssfer_linear_dims d);
#endif
ssfer_status CPU(residual_norm_forward)(ssfer_compute *cx, ssfer_act *y, float *sum, float *mean, float *rstd,
                                        const float *x, const ssfer_act *branch, const float *scale, const float *gamma,
                                        const float *beta, ssfer_norm_dims d);
ssfer_status CPU(norm_backward)(ssfer_compute *cx, float *dx, float *dgamma, float *dbeta, const ssfer_act *dy,
                                const float *x, const float *mean, const float *rstd, const float *gamma,
                                ssfer_norm_dims d);
ssfer_status CPU(scale_rows)(ssfer_compute *cx, ssfer_act *y, const float *x, const float *scale, ssfer_norm_dims d);
ssfer_status CPU(gelu_forward)(ssfer_compute *cx, ssfer_act *y, const ssfer_act *x, size_t count);
ssfer_status CPU(gelu_backward)(ssfer_compute *cx, ssfer_act *dx, ssfer_act *y, const ssfer_act *dy, const ssfer_act *x,
                                size_t count);
ssfer_status CPU(attention_forward)(ssfer_compute *cx, ssfer_act *y, float *lse, const ssfer_act *qkv,
                                    ssfer_attention_dims d);
ssfer_status CPU(attention_backward)(ssfer_compute *cx, ssfer_act *dqkv, const ssfer_act *dy, const ssfer_act *qkv,
                                     const ssfer_act *y, const float *lse, ssfer_attention_dims d);
ssfer_status CPU(patches_gather)(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d);
ssfer_status CPU(tokens_assemble)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                  const float *pos, ssfer_token_dims d);
ssfer_status CPU(tokens_assemble_backward)(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                           const float *dx, ssfer_token_dims d);
ssfer_status CPU(first_token_backward)(ssfer_compute *cx, float *dx, const float *d_first, size_t batch, size_t tokens,
                                       size_t width);
ssfer_status CPU(patches_pick)(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_mask mask,
                               ssfer_patch_dims d);
ssfer_status CPU(tokens_assemble_seen)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                       const float *pos, ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(tokens_restore)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *hidden,
                                 const float *pos, ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(tokens_restore_backward)(ssfer_compute *cx, ssfer_act *dtokens, float *dhidden, const float *dx,
                                          ssfer_mask mask, ssfer_token_dims d);
ssfer_status CPU(reconstruction_loss)(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                      const float *image, const float *weight, ssfer_mask mask,
                                      ssfer_reconstruction_dims d);
ssfer_status CPU(cross_entropy)(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                const float *target, const float *weight, size_t batch, size_t classes);
ssfer_status CPU(adamw_step)(ssfer_compute *cx, float *p, float *m, float *v, float *shadow, const float *g, size_t n,
                             const ssfer_adamw_args *a);
ssfer_status CPU(sum_squares)(ssfer_compute *cx, double *out, const float *x, size_t n);
ssfer_status CPU(zero)(ssfer_compute *cx, float *x, size_t n);

#endif
