/* Ada-CM's class-wise adaptive margins: a picture counts where the teacher is as sure as the student usually is when it
 * is right about labeled pictures of that class.
 *
 *   S(c) = mean of max_k p(k) over the labeled pictures of class c that the student got right in the last epoch
 *   T(c) = max(tau, 0.97 S(c) / (1 + exp(-e)))    after e epochs; tau before, and for a class that was never right
 *   w_b  = 1(max_k q_b(k) >= T(label_b))
 *
 * S is gathered while the student trains; the authors' code passes over the labeled pictures once more, with the
 * averaged weights. There q is the mean of two weak views, here it is the teacher's of one. Pictures below the margin
 * are left out: the paper's contrastive term for them is not a part of this. State: margin, sum and count (K each).
 * Source: Li et al. 2022, "Towards Semi-Supervised Deep Facial Expression Recognition with An Adaptive Confidence
 * Margin" (arXiv 2203.12341), the adaptive confidence margin of class c in epoch t with its factors beta = 0.97 and
 * gamma = e, and the authors' code for the floor, there 0.8. */
#include "train/pseudo.h"

#include <math.h>

static const double BETA = 0.97;

static size_t state_count(size_t classes, size_t pictures)
{
    (void)pictures;
    return 3 * classes;
}

static void begin(ssfer_select *s)
{
    for (size_t k = 0; k < s->classes; k++)
        s->state[k] = s->options.threshold;
}

static void start_epoch(ssfer_select *s, size_t epoch)
{
    double *margin = s->state, *sum = margin + s->classes, *right = sum + s->classes;
    for (size_t k = 0; k < s->classes; k++) {
        const double usual = right[k] > 0.0 ? BETA * sum[k] / right[k] / (1.0 + exp(-(double)epoch)) : 0.0;
        margin[k] = fmax(s->options.threshold, usual);
        sum[k] = right[k] = 0.0;
    }
}

static void see_labeled(ssfer_select *s, const float *probabilities, const int32_t *labels, size_t count)
{
    const size_t K = s->classes;
    double *sum = s->state + K, *right = sum + K;
    for (size_t b = 0; b < count; b++) {
        const float *p = probabilities + b * K;
        const size_t best = ssfer_largest_of(p, K);
        if ((int32_t)best == labels[b]) {
            sum[best] += (double)p[best];
            right[best] += 1.0;
        }
    }
}

static void weigh(ssfer_select *s, float *weights, const ssfer_opinions *o)
{
    for (size_t b = 0; b < o->count; b++)
        weights[b] = (double)o->confidence[b] >= s->state[o->labels[b]] ? 1.0f : 0.0f;
}

const ssfer_select_method SSFER_SELECT_ADA_CM = {.name = "ada-cm",
                                                 .paper = "Li et al. 2022: margins by class, from the labeled pictures",
                                                 .state_count = state_count,
                                                 .begin = begin,
                                                 .start_epoch = start_epoch,
                                                 .see_labeled = see_labeled,
                                                 .weigh = weigh};
