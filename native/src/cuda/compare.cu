/* Comparisons, from ops.def. The second operand keeps its own type, so that an integer is compared with a number as double. */
#include "cuda/formulas.cuh"
#include "cuda/slots.h"

#define HY_COMPARE(name, formula, doc)                                              \
    template <typename A, typename B>                                               \
    struct compare_##name {                                                         \
        enum { inputs = 2 };                                                        \
        typedef uint8_t result, third;                                              \
        typedef A first;                                                            \
        typedef B second;                                                           \
        typedef typename hy_computed<A>::type TA;                                   \
        typedef typename hy_computed<B>::type TB;                                   \
        __device__ __forceinline__ uint8_t operator()(TA a, TB b, uint8_t) const    \
        {                                                                           \
            return (uint8_t)(formula);                                              \
        }                                                                           \
    };
#include "hybrid/ops.def"

template <typename A, typename B>
static hy_status run(hy_device *device, int32_t op, const hy_operand (&operands)[3])
{
    switch (op) {
#define HY_COMPARE(name, formula, doc) \
    case HY_COMPARE_##name: return hy_elementwise(device, #name, operands, compare_##name<A, B>());
#include "hybrid/ops.def"
    default: return HY_UNSUPPORTED;
    }
}

/* A bool holds 0 or 1, so it compares as the byte that it is. */
static int32_t as_number(int32_t dtype) { return dtype == HY_BOOL ? HY_UINT8 : dtype; }

static hy_status compare(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    return hy_with_number(as_number(a->dtype), [&](auto type) {
        typedef typename decltype(type)::stored S;
        return run<S, S>(device, op, {hy_view(y), hy_view(a), hy_view(b)});
    });
}

static hy_status compare_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y)
{
    if (hy_is_floating(x->dtype))
        return hy_with_floating(x->dtype, [&](auto type) {
            typedef typename decltype(type)::stored S;
            return run<S, S>(device, op, {hy_view(y), hy_view(x), hy_number((typename hy_computed<S>::type)s)});
        });
    return hy_with_integer(as_number(x->dtype), [&](auto type) {
        return run<typename decltype(type)::stored, double>(device, op, {hy_view(y), hy_view(x), hy_number(s)});
    });
}

void hy_cuda_fill_compare(hy_backend *backend)
{
    backend->compare = compare;
    backend->compare_scalar = compare_scalar;
}
