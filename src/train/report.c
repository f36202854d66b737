#include "train/report.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/c_locale.h"
#include "train/report_plot.h"
#include "train/report_private.h"
#include "train/run_history.h"
#include "train/run_recipe.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

/* ---- small pieces ---------------------------------------------------------------------------------------------- */

static void write_base64(FILE *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        uint32_t bits = (uint32_t)data[i] << 16;
        bits |= left > 1 ? (uint32_t)data[i + 1] << 8 : 0;
        bits |= left > 2 ? data[i + 2] : 0;
        const char quad[4] = {digits[bits >> 18], digits[bits >> 12 & 63], left > 1 ? digits[bits >> 6 & 63] : '=',
                              left > 2 ? digits[bits & 63] : '='};
        fwrite(quad, 1, sizeof quad, out);
    }
}

static void write_tile(FILE *out, const char *name, const char *format, double value)
{
    fputs("<div class=\"card tile\"><b>", out);
    fprintf(out, format, value);
    fprintf(out, "</b><span>%s</span></div>", name);
}

/* The last part of a path, for a title. */
static void write_folder_name(FILE *out, const char *folder)
{
    size_t end = strlen(folder);
    while (end > 1 && folder[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && folder[start - 1] != '/')
        start--;
    char *name = ssfer_format("%.*s", (int)(end - start), folder + start);
    ssfer_html_text(out, name && *name ? name : folder);
    ssfer_free(name);
}

static void write_title(FILE *out, const ssfer_report *r)
{
    if (r->title)
        ssfer_html_text(out, r->title);
    else if (r->folder)
        write_folder_name(out, r->folder);
    else
        fputs("Evaluation", out);
}

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void write_head(FILE *out, const ssfer_report *r)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\"><title>",
          out);
    write_title(out, r);
    fprintf(out, " - ssfer</title>\n<style>\n%s</style></head>\n<body>\n<header><h1>", SSFER_REPORT_STYLE);
    write_title(out, r);
    fputs("</h1>", out);
    if (r->evaluated) {
        fputs("<p class=\"soft\">", out);
        ssfer_html_text(out, r->evaluated);
        fputs("</p>", out);
    }
    fputs("</header>\n", out);
}

static void write_evaluation_tiles(FILE *out, const ssfer_evaluation *e)
{
    const char *const share = "%.2f&#8239;%%";
    fputs("<div class=\"tiles\">", out);
    write_tile(out, "accuracy", share, 100 * e->accuracy);
    write_tile(out, "mean-class accuracy", share, 100 * e->mean_class_accuracy);
    write_tile(out, "macro F1", share, 100 * e->macro_f1);
    write_tile(out, "top-2 accuracy", share, 100 * e->top2_accuracy);
    write_tile(out, "cross entropy", "%.3f", e->cross_entropy);
    write_tile(out, "images", "%.0f", (double)e->count);
    fputs("</div>\n", out);
}

/* Without an evaluation: how far the run is. */
static void write_history_tiles(FILE *out, const ssfer_history *h)
{
    const ssfer_series *accuracy = ssfer_history_find(h, NULL, "accuracy"), *loss = ssfer_history_find(h, NULL, "loss");
    double best = 0, at = 0;
    if (!accuracy && !loss)
        return;
    fputs("<div class=\"tiles\">", out);
    for (size_t i = 0; accuracy && i < accuracy->count; i++)
        if (i == 0 || accuracy->value[i] > best) {
            best = accuracy->value[i];
            at = accuracy->epoch[i];
        }
    if (accuracy) {
        write_tile(out, "best validation accuracy", "%.2f&#8239;%%", 100 * best);
        write_tile(out, "in epoch", "%.0f", at);
    }
    if (loss) {
        write_tile(out, "last training loss", "%.4g", loss->value[loss->count - 1]);
        write_tile(out, "steps", "%.0f", loss->step[loss->count - 1]);
    }
    fputs("</div>\n", out);
}

/* ---- curves ------------------------------------------------------------------------------------------------------ */

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
      {"teacher_accuracy", "teacher"}}},
    {"Pseudo-labels", true, {{"pseudo_label_rate", "kept"}, {"pseudo_label_accuracy", "right, of the kept"}}},
    {"Learning rate", false, {{"lr", "last"}}},
    {"Images per second", false, {{"images_per_second", "last"}}},
};
enum { PLAN_COUNT = sizeof PLANS / sizeof *PLANS };

