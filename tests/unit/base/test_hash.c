/* The hash: that it is the function that the header describes, on every length and alignment, and that it notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"

#include <string.h>

static uint64_t last_step(uint64_t h)
{
    h = (h ^ h >> 30) * 0xbf58476d1ce4e5b9u;
    h = (h ^ h >> 27) * 0x94d049bb133111ebu;
    return h ^ h >> 31;
}

static uint64_t take(uint64_t h, uint64_t word)
{
    h ^= word;
    return (h << 31 | h >> 33) * 0x9e3779b97f4a7c15u;
}

/* The definition, a byte at a time. */
static uint64_t slow_hash(const unsigned char *data, size_t size, uint64_t seed)
{
    const size_t full = size / 256 * 256;
    uint64_t h = last_step(seed + 0x9e3779b97f4a7c15u) ^ size;
    uint32_t lanes[64];
    for (uint32_t i = 0; i < 64; i++)
        lanes[i] = i;
    for (size_t at = 0; at < full; at += 4) {
        const uint32_t word = (uint32_t)data[at] | (uint32_t)data[at + 1] << 8 | (uint32_t)data[at + 2] << 16 |
                              (uint32_t)data[at + 3] << 24;
        uint32_t *lane = &lanes[at / 4 % 64];
        const uint32_t x = *lane ^ word;
        *lane = (x << 13 | x >> 19) * 0x9e3779b1u;
    }
    for (size_t i = 0; full && i < 64; i += 2)
        h = take(h, (uint64_t)lanes[i] | (uint64_t)lanes[i + 1] << 32);
    for (size_t at = full; at < size; at += 8) {
        uint64_t word = 0;
        for (size_t b = 0; b < 8 && at + b < size; b++)
            word |= (uint64_t)data[at + b] << 8 * b;
        h = take(h, word);
    }
    return last_step(h);
}

static void fill(unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        data[i] = (unsigned char)(i * i * 7 + i / 3);
}

static void test_definition(void **state)
{
    (void)state;
    unsigned char data[1400];
    fill(data, sizeof data);
    for (size_t size = 0; size <= 1300; size++)
        for (size_t start = 0; start < 9; start += 4)
            if (ssfer_hash64(data + start, size, size % 5) != slow_hash(data + start, size, size % 5))
                fail_msg("%zu bytes from %zu", size, start);
}

/* What files hold: computed by tools of their own (Python). */
static void test_frozen(void **state)
{
    (void)state;
    unsigned char data[1000];
    fill(data, sizeof data);
    assert_true(ssfer_hash64("", 0, 0) == 0x48218226ff3cd4bfu);
    assert_true(ssfer_hash64("abc", 3, 0) == 0x5daeebaf8325e01eu);
    assert_true(ssfer_hash64(data, sizeof data, 7) == 0x8e11d03b824db940u);
}

/* The vectors published with SipHash-2-4: the key is the bytes 0 to 15, a message the bytes from 0. */
static void test_keyed(void **state)
{
    (void)state;
    static const struct {
        size_t size;
        uint64_t hash;
    } vectors[] = {{0, 0x726fdb47dd0e0e31u}, {1, 0x74f839c593dc67fdu}, {2, 0x0d6c8009d9a94f5au},
                   {7, 0xab0200f58b01d137u}, {8, 0x93f5f5799a932462u}, {15, 0xa129ca6149be45e5u}};
    const uint64_t key[2] = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};
    unsigned char message[16];
    for (size_t i = 0; i < sizeof message; i++)
        message[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        assert_true(ssfer_hash_keyed(message, vectors[i].size, key) == vectors[i].hash);
    uint64_t a[2] = {0}, b[2] = {0};
    ssfer_hash_key(a);
    ssfer_hash_key(b);
    assert_memory_not_equal(a, b, sizeof a);
}

/* Every bit counts, and so does the place of every stripe; two wrong signs in one lane do not make up for each other.
 */
static void test_notices(void **state)
{
    (void)state;
    unsigned char data[900], other[900];
    fill(data, sizeof data);
    const uint64_t right = ssfer_hash64(data, sizeof data, 0);
    for (size_t bit = 0; bit < 8 * sizeof data; bit++) {
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        assert_true(ssfer_hash64(data, sizeof data, 0) != right);
        data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    for (size_t lane = 0; lane < 64; lane++) {
        memcpy(other, data, sizeof data);
        other[4 * lane + 3] ^= 0x80;
        other[256 + 4 * lane + 3] ^= 0x80;
        assert_true(ssfer_hash64(other, sizeof other, 0) != right);
    }
    memcpy(other, data + 256, 256);
    memcpy(other + 256, data, 256);
    memcpy(other + 512, data + 512, sizeof data - 512);
    assert_true(ssfer_hash64(other, sizeof other, 0) != right);
    assert_true(ssfer_hash64(data, sizeof data, 1) != right);
}

/* Nothing but zeros: the length counts. */
static void test_zeros(void **state)
{
    (void)state;
    enum { MOST = 1200 };
    static const unsigned char zeros[MOST];
    uint64_t seen[MOST];
    for (size_t size = 0; size < MOST; size++) {
        seen[size] = ssfer_hash64(zeros, size, 0);
        for (size_t k = 0; k < size; k++)
            assert_true(seen[k] != seen[size]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_definition), cmocka_unit_test(test_frozen),
                                       cmocka_unit_test(test_keyed), cmocka_unit_test(test_notices),
                                       cmocka_unit_test(test_zeros)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
