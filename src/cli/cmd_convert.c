#include "cli/commands.h"
#include "cli/foreign_args.h"
#include "io/convert.h"
#include "models/classifier.h"
#include "ssfer/detect.h"

#include <string.h>

typedef struct convert_args {
    const char *in, *out, *key, *classes, *mean, *std;
    bool fp32;
} convert_args;

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_FLAG(convert_args, fp32), .name = "fp32", .help = "floating-point tensors become float32"},
    {SSFER_OPTION_STRING(convert_args, key), .name = "key", .value = "NAME", .initial_help = "found by itself",
     .help = "the entry of a PyTorch file that holds the weights, such as model or ema"},
    {SSFER_OPTION_STRING(convert_args, classes), .name = "classes", .value = "C",
     .help = "keep these names of the model's outputs in OUT: " SSFER_CLASS_SETS_WITH_OUTPUTS
             " or a file with a name a line"},
    {SSFER_OPTION_STRING(convert_args, mean), .name = "mean", .value = "R,G,B", .check = ssfer_check_mean,
     .help = "keep in OUT what is taken off the colours of a picture, each from 0 to 1"},
    {SSFER_OPTION_STRING(convert_args, std), .name = "std", .value = "R,G,B", .check = ssfer_check_std,
     .help = "keep in OUT what they are divided by then"},
    {0}};

static const ssfer_option OPERANDS[] = {
    {SSFER_OPTION_STRING(convert_args, in), .name = "IN", .required = true,
     .help = "model or checkpoint: safetensors or PyTorch, recognised by content"},
    {SSFER_OPTION_STRING(convert_args, out), .name = "OUT", .required = true,
     .help = "file to write, ending in .safetensors, .pth or .pt; replaced if it exists"},
    {0}};

static bool is_annotated(const convert_args *args)
{
    return args->classes || args->mean || args->std;
}

static ssfer_status annotate(const void *context, ssfer_tensor_set *set, ssfer_error *err)
{
    const convert_args *args = context;
    float mean[3], std[3];
    return ssfer_classifier_annotate(set, args->classes, ssfer_normalization_given(mean, args->mean),
                                     ssfer_normalization_given(std, args->std), err);
}

/* A detector becomes a file that describes its network, which the general conversion does in part only. */
static bool is_detector(const convert_args *args)
{
    size_t n = strlen(args->out);
    return !args->key && !args->fp32 && !is_annotated(args) && n > 12 &&
           strcmp(args->out + n - 12, ".safetensors") == 0 && ssfer_detector_recognise(args->in);
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const convert_args *args = data;
    const ssfer_convert_options options = {
        .which = args->key, .to_f32 = args->fp32, .annotate = is_annotated(args) ? annotate : NULL, .context = args};
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
    .description =
        "Reads the weights of a model file and writes them in the format that the name of OUT says. What a "
        "PyTorch checkpoint holds beside the weights, such as the optimizer's state, is left out; metadata "
        "stay. OUT is written whole or not at all.\n\n"
        "A PyTorch checkpoint names neither its classes nor what its pictures are normalised with: --classes, "
        "--mean and --std keep them in OUT, where 'ssfer predict' and 'ssfer eval' find them.",
    .groups = {{"Options", OPTIONS, 0}},
    .operands = OPERANDS,
    .examples = {{"ssfer convert --classes ferplus SSFER_FERPlus_0.10_model.pth ferplus.safetensors",
                  "A published checkpoint, with the names of its classes."},
                 {"ssfer convert yolov7s-face.pt yolov7s-face.safetensors", "A face detector."},
                 {"ssfer convert model.safetensors model.pth",
                  "For torch.load('model.pth', weights_only=True) in PyTorch."}},
    .args_size = sizeof(convert_args),
    .run = run,
};
