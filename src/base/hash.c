#include "base/hash.h"

#include "base/simd_clones.h"

#include <string.h>
#include <sys/random.h>
#include <time.h>

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

/* ---- keyed ------------------------------------------------------------------------------------------------------- */

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_rounds(uint64_t v[4], int rounds)
{
    for (int i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

uint64_t ssfer_hash_keyed(const void *data, size_t size_bytes, const uint64_t key[2])
{
    const unsigned char *bytes = data;
    /* "somepseudorandomlygeneratedbytes" */
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575u, key[1] ^ 0x646f72616e646f6du, key[0] ^ 0x6c7967656e657261u,
                     key[1] ^ 0x7465646279746573u};
    for (size_t at = 0; at <= size_bytes; at += 8) { /* the last word, of 0 to 7 bytes, ends in the length */
        const size_t left = size_bytes - at;
        uint64_t word = left < 8 ? (uint64_t)(size_bytes & 0xff) << 56 : 0;
        for (size_t i = 0; i < 8 && i < left; i++)
            word |= (uint64_t)bytes[at + i] << 8 * i;
        v[3] ^= word;
        sip_rounds(v, 2);
        v[0] ^= word;
    }
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void ssfer_hash_key(uint64_t key[2])
{
    if (getrandom(key, 2 * sizeof *key, GRND_NONBLOCK) == (ssize_t)(2 * sizeof *key))
        return;
    struct timespec now = {0};
    clock_gettime(CLOCK_MONOTONIC, &now);
    key[0] = finish((uint64_t)(uintptr_t)key);
    key[1] = finish((uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec);
}
