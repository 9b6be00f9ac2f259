/*
 * Indexing. Reading at an index is one element a thread. What adds at an index adds up repeated ones in their order, as every device does, so results
 * have the same bits every time: a line along the axis belongs to one thread where there are many lines or short ones; otherwise the indices are sorted,
 * and a thread has all that goes to one element. A bad index is reported and left out.
 */
#include "cuda/sort.cuh"
#include "cuda/walk.cuh"
#include "cuda/group.cuh"
#include "cuda/slots.h"

enum { BLOCK = 256, EACH = 4, SHORT_LINE = 64 };

/* t as seen by one who moves along `axis` himself, over `shape`. */
static hy_tensor held(const hy_tensor *t, int32_t axis, const hy_tensor *shape)
{
    hy_tensor view = *t;
    for (int d = 0; d < t->ndim; d++) view.shape[d] = shape->shape[d];
    view.strides[axis] = 0;
    return view;
}

/* A one-dimensional index as a view that runs along `axis` of a tensor with `ndim` axes. */
static hy_tensor index_along(const hy_tensor *index, int32_t axis, int32_t ndim)
{
    hy_tensor view = *index;
    view.ndim = ndim;
    for (int32_t d = 0; d < ndim; d++) view.shape[d] = 1, view.strides[d] = 0;
    view.shape[axis] = index->shape[0];
    view.strides[axis] = index->strides[0];
    return view;
}

static int64_t extent_behind(const hy_tensor *t, int32_t axis)
{
    int64_t n = 1;
    for (int d = axis + 1; d < t->ndim; d++) n *= t->shape[d];
    return n;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Reading                                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------------- */

struct picking {
    hy_walk<3> walk;        /* y in row-major order, the index, x's line */
    int64_t step, extent;   /* of x along the axis; the step in bytes */
    int64_t first;          /* the walk's first element's number in y */
    int64_t inner, around;  /* an element's index is number / inner % around: for reports */
    hy_cuda_fault fault;
    hy_cuda_flag *flag;
};

template <typename T>
static __global__ void __launch_bounds__(BLOCK) pick_kernel(const __grid_constant__ picking p)
{
    const uint32_t base = blockIdx.x * (BLOCK * EACH) + threadIdx.x;
    int64_t offset[EACH][3], index[EACH];
    T value[EACH];
#pragma unroll
    for (int e = 0; e < EACH; e++) {
        const uint32_t i = base + e * BLOCK;
        index[e] = -1;
        if (i >= p.walk.count) continue;
        hy_walk_offsets(p.walk, i, offset[e]);
        index[e] = *reinterpret_cast<const int64_t *>(p.walk.data[1] + offset[e][1]);
        if (index[e] >= 0 && index[e] < p.extent) continue;
        index[e] = -1;
        hy_cuda_report(p.flag, p.fault, (p.first + i) / p.inner % p.around);
    }
#pragma unroll
    for (int e = 0; e < EACH; e++)
        if (index[e] >= 0) value[e] = *reinterpret_cast<const T *>(p.walk.data[2] + offset[e][2] + index[e] * p.step);
#pragma unroll
    for (int e = 0; e < EACH; e++)
        if (index[e] >= 0) *reinterpret_cast<T *>(p.walk.data[0] + offset[e][0]) = value[e];
}

/* The index broadcasts to y. */
static hy_status pick(hy_device *device, const char *name, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y, picking p)
{
    const hy_tensor line = held(x, axis, y);
    p.step = x->strides[axis] * hy_dtype_size(x->dtype);
    p.extent = x->shape[axis];
    p.flag = hy_cuda(device)->flag;
    return hy_with_size(hy_dtype_size(x->dtype), [&](auto type) {
        return hy_plan_run(hy_plan_walk({hy_view(y), hy_view(index), hy_view(&line)}, true), 1, [&](const hy_walk<3> &w) {
            picking piece = p;
            piece.walk = w;
            p.first += w.count;
            return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, BLOCK * EACH)), dim3(BLOCK), 0, pick_kernel<typename decltype(type)::stored>,
                                  piece);
        });
    });
}

