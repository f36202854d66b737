#include "base/status.h"
#undef ssfer_fail /* what the header tells static analysers */
#undef ssfer_fail_prefix
#undef ssfer_fail_errno
#undef ssfer_fail_null

#include "base/number.h"
#include "base/text.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

ssfer_status ssfer_fail(ssfer_error *err, ssfer_status status, const char *format, ...)
{
    if (err) {
        char text[SSFER_ERROR_MESSAGE_SIZE]; /* apart, since an argument may be err->message itself */
        va_list args;
        va_start(args, format);
        ssfer_vsnprintf(text, sizeof text, format, args);
        va_end(args);
        ssfer_text_clean(text);
        memcpy(err->message, text, sizeof text);
        err->status = status;
    }
    return status;
}

ssfer_status ssfer_fail_prefix(ssfer_error *err, ssfer_status status, const char *format, ...)
{
    if (err) {
        char text[SSFER_ERROR_MESSAGE_SIZE], whole[2 * SSFER_ERROR_MESSAGE_SIZE + 2];
        va_list args;
        va_start(args, format);
        ssfer_vsnprintf(text, sizeof text, format, args);
        va_end(args);
        snprintf(whole, sizeof whole, "%s: %s", text, err->message);
        whole[SSFER_ERROR_MESSAGE_SIZE - 1] = 0;
        ssfer_text_clean(whole);
        memcpy(err->message, whole, SSFER_ERROR_MESSAGE_SIZE);
        err->status = status;
    }
    return status;
}

ssfer_status ssfer_fail_null(ssfer_error *err, const char *function, const char *name)
{
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: %s is NULL", function, name);
}

static const char *advice_for(int cause)
{
    switch (cause) {
    case ENOENT:
    case ENOTDIR:
        return "; check the path";
    case EACCES:
    case EPERM:
        return "; check its permissions";
    case ENOSPC:
    case EDQUOT:
        return "; free some space or choose another place";
    case EFBIG:
        return "; raise the limit with 'ulimit -f' or choose another place";
    case EROFS:
        return "; choose another place";
    case EISDIR:
        return "; name a file in it";
    case EMFILE:
    case ENFILE:
        return "; raise the limit with 'ulimit -n'";
    case ENAMETOOLONG:
        return "; choose a shorter name";
    default:
        return "";
    }
}

void ssfer_path_shown(char out[SSFER_PATH_SHOWN], const char *path)
{
    enum { DOTS = 3 };
    const size_t length = strlen(path), most = SSFER_PATH_SHOWN - DOTS - 1;
    const char *tail = length > most ? path + length - most : path;
    while (tail != path && ((unsigned char)*tail & 0xc0) == 0x80) /* not from the middle of a character */
        tail++;
    const size_t dots = tail != path ? DOTS : 0;
    memcpy(out, "...", dots);
    ssfer_text_copy(out + dots, SSFER_PATH_SHOWN - dots, tail);
}

ssfer_status ssfer_fail_errno(ssfer_error *err, const char *path, const char *doing, int cause)
{
    char shown[SSFER_PATH_SHOWN];
    ssfer_path_shown(shown, path);
    const locale_t before = ssfer_c_locale_enter(); /* one message, one language */
    const ssfer_status st = ssfer_fail(err, SSFER_ERR_IO, "%s: %s%s%s%s", shown, doing ? doing : "", doing ? ": " : "",
                                       cause ? strerror(cause) : "the system refused", advice_for(cause));
    ssfer_c_locale_leave(before);
    return st;
}

const char *ssfer_status_name(ssfer_status status)
{
    switch (status) {
    case SSFER_OK:
        return "ok";
    case SSFER_ERR_ARGUMENT:
        return "argument";
    case SSFER_ERR_IO:
        return "io";
    case SSFER_ERR_FORMAT:
        return "format";
    case SSFER_ERR_SHAPE:
        return "shape";
    case SSFER_ERR_LIMIT:
        return "limit";
    case SSFER_ERR_MEMORY:
        return "memory";
    case SSFER_ERR_UNSUPPORTED:
        return "unsupported";
    case SSFER_ERR_NUMERIC:
        return "numeric";
    case SSFER_ERR_CANCELLED:
        return "cancelled";
    }
    return "unknown";
}
