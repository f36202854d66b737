/* Plots of a report as inline SVG. Colours come from the page's style sheet (classes c1 .. c6, axis, grid, heat), so
 * that they follow light and dark mode. Nothing is allocated; the caller looks at ferror. */
#ifndef SSFER_TRAIN_REPORT_PLOT_H
#define SSFER_TRAIN_REPORT_PLOT_H

#include "train/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { SSFER_PLOT_MAX_LINES = 6 };

typedef struct ssfer_plot_line {
    const char *name;
    const double *x, *y; /* count finite values each; x ascending */
    size_t count;
} ssfer_plot_line;

typedef struct ssfer_plot {
    const char *title;
    const char *x_label;
    bool percent; /* y is a share, 0 .. 1 */
    ssfer_plot_line lines[SSFER_PLOT_MAX_LINES];
    size_t count;
} ssfer_plot;

/* Lines over x, with title and legend, as a <figure>. Long series are drawn as means over equal stretches, with the
 * range between the smallest and the largest value behind them. */
void ssfer_plot_write(FILE *out, const ssfer_plot *plot);

/* Rows: true class, columns: predicted; shaded by the share of the row. */
void ssfer_plot_confusion(FILE *out, const ssfer_evaluation *e);

/* Accuracy over confidence in the calibration bins, beside the diagonal of a perfect classifier. */
void ssfer_plot_calibration(FILE *out, const ssfer_evaluation *e);

/* Text as HTML: & < > " escaped, control characters left out. */
void ssfer_html_text(FILE *out, const char *text);

#endif
