/*
 * walk.cuh: operands of one shape, whatever their strides, as a kernel walks them. On the host, axes are ordered by the output's strides and
 * joined where all operands allow it; on the device, an element's number becomes offsets by multiplication instead of division.
 */
#ifndef HY_CUDA_WALK_CUH
#define HY_CUDA_WALK_CUH

#include <string.h>

#include "cuda/dtype.cuh"

/** Division of numbers below 2^31 by an extent (Granlund and Montgomery, "Division by invariant integers using multiplication", 1994). */
struct hy_divider {
    uint32_t extent, multiplier, shift;
};

static inline hy_divider hy_divide_by(int64_t extent)
{
    if (extent < 1) extent = 1; /* nothing will be divided */
    hy_divider d = {(uint32_t)extent, 0, 0};
    while ((int64_t)1 << d.shift < extent) d.shift++;
    d.multiplier = (uint32_t)((((uint64_t)1 << 32) * (((uint64_t)1 << d.shift) - (uint64_t)extent)) / (uint64_t)extent + 1);
    return d;
}

static __device__ __forceinline__ uint32_t hy_quotient(uint32_t n, const hy_divider &d) { return (__umulhi(n, d.multiplier) + n) >> d.shift; }

/** How a walk's elements lie. */
enum hy_walk_mode {
    HY_WALK_DENSE,  /* every operand in the walk's order, aligned to vectors; or a number */
    HY_WALK_ROWS,   /* the innermost axis likewise, but that an operand may stay where it is along it; whole vectors a row */
    HY_WALK_STRIDED
};

/** Operand 0 is the output. An operand without data is the number in `bits`. */
template <int K>
struct hy_walk {
    uint32_t count;
    int32_t mode, ndim;             /* ndim at least 1 */
    hy_divider axis[HY_MAX_DIMS];   /* innermost first */
    int64_t strides[K][HY_MAX_DIMS]; /* in bytes */
    char *data[K];
    uint64_t bits[K];
};

/** Where element i of each operand lies, in bytes. */
template <int K>
__device__ __forceinline__ void hy_walk_offsets(const hy_walk<K> &w, uint32_t i, int64_t (&offset)[K])
{
    for (int k = 0; k < K; k++) offset[k] = 0;
#pragma unroll 1 /* four copies of it in every kernel take the compiler longer than they save */
    for (int d = 0; d < w.ndim; d++) {
        const uint32_t q = d + 1 < w.ndim ? hy_quotient(i, w.axis[d]) : 0, r = i - q * w.axis[d].extent;
#pragma unroll
        for (int k = 0; k < K; k++) offset[k] += (int64_t)r * w.strides[k][d];
        i = q;
    }
}

/** The host's side: extents and strides innermost first, of any size. */
template <int K>
struct hy_plan {
    int ndim;
    int64_t shape[HY_MAX_DIMS], strides[K][HY_MAX_DIMS], size[K];
    char *data[K];
    uint64_t bits[K];
};

/** An operand: a view, or a number. */
struct hy_operand {
    const hy_tensor *tensor;
    int64_t size;  /* of the number */
    uint64_t bits;
};

static inline hy_operand hy_view(const hy_tensor *t) { return {t, 0, 0}; }

template <typename T>
hy_operand hy_number(T v)
{
    hy_operand o = {nullptr, sizeof v, 0};
    memcpy(&o.bits, &v, sizeof v);
    return o;
}

template <int K>
void hy_plan_swap(hy_plan<K> &p, int a, int b)
{
    const int64_t extent = p.shape[a];
    p.shape[a] = p.shape[b], p.shape[b] = extent;
    for (int k = 0; k < K; k++) {
        const int64_t stride = p.strides[k][a];
        p.strides[k][a] = p.strides[k][b], p.strides[k][b] = stride;
    }
}

