/*
 * Batch normalisation. A group of threads has a channel: it gathers what the formula needs of the whole channel, joins it in a tree, and goes over the
 * channel again to write. Where there are fewer groups than keep the machine busy, a channel is cut into parts that one launch gathers, a second joins,
 * and a third writes. The cut depends on shapes and the machine alone, so results have the same bits every time.
 */
#include "cuda/group.cuh"
#include "cuda/slots.h"

/* ---------------------------------------------------------------------------------------------------------------------- */
/* What is computed: `take` four elements or one, `join` two states (the first one's elements come first), `finish` makes      */
/* the channel's results and what `apply` needs of it                                                                        */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* One number a channel; NULL for none. */
struct per_channel {
    char *data;
    int64_t stride; /* in bytes */
};

static per_channel vector_of(const hy_tensor *t) { return t ? per_channel{(char *)t->data, t->strides[0] * hy_dtype_size(t->dtype)} : per_channel{}; }

template <typename S>
static __device__ __forceinline__ typename hy_computed<S>::type read(const per_channel &v, uint32_t channel, typename hy_computed<S>::type otherwise)
{
    return v.data ? (typename hy_computed<S>::type)hy_value(*reinterpret_cast<const S *>(v.data + channel * v.stride)) : otherwise;
}

template <typename S>
static __device__ __forceinline__ void write(const per_channel &v, uint32_t channel, typename hy_computed<S>::type value)
{
    if (v.data) *reinterpret_cast<S *>(v.data + channel * v.stride) = hy_cast<S>::of(value);
}

/* Operands: y, x. Mean and sum of squared deviations, joined as Chan, Golub and LeVeque do ("Updating formulae", 1979): no large sums are subtracted. */
template <typename S>
struct forward {
    typedef S stored;
    typedef typename hy_computed<S>::type A;
    enum { operands = 2, inputs = 1 };
    struct known {};
    struct state {
        A count, mean, squares;
    };
    struct constants {
        A mean, scale, shift;
    };
    per_channel weight, bias, running_mean, running_var, mean, rstd;
    A eps, momentum;

    __device__ __forceinline__ known begin(uint32_t) const { return {}; }
    __device__ __forceinline__ state none() const { return {0, 0, 0}; }
    __device__ __forceinline__ state join(const state &a, const state &b) const
    {
        if (a.count == 0 || b.count == 0) return a.count == 0 ? b : a;
        const A count = a.count + b.count, apart = b.mean - a.mean, share = b.count / count;
        return {count, a.mean + apart * share, a.squares + b.squares + apart * apart * (a.count * share)};
    }
    __device__ __forceinline__ state take(const known &, const state &s, const A (&x)[4][1]) const
    {
        const A mean = (x[0][0] + x[1][0] + (x[2][0] + x[3][0])) * (A)0.25;
        const A a = x[0][0] - mean, b = x[1][0] - mean, c = x[2][0] - mean, d = x[3][0] - mean;
        return join(s, {4, mean, a * a + b * b + (c * c + d * d)});
    }
    __device__ __forceinline__ state take(const known &, const state &s, const A (&x)[1]) const { return join(s, {1, x[0], 0}); }
    __device__ __forceinline__ constants finish(uint32_t channel, const known &, const state &s) const
    {
        const A scale = 1 / (A)sqrt(s.squares / s.count + eps);
        write<S>(mean, channel, s.mean);
        write<S>(rstd, channel, scale);
        write<S>(running_mean, channel, (1 - momentum) * read<S>(running_mean, channel, 0) + momentum * s.mean);
        write<S>(running_var, channel, (1 - momentum) * read<S>(running_var, channel, 0) + momentum * (s.squares / (s.count - 1)));
        return {s.mean, scale * read<S>(weight, channel, 1), read<S>(bias, channel, 0)};
    }
    __device__ __forceinline__ A apply(const known &, const constants &c, const A (&x)[1]) const { return (x[0] - c.mean) * c.scale + c.shift; }
};

