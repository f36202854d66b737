/* One command line run as a process of its own, with limits, and what is wrong with how it ended. */
#ifndef SSFER_TESTS_CHILD_H
#define SSFER_TESTS_CHILD_H

#include <stdbool.h>
#include <stddef.h>

typedef struct child_limits {
    int seconds;      /* then SIGTERM, and SIGTERM once more; a minute later SIGKILL */
    bool may_be_long; /* SIGTERM is no fault: the line asks for much work */
} child_limits;

typedef struct child_result {
    int code;          /* the exit code, or 128 + the signal */
    bool ran_out;      /* of time: it was asked to stop */
    char fault[256];   /* what is wrong, empty if nothing is */
    char message[600]; /* its line of error, or the first line that explains the fault */
} child_result;

/* Runs `program` with `argv` in `folder`, a folder for this line alone; the output goes beside it, into out.txt and
 * err.txt of the parent folder. argv ends with NULL. */
void child_run(child_result *r, const char *program, char *const *argv, const char *folder, child_limits limits);

/* Whether some file below `folder` has a name with `part` in it. */
bool child_folder_has(const char *folder, const char *part);

#endif
