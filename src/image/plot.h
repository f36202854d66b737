/* Plots: curves of a run, confusion matrices, bars. Each as PNG or SVG; the SVG carries its glyphs, so it needs no font
 * where it is shown (put it into a page as an image: its ids are not unique across files).
 *
 * Sizes are in pixels; 0 takes the default. Texts are UTF-8. NaN and infinite values are left out of a plot, never an
 * error. */
#ifndef SSFER_IMAGE_PLOT_H
#define SSFER_IMAGE_PLOT_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ssfer_plot_format { SSFER_PLOT_FORMAT_PNG, SSFER_PLOT_FORMAT_SVG } ssfer_plot_format;

/* --- lines --- */

typedef struct ssfer_plot_series {
    const char *name; /* in the legend */
    const double *x;  /* ascending; NULL: 0, 1, 2, ... */
    const double *y;  /* NaN: a gap */
    size_t count;
    bool dashed;
    bool markers;  /* a dot at every value; single values always get one */
    size_t smooth; /* above 1: a running mean over about so many values, with the values themselves pale behind it */
} ssfer_plot_series;

typedef struct ssfer_plot_lines {
    const char *title, *x_label, *y_label; /* each may be NULL */
    const ssfer_plot_series *series;
    size_t series_count;
    bool log_y;           /* values <= 0 are left out */
    bool percent;         /* y values are shares: 0.63 is written 63 % */
    double y_min, y_max;  /* the range of y; equal (0, 0): from the values */
    size_t width, height; /* 960 x 540 */
} ssfer_plot_lines;

ssfer_status ssfer_plot_lines_save(const ssfer_plot_lines *plot, const char *path, ssfer_error *err);
ssfer_status ssfer_plot_lines_encode(const ssfer_plot_lines *plot, ssfer_plot_format format, uint8_t **bytes,
                                     size_t *size_bytes, ssfer_error *err);

/* --- confusion matrix --- */

typedef struct ssfer_plot_confusion {
    const char *title;        /* NULL: "Confusion matrix"; accuracies and the count are added below it */
    const char *const *names; /* `classes` of them */
    const uint64_t *counts;   /* (classes, classes) row-major: row = true class, column = predicted class */
    size_t classes;
    size_t width; /* 0: by the number of classes; the height follows */
} ssfer_plot_confusion;

/* Colour and percentage are shares of the row, so the diagonal shows the recall of each class. */
ssfer_status ssfer_plot_confusion_save(const ssfer_plot_confusion *plot, const char *path, ssfer_error *err);
ssfer_status ssfer_plot_confusion_encode(const ssfer_plot_confusion *plot, ssfer_plot_format format, uint8_t **bytes,
                                         size_t *size_bytes, ssfer_error *err);

/* --- bars --- */

typedef struct ssfer_plot_bars {
    const char *title, *x_label;     /* each may be NULL */
    const char *const *names;        /* `count` groups, from the top */
    const char *const *series_names; /* `series_count` of them, for the legend; NULL if there is one series */
    const double *values;            /* (series_count, count), >= 0 */
    size_t count, series_count;
    bool percent;         /* values are shares: 0.63 is written 63 % */
    double x_max;         /* right end of the axis; 0: from the values */
    size_t width, height; /* 960 x as many as the rows need */
} ssfer_plot_bars;

/* Horizontal bars, each with its value. */
ssfer_status ssfer_plot_bars_save(const ssfer_plot_bars *plot, const char *path, ssfer_error *err);
ssfer_status ssfer_plot_bars_encode(const ssfer_plot_bars *plot, ssfer_plot_format format, uint8_t **bytes,
                                    size_t *size_bytes, ssfer_error *err);

#endif
