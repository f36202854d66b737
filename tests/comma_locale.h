/* A locale whose decimal point is a comma, as a program that embeds the library may be in. The build makes it
 * (tests/CMakeLists.txt), where localedef and its sources are installed. */
#ifndef SSFER_TESTS_COMMA_LOCALE_H
#define SSFER_TESTS_COMMA_LOCALE_H

#include <locale.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* False: there is no such locale here, and the process is in the one it was in. */
static inline bool comma_locale_enter(void)
{
    setenv("LOCPATH", SSFER_LOCALE_DIR, 1);
    return setlocale(LC_ALL, "de_DE.UTF-8") && strcmp(localeconv()->decimal_point, ",") == 0;
}

#endif
