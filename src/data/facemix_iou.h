/* FaceMix pairs picture i of a batch with picture B-1-i; the loss of the mixture is weighted by how much the two faces'
 * boxes overlap. */
#ifndef SSFER_DATA_FACEMIX_IOU_H
#define SSFER_DATA_FACEMIX_IOU_H

#include <stddef.h>
#include <stdint.h>

/* left, top, right, bottom in whole pixels; may lie outside of the picture, as the detector's boxes do. */
typedef struct ssfer_facemix_box {
    int32_t v[4];
} ssfer_facemix_box;

/* What the released code assumes where not exactly one face is found, for pictures of 224 pixels. */
extern const ssfer_facemix_box SSFER_FACEMIX_DEFAULT_BOX; /* 25, 25, 220, 220 */

/* The box of a picture from what the detector found in it: `boxes` holds `count` times four numbers. Exactly one face:
 * its box, each number v becoming int(v + 0.5) truncated towards zero (so -7.8 is -7); otherwise `otherwise`.
 * A number that is not finite, or beyond +-2^30, counts as no face. */
ssfer_facemix_box ssfer_facemix_box_of(const float *boxes, size_t count, ssfer_facemix_box otherwise);

/* Intersection over union, 0 where the boxes only touch or one has no area. */
float ssfer_facemix_overlap(ssfer_facemix_box a, ssfer_facemix_box b);

/* iou[i] of boxes i and B-1-i, for all B pictures. In an odd batch the picture in the middle is its own partner: its
 * IoU is 1, since a picture mixed with itself is itself. (The released code cannot take odd batches.) */
void ssfer_facemix_overlaps(float *iou, const ssfer_facemix_box *boxes, size_t batch);

#endif
