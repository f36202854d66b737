/* Monotonic time in seconds, for rates and time-outs. */
#ifndef SSFER_BASE_CLOCK_H
#define SSFER_BASE_CLOCK_H

double ssfer_clock_s(void);

#endif
