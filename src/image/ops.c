#include "image/ops.h"

#include "base/simd_clones.h"
#include "image/affine.h"

#include <math.h>
#include <string.h>

/* --- magnitudes, 0..10, or above for stronger than usual --- */

static double negated(double value, bool negate)
{
    return negate ? -value : value;
}

static double rotate_argument(double magnitude, bool negate)
{
    return negated(magnitude / 10.0 * 30.0, negate);
}

static double shear_argument(double magnitude, bool negate)
{
    return negated(magnitude / 10.0 * 0.3, negate);
}

static double translate_argument(double magnitude, bool negate)
{
    return negated(magnitude / 10.0 * 0.45, negate);
}

static double enhance_argument(double magnitude, bool negate)
{
    (void)negate;
    return magnitude / 10.0 * 1.8 + 0.1;
}

/* The effect grows with the magnitude, in either direction from 1, "as it was". */
static double enhance_increasing_argument(double magnitude, bool negate)
{
    return fmax(0.1, 1.0 + negated(magnitude / 10.0 * 0.9, negate));
}

static double posterize_argument(double magnitude, bool negate)
{
    (void)negate;
    return trunc(magnitude / 10.0 * 4.0);
}

static double posterize_increasing_argument(double magnitude, bool negate)
{
    return 4.0 - posterize_argument(magnitude, negate);
}

static double solarize_argument(double magnitude, bool negate)
{
    (void)negate;
    return fmin(256.0, trunc(magnitude / 10.0 * 256.0));
}

static double solarize_increasing_argument(double magnitude, bool negate)
{
    return 256.0 - solarize_argument(magnitude, negate);
}

static double solarize_add_argument(double magnitude, bool negate)
{
    (void)negate;
    return fmin(128.0, trunc(magnitude / 10.0 * 110.0));
}

/* --- one table of 256 values a channel --- */

typedef struct tables {
    uint8_t to[3][256];
} tables;

static size_t bytes_of(const ssfer_image *image)
{
    return 3 * image->width * image->height;
}

static void look_up(ssfer_image *image, const tables *t)
{
    uint8_t *p = image->data, *end = p + bytes_of(image);
    for (; p < end; p += 3) {
        p[0] = t->to[0][p[0]];
        p[1] = t->to[1][p[1]];
        p[2] = t->to[2][p[2]];
    }
}

static void count_values(size_t histogram[3][256], const ssfer_image *image)
{
    memset(histogram, 0, 3 * sizeof *histogram);
    const uint8_t *p = image->data, *end = p + bytes_of(image);
    for (; p < end; p += 3) {
        histogram[0][p[0]]++;
        histogram[1][p[1]]++;
        histogram[2][p[2]]++;
    }
}

static void identity(uint8_t to[256])
{
    for (int i = 0; i < 256; i++)
        to[i] = (uint8_t)i;
}

