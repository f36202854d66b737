/* What the targets share: limits that follow from the input's size, and files for readers that take a path. */
#ifndef SSFER_TESTS_FUZZ_CASE_H
#define SSFER_TESTS_FUZZ_CASE_H

#include "base/file.h"
#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- limits ------------------------------------------------------------------------------------------------------
 *
 * Between begin and end an input of n bytes may take MOST_BYTES_BASE + MOST_BYTES_EACH * n bytes in one allocation
 * (with a sanitizer, which sees them), and MOST_S_BASE + MOST_S_EACH * n seconds of processor time. Both are far above
 * what the readers need under the sanitizers: what they catch is a size taken from the file, and time in its square. */
#define MOST_BYTES_BASE ((size_t)1 << 20)
#define MOST_BYTES_EACH ((size_t)256)
#define MOST_S_BASE 2.0
#define MOST_S_EACH 20e-6

static size_t fuzz_most_bytes; /* 0: not between begin and end */
static double fuzz_started_s, fuzz_most_s;

#ifdef SSFER_FUZZ_LIMITS
int __sanitizer_install_malloc_and_free_hooks(void (*allocated)(const volatile void *, size_t),
                                              void (*freed)(const volatile void *));

static void fuzz_allocated(const volatile void *pointer, size_t size)
{
    (void)pointer;
    if (fuzz_most_bytes && size > fuzz_most_bytes) {
        fprintf(stderr, "an allocation of %zu bytes, at most %zu follow from the input's size\n", size,
                fuzz_most_bytes);
        abort();
    }
}

static void fuzz_freed(const volatile void *pointer)
{
    (void)pointer;
}
#endif

static inline double fuzz_cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline void fuzz_begin(size_t size)
{
#ifdef SSFER_FUZZ_LIMITS
    static bool installed;
    if (!installed)
        __sanitizer_install_malloc_and_free_hooks(fuzz_allocated, fuzz_freed);
    installed = true;
#endif
    fuzz_most_bytes = MOST_BYTES_BASE + MOST_BYTES_EACH * size;
    fuzz_most_s = MOST_S_BASE + MOST_S_EACH * (double)size;
    fuzz_started_s = fuzz_cpu_s();
}

static inline void fuzz_end(void)
{
    fuzz_most_bytes = 0;
    if (fuzz_cpu_s() - fuzz_started_s > fuzz_most_s) {
        fprintf(stderr, "more than the %.2f s that follow from the input's size\n", fuzz_most_s);
        abort();
    }
}

/* ---- what every reader promises -----------------------------------------------------------------------------------
 */

/* An error has a message of one line. */
static inline void fuzz_check_error(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK && (!err->message[0] || strchr(err->message, '\n')))
        abort();
}

/* What has just been written or made must be good. */
static inline void fuzz_must(ssfer_status st, const ssfer_error *err)
{
    if (st != SSFER_OK) {
        fprintf(stderr, "%s\n", err->message);
        abort();
    }
}

static inline void fuzz_require(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

/* ---- files --------------------------------------------------------------------------------------------------------
 */

static char fuzz_folder[64];

static inline void fuzz_remove_folder(void)
{
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", fuzz_folder);
    (void)!system(command);
}

/* FOLDER/name, in a folder of the process's own, in memory where that is possible. The names that a target uses are
 * few: their paths stay valid. */
static inline const char *fuzz_path(const char *name)
{
    static struct {
        char name[64], path[160];
    } known[16];
    if (!*fuzz_folder) {
        snprintf(fuzz_folder, sizeof fuzz_folder, "%s",
                 access("/dev/shm", W_OK) == 0 ? "/dev/shm/ssfer-fuzz.XXXXXX" : "/tmp/ssfer-fuzz.XXXXXX");
        fuzz_require(mkdtemp(fuzz_folder) != NULL, "no folder for files");
        atexit(fuzz_remove_folder);
    }
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (!*known[i].name) {
            snprintf(known[i].name, sizeof known[i].name, "%s", name);
            snprintf(known[i].path, sizeof known[i].path, "%s/%s", fuzz_folder, name);
        }
        if (strcmp(known[i].name, name) == 0)
            return known[i].path;
    }
    abort();
}

static inline const char *fuzz_file(const char *name, const void *data, size_t size)
{
    const char *path = fuzz_path(name);
    FILE *f = fopen(path, "wb");
    fuzz_require(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, "cannot write a file");
    return path;
}

#endif
