/* at_level LEVEL PROGRAM [ARGUMENT...]: runs a test at a lower instruction-set level than the machine's (SSFER_CPU).
 * Exit code 77, skipped, if the machine lacks the level, or if it is its best, at which the test runs anyway. */
#include "base/cpu_level.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    ssfer_error err = {0};
    if (argc < 3) {
        fprintf(stderr, "usage: at_level LEVEL PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    const ssfer_status st = ssfer_cpu_level_set(argv[1], &err);
    if (st != SSFER_OK) {
        fprintf(stderr, "%s\n", err.message);
        return st == SSFER_ERR_UNSUPPORTED ? 77 : 1;
    }
    if (ssfer_cpu_level_in_use() == ssfer_cpu_level_best()) {
        fprintf(stderr, "%s is the best level of this machine: the test without a level runs at it\n", argv[1]);
        return 77;
    }
    setenv("SSFER_CPU", argv[1], 1);
    if (ssfer_cpu_level_in_use() < SSFER_CPU_LEVEL_AVX2) /* glibc chooses its exp, sin and pow by itself */
        setenv("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F", 1);
    execv(argv[2], argv + 2);
    perror(argv[2]);
    return 1;
}
