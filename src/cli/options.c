#include "cli/options.h"

#include "base/memory.h"
#include "base/number.h"
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Looking options up ------------------------------------------------------------------------------------- */

static const ssfer_option_group COMMON_GROUP = {"Common options", SSFER_COMMON_OPTIONS, 0};

const ssfer_option *ssfer_command_option(const ssfer_command *command, size_t i, const ssfer_option_group **group)
{
    for (size_t g = 0; g <= SSFER_COMMAND_MAX_GROUPS; g++) {
        const ssfer_option_group *candidate = g < SSFER_COMMAND_MAX_GROUPS ? &command->groups[g] : &COMMON_GROUP;
        for (const ssfer_option *o = candidate->options; o && o->name; o++) {
            if (i-- == 0) {
                if (group)
                    *group = candidate;
                return o;
            }
        }
    }
    return NULL;
}

const ssfer_option *ssfer_command_find(const ssfer_command *command, const char *name, size_t *index)
{
    const ssfer_option *option;
    for (size_t i = 0; (option = ssfer_command_option(command, i, NULL)) != NULL; i++) {
        if (strcmp(option->name, name) == 0) {
            if (index)
                *index = i;
            return option;
        }
    }
    return NULL;
}

const char *ssfer_command_initial(const ssfer_command *command, const ssfer_option *option)
{
    for (size_t i = 0; i < SSFER_COMMAND_MAX_INITIALS && command->initials[i].name; i++)
        if (strcmp(command->initials[i].name, option->name) == 0)
            return command->initials[i].initial;
    return option->initial;
}

/* ---- Suggestions -------------------------------------------------------------------------------------------- */

enum { WORD_MAX = 40 };

/* Damerau-Levenshtein distance (adjacent letters swapped count once), by three rows; large for long words. */
static size_t word_distance(const char *a, const char *b)
{
    size_t na = strlen(a), nb = strlen(b);
    if (na > WORD_MAX || nb > WORD_MAX)
        return WORD_MAX;
    size_t rows[3][WORD_MAX + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        above[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < best)
                best = above[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
    }
    return above[nb];
}

const char *ssfer_suggest(const char *word, const char *const *candidates, size_t count)
{
    const char *best = NULL;
    size_t best_distance = 3, length = strlen(word);
    for (size_t i = 0; i < count; i++) {
        size_t distance = word_distance(word, candidates[i]);
        if (distance < best_distance && 2 * distance < length) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}

/* ---- Values ------------------------------------------------------------------------------------------------- */

void ssfer_option_range(char *text, size_t size, const ssfer_option *o)
{
    text[0] = '\0';
    if (o->min == 0 && o->max == 0)
        return;
    bool whole = o->type == SSFER_OPTION_TYPE_INT; /* %g would write 1e+06 */
    char low[32], high[32];
    ssfer_snprintf(low, sizeof low, whole ? "%.0f" : "%g", o->min);
    ssfer_snprintf(high, sizeof high, whole ? "%.0f" : "%g", o->max);
    if (isinf(o->max))
        snprintf(text, size, o->above_min ? "greater than %s" : "at least %s", low);
    else if (o->above_min || o->below_max)
        snprintf(text, size, "%s %s, %s %s", o->above_min ? "greater than" : "at least", low,
                 o->below_max ? "below" : "at most", high);
    else
        snprintf(text, size, "%s to %s", low, high);
}

void ssfer_option_value_name(char *text, size_t size, const ssfer_option *o)
{
    size_t used = 0;
    snprintf(text, size, "%s", o->value ? o->value : o->type == SSFER_OPTION_TYPE_FLAG ? "" : "VALUE");
    if (o->value || o->type != SSFER_OPTION_TYPE_CHOICE)
        return;
    for (size_t k = 0; o->choices[k] && used < size; k++) {
        int written = snprintf(text + used, size - used, "%s%s", k ? "|" : "", o->choices[k]);
        used += written < 0 ? 0 : (size_t)written;
    }
}

/* How messages call an option: "--name", or an operand's name as it is. */
static void option_label(char *text, size_t size, const ssfer_option *o, bool operand)
{
    snprintf(text, size, "%s%s", operand ? "" : "--", o->name);
}

static ssfer_status fail_number(ssfer_error *err, const char *label, const char *value, const ssfer_option *o,
                                bool number)
{
    char range[96];
    ssfer_option_range(range, sizeof range, o);
    const char *kind = o->type == SSFER_OPTION_TYPE_INT ? "a whole number" : "a number";
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: '%s' is %s%s; give %s%s%s", label, value,
                      number ? "out of range" : "not ", number ? "" : kind, kind, range[0] ? ", " : "", range);
}

static bool in_range(const ssfer_option *o, double number)
{
    if (o->min == 0 && o->max == 0)
        return true;
    return (o->above_min ? number > o->min : number >= o->min) && (o->below_max ? number < o->max : number <= o->max);
}

static ssfer_status read_int(int64_t *out, const ssfer_option *o, const char *label, const char *value,
                             ssfer_error *err)
{
    int64_t number = 0;
    const ssfer_status st = ssfer_parse_int(&number, value, strlen(value));
    if (st != SSFER_OK || !in_range(o, (double)number))
        return fail_number(err, label, value, o, st != SSFER_ERR_FORMAT);
    *out = number;
    return SSFER_OK;
}

static ssfer_status read_float(double *out, const ssfer_option *o, const char *label, const char *value,
                               ssfer_error *err)
{
    double number = 0.0;
    const ssfer_status st = ssfer_parse_double(&number, value, strlen(value));
    if (st != SSFER_OK || !in_range(o, number))
        return fail_number(err, label, value, o, st != SSFER_ERR_FORMAT);
    *out = number;
    return SSFER_OK;
}

static ssfer_status read_choice(int *out, const ssfer_option *o, const char *label, const char *value, ssfer_error *err)
{
    for (int k = 0; o->choices[k]; k++) {
        if (strcmp(o->choices[k], value) == 0) {
            *out = k;
            return SSFER_OK;
        }
    }
    char list[256];
    ssfer_option_value_name(list, sizeof list, o);
    return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: there is no '%s'; give one of %s", label, value, list);
}

static ssfer_status append_string(ssfer_strings *list, const char *value, ssfer_error *err)
{
    const char **items = ssfer_realloc(list->items, (list->count + 1) * sizeof *items);
    if (!items)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "out of memory");
    items[list->count++] = value;
    list->items = items;
    return SSFER_OK;
}

