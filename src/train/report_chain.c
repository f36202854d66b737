/* The runs that led to a model, from the folder of the last one back to the first. */
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "train/report_plot.h"
#include "train/report_private.h"

#include <string.h>

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void read_run(ssfer_report_run *run, const char *folder, const ssfer_log *log)
{
    char *metrics = ssfer_format("%s/metrics.jsonl", folder), *recipe = ssfer_format("%s/recipe.yaml", folder);
    ssfer_error why = {0};
    *run = (ssfer_report_run){.folder = ssfer_strdup(folder)};
    if (metrics && ssfer_history_read(&run->history, metrics, log, &why) != SSFER_OK && log)
        ssfer_warn(log, "%s; the report goes without it", why.message);
    if (recipe && ssfer_file_exists(recipe) && ssfer_recipe_read(&run->recipe, recipe, &why) != SSFER_OK && log)
        ssfer_warn(log, "%s; the report goes without it", why.message);
    ssfer_free(metrics);
    ssfer_free(recipe);
}

static void run_deinit(ssfer_report_run *run)
{
    ssfer_history_deinit(&run->history);
    ssfer_recipe_deinit(&run->recipe);
    ssfer_free(run->folder);
    *run = (ssfer_report_run){0};
}

/* The folder of the model that a run started from, to be freed; NULL: from none, or the file lies in no run's folder. A
 * value with an escape in its quotes is left alone. */
static char *folder_before(const ssfer_report_run *run)
{
    const char *init = ssfer_recipe_find(&run->recipe, "model", "init");
    if (!init || strcmp(init, "null") == 0 || strchr(init, '\\'))
        return NULL;
    const bool quoted = *init == '"' || *init == '\'';
    const size_t length = strlen(init) - (quoted ? 2 : 0);
    char *path = ssfer_format("%.*s", (int)length, init + quoted);
    char *end = path ? strrchr(path, '/') : NULL;
    if (end)
        *end = '\0';
    char *metrics = end ? ssfer_format("%s/metrics.jsonl", path) : NULL;
    const bool is_run = metrics && ssfer_file_exists(metrics);
    ssfer_free(metrics);
    if (is_run)
        return path;
    ssfer_free(path);
    return NULL;
}

static bool is_known(const ssfer_report_chain *chain, const char *folder)
{
    for (size_t i = 0; i < chain->count; i++)
        if (chain->runs[i].folder && strcmp(chain->runs[i].folder, folder) == 0)
            return true;
    return false;
}

void ssfer_report_chain_read(ssfer_report_chain *chain, const char *folder, const ssfer_log *log)
{
    *chain = (ssfer_report_chain){0};
    char *next = folder ? ssfer_strdup(folder) : NULL;
    while (next && chain->count < SSFER_REPORT_MAX_RUNS && !is_known(chain, next)) {
        memmove(chain->runs + 1, chain->runs, chain->count * sizeof *chain->runs);
        read_run(&chain->runs[0], next, chain->count++ ? NULL : log);
        ssfer_free(next);
        next = folder_before(&chain->runs[0]);
    }
    ssfer_free(next);
}

void ssfer_report_chain_deinit(ssfer_report_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        run_deinit(&chain->runs[i]);
    chain->count = 0;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* Which record of the run became its model: the best one, or the last where the recipe says so. */
static size_t model_record(const ssfer_series *accuracy, const ssfer_recipe *recipe)
{
    const char *keep = ssfer_recipe_find(recipe, "semi", "keep");
    size_t best = accuracy->count - 1;
    if (keep && strstr(keep, "last"))
        return best;
    for (size_t i = accuracy->count; i-- > 0;)
        best = accuracy->value[i] >= accuracy->value[best] ? i : best;
    return best;
}

/* A figure of record `at` of `count`; a series that lacks some of them says nothing about it. */
static void write_figure(FILE *out, const ssfer_series *s, size_t at, size_t count, const char *format, double scale)
{
    if (!s || !s->count || s->count != count) {
        fputs("<td class=\"soft\">-</td>", out);
        return;
    }
    fputs("<td>", out);
    ssfer_fprintf(out, format, scale * s->value[at]);
    fputs("</td>", out);
}

/* All of the record whose weights the model has: the last one where there is no accuracy to choose by. */
static void write_cells_of_model(FILE *out, const ssfer_report_run *run)
{
    const ssfer_series *accuracy = ssfer_history_find(&run->history, NULL, "accuracy");
    const ssfer_series *mean = ssfer_history_find(&run->history, NULL, "mean_class_accuracy");
    const ssfer_series *loss = ssfer_history_find(&run->history, NULL, "validation_loss");
    const bool judged = accuracy && accuracy->count;
    const size_t count = judged ? accuracy->count : loss ? loss->count : 0;
    const size_t at = judged ? model_record(accuracy, &run->recipe) : count ? count - 1 : 0;
    write_figure(out, loss, at, count, "%.4g", 1);
    write_figure(out, accuracy, at, count, "%.2f", 100);
    write_figure(out, mean, at, count, "%.2f", 100);
}

void ssfer_report_write_chain(FILE *out, const ssfer_report_chain *chain)
{
    if (chain->count < 2)
        return;
    fputs("<h2>Stages</h2>\n<div class=\"card scroll\"><table><thead><tr><th>run</th><th>stage</th><th>epochs</th>"
          "<th>steps</th><th>validation loss</th><th>accuracy&#8239;%</th><th>mean-class&#8239;%</th></tr></thead>"
          "<tbody>",
          out);
    for (size_t i = 0; i < chain->count; i++) {
        const ssfer_report_run *run = &chain->runs[i];
        const ssfer_series *loss = ssfer_history_find(&run->history, NULL, "epoch_loss");
        fputs("<tr><td>", out);
        ssfer_html_text(out, run->folder ? run->folder : "");
        fputs("</td><td>", out);
        ssfer_html_text(out, run->history.count ? run->history.series[0].stage : "");
        ssfer_fprintf(out, "</td><td>%.0f</td><td>%.0f</td>", loss && loss->count ? loss->epoch[loss->count - 1] : 0.0,
                      loss && loss->count ? loss->step[loss->count - 1] : 0.0);
        write_cells_of_model(out, run);
        fputs("</tr>", out);
    }
    fputs("</tbody></table></div>\n", out);
}
