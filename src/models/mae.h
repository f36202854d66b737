/* The masked autoencoder of Stage I: the ViT's encoder sees a quarter of the patches, a small decoder paints the rest.
 * He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners"; names as in their checkpoints.
 *
 *   latent = norm(blocks([cls; patch(x)[keep]] + pos))                                     the encoder, on K of L
 * patches pred   = decoder_pred(decoder_norm(decoder_blocks(restore(decoder_embed(latent)) + decoder_pos_embed))) loss
 * = mean over hidden patches of (pred - pixels)^2
 *
 * restore puts the tokens back into picture order, with the learned mask token for each hidden patch. Both position
 * tables are fixed sines and cosines. */
#ifndef SSFER_MODELS_MAE_H
#define SSFER_MODELS_MAE_H

#include "compute/compute.h"
#include "nn/params.h"
#include "nn/stack.h"

typedef struct ssfer_mae_config {
    size_t image_size, patch_size; /* pixels; image_size is a multiple of patch_size */
    size_t channels;               /* 3 */
    size_t embed_dim, depth, heads;
    size_t hidden; /* width of the encoder's MLP: 4 * embed_dim */
    size_t decoder_dim, decoder_depth, decoder_heads, decoder_hidden;
    float eps;         /* 1e-6 */
    double mask_ratio; /* share of the patches that is hidden: 0.75 */
    bool norm_pix;     /* targets are normalised patch by patch */
    bool checkpoint;   /* of both halves; see nn/stack.h */
} ssfer_mae_config;

/* The named architectures, encoder and decoder as width x depth / heads: "tiny" 192x12/12, 96x1/3; "small" 384x12/6,
 * 192x1/6; "base" 768x12/12, "large" 1024x24/16, "huge" 1280x32/16 (patch 14), all with 512x8/16. Patch 16 and 224
 * pixels where nothing else is said. False: no such name. */
bool ssfer_mae_config_named(ssfer_mae_config *config, const char *arch);

/* Refuses impossible sizes, saying which and why. Widths are multiples of 4: the position tables need it. */
ssfer_status ssfer_mae_config_check(const ssfer_mae_config *config, ssfer_error *err);

/* Heads where nothing is said: those of the named encoder of this width, or 64 channels a head; 32 in a decoder. */
size_t ssfer_mae_heads_for(size_t embed_dim);
size_t ssfer_mae_decoder_heads_for(size_t decoder_dim);

/* Reads the configuration from a checkpoint's names and shapes. Heads are not in the shapes: the argument if not 0,
 * else the metadata, else ssfer_mae_heads_for. Without metadata the mask ratio is 0.75 and norm_pix false. */
ssfer_status ssfer_mae_config_from_checkpoint(ssfer_mae_config *config, const ssfer_tensor_set *set, size_t heads,
                                              size_t decoder_heads, ssfer_error *err);
ssfer_status ssfer_mae_config_to_metadata(const ssfer_mae_config *config, ssfer_tensor_set *set, ssfer_error *err);

typedef struct ssfer_mae {
    ssfer_mae_config config;
    ssfer_param_table table;
    ssfer_stack encoder, decoder;
    size_t cls, pos, hidden_token, decoder_pos, patch_w, patch_b; /* offsets into a parameter block */
    size_t embed_w, embed_b, pred_w, pred_b;
} ssfer_mae;

ssfer_status ssfer_mae_init(ssfer_mae *mae, const ssfer_mae_config *config, ssfer_error *err);
void ssfer_mae_deinit(ssfer_mae *mae);
size_t ssfer_mae_patches(const ssfer_mae_config *config); /* L */

/* Initial values: Glorot's uniform for matrices, N(0, 0.02^2) for the tokens, the position tables. */
void ssfer_mae_init_params(float *params, const ssfer_mae *mae, uint64_t seed);

/* ---- masks ------------------------------------------------------------------------------------------------------- */

/* K: how many of L patches a mask ratio leaves, L * (1 - ratio) in double, rounded down as the reference does. */
size_t ssfer_mae_kept(size_t patches, double ratio);

/* The masks of a batch. */
typedef struct ssfer_mae_masks {
    size_t batch, patches, kept; /* B, L, K */
    int32_t *keep, *restore;     /* (B, K), (B, L): see ssfer_mask */
    uint64_t *order;             /* (L): for sorting */
    float *noise;                /* (L): for drawing */
} ssfer_mae_masks;

