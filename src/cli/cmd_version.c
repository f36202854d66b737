#include "base/cpu_level.h"
#include "cli/commands.h"

typedef struct version_args {
    bool brief;
} version_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_FLAG(version_args, brief), .name = "brief", .help = "the number alone"}, {0}};

static void print_all(FILE *out)
{
    const ssfer_cpu_level level = ssfer_cpu_level_in_use(), best = ssfer_cpu_level_best();
    fprintf(out, "ssfer %s\n%s\n", ssfer_version(), ssfer_build_info());
    fprintf(out, "CPU level: %s", ssfer_cpu_level_name(level));
    if (level != best)
        fprintf(out, " (this machine has %s)", ssfer_cpu_level_name(best));
    fprintf(out, "\n");
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const version_args *args = data;
    (void)err;
    if (args->brief)
        fprintf(cli->out, "%s\n", ssfer_version());
    else
        print_all(cli->out);
    return SSFER_OK;
}

const ssfer_command SSFER_COMMAND_VERSION = {
    .name = "version",
    .group = SSFER_COMMAND_GROUP_ABOUT,
    .summary = "print the version and what it was built with",
    .description = "Prints the version, a line that names the libraries and devices this program was built with, and "
                   "the vector instructions that it computes with here (see --cpu). "
                   "'ssfer --version' is the same.",
    .groups = {{"Options", OPTIONS, 0}},
    .examples = {{"ssfer version --brief", "For scripts."}},
    .args_size = sizeof(version_args),
    .run = run,
};