static hy_status gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    picking p = {};
    p.inner = 1, p.around = INT64_MAX, p.fault = HY_FAULT_gather;
    return pick(device, "Gather", x, axis, index, y, p);
}

static hy_status index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, x->ndim);
    picking p = {};
    p.inner = extent_behind(y, axis), p.around = index->shape[0], p.fault = HY_FAULT_index_select;
    return pick(device, "IndexSelect", x, axis, &along, y, p);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Adding                                                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* Lines of x along the axis, numbered in row-major order; an index that is one-dimensional serves all of them. */
struct adding {
    hy_walk<3> lines;       /* where y's, x's and the index's begin */
    int64_t step[3];        /* of each along the axis, in bytes */
    int64_t extent;         /* of y along the axis */
    uint32_t n;             /* elements a line */
    int32_t one_index;
    int64_t first, inner;   /* the first line's number, and how many lines lie beside one another: for reports */
    hy_cuda_fault fault;
    hy_cuda_flag *flag;
};

/* The index of element k of a line whose indices lie at `at`, or -1, reported. */
static __device__ __forceinline__ int64_t index_of(const adding &a, const char *at, uint32_t line, uint32_t k)
{
    const int64_t index = *reinterpret_cast<const int64_t *>(at + k * a.step[2]);
    if (index >= 0 && index < a.extent) return index;
    const int64_t number = a.first + line;
    hy_cuda_report(a.flag, a.fault, a.one_index ? k : (number / a.inner * a.n + k) * a.inner + number % a.inner);
    return -1;
}

/* y's elements are what x's are computed with. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) add_lines_kernel(const __grid_constant__ adding a)
{
    typedef typename hy_computed<S>::type Y;
    const uint32_t line = blockIdx.x * BLOCK + threadIdx.x;
    if (line >= a.lines.count) return;
    int64_t offset[3];
    hy_walk_offsets(a.lines, line, offset);
    for (uint32_t k = 0; k < a.n; k++) {
        const int64_t index = index_of(a, a.lines.data[2] + offset[2], line, k);
        if (index < 0) continue;
        Y *y = reinterpret_cast<Y *>(a.lines.data[0] + offset[0] + index * a.step[0]);
        *y = *y + (Y)hy_value(*reinterpret_cast<const S *>(a.lines.data[1] + offset[1] + k * a.step[1]));
    }
}

/* Keys are line * extent + index, or indices alone where all lines have the same; a bad one gets `bad`, which is last. */
static __global__ void __launch_bounds__(BLOCK) keys_kernel(const __grid_constant__ adding a, uint32_t count, uint32_t bad, const hy_sorted to)
{
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= count) return;
    const uint32_t line = i / a.n, k = i - line * a.n;
    int64_t offset[3];
    hy_walk_offsets(a.lines, line, offset);
    const int64_t index = index_of(a, a.lines.data[2] + offset[2], line, k);
    to.keys[i] = index < 0 ? bad : line * (uint32_t)a.extent + (uint32_t)index;
    to.values[i] = i;
}

