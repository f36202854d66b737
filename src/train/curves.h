/* Curves of a finished run as pictures: loss.png, loss.svg, lr.png, lr.svg, and report.html with all of its figures. */
#ifndef SSFER_TRAIN_CURVES_H
#define SSFER_TRAIN_CURVES_H

#include "train/run.h"

/* From the run's metrics.jsonl. A figure that was never recorded is left out. */
ssfer_status ssfer_curves_write(const ssfer_run *run, const char *stage, ssfer_error *err);

#endif
