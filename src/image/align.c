#include "image/align.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

/* ---- transforms ---- */

bool ssfer_similarity_fit(ssfer_affine *out, const double (*from)[2], const double (*to)[2], size_t count)
{
    double mx = 0, my = 0, ux = 0, uy = 0, along = 0, across = 0, spread = 0;
    if (count < 2)
        return false;
    for (size_t i = 0; i < count; i++) {
        mx += from[i][0] / (double)count;
        my += from[i][1] / (double)count;
        ux += to[i][0] / (double)count;
        uy += to[i][1] / (double)count;
    }
    for (size_t i = 0; i < count; i++) {
        double x = from[i][0] - mx, y = from[i][1] - my, u = to[i][0] - ux, v = to[i][1] - uy;
        along += x * u + y * v;
        across += x * v - y * u;
        spread += x * x + y * y;
    }
    /* In the plane the least-squares rotation and scale are one complex number: sum(conj(p) q) / sum(|p|^2). */
    double c = along / spread, s = across / spread;
    if (!(spread > 0) || !isfinite(c) || !isfinite(s) || (c == 0 && s == 0) || !isfinite(ux) || !isfinite(uy))
        return false;
    *out = (ssfer_affine){{c, -s, ux - c * mx + s * my, s, c, uy - s * mx - c * my}};
    return true;
}

bool ssfer_affine_invert(ssfer_affine *out, const ssfer_affine *a)
{
    const double *m = a->m;
    double det = m[0] * m[4] - m[1] * m[3];
    if (!isfinite(1 / det) || det == 0)
        return false;
    *out = (ssfer_affine){{m[4] / det, -m[1] / det, (m[1] * m[5] - m[4] * m[2]) / det, -m[3] / det, m[0] / det,
                           (m[3] * m[2] - m[0] * m[5]) / det}};
    return true;
}

/* ---- warping ---- */

/* Sum of the four neighbours of a position, weighted. */
static void sample(double sum[3], const ssfer_image *in, double x, double y)
{
    x = fmin(fmax(x - 0.5, 0), (double)(in->width - 1)); /* pixel centres at 0.5; the border continues */
    y = fmin(fmax(y - 0.5, 0), (double)(in->height - 1));
    size_t x0 = (size_t)x, y0 = (size_t)y, x1 = ssfer_min_size(x0 + 1, in->width - 1);
    size_t y1 = ssfer_min_size(y0 + 1, in->height - 1);
    double fx = x - (double)x0, fy = y - (double)y0;
    const uint8_t *a = in->data + (y0 * in->width + x0) * 3, *b = in->data + (y0 * in->width + x1) * 3;
    const uint8_t *c = in->data + (y1 * in->width + x0) * 3, *d = in->data + (y1 * in->width + x1) * 3;
    for (int k = 0; k < 3; k++)
        sum[k] += (1 - fy) * ((1 - fx) * a[k] + fx * b[k]) + fy * ((1 - fx) * c[k] + fx * d[k]);
}

static size_t samples(double scale)
{
    return scale > 1 ? (size_t)ceil(fmin(scale, 16)) : 1;
}

static void warp_pixel(uint8_t out[3], const ssfer_image *in, const ssfer_affine *a, size_t px, size_t py, size_t nx,
                       size_t ny)
{
    double sum[3] = {0};
    for (size_t j = 0; j < ny; j++)
        for (size_t i = 0; i < nx; i++) {
            double x = (double)px + ((double)i + 0.5) / (double)nx, y = (double)py + ((double)j + 0.5) / (double)ny;
            sample(sum, in, a->m[0] * x + a->m[1] * y + a->m[2], a->m[3] * x + a->m[4] * y + a->m[5]);
        }
    for (int k = 0; k < 3; k++)
        out[k] = (uint8_t)(sum[k] / (double)(nx * ny) + 0.5);
}

