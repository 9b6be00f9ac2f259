// half for the emulator, by the core's conversions.
#pragma once

#include "core/half.h"

struct __half {
    unsigned short bits;
    __half() = default;
    __half(float f) : bits(hy_float16_from_float(f)) {}
    operator float() const { return hy_float_from_float16(bits); }
};
struct alignas(4) __half2 {
    __half x, y;
};
typedef __half half;
typedef __half2 half2;

inline float __half2float(__half h) { return h; }
inline __half __float2half_rn(float f) { return f; }
inline __half __float2half(float f) { return f; }
