#include "cli/commands.h"
#include "io/inspect.h"

typedef struct inspect_args {
    const char *file, *key;
    int format;
    bool summary;
} inspect_args;

static const char *const FORMAT_CHOICES[] = {"text", "json", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_CHOICE(inspect_args, format), .name = "format", .choices = FORMAT_CHOICES, .initial = "text",
     .help = "how to print it"},
    {SSFER_OPTION_FLAG(inspect_args, summary), .name = "summary", .help = "without the list of tensors"},
    {SSFER_OPTION_STRING(inspect_args, key), .name = "key", .value = "NAME", .initial_help = "found by itself",
     .help = "the entry of a PyTorch file that holds the weights, such as model or ema"},
    {0}};

static const ssfer_option OPERANDS[] = {{SSFER_OPTION_STRING(inspect_args, file), .name = "FILE", .required = true,
                                         .help = "model or checkpoint: safetensors or PyTorch"},
                                        {0}};

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const inspect_args *args = data;
    const ssfer_inspect_options options = {
        .which = args->key, .json = args->format == 1, .summary_only = args->summary};
    return ssfer_inspect(args->file, &options, cli->out, err);
}

const ssfer_command SSFER_COMMAND_INSPECT = {
    .name = "inspect",
    .group = SSFER_COMMAND_GROUP_FILES,
    .summary = "show what a model file holds",
    .description = "Prints what kind of model a file seems to be, its metadata, what else is stored in it, and name, "
                   "type and shape of every tensor. The format is recognised by content; nothing in a PyTorch file is "
                   "executed.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer inspect --summary SSFER_RAFDB_0.25_model.pth", "A published checkpoint, in a few lines."},
                 {"ssfer inspect --format json model.safetensors", "For programs."}},
    .args_size = sizeof(inspect_args),
    .run = run,
};
