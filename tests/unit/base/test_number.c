/* Numbers as text: what is one, how it is rounded, and that the locale changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/number.h"
#include "comma_locale.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A copy without a terminating zero: a sanitizer sees a read beyond it. */
static ssfer_status parse(double *out, const char *text)
{
    const size_t length = strlen(text);
    char *exact = ssfer_malloc(length);
    memcpy(exact, text, length);
    const ssfer_status st = ssfer_parse_double(out, exact, length);
    ssfer_free(exact);
    return st;
}

static void test_double(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double value;
    } good[] = {{"0", 0},
                {"-0.5", -0.5},
                {"+7", 7},
                {".5", 0.5},
                {"5.", 5},
                {"1e3", 1000},
                {"1.25E-2", 0.0125},
                {"0.1", 0.1},
                {"1e-400", 0},
                {"5e-324", DBL_TRUE_MIN},
                {"1.7976931348623157e308", DBL_MAX},
                {"9007199254740993", 9007199254740992.0},
                {"00000000000000000000000000000000000000000000000000000000000000000001", 1}};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double x = 1;
        if (parse(&x, good[i].text) != SSFER_OK || x != good[i].value)
            fail_msg("%s", good[i].text);
    }
    static const char *const bad[] = {"",    " 1",  "1 ",  "1,5",   ".",     "-",  "+-1", "e5",   "1e",       "1e+",
                                      "0x1", "nan", "inf", "1.2.3", "1e1.5", "1f", "--1", "1e5x", "infinity", "1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        double x = 42;
        if (parse(&x, bad[i]) != SSFER_ERR_FORMAT || x != 42)
            fail_msg("%s", bad[i]);
    }
    double x = 42;
    assert_int_equal(parse(&x, "1e309"), SSFER_ERR_LIMIT);
    assert_int_equal(parse(&x, "-1e999999999999"), SSFER_ERR_LIMIT);
    assert_true(x == 42);
    char *longest = ssfer_format("0.%01098d", 7), *longer = ssfer_format("0.%01099d", 7);
    assert_int_equal(parse(&x, longest), SSFER_OK);
    assert_int_equal(parse(&x, longer), SSFER_ERR_FORMAT);
    ssfer_free(longest);
    ssfer_free(longer);
}

