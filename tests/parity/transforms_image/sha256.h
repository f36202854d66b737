/* SHA-256 (FIPS 180-4), for comparing decoded pictures with the hashes in a manifest. */
#ifndef SSFER_TESTS_SHA256_H
#define SSFER_TESTS_SHA256_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static inline uint32_t sha256_rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

/* The constants are the first 32 fractional bits of cube (and square) roots of the first primes. */
static inline uint32_t sha256_root_bits(int prime_index, int degree)
{
    int prime = 1;
    for (int found = -1; found < prime_index;) {
        int composite = 0;
        prime++;
        for (int d = 2; d * d <= prime; d++)
            composite |= prime % d == 0;
        found += !composite;
    }
    long double root = degree == 3 ? cbrtl(prime) : sqrtl(prime);
    return (uint32_t)((root - floorl(root)) * 4294967296.0L);
}

static inline void sha256_block(uint32_t h[8], const uint32_t k[64], const uint8_t *p)
{
    uint32_t w[64], v[8];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)p[4 * i] << 24 | (uint32_t)p[4 * i + 1] << 16 | (uint32_t)p[4 * i + 2] << 8 | p[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (sha256_rotate(a, 7) ^ sha256_rotate(a, 18) ^ a >> 3) + w[i - 7] +
               (sha256_rotate(b, 17) ^ sha256_rotate(b, 19) ^ b >> 10);
    }
    memcpy(v, h, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t e = v[4], a = v[0];
        uint32_t t1 = v[7] + (sha256_rotate(e, 6) ^ sha256_rotate(e, 11) ^ sha256_rotate(e, 25)) +
                      ((e & v[5]) ^ (~e & v[6])) + k[i] + w[i];
        uint32_t t2 = (sha256_rotate(a, 2) ^ sha256_rotate(a, 13) ^ sha256_rotate(a, 22)) +
                      ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        h[i] += v[i];
}

static inline void sha256_hex(char out[65], const uint8_t *data, size_t size)
{
    uint32_t h[8], k[64];
    for (int i = 0; i < 64; i++)
        k[i] = sha256_root_bits(i, 3);
    for (int i = 0; i < 8; i++)
        h[i] = sha256_root_bits(i, 2);
    size_t at = 0;
    for (; size - at >= 64; at += 64)
        sha256_block(h, k, data + at);
    uint8_t tail[128] = {0};
    size_t rest = size - at, blocks = rest < 56 ? 1 : 2;
    if (rest)
        memcpy(tail, data + at, rest);
    tail[rest] = 0x80;
    for (int i = 0; i < 8; i++)
        tail[64 * blocks - 1 - (size_t)i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
    for (size_t b = 0; b < blocks; b++)
        sha256_block(h, k, tail + 64 * b);
    for (int i = 0; i < 8; i++)
        snprintf(out + 8 * i, 9, "%08x", h[i]);
}

#endif