/* The thread at the first of equal keys adds up all of theirs; `lanes` threads beside one another do so for as many lines with the same index. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) add_sorted_kernel(const __grid_constant__ adding a, uint32_t count, uint32_t bad, uint32_t lanes, const hy_sorted sorted)
{
    typedef typename hy_computed<S>::type Y;
    const uint32_t i = blockIdx.x * (BLOCK / lanes) + threadIdx.x / lanes, lane = blockIdx.y * lanes + threadIdx.x % lanes;
    if (i >= count || (a.one_index && lane >= a.lines.count)) return;
    const uint32_t key = sorted.keys[i];
    if (key == bad || (i > 0 && sorted.keys[i - 1] == key)) return;
    const uint32_t own = key / (uint32_t)a.extent, line = a.one_index ? lane : own, index = key - own * (uint32_t)a.extent, first = own * a.n;
    int64_t offset[3];
    hy_walk_offsets(a.lines, line, offset);
    const char *x = a.lines.data[1] + offset[1];
    Y *y = reinterpret_cast<Y *>(a.lines.data[0] + offset[0] + index * a.step[0]), sum = *y;
    for (uint32_t j = i; j < count && sorted.keys[j] == key; j++) sum = sum + (Y)hy_value(*reinterpret_cast<const S *>(x + (sorted.values[j] - first) * a.step[1]));
    *y = sum;
}

template <typename S>
static hy_status add_sorted(hy_device *device, const char *name, const adding &a, int64_t lines)
{
    const int64_t count = a.one_index ? a.n : lines * a.n;
    const uint32_t bad = (uint32_t)((a.one_index ? 1 : lines) * a.extent);
    void *scratch;
    HY_CUDA_TRY(hy_cuda_scratch(device, (4 * count + hy_sort_counts(count)) * (int64_t)sizeof(uint32_t), &scratch));
    uint32_t *numbers = (uint32_t *)scratch;
    hy_sorted from = {numbers, numbers + count}, to = {numbers + 2 * count, numbers + 3 * count};
    hy_status status = hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(count, BLOCK)), dim3(BLOCK), 0, keys_kernel, a, (uint32_t)count, bad, from);
    if (status == HY_OK) status = hy_sort(device, name, count, bad, &from, &to, numbers + 4 * count);
    uint32_t lanes = 1;
    while (a.one_index && lanes < BLOCK && lanes < lines) lanes *= 2;
    const dim3 grid((unsigned)hy_ceil_div(count, BLOCK / lanes), (unsigned)(a.one_index ? hy_ceil_div(lines, lanes) : 1));
    if (status == HY_OK) status = hy_cuda_launch(device, name, grid, dim3(BLOCK), 0, add_sorted_kernel<S>, a, (uint32_t)count, bad, lanes, from);
    hy_cuda_release(device, scratch);
    return status;
}

/* y is of the type that x is computed with. */
template <typename S>
static hy_status add_typed(hy_device *device, const char *name, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y, adding a)
{
    const int64_t n = x->shape[axis], most = (int64_t)1 << 30;
    if (n > most) return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes at most 2^30 indices along the axis, given %lld", name, (long long)n);
    const hy_tensor *tensors[3] = {y, x, index};
    hy_tensor shape = *x, start[3];
    shape.shape[axis] = 1;
    hy_operand operands[3];
    for (int k = 0; k < 3; k++) {
        a.step[k] = tensors[k]->strides[axis] * hy_dtype_size(tensors[k]->dtype);
        start[k] = k == 2 && a.one_index ? *index : held(tensors[k], axis, &shape);
        start[k].shape[axis] = 1;
        operands[k] = hy_view(&start[k]);
    }
    a.n = (uint32_t)n, a.extent = y->shape[axis], a.inner = extent_behind(x, axis), a.flag = hy_cuda(device)->flag;
    const hy_plan<3> plan = hy_plan_walk(operands, true);
    const int64_t lines = hy_plan_count(plan);
    if (n == 0 || lines == 0) return HY_OK;
    const bool few = n > SHORT_LINE && lines < (int64_t)BLOCK * hy_cuda(device)->multiprocessors;
    if (few && lines * n <= most && a.extent < most / lines) { /* and so the keys fit */
        a.lines = hy_plan_finish(plan, 1);
        return add_sorted<S>(device, name, a, lines);
    }
    return hy_plan_run(plan, 1, [&](const hy_walk<3> &w) {
        adding piece = a;
        piece.lines = w;
        a.first += w.count;
        return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(w.count, BLOCK)), dim3(BLOCK), 0, add_lines_kernel<S>, piece);
    });
}

