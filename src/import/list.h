/* What a data set's own lists say, brought into one form: a record a picture. One reader a data set. */
#ifndef SSFER_IMPORT_LIST_H
#define SSFER_IMPORT_LIST_H

#include "base/text_pool.h"
#include "data/class_sets.h"
#include "data/csv.h"
#include "import/import.h"

#include <stdint.h>

typedef struct import_record {
    const char *picture;     /* its path, or how its path ends: "train_00001.jpg", "train_set/images/7.jpg" */
    const char *alternative; /* another name that it may have, looked for first; NULL: none */
    const char *pixels;      /* the picture itself: 48 x 48 gray values as text; NULL: look for a file */
    size_t pixels_line;      /* where they stand in the list of pictures */
    const char *name;        /* in the class folder */
    const char *list;        /* where it is listed, for messages */
    size_t line;             /* 0: the list is a folder of files */
    int16_t part, label;     /* ssfer_import_part, ssfer_import_class */
    int32_t box[4];          /* left, top, width, height of the face in pixels; width 0: the whole picture */
} import_record;

/* Zero-initialise ({0}). */
typedef struct import_list {
    import_record *records;
    size_t count, capacity;
    size_t left_out;
    unsigned char **texts; /* the files whose bytes the records point into */
    size_t text_count, text_capacity;
    ssfer_text_pool names;
} import_list;

ssfer_status ssfer_import_ferplus(import_list *list, const ssfer_import_options *options, ssfer_error *err);
ssfer_status ssfer_import_rafdb(import_list *list, const ssfer_import_options *options, ssfer_error *err);
ssfer_status ssfer_import_affectnet(import_list *list, const ssfer_import_options *options, ssfer_error *err);
void ssfer_import_list_deinit(import_list *list);

/* The class of ten votes in the order neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown,
 * not a face; SSFER_IMPORT_CLASSES: none.
 *   most voted  the column with the most votes; of equal ones the first; unknown and not a face give no class
 *   majority    as FER+'s own code (ferplus.py, mode "majority"): columns with a single vote are ignored, and the most
 *               voted one must then have more than half of the votes that are left */
ssfer_import_class ssfer_import_most_voted(const unsigned votes[10]);
ssfer_import_class ssfer_import_majority(const unsigned votes[10]);

/* --- for the readers --- */

/* Reads a file whose bytes live as long as the list, with a zero byte after them. */
ssfer_status ssfer_import_text(char **text, size_t *size_bytes, import_list *list, const char *path, ssfer_error *err);
ssfer_status ssfer_import_add(import_list *list, const import_record *record, ssfer_error *err);
/* A whole number in [min, max] and nothing else; false otherwise. */
bool ssfer_import_number(long *out, const char *text, long min, long max);
/* The class that a data set has under this number; SSFER_IMPORT_CLASSES: none. */
ssfer_import_class ssfer_import_class_numbered(const ssfer_class_set *set, long number);
/* The column that has one of the two names (b may be NULL), without regard to case; SIZE_MAX: none. */
size_t ssfer_import_column(const ssfer_csv *header, const char *a, const char *b);

#endif