/* Operands: dx, dy, x. */
template <typename S>
struct backward {
    typedef S stored;
    typedef typename hy_computed<S>::type A;
    enum { operands = 3, inputs = 2 };
    struct known {
        A mean, rstd;
    };
    struct state {
        A sum, products; /* of dy; of dy and the normalised x */
    };
    struct constants {
        A factor, sum, products; /* the latter two of an element on average */
    };
    per_channel weight, mean, rstd, dweight, dbias;
    A count;

    __device__ __forceinline__ known begin(uint32_t channel) const { return {read<S>(mean, channel, 0), read<S>(rstd, channel, 1)}; }
    __device__ __forceinline__ state none() const { return {0, 0}; }
    __device__ __forceinline__ state join(const state &a, const state &b) const { return {a.sum + b.sum, a.products + b.products}; }
    __device__ __forceinline__ A normal(const known &k, A x) const { return (x - k.mean) * k.rstd; }
    __device__ __forceinline__ state take(const known &k, const state &s, const A (&v)[4][2]) const
    {
        const A a = v[0][0] * normal(k, v[0][1]), b = v[1][0] * normal(k, v[1][1]), c = v[2][0] * normal(k, v[2][1]), d = v[3][0] * normal(k, v[3][1]);
        return {s.sum + (v[0][0] + v[1][0] + (v[2][0] + v[3][0])), s.products + (a + b + (c + d))};
    }
    __device__ __forceinline__ state take(const known &k, const state &s, const A (&v)[2]) const { return {s.sum + v[0], s.products + v[0] * normal(k, v[1])}; }
    __device__ __forceinline__ constants finish(uint32_t channel, const known &k, const state &s) const
    {
        write<S>(dbias, channel, s.sum);
        write<S>(dweight, channel, s.products);
        return {read<S>(weight, channel, 1) * k.rstd, s.sum / count, s.products / count};
    }
    __device__ __forceinline__ A apply(const known &k, const constants &c, const A (&v)[2]) const
    {
        return c.factor * (v[0] - c.sum - normal(k, v[1]) * c.products);
    }
};

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The kernels                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

template <int K>
struct channels {
    hy_walk<K> rest;    /* the elements of a channel; operand 0 is written */
    int64_t stride[K];  /* from a channel to the next, in bytes */
    uint32_t count;
    hy_group group;
    uint32_t part;      /* elements of a channel that a part has */
    int32_t writes;     /* whether there is anything to write but the channel's own results */
};

/* The elements of a channel that a thread has, of the part that blockIdx.y names: `four` gets fours of them, `one` the others. */
template <typename F, typename Four, typename One>
static __device__ __forceinline__ void each(const channels<F::operands> &c, uint32_t channel, Four four, One one)
{
    typedef typename F::stored S;
    const uint32_t begin = blockIdx.y * c.part, end = c.rest.count - begin < c.part ? c.rest.count : begin + c.part, step = c.group.along;
    uint32_t i = begin + hy_group_member(c.group);
    for (; i < end && end - i > 3 * step; i += 4 * step) {
        typename F::A v[4][F::inputs];
        char *to[4];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int64_t offset[F::operands];
            hy_walk_offsets(c.rest, i + e * step, offset);
            to[e] = c.rest.data[0] + channel * c.stride[0] + offset[0];
#pragma unroll
            for (int k = 0; k < F::inputs; k++)
                v[e][k] = hy_value(*reinterpret_cast<const S *>(c.rest.data[k + 1] + channel * c.stride[k + 1] + offset[k + 1]));
        }
        four(v, to);
    }
    for (; i < end; i += step) {
        typename F::A v[F::inputs];
        int64_t offset[F::operands];
        hy_walk_offsets(c.rest, i, offset);
#pragma unroll
        for (int k = 0; k < F::inputs; k++)
            v[k] = hy_value(*reinterpret_cast<const S *>(c.rest.data[k + 1] + channel * c.stride[k + 1] + offset[k + 1]));
        one(v, c.rest.data[0] + channel * c.stride[0] + offset[0]);
    }
}

