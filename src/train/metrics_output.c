/* The figures as tables, JSON and CSV. */
#include "base/file.h"
#include "base/memory.h"
#include "base/number.h"
#include "base/text.h"
#include "data/csv.h"
#include "io/json.h"
#include "train/metrics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PRINTED_CLASSES = 24, MAX_TABLE_COLUMNS = 110 };

static size_t number_columns(size_t value)
{
    size_t n = 1;
    for (; value >= 10; value /= 10)
        n++;
    return n;
}

static void print_left(FILE *stream, const char *text, size_t columns)
{
    ssfer_text_print(stream, text, columns, SSFER_TEXT_LEFT);
}

/* A share as per cent in eight columns, "-" when undefined. */
static void print_share(FILE *stream, double share)
{
    if (isnan(share))
        fprintf(stream, "%11s", "-");
    else
        ssfer_fprintf(stream, "%11.2f", 100.0 * share);
}

static size_t name_columns(const ssfer_evaluation *e)
{
    size_t most = strlen("class");
    for (size_t k = 0; k < e->class_count; k++) {
        size_t n = ssfer_text_columns(e->classes[k]);
        most = n > most ? n : most;
    }
    return most;
}

static void print_summary(FILE *stream, const ssfer_evaluation *e)
{
    ssfer_fprintf(stream, "accuracy             %6.2f %%  of %zu images\n", 100.0 * e->accuracy, e->count);
    ssfer_fprintf(stream, "mean-class accuracy  %6.2f %%\n", 100.0 * e->mean_class_accuracy);
    ssfer_fprintf(stream, "macro F1             %6.2f %%\n", 100.0 * e->macro_f1);
    ssfer_fprintf(stream, "top-2 accuracy       %6.2f %%\n", 100.0 * e->top2_accuracy);
    ssfer_fprintf(stream, "cross entropy        %7.4f\n", e->cross_entropy);
    ssfer_fprintf(stream, "calibration error    %6.2f %%  (largest bin %.2f %%)\n", 100.0 * e->ece, 100.0 * e->mce);
}

static void print_classes(FILE *stream, const ssfer_evaluation *e, size_t width)
{
    print_left(stream, "class", width);
    fprintf(stream, "%9s%11s%11s%11s%11s\n", "images", "precision", "recall", "F1", "AUROC");
    for (size_t k = 0; k < e->class_count; k++) {
        const ssfer_class_metrics *c = &e->per_class[k];
        print_left(stream, e->classes[k], width);
        fprintf(stream, "%9zu", c->support);
        print_share(stream, c->precision);
        print_share(stream, c->recall);
        print_share(stream, c->f1);
        print_share(stream, c->auroc);
        fputc('\n', stream);
    }
    print_left(stream, "mean", width);
    fprintf(stream, "%9zu", e->count);
    print_share(stream, e->macro_precision);
    print_share(stream, e->macro_recall);
    print_share(stream, e->macro_f1);
    print_share(stream, e->auroc_macro);
    fputc('\n', stream);
}

/* Columns carry names where the table stays readable, else the numbers that the rows then show too. */
static void print_confusion(FILE *stream, const ssfer_evaluation *e, size_t width)
{
    size_t K = e->class_count, digits = number_columns(e->count);
    const bool named = width + K * (width + 2) <= MAX_TABLE_COLUMNS;
    const size_t column = (named && width > digits ? width : digits < 4 ? 4 : digits) + 2;
    fprintf(stream, "confusion (rows: true class, columns: predicted)\n");
    print_left(stream, "", named ? width : width + 5);
    for (size_t k = 0; k < K; k++) {
        if (named)
            ssfer_text_print(stream, e->classes[k], column, SSFER_TEXT_RIGHT);
        else
            fprintf(stream, "%*zu", (int)column, k + 1);
    }
    fputc('\n', stream);
    for (size_t k = 0; k < K; k++) {
        if (!named)
            fprintf(stream, "%3zu  ", k + 1);
        print_left(stream, e->classes[k], width);
        for (size_t j = 0; j < K; j++)
            fprintf(stream, "%*zu", (int)column, e->confusion[k * K + j]);
        fputc('\n', stream);
    }
}

void ssfer_evaluation_print(FILE *stream, const ssfer_evaluation *e)
{
    size_t width = name_columns(e);
    print_summary(stream, e);
    fputc('\n', stream);
    print_classes(stream, e, width);
    if (e->class_count <= MAX_PRINTED_CLASSES) {
        fputc('\n', stream);
        print_confusion(stream, e, width);
    }
}

