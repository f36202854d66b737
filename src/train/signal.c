#include "train/signal.h"

#include <signal.h>
#include <stddef.h>

static const int SIGNALS[] = {SIGINT, SIGTERM};
enum { SIGNAL_COUNT = sizeof SIGNALS / sizeof *SIGNALS };

static volatile sig_atomic_t received; /* the only way out of a handler */
static struct sigaction before[SIGNAL_COUNT];
static bool installed;

/* Whatever comes next acts as if we were not here: the user who presses Ctrl-C twice wants out. */
static void on_signal(int number)
{
    received = number;
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        struct sigaction current;
        if (sigaction(SIGNALS[i], NULL, &current) == 0 && current.sa_handler == on_signal)
            signal(SIGNALS[i], SIG_DFL);
    }
}

ssfer_status ssfer_signals_install(ssfer_error *err)
{
    if (installed)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "signal handlers are installed already");
    received = 0;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART}; /* reads and writes go on */
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaddset(&action.sa_mask, SIGNALS[i]);
    for (size_t i = 0; i < SIGNAL_COUNT; i++) {
        sigaction(SIGNALS[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN)
            sigaction(SIGNALS[i], &action, NULL);
    }
    installed = true;
    return SSFER_OK;
}

int ssfer_signals_received(void)
{
    return received;
}

void ssfer_signals_restore(void)
{
    if (!installed)
        return;
    for (size_t i = 0; i < SIGNAL_COUNT; i++)
        sigaction(SIGNALS[i], &before[i], NULL);
    installed = false;
}
