#include "cli/foreign_args.h"

#include "models/classifier.h"

ssfer_status ssfer_check_mean(const char *value, ssfer_error *err)
{
    float values[3];
    return ssfer_normalization_parse(values, value, false, err);
}

ssfer_status ssfer_check_std(const char *value, ssfer_error *err)
{
    float values[3];
    return ssfer_normalization_parse(values, value, true, err);
}

const ssfer_option SSFER_FOREIGN_OPTIONS[] = {
    {SSFER_OPTION_STRING(ssfer_foreign_args, classes), .name = "classes", .value = "C",
     .help = "names of the model's outputs if the file has none: " SSFER_CLASS_SETS_WITH_OUTPUTS
             " or a file with a name a line"},
    {SSFER_OPTION_STRING(ssfer_foreign_args, mean), .name = "mean", .value = "R,G,B", .check = ssfer_check_mean,
     .initial_help = "that of the file, or 0.588,0.459,0.402",
     .help = "what is taken off the colours of a picture, each from 0 to 1"},
    {SSFER_OPTION_STRING(ssfer_foreign_args, std), .name = "std", .value = "R,G,B", .check = ssfer_check_std,
     .initial_help = "that of the file, or 0.228,0.202,0.190", .help = "what they are divided by then"},
    {SSFER_OPTION_INT(ssfer_foreign_args, heads), .name = "heads", .value = "N", .initial_help = "that of the file",
     .min = 1, .max = 1024, .help = "attention heads, for PyTorch files of unusual models"},
    {0}};

const float *ssfer_normalization_given(float values[3], const char *text)
{
    return text && ssfer_normalization_parse(values, text, false, NULL) == SSFER_OK ? values : NULL;
}

static const char *origin(bool stated, const char *given)
{
    return stated ? "the file's" : given ? "given" : "the published models', as the file has none";
}

void ssfer_foreign_tell(const ssfer_cli *cli, const char *model, const ssfer_foreign_args *args, const float mean[3],
                        bool mean_stated, const float std[3], bool std_stated)
{
    if (!mean_stated || !std_stated)
        ssfer_info(&cli->log, "%s: pictures are normalised with mean %g,%g,%g (%s) and std %g,%g,%g (%s)", model,
                   (double)mean[0], (double)mean[1], (double)mean[2], origin(mean_stated, args->mean), (double)std[0],
                   (double)std[1], (double)std[2], origin(std_stated, args->std));
}
