/* Soft targets for the cross entropy: label smoothing as timm does it. */
#ifndef SSFER_NN_TARGETS_H
#define SSFER_NN_TARGETS_H

#include <stddef.h>
#include <stdint.h>

/* target (B, K) =: smoothing/K everywhere and 1 - smoothing more at the label; a label < 0 (unknown) gives a row of
 * zeros, whose loss and gradient are 0. */
void ssfer_targets_from_labels(float *target, const int32_t *labels, size_t batch, size_t classes, double smoothing);

#endif
