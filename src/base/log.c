#include "base/log.h"
#include "base/number.h"

#include "base/text.h"

#include <stdarg.h>
#include <stdio.h>

void ssfer_log_write(const ssfer_log *log, ssfer_log_level level, const char *format, ...)
{
    if (!log || !log->write || level > log->most)
        return;
    char line[1024];
    va_list args;
    va_start(args, format);
    ssfer_vsnprintf(line, sizeof line, format, args);
    va_end(args);
    ssfer_text_clean(line);
    log->write(log->user, level, line);
}
