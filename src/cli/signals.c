#include "cli/signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

static sigset_t awaited;
static _Atomic bool listening;
static _Atomic int received;

static void tell(void)
{
    static const char words[] =
        "\nssfer: stopping after this step, with a checkpoint; once more ends the program at once\n";
    const size_t from = isatty(STDERR_FILENO) ? 0 : 1; /* on a terminal the progress bar keeps its line */
    if (write(STDERR_FILENO, words + from, sizeof words - 1 - from) < 0)
        return; /* nobody is there to read it */
}

void ssfer_signals_end_by(int number)
{
    sigset_t one;
    signal(number, SIG_DFL);
    sigemptyset(&one);
    sigaddset(&one, number);
    pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    raise(number);
}

static void *wait_for_signals(void *unused)
{
    (void)unused;
    for (int number; sigwait(&awaited, &number) == 0;) {
        if (!listening || received)
            ssfer_signals_end_by(number);
        received = number;
        tell();
    }
    return NULL;
}

void ssfer_signals_start(void)
{
    static const int signals[] = {SIGINT, SIGTERM};
    pthread_t thread;
    sigset_t before;
    sigemptyset(&awaited);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        struct sigaction now;
        if (sigaction(signals[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&awaited, signals[i]);
    }
    pthread_sigmask(SIG_BLOCK, &awaited, &before);
    if (pthread_create(&thread, NULL, wait_for_signals, NULL) == 0)
        pthread_detach(thread);
    else
        pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void ssfer_signals_listen(void)
{
    received = 0;
    listening = true;
}

void ssfer_signals_unlisten(void)
{
    listening = false;
}

int ssfer_signals_received(void)
{
    return received;
}
