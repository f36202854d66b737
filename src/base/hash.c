#include "base/hash.h"

#include "base/simd_clones.h"

#include <string.h>

enum { LANES = 64, STRIPE_BYTES = 4 * LANES };

SIMD_BODY void mix_stripes_body(uint32_t lanes[LANES], const unsigned char *data, size_t stripes)
{
    uint32_t words[LANES];
    for (size_t s = 0; s < stripes; s++) {
        memcpy(words, data + s * STRIPE_BYTES, STRIPE_BYTES);
        for (size_t i = 0; i < LANES; i++) {
            const uint32_t x = lanes[i] ^ words[i];
            lanes[i] = (x << 13 | x >> 19) * 0x9e3779b1u; /* 2^32 over the golden ratio, odd */
        }
    }
}

SIMD_CLONES(void, mix_stripes, (uint32_t lanes[LANES], const unsigned char *data, size_t stripes),
            (lanes, data, stripes))

/* Folds more bytes into h, eight at a time; zeros stand for what the last eight lack. */
static uint64_t fold(uint64_t h, const unsigned char *data, size_t size_bytes)
{
    for (size_t at = 0; at < size_bytes; at += sizeof(uint64_t)) {
        uint64_t word = 0;
        memcpy(&word, data + at, size_bytes - at < sizeof word ? size_bytes - at : sizeof word);
        h ^= word;
        h = (h << 31 | h >> 33) * 0x9e3779b97f4a7c15u;
    }
    return h;
}

/* The last step of SplitMix64 (Steele et al. 2014): every bit of h reaches every bit of the result. */
static uint64_t finish(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

uint64_t ssfer_hash64(const void *data, size_t size_bytes, uint64_t seed)
{
    const unsigned char *bytes = data;
    const size_t stripes = size_bytes / STRIPE_BYTES;
    uint64_t h = finish(seed + 0x9e3779b97f4a7c15u) ^ (uint64_t)size_bytes;
    if (stripes) {
        uint32_t lanes[LANES];
        for (size_t i = 0; i < LANES; i++)
            lanes[i] = (uint32_t)i;
        mix_stripes(lanes, bytes, stripes);
        h = fold(h, (const unsigned char *)lanes, sizeof lanes);
    }
    const size_t rest = size_bytes - stripes * STRIPE_BYTES;
    return finish(rest ? fold(h, bytes + stripes * STRIPE_BYTES, rest) : h);
}
