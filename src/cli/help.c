#include "cli/help.h"

#include <string.h>

enum { HELP_COLUMNS = 80, TERM_COLUMNS = 26, TEXT_SIZE = 1024 };

const char *const SSFER_COMMAND_GROUP_TITLES[SSFER_COMMAND_GROUP_COUNT] = {
    [SSFER_COMMAND_GROUP_USE] = "Use a model",   [SSFER_COMMAND_GROUP_TRAIN] = "Train a model",
    [SSFER_COMMAND_GROUP_DATA] = "Prepare data", [SSFER_COMMAND_GROUP_FILES] = "Examine and convert models",
    [SSFER_COMMAND_GROUP_ABOUT] = "About ssfer",
};

const char SSFER_OVERVIEW_TEXT[] =
    "ssfer recognises facial expressions. It trains vision transformers from few labeled "
    "faces, measures them, and applies them to pictures.";

const ssfer_example SSFER_OVERVIEW_EXAMPLES[] = {
    {"ssfer synth --count 4000 --output faces.tar", "Draw faces to try things out on."},
    {"ssfer finetune --data faces.tar --split train --out run", "Train on labeled faces."},
    {"ssfer eval --model run/model.safetensors --data faces.tar --split test", "Measure the result."},
    {"ssfer predict --model run/model.safetensors photo.jpg", "Apply it."},
    {0}};

const char *const SSFER_EXIT_CODES[][2] = {
    {"0", "everything was done"},
    {"1", "something failed; one line on standard error says what and what to do"},
    {"2", "the command was called in a wrong way; nothing was done"},
    {"141",
     "the reader of standard output closed it, as 'ssfer ... | head' does: the program ends quietly, by SIGPIPE; a "
     "training does so after it has come to its end"},
    {NULL, NULL}};

const char *const SSFER_ENVIRONMENT[][2] = {{"NO_COLOR", "if set and not empty, no colours on the terminal"},
                                            {"SSFER_CPU", "what --cpu is where it is not given, or auto"},
                                            {NULL, NULL}};

/* ---- Pieces shared with the man pages and the reference ------------------------------------------------------ */

static void append(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    if (used < size)
        snprintf(text + used, size - used, "%s", more);
}

void ssfer_usage_line(char *text, size_t size, const ssfer_command *command)
{
    const ssfer_option *o;
    snprintf(text, size, "%s [OPTIONS]", command->name);
    for (size_t i = 0; (o = ssfer_command_option(command, i, NULL)) != NULL; i++) {
        if (!o->required || o->hidden)
            continue;
        char term[128], value[96];
        ssfer_option_value_name(value, sizeof value, o);
        snprintf(term, sizeof term, " --%s %s", o->name, value);
        append(text, size, term);
    }
    for (o = command->operands; o && o->name; o++) {
        append(text, size, o->required ? " " : " [");
        append(text, size, o->name);
        append(text, size, o->type == SSFER_OPTION_TYPE_STRINGS ? "..." : "");
        append(text, size, o->required ? "" : "]");
    }
}

void ssfer_option_term(char *text, size_t size, const ssfer_option *o)
{
    char letter[8] = "", value[96];
    if (o->letter)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    ssfer_option_value_name(value, sizeof value, o);
    snprintf(text, size, "%s--%s%s%s", letter, o->name, value[0] ? " " : "", value);
}

void ssfer_option_sentence(char *text, size_t size, const ssfer_command *command, const ssfer_option *o)
{
    char notes[3][96] = {"", "", ""};
    const char *initial = o->initial_help ? o->initial_help : ssfer_command_initial(command, o);
    size_t count = 0;
    if (o->required)
        snprintf(notes[count++], sizeof notes[0], "required");
    ssfer_option_range(notes[count], sizeof notes[0], o);
    count += notes[count][0] != '\0';
    if (initial && !o->required)
        snprintf(notes[count++], sizeof notes[0], "default %s", initial);
    if (o->type == SSFER_OPTION_TYPE_STRINGS && count < 3)
        snprintf(notes[count++], sizeof notes[0], "may be repeated");
    snprintf(text, size, "%s", o->help);
    for (size_t i = 0; i < count; i++) {
        append(text, size, i == 0 ? " (" : "; ");
        append(text, size, notes[i]);
    }
    append(text, size, count > 0 ? ")" : "");
}

/* ---- Text for the terminal ------------------------------------------------------------------------------------ */

