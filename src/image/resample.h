/* Resizing into the caller's memory, for loops over many pictures: the resampler keeps its weights and scratch, so that
 * after the first pictures nothing is allocated. ssfer/image.h has the calls for a single picture. */
#ifndef SSFER_IMAGE_RESAMPLE_H
#define SSFER_IMAGE_RESAMPLE_H

#include "base/status.h"
#include "ssfer/image.h"

#include <stddef.h>
#include <stdint.h>

/* The weights of one axis: output i is the sum of weights[i * taps + t] * input[spans[i].first + t], t <
 * spans[i].count, in fixed point. They are kept as long as (in, out, filter) stay. */
typedef struct ssfer_resample_axis {
    size_t in, out; /* lengths; out 0: no table yet */
    ssfer_filter filter;
    size_t taps;
    int32_t *weights;
    struct ssfer_resample_span {
        uint32_t first, count;
    } * spans;
    double *exact; /* weights of one output before rounding */
    size_t weights_capacity, spans_capacity, exact_capacity;
} ssfer_resample_axis;

/* Zero-initialise ({0}). Usable for any sequence of sizes and filters; one thread at a time. */
typedef struct ssfer_resampler {
    ssfer_resample_axis horizontal, vertical;
    uint8_t *scratch;
    size_t scratch_bytes;
} ssfer_resampler;

void ssfer_resampler_deinit(ssfer_resampler *resampler);

/* Resizes the part [left, left+w) x [top, top+h) of `in` to width x height. Same pixels as ssfer_image_resized_crop.
 *
 *   out  (height, width, 3)  u8, out (=)   must not overlap in->data
 *
 * A picture whose three channels are equal is resized once, not three times.
 * Errors: SSFER_ERR_ARGUMENT (an empty size, a part outside the picture), SSFER_ERR_MEMORY, SSFER_ERR_LIMIT. `out` is
 * then untouched. */
ssfer_status ssfer_resample(ssfer_resampler *resampler, uint8_t *out, size_t width, size_t height,
                            const ssfer_image *in, size_t left, size_t top, size_t w, size_t h, ssfer_filter filter,
                            ssfer_error *err);

#endif
