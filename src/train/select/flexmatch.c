/* FlexMatch's curriculum: classes that the teacher rarely is sure of get a lower threshold.
 *
 *   sigma(c) = number of pictures last labeled c with confidence >= tau
 *   beta(c)  = sigma(c) / max(max_c' sigma(c'), N - sum_c' sigma(c'))    with the threshold's warm-up
 *   T(c)     = M(beta(c)) tau, M(x) = x / (2 - x)                        the convex mapping
 *   w_b      = 1(max_k q_b(k) >= T(label_b))
 *
 * N: all unlabeled pictures. sigma is that before the batch, whose sure pictures are then noted; until one is, every
 * threshold is 0. State: the noted label of each picture, plus 1; 0 for none. Source: Zhang et al. 2021, "FlexMatch:
 * Boosting Semi-Supervised Learning with Curriculum Pseudo Labeling" (arXiv 2110.08263), sec. 3.1 (learning effect),
 * 3.2 (warm-up), 3.3 (mapping) and algorithm 1. */
#include "train/select/select.h"

static size_t state_count(size_t classes, size_t pictures)
{
    return classes + pictures; /* sigma, then a label each */
}

static void weigh(ssfer_select *s, float *weights, const ssfer_opinions *o)
{
    double *sigma = s->state, *noted = s->state + s->classes, most = 0.0, sum = 0.0;
    for (size_t k = 0; k < s->classes; k++) {
        most = sigma[k] > most ? sigma[k] : most;
        sum += sigma[k];
    }
    const double unused = (double)s->pictures - sum, scale = unused > most ? unused : most;
    for (size_t b = 0; b < o->count; b++) {
        const double beta = sigma[o->labels[b]] / scale, threshold = beta / (2.0 - beta) * s->options.threshold;
        weights[b] = (double)o->confidence[b] >= threshold ? 1.0f : 0.0f;
    }
    for (size_t b = 0; b < o->count; b++) {
        if ((double)o->confidence[b] < s->options.threshold)
            continue;
        double *was = &noted[o->pictures[b]];
        if (*was > 0.0)
            sigma[(size_t)*was - 1] -= 1.0;
        *was = (double)o->labels[b] + 1.0;
        sigma[o->labels[b]] += 1.0;
    }
}

const ssfer_select_method SSFER_SELECT_FLEXMATCH = {
    .name = "flexmatch",
    .paper = "Zhang et al. 2021: thresholds by class, as far as each is learned",
    .state_count = state_count,
    .weigh = weigh};
