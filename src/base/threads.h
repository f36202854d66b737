/* How many threads to use. Compute uses OpenMP, the loader POSIX threads; both ask here. */
#ifndef SSFER_BASE_THREADS_H
#define SSFER_BASE_THREADS_H

#include <stddef.h>

/* Processors that this process may run on (affinity mask and cgroup quota respected), at least 1. */
size_t ssfer_thread_default(void);

#endif
