#include "synth/camera.h"

#include "base/rng.h"

#include <math.h>
#include <string.h>

enum { MAX_RADIUS = 96 };

static size_t gaussian(float kernel[MAX_RADIUS + 1], double sigma)
{
    size_t radius = (size_t)fmin(MAX_RADIUS, ceil(2.5 * sigma));
    double sum = 0;
    for (size_t i = 0; i <= radius; i++) {
        double w = exp(-0.5 * (double)(i * i) / (sigma * sigma));
        kernel[i] = (float)w;
        sum += i ? 2 * w : w;
    }
    for (size_t i = 0; i <= radius; i++)
        kernel[i] = (float)(kernel[i] / sum);
    return radius;
}

/* out = in blurred along one axis: `count` lines, each of `length` samples `step` apart; every sample is a run of
 * `run` floats, so that the inner loop always walks over neighbouring memory. Borders repeat the last sample. */
static void blur_axis(float *out, const float *in, size_t count, size_t length, size_t line_stride, size_t step,
                      size_t run, const float *kernel, size_t radius)
{
    for (size_t line = 0; line < count; line++) {
        const float *from = in + line * line_stride;
        float *to = out + line * line_stride;
        for (size_t i = 0; i < length; i++) {
            float *t = to + i * step;
            for (size_t j = 0; j < run; j++)
                t[j] = kernel[0] * from[i * step + j];
            for (size_t k = 1; k <= radius; k++) {
                const float *a = from + (i >= k ? i - k : 0) * step;
                const float *b = from + (i + k < length ? i + k : length - 1) * step;
                for (size_t j = 0; j < run; j++)
                    t[j] += kernel[k] * (a[j] + b[j]);
            }
        }
    }
}

static void blur(float *rgb, float *scratch, size_t size, double sigma)
{
    float kernel[MAX_RADIUS + 1];
    if (sigma < 0.25)
        return; /* less than the pixel's own extent */
    size_t radius = gaussian(kernel, sigma), row = 3 * size;
    blur_axis(scratch, rgb, size, size, row, 3, 3, kernel, radius);
    blur_axis(rgb, scratch, 1, size, row * size, row, row, kernel, radius);
}

enum { TONE_STEPS = 1024 };

/* The sensor's response for each channel, tabulated: exposure, white balance, gamma, contrast around middle gray. */
static void tabulate_tone(float table[3][TONE_STEPS + 1], const synth_camera *camera)
{
    const double balance[3] = {1 + camera->warmth, 1, 1 - camera->warmth};
    for (int channel = 0; channel < 3; channel++)
        for (int i = 0; i <= TONE_STEPS; i++) {
            double v = pow((double)i / TONE_STEPS, camera->gamma) * camera->exposure * balance[channel];
            table[channel][i] = (float)(255 * (0.5 + (v - 0.5) * camera->contrast));
        }
}

static void apply_tone(float *rgb, size_t size, const synth_camera *camera)
{
    float table[3][TONE_STEPS + 1];
    tabulate_tone(table, camera);
    float saturation = (float)camera->saturation, fall = (float)camera->vignette, half = 0.5f * (float)size;
    for (size_t y = 0; y < size; y++)
        for (size_t x = 0; x < size; x++) {
            float *p = rgb + (y * size + x) * 3;
            float dx = ((float)x + 0.5f - half) / half, dy = ((float)y + 0.5f - half) / half;
            float lens = 1 - fall * 0.5f * (dx * dx + dy * dy);
            for (int i = 0; i < 3; i++) {
                float v = fminf(255.0f, fmaxf(0.0f, p[i] * lens));
                p[i] = table[i][(size_t)(v * (TONE_STEPS / 255.0f) + 0.5f)];
            }
            float luma = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2]; /* ITU-R BT.601 */
            for (int i = 0; i < 3; i++)
                p[i] = luma + (p[i] - luma) * saturation;
        }
}

/* Nearly normal: the sum of a word's four bytes has mean 510 and deviation 147.8. A gray picture's noise is gray. */
static void add_noise(float *rgb, size_t size, const synth_params *p)
{
    uint32_t counter[4] = {0, (uint32_t)p->index, SYNTH_STREAM_NOISE,
                           (uint32_t)((p->index >> 32) & 0xffff) << 16 | SSFER_RNG_SYNTH};
    const uint32_t key[2] = {(uint32_t)p->seed, (uint32_t)(p->seed >> 32)};
    bool gray = p->camera.saturation <= 0;
    float scale = (float)(255 * p->camera.noise / 147.8);
    if (p->camera.noise <= 0)
        return;
    size_t pixels = size * size, words = gray ? pixels : 3 * pixels;
    for (size_t i = 0; i < words; i += 4, counter[0]++) {
        uint32_t block[4];
        ssfer_philox4x32(block, counter, key);
        for (size_t j = 0; j < 4 && i + j < words; j++) {
            uint32_t w = block[j];
            float v = scale * ((float)((w & 255) + (w >> 8 & 255) + (w >> 16 & 255) + (w >> 24)) - 510.0f);
            if (gray)
                for (size_t k = 0; k < 3; k++)
                    rgb[(i + j) * 3 + k] += v;
            else
                rgb[i + j] += v;
        }
    }
}

