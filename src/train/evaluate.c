#include "train/evaluate.h"

#include "base/progress.h"
#include "compute/ops.h"
#include "nn/try.h"

ssfer_status ssfer_evaluate(ssfer_compute *cx, const float *params, ssfer_vit_acts *acts, ssfer_loader *loader,
                            ssfer_metrics *metrics, FILE *progress, int (*stop)(void), ssfer_error *err)
{
    ssfer_batch batch;
    ssfer_progress bar;
    ssfer_metrics_clear(metrics);
    TRY(ssfer_loader_start(loader, 0, 0, err));
    if (ssfer_weights_hold(cx, params, acts->vit->table.block_floats) != SSFER_OK)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "%s", ssfer_compute_error(cx)->message);
    ssfer_progress_begin(&bar, progress, "evaluating", "batch", ssfer_loader_batches(loader));
    ssfer_status st = ssfer_loader_next(loader, &batch, err);
    for (size_t done = 1; st == SSFER_OK && batch.count; done++) {
        st = ssfer_vit_forward(cx, params, acts, batch.images,
                               &(ssfer_stack_call){.batch = batch.count, .first_only = true});
        if (st != SSFER_OK)
            ssfer_fail(err, st, "%s", ssfer_compute_error(cx)->message);
        else
            st = ssfer_metrics_add(metrics, acts->logits, batch.labels, batch.indices, batch.count, err);
        ssfer_progress_update(&bar, done, NULL);
        if (st == SSFER_OK && stop && stop())
            st = ssfer_fail(err, SSFER_ERR_CANCELLED, "stopped while validating; go on with --resume");
        if (st == SSFER_OK)
            st = ssfer_loader_next(loader, &batch, err);
    }
    ssfer_progress_end(&bar);
    ssfer_weights_release(cx, params);
    return st;
}