ssfer_status ssfer_image_warp(ssfer_image *out, const ssfer_image *in, const ssfer_affine *a, size_t width,
                              size_t height, ssfer_error *err)
{
    *out = (ssfer_image){0};
    if (!in->width || !in->height || !width || !height)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "warp: from %zux%zu to %zux%zu pixels", in->width, in->height, width,
                          height);
    for (int i = 0; i < 6; i++)
        if (!isfinite(a->m[i]))
            return ssfer_fail(err, SSFER_ERR_NUMERIC, "warp: the transform is not finite");
    ssfer_status st = ssfer_image_create(out, width, height, err);
    if (st != SSFER_OK)
        return st;
    size_t nx = samples(hypot(a->m[0], a->m[3])), ny = samples(hypot(a->m[1], a->m[4]));
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            warp_pixel(out->data + (y * width + x) * 3, in, a, x, y, nx, ny);
    return SSFER_OK;
}

/* ---- squares ---- */

/* A position as a whole number within +-2^30; NaN becomes 0. */
static long whole(double v)
{
    /* cppcheck-suppress incorrectLogicOperator ; it misreads the hexadecimal numbers */
    return v > -0x1p30 && v < 0x1p30 ? lrint(v) : v >= 0x1p30 ? 1L << 30 : v <= -0x1p30 ? -(1L << 30) : 0;
}

ssfer_square ssfer_square_around(const float box[4], double margin)
{
    double w = (double)box[2] - (double)box[0], h = (double)box[3] - (double)box[1];
    double side = fmax(nearbyint(fmax(w, h) * (1 + 2 * margin)), 1);
    long length = side >= 1 ? whole(side) : 1;
    return (ssfer_square){.left = whole(((double)box[0] + (double)box[2] - (double)length) / 2),
                          .top = whole(((double)box[1] + (double)box[3] - (double)length) / 2),
                          .side = (size_t)length};
}

static size_t clamped(long v, size_t size)
{
    return v < 0 ? 0 : (size_t)v >= size ? size - 1 : (size_t)v;
}

ssfer_status ssfer_image_cut_square(ssfer_image *out, const ssfer_image *in, ssfer_square square, ssfer_error *err)
{
    enum { MOST = 65536 };
    *out = (ssfer_image){0};
    if (!in->width || !in->height || !square.side)
        return ssfer_fail(err, SSFER_ERR_ARGUMENT, "crop: %zu pixels a side of a picture of %zux%zu", square.side,
                          in->width, in->height);
    if (square.side > MOST)
        return ssfer_fail(err, SSFER_ERR_LIMIT, "crop: %zu pixels a side; at most %d", square.side, MOST);
    ssfer_status st = ssfer_image_create(out, square.side, square.side, err);
    if (st != SSFER_OK)
        return st;
    for (size_t y = 0; y < square.side; y++) {
        const uint8_t *row = in->data + clamped(square.top + (long)y, in->height) * in->width * 3;
        uint8_t *to = out->data + y * square.side * 3;
        for (size_t x = 0; x < square.side; x++)
            memcpy(to + 3 * x, row + 3 * clamped(square.left + (long)x, in->width), 3);
    }
    return SSFER_OK;
}

/* ---- upright faces ---- */

/* Where the points of an average upright face lie in a unit square that just holds it, as face recognition crops it. */
static const double canonical[5][2] = {{0.342, 0.461}, {0.658, 0.461}, {0.500, 0.640}, {0.370, 0.824}, {0.630, 0.824}};

ssfer_status ssfer_image_align_face(ssfer_image *out, const ssfer_image *in, const float keypoints[5][3], size_t size,
                                    double margin, ssfer_error *err)
{
    double from[5][2], to[5][2], zoom = (double)size / (1 + 2 * margin);
    ssfer_affine a;
    *out = (ssfer_image){0};
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < 2; k++) {
            from[i][k] = (canonical[i][k] + margin) * zoom;
            to[i][k] = (double)keypoints[i][k];
        }
    if (!ssfer_similarity_fit(&a, (const double(*)[2])from, (const double(*)[2])to, 5))
        return ssfer_fail(err, SSFER_ERR_NUMERIC, "align: the keypoints of the face define no direction");
    return ssfer_image_warp(out, in, &a, size, size, err);
}
