/* Mixing a batch with its own reverse: picture i with picture B-1-i, by one lambda a batch. In an odd batch the picture
 * in the middle is its own partner. Sources: Zhang et al. 2018 (mixup), Yun et al. 2019 (CutMix), in timm's form. */
#ifndef SSFER_DATA_MIXING_H
#define SSFER_DATA_MIXING_H

#include "data/transform.h"

/* on: the loss also has the origins, weighted by 1 - IoU of the two faces, as the SSFER paper describes. released: as
 * its code computes: the mixing happens in place, so that origins and faces are those of the mixed pictures. */
typedef enum ssfer_mix_mode {
    SSFER_MIX_OFF,
    SSFER_MIX_FACEMIX,
    SSFER_MIX_FACEMIX_RELEASED,
    SSFER_MIX_MIXUP,
    SSFER_MIX_CUTMIX,
    SSFER_MIX_COUNT
} ssfer_mix_mode;

/* "off", "on", "released", "mixup", "cutmix": as recipes and the command line spell it. */
const char *ssfer_mix_mode_name(ssfer_mix_mode mode);

/* out[i] = lambda x[i] + (1 - lambda) x[B-1-i], pictures of `floats` numbers. out may be x. */
void ssfer_mix_blend(float *out, const float *x, size_t batch, size_t floats, double lambda);

/* CutMix's rectangle in a square of `side`: its share of the area is 1 - lambda, its centre anywhere, what is outside
 * of the square cut off. Returns the lambda of what is left, by area. */
double ssfer_mix_draw_box(ssfer_crop *box, size_t side, double lambda, ssfer_rng *rng);

/* out[i] = x[i] (3, S, S) with the rectangle taken from x[B-1-i]. out must not overlap x. */
void ssfer_mix_paste(float *out, const float *x, size_t batch, size_t side, const ssfer_crop *box);

/* target (B, K) =: lambda times the smoothed label (nn/targets.h) plus 1 - lambda times the partner's. */
void ssfer_mix_targets(float *target, const int32_t *labels, size_t batch, size_t classes, double smoothing,
                       double lambda);

#endif
