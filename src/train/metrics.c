#include "train/metrics.h"

#include "base/memory.h"
#include "base/size.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

typedef struct sample {
    size_t index;
    int32_t label, predicted;
} sample;

struct ssfer_metrics {
    char **classes;
    size_t class_count; /* K */
    sample *samples;
    float *logits; /* (count, K) */
    size_t count, sample_capacity, logit_capacity;
};

static void free_names(char **names, size_t count)
{
    for (size_t k = 0; names && k < count; k++)
        ssfer_free(names[k]);
    ssfer_free(names);
}

static char **copy_names(const char *const *names, size_t count)
{
    char **copy = ssfer_calloc(count, sizeof *copy);
    for (size_t k = 0; copy && k < count; k++)
        if (!(copy[k] = ssfer_strdup(names[k]))) {
            free_names(copy, count);
            return NULL;
        }
    return copy;
}

ssfer_status ssfer_metrics_create(ssfer_metrics **out, const char *const *classes, size_t class_count, ssfer_error *err)
{
    *out = NULL;
    if (class_count == 0 || class_count > INT32_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "metrics of %zu classes", class_count);
    ssfer_metrics *m = ssfer_calloc(1, sizeof *m);
    char **names = copy_names(classes, class_count);
    if (!m || !names) {
        ssfer_free(m);
        free_names(names, class_count);
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the metrics of %zu classes", class_count);
    }
    m->classes = names;
    m->class_count = class_count;
    *out = m;
    return SSFER_OK;
}

void ssfer_metrics_destroy(ssfer_metrics *m)
{
    if (!m)
        return;
    free_names(m->classes, m->class_count);
    ssfer_free(m->samples);
    ssfer_free(m->logits);
    ssfer_free(m);
}

void ssfer_metrics_clear(ssfer_metrics *m)
{
    m->count = 0;
}

size_t ssfer_metrics_count(const ssfer_metrics *m)
{
    return m->count;
}

const char *const *ssfer_metrics_classes(const ssfer_metrics *m)
{
    return (const char *const *)m->classes;
}

size_t ssfer_metrics_class_count(const ssfer_metrics *m)
{
    return m->class_count;
}

static int32_t largest(const float *logits, size_t class_count)
{
    size_t best = 0;
    for (size_t k = 1; k < class_count; k++)
        if (logits[k] > logits[best])
            best = k;
    return (int32_t)best;
}

ssfer_status ssfer_metrics_add(ssfer_metrics *m, const float *logits, const int32_t *labels, const size_t *indices,
                               size_t count, ssfer_error *err)
{
    size_t K = m->class_count, total, values;
    for (size_t i = 0; i < count; i++) {
        size_t index = indices ? indices[i] : m->count + i;
        if (labels[i] < 0 || (size_t)labels[i] >= K)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT, "sample %zu: label %d, but there are %zu classes", index,
                              (int)labels[i], K);
        for (size_t k = 0; k < K; k++)
            if (!isfinite(logits[i * K + k]))
                return ssfer_fail(err, SSFER_ERR_NUMERIC,
                                  "sample %zu: the model's output is %g; its weights are broken", index,
                                  (double)logits[i * K + k]);
    }
    if (!ssfer_add_size(m->count, count, &total) || !ssfer_mul_size(total, K, &values) ||
        ssfer_reserve((void **)&m->samples, &m->sample_capacity, total, sizeof *m->samples) != 0 ||
        ssfer_reserve((void **)&m->logits, &m->logit_capacity, values, sizeof *m->logits) != 0)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the predictions of %zu more samples", count);
    if (count)
        memcpy(m->logits + m->count * K, logits, count * K * sizeof *logits);
    for (size_t i = 0; i < count; i++)
        m->samples[m->count + i] = (sample){indices ? indices[i] : m->count + i, labels[i], largest(logits + i * K, K)};
    m->count = total;
    return SSFER_OK;
}

