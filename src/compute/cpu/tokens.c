#include "compute/cpu/kernels.h"

#include <string.h>

ssfer_status CPU(patches_gather)(ssfer_compute *cx, ssfer_act *out, const float *image, ssfer_patch_dims d)
{
    const size_t P = d.patch, across = d.width / P, down = d.height / P, row_floats = d.channels * P * P;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t py = 0; py < down; py++)
            for (size_t c = 0; c < d.channels; c++)
                for (size_t y = 0; y < P; y++) {
                    const float *from = image + ((b * d.channels + c) * d.height + py * P + y) * d.width;
                    act *to = (act *)out + (b * down + py) * across * row_floats + (c * P + y) * P;
                    for (size_t px = 0; px < across; px++)
                        acts_from_floats(to + px * row_floats, from + px * P, P);
                }
    return SSFER_OK;
}

ssfer_status CPU(tokens_assemble)(ssfer_compute *cx, float *x, const ssfer_act *tokens, const float *cls,
                                  const float *pos, ssfer_token_dims d)
{
    const size_t N = d.patches + 1, C = d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static) collapse(2)
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n < N; n++) {
            const act *from = (const act *)tokens + (b * d.patches + n - !!n) * C;
            float *to = x + (b * N + n) * C;
#pragma omp simd
            for (size_t c = 0; c < C; c++)
                to[c] = (n ? act_get(from[c]) : cls[c]) + pos[n * C + c];
        }
    return SSFER_OK;
}

ssfer_status CPU(tokens_assemble_backward)(ssfer_compute *cx, ssfer_act *dtokens, float *dcls, float *dpos,
                                           const float *dx, ssfer_token_dims d)
{
    const size_t N = d.patches + 1, C = d.width;
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t n = 0; n < N; n++) /* the batch is summed in order, whatever thread does it */
        for (size_t b = 0; b < d.batch; b++) {
            const float *g = dx + (b * N + n) * C;
            if (n)
                acts_from_floats((act *)dtokens + (b * d.patches + n - 1) * C, g, C);
            else
                for (size_t c = 0; c < C; c++)
                    dcls[c] += g[c];
            if (dpos)
                for (size_t c = 0; c < C; c++)
                    dpos[n * C + c] += g[c];
        }
    return SSFER_OK;
}

ssfer_status CPU(first_token_backward)(ssfer_compute *cx, float *dx, const float *d_first, size_t batch, size_t tokens,
                                       size_t width)
{
#pragma omp parallel for num_threads((int)cx->threads) schedule(static)
    for (size_t b = 0; b < batch; b++) {
        float *to = dx + b * tokens * width;
        memcpy(to, d_first + b * width, width * sizeof *to);
        memset(to + width, 0, (tokens - 1) * width * sizeof *to);
    }
    return SSFER_OK;
}