/* ---- block quantisation, as in JPEG (ITU-T T.81, A.3.3), without its entropy coding ---- */

enum { BLOCK = 8 };

static void fill_cosines(float c[BLOCK][BLOCK])
{
    for (int u = 0; u < BLOCK; u++)
        for (int x = 0; x < BLOCK; x++)
            c[u][x] =
                (float)((u ? 0.5 : 0.35355339059327373) * cos((2 * x + 1) * u * 0.19634954084936207)); /* pi / 16 */
}

/* out = m in m' with m = c, or c' when `inverse`. */
static void transform(float out[BLOCK][BLOCK], float in[BLOCK][BLOCK], float c[BLOCK][BLOCK], bool inverse)
{
    float half[BLOCK][BLOCK] = {{0}};
    for (int u = 0; u < BLOCK; u++)
        for (int x = 0; x < BLOCK; x++) {
            float m = inverse ? c[x][u] : c[u][x];
            for (int y = 0; y < BLOCK; y++)
                half[u][y] += m * in[x][y];
        }
    for (int u = 0; u < BLOCK; u++)
        for (int v = 0; v < BLOCK; v++)
            out[u][v] = 0;
    for (int x = 0; x < BLOCK; x++)
        for (int u = 0; u < BLOCK; u++) {
            for (int v = 0; v < BLOCK; v++)
                out[u][v] += half[u][x] * (inverse ? c[x][v] : c[v][x]);
        }
}

static void quantise_block(float *rgb, size_t size, size_t x0, size_t y0, float cosines[BLOCK][BLOCK], float strength)
{
    float plane[3][BLOCK][BLOCK], spectrum[BLOCK][BLOCK];
    for (size_t y = 0; y < BLOCK; y++)
        for (size_t x = 0; x < BLOCK; x++) {
            size_t py = y0 + y < size ? y0 + y : size - 1, px = x0 + x < size ? x0 + x : size - 1;
            const float *p = rgb + (py * size + px) * 3;
            plane[0][y][x] = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
            plane[1][y][x] = -0.168736f * p[0] - 0.331264f * p[1] + 0.5f * p[2];
            plane[2][y][x] = 0.5f * p[0] - 0.418688f * p[1] - 0.081312f * p[2];
        }
    for (int i = 0; i < 3; i++) {
        transform(spectrum, plane[i], cosines, false);
        for (int u = 0; u < BLOCK; u++)
            for (int v = 0; v < BLOCK; v++) {
                /* A straight line through the middle of T.81's example tables; colour is coarser. */
                float step = strength * (float)(i ? 30 + 10 * (u + v) : 20 + 8 * (u + v));
                spectrum[u][v] = step * rintf(spectrum[u][v] / step);
            }
        transform(plane[i], spectrum, cosines, true);
    }
    for (size_t y = 0; y < BLOCK && y0 + y < size; y++)
        for (size_t x = 0; x < BLOCK && x0 + x < size; x++) {
            float *p = rgb + ((y0 + y) * size + x0 + x) * 3;
            float luma = plane[0][y][x], cb = plane[1][y][x], cr = plane[2][y][x];
            p[0] = luma + 1.402f * cr;
            p[1] = luma - 0.344136f * cb - 0.714136f * cr;
            p[2] = luma + 1.772f * cb;
        }
}

void ssfer_synth_expose(float *rgb, float *scratch, size_t size, const synth_params *params)
{
    const synth_camera *camera = &params->camera;
    blur(rgb, scratch, size, camera->blur * (double)size);
    apply_tone(rgb, size, camera);
    add_noise(rgb, size, params);
    if (camera->quantiser > 0) {
        float cosines[BLOCK][BLOCK];
        fill_cosines(cosines);
        for (size_t y = 0; y < size; y += BLOCK)
            for (size_t x = 0; x < size; x += BLOCK)
                quantise_block(rgb, size, x, y, cosines, (float)camera->quantiser);
    }
}
