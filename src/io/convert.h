/* Checkpoints from one format to another: what `ssfer convert IN OUT` does. */
#ifndef SSFER_IO_CONVERT_H
#define SSFER_IO_CONVERT_H

#include "io/tensor_set.h"

typedef struct ssfer_convert_options {
    const char *which; /* top-level key of a PyTorch file; NULL: found by itself */
    bool to_f32;       /* floating-point tensors (F64, F16, BF16) become F32; integers stay */
    /* Called with what is about to be written, to add metadata; NULL: nothing is added. Its message is about `in`. */
    ssfer_status (*annotate)(const void *context, ssfer_tensor_set *set, ssfer_error *err);
    const void *context;
} ssfer_convert_options;

/* Reads any checkpoint (ssfer_checkpoint_read) and writes it as the suffix of `out` says: .safetensors, or .pth/.pt for
 * PyTorch. Metadata stay; "container" goes and "format" becomes "pt", as the tools of the field expect. Atomic: `out`
 * may be `in`. options may be NULL. Errors: SSFER_ERR_ARGUMENT for another suffix, and those of reading and writing. */
ssfer_status ssfer_convert(const char *in, const char *out, const ssfer_convert_options *options, ssfer_error *err);

/* Writes a set as the suffix of the path says. */
ssfer_status ssfer_checkpoint_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err);

#endif
