/* Command lines completed from the record of a run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/train/scratch.h"

#include "cli/commands.h"
#include "cli/resume.h"
#include "train/run.h"

enum { WORDS_MAX = 32 };

typedef struct line {
    char text[1024], *words[WORDS_MAX];
    int count;
} line;

/* Words separated by blanks; RUN stands for the scratch folder. */
static void split_line(line *l, const char *text)
{
    size_t used = 0;
    l->count = 0;
    for (const char *c = text; *c && used < sizeof l->text - 600; c++)
        if (strncmp(c, "RUN", 3) == 0) {
            used += (size_t)snprintf(l->text + used, sizeof l->text - used, "%s", scratch);
            c += 2;
        } else
            l->text[used++] = *c;
    l->text[used] = 0;
    for (char *word = strtok(l->text, " "); word && l->count < WORDS_MAX; word = strtok(NULL, " "))
        l->words[l->count++] = word;
}

/* What `ssfer finetune TEXT` would write down as its options. */
static void record(const char *name, const char *text, const char *section, const char *key)
{
    line l;
    ssfer_parsed parsed;
    ssfer_common_args common = {0};
    ssfer_error err = {0};
    ssfer_recipe recipe = {0};
    void *args = ssfer_calloc(1, SSFER_COMMAND_FINETUNE.args_size);
    split_line(&l, text);
    if (ssfer_options_parse(&parsed, &SSFER_COMMAND_FINETUNE, l.count, l.words, args, &common, &err) != SSFER_OK)
        fail_msg("%s", err.message);
    if (section) {
        ssfer_recipe_section(&recipe, section);
        ssfer_recipe_size(&recipe, key, 1);
    }
    ssfer_resume_describe(&recipe, &parsed);
    assert_int_equal(ssfer_recipe_write(&recipe, scratch_path(name), NULL), SSFER_OK);
    ssfer_recipe_deinit(&recipe);
    ssfer_free(args);
}

static void begin(const char *name)
{
    assert_int_equal(ssfer_file_write(scratch_path(name), "{}\n", 3, NULL), SSFER_OK);
}

/* Completes a line; the words, with RUN for the folder again, must be `wanted`. */
static void check_completed(const char *text, const char *wanted)
{
    line l;
    ssfer_resume r;
    ssfer_error err = {0};
    char got[2048] = "";
    split_line(&l, text);
    if (ssfer_resume_complete(&r, &SSFER_COMMAND_FINETUNE, l.count, l.words, &err) != SSFER_OK)
        fail_msg("%s: %s", text, err.message);
    for (int i = 0; i < r.argc; i++) {
        const char *at = strstr(r.argv[i], scratch);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%.*s%s%s", i ? " " : "",
                 at ? (int)(at - r.argv[i]) : (int)strlen(r.argv[i]), r.argv[i], at ? "RUN" : "",
                 at ? at + strlen(scratch) : "");
    }
    assert_string_equal(got, wanted);
    ssfer_resume_deinit(&r);
}

static void check_refused(const ssfer_command *command, const char *text, bool differs, const char *part)
{
    line l;
    ssfer_resume r;
    ssfer_error err = {0};
    split_line(&l, text);
    assert_int_not_equal(ssfer_resume_complete(&r, command, l.count, l.words, &err), SSFER_OK);
    if (!strstr(err.message, part))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, err.message, part);
    assert_int_equal(r.differs, differs);
    ssfer_resume_deinit(&r);
}

static const char STARTED[] = "--data a=b,c --labels l.json --lr 1e-3 --checkpoint-activations --threads 2 -q -o x";
#define KEPT "--data=a=b,c --labels=l.json --lr=1e-3 --checkpoint-activations --threads=2"

static void test_completed(void **state)
{
    (void)state;
    record("recipe.yaml", STARTED, NULL, NULL);
    check_completed("--data d --out RUN", "--data d --out RUN"); /* none that goes on */
    check_completed("--resume RUN", KEPT " --out=RUN --resume RUN");
    check_completed("RUN --resume -v --threads 3", KEPT " --out=RUN RUN --resume -v --threads 3");
    check_completed("--out RUN --resume", KEPT " --out RUN --resume");
    check_completed("--out RUN/new --resume --data d", "--out RUN/new --resume --data d"); /* it starts */
    check_completed("--resume RUN --help", "--resume RUN --help");
    check_completed("--resume RUN --lr 2", KEPT " --out=RUN --resume RUN --lr 2"); /* it has not begun */
    begin("metrics.jsonl");
    check_completed("--resume RUN --lr 0.001 --epochs 100 --max-bad 1",
                    KEPT " --out=RUN --resume RUN --lr 0.001 --epochs 100 --max-bad 1");
}