/* log of the sum of exp, never overflowing. */
static double log_sum_exp(const float *logits, size_t class_count)
{
    double most = logits[largest(logits, class_count)], sum = 0;
    for (size_t k = 0; k < class_count; k++)
        sum += exp(logits[k] - most);
    /* cppcheck-suppress invalidFunctionArg ; the largest logit adds exp(0) = 1 */
    return most + log(sum);
}

void ssfer_softmax_f64(double *p, const float *logits, size_t class_count)
{
    double most = logits[largest(logits, class_count)], sum = 0;
    for (size_t k = 0; k < class_count; k++)
        sum += p[k] = exp(logits[k] - most);
    for (size_t k = 0; k < class_count; k++)
        p[k] /= sum;
}

ssfer_prediction ssfer_metrics_prediction(const ssfer_metrics *m, size_t i)
{
    const sample *s = &m->samples[i];
    const float *logits = m->logits + i * m->class_count;
    double total = log_sum_exp(logits, m->class_count);
    return (ssfer_prediction){.index = s->index,
                              .label = s->label,
                              .predicted = s->predicted,
                              .confidence = exp(logits[s->predicted] - total),
                              .true_probability = exp(logits[s->label] - total),
                              .logits = logits};
}

static bool among_two_largest(const float *logits, size_t class_count, size_t label)
{
    size_t before = 0;
    for (size_t k = 0; k < class_count; k++)
        before += logits[k] > logits[label] || (k < label && logits[k] == logits[label]);
    return before < 2;
}

/* Everything that is a sum over the samples. */
static void sum_samples(ssfer_evaluation *e, const ssfer_metrics *m)
{
    size_t K = m->class_count, right = 0, top2 = 0;
    for (size_t i = 0; i < m->count; i++) {
        const sample *s = &m->samples[i];
        const float *logits = m->logits + i * K;
        double total = log_sum_exp(logits, K), confidence = exp(logits[s->predicted] - total);
        bool is_right = s->label == s->predicted;
        e->confusion[(size_t)s->label * K + (size_t)s->predicted]++;
        e->cross_entropy += total - logits[s->label];
        right += is_right;
        top2 += among_two_largest(logits, K, (size_t)s->label);
        double bin = ceil(confidence * SSFER_CALIBRATION_BINS) - 1.0; /* bins are (lo, hi] */
        ssfer_calibration_bin *c = &e->calibration[(size_t)fmin(fmax(bin, 0), SSFER_CALIBRATION_BINS - 1)];
        c->count++;
        c->confidence += confidence;
        c->accuracy += is_right;
    }
    double n = (double)m->count;
    e->accuracy = (double)right / n;
    e->top2_accuracy = (double)top2 / n;
    e->cross_entropy /= n;
}

static void finish_calibration(ssfer_evaluation *e)
{
    for (size_t b = 0; b < SSFER_CALIBRATION_BINS; b++) {
        ssfer_calibration_bin *c = &e->calibration[b];
        if (c->count == 0)
            continue;
        c->accuracy /= (double)c->count;
        c->confidence /= (double)c->count;
        double gap = fabs(c->accuracy - c->confidence);
        e->ece += gap * (double)c->count / (double)e->count;
        e->mce = fmax(e->mce, gap);
    }
}

static double ratio(size_t part, size_t whole)
{
    return whole ? (double)part / (double)whole : 0.0;
}

static void finish_classes(ssfer_evaluation *e)
{
    size_t K = e->class_count, present = 0;
    for (size_t k = 0; k < K; k++) {
        ssfer_class_metrics *c = &e->per_class[k];
        size_t hits = e->confusion[k * K + k];
        for (size_t j = 0; j < K; j++) {
            c->support += e->confusion[k * K + j];
            c->predicted += e->confusion[j * K + k];
        }
        c->precision = ratio(hits, c->predicted);
        c->recall = ratio(hits, c->support);
        c->f1 = ratio(2 * hits, c->support + c->predicted);
        e->macro_precision += c->precision / (double)K;
        e->macro_recall += c->recall / (double)K;
        e->macro_f1 += c->f1 / (double)K;
        e->weighted_f1 += c->f1 * (double)c->support / (double)e->count;
        e->mean_class_accuracy += c->recall;
        present += c->support > 0;
    }
    e->mean_class_accuracy /= (double)present; /* count >= 1, so one class at least is there */
}

