#include "compute/cpu/neighbours.h"

#include "base/clock.h"
#include "base/number.h"
#include "base/threads.h"

#include <math.h>
#include <omp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

/* Of the threads' waiting, in processors: 1 is what one thread waits that never runs. Measured with two threads on two
 * processors: 0.04 alone, 0.09 in a training whose pictures are decoded by threads beside them, 1.0 beside a busy
 * process when spinning and 0.54 when asleep. */
static const double CROWDED = 0.4, ALONE = 0.2;
static const double LOOK_EVERY_S = 0.1, NEW_WEIGHT = 0.3; /* of the latest look in the average */
/* Threads that sleep may hardly wait, though the neighbours are still there. So being crowded lasts a while, and twice
 * as long each time that it comes back soon. */
static const double HOLD_S = 1.0, MOST_HOLD_S = 64.0;

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    size_t users; /* entered and not left */
    bool crowded;
    bool stopping;    /* the last keeper has been told to end and has not yet */
    pthread_t keeper; /* runs while crowded */
    size_t team;      /* of the keeper */
    double waiting;   /* average of the looks */
    double hold_s, changed_s;
} shared = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* What one thread knows of the team that it leads. */
static _Thread_local struct {
    double looked_s; /* 0: never */
    double waited_s;
} own;

/* Seconds that the calling thread has been ready to run and did not; 0 where the kernel does not tell. */
static double waited_s(void)
{
    char line[96];
    const char *at = line;
    int64_t ran_ns, waited_ns = 0;
    FILE *f = fopen("/proc/thread-self/schedstat", "re");
    if (!f)
        return 0.0;
    if (fgets(line, sizeof line, f) && ssfer_scan_int(&ran_ns, &at) == SSFER_OK && *at++ == ' ')
        ssfer_scan_int(&waited_ns, &at);
    fclose(f);
    return 1e-9 * (double)waited_ns;
}

/* Its team lasts as long as the thread: libgomp keeps the threads of a region for the next one. */
static void *keep_team(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&shared.mutex);
#pragma omp parallel num_threads((int)shared.team)
    (void)omp_get_thread_num();
    while (shared.crowded)
        pthread_cond_wait(&shared.changed, &shared.mutex);
    pthread_mutex_unlock(&shared.mutex);
    return NULL;
}

static void start_keeper(size_t threads)
{
    const size_t processors = (size_t)omp_get_num_procs();
    sigset_t all, before;
    shared.team = processors >= threads ? processors - threads + 2 : 2; /* more than processors, together */
    if (ssfer_threads_check(shared.team + 1, NULL) != SSFER_OK)
        return; /* libgomp would end the process */
    shared.crowded = true;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    if (pthread_create(&shared.keeper, NULL, keep_team, NULL) != 0)
        shared.crowded = false; /* then everything stays as it is */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Returns with the mutex locked, as it was. */
static void stop_keeper(void)
{
    const pthread_t keeper = shared.keeper;
    shared.crowded = false;
    shared.stopping = true;
    pthread_cond_broadcast(&shared.changed);
    pthread_mutex_unlock(&shared.mutex);
    pthread_join(keeper, NULL);
    pthread_mutex_lock(&shared.mutex);
    shared.stopping = false;
}

static void decide(double waiting, size_t threads, double now_s)
{
    pthread_mutex_lock(&shared.mutex);
    const double since_s = now_s - shared.changed_s;
    shared.waiting += NEW_WEIGHT * (waiting - shared.waiting);
    if (!shared.crowded && !shared.stopping && shared.waiting > CROWDED) {
        shared.hold_s =
            shared.hold_s > 0.0 && since_s < shared.hold_s ? fmin(2.0 * shared.hold_s, MOST_HOLD_S) : HOLD_S;
        shared.changed_s = now_s;
        start_keeper(threads);
    } else if (shared.crowded && shared.waiting < ALONE && since_s > shared.hold_s) {
        shared.changed_s = now_s;
        stop_keeper();
    }
    pthread_mutex_unlock(&shared.mutex);
}

void ssfer_neighbours_look(size_t threads)
{
    if (threads <= 1 || omp_in_parallel())
        return;
    const double now_s = ssfer_clock_s(), since_s = now_s - own.looked_s;
    if (since_s < LOOK_EVERY_S)
        return;
    double sum_s = 0.0;
#pragma omp parallel num_threads((int)threads) reduction(+ : sum_s)
    sum_s += waited_s();
    const double more_s = sum_s - own.waited_s;
    const bool known = own.looked_s > 0.0 && more_s >= 0.0; /* the same team */
    own.looked_s = now_s;
    own.waited_s = sum_s;
    if (known)
        decide(more_s / since_s, threads, now_s);
}

bool ssfer_neighbours_crowded(void)
{
    pthread_mutex_lock(&shared.mutex);
    const bool crowded = shared.crowded;
    pthread_mutex_unlock(&shared.mutex);
    return crowded;
}

void ssfer_neighbours_enter(void)
{
    pthread_mutex_lock(&shared.mutex);
    shared.users++;
    pthread_mutex_unlock(&shared.mutex);
}

void ssfer_neighbours_leave(void)
{
    pthread_mutex_lock(&shared.mutex);
    if (--shared.users == 0) {
        shared.waiting = shared.hold_s = 0.0;
        if (shared.crowded)
            stop_keeper();
    }
    pthread_mutex_unlock(&shared.mutex);
}
