/* Tables that commands share: the common options, and those of every training command. */
#include "base/cpu_level.h"
#include "cli/cli.h"

#include <math.h>
#include <string.h>

static const char *const PRECISION_CHOICES[] = {"auto", "fp32", "bf16", NULL};
const char *const SSFER_ARCH_CHOICES[] = {"tiny", "small", "base", "large", "huge", NULL};

static ssfer_status check_device(const char *value, ssfer_error *err)
{
    if (strcmp(value, "auto") == 0 || strcmp(value, "cpu") == 0 || strcmp(value, "cuda") == 0)
        return SSFER_OK;
    const char *index = strncmp(value, "cuda:", 5) == 0 ? value + 5 : "";
    if (index[0] != '\0' && strlen(index) <= 3 && index[strspn(index, "0123456789")] == '\0')
        return SSFER_OK;
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "there is no '%s'; give auto, cpu, cuda or cuda:N", value);
}

const ssfer_option SSFER_COMMON_OPTIONS[] = {
    {SSFER_OPTION_INT(ssfer_common_args, threads), .name = "threads", .value = "N", .initial_help = "all processors",
     .min = 1, .max = 1024, .on_resume = SSFER_RESUME_FREE, .help = "threads to use"},
    {SSFER_OPTION_STRING(ssfer_common_args, device), .name = "device", .value = "auto|cpu|cuda[:N]", .initial = "auto",
     .check = check_device, .on_resume = SSFER_RESUME_FREE, .help = "where to compute"},
    {SSFER_OPTION_CHOICE(ssfer_common_args, cpu), .name = "cpu", .on_resume = SSFER_RESUME_FREE,
     .choices = SSFER_CPU_LEVEL_CHOICES, .initial = "auto",
     .help =
         "vector instructions to compute with, at most those that this processor has; auto: what SSFER_CPU says, or "
         "the best"},
    {SSFER_OPTION_CHOICE(ssfer_common_args, precision), .name = "precision", .choices = PRECISION_CHOICES,
     .initial = "auto",
     .help = "number format of matrix products: bf16 is twice as fast where the processor can; auto: fp32"},
    {SSFER_OPTION_INT(ssfer_common_args, seed), .name = "seed", .value = "N", .initial = "0", .min = 0,
     .max = 4294967295.0, .help = "where random numbers start; equal seeds give equal results"},
    {SSFER_OPTION_FLAG(ssfer_common_args, quiet), .name = "quiet", .letter = 'q', .conflicts = "verbose",
     .on_resume = SSFER_RESUME_CALL, .help = "errors only: no warnings, no progress bar"},
    {SSFER_OPTION_FLAG(ssfer_common_args, verbose), .name = "verbose", .letter = 'v', .on_resume = SSFER_RESUME_CALL,
     .help = "more details"},
    {SSFER_OPTION_FLAG(ssfer_common_args, help), .name = "help", .letter = 'h', .on_resume = SSFER_RESUME_CALL,
     .help = "show this help"},
    {0}};

ssfer_precision ssfer_common_precision(const ssfer_common_args *common)
{
    return common->precision == SSFER_CHOICE_BF16 ? SSFER_PRECISION_BF16 : SSFER_PRECISION_FP32;
}

ssfer_precision ssfer_cli_precision(const ssfer_cli *cli)
{
    return ssfer_common_precision(&cli->common);
}

ssfer_status ssfer_common_check(const ssfer_common_args *common, ssfer_error *err)
{
    if (strncmp(common->device, "cuda", 4) == 0)
        return ssfer_fail(err, SSFER_ERR_UNSUPPORTED, "--device %s: this program was built without CUDA; give cpu",
                          common->device);
    ssfer_status st = ssfer_cpu_level_set(SSFER_CPU_LEVEL_CHOICES[common->cpu], err);
    if (st == SSFER_OK && common->precision == SSFER_CHOICE_BF16 && !ssfer_compute_has(SSFER_PRECISION_BF16))
        st = ssfer_fail(err, SSFER_ERR_UNSUPPORTED,
                        "--precision bf16: it needs AVX512-BF16, and the level here is '%s'; give fp32",
                        ssfer_cpu_level_name(ssfer_cpu_level_in_use()));
    return st;
}

