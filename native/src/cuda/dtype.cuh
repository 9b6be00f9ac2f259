/*
 * dtype.cuh: from a tensor's dtype to a C++ type, in one place. `hy_with_floating(dtype, f)` and its like call f with an hy_type<T>; a kernel is
 * then hy_type's T:
 *
 *     return hy_with_floating(x->dtype, [&](auto type) { return run<typename decltype(type)::stored>(…); });
 *
 * A type's elements are stored as `stored` and computed with as `computed`.
 */
#ifndef HY_CUDA_DTYPE_CUH
#define HY_CUDA_DTYPE_CUH

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "cuda/runtime.cuh"

template <typename Stored, typename Computed = Stored>
struct hy_type {
    typedef Stored stored;
    typedef Computed computed;
};

/** What elements of T are computed with. */
template <typename T>
struct hy_computed {
    typedef T type;
};

template <>
struct hy_computed<__half> {
    typedef float type;
};
template <>
struct hy_computed<__nv_bfloat16> {
    typedef float type;
};

/** What a bool is stored as: a type of its own, so that a cast to it is x != 0. */
struct hy_bool {
    uint8_t value;
};
template <>
struct hy_computed<hy_bool> {
    typedef uint8_t type;
};

static inline hy_status hy_cuda_refuse_dtype(int32_t dtype)
{
    return hy_cuda_fail(HY_UNSUPPORTED, "CUDA: no kernel for %s", hy_dtype_name(dtype));
}

template <typename F>
hy_status hy_with_floating(int32_t dtype, F f)
{
    switch (dtype) {
    case HY_FLOAT32: return f(hy_type<float>());
    case HY_FLOAT64: return f(hy_type<double>());
    case HY_BFLOAT16: return f(hy_type<__nv_bfloat16, float>());
    case HY_FLOAT16: return f(hy_type<__half, float>());
    default: return hy_cuda_refuse_dtype(dtype);
    }
}

template <typename F>
hy_status hy_with_integer(int32_t dtype, F f)
{
    switch (dtype) {
    case HY_INT32: return f(hy_type<int32_t>());
    case HY_INT64: return f(hy_type<int64_t>());
    case HY_UINT8: return f(hy_type<uint8_t>());
    default: return hy_cuda_refuse_dtype(dtype);
    }
}

/** Numbers: the floating ones and the integers. */
template <typename F>
hy_status hy_with_number(int32_t dtype, F f)
{
    return hy_is_floating(dtype) ? hy_with_floating(dtype, f) : hy_with_integer(dtype, f);
}

/** Numbers and bool. */
template <typename F>
hy_status hy_with_any(int32_t dtype, F f)
{
    return dtype == HY_BOOL ? f(hy_type<hy_bool, uint8_t>()) : hy_with_number(dtype, f);
}

/** All there are: those that are only moved, too. */
template <typename F>
hy_status hy_with_stored(int32_t dtype, F f)
{
    return dtype == HY_INT8 ? f(hy_type<int8_t>()) : hy_with_any(dtype, f);
}

/** By size alone, for what only moves elements. */
template <typename F>
hy_status hy_with_size(int64_t size, F f)
{
    switch (size) {
    case 1: return f(hy_type<uint8_t>());
    case 2: return f(hy_type<uint16_t>());
    case 4: return f(hy_type<uint32_t>());
    default: return f(hy_type<uint64_t>());
    }
}

/* ---- conversion as hy_copy defines it: a C cast that saturates where C leaves the result undefined; NaN becomes 0 ---- */

#define HY_DEVICE static __host__ __device__ __forceinline__

HY_DEVICE int32_t hy_int32_from(double v) { return v >= 2147483647.0 ? INT32_MAX : v <= -2147483648.0 ? INT32_MIN : v != v ? 0 : (int32_t)v; }
HY_DEVICE int64_t hy_int64_from(double v) { return v >= 0x1p63 ? INT64_MAX : v <= -0x1p63 ? INT64_MIN : v != v ? 0 : (int64_t)v; }
HY_DEVICE uint8_t hy_uint8_from(double v) { return v >= 255 ? 255 : v > 0 ? (uint8_t)v : 0; }
HY_DEVICE int8_t hy_int8_from(double v) { return v >= 127 ? 127 : v <= -128 ? -128 : v != v ? 0 : (int8_t)v; }

/** hy_cast<To>::of(v): v as a To. */
template <typename To>
struct hy_cast {
    template <typename From>
    HY_DEVICE To of(From v) { return (To)v; }
};
#define HY_CAST_TO_INTEGER(type, convert)                     \
    template <>                                               \
    struct hy_cast<type> {                                    \
        HY_DEVICE type of(float v) { return convert(v); }     \
        HY_DEVICE type of(double v) { return convert(v); }    \
        template <typename From>                              \
        HY_DEVICE type of(From v) { return (type)v; }         \
    };
HY_CAST_TO_INTEGER(int32_t, hy_int32_from)
HY_CAST_TO_INTEGER(int64_t, hy_int64_from)
HY_CAST_TO_INTEGER(uint8_t, hy_uint8_from)
HY_CAST_TO_INTEGER(int8_t, hy_int8_from)
/* The 16-bit types go by float32, as they do everywhere. */
template <>
struct hy_cast<__half> {
    template <typename From>
    HY_DEVICE __half of(From v) { return __float2half_rn((float)v); }
};
template <>
struct hy_cast<__nv_bfloat16> {
    template <typename From>
    HY_DEVICE __nv_bfloat16 of(From v) { return __float2bfloat16_rn((float)v); }
};
template <>
struct hy_cast<hy_bool> {
    template <typename From>
    HY_DEVICE hy_bool of(From v) { return {(uint8_t)(v != 0)}; }
};

/** An element as what it is computed with. */
template <typename T>
HY_DEVICE typename hy_computed<T>::type hy_value(T v) { return (typename hy_computed<T>::type)v; }
HY_DEVICE uint8_t hy_value(hy_bool v) { return v.value; }
HY_DEVICE float hy_value(__half v) { return __half2float(v); }
HY_DEVICE float hy_value(__nv_bfloat16 v) { return __bfloat162float(v); }

#endif
