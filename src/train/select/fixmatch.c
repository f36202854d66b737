/* FixMatch's fixed threshold: a picture counts where the teacher's confidence is at least tau.
 *
 *   w_b = 1(max_k q_b(k) >= tau)
 *
 * Source: Sohn et al. 2020, "FixMatch: Simplifying Semi-Supervised Learning with Consistency and Confidence", eq. (4);
 * SSFER's Stage III with tau = 0.7. */
#include "train/select/select.h"

static void weigh(ssfer_select *s, float *weights, const ssfer_opinions *o)
{
    const float threshold = (float)s->options.threshold; /* in float32, as PyTorch compares */
    for (size_t b = 0; b < o->count; b++)
        weights[b] = o->confidence[b] >= threshold ? 1.0f : 0.0f;
}

const ssfer_select_method SSFER_SELECT_FIXMATCH = {
    .name = "fixmatch", .paper = "Sohn et al. 2020: a fixed threshold", .weigh = weigh};
