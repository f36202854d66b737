#include "cli/commands.h"
#include "io/convert.h"
#include "ssfer/detect.h"

#include <string.h>

typedef struct convert_args {
    const char *in, *out, *key;
    bool fp32;
} convert_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_FLAG(convert_args, fp32), .name = "fp32", .help = "floating-point tensors become float32"},
    {SSFER_OPTION_STRING(convert_args, key), .name = "key", .value = "NAME", .initial_help = "found by itself",
     .help = "the entry of a PyTorch file that holds the weights, such as model or ema"},
    {0}};

static const ssfer_option OPERANDS[] = {
    {SSFER_OPTION_STRING(convert_args, in), .name = "IN", .required = true,
     .help = "model or checkpoint: safetensors or PyTorch, recognised by content"},
    {SSFER_OPTION_STRING(convert_args, out), .name = "OUT", .required = true,
     .help = "file to write, ending in .safetensors, .pth or .pt; replaced if it exists"},
    {0}};

/* A detector becomes a file that describes its network, which the general conversion does in part only. */
static bool is_detector(const convert_args *args)
{
    size_t n = strlen(args->out);
    return !args->key && !args->fp32 && n > 12 && strcmp(args->out + n - 12, ".safetensors") == 0 &&
           ssfer_detector_recognise(args->in);
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const convert_args *args = data;
    const ssfer_convert_options options = {.which = args->key, .to_f32 = args->fp32};
    ssfer_status st = is_detector(args) ? ssfer_detector_convert(args->in, args->out, NULL, err)
                                        : ssfer_convert(args->in, args->out, &options, err);
    if (st == SSFER_OK)
        ssfer_info(&cli->log, "wrote %s", args->out);
    return st;
}

const ssfer_command SSFER_COMMAND_CONVERT = {
    .name = "convert",
    .group = SSFER_COMMAND_GROUP_FILES,
    .summary = "convert a model file from or to PyTorch's format",
    .description = "Reads the weights of a model file and writes them in the format that the name of OUT says. What a "
                   "PyTorch checkpoint holds beside the weights, such as the optimizer's state, is left out; metadata "
                   "stay. OUT is written whole or not at all.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer convert SSFER_FERPlus_0.10_model.pth ferplus.safetensors", "A published checkpoint."},
                 {"ssfer convert yolov7s-face.pt yolov7s-face.safetensors", "A face detector."},
                 {"ssfer convert model.safetensors model.pth",
                  "For torch.load('model.pth', weights_only=True) in PyTorch."}},
    .args_size = sizeof(convert_args),
    .run = run,
};
