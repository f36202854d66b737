#include "train/report.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "train/report_plot.h"
#include "train/report_private.h"

#include <string.h>

/* ---- head -------------------------------------------------------------------------------------------------------- */

static void write_tile(FILE *out, const char *name, const char *format, double value)
{
    fputs("<div class=\"card tile\"><b>", out);
    ssfer_fprintf(out, format, value);
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

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* What the run's folder holds of pictures that were painted by a masked autoencoder. */
static void write_reconstructions(FILE *out, const ssfer_report_run *run)
{
    char *path = ssfer_format("%s/%s", run->folder, SSFER_REPORT_RECONSTRUCTIONS);
    ssfer_report_write_picture(out, path, "Reconstructions",
                               "Pictures that the model has not learned from: as they are, as it sees them, as it "
                               "paints them, and its painting in the hidden places.");
    ssfer_free(path);
}

static void write_runs(FILE *out, const ssfer_report_chain *chain)
{
    ssfer_report_write_chain(out, chain);
    for (size_t i = 0; i < chain->count; i++) {
        ssfer_report_write_warnings(out, &chain->runs[i]);
        ssfer_report_write_curves(out, &chain->runs[i].history);
        if (chain->runs[i].folder)
            write_reconstructions(out, &chain->runs[i]);
    }
}

static void write_body(FILE *out, const ssfer_report *r, const ssfer_report_chain *chain)
{
    write_head(out, r);
    if (r->evaluation)
        write_evaluation_tiles(out, r->evaluation);
    else if (chain->count)
        write_history_tiles(out, &chain->runs[chain->count - 1].history);
    write_runs(out, chain);
    if (r->evaluation)
        ssfer_report_write_evaluation(out, r->evaluation);
    ssfer_report_write_groups(out, r->groups, r->group_count);
    if (r->split)
        ssfer_report_write_split(out, r->split);
    for (size_t i = 0; i < chain->count; i++)
        ssfer_report_write_recipe(out, chain->count > 1 ? chain->runs[i].folder : NULL, &chain->runs[i].recipe);
    fprintf(out, "<footer>ssfer %s</footer>\n</body></html>\n", ssfer_version());
}

ssfer_status ssfer_report_write(const char *path, const ssfer_report *report, ssfer_error *err)
{
    ssfer_file_writer w;
    ssfer_report_chain chain;
    ssfer_status st = ssfer_file_writer_open(&w, path, err);
    if (st != SSFER_OK)
        return st;
    ssfer_report_chain_read(&chain, report->folder, report->log);
    write_body(w.stream, report, &chain);
    ssfer_report_chain_deinit(&chain);
    return ssfer_file_writer_commit(&w, err);
}
