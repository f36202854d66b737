#include "image/letterbox.h"

#include "base/memory.h"
#include "base/size.h"

#include <math.h>
#include <string.h>

/* ---- sizes ---- */

static size_t rounded(double v)
{
    return (size_t)nearbyint(v); /* half to even, like Python's round */
}

ssfer_letterbox ssfer_letterbox_plan(size_t width, size_t height, size_t size, size_t stride, bool rectangle)
{
    double r = fmin((double)size / (double)height, (double)size / (double)width);
    ssfer_letterbox box = {.gain = r};
    box.resized_width = ssfer_max_size(rounded((double)width * r), 1);
    box.resized_height = ssfer_max_size(rounded((double)height * r), 1);
    size_t dw = size - box.resized_width, dh = size - box.resized_height;
    if (rectangle) {
        dw %= stride;
        dh %= stride;
    }
    box.width = box.resized_width + dw;
    box.height = box.resized_height + dh;
    /* the reference rounds half a pixel less than half of it on one side and more on the other */
    box.left = dw ? rounded((double)dw / 2 - 0.1) : 0;
    box.top = dh ? rounded((double)dh / 2 - 0.1) : 0;
    /* the way back uses the gain of the final sizes and padding that is not rounded */
    box.gain = fmin((double)box.height / (double)height, (double)box.width / (double)width);
    box.pad_x = ((double)box.width - (double)width * box.gain) / 2;
    box.pad_y = ((double)box.height - (double)height * box.gain) / 2;
    return box;
}

void ssfer_letterbox_back(float *points, size_t count, size_t step, const ssfer_letterbox *box, size_t width,
                          size_t height, bool clip)
{
    float gain = (float)box->gain, pad_x = (float)box->pad_x, pad_y = (float)box->pad_y;
    for (size_t i = 0; i < count; i++) {
        float *p = points + i * step;
        p[0] = (p[0] - pad_x) / gain;
        p[1] = (p[1] - pad_y) / gain;
        if (clip) {
            p[0] = fminf(fmaxf(p[0], 0.0f), (float)width);
            p[1] = fminf(fmaxf(p[1], 0.0f), (float)height);
        }
    }
}

/* ---- OpenCV's bilinear resize ---- */

enum { WEIGHT_BITS = 11, WEIGHT_ONE = 1 << WEIGHT_BITS };

/* For every output position: the two source positions and their weights. Beyond the border OpenCV repeats the last
 * pixel in both directions, but only horizontally gives it the whole weight; vertically the weights stay split, which
 * rounds differently. */
typedef struct axis {
    uint32_t *first, *second;
    int32_t *w0, *w1;
} axis;

static void axis_free(axis *a)
{
    ssfer_free(a->first); /* one block */
    *a = (axis){0};
}

static bool axis_make(axis *a, size_t in, size_t out, bool horizontal)
{
    uint32_t *block = ssfer_malloc(out * 4 * sizeof *block);
    if (!block)
        return false;
    *a = (axis){block, block + out, (int32_t *)(block + 2 * out), (int32_t *)(block + 3 * out)};
    double scale = 1.0 / ((double)out / (double)in); /* in this form: OpenCV has the inverse and inverts it */
    for (size_t i = 0; i < out; i++) {
        float at = (float)(((double)i + 0.5) * scale - 0.5);
        float whole = floorf(at), part = at - whole;
        bool before = whole < 0, behind = !before && (size_t)whole >= in - 1;
        size_t position = before ? 0 : behind ? in - 1 : (size_t)whole;
        if (horizontal && (before || behind))
            part = 0;
        a->first[i] = (uint32_t)position;
        a->second[i] = (uint32_t)(before ? 0 : ssfer_min_size(position + 1, in - 1));
        a->w0[i] = (int32_t)nearbyintf((1.0f - part) * WEIGHT_ONE);
        a->w1[i] = (int32_t)nearbyintf(part * WEIGHT_ONE);
    }
    return true;
}

