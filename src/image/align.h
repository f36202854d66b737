/* Cutting faces out of pictures: squares around a box, and faces turned upright by their five keypoints. */
#ifndef SSFER_IMAGE_ALIGN_H
#define SSFER_IMAGE_ALIGN_H

#include "ssfer/image.h"

#include "base/status.h"

#include <stdbool.h>

/* x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5], in continuous coordinates: the centre of the first pixel is
 * (0.5, 0.5). */
typedef struct ssfer_affine {
    double m[6];
} ssfer_affine;

/* The similarity (rotation, one scale, shift; no mirroring) that maps `from` onto `to` with the least sum of squared
 * distances. Source: Umeyama 1991. false: fewer than two points, all points in one place, or numbers not finite. */
bool ssfer_similarity_fit(ssfer_affine *out, const double (*from)[2], const double (*to)[2], size_t count);

/* false: not invertible. */
bool ssfer_affine_invert(ssfer_affine *out, const ssfer_affine *a);

/* Draws `in` into a new picture of width x height: output position p shows input position a(p). Bilinear; beyond its
 * border the picture continues with its border pixels. Where the map shrinks the picture, the mean of as many samples
 * is taken as it shrinks by (at most 16 x 16), so that nothing aliases. Errors: SSFER_ERR_MEMORY, SSFER_ERR_NUMERIC
 * (numbers not finite), SSFER_ERR_ARGUMENT (empty picture or size). */
ssfer_status ssfer_image_warp(ssfer_image *out, const ssfer_image *in, const ssfer_affine *a, size_t width,
                              size_t height, ssfer_error *err);

/* The square around a box (left, top, right, bottom): its side is the longer side of the box, made longer by `margin`
 * times that on every side, in whole pixels; the centre stays. It may reach beyond the picture. */
typedef struct ssfer_square {
    long left, top;
    size_t side; /* >= 1 */
} ssfer_square;
ssfer_square ssfer_square_around(const float box[4], double margin);

/* Cuts the square out; what lies beyond the picture repeats its border pixels, so the face is never distorted or moved.
 * Errors: SSFER_ERR_MEMORY, SSFER_ERR_LIMIT (a side above 65536), SSFER_ERR_ARGUMENT (empty picture). */
ssfer_status ssfer_image_cut_square(ssfer_image *out, const ssfer_image *in, ssfer_square square, ssfer_error *err);

/* The face turned upright and scaled so that eyes, nose and mouth corners come close to where they are in an average
 * upright face, in a picture of size x size. margin: how much more is shown on every side, as a share of the size.
 * keypoints: left eye, right eye, nose, left and right mouth corner as seen; the third number is not looked at.
 * Errors: those of the warp; SSFER_ERR_NUMERIC when the points define no similarity. */
ssfer_status ssfer_image_align_face(ssfer_image *out, const ssfer_image *in, const float keypoints[5][3], size_t size,
                                    double margin, ssfer_error *err);

#endif