/* Errors: SSFER_ERR_ARGUMENT unless 1 <= kept < patches. */
ssfer_status ssfer_mae_masks_init(ssfer_mae_masks *masks, size_t batch, size_t patches, size_t kept, ssfer_error *err);
void ssfer_mae_masks_deinit(ssfer_mae_masks *masks);
ssfer_mask ssfer_mae_mask(const ssfer_mae_masks *masks, size_t first); /* a view from that picture on, for operations */

/* The mask of picture b: the K patches with the least noise (L) are seen, in the order of their noise; of equal noise
 * the earlier patch comes first. Sorting noise is how the reference draws a mask. */
void ssfer_mae_masks_sort(ssfer_mae_masks *masks, size_t b, const float *noise);

/* The same with noise from the stream (seed, stage, epoch, sample, SSFER_RNG_MASK). */
void ssfer_mae_masks_draw(ssfer_mae_masks *masks, size_t b, uint64_t seed, uint32_t stage, uint32_t epoch,
                          uint64_t sample);

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* The activations of one pass over up to `batch` pictures with K = kept patches seen; one allocation. */
typedef struct ssfer_mae_acts {
    const ssfer_mae *mae;
    size_t batch, kept;
    ssfer_arena arena;
    ssfer_stack_acts encoder, decoder; /* encoder.normed is the latent (B, K+1, C) */
    ssfer_act *patches;                /* (B, K, 3 P P) */
    ssfer_act *tokens;                 /* (B, K, C) */
    ssfer_act *embedded;               /* (B, K+1, C of the decoder) */
    float *pred;                       /* (B, L+1, 3 P P), row 0 meaningless; a patch is row, column, channel */
} ssfer_mae_acts;

/* For passes in cx, or in another context of the same precision. */
ssfer_status ssfer_mae_acts_init(ssfer_mae_acts *acts, const ssfer_compute *cx, const ssfer_mae *mae, size_t batch,
                                 size_t kept, bool training, ssfer_error *err);
void ssfer_mae_acts_deinit(ssfer_mae_acts *acts);

/* images (batch, 3, S, S) -> latent and acts->pred. mask.kept is that of the activations. */
ssfer_status ssfer_mae_forward(ssfer_compute *cx, const float *params, ssfer_mae_acts *acts, const float *images,
                               ssfer_mask mask, size_t batch);

/* losses (batch) = each picture's loss after a forward pass. With weights (batch), acts->pred is replaced by the
 * gradient of sum(weights * losses), for the backward pass. */
ssfer_status ssfer_mae_loss(ssfer_compute *cx, ssfer_mae_acts *acts, float *losses, const float *images,
                            const float *weights, ssfer_mask mask, size_t batch);

/* grads +=, after ssfer_mae_loss with weights. */
ssfer_status ssfer_mae_backward(ssfer_compute *cx, const float *params, float *grads, ssfer_mae_acts *acts,
                                ssfer_mask mask, size_t batch);

/* One picture (3, S, S) <-> its patches (L, P*P*3), inside a patch row, column, channel as predictions are. */
void ssfer_mae_patchify(float *patches, const float *image, const ssfer_mae_config *config);
void ssfer_mae_unpatchify(float *image, const float *patches, const ssfer_mae_config *config);

/* Operations (2 per multiply-add) of the matrix products of one picture's forward pass with `kept` patches seen. */
double ssfer_mae_flops(const ssfer_mae_config *config, size_t kept);

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* A masked autoencoder as it lies in a file. */
typedef struct ssfer_mae_model {
    ssfer_mae mae;
    float *params; /* a block of mae.table */
    float mean[3], std[3];
} ssfer_mae_model;

/* Reads any checkpoint (io/tensor_set.h). heads, decoder_heads: 0, or over what the file says. */
ssfer_status ssfer_mae_model_load(ssfer_mae_model *out, const char *path, size_t heads, size_t decoder_heads,
                                  ssfer_error *err);
void ssfer_mae_model_deinit(ssfer_mae_model *model);

/* Adds weights (any block of the table, borrowed) and all metadata to a set. */
ssfer_status ssfer_mae_model_store(const ssfer_mae_model *model, const float *params, ssfer_tensor_set *set,
                                   ssfer_error *err);

#endif
