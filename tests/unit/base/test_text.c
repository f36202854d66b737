/* Text from files on its way to a terminal: what is replaced, how wide it is, how it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void test_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {{"", 1},
                 {"a", 1},
                 {"\x7f", 1},
                 {"\xc2\x80", 2},
                 {"\xdf\xbf", 2},
                 {"\xe0\xa0\x80", 3},
                 {"\xed\x9f\xbf", 3},
                 {"\xef\xbf\xbf", 3},
                 {"\xf0\x90\x80\x80", 4},
                 {"\xf4\x8f\xbf\xbf", 4},
                 {"\x80", 0},             /* a continuation alone */
                 {"\xc3", 0},             /* cut */
                 {"\xe2\x82", 0},         /* cut */
                 {"\xe2\x82zz", 0},       /* continued by something else */
                 {"\xc1\xbf", 0},         /* overlong */
                 {"\xe0\x9f\xbf", 0},     /* overlong */
                 {"\xf0\x8f\xbf\xbf", 0}, /* overlong */
                 {"\xed\xa0\x80", 0},     /* a surrogate */
                 {"\xf4\x90\x80\x80", 0}, /* beyond U+10FFFF */
                 {"\xf5\x80\x80\x80", 0},
                 {"\xff", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(ssfer_utf8_length(cases[i].text), cases[i].length);
        assert_int_equal(ssfer_utf8_is_valid(cases[i].text), cases[i].length != 0);
    }
    assert_true(ssfer_utf8_is_valid("gl\xc3\xbc"
                                    "cklich"));
    assert_false(ssfer_utf8_is_valid("gl\xfc"
                                     "cklich"));
}

static void check_clean(const char *text, const char *wanted)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    ssfer_text_clean(copy);
    assert_string_equal(copy, wanted);
    ssfer_text_clean(copy); /* once more changes nothing */
    assert_string_equal(copy, wanted);
    assert_int_equal(ssfer_text_columns(text), ssfer_text_columns(wanted));
}

static void test_clean(void **state)
{
    (void)state;
    check_clean("", "");
    check_clean("plain name.png", "plain name.png");
    check_clean("a\nb\r\t\x1b[2Jc\x7f", "a?b???[2Jc?");
    check_clean("\xc2\x9b"
                "31mred",
                "?31mred"); /* C1: a one-character escape sequence */
    check_clean("\xff\xfe"
                "a\xc3",
                "??a?");
    check_clean("x\xe2\x80\xae"
                "gnp.exe",
                "x?gnp.exe"); /* right-to-left override */
    check_clean("a\xe2\x80\xa8"
                "b\xe2\x81\xa6"
                "c",
                "a?b?c");
    check_clean("gl\xc3\xbc"
                "ck \xe7\xac\x91 \xf0\x9f\x98\x80",
                "gl\xc3\xbc"
                "ck \xe7\xac\x91 \xf0\x9f\x98\x80");
}

static void test_columns(void **state)
{
    (void)state;
    assert_int_equal(ssfer_text_columns(""), 0);
    assert_int_equal(ssfer_text_columns("abc"), 3);
    assert_int_equal(ssfer_text_columns("gl\xc3\xbc"
                                        "ck"),
                     5);
    assert_int_equal(ssfer_text_columns("u\xcc\x88"), 1);          /* a combining diaeresis */
    assert_int_equal(ssfer_text_columns("\xe7\xac\x91"), 2);       /* an ideograph */
    assert_int_equal(ssfer_text_columns("\xf0\x9f\x98\x80 x"), 4); /* an emoji */
    assert_int_equal(ssfer_text_columns("\x1b\xff"), 2);           /* two question marks */
}

static void check_print(const char *text, size_t columns, ssfer_text_fit fit, const char *wanted)
{
    char *printed = NULL;
    size_t size = 0;
    FILE *stream = open_memstream(&printed, &size);
    ssfer_text_print(stream, text, columns, fit);
    fclose(stream);
    assert_string_equal(printed, wanted);
    free(printed);
}

static void test_print(void **state)
{
    (void)state;
    check_print("ab\x1b", 5, SSFER_TEXT_LEFT, "ab?  ");
    check_print("ab\x1b", 5, SSFER_TEXT_RIGHT, "  ab?");
    check_print("abcdef", 3, SSFER_TEXT_LEFT, "abcdef");
    check_print("abcdef", 3, SSFER_TEXT_RIGHT, "abcdef");
    check_print("abcdef", 0, SSFER_TEXT_LEFT, "abcdef");
    check_print("abcdef", 6, SSFER_TEXT_CUT_HEAD, "abcdef");
    check_print("abcdefgh", 6, SSFER_TEXT_CUT_HEAD, "...fgh");
    check_print("abcdefgh", 6, SSFER_TEXT_CUT_TAIL, "abc...");
    check_print("abcdefgh", 2, SSFER_TEXT_CUT_HEAD, "..");
    check_print("abcdefgh", 0, SSFER_TEXT_CUT_TAIL, "");
    check_print("ab", 4, SSFER_TEXT_CUT_HEAD, "ab  ");
    check_print("\xe7\xac\x91\xe7\xac\x91", 5, SSFER_TEXT_LEFT, "\xe7\xac\x91\xe7\xac\x91 ");
    /* A wide character that does not fit leaves a blank; marks stay with their character. */
    check_print("\xe7\xac\x91\xe7\xac\x91\xe7\xac\x91", 5, SSFER_TEXT_CUT_TAIL, "\xe7\xac\x91...");
    check_print("\xe7\xac\x91\xe7\xac\x91\xe7\xac\x91", 4, SSFER_TEXT_CUT_HEAD, "... ");
    check_print("abcdu\xcc\x88x", 5, SSFER_TEXT_CUT_HEAD, "...u\xcc\x88x");
    check_print("abcu\xcc\x88xy", 5, SSFER_TEXT_CUT_HEAD, "...xy");
    check_print("au\xcc\x88xyzz", 5, SSFER_TEXT_CUT_TAIL, "au\xcc\x88...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_utf8), cmocka_unit_test(test_clean),
                                       cmocka_unit_test(test_columns), cmocka_unit_test(test_print)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
