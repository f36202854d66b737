/* The sections of a report behind its curves: evaluation, examples, data, recipe, pictures of the run's folder. */
#include "base/file.h"
#include "base/number.h"
#include "train/guards.h"
#include "train/report_plot.h"
#include "train/report_private.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- evaluation -------------------------------------------------------------------------------------------------- */

static void write_share_cell(FILE *out, double share, bool with_meter)
{
    if (isnan(share))
        fputs("<td class=\"soft\">-</td>", out);
    else if (with_meter)
        ssfer_fprintf(out, "<td>%.1f<span class=\"meter\"><i style=\"width:%.1f%%\"></i></span></td>", 100 * share,
                      100 * share);
    else
        ssfer_fprintf(out, "<td>%.1f</td>", 100 * share);
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

void ssfer_report_write_evaluation(FILE *out, const ssfer_evaluation *e)
{
    fputs("<h2>Per class</h2>\n", out);
    write_class_table(out, e);
    fputs("<h2>Errors</h2>\n<div class=\"pair\">\n<figure class=\"card\"><figcaption><b>Confusion matrix</b>"
          "<span class=\"soft\">images, and their share of the true class</span></figcaption>",
          out);
    ssfer_plot_confusion(out, e);
    fputs("</figure>\n<figure class=\"card\"><figcaption><b>Calibration</b><span class=\"soft\">", out);
    ssfer_fprintf(out, "expected error %.2f&#8239;%%, largest %.2f&#8239;%%</span></figcaption>", 100 * e->ece,
                  100 * e->mce);
    ssfer_plot_calibration(out, e);
    fputs("</figure>\n</div>\n", out);
}

/* ---- warnings ---------------------------------------------------------------------------------------------------- */

/* The epochs after the warm-up whose figure was below the guard's; *last: the last of them. */
static size_t count_low(const ssfer_series *s, const ssfer_guard *guard, double warmup_epochs, size_t *of, double *last)
{
    size_t low = 0;
    *of = 0;
    for (size_t i = 0; i < s->count; i++) {
        if (s->epoch[i] <= warmup_epochs)
            continue;
        ++*of;
        if (s->value[i] < guard->least) {
            low++;
            *last = s->epoch[i];
        }
    }
    return low;
}

void ssfer_report_write_warnings(FILE *out, const ssfer_report_run *run)
{
    const char *warmup = ssfer_recipe_find(&run->recipe, "training", "warmup_epochs");
    double warmup_epochs = 0.0;
    if (warmup)
        ssfer_parse_double(&warmup_epochs, warmup, strlen(warmup)); /* else 0 stays */
    bool any = false;
    for (size_t i = 0; i < run->history.count; i++)
        for (size_t g = 0; g < SSFER_GUARDS; g++) {
            const ssfer_series *s = &run->history.series[i];
            const ssfer_guard *guard = &SSFER_GUARD_TABLE[g];
            size_t of;
            double last = 0.0;
            const size_t low = strcmp(s->name, guard->metric) == 0 ? count_low(s, guard, warmup_epochs, &of, &last) : 0;
            if (!low)
                continue;
            if (!any)
                fputs("<h2>Warnings</h2>\n", out);
            any = true;
            fputs("<p class=\"card\"><b class=\"bad\">", out);
            ssfer_html_text(out, s->stage);
            ssfer_fprintf(out, "</b>: in %zu of %zu epochs, last in %.0f, %s; %s.</p>\n", low, of, last, guard->what,
                          guard->advice);
        }
}

/* ---- split, examples, recipe ------------------------------------------------------------------------------------- */

void ssfer_report_write_split(FILE *out, const ssfer_report_split *s)
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

/* The picture itself, inside the page. */
static void write_image(FILE *out, const char *tooltip, const void *data, size_t size_bytes)
{
    static const unsigned char jpeg[] = {0xff, 0xd8};
    const bool is_jpeg = size_bytes >= 2 && memcmp(data, jpeg, 2) == 0;
    fputs("<img alt=\"\" title=\"", out);
    ssfer_html_text(out, tooltip);
    fprintf(out, "\" src=\"data:image/%s;base64,", is_jpeg ? "jpeg" : "png");
    write_base64(out, data, size_bytes);
    fputs("\">", out);
}

static void write_example(FILE *out, const ssfer_report_example *x)
{
    bool right = x->label && strcmp(x->label, x->predicted) == 0;
    fputs("<figure class=\"face\">", out);
    write_image(out, x->path ? x->path : "", x->png, x->png_bytes);
    fprintf(out, "<figcaption><b class=\"%s\">", right ? "good" : x->label ? "bad" : "soft");
    ssfer_html_text(out, x->predicted);
    ssfer_fprintf(out, "</b> %.0f&#8239;%%", 100 * x->confidence);
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

void ssfer_report_write_groups(FILE *out, const ssfer_report_group *groups, size_t count)
{
    bool any = false;
    for (size_t g = 0; g < count; g++)
        any |= groups[g].count > 0;
    if (any)
        fputs("<h2>Examples</h2>\n", out);
    for (size_t g = 0; g < count; g++)
        write_group(out, &groups[g]);
}

void ssfer_report_write_recipe(FILE *out, const char *title, const ssfer_recipe *recipe)
{
    if (!recipe->count)
        return;
    fputs("<h2>Recipe", out);
    if (title) {
        fputs(": ", out);
        ssfer_html_text(out, title);
    }
    fputs("</h2>\n<div class=\"card recipe\">", out);
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

void ssfer_report_write_picture(FILE *out, const char *path, const char *title, const char *note)
{
    ssfer_file_map file;
    if (!path || !ssfer_file_exists(path) || ssfer_file_map_open(&file, path, NULL) != SSFER_OK)
        return;
    fputs("<h2>", out);
    ssfer_html_text(out, title);
    fputs("</h2>\n<p class=\"soft\">", out);
    ssfer_html_text(out, note);
    fputs("</p>\n<figure class=\"card picture\">", out);
    write_image(out, title, file.data, file.size_bytes);
    fputs("</figure>\n", out);
    ssfer_file_map_close(&file);
}
