/* Face detection: boxes, five keypoints and confidences, with networks of the YOLOv7-face family.
 *
 * err may be NULL in every function; NULL for what is not said to be optional is SSFER_ERR_ARGUMENT (ssfer/status.h).
 */
#ifndef SSFER_DETECT_H
#define SSFER_DETECT_H

#include "ssfer/image.h"
#include "ssfer/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One face, in pixels of the picture: x to the right, y down, (0, 0) is the outer corner of the first pixel.
 * Keypoints: left eye, right eye, nose, left and right corner of the mouth as seen in the picture, each x, y and
 * confidence (all zero for detectors without keypoints). */
typedef struct ssfer_face {
    float box[4]; /* left, top, right, bottom */
    float confidence;
    float keypoints[5][3];
} ssfer_face;

/* The faces of one picture, most confident first. Zero-initialise it ({0}); release with ssfer_faces_deinit. */
typedef struct ssfer_faces {
    ssfer_face *faces;
    size_t count;
} ssfer_faces;
void ssfer_faces_deinit(ssfer_faces *faces); /* {0} and NULL are fine */

/* Zero-initialised, every field has its default. */
typedef struct ssfer_detector_options {
    size_t size;         /* side of the network's input in pixels, a multiple of its stride; 0: 640 */
    float confidence;    /* faces at or below it are dropped; 0: 0.4 */
    float iou;           /* of two faces that overlap more, the less confident one is dropped; 0: 0.5 */
    size_t max_faces;    /* the most confident ones only; 0: all */
    float min_face;      /* shorter side of the box in pixels of the picture; smaller faces are dropped */
    int rectangle;       /* 1: pad pictures to a multiple of the stride instead of to a square (faster, less exact) */
    size_t threads;      /* 0: all processors of this process */
    const char *network; /* for weights without a configuration: name of a published network, or a file describing one;
                          * NULL: the published network that fits */
} ssfer_detector_options;

typedef struct ssfer_detector ssfer_detector;

/* Reads a detector: a published .pt of YOLOv7-face as it is, bare weights (.pth), or a .safetensors made by
 * ssfer_detector_convert. options may be NULL. Errors: SSFER_ERR_IO, SSFER_ERR_FORMAT (damaged file), SSFER_ERR_SHAPE,
 * SSFER_ERR_NUMERIC (weights that are not finite), SSFER_ERR_UNSUPPORTED (another kind of model), SSFER_ERR_ARGUMENT
 * (options), SSFER_ERR_LIMIT (more layers, work or memory than any face detector needs), SSFER_ERR_MEMORY. */
ssfer_status ssfer_detector_create(ssfer_detector **out, const char *path, const ssfer_detector_options *options,
                                   ssfer_error *err);
void ssfer_detector_destroy(ssfer_detector *detector); /* NULL is fine */

/* Finds the faces of `count` pictures of any sizes; those that have one network size run as a batch. out: `count`
 * elements, set on success only (and all of them then). Boxes and keypoints are clipped to the picture, and a face that
 * lies wholly beyond its border is none.
 * Detectors may be used from several threads, also one detector: calls on the same one wait for each other.
 * Errors: SSFER_ERR_ARGUMENT (an empty picture), SSFER_ERR_FORMAT and SSFER_ERR_SHAPE (a network that cannot compute this
 * size), SSFER_ERR_LIMIT, SSFER_ERR_MEMORY. */
ssfer_status ssfer_detector_run(ssfer_detector *detector, const ssfer_image *images, size_t count, ssfer_faces *out,
                                ssfer_error *err);

/* The same for a batch of `count` equal pictures that are not scaled: pixels R, G, B of each, one after the other (as
 * in ssfer_image). Sides that are no multiple of the network's stride are padded on the right and at the bottom.
 * Coordinates are not clipped to the picture. */
ssfer_status ssfer_detector_run_pixels(ssfer_detector *detector, const uint8_t *pixels, size_t count, size_t width,
                                       size_t height, ssfer_faces *out, ssfer_error *err);

/* The same from planes (count, 3, height, width), R, G, B. mean and deviation, 3 numbers each, undo a normalisation:
 * the network sees x * deviation + mean, which should be in 0..1. NULL, NULL: it sees x as it is. */
ssfer_status ssfer_detector_run_planes(ssfer_detector *detector, const float *planes, size_t count, size_t width,
                                       size_t height, const float *mean, const float *deviation, ssfer_faces *out,
                                       ssfer_error *err);

/* What is known of a detector. */
typedef struct ssfer_detector_info {
    size_t parameters, layers, levels, keypoints, stride, size;
    size_t threads;
} ssfer_detector_info;
ssfer_detector_info ssfer_detector_get_info(const ssfer_detector *detector);

/* Time spent since creation, in seconds of one thread each (so with n threads at work n seconds a second), and pictures
 * seen. Letterbox: scaling and padding; select: decoding of boxes and suppression of overlapping ones. Waits for a call
 * that another thread has made. */
typedef struct ssfer_detector_times {
    double letterbox_s, network_s, select_s;
    size_t pictures;
} ssfer_detector_times;
ssfer_detector_times ssfer_detector_get_times(const ssfer_detector *detector);

/* 1 if the file holds a pickled detector or one that ssfer_detector_convert wrote, as far as a glance tells; 0 for
 * anything else, also what cannot be read. Bare weights are not recognised. */
int ssfer_detector_recognise(const char *path);

/* Writes the weights as float16/float32 .safetensors, as the file has them, with the network's configuration in the
 * metadata, so that it needs neither pickles nor options from then on. network: as in the options. */
ssfer_status ssfer_detector_convert(const char *in, const char *out, const char *network, ssfer_error *err);

#ifdef __cplusplus
}
#endif
#endif
