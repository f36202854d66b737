/* Datasets: a list of pictures with labels, from a folder, tar files or a CSV list, all with the same behaviour.
 *
 *   folder   [split/]class/name.{jpg,jpeg,png,webp}; unlabeled: any images at any depth; also a single picture
 *   tar      the same paths inside; "a.tar,b.tar", "set-{00..15}.tar" and globs are shards of one set; the bytes of a
 *            member are read in place from the memory-mapped file; "set.tar/train" is a folder inside a tar
 *   CSV      lines `path,label` with or without that header; paths relative to the CSV's folder; label a name or a
 *            number; with a header the columns path, label and split (optional) may stand in any order, beside others
 *
 * Classes are the sorted folder names (torchvision ImageFolder: sorted as text, so "10" comes before "2"). Samples are
 * in sorted path order, folder by folder, whatever the container, so that a folder and a tar of it give the same
 * samples with the same indices. Pictures below a class folder count at any depth; hidden files and files that are no
 * pictures are left out.
 *
 * Split level: when every picture lies at least three levels deep (split/class/name), the first level is the split and
 * must be named, unless there is only one. A single top folder around everything ("ferplus/train/...") is passed. */
#ifndef SSFER_DATA_DATASET_H
#define SSFER_DATA_DATASET_H

#include "base/log.h"
#include "base/status.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SSFER_LABEL_NONE = -1, SSFER_MAX_CLASSES = 4096 };

typedef struct ssfer_dataset ssfer_dataset;

typedef struct ssfer_dataset_options {
    const char *split; /* NULL: no split level (or the only one there is) */
    bool unlabeled;    /* ignore class folders: every image below, label SSFER_LABEL_NONE */
    /* NULL: the sorted class names found. Otherwise the class list of a model: folder names are looked up in it by
     * name, exactly or else without regard to case, or as data/class_map.h says where all of them are numbers; a name
     * that is missing there is an error. */
    const char *const *classes;
    size_t class_count;
    /* What class folders (or the labels of a list) stand for: the name of a known set, "model" or a file, as
     * data/class_map.h says. NULL: for themselves. */
    const char *folder_classes;
    const char *outputs_of; /* the known set whose published outputs `classes` are; NULL, another text: not said */
    /* With `unlabeled`: the paths are what a user named one by one. Samples then are in the order of the paths (of a
     * folder or tar sorted, of a CSV list as listed), and what cannot be read does not stop the others: an input that
     * is missing, unreadable or without pictures is a sample, too, whose reading fails. */
    bool inputs;
    const ssfer_log *log;
} ssfer_dataset_options;

/* Opens a set; `source` is a path, a comma list, a {a..b} range or a glob. Errors say what was found instead: missing
 * split (with the splits there are), a class folder that is empty, fewer than two classes when labels are wanted,
 * names of classes that are no UTF-8 (unless classes are given). */
ssfer_status ssfer_dataset_open(ssfer_dataset **out, const char *source, const ssfer_dataset_options *options,
                                ssfer_error *err);
/* The same for paths that are taken as they are, without expansion (arguments of a program). */
ssfer_status ssfer_dataset_open_paths(ssfer_dataset **out, const char *const *paths, size_t path_count,
                                      const ssfer_dataset_options *options, ssfer_error *err);
void ssfer_dataset_close(ssfer_dataset *set); /* NULL is fine */

size_t ssfer_dataset_count(const ssfer_dataset *set);
size_t ssfer_dataset_class_count(const ssfer_dataset *set);
const char *ssfer_dataset_class_name(const ssfer_dataset *set, size_t k);
const char *const *ssfer_dataset_class_names(const ssfer_dataset *set); /* class_count pointers, valid until close */
int32_t ssfer_dataset_label(const ssfer_dataset *set, size_t i);        /* 0 .. K-1, or SSFER_LABEL_NONE */
const char *ssfer_dataset_path(const ssfer_dataset *set, size_t i);     /* relative: "anger/fer0000010.png" */
/* Where the sample lies: "ferplus.tar/train/anger/fer0000010.png", cut to size_bytes. A picture that was named is as
 * given. Messages show it with ssfer_path_shown. */
enum { SSFER_LOCATION_MAX = 8200 }; /* bytes: a base and a path of at most 4096 each */
void ssfer_dataset_location(const ssfer_dataset *set, size_t i, char *out, size_t size_bytes);
/* Files that were left out because their names are not those of pictures (hidden ones are not counted), and a text that
 * names the first of them, "set/a.txt, set/b.bmp, ...", cleaned, valid until close. */
size_t ssfer_dataset_left_out(const ssfer_dataset *set, const char **names);
/* Whether it is an input that cannot be read, so that reading it tells why. */
bool ssfer_dataset_has_failed(const ssfer_dataset *set, size_t i);
/* The sample with this path, or SIZE_MAX; not for `inputs`, whose samples are not sorted. */
size_t ssfer_dataset_find(const ssfer_dataset *set, const char *path);
const char *ssfer_dataset_source(const ssfer_dataset *set); /* as given to open */
const char *ssfer_dataset_split(const ssfer_dataset *set);  /* the split in use, or NULL */

/* Reads and decodes one sample; thread-safe. The caller deinits the image. Messages name the location. */
ssfer_status ssfer_dataset_image(const ssfer_dataset *set, size_t i, ssfer_image *out, ssfer_error *err);

/* The undecoded bytes: a view into the map (*owned NULL) or a buffer that the caller frees with ssfer_free(*owned). */
ssfer_status ssfer_dataset_bytes(const ssfer_dataset *set, size_t i, const unsigned char **bytes, size_t *size_bytes,
                                 unsigned char **owned, ssfer_error *err);

#endif
