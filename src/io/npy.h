/* A single number from a NumPy file (.npy): what data sets keep beside a picture, a label in a file of its own. It may
 * be stored as an integer or a float of any size, or, as AffectNet does, as text ('<U1', '|S1'); in an array of no
 * dimension or of one element. Little-endian or single bytes; format versions 1 to 3. */
#ifndef SSFER_IO_NPY_H
#define SSFER_IO_NPY_H

#include "base/status.h"

#include <stddef.h>

/* From the bytes of a file; `name` is for messages. Errors: SSFER_ERR_FORMAT (no .npy, cut, no number),
 * SSFER_ERR_UNSUPPORTED (another type, more than one element). */
ssfer_status ssfer_npy_number(double *out, const void *bytes, size_t size_bytes, const char *name, ssfer_error *err);
ssfer_status ssfer_npy_read_number(double *out, const char *path, ssfer_error *err);

#endif