/* Reads a value into its member. */
static ssfer_status set_value(void *member, const ssfer_option *o, bool operand, const char *value, ssfer_error *err)
{
    char label[64];
    option_label(label, sizeof label, o, operand);
    switch (o->type) {
    case SSFER_OPTION_TYPE_FLAG:
        *(bool *)member = true;
        return SSFER_OK;
    case SSFER_OPTION_TYPE_INT:
        return read_int(member, o, label, value, err);
    case SSFER_OPTION_TYPE_FLOAT:
        return read_float(member, o, label, value, err);
    case SSFER_OPTION_TYPE_CHOICE:
        return read_choice(member, o, label, value, err);
    case SSFER_OPTION_TYPE_STRING:
    case SSFER_OPTION_TYPE_STRINGS:
        break;
    }
    // NOLINTNEXTLINE(clang-analyzer-core.NullDereference): only flags have no value
    if (value[0] == '\0') /* most often a shell variable that is not set */
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%s: the value is empty; give one", label);
    if (o->check && o->check(value, err) != SSFER_OK)
        return ssfer_fail_prefix(err, SSFER_ERR_ARGUMENT, "%s", label);
    if (o->type == SSFER_OPTION_TYPE_STRINGS)
        return append_string(member, value, err);
    *(const char **)member = value;
    return SSFER_OK;
}

ssfer_status ssfer_option_check_value(const ssfer_option *o, const char *value, ssfer_error *err)
{
    union {
        bool flag;
        int choice;
        int64_t whole;
        double number;
        const char *text;
        ssfer_strings list;
    } member = {0};
    ssfer_status st = set_value(&member, o, true, value, err);
    if (o->type == SSFER_OPTION_TYPE_STRINGS)
        ssfer_free(member.list.items);
    return st;
}

/* ---- Parsing ------------------------------------------------------------------------------------------------ */

typedef struct parser {
    ssfer_parsed *parsed;
    const ssfer_command *command;
    int argc, at; /* at: the word being read */
    char *const *argv;
    unsigned char *args, *common;
    size_t operand_count; /* operands read so far */
    ssfer_error *err;
} parser;

const void *ssfer_options_member(const ssfer_command *command, size_t i, const void *args, const void *common)
{
    const ssfer_option_group *group = NULL;
    const ssfer_option *o = ssfer_command_option(command, i, &group);
    return (const unsigned char *)(group == &COMMON_GROUP ? common : args) + group->offset + o->offset;
}

