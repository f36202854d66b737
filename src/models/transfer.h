/* From a pre-trained encoder to a classifier: weights by name, positions resampled where the grid differs.
 *
 * The encoder may be a masked autoencoder (ours or a published one), a ViT without a head, or a classifier. */
#ifndef SSFER_MODELS_TRANSFER_H
#define SSFER_MODELS_TRANSFER_H

#include "base/log.h"
#include "models/vit.h"

/* Fills the sizes of `config` that are 0 from the checkpoint's encoder; image_size, patch_size, embed_dim, depth, heads
 * and hidden that are given stay. eps and channels are the checkpoint's; classes and drop_path are left alone. */
ssfer_status ssfer_transfer_config(ssfer_vit_config *config, const ssfer_tensor_set *set, ssfer_error *err);

/* A table (in_side^2 + 1, width) of positions for a grid of out_side: row 0, the class token's, is copied, the others
 * are interpolated over the grid bicubically (a = -0.75, pixel centres, edges repeated, no antialiasing), as
 * torch.nn.functional.interpolate(mode="bicubic", align_corners=False) does. out (out_side^2 + 1, width) must not
 * overlap in. Keys 1981, "Cubic convolution interpolation for digital image processing". */
void ssfer_positions_resample(float *out, size_t out_side, const float *in, size_t in_side, size_t width);

/* Loads the encoder's parameters into `params`, which hold a newly initialised classifier: what the file lacks stays as
 * it is. A head is taken if it has as many classes, otherwise the new one stays (N(0, 0.02^2) and bias 0, as the
 * released code starts). Tells the log in a line each what was dropped, resampled, or not found. Errors:
 * SSFER_ERR_SHAPE (another architecture), SSFER_ERR_FORMAT (nothing fits), SSFER_ERR_ARGUMENT (the file states another
 * number of heads), SSFER_ERR_MEMORY. */
ssfer_status ssfer_transfer_encoder(float *params, const ssfer_vit *vit, const ssfer_tensor_set *set,
                                    const ssfer_log *log, ssfer_error *err);

/* Whether the transfer would succeed: the same errors and lines, from names, shapes and metadata alone. */
ssfer_status ssfer_transfer_check(const ssfer_vit *vit, const ssfer_tensor_set *set, const ssfer_log *log,
                                  ssfer_error *err);

#endif