/* A y of a 16-bit type is summed up in float32. */
static hy_status add(hy_device *device, const char *name, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y, const adding &a)
{
    switch (x->dtype) {
    case HY_FLOAT32: return add_typed<float>(device, name, x, axis, index, y, a);
    case HY_FLOAT64: return add_typed<double>(device, name, x, axis, index, y, a);
    case HY_INT32: return add_typed<int32_t>(device, name, x, axis, index, y, a);
    case HY_INT64: return add_typed<int64_t>(device, name, x, axis, index, y, a);
    default: break;
    }
    void *data;
    HY_CUDA_TRY(hy_cuda_scratch(device, hy_numel(y) * (int64_t)sizeof(float), &data));
    hy_tensor sums = hy_contiguous_like(y, data);
    sums.dtype = HY_FLOAT32;
    hy_status status = device->backend.copy(device, y, &sums);
    if (status == HY_OK)
        status = x->dtype == HY_FLOAT16 ? add_typed<__half>(device, name, x, axis, index, &sums, a) : add_typed<__nv_bfloat16>(device, name, x, axis, index, &sums, a);
    if (status == HY_OK) status = device->backend.copy(device, &sums, y);
    hy_cuda_release(device, data);
    return status;
}

static hy_status scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    adding a = {};
    a.fault = HY_FAULT_scatter_add;
    return add(device, "ScatterAdd", x, axis, index, y, a);
}

static hy_status index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, y->ndim);
    adding a = {};
    a.one_index = 1, a.fault = HY_FAULT_index_add;
    return add(device, "IndexAdd", x, axis, &along, y, a);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* One-hot                                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------------- */

struct one_hot_rows {
    hy_walk<2> rows;  /* y's, and their indices, in row-major order */
    int64_t step;     /* from a class to the next, in bytes */
    uint32_t classes;
    hy_group group;
    int64_t first;    /* the first row's number */
    hy_cuda_flag *flag;
};

template <typename S>
static __global__ void __launch_bounds__(HY_GROUP_BLOCK) one_hot_kernel(const __grid_constant__ one_hot_rows r)
{
    const uint32_t row = blockIdx.x * r.group.across + hy_group_output(r.group);
    if (row >= r.rows.count) return;
    int64_t offset[2];
    hy_walk_offsets(r.rows, row, offset);
    const int64_t index = *reinterpret_cast<const int64_t *>(r.rows.data[1] + offset[1]);
    if ((index < 0 || index >= r.classes) && hy_group_member(r.group) == 0) hy_cuda_report(r.flag, HY_FAULT_one_hot, r.first + row);
    for (uint32_t i = hy_group_member(r.group); i < r.classes; i += r.group.along)
        *reinterpret_cast<S *>(r.rows.data[0] + offset[0] + i * r.step) = hy_cast<S>::of(index == i ? 1 : 0);
}

static hy_status one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y)
{
    const int64_t classes = y->shape[y->ndim - 1];
    hy_tensor rows = *y;
    rows.ndim--;
    if (classes >= (int64_t)1 << 31) return hy_cuda_fail(HY_UNSUPPORTED, "OneHot: CUDA takes fewer than 2^31 classes, given %lld", (long long)classes);
    one_hot_rows r = {};
    r.step = y->strides[y->ndim - 1] * hy_dtype_size(y->dtype), r.classes = (uint32_t)classes, r.flag = hy_cuda(device)->flag;
    const hy_plan<2> plan = hy_plan_walk({hy_view(&rows), hy_view(index)}, true);
    r.group = hy_group_for(hy_plan_count(plan), classes, false);
    return hy_with_stored(y->dtype, [&](auto type) {
        return hy_plan_run(plan, 1, [&](const hy_walk<2> &w) {
            one_hot_rows piece = r;
            piece.rows = w;
            r.first += w.count;
            return hy_cuda_launch(device, "OneHot", dim3((unsigned)hy_ceil_div(w.count, r.group.across)), dim3(HY_GROUP_BLOCK), 0,
                                  one_hot_kernel<typename decltype(type)::stored>, piece);
        });
    });
}

void hy_cuda_fill_index(hy_backend *backend)
{
    backend->gather = gather;
    backend->scatter_add = scatter_add;
    backend->index_select = index_select;
    backend->index_add = index_add;
    backend->one_hot = one_hot;
}
