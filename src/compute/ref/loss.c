#include "compute/ref/ref.h"

#include <math.h>

void REF(cross_entropy)(real *loss, real *dlogits, const real *logits, const real *target, const real *weight,
                        size_t batch, size_t classes)
{
    for (size_t b = 0; b < batch; b++) {
        const real *z = logits + b * classes, *t = target + b * classes;
        double most = -INFINITY, total = 0.0, sum = 0.0, mass = 0.0;
        for (size_t k = 0; k < classes; k++)
            most = (double)z[k] > most ? (double)z[k] : most;
        for (size_t k = 0; k < classes; k++)
            total += exp((double)z[k] - most);
        for (size_t k = 0; k < classes; k++) {
            sum -= (double)t[k] * ((double)z[k] - most - log(total));
            mass += (double)t[k];
        }
        loss[b] = (real)sum;
        for (size_t k = 0; dlogits && k < classes; k++)
            dlogits[b * classes + k] +=
                (real)((double)weight[b] * (mass * exp((double)z[k] - most) / total - (double)t[k]));
    }
}