static void test_integers(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        ssfer_status as_int, as_uint;
        int64_t value;
    } cases[] = {{"0", SSFER_OK, SSFER_OK, 0},
                 {"-0", SSFER_OK, SSFER_OK, 0},
                 {"+12", SSFER_OK, SSFER_OK, 12},
                 {"007", SSFER_OK, SSFER_OK, 7},
                 {"-1", SSFER_OK, SSFER_ERR_LIMIT, -1},
                 {"9223372036854775807", SSFER_OK, SSFER_OK, INT64_MAX},
                 {"-9223372036854775808", SSFER_OK, SSFER_ERR_LIMIT, INT64_MIN},
                 {"9223372036854775808", SSFER_ERR_LIMIT, SSFER_OK, INT64_MIN},
                 {"-9223372036854775809", SSFER_ERR_LIMIT, SSFER_ERR_LIMIT, 0},
                 {"18446744073709551615", SSFER_ERR_LIMIT, SSFER_OK, -1},
                 {"18446744073709551616", SSFER_ERR_LIMIT, SSFER_ERR_LIMIT, 0},
                 {"99999999999999999999999999", SSFER_ERR_LIMIT, SSFER_ERR_LIMIT, 0},
                 {"", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {"-", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {" 1", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {"1 ", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {"1.0", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {"0x10", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0},
                 {"99999999999999999999x", SSFER_ERR_FORMAT, SSFER_ERR_FORMAT, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t length = strlen(cases[i].text);
        int64_t n = 42;
        uint64_t u = 42;
        size_t z = 42;
        if (ssfer_parse_int(&n, cases[i].text, length) != cases[i].as_int ||
            ssfer_parse_uint(&u, cases[i].text, length) != cases[i].as_uint ||
            ssfer_parse_size(&z, cases[i].text, length) != cases[i].as_uint ||
            n != (cases[i].as_int == SSFER_OK ? cases[i].value : 42) ||
            u != (cases[i].as_uint == SSFER_OK ? (uint64_t)cases[i].value : 42) || z != u)
            fail_msg("%s", cases[i].text);
    }
}

static void test_scan(void **state)
{
    (void)state;
    const char *text = "12,-3x", *at = text;
    int64_t n = 0;
    assert_int_equal(ssfer_scan_int(&n, &at), SSFER_OK);
    assert_true(n == 12 && at == text + 2);
    assert_int_equal(ssfer_scan_int(&n, &at), SSFER_ERR_FORMAT); /* the comma */
    assert_true(n == 12 && at == text + 2);
    at++;
    assert_int_equal(ssfer_scan_int(&n, &at), SSFER_OK);
    assert_true(n == -3 && at == text + 5);
}

static void test_text(void **state)
{
    (void)state;
    static const double values[] = {
        0, -0.0, 1, -1, 0.1, 1.0 / 3, 5e-324, DBL_MAX, -DBL_MAX, 1e22, 2.0399999995920003e-05};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        char text[SSFER_NUMBER_SIZE];
        double x = 42;
        ssfer_double_text(text, values[i]);
        assert_int_equal(ssfer_parse_double(&x, text, strlen(text)), SSFER_OK);
        assert_memory_equal(&x, &values[i], sizeof x);
        const float single = (float)values[i];
        if (isfinite(single)) {
            ssfer_float_text(text, single);
            assert_int_equal(ssfer_parse_double(&x, text, strlen(text)), SSFER_OK);
            assert_true((float)x == single);
        }
    }
    char text[SSFER_NUMBER_SIZE];
    ssfer_double_text(text, 0.1);
    assert_string_equal(text, "0.1");
    ssfer_float_text(text, 0.1f);
    assert_string_equal(text, "0.1");
    ssfer_double_text(text, -HUGE_VAL);
    assert_string_equal(text, "-inf");
    ssfer_double_text(text, (double)NAN);
    assert_string_equal(text, "nan");
}

static void test_printf(void **state)
{
    (void)state;
    char text[64], *printed = NULL;
    size_t size = 0;
    assert_int_equal(ssfer_snprintf(text, sizeof text, "%.2f %s %g", 1.5, "x", 1e-7), 12);
    assert_string_equal(text, "1.50 x 1e-07");
    FILE *stream = open_memstream(&printed, &size);
    assert_int_equal(ssfer_fprintf(stream, "%5.1f|%zu", 2.25, (size_t)3), 7);
    fclose(stream);
    assert_string_equal(printed, "  2.2|3");
    free(printed);
    ssfer_error err;
    ssfer_fail(&err, SSFER_ERR_ARGUMENT, "--lr %g", 0.5);
    assert_string_equal(err.message, "--lr 0.5");
    ssfer_fail_prefix(&err, SSFER_ERR_ARGUMENT, "%.1f", 2.5);
    assert_string_equal(err.message, "2.5: --lr 0.5");
    char *allocated = ssfer_format("%.3f", 0.125);
    assert_string_equal(allocated, "0.125");
    ssfer_free(allocated);
}

static void test_comma(void **state)
{
    char text[16];
    if (!comma_locale_enter())
        skip();
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* what the rest would do */
    test_double(state);
    test_integers(state);
    test_text(state);
    test_printf(state);
    snprintf(text, sizeof text, "%.1f", 0.5);
    assert_string_equal(text, "0,5"); /* the caller's locale is as it was */
}

/* test.sh runs all tests in that locale: then this one has to notice. */
static void test_where_we_run(void **state)
{
    (void)state;
    if (!getenv("SSFER_TEST_LOCALE"))
        skip();
    assert_string_equal(localeconv()->decimal_point, ",");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_we_run), cmocka_unit_test(test_double), cmocka_unit_test(test_integers),
        cmocka_unit_test(test_scan),         cmocka_unit_test(test_text),   cmocka_unit_test(test_printf),
        cmocka_unit_test(test_comma),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
