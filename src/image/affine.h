/* Turning, shearing and moving a picture, as Pillow's affine transform with its bicubic filter does it, bit for bit. */
#ifndef SSFER_IMAGE_AFFINE_H
#define SSFER_IMAGE_AFFINE_H

#include "ssfer/image.h"

#include <stdint.h>

/* Source of the output point (x, y): (a x + b y + c, d x + e y + f). */
typedef struct ssfer_affine {
    double a, b, c, d, e, f;
} ssfer_affine;

/* Replaces the picture by its transform; `fill` is the colour of what comes from outside of it.
 *
 *   scratch  3 * width * height bytes, apart from the picture; content undefined before and after */
void ssfer_affine_apply(ssfer_image *image, uint8_t *scratch, ssfer_affine m, const uint8_t fill[3]);

#endif
