#include "bench/series.h"

#include <stdlib.h>
#include <sys/resource.h>

static int compare(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

double ssfer_series_quantile(double *series, size_t count, double q)
{
    qsort(series, count, sizeof *series, compare);
    return series[(size_t)(q * (double)(count - 1) + 0.5)];
}

void ssfer_series_fill(float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)((i * 7919) % 1000) / 500.0f - 1.0f;
}

double ssfer_peak_rss_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)usage.ru_maxrss / 1024.0;
}
