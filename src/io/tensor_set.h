/* Named tensors as they lie in a file: what every checkpoint reader returns and every writer takes.
 *
 * A set keeps its tensors in file order, and a list of text metadata (key, value). The data of a tensor is contiguous
 * and row-major (readers resolve strides), little-endian as on disk, and valid as long as the set. It may point into a
 * read-only memory map: never write through it. */
#ifndef SSFER_IO_TENSOR_SET_H
#define SSFER_IO_TENSOR_SET_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ssfer_dtype {
    SSFER_DTYPE_F32,
    SSFER_DTYPE_F64,
    SSFER_DTYPE_F16,
    SSFER_DTYPE_BF16,
    SSFER_DTYPE_I64,
    SSFER_DTYPE_I32,
    SSFER_DTYPE_I16,
    SSFER_DTYPE_I8,
    SSFER_DTYPE_U8,
    SSFER_DTYPE_BOOL,
    SSFER_DTYPE_COUNT
} ssfer_dtype;

enum { SSFER_TENSOR_MAX_NDIM = 8 };

typedef struct ssfer_tensor {
    char *name;
    ssfer_dtype dtype;
    size_t ndim; /* 0: a scalar, one element */
    size_t shape[SSFER_TENSOR_MAX_NDIM];
    size_t count; /* elements: the product of shape */
    size_t size_bytes;
    const void *data;
} ssfer_tensor;

typedef struct ssfer_metadata_entry {
    char *key, *value;
} ssfer_metadata_entry;

typedef struct ssfer_tensor_set ssfer_tensor_set;

/* "F32", as safetensors spells it; size of one element. */
const char *ssfer_dtype_name(ssfer_dtype dtype);
size_t ssfer_dtype_size(ssfer_dtype dtype);

ssfer_status ssfer_tensor_set_create(ssfer_tensor_set **out, ssfer_error *err);
void ssfer_tensor_set_destroy(ssfer_tensor_set *set); /* NULL is fine */

size_t ssfer_tensor_set_count(const ssfer_tensor_set *set);
const ssfer_tensor *ssfer_tensor_set_at(const ssfer_tensor_set *set, size_t i);
const ssfer_tensor *ssfer_tensor_set_find(const ssfer_tensor_set *set, const char *name); /* NULL: absent */

/* Adds a tensor whose data is BORROWED: it must outlive the set. */
ssfer_status ssfer_tensor_set_add(ssfer_tensor_set *set, const char *name, ssfer_dtype dtype, const size_t *shape,
                                  size_t ndim, const void *data, ssfer_error *err);
/* Adds a tensor with zeroed memory of the set's own and returns it for filling. */
ssfer_status ssfer_tensor_set_new(ssfer_tensor_set *set, const char *name, ssfer_dtype dtype, const size_t *shape,
                                  size_t ndim, void **data, ssfer_error *err);

/* Metadata. get returns NULL when the key is absent; set replaces. */
const char *ssfer_tensor_set_get(const ssfer_tensor_set *set, const char *key);
ssfer_status ssfer_tensor_set_put(ssfer_tensor_set *set, const char *key, const char *value, ssfer_error *err);
/* A number of the metadata; *out stays as it is when the key is absent. SSFER_ERR_FORMAT if the value is not one. */
ssfer_status ssfer_tensor_set_get_size(size_t *out, const ssfer_tensor_set *set, const char *key, ssfer_error *err);
ssfer_status ssfer_tensor_set_get_double(double *out, const ssfer_tensor_set *set, const char *key, ssfer_error *err);
size_t ssfer_tensor_set_metadata_count(const ssfer_tensor_set *set);
ssfer_metadata_entry ssfer_tensor_set_metadata_at(const ssfer_tensor_set *set, size_t i);

/* Copies a tensor's elements to float32 (F16 and BF16 exactly, integers and bool by value, F64 rounded).
 * out has tensor->count elements. */
void ssfer_tensor_to_f32(float *out, const ssfer_tensor *tensor);

/* Reads any checkpoint by its content, never by its name: safetensors, PyTorch zip, PyTorch legacy. A PyTorch file's
 * state dict is searched as the field nests it: bare, or below `model`, `state_dict`, `model_state_dict`, `ema`,
 * `model_ema`; there it may also be a whole pickled module, whose parameters and buffers are taken. Failing these, all
 * tensors in nested dicts and lists are taken, under names joined by dots. A `module.` prefix that all names share is
 * dropped. `which` (may be NULL) names another top-level key to read.
 * Metadata of a PyTorch file: "format" = "pytorch", "container" = "zip"|"legacy", and the scalars of the top-level
 * dict (epoch, ...); of a module also "class", and "yaml" (its configuration, as JSON) if it has that attribute.
 * Errors name the file and what to do. */
ssfer_status ssfer_checkpoint_read(ssfer_tensor_set **out, const char *path, const char *which, ssfer_error *err);
/* From memory, which must outlive the set; `name` stands for the path in messages. */
ssfer_status ssfer_checkpoint_parse(ssfer_tensor_set **out, const unsigned char *bytes, size_t size_bytes,
                                    const char *name, const char *which, ssfer_error *err);

/* The AdamW state of a PyTorch training checkpoint (keys `model` and `optimizer`): tensors "exp_avg.NAME",
 * "exp_avg_sq.NAME" and "step.NAME" (F32 scalar), NAME being the parameter's name in the model. Parameters that the
 * optimizer never updated (frozen ones) have none. Metadata: the top-level scalars (epoch, ...), "param_groups" and the
 * other containers without tensors ("lr_scheduler_state_dict") as JSON.
 * The file numbers parameters only; which names belong to the numbers follows from the order of the model's parameters
 * and is checked by shape. Errors: SSFER_ERR_FORMAT when there is no optimizer, SSFER_ERR_SHAPE when it does not fit.
 */
ssfer_status ssfer_checkpoint_read_optimizer(ssfer_tensor_set **out, const char *path, ssfer_error *err);

/* safetensors. Reading maps the file; writing is atomic (base/file.h). Metadata values are strings. Writing adds a
 * checksum of the content (io/checksum.h); reading verifies it and takes it out of the metadata, so that a file of ours
 * that is read and written again has the same bytes. A file of another program need not have one. Verifying is a pass
 * over the data, which brings a mapped file into memory: about 20 ms for the 344 MB of a ViT-B/16 in the disk cache.
 * In metadata values that are written, U+FFFD stands for each byte that is not UTF-8. A tensor name or metadata key that
 * is not UTF-8 is SSFER_ERR_ARGUMENT. */
ssfer_status ssfer_safetensors_read(ssfer_tensor_set **out, const char *path, ssfer_error *err);
ssfer_status ssfer_safetensors_parse(ssfer_tensor_set **out, const unsigned char *bytes, size_t size_bytes,
                                     const char *name, ssfer_error *err); /* the bytes must outlive the set */
ssfer_status ssfer_safetensors_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err);

/* PyTorch zip container holding an ordered dict of tensors: what torch.load(..., weights_only=True) reads. Metadata go
 * to an entry of their own, which PyTorch does not look at and ssfer_checkpoint_read finds. Atomic; the same set gives
 * the same bytes. */
ssfer_status ssfer_torch_write(const ssfer_tensor_set *set, const char *path, ssfer_error *err);

#endif
