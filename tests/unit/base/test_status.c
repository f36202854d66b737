/* Errors and warnings: one line, always terminated, prefixes in front, never a control character. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/status.h"

#include <stdio.h>
#include <string.h>

static void test_fail(void **state)
{
    (void)state;
    ssfer_error err = {0};
    assert_int_equal(ssfer_fail(&err, SSFER_ERR_IO, "%s: %d", "a.png", 5), SSFER_ERR_IO);
    assert_int_equal(err.status, SSFER_ERR_IO);
    assert_string_equal(err.message, "a.png: 5");
    assert_int_equal(ssfer_fail(NULL, SSFER_ERR_LIMIT, "%s", "nobody listens"), SSFER_ERR_LIMIT);
    assert_int_equal(ssfer_fail_prefix(NULL, SSFER_ERR_LIMIT, "nobody"), SSFER_ERR_LIMIT);
    ssfer_fail(&err, SSFER_ERR_FORMAT, "%s; more", err.message); /* an argument may be the message itself */
    assert_string_equal(err.message, "a.png: 5; more");
}

static void test_prefix(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_fail(&err, SSFER_ERR_FORMAT, "bad header");
    assert_int_equal(ssfer_fail_prefix(&err, SSFER_ERR_FORMAT, "%s[%d]", "set.tar", 3), SSFER_ERR_FORMAT);
    assert_string_equal(err.message, "set.tar[3]: bad header");
    assert_int_equal(err.status, SSFER_ERR_FORMAT);
}

/* A file may be named anything, also what moves a terminal's cursor, in one byte or two. UTF-8 stays. */
static void test_one_line(void **state)
{
    (void)state;
    ssfer_error err = {0};
    ssfer_fail(&err, SSFER_ERR_IO, "%s", "a\nb\r\x1b[2Jc\td\x7f \xc3\xa9");
    assert_string_equal(err.message, "a?b??[2Jc?d? \xc3\xa9");
    ssfer_fail_prefix(&err, SSFER_ERR_IO, "%s", "x\ny");
    assert_string_equal(err.message, "x?y: a?b??[2Jc?d? \xc3\xa9");
    ssfer_fail(&err, SSFER_ERR_IO, "%s",
               "a\xc2\x9b\xff"
               "b");
    assert_string_equal(err.message, "a??b");
}

static void test_long_messages(void **state)
{
    (void)state;
    char text[3 * SSFER_ERROR_MESSAGE_SIZE];
    ssfer_error err = {0};
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    ssfer_fail(&err, SSFER_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), SSFER_ERROR_MESSAGE_SIZE - 1);
    ssfer_fail_prefix(&err, SSFER_ERR_IO, "%s", "file");
    assert_int_equal(strlen(err.message), SSFER_ERROR_MESSAGE_SIZE - 1);
    assert_memory_equal(err.message, "file: xxx", 9);
    memset(text, 'y', sizeof text - 1);
    ssfer_fail_prefix(&err, SSFER_ERR_IO, "%s", text);
    assert_int_equal(strlen(err.message), SSFER_ERROR_MESSAGE_SIZE - 1);
    assert_memory_equal(err.message, "yyy", 3);
}

static void test_path_shown(void **state)
{
    (void)state;
    char path[2000], shown[SSFER_PATH_SHOWN];
    ssfer_path_shown(shown, "a\n.png");
    assert_string_equal(shown, "a?.png");
    memset(path, 'x', sizeof path);
    strcpy(path + sizeof path - 7, "yz.png");
    ssfer_path_shown(shown, path);
    assert_int_equal(strlen(shown), SSFER_PATH_SHOWN - 1);
    assert_memory_equal(shown, "...x", 4);
    assert_string_equal(shown + strlen(shown) - 7, "xyz.png");
    for (size_t i = 0; i + 2 < sizeof path; i += 2) /* not from the middle of a character */
        memcpy(path + i, "\xc3\xa4", 2);
    for (size_t end = sizeof path - 2; end > sizeof path - 10; end -= 2) {
        path[end] = 0;
        ssfer_path_shown(shown, path);
        assert_memory_equal(shown, "...\xc3\xa4", 5);
        ssfer_path_shown(shown, path + 1);
        assert_memory_equal(shown, "...\xc3\xa4", 5);
    }
}

static void test_names(void **state)
{
    (void)state;
    for (int i = SSFER_OK; i <= SSFER_ERR_CANCELLED; i++)
        for (int j = SSFER_OK; j < i; j++)
            assert_string_not_equal(ssfer_status_name((ssfer_status)i), ssfer_status_name((ssfer_status)j));
    assert_string_equal(ssfer_status_name(SSFER_OK), "ok");
    assert_string_equal(ssfer_status_name(SSFER_ERR_FORMAT), "format");
    assert_string_equal(ssfer_status_name((ssfer_status)1000), "unknown");
    assert_true(strlen(ssfer_version()) > 0);
    assert_true(strlen(ssfer_build_info()) > 0);
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

typedef struct heard {
    size_t count;
    ssfer_log_level level;
    char line[2048];
} heard;

static void listen(void *user, ssfer_log_level level, const char *line)
{
    heard *h = user;
    h->count++;
    h->level = level;
    snprintf(h->line, sizeof h->line, "%s", line);
}

static void test_log(void **state)
{
    (void)state;
    heard h = {0};
    const ssfer_log log = {.write = listen, .user = &h, .most = SSFER_LOG_WARNING}, silent = {0};
    ssfer_warn(&log, "%s is %d", "x", 3);
    assert_int_equal(h.count, 1);
    assert_int_equal(h.level, SSFER_LOG_WARNING);
    assert_string_equal(h.line, "x is 3");
    ssfer_info(&log, "not at this level");
    ssfer_debug(&log, "nor at this one");
    ssfer_warn(&silent, "nobody listens");
    ssfer_warn(NULL, "nobody listens");
    assert_int_equal(h.count, 1);
    char text[4096];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    ssfer_warn(&log, "%s", text);
    assert_int_equal(strlen(h.line), 1023); /* cut, not overrun */
    ssfer_warn(&log, "%s: bad", "a\x1b[2J\nb\xff.png");
    assert_string_equal(h.line, "a?[2J?b?.png: bad");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),          cmocka_unit_test(test_prefix),     cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_long_messages), cmocka_unit_test(test_path_shown), cmocka_unit_test(test_names),
        cmocka_unit_test(test_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
