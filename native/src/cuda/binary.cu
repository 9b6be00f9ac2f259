/* Elementwise operations of two operands, from ops.def, and the choice between two. */
#include "cuda/formulas.cuh"
#include "cuda/slots.h"

#define HY_BINARY(name, dtypes, formula, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    template <typename S>                                                                                      \
    struct binary_##name {                                                                                     \
        enum { inputs = 2 };                                                                                   \
        typedef S result, first, second, third;                                                                \
        typedef typename hy_computed<S>::type T;                                                               \
        __device__ __forceinline__ S operator()(T a, T b, T) const                                              \
        {                                                                                                      \
            return hy_cast<S>::of((T)(formula));                                                                            \
        }                                                                                                      \
    };
#include "hybrid/ops.def"

static hy_status run(hy_device *device, int32_t op, const hy_operand (&operands)[3], int32_t dtype)
{
    switch (op) {
#define HY_BINARY(name, dtypes, formula, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc)                             \
    case HY_BINARY_##name:                                                                                                                 \
        return hy_with_##dtypes(dtype, [&](auto type) {                                                                                    \
            return hy_elementwise(device, #name, operands, binary_##name<typename decltype(type)::stored>());                              \
        });
#include "hybrid/ops.def"
    default: return HY_UNSUPPORTED;
    }
}

static hy_status binary(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    return run(device, op, {hy_view(y), hy_view(a), hy_view(b)}, y->dtype);
}

static hy_status binary_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *y)
{
    hy_operand scalar;
    HY_CUDA_TRY(hy_with_number(x->dtype, [&](auto type) {
        scalar = hy_number(hy_cast<typename decltype(type)::computed>::of(s));
        return HY_OK;
    }));
    return scalar_first ? run(device, op, {hy_view(y), scalar, hy_view(x)}, y->dtype) : run(device, op, {hy_view(y), hy_view(x), scalar}, y->dtype);
}

template <typename S>
struct choice {
    enum { inputs = 3 };
    typedef S result, second, third;
    typedef uint8_t first;
    __device__ __forceinline__ S operator()(uint8_t condition, S a, S b) const { return condition ? a : b; }
};

static hy_status where(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    const hy_operand operands[] = {hy_view(y), hy_view(condition), hy_view(a), hy_view(b)};
    return hy_with_size(hy_dtype_size(y->dtype), [&](auto type) {
        return hy_elementwise(device, "Where", operands, choice<typename decltype(type)::stored>());
    });
}

void hy_cuda_fill_binary(hy_backend *backend)
{
    backend->binary = binary;
    backend->binary_scalar = binary_scalar;
    backend->where = where;
}