typedef struct scored {
    double score;
    bool positive;
} scored;

static int by_score(const void *a, const void *b)
{
    double x = ((const scored *)a)->score, y = ((const scored *)b)->score;
    return (x > y) - (x < y);
}

/* The Mann-Whitney statistic: the chance that a positive scores above a negative, ties counting half. `items` is
 * sorted in place. */
static double area_under_roc(scored *items, size_t count)
{
    size_t positives = 0;
    double rank_sum = 0;
    qsort(items, count, sizeof *items, by_score);
    for (size_t i = 0; i < count;) {
        size_t end = i, hits = 0;
        for (; end < count && items[end].score == items[i].score; end++)
            hits += items[end].positive;
        rank_sum += (double)hits * ((double)(i + 1) + (double)end) / 2.0; /* ranks i+1 .. end share their mean */
        positives += hits;
        i = end;
    }
    size_t negatives = count - positives;
    if (positives == 0 || negatives == 0)
        return NAN;
    double p = (double)positives;
    return (rank_sum - p * (p + 1.0) / 2.0) / (p * (double)negatives);
}

static ssfer_status compute_auroc(ssfer_evaluation *e, const ssfer_metrics *m, ssfer_error *err)
{
    size_t K = m->class_count, defined = 0, bytes;
    scored *items = ssfer_mul_size(m->count, sizeof *items, &bytes) ? ssfer_malloc(bytes) : NULL;
    if (!items)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "no memory to rank %zu predictions", m->count);
    for (size_t k = 0; k < K; k++) {
        for (size_t i = 0; i < m->count; i++) {
            const float *logits = m->logits + i * K;
            items[i] = (scored){exp(logits[k] - log_sum_exp(logits, K)), (size_t)m->samples[i].label == k};
        }
        e->per_class[k].auroc = area_under_roc(items, m->count);
        if (!isnan(e->per_class[k].auroc)) {
            e->auroc_macro += e->per_class[k].auroc;
            defined++;
        }
    }
    e->auroc_macro = defined ? e->auroc_macro / (double)defined : (double)NAN;
    ssfer_free(items);
    return SSFER_OK;
}

ssfer_status ssfer_metrics_compute(ssfer_evaluation *out, const ssfer_metrics *m, ssfer_error *err)
{
    size_t K = m->class_count, cells;
    *out = (ssfer_evaluation){0};
    if (m->count == 0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "no sample to evaluate");
    ssfer_evaluation e = {.count = m->count, .class_count = K};
    e.classes = copy_names((const char *const *)m->classes, K);
    e.confusion = ssfer_mul_size(K, K, &cells) ? ssfer_calloc(cells, sizeof *e.confusion) : NULL;
    e.per_class = ssfer_calloc(K, sizeof *e.per_class);
    ssfer_status st = SSFER_OK;
    if (!e.classes || !e.confusion || !e.per_class)
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "no memory for the figures of %zu classes", K);
    if (st == SSFER_OK) {
        sum_samples(&e, m);
        finish_calibration(&e);
        finish_classes(&e);
        st = compute_auroc(&e, m, err);
    }
    if (st == SSFER_OK)
        *out = e;
    else
        ssfer_evaluation_deinit(&e);
    return st;
}

void ssfer_evaluation_deinit(ssfer_evaluation *e)
{
    free_names(e->classes, e->class_count);
    ssfer_free(e->confusion);
    ssfer_free(e->per_class);
    *e = (ssfer_evaluation){0};
}
