/* What every command gets when it runs, and the tables that commands share. */
#ifndef SSFER_CLI_CLI_H
#define SSFER_CLI_CLI_H

#include "base/log.h"
#include "cli/options.h"
#include "data/dataset.h"
#include "models/vit.h"
#include "train/rehearsal.h"
#include "train/run_recipe.h"

#include <stdio.h>

typedef enum ssfer_precision_choice { SSFER_CHOICE_AUTO, SSFER_CHOICE_FP32, SSFER_CHOICE_BF16 } ssfer_precision_choice;

typedef struct ssfer_common_args {
    int64_t threads;    /* >= 1: the default is already resolved */
    const char *device; /* "auto", "cpu", "cuda" or "cuda:3" */
    int cpu;            /* index into SSFER_CPU_LEVEL_CHOICES */
    int precision;      /* ssfer_precision_choice */
    int64_t seed;
    bool quiet, verbose, help;
} ssfer_common_args;

extern const ssfer_option SSFER_COMMON_OPTIONS[];

/* The size of a model, for every command that makes one. 0: what --arch says. */
typedef struct ssfer_model_args {
    int arch; /* index into SSFER_ARCH_CHOICES */
    int64_t image_size, patch_size, embed_dim, depth, heads;
} ssfer_model_args;

extern const ssfer_option SSFER_MODEL_OPTIONS[];

/* The architecture by name, then the single dimensions over it. Errors are mistakes in how the command was called. */
ssfer_status ssfer_model_config(ssfer_vit_config *config, const ssfer_model_args *args, ssfer_error *err);

/* Options of every training command. */
typedef struct ssfer_training_args {
    int64_t epochs, batch_size, accumulate;
    double lr, min_lr, weight_decay, warmup_epochs;
    double clip_grad; /* 0: off */
    double drop_path;
    double ema;         /* 0: off */
    int64_t save_every; /* epochs; 0: only the best and the last */
    bool resume;
    bool checkpoint_activations;
} ssfer_training_args;

extern const ssfer_option SSFER_TRAINING_OPTIONS[];
extern const char *const SSFER_ARCH_CHOICES[]; /* "tiny" ... "huge", NULL */

/* Escape sequences for a stream, or empty strings when it is no terminal, NO_COLOR is set or TERM is "dumb". */
typedef struct ssfer_style {
    const char *bold, *dim, *red, *green, *yellow, *reset;
} ssfer_style;

ssfer_style ssfer_style_for(FILE *stream);

struct ssfer_cli {
    const ssfer_command *command;
    ssfer_common_args common;
    ssfer_parsed parsed;
    FILE *out;      /* results; main checks it for write errors at the end */
    FILE *progress; /* for ssfer_progress_begin: stderr, or NULL with --quiet or when stderr is no terminal */
    ssfer_log log;  /* writes to stderr: warnings and information, with --verbose details, with --quiet errors only */
    ssfer_style style_out, style_err;
    bool usage_error;
    const ssfer_recipe *given;  /* of a training: its options, as they were given, for its record; NULL: none */
    ssfer_rehearsal *rehearsal; /* of a training: it is only to be checked; NULL: run it */
    bool output_lost; /* set by ssfer_cli_flush: what was printed does not arrive; output_error is the errno, or 0 */
    int output_error;
};

/* Hands on what was printed so far: for a command that prints while it works, so that its reader sees it, and so that
 * it does not go on for a reader that is gone or a disk that is full. Returns SSFER_ERR_IO then, with which the command
 * ends; main says or does what is due. */
ssfer_status ssfer_cli_flush(ssfer_cli *cli, ssfer_error *err);

/* For a mistake in how the command was called that the tables cannot express: exit code 2, and a pointer to --help is
 * added to the message. `return ssfer_cli_usage(cli, err, "--image-size: ...")`. */
ssfer_status ssfer_cli_usage(ssfer_cli *cli, ssfer_error *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What --precision asks for; auto is fp32. */
ssfer_precision ssfer_common_precision(const ssfer_common_args *common);
ssfer_precision ssfer_cli_precision(const ssfer_cli *cli);

/* Refuses a device or a precision that this program or machine does not have: what was asked for by name must not be
 * replaced in silence. */
ssfer_status ssfer_common_check(const ssfer_common_args *common, ssfer_error *err);

/* Whether an option (of this command, without dashes) was given on the command line. */
bool ssfer_cli_given(const ssfer_cli *cli, const char *name);

/* Warns of the files that a set left out because they are no pictures by their names: in one line, with some names. */
void ssfer_cli_mention_left_out(const ssfer_cli *cli, const ssfer_dataset *set);

/* The commands, in the order of the overview; NULL at the end. */
extern const ssfer_command *const SSFER_COMMANDS[];
const ssfer_command *ssfer_command_named(const char *name); /* NULL: there is none */

#endif
