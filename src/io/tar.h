/* Tar files, read in place and written the same way every time.
 *
 * Reading makes an index of the pictures, texts, ... in a tar from its headers alone (ustar, GNU and pax, long names
 * included); the bytes of a member are then a view into the memory map, and no member is ever unpacked to disk. A
 * compressed tar (gzip, bzip2, xz, zstd, lz4) cannot be read in place: it is unpacked into memory, up to a bound.
 *
 * Nothing in the file is trusted: names are cleaned ("./a//b" is "a/b", a leading "/" goes), a name with ".." refuses
 * the file, a member that reaches beyond the end refuses it too, links are followed only to members of the same tar.
 * As when unpacking, the last of several members with one name counts. */
#ifndef SSFER_IO_TAR_H
#define SSFER_IO_TAR_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct ssfer_tar ssfer_tar;

typedef struct ssfer_tar_member {
    const char *path; /* "train/anger/x.png", never empty; a folder has no "/" at its end */
    const unsigned char *data;
    size_t size_bytes;
    bool folder; /* a member for a folder itself: tars often have none */
} ssfer_tar_member;

typedef struct ssfer_tar_info {
    size_t replaced; /* members that a later one of the same name replaced */
    size_t ignored;  /* symbolic links, devices and other members without bytes of their own */
    bool complete;   /* ends with the end-of-archive mark; without it the file may have been cut between members */
} ssfer_tar_info;

/* Opens a tar and indexes it. max_unpacked_bytes bounds the memory for a compressed tar; 0: 2 GiB. Members are sorted
 * by path (bytes). All pointers stay valid until close. Thread-safe once open.
 * Errors: SSFER_ERR_IO, SSFER_ERR_FORMAT (not a tar, cut, corrupt, unsafe name), SSFER_ERR_LIMIT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_tar_open(ssfer_tar **out, const char *path, size_t max_unpacked_bytes, ssfer_error *err);
void ssfer_tar_close(ssfer_tar *tar);

size_t ssfer_tar_count(const ssfer_tar *tar);
const ssfer_tar_member *ssfer_tar_at(const ssfer_tar *tar, size_t i);
const ssfer_tar_member *ssfer_tar_find(const ssfer_tar *tar, const char *path); /* NULL: absent */
ssfer_tar_info ssfer_tar_get_info(const ssfer_tar *tar);

/* Writing: ustar headers, a pax header only where a name is too long; owner, group and time are 0 and the mode is
 * 0644, so the same members give the same bytes. Nothing exists under `path` before the commit (base/file.h).
 *
 *     st = ssfer_tar_writer_open(&writer, path, err);
 *     if (st == SSFER_OK) st = ssfer_tar_writer_add(writer, "anger/1.png", bytes, size_bytes, err);
 *     if (st == SSFER_OK) st = ssfer_tar_writer_commit(writer, err); else ssfer_tar_writer_abort(writer);
 *
 * add refuses names that open would not accept (empty, absolute, with ".."), and says when the disk is full. commit and
 * abort free the writer in any case; abort accepts NULL. */
typedef struct ssfer_tar_writer ssfer_tar_writer;
ssfer_status ssfer_tar_writer_open(ssfer_tar_writer **out, const char *path, ssfer_error *err);
ssfer_status ssfer_tar_writer_add(ssfer_tar_writer *writer, const char *name, const void *data, size_t size_bytes,
                                  ssfer_error *err);
ssfer_status ssfer_tar_writer_commit(ssfer_tar_writer *writer, ssfer_error *err);
void ssfer_tar_writer_abort(ssfer_tar_writer *writer);

#endif
