/* Files of torch.save: the zip container (data.pkl, data/KEY, byteorder) and the older one (pickles, then storages).
 * A file is opened, its objects are walked as inert data (torch/pickle.h), and tensors are copied out on demand. */
#ifndef SSFER_IO_TORCH_TORCH_FILE_H
#define SSFER_IO_TORCH_TORCH_FILE_H

#include "io/tensor_set.h"
#include "io/torch/pickle.h"

typedef struct ssfer_torch_file ssfer_torch_file;

/* Opens by content. The root and all nodes are valid until close.
 * Errors: SSFER_ERR_IO, SSFER_ERR_FORMAT (neither container, cut, corrupt), SSFER_ERR_LIMIT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_torch_file_open(ssfer_torch_file **out, const char *path, ssfer_error *err);
/* From memory, which must outlive the file; `name` stands for the path in messages. */
ssfer_status ssfer_torch_file_open_memory(ssfer_torch_file **out, const unsigned char *bytes, size_t size_bytes,
                                          const char *name, ssfer_error *err);
void ssfer_torch_file_close(ssfer_torch_file *file); /* NULL is fine */

const ssfer_pickle_node *ssfer_torch_file_root(const ssfer_torch_file *file);
const char *ssfer_torch_file_name(const ssfer_torch_file *file);
const char *ssfer_torch_file_container(const ssfer_torch_file *file); /* "zip" or "legacy" */

/* Whether the bytes look like either container (their first bytes only). */
bool ssfer_torch_file_recognise(const unsigned char *bytes, size_t size_bytes);

/* Is this node a tensor (or a parameter, which wraps one)? Says nothing about whether it can be read. */
bool ssfer_torch_is_tensor(const ssfer_pickle_node *node);

/* The shape and type of a tensor without reading its data. */
typedef struct ssfer_torch_tensor_info {
    ssfer_dtype dtype;
    size_t ndim, shape[SSFER_TENSOR_MAX_NDIM], count;
} ssfer_torch_tensor_info;
ssfer_status ssfer_torch_tensor_info_get(ssfer_torch_tensor_info *out, const ssfer_torch_file *file,
                                         const ssfer_pickle_node *node, ssfer_error *err);

/* Copies a tensor, contiguous and row-major whatever its strides, into `set` under `name`, with its own type.
 * Every element is checked to lie in its storage. Errors: SSFER_ERR_FORMAT (not a tensor, or outside its storage),
 * SSFER_ERR_UNSUPPORTED (quantised, sparse, complex...), SSFER_ERR_LIMIT (views that expand without bound). */
ssfer_status ssfer_torch_tensor_add(ssfer_tensor_set *set, const char *name, ssfer_torch_file *file,
                                    const ssfer_pickle_node *node, ssfer_error *err);

/* Adds all tensors of a state dict (a dict of names; entries that are no tensors are passed over).
 * prefix: NULL or "" for none, else joined to the names by a dot. */
ssfer_status ssfer_torch_state_dict_add(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                                        const ssfer_pickle_node *dict, ssfer_error *err);

/* Is this node a pickled torch.nn.Module (of whatever class)? Then these are its parameters and persistent buffers,
 * under the names that its state_dict() would have ("model.0.conv.weight"). */
bool ssfer_torch_is_module(const ssfer_pickle_node *node);
ssfer_status ssfer_torch_module_add(ssfer_tensor_set *set, const char *prefix, ssfer_torch_file *file,
                                    const ssfer_pickle_node *module, ssfer_error *err);

#endif
