/*
 * Reductions: the formulas. float32 is summed in float32: a thread's four chains, then trees (reduce.cuh).
 */
#include "cuda/reduce.cuh"
#include "cuda/slots.h"

/* ---------------------------------------------------------------------------------------------------------------------- */
/* What is computed                                                                                                       */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Integers and bool are summed in 64 bits, 16-bit numbers in float. */
template <typename S, typename R, typename A>
struct sum {
    typedef S input;
    typedef R result;
    typedef A state;
    A scale; /* 1 / n for the mean; no division where it is 1 */
    int32_t divide;
    __device__ __forceinline__ A none() const { return 0; }
    __device__ __forceinline__ A take(S x, uint32_t) const { return (A)hy_value(x); }
    __device__ __forceinline__ A join(A a, A b) const { return a + b; }
    __device__ __forceinline__ R finish(A a) const { return hy_cast<R>::of(divide ? a / scale : a); }
};

template <typename S, typename A>
struct product {
    typedef S input, result;
    typedef A state;
    __device__ __forceinline__ A none() const { return 1; }
    __device__ __forceinline__ A take(S x, uint32_t) const { return (A)hy_value(x); }
    __device__ __forceinline__ A join(A a, A b) const { return a * b; }
    __device__ __forceinline__ S finish(A a) const { return hy_cast<S>::of(a); }
};

/** The larger, or with `sign` below 0 the smaller; a NaN wins. */
template <typename S>
struct extreme {
    typedef S input, result;
    struct state {
        S value;
        uint8_t some;
    };
    int32_t maximum;
    __device__ __forceinline__ state none() const { return {S(), 0}; }
    __device__ __forceinline__ state take(S x, uint32_t) const { return {x, 1}; }
    __device__ __forceinline__ state join(state a, state b) const
    {
        if (!a.some || !b.some) return a.some ? a : b;
        const typename hy_computed<S>::type x = hy_value(a.value), y = hy_value(b.value);
        if (x != x || y != y) return x != x ? a : b;
        return (maximum ? y > x : y < x) ? b : a;
    }
    __device__ __forceinline__ S finish(state a) const { return a.value; }
};

/** Where it is; of equals the first. */
template <typename S>
struct place {
    typedef S input;
    typedef int64_t result;
    struct state {
        S value;
        uint32_t at; /* all ones for none */
    };
    int32_t maximum;
    __device__ __forceinline__ state none() const { return {S(), 0xffffffffu}; }
    __device__ __forceinline__ state take(S x, uint32_t i) const { return {x, i}; }
    __device__ __forceinline__ state join(state a, state b) const
    {
        if (a.at == 0xffffffffu || b.at == 0xffffffffu) return a.at == 0xffffffffu ? b : a;
        const typename hy_computed<S>::type x = hy_value(a.value), y = hy_value(b.value);
        const bool either = (x != x) == (y != y) && (x == y || x != x); /* equal, or both NaN: then their places decide */
        const bool second = either ? b.at < a.at : y != y || (x == x && (maximum ? y > x : y < x));
        return second ? b : a;
    }
    __device__ __forceinline__ int64_t finish(state a) const { return a.at; }
};

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The slots                                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------------- */

static int64_t reduced_count(const hy_tensor *x, const hy_tensor *y)
{
    int64_t n = 1;
    for (int d = 0; d < x->ndim; d++)
        if (y->shape[d] != x->shape[d]) n *= x->shape[d];
    return n;
}

static hy_status sum_or_mean(hy_device *device, bool mean, const hy_tensor *x, const hy_tensor *y)
{
    const int64_t n = reduced_count(x, y);
    if (hy_is_floating(x->dtype))
        return hy_with_floating(x->dtype, [&](auto type) {
            typedef typename decltype(type)::stored S;
            typedef typename decltype(type)::computed A;
            return hy_reduce(device, mean ? "Mean" : "Sum", x, y, sum<S, S, A>{(A)n, mean});
        });
    if (x->dtype == HY_INT32) return hy_reduce(device, "Sum", x, y, sum<int32_t, int32_t, int64_t>{1, 0});
    if (x->dtype == HY_INT64) return hy_reduce(device, "Sum", x, y, sum<int64_t, int64_t, int64_t>{1, 0});
    return hy_reduce(device, "Sum", x, y, sum<uint8_t, int64_t, int64_t>{1, 0}); /* a bool is 0 or 1 */
}

static hy_status multiply(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    return hy_with_number(x->dtype, [&](auto type) {
        return hy_reduce(device, "Prod", x, y, product<typename decltype(type)::stored, typename decltype(type)::computed>());
    });
}

static int32_t as_number(int32_t dtype) { return dtype == HY_BOOL ? HY_UINT8 : dtype; }

static hy_status reduce(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y)
{
    switch (op) {
    case HY_REDUCE_sum:
    case HY_REDUCE_mean: return sum_or_mean(device, op == HY_REDUCE_mean, x, y);
    case HY_REDUCE_prod: return multiply(device, x, y);
    default:
        return hy_with_number(as_number(x->dtype), [&](auto type) {
            return hy_reduce(device, op == HY_REDUCE_max ? "Max" : "Min", x, y, extreme<typename decltype(type)::stored>{op == HY_REDUCE_max});
        });
    }
}

static hy_status arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y)
{
    hy_tensor output = *y;
    if (x->shape[axis] == 1) return device->backend.fill(device, 0, y);
    return hy_with_number(as_number(x->dtype), [&](auto type) {
        return hy_reduce(device, maximum ? "ArgMax" : "ArgMin", x, &output, place<typename decltype(type)::stored>{maximum});
    });
}

void hy_cuda_fill_reduce(hy_backend *backend)
{
    backend->reduce = reduce;
    backend->arg_reduce = arg_reduce;
}
