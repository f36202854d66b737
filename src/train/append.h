/* Files that grow by whole records while a run lasts (metrics, events, log). A record is written entirely or not at
 * all: when the disk is full the file is cut back to the end of the last whole record. */
#ifndef SSFER_TRAIN_APPEND_H
#define SSFER_TRAIN_APPEND_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_append {
    int fd; /* -1: closed */
    char *path;
    uint64_t size_bytes; /* of the whole records */
} ssfer_append;

/* Opens or creates the file and cuts it to at most keep_bytes (UINT64_MAX: keeps all). */
ssfer_status ssfer_append_open(ssfer_append *file, const char *path, uint64_t keep_bytes, ssfer_error *err);

/* Appends one record. After an error the file is as before, and the next write may be tried. */
ssfer_status ssfer_append_write(ssfer_append *file, const void *data, size_t size_bytes, ssfer_error *err);

/* Waits until everything is on the disk. */
ssfer_status ssfer_append_sync(ssfer_append *file, ssfer_error *err);

void ssfer_append_close(ssfer_append *file); /* a file that failed to open is fine */

#endif
