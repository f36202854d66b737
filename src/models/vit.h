/* The Vision Transformer classifier in timm's form and names: patch embedding, class token, learned positions,
 * pre-norm blocks, last norm, linear head on the class token. Dosovitskiy et al. 2021.
 *
 * logits = head(norm(blocks([cls; patches(x)] + pos))[class token]); LayerNorm eps 1e-6, exact GELU, biases everywhere.
 */
#ifndef SSFER_MODELS_VIT_H
#define SSFER_MODELS_VIT_H

#include "compute/compute.h"
#include "nn/params.h"
#include "nn/stack.h"

typedef struct ssfer_vit_config {
    size_t image_size, patch_size; /* pixels; image_size is a multiple of patch_size */
    size_t channels;               /* 3 */
    size_t embed_dim, depth, heads;
    size_t hidden;  /* width of the MLP: 4 * embed_dim */
    size_t classes; /* K */
    float eps;      /* 1e-6 */
    float drop_path;
    bool checkpoint; /* see nn/stack.h */
} ssfer_vit_config;

/* The named architectures: "tiny" 192x12 with 3 heads, "small" 384x12/6, "base" 768x12/12, "large" 1024x24/16,
 * "huge" 1280x32/16 (patch 14). Patch 16 and 224 pixels where nothing else is said. False: no such name. */
bool ssfer_vit_config_named(ssfer_vit_config *config, const char *arch);

/* Refuses impossible sizes, saying which and why. */
ssfer_status ssfer_vit_config_check(const ssfer_vit_config *config, ssfer_error *err);

/* Reads the configuration from a checkpoint's names and shapes (timm's). The number of heads is not in the shapes:
 * `heads` if not 0, else the metadata's num_heads, else embed_dim / 64 as in every published size. */
ssfer_status ssfer_vit_config_from_checkpoint(ssfer_vit_config *config, const ssfer_tensor_set *set, size_t heads,
                                              ssfer_error *err);
/* Writes it into a checkpoint's metadata. */
ssfer_status ssfer_vit_config_to_metadata(const ssfer_vit_config *config, ssfer_tensor_set *set, ssfer_error *err);

typedef struct ssfer_vit {
    ssfer_vit_config config;
    ssfer_param_table table;
    ssfer_stack stack;
    size_t cls, pos, patch_w, patch_b, head_w, head_b; /* offsets into a parameter block */
} ssfer_vit;

size_t ssfer_vit_tokens(const ssfer_vit_config *config); /* N: patches and the class token */

ssfer_status ssfer_vit_init(ssfer_vit *vit, const ssfer_vit_config *config, ssfer_error *err);

/* Random weights for training from scratch: linear layers as He et al.'s MAE (Xavier), which unlike timm's fixed
 * deviation of 0.02 also suits narrow models; positions start as the sine-cosine table and are learned from there. */
void ssfer_vit_init_params(float *params, const ssfer_vit *vit, uint64_t seed);
void ssfer_vit_deinit(ssfer_vit *vit);

/* The activations of one pass over up to `batch` pictures; one allocation. */
typedef struct ssfer_vit_acts {
    const ssfer_vit *vit;
    ssfer_arena arena;
    ssfer_stack_acts stack;
    ssfer_act *patches; /* (B, L, 3 P P) */
    ssfer_act *tokens;  /* (B, L, C); backward: their gradient */
    float *logits;      /* (B, K) */
    ssfer_act *dnormed; /* (B, C) */
} ssfer_vit_acts;

/* For passes in cx, or in another context of the same precision. */
ssfer_status ssfer_vit_acts_init(ssfer_vit_acts *acts, const ssfer_compute *cx, const ssfer_vit *vit, size_t batch,
                                 bool training, ssfer_error *err);
void ssfer_vit_acts_deinit(ssfer_vit_acts *acts);

/* images (B, 3, S, S) -> acts->logits (B, K). call->first_only false also leaves acts->stack.normed for all tokens. */
ssfer_status ssfer_vit_forward(ssfer_compute *cx, const float *params, ssfer_vit_acts *acts, const float *images,
                               const ssfer_stack_call *call);

/* grads += from dlogits (B, K), after a forward pass with training activations and the same call. */
ssfer_status ssfer_vit_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_vit_acts *acts,
                                const float *dlogits, const ssfer_stack_call *call);

/* Operations (2 per multiply-add) of the matrix products of one picture's forward pass, all tokens computed. */
double ssfer_vit_flops(const ssfer_vit_config *config);

#endif