static bool is_planned(const char *metric)
{
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

static void write_planned(FILE *out, const ssfer_history *h, const char *stage)
{
    for (size_t p = 0; p < PLAN_COUNT; p++) {
        ssfer_plot plot = {.title = PLANS[p].title, .x_label = "optimizer steps", .percent = PLANS[p].percent};
        for (size_t l = 0; l < SSFER_PLOT_MAX_LINES && PLANS[p].lines[l].metric; l++) {
            const ssfer_series *s = ssfer_history_find(h, stage, PLANS[p].lines[l].metric);
            if (s)
                plot.lines[plot.count++] = make_line(s, PLANS[p].lines[l].name);
        }
        ssfer_plot_write(out, &plot);
    }
}

/* Every other figure that has more than one point, each by itself; "gradient_norm" is titled "gradient norm". */
static void write_others(FILE *out, const ssfer_history *h, const char *stage)
{
    for (size_t i = 0; i < h->count; i++) {
        const ssfer_series *s = &h->series[i];
        char title[64];
        if (strcmp(s->stage, stage) != 0 || s->count < 2 || is_planned(s->name))
            continue;
        snprintf(title, sizeof title, "%s", s->name);
        for (char *c = title; *c; c++)
            *c = *c == '_' ? ' ' : *c;
        ssfer_plot plot = {.title = title, .x_label = "optimizer steps", .count = 1};
        plot.lines[0] = make_line(s, "last");
        ssfer_plot_write(out, &plot);
    }
}

static bool is_first_of_stage(const ssfer_history *h, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (strcmp(h->series[k].stage, h->series[i].stage) == 0)
            return false;
    return true;
}

static void write_curves(FILE *out, const ssfer_history *h)
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
    }
    if (h->bad_lines)
        fprintf(out, "<p class=\"soft\">%zu damaged lines of metrics.jsonl were left out.</p>\n", h->bad_lines);
}

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

static void write_share_cell(FILE *out, double share, bool with_meter)
{
    if (isnan(share))
        fputs("<td class=\"soft\">-</td>", out);
    else if (with_meter)
        fprintf(out, "<td>%.1f<span class=\"meter\"><i style=\"width:%.1f%%\"></i></span></td>", 100 * share,
                100 * share);
    else
        fprintf(out, "<td>%.1f</td>", 100 * share);
}

static void write_class_table(FILE *out, const ssfer_evaluation *e)
{
    fputs("<div class=\"card scroll\"><table><thead><tr><th>class</th><th>images</th><th>predicted</th>"
          "<th>precision&#8239;%</th><th>recall&#8239;%</th><th>F1&#8239;%</th><th>AUROC&#8239;%</th></tr></"
          "thead><tbody>",
          out);
    for (size_t k = 0; k < e->class_count; k++) {
        const ssfer_class_metrics *c = &e->per_class[k];
        fputs("<tr><td>", out);
        ssfer_html_text(out, e->classes[k]);
        fprintf(out, "</td><td>%zu</td><td>%zu</td>", c->support, c->predicted);
        write_share_cell(out, c->precision, false);
        write_share_cell(out, c->recall, true);
        write_share_cell(out, c->f1, false);
        write_share_cell(out, c->auroc, false);
        fputs("</tr>", out);
    }
    fprintf(out, "</tbody><tfoot><tr><td>mean</td><td>%zu</td><td>%zu</td>", e->count, e->count);
    write_share_cell(out, e->macro_precision, false);
    write_share_cell(out, e->macro_recall, true);
    write_share_cell(out, e->macro_f1, false);
    write_share_cell(out, e->auroc_macro, false);
    fputs("</tr></tfoot></table></div>\n", out);
}

static void write_evaluation(FILE *out, const ssfer_evaluation *e)
{
    fputs("<h2>Per class</h2>\n", out);
    write_class_table(out, e);
    fputs("<h2>Errors</h2>\n<div class=\"pair\">\n<figure class=\"card\"><figcaption><b>Confusion matrix</b>"
          "<span class=\"soft\">images, and their share of the true class</span></figcaption>",
          out);
    ssfer_plot_confusion(out, e);
    fputs("</figure>\n<figure class=\"card\"><figcaption><b>Calibration</b><span class=\"soft\">", out);
    fprintf(out, "expected error %.2f&#8239;%%, largest %.2f&#8239;%%</span></figcaption>", 100 * e->ece, 100 * e->mce);
    ssfer_plot_calibration(out, e);
    fputs("</figure>\n</div>\n", out);
}

/* ---- split, examples, recipe ------------------------------------------------------------------------------------- */

static void write_split(FILE *out, const ssfer_report_split *s)
{
    size_t columns = s->column_count;
    fputs("<h2>Data</h2>\n<div class=\"card scroll\"><table><thead><tr><th>class</th>", out);
    for (size_t c = 0; c < columns; c++) {
        fputs("<th>", out);
        ssfer_html_text(out, s->columns[c]);
        fputs("</th>", out);
    }
    fputs("</tr></thead><tbody>", out);
    for (size_t k = 0; k < s->class_count; k++) {
        fputs("<tr><td>", out);
        ssfer_html_text(out, s->classes[k]);
        fputs("</td>", out);
        for (size_t c = 0; c < columns; c++)
            fprintf(out, "<td>%zu</td>", s->counts[k * columns + c]);
        fputs("</tr>", out);
    }
    fputs("</tbody><tfoot><tr><td>all</td>", out);
    for (size_t c = 0; c < columns; c++) {
        size_t sum = 0;
        for (size_t k = 0; k < s->class_count; k++)
            sum += s->counts[k * columns + c];
        fprintf(out, "<td>%zu</td>", sum);
    }
    fputs("</tr></tfoot></table></div>\n", out);
}

