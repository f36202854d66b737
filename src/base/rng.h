/* Counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A stream is named by (seed, stage, epoch, sample, purpose) and needs no saved state: the same name gives the same
 * numbers whatever the thread count, the worker order or the rank count, and a resumed run simply names it again. */
#ifndef SSFER_BASE_RNG_H
#define SSFER_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What a stream is for. Numbers are part of the reproducibility contract: append, never renumber. */
typedef enum ssfer_rng_purpose {
    SSFER_RNG_INIT = 0,      /* parameter initialisation; sample = index of the parameter */
    SSFER_RNG_ORDER = 1,     /* order of an epoch */
    SSFER_RNG_AUGMENT = 2,   /* crop, flip, erasing, RandAugment of a sample */
    SSFER_RNG_DROP_PATH = 3, /* stochastic depth; sample = global step */
    SSFER_RNG_SPLIT = 4,     /* labeled/unlabeled split; sample = class */
    SSFER_RNG_MASK = 5,      /* masked autoencoder: noise of a sample */
    SSFER_RNG_MIX = 6,       /* mixup/FaceMix lambda; sample = global step */
    SSFER_RNG_SYNTH = 7,     /* synthetic faces; sample = index of the face */
    SSFER_RNG_AUGMENT_STRONG = 8,
    SSFER_RNG_BALANCE = 9, /* which pictures count for a balanced head; sample = global step */
    SSFER_RNG_TEST = 255
} ssfer_rng_purpose;

typedef struct ssfer_rng {
    uint32_t key[2], counter[4], block[4];
    unsigned used; /* words of `block` already handed out */
} ssfer_rng;

/* One Philox4x32-10 block; the primitive behind everything here (checked against the published test vectors). */
void ssfer_philox4x32(uint32_t out[4], const uint32_t counter[4], const uint32_t key[2]);

ssfer_rng ssfer_rng_stream(uint64_t seed, uint32_t stage, uint32_t epoch, uint64_t sample, ssfer_rng_purpose purpose);

/* Passes over so many blocks of four 32-bit numbers each, at once: parts of one stream that do not meet. Of a stream
 * from which nothing was drawn yet. */
void ssfer_rng_skip_blocks(ssfer_rng *rng, uint32_t blocks);

uint32_t ssfer_rng_u32(ssfer_rng *rng);
double ssfer_rng_uniform(ssfer_rng *rng); /* [0, 1), 53 bits */
double ssfer_rng_range(ssfer_rng *rng, double lo, double hi);
uint32_t ssfer_rng_below(ssfer_rng *rng, uint32_t n);                /* 0 .. n-1, unbiased; n >= 1 */
double ssfer_rng_normal(ssfer_rng *rng);                             /* mean 0, deviation 1 (Box-Muller) */
double ssfer_rng_gamma(ssfer_rng *rng, double shape);                /* scale 1; shape > 0 (Marsaglia and Tsang 2000) */
double ssfer_rng_beta(ssfer_rng *rng, double a, double b);           /* a, b > 0 */
void ssfer_rng_shuffle(ssfer_rng *rng, size_t *items, size_t count); /* Fisher-Yates; count < 2^32 */

#endif
