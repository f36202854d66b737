#include "cli/commands.h"

typedef struct version_args {
    bool brief;
} version_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_FLAG(version_args, brief), .name = "brief", .help = "the number alone"}, {0}};

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const version_args *args = data;
    (void)err;
    if (args->brief)
        fprintf(cli->out, "%s\n", ssfer_version());
    else
        fprintf(cli->out, "ssfer %s\n%s\n", ssfer_version(), ssfer_build_info());
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_VERSION = {
    .name = "version",
    .group = SSFER_COMMAND_GROUP_ABOUT,
    .summary = "print the version and what it was built with",
    .description = "Prints the version, and a line that names the libraries and devices this program was built with. "
                   "'ssfer --version' is the same.",
    .groups = {{"Options", OPTIONS, 0}},
    .examples = {{"ssfer version --brief", "For scripts."}},
    .args_size = sizeof(version_args),
    .run = run,
};
