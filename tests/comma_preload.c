/* Puts ssfer and its tests, unchanged, into a locale whose decimal point is a comma: LD_PRELOAD=libcomma_preload.so.
 * Other programs that are started on the way (a shell, ctest) stay as they are. */
#include "comma_locale.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static bool is_ours(const char *name)
{
    static const char *const starts[] = {"ssfer", "test_", "parity_", "fuzz_"};
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++)
        if (strncmp(name, starts[i], strlen(starts[i])) == 0)
            return true;
    return false;
}

__attribute__((constructor)) static void enter(void)
{
    if (is_ours(program_invocation_short_name) && !comma_locale_enter()) {
        fprintf(stderr, "comma_preload: no locale with a decimal comma in " SSFER_LOCALE_DIR "\n");
        _exit(99);
    }
}