static void write_example(FILE *out, const ssfer_report_example *x)
{
    static const unsigned char jpeg[] = {0xff, 0xd8};
    bool is_jpeg = x->png_bytes >= 2 && memcmp(x->png, jpeg, 2) == 0;
    bool right = x->label && strcmp(x->label, x->predicted) == 0;
    fputs("<figure class=\"face\"><img alt=\"\" title=\"", out);
    ssfer_html_text(out, x->path ? x->path : "");
    fprintf(out, "\" src=\"data:image/%s;base64,", is_jpeg ? "jpeg" : "png");
    write_base64(out, x->png, x->png_bytes);
    fprintf(out, "\"><figcaption><b class=\"%s\">", right ? "good" : x->label ? "bad" : "soft");
    ssfer_html_text(out, x->predicted);
    fprintf(out, "</b> %.0f&#8239;%%", 100 * x->confidence);
    if (x->label && !right) {
        fputs("<br><small>is ", out);
        ssfer_html_text(out, x->label);
        fputs("</small>", out);
    }
    fputs("</figcaption></figure>\n", out);
}

static void write_group(FILE *out, const ssfer_report_group *g)
{
    if (g->count == 0)
        return;
    fputs("<h3>", out);
    ssfer_html_text(out, g->title);
    fputs("</h3>\n", out);
    if (g->note) {
        fputs("<p class=\"soft\">", out);
        ssfer_html_text(out, g->note);
        fputs("</p>\n", out);
    }
    fputs("<div class=\"faces\">\n", out);
    for (size_t i = 0; i < g->count; i++)
        write_example(out, &g->examples[i]);
    fputs("</div>\n", out);
}

static void write_recipe(FILE *out, const ssfer_recipe *recipe)
{
    fputs("<h2>Recipe</h2>\n<div class=\"card recipe\">", out);
    for (size_t i = 0; i < recipe->count; i++) {
        const ssfer_recipe_entry *e = &recipe->entries[i];
        if (i == 0 || strcmp(e->section, recipe->entries[i - 1].section) != 0) {
            fputs(i ? "</dl></section><section><h3>" : "<section><h3>", out);
            ssfer_html_text(out, e->section);
            fputs("</h3><dl>", out);
        }
        fputs("<dt>", out);
        ssfer_html_text(out, e->key);
        fputs("</dt><dd>", out);
        ssfer_html_text(out, e->value);
        fputs("</dd>", out);
    }
    fputs("</dl></section></div>\n", out);
}

/* ---- the whole ----------------------------------------------------------------------------------------------------
 */

/* Reads what the folder has; whatever cannot be read is left out with a warning. */
static void read_folder(ssfer_history *history, ssfer_recipe *recipe, const ssfer_report *r)
{
    *history = (ssfer_history){0};
    *recipe = (ssfer_recipe){0};
    char *metrics = r->folder ? ssfer_format("%s/metrics.jsonl", r->folder) : NULL;
    char *path = r->folder ? ssfer_format("%s/recipe.yaml", r->folder) : NULL;
    ssfer_error why = {0};
    if (metrics && ssfer_history_read(history, metrics, r->log, &why) != SSFER_OK && r->log)
        ssfer_warn(r->log, "%s; the report goes without it", why.message);
    if (path && ssfer_file_exists(path) && ssfer_recipe_read(recipe, path, &why) != SSFER_OK && r->log)
        ssfer_warn(r->log, "%s; the report goes without it", why.message);
    ssfer_free(metrics);
    ssfer_free(path);
}

static void write_body(FILE *out, const ssfer_report *r, const ssfer_history *history, const ssfer_recipe *recipe)
{
    write_head(out, r);
    if (r->evaluation)
        write_evaluation_tiles(out, r->evaluation);
    else
        write_history_tiles(out, history);
    write_curves(out, history);
    if (r->evaluation)
        write_evaluation(out, r->evaluation);
    bool has_examples = false;
    for (size_t g = 0; g < r->group_count; g++)
        has_examples |= r->groups[g].count > 0;
    if (has_examples)
        fputs("<h2>Examples</h2>\n", out);
    for (size_t g = 0; g < r->group_count; g++)
        write_group(out, &r->groups[g]);
    if (r->split)
        write_split(out, r->split);
    if (recipe->count)
        write_recipe(out, recipe);
    fprintf(out, "<footer>ssfer %s</footer>\n</body></html>\n", ssfer_version());
}

ssfer_status ssfer_report_write(const char *path, const ssfer_report *report, ssfer_error *err)
{
    ssfer_file_writer w;
    ssfer_history history;
    ssfer_recipe recipe;
    ssfer_status st = ssfer_file_writer_open(&w, path, err);
    if (st != SSFER_OK)
        return st;
    read_folder(&history, &recipe, report);
    locale_t before = ssfer_c_locale_enter();
    write_body(w.stream, report, &history, &recipe);
    ssfer_c_locale_leave(before);
    ssfer_history_deinit(&history);
    ssfer_recipe_deinit(&recipe);
    return ssfer_file_writer_commit(&w, err);
}
