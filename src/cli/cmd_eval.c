#include "base/file.h"
#include "base/memory.h"
#include "cli/commands.h"
#include "cli/foreign_args.h"
#include "image/plot.h"
#include "models/classifier.h"
#include "train/evaluate.h"
#include "train/report_gallery.h"

#include <string.h>

typedef struct eval_args {
    const char *model, *data, *split, *folder_classes, *report, *predictions;
    int format;
    int64_t batch_size;
    double max_bad;
    ssfer_foreign_args foreign;
} eval_args;

static const char *const FORMATS[] = {"table", "json", NULL};

static const ssfer_option OPTIONS[] = {
    {SSFER_OPTION_STRING(eval_args, model), .name = "model", .letter = 'm', .value = "M", .required = true,
     .help = "model file: .safetensors, or a PyTorch checkpoint with --classes"},
    {SSFER_OPTION_STRING(eval_args, data), .name = "data", .value = "D", .required = true,
     .help = "labeled pictures: a folder [split/]class/name, a tar of it, or a CSV of path,label"},
    {SSFER_OPTION_STRING(eval_args, split), .name = "split", .value = "S",
     .help = "which split of it, if it has several"},
    {SSFER_OPTION_STRING(eval_args, folder_classes), .name = "folder-classes", .value = "C",
     .initial_help = "as the data set that fits",
     .help =
         "what class folders that are numbers stand for: " SSFER_CLASS_SETS_ALL
         " (as in these data sets), model (in the order of its outputs), or a file with a line FOLDER CLASS for each"},
    {SSFER_OPTION_CHOICE(eval_args, format), .name = "format", .choices = FORMATS, .initial = "table",
     .help = "how to print the figures"},
    {SSFER_OPTION_STRING(eval_args, report), .name = "report", .value = "DIR",
     .help = "also write report.html, confusion.png, evaluation.json and predictions.csv into this folder"},
    {SSFER_OPTION_STRING(eval_args, predictions), .name = "predictions", .value = "FILE",
     .help = "also write a CSV with a line for every picture"},
    {SSFER_OPTION_INT(eval_args, batch_size), .name = "batch-size", .value = "N", .initial = "32", .min = 1,
     .max = 4096, .help = "pictures computed at once"},
    {SSFER_OPTION_FLOAT(eval_args, max_bad), .name = "max-bad", .value = "X", .initial = "0.1", .max = 1,
     .help = "fail when a larger share of the pictures cannot be read"},
    {0}};

/* All that an evaluation owns. */
typedef struct evaluation {
    ssfer_classifier model;
    ssfer_dataset *set;
    ssfer_loader *loader;
    ssfer_compute *cx;
    ssfer_vit_acts acts;
    ssfer_metrics *metrics;
    ssfer_evaluation figures;
} evaluation;

static void release(evaluation *e)
{
    ssfer_evaluation_deinit(&e->figures);
    ssfer_metrics_destroy(e->metrics);
    ssfer_loader_destroy(e->loader);
    ssfer_vit_acts_deinit(&e->acts);
    ssfer_compute_destroy(e->cx);
    ssfer_dataset_close(e->set);
    ssfer_classifier_deinit(&e->model);
}

static ssfer_status open_data(evaluation *e, const eval_args *a, const ssfer_cli *cli, ssfer_error *err)
{
    const ssfer_classifier *m = &e->model;
    const size_t K = m->vit.config.classes;
    ssfer_dataset_options options = {.split = a->split, .log = &cli->log};
    options.classes = (const char *const *)m->classes;
    options.class_count = m->classes ? K : 0;
    options.folder_classes = a->folder_classes;
    options.outputs_of = a->foreign.classes;
    ssfer_status st = ssfer_dataset_open(&e->set, a->data, &options, err);
    if (st == SSFER_OK)
        ssfer_cli_mention_left_out(cli, e->set);
    if (st == SSFER_OK && ssfer_dataset_class_count(e->set) != K)
        st = ssfer_fail(err, SSFER_ERR_SHAPE, "%s: %zu classes, the model has %zu; give its class names with --classes",
                        a->data, ssfer_dataset_class_count(e->set), K);
    if (st == SSFER_OK && !m->classes)
        ssfer_warn(
            &cli->log,
            "%s: names no classes, so its outputs are taken for those of %s in their order, from %s to %s; is that "
            "right? --classes names them",
            a->model, a->data, ssfer_dataset_class_name(e->set, 0), ssfer_dataset_class_name(e->set, K - 1));
    return st;
}

static ssfer_status evaluate(evaluation *e, const eval_args *a, const ssfer_cli *cli, ssfer_error *err)
{
    const size_t size = e->model.vit.config.image_size;
    ssfer_loader_options loader = {.set = e->set,
                                   .batch = (size_t)a->batch_size,
                                   .threads = (size_t)cli->common.threads,
                                   .cache_bytes = SSFER_LOADER_NO_CACHE,
                                   .max_bad_share = a->max_bad,
                                   .transform = ssfer_transform_eval(size),
                                   .log = &cli->log};
    memcpy(loader.transform.mean, e->model.mean, sizeof e->model.mean);
    memcpy(loader.transform.std, e->model.std, sizeof e->model.std);
    ssfer_status st = ssfer_loader_create(&e->loader, &loader, err);
    if (st == SSFER_OK)
        st = ssfer_compute_create(&e->cx, SSFER_BACKEND_CPU, ssfer_cli_precision(cli), loader.threads, err);
    if (st == SSFER_OK)
        st = ssfer_vit_acts_init(&e->acts, e->cx, &e->model.vit, loader.batch, false, err);
    if (st == SSFER_OK)
        st = ssfer_metrics_create(&e->metrics, ssfer_dataset_class_names(e->set), e->model.vit.config.classes, err);
    if (st == SSFER_OK)
        st = ssfer_evaluate(e->cx, e->model.params, &e->acts, e->loader, e->metrics, cli->progress, NULL, err);
    const size_t bad = e->loader ? ssfer_loader_get_stats(e->loader).bad : 0;
    if (st == SSFER_OK && bad)
        ssfer_warn(&cli->log, "%zu of %zu pictures could not be read and are left out", bad,
                   ssfer_dataset_count(e->set));
    return st == SSFER_OK ? ssfer_metrics_compute(&e->figures, e->metrics, err) : st;
}

