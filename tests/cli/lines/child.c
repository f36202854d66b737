#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FILE_MAX = 64 << 20, OUTPUT_SEEN = 1 << 16, LAST_SECONDS = 60 };

static void set_limit(int resource, size_t most)
{
    const struct rlimit limit = {most, most};
    (void)setrlimit((__rlimit_resource_t)resource, &limit);
}

/* In the child. Sanitizers map terabytes of shadow memory, so they get a limit of their own on what is used. */
static void limit_child(void)
{
    set_limit(RLIMIT_CORE, 0);
    set_limit(RLIMIT_FSIZE, FILE_MAX);
#ifdef __SANITIZE_ADDRESS__
    setenv("ASAN_OPTIONS", "allocator_may_return_null=1:max_allocation_size_mb=2000:exitcode=99", 1);
    setenv("UBSAN_OPTIONS", "print_stacktrace=1:exitcode=99", 1);
#else
    set_limit(RLIMIT_AS, (size_t)8 << 30);
    set_limit(RLIMIT_STACK, 1 << 20); /* what each thread reserves */
    setenv("MALLOC_ARENA_MAX", "2", 1);
#endif
    setenv("OMP_WAIT_POLICY", "passive", 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    unsetenv("SSFER_CPU");
}

static pid_t start(const char *program, char *const *argv, const char *folder)
{
    const pid_t child = fork();
    if (child != 0)
        return child;
    if (chdir(folder) != 0)
        _exit(126);
    const int in = open("/dev/null", O_RDONLY), out = open("../out.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600),
              err = open("../err.txt", O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (in < 0 || out < 0 || err < 0 || dup2(in, 0) < 0 || dup2(out, 1) < 0 || dup2(err, 2) < 0)
        _exit(126);
    close(in);
    close(out);
    close(err);
    limit_child();
    execv(program, argv);
    _exit(126);
}

/* Whether it ended within the time. */
static bool wait_for(pid_t child, int *status, int seconds)
{
    const struct timespec pause = {0, 2000000};
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += seconds;
    for (;;) {
        const pid_t got = waitpid(child, status, WNOHANG);
        if (got == child)
            return true;
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((got < 0 && errno != EINTR) || now.tv_sec > end.tv_sec ||
            (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec))
            return false;
        nanosleep(&pause, NULL);
    }
}

static size_t read_text(char *text, size_t size, const char *folder, const char *name)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/../%s", folder, name);
    FILE *f = fopen(path, "rb");
    size_t got = f ? fread(text, 1, size - 1, f) : 0;
    if (f)
        fclose(f);
    text[got] = '\0';
    for (size_t i = 0; i < got; i++)
        if (text[i] == '\0')
            text[i] = '?';
    return got;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* Lines that only a crash, a sanitizer or a library leaves. */
static bool is_alien(const char *line)
{
    static const char *const signs[] = {"Sanitizer", "runtime error:", "libgomp:", "Assertion",     "terminate called",
                                        "corrupted", "free()",         "malloc()", "stack smashing"};
    /* How AddressSanitizer's malloc tells that it returns NULL; what the program makes of it is looked at as always. */
    static const char out_of_memory[] = "WARNING: AddressSanitizer failed to allocate";
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(line, signs[i]) && !starts_with(line, "ssfer: ") && !strstr(line, out_of_memory))
            return true;
    return false;
}

/* Counts the lines of error and looks for alien ones; keeps the first of either in r->message. */
static size_t read_errors(child_result *r, char *text, bool *alien)
{
    size_t errors = 0;
    *alien = false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        const bool strange = is_alien(line), error = starts_with(line, "ssfer: error:");
        if ((error && errors == 0 && !*alien) || (strange && !*alien))
            snprintf(r->message, sizeof r->message, "%s", line);
        errors += error;
        *alien = *alien || strange;
    }
    return errors;
}

static void judge(child_result *r, const char *folder, child_limits limits)
{
    static char text[OUTPUT_SEEN];
    bool alien;
    read_text(text, sizeof text, folder, "err.txt");
    const size_t errors = read_errors(r, text, &alien), printed = read_text(text, sizeof text, folder, "out.txt");
    if (alien)
        snprintf(r->fault, sizeof r->fault, "strange output");
    else if (r->ran_out && !limits.may_be_long)
        snprintf(r->fault, sizeof r->fault, "it had not ended after %d s", limits.seconds);
    else if (r->ran_out)
        return; /* stopped by SIGTERM, as it was told */
    else if (r->code != 0 && r->code != 1 && r->code != 2)
        snprintf(r->fault, sizeof r->fault, "exit code %d", r->code);
    else if (errors != (r->code != 0))
        snprintf(r->fault, sizeof r->fault, "exit code %d with %zu lines of error", r->code, errors);
    else if (r->code == 2 && printed != 0)
        snprintf(r->fault, sizeof r->fault, "exit code 2, but something on standard output");
    else if (child_folder_has(folder, ".tmp."))
        snprintf(r->fault, sizeof r->fault, "a temporary file is left behind");
}

void child_run(child_result *r, const char *program, char *const *argv, const char *folder, child_limits limits)
{
    int status = 0;
    *r = (child_result){0};
    const pid_t child = start(program, argv, folder);
    if (child < 0) {
        snprintf(r->fault, sizeof r->fault, "fork: %s", strerror(errno));
        return;
    }
    bool ended = wait_for(child, &status, limits.seconds);
    r->ran_out = !ended;
    for (int i = 0; i < 2 && !ended; i++) { /* the first lets a training end its step, the second ends it at once */
        kill(child, SIGTERM);
        ended = wait_for(child, &status, i == 0 ? limits.seconds : LAST_SECONDS);
    }
    if (!ended) {
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        snprintf(r->fault, sizeof r->fault, "two SIGTERM do not end it");
        return;
    }
    r->code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    judge(r, folder, limits);
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

static const char *wanted_part;

static int look_at(const char *path, const struct stat *info, int type, struct FTW *where)
{
    (void)info, (void)type;
    return strstr(path + where->base, wanted_part) != NULL;
}

bool child_folder_has(const char *folder, const char *part)
{
    wanted_part = part;
    return nftw(folder, look_at, 16, FTW_PHYS) == 1;
}
