/* What class folders (or the labels of a list) stand for.
 *
 * By themselves they are the classes. `folder_classes` says otherwise:
 *
 *   rafdb, ferplus, affectnet7, affectnet8, fer2013    numbers as these data sets have them (data/class_sets.h)
 *   model                                              numbers in the order of the wanted classes, counted from 0, or
 *                                                      from 1 where the number of classes itself occurs and 0 does not
 *   a file                                             a line "FOLDER CLASS" for each folder, the class to the line's
 * end
 *
 * Several folders may be of one class. The first two change nothing where no folder is a number; some numbers beside
 * other names are an error.
 *
 * Where numbers meet wanted classes that have other names, and folder_classes does not say what they are, the known
 * data sets are looked through. One fits if it has every number, and all of its classes are wanted; those all of whose
 * numbers occur go before the others, and among them the one whose published outputs the wanted classes are.
 * (`outputs_of` says that, or an order of the classes other than the alphabet's. The published code numbers its folders
 * by its outputs; where that would give something else, the choice is open.) Sets that agree on all numbers are as good
 * as one; if none fits, or some disagree, the call fails and asks for folder_classes.
 *
 * Whenever something is translated the log says how. */
#ifndef SSFER_DATA_CLASS_MAP_H
#define SSFER_DATA_CLASS_MAP_H

#include "base/log.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_class_map_options {
    const char *source;         /* of the names, for messages */
    const char *const *classes; /* wanted: a model's; NULL: those that the names give, sorted */
    size_t class_count;
    const char *folder_classes; /* see above; NULL: not said */
    const char *outputs_of;     /* the known set whose published outputs `classes` are; NULL, another text: not said */
    const ssfer_log *log;
} ssfer_class_map_options;

typedef struct ssfer_class_map {
    char **classes; /* class_count names */
    size_t class_count;
    int32_t *to; /* from each name to its class */
} ssfer_class_map;

/* names: the `count` different ones found. The caller frees what *out holds with ssfer_free; it is set on success only.
 * Errors: SSFER_ERR_ARGUMENT (a name that is unknown or could be several classes), those of reading the file. */
ssfer_status ssfer_class_map_init(ssfer_class_map *out, const char *const *names, size_t count,
                                  const ssfer_class_map_options *options, ssfer_error *err);

/* Whether this is a number that a data set might give to a class: one to five digits. */
bool ssfer_class_is_number(const char *name);

#endif
