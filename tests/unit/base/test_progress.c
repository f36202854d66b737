/* The progress bar, on a file (silent), on nothing, and on a pseudo-terminal (drawn, cleared, never wider than it). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/progress.h"
#include "base/text.h"

#include <fcntl.h>
#include <math.h>
#include <pty.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static void wait_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

static void test_clock(void **state)
{
    (void)state;
    double before = ssfer_clock_s();
    wait_ms(20);
    double after = ssfer_clock_s();
    assert_true(after - before >= 0.0199); /* it may be much longer on a busy machine */
}

static void test_silent(void **state)
{
    (void)state;
    ssfer_progress bar;
    FILE *f = tmpfile();
    assert_non_null(f);
    ssfer_progress_begin(&bar, f, "epoch 1", "img", 10);
    for (size_t i = 0; i <= 10; i++)
        ssfer_progress_update(&bar, i, "loss 1.5");
    wait_ms(20);
    double rate = ssfer_progress_end(&bar);
    assert_true(rate > 0.0 && rate <= 10.0 / 0.0199);
    assert_int_equal(ftell(f), 0);
    fclose(f);

    ssfer_progress_begin(&bar, NULL, "epoch 1", "img", 10);
    ssfer_progress_update(&bar, 5, NULL);
    assert_true(ssfer_progress_end(&bar) >= 0.0);
}

/* ---- on a terminal ----------------------------------------------------------------------------------------------- */

typedef struct terminal {
    int master;
    FILE *stream;
} terminal;

static terminal open_terminal(unsigned short columns)
{
    terminal t;
    int slave;
    struct winsize size = {.ws_row = 24, .ws_col = columns};
    if (openpty(&t.master, &slave, NULL, NULL, &size) != 0)
        skip(); /* no pseudo-terminals here */
    fcntl(t.master, F_SETFL, O_NONBLOCK);
    t.stream = fdopen(slave, "w");
    assert_non_null(t.stream);
    return t;
}

static void close_terminal(terminal t)
{
    fclose(t.stream);
    close(t.master);
}

/* What was drawn since the last call. */
static void read_terminal(terminal t, char *text, size_t size)
{
    ssize_t n = read(t.master, text, size - 1);
    text[n > 0 ? n : 0] = 0;
}

static void test_drawn(void **state)
{
    (void)state;
    terminal t = open_terminal(100);
    char text[1024];
    ssfer_progress bar;
    ssfer_progress_begin(&bar, t.stream, "epoch 3/10", "img", 200);
    ssfer_progress_update(&bar, 100, "loss 1.5");
    read_terminal(t, text, sizeof text);
    assert_int_equal(text[0], '\r');
    assert_non_null(strstr(text, "epoch 3/10 [==========>         ]  50 %  100/200  ETA 0:"));
    assert_non_null(strstr(text, "img/s  loss 1.5"));
    assert_null(strchr(text, '\n'));
    size_t first = strlen(text);

    ssfer_progress_update(&bar, 101, "a note");      /* within a tenth of a second: not drawn */
    bool soon = ssfer_clock_s() - bar.start_s < 0.1; /* a busy machine may take longer to come here */
    read_terminal(t, text, sizeof text);
    if (soon)
        assert_string_equal(text, "");

    wait_ms(110);
    ssfer_progress_update(&bar, 200, NULL); /* shorter: what is left of the old line is blanked */
    read_terminal(t, text, sizeof text);
    assert_non_null(strstr(text, "[====================] 100 %  200/200"));
    assert_true(strlen(text) >= first);

    ssfer_progress_end(&bar);
    read_terminal(t, text, sizeof text);
    assert_int_equal(text[0], '\r');
    assert_int_equal(text[strlen(text) - 1], '\r');
    assert_int_equal(strspn(text, "\r "), strlen(text)); /* blanks over all of it */
    close_terminal(t);
}

static void test_more_than_total(void **state)
{
    (void)state;
    terminal t = open_terminal(100);
    char text[1024];
    ssfer_progress bar;
    ssfer_progress_begin(&bar, t.stream, "faces", "img", 10);
    ssfer_progress_update(&bar, 25, NULL);
    read_terminal(t, text, sizeof text);
    assert_non_null(strstr(text, "[====================] 100 %  25/10"));
    ssfer_progress_end(&bar);
    close_terminal(t);
}

static void test_unknown_total(void **state)
{
    (void)state;
    terminal t = open_terminal(100);
    char text[1024];
    ssfer_progress bar;
    ssfer_progress_begin(&bar, t.stream, "frames", "img", 0);
    ssfer_progress_update(&bar, 7, NULL);
    read_terminal(t, text, sizeof text);
    assert_non_null(strstr(text, "frames 7  "));
    assert_null(strchr(text, '['));
    assert_null(strstr(text, "ETA"));
    ssfer_progress_end(&bar);
    close_terminal(t);
}

/* A line that wrapped would scroll instead of being drawn over. Labels and notes of any length are cut. */
static void test_narrow(void **state)
{
    (void)state;
    terminal t = open_terminal(40);
    char text[2048], note[1500];
    ssfer_progress bar;
    memset(note, 'n', sizeof note);
    note[sizeof note - 1] = 0;
    ssfer_progress_begin(&bar, t.stream, note, note, 10);
    ssfer_progress_update(&bar, 5, note);
    read_terminal(t, text, sizeof text);
    assert_int_equal(strlen(text), 1 + 39);
    ssfer_progress_end(&bar);
    close_terminal(t);
}

/* A note may hold a file's name. Columns are counted, not bytes. */
static void test_names(void **state)
{
    (void)state;
    terminal t = open_terminal(60);
    char text[1024];
    ssfer_progress bar;
    ssfer_progress_begin(&bar, t.stream, "x", "img", 0);
    ssfer_progress_update(&bar, 7,
                          "evil\x1b[2J\xff gl\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
                          "ck");
    read_terminal(t, text, sizeof text);
    assert_non_null(strstr(text, "evil?[2J? gl\xc3\xbc\xc3\xbc\xc3\xbc\xc3\xbc"
                                 "ck"));
    const size_t columns = ssfer_text_columns(text) - 1; /* without the carriage return */
    ssfer_progress_end(&bar);
    read_terminal(t, text, sizeof text);
    assert_int_equal(strspn(text + 1, " "), columns);
    close_terminal(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clock),           cmocka_unit_test(test_silent),        cmocka_unit_test(test_drawn),
        cmocka_unit_test(test_more_than_total), cmocka_unit_test(test_unknown_total), cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
