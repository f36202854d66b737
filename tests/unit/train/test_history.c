#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/run_history.h"

static char warnings[1024];

static void keep_warning(void *user, ssfer_log_level level, const char *line)
{
    (void)user, (void)level;
    snprintf(warnings + strlen(warnings), sizeof warnings - strlen(warnings), "%s\n", line);
}

static const ssfer_log LOG = {.write = keep_warning, .most = SSFER_LOG_DEBUG};

static const char *write_file(const char *text)
{
    const char *path = scratch_path("metrics.jsonl");
    *warnings = 0;
    assert_int_equal(ssfer_file_write(path, text, strlen(text), NULL), SSFER_OK);
    return path;
}

static const char GOOD[] = "{\"stage\":\"finetune\",\"epoch\":1,\"step\":10,\"loss\":1.5,\"lr\":0.001}\n"
                           "{\"stage\":\"finetune\",\"epoch\":1,\"step\":20,\"loss\":null,\"lr\":0.002}\n"
                           "{\"stage\":\"finetune\",\"epoch\":1,\"step\":20,\"accuracy\":0.25,\"note\":\"text\"}\n"
                           "{\"stage\":\"semi\",\"epoch\":1,\"step\":30,\"loss\":0.5}\n";

static void test_series(void **state)
{
    (void)state;
    ssfer_history h;
    assert_int_equal(ssfer_history_read(&h, write_file(GOOD), &LOG, NULL), SSFER_OK);
    assert_int_equal(h.bad_lines, 0);
    const ssfer_series *loss = ssfer_history_find(&h, "finetune", "loss");
    assert_non_null(loss);
    assert_int_equal(loss->count, 1); /* null is left out */
    assert_true(loss->value[0] == 1.5 && loss->step[0] == 10 && loss->epoch[0] == 1);
    assert_int_equal(ssfer_history_find(&h, "finetune", "lr")->count, 2);
    assert_true(ssfer_history_find(&h, "semi", "loss")->value[0] == 0.5);
    assert_true(ssfer_history_find(&h, NULL, "accuracy")->value[0] == 0.25);
    assert_null(ssfer_history_find(&h, NULL, "note"));
    assert_null(ssfer_history_find(&h, "semi", "accuracy"));
    ssfer_history_deinit(&h);
}

/* A file of ever new names takes no time in the square of its size: 1,000 series are kept. */
static void test_many_series(void **state)
{
    (void)state;
    ssfer_history h;
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    fprintf(f, "{\"stage\":\"a\",\"step\":1");
    for (int i = 0; i < 1500; i++)
        fprintf(f, ",\"m%d\":%d", i, i);
    fprintf(f, "}\n{\"stage\":\"a\",\"step\":2,\"m7\":8,\"m1200\":9}\n");
    fclose(f);
    assert_int_equal(ssfer_history_read(&h, write_file(text), &LOG, NULL), SSFER_OK);
    assert_int_equal(h.count, 1000);
    assert_int_equal(ssfer_history_find(&h, "a", "m7")->count, 2);
    assert_null(ssfer_history_find(&h, "a", "m1200"));
    ssfer_history_deinit(&h);
    free(text);
}

/* Cut at any length: the records of its whole lines, in order, and no other figure. */
static void test_cut_files(void **state)
{
    (void)state;
    static const double steps[] = {10, 20, 20, 30};
    for (size_t n = 0; n < sizeof GOOD; n++) {
        char text[sizeof GOOD];
        size_t whole = 0, lr = 0, loss = 0;
        uint64_t keep;
        ssfer_history h;
        memcpy(text, GOOD, n);
        text[n] = 0;
        for (size_t i = 0; i < n; i++) /* a record whose newline alone is missing is whole */
            whole += GOOD[i] == '}';
        const char *path = write_file(text);
        assert_int_equal(ssfer_history_read(&h, path, &LOG, NULL), SSFER_OK);
        for (size_t i = 0; i < h.count; i++)
            for (size_t k = 0; k < h.series[i].count; k++) {
                const ssfer_series *s = &h.series[i];
                lr += strcmp(s->name, "lr") == 0;
                loss += strcmp(s->name, "loss") == 0;
                assert_true(s->step[k] <= steps[whole ? whole - 1 : 0] && whole);
                assert_true(s->value[k] == 1.5 || s->value[k] == 0.5 || s->value[k] == 0.001 || s->value[k] == 0.002 ||
                            s->value[k] == 0.25);
            }
        assert_int_equal(lr, whole < 2 ? whole : 2);
        assert_int_equal(loss, (whole > 0) + (whole > 3));
        ssfer_history_deinit(&h);
        assert_int_equal(ssfer_history_prefix(&keep, path, UINT64_MAX, &LOG, NULL), SSFER_OK);
        assert_true(keep <= n && (keep == 0 || GOOD[keep - 1] == '\n') && !memchr(GOOD + keep, '\n', n - keep));
    }
}

