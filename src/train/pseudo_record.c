#include "train/pseudo_record.h"

#include "base/file.h"
#include "base/memory.h"
#include "train/guards.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The array: these, then four counts for each class. The highest figures outlive an epoch. */
enum { LABELED_LOSS, LABELED, UNLABELED_LOSS, UNLABELED, HIGHEST_RATE, HIGHEST_ENTROPY, SINGLES };
enum { SEEN, KEPT, KNOWN, RIGHT, COUNTS }; /* KEPT, KNOWN and RIGHT are sums of weights */

static double *counts_of(const ssfer_pseudo_record *r, size_t k)
{
    return r->state + SINGLES + COUNTS * k;
}

ssfer_status ssfer_pseudo_record_init(ssfer_pseudo_record *r, const char *const *class_names, size_t classes,
                                      ssfer_error *err)
{
    *r = (ssfer_pseudo_record){.classes = classes, .state_count = SINGLES + COUNTS * classes};
    r->state = ssfer_calloc(r->state_count, sizeof *r->state);
    r->names = ssfer_calloc(classes, sizeof *r->names);
    if (!r->state || !r->names)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "pseudo-labels: out of memory");
    for (size_t k = 0; k < classes; k++) {
        char *name = ssfer_name_shorten(class_names[k], 48);
        if (!name)
            return ssfer_fail(err, SSFER_ERR_MEMORY, "pseudo-labels: out of memory");
        snprintf(r->names[k][0], sizeof r->names[k][0], "pseudo_label_rate/%s", name);
        snprintf(r->names[k][1], sizeof r->names[k][1], "pseudo_label_accuracy/%s", name);
        ssfer_free(name);
    }
    return SSFER_OK;
}

void ssfer_pseudo_record_deinit(ssfer_pseudo_record *r)
{
    ssfer_free(r->state);
    ssfer_free(r->names);
    *r = (ssfer_pseudo_record){0};
}

void ssfer_pseudo_record_batch(ssfer_pseudo_record *r, const ssfer_pseudo *p, const int32_t *truth, size_t count)
{
    for (size_t b = 0; b < count; b++) {
        double *c = counts_of(r, (size_t)p->labels[b]);
        const double w = (double)p->weights[b];
        c[SEEN] += 1.0;
        c[KEPT] += w;
        c[KNOWN] += truth[b] >= 0 ? w : 0.0;
        c[RIGHT] += truth[b] == p->labels[b] ? w : 0.0;
    }
}

void ssfer_pseudo_record_losses(ssfer_pseudo_record *r, double labeled, size_t labeled_count, double unlabeled,
                                size_t unlabeled_count)
{
    r->state[LABELED_LOSS] += labeled;
    r->state[LABELED] += (double)labeled_count;
    r->state[UNLABELED_LOSS] += unlabeled;
    r->state[UNLABELED] += (double)unlabeled_count;
}

static double sum_over_classes(const ssfer_pseudo_record *r, int which)
{
    double sum = 0.0;
    for (size_t k = 0; k < r->classes; k++)
        sum += counts_of(r, k)[which];
    return sum;
}

/* Of the labels given, over log K. */
static double entropy(const ssfer_pseudo_record *r)
{
    const double seen = sum_over_classes(r, SEEN);
    double sum = 0.0;
    for (size_t k = 0; k < r->classes; k++)
        sum += ssfer_entropy_term(counts_of(r, k)[SEEN] / seen);
    return sum / log((double)r->classes);
}

static void put(ssfer_metric_list *metrics, const char *name, double sum, double of)
{
    if (of > 0.0)
        ssfer_metric_list_add(metrics, name, sum / of);
}

void ssfer_pseudo_record_metrics(const ssfer_pseudo_record *r, ssfer_metric_list *metrics)
{
    const double *s = r->state, seen = sum_over_classes(r, SEEN);
    put(metrics, "labeled_loss", s[LABELED_LOSS], s[LABELED]);
    put(metrics, "unlabeled_loss", s[UNLABELED_LOSS], s[UNLABELED]);
    if (seen == 0.0)
        return;
    put(metrics, "pseudo_label_rate", sum_over_classes(r, KEPT), seen);
    put(metrics, "pseudo_label_accuracy", sum_over_classes(r, RIGHT), sum_over_classes(r, KNOWN));
    put(metrics, "pseudo_label_entropy", entropy(r), 1.0);
    for (size_t k = 0; r->classes <= SSFER_PSEUDO_MAX_CLASSES && k < r->classes; k++) {
        const double *c = counts_of(r, k);
        put(metrics, r->names[k][0], c[KEPT], c[SEEN]);
        put(metrics, r->names[k][1], c[RIGHT], c[KNOWN]);
    }
}

static ssfer_status judge(double *highest, double now, double share, const char *what, ssfer_error *why)
{
    const double before = *highest;
    *highest = fmax(before, now);
    if (now >= share * before)
        return SSFER_OK;
    return ssfer_fail(why, SSFER_ERR_NUMERIC,
                      "the teacher collapses: %s fell to %.3g, after %.3g in a better epoch; try a higher --threshold, "
                      "a higher --ema, --align labels or a lower --unlabeled-weight",
                      what, now, before);
}

ssfer_status ssfer_pseudo_record_end_epoch(ssfer_pseudo_record *r, double share, ssfer_error *why)
{
    const double seen = sum_over_classes(r, SEEN);
    ssfer_status st = SSFER_OK;
    if (seen > 0.0) {
        const double rate = sum_over_classes(r, KEPT) / seen, spread = entropy(r);
        st = judge(&r->state[HIGHEST_RATE], rate, share, "the share of pseudo-labels that count", why);
        const ssfer_status second =
            judge(&r->state[HIGHEST_ENTROPY], spread, share, "the entropy of its labels (1: all classes alike)",
                  st == SSFER_OK ? why : NULL);
        st = st == SSFER_OK ? second : st;
    }
    const double rate = r->state[HIGHEST_RATE], spread = r->state[HIGHEST_ENTROPY];
    memset(r->state, 0, r->state_count * sizeof *r->state);
    r->state[HIGHEST_RATE] = rate;
    r->state[HIGHEST_ENTROPY] = spread;
    return st;
}
