// bfloat16 for the emulator, by the core's conversions.
#pragma once

#include "core/half.h"

struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float f) : bits(hy_bfloat16_from_float(f)) {}
    operator float() const { return hy_float_from_bfloat16(bits); }
};
struct alignas(4) __nv_bfloat162 {
    __nv_bfloat16 x, y;
};

inline float __bfloat162float(__nv_bfloat16 h) { return h; }
inline __nv_bfloat16 __float2bfloat16_rn(float f) { return f; }
inline __nv_bfloat16 __float2bfloat16(float f) { return f; }
