/* How the time of a job grows with its size. Processor time in user mode of this thread is measured: other programs on
 * the machine and the file system's work hardly touch it. */
#ifndef SSFER_TESTS_GROWTH_H
#define SSFER_TESTS_GROWTH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <sys/resource.h>

static inline double growth_now_s(void)
{
    struct rusage usage;
    getrusage(RUSAGE_THREAD, &usage);
    return (double)usage.ru_utime.tv_sec + 1e-6 * (double)usage.ru_utime.tv_usec;
}

/* Eight times the size may take 32 times as long: n log n with caches that stop helping takes about 12 times, a
 * quadratic step 64 times. `most_s` bounds the larger job, generously: the ratio is what finds a mistake. */
enum { GROWTH_SIZE = 8, GROWTH_MOST = 32 };

/* job(context, size) returns the user time, in seconds, of what it measures. */
static inline void assert_grows_linearly(double (*job)(void *context, size_t size), void *context, size_t size,
                                         double most_s)
{
    double small_s = job(context, size / GROWTH_SIZE);
    for (int again = 0; again < 2; again++) { /* the shorter one is the easier one to disturb */
        const double now_s = job(context, size / GROWTH_SIZE);
        small_s = now_s < small_s ? now_s : small_s;
    }
    const double large_s = job(context, size);
    const double clock_s = 0.02; /* user time is counted in ticks of up to 10 ms on some systems */
    if (!(large_s <= GROWTH_MOST * (small_s + clock_s / GROWTH_SIZE) && large_s <= most_s))
        fail_msg("%zu: %.3f s, %zu: %.3f s; at most %.1f s and %d times as long are fine", size / GROWTH_SIZE, small_s,
                 size, large_s, most_s, GROWTH_MOST);
}

#endif
