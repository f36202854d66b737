#include "base/rng.h"

#include <math.h>

void ssfer_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2])
{
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3], k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2; /* multipliers of the paper */
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u; /* Weyl constants: golden ratio and sqrt(3) - 1 */
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

ssfer_rng ssfer_rng_stream(uint64_t seed, uint32_t stage, uint32_t epoch, uint64_t sample, ssfer_rng_purpose purpose)
{
    /* counter = block number, sample, epoch, {sample above 2^32: 16 bits, stage: 8, purpose: 8} */
    ssfer_rng rng = {.key = {(uint32_t)seed, (uint32_t)(seed >> 32)}, .used = 4};
    rng.counter[1] = (uint32_t)sample;
    rng.counter[2] = epoch;
    rng.counter[3] = (uint32_t)((sample >> 32) & 0xffff) << 16 | (stage & 0xff) << 8 | ((uint32_t)purpose & 0xff);
    return rng;
}

void ssfer_rng_skip_blocks(ssfer_rng *rng, uint32_t blocks)
{
    rng->counter[0] += blocks;
}

uint32_t ssfer_rng_u32(ssfer_rng *rng)
{
    if (rng->used == 4) {
        ssfer_philox4x32(rng->block, rng->counter, rng->key);
        rng->counter[0]++;
        rng->used = 0;
    }
    return rng->block[rng->used++];
}

double ssfer_rng_uniform(ssfer_rng *rng)
{
    uint64_t high = ssfer_rng_u32(rng), low = ssfer_rng_u32(rng);
    return (double)((high << 32 | low) >> 11) * 0x1p-53;
}

double ssfer_rng_range(ssfer_rng *rng, double lo, double hi)
{
    return lo + (hi - lo) * ssfer_rng_uniform(rng);
}

uint32_t ssfer_rng_below(ssfer_rng *rng, uint32_t n)
{
    /* Lemire's method: the high word of a product, rejecting the few values that would favour small results. */
    uint64_t product = (uint64_t)ssfer_rng_u32(rng) * n;
    uint32_t limit = (uint32_t)-n % n;
    while ((uint32_t)product < limit)
        product = (uint64_t)ssfer_rng_u32(rng) * n;
    return (uint32_t)(product >> 32);
}

double ssfer_rng_normal(ssfer_rng *rng)
{
    double u = 1.0 - ssfer_rng_uniform(rng); /* (0, 1]: the logarithm stays finite */
    double v = ssfer_rng_uniform(rng);
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

double ssfer_rng_gamma(ssfer_rng *rng, double shape)
{
    if (shape < 1.0) {                                     /* boost: Gamma(a) = Gamma(a + 1) U^(1/a) */
        double larger = ssfer_rng_gamma(rng, shape + 1.0); /* a statement: the order of draws is part of the contract */
        return larger * pow(1.0 - ssfer_rng_uniform(rng), 1.0 / shape);
    }
    double d = shape - 1.0 / 3.0, c = 1.0 / sqrt(9.0 * d);
    for (;;) {
        double x = ssfer_rng_normal(rng), v = 1.0 + c * x;
        if (v <= 0.0)
            continue;
        v = v * v * v;
        double u = 1.0 - ssfer_rng_uniform(rng);
        if (log(u) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

double ssfer_rng_beta(ssfer_rng *rng, double a, double b)
{
    double x = ssfer_rng_gamma(rng, a), y = ssfer_rng_gamma(rng, b);
    return x + y > 0.0 ? x / (x + y) : 0.5;
}

void ssfer_rng_shuffle(ssfer_rng *rng, size_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = ssfer_rng_below(rng, (uint32_t)i);
        size_t t = items[i - 1];
        items[i - 1] = items[j];
        items[j] = t;
    }
}
