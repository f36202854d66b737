/* What only the readers of io/ may do with a set. */
#ifndef SSFER_IO_TENSOR_SET_PRIVATE_H
#define SSFER_IO_TENSOR_SET_PRIVATE_H

#include "base/file.h"
#include "io/tensor_set.h"

/* The set closes the map when it is destroyed: its tensors point into it. At most one map a set. */
void ssfer_tensor_set_adopt_map(ssfer_tensor_set *set, ssfer_file_map map);

/* Takes a metadata entry out; fine if there is none. */
void ssfer_tensor_set_remove(ssfer_tensor_set *set, const char *key);

/* Drops `length` characters from the front of every name. The caller made sure that they all have them. */
ssfer_status ssfer_tensor_set_strip_prefix(ssfer_tensor_set *set, size_t length, ssfer_error *err);

/* Elements and bytes of a shape, checked. SSFER_ERR_LIMIT on overflow or too many dimensions. */
ssfer_status ssfer_tensor_size(size_t *count, size_t *size_bytes, const char *name, ssfer_dtype dtype,
                               const size_t *shape, size_t ndim, ssfer_error *err);

#endif
