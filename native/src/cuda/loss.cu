/*
 * Losses, fused with their gradients. A sample's loss, or a block's share of the squares, is summed in a tree of fixed shape; what the blocks have
 * is joined by a second launch, so results have the same bits every time.
 */
#include <algorithm>

#include "cuda/normaliser.cuh"
#include "cuda/slots.h"

template <typename A>
static __device__ __forceinline__ A block_sum(A mine)
{
    return hy_group_join(hy_group{1, HY_GROUP_BLOCK, 0}, mine, [](A a, A b) { return a + b; });
}

/* How many samples count, as the parts that count_kernel leaves. */
struct counted {
    const int64_t *parts;
    uint32_t count; /* of the parts; 0 where nobody asks */
};

template <typename A>
static __device__ __forceinline__ A divisor_of(const counted &c, A otherwise)
{
    if (c.count == 0) return otherwise;
    int64_t n = 0;
    for (uint32_t i = 0; i < c.count; i++) n += c.parts[i];
    return (A)n;
}

/* The blocks' sums as one loss. */
template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) total_kernel(const typename hy_computed<S>::type *partial, uint32_t count, const counted divisor,
                                                                      typename hy_computed<S>::type otherwise, S *loss)
{
    typedef typename hy_computed<S>::type A;
    A sum[4] = {0, 0, 0, 0};
    for (uint32_t i = threadIdx.x; i < count; i += 4 * HY_GROUP_BLOCK)
#pragma unroll
        for (int e = 0; e < 4; e++)
            if (i + e * HY_GROUP_BLOCK < count) sum[e] += partial[i + e * HY_GROUP_BLOCK];
    const A total = block_sum(sum[0] + sum[1] + (sum[2] + sum[3]));
    if (threadIdx.x == 0) *loss = hy_cast<S>::of(total / divisor_of(divisor, otherwise));
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Cross-entropy                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* Strides are in bytes; grad and each may be NULL. */
struct samples {
    const char *logits, *labels;
    char *grad, *each;
    int64_t row, column, label, grad_row, grad_column, each_row;
    uint32_t count, classes;
    int64_t ignored;
    hy_group group;
    hy_cuda_flag *flag;
};

enum { COUNT_SHARE = 4096, COUNT_PARTS = 32 };

static __global__ void __launch_bounds__(HY_GROUP_BLOCK) count_kernel(const samples s, uint32_t part, int64_t *parts)
{
    const uint32_t begin = blockIdx.x * part, end = s.count - begin < part ? s.count : begin + part;
    int64_t n = 0;
    for (uint32_t i = begin + threadIdx.x; i < end; i += HY_GROUP_BLOCK) n += *reinterpret_cast<const int64_t *>(s.labels + i * s.label) != s.ignored;
    n = block_sum(n);
    if (threadIdx.x == 0) parts[blockIdx.x] = n;
}

/* A group has a sample. The loss goes to `each` or, summed over the block, to `partial`. Asked for one block a multiprocessor at least, ptxas does not
 * spill for a second (sm_90, double). */
template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK, 1) cross_entropy_kernel(const __grid_constant__ samples s, typename hy_computed<S>::type smoothing,
                                                                              const counted samples_counted, typename hy_computed<S>::type *partial)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t sample = blockIdx.x * s.group.across + hy_group_output(s.group), first = hy_group_member(s.group), step = s.group.along;
    const bool mine = sample < s.count;
    const int64_t label = mine ? *reinterpret_cast<const int64_t *>(s.labels + sample * s.label) : s.ignored;
    const bool valid = label >= 0 && label < (int64_t)s.classes, counts = label != s.ignored && valid;
    if (label != s.ignored && !valid && first == 0) hy_cuda_report(s.flag, HY_FAULT_cross_entropy, sample);

    const A infinity = (A)HUGE_VAL;
    const char *x = s.logits + sample * s.row;
    const A named = counts ? (A)hy_value(*reinterpret_cast<const S *>(x + label * s.column)) : 0;
    hy_normaliser<A> n = {-infinity, 0};
    for (uint32_t i = first; counts && i < s.classes; i += step) n = hy_take(n, (A)hy_value(*reinterpret_cast<const S *>(x + i * s.column)));
    n = hy_group_join(s.group, n, [](const hy_normaliser<A> &a, const hy_normaliser<A> &b) { return hy_join(a, b); });
    if (n.max == infinity || n.max == -infinity) n.sum = (A)NAN; /* infinity less infinity */

    const A scale = 1 / n.sum, log_sum = hy_log(n.sum), divisor = divisor_of(samples_counted, (A)1), spread = smoothing / (A)s.classes;
    char *grad = s.grad ? s.grad + sample * s.grad_row : nullptr;
    A all = 0; /* the log probabilities, which smoothing spreads over */
    for (uint32_t i = first; counts && (grad || smoothing != 0) && i < s.classes; i += step) {
        const A d = (A)hy_value(*reinterpret_cast<const S *>(x + i * s.column)) - n.max, target = (i == (uint32_t)label ? 1 - smoothing : 0) + spread;
        all += d - log_sum;
        if (grad) *reinterpret_cast<S *>(grad + i * s.grad_column) = hy_cast<S>::of((hy_exp(d) * scale - target) / divisor);
    }
    for (uint32_t i = first; mine && !counts && grad && i < s.classes; i += step) *reinterpret_cast<S *>(grad + i * s.grad_column) = hy_cast<S>::of((A)0);
    if (smoothing != 0) all = hy_group_join(s.group, all, [](A a, A b) { return a + b; });

    A loss = 0;
    if (counts && first == 0) {
        loss = -(named - n.max - log_sum);
        if (smoothing != 0) loss = (1 - smoothing) * loss - spread * all; /* or else an infinity times no smoothing would be NaN */
    }
    if (s.each && mine && first == 0) *reinterpret_cast<S *>(s.each + sample * s.each_row) = hy_cast<S>::of(loss);
    if (!partial) return;
    loss = block_sum(loss);
    if (threadIdx.x == 0) partial[blockIdx.x] = loss;
}

