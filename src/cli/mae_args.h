/* The size of a masked autoencoder on the command line: the model options of every command, and those of its decoder.
 */
#ifndef SSFER_CLI_MAE_ARGS_H
#define SSFER_CLI_MAE_ARGS_H

#include "cli/cli.h"
#include "models/mae.h"

/* 0: what --arch says. */
typedef struct ssfer_decoder_args {
    int64_t dim, depth, heads;
    double mask_ratio;
    int norm_pix; /* 0 off, 1 on */
} ssfer_decoder_args;

extern const ssfer_option SSFER_DECODER_OPTIONS[];

/* The architecture by name, then the single dimensions over it. Errors are mistakes in how the command was called. */
ssfer_status ssfer_mae_model_config(ssfer_mae_config *config, const ssfer_model_args *model,
                                    const ssfer_decoder_args *decoder, ssfer_error *err);

#endif
