#include "nn/targets.h"

void ssfer_targets_from_labels(float *target, const int32_t *labels, size_t batch, size_t classes, double smoothing)
{
    const float off = (float)(smoothing / (double)classes);
    const float on = (float)(1.0 - smoothing + smoothing / (double)classes);
    for (size_t b = 0; b < batch; b++)
        for (size_t k = 0; k < classes; k++)
            target[b * classes + k] = labels[b] < 0 ? 0.0f : (size_t)labels[b] == k ? on : off;
}
