/*
 * Reductions. x's axes are those that stay and those that go; each kind is joined where it can be. A group of threads reduces one output; where
 * there are fewer groups than keep the machine busy, the elements are cut into parts, whose results a second launch joins.
 * The cut depends on shapes and the machine alone. float32 is summed in float32: a thread's four chains, then trees.
 */
#include "cuda/group.cuh"
#include "cuda/slots.h"

/* ---------------------------------------------------------------------------------------------------------------------- */
/* What is computed: `take` an element and its number, `join` two results (the first one's elements come first), `finish`    */
/* ---------------------------------------------------------------------------------------------------------------------- */

/** Integers and bool are summed in 64 bits, 16-bit numbers in float. */
template <typename T, bool floating>
struct sum_type {
    typedef int64_t type;
};
template <typename T>
struct sum_type<T, true> {
    typedef typename hy_computed<T>::type type;
};

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

/** Joins the parts' results. */
template <typename F>
struct again {
    typedef typename F::state input, state;
    typedef typename F::result result;
    F first;
    __device__ __forceinline__ state none() const { return first.none(); }
    __device__ __forceinline__ state take(state x, uint32_t) const { return x; }
    __device__ __forceinline__ state join(state a, state b) const { return first.join(a, b); }
    __device__ __forceinline__ result finish(state a) const { return first.finish(a); }
};

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The kernel                                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------------- */

struct reduction {
    hy_walk<2> kept;    /* operand 0 is y, operand 1 is x */
    hy_walk<1> gone;    /* of x */
    hy_group group;
    uint32_t part;      /* elements a part takes */
    char *partial;      /* states, [parts][outputs], or NULL where there is one part */
};

