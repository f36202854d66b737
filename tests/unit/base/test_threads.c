/* Quotas of control groups, in folders that look like the system's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/threads.h"

#include <ftw.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_quota, clean_up)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
