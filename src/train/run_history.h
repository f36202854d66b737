/* metrics.jsonl, read back: one JSON object a line, {"stage", "epoch", "step", NAME: number...}. */
#ifndef SSFER_TRAIN_RUN_HISTORY_H
#define SSFER_TRAIN_RUN_HISTORY_H

#include "base/log.h"
#include "base/status.h"

#include <stddef.h>
#include <stdint.h>

/* One figure over a stage, in file order. */
typedef struct ssfer_series {
    char *stage, *name;
    double *epoch, *step, *value; /* count each; epoch: as recorded, fractions never */
    size_t count, capacity[3];
} ssfer_series;

typedef struct ssfer_history {
    ssfer_series *series;
    size_t count, capacity;
    size_t bad_lines; /* lines that are no record: skipped, named in the log */
} ssfer_history;

/* Null values (NaN when written) are left out of their series, and so are figures beyond the first 1,000 series. An
 * empty or missing file gives an empty history. */
ssfer_status ssfer_history_read(ssfer_history *out, const char *path, const ssfer_log *log, ssfer_error *err);
void ssfer_history_deinit(ssfer_history *h);

/* NULL if there is none; stage NULL: of any stage. */
const ssfer_series *ssfer_history_find(const ssfer_history *h, const char *stage, const char *name);

/* How many bytes of the file to keep so that it is as it was before end_step: the lines before the first of that step
 * or later, and no unfinished last line. A damaged line is kept and named in the log. A missing file gives 0. */
ssfer_status ssfer_history_prefix(uint64_t *keep_bytes, const char *path, uint64_t end_step, const ssfer_log *log,
                                  ssfer_error *err);

#endif
