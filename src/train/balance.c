#include "train/balance.h"

#include <math.h>

const char *ssfer_balance_name(ssfer_balance kind)
{
    static const char *const names[] = {"none", "weights", "logit-adjust", "sampler"};
    return names[kind];
}

static size_t count_class(const ssfer_labeled *data, size_t k)
{
    size_t n = 0;
    for (size_t i = 0; i < data->train_count; i++)
        n += ssfer_dataset_label(data->train_set, data->train[i]) == (int32_t)k;
    return n;
}

ssfer_status ssfer_balance_make(float *factor, float *offset, ssfer_balance kind, const ssfer_labeled *data,
                                ssfer_error *err)
{
    const size_t K = ssfer_dataset_class_count(data->train_set);
    for (size_t k = 0; k < K; k++) {
        factor[k] = 1.0f;
        offset[k] = 0.0f;
        if (kind == SSFER_BALANCE_NONE)
            continue;
        const double share = (double)count_class(data, k) / (double)data->train_count;
        if (share <= 0.0)
            return ssfer_fail(err, SSFER_ERR_ARGUMENT,
                              "--balance %s: class %s has no labeled picture; label one, or use --balance none",
                              ssfer_balance_name(kind), ssfer_dataset_class_name(data->train_set, k));
        if (kind == SSFER_BALANCE_SAMPLER)
            continue;
        if (kind == SSFER_BALANCE_WEIGHTS)
            factor[k] = (float)(1.0 / ((double)K * share));
        else
            offset[k] = (float)log(share);
    }
    return SSFER_OK;
}
