/*
 * Softmax and its logarithm. A group of threads has a line: it gathers the maximum and the sum of exponentials in one pass (normaliser.cuh), then
 * writes; the second reading comes from the cache.
 */
#include "cuda/normaliser.cuh"
#include "cuda/slots.h"

/* Lines along one axis: operand 0 is the output. Strides along the axis are in bytes. */
template <int K>
struct lines {
    hy_walk<K> start;
    int64_t stride[K];
    uint32_t n;
    hy_group group;
};

template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) softmax_kernel(const __grid_constant__ lines<2> l, int32_t logarithm)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t line = blockIdx.x * l.group.across + hy_group_output(l.group), step = l.group.along;
    const bool mine = line < l.start.count;
    const A infinity = (A)HUGE_VAL;
    int64_t offset[2] = {0, 0};
    if (mine) hy_walk_offsets(l.start, line, offset);
    const char *x = l.start.data[1] + offset[1];
    char *y = l.start.data[0] + offset[0];
    hy_normaliser<A> s = {-infinity, 0};
    for (uint32_t i = hy_group_member(l.group); mine && i < l.n; i += step) s = hy_take(s, (A)hy_value(*reinterpret_cast<const S *>(x + i * l.stride[1])));
    s = hy_group_join(l.group, s, [](const hy_normaliser<A> &a, const hy_normaliser<A> &b) { return hy_join(a, b); });
    if (s.max == infinity || s.max == -infinity) s.sum = (A)NAN; /* infinity less infinity */
    const A scale = logarithm ? hy_log(s.sum) : 1 / s.sum;
    for (uint32_t i = hy_group_member(l.group); mine && i < l.n; i += step) {
        const A d = (A)hy_value(*reinterpret_cast<const S *>(x + i * l.stride[1])) - s.max;
        *reinterpret_cast<S *>(y + i * l.stride[0]) = hy_cast<S>::of(logarithm ? d - scale : hy_exp(d) * scale);
    }
}

template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) softmax_backward_kernel(const __grid_constant__ lines<3> l, int32_t logarithm)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t line = blockIdx.x * l.group.across + hy_group_output(l.group), step = l.group.along;
    const bool mine = line < l.start.count;
    int64_t offset[3] = {0, 0, 0};
    if (mine) hy_walk_offsets(l.start, line, offset);
    const char *y = l.start.data[1] + offset[1], *g = l.start.data[2] + offset[2];
    char *dx = l.start.data[0] + offset[0];
    A sum = 0;
    for (uint32_t i = hy_group_member(l.group); mine && i < l.n; i += step) {
        const A gradient = hy_value(*reinterpret_cast<const S *>(g + i * l.stride[2]));
        sum += logarithm ? gradient : gradient * (A)hy_value(*reinterpret_cast<const S *>(y + i * l.stride[1]));
    }
    sum = hy_group_join(l.group, sum, [](A a, A b) { return a + b; });
    for (uint32_t i = hy_group_member(l.group); mine && i < l.n; i += step) {
        const A gradient = hy_value(*reinterpret_cast<const S *>(g + i * l.stride[2])), v = hy_value(*reinterpret_cast<const S *>(y + i * l.stride[1]));
        *reinterpret_cast<S *>(dx + i * l.stride[0]) = hy_cast<S>::of(logarithm ? gradient - hy_exp(v) * sum : v * (gradient - sum));
    }
}

/* Launches a kernel over the lines of the operands along `axis`. */
template <int K, typename Kernel>
static hy_status run(hy_device *device, const char *name, const hy_tensor *const (&tensors)[K], int32_t axis, int32_t logarithm, Kernel kernel)
{
    hy_tensor first[K];
    hy_operand operands[K];
    lines<K> l = {};
    for (int k = 0; k < K; k++) {
        first[k] = *tensors[k];
        l.stride[k] = first[k].strides[axis] * hy_dtype_size(first[k].dtype);
        first[k].shape[axis] = 1;
        operands[k] = hy_view(&first[k]);
    }
    const int64_t n = tensors[0]->shape[axis];
    if (n >= (int64_t)1 << 31) return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes fewer than 2^31 elements a line, given %lld", name, (long long)n);
    if (n == 0) return HY_OK;
    const hy_plan<K> p = hy_plan_walk(operands);
    l.n = (uint32_t)n;
    l.group = hy_group_for(hy_plan_count(p), n, p.strides[0][0] < l.stride[0] && hy_plan_count(p) > 1);
    return hy_plan_run(p, 1, [&](const hy_walk<K> &w) {
        l.start = w;
        return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, l.group.across)), dim3(HY_GROUP_BLOCK), 0, kernel, l, logarithm);
    });
}

static hy_status softmax(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y)
{
    return hy_with_floating(x->dtype, [&](auto type) {
        return run(device, logarithm ? "LogSoftmax" : "Softmax", {y, x}, axis, logarithm, softmax_kernel<typename decltype(type)::stored>);
    });
}

static hy_status softmax_backward(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm, const hy_tensor *dx)
{
    return hy_with_floating(y->dtype, [&](auto type) {
        return run(device, logarithm ? "LogSoftmaxBackward" : "SoftmaxBackward", {dx, y, g}, axis, logarithm,
                   softmax_backward_kernel<typename decltype(type)::stored>);
    });
}

void hy_cuda_fill_softmax(hy_backend *backend)
{
    backend->softmax = softmax;
    backend->softmax_backward = softmax_backward;
}