static const char *path_of(const void *user, size_t index)
{
    return ssfer_dataset_path(user, index);
}

static ssfer_status write_json(const char *path, const ssfer_evaluation *figures, ssfer_error *err)
{
    ssfer_file_writer writer;
    ssfer_status st = ssfer_file_writer_open(&writer, path, err);
    if (st != SSFER_OK)
        return st;
    ssfer_evaluation_write_json(writer.stream, figures);
    return ssfer_file_writer_commit(&writer, err);
}

static ssfer_status write_report(const evaluation *e, const eval_args *a, const ssfer_cli *cli, ssfer_error *err)
{
    char *png = ssfer_format("%s/confusion.png", a->report), *csv = ssfer_format("%s/predictions.csv", a->report),
         *json = ssfer_format("%s/evaluation.json", a->report);
    char *html = ssfer_format("%s/report.html", a->report), *title = ssfer_format("%s on %s", a->model, a->data);
    ssfer_status st =
        png && csv && json && html && title ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "report: out of memory");
    if (st == SSFER_OK)
        st = ssfer_predictions_write_csv(csv, e->metrics, path_of, e->set, err);
    if (st == SSFER_OK)
        st = write_json(json, &e->figures, err);
    ssfer_gallery gallery = {0};
    if (st == SSFER_OK)
        st = ssfer_plot_confusion_save(&(ssfer_plot_confusion){.counts = e->figures.confusion,
                                                               .names = ssfer_dataset_class_names(e->set),
                                                               .classes = e->figures.class_count},
                                       png, err);
    if (st == SSFER_OK)
        st = ssfer_gallery_init(&gallery, e->metrics, e->set, err);
    if (st == SSFER_OK)
        st = ssfer_report_write(html,
                                &(ssfer_report){.title = "Evaluation",
                                                .evaluation = &e->figures,
                                                .evaluated = title,
                                                .groups = gallery.groups,
                                                .group_count = gallery.group_count,
                                                .log = &cli->log},
                                err);
    ssfer_gallery_deinit(&gallery);
    ssfer_free(png);
    ssfer_free(csv);
    ssfer_free(json);
    ssfer_free(html);
    ssfer_free(title);
    return st;
}

static ssfer_status run(ssfer_cli *cli, const void *data, ssfer_error *err)
{
    const eval_args *a = data;
    evaluation e = {0};
    float mean[3], std[3];
    const ssfer_classifier_load_options load = {.classes = a->foreign.classes,
                                                .heads = (size_t)a->foreign.heads,
                                                .mean = ssfer_normalization_given(mean, a->foreign.mean),
                                                .std = ssfer_normalization_given(std, a->foreign.std)};
    ssfer_status st = ssfer_classifier_load(&e.model, a->model, &load, err);
    if (st == SSFER_OK)
        ssfer_foreign_tell(cli, a->model, &a->foreign, e.model.mean, e.model.mean_stated, e.model.std,
                           e.model.std_stated);
    if (st == SSFER_OK)
        st = open_data(&e, a, cli, err);
    if (st == SSFER_OK && a->report) /* before the work, not after it */
        st = ssfer_folder_create(a->report, err);
    if (st == SSFER_OK)
        st = evaluate(&e, a, cli, err);
    if (st == SSFER_OK && a->format == 0) /* first, so that they are not lost when a file cannot be written */
        ssfer_evaluation_print(cli->out, &e.figures);
    else if (st == SSFER_OK)
        ssfer_evaluation_write_json(cli->out, &e.figures);
    if (st == SSFER_OK && a->predictions)
        st = ssfer_predictions_write_csv(a->predictions, e.metrics, path_of, e.set, err);
    if (st == SSFER_OK && a->report)
        st = write_report(&e, a, cli, err);
    release(&e);
    return st;
}

const ssfer_command SSFER_COMMAND_EVAL = {
    .name = "eval",
    .group = SSFER_COMMAND_GROUP_USE,
    .summary = "measure a model on labeled pictures",
    .description =
        "Classifies every picture of a labeled set and reports accuracy, mean-class accuracy, F1, "
        "calibration, figures for each class and the confusion matrix. Pictures that cannot be read are "
        "named, counted and left out.\n\n"
        "The folders of the data set are the model's classes, found by name. Where they are numbers and the "
        "classes are not, they are those of the data set that has these numbers and classes: folders 1 to 7 are "
        "RAF-DB's surprise to neutral whatever the order of the outputs. The assignment is printed; where it "
        "could be another one, --folder-classes has to say it.",
    .groups = {{"Options", OPTIONS, 0},
               {"Models of other programs", SSFER_FOREIGN_OPTIONS, offsetof(eval_args, foreign)}},
    .examples = {{"ssfer eval --model run/model.safetensors --data ferplus.tar --split valid", "A model of one's own."},
                 {"ssfer eval --model SSFER_RAFDB_0.10_model.pth --classes rafdb --data RAF-DB --split test",
                  "A published checkpoint."}},
    .args_size = sizeof(eval_args),
    .run = run,
};
