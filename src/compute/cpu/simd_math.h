/* exp and erf without branches or calls, so that a loop over them becomes vector code on any level. */
#ifndef SSFER_COMPUTE_CPU_SIMD_MATH_H
#define SSFER_COMPUTE_CPU_SIMD_MATH_H

#include <stdint.h>
#include <string.h>

/* exp(x) to about 2 ulp: x = n ln2 + r with |r| <= ln2/2, a Taylor polynomial of degree 7 for exp(r), and 2^n put into
 * the exponent. Below -87.3 (where the result leaves the normal range) it is held at 1.2e-38; above 88.7 at 3.3e38;
 * a NaN stays one. */
static inline float simd_exp(float x)
{
    float held = x < -87.3f ? -87.3f : x;
    held = held > 88.7f ? 88.7f : held;
    float shifted = held * 1.44269504f + 12582912.0f; /* 1.5 * 2^23: adding it rounds to an integer */
    float n = shifted - 12582912.0f;
    float r = held - n * 0.693359375f; /* ln2 in two parts: the first has few enough bits for n * it to be exact */
    r = r + n * 2.12194440e-4f;
    float p = 1.98412698e-4f; /* 1/7! */
    p = p * r + 1.38888889e-3f;
    p = p * r + 8.33333333e-3f;
    p = p * r + 4.16666667e-2f;
    p = p * r + 1.66666667e-1f;
    p = p * r + 0.5f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    /* The integer is read from the low bits of `shifted`: converting a NaN to an integer would be undefined.
     * 2^n as 2^(n/2) * 2^(n - n/2), since n reaches 128 and one float exponent does not. */
    int32_t whole, half;
    memcpy(&whole, &shifted, sizeof whole);
    whole -= 0x4B400000; /* the bits of 1.5 * 2^23 */
    half = whole >> 1;
    uint32_t low = (uint32_t)(half + 127) << 23, high = (uint32_t)(whole - half + 127) << 23;
    float scale_low, scale_high;
    memcpy(&scale_low, &low, sizeof low);
    memcpy(&scale_high, &high, sizeof high);
    return p * scale_low * scale_high;
}

/* erf(x) = x P(x^2)/Q(x^2), |x| clamped to 3.92 where float32 erf is 1; error below 4e-7.
 * Coefficients: tools/fit_erf.py. */
static inline float simd_erf(float x)
{
    float c = x < -3.92f ? -3.92f : x;
    c = c > 3.92f ? 3.92f : c;
    float z = c * c;
    float p = -1.279931538533674e-08f;
    p = p * z + 4.609131337929284e-06f;
    p = p * z + 3.7675589555874467e-04f;
    p = p * z + 3.838644130155444e-03f;
    p = p * z + 5.424400046467781e-02f;
    p = p * z + 1.85136079788208e-01f;
    p = p * z + 1.128379225730896f;
    float q = 6.23982195975259e-05f;
    q = q * z + 1.3015252770856023e-03f;
    q = q * z + 1.5430078841745853e-02f;
    q = q * z + 1.1387401074171066e-01f;
    q = q * z + 4.974059760570526e-01f;
    q = q * z + 1.0f;
    float e = c * p / q;
    e = e < -1.0f ? -1.0f : e; /* the fit overshoots by one ulp, which GELU would multiply by a large x */
    return e > 1.0f ? 1.0f : e;
}

#endif
