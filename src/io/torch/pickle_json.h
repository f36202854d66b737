/* Plain data of a pickle (dicts, lists, numbers, text) as JSON text, for metadata. */
#ifndef SSFER_IO_TORCH_PICKLE_JSON_H
#define SSFER_IO_TORCH_PICKLE_JSON_H

#include "io/torch/pickle.h"

/* A scalar as people write it ("20", "0.1", "true", text); *out is freed with ssfer_free. *out is NULL, without an
 * error, when the node is no scalar, or text of more than 4096 bytes. */
ssfer_status ssfer_pickle_scalar_text(char **out, const ssfer_pickle_node *node, ssfer_error *err);

/* A node with everything in it. Tuples and sets become arrays, keys become strings, what is no plain data becomes null.
 * *out is freed with ssfer_free. *out is NULL, without an error, when the node holds more than 100000 values or nests
 * deeper than 24 (it may contain itself). */
ssfer_status ssfer_pickle_json_text(char **out, const ssfer_pickle_node *node, ssfer_error *err);

#endif