static bool equal_text(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool equal_strings(const ssfer_strings *a, const ssfer_strings *b)
{
    for (size_t i = 0; a->count == b->count && i < a->count; i++)
        if (!equal_text(a->items[i], b->items[i]))
            return false;
    return a->count == b->count;
}

bool ssfer_option_equal(const ssfer_option *o, const void *a, const void *b)
{
    switch (o->type) {
    case SSFER_OPTION_TYPE_FLAG:
        return *(const bool *)a == *(const bool *)b;
    case SSFER_OPTION_TYPE_INT:
        return *(const int64_t *)a == *(const int64_t *)b;
    case SSFER_OPTION_TYPE_FLOAT:
        return *(const double *)a == *(const double *)b;
    case SSFER_OPTION_TYPE_CHOICE:
        return *(const int *)a == *(const int *)b;
    case SSFER_OPTION_TYPE_STRING:
        return equal_text(*(const char *const *)a, *(const char *const *)b);
    case SSFER_OPTION_TYPE_STRINGS:
        return equal_strings(a, b);
    }
    return false;
}

static void *member_of(const parser *p, const ssfer_option_group *group, const ssfer_option *o)
{
    return (group == &COMMON_GROUP ? p->common : p->args) + group->offset + o->offset;
}

static ssfer_status set_initials(const parser *p)
{
    const ssfer_option_group *group = NULL;
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(p->command, i, &group)) != NULL; i++) {
        const char *initial = ssfer_command_initial(p->command, o);
        ssfer_status st = initial ? set_value(member_of(p, group, o), o, false, initial, p->err) : SSFER_OK;
        if (st != SSFER_OK)
            return st;
    }
    return SSFER_OK;
}

static ssfer_status fail_unknown(const parser *p, const char *word, size_t length)
{
    const char *names[SSFER_COMMAND_MAX_OPTIONS];
    char name[WORD_MAX + 1];
    size_t count = 0;
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(p->command, i, NULL)) != NULL; i++)
        if (!o->hidden)
            names[count++] = o->name;
    snprintf(name, sizeof name, "%.*s", (int)(length > WORD_MAX ? WORD_MAX : length), word);
    const char *meant = ssfer_suggest(name, names, count);
    if (meant)
        return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "unknown option '--%s'; did you mean --%s?", name, meant);
    return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "unknown option '--%s'; see 'ssfer %s --help'", name,
                      p->command->name);
}

/* The value of an option: what is attached to it, or the next word unless that is itself an option of the command. */
static ssfer_status take_value(parser *p, const ssfer_option *o, const char *attached, const char **value)
{
    *value = attached;
    if (attached)
        return SSFER_OK;
    const char *next = p->at + 1 < p->argc ? p->argv[p->at + 1] : NULL;
    if (next && strncmp(next, "--", 2) == 0 && (next[2] == '\0' || ssfer_command_find(p->command, next + 2, NULL)))
        next = NULL;
    if (!next) {
        char name[256];
        ssfer_option_value_name(name, sizeof name, o);
        return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "--%s: its value is missing; give --%s %s", o->name, o->name,
                          name);
    }
    p->at++;
    *value = next;
    return SSFER_OK;
}

static ssfer_status set_option(parser *p, size_t index, const char *attached)
{
    const ssfer_option_group *group = NULL;
    const ssfer_option *o = ssfer_command_option(p->command, index, &group);
    const char *value = NULL;
    if (o->type == SSFER_OPTION_TYPE_FLAG && attached)
        return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "--%s: it takes no value; leave out '=%s'", o->name, attached);
    if (o->type != SSFER_OPTION_TYPE_FLAG) {
        ssfer_status st = take_value(p, o, attached, &value);
        if (st != SSFER_OK)
            return st;
    }
    p->parsed->given[index] = true;
    p->parsed->text[index] = value;
    return set_value(member_of(p, group, o), o, false, value, p->err);
}

static ssfer_status read_long(parser *p, const char *word)
{
    size_t length = strcspn(word, "=");
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(p->command, i, NULL)) != NULL; i++)
        if (strlen(o->name) == length && strncmp(o->name, word, length) == 0)
            return set_option(p, i, word[length] == '=' ? word + length + 1 : NULL);
    return fail_unknown(p, word, length);
}

