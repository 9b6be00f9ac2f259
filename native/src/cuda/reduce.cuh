/*
 * reduce.cuh: reductions. x's axes are those that stay and those that go; each kind is joined where it can be. A group of threads reduces one output;
 * where there are fewer groups than keep the machine busy, the elements are cut into parts, whose results a second launch joins. The cut depends on
 * shapes and the machine alone. A formula says what is computed:
 *
 *     struct formula {
 *         typedef float input, state, result;                            // stored, gathered, stored
 *         __device__ float none() const;                                 // the state of no element
 *         __device__ float take(float x, uint32_t i) const;              // that of an element, whose number among its output's this is
 *         __device__ float join(float a, float b) const;                 // that of both; the first one's elements come first
 *         __device__ float finish(float a) const;
 *     };
 */
#ifndef HY_CUDA_REDUCE_CUH
#define HY_CUDA_REDUCE_CUH

#include "cuda/group.cuh"

/** Joins the parts' results. */
template <typename F>
struct hy_reduce_again {
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

struct hy_reduce_call {
    hy_walk<2> kept;    /* operand 0 is y, operand 1 is x */
    hy_walk<1> gone;    /* of x */
    hy_group group;
    uint32_t part;      /* elements a part takes */
    char *partial;      /* states, [parts][outputs], or NULL where there is one part */
};

/* Asked for one block a multiprocessor at least, ptxas does not spill for a second (sm_90, double). */
template <typename F>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK, 1) hy_reduce_kernel(const __grid_constant__ hy_reduce_call r, const F f)
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
static inline hy_status hy_reduce_plan(const hy_tensor *x, const hy_tensor *y, hy_plan<2> *kept, hy_plan<1> *gone)
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
static hy_status hy_reduce_launch(hy_device *device, const char *name, hy_reduce_call r, int64_t parts, const F &f)
{
    const dim3 grid((unsigned)hy_ceil_div(r.kept.count, r.group.across), (unsigned)parts);
    return hy_cuda_launch(device, name, grid, dim3(HY_GROUP_BLOCK), 0, hy_reduce_kernel<F>, r, f);
}

/* The second launch: states of the parts, one output's a row of `outputs` apart. */
template <typename F>
static hy_status hy_reduce_join_parts(hy_device *device, const char *name, const hy_reduce_call &first, int64_t parts, const F &f)
{
    const int64_t size = sizeof(typename F::state), outputs = first.kept.count;
    hy_reduce_call r = first;
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
    return hy_reduce_launch(device, name, r, 1, hy_reduce_again<F>{f});
}

/** Reduces x's axes that have extent 1 in y; f's results go to y's elements. */
template <typename F>
static hy_status hy_reduce(hy_device *device, const char *name, const hy_tensor *x, const hy_tensor *y, const F &f)
{
    hy_plan<2> kept;
    hy_plan<1> gone;
    HY_CUDA_TRY(hy_reduce_plan(x, y, &kept, &gone));
    const int64_t outputs = hy_plan_count(kept), n = hy_plan_count(gone);
    if (outputs == 0) return HY_OK;
    hy_reduce_call r = {hy_plan_finish(kept, 1), hy_plan_finish(gone, 1), {}, (uint32_t)n, nullptr};
    const bool outputs_inside = outputs > 1 && n > 1 && kept.strides[1][0] < gone.strides[0][0];
    r.group = hy_group_for(outputs, n, outputs_inside);
    const int64_t blocks = hy_ceil_div(outputs, r.group.across), wanted = 4 * hy_cuda(device)->multiprocessors;
    int64_t parts = n / ((int64_t)r.group.along * 16); /* 16 elements a thread at least */
    if (parts > hy_ceil_div(wanted, blocks)) parts = hy_ceil_div(wanted, blocks);
    if (parts <= 1) return hy_reduce_launch(device, name, r, 1, f);
    r.part = (uint32_t)hy_ceil_div(n, parts);
    parts = hy_ceil_div(n, r.part);
    void *partial;
    HY_CUDA_TRY(hy_cuda_scratch(device, parts * outputs * (int64_t)sizeof(typename F::state), &partial));
    r.partial = (char *)partial;
    hy_status status = hy_reduce_launch(device, name, r, parts, f);
    if (status == HY_OK) status = hy_reduce_join_parts(device, name, r, parts, f);
    hy_cuda_release(device, partial);
    return status;
}

#endif
