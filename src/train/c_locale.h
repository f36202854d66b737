/* Numbers in files have a decimal point, even when the program that embeds us runs in a locale with a comma. Enter and
 * leave around printf; per thread, so nobody else notices. */
#ifndef SSFER_TRAIN_C_LOCALE_H
#define SSFER_TRAIN_C_LOCALE_H

#include <locale.h>

static inline locale_t ssfer_c_locale_enter(void)
{
    return uselocale(newlocale(LC_ALL_MASK, "C", (locale_t)0)); /* glibc's own static object: nothing to free */
}

static inline void ssfer_c_locale_leave(locale_t before)
{
    uselocale(before);
}

#endif
