#include "train/training_log.h"

#include "base/memory.h"
#include "base/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>

/* Puts a line into the file, or keeps it for later. A log that cannot be written must not end a training: the metrics
 * will tell. */
static void put(ssfer_training_log *l, ssfer_log_level level, const char *line)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    char when[32] = "";
    struct tm parts;
    time_t now = time(NULL);
    if (localtime_r(&now, &parts))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &parts);
    char *text = ssfer_format("%s %-7s %s\n", when, names[level], line);
    const size_t size = text ? strlen(text) : 0;
    pthread_mutex_lock(&l->mutex);
    if (l->file.fd >= 0) {
        ssfer_append_write(&l->file, text, size, NULL);
    } else if (size && ssfer_reserve((void **)&l->early, &l->early_capacity, l->early_bytes + size, 1) == 0) {
        memcpy(l->early + l->early_bytes, text, size);
        l->early_bytes += size;
    }
    pthread_mutex_unlock(&l->mutex);
    ssfer_free(text);
}

static void write_line(void *user, ssfer_log_level level, const char *line)
{
    ssfer_training_log *l = user;
    if (level <= SSFER_LOG_INFO)
        put(l, level, line);
    if (l->outer)
        ssfer_log_write(l->outer, level, "%s", line);
}

void ssfer_training_log_init(ssfer_training_log *l, const ssfer_log *outer)
{
    const ssfer_log_level most = outer && outer->most > SSFER_LOG_INFO ? outer->most : SSFER_LOG_INFO;
    *l = (ssfer_training_log){.outer = outer, .file.fd = -1, .log = {write_line, l, most}};
    pthread_mutex_init(&l->mutex, NULL);
}

ssfer_status ssfer_training_log_open(ssfer_training_log *l, const char *path, const char *folder, ssfer_error *err)
{
    ssfer_append file;
    ssfer_status st = ssfer_append_open(&file, path, UINT64_MAX, err);
    if (st != SSFER_OK)
        return st;
    if (flock(file.fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        ssfer_append_close(&file);
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: another process is training in this folder; use another --out",
                          folder);
    }
    pthread_mutex_lock(&l->mutex);
    l->file = file;
    if (l->early_bytes)
        ssfer_append_write(&l->file, l->early, l->early_bytes, NULL);
    l->early_bytes = 0;
    pthread_mutex_unlock(&l->mutex);
    return SSFER_OK;
}

void ssfer_training_log_note(ssfer_training_log *l, ssfer_log_level level, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    ssfer_vsnprintf(line, sizeof line, format, args);
    va_end(args);
    put(l, level, line);
}

void ssfer_training_log_close(ssfer_training_log *l, ssfer_status status, const ssfer_error *why)
{
    if (status != SSFER_OK)
        ssfer_training_log_note(l, status == SSFER_ERR_CANCELLED ? SSFER_LOG_INFO : SSFER_LOG_ERROR, "%s",
                                why ? why->message : ssfer_status_name(status));
    ssfer_append_close(&l->file);
    ssfer_free(l->early);
    pthread_mutex_destroy(&l->mutex);
    *l = (ssfer_training_log){.file.fd = -1};
}
