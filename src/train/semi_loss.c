#include "train/semi_loss.h"

#include "base/memory.h"
#include "compute/ops.h"
#include "nn/try.h"

#include <string.h>

ssfer_status ssfer_semi_loss_init(ssfer_semi_loss *l, size_t batch, size_t classes, size_t outputs, ssfer_error *err)
{
    *l = (ssfer_semi_loss){.classes = classes, .outputs = outputs};
    l->adjustment = ssfer_calloc(classes, sizeof *l->adjustment);
    l->dlogits = ssfer_calloc(batch * outputs, sizeof *l->dlogits);
    l->logits = ssfer_calloc(batch * classes, sizeof *l->logits);
    l->part = ssfer_calloc(batch * classes, sizeof *l->part);
    l->losses = ssfer_calloc(batch, sizeof *l->losses);
    l->rows = ssfer_calloc(batch, sizeof *l->rows);
    if (!l->adjustment || !l->dlogits || !l->logits || !l->part || !l->losses || !l->rows)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "training: out of memory");
    return SSFER_OK;
}

void ssfer_semi_loss_deinit(ssfer_semi_loss *l)
{
    ssfer_free(l->adjustment);
    ssfer_free(l->dlogits);
    ssfer_free(l->logits);
    ssfer_free(l->part);
    ssfer_free(l->losses);
    ssfer_free(l->rows);
    *l = (ssfer_semi_loss){0};
}

void ssfer_semi_loss_head(const ssfer_semi_loss *l, float *to, const float *logits, size_t head, size_t count)
{
    for (size_t b = 0; b < count; b++)
        memcpy(to + b * l->classes, logits + b * l->outputs + head * l->classes, l->classes * sizeof *to);
}

/* The cross entropy of one head, whose logits are in l->logits. */
static ssfer_status head_loss(ssfer_compute *cx, ssfer_semi_loss *l, double *value, size_t head, const float *targets,
                              const float *weights, size_t count)
{
    const size_t K = l->classes;
    memset(l->part, 0, count * K * sizeof *l->part);
    TRY(ssfer_cross_entropy(cx, l->losses, l->part, l->logits, targets, weights, count, K));
    *value = 0.0;
    for (size_t b = 0; b < count; b++) {
        *value += (double)weights[b] * (double)l->losses[b];
        memcpy(l->dlogits + b * l->outputs + head * K, l->part + b * K, K * sizeof *l->part);
    }
    return SSFER_OK;
}

/* The selection's own term sees the plain logits of the pictures that were chosen, side by side. */
static void add_extra(ssfer_semi_loss *l, const float *logits, const ssfer_lesson *lesson, const ssfer_select *select,
                      double extra)
{
    const size_t K = l->classes;
    size_t rows = 0;
    for (size_t b = 0; b < lesson->count; b++) {
        if (!(lesson->weights[b] > 0.0f))
            continue;
        memcpy(l->logits + rows * K, logits + b * l->outputs, K * sizeof *logits);
        l->rows[rows++] = b;
    }
    memset(l->part, 0, rows * K * sizeof *l->part);
    select->method->extra_loss(select, l->part, l->logits, rows, extra * (double)rows);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < K; k++)
            l->dlogits[l->rows[i] * l->outputs + k] += l->part[i * K + k];
}

ssfer_status ssfer_semi_loss_compute(ssfer_compute *cx, ssfer_semi_loss *l, double values[2], const float *logits,
                                     const ssfer_lesson *lesson, const ssfer_select *select, double extra)
{
    const size_t count = lesson->count;
    memset(l->dlogits, 0, count * l->outputs * sizeof *l->dlogits);
    values[1] = 0.0;
    ssfer_semi_loss_head(l, l->logits, logits, 0, count);
    for (size_t i = 0; i < count * l->classes; i++)
        l->logits[i] += l->adjustment[i % l->classes];
    TRY(head_loss(cx, l, &values[0], 0, lesson->targets, lesson->weights, count));
    if (lesson->aux_targets) {
        ssfer_semi_loss_head(l, l->logits, logits, 1, count);
        TRY(head_loss(cx, l, &values[1], 1, lesson->aux_targets, lesson->aux_weights, count));
    }
    if (select)
        add_extra(l, logits, lesson, select, extra);
    return SSFER_OK;
}
