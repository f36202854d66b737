/* report.html of a run: one file that needs nothing else (inline SVG and CSS, pictures as data URIs, no scripts), reads
 * well in light and dark browsers and on paper. Works from what a run folder holds, at any time of the run. */
#ifndef SSFER_TRAIN_REPORT_H
#define SSFER_TRAIN_REPORT_H

#include "base/log.h"
#include "base/status.h"
#include "train/metrics.h"

#include <stddef.h>

/* A picture in a run's folder that the report shows if it is there: the sheet of ssfer reconstruct. */
#define SSFER_REPORT_RECONSTRUCTIONS "reconstructions.jpg"

/* One picture with what was said about it. */
typedef struct ssfer_report_example {
    const void *png; /* the bytes of a PNG or JPEG file */
    size_t png_bytes;
    const char *path;              /* shown as a tooltip */
    const char *label, *predicted; /* class names; label NULL: unknown */
    double confidence;
} ssfer_report_example;

typedef struct ssfer_report_group {
    const char *title; /* "Most confused" */
    const char *note;  /* one sentence, may be NULL */
    const ssfer_report_example *examples;
    size_t count;
} ssfer_report_group;

/* How many pictures of each class were used how: `columns` names ("labeled", "unlabeled", "validation"), counts
 * (class_count, column_count). */
typedef struct ssfer_report_split {
    const char *const *classes, *const *columns;
    const size_t *counts;
    size_t class_count, column_count;
} ssfer_report_split;

typedef struct ssfer_report {
    const char *title;  /* NULL: the folder's name */
    const char *folder; /* metrics.jsonl and recipe.yaml are read from here, and from the folders of the runs before it,
                         * whose models its recipes name; NULL: neither */
    const ssfer_evaluation *evaluation; /* NULL: none */
    const char *evaluated;              /* what was evaluated on what, one line; may be NULL */
    const ssfer_report_split *split;    /* NULL: none */
    const ssfer_report_group *groups;
    size_t group_count;
    const ssfer_log *log; /* warnings about damaged lines; may be NULL */
} ssfer_report;

/* Writes the report atomically. A missing or damaged metrics.jsonl or recipe.yaml makes its section smaller, with a
 * warning, but is no error: a report of a broken run is when one is needed most. */
ssfer_status ssfer_report_write(const char *path, const ssfer_report *report, ssfer_error *err);

#endif
