/* From the head's outputs to faces: decoding of rows and non-maximum suppression, in float32 as the reference. */
#ifndef SSFER_MODELS_YOLOV7_SELECT_H
#define SSFER_MODELS_YOLOV7_SELECT_H

#include "models/yolov7/network.h"

/* Decoded rows of net->values numbers: centre x, centre y, width, height in network pixels, objectness, class scores,
 * then x, y, confidence a keypoint. Ordered by level, anchor, row and column of the cell. Zero-initialise; grows. */
typedef struct ssfer_yolo_rows {
    float *data;
    size_t count, capacity, values;
} ssfer_yolo_rows;
void ssfer_yolo_rows_deinit(ssfer_yolo_rows *rows);

/* Replaces rows by those whose objectness is above the threshold; a negative threshold gives all. plan: one of
 * ssfer_yolo_plan, which sees to it that the maps have one size.
 *   xy = (2 sigmoid - 0.5 + cell) stride, wh = (2 sigmoid)^2 anchor, keypoint xy = (2 raw - 0.5 + cell) stride,
 *   objectness, classes and keypoint confidence: sigmoid. */
ssfer_status ssfer_yolo_decode(ssfer_yolo_rows *rows, const ssfer_yolo *net, const ssfer_conv_plan *plan,
                               const ssfer_conv_workspace *workspace, float threshold, ssfer_error *err);

typedef struct ssfer_yolo_pick {
    float box[4]; /* left, top, right, bottom */
    float confidence;
    size_t row, class; /* the row it is from; the class with the best score */
} ssfer_yolo_pick;

/* Class-agnostic suppression. A candidate has objectness > confidence and objectness * best class score > confidence.
 * Candidates are taken by falling score (equal ones in row order, at most 30,000), and one goes when its IoU with a
 * picked one is > iou. *picks (freed with ssfer_free) holds *count, most confident first; both set on success only. */
ssfer_status ssfer_yolo_select(ssfer_yolo_pick **picks, size_t *count, const float *rows, size_t row_count,
                               size_t values, size_t classes, float confidence, double iou, ssfer_error *err);

#endif
