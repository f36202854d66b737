/* The program: finds the command, parses its options, runs it, and turns its status into a line and an exit code. */
#include "base/cpu_level.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "base/threads.h"
#include "cli/commands.h"
#include "cli/help.h"
#include "cli/resume.h"
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_OK = 0, EXIT_FAILED = 1, EXIT_USAGE = 2, EXIT_PIPE = 128 + SIGPIPE };

static int report(const char *message, int code)
{
    ssfer_style style = ssfer_style_for(stderr);
    fprintf(stderr, "ssfer: %serror:%s ", style.red, style.reset);
    ssfer_text_print(stderr, message, 0, SSFER_TEXT_LEFT);
    fputc('\n', stderr);
    return code;
}

/* Whoever read standard output has closed it: the write end of a pipe or socket then reports an error or a hang-up. */
static bool reader_is_gone(int cause)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    return cause == EPIPE || (poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) && !isatty(STDOUT_FILENO));
}

/* What a program does that leaves SIGPIPE alone, as the coreutils do, and what git does after it has closed its files:
 * no message, since the reader has had what it wanted, and a status by which shells, with pipefail, and parents can
 * tell it from success and from errors (128 + 13). */
static int end_by_sigpipe(void)
{
    ssfer_signals_end_by(SIGPIPE);
    return EXIT_PIPE;
}

/* Everything written to standard output must have arrived: a full disk is a failure, a reader that has seen enough the
 * end. */
static int finish_output(const ssfer_cli *cli, int code)
{
    const bool earlier = ferror(stdout) != 0;
    errno = 0;
    if (fflush(stdout) == 0 && !earlier)
        return code;
    const int cause = errno ? errno : cli->output_error;
    const bool said = code != EXIT_OK && !cli->output_lost; /* another failure, which has been reported */
    if (reader_is_gone(cause))
        return said ? code : end_by_sigpipe();
    char message[128];
    const locale_t before = ssfer_c_locale_enter(); /* as everywhere else: in one language */
    snprintf(message, sizeof message, "standard output: cannot write: %s; the results are not complete",
             cause ? strerror(cause) : "an earlier write failed");
    ssfer_c_locale_leave(before);
    report(message, EXIT_FAILED);
    return code == EXIT_OK ? EXIT_FAILED : code;
}

/* With 0, 1 or 2 closed, the next file opened would take its number and our output would go there. Opened the wrong
 * way round, so that using them still fails. */
static void keep_standard_descriptors(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
}

static void log_line(void *user, ssfer_log_level level, const char *line)
{
    const ssfer_cli *cli = user;
    const ssfer_style *s = &cli->style_err;
    if (level == SSFER_LOG_WARNING)
        fprintf(stderr, "ssfer: %swarning:%s %s\n", s->yellow, s->reset, line);
    else if (level == SSFER_LOG_ERROR)
        fprintf(stderr, "ssfer: %serror:%s %s\n", s->red, s->reset, line);
    else
        fprintf(stderr, "%s\n", line);
}

static void set_up(ssfer_cli *cli)
{
    ssfer_common_args *common = &cli->common;
    if (common->threads == 0)
        common->threads = (int64_t)ssfer_thread_default();
    cli->progress = !common->quiet && isatty(STDERR_FILENO) ? stderr : NULL;
    cli->log = (ssfer_log){log_line, cli,
                           common->quiet     ? SSFER_LOG_ERROR
                           : common->verbose ? SSFER_LOG_DEBUG
                                             : SSFER_LOG_INFO};
}

static int run_command(ssfer_cli *cli, int argc, char **argv)
{
    const ssfer_command *command = cli->command;
    ssfer_error err = {0};
    ssfer_resume resume = {0};
    ssfer_recipe given = {0};
    void *args = ssfer_calloc(1, command->args_size ? command->args_size : 1);
    if (!args)
        return report("out of memory", EXIT_FAILED);
    ssfer_status st = ssfer_resume_complete(&resume, command, argc, argv, &err);
    if (st == SSFER_OK)
        st = ssfer_options_parse(&cli->parsed, command, resume.argc, resume.argv, args, &cli->common, &err);
    cli->usage_error = st == SSFER_ERR_ARGUMENT && !resume.differs;
    if (st == SSFER_OK && cli->parsed.help) {
        ssfer_help_command(cli->out, command);
    } else if (st == SSFER_OK) {
        set_up(cli);
        if (command->resumable)
            ssfer_resume_describe(&given, &cli->parsed);
        cli->given = command->resumable ? &given : NULL;
        st = ssfer_common_check(&cli->common, &err);
        cli->usage_error = st == SSFER_ERR_ARGUMENT; /* SSFER_CPU */
        if (st == SSFER_OK)
            st = command->run(cli, args, &err);
    }
    ssfer_options_deinit(command, args);
    ssfer_free(args);
    cli->given = NULL;
    ssfer_recipe_deinit(&given);
    ssfer_resume_deinit(&resume);
    if (st == SSFER_OK)
        return EXIT_OK;
    fflush(cli->out); /* what is done comes before the line that says what is not */
    if (cli->output_lost)
        return EXIT_FAILED; /* finish_output says or does what is due */
    return report(err.message, cli->usage_error ? EXIT_USAGE : EXIT_FAILED);
}

/* Makers of generated files; not in the help. Returns -1 if the word is none of them. */
static int run_generator(const char *word, const char *name)
{
    const ssfer_command *command = name ? ssfer_command_named(name) : NULL;
    if (name && !command)
        return -1;
    if (strcmp(word, "--man") == 0 && command)
        ssfer_man_command(stdout, command);
    else if (strcmp(word, "--man") == 0)
        ssfer_man_overview(stdout);
    else if (strcmp(word, "--markdown") == 0)
        ssfer_markdown_reference(stdout);
    else if (strcmp(word, "--bash-completion") == 0)
        ssfer_completion_bash(stdout);
    else if (strcmp(word, "--commands") == 0)
        for (size_t i = 0; SSFER_COMMANDS[i]; i++)
            printf("%s\n", SSFER_COMMANDS[i]->name);
    else
        return -1;
    return EXIT_OK;
}

static int run_program(ssfer_cli *cli, int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : "--help";
    cli->command = ssfer_command_named(strcmp(word, "--version") == 0 ? "version" : word);
    if (cli->command)
        return run_command(cli, argc - 2, argv + 2);
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        ssfer_help_overview(stdout);
        return EXIT_OK;
    }
    if (word[0] == '-') {
        int code = run_generator(word, argc > 2 ? argv[2] : NULL);
        if (code >= 0)
            return code;
        char message[256];
        snprintf(message, sizeof message, "unknown option '%.100s'; the command comes first, see 'ssfer --help'", word);
        return report(message, EXIT_USAGE);
    }
    ssfer_error err = {0};
    ssfer_command_unknown(cli, &err, word);
    return report(err.message, EXIT_USAGE);
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    /* A closed pipe becomes a write error. Of standard output it ends the program, see finish_output; of standard error
     * it ends nothing: a training goes on when whoever watched it is gone. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* and so does the limit of `ulimit -f` */
    ssfer_signals_start();
    ssfer_cli cli = {.out = stdout, .style_out = ssfer_style_for(stdout), .style_err = ssfer_style_for(stderr)};
    const int code = run_program(&cli, argc, argv);
    return finish_output(&cli, code);
}