template <typename S>
static hy_status run_cross_entropy(hy_device *device, int32_t reduction, double smoothing, const samples &s, const hy_tensor *loss)
{
    typedef typename hy_computed<S>::type A;
    const char *name = "CrossEntropy";
    const int64_t blocks = hy_ceil_div(s.count, s.group.across);
    const dim3 grid((unsigned)blocks), block(HY_GROUP_BLOCK);
    counted none = {nullptr, 0}, n = none;
    if (reduction == HY_REDUCTION_none)
        return blocks ? hy_cuda_launch(device, name, grid, block, 0, cross_entropy_kernel<S>, s, (A)smoothing, none, nullptr) : HY_OK;

    void *scratch;
    HY_CUDA_TRY(hy_cuda_scratch(device, COUNT_PARTS * (int64_t)sizeof(int64_t) + blocks * (int64_t)sizeof(A), &scratch));
    A *partial = (A *)((int64_t *)scratch + COUNT_PARTS);
    hy_status status = HY_OK;
    if (reduction == HY_REDUCTION_mean) {
        const int64_t parts = std::min<int64_t>(std::max<int64_t>(hy_ceil_div(s.count, COUNT_SHARE), 1), COUNT_PARTS), part = hy_ceil_div(s.count, parts);
        n = {(int64_t *)scratch, (uint32_t)(part ? hy_ceil_div(s.count, part) : 1)};
        status = hy_cuda_launch(device, name, dim3(n.count), block, 0, count_kernel, s, (uint32_t)part, (int64_t *)scratch);
    }
    if (status == HY_OK && blocks) status = hy_cuda_launch(device, name, grid, block, 0, cross_entropy_kernel<S>, s, (A)smoothing, n, partial);
    if (status == HY_OK) status = hy_cuda_launch(device, name, dim3(1), block, 0, total_kernel<S>, partial, (uint32_t)blocks, n, (A)1, (S *)loss->data);
    hy_cuda_release(device, scratch);
    return status;
}

