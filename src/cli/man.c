/* Man pages in the man(7) macros. */
#include "cli/help.h"

#include <string.h>

enum { TEXT_SIZE = 1024 };

/* Text with what roff would interpret made harmless: backslashes, hyphens (as minus signs, so that options can be
 * copied), and dots and quotes at the start of a line. */
static void write_text(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool starts_line = i == 0 || text[i - 1] == '\n';
        if (starts_line && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", out);
        if (text[i] == '\\')
            fputs("\\e", out);
        else if (text[i] == '-')
            fputs("\\-", out);
        else
            fputc(text[i], out);
    }
}

static void write_string(FILE *out, const char *text)
{
    write_text(out, text, strlen(text));
}

/* No date, so that equal sources give equal pages. */
static void write_head(FILE *out, const char *name, const char *summary)
{
    char title[64] = "";
    for (size_t i = 0; name[i] && i + 1 < sizeof title; i++)
        title[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 'a' + 'A' : name[i]);
    fputs(".TH ", out);
    write_string(out, title);
    fprintf(out, " 1 \"\" \"ssfer %s\" \"User Commands\"\n.nh\n.ad l\n.SH NAME\n", ssfer_version());
    write_string(out, name);
    fputs(" \\- ", out);
    write_string(out, summary);
    fputs("\n.SH SYNOPSIS\n", out);
}

static void write_description(FILE *out, const char *text)
{
    bool kept = false;
    while (*text) {
        size_t line = strcspn(text, "\n");
        bool keep = strncmp(text, "  ", 2) == 0;
        if (keep != kept)
            fputs(keep ? ".PP\n.EX\n" : ".EE\n", out);
        kept = keep;
        if (line == 0)
            fputs(".PP", out);
        else
            write_text(out, text, line);
        fputc('\n', out);
        text += line + (text[line] == '\n');
    }
    if (kept)
        fputs(".EE\n", out);
}

static void write_entry(FILE *out, const char *term, const char *text)
{
    fputs(".TP\n\\fB", out);
    write_string(out, term);
    fputs("\\fR\n", out);
    write_string(out, text);
    fputc('\n', out);
}

static void write_examples(FILE *out, const ssfer_example *examples, size_t most)
{
    for (size_t i = 0; i < most && examples[i].line; i++) {
        fputs(i == 0 ? ".SH EXAMPLES\n.TP\n\\fB" : ".TP\n\\fB", out);
        write_string(out, examples[i].line);
        fputs("\\fR\n", out);
        write_string(out, examples[i].what);
        fputc('\n', out);
    }
}

static void write_pairs(FILE *out, const char *title, const char *const pairs[][2])
{
    fprintf(out, ".SH %s\n", title);
    for (size_t i = 0; pairs[i][0]; i++)
        write_entry(out, pairs[i][0], pairs[i][1]);
}

static void write_options(FILE *out, const ssfer_command *command)
{
    const ssfer_option_group *group = NULL, *last = NULL;
    const ssfer_option *o;
    fputs(".SH OPTIONS\n", out);
    for (size_t i = 0; (o = ssfer_command_option(command, i, &group)) != NULL; i++) {
        char term[128], text[TEXT_SIZE];
        if (o->hidden)
            continue;
        if (group != last)
            fprintf(out, ".SS %s\n", group->title);
        last = group;
        ssfer_option_term(term, sizeof term, o);
        ssfer_option_sentence(text, sizeof text, command, o);
        write_entry(out, term, text);
    }
}

void ssfer_man_command(FILE *out, const ssfer_command *command)
{
    char name[64], usage[TEXT_SIZE];
    snprintf(name, sizeof name, "ssfer-%s", command->name);
    write_head(out, name, command->summary);
    ssfer_usage_line(usage, sizeof usage, command);
    fputs("\\fBssfer\\fR ", out);
    write_string(out, usage);
    fputs("\n.SH DESCRIPTION\n", out);
    write_description(out, command->description);
    for (const ssfer_option *o = command->operands; o && o->name; o++) {
        if (o == command->operands)
            fputs(".SH ARGUMENTS\n", out);
        write_entry(out, o->name, o->help);
    }
    write_options(out, command);
    write_examples(out, command->examples, SSFER_COMMAND_MAX_EXAMPLES);
    write_pairs(out, "EXIT STATUS", SSFER_EXIT_CODES);
    write_pairs(out, "ENVIRONMENT", SSFER_ENVIRONMENT);
    fputs(".SH SEE ALSO\n.BR ssfer (1)\n", out);
}

void ssfer_man_overview(FILE *out)
{
    write_head(out, "ssfer", "facial-expression recognition with few labels");
    fputs("\\fBssfer\\fR COMMAND [OPTIONS] [ARGUMENTS]\n.SH DESCRIPTION\n", out);
    write_description(out, SSFER_OVERVIEW_TEXT);
    fputs(".SH COMMANDS\n", out);
    for (int g = 0; g < SSFER_COMMAND_GROUP_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; SSFER_COMMANDS[i]; i++) {
            if ((int)SSFER_COMMANDS[i]->group != g)
                continue;
            if (!titled)
                fprintf(out, ".SS %s\n", SSFER_COMMAND_GROUP_TITLES[g]);
            titled = true;
            fprintf(out, ".TP\n.BR ssfer\\-%s (1)\n", SSFER_COMMANDS[i]->name);
            write_string(out, SSFER_COMMANDS[i]->summary);
            fputc('\n', out);
        }
    }
    write_examples(out, SSFER_OVERVIEW_EXAMPLES, SSFER_COMMAND_MAX_EXAMPLES);
    write_pairs(out, "EXIT STATUS", SSFER_EXIT_CODES);
    write_pairs(out, "ENVIRONMENT", SSFER_ENVIRONMENT);
}
