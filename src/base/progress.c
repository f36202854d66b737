#include "base/progress.h"
#include "base/number.h"

#include "base/clock.h"
#include "base/size.h"
#include "base/text.h"

#include <unistd.h>

void ssfer_progress_begin(ssfer_progress *bar, FILE *stream, const char *label, const char *unit, size_t total)
{
    *bar = (ssfer_progress){.stream = stream, .total = total, .start_s = ssfer_clock_s()};
    bar->terminal = stream && isatty(fileno(stream));
    snprintf(bar->label, sizeof bar->label, "%s", label);
    snprintf(bar->unit, sizeof bar->unit, "%s", unit);
}

static void format_time(char *out, size_t size, double seconds)
{
    long s = seconds > 0 && seconds < 1e8 ? (long)(seconds + 0.5) : 0;
    if (s >= 3600)
        snprintf(out, size, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(out, size, "%ld:%02ld", s / 60, s % 60);
}

/* "[=====>    ]  46 %  1320/2841", or just the count when the total is unknown. */
static size_t format_share(char *out, size_t size, const ssfer_progress *bar, double elapsed_s)
{
    enum { WIDTH = 20 };
    if (!bar->total)
        return (size_t)snprintf(out, size, "%zu", bar->done);
    char cells[WIDTH + 1], left[32];
    double share = (double)ssfer_min_size(bar->done, bar->total) / (double)bar->total;
    size_t filled = (size_t)(share * WIDTH);
    for (size_t i = 0; i < WIDTH; i++)
        cells[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    cells[WIDTH] = 0;
    format_time(left, sizeof left, bar->done ? elapsed_s * (1.0 / share - 1.0) : 0.0);
    return (size_t)ssfer_snprintf(out, size, "[%s] %3.0f %%  %zu/%zu  ETA %s", cells, 100.0 * share, bar->done,
                                  bar->total, left);
}

void ssfer_progress_update(ssfer_progress *bar, size_t done, const char *note)
{
    bar->done = done;
    if (!bar->terminal)
        return;
    double now = ssfer_clock_s(), elapsed = now - bar->start_s;
    if (now - bar->drawn_s < 0.1)
        return;
    bar->drawn_s = now;
    char line[512], share[128];
    format_share(share, sizeof share, bar, elapsed);
    double rate = elapsed > 0 ? (double)done / elapsed : 0.0;
    int length = ssfer_snprintf(line, sizeof line, "%s %s  %.*f %s/s%s%s", bar->label, share, rate < 10 ? 1 : 0, rate,
                                bar->unit, note ? "  " : "", note ? note : "");
    if (length < 0)
        return;
    /* A line that wraps would scroll instead of being redrawn. What is left of the one before is blanked. */
    const size_t columns = ssfer_terminal_columns(bar->stream), most = columns ? columns - 1 : 79;
    const size_t drawn = ssfer_min_size(ssfer_text_columns(line), most);
    fputc('\r', bar->stream);
    ssfer_text_print(bar->stream, line, ssfer_max_size(drawn, ssfer_min_size(bar->drawn_columns, most)),
                     SSFER_TEXT_CUT_TAIL);
    fflush(bar->stream);
    bar->drawn_columns = drawn;
}

double ssfer_progress_end(ssfer_progress *bar)
{
    double elapsed = ssfer_clock_s() - bar->start_s;
    if (bar->terminal && bar->drawn_columns) {
        fprintf(bar->stream, "\r%*s\r", (int)bar->drawn_columns, "");
        fflush(bar->stream);
    }
    bar->drawn_columns = 0;
    return elapsed > 0 ? (double)bar->done / elapsed : 0.0;
}
