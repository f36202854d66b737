/* FreeMatch's self-adaptive thresholds, and its fairness term.
 *
 *   tau   = lambda tau + (1 - lambda) mean_b max_k q_b(k)            starts at 1/K, eq. (5)
 *   p(c)  = lambda p(c) + (1 - lambda) mean_b q_b(c)                 starts at 1/K, eq. (6)
 *   w_b   = 1(max_k q_b(k) >= tau(label_b)),  tau(c) = p(c) / max_c' p(c') tau
 *   h(c)  = lambda h(c) + (1 - lambda) share of label c in the batch starts at 1/K
 *   L_f   = -H(norm(p / h), norm(pbar / hbar)) = sum_c norm(p / h)_c log norm(pbar / hbar)_c
 *
 * with pbar the mean of the student's probabilities on the strong views that are kept and hbar the shares of its
 * most likely classes there, a constant for the gradient; a class that h or hbar does not have counts as 0.
 * L_f is multiplied by `fairness` and added to the loss; where the kept pictures of a step do not fit one batch it is
 * the mean over batches, by pictures. State: tau, p (K), h (K). Source: Wang et al. 2023, "FreeMatch: Self-adaptive
 * Thresholding for Semi-supervised Learning" (arXiv 2205.07246), sec. 4.1: self-adaptive thresholding, and 4.2:
 * self-adaptive fairness, as the authors' code computes it, which takes pbar and hbar over the kept pictures alone: the
 * normalisation of their quotient makes that the paper's. */
#include "train/select/select.h"

#include <math.h>

static const double TINY = 1e-12; /* inside the logarithm, as the authors' code has it */

static size_t state_count(size_t classes, size_t pictures)
{
    (void)pictures;
    return 1 + 2 * classes;
}

static void begin(ssfer_select *s)
{
    for (size_t i = 0; i < s->state_count; i++)
        s->state[i] = 1.0 / (double)s->classes;
}

static void follow(double *average, double now, double momentum)
{
    *average = momentum * *average + (1.0 - momentum) * now;
}

static void weigh(ssfer_select *s, float *weights, const ssfer_opinions *o)
{
    const size_t K = s->classes;
    const double n = (double)o->count, momentum = s->options.momentum;
    double *tau = s->state, *p = s->state + 1, *h = p + K, confidence = 0.0, most = 0.0;
    for (size_t b = 0; b < o->count; b++)
        confidence += (double)o->confidence[b];
    follow(tau, confidence / n, momentum);
    for (size_t k = 0; k < K; k++) {
        double mean = 0.0, labels = 0.0;
        for (size_t b = 0; b < o->count; b++) {
            mean += (double)o->probabilities[b * K + k];
            labels += (size_t)o->labels[b] == k;
        }
        follow(&p[k], mean / n, momentum);
        follow(&h[k], labels / n, momentum);
        most = p[k] > most ? p[k] : most;
    }
    for (size_t b = 0; b < o->count; b++)
        weights[b] = (double)o->confidence[b] >= p[o->labels[b]] / most * *tau ? 1.0f : 0.0f;
}

/* Softmax of a row, its largest class in *best. */
static double exp_sum(const float *z, size_t K, size_t *best)
{
    double sum = 0.0;
    *best = 0;
    for (size_t k = 1; k < K; k++)
        *best = z[k] > z[*best] ? k : *best;
    for (size_t k = 0; k < K; k++)
        sum += exp((double)(z[k] - z[*best]));
    return sum;
}

static double probability(const float *z, size_t k, size_t best, double sum)
{
    return exp((double)(z[k] - z[best])) / sum;
}

/* With a = norm(p/h), m_c = pbar_c / hbar_c (0 where hbar_c = 0), M = sum m, B pictures:
 *   L = sum_c a_c log(m_c / M + TINY)
 *   dL/dm_j = (a_j / (m_j / M + TINY) - sum_c a_c (m_c / M) / (m_c / M + TINY)) / M =: g_j
 *   dL/dpbar_j = g_j / hbar_j =: f_j,  dL/dz_bj = s_bj (f_j - sum_c s_bc f_c) / B
 * Quantities of class c are computed where they are needed: K is small, and nothing is allocated. */
static double target_of(const ssfer_select *s, size_t c)
{
    const double *p = s->state + 1, *h = p + s->classes;
    double sum = 0.0;
    for (size_t k = 0; k < s->classes; k++)
        sum += h[k] > 0.0 ? p[k] / h[k] : 0.0;
    return h[c] > 0.0 ? p[c] / h[c] / sum : 0.0;
}

static double extra_loss(const ssfer_select *s, float *dlogits, const float *logits, size_t count, double scale)
{
    enum { MOST = 4096 }; /* SSFER_MAX_CLASSES */
    const size_t K = s->classes;
    double m[MOST], hist[MOST], all = 0.0, loss = 0.0, common = 0.0;
    if (count == 0)
        return 0.0;
    for (size_t k = 0; k < K; k++)
        m[k] = hist[k] = 0.0;
    for (size_t b = 0; b < count; b++) {
        size_t best;
        const double sum = exp_sum(logits + b * K, K, &best);
        // NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): best < K, and there are classes
        hist[best] += 1.0 / (double)count;
        for (size_t k = 0; k < K; k++)
            m[k] += probability(logits + b * K, k, best, sum) / (double)count;
    }
    for (size_t k = 0; k < K; k++) {
        m[k] = hist[k] > 0.0 ? m[k] / hist[k] : 0.0;
        all += m[k];
    }
    for (size_t k = 0; k < K; k++) {
        const double share = m[k] / all, a = target_of(s, k);
        loss += a * log(share + TINY);
        common += a * share / (share + TINY);
    }
    for (size_t k = 0; k < K; k++) /* from here on: f, the gradient by pbar */
        m[k] = hist[k] > 0.0 ? (target_of(s, k) / (m[k] / all + TINY) - common) / all / hist[k] : 0.0;
    for (size_t b = 0; b < count; b++) {
        size_t best;
        const double sum = exp_sum(logits + b * K, K, &best);
        double mean = 0.0;
        for (size_t k = 0; k < K; k++)
            mean += probability(logits + b * K, k, best, sum) * m[k];
        for (size_t k = 0; k < K; k++)
            dlogits[b * K + k] +=
                (float)(scale * probability(logits + b * K, k, best, sum) * (m[k] - mean) / (double)count);
    }
    return loss;
}

const ssfer_select_method SSFER_SELECT_FREEMATCH = {.name = "freematch",
                                                    .paper = "Wang et al. 2023: thresholds that follow the teacher",
                                                    .state_count = state_count,
                                                    .begin = begin,
                                                    .weigh = weigh,
                                                    .extra_loss = extra_loss};