static void auto_contrast(ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3])
{
    (void)scratch, (void)argument, (void)fill;
    size_t histogram[3][256];
    tables t;
    count_values(histogram, image);
    for (int c = 0; c < 3; c++) {
        int lo = 0, hi = 255;
        while (lo < 255 && !histogram[c][lo])
            lo++;
        while (hi > 0 && !histogram[c][hi])
            hi--;
        /* cppcheck-suppress uninitvar ; this is what sets it */
        identity(t.to[c]);
        double scale = hi > lo ? 255.0 / (hi - lo) : 0.0, offset = -lo * scale;
        for (int i = lo; hi > lo && i <= hi; i++) {
            int value = (int)(i * scale + offset);
            t.to[c][i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
    look_up(image, &t);
}

static void equalize(ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3])
{
    (void)scratch, (void)argument, (void)fill;
    size_t histogram[3][256];
    tables t;
    count_values(histogram, image);
    for (int c = 0; c < 3; c++) {
        int last = 255;
        while (last > 0 && !histogram[c][last])
            last--;
        /* One occupied value leaves a step of 0, like any picture too small to fill the range. */
        size_t step = (image->width * image->height - histogram[c][last]) / 255, n = step / 2;
        /* cppcheck-suppress uninitvar ; this is what sets it */
        identity(t.to[c]);
        for (int i = 0; step && i <= last; i++) {
            t.to[c][i] = (uint8_t)(n / step > 255 ? 255 : n / step);
            n += histogram[c][i];
        }
    }
    look_up(image, &t);
}

#define SIMD_OP(name)                                                                                                  \
    SIMD_CLONES(void, name, (ssfer_image * image, uint8_t * scratch, double argument, const uint8_t fill[3]),          \
                (image, scratch, argument, fill))

SIMD_BODY void invert_body(ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3])
{
    (void)scratch, (void)argument, (void)fill;
    uint8_t *p = image->data;
    for (size_t i = 0, n = bytes_of(image); i < n; i++)
        p[i] = (uint8_t)(255 - p[i]);
}
SIMD_OP(invert)

static int clamped(double argument, int lo, int hi)
{
    return argument <= lo ? lo : argument >= hi ? hi : (int)argument;
}

SIMD_BODY void posterize_body(ssfer_image *image, uint8_t *scratch, double bits, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    uint8_t mask = (uint8_t)(0xFF00u >> clamped(bits, 0, 8));
    uint8_t *p = image->data;
    for (size_t i = 0, n = bytes_of(image); i < n; i++)
        p[i] &= mask;
}
SIMD_OP(posterize)

SIMD_BODY void solarize_body(ssfer_image *image, uint8_t *scratch, double threshold, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    int limit = clamped(ceil(threshold), 0, 256);
    uint8_t *p = image->data;
    for (size_t i = 0, n = bytes_of(image); i < n; i++)
        p[i] = (uint8_t)(p[i] < limit ? p[i] : 255 - p[i]);
}
SIMD_OP(solarize)

SIMD_BODY void solarize_add_body(ssfer_image *image, uint8_t *scratch, double add, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    int more = clamped(add, 0, 255);
    uint8_t *p = image->data;
    for (size_t i = 0, n = bytes_of(image); i < n; i++) {
        int sum = p[i] + more > 255 ? 255 : p[i] + more;
        p[i] = (uint8_t)(p[i] < 128 ? sum : p[i]);
    }
}
SIMD_OP(solarize_add)

/* --- blends: away from (factor > 1) or towards (factor < 1) a dull version of the picture --- */

SIMD_BODY uint8_t blend(uint8_t dull, uint8_t pixel, float factor)
{
    float value = (float)dull + factor * (float)(pixel - dull); /* Pillow computes in float32 and truncates */
    return (uint8_t)(value <= 0.0f ? 0.0f : value >= 255.0f ? 255.0f : value);
}

SIMD_BODY uint8_t luma(const uint8_t *p) /* ITU-R BT.601 in 16-bit fixed point */
{
    return (uint8_t)((19595u * p[0] + 38470u * p[1] + 7471u * p[2] + 32768u) >> 16);
}

SIMD_BODY void color_body(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    uint8_t *p = image->data, *end = p + bytes_of(image);
    for (; p < end; p += 3) {
        uint8_t gray = luma(p);
        for (int c = 0; c < 3; c++)
            p[c] = blend(gray, p[c], (float)factor);
    }
}
SIMD_OP(color)

SIMD_BODY void contrast_body(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    uint64_t sum = 0;
    uint8_t *p = image->data;
    size_t pixels = image->width * image->height;
    for (size_t i = 0; i < pixels; i++)
        sum += luma(p + 3 * i);
    uint8_t mean = (uint8_t)((double)sum / (double)pixels + 0.5);
    for (size_t i = 0; i < 3 * pixels; i++)
        p[i] = blend(mean, p[i], (float)factor);
}
SIMD_OP(contrast)

SIMD_BODY void brightness_body(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    (void)scratch, (void)fill;
    uint8_t *p = image->data;
    for (size_t i = 0, n = bytes_of(image); i < n; i++)
        p[i] = blend(0, p[i], (float)factor);
}
SIMD_OP(brightness)

/* The dull version is the picture smoothed by [1 1 1; 1 5 1; 1 1 1] / 13; its border row and columns stay. */
SIMD_BODY void sharpness_body(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    (void)fill;
    size_t stride = 3 * image->width;
    if (image->width < 3 || image->height < 3)
        return;
    memcpy(scratch, image->data, bytes_of(image));
    for (size_t y = 1; y + 1 < image->height; y++) {
        const uint8_t *above = scratch + (y - 1) * stride, *row = above + stride, *below = row + stride;
        uint8_t *out = image->data + y * stride;
        for (size_t i = 3; i + 3 < stride; i++) {
            int sum = above[i - 3] + above[i] + above[i + 3] + row[i - 3] + 5 * row[i] + row[i + 3] + below[i - 3] +
                      below[i] + below[i + 3];
            uint8_t smooth = (uint8_t)((2 * sum + 13) / 26); /* rounded; there are no ties, 13 being odd */
            out[i] = blend(smooth, row[i], (float)factor);
        }
    }
}
SIMD_OP(sharpness)

/* --- geometry --- */

static void shear_x(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    ssfer_affine_apply(image, scratch, (ssfer_affine){1.0, factor, 0.0, 0.0, 1.0, 0.0}, fill);
}

static void shear_y(ssfer_image *image, uint8_t *scratch, double factor, const uint8_t fill[3])
{
    ssfer_affine_apply(image, scratch, (ssfer_affine){1.0, 0.0, 0.0, factor, 1.0, 0.0}, fill);
}

static void translate_x(ssfer_image *image, uint8_t *scratch, double share, const uint8_t fill[3])
{
    ssfer_affine_apply(image, scratch, (ssfer_affine){1.0, 0.0, share * (double)image->width, 0.0, 1.0, 0.0}, fill);
}

static void translate_y(ssfer_image *image, uint8_t *scratch, double share, const uint8_t fill[3])
{
    ssfer_affine_apply(image, scratch, (ssfer_affine){1.0, 0.0, 0.0, 0.0, 1.0, share * (double)image->height}, fill);
}

static double round_15_decimals(double x)
{
    return (double)(rintl((long double)x * 1e15L) / 1e15L);
}

static void turn_half(ssfer_image *image)
{
    uint8_t *a = image->data, *b = a + bytes_of(image) - 3;
    for (; a < b; a += 3, b -= 3)
        for (int c = 0; c < 3; c++) {
            uint8_t kept = a[c];
            a[c] = b[c];
            b[c] = kept;
        }
}

static void rotate(ssfer_image *image, uint8_t *scratch, double degrees, const uint8_t fill[3])
{
    double angle = fmod(degrees, 360.0), cx = (double)image->width / 2.0, cy = (double)image->height / 2.0;
    if (angle < 0.0)
        angle += 360.0;
    if (angle == 0.0)
        return;
    if (angle == 180.0) { /* Pillow moves the pixels here; quarter turns, too, come out as moves, by the filter */
        turn_half(image);
        return;
    }
    double radians = -angle * (M_PI / 180.0);
    ssfer_affine m = {.a = round_15_decimals(cos(radians)), .b = round_15_decimals(sin(radians))};
    m.d = -m.b;
    m.e = m.a;
    m.c = m.a * -cx + m.b * -cy + cx;
    m.f = m.d * -cx + m.e * -cy + cy;
    ssfer_affine_apply(image, scratch, m, fill);
}

/* --- the table --- */

static const ssfer_op ops[] = {
    {"AutoContrast", NULL, false, auto_contrast},
    {"Equalize", NULL, false, equalize},
    {"Invert", NULL, false, invert},
    {"Rotate", rotate_argument, true, rotate},
    {"Posterize", posterize_argument, false, posterize},
    {"PosterizeIncreasing", posterize_increasing_argument, false, posterize},
    {"Solarize", solarize_argument, false, solarize},
    {"SolarizeIncreasing", solarize_increasing_argument, false, solarize},
    {"SolarizeAdd", solarize_add_argument, false, solarize_add},
    {"Color", enhance_argument, false, color},
    {"ColorIncreasing", enhance_increasing_argument, true, color},
    {"Contrast", enhance_argument, false, contrast},
    {"ContrastIncreasing", enhance_increasing_argument, true, contrast},
    {"Brightness", enhance_argument, false, brightness},
    {"BrightnessIncreasing", enhance_increasing_argument, true, brightness},
    {"Sharpness", enhance_argument, false, sharpness},
    {"SharpnessIncreasing", enhance_increasing_argument, true, sharpness},
    {"ShearX", shear_argument, true, shear_x},
    {"ShearY", shear_argument, true, shear_y},
    {"TranslateXRel", translate_argument, true, translate_x},
    {"TranslateYRel", translate_argument, true, translate_y},
};

const ssfer_op *ssfer_op_at(size_t i)
{
    return i < sizeof ops / sizeof *ops ? &ops[i] : NULL;
}

const ssfer_op *ssfer_op_find(const char *name)
{
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}

double ssfer_op_argument_up_to(const ssfer_op *op, double magnitude, double most, bool negate)
{
    const double limit = fmin(most, SSFER_OP_MAX_MAGNITUDE);
    return op->argument ? op->argument(fmin(fmax(magnitude, 0.0), limit), negate) : 0.0;
}

double ssfer_op_argument(const ssfer_op *op, double magnitude, bool negate)
{
    return ssfer_op_argument_up_to(op, magnitude, 10.0, negate);
}

void ssfer_op_apply(const ssfer_op *op, ssfer_image *image, uint8_t *scratch, double argument, const uint8_t fill[3])
{
    if (!isnan(argument))
        op->apply(image, scratch, argument, fill);
}
