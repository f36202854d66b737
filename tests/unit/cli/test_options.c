/* The option parser on a table of its own, and rules that every command's tables must keep. */
#include "base/memory.h"
#include "cli/cli.h"
#include "cli/help.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct sample_args {
    bool flag, other;
    const char *text, *input;
    int64_t count, any;
    double share, rate;
    int kind;
    ssfer_strings names, rest;
} sample_args;

static const char *const KINDS[] = {"table", "json", NULL};

static ssfer_status check_text(const char *value, ssfer_error *err)
{
    return strcmp(value, "bad") == 0 ? ssfer_fail(err, SSFER_ERR_ARGUMENT, "'bad' is bad; give good") : SSFER_OK;
}

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_FLAG(sample_args, flag), .name = "flag", .letter = 'f', .help = "a flag"},
    {SSFER_OPTION_FLAG(sample_args, other), .name = "other", .conflicts = "flag", .help = "another"},
    {SSFER_OPTION_STRING(sample_args, text), .name = "text", .letter = 't', .value = "T", .check = check_text,
     .help = "a text"},
    {SSFER_OPTION_INT(sample_args, count), .name = "count", .value = "N", .initial = "7", .min = 1, .max = 100,
     .help = "a count"},
    {SSFER_OPTION_INT(sample_args, any), .name = "any", .value = "N", .help = "any whole number"},
    {SSFER_OPTION_FLOAT(sample_args, share), .name = "share", .value = "F", .initial = "0.5", .above_min = true,
     .max = 1, .help = "a share"},
    {SSFER_OPTION_FLOAT(sample_args, rate), .name = "rate", .value = "F", .max = 1, .below_max = true,
     .help = "a rate"},
    {SSFER_OPTION_CHOICE(sample_args, kind), .name = "kind", .choices = KINDS, .initial = "json", .help = "a kind"},
    {SSFER_OPTION_STRINGS(sample_args, names), .name = "name", .value = "N", .help = "a name"},
    {0}};
static const ssfer_option OPERANDS[] = {
    {SSFER_OPTION_STRING(sample_args, input), .name = "INPUT", .required = true, .help = "the input"},
    {SSFER_OPTION_STRINGS(sample_args, rest), .name = "MORE", .help = "more of them"},
    {0}};
static const ssfer_command SAMPLE = {.name = "sample",
                                     .summary = "a sample",
                                     .description = "Text.",
                                     .groups = {{"Options", OPTIONS, 0}},
                                     .operands = OPERANDS,
                                     .initials = {{"count", "9"}},
                                     .args_size = sizeof(sample_args)};

enum { WORDS_MAX = 32 };

/* Parses words separated by blanks; '_' stands for an empty word. */
static ssfer_status parse(sample_args *args, ssfer_common_args *common, const char *line, ssfer_error *err)
{
    static char buffer[256]; /* the values that args keeps point into it */
    char *words[WORDS_MAX];
    int count = 0;
    ssfer_parsed parsed;
    snprintf(buffer, sizeof buffer, "%s", line);
    for (char *word = strtok(buffer, " "); word && count < WORDS_MAX; word = strtok(NULL, " "))
        words[count++] = strcmp(word, "_") == 0 ? word + 1 : word;
    memset(args, 0, sizeof *args);
    memset(common, 0, sizeof *common);
    return ssfer_options_parse(&parsed, &SAMPLE, count, words, args, common, err);
}

