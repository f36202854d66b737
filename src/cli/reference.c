/* The command reference as Markdown, and completion for bash. */
#include "cli/help.h"

#include <string.h>

enum { TEXT_SIZE = 1024 };

/* Text outside code: what Markdown would take as markup is escaped. */
static void write_text(FILE *out, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (strchr("\\`*_<>|[]#", text[i]))
            fputc('\\', out);
        fputc(text[i], out);
    }
}

static void write_string(FILE *out, const char *text)
{
    write_text(out, text, strlen(text));
}

static void write_description(FILE *out, const char *text)
{
    bool kept = false;
    while (*text) {
        size_t line = strcspn(text, "\n");
        bool keep = strncmp(text, "  ", 2) == 0;
        if (keep != kept)
            fputs(keep ? "```\n" : "```\n\n", out);
        kept = keep;
        if (keep)
            fprintf(out, "%.*s", (int)line, text);
        else
            write_text(out, text, line);
        fputc('\n', out);
        text += line + (text[line] == '\n');
    }
    if (kept)
        fputs("```\n", out);
}

/* A table row; a bar would end the cell even inside code. */
static void write_row(FILE *out, const char *term, const char *text)
{
    fputs("| `", out);
    for (; *term; term++) {
        if (*term == '|')
            fputc('\\', out);
        fputc(*term, out);
    }
    fputs("` | ", out);
    write_string(out, text);
    fputs(" |\n", out);
}

static void write_group(FILE *out, const ssfer_command *command, const ssfer_option_group *wanted)
{
    const ssfer_option_group *group = NULL;
    const ssfer_option *o;
    bool titled = false;
    for (size_t i = 0; (o = ssfer_command_option(command, i, &group)) != NULL; i++) {
        char term[128], text[TEXT_SIZE];
        if (group != wanted || o->hidden)
            continue;
        if (!titled)
            fprintf(out, "\n| %s | |\n|---|---|\n", group->title);
        titled = true;
        ssfer_option_term(term, sizeof term, o);
        ssfer_option_sentence(text, sizeof text, command, o);
        write_row(out, term, text);
    }
}

static const ssfer_option_group *common_group(const ssfer_command *command)
{
    const ssfer_option_group *group = NULL;
    for (size_t i = 0; ssfer_command_option(command, i, &group) != NULL; i++)
        ;
    return group; /* the last one */
}

static void write_command(FILE *out, const ssfer_command *command)
{
    char usage[TEXT_SIZE];
    ssfer_usage_line(usage, sizeof usage, command);
    fprintf(out, "\n### ssfer %s\n\n", command->name);
    fprintf(out, "    ssfer %s\n\n", usage);
    write_description(out, command->description);
    for (const ssfer_option *o = command->operands; o && o->name; o++) {
        if (o == command->operands)
            fputs("\n| Arguments | |\n|---|---|\n", out);
        write_row(out, o->name, o->help);
    }
    for (size_t g = 0; g < SSFER_COMMAND_MAX_GROUPS && command->groups[g].options; g++)
        write_group(out, command, &command->groups[g]);
    for (size_t i = 0; i < SSFER_COMMAND_MAX_EXAMPLES && command->examples[i].line; i++) {
        fputc('\n', out);
        write_string(out, command->examples[i].what);
        fprintf(out, "\n\n    %s\n", command->examples[i].line);
    }
}

void ssfer_markdown_reference(FILE *out)
{
    fputs("# Commands\n\nMade by `ssfer --markdown`; do not edit. `ssfer COMMAND --help` and the man pages say the "
          "same.\n\n",
          out);
    for (int g = 0; g < SSFER_COMMAND_GROUP_COUNT; g++)
        for (size_t i = 0; SSFER_COMMANDS[i]; i++)
            if ((int)SSFER_COMMANDS[i]->group == g) {
                fprintf(out, "- [%s](#ssfer-%s): ", SSFER_COMMANDS[i]->name, SSFER_COMMANDS[i]->name);
                write_string(out, SSFER_COMMANDS[i]->summary);
                fputc('\n', out);
            }
    fputs("\n## Options of every command\n", out);
    write_group(out, SSFER_COMMANDS[0], common_group(SSFER_COMMANDS[0]));
    fputs("\n## Exit codes\n\n", out);
    for (size_t i = 0; SSFER_EXIT_CODES[i][0]; i++)
        fprintf(out, "- `%s`: %s\n", SSFER_EXIT_CODES[i][0], SSFER_EXIT_CODES[i][1]);
    for (int g = 0; g < SSFER_COMMAND_GROUP_COUNT; g++) {
        bool titled = false;
        for (size_t i = 0; SSFER_COMMANDS[i]; i++) {
            if ((int)SSFER_COMMANDS[i]->group != g)
                continue;
            if (!titled)
                fprintf(out, "\n## %s\n", SSFER_COMMAND_GROUP_TITLES[g]);
            titled = true;
            write_command(out, SSFER_COMMANDS[i]);
        }
    }
}

/* ---- bash ----------------------------------------------------------------------------------------------------- */

static void write_command_words(FILE *out, const ssfer_command *command)
{
    const ssfer_option *o;
    fprintf(out, "    %s)\n        case $previous in\n", command->name);
    for (size_t i = 0; (o = ssfer_command_option(command, i, NULL)) != NULL; i++) {
        if (o->hidden || o->type != SSFER_OPTION_TYPE_CHOICE)
            continue;
        fprintf(out, "        --%s) words='", o->name);
        for (size_t k = 0; o->choices[k]; k++)
            fprintf(out, "%s%s", k ? " " : "", o->choices[k]);
        fputs("' ;;\n", out);
    }
    fputs("        *) [[ $word == -* ]] && words='", out);
    for (size_t i = 0; (o = ssfer_command_option(command, i, NULL)) != NULL; i++)
        if (!o->hidden)
            fprintf(out, "%s--%s", i ? " " : "", o->name);
    fputs("' ;;\n        esac ;;\n", out);
}

void ssfer_completion_bash(FILE *out)
{
    fputs("# bash completion for ssfer, made by `ssfer --bash-completion`\n"
          "_ssfer()\n{\n"
          "    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} words=''\n"
          "    local command=${COMP_WORDS[1]}\n"
          "    [[ $COMP_CWORD -eq 1 ]] && command=''\n"
          "    case $command in\n    '') words='--help --version",
          out);
    for (size_t i = 0; SSFER_COMMANDS[i]; i++)
        fprintf(out, " %s", SSFER_COMMANDS[i]->name);
    fputs("' ;;\n", out);
    for (size_t i = 0; SSFER_COMMANDS[i]; i++)
        write_command_words(out, SSFER_COMMANDS[i]);
    fputs("    esac\n"
          "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$word\")\n"
          "}\n"
          "complete -o bashdefault -o default -F _ssfer ssfer\n",
          out);
}
