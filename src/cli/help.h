/* What is made from the option tables: --help, man pages, the command reference, shell completion. All write to
 * `out`; whoever opened it checks for write errors. */
#ifndef SSFER_CLI_HELP_H
#define SSFER_CLI_HELP_H

#include "cli/cli.h"

void ssfer_help_overview(FILE *out);                              /* `ssfer` alone and `ssfer --help` */
void ssfer_help_command(FILE *out, const ssfer_command *command); /* `ssfer COMMAND --help` */

void ssfer_man_overview(FILE *out);                              /* ssfer.1 */
void ssfer_man_command(FILE *out, const ssfer_command *command); /* ssfer-COMMAND.1 */

void ssfer_markdown_reference(FILE *out); /* docs/commands.md */
void ssfer_completion_bash(FILE *out);

/* Shared by the writers. The usage line without the program's name: "split [OPTIONS] --data D --output FILE". */
void ssfer_usage_line(char *text, size_t size, const ssfer_command *command);
/* The help phrase with limits and default: "pictures in a step (1 to 65536; default 32)". */
void ssfer_option_sentence(char *text, size_t size, const ssfer_command *command, const ssfer_option *option);
/* "-q, --quiet", "--batch-size N". */
void ssfer_option_term(char *text, size_t size, const ssfer_option *option);

extern const char *const SSFER_COMMAND_GROUP_TITLES[SSFER_COMMAND_GROUP_COUNT];
extern const char SSFER_OVERVIEW_TEXT[];
extern const ssfer_example SSFER_OVERVIEW_EXAMPLES[]; /* ends with {0} */
extern const char *const SSFER_EXIT_CODES[][2];       /* {"0", "meaning"}; ends with {NULL} */
extern const char *const SSFER_ENVIRONMENT[][2];

#endif
