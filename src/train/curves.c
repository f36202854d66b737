#include "train/curves.h"

#include "base/memory.h"
#include "image/plot.h"
#include "nn/try.h"
#include "train/report.h"
#include "train/run_history.h"

#include <string.h>

enum { MAX_SERIES = 3 };

/* The series of a name, over steps, if it was recorded. */
static void add(ssfer_plot_lines *plot, ssfer_plot_series *series, const ssfer_history *h, const char *stage,
                const char *name, const char *title, size_t smooth)
{
    const ssfer_series *s = ssfer_history_find(h, stage, name);
    if (s && s->count)
        series[plot->series_count++] =
            (ssfer_plot_series){.name = title, .x = s->step, .y = s->value, .count = s->count, .smooth = smooth};
}

/* NAME.png and NAME.svg; none without a series. */
static ssfer_status save(const ssfer_run *run, const ssfer_plot_lines *plot, const char *name, ssfer_error *err)
{
    static const char *const suffixes[] = {"png", "svg"};
    for (size_t i = 0; plot->series_count && i < 2; i++) {
        char file[64];
        snprintf(file, sizeof file, "%s.%s", name, suffixes[i]);
        char *path = ssfer_run_path(run, file);
        ssfer_status st = path ? ssfer_plot_lines_save(plot, path, err)
                               : ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", file);
        ssfer_free(path);
        TRY(st);
    }
    return SSFER_OK;
}

static ssfer_status write_plots(const ssfer_run *run, const ssfer_history *h, const char *stage, ssfer_error *err)
{
    ssfer_plot_series losses[MAX_SERIES], rates[MAX_SERIES];
    ssfer_plot_lines loss = {.title = "Loss", .x_label = "step", .y_label = "loss", .series = losses};
    ssfer_plot_lines lr = {.title = "Learning rate", .x_label = "step", .y_label = "rate", .series = rates};
    add(&loss, losses, h, stage, "loss", "training", 20);
    if (!loss.series_count) /* epochs too short for a record inside them */
        add(&loss, losses, h, stage, "epoch_loss", "training", 1);
    add(&loss, losses, h, stage, "validation_loss", "validation", 1);
    add(&lr, rates, h, stage, "lr", "learning rate", 1);
    TRY(save(run, &loss, "loss", err));
    return save(run, &lr, "lr", err);
}

ssfer_status ssfer_curves_write(const ssfer_run *run, const char *stage, ssfer_error *err)
{
    ssfer_history history = {0};
    char *metrics = ssfer_run_path(run, "metrics.jsonl"), *html = ssfer_run_path(run, "report.html");
    char *folder = ssfer_run_path(run, "");
    ssfer_status st = metrics && html && folder ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "plots: out of memory");
    if (st == SSFER_OK)
        st = ssfer_history_read(&history, metrics, ssfer_run_log(run), err);
    if (st == SSFER_OK)
        st = write_plots(run, &history, stage, err);
    if (st == SSFER_OK)
        st = ssfer_report_write(html, &(ssfer_report){.folder = folder, .log = ssfer_run_log(run)}, err);
    ssfer_history_deinit(&history);
    ssfer_free(metrics);
    ssfer_free(html);
    ssfer_free(folder);
    return st;
}
