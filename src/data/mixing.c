#include "data/mixing.h"

#include "base/size.h"

#include <math.h>
#include <string.h>

const char *ssfer_mix_mode_name(ssfer_mix_mode mode)
{
    static const char *const names[SSFER_MIX_COUNT] = {"off", "on", "released", "mixup", "cutmix"};
    return names[mode];
}

void ssfer_mix_blend(float *out, const float *x, size_t batch, size_t floats, double lambda)
{
    const float a = (float)lambda, b = (float)(1.0 - lambda);
    for (size_t i = 0; i < (batch + 1) / 2; i++) {
        const size_t j = batch - 1 - i;
        const float *p = x + i * floats, *q = x + j * floats;
        float *mixed_p = out + i * floats, *mixed_q = out + j * floats;
        for (size_t k = 0; k < floats; k++) {
            const float u = p[k], v = q[k]; /* both read first: out may be x */
            mixed_p[k] = i == j ? u : a * u + b * v;
            if (i != j)
                mixed_q[k] = a * v + b * u;
        }
    }
}

double ssfer_mix_draw_box(ssfer_crop *box, size_t side, double lambda, ssfer_rng *rng)
{
    const size_t cut = (size_t)((double)side * sqrt(1.0 - lambda)), half = cut / 2;
    const size_t y = ssfer_rng_below(rng, (uint32_t)side), x = ssfer_rng_below(rng, (uint32_t)side);
    box->top = y > half ? y - half : 0;
    box->left = x > half ? x - half : 0;
    box->height = ssfer_min_size(y + half, side) - box->top;
    box->width = ssfer_min_size(x + half, side) - box->left;
    return 1.0 - (double)(box->width * box->height) / ((double)side * (double)side);
}

void ssfer_mix_paste(float *out, const float *x, size_t batch, size_t side, const ssfer_crop *box)
{
    const size_t plane = side * side;
    memcpy(out, x, batch * 3 * plane * sizeof *out);
    for (size_t i = 0; i < batch; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t y = box->top; y < box->top + box->height; y++) {
                const size_t at = c * plane + y * side + box->left;
                memcpy(out + i * 3 * plane + at, x + (batch - 1 - i) * 3 * plane + at, box->width * sizeof *out);
            }
}

void ssfer_mix_targets(float *target, const int32_t *labels, size_t batch, size_t classes, double smoothing,
                       double lambda)
{
    const float off = (float)(smoothing / (double)classes), on = (float)(1.0 - smoothing + (double)off);
    const float a = (float)lambda, b = (float)(1.0 - lambda);
    for (size_t i = 0; i < batch; i++)
        for (size_t k = 0; k < classes; k++) {
            const float own = (size_t)labels[i] == k ? on : off;
            const float partner = (size_t)labels[batch - 1 - i] == k ? on : off;
            target[i * classes + k] = own * a + partner * b;
        }
}
