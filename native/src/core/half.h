/*
 * half.h: bfloat16 and float16 to and from float32. Plain arithmetic with ?: alone, so that loops over them vectorise. Narrowing rounds to
 * the nearest and to even; a NaN stays one, its sign and the upper bits of its payload kept and made quiet, as x86's and arm64's own
 * instructions do. (AVX512-BF16's conversion is not used: it takes denormals for zero.)
 */
#ifndef HY_CORE_HALF_H
#define HY_CORE_HALF_H

#include <stdint.h>
#include <string.h>

static inline uint32_t hy_bits_of_float(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static inline float hy_float_of_bits(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static inline float hy_float_from_bfloat16(uint16_t h) { return hy_float_of_bits((uint32_t)h << 16); }

static inline uint16_t hy_bfloat16_from_float(float v)
{
    const uint32_t bits = hy_bits_of_float(v);
    const uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16, nan = bits >> 16 | 0x40;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? nan : rounded);
}

/* A float16's exponent is 112 below float32's. What is denormal there is normal here: its digits, put below the point of 2^-14, less 2^-14. */
static inline float hy_float_from_float16(uint16_t h)
{
    const uint32_t digits = (uint32_t)(h & 0x7FFF) << 13, exponent = digits & 0x0F800000;
    const uint32_t normal = digits + (112u << 23), special = (digits + (224u << 23)) | (digits & 0x007FFFFF ? 0x00400000 : 0);
    const uint32_t denormal = hy_bits_of_float(hy_float_of_bits(digits + (113u << 23)) - 0x1p-14f);
    const uint32_t finite = exponent == 0 ? denormal : normal, bits = exponent == 0x0F800000 ? special : finite;
    return hy_float_of_bits(bits | (uint32_t)(h & 0x8000) << 16);
}

/* The sum with 0.5 rounds as float16's denormals are rounded, for their last digit, 2^-24, is that of 0.5; from 65520 on it is infinity. */
static inline uint16_t hy_float16_from_float(float v)
{
    const uint32_t bits = hy_bits_of_float(v), size = bits & 0x7FFFFFFF;
    const uint32_t normal = (size - (112u << 23) + 0xFFF + (size >> 13 & 1)) >> 13;
    const uint32_t denormal = hy_bits_of_float(hy_float_of_bits(size) + 0.5f) - 0x3F000000, nan = (size >> 13 & 0x3FF) | 0x7E00;
    const uint32_t finite = size < 113u << 23 ? denormal : normal, number = size >= 143u << 23 ? 0x7C00 : finite;
    return (uint16_t)((size > 0x7F800000 ? nan : number) | (bits >> 16 & 0x8000));
}

#endif
