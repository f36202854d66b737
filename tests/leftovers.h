/* What this process holds of the system: file descriptors and threads. A library that others live with leaves none of
 * its own behind, also where it fails. */
#ifndef SSFER_TESTS_LEFTOVERS_H
#define SSFER_TESTS_LEFTOVERS_H

#include <dirent.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LEFTOVERS_FDS = 1024 };

typedef struct leftovers {
    bool open[LEFTOVERS_FDS]; /* by descriptor */
    size_t threads;
} leftovers;

static inline size_t leftovers_threads(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    for (struct dirent *e; folder && (e = readdir(folder));)
        count += e->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count;
}

/* What is held now. OpenMP keeps the threads of its last team for the next one: they are its own, not the library's, so
 * it is made to end them first. */
static inline leftovers leftovers_now(void)
{
    leftovers now = {.threads = 0};
    omp_pause_resource_all(omp_pause_hard);
    DIR *folder = opendir("/proc/self/fd");
    for (struct dirent *e; folder && (e = readdir(folder));) {
        const long fd = strtol(e->d_name, NULL, 10);
        if (e->d_name[0] != '.' && fd != dirfd(folder) && fd < LEFTOVERS_FDS)
            now.open[fd] = true;
    }
    if (folder)
        closedir(folder);
    now.threads = leftovers_threads();
    return now;
}

/* Says, on stderr, what is held beyond `before`; false if that is nothing. Threads that have been joined or that OpenMP
 * has dismissed are listed for a moment longer, so those get some seconds to go. */
static inline bool leftovers_any(const leftovers *before, const char *what)
{
    leftovers now = leftovers_now();
    bool any = false;
    for (int wait = 0; now.threads > before->threads && wait < 500; wait++) {
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
        now.threads = leftovers_threads();
    }
    for (int fd = 0; fd < LEFTOVERS_FDS; fd++)
        if (now.open[fd] && !before->open[fd]) {
            char link[64], path[512];
            snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
            const ssize_t length = readlink(link, path, sizeof path - 1);
            path[length > 0 ? length : 0] = 0;
            fprintf(stderr, "%s: descriptor %d is still open: %s\n", what, fd, path);
            any = true;
        }
    if (now.threads > before->threads) {
        fprintf(stderr, "%s: %zu threads, %zu before\n", what, now.threads, before->threads);
        any = true;
    }
    return any;
}

#endif
