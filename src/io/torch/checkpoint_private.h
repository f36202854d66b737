/* Between checkpoint.c, optimizer.c and inspect.c. */
#ifndef SSFER_IO_TORCH_CHECKPOINT_PRIVATE_H
#define SSFER_IO_TORCH_CHECKPOINT_PRIVATE_H

#include "io/torch/torch_file.h"

/* Entry of the zip container in which ssfer_torch_write keeps metadata, as a JSON object of strings. */
#define SSFER_TORCH_METADATA_ENTRY "ssfer_metadata.json"

/* An entry beside data.pkl, to be freed with ssfer_free; *bytes is NULL, without an error, if there is none. */
ssfer_status ssfer_torch_file_extra(unsigned char **bytes, size_t *size_bytes, const ssfer_torch_file *file,
                                    const char *entry, ssfer_error *err);

/* The state dict or module that holds the weights, wherever the field nests it; NULL: none. */
const ssfer_pickle_node *ssfer_torch_state_find(const ssfer_torch_file *file);

/* Its tensors, without prefixes of wrappers. */
ssfer_status ssfer_torch_state_read(ssfer_tensor_set *set, ssfer_torch_file *file, const ssfer_pickle_node *state,
                                    ssfer_error *err);

/* The top-level scalars as metadata; with `containers` also plain dicts and lists, as JSON. */
ssfer_status ssfer_torch_put_scalars(ssfer_tensor_set *set, const ssfer_torch_file *file, bool containers,
                                     ssfer_error *err);

#endif
