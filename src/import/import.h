/* Data sets as their authors distribute them -> class folders or a tar that training reads:
 *
 *     OUTPUT/train/happiness/fer0000012.png
 *
 * Pictures are copied byte for byte, except pixels that stand as text in a list (FER2013) and faces that are cut out of
 * a larger picture (AffectNet's CSV lists). Published numbers of classes become words, the same for every set:
 *
 *   FERPlus    votes in the columns neutral, happiness, surprise, sadness, anger, disgust, fear, contempt
 *   RAF-DB     1 surprise, 2 fear, 3 disgust, 4 happiness, 5 sadness, 6 anger, 7 neutral
 *   AffectNet  0 neutral, 1 happiness, 2 sadness, 3 surprise, 4 fear, 5 disgust, 6 anger, 7 contempt; 8 and more (none,
 *              uncertain, no face) are left out, and 7 in AffectNet-7 */
#ifndef SSFER_IMPORT_IMPORT_H
#define SSFER_IMPORT_IMPORT_H

#include "base/log.h"
#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef enum ssfer_import_kind { SSFER_IMPORT_FERPLUS, SSFER_IMPORT_RAFDB, SSFER_IMPORT_AFFECTNET } ssfer_import_kind;

typedef enum ssfer_import_part {
    SSFER_IMPORT_TRAIN,
    SSFER_IMPORT_VALID, /* of FERPlus only: FER2013's PublicTest */
    SSFER_IMPORT_TEST,
    SSFER_IMPORT_PARTS
} ssfer_import_part;

/* The words, sorted as class folders are. */
typedef enum ssfer_import_class {
    SSFER_IMPORT_ANGER,
    SSFER_IMPORT_CONTEMPT,
    SSFER_IMPORT_DISGUST,
    SSFER_IMPORT_FEAR,
    SSFER_IMPORT_HAPPINESS,
    SSFER_IMPORT_NEUTRAL,
    SSFER_IMPORT_SADNESS,
    SSFER_IMPORT_SURPRISE,
    SSFER_IMPORT_CLASSES
} ssfer_import_class;

typedef struct ssfer_import_options {
    ssfer_import_kind kind;
    /* The files that say what is shown: fer2013new.csv; list_patition_label.txt; training.csv and validation.csv, or
     * the folder with {train,val}_set/annotations/N_exp.npy. */
    const char *const *labels;
    size_t label_count;
    const char *pictures; /* as data/dataset.h: a folder, a tar, shards; FERPlus: or fer2013.csv */
    const char *output;   /* as io/sink.h: a folder, or a file ending in .tar */
    bool majority;        /* FERPlus: the rule of its authors' code instead of the most voted of the ten columns */
    bool joined;          /* FERPlus: valid and test are one part, the test set of the published accuracies */
    size_t classes;       /* AffectNet: 7 or 8 */
    bool crop;            /* AffectNet's CSV lists: cut out the face's box */
    double max_missing;   /* more than this share of the pictures missing is an error */
    const ssfer_log *log;
    FILE *progress; /* where a bar is drawn; NULL: none */
} ssfer_import_options;

typedef struct ssfer_import_report {
    const char *rule; /* how a label became a class, in words */
    size_t counts[SSFER_IMPORT_PARTS][SSFER_IMPORT_CLASSES];
    size_t totals[SSFER_IMPORT_PARTS];    /* pictures written */
    size_t published[SSFER_IMPORT_PARTS]; /* 0: nothing is published for this part and rule */
    size_t left_out;                      /* pictures to which the rule gives no class */
    size_t missing;                       /* listed, but absent, damaged or of a kind that is not read */
    size_t repeated[SSFER_IMPORT_PARTS];  /* listed again and written once; the published numbers count them */
} ssfer_import_report;

const char *ssfer_import_class_name(ssfer_import_class c); /* "anger" */
const char *ssfer_import_part_name(ssfer_import_part p);   /* "train" */

/* Nothing is seen under the output's name unless all went well. Errors name file and line: "list.csv:12: ...".
 * SSFER_ERR_FORMAT (a list that is not what it should be), SSFER_ERR_IO, SSFER_ERR_LIMIT (too much is missing). */
ssfer_status ssfer_import(const ssfer_import_options *options, ssfer_import_report *report, ssfer_error *err);

#endif
