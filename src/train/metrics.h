/* How good a classifier is: fed with batches of logits and labels, gives every figure that is reported.
 *
 *     ssfer_metrics *m;
 *     ssfer_metrics_create(&m, names, K, &err);
 *     for each batch: ssfer_metrics_add(m, logits, labels, indices, count, &err);
 *     ssfer_evaluation e;
 *     if (ssfer_metrics_compute(&e, m, &err) == SSFER_OK) { ...; ssfer_evaluation_deinit(&e); }
 *
 * The accumulator keeps the logits of every sample ((K + 4) * 4 bytes each), so that the figures that need all of them
 * (AUROC), the CSV of predictions and the choice of examples come from one pass. Figures are computed in double and do
 * not depend on how the samples were cut into batches. Not thread-safe. */
#ifndef SSFER_TRAIN_METRICS_H
#define SSFER_TRAIN_METRICS_H

#include "base/status.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { SSFER_CALIBRATION_BINS = 15 };

typedef struct ssfer_metrics ssfer_metrics;

/* Class names (K >= 1) are copied. */
ssfer_status ssfer_metrics_create(ssfer_metrics **out, const char *const *classes, size_t class_count,
                                  ssfer_error *err);
void ssfer_metrics_destroy(ssfer_metrics *m);
void ssfer_metrics_clear(ssfer_metrics *m); /* forgets the samples, keeps the memory */

/* logits (count, K), labels (count) in 0 .. K-1, indices (count): the samples' positions in their data set, or NULL to
 * number them as they come. Errors: SSFER_ERR_ARGUMENT for a label out of range, SSFER_ERR_NUMERIC for a logit that is
 * not finite; nothing of the batch is then kept. */
ssfer_status ssfer_metrics_add(ssfer_metrics *m, const float *logits, const int32_t *labels, const size_t *indices,
                               size_t count, ssfer_error *err);

size_t ssfer_metrics_count(const ssfer_metrics *m);

/* What was predicted for the i-th sample added. `predicted` is the first of the largest logits. */
typedef struct ssfer_prediction {
    size_t index;
    int32_t label, predicted;
    double confidence;       /* softmax probability of `predicted` */
    double true_probability; /* softmax probability of `label` */
    const float *logits;     /* K, valid until the next add, clear or destroy */
} ssfer_prediction;
ssfer_prediction ssfer_metrics_prediction(const ssfer_metrics *m, size_t i);

/* p (K) = softmax of logits (K), in double, the maximum subtracted first. */
void ssfer_softmax_f64(double *p, const float *logits, size_t class_count);

/* Precision, recall and F1 are 0 where they are undefined (a class never predicted, a class without samples). AUROC is
 * NaN where undefined (no sample of the class, or none of another). */
typedef struct ssfer_class_metrics {
    size_t support, predicted; /* samples of this class; samples called this class */
    double precision, recall, f1;
    double auroc; /* one class against the rest, by its softmax probability; ties count half (mid-ranks) */
} ssfer_class_metrics;

/* Bin b of the confidence: (b/15, (b+1)/15]. Means are 0 in an empty bin. */
typedef struct ssfer_calibration_bin {
    size_t count;
    double accuracy, confidence;
} ssfer_calibration_bin;

typedef struct ssfer_evaluation {
    size_t count, class_count;
    char **classes;                 /* K names */
    size_t *confusion;              /* (K, K), row true, column predicted */
    ssfer_class_metrics *per_class; /* K */
    double accuracy;
    double top2_accuracy;                           /* the true class is among the two largest logits */
    double mean_class_accuracy;                     /* mean recall of the classes that have samples */
    double macro_precision, macro_recall, macro_f1; /* means over all K classes */
    double weighted_f1;                             /* weighted by support */
    double cross_entropy;                           /* mean, natural logarithm */
    double ece, mce;                                /* expected and maximum calibration error over the bins */
    double auroc_macro;                             /* mean over the classes where it is defined; NaN if nowhere */
    ssfer_calibration_bin calibration[SSFER_CALIBRATION_BINS];
} ssfer_evaluation;

/* Errors: SSFER_ERR_ARGUMENT when no sample was added. */
ssfer_status ssfer_metrics_compute(ssfer_evaluation *out, const ssfer_metrics *m, ssfer_error *err);
void ssfer_evaluation_deinit(ssfer_evaluation *e); /* {0} is fine */

/* Which samples to show: positions for ssfer_metrics_prediction, at most `wanted`, the most telling first.
 *   best      right, the most confident
 *   worst     the true class got the least probability
 *   confused  wrong, from the largest cells of the confusion matrix beside its diagonal, in turn
 * Returns how many were written. Errors: none but memory, which gives 0. */
typedef enum ssfer_example_kind { SSFER_EXAMPLE_BEST, SSFER_EXAMPLE_WORST, SSFER_EXAMPLE_CONFUSED } ssfer_example_kind;
size_t ssfer_metrics_examples(size_t *positions, size_t wanted, const ssfer_metrics *m, ssfer_example_kind kind);

/* Output (metrics_output.c). All numbers have a decimal point whatever the locale. */

/* Tables for people: the figures, per class, the confusion matrix (left out beyond 24 classes). ASCII but for class
 * names. The caller looks at ferror. */
void ssfer_evaluation_print(FILE *stream, const ssfer_evaluation *e);

/* {"accuracy", "mean_class_accuracy", "macro_f1", "count", "classes": [...], "confusion": [[...]], "per_class": {name:
 * {"precision", "recall", "f1", "auroc", "support", "predicted"}}, "top2_accuracy", "macro_precision", "macro_recall",
 * "weighted_f1", "cross_entropy", "ece", "mce", "auroc_macro", "calibration": [{"count", "accuracy", "confidence"}]};
 * NaN is null. Several lines, ends with a newline. The caller looks at ferror. */
void ssfer_evaluation_write_json(FILE *stream, const ssfer_evaluation *e);

/* One line a sample: path,true,predicted,confidence,p_CLASS...; `name` gives the path of a data-set index. Written
 * atomically; RFC 4180 quoting. */
ssfer_status ssfer_predictions_write_csv(const char *path, const ssfer_metrics *m,
                                         const char *(*name)(const void *user, size_t index), const void *user,
                                         ssfer_error *err);

/* The class names given at creation: K pointers, valid until destroy. */
const char *const *ssfer_metrics_classes(const ssfer_metrics *m);
size_t ssfer_metrics_class_count(const ssfer_metrics *m);

#endif
