/* Numbers as text, in files, options and output: the same in every locale, whatever setlocale the embedding program
 * has called. All of ssfer reads and writes its numbers here; strtod, printf("%g") and their kin follow the locale's
 * decimal point, which in half of the world is a comma. */
#ifndef SSFER_BASE_NUMBER_H
#define SSFER_BASE_NUMBER_H

#include "base/status.h"

#include <locale.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* ---- reading ----------------------------------------------------------------------------------------------------
 *
 * All `length` bytes of the text have to be one number in plain decimal notation: no blanks, no hexadecimal digits, no
 * nan or inf. SSFER_ERR_FORMAT: it is none. SSFER_ERR_LIMIT: a number, but beyond the range of the type (for double:
 * infinite; what is too small becomes 0). *out is set on success only. The message is the caller's business. */

/* [+-] digits [. digits] [e [+-] digits], rounded to the nearest double; at least one digit before or after the point.
 */
ssfer_status ssfer_parse_double(double *out, const char *text, size_t length);
ssfer_status ssfer_parse_int(int64_t *out, const char *text, size_t length);   /* [+-] digits */
ssfer_status ssfer_parse_uint(uint64_t *out, const char *text, size_t length); /* the same; below 0 is a LIMIT */
ssfer_status ssfer_parse_size(size_t *out, const char *text, size_t length);

/* For lists: the same for the whole number at the start of *at, which is then moved behind its digits. */
ssfer_status ssfer_scan_int(int64_t *out, const char **at);

/* ---- writing ---------------------------------------------------------------------------------------------------- */

enum { SSFER_NUMBER_SIZE = 32 }; /* bytes that hold any number and its terminating zero */

/* The shortest of 15 to 17 digits (float: 6 to 9) that reads back as the same value: "0.1", "1e+22", "-0"; "nan",
 * "inf" and "-inf" for what is no number. */
void ssfer_double_text(char out[SSFER_NUMBER_SIZE], double value);
void ssfer_float_text(char out[SSFER_NUMBER_SIZE], float value);

/* printf and its kin, with a decimal point. */
int ssfer_fprintf(FILE *stream, const char *format, ...) __attribute__((format(printf, 2, 3)));
int ssfer_snprintf(char *out, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int ssfer_vsnprintf(char *out, size_t size, const char *format, va_list args) __attribute__((format(printf, 3, 0)));

/* ---- around other libraries ------------------------------------------------------------------------------------- */

/* Between the two the calling thread, and no other, is in the "C" locale. */
locale_t ssfer_c_locale_enter(void);
void ssfer_c_locale_leave(locale_t before);

#endif
