/* AdamW over a parameter block, with gradient clipping, layer-wise learning-rate decay, and an exponential moving
 * average (EMA) of the weights.
 *
 * Weight decay of matrices only (decay_all false) goes by the rules of timm and of MAE's code, which are one for all
 * but tokens: a parameter of more than one dimension decays, so biases and norms do not, and patch_embed.proj.weight
 * does. Which tokens do is the model's to say (ssfer_param_table.spared):
 *
 *   classifier        cls_token and pos_embed do not: timm's VisionTransformer.no_weight_decay(), which timm's
 *                     param_groups_weight_decay and the fine-tuning of MAE (param_groups_lrd) leave out
 *   masked auto-      cls_token and mask_token do: MAE's pre-training (timm's add_weight_decay) leaves no name out;
 *   encoder           its pos_embed and decoder_pos_embed are fixed tables, which no update touches */
#ifndef SSFER_NN_OPTIMIZER_H
#define SSFER_NN_OPTIMIZER_H

#include "compute/ops.h"
#include "nn/params.h"

typedef struct ssfer_optimizer_options {
    float beta1, beta2, eps;
    float weight_decay;
    bool decay_all;    /* true, as the released code: decay biases, norms, tokens and positions too; false: see above */
    float layer_decay; /* rate of layer l is lr * layer_decay^(depth + 1 - l); 1: the same everywhere */
    float clip_grad;   /* largest norm of the whole gradient; 0: no clipping */
    float ema_decay;   /* 0: no EMA */
    bool ema_warmup;   /* decay min(ema_decay, (1+t)/(10+t)) after t updates, so that few steps forget the start */
} ssfer_optimizer_options;

/* beta 0.9/0.95, eps 1e-8, weight decay 0.05 on everything, no clipping, EMA 0.999 with warm-up. */
ssfer_optimizer_options ssfer_optimizer_defaults(void);

typedef struct ssfer_optimizer {
    ssfer_optimizer_options options;
    const ssfer_param_table *table;
    float *exp_avg, *exp_avg_sq; /* blocks: AdamW's first and second moment (PyTorch's names) */
    float *ema;                  /* block, or NULL; frozen parameters stay as they were given */
    uint64_t updates;            /* made so far */
    struct ssfer_optimizer_range {
        size_t offset, count;
        float lr_scale, weight_decay;
    } * ranges; /* neighbours with equal settings are one pass */
    size_t range_count;
} ssfer_optimizer;

/* The table must outlive the optimizer. The EMA starts as a copy of `params`. */
ssfer_status ssfer_optimizer_init(ssfer_optimizer *optimizer, const ssfer_param_table *table,
                                  const ssfer_optimizer_options *options, const float *params, ssfer_error *err);
void ssfer_optimizer_deinit(ssfer_optimizer *optimizer);

/* One update of params from grads * grad_scale (1/number of accumulated batches). *grad_norm, if wanted, is the norm
 * before clipping. Errors: SSFER_ERR_NUMERIC when the norm is not finite; nothing has changed then. */
ssfer_status ssfer_optimizer_step(ssfer_compute *cx, ssfer_optimizer *optimizer, float *params, const float *grads,
                                  double lr, float grad_scale, double *grad_norm, ssfer_error *err);

/* Moments as "optimizer.exp_avg.<name>" and "optimizer.exp_avg_sq.<name>", EMA as "ema.<name>" (borrowed data). */
ssfer_status ssfer_optimizer_store(const ssfer_optimizer *optimizer, ssfer_tensor_set *set, ssfer_error *err);
/* Without blocks (exp_avg NULL; of the rest the table and the options count) only whether the set has it all. */
ssfer_status ssfer_optimizer_load(ssfer_optimizer *optimizer, const ssfer_tensor_set *set, uint64_t updates,
                                  ssfer_error *err);

#endif
