/* Clocks. */
#ifndef SSFER_BASE_CLOCK_H
#define SSFER_BASE_CLOCK_H

double ssfer_clock_s(void);        /* monotonic time in seconds, for rates and time-outs */
double ssfer_thread_clock_s(void); /* processor time that the calling thread has used */

#endif