const ssfer_option SSFER_MODEL_OPTIONS[] = {
    {SSFER_OPTION_CHOICE(ssfer_model_args, arch), .name = "arch", .choices = SSFER_ARCH_CHOICES, .initial = "base",
     .help = "size of the vision transformer; the next five options change single dimensions of it"},
    {SSFER_OPTION_INT(ssfer_model_args, image_size), .name = "image-size", .value = "N",
     .initial_help = "that of --arch", .min = 8, .max = 4096, .help = "side of the square input in pixels"},
    {SSFER_OPTION_INT(ssfer_model_args, patch_size), .name = "patch-size", .value = "N",
     .initial_help = "that of --arch", .min = 1, .max = 256,
     .help = "side of a patch in pixels; the image size must be a multiple of it"},
    {SSFER_OPTION_INT(ssfer_model_args, embed_dim), .name = "embed-dim", .value = "N", .initial_help = "that of --arch",
     .min = 1, .max = 16384, .help = "width of the tokens"},
    {SSFER_OPTION_INT(ssfer_model_args, depth), .name = "depth", .value = "N", .initial_help = "that of --arch",
     .min = 1, .max = 256, .help = "number of transformer blocks"},
    {SSFER_OPTION_INT(ssfer_model_args, heads), .name = "heads", .value = "N", .initial_help = "that of --arch",
     .min = 1, .max = 1024, .help = "attention heads; the width must be a multiple of it"},
    {0}};

ssfer_status ssfer_model_config(ssfer_vit_config *c, const ssfer_model_args *args, ssfer_error *err)
{
    ssfer_vit_config_named(c, SSFER_ARCH_CHOICES[args->arch]);
    if (args->image_size)
        c->image_size = (size_t)args->image_size;
    if (args->patch_size)
        c->patch_size = (size_t)args->patch_size;
    if (args->embed_dim) {
        c->embed_dim = (size_t)args->embed_dim;
        c->hidden = 4 * c->embed_dim;
        c->heads = c->embed_dim >= 64 ? c->embed_dim / 64 : 1; /* 64 channels a head, as in every named size */
    }
    if (args->depth)
        c->depth = (size_t)args->depth;
    if (args->heads)
        c->heads = (size_t)args->heads;
    c->classes = 1; /* the data decide */
    return ssfer_vit_config_check(c, err);
}

const ssfer_option SSFER_TRAINING_OPTIONS[] = {
    {SSFER_OPTION_INT(ssfer_training_args, epochs), .name = "epochs", .value = "N", .initial = "100", .min = 1,
     .max = 1000000, .help = "passes over the data"},
    {SSFER_OPTION_INT(ssfer_training_args, batch_size), .name = "batch-size", .value = "N", .initial = "32", .min = 1,
     .max = 65536, .help = "pictures in a step"},
    {SSFER_OPTION_INT(ssfer_training_args, accumulate), .name = "accumulate", .value = "N", .initial = "1", .min = 1,
     .max = 65536, .help = "steps whose gradients are averaged before the weights change"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, lr), .name = "lr", .value = "X", .initial = "1.5e-4", .above_min = true,
     .max = 100, .help = "highest learning rate"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, min_lr), .name = "min-lr", .value = "X", .initial = "1e-5", .max = 100,
     .help = "learning rate at the end"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, weight_decay), .name = "weight-decay", .value = "X", .initial = "0.05",
     .max = 10, .help = "decoupled weight decay of AdamW"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, warmup_epochs), .name = "warmup-epochs", .value = "X", .initial = "5",
     .max = 1000000, .help = "epochs in which the learning rate rises"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, clip_grad), .name = "clip-grad", .value = "X", .initial = "0",
     .max = INFINITY, .help = "largest norm of the gradient; 0: no limit"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, drop_path), .name = "drop-path", .value = "X", .initial = "0", .max = 1,
     .below_max = true, .help = "stochastic depth: probability that the last block is skipped, less for the others"},
    {SSFER_OPTION_FLOAT(ssfer_training_args, ema), .name = "ema", .value = "X", .initial = "0.999", .max = 1,
     .below_max = true, .help = "decay of the running average of the weights; 0: none"},
    {SSFER_OPTION_INT(ssfer_training_args, save_every), .name = "save-every", .value = "N", .initial = "0", .min = 0,
     .max = 1000000, .on_resume = SSFER_RESUME_FREE,
     .help = "keep a checkpoint every N epochs; 0: only the best and the last"},
    {SSFER_OPTION_FLAG(ssfer_training_args, checkpoint_activations), .name = "checkpoint-activations",
     .on_resume = SSFER_RESUME_FREE,
     .help = "keep each block's input only and compute the rest of it again in the backward pass: a fraction of the "
             "memory for activations, a fifth more operations, the same results"},
    {SSFER_OPTION_FLAG(ssfer_training_args, resume), .name = "resume", .on_resume = SSFER_RESUME_CALL,
     .help = "go on where the run stopped; its folder is enough, --resume RUN: all other options are as they were"},
    {0}};
