#include "train/pseudo.h"

#include "base/memory.h"

#include <math.h>
#include <string.h>

static const double ALIGN_MOMENTUM = 0.999; /* of the running mean, as SoftMatch and FixMatch's code have it */

ssfer_status ssfer_pseudo_init(ssfer_pseudo *p, const ssfer_pseudo_options *options, size_t capacity, size_t classes,
                               const double *prior, ssfer_error *err)
{
    *p = (ssfer_pseudo){.options = *options, .capacity = capacity, .classes = classes};
    p->mean = ssfer_calloc(classes, sizeof *p->mean);
    p->prior = ssfer_calloc(classes, sizeof *p->prior);
    p->targets = ssfer_calloc(capacity * classes, sizeof *p->targets);
    p->probabilities = ssfer_calloc(capacity * classes, sizeof *p->probabilities);
    p->weights = ssfer_calloc(capacity, sizeof *p->weights);
    p->confidence = ssfer_calloc(capacity, sizeof *p->confidence);
    p->labels = ssfer_calloc(capacity, sizeof *p->labels);
    if (!p->mean || !p->prior || !p->targets || !p->probabilities || !p->weights || !p->confidence || !p->labels)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "pseudo-labels: out of memory");
    memcpy(p->prior, prior, classes * sizeof *prior);
    return SSFER_OK;
}

void ssfer_pseudo_deinit(ssfer_pseudo *p)
{
    ssfer_free(p->mean);
    ssfer_free(p->prior);
    ssfer_free(p->targets);
    ssfer_free(p->probabilities);
    ssfer_free(p->weights);
    ssfer_free(p->confidence);
    ssfer_free(p->labels);
    *p = (ssfer_pseudo){0};
}

void ssfer_softmax_rows(float *probabilities, const float *logits, size_t count, size_t classes)
{
    for (size_t b = 0; b < count; b++) {
        const float *z = logits + b * classes;
        float *q = probabilities + b * classes;
        float most = z[0];
        double sum = 0.0;
        for (size_t k = 1; k < classes; k++)
            most = z[k] > most ? z[k] : most;
        for (size_t k = 0; k < classes; k++)
            sum += exp((double)(z[k] - most));
        for (size_t k = 0; k < classes; k++)
            q[k] = (float)(exp((double)(z[k] - most)) / sum);
    }
}

size_t ssfer_largest_of(const float *row, size_t classes)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; k++)
        best = row[k] > row[best] ? k : best;
    return best;
}

static void follow_mean(ssfer_pseudo *p, size_t count)
{
    for (size_t k = 0; k < p->classes; k++) {
        double sum = 0.0;
        for (size_t b = 0; b < count; b++)
            sum += (double)p->probabilities[b * p->classes + k];
        p->mean[k] = ALIGN_MOMENTUM * p->mean[k] + (1.0 - ALIGN_MOMENTUM) * sum / (double)count;
    }
}

static void align(ssfer_pseudo *p, size_t count)
{
    const size_t K = p->classes;
    double all = 0.0; /* 1 - momentum^steps: what makes the mean one from the first step on */
    for (size_t k = 0; k < K; k++)
        all += p->mean[k];
    for (size_t b = 0; b < count; b++) {
        float *q = p->probabilities + b * K;
        double sum = 0.0;
        for (size_t k = 0; k < K; k++) {
            const double target = p->options.align == SSFER_ALIGN_LABELS ? p->prior[k] : 1.0 / (double)K;
            q[k] = (float)((double)q[k] * target / fmax(p->mean[k] / all, 1e-12)); /* a class that is never said */
            sum += (double)q[k];
        }
        for (size_t k = 0; k < K; k++)
            q[k] = (float)((double)q[k] / sum);
    }
}

/* Labels and targets from the probabilities as they are now. */
static void set_targets(ssfer_pseudo *p, size_t count)
{
    const size_t K = p->classes;
    const double T = p->options.temperature;
    for (size_t b = 0; b < count; b++) {
        const float *q = p->probabilities + b * K;
        float *target = p->targets + b * K;
        const size_t label = ssfer_largest_of(q, K);
        double sum = 0.0;
        p->labels[b] = (int32_t)label;
        for (size_t k = 0; T > 0.0 && k < K; k++)
            sum += pow((double)q[k] / (double)q[label], 1.0 / T);
        for (size_t k = 0; k < K; k++)
            target[k] = T > 0.0 ? (float)(pow((double)q[k] / (double)q[label], 1.0 / T) / sum) : k == label;
    }
}

void ssfer_pseudo_make(ssfer_pseudo *p, ssfer_select *select, const float *logits, const size_t *pictures, size_t count)
{
    ssfer_softmax_rows(p->probabilities, logits, count, p->classes);
    if (p->options.align != SSFER_ALIGN_NONE)
        follow_mean(p, count);
    if (p->options.align == SSFER_ALIGN_LABELS)
        align(p, count);
    set_targets(p, count);
    if (p->options.align == SSFER_ALIGN_UNIFORM)
        align(p, count);
    for (size_t b = 0; b < count; b++)
        p->confidence[b] =
            p->probabilities[b * p->classes + ssfer_largest_of(p->probabilities + b * p->classes, p->classes)];
    const ssfer_opinions opinions = {p->probabilities, p->confidence, p->labels, pictures, count};
    select->method->weigh(select, p->weights, &opinions);
}
