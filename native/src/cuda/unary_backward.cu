/* The derivatives of elementwise operations of one operand, from ops.def. */
#include "cuda/formulas.cuh"
#include "cuda/slots.h"

#define HY_UNARY(name, dtypes, param, forward, formula, reads, low, high, doc) \
    template <typename S>                                                      \
    struct unary_backward_##name {                                             \
        enum { inputs = 3 };                                                   \
        typedef S result, first, second, third;                                \
        typedef typename hy_computed<S>::type T;                               \
        T p;                                                                   \
        __device__ __forceinline__ S operator()(T g, T x, T y) const           \
        {                                                                      \
            return hy_cast<S>::of((T)(formula));                                            \
        }                                                                      \
    };
#include "hybrid/ops.def"

/* An operand that the formula does not read is NULL: a number stands in its place, which costs no memory traffic. */
static hy_status unary_backward(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *g, const hy_tensor *dx)
{
    const hy_operand operands[] = {hy_view(dx), hy_view(g), x ? hy_view(x) : hy_number<uint64_t>(0), y ? hy_view(y) : hy_number<uint64_t>(0)};
    switch (op) {
#define HY_UNARY(name, dtypes, param, forward, formula, reads, low, high, doc)                     \
    case HY_UNARY_##name:                                                                          \
        return hy_with_floating(g->dtype, [&](auto type) {                                         \
            typedef unary_backward_##name<typename decltype(type)::stored> F;                      \
            return hy_elementwise(device, #name "_backward", operands, F{(typename F::T)p});       \
        });
#include "hybrid/ops.def"
    default: return HY_UNSUPPORTED;
    }
}

void hy_cuda_fill_unary_backward(hy_backend *backend) { backend->unary_backward = unary_backward; }
