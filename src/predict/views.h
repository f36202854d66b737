/* What the classifier looks at: a picture as a whole, or a face in it. */
#ifndef SSFER_PREDICT_VIEWS_H
#define SSFER_PREDICT_VIEWS_H

#include "ssfer/predict.h"

#include <stdbool.h>

/* Picture and face are borrowed. */
typedef struct ssfer_view {
    const ssfer_image *image;
    const ssfer_face *face; /* NULL: the whole picture */
    double margin;          /* as in ssfer_expression_options */
    bool align;
} ssfer_view;

/* Errors: SSFER_ERR_ARGUMENT, one of the pictures is empty. */
ssfer_status ssfer_views_check(const ssfer_image *images, size_t count, ssfer_error *err);

/* One view a picture, as a whole; freed with ssfer_free. Errors: those of the check, SSFER_ERR_MEMORY. */
ssfer_status ssfer_views_of_pictures(ssfer_view **out, const ssfer_image *images, size_t count, ssfer_error *err);

/* A square picture of what a view shows: of a face, what its margin encloses, turned upright on request; of a whole
 * picture, the central square. `size`: the side that it will be scaled to. A much larger square is scaled to it at once
 * (the mean of 16 x 16 samples a pixel), so that a face as large as the picture does not need as much memory again. */
ssfer_status ssfer_view_cut(ssfer_image *out, const ssfer_view *view, size_t size, ssfer_error *err);

/* Logits and probabilities (count, K) of views, in batches; either may be NULL. */
ssfer_status ssfer_predictor_run_views(ssfer_predictor *predictor, const ssfer_view *views, size_t count,
                                       float *probabilities, float *logits, ssfer_error *err);

/* The second half of ssfer_predictor_run_faces: the expressions of the faces that were found, faces[i] in images[i].
 * Pictures are not checked. out: {0} after an error. */
ssfer_status ssfer_predictor_run_found(ssfer_predictor *predictor, const ssfer_faces *faces, const ssfer_image *images,
                                       size_t count, const ssfer_expression_options *options, ssfer_expressions *out,
                                       ssfer_error *err);

#endif
