#include "train/folds.h"

#include "base/file.h"
#include "base/memory.h"
#include "io/json.h"
#include "nn/try.h"

#include <math.h>

static void summarise(double *mean, double *deviation, const double *values, size_t count)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    *mean = sum / (double)count;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - *mean) * (values[i] - *mean);
    *deviation = sqrt(squares / (double)(count - 1));
}

static void summarise_all(ssfer_folds *f)
{
    double accuracy[SSFER_MAX_FOLDS], recall[SSFER_MAX_FOLDS], f1[SSFER_MAX_FOLDS];
    for (size_t i = 0; i < f->count; i++) {
        accuracy[i] = f->fold[i].accuracy;
        recall[i] = f->fold[i].mean_class_accuracy;
        f1[i] = f->fold[i].macro_f1;
    }
    summarise(&f->mean.accuracy, &f->deviation.accuracy, accuracy, f->count);
    summarise(&f->mean.mean_class_accuracy, &f->deviation.mean_class_accuracy, recall, f->count);
    summarise(&f->mean.macro_f1, &f->deviation.macro_f1, f1, f->count);
}

static void write_figures(ssfer_json_writer *w, const ssfer_fold_figures *figures)
{
    ssfer_json_begin_flat_object(w);
    ssfer_json_put_double(w, "accuracy", figures->accuracy);
    ssfer_json_put_double(w, "mean_class_accuracy", figures->mean_class_accuracy);
    ssfer_json_put_double(w, "macro_f1", figures->macro_f1);
    ssfer_json_end(w);
}

static ssfer_status write_summary(const ssfer_folds *f, const char *folder, ssfer_error *err)
{
    ssfer_file_writer file;
    ssfer_json_writer w;
    char *path = ssfer_format("%s/folds.json", folder);
    ssfer_status st = path ? ssfer_file_writer_open(&file, path, err)
                           : ssfer_fail(err, SSFER_ERR_MEMORY, "cross-validation: out of memory");
    if (st == SSFER_OK) {
        ssfer_json_writer_init(&w, file.stream, 2);
        ssfer_json_begin_object(&w);
        ssfer_json_key(&w, "folds");
        ssfer_json_begin_array(&w);
        for (size_t i = 0; i < f->count; i++)
            write_figures(&w, &f->fold[i]);
        ssfer_json_end(&w);
        ssfer_json_key(&w, "mean");
        write_figures(&w, &f->mean);
        ssfer_json_key(&w, "deviation");
        write_figures(&w, &f->deviation);
        ssfer_json_end(&w);
        fputc('\n', file.stream);
        st = ssfer_file_writer_commit(&file, err);
    }
    ssfer_free(path);
    return st;
}

static ssfer_status run_fold(ssfer_fold_figures *figures, ssfer_finetune_options o, const char *boxes, size_t fold,
                             ssfer_error *err)
{
    ssfer_evaluation e;
    char *out = ssfer_format("%s/fold-%zu", o.training.out, fold + 1);
    if (!out)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "cross-validation: out of memory");
    o.data.fold = fold;
    o.training.out = out;
    if (!o.mix.boxes && o.mix.detector)
        o.mix.boxes = boxes;
    ssfer_info(o.training.log, "fold %zu of %zu", fold + 1, o.data.folds);
    ssfer_status st = ssfer_finetune(&o, &e, err);
    if (st == SSFER_OK && !o.training.rehearsal) {
        *figures = (ssfer_fold_figures){e.accuracy, e.mean_class_accuracy, e.macro_f1};
        ssfer_evaluation_deinit(&e);
    }
    ssfer_free(out);
    return st;
}

ssfer_status ssfer_finetune_folds(ssfer_folds *out, const ssfer_finetune_options *options, ssfer_error *err)
{
    ssfer_folds f = {.count = options->data.folds};
    if (f.count < 2 || f.count > SSFER_MAX_FOLDS)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "%zu folds: 2 to %d are possible", f.count, SSFER_MAX_FOLDS);
    char *boxes = ssfer_format("%s/face-boxes.json", options->training.out);
    ssfer_status st = boxes ? SSFER_OK : ssfer_fail(err, SSFER_ERR_MEMORY, "cross-validation: out of memory");
    for (size_t i = 0; i < f.count && st == SSFER_OK; i++)
        st = run_fold(&f.fold[i], *options, boxes, i, err);
    ssfer_free(boxes);
    if (st != SSFER_OK)
        return st;
    ssfer_rehearsal *r = options->training.rehearsal;
    if (r) { /* there are as many models as folds, and none to go on from */
        ssfer_tensor_set_destroy(r->model);
        r->model = NULL;
        return SSFER_OK;
    }
    summarise_all(&f);
    TRY(write_summary(&f, options->training.out, err));
    *out = f;
    return SSFER_OK;
}
