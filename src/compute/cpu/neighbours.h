/* How the threads of a team wait for each other: spinning, which is fastest while each has a processor of its own, or
 * asleep, while other processes want the processors, too. A thread that spins then holds the processor that the last one
 * of its team needs, and a barrier takes a turn of the scheduler, milliseconds instead of microseconds: beside one busy
 * process on two processors a small model trained at a fiftieth of its speed.
 *
 * libgomp decides how long to spin when it is loaded, but spins for some microseconds only while OpenMP's teams have more
 * threads than there are processors. That is what is made use of: beside neighbours a thread of ours keeps a team that
 * only sleeps. It affects all teams of the process, so what is known here is the process's, not a context's. Where the
 * user has said how to wait (OMP_WAIT_POLICY, GOMP_SPINCOUNT), and with other OpenMP libraries, it changes nothing. */
#ifndef SSFER_COMPUTE_CPU_NEIGHBOURS_H
#define SSFER_COMPUTE_CPU_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>

/* To be called often by a thread that starts regions of `threads` threads. Every tenth of a second it looks how long they
 * had to wait for a processor meanwhile (Linux tells it in /proc/thread-self/schedstat) and changes the way of waiting
 * where that has changed; otherwise it only reads the clock. Inside a region, and with one thread, it does nothing. */
void ssfer_neighbours_look(size_t threads);

/* Whether threads wait asleep now. */
bool ssfer_neighbours_crowded(void);

/* Whoever starts regions enters before its first look and leaves after its last. When the last one leaves, what is known
 * is forgotten, and the team that was kept ends: the library leaves no threads behind. */
void ssfer_neighbours_enter(void);
void ssfer_neighbours_leave(void);

#endif
