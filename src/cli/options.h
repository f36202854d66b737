/* Command-line options as tables. A command declares what it takes once; parsing, --help, the man pages, the command
 * reference and shell completion are all made from that declaration.
 *
 *     typedef struct greet_args {
 *         const char *name;
 *         int64_t times;
 *     } greet_args;
 *
 *     static const ssfer_option OPTIONS[] = {
 *         {SSFER_OPTION_INT(greet_args, times), .name = "times", .value = "N", .initial = "1", .min = 1, .max = 100,
 *          .help = "how often to say it"},
 *         {0}};
 *     static const ssfer_option OPERANDS[] = {
 *         {SSFER_OPTION_STRING(greet_args, name), .name = "NAME", .required = true, .help = "who is greeted"}, {0}};
 *
 *     static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
 *     {
 *         const greet_args *args = data;
 *         ...print results to cli->out...
 *     }
 *
 *     const ssfer_command SSFER_COMMAND_GREET = {
 *         .name = "greet", .group = SSFER_COMMAND_GROUP_ABOUT, .summary = "say hello",
 *         .groups = {{"Options", OPTIONS, 0}}, .operands = OPERANDS, .args_size = sizeof(greet_args), .run = run};
 *
 * and one line in commands.c. src/cli/cmd_version.c is the smallest real one. A table shared by several commands sits
 * at an offset of their structures: {"Training", SSFER_TRAINING_OPTIONS, offsetof(finetune_args, training)}; where a
 * command has another default than the shared table, it says so in .initials = {{"epochs", "100"}}. */
#ifndef SSFER_CLI_OPTIONS_H
#define SSFER_CLI_OPTIONS_H

#include "base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_cli ssfer_cli;

typedef enum ssfer_option_type {
    SSFER_OPTION_TYPE_FLAG,    /* bool: --name */
    SSFER_OPTION_TYPE_STRING,  /* const char *: NULL when not given and without default; never empty */
    SSFER_OPTION_TYPE_INT,     /* int64_t in [min, max] */
    SSFER_OPTION_TYPE_FLOAT,   /* double in [min, max], finite */
    SSFER_OPTION_TYPE_CHOICE,  /* int: index into `choices` */
    SSFER_OPTION_TYPE_STRINGS, /* ssfer_strings: may be given several times; as an operand, all that remain */
} ssfer_option_type;

typedef struct ssfer_strings {
    const char **items; /* the strings are argv's */
    size_t count;
} ssfer_strings;

/* Looks at a string value: SSFER_OK, or an error whose message reads on after "--name: ". */
typedef ssfer_status (*ssfer_option_check)(const char *value, ssfer_error *err);

/* What becomes of an option when a training goes on (--resume). */
typedef enum ssfer_option_resume {
    SSFER_RESUME_SAME, /* as at the start: another value is refused, none means the recorded one */
    SSFER_RESUME_FREE, /* may be another: it changes no number, or may always change */
    SSFER_RESUME_CALL, /* says something about this call, not about the training: neither in recipes nor recorded */
} ssfer_option_resume;

/* One option, or one operand (then `name` is what the synopsis shows, "INPUT"). A table ends with a {0} row. */
typedef struct ssfer_option {
    ssfer_option_type type;
    size_t offset;              /* type and offset come from the SSFER_OPTION_... macros below */
    const char *name;           /* "batch-size", without dashes */
    char letter;                /* 'o' for -o; 0: none */
    const char *value;          /* what help calls its value: "N", "FILE"; a CHOICE lists its choices by itself */
    const char *initial;        /* the default, as one would type it; NULL: 0, 0.0, NULL, false, the first choice */
    const char *initial_help;   /* what help says of the default instead, "that of --arch" */
    const char *const *choices; /* NULL-terminated */
    double min, max;            /* INT, FLOAT; both 0: no limits. max may be INFINITY */
    bool above_min, below_max;  /* FLOAT: the limit itself is excluded */
    bool required;              /* an error if it is not given */
    bool hidden;                /* not in help */
    const char *conflicts;      /* another option that must not be given as well */
    ssfer_option_resume on_resume;
    const char *describes;    /* another option that this one says more about: in a recipe the common value of this one
                               * goes    with the common value of that one */
    ssfer_option_check check; /* STRING, STRINGS */
    const char *help;         /* a phrase, lower case, no full stop; limits and default are added to it */
} ssfer_option;

/* offsetof, and a compile error if the member has another type than the option writes. */
#define SSFER_OPTION_MEMBER(structure, member, type)                                                                   \
    (offsetof(structure, member) +                                                                                     \
     0 * sizeof(char[__builtin_types_compatible_p(__typeof__(((structure *)0)->member), type) ? 1 : -1]))
#define SSFER_OPTION_FLAG(s, m) .type = SSFER_OPTION_TYPE_FLAG, .offset = SSFER_OPTION_MEMBER(s, m, bool)
#define SSFER_OPTION_STRING(s, m) .type = SSFER_OPTION_TYPE_STRING, .offset = SSFER_OPTION_MEMBER(s, m, const char *)
#define SSFER_OPTION_INT(s, m) .type = SSFER_OPTION_TYPE_INT, .offset = SSFER_OPTION_MEMBER(s, m, int64_t)
#define SSFER_OPTION_FLOAT(s, m) .type = SSFER_OPTION_TYPE_FLOAT, .offset = SSFER_OPTION_MEMBER(s, m, double)
#define SSFER_OPTION_CHOICE(s, m) .type = SSFER_OPTION_TYPE_CHOICE, .offset = SSFER_OPTION_MEMBER(s, m, int)
#define SSFER_OPTION_STRINGS(s, m) .type = SSFER_OPTION_TYPE_STRINGS, .offset = SSFER_OPTION_MEMBER(s, m, ssfer_strings)