/* One source row, weighted horizontally: 3 values a pixel. */
static void weigh_row(int32_t *restrict out, const uint8_t *restrict row, const axis *x, size_t width)
{
    for (size_t i = 0; i < width; i++) {
        const uint8_t *a = row + 3 * (size_t)x->first[i], *b = row + 3 * (size_t)x->second[i];
        for (size_t c = 0; c < 3; c++)
            out[3 * i + c] = a[c] * x->w0[i] + b[c] * x->w1[i];
    }
}

static void blend_rows(uint8_t *restrict out, const int32_t *restrict h0, const int32_t *restrict h1, int32_t b0,
                       int32_t b1, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t v = (((b0 * (h0[i] >> 4)) >> 16) + ((b1 * (h1[i] >> 4)) >> 16) + 2) >> 2;
        out[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

/* Rows of sums are kept for the two source rows in use: each is weighted once when shrinking or enlarging. */
static void resize_rows(ssfer_image *out, const ssfer_image *in, const axis *x, const axis *y, int32_t *sums)
{
    size_t count = 3 * out->width, held[2] = {SIZE_MAX, SIZE_MAX};
    int32_t *row[2] = {sums, sums + count};
    for (size_t i = 0; i < out->height; i++) {
        const size_t wanted[2] = {y->first[i], y->second[i]};
        if (held[1] == wanted[0]) { /* the lower row of the last pair is the upper one of this */
            int32_t *swap = row[0];
            row[0] = row[1];
            row[1] = swap;
            held[1] = held[0];
            held[0] = wanted[0];
        }
        for (size_t k = 0; k < 2; k++)
            if (held[k] != wanted[k]) {
                weigh_row(row[k], in->data + wanted[k] * in->width * 3, x, out->width);
                held[k] = wanted[k];
            }
        blend_rows(out->data + i * count, row[0], row[1], y->w0[i], y->w1[i], count);
    }
}

ssfer_status ssfer_image_resize_opencv(ssfer_image *out, const ssfer_image *in, size_t width, size_t height,
                                       ssfer_error *err)
{
    axis x = {0}, y = {0};
    *out = (ssfer_image){0};
    if (!in->width || !in->height || in->width > UINT32_MAX || in->height > UINT32_MAX)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "resize: a picture of %zux%zu", in->width, in->height);
    ssfer_status st = ssfer_image_create(out, width, height, err);
    if (st != SSFER_OK)
        return st;
    int32_t *sums = ssfer_malloc(2 * 3 * width * sizeof *sums);
    if (sums && axis_make(&x, in->width, width, true) && axis_make(&y, in->height, height, false))
        resize_rows(out, in, &x, &y, sums);
    else {
        st = ssfer_fail(err, SSFER_ERR_MEMORY, "resize: out of memory");
        ssfer_image_deinit(out);
    }
    axis_free(&x);
    axis_free(&y);
    ssfer_free(sums);
    return st;
}

/* ---- planes ---- */

ssfer_status ssfer_letterbox_planes(float *planes, const ssfer_image *image, const ssfer_letterbox *box,
                                    ssfer_error *err)
{
    ssfer_image resized = {0};
    const ssfer_image *from = image;
    if (image->width != box->resized_width || image->height != box->resized_height) {
        ssfer_status st = ssfer_image_resize_opencv(&resized, image, box->resized_width, box->resized_height, err);
        if (st != SSFER_OK)
            return st;
        from = &resized;
    }
    size_t pixels = box->width * box->height;
    const float gray = SSFER_LETTERBOX_GRAY / 255.0f;
    bool padded = box->width != from->width || box->height != from->height;
    for (size_t i = 0; padded && i < 3 * pixels; i++)
        planes[i] = gray;
    float unit[256]; /* the quotient, not a product with 1/255, which rounds differently */
    for (int i = 0; i < 256; i++)
        unit[i] = (float)i / 255.0f;
    for (size_t y = 0; y < from->height; y++) {
        const uint8_t *row = from->data + y * from->width * 3;
        float *to = planes + (box->top + y) * box->width + box->left;
        for (size_t x = 0; x < from->width; x++)
            for (size_t c = 0; c < 3; c++)
                to[c * pixels + x] = unit[row[3 * x + c]];
    }
    ssfer_image_deinit(&resized);
    return SSFER_OK;
}
