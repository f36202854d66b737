/* What happens to a picture between the file and the model, described by values so that a run can store it.
 *
 * Output: float32 (3, S, S), channel planes R, G, B, (x/255 - mean)/std computed in this order in float32.
 *
 * Training, in this order: RandomResizedCrop, horizontal flip, RandAugment, normalisation, random erasing. All random
 * numbers come from one stream in a fixed order, so the same (transform, picture, stream) gives the same bits. */
#ifndef SSFER_DATA_TRANSFORM_H
#define SSFER_DATA_TRANSFORM_H

#include "base/rng.h"
#include "base/status.h"
#include "data/randaugment.h"
#include "data/stage_clock.h"
#include "image/resample.h"
#include "ssfer/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

extern const float SSFER_DEFAULT_MEAN[3]; /* 0.588 0.459 0.402, of the released code */
extern const float SSFER_DEFAULT_STD[3];  /* 0.228 0.202 0.190 */

/* What an erased rectangle is filled with: zeros, one random colour, or noise (normal, mean 0, deviation 1), in
 * normalised space. The names in recipes are const, rand and pixel. */
typedef enum ssfer_erasing_mode { SSFER_ERASING_CONST, SSFER_ERASING_RAND, SSFER_ERASING_PIXEL } ssfer_erasing_mode;

typedef struct ssfer_transform {
    size_t size; /* S */
    bool train;  /* false: shorter side to S (bilinear), centre crop; true: the random parts below */
    float mean[3], std[3];
    double scale_min, scale_max; /* RandomResizedCrop area; 0.2, 1 */
    double ratio_min, ratio_max; /* aspect ratio; 3/4, 4/3 */
    ssfer_filter filter;         /* of the crop: bicubic for training */
    double flip;                 /* probability of a horizontal flip; 0.5 */
    ssfer_randaugment randaugment;
    double erasing; /* probability of random erasing; 0: off */
    ssfer_erasing_mode erasing_mode;
    double erasing_min, erasing_max; /* erased share of the area; 0.02, 1/3 */
    size_t erasing_count;            /* up to so many rectangles, together of that share; 1 */
} ssfer_transform;

ssfer_transform ssfer_transform_eval(size_t size);
ssfer_transform ssfer_transform_train(size_t size);
/* Stage III's strong view: train with rand-m9-mstd0.5-inc1. */
ssfer_transform ssfer_transform_strong(size_t size);

/* Errors: SSFER_ERR_ARGUMENT for values that make no sense (size 0, a probability above 1, std 0, an empty range). */
ssfer_status ssfer_transform_check(const ssfer_transform *t, ssfer_error *err);

const char *ssfer_erasing_mode_name(ssfer_erasing_mode mode); /* "const", "rand", "pixel" */
bool ssfer_erasing_mode_parse(ssfer_erasing_mode *out, const char *name);

/* ---- geometry ---- */

typedef struct ssfer_crop {
    size_t left, top, width, height;
} ssfer_crop;

/* The crop of RandomResizedCrop for a picture of W x H: ten attempts with two uniforms each (area, log ratio), then
 * the position; then the central crop. Source: torchvision's RandomResizedCrop.get_params. */
ssfer_crop ssfer_random_resized_crop(const ssfer_transform *t, size_t width, size_t height, ssfer_rng *rng);

enum { SSFER_CROP_ATTEMPTS = 10 };

/* The same with the numbers given: uniforms[2 a] is the area's and uniforms[2 a + 1] the ratio's of attempt a. Returns
 * how many attempts were made. *accepted: crop->width and height are set and the position (0, 0) is still to be drawn;
 * otherwise the crop is complete: the largest central part with an allowed ratio. */
size_t ssfer_crop_size(const ssfer_transform *t, size_t width, size_t height,
                       const double uniforms[2 * SSFER_CROP_ATTEMPTS], ssfer_crop *crop, bool *accepted);

/* Where random erasing puts one of `count` rectangles in S x S (timm's RandomErasing, where each is so many times
 * smaller): ten attempts; false: none fitted. */
bool ssfer_random_erasing_box(const ssfer_transform *t, size_t count, ssfer_rng *rng, ssfer_crop *box);

enum { SSFER_ERASING_MAX_COUNT = 64 };

/* What a training view shows: the part of the picture, then stretched to S x S and mirrored if flip. (RandAugment may
 * turn and move what is seen a little further.) */
typedef struct ssfer_seen {
    ssfer_crop crop; /* in pixels of the picture */
    bool flip;
} ssfer_seen;

/* A box (left, top, right, bottom, in pixels of the picture) as the view shows it, in pixels of a square of `side`,
 * clipped to it. false: nothing of the box is in view; out is then undefined. */
bool ssfer_seen_box(float out[4], const ssfer_seen *view, const float box[4], double side);

/* ---- pixels ---- */

/* Memory that a thread keeps between pictures: after the largest picture nothing is allocated. Zero-initialise ({0});
 * one thread at a time. */
typedef struct ssfer_transform_scratch {
    ssfer_resampler resampler;
    uint8_t *pixels;
    size_t pixels_bytes;
    float mean[3], std[3]; /* what the table was made for */
    bool table_ready;
    float table[3][256];
    ssfer_seen view; /* of the last training picture */
    ssfer_stage_clock clock;
} ssfer_transform_scratch;
void ssfer_transform_scratch_deinit(ssfer_transform_scratch *scratch);

/* Applies the whole transform; rng is used only when t->train. out: 3 * S * S floats, undefined after an error.
 * scratch may be NULL (memory is then taken and given back in the call). Allocates nothing once the scratch is warm.
 * Errors: SSFER_ERR_LIMIT for a picture so long and thin that its resized copy would be enormous. */
ssfer_status ssfer_transform_apply_with(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                        ssfer_transform_scratch *scratch, ssfer_error *err);
ssfer_status ssfer_transform_apply(const ssfer_transform *t, const ssfer_image *image, ssfer_rng *rng, float *out,
                                   ssfer_error *err);

/* table[c][u] = (u/255 - mean[c])/std[c] in float32: all the values that normalisation can give. */
void ssfer_normalize_table(float table[3][256], const float mean[3], const float std[3]);

/* The colour that stands for "nothing" where RandAugment turns or moves a picture: the mean, rounded as timm does. */
void ssfer_fill_colour(uint8_t fill[3], const float mean[3]);

/* A part of an RGB picture to normalised planes, mirrored if flip.
 *
 *   out     (3, height, width)  f32, out (=)
 *   pixels  row r, column c, channel k at pixels[r * stride_bytes + 3 c + k] */
void ssfer_normalize_planes(float *out, const uint8_t *pixels, size_t width, size_t height, size_t stride_bytes,
                            bool flip, const float table[3][256]);

#endif
