/* Fitting a picture into a detector's input: scaled to fit, centred, the border filled with gray 114. As the reference
 * does with OpenCV's 8-bit bilinear resize, bit for bit. */
#ifndef SSFER_IMAGE_LETTERBOX_H
#define SSFER_IMAGE_LETTERBOX_H

#include "ssfer/image.h"

#include "base/status.h"

#include <stdbool.h>

enum { SSFER_LETTERBOX_GRAY = 114 };

typedef struct ssfer_letterbox {
    size_t width, height;                 /* of the result */
    size_t resized_width, resized_height; /* of the picture within it */
    size_t left, top;                     /* where it starts */
    double gain;                          /* resized / original */
    double pad_x, pad_y;                  /* (result - original * gain) / 2, not rounded: how coordinates go back */
} ssfer_letterbox;

/* Sizes for a picture of width x height (>= 1). size: the longer side of the result. rectangle: pad the shorter side
 * only up to a multiple of `stride`, instead of to a square. size must be a multiple of stride.
 * Differs from the reference where a side would vanish (pictures narrower than 1/640 of their height): it becomes 1. */
ssfer_letterbox ssfer_letterbox_plan(size_t width, size_t height, size_t size, size_t stride, bool rectangle);

/* Fills planes (3, height, width): R, G, B, each value / 255. Errors: SSFER_ERR_MEMORY. */
ssfer_status ssfer_letterbox_planes(float *planes, const ssfer_image *image, const ssfer_letterbox *box,
                                    ssfer_error *err);

/* OpenCV's bilinear resize of 8-bit pictures (no antialiasing): 11-bit weights per axis, rounded half to even,
 * positions (x + 0.5) * scale - 0.5, borders repeated; a row pair (h0, h1) of horizontally weighted sums becomes
 * (((b0 * (h0 >> 4)) >> 16) + ((b1 * (h1 >> 4)) >> 16) + 2) >> 2. `out` is created. */
ssfer_status ssfer_image_resize_opencv(ssfer_image *out, const ssfer_image *in, size_t width, size_t height,
                                       ssfer_error *err);

/* Points (x, y), `count` of them, `step` floats apart, from the result back to the picture, clipped to it on request.
 * In float32, as the reference. */
void ssfer_letterbox_back(float *points, size_t count, size_t step, const ssfer_letterbox *box, size_t width,
                          size_t height, bool clip);

#endif
