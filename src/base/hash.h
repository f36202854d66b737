/* A fast 64-bit hash against damage, not against intent: a disk's wrong bit, a cut or spliced file.
 *
 * 64 lanes of 32 bits each take every 64th word (little-endian), lane = rotl(lane ^ word, 13) * 0x9e3779b1; lanes, the
 * bytes behind the last full 256 and the length are then folded into one number. Every step is a bijection of what it
 * takes in, so a change within 256 bytes in a row is always noticed, any other but for one chance in 2^64 or so. Lanes
 * do not wait for each other, so the loop is vector code and runs as fast as memory gives.
 *
 * Files hold these values (io/safetensors.c): the function must never change. */
#ifndef SSFER_BASE_HASH_H
#define SSFER_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* Another seed, another hash: a chain of hashes passes the one before as the seed. */
uint64_t ssfer_hash64(const void *data, size_t size_bytes, uint64_t seed);

/* A hash against intent: without the key nobody can make inputs that collide (SipHash-2-4, Aumasson and Bernstein
 * 2012). For tables whose keys come from files. */
uint64_t ssfer_hash_keyed(const void *data, size_t size_bytes, const uint64_t key[2]);
/* Random; from the clock and an address where the system has no randomness to give. */
void ssfer_hash_key(uint64_t key[2]);

#endif
