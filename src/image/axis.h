/* Numbers along an axis: a range, ticks at round values, the way they are written. */
#ifndef SSFER_IMAGE_AXIS_H
#define SSFER_IMAGE_AXIS_H

#include <stdbool.h>
#include <stddef.h>

enum { SSFER_AXIS_MAX_TICKS = 32 };

typedef struct ssfer_axis {
    double lo, hi; /* lo < hi; both > 0 if log */
    bool log, percent;
    double ticks[SSFER_AXIS_MAX_TICKS];
    size_t tick_count;
    double step; /* distance of linear ticks; 0 if log */
} ssfer_axis;

/* An axis for values from lo to hi with at most about `wanted` ticks at 1, 2 or 5 times a power of ten (powers of ten
 * if log). With `round_out` the range grows to the ticks around it. An empty or senseless range becomes a sensible one:
 * a single value lies in the middle. */
ssfer_axis ssfer_axis_make(double lo, double hi, bool log, bool percent, size_t wanted, bool round_out);

/* Where a value lies: 0 at lo, 1 at hi; what is far outside stays at -10 and 11, within reach of drawing. */
double ssfer_axis_at(const ssfer_axis *axis, double value);

/* Writes a tick with as many decimals as the ticks need: "0.25", "120k", "1e-5", "40 %". */
void ssfer_axis_format(const ssfer_axis *axis, double tick, char *out, size_t size);

#endif
