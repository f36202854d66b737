/* CSV text (RFC 4180): a value as it is written, and a reader, field by field: quoted fields with "" for a quote,
 * commas and line ends inside quotes, LF or CRLF, a byte-order mark at the start. It works in place: fields are cut out
 * of the caller's buffer. */
#ifndef SSFER_DATA_CSV_H
#define SSFER_DATA_CSV_H

#include "base/status.h"

#include <stddef.h>
#include <stdio.h>

enum { SSFER_CSV_MAX_FIELDS = 64 };

typedef struct ssfer_csv {
    char *at, *end;   /* what is still to be read; *end is a zero byte */
    const char *name; /* the file, for messages */
    size_t line;      /* of the record that was read last, 1-based */
    size_t next_line;
    size_t count; /* fields of that record */
    char *fields[SSFER_CSV_MAX_FIELDS];
} ssfer_csv;

/* text: size_bytes bytes and a zero byte after them, changed by reading; both borrowed.
 * Errors: SSFER_ERR_FORMAT if there is a zero byte inside. */
ssfer_status ssfer_csv_init(ssfer_csv *csv, char *text, size_t size_bytes, const char *name, ssfer_error *err);

/* Reads the next record that is not an empty line. count is 0 at the end. Fields are valid as long as the text.
 * Errors name file and line: SSFER_ERR_FORMAT (quotes), SSFER_ERR_LIMIT (too many fields). */
ssfer_status ssfer_csv_next(ssfer_csv *csv, ssfer_error *err);

/* Writes prefix and text as one value, in quotes where it holds a comma, a quote or a line break. The reader gets the
 * same bytes back, whatever they are. */
void ssfer_csv_put(FILE *stream, const char *prefix, const char *text);

#endif
