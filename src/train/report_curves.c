/* The curves of a run: figures that belong together in one plot, figures by class as a table. */
#include "train/report_plot.h"

#include "base/number.h"
#include "train/report_private.h"

#include <string.h>

/* Figures that belong into one plot. */
typedef struct plot_plan {
    const char *title;
    bool percent;
    struct {
        const char *metric, *name;
    } lines[SSFER_PLOT_MAX_LINES];
} plot_plan;

static const plot_plan PLANS[] = {
    {"Loss",
     false,
     {{"loss", "training"},
      {"validation_loss", "validation"},
      {"labeled_loss", "labeled"},
      {"unlabeled_loss", "unlabeled"}}},
    {"Accuracy on validation",
     true,
     {{"accuracy", "accuracy"},
      {"mean_class_accuracy", "mean of classes"},
      {"macro_f1", "macro F1"},
      {"teacher_accuracy", "teacher"},
      {"training_accuracy", "training"}}},
    {"Pseudo-labels", true, {{"pseudo_label_rate", "kept"}, {"pseudo_label_accuracy", "right, of the kept"}}},
    {"Learning rate", false, {{"lr", "last"}}},
    {"Images per second", false, {{"images_per_second", "last"}}},
    {"Time spent waiting for pictures", true, {{"wait_share", "last"}}},
};
enum { PLAN_COUNT = sizeof PLANS / sizeof *PLANS };

static bool is_planned(const char *metric)
{
    if (strcmp(metric, "epoch_loss") == 0)
        return true;
    for (size_t p = 0; p < PLAN_COUNT; p++)
        for (size_t l = 0; l < SSFER_PLOT_MAX_LINES && PLANS[p].lines[l].metric; l++)
            if (strcmp(PLANS[p].lines[l].metric, metric) == 0)
                return true;
    return false;
}

static ssfer_plot_line make_line(const ssfer_series *s, const char *name)
{
    return (ssfer_plot_line){.name = name, .x = s->step, .y = s->value, .count = s->count};
}

/* The losses of steps, or of whole epochs where these are too short for records inside them. */
static const ssfer_series *find_planned(const ssfer_history *h, const char *stage, const char *metric)
{
    const ssfer_series *s = ssfer_history_find(h, stage, metric);
    const bool few = strcmp(metric, "loss") == 0 && (!s || s->count < 2);
    return few ? ssfer_history_find(h, stage, "epoch_loss") : s;
}

static void write_planned(FILE *out, const ssfer_history *h, const char *stage)
{
    for (size_t p = 0; p < PLAN_COUNT; p++) {
        ssfer_plot plot = {.title = PLANS[p].title, .x_label = "optimizer steps", .percent = PLANS[p].percent};
        for (size_t l = 0; l < SSFER_PLOT_MAX_LINES && PLANS[p].lines[l].metric; l++) {
            const ssfer_series *s = find_planned(h, stage, PLANS[p].lines[l].metric);
            if (s)
                plot.lines[plot.count++] = make_line(s, PLANS[p].lines[l].name);
        }
        ssfer_plot_write(out, &plot);
    }
}

/* Every other figure that has more than one point, each by itself; "gradient_norm" is titled "gradient norm". Those by
 * class have a table. */
