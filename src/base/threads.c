#include "base/threads.h"

#include "base/number.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Containers limit CPU time rather than the mask: cgroup v2's cpu.max holds "QUOTA PERIOD" or "max PERIOD". */
static size_t cgroup_limit(void)
{
    size_t limit = 0;
    FILE *f = fopen("/sys/fs/cgroup/cpu.max", "r");
    if (f) {
        char text[64] = "";
        size_t quota = 0, period = 0, length;
        if (fgets(text, sizeof text, f) && text[length = strcspn(text, " ")] &&
            ssfer_parse_size(&quota, text, length) == SSFER_OK &&
            ssfer_parse_size(&period, text + length + 1, strcspn(text + length + 1, "\n")) == SSFER_OK && period)
            limit = quota / period + (quota % period != 0);
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