/* Writes words of `text` up to HELP_COLUMNS, each new line indented; `column` is where the cursor is. */
static void write_wrapped(FILE *out, const char *text, size_t length, size_t indent, size_t column)
{
    const char *end = text + length;
    bool first = true;
    while (text < end) {
        size_t word = 0;
        while (text + word < end && text[word] != ' ' && text[word] != '\n')
            word++;
        if (word > 0) {
            if (!first && column + 1 + word > HELP_COLUMNS) {
                fprintf(out, "\n%*s", (int)indent, "");
                column = indent;
            } else if (!first) {
                fputc(' ', out);
                column++;
            }
            fwrite(text, 1, word, out);
            column += word;
            first = false;
        }
        text += word + (text + word < end);
    }
    fputc('\n', out);
}

/* Paragraphs; lines that start with two spaces are kept as they are. */
static void write_description(FILE *out, const char *text)
{
    while (*text) {
        size_t line = strcspn(text, "\n");
        if (strncmp(text, "  ", 2) == 0 || line == 0)
            fprintf(out, "%.*s\n", (int)line, text);
        else
            write_wrapped(out, text, line, 0, 0);
        text += line + (text[line] == '\n');
    }
}

static void write_entry(FILE *out, const char *term, const char *text)
{
    size_t column = 2 + strlen(term);
    fprintf(out, "  %s", term);
    if (column + 2 > TERM_COLUMNS) {
        fprintf(out, "\n%*s", TERM_COLUMNS, "");
    } else {
        fprintf(out, "%*s", (int)(TERM_COLUMNS - column), "");
    }
    write_wrapped(out, text, strlen(text), TERM_COLUMNS, TERM_COLUMNS);
}

static void write_title(FILE *out, const char *title)
{
    ssfer_style style = ssfer_style_for(out);
    fprintf(out, "\n%s%s:%s\n", style.bold, title, style.reset);
}

static void write_options(FILE *out, const ssfer_command *command)
{
    const ssfer_option_group *group = NULL, *last = NULL;
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(command, i, &group)) != NULL; i++) {
        char term[128], text[TEXT_SIZE];
        if (o->hidden)
            continue;
        if (group != last)
            write_title(out, group->title);
        last = group;
        ssfer_option_term(term, sizeof term, o);
        ssfer_option_sentence(text, sizeof text, command, o);
        write_entry(out, term, text);
    }
}

static void write_examples(FILE *out, const ssfer_example *examples, size_t most)
{
    for (size_t i = 0; i < most && examples[i].line; i++) {
        if (i == 0)
            write_title(out, "Examples");
        fprintf(out, "  %s\n      ", examples[i].line);
        write_wrapped(out, examples[i].what, strlen(examples[i].what), 6, 6);
    }
}

void ssfer_help_command(FILE *out, const ssfer_command *command)
{
    char usage[TEXT_SIZE];
    ssfer_style style = ssfer_style_for(out);
    fprintf(out, "%sssfer %s%s - %s\n\n", style.bold, command->name, style.reset, command->summary);
    ssfer_usage_line(usage, sizeof usage, command);
    fprintf(out, "%sUsage:%s ssfer ", style.bold, style.reset);
    write_wrapped(out, usage, strlen(usage), 13, 13);
    fputc('\n', out);
    write_description(out, command->description);
    for (const ssfer_option *o = command->operands; o && o->name; o++) {
        char text[TEXT_SIZE];
        if (o == command->operands)
            write_title(out, "Arguments");
        snprintf(text, sizeof text, "%s%s", o->help, o->type == SSFER_OPTION_TYPE_STRINGS ? " (one or more)" : "");
        write_entry(out, o->name, text);
    }
    write_options(out, command);
    write_examples(out, command->examples, SSFER_COMMAND_MAX_EXAMPLES);
}

void ssfer_help_overview(FILE *out)
{
    ssfer_style style = ssfer_style_for(out);
    write_wrapped(out, SSFER_OVERVIEW_TEXT, strlen(SSFER_OVERVIEW_TEXT), 0, 0);
    fprintf(out, "\n%sUsage:%s ssfer COMMAND [OPTIONS] [ARGUMENTS]\n", style.bold, style.reset);
    for (int g = 0; g < SSFER_COMMAND_GROUP_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; SSFER_COMMANDS[i]; i++) {
            if ((int)SSFER_COMMANDS[i]->group != g)
                continue;
            if (!titled)
                write_title(out, SSFER_COMMAND_GROUP_TITLES[g]);
            titled = true;
            fprintf(out, "  %-12s", SSFER_COMMANDS[i]->name);
            write_wrapped(out, SSFER_COMMANDS[i]->summary, strlen(SSFER_COMMANDS[i]->summary), 14, 14);
        }
    }
    write_examples(out, SSFER_OVERVIEW_EXAMPLES, SSFER_COMMAND_MAX_EXAMPLES);
    fprintf(out, "\n'ssfer COMMAND --help' explains a command, 'ssfer --version' prints the version.\n"
                 "Results go to standard output, everything else to standard error.\n");
}
