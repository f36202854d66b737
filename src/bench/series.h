/* Times of repeated steps. */
#ifndef SSFER_BENCH_SERIES_H
#define SSFER_BENCH_SERIES_H

#include <stddef.h>

/* The q-quantile (0 to 1) of a series, which is sorted in place. */
double ssfer_series_quantile(double *series, size_t count, double q);

/* Numbers for speed measurements: in [-1, 1], no zeros in a row, no denormals. */
void ssfer_series_fill(float *x, size_t count);

double ssfer_peak_rss_mib(void); /* of the process so far */

#endif
