/* Everything that a data source holds, before it is known what is a class or a split: the pictures (and folders) of
 * folders, tars and CSV lists as one sorted list of paths. dataset.c makes samples of it. */
#ifndef SSFER_DATA_LISTING_H
#define SSFER_DATA_LISTING_H

#include "base/log.h"
#include "base/status.h"
#include "base/text_pool.h"
#include "io/tar.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ssfer_source_kind {
    SSFER_SOURCE_FOLDER,
    SSFER_SOURCE_TAR,
    SSFER_SOURCE_CSV,
    SSFER_SOURCE_PICTURE
} ssfer_source_kind;

typedef struct ssfer_source {
    ssfer_source_kind kind;
    char *path;     /* as given, for messages; for "set.tar/train" the whole of it */
    char *base;     /* the folder that relative paths start from; NULL for a tar */
    ssfer_tar *tar; /* NULL otherwise */
    bool used;      /* for dataset.c: has samples in the chosen split */
} ssfer_source;

typedef struct ssfer_entry {
    const char *path;               /* relative to the source */
    const ssfer_tar_member *member; /* of a tar */
    const char *label, *split;      /* of a CSV list; NULL where it has no such column */
    const char *failure;            /* with `inputs`: why this input, or folder in one, cannot be read; else NULL */
    uint32_t source, line;          /* line: of a CSV list */
    bool folder;
} ssfer_entry;

typedef struct ssfer_listing {
    ssfer_source *sources;
    size_t source_count;
    ssfer_entry *entries; /* sorted by path, folder by folder ("/" comes before every other character); see `inputs` */
    size_t count, capacity;
    ssfer_entry *left_out; /* files that are no pictures by their names; sorted as the entries are */
    size_t left_out_count, left_out_capacity;
    ssfer_text_pool text; /* of paths, labels, splits and failures */
    bool inputs;
} ssfer_listing;

/* Lists what the paths hold: a folder (all below it), a tar, "set.tar/folder" (a part of a tar), a CSV list (suffix
 * .csv) or a single picture. Only names ending in .png, .jpg, .jpeg or .webp (any case) count as pictures; hidden files
 * and folders (".name") are left out. Errors name the path, and line of a CSV list.
 *
 * inputs: the paths are what a user named one by one, so nothing of them may vanish and none may stop the others. Then
 * entries stand in the order of the paths, those of a folder or tar sorted by path, those of a CSV list as they are
 * listed; a file of any name that is neither a CSV list nor a tar counts as a picture; and an input that cannot be read
 * or holds no picture is an entry with `failure`. The only errors are then SSFER_ERR_MEMORY. */
ssfer_status ssfer_listing_read(ssfer_listing *out, const char *const *paths, size_t path_count, bool inputs,
                                const ssfer_log *log, ssfer_error *err);
void ssfer_listing_deinit(ssfer_listing *listing);

/* The order of samples: like strcmp, with "/" before every other character. */
int ssfer_path_compare(const char *a, const char *b);

#endif
