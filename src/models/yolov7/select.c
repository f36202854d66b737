#include "models/yolov7/select.h"

#include "base/memory.h"
#include "base/size.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    BLOCK = SSFER_CONV_BLOCK,
    MAX_CANDIDATES = 30000 /* the reference's max_nms */
};

/* ---- decoding ---- */

void ssfer_yolo_rows_deinit(ssfer_yolo_rows *rows)
{
    ssfer_free(rows->data);
    *rows = (ssfer_yolo_rows){0};
}

static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}

/* The raw outputs of one level: channel c of the concatenation of box and keypoint channels. */
typedef struct level_view {
    const float *box, *keypoints;
    size_t box_channels, keypoints_first, width, pixels;
} level_view;

static float raw(const level_view *v, size_t channel, size_t pixel)
{
    const float *from = v->box;
    if (channel >= v->box_channels) {
        from = v->keypoints;
        channel = channel - v->box_channels + v->keypoints_first;
    }
    return from[(channel / BLOCK * v->pixels + pixel) * BLOCK + channel % BLOCK];
}

static void decode_row(float *row, const ssfer_yolo *net, const ssfer_yolo_level *level, const level_view *v,
                       size_t anchor, size_t pixel)
{
    float stride = (float)level->stride, x = (float)(pixel % v->width), y = (float)(pixel / v->width);
    size_t first = anchor * net->values, boxes = 5 + net->classes;
    for (size_t k = 0; k < boxes; k++)
        row[k] = sigmoid(raw(v, first + k, pixel));
    row[0] = (row[0] * 2.0f - 0.5f + x) * stride;
    row[1] = (row[1] * 2.0f - 0.5f + y) * stride;
    for (size_t k = 0; k < 2; k++) {
        float twice = row[2 + k] * 2.0f;
        row[2 + k] = twice * twice * level->anchors[anchor][k];
    }
    for (size_t k = boxes; k < net->values; k += 3) {
        row[k] = (raw(v, first + k, pixel) * 2.0f - 0.5f + x) * stride;
        row[k + 1] = (raw(v, first + k + 1, pixel) * 2.0f - 0.5f + y) * stride;
        row[k + 2] = sigmoid(raw(v, first + k + 2, pixel));
    }
}

static ssfer_status decode_anchor(ssfer_yolo_rows *rows, const ssfer_yolo *net, const ssfer_yolo_level *level,
                                  const level_view *v, size_t anchor, float threshold, ssfer_error *err)
{
    for (size_t p = 0; p < v->pixels; p++) {
        if (threshold >= 0 && !(sigmoid(raw(v, anchor * net->values + 4, p)) > threshold))
            continue;
        if (ssfer_reserve((void **)&rows->data, &rows->capacity, (rows->count + 1) * net->values, sizeof *rows->data))
            return ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory for %zu candidates", rows->count);
        decode_row(rows->data + rows->count++ * net->values, net, level, v, anchor, p);
    }
    return SSFER_OK;
}

ssfer_status ssfer_yolo_decode(ssfer_yolo_rows *rows, const ssfer_yolo *net, const ssfer_conv_plan *plan,
                               const ssfer_conv_workspace *workspace, float threshold, ssfer_error *err)
{
    ssfer_status st = SSFER_OK;
    rows->count = 0;
    rows->values = net->values;
    for (size_t i = 0; i < net->level_count && st == SSFER_OK; i++) {
        const ssfer_yolo_level *level = &net->levels[i];
        size_t height = ssfer_conv_plan_height(plan, level->box), width = ssfer_conv_plan_width(plan, level->box);
        const level_view v = {.box = ssfer_conv_workspace_value(workspace, level->box),
                              .keypoints = ssfer_conv_workspace_value(workspace, level->keypoints),
                              .box_channels = level->anchor_count * (5 + net->classes),
                              .keypoints_first = level->keypoints_channel,
                              .width = width,
                              .pixels = height * width};
        for (size_t a = 0; a < level->anchor_count && st == SSFER_OK; a++)
            st = decode_anchor(rows, net, level, &v, a, threshold, err);
    }
    return st;
}

/* ---- suppression ---- */

static int by_confidence(const void *a, const void *b)
{
    const ssfer_yolo_pick *x = a, *y = b;
    if (x->confidence != y->confidence)
        return x->confidence < y->confidence ? 1 : -1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool candidate(ssfer_yolo_pick *pick, const float *row, size_t index, size_t classes, float threshold)
{
    size_t best = 0;
    for (size_t k = 1; k < classes; k++)
        if (row[5 + k] > row[5 + best])
            best = k;
    float confidence = row[5 + best] * row[4];
    if (!(row[4] > threshold) || !(confidence > threshold)) /* NaN is no face */
        return false;
    *pick = (ssfer_yolo_pick){.confidence = confidence, .row = index, .class = best};
    for (size_t k = 0; k < 2; k++) {
        pick->box[k] = row[k] - row[2 + k] / 2;
        pick->box[2 + k] = row[k] + row[2 + k] / 2;
    }
    return true;
}

static float area(const float b[4])
{
    return (b[2] - b[0]) * (b[3] - b[1]);
}

static float overlap(const float a[4], const float b[4])
{
    float w = fmaxf(0.0f, fminf(a[2], b[2]) - fmaxf(a[0], b[0]));
    float h = fmaxf(0.0f, fminf(a[3], b[3]) - fmaxf(a[1], b[1]));
    float both = w * h;
    return both / (area(a) + area(b) - both);
}

/* Keeps the picks that no earlier kept one overlaps; they move to the front. Returns how many. */
static size_t suppress(ssfer_yolo_pick *picks, size_t count, double iou)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool free_standing = true;
        for (size_t k = 0; k < kept && free_standing; k++)
            free_standing = !((double)overlap(picks[k].box, picks[i].box) > iou);
        if (free_standing)
            picks[kept++] = picks[i];
    }
    return kept;
}

ssfer_status ssfer_yolo_select(ssfer_yolo_pick **picks, size_t *count, const float *rows, size_t row_count,
                               size_t values, size_t classes, float confidence, double iou, ssfer_error *err)
{
    ssfer_yolo_pick *found = ssfer_malloc(row_count * sizeof *found);
    size_t n = 0;
    if (!found)
        return ssfer_fail(err, SSFER_ERR_MEMORY, "detector: out of memory for %zu candidates", row_count);
    for (size_t i = 0; i < row_count; i++)
        n += candidate(&found[n], rows + i * values, i, classes, confidence);
    if (n > 1)
        qsort(found, n, sizeof *found, by_confidence);
    *count = suppress(found, ssfer_min_size(n, MAX_CANDIDATES), iou);
    *picks = found;
    return SSFER_OK;
}
