#include "train/abc.h"

#include "base/memory.h"
#include "nn/try.h"
#include "train/pseudo.h"

#include <math.h>
#include <string.h>

/* The tables agree up to their last two entries, the head. */
static void widen(ssfer_abc *abc, const float *plain)
{
    const ssfer_vit *vit = abc->plain;
    const size_t K = abc->classes, head = K * vit->config.embed_dim;
    memcpy(abc->params, plain, vit->head_w * sizeof *plain);
    for (size_t i = 0; i < 2; i++) {
        memcpy(abc->params + abc->vit.head_w + i * head, plain + vit->head_w, head * sizeof *plain);
        memcpy(abc->params + abc->vit.head_b + i * K, plain + vit->head_b, K * sizeof *plain);
    }
}

void ssfer_abc_narrow(const ssfer_abc *abc, float *plain, const float *both)
{
    const size_t K = abc->classes, head = K * abc->plain->config.embed_dim;
    memcpy(plain, both, abc->plain->head_w * sizeof *plain);
    memcpy(plain + abc->plain->head_w, both + abc->vit.head_w + head, head * sizeof *plain);
    memcpy(plain + abc->plain->head_b, both + abc->vit.head_b + K, K * sizeof *plain);
}

static void set_chances(ssfer_abc *abc, const double *prior, bool balanced)
{
    double least = prior[0];
    for (size_t k = 1; k < abc->classes; k++)
        least = fmin(least, prior[k]);
    for (size_t k = 0; k < abc->classes; k++) {
        abc->unlabeled[k] = least / prior[k];
        abc->labeled[k] = balanced ? 1.0 : abc->unlabeled[k];
    }
}

ssfer_status ssfer_abc_init(ssfer_abc *abc, const ssfer_vit *plain, const float *params, const double *prior,
                            bool balanced, size_t batch, size_t unlabeled_batch, ssfer_error *err)
{
    const size_t K = plain->config.classes;
    ssfer_vit_config config = plain->config;
    *abc = (ssfer_abc){.classes = K, .plain = plain};
    abc->labeled = ssfer_calloc(K, sizeof *abc->labeled);
    abc->unlabeled = ssfer_calloc(K, sizeof *abc->unlabeled);
    abc->targets = ssfer_calloc(unlabeled_batch * K, sizeof *abc->targets);
    abc->weights = ssfer_calloc(unlabeled_batch, sizeof *abc->weights);
    abc->marks = ssfer_calloc(batch, sizeof *abc->marks);
    if (!abc->labeled || !abc->unlabeled || !abc->targets || !abc->weights || !abc->marks)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    set_chances(abc, prior, balanced);
    config.classes = 2 * K;
    TRY(ssfer_vit_init(&abc->vit, &config, err));
    TRY(ssfer_params_alloc(&abc->params, &abc->vit.table, err));
    widen(abc, params);
    return SSFER_OK;
}

void ssfer_abc_deinit(ssfer_abc *abc)
{
    ssfer_free(abc->labeled);
    ssfer_free(abc->unlabeled);
    ssfer_free(abc->targets);
    ssfer_free(abc->weights);
    ssfer_free(abc->marks);
    ssfer_free(abc->params);
    ssfer_vit_deinit(&abc->vit);
    *abc = (ssfer_abc){0};
}

void ssfer_abc_mark_labeled(ssfer_abc *abc, const int32_t *labels, size_t count, ssfer_rng *rng)
{
    for (size_t b = 0; b < count; b++)
        abc->marks[b] = ssfer_rng_uniform(rng) < abc->labeled[labels[b]] ? 1.0f / (float)count : 0.0f;
}

void ssfer_abc_judge_unlabeled(ssfer_abc *abc, double threshold, double progress, size_t count, ssfer_rng *rng)
{
    const size_t K = abc->classes;
    ssfer_softmax_rows(abc->targets, abc->targets, count, K);
    for (size_t b = 0; b < count; b++) {
        const float *q = abc->targets + b * K;
        const size_t label = ssfer_largest_of(q, K);
        const bool drawn = ssfer_rng_uniform(rng) < 1.0 - progress * (1.0 - abc->unlabeled[label]);
        abc->weights[b] = drawn && q[label] >= (float)threshold ? 1.0f : 0.0f;
    }
}

void ssfer_abc_mix(ssfer_abc *abc, ssfer_pseudo_mixup *m)
{
    const size_t K = abc->classes;
    for (size_t i = 0; i < m->count * K; i++)
        abc->targets[i] *= abc->weights[i / K];
    ssfer_pseudo_mixup_rows(m, abc->targets, K);
    ssfer_pseudo_mixup_rows(m, abc->weights, 1);
    for (size_t i = 0; i < m->count * K; i++)
        if (abc->weights[i / K] > 0.0f)
            abc->targets[i] /= abc->weights[i / K];
}
