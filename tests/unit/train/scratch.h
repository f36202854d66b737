/* A folder that a test may fill, and what it needs to look into it. */
#ifndef SSFER_TESTS_SCRATCH_H
#define SSFER_TESTS_SCRATCH_H

#include "base/file.h"
#include "base/memory.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char scratch[] = "/tmp/ssfer_test_XXXXXX";

static inline int scratch_setup(void **state)
{
    (void)state;
    memcpy(scratch + sizeof scratch - 7, "XXXXXX", 6);
    return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove(const char *path, const struct stat *info, int kind, struct FTW *where)
{
    (void)info, (void)kind, (void)where;
    return remove(path);
}

static inline int scratch_teardown(void **state)
{
    (void)state;
    return nftw(scratch, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

/* SCRATCH/name; valid until the fourth call from here. */
static inline const char *scratch_path(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", scratch, name);
    return path;
}

/* A file's text; freed with ssfer_free. NULL if it cannot be read. */
static inline char *scratch_read(const char *path)
{
    unsigned char *text = NULL;
    size_t size = 0;
    return ssfer_file_read(&text, &size, path, 1 << 24, NULL) == SSFER_OK ? (char *)text : NULL;
}

static inline void scratch_drop_values(char *text, const char *key)
{
    for (char *at = text; (at = strstr(at, key));) {
        at += strlen(key);
        const size_t length = strcspn(at, ",}");
        memmove(at, at + length, strlen(at + length) + 1);
    }
}

/* Takes the figures that depend on the clock out of records of metrics.jsonl. */
static inline void scratch_drop_clocked(char *text)
{
    scratch_drop_values(text, "\"images_per_second\":");
    scratch_drop_values(text, "\"wait_share\":");
}

#endif
