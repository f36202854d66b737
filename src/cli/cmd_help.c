#include "cli/commands.h"
#include "cli/help.h"

typedef struct help_args {
    const char *command;
} help_args;

static const ssfer_option OPERANDS[] = {
    {SSFER_OPTION_STRING(help_args, command), .name = "COMMAND", .help = "the command to explain"}, {0}};

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const help_args *args = data;
    if (!args->command) {
        ssfer_help_overview(cli->out);
        return SSFER_OK;
    }
    const ssfer_command *command = ssfer_command_named(args->command);
    if (!command)
        return ssfer_command_unknown(cli, err, args->command);
    ssfer_help_command(cli->out, command);
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_HELP = {
    .name = "help",
    .group = SSFER_COMMAND_GROUP_ABOUT,
    .summary = "explain a command",
    .description = "Prints the help of a command, as 'ssfer COMMAND --help' does; without one, the list of commands.",
    .operands = OPERANDS,
    .examples = {{"ssfer help split", "The same as 'ssfer split --help'."}},
    .args_size = sizeof(help_args),
    .run = run,
};
