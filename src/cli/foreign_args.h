/* What a model file of another program does not say: names of its outputs, heads, and what its pictures are normalised
 * with. */
#ifndef SSFER_CLI_FOREIGN_ARGS_H
#define SSFER_CLI_FOREIGN_ARGS_H

#include "cli/cli.h"
#include "data/class_sets.h"

typedef struct ssfer_foreign_args {
    const char *classes, *mean, *std;
    int64_t heads;
} ssfer_foreign_args;

extern const ssfer_option SSFER_FOREIGN_OPTIONS[];

/* For options: three numbers, of --std above 0. */
ssfer_status ssfer_check_mean(const char *value, ssfer_error *err);
ssfer_status ssfer_check_std(const char *value, ssfer_error *err);

/* Three numbers for options of the library: `values` filled from a checked text, or NULL where it is not given. */
const float *ssfer_normalization_given(float values[3], const char *text);

/* One line about what pictures are normalised with, if some of it is not the model file's own. */
void ssfer_foreign_tell(const ssfer_cli *cli, const char *model, const ssfer_foreign_args *args, const float mean[3],
                        bool mean_stated, const float std[3], bool std_stated);

#endif
