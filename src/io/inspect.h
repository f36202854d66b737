/* What is in a checkpoint, for people and for programs: what `ssfer inspect CKPT` prints. */
#ifndef SSFER_IO_INSPECT_H
#define SSFER_IO_INSPECT_H

#include "io/tensor_set.h"

#include <stdio.h>

typedef struct ssfer_inspect_options {
    const char *which; /* top-level key of a PyTorch file; NULL: found by itself */
    bool json;         /* one JSON object instead of text */
    bool summary_only; /* without the list of tensors */
} ssfer_inspect_options;

/* Writes the listing to `out`: file, container, guess, sizes, metadata, what else a PyTorch file holds, every tensor.
 * JSON: {"file","container","kind","description","tensors","parameters","bytes","metadata":{},"contents":{},
 * "list":[{"name","dtype","shape","bytes"}]}. options may be NULL. Errors are those of ssfer_checkpoint_read; write
 * errors of `out` are left to its owner. */
ssfer_status ssfer_inspect(const char *path, const ssfer_inspect_options *options, FILE *out, ssfer_error *err);

/* What a set of tensors seems to be, judged by names and shapes. kind is one of "vit-classifier", "vit-encoder", "mae",
 * "yolov7-face", "unknown"; description is a line for people, "ViT classifier: 224 px, patch 16, 768x12, 7 classes".
 * Numbers that do not apply or cannot be told are 0 (heads never can, unless the metadata say "num_heads", as ours do).
 */
typedef struct ssfer_checkpoint_guess {
    const char *kind; /* valid forever */
    char description[160];
    size_t image_size, patch_size, embed_dim, depth, heads, classes, decoder_embed_dim, decoder_depth;
    size_t parameters; /* elements of floating-point tensors that are not running statistics */
    size_t size_bytes; /* of all tensors */
} ssfer_checkpoint_guess;
void ssfer_checkpoint_guess_kind(ssfer_checkpoint_guess *out, const ssfer_tensor_set *set);

#endif