static void test_values(void **state)
{
    (void)state;
    sample_args a;
    ssfer_common_args c;
    ssfer_error err = {0};
    assert_int_equal(parse(&a, &c, "in", &err), SSFER_OK);
    assert_string_equal(a.input, "in");
    assert_int_equal(a.count, 9); /* the command's own default */
    assert_true(a.share == 0.5 && a.rate == 0.0 && a.kind == 1);
    assert_null(a.text);
    assert_string_equal(c.device, "auto");
    ssfer_options_deinit(&SAMPLE, &a);

    assert_int_equal(parse(&a, &c,
                           "-ft x --count=3 in --any -12 --share 1 --rate 1e-3 --kind table --name a --name=b m1 "
                           "--seed 5 -- --m2 -",
                           &err),
                     SSFER_OK);
    assert_true(a.flag && !a.other && a.count == 3 && a.any == -12 && a.kind == 0);
    assert_true(a.share == 1.0 && a.rate == 1e-3);
    assert_string_equal(a.text, "x");
    assert_int_equal(a.names.count, 2);
    assert_string_equal(a.names.items[1], "b");
    assert_int_equal(a.rest.count, 3);
    assert_string_equal(a.rest.items[1], "--m2");
    assert_string_equal(a.rest.items[2], "-");
    assert_int_equal(c.seed, 5);
    ssfer_options_deinit(&SAMPLE, &a);

    assert_int_equal(parse(&a, &c, "in -tx --text last --count 1 --count 2", &err), SSFER_OK);
    assert_string_equal(a.text, "last");
    assert_int_equal(a.count, 2);
    ssfer_options_deinit(&SAMPLE, &a);
}

