#include "compute/cpu/kernels.h"

#include <math.h>
#include <string.h>

ssfer_status CPU(patches_pick)(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_mask mask,
                               ssfer_patch_dims d)
{
    const size_t P = d.patch, across = d.width / P, K = mask.kept;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t j = 0; j < K; j++) {
            const size_t patch = (size_t)mask.keep[b * K + j];
            const size_t corner = patch / across * P * d.width + patch % across * P;
            act *to = (act *)out + (b * K + j) * d.channels * P * P;
            for (size_t c = 0; c < d.channels; c++)
                for (size_t y = 0; y < P; y++, to += P)
                    acts_from_floats(to, image + (b * d.channels + c) * d.height * d.width + corner + y * d.width, P);
        }
    return SSFER_OK;
}

/* to = pos + a learned token (float32) or one that was computed. */
static inline void add_learned(float *to, const float *token, const float *pos, size_t width)
{
#pragma omp simd
    for (size_t c = 0; c < width; c++)
        to[c] = token[c] + pos[c];
}

static inline void add_computed(float *to, const act *token, const float *pos, size_t width)
{
#pragma omp simd
    for (size_t c = 0; c < width; c++)
        to[c] = act_get(token[c]) + pos[c];
}

ssfer_status CPU(tokens_assemble_seen)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                       const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    const size_t K = mask.kept, C = d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= K; n++) {
            float *to = x + (b * (K + 1) + n) * C;
            if (n)
                add_computed(to, (const act *)tokens + (b * K + n - 1) * C,
                             pos + (1 + (size_t)mask.keep[b * K + n - 1]) * C, C);
            else
                add_learned(to, cls, pos, C);
        }
    return SSFER_OK;
}

ssfer_status CPU(tokens_restore)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *hidden,
                                 const float *pos, ssfer_mask mask, ssfer_token_dims d)
{
    const size_t L = d.patches, K = mask.kept, C = d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= L; n++) {
            const act *own = (const act *)tokens + b * (K + 1) * C; /* the class token's row, then the seen patches' */
            const size_t row = n ? 1 + (size_t)mask.restore[b * L + n - 1] : 0;
            float *to = x + (b * (L + 1) + n) * C;
            if (row <= K)
                add_computed(to, own + row * C, pos + n * C, C);
            else
                add_learned(to, hidden, pos + n * C, C);
        }
    return SSFER_OK;
}

/* Each picture's hidden rows are summed by themselves and the pictures then in order, whatever thread did them. */
ssfer_status CPU(tokens_restore_backward)(ssfer_compute *cx, ssfer_act *dtokens, float *dhidden, const float *dx,
                                          ssfer_mask mask, ssfer_token_dims d)
{
    const size_t L = d.patches, K = mask.kept, C = d.width;
    float *sums = ssfer_cpu_scratch(cx, d.batch * C * sizeof *sums);
    if (!sums)
        return SSFER_ERR_MEMORY;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t b = 0; b < d.batch; b++) {
        act *own = (act *)dtokens + b * (K + 1) * C;
        float *sum = sums + b * C;
        const float *g = dx + b * (L + 1) * C;
        memset(sum, 0, C * sizeof *sum);
        acts_from_floats(own, g, C);
        for (size_t l = 0; l < L; l++) {
            const size_t place = (size_t)mask.restore[b * L + l];
            g += C;
            if (place < K) {
                acts_from_floats(own + (1 + place) * C, g, C);
                continue;
            }
#pragma omp simd
            for (size_t c = 0; c < C; c++)
                sum[c] += g[c];
        }
    }
    for (size_t b = 0; b < d.batch; b++)
        for (size_t c = 0; c < C; c++)
            dhidden[c] += sums[b * C + c];
    return SSFER_OK;
}

/* The patch at `corner` (floats from the start of its picture) with the channel fastest, as predictions have it. */
static void cut_target(float *target, const float *picture, size_t corner, ssfer_patch_dims d)
{
    const size_t P = d.patch, channels = d.channels;
    for (size_t c = 0; c < channels; c++)
        for (size_t y = 0; y < P; y++) {
            const float *from = picture + c * d.height * d.width + corner + y * d.width;
            float *to = target + y * P * channels + c;
            for (size_t x = 0; x < P; x++)
                to[x * channels] = from[x];
        }
}

/* To mean 0 and deviation 1. The two passes keep a flat patch (variance near 0, so scale near 1000) accurate. */
static void normalize_target(float *target, size_t count)
{
    double sum = 0.0, squares = 0.0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++)
        sum += (double)target[i];
    const double mean = sum / (double)count;
#pragma omp simd reduction(+ : squares)
    for (size_t i = 0; i < count; i++)
        squares += ((double)target[i] - mean) * ((double)target[i] - mean);
    const double scale = 1.0 / sqrt(squares / (double)(count - 1) + 1e-6); /* the reference's eps */
#pragma omp simd
    for (size_t i = 0; i < count; i++)
        target[i] = (float)(((double)target[i] - mean) * scale);
}

/* Sum of squared errors of one patch; dpred (NULL: not wanted) = factor * error. */
static double patch_error(float *dpred, const float *pred, const float *target, size_t count, double factor)
{
    double sum = 0.0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < count; i++) {
        double error = (double)pred[i] - (double)target[i];
        sum += error * error;
    }
    if (dpred) {
#pragma omp simd
        for (size_t i = 0; i < count; i++)
            dpred[i] = (float)(factor * ((double)pred[i] - (double)target[i]));
    }
    return sum;
}

ssfer_status CPU(reconstruction_loss)(ssfer_compute *cx, float *loss, float *dpred, const float *pred,
                                      const float *image, const float *weight, ssfer_mask mask,
                                      ssfer_reconstruction_dims d)
{
    const ssfer_patch_dims p = d.patch;
    const size_t P = p.patch, across = p.width / P, L = p.height / P * across, D = P * P * p.channels;
    const double numbers = (double)D * (double)(L - mask.kept);
    float *targets = ssfer_cpu_scratch(cx, p.batch * D * sizeof *targets); /* a patch for each picture under way */
    if (!targets)
        return SSFER_ERR_MEMORY;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t b = 0; b < p.batch; b++) {
        const double factor = dpred ? 2.0 * (double)weight[b] / numbers : 0.0;
        float *target = targets + b * D;
        double sum = 0.0;
        if (dpred)
            memset(dpred + b * (L + 1) * D, 0, D * sizeof *dpred); /* the class token */
        for (size_t l = 0; l < L; l++) {
            const size_t at = (b * (L + 1) + 1 + l) * D;
            if ((size_t)mask.restore[b * L + l] < mask.kept) {
                if (dpred)
                    memset(dpred + at, 0, D * sizeof *dpred);
                continue;
            }
            cut_target(target, image + b * p.channels * p.height * p.width, l / across * P * p.width + l % across * P,
                       p);
            if (d.normalize)
                normalize_target(target, D);
            sum += patch_error(dpred ? dpred + at : NULL, pred + at, target, D, factor);
        }
        loss[b] = (float)(sum / numbers);
    }
    return SSFER_OK;
}
