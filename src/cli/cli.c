#include "cli/commands.h"

#include "base/number.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

ssfer_style ssfer_style_for(FILE *stream)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM"); /* https://no-color.org */
    bool plain = (no_color && no_color[0]) || (term && strcmp(term, "dumb") == 0) || !isatty(fileno(stream));
    if (plain)
        return (ssfer_style){"", "", "", "", "", ""};
    return (ssfer_style){"\033[1m", "\033[2m", "\033[31m", "\033[32m", "\033[33m", "\033[0m"};
}

ssfer_status ssfer_cli_usage(ssfer_cli *cli, ssfer_error *err, const char *format, ...)
{
    char text[SSFER_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    ssfer_vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    cli->usage_error = true;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s; see 'ssfer %s --help'", text, cli->command->name);
}

ssfer_status ssfer_cli_flush(ssfer_cli *cli, ssfer_error *err)
{
    errno = 0;
    if (fflush(cli->out) == 0 && !ferror(cli->out))
        return SSFER_OK;
    cli->output_lost = true;
    cli->output_error = errno;
    return ssfer_fail_errno(err, "standard output", "cannot write", cli->output_error);
}

bool ssfer_cli_given(const ssfer_cli *cli, const char *name)
{
    size_t index = 0;
    return ssfer_command_find(cli->command, name, &index) && cli->parsed.given[index];
}

void ssfer_cli_mention_left_out(const ssfer_cli *cli, const ssfer_dataset *set)
{
    const char *names;
    const size_t count = ssfer_dataset_left_out(set, &names);
    if (count == 1)
        ssfer_warn(&cli->log, "1 file is no picture by its name (png, jpg, jpeg, webp) and is left out: %s", names);
    else if (count)
        ssfer_warn(&cli->log, "%zu files are no pictures by their names (png, jpg, jpeg, webp) and are left out: %s",
                   count, names);
}

ssfer_status ssfer_command_unknown(ssfer_cli *cli, ssfer_error *err, const char *name)
{
    const char *names[64];
    size_t count = 0;
    while (count < sizeof names / sizeof names[0] && SSFER_COMMANDS[count]) {
        names[count] = SSFER_COMMANDS[count]->name;
        count++;
    }
    const char *meant = ssfer_suggest(name, names, count);
    cli->usage_error = true;
    if (meant)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "unknown command '%s'; did you mean %s?", name, meant);
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "unknown command '%s'; see 'ssfer --help'", name);
}
