#include "data/facemix_iou.h"

#include <math.h>

const ssfer_facemix_box SSFER_FACEMIX_DEFAULT_BOX = {{25, 25, 220, 220}};

ssfer_facemix_box ssfer_facemix_box_of(const float *boxes, size_t count, ssfer_facemix_box otherwise)
{
    ssfer_facemix_box box;
    if (count != 1)
        return otherwise;
    for (int k = 0; k < 4; k++) {
        double v = (double)boxes[k] + 0.5;
        if (!(fabs(v) <= 0x1p30))
            return otherwise;
        box.v[k] = (int32_t)v; /* towards zero, as Python's int */
    }
    return box;
}

static int64_t area(ssfer_facemix_box b)
{
    return ((int64_t)b.v[2] - b.v[0]) * ((int64_t)b.v[3] - b.v[1]);
}

float ssfer_facemix_overlap(ssfer_facemix_box a, ssfer_facemix_box b)
{
    int64_t left = a.v[0] > b.v[0] ? a.v[0] : b.v[0], right = a.v[2] < b.v[2] ? a.v[2] : b.v[2];
    int64_t top = a.v[1] > b.v[1] ? a.v[1] : b.v[1], bottom = a.v[3] < b.v[3] ? a.v[3] : b.v[3];
    if (right <= left || bottom <= top)
        return 0;
    int64_t both = (right - left) * (bottom - top);
    return (float)((double)both / ((double)area(a) + (double)area(b) - (double)both));
}

void ssfer_facemix_overlaps(float *iou, const ssfer_facemix_box *boxes, size_t batch)
{
    for (size_t i = 0; i < batch; i++)
        iou[i] = 2 * i + 1 == batch ? 1.0f : ssfer_facemix_overlap(boxes[i], boxes[batch - 1 - i]);
}
