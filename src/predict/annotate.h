/* Pictures with what was found in them: faces marked, with their expressions if they are known. */
#ifndef SSFER_PREDICT_ANNOTATE_H
#define SSFER_PREDICT_ANNOTATE_H

#include "base/status.h"
#include "ssfer/detect.h"

/* A face to mark, borrowed. */
typedef struct ssfer_mark {
    const ssfer_face *face;
    const float *probabilities; /* K; NULL: the label shows the detector's confidence */
} ssfer_mark;

/* Marks faces: box, keypoints, label, and a chart of the probabilities. A picture too small for text is replaced by an
 * enlarged one. classes: K names. Errors: those of ssfer_draw_faces. */
ssfer_status ssfer_annotate(ssfer_image *picture, const ssfer_mark *marks, size_t count, const char *const *classes,
                            size_t class_count, ssfer_error *err);

#endif
