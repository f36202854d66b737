#include "train/balance.h"

#include "data/by_class.h"
#include "nn/try.h"

#include <math.h>

const char *ssfer_balance_name(ssfer_balance kind)
{
    static const char *const names[] = {"none", "weights", "logit-adjust", "sampler"};
    return names[kind];
}

/* Factor and offset of class k, to which `share` of the labeled pictures belong. */
static ssfer_status balance_class(float *factor, float *offset, ssfer_balance kind, const ssfer_labeled *data, size_t k,
                                  double share, ssfer_error *err)
{
    if (share <= 0.0)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                          "--balance %s: class %s has no labeled picture; label one, or use --balance none",
                          ssfer_balance_name(kind), ssfer_dataset_class_name(data->train_set, k));
    if (kind == SSFER_BALANCE_WEIGHTS)
        *factor = (float)(1.0 / ((double)ssfer_dataset_class_count(data->train_set) * share));
    else if (kind == SSFER_BALANCE_LOGITS)
        *offset = (float)log(share);
    return SSFER_OK;
}

ssfer_status ssfer_balance_make(float *factor, float *offset, ssfer_balance kind, const ssfer_labeled *data,
                                ssfer_error *err)
{
    const size_t K = ssfer_dataset_class_count(data->train_set);
    ssfer_by_class groups;
    for (size_t k = 0; k < K; k++) {
        factor[k] = 1.0f;
        offset[k] = 0.0f;
    }
    if (kind == SSFER_BALANCE_NONE)
        return SSFER_OK;
    TRY(ssfer_by_class_init(&groups, data->train_set, data->train, data->train_count, err));
    ssfer_status st = SSFER_OK;
    for (size_t k = 0; st == SSFER_OK && k < K; k++) {
        const double share = (double)ssfer_by_class_size(&groups, k) / (double)data->train_count;
        st = balance_class(&factor[k], &offset[k], kind, data, k, share, err);
    }
    ssfer_by_class_deinit(&groups);
    return st;
}
