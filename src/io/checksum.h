/* The checksum of a safetensors file that ssfer writes: metadata "ssfer_checksum" = "hash64-" and 16 hexadecimal
 * digits.
 *
 * It is one of the content, not of the bytes: the sum, modulo 2^64, of a hash (base/hash.h) of each tensor (name, type,
 * shape, data) and of each other metadata entry (key, value). A file that another program wrote again in another order
 * still agrees with it; a wrong bit anywhere that matters does not. */
#ifndef SSFER_IO_CHECKSUM_H
#define SSFER_IO_CHECKSUM_H

#include "io/tensor_set.h"

#define SSFER_CHECKSUM_KEY "ssfer_checksum"

enum { SSFER_CHECKSUM_SIZE = 24 }; /* bytes of the text, its end included */

/* What an entry of the header, or a tensor whose data has the hash `data`, adds to the sum. */
uint64_t ssfer_checksum_metadata(const char *key, const char *value);
uint64_t ssfer_checksum_tensor(const char *name, const ssfer_tensor *tensor, uint64_t data);

/* hashes (one a tensor, in order) =: those of the data: one pass over all of it, on a few threads where it is much. */
void ssfer_checksum_data(uint64_t *hashes, const ssfer_tensor_set *set);

void ssfer_checksum_format(char text[SSFER_CHECKSUM_SIZE], uint64_t sum);

/* Compares a set as it was read with the checksum in its metadata, which is then taken out: it describes the file. A
 * set without one, from another program, is fine. Errors: SSFER_ERR_FORMAT: it does not agree, or is of no known form;
 * SSFER_ERR_MEMORY. `name` is the file's. */
ssfer_status ssfer_checksum_verify(ssfer_tensor_set *set, const char *name, ssfer_error *err);

#endif
