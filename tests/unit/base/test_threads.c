/* Quotas of control groups, in folders that look like the system's; work shared among threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/threads.h"

#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[] = "/tmp/ssfer-threads.XXXXXX";

/* Writes root/PATH, and the folders on the way. */
static void put(const char *path, const char *text)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *at = full + sizeof root; *at; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(full, 0700);
            *at = '/';
        }
    FILE *f = fopen(full, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static size_t quota(const char *groups)
{
    char list[512], mounts[512];
    put("groups", groups);
    snprintf(list, sizeof list, "%s/groups", root);
    snprintf(mounts, sizeof mounts, "%s/cgroup", root);
    return ssfer_thread_quota(list, mounts);
}

static void test_quota(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(ssfer_thread_quota("/nowhere/groups", "/nowhere"), 0);
    put("cgroup/job/step/cpu.max", "max 100000\n");
    assert_int_equal(quota("0::/job/step\n"), 0);
    put("cgroup/job/cpu.max", "350000 100000\n"); /* of the group above */
    assert_int_equal(quota("0::/job/step\n"), 4);
    put("cgroup/job/step/cpu.max", "150000 100000\n");
    assert_int_equal(quota("0::/job/step\n"), 2);
    assert_int_equal(quota("0::/\n"), 0);
    put("cgroup/cpu.max", "50000 100000\n"); /* as a container sees its own */
    assert_int_equal(quota("0::/not/mounted/here\n"), 1);
    put("cgroup/cpu.max", "nonsense");
    put("cgroup/cpu/old/cpu.cfs_quota_us", "300000\n");
    put("cgroup/cpu/old/cpu.cfs_period_us", "100000\n");
    assert_int_equal(quota("9:memory:/old\n4:cpu,cpuacct:/old\n"), 3);
    assert_int_equal(quota("9:memory:/old\n3:cpuset:/old\n"), 0);
    put("cgroup/cpu/old/cpu.cfs_quota_us", "-1\n");
    assert_int_equal(quota("4:cpu,cpuacct:/old\n"), 0);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status, (void)kind, (void)where;
    return remove(path);
}

static int clean_up(void **state)
{
    (void)state;
    return nftw(root, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

enum { MOST = 1000 };

typedef struct tally {
    atomic_int done[MOST];
    pthread_t caller;
    atomic_int open_signals; /* other threads that would take a signal */
} tally;

static void count(void *user, size_t i)
{
    tally *t = user;
    sigset_t blocked;
    atomic_fetch_add(&t->done[i], 1);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!pthread_equal(pthread_self(), t->caller) && !sigismember(&blocked, SIGTERM))
        atomic_fetch_add(&t->open_signals, 1);
}

static void test_every_piece_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, MOST}, threads[] = {0, 1, 2, 5, 100};
    for (size_t c = 0; c < 5; c++)
        for (size_t n = 0; n < 5; n++) {
            static tally t;
            t.caller = pthread_self();
            for (size_t i = 0; i < MOST; i++)
                t.done[i] = 0;
            ssfer_threads_run(threads[n], counts[c], count, &t);
            for (size_t i = 0; i < MOST; i++)
                assert_int_equal(t.done[i], i < counts[c]);
            assert_int_equal(t.open_signals, 0);
        }
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM)); /* the caller's mask is as it was */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_quota, clean_up),
                                       cmocka_unit_test(test_every_piece_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