template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) reduce_kernel(const __grid_constant__ reduction r, const F f)
{
    typedef typename F::state A;
    const uint32_t output = blockIdx.x * r.group.across + hy_group_output(r.group);
    const uint32_t begin = blockIdx.y * r.part, end = r.gone.count - begin < r.part ? r.gone.count : begin + r.part;
    int64_t kept[2] = {0, 0}, at[1];
    A a[4] = {f.none(), f.none(), f.none(), f.none()};
    if (output < r.kept.count) {
        hy_walk_offsets(r.kept, output, kept);
        const char *x = r.kept.data[1] + kept[1];
        const uint32_t step = r.group.along;
        uint32_t i = begin + hy_group_member(r.group);
        for (; i < end && end - i > 3 * step; i += 4 * step) {
            typename F::input v[4];
#pragma unroll
            for (int k = 0; k < 4; k++) {
                hy_walk_offsets(r.gone, i + k * step, at);
                v[k] = *reinterpret_cast<const typename F::input *>(x + at[0]);
            }
#pragma unroll
            for (int k = 0; k < 4; k++) a[k] = f.join(a[k], f.take(v[k], i + k * step));
        }
        for (; i < end; i += step) {
            hy_walk_offsets(r.gone, i, at);
            a[0] = f.join(a[0], f.take(*reinterpret_cast<const typename F::input *>(x + at[0]), i));
        }
    }
    const A total = hy_group_join(r.group, f.join(f.join(a[0], a[1]), f.join(a[2], a[3])), [&](const A &p, const A &q) { return f.join(p, q); });
    if (output >= r.kept.count || hy_group_member(r.group) != 0) return;
    if (r.partial) reinterpret_cast<A *>(r.partial)[(int64_t)blockIdx.y * r.kept.count + output] = total;
    else *reinterpret_cast<typename F::result *>(r.kept.data[0] + kept[0]) = f.finish(total);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Planning                                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* The axes of x that y keeps (with y) and those that it has reduced. */
static hy_status plan(const hy_tensor *x, const hy_tensor *y, hy_plan<2> *kept, hy_plan<1> *gone)
{
    hy_tensor k = *x, g = *x, output = *y;
    k.ndim = g.ndim = output.ndim = 0;
    for (int d = 0; d < x->ndim; d++) {
        hy_tensor *to = y->shape[d] == x->shape[d] ? &k : &g;
        to->shape[to->ndim] = x->shape[d];
        to->strides[to->ndim++] = x->strides[d];
        if (to != &k) continue;
        output.shape[output.ndim] = y->shape[d];
        output.strides[output.ndim++] = y->strides[d];
    }
    *kept = hy_plan_walk({hy_view(&output), hy_view(&k)});
    *gone = hy_plan_walk({hy_view(&g)});
    if (hy_plan_count(*kept) < (int64_t)1 << 31 && hy_plan_count(*gone) < (int64_t)1 << 31) return HY_OK;
    return hy_cuda_fail(HY_UNSUPPORTED, "Reduce: CUDA takes fewer than 2^31 outputs of fewer than 2^31 elements each");
}

template <typename F>
static hy_status launch(hy_device *device, const char *name, reduction r, int64_t parts, const F &f)
{
    const dim3 grid((unsigned)hy_ceil_div(r.kept.count, r.group.across), (unsigned)parts);
    return hy_cuda_launch(device, name, grid, dim3(HY_GROUP_BLOCK), 0, reduce_kernel<F>, r, f);
}

/* The second launch: states of the parts, one output's a row of `outputs` apart. */
template <typename F>
static hy_status join_parts(hy_device *device, const char *name, const reduction &first, int64_t parts, const F &f)
{
    const int64_t size = sizeof(typename F::state), outputs = first.kept.count;
    reduction r = first;
    /* y's walk stays as it was; x becomes the states, contiguous along the outputs. */
    int64_t stride = size;
    for (int d = 0; d < r.kept.ndim; d++) {
        r.kept.strides[1][d] = stride;
        stride *= r.kept.axis[d].extent;
    }
    r.kept.data[1] = first.partial;
    r.gone = hy_walk<1>();
    r.gone.count = (uint32_t)parts;
    r.gone.ndim = 1;
    r.gone.axis[0] = hy_divide_by(parts);
    r.gone.strides[0][0] = outputs * size;
    r.group = hy_group_for(outputs, parts, true);
    r.part = (uint32_t)parts;
    r.partial = nullptr;
    return launch(device, name, r, 1, again<F>{f});
}

template <typename F>
static hy_status run(hy_device *device, const char *name, const hy_tensor *x, const hy_tensor *y, const F &f)
{
    hy_plan<2> kept;
    hy_plan<1> gone;
    HY_CUDA_TRY(plan(x, y, &kept, &gone));
    const int64_t outputs = hy_plan_count(kept), n = hy_plan_count(gone);
    if (outputs == 0) return HY_OK;
    reduction r = {hy_plan_finish(kept, 1), hy_plan_finish(gone, 1), {}, (uint32_t)n, nullptr};
    const bool outputs_inside = outputs > 1 && n > 1 && kept.strides[1][0] < gone.strides[0][0];
    r.group = hy_group_for(outputs, n, outputs_inside);
    const int64_t blocks = hy_ceil_div(outputs, r.group.across), wanted = 4 * hy_cuda(device)->multiprocessors;
    int64_t parts = n / ((int64_t)r.group.along * 16); /* 16 elements a thread at least */
    if (parts > hy_ceil_div(wanted, blocks)) parts = hy_ceil_div(wanted, blocks);
    if (parts <= 1) return launch(device, name, r, 1, f);
    r.part = (uint32_t)hy_ceil_div(n, parts);
    parts = hy_ceil_div(n, r.part);
    void *partial;
    HY_CUDA_TRY(hy_cuda_scratch(device, parts * outputs * (int64_t)sizeof(typename F::state), &partial));
    r.partial = (char *)partial;
    hy_status status = launch(device, name, r, parts, f);
    if (status == HY_OK) status = join_parts(device, name, r, parts, f);
    hy_cuda_release(device, partial);
    return status;
}

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
            return run(device, mean ? "Mean" : "Sum", x, y, sum<S, S, A>{(A)n, mean});
        });
    if (x->dtype == HY_INT32) return run(device, "Sum", x, y, sum<int32_t, int32_t, int64_t>{1, 0});
    if (x->dtype == HY_INT64) return run(device, "Sum", x, y, sum<int64_t, int64_t, int64_t>{1, 0});
    return run(device, "Sum", x, y, sum<uint8_t, int64_t, int64_t>{1, 0}); /* a bool is 0 or 1 */
}

static hy_status multiply(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    return hy_with_number(x->dtype, [&](auto type) {
        return run(device, "Prod", x, y, product<typename decltype(type)::stored, typename decltype(type)::computed>());
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
            return run(device, op == HY_REDUCE_max ? "Max" : "Min", x, y, extreme<typename decltype(type)::stored>{op == HY_REDUCE_max});
        });
    }
}

static hy_status arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y)
{
    hy_tensor output = *y;
    if (x->shape[axis] == 1) return device->backend.fill(device, 0, y);
    return hy_with_number(as_number(x->dtype), [&](auto type) {
        return run(device, maximum ? "ArgMax" : "ArgMin", x, &output, place<typename decltype(type)::stored>{maximum});
    });
}

void hy_cuda_fill_reduce(hy_backend *backend)
{
    backend->reduce = reduce;
    backend->arg_reduce = arg_reduce;
}
