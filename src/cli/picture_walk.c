#include "cli/picture_walk.h"

#include "base/file.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/text.h"

#include <string.h>

const char *const SSFER_OUTPUT_FORMATS[] = {"table", "json", "jsonl", "csv", NULL};

ssfer_status ssfer_picture_walk_open(ssfer_picture_walk *w, ssfer_cli *cli, const ssfer_strings *inputs, int format,
                                     const char *folder, size_t most, ssfer_error *err)
{
    const ssfer_dataset_options options = {.unlabeled = true, .inputs = true, .log = &cli->log};
    *w = (ssfer_picture_walk){.cli = cli,
                              .folder = folder,
                              .output = {.stream = cli->out,
                                         .format = (ssfer_output_format)format,
                                         .columns = ssfer_terminal_columns(cli->out),
                                         .bold = cli->style_out.bold,
                                         .dim = cli->style_out.dim,
                                         .reset = cli->style_out.reset}};
    ssfer_status st = ssfer_dataset_open_paths(&w->set, inputs->items, inputs->count, &options, err);
    if (st == SSFER_OK)
        ssfer_cli_mention_left_out(cli, w->set);
    if (st == SSFER_OK && folder)
        st = ssfer_folder_create(folder, err);
    if (st == SSFER_OK)
        st = ssfer_pictures_create(&w->pictures, w->set, most, (size_t)cli->common.threads, err);
    return st;
}

void ssfer_picture_walk_close(ssfer_picture_walk *w)
{
    ssfer_pictures_destroy(w->pictures);
    ssfer_dataset_close(w->set);
    w->pictures = NULL;
    w->set = NULL;
}

/* DIR/00012-name.png: the number keeps names apart that several folders share, and the order. Names that become too
 * long for the folder are shortened. NULL when memory runs out. */
static char *png_path(const ssfer_picture_walk *w, size_t i)
{
    static const char suffix[] = ".png";
    const char *path = ssfer_dataset_path(w->set, i), *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    char *stem = ssfer_format("%05zu-%.*s", i + 1, dot ? (int)(dot - name) : (int)strlen(name), name);
    char *kept = stem ? ssfer_name_shorten(stem, ssfer_name_most(w->folder) - strlen(suffix)) : NULL;
    char *png = kept ? ssfer_format("%s/%s%s", w->folder, kept, suffix) : NULL;
    ssfer_free(stem);
    ssfer_free(kept);
    return png;
}

static ssfer_status one_picture(ssfer_picture_walk *w, const ssfer_picture_visitor *v, const ssfer_portion *p, size_t i,
                                ssfer_error *err)
{
    char file[SSFER_LOCATION_MAX], *png = NULL;
    ssfer_dataset_location(w->set, p->first + i, file, sizeof file);
    if (p->errors[i].status != SSFER_OK) {
        const char *message = ssfer_picture_message(&p->errors[i], file);
        ssfer_output_row(&w->output, &(ssfer_face_row){.file = file, .status = SSFER_FACE_ERROR, .message = message});
        w->failed++;
        return SSFER_OK;
    }
    if (w->folder && !(png = png_path(w, p->first + i)))
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", file);
    ssfer_status st = v->picture(v->context, p->place[i], file, &p->images[p->place[i]], png, err);
    ssfer_free(png);
    return st;
}

static ssfer_status one_portion(ssfer_picture_walk *w, const ssfer_picture_visitor *v, const ssfer_portion *p,
                                ssfer_error *err)
{
    ssfer_status st = v->portion(v->context, p, err);
    if (st != SSFER_OK)
        return st;
    for (size_t i = 0; i < p->count && st == SSFER_OK; i++)
        st = one_picture(w, v, p, i, err);
    v->done(v->context);
    return st;
}

ssfer_status ssfer_picture_walk_run(ssfer_picture_walk *w, const ssfer_picture_visitor *v, ssfer_error *err)
{
    const size_t total = ssfer_dataset_count(w->set);
    ssfer_portion portion = {0};
    ssfer_progress bar;
    ssfer_output_begin(&w->output);
    ssfer_progress_begin(&bar, w->output.format == SSFER_OUTPUT_TABLE ? NULL : w->cli->progress, v->doing, "img",
                         total);
    ssfer_status st = ssfer_pictures_next(w->pictures, &portion, err);
    while (st == SSFER_OK && portion.count) {
        st = one_portion(w, v, &portion, err);
        ssfer_progress_update(&bar, portion.first + portion.count, NULL);
        if (st == SSFER_OK)
            st = ssfer_cli_flush(w->cli, err);
        if (st == SSFER_OK)
            st = ssfer_pictures_next(w->pictures, &portion, err);
    }
    ssfer_progress_end(&bar);
    ssfer_output_end(&w->output);
    if (st == SSFER_OK && w->failed == total)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "none of the %zu pictures could be read; their rows say why", total);
    else if (st == SSFER_OK && w->failed)
        st = ssfer_fail(err, SSFER_ERR_FORMAT, "%zu of %zu pictures could not be read; %s why", w->failed, total,
                        w->failed == 1 ? "its row says" : "their rows say");
    return st;
}
