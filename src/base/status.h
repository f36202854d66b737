/* Making errors: the private half of ssfer/status.h. */
#ifndef SSFER_BASE_STATUS_H
#define SSFER_BASE_STATUS_H

#include "ssfer/status.h"

/* Writes the message (printf format) and returns `status`, so that it reads `return ssfer_fail(err, ...)`.
 * err may be NULL. The result is cleaned (base/text.h), so a file name can neither break the one-line rule nor reach a
 * terminal with an escape sequence; a message longer than the buffer is cut. */
ssfer_status ssfer_fail(ssfer_error *err, ssfer_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Puts "prefix: " in front of an existing message (printf format) and returns its status. */
ssfer_status ssfer_fail_prefix(ssfer_error *err, ssfer_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* A refusal of the system: "PATH: DOING: what errno says; what to do". `doing` ("cannot write") may be NULL, a cause
 * of 0 is unknown. The path is shown as by ssfer_path_shown. Returns SSFER_ERR_IO. */
ssfer_status ssfer_fail_errno(ssfer_error *err, const char *path, const char *doing, int cause);

/* A path as messages show it: cleaned, and of a very long one only the end, so that the cause is never what is cut off.
 */
enum { SSFER_PATH_SHOWN = 304 };
void ssfer_path_shown(char out[SSFER_PATH_SHOWN], const char *path);

/* First lines of the functions of include/ssfer: SSFER_REQUIRE(err, pointer, "name") leaves the function with
 * SSFER_ERR_ARGUMENT where the caller gave NULL for what its header calls "name". */
ssfer_status ssfer_fail_null(ssfer_error *err, const char *function, const char *name);
#define SSFER_REQUIRE(err, pointer, name)                                                                              \
    do {                                                                                                               \
        if (!(pointer))                                                                                                \
            return ssfer_fail_null(err, __func__, name);                                                               \
    } while (0)

#ifdef __clang_analyzer__ /* what static analysers cannot see from outside status.c: none of these returns SSFER_OK */
#    define ssfer_fail(err, status, ...) ((void)ssfer_fail(err, status, __VA_ARGS__), (ssfer_status)(status))
#    define ssfer_fail_prefix(err, status, ...)                                                                        \
        ((void)ssfer_fail_prefix(err, status, __VA_ARGS__), (ssfer_status)(status))
#    define ssfer_fail_errno(err, ...) ((void)ssfer_fail_errno(err, __VA_ARGS__), SSFER_ERR_IO)
#    define ssfer_fail_null(err, ...) ((void)ssfer_fail_null(err, __VA_ARGS__), SSFER_ERR_ARGUMENT)
#endif

#endif