static void write_others(FILE *out, const ssfer_history *h, const char *stage)
{
    for (size_t i = 0; i < h->count; i++) {
        const ssfer_series *s = &h->series[i];
        char title[64];
        if (strcmp(s->stage, stage) != 0 || s->count < 2 || is_planned(s->name) || strchr(s->name, '/'))
            continue;
        snprintf(title, sizeof title, "%s", s->name);
        for (char *c = title; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        ssfer_plot plot = {.title = title, .x_label = "optimizer steps", .count = 1};
        plot.lines[0] = make_line(s, "last");
        ssfer_plot_write(out, &plot);
    }
}

/* ---- figures by class -------------------------------------------------------------------------------------------- */

/* Figures that a record has once a class, as NAME/CLASS; all are shares. */
static const struct {
    const char *metric, *title;
} BY_CLASS[] = {{"pseudo_label_rate", "kept&#8239;%"}, {"pseudo_label_accuracy", "right, of the kept&#8239;%"}};
enum { BY_CLASS_COUNT = sizeof BY_CLASS / sizeof *BY_CLASS };

/* The class behind "METRIC/", or NULL if the series is another one. */
static const char *class_of(const ssfer_series *s, const char *stage, const char *metric)
{
    const size_t n = strlen(metric);
    const bool mine = strcmp(s->stage, stage) == 0 && strncmp(s->name, metric, n) == 0 && s->name[n] == '/';
    return mine ? s->name + n + 1 : NULL;
}

static const ssfer_series *find_of_class(const ssfer_history *h, const char *stage, const char *metric,
                                         const char *name)
{
    for (size_t i = 0; i < h->count; i++) {
        const char *of = class_of(&h->series[i], stage, metric);
        if (of && strcmp(of, name) == 0)
            return &h->series[i];
    }
    return NULL;
}

/* A line without axes, 0 at the bottom and 1 at the top, and its last value in front. */
static void write_spark(FILE *out, const ssfer_series *s)
{
    enum { WIDTH = 120, HEIGHT = 24, MOST = 60 };
    if (!s || !s->count) {
        fputs("<td class=\"soft\">-</td>", out);
        return;
    }
    const size_t n = s->count < MOST ? s->count : MOST;
    ssfer_fprintf(out, "<td>%.1f <svg class=\"spark\" viewBox=\"0 0 %d %d\" aria-hidden=\"true\">",
                  100 * s->value[s->count - 1], WIDTH, HEIGHT);
    fprintf(out, "<line class=\"grid\" x1=\"0\" x2=\"%d\" y1=\"%d\" y2=\"%d\"/><polyline class=\"line c1\" points=\"",
            WIDTH, HEIGHT - 1, HEIGHT - 1);
    for (size_t i = 0; i < n; i++) {
        const size_t at = n > 1 ? i * (s->count - 1) / (n - 1) : 0;
        ssfer_fprintf(out, "%.1f,%.1f ", n > 1 ? (double)(WIDTH * i) / (double)(n - 1) : 0.0,
                      1 + (HEIGHT - 3) * (1 - s->value[at]));
    }
    fputs("\"/></svg></td>", out);
}

static void write_by_class(FILE *out, const ssfer_history *h, const char *stage)
{
    bool begun = false;
    for (size_t i = 0; i < h->count; i++) {
        const char *name = class_of(&h->series[i], stage, BY_CLASS[0].metric);
        if (!name)
            continue;
        if (!begun) {
            fputs("<h3>Pseudo-labels by class, over the epochs</h3>\n<div class=\"card scroll\"><table><thead><tr>"
                  "<th>labeled as</th>",
                  out);
            for (size_t k = 0; k < BY_CLASS_COUNT; k++)
                fprintf(out, "<th>%s</th>", BY_CLASS[k].title);
            fputs("</tr></thead><tbody>", out);
            begun = true;
        }
        fputs("<tr><td>", out);
        ssfer_html_text(out, name);
        fputs("</td>", out);
        for (size_t k = 0; k < BY_CLASS_COUNT; k++)
            write_spark(out, find_of_class(h, stage, BY_CLASS[k].metric, name));
        fputs("</tr>", out);
    }
    if (begun)
        fputs("</tbody></table></div>\n", out);
}

/* ---- the section ------------------------------------------------------------------------------------------------- */

static bool is_first_of_stage(const ssfer_history *h, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(h->series[k].stage, h->series[i].stage) == 0)
            return false;
    return true;
}

void ssfer_report_write_curves(FILE *out, const ssfer_history *h)
{
    for (size_t i = 0; i < h->count; i++) {
        const char *stage = h->series[i].stage;
        if (!is_first_of_stage(h, i))
            continue;
        fputs("<h2>Training", out);
        if (*stage) {
            fputs(": ", out);
            ssfer_html_text(out, stage);
        }
        fputs("</h2>\n<div class=\"grid\">\n", out);
        write_planned(out, h, stage);
        write_others(out, h, stage);
        fputs("</div>\n", out);
        write_by_class(out, h, stage);
    }
    if (h->bad_lines)
        fprintf(out, "<p class=\"soft\">%zu damaged lines of metrics.jsonl were left out.</p>\n", h->bad_lines);
}
