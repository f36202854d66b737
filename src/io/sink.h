/* Where a set of pictures is written: a folder or a tar file with the same paths. Nothing is seen under the final name
 * before the commit; an abort leaves nothing behind. */
#ifndef SSFER_IO_SINK_H
#define SSFER_IO_SINK_H

#include "base/status.h"
#include "io/tar.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ssfer_sink {
    ssfer_tar_writer *tar;   /* NULL: a folder */
    char *target, *building; /* of a folder: its name and the one that it has until the commit */
    char *last_folder;       /* the one that exists already, so that it is not asked for again and again */
} ssfer_sink;

/* A path that ends in ".tar" is a tar file, everything else a folder, which must be new or empty. */
ssfer_status ssfer_sink_open(ssfer_sink *sink, const char *path, ssfer_error *err);
/* name: "train/anger/synth0000001.png". */
ssfer_status ssfer_sink_add(ssfer_sink *sink, const char *name, const void *bytes, size_t size_bytes, ssfer_error *err);
ssfer_status ssfer_sink_commit(ssfer_sink *sink, ssfer_error *err); /* frees the sink in any case */
void ssfer_sink_abort(ssfer_sink *sink);                            /* {0} is fine */

#endif
