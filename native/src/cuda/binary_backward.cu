/* The derivatives of elementwise operations of two operands, from ops.def. */
#include "cuda/formulas.cuh"
#include "cuda/slots.h"

#define DERIVATIVE(struct_name, formula)                                       \
    template <typename S>                                                      \
    struct struct_name {                                                       \
        enum { inputs = 3 };                                                   \
        typedef S result, first, second, third;                                \
        typedef typename hy_computed<S>::type T;                               \
        __device__ __forceinline__ S operator()(T g, T a, T b) const           \
        {                                                                      \
            return hy_cast<S>::of((T)(formula));                                            \
        }                                                                      \
    };
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    DERIVATIVE(name##_left, derivative_a)                                                                      \
    DERIVATIVE(name##_right, derivative_b)
#include "hybrid/ops.def"

static hy_status run(hy_device *device, int32_t op, int32_t operand, const hy_operand (&operands)[4], int32_t dtype)
{
    switch (op) {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc)      \
    case HY_BINARY_##name:                                                                                          \
        return hy_with_floating(dtype, [&](auto type) {                                                             \
            typedef typename decltype(type)::stored S;                                                              \
            if (operand == 0) return hy_elementwise(device, #name "_backward", operands, name##_left<S>());          \
            return hy_elementwise(device, #name "_backward", operands, name##_right<S>());                           \
        });
#include "hybrid/ops.def"
    default: return HY_UNSUPPORTED;
    }
}

/* An operand that the formula does not read is NULL. */
static hy_operand read(const hy_tensor *t) { return t ? hy_view(t) : hy_number<uint64_t>(0); }

static hy_status binary_backward(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b, const hy_tensor *g, const hy_tensor *d)
{
    return run(device, op, operand, {hy_view(d), hy_view(g), read(a), read(b)}, g->dtype);
}

static hy_status binary_scalar_backward(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *g, const hy_tensor *d)
{
    hy_operand scalar;
    HY_CUDA_TRY(hy_with_floating(g->dtype, [&](auto type) {
        scalar = hy_number((typename decltype(type)::computed)s);
        return HY_OK;
    }));
    return scalar_first ? run(device, op, 1, {hy_view(d), hy_view(g), scalar, read(x)}, g->dtype)
                        : run(device, op, 0, {hy_view(d), hy_view(g), read(x), scalar}, g->dtype);
}

void hy_cuda_fill_binary_backward(hy_backend *backend)
{
    backend->binary_backward = binary_backward;
    backend->binary_scalar_backward = binary_scalar_backward;
}
