#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/signals.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each case is a process of its own: it blocks signals for good and may be ended by one. */
static int status_of(void (*body)(void))
{
    const pid_t child = fork();
    int status = 0;
    assert_true(child >= 0);
    if (child == 0) {
        dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* it says that it stops */
        body();
        _exit(100);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void wait_until_received(int number)
{
    for (int i = 0; ssfer_signals_received() != number; i++) {
        if (i == 10000)
            _exit(1);
        usleep(1000);
    }
}

static void first_sets_the_flag(void)
{
    ssfer_signals_start();
    ssfer_signals_listen();
    if (ssfer_signals_received() != 0)
        _exit(2);
    kill(getpid(), SIGTERM);
    wait_until_received(SIGTERM);
    ssfer_signals_unlisten();
    if (ssfer_signals_received() != SIGTERM)
        _exit(3);
    ssfer_signals_listen();
    _exit(ssfer_signals_received() == 0 ? 0 : 4);
}

static void second_ends(void)
{
    ssfer_signals_start();
    ssfer_signals_listen();
    kill(getpid(), SIGTERM);
    wait_until_received(SIGTERM);
    kill(getpid(), SIGINT);
    sleep(10);
}

static void nobody_listens(void)
{
    ssfer_signals_start();
    kill(getpid(), SIGTERM);
    sleep(10);
}

static void ignored_stays_ignored(void)
{
    signal(SIGINT, SIG_IGN);
    ssfer_signals_start();
    ssfer_signals_listen();
    kill(getpid(), SIGINT);
    usleep(50000);
    _exit(ssfer_signals_received() == 0 ? 0 : 1);
}

static void *look_at_mask(void *blocked)
{
    sigset_t now;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    *(int *)blocked = sigismember(&now, SIGINT) && sigismember(&now, SIGTERM);
    return NULL;
}

static void threads_block_them(void)
{
    int here = 0, there = 0;
    pthread_t thread;
    ssfer_signals_start();
    look_at_mask(&here);
    if (pthread_create(&thread, NULL, look_at_mask, &there) != 0 || pthread_join(thread, NULL) != 0)
        _exit(1);
    _exit(here && there ? 0 : 2);
}

static void assert_ended_by(int status, int number)
{
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), number);
}

static void test_signals(void **state)
{
    (void)state;
    assert_int_equal(status_of(first_sets_the_flag), 0);
    assert_ended_by(status_of(second_ends), SIGINT);
    assert_ended_by(status_of(nobody_listens), SIGTERM);
    assert_int_equal(status_of(ignored_stays_ignored), 0);
    assert_int_equal(status_of(threads_block_them), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_signals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
