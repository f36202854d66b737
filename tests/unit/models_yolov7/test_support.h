/* Shared by the detector's unit tests: cmocka, numbers that look random, planes and blocks, guarded memory. */
#ifndef SSFER_TESTS_YOLOV7_SUPPORT_H
#define SSFER_TESTS_YOLOV7_SUPPORT_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include "base/memory.h"
#include "base/status.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Knuth's 64-bit linear congruential generator; tools/make_golden_yolov7.py has the same. */
static inline uint64_t noise_next(uint64_t *state)
{
    return *state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
}

/* -1 .. 1 */
static inline float noise_float(uint64_t *state)
{
    return (float)(noise_next(state) >> 40) * 0x1p-23f - 1.0f;
}

static inline float *noise_floats(size_t count, uint64_t seed)
{
    float *x = ssfer_malloc(count * sizeof *x);
    for (size_t i = 0; i < count; i++)
        x[i] = noise_float(&seed);
    return x;
}

static inline void noise_bytes(uint8_t *out, size_t count, uint64_t seed)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (uint8_t)(noise_next(&seed) >> 56);
}

#define CHECK_OK(call)                                                                                                 \
    do {                                                                                                               \
        ssfer_status st_ = (call);                                                                                     \
        if (st_ != SSFER_OK)                                                                                           \
            fail_msg("%s: %s", #call, err.message);                                                                    \
    } while (0)

/* The call fails with this status and a message that contains the text. */
#define CHECK_FAILS(call, wanted, text)                                                                                \
    do {                                                                                                               \
        memset(&err, 0, sizeof err);                                                                                   \
        ssfer_status st_ = (call);                                                                                     \
        if (st_ != (wanted) || err.status != (wanted) || !strstr(err.message, (text)))                                 \
            fail_msg("%s: status %s, message \"%s\"; wanted %s and \"%s\"", #call, ssfer_status_name(st_),             \
                     err.message, ssfer_status_name(wanted), (text));                                                  \
    } while (0)

static inline void check_close(const float *got, const float *want, size_t count, double tolerance, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)got[i] - (double)want[i]) <= tolerance * (1 + fabs((double)want[i]))))
            fail_msg("%s[%zu]: %.9g, wanted %.9g", what, i, (double)got[i], (double)want[i]);
}

#endif
