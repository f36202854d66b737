#include "base/threads.h"

#include "base/memory.h"
#include "base/number.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The first line of FOLDER/NAME; false if there is none. */
static bool read_line(char *line, size_t size, const char *folder, const char *name)
{
    char path[1024];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return false;
    FILE *f = fopen(path, "re");
    const bool read = f && fgets(line, (int)size, f);
    if (f)
        fclose(f);
    return read;
}

/* Processors that the quota of one control group lends, HUGE_VAL without one. Version 2: cpu.max holds "QUOTA PERIOD"
 * or "max PERIOD"; version 1: two files, quota -1 for none. All are whole microseconds. */
static double quota_of(const char *folder)
{
    char line[128];
    const char *at = line;
    int64_t quota = 0, period = 0;
    if (read_line(line, sizeof line, folder, "cpu.max")) {
        if (ssfer_scan_int(&quota, &at) == SSFER_OK && *at++ == ' ')
            ssfer_scan_int(&period, &at);
    } else if (read_line(line, sizeof line, folder, "cpu.cfs_quota_us") && ssfer_scan_int(&quota, &at) == SSFER_OK &&
               read_line(line, sizeof line, folder, "cpu.cfs_period_us")) {
        at = line;
        ssfer_scan_int(&period, &at);
    }
    return quota > 0 && period > 0 ? (double)quota / (double)period : HUGE_VAL;
}

/* The least quota of a group and those that it lies in, up to `root`. */
static double quota_up(const char *root, const char *group)
{
    char folder[1024];
    double least = HUGE_VAL;
    if ((size_t)snprintf(folder, sizeof folder, "%s%s", root, strcmp(group, "/") == 0 ? "" : group) >= sizeof folder)
        return least;
    for (const size_t shortest = strlen(root);;) {
        least = fmin(least, quota_of(folder));
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= shortest || !slash)
            return least;
        *slash = 0;
    }
}

/* Inside a container the group's path may be that of the host, of which only the root is mounted: that is asked too. */
static double quota_in(const char *root, const char *group)
{
    return fmin(quota_up(root, group), quota_of(root));
}

size_t ssfer_thread_quota(const char *groups, const char *mounts)
{
    char line[1024], root[512];
    double least = HUGE_VAL;
    FILE *f = fopen(groups, "re");
    while (f && fgets(line, sizeof line, f)) { /* "0::/PATH" for version 2, "4:cpu,cpuacct:/PATH" for version 1 */
        line[strcspn(line, "\n")] = 0;
        char *kinds = strchr(line, ':'), *group = kinds ? strchr(kinds + 1, ':') : NULL;
        if (!group || group[1] != '/')
            continue;
        *group++ = 0;
        bool cpu = kinds[1] == 0;
        for (char *save, *kind = strtok_r(kinds + 1, ",", &save); kind && !cpu; kind = strtok_r(NULL, ",", &save))
            cpu = strcmp(kind, "cpu") == 0;
        if (!cpu)
            continue;
        least = fmin(least, quota_in(mounts, group));
        if ((size_t)snprintf(root, sizeof root, "%s/cpu", mounts) < sizeof root)
            least = fmin(least, quota_in(root, group));
    }
    if (f)
        fclose(f);
    return isfinite(least) ? (size_t)fmax(1.0, ceil(fmin(least, 1e6))) : 0;
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
    const size_t quota = ssfer_thread_quota("/proc/self/cgroup", "/sys/fs/cgroup");
    if (quota && quota < count)
        count = quota;
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

/* Holds threads until all are there. */
typedef struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t opened;
    bool open;
} gate;

static void *wait_at_gate(void *user)
{
    gate *g = user;
    pthread_mutex_lock(&g->mutex);
    while (!g->open)
        pthread_cond_wait(&g->opened, &g->mutex);
    pthread_mutex_unlock(&g->mutex);
    return NULL;
}

ssfer_status ssfer_threads_check(size_t threads, ssfer_error *err)
{
    gate g = {.mutex = PTHREAD_MUTEX_INITIALIZER, .opened = PTHREAD_COND_INITIALIZER};
    const size_t wanted = threads > 1 ? threads - 1 : 0;
    size_t started = 0;
    pthread_t *others = ssfer_calloc(wanted ? wanted : 1, sizeof *others);
    sigset_t all, before;
    if (!others)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "threads: out of memory");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (started < wanted && pthread_create(&others[started], NULL, wait_at_gate, &g) == 0)
        started++;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_lock(&g.mutex);
    g.open = true;
    pthread_cond_broadcast(&g.opened);
    pthread_mutex_unlock(&g.mutex);
    for (size_t i = 0; i < started; i++)
        pthread_join(others[i], NULL);
    ssfer_free(others);
    return started == wanted ? SSFER_OK
                             : ssfer_fail(err, SSFER_ERR_LIMIT, "the system lends %zu threads, not %zu; use fewer",
                                          started + 1, threads);
}
