/* The table that a device fills. An entry has the contract of the operation of the same name in compute/ops.h. */
#ifndef SSFER_COMPUTE_BACKEND_H
#define SSFER_COMPUTE_BACKEND_H

#include "compute/ops.h"

typedef struct ssfer_backend {
    const char *name;
    ssfer_precision precision;                                   /* what an ssfer_act is: FP32 or BF16 */
    ssfer_status (*create)(ssfer_compute *cx, ssfer_error *err); /* sets cx->device; may be NULL */
    void (*destroy)(ssfer_compute *cx);

    ssfer_status (*act_to_float)(ssfer_compute *, float *, const ssfer_act *, size_t);
    ssfer_status (*weights_hold)(ssfer_compute *, const float *, size_t); /* may be NULL, with the next: no copies */
    void (*weights_release)(ssfer_compute *, const float *);
    bool held_exactly; /* copies change no bits */
    ssfer_status (*linear_forward)(ssfer_compute *, ssfer_act *, const ssfer_act *, const float *, const float *,
                                   ssfer_linear_dims, ssfer_epilogue);
    ssfer_status (*linear_backward_dx)(ssfer_compute *, ssfer_act *, const ssfer_act *, const float *,
                                       ssfer_linear_dims);
    ssfer_status (*linear_backward_dw)(ssfer_compute *, float *, float *, const ssfer_act *, const ssfer_act *,
                                       ssfer_linear_dims);
    ssfer_status (*residual_norm_forward)(ssfer_compute *, ssfer_act *, float *, float *, float *, const float *,
                                          const ssfer_act *, const float *, const float *, const float *,
                                          ssfer_norm_dims);
    ssfer_status (*norm_backward)(ssfer_compute *, float *, float *, float *, const ssfer_act *, const float *,
                                  const float *, const float *, const float *, ssfer_norm_dims);
    ssfer_status (*scale_rows)(ssfer_compute *, ssfer_act *, const float *, const float *, ssfer_norm_dims);
    ssfer_status (*gelu_forward)(ssfer_compute *, ssfer_act *, const ssfer_act *, size_t);
    ssfer_status (*gelu_backward)(ssfer_compute *, ssfer_act *, ssfer_act *, const ssfer_act *, const ssfer_act *,
                                  size_t);
    ssfer_status (*attention_forward)(ssfer_compute *, ssfer_act *, float *, const ssfer_act *, ssfer_attention_dims);
    ssfer_status (*attention_backward)(ssfer_compute *, ssfer_act *, const ssfer_act *, const ssfer_act *,
                                       const ssfer_act *, const float *, ssfer_attention_dims);
    ssfer_status (*patches_gather)(ssfer_compute *, ssfer_act *, const float *, ssfer_patch_dims);
    ssfer_status (*tokens_assemble)(ssfer_compute *, float *, const ssfer_act *, const float *, const float *,
                                    ssfer_token_dims);
    ssfer_status (*tokens_assemble_backward)(ssfer_compute *, ssfer_act *, float *, float *, const float *,
                                             ssfer_token_dims);
    ssfer_status (*first_token_backward)(ssfer_compute *, float *, const float *, size_t, size_t, size_t);
    ssfer_status (*patches_pick)(ssfer_compute *, ssfer_act *, const float *, ssfer_mask, ssfer_patch_dims);
    ssfer_status (*tokens_assemble_seen)(ssfer_compute *, float *, const ssfer_act *, const float *, const float *,
                                         ssfer_mask, ssfer_token_dims);
    ssfer_status (*tokens_restore)(ssfer_compute *, float *, const ssfer_act *, const float *, const float *,
                                   ssfer_mask, ssfer_token_dims);
    ssfer_status (*tokens_restore_backward)(ssfer_compute *, ssfer_act *, float *, const float *, ssfer_mask,
                                            ssfer_token_dims);
    ssfer_status (*reconstruction_loss)(ssfer_compute *, float *, float *, const float *, const float *, const float *,
                                        ssfer_mask, ssfer_reconstruction_dims);
    ssfer_status (*cross_entropy)(ssfer_compute *, float *, float *, const float *, const float *, const float *,
                                  size_t, size_t);
    ssfer_status (*adamw_step)(ssfer_compute *, float *, float *, float *, float *, const float *, size_t,
                               const ssfer_adamw_args *);
    ssfer_status (*sum_squares)(ssfer_compute *, double *, const float *, size_t);
    ssfer_status (*zero)(ssfer_compute *, float *, size_t);
} ssfer_backend;

struct ssfer_compute {
    const ssfer_backend *backend;
    size_t threads;
    void *device; /* the backend's own */
    ssfer_error error;
};

extern const ssfer_backend ssfer_backend_ref;

/* ssfer_compute_create on a given table: how tests reach every instruction-set level. */
ssfer_status ssfer_compute_create_with(ssfer_compute **out, const ssfer_backend *backend, size_t threads,
                                       ssfer_error *err);

#endif