static hy_status cross_entropy(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits,
                               const hy_tensor *labels, const hy_tensor *loss, const hy_tensor *grad)
{
    const int64_t size = hy_dtype_size(logits->dtype), most = (int64_t)1 << 31;
    if (logits->shape[0] >= most || logits->shape[1] >= most)
        return hy_cuda_fail(HY_UNSUPPORTED, "CrossEntropy: CUDA takes fewer than 2^31 samples of fewer than 2^31 classes, given %lld of %lld",
                            (long long)logits->shape[0], (long long)logits->shape[1]);
    samples s = {};
    s.logits = (char *)logits->data, s.row = logits->strides[0] * size, s.column = logits->strides[1] * size;
    s.labels = (char *)labels->data, s.label = labels->strides[0] * (int64_t)sizeof(int64_t);
    if (grad) s.grad = (char *)grad->data, s.grad_row = grad->strides[0] * size, s.grad_column = grad->strides[1] * size;
    if (reduction == HY_REDUCTION_none) s.each = (char *)loss->data, s.each_row = loss->strides[0] * size;
    s.count = (uint32_t)logits->shape[0], s.classes = (uint32_t)logits->shape[1];
    s.ignored = ignore_index;
    s.group = hy_group_for(s.count, s.classes, s.count > 1 && s.row < s.column);
    s.flag = hy_cuda(device)->flag;
    return hy_with_floating(logits->dtype, [&](auto type) {
        return run_cross_entropy<typename decltype(type)::stored>(device, reduction, label_smoothing, s, loss);
    });
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Squared error                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------------- */

enum { MSE_EACH = 8 }; /* elements a thread takes */

/* Operands: x, the target, each loss and the gradient, these two without data where they are not wanted. */
template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) mse_kernel(const __grid_constant__ hy_walk<4> w, typename hy_computed<S>::type divisor,
                                                                    typename hy_computed<S>::type *partial)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t base = blockIdx.x * (HY_GROUP_BLOCK * MSE_EACH) + threadIdx.x;
    A sum = 0;
#pragma unroll
    for (int e = 0; e < MSE_EACH; e++) {
        const uint32_t i = base + e * HY_GROUP_BLOCK;
        if (i >= w.count) continue;
        int64_t offset[4];
        if (w.mode == HY_WALK_DENSE)
            for (int k = 0; k < 4; k++) offset[k] = (int64_t)i * (int64_t)sizeof(S);
        else hy_walk_offsets(w, i, offset);
        const A difference = (A)hy_value(*reinterpret_cast<const S *>(w.data[0] + offset[0])) - (A)hy_value(*reinterpret_cast<const S *>(w.data[1] + offset[1]));
        if (w.data[2]) *reinterpret_cast<S *>(w.data[2] + offset[2]) = hy_cast<S>::of(difference * difference);
        if (w.data[3]) *reinterpret_cast<S *>(w.data[3] + offset[3]) = hy_cast<S>::of(2 * difference / divisor);
        sum += difference * difference;
    }
    if (!partial) return;
    sum = block_sum(sum);
    if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

template <typename S>
static hy_status run_mse(hy_device *device, int32_t reduction, const hy_walk<4> &w, const hy_tensor *loss)
{
    typedef typename hy_computed<S>::type A;
    const char *name = "MseLoss";
    const A divisor = reduction == HY_REDUCTION_mean ? (A)w.count : 1;
    const int64_t blocks = hy_ceil_div(w.count, HY_GROUP_BLOCK * MSE_EACH);
    const dim3 grid((unsigned)blocks), block(HY_GROUP_BLOCK);
    if (reduction == HY_REDUCTION_none) return blocks ? hy_cuda_launch(device, name, grid, block, 0, mse_kernel<S>, w, divisor, nullptr) : HY_OK;
    void *partial;
    HY_CUDA_TRY(hy_cuda_scratch(device, blocks * (int64_t)sizeof(A), &partial));
    hy_status status = blocks ? hy_cuda_launch(device, name, grid, block, 0, mse_kernel<S>, w, divisor, (A *)partial) : HY_OK;
    if (status == HY_OK)
        status = hy_cuda_launch(device, name, dim3(1), block, 0, total_kernel<S>, (const A *)partial, (uint32_t)blocks, counted{nullptr, 0}, divisor, (S *)loss->data);
    hy_cuda_release(device, partial);
    return status;
}

static hy_status mse(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss, const hy_tensor *grad)
{
    const hy_operand nothing = hy_number((uint8_t)0);
    const hy_plan<4> p = hy_plan_walk({hy_view(x), hy_view(target), reduction == HY_REDUCTION_none ? hy_view(loss) : nothing, grad ? hy_view(grad) : nothing});
    if (hy_plan_count(p) >= (int64_t)1 << 31)
        return hy_cuda_fail(HY_UNSUPPORTED, "MseLoss: CUDA takes fewer than 2^31 elements, given %lld", (long long)hy_plan_count(p));
    return hy_with_floating(x->dtype, [&](auto type) {
        return run_mse<typename decltype(type)::stored>(device, reduction, hy_plan_finish(p, 1), loss);
    });
}

void hy_cuda_fill_loss(hy_backend *backend)
{
    backend->cross_entropy = cross_entropy;
    backend->mse = mse;
}
