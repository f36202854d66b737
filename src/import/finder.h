/* Finds the pictures that a list names among those that are there, in whatever folders they lie. */
#ifndef SSFER_IMPORT_FINDER_H
#define SSFER_IMPORT_FINDER_H

#include "data/dataset.h"

typedef struct import_finder {
    ssfer_dataset *set;
    struct import_place {
        const char *path; /* owned by the set */
        size_t picture;
    } * places; /* all pictures, sorted by their paths read from the end: equal endings stand side by side */
} import_finder;

ssfer_status ssfer_import_finder_open(import_finder *f, const char *pictures, const ssfer_log *log, ssfer_error *err);
void ssfer_import_finder_close(import_finder *f); /* {0} is fine */

/* The picture whose path is `name` or ends with "/name"; SIZE_MAX: there is none. Of several the first in the order of
 * paths: distributions repeat pictures in backup folders, but not different ones under one name. */
size_t ssfer_import_find(const import_finder *f, const char *name);

#endif