/* Damaged lines are skipped, counted and named; the rest is used. */
static void test_damaged_lines(void **state)
{
    (void)state;
    ssfer_history h;
    const char *path = write_file("{\"stage\":\"a\",\"epoch\":1,\"step\":1,\"loss\":1}\n"
                                  "{\"stage\":\"a\",\"epoch\":1,\"st\n"
                                  "\n"
                                  "[1,2]\n"
                                  "{\"stage\":\"a\",\"step\":-4,\"loss\":9}\n"
                                  "{\"stage\":\"a\",\"epoch\":1,\"step\":2,\"loss\":2}\n"
                                  "{\"stage\":\"a\",\"epoch\":1,\"step\":3,\"lo");
    assert_int_equal(ssfer_history_read(&h, path, &LOG, NULL), SSFER_OK);
    assert_int_equal(h.bad_lines, 4);
    assert_int_equal(ssfer_history_find(&h, "a", "loss")->count, 2);
    assert_non_null(strstr(warnings, "metrics.jsonl:2: skipped"));
    assert_non_null(strstr(warnings, "metrics.jsonl:7: skipped"));
    ssfer_history_deinit(&h);
    assert_int_equal(ssfer_history_read(&h, path, NULL, NULL), SSFER_OK); /* no log: silent */
    ssfer_history_deinit(&h);
}

static void check_prefix(const char *text, uint64_t end_step, size_t want)
{
    uint64_t keep = 99;
    assert_int_equal(ssfer_history_prefix(&keep, write_file(text), end_step, &LOG, NULL), SSFER_OK);
    assert_int_equal(keep, want);
}

static void test_prefix(void **state)
{
    (void)state;
    size_t line1 = (size_t)(strchr(GOOD, '\n') - GOOD) + 1, line3 = (size_t)(strstr(GOOD, "{\"stage\":\"semi") - GOOD);
    check_prefix(GOOD, 0, 0);
    check_prefix(GOOD, 10, 0);
    check_prefix(GOOD, 11, line1);
    check_prefix(GOOD, 21, line3); /* both records of step 20 */
    check_prefix(GOOD, 1000, sizeof GOOD - 1);
    check_prefix("", 5, 0);
    char cut[sizeof GOOD];
    memcpy(cut, GOOD, sizeof GOOD);
    cut[sizeof GOOD - 2] = 0; /* the last newline never reached the disk */
    check_prefix(cut, 1000, line3);
    check_prefix("{\"step\":1}\nrubbish\n{\"step\":2}\n{\"step\":9}\n", 3, 30);
    assert_non_null(strstr(warnings, "metrics.jsonl:2"));
}

static void test_missing_and_unreadable(void **state)
{
    (void)state;
    ssfer_history h;
    uint64_t keep = 1;
    assert_int_equal(ssfer_history_read(&h, scratch_path("none"), NULL, NULL), SSFER_OK);
    assert_int_equal(h.count, 0);
    assert_int_equal(ssfer_history_prefix(&keep, scratch_path("none"), 5, NULL, NULL), SSFER_OK);
    assert_int_equal(keep, 0);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    const char *path = write_file(GOOD);
    for (size_t n = 1;; n++) {
        ssfer_history h;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_history_read(&h, path, NULL, NULL);
        size_t made = ssfer_memory_fail_at(0);
        ssfer_history_deinit(&h);
        if (st == SSFER_OK && made < n)
            break;
        assert_true(st == SSFER_ERR_MEMORY || st == SSFER_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_series),
        cmocka_unit_test(test_many_series),
        cmocka_unit_test(test_cut_files),
        cmocka_unit_test(test_damaged_lines),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_missing_and_unreadable),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