/* "-qv" is two flags, "-ofile" and "-o file" an option with a value. */
static ssfer_status read_short(parser *p, const char *letters)
{
    for (; *letters; letters++) {
        const ssfer_option *o = NULL;
        size_t i = 0;
        while ((o = ssfer_command_option(p->command, i, NULL)) != NULL && o->letter != *letters)
            i++;
        if (!o)
            return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "unknown option '-%c'; see 'ssfer %s --help'", *letters,
                              p->command->name);
        bool flag = o->type == SSFER_OPTION_TYPE_FLAG;
        ssfer_status st = set_option(p, i, !flag && letters[1] ? letters + 1 : NULL);
        if (st != SSFER_OK || !flag)
            return st;
    }
    return SSFER_OK;
}

static ssfer_status read_operand(parser *p, const char *word)
{
    const ssfer_option *o = p->command->operands;
    for (size_t i = 0; o && o->name && i < p->operand_count && o->type != SSFER_OPTION_TYPE_STRINGS; i++)
        o++;
    if (!o || !o->name)
        return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "unexpected argument '%s'; see 'ssfer %s --help'", word,
                          p->command->name);
    p->operand_count++;
    return set_value(p->args + o->offset, o, true, word, p->err);
}

/* What a single word cannot show: options that are missing or exclude each other. */
static ssfer_status check_whole(const parser *p)
{
    const ssfer_option *o;
    for (size_t i = 0; (o = ssfer_command_option(p->command, i, NULL)) != NULL; i++) {
        size_t other = 0;
        if (o->conflicts && p->parsed->given[i] && ssfer_command_find(p->command, o->conflicts, &other) &&
            p->parsed->given[other])
            return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "--%s and --%s exclude each other; give one of them", o->name,
                              o->conflicts);
        if (o->required && !p->parsed->given[i])
            return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "--%s is missing; see 'ssfer %s --help'", o->name,
                              p->command->name);
    }
    o = p->command->operands;
    for (size_t i = 0; o && o->name; i++, o++)
        if (o->required && i >= p->operand_count)
            return ssfer_fail(p->err, SSFER_ERR_ARGUMENT, "%s is missing; see 'ssfer %s --help'", o->name,
                              p->command->name);
    return SSFER_OK;
}

/* --help wins over every mistake beside it, but not when it is the value of an option or comes after `--`. */
static bool wants_help(const ssfer_command *command, int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
        const ssfer_option *o = strncmp(argv[i], "--", 2) == 0 ? ssfer_command_find(command, argv[i] + 2, NULL) : NULL;
        if (o && o->type != SSFER_OPTION_TYPE_FLAG && i + 1 < argc && strcmp(argv[i + 1], "-h") == 0)
            i++;
    }
    return false;
}

static ssfer_status read_words(parser *p)
{
    *p->parsed = (ssfer_parsed){.command = p->command};
    if (wants_help(p->command, p->argc, p->argv)) {
        p->parsed->help = true;
        return SSFER_OK;
    }
    ssfer_status st = set_initials(p);
    bool only_operands = false;
    for (; st == SSFER_OK && p->at < p->argc; p->at++) {
        const char *word = p->argv[p->at];
        if (only_operands || word[0] != '-' || word[1] == '\0') /* "-" alone is a file name: standard input or output */
            st = read_operand(p, word);
        else if (strcmp(word, "--") == 0)
            only_operands = true;
        else if (word[1] == '-')
            st = read_long(p, word + 2);
        else
            st = read_short(p, word + 1);
    }
    return st;
}

ssfer_status ssfer_options_read(ssfer_parsed *parsed, const ssfer_command *command, int argc, char *const *argv,
                                void *args, void *common, ssfer_error *err)
{
    parser p = {parsed, command, argc, 0, argv, args, common, 0, err};
    return read_words(&p);
}

ssfer_status ssfer_options_parse(ssfer_parsed *parsed, const ssfer_command *command, int argc, char *const *argv,
                                 void *args, void *common, ssfer_error *err)
{
    parser p = {parsed, command, argc, 0, argv, args, common, 0, err};
    const ssfer_status st = read_words(&p);
    return st == SSFER_OK && !parsed->help ? check_whole(&p) : st;
}

void ssfer_options_deinit(const ssfer_command *command, void *args)
{
    for (size_t g = 0; g < SSFER_COMMAND_MAX_GROUPS; g++)
        for (const ssfer_option *o = command->groups[g].options; o && o->name; o++)
            if (o->type == SSFER_OPTION_TYPE_STRINGS)
                ssfer_free(((ssfer_strings *)((unsigned char *)args + command->groups[g].offset + o->offset))->items);
    for (const ssfer_option *o = command->operands; o && o->name; o++)
        if (o->type == SSFER_OPTION_TYPE_STRINGS)
            ssfer_free(((ssfer_strings *)((unsigned char *)args + o->offset))->items);
}
