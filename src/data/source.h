/* What `--data` may say: paths, comma lists, {a..b} ranges, {a,b} alternatives and globs, expanded to a list of paths.
 *
 *   "set.tar"   "train,extra"   "set-{00..15}.tar"   "set-{a,b}.tar"   "shards/{train,valid}-*.tar"
 *
 * A text that is the name of an existing file or folder is taken as it is, whatever characters it holds. */
#ifndef SSFER_DATA_SOURCE_H
#define SSFER_DATA_SOURCE_H

#include "base/status.h"

#include <stddef.h>

enum { SSFER_SOURCE_MAX = 65536 };

typedef struct ssfer_source_list {
    char **paths; /* in the order written; those of one glob sorted */
    size_t count, capacity;
} ssfer_source_list;

/* Errors: SSFER_ERR_ARGUMENT (empty item, bad braces), SSFER_ERR_IO (a glob that matches nothing),
 * SSFER_ERR_LIMIT (more than SSFER_SOURCE_MAX paths). Whether the paths exist is for the reader to find out. */
ssfer_status ssfer_source_expand(ssfer_source_list *out, const char *source, ssfer_error *err);
void ssfer_source_list_deinit(ssfer_source_list *list);

#endif
