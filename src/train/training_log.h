/* RUN/training.log: what a stage says from its first word to its last, a line each, with the time and the level. A
 * stage talks before its folder is known to be usable; those lines are kept and written once the file is open, in front
 * of the others. A resumed run appends. */
#ifndef SSFER_TRAIN_TRAINING_LOG_H
#define SSFER_TRAIN_TRAINING_LOG_H

#include "base/log.h"
#include "base/status.h"
#include "train/append.h"

#include <pthread.h>

typedef struct ssfer_training_log {
    ssfer_log
        log; /* what the stage talks to, from any thread: goes to the file (level INFO and above) and to `outer` */
    const ssfer_log *outer;
    ssfer_append file; /* also carries the lock of the folder */
    char *early;       /* lines that wait for the file, and their size */
    size_t early_bytes, early_capacity;
    pthread_mutex_t mutex;
} ssfer_training_log;

/* outer: borrowed until close; NULL: none. The struct must stay where it is. */
void ssfer_training_log_init(ssfer_training_log *log, const ssfer_log *outer);

/* Opens or creates the file, takes its lock, and writes what waits. The lock is the folder's: whoever holds it is the
 * one process that may write there. The kernel releases it with the process, however that ends.
 * Errors: SSFER_ERR_IO; SSFER_ERR_ARGUMENT: another process holds it. `folder` is for that message. */
ssfer_status ssfer_training_log_open(ssfer_training_log *log, const char *path, const char *folder, ssfer_error *err);

/* A line for the file alone: what people are shown otherwise. */
void ssfer_training_log_note(ssfer_training_log *log, ssfer_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The last line, where the run did not end well: why. Then the file is closed. After whatever may still log. */
void ssfer_training_log_close(ssfer_training_log *log, ssfer_status status, const ssfer_error *why);

#endif