/** The walk over operand 0's shape, to which the others broadcast; in the output's order in memory, or row by row as its axes are. */
template <int K>
hy_plan<K> hy_plan_walk(const hy_operand (&operands)[K], bool keep_order = false)
{
    hy_plan<K> p = {};
    const hy_tensor *y = operands[0].tensor;
    for (int k = 0; k < K; k++) {
        const hy_tensor *t = operands[k].tensor;
        p.data[k] = t ? (char *)t->data : nullptr;
        p.size[k] = t ? hy_dtype_size(t->dtype) : operands[k].size;
        p.bits[k] = operands[k].bits;
    }
    for (int d = y->ndim - 1; d >= 0; d--) {
        if (y->shape[d] == 1) continue;
        for (int k = 0; k < K; k++) {
            const hy_tensor *t = operands[k].tensor;
            const int axis = t ? d - (y->ndim - t->ndim) : -1;
            p.strides[k][p.ndim] = axis < 0 || t->shape[axis] == 1 ? 0 : t->strides[axis] * p.size[k];
        }
        p.shape[p.ndim++] = y->shape[d];
    }
    for (int i = 1; i < p.ndim && !keep_order; i++)
        for (int j = i; j > 0 && p.strides[0][j - 1] > p.strides[0][j]; j--) hy_plan_swap(p, j - 1, j);
    int last = 0;
    for (int i = 1; i < p.ndim; i++) {
        bool joins = true;
        for (int k = 0; k < K; k++) joins = joins && p.strides[k][i] == p.strides[k][last] * p.shape[last];
        if (joins) p.shape[last] *= p.shape[i];
        else if (++last != i) hy_plan_swap(p, last, i);
    }
    if (p.ndim == 0) p.shape[0] = 1;
    p.ndim = p.ndim ? last + 1 : 1;
    return p;
}

template <int K>
int64_t hy_plan_count(const hy_plan<K> &p)
{
    int64_t n = 1;
    for (int d = 0; d < p.ndim; d++) n *= p.shape[d];
    return n;
}

/** The mode for vectors of `width` elements of each operand, at most 16 bytes at once. */
template <int K>
int hy_plan_mode(const hy_plan<K> &p, int width)
{
    bool dense = p.ndim == 1, rows = p.shape[0] % width == 0;
    for (int k = 0; k < K; k++) {
        if (!p.data[k]) continue;
        const int64_t vector = width * p.size[k] < 16 ? width * p.size[k] : 16;
        const bool aligned = (uintptr_t)p.data[k] % (uintptr_t)vector == 0, still = p.strides[k][0] == 0 && k > 0;
        const bool along = aligned && (p.strides[k][0] == p.size[k] || (p.shape[0] == 1 && p.ndim == 1));
        dense = dense && along;
        rows = rows && (along || still);
        for (int d = 1; d < p.ndim && !still; d++) rows = rows && p.strides[k][d] % vector == 0;
    }
    return dense ? HY_WALK_DENSE : rows ? HY_WALK_ROWS : HY_WALK_STRIDED;
}

/** What the kernel gets: fewer than 2^31 elements. */
template <int K>
hy_walk<K> hy_plan_finish(const hy_plan<K> &p, int width)
{
    hy_walk<K> w = {};
    w.count = (uint32_t)hy_plan_count(p);
    w.mode = hy_plan_mode(p, width);
    w.ndim = p.ndim;
    for (int d = 0; d < p.ndim; d++) w.axis[d] = hy_divide_by(p.shape[d]);
    memcpy(w.strides, p.strides, sizeof w.strides);
    memcpy(w.data, p.data, sizeof w.data);
    memcpy(w.bits, p.bits, sizeof w.bits);
    return w;
}

/** Calls launch(walk) for pieces of the plan that a kernel can number with 31 bits, cut along the outermost axis. */
template <int K, typename F>
hy_status hy_plan_run(const hy_plan<K> &p, int width, F launch)
{
    const int64_t n = hy_plan_count(p), most = (int64_t)1 << 30;
    if (n == 0) return HY_OK;
    if (n <= most) return launch(hy_plan_finish(p, width));
    const int outer = p.ndim - 1;
    const int64_t slice = n / p.shape[outer];
    int64_t step = most / slice; /* slices a piece; 0 where one is too large, which is then cut itself */
    if (step > width) step -= step % width;
    for (int64_t i = 0; i < p.shape[outer]; i += step ? step : 1) {
        hy_plan<K> piece = p;
        piece.shape[outer] = step ? (p.shape[outer] - i < step ? p.shape[outer] - i : step) : 1;
        for (int k = 0; k < K; k++)
            if (p.data[k]) piece.data[k] += i * p.strides[k][outer];
        if (!step) piece.ndim--;
        HY_CUDA_TRY(hy_plan_run(piece, width, launch));
    }
    return HY_OK;
}

#endif
