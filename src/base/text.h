/* Text that comes from files (names of pictures, classes and tensors, metadata) on its way to a terminal or a log. A
 * file may be named anything, also what moves a cursor or recolours a terminal. So whatever shows such text to people
 * goes through here: a control character (C0, DEL, C1), a line or paragraph separator, an override of the writing
 * direction and a byte that is no UTF-8 become one '?' each. JSON and CSV are for programs and hold the text itself. */
#ifndef SSFER_BASE_TEXT_H
#define SSFER_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Bytes of the UTF-8 character at `text`, 1 to 4; 0 if there is none: a stray or missing continuation byte, an overlong
 * form, a surrogate, beyond U+10FFFF. 1 at the terminating zero. */
size_t ssfer_utf8_length(const char *text);
bool ssfer_utf8_is_valid(const char *text);
/* Behind the byte order mark, which some editors put in front of a text; `text` where there is none. */
char *ssfer_utf8_skip_mark(char *text);

/* False: '?' stands for the character at `text`. bytes =: those that it takes there, at least 1. */
bool ssfer_text_is_shown(const char *text, size_t *bytes);

/* Replaces, in place, what must not reach a terminal. The result is valid UTF-8, one line, and not longer. */
void ssfer_text_clean(char *text);

/* A cleaned copy: as many whole characters as fit into size_bytes (at least 1) with the zero behind them. */
void ssfer_text_copy(char *out, size_t size_bytes, const char *text);

/* Columns that the cleaned text takes on a terminal: 2 for East Asian wide characters and emoji, 0 for combining marks
 * (after the ranges of Markus Kuhn's wcwidth, without a locale). */
size_t ssfer_text_columns(const char *text);

/* Columns of the terminal that the stream writes to; 0 if it is none or does not tell. */
size_t ssfer_terminal_columns(FILE *stream);

typedef enum ssfer_text_fit {
    SSFER_TEXT_LEFT,     /* blanks after it; longer text is not cut */
    SSFER_TEXT_RIGHT,    /* blanks before it; longer text is not cut */
    SSFER_TEXT_CUT_TAIL, /* as left, but longer text ends in "..." */
    SSFER_TEXT_CUT_HEAD  /* as left, but longer text begins with "...", since the ends of paths tell them apart */
} ssfer_text_fit;

/* Prints the cleaned text in `columns` columns. */
void ssfer_text_print(FILE *stream, const char *text, size_t columns, ssfer_text_fit fit);

#endif
