/* Elementwise operations of one operand, from ops.def. */
#include "cuda/formulas.cuh"
#include "cuda/slots.h"

#define HY_UNARY(name, dtypes, param, formula, derivative, reads, low, high, doc) \
    template <typename S>                                                         \
    struct unary_##name {                                                         \
        enum { inputs = 1 };                                                      \
        typedef S result, first, second, third;                                   \
        typedef typename hy_computed<S>::type T;                                  \
        T p;                                                                      \
        __device__ __forceinline__ S operator()(T x, T, T) const                  \
        {                                                                         \
            return hy_cast<S>::of((T)(formula));                                               \
        }                                                                         \
    };
#include "hybrid/ops.def"

static hy_status unary(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y)
{
    const hy_operand operands[] = {hy_view(y), hy_view(x)};
    switch (op) {
#define HY_UNARY(name, dtypes, param, formula, derivative, reads, low, high, doc)                  \
    case HY_UNARY_##name:                                                                          \
        return hy_with_##dtypes(x->dtype, [&](auto type) {                                         \
            typedef unary_##name<typename decltype(type)::stored> F;                               \
            return hy_elementwise(device, #name, operands, F{(typename F::T)p});                   \
        });
#include "hybrid/ops.def"
    default: return HY_UNSUPPORTED;
    }
}

void hy_cuda_fill_unary(hy_backend *backend) { backend->unary = unary; }
