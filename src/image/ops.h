/* Picture operations of RandAugment, as timm calls them and as Pillow computes them, byte for byte. Which operation is
 * drawn when is decided by src/data.
 *
 * Sources: Cubuk et al., "RandAugment" (2019); timm's auto_augment for names and magnitudes; Pillow 9.4 for pixels. */
#ifndef SSFER_IMAGE_OPS_H
#define SSFER_IMAGE_OPS_H

#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct ssfer_op {
    const char *name; /* "Rotate", "PosterizeIncreasing", ...: timm's */
    /* The operation's argument at a magnitude; `negate` is the coin that signed operations toss. NULL: none. */
    double (*argument)(double magnitude, bool negate);
    bool is_signed; /* whether `negate` matters */
    void (*apply)(ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3]);
} ssfer_op;

/* Magnitudes are made for 0..10; beyond, effects go on growing by the same formulas as far as they can, that of
 * SolarizeAdd up to 128, as in timm. */
#define SSFER_OP_MAX_MAGNITUDE 100.0

/* All operations; NULL for an unknown name or an index beyond the last one. */
const ssfer_op *ssfer_op_at(size_t i);
const ssfer_op *ssfer_op_find(const char *name);

/* The argument that `apply` takes at a magnitude, which is clamped to 0..10, or to 0..most and at most 100: degrees,
 * bits, a threshold, a blending factor, a share of the width or height; 0 for operations without one. */
double ssfer_op_argument(const ssfer_op *op, double magnitude, bool negate);
double ssfer_op_argument_up_to(const ssfer_op *op, double magnitude, double most, bool negate);

/* Changes the picture in place; its size stays. Cannot fail.
 *
 *   scratch  3 * width * height bytes, apart from the picture; content undefined before and after
 *   fill     colour of what comes from outside the picture (rotation, shear, translation)
 *
 * Geometric operations sample with Pillow's bicubic filter (a = -1 in Keys' terms). Arguments out of range are taken to
 * the nearest sensible value; NaN leaves the picture as it is. */
void ssfer_op_apply(const ssfer_op *op, ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3]);

#endif
