/* How many threads to use. Compute uses OpenMP, the loader POSIX threads; both ask here. */
#ifndef SSFER_BASE_THREADS_H
#define SSFER_BASE_THREADS_H

#include <stddef.h>

/* Processors that this process may run on (affinity mask and cgroup quota respected), at least 1. */
size_t ssfer_thread_default(void);

/* Calls task(user, i) for every i below count, in any order, on up to `threads` threads, this one among them; returns
 * when all calls have. Fewer threads than asked for, if the system gives no more, do the same work. The others block
 * all signals: those are for the program's own threads. */
void ssfer_threads_run(size_t threads, size_t count, void (*task)(void *user, size_t i), void *user);

#endif
