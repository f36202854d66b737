#include "image/affine.h"

#include "base/cpu_level.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#ifdef __x86_64__
#    define WITH_AVX2
#    include <immintrin.h>
#endif

/* The cubic through four samples at t in [0, 1) between the second and the third; coefficients in Pillow's form. */
#define CUBIC(v1, v2, v3, v4, t)                                                                                       \
    ((v2) + (t) * (((v3) - (v1)) + (t) * ((2.0 * ((v1) - (v2)) + (v3) - (v4)) + (t) * ((v2) - (v1) + (v4) - (v3)))))

/* Where a sample lies: the first of its 4 x 4 pixels, and the place between the second and the third. */
typedef struct place {
    ptrdiff_t x, y;
    double tx, ty;
} place;

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

/* Where the output point (x, y) comes from. */
typedef struct point {
    double x, y;
} point;

static inline point source_of(const ssfer_affine *m, size_t x, size_t y)
{
    const double px = (double)(int64_t)x + 0.5, py = (double)(int64_t)y + 0.5; /* unsigned would take a branch */
    return (point){m->a * px + m->b * py + m->c, m->d * px + m->e * py + m->f};
}

static inline void sample_any(uint8_t out[3], const source *in, point p, const uint8_t fill[3])
{
    if (!(p.x >= 0.0 && p.x < (double)(int64_t)in->width && p.y >= 0.0 && p.y < (double)(int64_t)in->height)) {
        memcpy(out, fill, 3);
        return;
    }
    const double left = floor(p.x - 0.5), top = floor(p.y - 0.5);
    sample_at(out, in, (place){(ptrdiff_t)left - 1, (ptrdiff_t)top - 1, p.x - 0.5 - left, p.y - 0.5 - top});
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

/* Whether all 16 pixels and a byte beyond each lie in the picture. */
static inline bool is_inner(const source *in, point p)
{
    return p.x >= 1.5 && p.y >= 1.5 && p.x < (double)(int64_t)in->width - 2.5 &&
           p.y < (double)(int64_t)in->height - 1.5;
}

/* x and y as the halves of a vector, in the order of operations of source_of. Such a point is inner. */
AVX2 static inline void sample_inner(uint8_t out[3], const source *in, __m128d at)
{
    const __m128d from = _mm_sub_pd(at, _mm_set1_pd(0.5)), whole = _mm_floor_pd(from);
    const __m128d fraction = _mm_sub_pd(from, whole);
    const int64_t corner = _mm_cvtsi128_si64(_mm_cvttpd_epi32(whole)); /* two halves of 32 bits */
    const double tx = _mm_cvtsd_f64(fraction), ty = _mm_cvtsd_f64(_mm_unpackhi_pd(fraction, fraction));
    const uint8_t *p = in->pixels + (corner >> 32) * (ptrdiff_t)in->stride + 3 * (ptrdiff_t)(int32_t)corner - 3;
    __m256d value = row_value(p, tx);
    if (ty != 0.0) {
        const __m256d v1 = row_value(p - in->stride, tx), v3 = row_value(p + in->stride, tx);
        const __m256d v4 = row_value(p + 2 * in->stride, tx), t = _mm256_set1_pd(ty);
        value = CUBIC(v1, value, v3, v4, t);
    }
    /* both packs cut what is out of range: to 0 .. 255 in the end */
    __m128i bytes = _mm256_cvttpd_epi32(value);
    bytes = _mm_packus_epi16(_mm_packs_epi32(bytes, bytes), bytes);
    const int word = _mm_cvtsi128_si32(bytes);
    memcpy(out, &word, 3);
}

/* The end of the inner points of row y, of which x is one. They lie side by side: both coordinates are monotonic in x,
 * rounding included. */
static size_t inner_end(const source *in, const ssfer_affine *m, size_t x, size_t y)
{
    size_t end = in->width;
    while (end - x > 1) {
        const size_t middle = x + (end - x) / 2;
        if (is_inner(in, source_of(m, middle, y)))
            x = middle;
        else
            end = middle;
    }
    return end;
}

AVX2 static void transform_row(uint8_t *out, const source *in, const ssfer_affine *m, size_t y, const uint8_t fill[3])
{
    const double py = (double)y + 0.5;
    const __m128d step = _mm_set_pd(m->d, m->a), row = _mm_set_pd(m->e * py, m->b * py), shift = _mm_set_pd(m->f, m->c);
    size_t x = 0, end = 0;
    for (; x < in->width; x++) {
        const point p = source_of(m, x, y);
        if (is_inner(in, p))
            break;
        sample_any(out + 3 * x, in, p, fill);
    }
    if (x < in->width)
        end = inner_end(in, m, x, y);
    for (; x < end; x++) {
        const __m128d px = _mm_set1_pd((double)(int64_t)x + 0.5);
        sample_inner(out + 3 * x, in, _mm_add_pd(_mm_add_pd(_mm_mul_pd(step, px), row), shift));
    }
    for (; x < in->width; x++)
        sample_any(out + 3 * x, in, source_of(m, x, y), fill);
}
#endif

void ssfer_affine_apply(ssfer_image *image, uint8_t *scratch, ssfer_affine m, const uint8_t fill[3])
{
    const source in = {scratch, image->width, image->height, 3 * image->width};
    memcpy(scratch, image->data, in.stride * in.height);
#ifdef WITH_AVX2
    const bool avx2 = ssfer_cpu_level_in_use() >= SSFER_CPU_LEVEL_AVX2;
#endif
    for (size_t y = 0; y < in.height; y++) {
        uint8_t *out = image->data + y * in.stride;
#ifdef WITH_AVX2
        if (avx2) {
            transform_row(out, &in, &m, y, fill);
            continue;
        }
#endif
        for (size_t x = 0; x < in.width; x++)
            sample_any(out + 3 * x, &in, source_of(&m, x, y), fill);
    }
}
