/* cast.h: one element of any dtype, and conversion as hy_copy defines it: a C cast that saturates where C leaves the result undefined. */
#ifndef HY_CPU_CAST_H
#define HY_CPU_CAST_H

#include "core/half.h"
#include "core/tensor.h"

/** One element of any dtype. */
typedef union hy_element {
    float f32;
    double f64;
    int32_t i32;
    int64_t i64;
    uint8_t u8;
    int8_t i8;
    uint16_t half;
} hy_element;

/* NaN becomes 0. The upper bounds are 2^31 and 2^63 less what double cannot tell apart; a cast truncates, so -0.5 is within uint8. */
static inline int32_t hy_int32_from_double(double v)
{
    return v >= 2147483647.0 ? INT32_MAX : v <= -2147483648.0 ? INT32_MIN : v != v ? 0 : (int32_t)v;
}

static inline int64_t hy_int64_from_double(double v)
{
    return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v != v ? 0 : (int64_t)v;
}

static inline uint8_t hy_uint8_from_double(double v) { return v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0; }

static inline int8_t hy_int8_from_double(double v) { return v >= 127 ? 127 : v <= -128 ? -128 : v != v ? 0 : (int8_t)v; }

/* The same of float, eight of which fill a vector. The bound is what float has of 2^31 - 1 and above. */
static inline int32_t hy_int32_from_float(float v)
{
    return v >= 0x1p31f ? INT32_MAX : v <= -0x1p31f ? INT32_MIN : v != v ? 0 : (int32_t)v;
}

static inline uint8_t hy_uint8_from_float(float v) { return v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0; }

static inline int8_t hy_int8_from_float(float v) { return v >= 127 ? 127 : v <= -128 ? -128 : v != v ? 0 : (int8_t)v; }

static inline hy_element hy_element_from_double(double v, int32_t dtype)
{
    switch (dtype) {
    case HY_FLOAT32: return (hy_element){.f32 = (float)v};
    case HY_FLOAT64: return (hy_element){.f64 = v};
    case HY_INT32: return (hy_element){.i32 = hy_int32_from_double(v)};
    case HY_INT64: return (hy_element){.i64 = hy_int64_from_double(v)};
    case HY_UINT8: return (hy_element){.u8 = hy_uint8_from_double(v)};
    case HY_INT8: return (hy_element){.i8 = hy_int8_from_double(v)};
    case HY_BFLOAT16: return (hy_element){.half = hy_bfloat16_from_float((float)v)};
    case HY_FLOAT16: return (hy_element){.half = hy_float16_from_float((float)v)};
    default: return (hy_element){.u8 = v != 0};
    }
}

#endif
