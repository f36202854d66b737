/* Work shared among threads: every piece once, however many threads there are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/threads.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

enum { MOST = 1000 };

typedef struct tally {
    atomic_int done[MOST];
    pthread_t caller;
    atomic_int open_signals; /* other threads that would take a signal */
} tally;

static void count(void *user, size_t i)
{
    tally *t = user;
    sigset_t blocked;
    atomic_fetch_add(&t->done[i], 1);
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (!pthread_equal(pthread_self(), t->caller) && !sigismember(&blocked, SIGTERM))
        atomic_fetch_add(&t->open_signals, 1);
}

static void test_every_piece_once(void **state)
{
    (void)state;
    static const size_t counts[] = {0, 1, 2, 7, MOST}, threads[] = {0, 1, 2, 5, 100};
    for (size_t c = 0; c < 5; c++)
        for (size_t n = 0; n < 5; n++) {
            static tally t;
            t.caller = pthread_self();
            for (size_t i = 0; i < MOST; i++)
                t.done[i] = 0;
            ssfer_threads_run(threads[n], counts[c], count, &t);
            for (size_t i = 0; i < MOST; i++)
                assert_int_equal(t.done[i], i < counts[c]);
            assert_int_equal(t.open_signals, 0);
        }
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGTERM)); /* the caller's mask is as it was */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_piece_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
