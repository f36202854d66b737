/* Numbers in what ssfer has written, for tests: all of them run in a locale with a decimal comma, too (test.sh). */
#ifndef SSFER_TESTS_POINT_NUMBER_H
#define SSFER_TESTS_POINT_NUMBER_H

#include "base/number.h"

#include <stdlib.h>

/* strtod: the number at the start of a text that may go on. */
static inline double point_number(const char *text)
{
    const locale_t before = ssfer_c_locale_enter();
    const double value = strtod(text, NULL);
    ssfer_c_locale_leave(before);
    return value;
}

#endif
