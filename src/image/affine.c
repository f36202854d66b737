#include "image/affine.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#if defined(__x86_64__) && !defined(SSFER_NO_SIMD_CLONES)
#    define WITH_AVX2
#    include <immintrin.h>
#endif

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* The cubic through four samples at t in [0, 1) between the second and the third; coefficients in Pillow's form. */
#define CUBIC(v1, v2, v3, v4, t)                                                                                       \
    ((v2) + (t) * (((v3) - (v1)) + (t) * ((2.0 * ((v1) - (v2)) + (v3) - (v4)) + (t) * ((v2) - (v1) + (v4) - (v3)))))

/* Where a sample lies: the first of its 4 x 4 pixels, and the place between the second and the third. */
typedef struct place {
    ptrdiff_t x, y;
    double tx, ty;
} place;

ALWAYS_INLINE ptrdiff_t floor_of(double x) /* floor() is a call where the processor's baseline lacks it */
{
    ptrdiff_t i = (ptrdiff_t)x;
    return x < (double)i ? i - 1 : i;
}

ALWAYS_INLINE place place_at(double x, double y)
{
    ptrdiff_t left = floor_of(x - 0.5), top = floor_of(y - 0.5);
    return (place){left - 1, top - 1, x - 0.5 - (double)left, y - 0.5 - (double)top};
}

/* The whole picture, `stride` bytes from row to row. */
typedef struct source {
    const uint8_t *pixels;
    size_t width, height, stride;
} source;

static inline ptrdiff_t inside(ptrdiff_t i, size_t length)
{
    return i < 0 ? 0 : i >= (ptrdiff_t)length ? (ptrdiff_t)length - 1 : i;
}

static inline uint8_t truncated(double v)
{
    return (uint8_t)(v <= 0.0 ? 0.0 : v >= 255.0 ? 255.0 : v);
}

/* Anywhere, with the border repeated. A cubic at 0 is its second sample: shears and translations have t = 0 along one
 * axis. */
static void sample_at(uint8_t out[3], const source *in, place at)
{
    size_t offset[4];
    const int first = at.ty == 0.0 ? 1 : 0, end = at.ty == 0.0 ? 2 : 4;
    for (int i = 0; i < 4; i++)
        offset[i] = 3 * (size_t)inside(at.x + i, in->width);
    for (size_t c = 0; c < 3; c++) {
        double value[4] = {0};
        for (int i = first; i < end; i++) {
            const uint8_t *row = in->pixels + in->stride * (size_t)inside(at.y + i, in->height) + c;
            value[i] = CUBIC((double)row[offset[0]], row[offset[1]], row[offset[2]], row[offset[3]], at.tx);
        }
        out[c] = truncated(first ? value[1] : CUBIC(value[0], value[1], value[2], value[3], at.ty));
    }
}

static inline void sample_any(uint8_t out[3], const source *in, double x, double y)
{
    sample_at(out, in, place_at(x, y));
}

#ifdef WITH_AVX2
#    define AVX2 __attribute__((target("avx2"))) /* not fma: fused, the last bit would differ */

/* Zero-extends a pixel; reads the byte after it, too, which is for the idle fourth lane. */
AVX2 static inline __m128i load_pixel(const uint8_t *p)
{
    return _mm_cvtepu8_epi32(_mm_loadu_si32(p));
}

/* The cubic along a row, three channels at once. The differences are integers, so taking them in integers is exact. */
AVX2 static inline __m256d row_value(const uint8_t *p, double t)
{
    const __m128i v2 = load_pixel(p + 3);
    if (t == 0.0)
        return _mm256_cvtepi32_pd(v2);
    const __m128i v1 = load_pixel(p), v3 = load_pixel(p + 6), v4 = load_pixel(p + 9);
    const __m128i linear = _mm_sub_epi32(v3, v1), back = _mm_sub_epi32(v1, v2);
    const __m128i cubic = _mm_sub_epi32(_mm_sub_epi32(v4, v3), back), square = _mm_sub_epi32(back, cubic);
    const __m256d at = _mm256_set1_pd(t);
    __m256d value = _mm256_mul_pd(at, _mm256_cvtepi32_pd(cubic));
    value = _mm256_mul_pd(at, _mm256_add_pd(_mm256_cvtepi32_pd(square), value));
    value = _mm256_mul_pd(at, _mm256_add_pd(_mm256_cvtepi32_pd(linear), value));
    return _mm256_add_pd(_mm256_cvtepi32_pd(v2), value);
}