/* A titled table; its members lie at `offset` of the command's structure. */
typedef struct ssfer_option_group {
    const char *title;
    const ssfer_option *options;
    size_t offset;
} ssfer_option_group;

typedef struct ssfer_option_initial {
    const char *name, *initial;
} ssfer_option_initial;

typedef struct ssfer_example {
    const char *line, *what; /* "ssfer split ...", and a sentence about it */
} ssfer_example;

/* Where a command stands in the overview, in this order. */
typedef enum ssfer_command_group {
    SSFER_COMMAND_GROUP_USE,
    SSFER_COMMAND_GROUP_TRAIN,
    SSFER_COMMAND_GROUP_DATA,
    SSFER_COMMAND_GROUP_FILES,
    SSFER_COMMAND_GROUP_ABOUT,
    SSFER_COMMAND_GROUP_COUNT
} ssfer_command_group;

enum { SSFER_COMMAND_MAX_GROUPS = 12, SSFER_COMMAND_MAX_INITIALS = 24, SSFER_COMMAND_MAX_EXAMPLES = 8 };
enum { SSFER_COMMAND_MAX_OPTIONS = 128 };

typedef struct ssfer_command {
    const char *name;
    ssfer_command_group group;
    const char *summary; /* a phrase for lists, lower case, no full stop */
    const char
        *description; /* paragraphs, an empty line between them; a line that starts with two spaces stays as is */
    /* The common options (SSFER_COMMON_OPTIONS) are added to every command by itself. */
    ssfer_option_group groups[SSFER_COMMAND_MAX_GROUPS];
    const ssfer_option *operands; /* in order; only the last may be STRINGS; NULL: none */
    ssfer_option_initial initials[SSFER_COMMAND_MAX_INITIALS];
    ssfer_example examples[SSFER_COMMAND_MAX_EXAMPLES];
    size_t args_size; /* of the structure that run gets */
    /* A training, with options `out` and `resume` and the operand RUN: see cli/resume.h. */
    bool resumable;
    /* Returns the status and, on failure, a message "FILE: what is wrong; what to do". For a mistake in how the
     * command was called: return ssfer_cli_usage(...). */
    ssfer_status (*run)(ssfer_cli *cli, const void *args, ssfer_error *err);
} ssfer_command;

/* What parsing leaves beside the structure. */
typedef struct ssfer_parsed {
    const ssfer_command *command;
    bool given[SSFER_COMMAND_MAX_OPTIONS];       /* in the order of ssfer_command_option */
    const char *text[SSFER_COMMAND_MAX_OPTIONS]; /* the value as it was given, last; NULL: not given, or a flag */
    bool help;                                   /* --help or -h was met; nothing else was checked */
} ssfer_parsed;

/* The i-th option of a command over all its groups, then the common ones; NULL at the end. *group may be NULL. */
const ssfer_option *ssfer_command_option(const ssfer_command *command, size_t i, const ssfer_option_group **group);
const ssfer_option *ssfer_command_find(const ssfer_command *command, const char *name, size_t *index);

/* The default of an option as this command has it; NULL: none. */
const char *ssfer_command_initial(const ssfer_command *command, const ssfer_option *option);

/* Sets defaults, then reads argv[0..argc-1] (what follows the command's name) into `args` (zeroed, args_size) and
 * `common`. --name value, --name=value, -o value, -ovalue, -qv; `--` ends the options; options and operands in any
 * order; an option given again replaces its value. Errors: SSFER_ERR_ARGUMENT, the message ends with what to do. */
ssfer_status ssfer_options_parse(ssfer_parsed *parsed, const ssfer_command *command, int argc, char *const *argv,
                                 void *args, void *common, ssfer_error *err);
/* The same without asking for what is required: for a command line that is to be completed. */
ssfer_status ssfer_options_read(ssfer_parsed *parsed, const ssfer_command *command, int argc, char *const *argv,
                                void *args, void *common, ssfer_error *err);

/* Where the value of the i-th option lies; read by its type. */
const void *ssfer_options_member(const ssfer_command *command, size_t i, const void *args, const void *common);

/* Whether two members hold the same value of an option. */
bool ssfer_option_equal(const ssfer_option *option, const void *a, const void *b);

void ssfer_options_deinit(const ssfer_command *command, void *args); /* frees the lists of strings */

/* Whether an option would take this value, for callers that have it from elsewhere than a command line: the message is
 * "name: what is wrong; what to do", without dashes. */
ssfer_status ssfer_option_check_value(const ssfer_option *option, const char *value, ssfer_error *err);

/* What help calls the option's value: "N", "table|json"; empty for a flag. */
void ssfer_option_value_name(char *text, size_t size, const ssfer_option *option);

/* "1 to 100", "greater than 0, at most 1", "at least 0"; empty without limits. */
void ssfer_option_range(char *text, size_t size, const ssfer_option *option);

/* The candidate that a mistyped word most likely stands for, or NULL if none is close. Damerau-Levenshtein distance,
 * at most 2 and less than half of the word. */
const char *ssfer_suggest(const char *word, const char *const *candidates, size_t count);

#endif
