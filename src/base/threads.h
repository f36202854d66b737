/* How many threads to use. Compute uses OpenMP, the loader POSIX threads; both ask here. */
#ifndef SSFER_BASE_THREADS_H
#define SSFER_BASE_THREADS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>

/* Processors that this process may run on (affinity mask and quotas of its control groups respected), at least 1. */
size_t ssfer_thread_default(void);

/* Processors, rounded up, that the control groups listed in the file `groups` (of the form of /proc/self/cgroup) and
 * those above them lend, which lie below `mounts` (/sys/fs/cgroup); 0: no quota. Both versions of control groups are
 * known. */
size_t ssfer_thread_quota(const char *groups, const char *mounts);

/* Whether the system lets this process have `threads` threads at once, this one among them: address space, limits of
 * users and control groups. It starts them and lets them end. For OpenMP, which ends the process where it cannot start
 * one. SSFER_ERR_LIMIT: it does not. */
ssfer_status ssfer_threads_check(size_t threads, ssfer_error *err);

/* Calls task(user, i) for every i below count, in any order, on up to `threads` threads, this one among them; returns
 * when all calls have. Fewer threads than asked for, if the system gives no more, do the same work. The others block
 * all signals: those are for the program's own threads. */
void ssfer_threads_run(size_t threads, size_t count, void (*task)(void *user, size_t i), void *user);

#endif
