/* Where the face is in each picture of a set: found once by a detector, kept in a file, and read from there by runs
 * that go on or use the same file.
 *
 * The file is JSON: {"format": "ssfer-face-boxes", "version": 1, "detector": hash of its file, "size", "confidence",
 * "iou", "faces": {PATH: [left, top, right, bottom] or null}}; null: not exactly one face. Pixels of the picture. */
#ifndef SSFER_TRAIN_FACE_BOXES_H
#define SSFER_TRAIN_FACE_BOXES_H

#include "base/log.h"
#include "data/dataset.h"
#include "data/facemix_iou.h"
#include "data/transform.h"
#include "ssfer/detect.h"

#include <stdio.h>

typedef struct ssfer_face_boxes_options {
    ssfer_detector *detector;
    const char *detector_path;   /* where it is from */
    ssfer_detector_options find; /* and its settings */
    const char *file;            /* where boxes are kept; what is missing in it is found and added */
    const ssfer_log *log;
    FILE *progress;
    int (*stop)(void); /* polled between batches; NULL: never */
} ssfer_face_boxes_options;

typedef struct ssfer_face_boxes {
    float (*boxes)[4];    /* by sample of the set */
    unsigned char *state; /* by sample: 0 not looked at, 1 one face, 2 none or several */
    size_t count;
} ssfer_face_boxes;

/* Boxes of the samples in `indices`. A picture that cannot be read counts as one without a face. Errors: those of the
 * detector; SSFER_ERR_ARGUMENT when the file was made by another detector or with other settings; SSFER_ERR_CANCELLED,
 * what was found so far being kept. Release with deinit, also after an error. */
ssfer_status ssfer_face_boxes_find(ssfer_face_boxes *out, const ssfer_dataset *set, const size_t *indices,
                                   size_t index_count, const ssfer_face_boxes_options *options, ssfer_error *err);
void ssfer_face_boxes_deinit(ssfer_face_boxes *boxes); /* {0} is fine */

/* The box of a sample as a training view shows it, in pixels of a square of 224, FaceMix's own; where not exactly one
 * face is known, or it is out of view, SSFER_FACEMIX_DEFAULT_BOX. boxes without any sample ({0}): always that. */
ssfer_facemix_box ssfer_face_boxes_in_view(const ssfer_face_boxes *boxes, size_t sample, const ssfer_seen *view);

/* The boxes in training pictures as they are: planes (count, 3, side, side), what the released code's detector sees. It
 * sees 224 pixels: smaller pictures are enlarged (bilinear). faces: room for `count`; scratch: count * 3 * 224 * 224
 * floats where side < 224. */
ssfer_status ssfer_face_boxes_in_planes(ssfer_facemix_box *boxes, ssfer_detector *detector, const float *planes,
                                        size_t count, size_t side, ssfer_faces *faces, float *scratch,
                                        ssfer_error *err);

#endif
