/* Files: whole reads, read-only maps, writes that either happen entirely or leave the old file as it was. */
#ifndef SSFER_BASE_FILE_H
#define SSFER_BASE_FILE_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Reads a whole file, at most max_bytes (SSFER_ERR_LIMIT beyond). A zero byte follows the data (not counted), so text
 * can be used as a string. *data is freed with ssfer_free. Directories and special files are refused. */
ssfer_status ssfer_file_read(unsigned char **data, size_t *size_bytes, const char *path, size_t max_bytes,
                             ssfer_error *err);

/* A read-only memory map of a regular file; an empty file maps to size 0 and a valid pointer. */
typedef struct ssfer_file_map {
    const unsigned char *data;
    size_t size_bytes;
} ssfer_file_map;
ssfer_status ssfer_file_map_open(ssfer_file_map *map, const char *path, ssfer_error *err);
void ssfer_file_map_close(ssfer_file_map *map);

/* Atomic write: everything goes to PATH.tmp.PID in the same folder (a long name is shortened for it); commit flushes,
 * fsyncs and renames it over PATH. Until then PATH is untouched; after an error or an abort no temporary file is left.
 * A symbolic link stays one: the file that it names is replaced. A device, a pipe or a terminal (/dev/null,
 * /dev/stdout) cannot be replaced, so it is written directly. A folder is refused.
 *
 *     ssfer_file_writer w;
 *     st = ssfer_file_writer_open(&w, path, err);
 *     if (st == SSFER_OK) { fwrite(..., w.stream); st = ssfer_file_writer_commit(&w, err); }
 *
 * Errors of fwrite/fprintf need not be checked one by one: commit looks at ferror. */
typedef struct ssfer_file_writer {
    FILE *stream;
    char *path;               /* as the caller gave it */
    char *target, *temporary; /* what the path names in the end; NULL both: it is written directly */
} ssfer_file_writer;
ssfer_status ssfer_file_writer_open(ssfer_file_writer *writer, const char *path, ssfer_error *err);
ssfer_status ssfer_file_writer_commit(ssfer_file_writer *writer, ssfer_error *err); /* closes in any case */
void ssfer_file_writer_abort(ssfer_file_writer *writer);                            /* closes, removes the temporary */

/* The two together for data in memory. */
ssfer_status ssfer_file_write(const char *path, const void *data, size_t size_bytes, ssfer_error *err);

/* Creates a folder and its parents; fine if it exists. */
ssfer_status ssfer_folder_create(const char *path, ssfer_error *err);

/* Bytes that a name in this folder may have. */
size_t ssfer_name_most(const char *folder);

/* A copy of the name that has at most most_bytes (at least 16): of a longer one the first whole characters, "-" and
 * eight digits of a hash of all of it, so that names that differ only behind the cut stay apart. NULL when memory runs
 * out. */
char *ssfer_name_shorten(const char *name, size_t most_bytes);

bool ssfer_file_exists(const char *path);
bool ssfer_folder_exists(const char *path);

#endif
