/* Between the containers (torch_file.c) and the tensors in them (torch_tensor.c). */
#ifndef SSFER_IO_TORCH_TORCH_FILE_PRIVATE_H
#define SSFER_IO_TORCH_TORCH_FILE_PRIVATE_H

#include "io/torch/torch_file.h"

/* A storage as a persistent id names it: ("storage", type, key, location, elements[, view]). */
typedef struct ssfer_torch_storage {
    const char *key;
    bool untyped;                   /* bytes without a type: the tensor says what they are */
    ssfer_dtype dtype;              /* if not untyped */
    size_t whole_bytes;             /* the stored block of that key */
    size_t begin_bytes, size_bytes; /* the part of it that this storage is (files of PyTorch 0.x have such views) */
} ssfer_torch_storage;

ssfer_status ssfer_torch_storage_get(ssfer_torch_storage *out, const ssfer_torch_file *file,
                                     const ssfer_pickle_node *persistent, ssfer_error *err);

/* The bytes of the storage, kept until the file is closed; or copied to `out`, which has storage->size_bytes. */
ssfer_status ssfer_torch_storage_map(const unsigned char **out, ssfer_torch_file *file,
                                     const ssfer_torch_storage *storage, ssfer_error *err);
ssfer_status ssfer_torch_storage_copy(void *out, ssfer_torch_file *file, const ssfer_torch_storage *storage,
                                      ssfer_error *err);

/* Counts memory that the file makes us take, against a limit in proportion to its size: strides of 0 and compressed
 * entries may make much out of little. */
ssfer_status ssfer_torch_file_charge(ssfer_torch_file *file, size_t size_bytes, ssfer_error *err);

bool ssfer_torch_file_is_big_endian(const ssfer_torch_file *file);

#endif