static void test_refused(void **state)
{
    (void)state;
    record("recipe.yaml", STARTED, NULL, NULL);
    begin("metrics.jsonl");
    const ssfer_command *c = &SSFER_COMMAND_FINETUNE;
    check_refused(c, "--resume RUN --lr 2e-3", true,
                  "/recipe.yaml: the run was started with --lr 1e-3, not 2e-3; leave");
    check_refused(c, "--resume RUN --epochs 5", true, "started with --epochs 100, not 5;");
    check_refused(c, "--out RUN --resume --fraction 0.5", true, "started with --fraction 1, not 0.5;");
    check_refused(c, "--resume RUN --init i", true, "started with --init unset, not i;");
    check_refused(c, "--resume RUN --arch tiny", true, "started with --arch base, not tiny;");
    check_refused(c, "--resume RUN --seed 1", true, "started with --seed 0, not 1;");
    check_refused(c, "--resume RUN --lr x", false, "--lr: 'x' is not a number");
    check_refused(c, "--resume RUN/nowhere", false, "nowhere: holds no run to go on with");
    check_refused(c, "--resume", false, "--resume: the folder of the run is missing");
    check_refused(c, "RUN", false, "unexpected argument");
    check_refused(c, "--resume RUN --out x", false, "are two folders; give one of them");
    check_refused(&SSFER_COMMAND_SEMI, "--resume RUN", false,
                  "a run of 'ssfer finetune'; go on with 'ssfer finetune --resume");
}

/* Records that are damaged, older, or of something else. */
static void test_other_records(void **state)
{
    (void)state;
    const ssfer_command *c = &SSFER_COMMAND_FINETUNE;
    static const char older[] = "training:\n  lr: 1.0e-3\n";
    assert_int_equal(ssfer_file_write(scratch_path("recipe.yaml"), older, sizeof older - 1, NULL), SSFER_OK);
    check_completed("--resume RUN --data d", "--out=RUN --resume RUN --data d");
    static const char strange[] =
        "options:\n  command: finetune\n  data: \"\xff\"\n  gone: 1\n  lr: [1, 2]\n  split: s\n";
    assert_int_equal(ssfer_file_write(scratch_path("recipe.yaml"), strange, sizeof strange - 1, NULL), SSFER_OK);
    check_completed("--resume RUN", "--split=s --out=RUN --resume RUN");
    assert_int_equal(ssfer_file_write(scratch_path("recipe.yaml"), "rubbish\n", 8, NULL), SSFER_OK);
    check_refused(c, "--resume RUN", false, "recipe.yaml:1: ");
    static const char stages[] = "common:\n  stages: [finetune]\n";
    assert_int_equal(ssfer_file_write(scratch_path("recipe.yaml"), stages, sizeof stages - 1, NULL), SSFER_OK);
    check_refused(c, "--resume RUN", false, "a run of 'ssfer train'; go on with 'ssfer train --resume");
    record("recipe.yaml", "--data d --folds 3 -o x", "data", "fold");
    check_refused(c, "--resume RUN", false, "a fold of a cross-validation");
    unlink(scratch_path("recipe.yaml"));
    assert_int_equal(ssfer_folder_create(scratch_path("fold-1"), NULL), SSFER_OK);
    record("fold-1/recipe.yaml", "--data d --folds 3 -o x", "data", "fold");
    check_completed("--resume RUN", "--data=d --folds=3 --out=RUN --resume RUN");
    begin("fold-1/metrics.jsonl");
    check_refused(c, "--resume RUN --folds 4", true, "fold-1/recipe.yaml: the run was started with --folds 3, not 4;");
}

static void test_out_of_memory(void **state)
{
    (void)state;
    size_t failures = 0;
    record("recipe.yaml", STARTED, NULL, NULL);
    begin("metrics.jsonl");
    for (size_t n = 1;; n++) {
        line l;
        ssfer_resume r;
        ssfer_error err = {0};
        split_line(&l, "--resume RUN --lr 1e-3");
        ssfer_memory_fail_at(n);
        const ssfer_status st = ssfer_resume_complete(&r, &SSFER_COMMAND_FINETUNE, l.count, l.words, &err);
        ssfer_memory_fail_at(0);
        const int words = r.argc;
        ssfer_resume_deinit(&r);
        if (st == SSFER_OK) {
            assert_int_equal(words, 10);
            break;
        }
        if (st != SSFER_ERR_MEMORY)
            fail_msg("allocation %zu: %s", n, err.message);
        failures++;
    }
    assert_true(failures > 20);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_completed),
        TEST(test_refused),
        TEST(test_other_records),
        TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