template <typename F>
static __device__ __forceinline__ typename F::state gather(const channels<F::operands> &c, const F &f, uint32_t channel, const typename F::known &known)
{
    typedef typename F::A A;
    typename F::state s = f.none();
    if (channel < c.count)
        each<F>(c, channel, [&](const A (&v)[4][F::inputs], char *const (&)[4]) { s = f.take(known, s, v); },
                [&](const A (&v)[F::inputs], char *) { s = f.take(known, s, v); });
    return hy_group_join(c.group, s, [&](const typename F::state &a, const typename F::state &b) { return f.join(a, b); });
}

template <typename F>
static __device__ __forceinline__ void apply(const channels<F::operands> &c, const F &f, uint32_t channel, const typename F::known &known,
                                             const typename F::constants &constants)
{
    typedef typename F::A A;
    typedef typename F::stored S;
    each<F>(c, channel,
            [&](const A (&v)[4][F::inputs], char *const (&to)[4]) {
#pragma unroll
                for (int e = 0; e < 4; e++) *reinterpret_cast<S *>(to[e]) = hy_cast<S>::of(f.apply(known, constants, v[e]));
            },
            [&](const A (&v)[F::inputs], char *to) { *reinterpret_cast<S *>(to) = hy_cast<S>::of(f.apply(known, constants, v)); });
}

template <int K>
static __device__ __forceinline__ uint32_t channel_of(const channels<K> &c) { return blockIdx.x * c.group.across + hy_group_output(c.group); }

/* Where a channel has one part. One thread of a group finishes the channel. */
template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) whole_kernel(const __grid_constant__ channels<F::operands> c, const F f)
{
    const uint32_t channel = channel_of(c);
    const bool mine = channel < c.count;
    const typename F::known known = mine ? f.begin(channel) : typename F::known();
    const typename F::state s = gather(c, f, channel, known);
    HY_SHARED(typename F::constants, constants, [HY_GROUP_BLOCK]);
    if (mine && hy_group_member(c.group) == 0) constants[hy_group_output(c.group)] = f.finish(channel, known, s);
    __syncthreads();
    if (mine && c.writes) apply(c, f, channel, known, constants[hy_group_output(c.group)]);
}

/* The three launches of channels in parts. States lie as [parts][channels]. */
template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) gather_kernel(const __grid_constant__ channels<F::operands> c, const F f, typename F::state *states)
{
    const uint32_t channel = channel_of(c);
    const typename F::state s = gather(c, f, channel, channel < c.count ? f.begin(channel) : typename F::known());
    if (channel < c.count && hy_group_member(c.group) == 0) states[(int64_t)blockIdx.y * c.count + channel] = s;
}

template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) join_kernel(hy_group group, uint32_t count, uint32_t parts, const F f, const typename F::state *states,
                                                                     typename F::constants *constants)
{
    const uint32_t channel = blockIdx.x * group.across + hy_group_output(group);
    typename F::state s = f.none();
    for (uint32_t i = hy_group_member(group); channel < count && i < parts; i += group.along) s = f.join(s, states[(int64_t)i * count + channel]);
    s = hy_group_join(group, s, [&](const typename F::state &a, const typename F::state &b) { return f.join(a, b); });
    if (channel < count && hy_group_member(group) == 0) constants[channel] = f.finish(channel, f.begin(channel), s);
}

