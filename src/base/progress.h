/* A progress bar for a terminal: label, bar, share, count, rate, time left and a free note. Drawn at most ten times a
 * second, cleaned (base/text.h) and cut to the terminal's width. When the stream is no terminal nothing is drawn.
 *
 *     epoch 3/10 [=========>          ]  46 %  1320/2841  412 img/s  ETA 0:03  loss 1.234
 */
#ifndef SSFER_BASE_PROGRESS_H
#define SSFER_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

typedef struct ssfer_progress {
    FILE *stream; /* NULL: silent */
    bool terminal;
    char label[64], unit[16];
    size_t done, total, drawn_columns;
    double start_s, drawn_s;
} ssfer_progress;

/* stream NULL gives a silent bar. total 0: unknown, no share and no ETA. unit: what is counted, "img". */
void ssfer_progress_begin(ssfer_progress *bar, FILE *stream, const char *label, const char *unit, size_t total);

/* done: absolute count so far; note: shown at the end of the line, may be NULL. */
void ssfer_progress_update(ssfer_progress *bar, size_t done, const char *note);

/* Clears the line. Returns the mean rate in units per second since begin. */
double ssfer_progress_end(ssfer_progress *bar);

#endif
