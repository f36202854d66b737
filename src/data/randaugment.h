/* RandAugment: which picture operations are drawn, how strong, and in which order. The operations themselves are in
 * image/ops.h. Source: Cubuk et al. 2019, in timm's form ("rand-m9-mstd0.5-inc1"). */
#ifndef SSFER_DATA_RANDAUGMENT_H
#define SSFER_DATA_RANDAUGMENT_H

#include "base/rng.h"
#include "base/status.h"
#include "image/ops.h"

#include <stdbool.h>
#include <stddef.h>

enum { SSFER_RANDAUGMENT_MAX_LAYERS = 16, SSFER_RANDAUGMENT_OPS = 15 };

typedef struct ssfer_randaugment {
    unsigned layers;      /* n: operations drawn for a picture, with replacement; 0: off */
    double probability;   /* p: that a drawn operation is carried out */
    double magnitude;     /* m: mean of the magnitude */
    double magnitude_std; /* mstd: its deviation (normal); above 100: uniform between 0 and m, as in timm */
    double magnitude_max; /* mmax: magnitudes are clamped to 0 .. mmax */
    bool increasing;      /* inc1: operations whose effect grows with the magnitude, throughout */
} ssfer_randaugment;

/* Reads "rand-m9-n2-p0.5-mstd0.5-mmax10-inc1": parts in any order, each at most once and optional (defaults m 10, n 2,
 * p 0.5, mstd 0, mmax 10, inc 0). "none" and "" switch it off. As in timm, m may lie above mmax, which then cuts off.
 * Otherwise than there: numbers need not be whole; inc0 is what it says (timm takes any number after inc for yes); and
 * timm's weights of operations (w) and its other sets of them (t) are not here. Errors: SSFER_ERR_ARGUMENT naming the
 * part. */
ssfer_status ssfer_randaugment_parse(ssfer_randaugment *out, const char *text, ssfer_error *err);

enum { SSFER_RANDAUGMENT_TEXT = 128 };
/* The text that parse reads back as the same policy. */
void ssfer_randaugment_format(const ssfer_randaugment *policy, char out[SSFER_RANDAUGMENT_TEXT]);

/* The operations that are drawn from, 0 <= i < SSFER_RANDAUGMENT_OPS. */
const ssfer_op *ssfer_randaugment_op(const ssfer_randaugment *policy, size_t i);

/* What is done to one picture. Always draws the same count of numbers for a layer, whatever comes out. */
typedef struct ssfer_randaugment_step {
    const ssfer_op *op;
    double argument;
    bool skipped; /* drawn, but the coin of `probability` said no */
} ssfer_randaugment_step;
void ssfer_randaugment_draw(const ssfer_randaugment *policy, ssfer_rng *rng,
                            ssfer_randaugment_step steps[SSFER_RANDAUGMENT_MAX_LAYERS]);

/* Draws and carries out. scratch: 3 * width * height bytes; fill: colour of what comes from outside the picture. */
void ssfer_randaugment_apply(const ssfer_randaugment *policy, ssfer_image *image, uint8_t *scratch,
                             const uint8_t fill[3], ssfer_rng *rng);

#endif
