/* Data sets of expressions whose classes are known: what their numbers stand for, and in which order the published
 * checkpoints put their classes out. The only place that says so: --classes, --folder-classes and import read it. */
#ifndef SSFER_DATA_CLASS_SETS_H
#define SSFER_DATA_CLASS_SETS_H

#include <stddef.h>

enum { SSFER_CLASS_SET_MOST = 8 };

typedef struct ssfer_class_set {
    const char *name;                           /* as options spell it: "rafdb" */
    const char *title;                          /* as its authors do: "RAF-DB" */
    size_t count;                               /* of classes */
    long first;                                 /* the number of numbered[0]; the others follow */
    const char *numbered[SSFER_CLASS_SET_MOST]; /* the data set's own numbers */
    const char *outputs[SSFER_CLASS_SET_MOST];  /* the outputs of the published checkpoints; [0] NULL: there are none */
} ssfer_class_set;

/* For help and messages: the sets with outputs, and all of them. */
#define SSFER_CLASS_SETS_WITH_OUTPUTS "rafdb, ferplus, affectnet7, affectnet8"
#define SSFER_CLASS_SETS_ALL SSFER_CLASS_SETS_WITH_OUTPUTS ", fer2013"

const ssfer_class_set *ssfer_class_set_at(size_t i);            /* NULL past the last */
const ssfer_class_set *ssfer_class_set_named(const char *name); /* NULL: there is none */

/* What a number stands for; NULL: nothing. */
const char *ssfer_class_set_number(const ssfer_class_set *set, long number);

#endif