static void write_confusion(ssfer_json_writer *w, const ssfer_evaluation *e)
{
    ssfer_json_key(w, "confusion");
    ssfer_json_begin_array(w);
    for (size_t k = 0; k < e->class_count; k++) {
        ssfer_json_begin_flat_array(w);
        for (size_t j = 0; j < e->class_count; j++)
            ssfer_json_uint(w, e->confusion[k * e->class_count + j]);
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
}

static void write_per_class(ssfer_json_writer *w, const ssfer_evaluation *e)
{
    ssfer_json_key(w, "per_class");
    ssfer_json_begin_object(w);
    for (size_t k = 0; k < e->class_count; k++) {
        const ssfer_class_metrics *c = &e->per_class[k];
        ssfer_json_key(w, e->classes[k]);
        ssfer_json_begin_flat_object(w);
        ssfer_json_put_double(w, "precision", c->precision);
        ssfer_json_put_double(w, "recall", c->recall);
        ssfer_json_put_double(w, "f1", c->f1);
        ssfer_json_put_double(w, "auroc", c->auroc);
        ssfer_json_put_uint(w, "support", c->support);
        ssfer_json_put_uint(w, "predicted", c->predicted);
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
}

static void write_calibration(ssfer_json_writer *w, const ssfer_evaluation *e)
{
    ssfer_json_key(w, "calibration");
    ssfer_json_begin_array(w);
    for (size_t b = 0; b < SSFER_CALIBRATION_BINS; b++) {
        ssfer_json_begin_flat_object(w);
        ssfer_json_put_uint(w, "count", e->calibration[b].count);
        ssfer_json_put_double(w, "accuracy", e->calibration[b].accuracy);
        ssfer_json_put_double(w, "confidence", e->calibration[b].confidence);
        ssfer_json_end(w);
    }
    ssfer_json_end(w);
}

void ssfer_evaluation_write_json(FILE *stream, const ssfer_evaluation *e)
{
    ssfer_json_writer w;
    ssfer_json_writer_init(&w, stream, 2);
    ssfer_json_begin_object(&w);
    ssfer_json_put_double(&w, "accuracy", e->accuracy);
    ssfer_json_put_double(&w, "mean_class_accuracy", e->mean_class_accuracy);
    ssfer_json_put_double(&w, "macro_f1", e->macro_f1);
    ssfer_json_put_uint(&w, "count", e->count);
    ssfer_json_key(&w, "classes");
    ssfer_json_begin_flat_array(&w);
    for (size_t k = 0; k < e->class_count; k++)
        ssfer_json_string(&w, e->classes[k]);
    ssfer_json_end(&w);
    write_confusion(&w, e);
    write_per_class(&w, e);
    ssfer_json_put_double(&w, "top2_accuracy", e->top2_accuracy);
    ssfer_json_put_double(&w, "macro_precision", e->macro_precision);
    ssfer_json_put_double(&w, "macro_recall", e->macro_recall);
    ssfer_json_put_double(&w, "weighted_f1", e->weighted_f1);
    ssfer_json_put_double(&w, "cross_entropy", e->cross_entropy);
    ssfer_json_put_double(&w, "ece", e->ece);
    ssfer_json_put_double(&w, "mce", e->mce);
    ssfer_json_put_double(&w, "auroc_macro", e->auroc_macro);
    write_calibration(&w, e);
    ssfer_json_end(&w);
}

static void write_csv(FILE *stream, const ssfer_metrics *m, const char *(*name)(const void *, size_t), const void *user,
                      double *p)
{
    size_t K = ssfer_metrics_class_count(m);
    const char *const *classes = ssfer_metrics_classes(m);
    fprintf(stream, "path,true,predicted,confidence");
    for (size_t k = 0; k < K; k++) {
        fputc(',', stream);
        ssfer_csv_put(stream, "p_", classes[k]);
    }
    fputc('\n', stream);
    for (size_t i = 0; i < ssfer_metrics_count(m); i++) {
        ssfer_prediction s = ssfer_metrics_prediction(m, i);
        ssfer_softmax_f64(p, s.logits, K);
        ssfer_csv_put(stream, "", name(user, s.index));
        fputc(',', stream);
        ssfer_csv_put(stream, "", classes[s.label]);
        fputc(',', stream);
        ssfer_csv_put(stream, "", classes[s.predicted]);
        ssfer_fprintf(stream, ",%.6g", s.confidence);
        for (size_t k = 0; k < K; k++)
            ssfer_fprintf(stream, ",%.6g", p[k]);
        fputc('\n', stream);
    }
}

ssfer_status ssfer_predictions_write_csv(const char *path, const ssfer_metrics *m,
                                         const char *(*name)(const void *user, size_t index), const void *user,
                                         ssfer_error *err)
{
    ssfer_file_writer w;
    double *p = ssfer_calloc(ssfer_metrics_class_count(m), sizeof *p);
    if (!p)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s: out of memory", path);
    ssfer_status st = ssfer_file_writer_open(&w, path, err);
    if (st == SSFER_OK) {
        write_csv(w.stream, m, name, user, p);
        st = ssfer_file_writer_commit(&w, err);
    }
    ssfer_free(p);
    return st;
}
