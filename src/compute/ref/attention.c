#include "compute/ref/ref.h"

#include <math.h>

/* Where element (b, n, part, h, 0) of qkv (B, N, 3, H, D) lies. */
static size_t at(ssfer_attention_dims d, size_t b, size_t n, size_t part, size_t h)
{
    return (((b * d.tokens + n) * 3 + part) * d.heads + h) * d.head_dim;
}

static double score(const real *qkv, ssfer_attention_dims d, size_t b, size_t h, size_t i, size_t j)
{
    const real *q = qkv + at(d, b, i, 0, h), *k = qkv + at(d, b, j, 1, h);
    double sum = 0.0;
    for (size_t c = 0; c < d.head_dim; c++)
        sum += (double)q[c] * (double)k[c];
    return sum / sqrt((double)d.head_dim);
}

void REF(attention_forward)(real *y, real *lse, const real *qkv, ssfer_attention_dims d)
{
    const size_t Q = d.queries ? d.queries : d.tokens;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            for (size_t i = 0; i < Q; i++) {
                real *out = y + ((b * Q + i) * d.heads + h) * d.head_dim;
                double most = -INFINITY, total = 0.0;
                for (size_t j = 0; j < d.tokens; j++)
                    most = fmax(most, score(qkv, d, b, h, i, j));
                for (size_t j = 0; j < d.tokens; j++)
                    total += exp(score(qkv, d, b, h, i, j) - most);
                for (size_t c = 0; c < d.head_dim; c++) {
                    double sum = 0.0;
                    for (size_t j = 0; j < d.tokens; j++)
                        sum += exp(score(qkv, d, b, h, i, j) - most) / total * (double)qkv[at(d, b, j, 2, h) + c];
                    out[c] = (real)sum;
                }
                if (lse)
                    lse[(b * d.heads + h) * Q + i] = (real)(most + log(total));
            }
}

/* With p = softmax(s), s = q k' / sqrt(D): dv = p' dy, dp = dy v', ds = p * (dp - rowsum(dp * p)), and the row sum is
 * that of dy * y. */
void REF(attention_backward)(real *dqkv, const real *dy, const real *qkv, const real *y, const real *lse,
                             ssfer_attention_dims d)
{
    const double scale = 1.0 / sqrt((double)d.head_dim);
    const size_t Q = d.queries ? d.queries : d.tokens;
    for (size_t i = 0; i < d.batch * d.tokens * 3 * d.heads * d.head_dim; i++)
        dqkv[i] = 0;
    for (size_t b = 0; b < d.batch; b++)
        for (size_t h = 0; h < d.heads; h++)
            for (size_t i = 0; i < Q; i++) {
                const real *g = dy + ((b * Q + i) * d.heads + h) * d.head_dim;
                const real *o = y + ((b * Q + i) * d.heads + h) * d.head_dim;
                double row = 0.0;
                for (size_t c = 0; c < d.head_dim; c++)
                    row += (double)g[c] * (double)o[c];
                for (size_t j = 0; j < d.tokens; j++) {
                    double p = exp(score(qkv, d, b, h, i, j) - (double)lse[(b * d.heads + h) * Q + i]), dp = 0.0;
                    for (size_t c = 0; c < d.head_dim; c++)
                        dp += (double)g[c] * (double)qkv[at(d, b, j, 2, h) + c];
                    double ds = p * (dp - row) * scale;
                    for (size_t c = 0; c < d.head_dim; c++) {
                        dqkv[at(d, b, j, 2, h) + c] += (real)(p * (double)g[c]);
                        dqkv[at(d, b, i, 0, h) + c] += (real)(ds * (double)qkv[at(d, b, j, 1, h) + c]);
                        dqkv[at(d, b, j, 1, h) + c] += (real)(ds * (double)qkv[at(d, b, i, 0, h) + c]);
                    }
                }
            }
}