static void test_mistakes(void **state)
{
    static const char *const CASES[][2] = {
        {"in --cuont 3", "unknown option '--cuont'; did you mean --count?"},
        {"in --zzz", "unknown option '--zzz'; see 'ssfer sample --help'"},
        {"in --zzz=3", "unknown option '--zzz'; see 'ssfer sample --help'"},
        {"in -x", "unknown option '-x'; see 'ssfer sample --help'"},
        {"in --count", "--count: its value is missing; give --count N"},
        {"in --text --flag", "--text: its value is missing; give --text T"},
        {"in --kind", "--kind: its value is missing; give --kind table|json"},
        {"in --count 0", "--count: '0' is out of range; give a whole number, 1 to 100"},
        {"in --count 101", "--count: '101' is out of range; give a whole number, 1 to 100"},
        {"in --count 99999999999999999999",
         "--count: '99999999999999999999' is out of range; give a whole number, 1 to 100"},
        {"in --any 99999999999999999999", "--any: '99999999999999999999' is out of range; give a whole number"},
        {"in --count 3x", "--count: '3x' is not a whole number; give a whole number, 1 to 100"},
        {"in --count 3.5", "--count: '3.5' is not a whole number; give a whole number, 1 to 100"},
        {"in --count _", "--count: '' is not a whole number; give a whole number, 1 to 100"},
        {"in --count -", "--count: '-' is not a whole number; give a whole number, 1 to 100"},
        {"in --share 0", "--share: '0' is out of range; give a number, greater than 0, at most 1"},
        {"in --rate 1", "--rate: '1' is out of range; give a number, at least 0, below 1"},
        {"in --rate nan", "--rate: 'nan' is not a number; give a number, at least 0, below 1"},
        {"in --rate inf", "--rate: 'inf' is not a number; give a number, at least 0, below 1"},
        {"in --rate 0x1", "--rate: '0x1' is not a number; give a number, at least 0, below 1"},
        {"in --rate 1e999", "--rate: '1e999' is out of range; give a number, at least 0, below 1"},
        {"in --rate e", "--rate: 'e' is not a number; give a number, at least 0, below 1"},
        {"in --kind xml", "--kind: there is no 'xml'; give one of table|json"},
        {"in --text _", "--text: the value is empty; give one"},
        {"in --text bad", "--text: 'bad' is bad; give good"},
        {"in --flag=1", "--flag: it takes no value; leave out '=1'"},
        {"in --flag --other", "--other and --flag exclude each other; give one of them"},
        {"--flag", "INPUT is missing; see 'ssfer sample --help'"},
        {"_", "INPUT: the value is empty; give one"},
        {"in --device cuda:", "--device: there is no 'cuda:'; give auto, cpu, cuda or cuda:N"},
        {"in --device cuda:x", "--device: there is no 'cuda:x'; give auto, cpu, cuda or cuda:N"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        sample_args a;
        ssfer_common_args c;
        ssfer_error err = {0};
        assert_int_equal(parse(&a, &c, CASES[i][0], &err), SSFER_ERR_ARGUMENT);
        assert_string_equal(err.message, CASES[i][1]);
        ssfer_options_deinit(&SAMPLE, &a);
    }
}

static void test_help_wins(void **state)
{
    (void)state;
    char *words[] = {(char *)"--nonsense", (char *)"--help"};
    char *value[] = {(char *)"in", (char *)"--text", (char *)"-h"};
    char *ended[] = {(char *)"--", (char *)"--help"};
    sample_args a = {0};
    ssfer_common_args c = {0};
    ssfer_parsed parsed;
    ssfer_error err = {0};
    assert_int_equal(ssfer_options_parse(&parsed, &SAMPLE, 2, words, &a, &c, &err), SSFER_OK);
    assert_true(parsed.help);
    assert_int_equal(ssfer_options_parse(&parsed, &SAMPLE, 3, value, &a, &c, &err), SSFER_OK);
    assert_false(parsed.help);
    assert_string_equal(a.text, "-h");
    assert_int_equal(ssfer_options_parse(&parsed, &SAMPLE, 2, ended, &a, &c, &err), SSFER_OK);
    assert_false(parsed.help);
    assert_string_equal(a.input, "--help");
}

/* Every allocation of the parser fails once: an error, no leak (AddressSanitizer looks), no crash. */
static void test_memory_runs_out(void **state)
{
    (void)state;
    size_t failures = 0;
    for (size_t n = 1;; n++) {
        sample_args a;
        ssfer_common_args c;
        ssfer_error err = {0};
        ssfer_memory_fail_at(n);
        ssfer_status st = parse(&a, &c, "in x y --name a --name b", &err);
        ssfer_memory_fail_at(0);
        ssfer_options_deinit(&SAMPLE, &a);
        if (st == SSFER_OK)
            break;
        assert_int_equal(st, SSFER_ERR_MEMORY);
        failures++;
    }
    assert_int_equal(failures, 4); /* two operands, two names */
}

/* A command line by itself: what was given, in which words, and whether two say the same. */
static void test_reading(void **state)
{
    (void)state;
    char *words[] = {"--count=9", "--share", "0.50", "-f", "--name", "a"};
    sample_args a = {0}, b = {0};
    ssfer_common_args common = {0};
    ssfer_parsed parsed;
    ssfer_error err = {0};
    const ssfer_option *o;
    assert_int_equal(ssfer_options_read(&parsed, &SAMPLE, 6, words, &a, &common, &err),
                     SSFER_OK); /* INPUT is missing */
    assert_int_equal(ssfer_options_read(&(ssfer_parsed){0}, &SAMPLE, 0, NULL, &b, &common, &err), SSFER_OK);
    for (size_t i = 0; (o = ssfer_command_option(&SAMPLE, i, NULL)) != NULL; i++) {
        const bool given = strcmp(o->name, "count") == 0 || strcmp(o->name, "share") == 0 ||
                           strcmp(o->name, "flag") == 0 || strcmp(o->name, "name") == 0;
        const bool other = strcmp(o->name, "flag") == 0 || strcmp(o->name, "name") == 0; /* the rest are defaults */
        const void *x = ssfer_options_member(&SAMPLE, i, &a, &common),
                   *y = ssfer_options_member(&SAMPLE, i, &b, &common);
        assert_int_equal(parsed.given[i], given);
        assert_int_equal(parsed.text[i] != NULL, given && o->type != SSFER_OPTION_TYPE_FLAG);
        assert_int_equal(ssfer_option_equal(o, x, y), !other);
        assert_true(ssfer_option_equal(o, x, x));
        if (strcmp(o->name, "share") == 0)
            assert_string_equal(parsed.text[i], "0.50");
    }
    a.text = "t";
    assert_false(ssfer_option_equal(ssfer_command_find(&SAMPLE, "text", NULL), &a.text, &b.text));
    ssfer_options_deinit(&SAMPLE, &a);
    ssfer_options_deinit(&SAMPLE, &b);
}

static void test_suggestions(void **state)
{
    static const char *const NAMES[] = {"epochs", "batch-size", "lr", "split", "seed"};
    (void)state;
    assert_string_equal(ssfer_suggest("epoch", NAMES, 5), "epochs");
    assert_string_equal(ssfer_suggest("batchsize", NAMES, 5), "batch-size");
    assert_string_equal(ssfer_suggest("slpit", NAMES, 5), "split"); /* swapped letters are one mistake */
    assert_null(ssfer_suggest("xx", NAMES, 5));                     /* nothing in common with "lr" */
    assert_null(ssfer_suggest("", NAMES, 5));
    assert_null(ssfer_suggest("a-word-much-longer-than-any-option-could-ever-be-called", NAMES, 5));
}

static void check_option(const ssfer_command *command, const ssfer_option *o, bool operand)
{
    char sentence[1024];
    assert_non_null(o->help);
    size_t length = strlen(o->help);
    if (length == 0 || o->help[length - 1] == '.')
        fail_msg("%s: the help of %s is a phrase without a full stop", command->name, o->name);
    ssfer_option_sentence(sentence, sizeof sentence, command, o);
    assert_true(strlen(sentence) < sizeof sentence - 1);
    if (o->type == SSFER_OPTION_TYPE_CHOICE)
        assert_non_null(o->choices);
    if (!operand && o->type != SSFER_OPTION_TYPE_CHOICE && (o->type == SSFER_OPTION_TYPE_FLAG) == (o->value != NULL))
        fail_msg("%s: --%s: flags have no value name, all others have", command->name, o->name);
    if (o->describes && !ssfer_command_find(command, o->describes, NULL))
        fail_msg("%s: --%s describes --%s, which does not exist", command->name, o->name, o->describes);
    if (command->resumable && o->type == SSFER_OPTION_TYPE_STRINGS)
        fail_msg("%s: --%s: a list is not recorded for --resume", command->name, o->name);
    if (o->conflicts && !ssfer_command_find(command, o->conflicts, NULL))
        fail_msg("%s: --%s conflicts with --%s, which does not exist", command->name, o->name, o->conflicts);
}

/* Names and letters are unique in a command, overridden defaults name options that exist. */
static void check_command(const ssfer_command *command)
{
    const ssfer_option *o, *other;
    size_t count = 0;
    assert_non_null(command->summary);
    assert_non_null(command->description);
    assert_non_null(command->run);
    for (size_t i = 0; (o = ssfer_command_option(command, i, NULL)) != NULL; i++, count++) {
        check_option(command, o, false);
        for (size_t j = 0; j < i && (other = ssfer_command_option(command, j, NULL)) != NULL; j++)
            if (strcmp(o->name, other->name) == 0 || (o->letter && o->letter == other->letter))
                fail_msg("%s: --%s and --%s have the same name or letter", command->name, o->name, other->name);
    }
    assert_true(count <= SSFER_COMMAND_MAX_OPTIONS);
    for (o = command->operands; o && o->name; o++)
        check_option(command, o, true);
    if (command->resumable) { /* what cli/resume.c relies on */
        assert_non_null(ssfer_command_find(command, "out", NULL));
        assert_non_null(ssfer_command_find(command, "resume", NULL));
        assert_true(command->operands && command->operands[0].offset == 0 && !command->operands[1].name);
    }
    for (size_t i = 0; i < SSFER_COMMAND_MAX_INITIALS && command->initials[i].name; i++)
        assert_non_null(ssfer_command_find(command, command->initials[i].name, NULL));
}

static void test_all_tables(void **state)
{
    (void)state;
    for (size_t i = 0; SSFER_COMMANDS[i]; i++) {
        const ssfer_command *command = SSFER_COMMANDS[i];
        check_command(command);
        /* Without arguments, parsing gets through all defaults: only a missing operand or option may stop it. */
        void *args = calloc(1, command->args_size + 1);
        ssfer_common_args common = {0};
        ssfer_parsed parsed;
        ssfer_error err = {0};
        ssfer_status st = ssfer_options_parse(&parsed, command, 0, NULL, args, &common, &err);
        if (st != SSFER_OK && !strstr(err.message, " is missing; see "))
            fail_msg("%s: a default is not accepted: %s", command->name, err.message);
        ssfer_options_deinit(command, args);
        free(args);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),          cmocka_unit_test(test_mistakes),    cmocka_unit_test(test_help_wins),
        cmocka_unit_test(test_memory_runs_out), cmocka_unit_test(test_suggestions), cmocka_unit_test(test_all_tables),
        cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
