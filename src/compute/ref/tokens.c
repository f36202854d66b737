#include "compute/ref/ref.h"

void REF(patches_gather)(real *out, const real *image, ssfer_patch_dims d)
{
    const size_t P = d.patch, across = d.width / P;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t c = 0; c < d.channels; c++)
            for (size_t y = 0; y < d.height; y++)
                for (size_t x = 0; x < d.width; x++) {
                    size_t patch = y / P * across + x / P, patches = d.height / P * across;
                    size_t inside = (c * P + y % P) * P + x % P;
                    out[(b * patches + patch) * d.channels * P * P + inside] =
                        image[((b * d.channels + c) * d.height + y) * d.width + x];
                }
}

void REF(tokens_assemble)(real *x, const real *tokens, const real *cls, const real *pos, ssfer_token_dims d)
{
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= d.patches; n++)
            for (size_t c = 0; c < d.width; c++) {
                real token = n ? tokens[(b * d.patches + n - 1) * d.width + c] : cls[c];
                x[(b * (d.patches + 1) + n) * d.width + c] = token + pos[n * d.width + c];
            }
}

void REF(tokens_assemble_backward)(real *dtokens, real *dcls, real *dpos, const real *dx, ssfer_token_dims d)
{
    for (size_t b = 0; b < d.batch; b++)
        for (size_t n = 0; n <= d.patches; n++)
            for (size_t c = 0; c < d.width; c++) {
                real g = dx[(b * (d.patches + 1) + n) * d.width + c];
                if (n)
                    dtokens[(b * d.patches + n - 1) * d.width + c] = g;
                else
                    dcls[c] += g;
                if (dpos)
                    dpos[n * d.width + c] += g;
            }
}

void REF(first_token_backward)(real *dx, const real *d_first, size_t batch, size_t tokens, size_t width)
{
    for (size_t b = 0; b < batch; b++)
        for (size_t n = 0; n < tokens; n++)
            for (size_t c = 0; c < width; c++)
                dx[(b * tokens + n) * width + c] = n ? 0 : d_first[b * width + c];
}
