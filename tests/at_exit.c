/* Part of every test program: at its end it holds the descriptors that it had in the beginning, and one thread. */
#include "leftovers.h"

static leftovers in_the_beginning;
static pid_t owner;

static void count_at_exit(void)
{
    if (getpid() == owner && leftovers_any(&in_the_beginning, "at exit"))
        _exit(99);
}

__attribute__((constructor)) static void count_in_the_beginning(void)
{
    owner = getpid();
    in_the_beginning = leftovers_now();
    in_the_beginning.threads = 1;
#ifdef __SANITIZE_THREAD__
    in_the_beginning.threads++; /* its own */
#endif
    atexit(count_at_exit);
}
