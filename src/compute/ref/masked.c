#include "compute/ref/ref.h"

#include <math.h>

void REF(patches_pick)(real *out, const real *image, ssfer_mask mask, ssfer_patch_dims d)
{
    const size_t P = d.patch, across = d.width / P, K = mask.kept;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t j = 0; j < K; j++)
            for (size_t c = 0; c < d.channels; c++)
                for (size_t y = 0; y < P; y++)
                    for (size_t x = 0; x < P; x++) {
                        size_t patch = (size_t)mask.keep[b * K + j];
                        size_t row = patch / across * P + y, column = patch % across * P + x;
                        out[(((b * K + j) * d.channels + c) * P + y) * P + x] =
                            image[((b * d.channels + c) * d.height + row) * d.width + column];
                    }
}

void REF(tokens_assemble_seen)(real *x, const real *tokens, const real *cls, const real *pos, ssfer_mask mask,
                               ssfer_token_dims d)
{
    const size_t K = mask.kept, C = d.width;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= K; n++)
            for (size_t c = 0; c < C; c++) {
                size_t place = n ? 1 + (size_t)mask.keep[b * K + n - 1] : 0;
                real token = n ? tokens[(b * K + n - 1) * C + c] : cls[c];
                x[(b * (K + 1) + n) * C + c] = token + pos[place * C + c];
            }
}

/* The row of `tokens` (K+1 rows) that row n of all tokens comes from; 0 for a hidden patch, as row 0 is the class
 * token's alone. */
static size_t source_of(ssfer_mask mask, size_t patches, size_t b, size_t n)
{
    size_t place = n ? (size_t)mask.restore[b * patches + n - 1] : 0;
    return n && place < mask.kept ? 1 + place : 0;
}

void REF(tokens_restore)(real *x, const real *tokens, const real *hidden, const real *pos, ssfer_mask mask,
                         ssfer_token_dims d)
{
    const size_t K = mask.kept, C = d.width;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= d.patches; n++)
            for (size_t c = 0; c < C; c++) {
                size_t source = source_of(mask, d.patches, b, n);
                real token = n && !source ? hidden[c] : tokens[(b * (K + 1) + source) * C + c];
                x[(b * (d.patches + 1) + n) * C + c] = token + pos[n * C + c];
            }
}

void REF(tokens_restore_backward)(real *dtokens, real *dhidden, const real *dx, ssfer_mask mask, ssfer_token_dims d)
{
    const size_t K = mask.kept, C = d.width;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= d.patches; n++)
            for (size_t c = 0; c < C; c++) {
                size_t source = source_of(mask, d.patches, b, n);
                real g = dx[(b * (d.patches + 1) + n) * C + c];
                if (n && !source)
                    dhidden[c] += g;
                else
                    dtokens[(b * (K + 1) + source) * C + c] = g;
            }
}

static double target_at(const real *image, ssfer_patch_dims d, size_t b, size_t patch, size_t i)
{
    const size_t P = d.patch, across = d.width / P;
    size_t c = i % d.channels, x = patch % across * P + i / d.channels % P;
    size_t y = patch / across * P + i / d.channels / P;
    return (double)image[((b * d.channels + c) * d.height + y) * d.width + x];
}

void REF(reconstruction_loss)(real *loss, real *dpred, const real *pred, const real *image, const real *weight,
                              ssfer_mask mask, ssfer_reconstruction_dims d)
{
    const size_t D = d.patch.patch * d.patch.patch * d.patch.channels;
    const size_t L = d.patch.height / d.patch.patch * (d.patch.width / d.patch.patch);
    const double numbers = (double)D * (double)(L - mask.kept);
    for (size_t b = 0; b < d.patch.batch; b++) {
        double sum = 0.0;
        for (size_t n = 0; dpred && n <= L; n++) /* the class token and seen patches */
            for (size_t i = 0; (!n || (size_t)mask.restore[b * L + n - 1] < mask.kept) && i < D; i++)
                dpred[(b * (L + 1) + n) * D + i] = 0;
        for (size_t l = 0; l < L; l++) {
            if ((size_t)mask.restore[b * L + l] < mask.kept)
                continue;
            double mean = 0.0, squares = 0.0, scale = 1.0;
            for (size_t i = 0; d.normalize && i < D; i++)
                mean += target_at(image, d.patch, b, l, i) / (double)D;
            for (size_t i = 0; d.normalize && i < D; i++)
                squares += pow(target_at(image, d.patch, b, l, i) - mean, 2.0);
            if (d.normalize)
                scale = 1.0 / sqrt(squares / (double)(D - 1) + 1e-6); /* the reference's eps */
            for (size_t i = 0; i < D; i++) {
                const size_t at = (b * (L + 1) + 1 + l) * D + i;
                double error = (double)pred[at] - (target_at(image, d.patch, b, l, i) - mean) * scale;
                sum += error * error;
                if (dpred)
                    dpred[at] = (real)((double)weight[b] * 2.0 * error / numbers);
            }
        }
        loss[b] = (real)(sum / numbers);
    }
}
