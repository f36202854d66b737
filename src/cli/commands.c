#include "cli/commands.h"

#include <string.h>

const ssfer_command *const SSFER_COMMANDS[] = {
    &SSFER_COMMAND_PREDICT,  &SSFER_COMMAND_DETECT,      &SSFER_COMMAND_EVAL,
    &SSFER_COMMAND_PRETRAIN, &SSFER_COMMAND_RECONSTRUCT, &SSFER_COMMAND_FINETUNE,
    &SSFER_COMMAND_SEMI,     &SSFER_COMMAND_TRAIN,       &SSFER_COMMAND_IMPORT,
    &SSFER_COMMAND_SPLIT,    &SSFER_COMMAND_SYNTH,       &SSFER_COMMAND_INSPECT,
    &SSFER_COMMAND_CONVERT,  &SSFER_COMMAND_FORWARD,     &SSFER_COMMAND_BENCH,
    &SSFER_COMMAND_HELP,     &SSFER_COMMAND_VERSION,     NULL,
};

const ssfer_command *ssfer_command_named(const char *name)
{
    for (size_t i = 0; SSFER_COMMANDS[i]; i++)
        if (strcmp(SSFER_COMMANDS[i]->name, name) == 0)
            return SSFER_COMMANDS[i];
    return NULL;
}
