/* 16-bit floats as integers of their bits, widened exactly; compilers do not all have _Float16. */
#ifndef SSFER_IO_HALF_H
#define SSFER_IO_HALF_H

#include <stdint.h>
#include <string.h>

static inline float ssfer_float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* bfloat16 is the upper half of a float32. */
static inline float ssfer_bf16_to_f32(uint16_t bits)
{
    return ssfer_float_of_bits((uint32_t)bits << 16);
}

/* IEEE binary16: 1 sign, 5 exponent (bias 15), 10 fraction bits. */
static inline float ssfer_f16_to_f32(uint16_t bits)
{
    uint32_t sign = (uint32_t)(bits & 0x8000) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
    if (exponent == 31) /* infinity or NaN, payload kept */
        return ssfer_float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent == 0) { /* zero or subnormal: fraction * 2^-24, exact in float32 */
        float value = (float)fraction * 0x1p-24f;
        return sign ? -value : value;
    }
    return ssfer_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

#endif
