#include "compute/cpu/kernels.h"

#include <math.h>

/* A batch of logits is a few hundred numbers: libm in double costs nothing here and keeps the loss accurate. */
ssfer_status CPU(cross_entropy)(ssfer_compute *cx, float *loss, float *dlogits, const float *logits,
                                const float *target, const float *weight, size_t batch, size_t classes)
{
    (void)cx;
    for (size_t b = 0; b < batch; b++) {
        const float *z = logits + b * classes, *t = target + b * classes;
        double most = -INFINITY, total = 0.0, sum = 0.0, mass = 0.0;
        for (size_t k = 0; k < classes; k++)
            most = (double)z[k] > most ? (double)z[k] : most;
        for (size_t k = 0; k < classes; k++)
            total += exp((double)z[k] - most);
        /* cppcheck-suppress invalidFunctionArg ; the largest logit adds exp(0) = 1 */
        double log_total = log(total);
        for (size_t k = 0; k < classes; k++) {
            sum -= (double)t[k] * ((double)z[k] - most - log_total);
            mass += (double)t[k];
        }
        loss[b] = (float)sum;
        for (size_t k = 0; dlogits && k < classes; k++)
            dlogits[b * classes + k] +=
                (float)((double)weight[b] * (mass * exp((double)z[k] - most) / total - (double)t[k]));
    }
    return SSFER_OK;
}
