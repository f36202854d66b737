#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "scratch.h"
#include "train/append.h"

#include <signal.h>
#include <sys/resource.h>

static void check_text(const char *path, const char *want)
{
    char *text = scratch_read(path);
    assert_non_null(text);
    assert_string_equal(text, want);
    ssfer_free(text);
}

static void test_append_and_cut(void **state)
{
    (void)state;
    ssfer_append f;
    const char *path = scratch_path("records");
    assert_int_equal(ssfer_append_open(&f, path, UINT64_MAX, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_write(&f, "one\n", 4, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_write(&f, "two\n", 4, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_sync(&f, NULL), SSFER_OK);
    assert_int_equal(f.size_bytes, 8);
    ssfer_append_close(&f);
    check_text(path, "one\ntwo\n");
    assert_int_equal(ssfer_append_open(&f, path, 4, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_write(&f, "2\n", 2, NULL), SSFER_OK);
    ssfer_append_close(&f);
    check_text(path, "one\n2\n");
    assert_int_equal(ssfer_append_open(&f, path, 1000, NULL), SSFER_OK); /* cutting never lengthens */
    assert_int_equal(f.size_bytes, 6);
    ssfer_append_close(&f);
    ssfer_append_close(&f); /* twice is fine */
}

/* A disk that fills up in the middle of a record, here by a limit on the file's size. */
static void test_full_disk(void **state)
{
    (void)state;
    ssfer_append f;
    ssfer_error err = {0};
    struct rlimit before, small;
    const char *path = scratch_path("limited");
    assert_int_equal(ssfer_append_open(&f, path, UINT64_MAX, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_write(&f, "first\n", 6, NULL), SSFER_OK);
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    small = before;
    small.rlim_cur = 10;
    setrlimit(RLIMIT_FSIZE, &small);
    ssfer_status st = ssfer_append_write(&f, "second, too long\n", 17, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(st, SSFER_ERR_IO);
    assert_non_null(strstr(err.message, path));
    check_text(path, "first\n"); /* no half record */
    assert_int_equal(ssfer_append_write(&f, "third\n", 6, NULL), SSFER_OK);
    ssfer_append_close(&f);
    check_text(path, "first\nthird\n");
}

static void test_refusals(void **state)
{
    (void)state;
    ssfer_append f;
    ssfer_error err = {0};
    assert_int_equal(ssfer_append_open(&f, "/nonexistent/x", 0, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "/nonexistent/x: cannot write"));
    ssfer_append_close(&f);
    assert_int_equal(ssfer_append_open(&f, scratch, 0, &err), SSFER_ERR_IO); /* a folder */
    assert_int_equal(ssfer_append_open(&f, "/dev/full", UINT64_MAX, NULL), SSFER_OK);
    assert_int_equal(ssfer_append_write(&f, "x", 1, &err), SSFER_ERR_IO);
    assert_non_null(strstr(err.message, "No space left"));
    ssfer_append_close(&f);
    ssfer_memory_fail_at(1);
    assert_int_equal(ssfer_append_open(&f, scratch_path("y"), 0, &err), SSFER_ERR_MEMORY);
    ssfer_memory_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append_and_cut),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, scratch_setup, scratch_teardown);
}
