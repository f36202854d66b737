/* The commands, one file each. */
#ifndef SSFER_CLI_COMMANDS_H
#define SSFER_CLI_COMMANDS_H

#include "cli/cli.h"

extern const ssfer_command SSFER_COMMAND_CONVERT;
extern const ssfer_command SSFER_COMMAND_HELP;
extern const ssfer_command SSFER_COMMAND_IMPORT;
extern const ssfer_command SSFER_COMMAND_INSPECT;
extern const ssfer_command SSFER_COMMAND_SPLIT;
extern const ssfer_command SSFER_COMMAND_BENCH;
extern const ssfer_command SSFER_COMMAND_DETECT;
extern const ssfer_command SSFER_COMMAND_EVAL;
extern const ssfer_command SSFER_COMMAND_FINETUNE;
extern const ssfer_command SSFER_COMMAND_FORWARD;
extern const ssfer_command SSFER_COMMAND_PREDICT;
extern const ssfer_command SSFER_COMMAND_PRETRAIN;
extern const ssfer_command SSFER_COMMAND_RECONSTRUCT;
extern const ssfer_command SSFER_COMMAND_SEMI;
extern const ssfer_command SSFER_COMMAND_SYNTH;
extern const ssfer_command SSFER_COMMAND_TRAIN;
extern const ssfer_command SSFER_COMMAND_VERSION;

/* Fails with "unknown command 'x'; did you mean y?" and exit code 2. */
ssfer_status ssfer_command_unknown(ssfer_cli *cli, ssfer_error *err, const char *name);

#endif
