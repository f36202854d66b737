/* Where warnings go. The library never prints: whoever embeds it gives a function, the program gives one that writes
 * to stderr. A log is a value, passed to what may warn; {0} is silent. */
#ifndef SSFER_BASE_LOG_H
#define SSFER_BASE_LOG_H

typedef enum ssfer_log_level { SSFER_LOG_ERROR, SSFER_LOG_WARNING, SSFER_LOG_INFO, SSFER_LOG_DEBUG } ssfer_log_level;

typedef struct ssfer_log {
    void (*write)(void *user, ssfer_log_level level,
                  const char *line); /* line: clean (base/text.h), no newline; from any thread */
    void *user;
    ssfer_log_level most; /* messages above this level are not formatted at all */
} ssfer_log;

void ssfer_log_write(const ssfer_log *log, ssfer_log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define ssfer_warn(log, ...) ssfer_log_write((log), SSFER_LOG_WARNING, __VA_ARGS__)
#define ssfer_info(log, ...) ssfer_log_write((log), SSFER_LOG_INFO, __VA_ARGS__)
#define ssfer_debug(log, ...) ssfer_log_write((log), SSFER_LOG_DEBUG, __VA_ARGS__)

#endif
