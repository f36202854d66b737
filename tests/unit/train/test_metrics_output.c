#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "metrics_case.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void load_case(ssfer_metrics **m, ssfer_evaluation *e)
{
    *m = case_metrics();
    assert_int_equal(ssfer_metrics_compute(e, *m, NULL), SSFER_OK);
}

static void test_table(void **state)
{
    (void)state;
    ssfer_metrics *m;
    ssfer_evaluation e;
    char *text = NULL;
    size_t size = 0;
    load_case(&m, &e);
    FILE *stream = open_memstream(&text, &size);
    ssfer_evaluation_print(stream, &e);
    fclose(stream);
    static const char want[] = "accuracy              60.00 %  of 5 images\n"
                               "mean-class accuracy   66.67 %\n"
                               "macro F1              61.11 %\n"
                               "top-2 accuracy        80.00 %\n"
                               "cross entropy         0.7272\n"
                               "calibration error     35.60 %  (largest bin 62.00 %)\n"
                               "\n"
                               "class        images  precision     recall         F1      AUROC\n"
                               "anger             2      50.00      50.00      50.00      83.33\n"
                               "joy, \"big\"        1      50.00     100.00      66.67     100.00\n"
                               "fear              2     100.00      50.00      66.67     100.00\n"
                               "mean              5      66.67      66.67      61.11      94.44\n"
                               "\n"
                               "confusion (rows: true class, columns: predicted)\n"
                               "                 anger  joy, \"big\"        fear\n"
                               "anger                1           1           0\n"
                               "joy, \"big\"           0           1           0\n"
                               "fear                 1           0           1\n";
    assert_string_equal(text, want);
    free(text);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

/* Ten long names do not fit beside each other: columns are numbered; every line of the matrix has the same length. */
static void test_table_numbered(void **state)
{
    (void)state;
    enum { K = 12 };
    char storage[K][32];
    const char *names[K];
    float logits[K] = {0};
    int32_t label = 3;
    ssfer_metrics *m;
    ssfer_evaluation e;
    for (int k = 0; k < K; k++) {
        snprintf(storage[k], sizeof storage[k], "expression%d\x1b", k);
        names[k] = storage[k];
    }
    logits[11] = 1;
    assert_int_equal(ssfer_metrics_create(&m, names, K, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_add(m, logits, &label, NULL, 1, NULL), SSFER_OK);
    assert_int_equal(ssfer_metrics_compute(&e, m, NULL), SSFER_OK);
    char *text = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    ssfer_evaluation_print(stream, &e);
    fclose(stream);
    const char *row = strstr(text, "\n  4  expression3?  ");
    assert_non_null(row);
    assert_null(strchr(text, 0x1b)); /* no escape sequence from a class name reaches the terminal */
    size_t length = strcspn(row + 1, "\n");
    for (const char *line = row + 1; *line; line += length + 1)
        assert_int_equal(strcspn(line, "\n"), length);
    free(text);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static void test_json(void **state)
{
    (void)state;
    ssfer_metrics *m;
    ssfer_evaluation e;
    ssfer_json *json;
    char *text = NULL;
    size_t size = 0;
    double accuracy, f1;
    const char *name;
    load_case(&m, &e);
    e.auroc_macro = NAN;
    FILE *stream = open_memstream(&text, &size);
    ssfer_evaluation_write_json(stream, &e);
    fclose(stream);
    assert_int_equal(text[size - 1], '\n');
    assert_int_equal(ssfer_json_parse(&json, text, size, "json", NULL), SSFER_OK);
    assert_int_equal(ssfer_json_get_double(&accuracy, json, "accuracy", "json", NULL), SSFER_OK);
    assert_true(accuracy == e.accuracy); /* the same double comes back */
    assert_int_equal(ssfer_json_kind_of(ssfer_json_find(json, "auroc_macro")), SSFER_JSON_NULL);
    assert_int_equal(ssfer_json_count(ssfer_json_find(json, "confusion")), CASE_CLASSES);
    assert_int_equal(ssfer_json_count(ssfer_json_at(ssfer_json_find(json, "confusion"), 0)), CASE_CLASSES);
    assert_int_equal(ssfer_json_count(ssfer_json_find(json, "calibration")), SSFER_CALIBRATION_BINS);
    const ssfer_json *second = ssfer_json_at(ssfer_json_find(json, "classes"), 1);
    assert_int_equal(ssfer_json_to_string(&name, second, "json", NULL), SSFER_OK);
    assert_string_equal(name, CASE_NAMES[1]);
    const ssfer_json *per_class = ssfer_json_find(ssfer_json_find(json, "per_class"), CASE_NAMES[1]);
    assert_int_equal(ssfer_json_get_double(&f1, per_class, "f1", "json", NULL), SSFER_OK);
    assert_true(f1 == e.per_class[1].f1);
    ssfer_json_destroy(json);
    free(text);
    ssfer_evaluation_deinit(&e);
    ssfer_metrics_destroy(m);
}

static const char *path_of(const void *user, size_t index)
{
    return ((const char *const *)user)[index];
}

static const char *const PATHS[CASE_SAMPLES] = {"a/1.png", "a/2,x.png", "b/\"3\".png", "c/4.png", "c/5.png"};

static void test_csv(void **state)
{
    (void)state;
    ssfer_metrics *m = case_metrics();
    unsigned char *text;
    size_t size;
    char path[] = "/tmp/ssfer_csv_XXXXXX";
    close(mkstemp(path));
    assert_int_equal(ssfer_predictions_write_csv(path, m, path_of, PATHS, NULL), SSFER_OK);
    assert_int_equal(ssfer_file_read(&text, &size, path, 1 << 16, NULL), SSFER_OK);
    static const char want[] = "path,true,predicted,confidence,p_anger,\"p_joy, \"\"big\"\"\",p_fear\n"
                               "a/1.png,anger,anger,0.7,0.7,0.2,0.1\n"
                               "\"a/2,x.png\",anger,\"joy, \"\"big\"\"\",0.62,0.28,0.62,0.1\n"
                               "\"b/\"\"3\"\".png\",\"joy, \"\"big\"\"\",\"joy, \"\"big\"\"\",0.82,0.1,0.82,0.08\n"
                               "c/4.png,fear,anger,0.5,0.5,0.3,0.2\n"
                               "c/5.png,fear,fear,0.82,0.1,0.08,0.82\n";
    assert_string_equal((char *)text, want);
    ssfer_free(text);
    unlink(path);
    ssfer_metrics_destroy(m);
}

static void test_csv_unwritable(void **state)
{
    (void)state;
    ssfer_metrics *m = case_metrics();
    ssfer_error err = {0};
    assert_int_equal(ssfer_predictions_write_csv("/nonexistent/p.csv", m, path_of, PATHS, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/p.csv"));
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_predictions_write_csv("/tmp/p.csv", m, path_of, PATHS, &err), SSFER_ERR_MEMORY);
    ssfer_memory_fail_at(0);
    ssfer_metrics_destroy(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table), cmocka_unit_test(test_table_numbered), cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),   cmocka_unit_test(test_csv_unwritable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
