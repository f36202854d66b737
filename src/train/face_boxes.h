/* Where the face is in each picture of a set: found once by a detector, kept in a file, and read from there by runs
 * that go on or use the same file.
 *
 * The file is JSON: {"format": "ssfer-face-boxes", "version": 1, "dataset": where the pictures are from, "detector":
 * hash of its file, "size", "confidence", "iou", "faces": {PATH: [left, top, right, bottom] or null}}; null: not
 * exactly one face. Pixels of the picture. Sets may share a file: what one does not know it leaves in it. */
#ifndef SSFER_TRAIN_FACE_BOXES_H
#define SSFER_TRAIN_FACE_BOXES_H

#include "base/log.h"
#include "data/dataset.h"
#include "data/facemix_iou.h"
#include "data/transform.h"
#include "ssfer/detect.h"

#include <stdbool.h>
#include <stdio.h>

typedef struct ssfer_face_boxes_options {
    ssfer_detector *detector;
    const char *detector_path;   /* where it is from */
    ssfer_detector_options find; /* and its settings */
    const char *file;            /* where boxes are kept; what is missing in it is found and added */
    bool replace;                /* a file of another detector or other settings is nobody else's: begin anew */
    const ssfer_log *log;
    FILE *progress;
    int (*stop)(void); /* polled between batches; NULL: never */
} ssfer_face_boxes_options;

/* Of a coordinate: SSFER_IMAGE_MAX_SIDE, and its square far from a float's limits. */
#define SSFER_FACE_BOX_MAX_PX 1e6

enum { SSFER_FACE_BOX_UNKNOWN, SSFER_FACE_BOX_ONE, SSFER_FACE_BOX_NONE /* or several */ };

typedef struct ssfer_face_boxes {
    float (*boxes)[4];    /* by sample of the set */
    unsigned char *state; /* by sample: SSFER_FACE_BOX_... */
    size_t count;
    char hash[24]; /* of a CSV file; "" otherwise */
} ssfer_face_boxes;

/* Boxes of the samples in `indices`. A picture that cannot be read counts as one without a face. Errors: those of the
 * detector; SSFER_ERR_ARGUMENT when the file was made by another detector or with other settings; SSFER_ERR_CANCELLED,
 * what was found so far being kept. Release with deinit, also after an error. */
ssfer_status ssfer_face_boxes_find(ssfer_face_boxes *out, const ssfer_dataset *set, const size_t *indices,
                                   size_t index_count, const ssfer_face_boxes_options *options, ssfer_error *err);
void ssfer_face_boxes_deinit(ssfer_face_boxes *boxes); /* {0} is fine */

/* Whether [left, top, right, bottom] can be a face: FaceMix divides by its area. Boxes of files are held against it. */
bool ssfer_face_boxes_is_box(const double box[4]);

/* Whether `file` could be gone on with: absent, or made by this detector with these settings. Errors as those of find.
 */
ssfer_status ssfer_face_boxes_check(const ssfer_face_boxes_options *options, ssfer_error *err);

/* Boxes that somebody else has found or drawn: a CSV file whose header names at least path, x1, y1, x2 and y2, in
 * pixels of the picture, such as the annotations of ssfer synth. A path is that of the sample, with its split in front
 * or not; other pictures' rows do not matter, and a sample without a row, or with several, has no known face. out->hash
 * tells the file's content. Errors: those of the file; SSFER_ERR_FORMAT naming the line; SSFER_ERR_ARGUMENT if it has
 * none of the set's pictures. */
ssfer_status ssfer_face_boxes_read_csv(ssfer_face_boxes *out, const ssfer_dataset *set, const size_t *indices,
                                       size_t index_count, const char *path, const ssfer_log *log, ssfer_error *err);

/* The box of a sample as a training view shows it, in pixels of a square of 224, FaceMix's own; where not exactly one
 * face is known, or it is out of view, SSFER_FACEMIX_DEFAULT_BOX. boxes without any sample ({0}): always that. */
ssfer_facemix_box ssfer_face_boxes_in_view(const ssfer_face_boxes *boxes, size_t sample, const ssfer_seen *view);

/* The hash of base/hash.h, as text: tells files apart; guards against mistakes, not malice. */
void ssfer_face_boxes_hash(char out[24], const unsigned char *data, size_t size_bytes);

/* Of what was found in `count` pictures: warns where so few have exactly one face that FaceMix is plain mixup, and then
 * returns true. */
bool ssfer_face_boxes_warn(const ssfer_log *log, const char *detector, size_t found, size_t count);

/* The boxes in training pictures as they are: planes (count, 3, side, side), what the released code's detector sees.
 * There that is 224 pixels; smaller pictures, which the code does not know, are enlarged (bilinear) to twice their
 * side, rounded up to the detector's stride, or to 224 if that is less: of 300 pictures of 48 pixels one face was found
 * in 294 at 224 and in 289 at 96, at a fifth of the cost. faces: room for `count`; scratch: count * 3 planes of the
 * side that is seen, where it differs from `side`; *one_face: how many have exactly one face. */
size_t ssfer_face_boxes_seen_side(size_t side);
ssfer_status ssfer_face_boxes_in_planes(ssfer_facemix_box *boxes, ssfer_detector *detector, const float *planes,
                                        size_t count, size_t side, ssfer_faces *faces, float *scratch, size_t *one_face,
                                        ssfer_error *err);

#endif
