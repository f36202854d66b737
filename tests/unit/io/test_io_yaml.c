/* Recipes: what is read with which line, what is refused with which line, and a lack of memory at any point. */
#include "base/memory.h"
#include "io/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static ssfer_status parse(ssfer_yaml *out, const char *text, ssfer_error *err)
{
    return ssfer_yaml_parse(out, text, strlen(text), "r.yaml", err);
}

static void test_entries(void **state)
{
    (void)state;
    static const struct {
        const char *section, *key;
        size_t values, line;
        const char *first;
    } wanted[] = {
        {NULL, "data", 1, 2, "a.tar"},      {NULL, "fraction", 1, 3, "0.05"},    {"finetune", NULL, 0, 5, NULL},
        {"finetune", "lr", 1, 6, "1.5e-4"}, {"finetune", "facemix", 1, 7, "on"}, {"finetune", "data", 2, 8, "b"},
        {NULL, "pretrain", 0, 9, NULL},     {"semi", NULL, 0, 10, NULL},         {"semi", "text", 1, 10, "a: b # c"},
        {"semi", "word", 1, 10, "null"},    {"semi", "list", 0, 10, NULL}};
    ssfer_yaml y;
    ssfer_error err = {0};
    assert_int_equal(
        parse(&y,
              "# a comment\ndata: a.tar\nfraction: 0.05\n\nfinetune:\n  lr: 1.5e-4 # a comment\n  facemix: on\n"
              "  data: [b, \"c\"]\npretrain:\nsemi: {text: \"a: b # c\", word: 'null', list: []}\n",
              &err),
        SSFER_OK);
    assert_int_equal(y.count, sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < y.count; i++) {
        const ssfer_yaml_entry *e = &y.entries[i];
        assert_true(!e->section == !wanted[i].section && (!e->section || !strcmp(e->section, wanted[i].section)));
        assert_true(!e->key == !wanted[i].key && (!e->key || !strcmp(e->key, wanted[i].key)));
        assert_int_equal(e->value_count, wanted[i].values);
        assert_int_equal(e->line, wanted[i].line);
        if (wanted[i].first)
            assert_string_equal(e->values[0], wanted[i].first);
        assert_null(e->values[e->value_count]);
    }
    ssfer_yaml_deinit(&y);
    assert_int_equal(parse(&y, "", &err), SSFER_OK);
    assert_int_equal(y.count, 0);
    ssfer_yaml_deinit(&y);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {{"a: 1\na: 2\n", "r.yaml:2: a was given in line 1 already"},
                                           {"s:\n  a: 1\n  b: 2\n  a: 3\n", "r.yaml:4: a was given in line 2 already"},
                                           {"s: {a: 1}\ns: {b: 1}\n", "r.yaml:2: s was given in line 1 already"},
                                           {"s: 1\ns: {b: 1}\n", "r.yaml:2: s was given in line 1 already"},
                                           {"s:\n  a:\n    b: 1\n", "r.yaml:3: sections within sections"},
                                           {"s:\n  a: [[1]]\n", "r.yaml:2: a list holds plain values only"},
                                           {"- a\n- b\n", "r.yaml:1: a recipe consists of lines"},
                                           {"just text\n", "r.yaml:1: a recipe consists of lines"},
                                           {"a: &x 1\nb: *x\n", "r.yaml:1: anchors and tags"},
                                           {"a: 1\nb: *x\n", "r.yaml:2: "},
                                           {"a: !!int 1\n", "r.yaml:1: anchors and tags"},
                                           {"a: 1\n---\nb: 2\n", "r.yaml:2: a second document"},
                                           {"a: 1\nb: [1, 2\nc: 3\n", "r.yaml:3: no YAML: "},
                                           {"a: 1\n\tb: 2\n", "r.yaml:2: no YAML: "},
                                           {"[a]: 1\n", "r.yaml:1: a key is a plain word"},
                                           {"? \n: 1\n", "r.yaml:1: a key without a name"},
                                           {"a: \"\\0\"\n", "r.yaml:1: a zero byte"},
                                           {"a: \xff\xfe\n", "r.yaml:"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ssfer_yaml y;
        ssfer_error err = {0};
        if (parse(&y, cases[i][0], &err) != SSFER_ERR_FORMAT || !strstr(err.message, cases[i][1]))
            fail_msg("case %zu: \"%s\" instead of \"%s\"", i, err.message, cases[i][1]);
        assert_int_equal(y.count, 0);
    }
}

static void test_failing_allocations(void **state)
{
    (void)state;
    ssfer_status st = SSFER_ERR_MEMORY;
    for (size_t n = 1; st != SSFER_OK && n < 200; n++) {
        ssfer_yaml y;
        ssfer_error err = {0};
        ssfer_memory_fail_at(n);
        st = parse(&y, "data: a\nfinetune: {lr: 1, data: [b, c]}\n", &err);
        ssfer_memory_fail_at(0);
        assert_true(st == SSFER_OK || st == SSFER_ERR_MEMORY);
        ssfer_yaml_deinit(&y);
    }
    assert_int_equal(st, SSFER_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_failing_allocations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
