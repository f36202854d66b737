/* What --data may say, and the CSV reader. */
#include "scene.h"

#include "data/csv.h"
#include "data/source.h"

/* Expands and joins with blanks. */
static void assert_expands(const char *source, const char *wanted)
{
    ssfer_source_list list;
    char text[1024] = "";
    assert_ok(ssfer_source_expand(&list, source, err));
    for (size_t i = 0; i < list.count; i++) {
        strcat(text, i ? " " : "");
        strcat(text, list.paths[i]);
    }
    assert_string_equal(text, wanted);
    ssfer_source_list_deinit(&list);
}

static void test_lists_and_braces(void **state)
{
    (void)state;
    assert_expands("a.tar", "a.tar");
    assert_expands("a.tar,b,c d", "a.tar b c d");
    assert_expands("s-{00..03}.tar", "s-00.tar s-01.tar s-02.tar s-03.tar");
    assert_expands("s-{8..11}", "s-8 s-9 s-10 s-11");
    assert_expands("s-{08..11}", "s-08 s-09 s-10 s-11");
    assert_expands("s-{2..0}", "s-2 s-1 s-0");
    assert_expands("s-{0..0}", "s-0");
    assert_expands("{a..c}x", "ax bx cx");
    assert_expands("{train,valid}.tar,x", "train.tar valid.tar x");
    assert_expands("a{1,}b", "a1b ab");
    assert_expands("{a,b}-{1..2}", "a-1 a-2 b-1 b-2");
    assert_expands("a}b", "a}b");
}

static void test_bad_sources(void **state)
{
    (void)state;
    ssfer_source_list list;
    static const char *const bad[] = {
        "", ",", "a,", "a,,b", "{1..2", "{a{b}}", "{..}", "{1..}", "{1..x}", "{aa..bb}", "{1234567890..1234567891}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(ssfer_source_expand(&list, bad[i], NULL), SSFER_ERR_ARGUMENT);
        assert_int_equal(list.count, 0);
    }
    assert_fails(ssfer_source_expand(&list, "s-{0..99999999}", err), SSFER_ERR_LIMIT, "more than");
    assert_fails(ssfer_source_expand(&list, "no-such-*", err), SSFER_ERR_IO, "no-such-*");
}

static void test_globs_and_existing_names(void **state)
{
    (void)state;
    scene s = scene_create();
    char source[600], wanted[600];
    scene_text(&s, "b-1.tar", "");
    scene_text(&s, "b-0.tar", "");
    scene_text(&s, "odd,{x}*.tar", "");
    snprintf(source, sizeof source, "%s/b-*.tar", s.folder);
    snprintf(wanted, sizeof wanted, "%s/b-0.tar %s/b-1.tar", s.folder, s.folder);
    assert_expands(source, wanted);
    snprintf(source, sizeof source, "%s/{b,none}-[01].tar", s.folder);
    ssfer_source_list list;
    assert_fails(ssfer_source_expand(&list, source, err), SSFER_ERR_IO, "none-[01]");
    snprintf(source, sizeof source, "%s/odd,{x}*.tar", s.folder);
    assert_expands(source, source);
    scene_destroy(&s);
}

static void test_expand_allocations_fail(void **state)
{
    (void)state;
    for (size_t n = 1;; n++) {
        ssfer_source_list list;
        ssfer_memory_fail_at(n);
        ssfer_status st = ssfer_source_expand(&list, "{a,b}-{0..3},c", NULL);
        ssfer_memory_fail_at(0);
        ssfer_source_list_deinit(&list);
        if (st == SSFER_OK)
            break;
        assert_int_equal(st, SSFER_ERR_MEMORY);
    }
}

/* Reads all and joins: fields in [], records with their line number in front. */
static ssfer_status read_csv(const char *text, size_t size, char *out, ssfer_error *err)
{
    static char copy[4096];
    ssfer_csv csv;
    memcpy(copy, text, size);
    copy[size] = 0;
    *out = 0;
    ssfer_status st = ssfer_csv_init(&csv, copy, size, "f.csv", err);
    for (;;) {
        if (st == SSFER_OK)
            st = ssfer_csv_next(&csv, err);
        if (st != SSFER_OK || !csv.count)
            return st;
        sprintf(out + strlen(out), "%zu:", csv.line);
        for (size_t i = 0; i < csv.count; i++)
            sprintf(out + strlen(out), "[%s]", csv.fields[i]);
    }
}

static void test_csv(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"", ""},
        {"\n\n", ""},
        {"a,b\nc,d\n", "1:[a][b]2:[c][d]"},
        {"a,b\r\n\r\nc,d", "1:[a][b]3:[c][d]"},
        {"a,b\r", "1:[a][b]"},
        {"\xef\xbb\xbf"
         "a,b\n",
         "1:[a][b]"},
        {"\"a,\"\"x\"\"\",b\n", "1:[a,\"x\"][b]"},
        {"\"a\nb\",c\nd,e\n", "1:[a\nb][c]3:[d][e]"},
        {"\"a\"\r\n\"\",x\n\"b\"", "1:[a]2:[][x]3:[b]"},
        {"a,\n,\n", "1:[a][]2:[][]"},
        {"a b , c\n", "1:[a b ][ c]"},
        {"\"a\"\r", "1:[a]"},
    };
    char out[4096];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_ok(read_csv(cases[i].text, strlen(cases[i].text), out, err));
        assert_string_equal(out, cases[i].wanted);
    }
    assert_fails(read_csv("a,b\n\"c,d\n", 9, out, err), SSFER_ERR_FORMAT, "f.csv:2");
    assert_fails(read_csv("\n\"c\"d,e\n", 8, out, err), SSFER_ERR_FORMAT, "f.csv:2");
    assert_fails(read_csv("a\0b,c\n", 6, out, err), SSFER_ERR_FORMAT, "zero bytes");
    char many[200];
    memset(many, ',', sizeof many);
    assert_fails(read_csv(many, sizeof many, out, err), SSFER_ERR_LIMIT, "f.csv:1");
}

/* What is written is read back, and as little of it is quoted as must be. */
static void test_csv_put(void **state)
{
    (void)state;
    static const char *const values[] = {"plain", "a,b",      "\"",       "\"q\",\"\"", "two\nlines",
                                         "\r",    " spaces ", "\xff\x1b", "="};
    char *text = NULL, out[4096], wanted[4096] = "1:";
    size_t size = 0;
    FILE *stream = open_memstream(&text, &size);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        fputs(i ? "," : "", stream);
        ssfer_csv_put(stream, "p_", values[i]);
        sprintf(wanted + strlen(wanted), "[p_%s]", values[i]);
    }
    fclose(stream);
    assert_non_null(strstr(text, "p_plain,\"p_a,b\",\"p_\"\"\",\"p_\"\"q\"\",\"\"\"\"\","));
    assert_ok(read_csv(text, size, out, err));
    assert_string_equal(out, wanted);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_and_braces),
        cmocka_unit_test(test_bad_sources),
        cmocka_unit_test(test_globs_and_existing_names),
        cmocka_unit_test(test_expand_allocations_fail),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
