/* What happens to a picture between the file and the model, described by values so that a run can store it.
 *
 * Output: float32 (3, S, S), channel planes R, G, B, (x/255 - mean)/std computed in this order in float32. */
#ifndef SSFER_DATA_TRANSFORM_H
#define SSFER_DATA_TRANSFORM_H

#include "base/rng.h"
#include "base/status.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>

extern const float SSFER_DEFAULT_MEAN[3]; /* 0.588 0.459 0.402, of the released code */
extern const float SSFER_DEFAULT_STD[3];  /* 0.228 0.202 0.190 */

typedef struct ssfer_transform {
    size_t size; /* S */
    bool train;  /* false: shorter side to S (bilinear), centre crop; true: the random parts below */
    float mean[3], std[3];
    double scale_min, scale_max; /* RandomResizedCrop area; 0.2, 1 */
    double ratio_min, ratio_max; /* aspect ratio; 3/4, 4/3 */
    ssfer_filter filter;         /* of the crop: bicubic for training */
    double flip;                 /* probability of a horizontal flip; 0.5 */
    double erasing;              /* probability of random erasing; 0: off */
} ssfer_transform;

ssfer_transform ssfer_transform_eval(size_t size);
ssfer_transform ssfer_transform_train(size_t size);

/* The crop of RandomResizedCrop for a picture of W x H: ten attempts with two uniforms each (area, log ratio), then
 * the position; then the central crop. Source: torchvision's RandomResizedCrop.get_params. */
typedef struct ssfer_crop {
    size_t left, top, width, height;
} ssfer_crop;
ssfer_crop ssfer_random_resized_crop(const ssfer_transform *t, size_t width, size_t height, ssfer_rng *rng);

/* Applies the whole transform; rng is used only when t->train. out: 3 * S * S floats. */
ssfer_status ssfer_transform_apply(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                   ssfer_error *err);

#endif