/* All 16 pixels and a byte beyond each lie in the picture. */
AVX2 static inline void sample_inner(uint8_t out[3], const source *in, place at)
{
    const uint8_t *p = in->pixels + (size_t)at.y * in->stride + 3 * (size_t)at.x;
    __m256d value = row_value(p + in->stride, at.tx);
    if (at.ty != 0.0) {
        const __m256d v1 = row_value(p, at.tx), v3 = row_value(p + 2 * in->stride, at.tx);
        const __m256d v4 = row_value(p + 3 * in->stride, at.tx), t = _mm256_set1_pd(at.ty);
        value = CUBIC(v1, value, v3, v4, t);
    }
    /* both packs cut what is out of range: to 0 .. 255 in the end */
    __m128i whole = _mm256_cvttpd_epi32(value);
    whole = _mm_packus_epi16(_mm_packs_epi32(whole, whole), whole);
    const int bytes = _mm_cvtsi128_si32(whole);
    memcpy(out, &bytes, 3);
}

AVX2 static inline void sample_avx2(uint8_t out[3], const source *in, double x, double y)
{
    const __m128d point = _mm_sub_pd(_mm_set_pd(y, x), _mm_set1_pd(0.5)), whole = _mm_floor_pd(point);
    const __m128d fraction = _mm_sub_pd(point, whole);
    const int64_t corner = _mm_cvtsi128_si64(_mm_cvttpd_epi32(whole)); /* two halves of 32 bits */
    const place at = {(int32_t)corner - 1, (int32_t)(corner >> 32) - 1, _mm_cvtsd_f64(fraction),
                      _mm_cvtsd_f64(_mm_unpackhi_pd(fraction, fraction))};
    if (at.x >= 0 && at.y >= 0 && at.x + 4 < (ptrdiff_t)in->width && at.y + 4 <= (ptrdiff_t)in->height)
        sample_inner(out, in, at);
    else
        sample_at(out, in, at);
}
#endif

ALWAYS_INLINE void transform(uint8_t *out, const source *in, const ssfer_affine *m, const uint8_t fill[3],
                             void (*sample)(uint8_t out[3], const source *in, double x, double y))
{
    for (size_t y = 0; y < in->height; y++)
        for (size_t x = 0; x < in->width; x++, out += 3) {
            double px = (double)x + 0.5, py = (double)y + 0.5;
            double sx = m->a * px + m->b * py + m->c, sy = m->d * px + m->e * py + m->f;
            if (sx >= 0.0 && sx < (double)in->width && sy >= 0.0 && sy < (double)in->height)
                sample(out, in, sx, sy);
            else
                memcpy(out, fill, 3);
        }
}

#ifdef WITH_AVX2
AVX2 static void transform_avx2(uint8_t *out, const source *in, const ssfer_affine *m, const uint8_t fill[3])
{
    transform(out, in, m, fill, sample_avx2);
}
#endif

void ssfer_affine_apply(ssfer_image *image, uint8_t *scratch, ssfer_affine m, const uint8_t fill[3])
{
    const source in = {scratch, image->width, image->height, 3 * image->width};
    memcpy(scratch, image->data, in.stride * in.height);
#ifdef WITH_AVX2
    if (__builtin_cpu_supports("avx2")) {
        transform_avx2(image->data, &in, &m, fill);
        return;
    }
#endif
    transform(image->data, &in, &m, fill, sample_any);
}
