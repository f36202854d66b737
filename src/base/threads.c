#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

/* Containers limit CPU time rather than the mask: cgroup v2's cpu.max holds "QUOTA PERIOD" or "max PERIOD". */
static size_t cgroup_limit(void)
{
    size_t limit = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        double quota, period;
        if (fscanf(f, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0)
            limit = (size_t)((quota + period - 1) / period);
        fclose(f);
    }
    return limit;
}

size_t ssfer_thread_default(void)
{
    cpu_set_t set;
    size_t count = 1;
    if (sched_getaffinity(0, sizeof set, &set) == 0) {
        count = (size_t)CPU_COUNT(&set);
    } else { /* the set holds 1024 processors; a larger machine refuses it */
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        count = online > 0 ? (size_t)online : 1;
    }
    size_t limit = cgroup_limit();
    if (limit && limit < count)
        count = limit;
    return count ? count : 1;
}

typedef struct job {
    void (*task)(void *user, size_t i);
    void *user;
    size_t count;
    atomic_size_t next;
} job;

static void *work(void *argument)
{
    job *j = argument;
    for (size_t i; (i = atomic_fetch_add(&j->next, 1)) < j->count;)
        j->task(j->user, i);
    return NULL;
}

void ssfer_threads_run(size_t threads, size_t count, void (*task)(void *user, size_t i), void *user)
{
    enum { MOST_HELPERS = 15 };
    pthread_t helpers[MOST_HELPERS];
    size_t wanted = threads < count ? threads : count, started = 0;
    sigset_t all, before;
    job j = {.task = task, .user = user, .count = count};
    wanted = wanted > 1 ? wanted - 1 : 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && started < MOST_HELPERS && pthread_create(&helpers[started], NULL, work, &j) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    work(&j);
    for (size_t i = 0; i < started; i++)
        pthread_join(helpers[i], NULL);
}
