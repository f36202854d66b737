#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "train/signal.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_flag(void **state)
{
    (void)state;
    assert_int_equal(ssfer_signals_install(NULL), SSFER_OK);
    assert_int_equal(ssfer_signals_install(NULL), SSFER_ERR_ARGUMENT);
    assert_int_equal(ssfer_signals_received(), 0);
    raise(SIGTERM);
    assert_int_equal(ssfer_signals_received(), SIGTERM);
    ssfer_signals_restore();
    assert_int_equal(ssfer_signals_received(), SIGTERM); /* readable until the next install */
    assert_int_equal(ssfer_signals_install(NULL), SSFER_OK);
    assert_int_equal(ssfer_signals_received(), 0);
    ssfer_signals_restore();
    ssfer_signals_restore();
}

static int own_calls;

static void own_handler(int number)
{
    (void)number;
    own_calls++;
}

static void test_restores(void **state)
{
    (void)state;
    signal(SIGINT, own_handler);
    signal(SIGTERM, SIG_IGN);
    assert_int_equal(ssfer_signals_install(NULL), SSFER_OK);
    raise(SIGTERM); /* was ignored and stays so */
    assert_int_equal(ssfer_signals_received(), 0);
    raise(SIGINT);
    assert_int_equal(ssfer_signals_received(), SIGINT);
    assert_int_equal(own_calls, 0);
    ssfer_signals_restore();
    raise(SIGINT);
    assert_int_equal(own_calls, 1);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
}

/* In a child, since the second signal must end it: first SIGINT, then `second`. */
static void check_second(int second)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        ssfer_signals_install(NULL);
        raise(SIGINT);
        if (ssfer_signals_received() != SIGINT)
            _exit(1);
        raise(second);
        _exit(2);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), second);
}

static void test_second_kills(void **state)
{
    (void)state;
    check_second(SIGINT);
    check_second(SIGTERM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flag),
        cmocka_unit_test(test_restores),
        cmocka_unit_test(test_second_kills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