template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) apply_kernel(const __grid_constant__ channels<F::operands> c, const F f,
                                                                      const typename F::constants *constants)
{
    const uint32_t channel = channel_of(c);
    if (channel < c.count) apply(c, f, channel, f.begin(channel), constants[channel]);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Launching                                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------------- */

template <typename F>
static hy_status run_parts(hy_device *device, const char *name, const channels<F::operands> &c, int64_t parts, const F &f)
{
    const int64_t states = parts * c.count * (int64_t)sizeof(typename F::state), aligned = hy_ceil_div(states, 16) * 16;
    void *scratch;
    HY_CUDA_TRY(hy_cuda_scratch(device, aligned + c.count * (int64_t)sizeof(typename F::constants), &scratch));
    typename F::state *state = (typename F::state *)scratch;
    typename F::constants *constants = (typename F::constants *)((char *)scratch + aligned);
    const dim3 grid((unsigned)hy_ceil_div(c.count, c.group.across), (unsigned)parts), block(HY_GROUP_BLOCK);
    const hy_group group = hy_group_for(c.count, parts, true);
    hy_status status = hy_cuda_launch(device, name, grid, block, 0, gather_kernel<F>, c, f, state);
    if (status == HY_OK)
        status = hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(c.count, group.across)), block, 0, join_kernel<F>, group, c.count, (uint32_t)parts, f,
                                state, constants);
    if (status == HY_OK && c.writes) status = hy_cuda_launch(device, name, grid, block, 0, apply_kernel<F>, c, f, constants);
    hy_cuda_release(device, scratch);
    return status;
}

/* tensors[0] may be NULL: then only the channels' own results are wanted. */
template <typename F, int K>
static hy_status run(hy_device *device, const char *name, const hy_tensor *const (&tensors)[K], const F &f)
{
    hy_tensor first[K];
    hy_operand operands[K];
    channels<K> c = {};
    c.writes = tensors[0] != nullptr;
    for (int k = 0; k < K; k++) {
        first[k] = *(tensors[k] ? tensors[k] : tensors[1]);
        c.stride[k] = first[k].strides[1] * hy_dtype_size(first[k].dtype);
        first[k].shape[1] = 1;
        operands[k] = hy_view(&first[k]);
    }
    const hy_plan<K> p = hy_plan_walk(operands);
    const int64_t count = tensors[1]->shape[1], n = hy_plan_count(p), most = (int64_t)1 << 31;
    if (count == 0) return HY_OK;
    if (count >= most || n >= most)
        return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes fewer than 2^31 channels of fewer than 2^31 elements each, given %lld of %lld", name,
                            (long long)count, (long long)n);
    c.rest = hy_plan_finish(p, 1);
    c.count = (uint32_t)count;
    c.group = hy_group_for(count, n, count > 1 && c.stride[1] < p.strides[1][0]);
    c.part = (uint32_t)n;
    const int64_t blocks = hy_ceil_div(count, c.group.across), wanted = hy_ceil_div(4 * hy_cuda(device)->multiprocessors, blocks);
    int64_t parts = n / ((int64_t)c.group.along * 16); /* 16 elements a thread at least */
    if (parts > wanted) parts = wanted;
    if (parts <= 1) return hy_cuda_launch(device, name, dim3((unsigned)blocks), dim3(HY_GROUP_BLOCK), 0, whole_kernel<F>, c, f);
    c.part = (uint32_t)hy_ceil_div(n, parts);
    return run_parts(device, name, c, hy_ceil_div(n, c.part), f);
}

static hy_status batch_norm(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *bias,
                            const hy_tensor *running_mean, const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd)
{
    return hy_with_floating(x->dtype, [&](auto type) {
        typedef forward<typename decltype(type)::stored> F;
        const F f = {vector_of(weight), vector_of(bias), vector_of(running_mean), vector_of(running_var), vector_of(mean), vector_of(rstd),
                     (typename F::A)eps, (typename F::A)momentum};
        return run(device, "BatchNorm", {y, x}, f);
    });
}

static hy_status batch_norm_backward(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *mean,
                                     const hy_tensor *rstd, const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias)
{
    return hy_with_floating(x->dtype, [&](auto type) {
        typedef backward<typename decltype(type)::stored> F;
        const int64_t count = x->shape[1] ? hy_numel(x) / x->shape[1] : 0;
        const F f = {vector_of(weight), vector_of(mean), vector_of(rstd), vector_of(dweight), vector_of(dbias), (typename F::A)count};
        return run(device, "BatchNormBackward", {dx, dy, x}, f);
    });
}

void hy_cuda_fill_batch_norm(hy_backend *backend)
{
    backend->batch_norm = batch_norm;
    backend->batch_norm_backward = batch_norm_backward;
}
