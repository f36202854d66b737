/* SoftMatch's weights: a Gaussian of how far the confidence lies below the usual one; nothing is thrown away.
 *
 *   mu      = m mu + (1 - m) mean_b max_k q_b(k)                     starts at 1/K
 *   sigma^2 = m sigma^2 + (1 - m) B/(B - 1) var_b max_k q_b(k)       starts at 1
 *   w_b     = exp(-(max_k q_b(k) - mu)^2 / (2 sigma^2)) below mu, 1 from mu on
 *
 * var: with 1/B, so that B/(B - 1) makes it unbiased (a batch of one picture leaves sigma as it is). The largest weight
 * is 1. To be used with --align uniform, as the paper does. The formulas are the paper's; the authors' code divides
 * sigma^2 by 4 before it weighs. State: mu, sigma^2. Source: Chen et al. 2023, "SoftMatch: Addressing the
 * Quantity-Quality Trade-off in Semi-supervised Learning" (arXiv 2301.10921): the truncated Gaussian and the running
 * estimates of its mu and sigma. */
#include "train/select/select.h"

#include <math.h>

static size_t state_count(size_t classes, size_t pictures)
{
    (void)classes, (void)pictures;
    return 2;
}

static void begin(ssfer_select *s)
{
    s->state[0] = 1.0 / (double)s->classes;
    s->state[1] = 1.0;
}

static void weigh(ssfer_select *s, float *weights, const ssfer_opinions *o)
{
    const double n = (double)o->count, momentum = s->options.momentum;
    double *mu = &s->state[0], *variance = &s->state[1], mean = 0.0, squares = 0.0;
    for (size_t b = 0; b < o->count; b++)
        mean += (double)o->confidence[b] / n;
    for (size_t b = 0; b < o->count; b++)
        squares += ((double)o->confidence[b] - mean) * ((double)o->confidence[b] - mean);
    *mu = momentum * *mu + (1.0 - momentum) * mean;
    if (o->count > 1)
        *variance = momentum * *variance + (1.0 - momentum) * squares / (n - 1.0);
    for (size_t b = 0; b < o->count; b++) {
        const double below = *mu - (double)o->confidence[b];
        weights[b] = below > 0.0 ? (float)exp(-below * below / (2.0 * *variance)) : 1.0f;
    }
}

const ssfer_select_method SSFER_SELECT_SOFTMATCH = {.name = "softmatch",
                                                    .paper = "Chen et al. 2023: weights instead of a threshold",
                                                    .state_count = state_count,
                                                    .begin = begin,
                                                    .weigh = weigh};
