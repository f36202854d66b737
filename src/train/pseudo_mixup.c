#include "train/pseudo_mixup.h"

#include "base/memory.h"

#include <stdbool.h>
#include <string.h>

ssfer_status ssfer_pseudo_mixup_init(ssfer_pseudo_mixup *m, size_t count, size_t widest, ssfer_error *err)
{
    *m = (ssfer_pseudo_mixup){.count = count, .widest = widest};
    m->partner = ssfer_calloc(count, sizeof *m->partner);
    m->lambda = ssfer_calloc(count, sizeof *m->lambda);
    m->row = ssfer_calloc(widest, sizeof *m->row);
    if (!m->partner || !m->lambda || !m->row)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "pseudo mixup: out of memory");
    return SSFER_OK;
}

void ssfer_pseudo_mixup_deinit(ssfer_pseudo_mixup *m)
{
    ssfer_free(m->partner);
    ssfer_free(m->lambda);
    ssfer_free(m->row);
    *m = (ssfer_pseudo_mixup){0};
}

void ssfer_pseudo_mixup_draw(ssfer_pseudo_mixup *m, const float *confidence, ssfer_rng *rng)
{
    for (size_t b = 0; b < m->count; b++)
        m->partner[b] = b;
    ssfer_rng_shuffle(rng, m->partner, m->count);
    for (size_t b = 0; b < m->count; b++) {
        const double own = (double)confidence[b], other = (double)confidence[m->partner[b]];
        m->lambda[b] = (float)(own / (own + other));
    }
}

/* Whether no picture of the permutation's cycle through `b` comes before it. */
static bool leads_cycle(const ssfer_pseudo_mixup *m, size_t b)
{
    size_t at = m->partner[b];
    while (at > b)
        at = m->partner[at];
    return at == b;
}

static void blend(float *x, const float *other, size_t width, float lambda)
{
    for (size_t i = 0; i < width; i++)
        x[i] = lambda * x[i] + (1.0f - lambda) * other[i];
}

/* Along a cycle each row meets its partner's before that one changes, but for the last, whose partner was the first:
 * one row is all that has to be kept. */
void ssfer_pseudo_mixup_rows(ssfer_pseudo_mixup *m, float *rows, size_t width)
{
    for (size_t first = 0; first < m->count; first++) {
        if (!leads_cycle(m, first))
            continue;
        size_t b = first;
        memcpy(m->row, rows + first * width, width * sizeof *rows);
        for (; m->partner[b] != first; b = m->partner[b])
            blend(rows + b * width, rows + m->partner[b] * width, width, m->lambda[b]);
        blend(rows + b * width, m->row, width, m->lambda[b]);
    }
}

void ssfer_pseudo_mixup_weights(ssfer_pseudo_mixup *m, float *weights)
{
    for (size_t first = 0; first < m->count; first++) {
        if (!leads_cycle(m, first))
            continue;
        const float kept = weights[first];
        size_t b = first;
        for (; m->partner[b] != first; b = m->partner[b])
            weights[b] = weights[m->partner[b]] > weights[b] ? weights[m->partner[b]] : weights[b];
        weights[b] = kept > weights[b] ? kept : weights[b];
    }
}
