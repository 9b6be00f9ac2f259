/* Indexing. Every index is checked before anything is written; the loops that follow need not look again. */
#include <stdatomic.h>

#include "core/status.h"
#include "cpu/kernels/cast.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"

typedef struct range_check {
    const int64_t *values;
    int64_t last;
    atomic_bool failed;
} range_check;

static void check_range(void *context, int64_t begin, int64_t end)
{
    range_check *c = context;
    int64_t signs = 0; /* negative once a value is, or is beyond the last */
    for (int64_t i = begin; i < end; i++) signs |= c->values[i] | (c->last - c->values[i]);
    if (signs < 0) atomic_store_explicit(&c->failed, true, memory_order_relaxed);
}

/* Checks that each index lies in 0 … extent - 1; the message names the first that does not and its place. */
static hy_status check_indices(const char *operation, const hy_tensor *index, int64_t extent)
{
    const int64_t *values = index->data, n = hy_numel(index);
    const bool contiguous = hy_is_contiguous(index);
    if (contiguous) {
        range_check c = {.values = values, .last = extent - 1};
        if (n > 0) hy_parallel_for(n, HY_WALK_GRAIN, check_range, &c);
        if (!atomic_load_explicit(&c.failed, memory_order_relaxed)) return HY_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t value = values[contiguous ? i : hy_row_major_offset(index, i)];
        if (value < 0 || value >= extent)
            return hy_fail(HY_OUT_OF_RANGE, "%s: index %lld at place %lld is out of range: expected 0 to %lld", operation,
                           (long long)value, (long long)i,
                           (long long)extent - 1);
    }
    return HY_OK;
}

/* t as seen by one who moves along `axis` himself, over the shape that is walked: its stride there is 0. */
static hy_tensor held(const hy_tensor *t, int32_t axis, const hy_tensor *walked)
{
    hy_tensor view = *t;
    for (int d = 0; d < t->ndim; d++) view.shape[d] = walked->shape[d];
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

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Picking: y = x[index]                                                                                                  */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct picking {
    hy_walk walk;   /* y, index, x held */
    int64_t stride; /* of x along the axis, in bytes */
} picking;

static void pick_range(void *context, int64_t begin, int64_t end)
{
    const picking *p = context;
    const hy_walk *w = &p->walk;
    int inner = w->ndim - 1;
    int64_t size = w->size[0], step = w->strides[0][inner], index_step = w->strides[1][inner], x_step = w->strides[2][inner], left;
    for (int64_t i = begin, n; i < end; i += n) {
        char *y = hy_walk_at(w, 0, i, &left);
        const char *index = hy_walk_at(w, 1, i, &left), *x = hy_walk_at(w, 2, i, &left);
        n = left < end - i ? left : end - i;
        if (index_step == 0)
            hy_walk_move(y, step, x + *(const int64_t *)index * p->stride, x_step, size, n);
        else if (size == 4 && step == 4 && x_step == 0 && index_step == 8 && p->stride == 4) /* along a contiguous axis */
            for (int64_t j = 0; j < n; j++) ((hy_raw4 *)y)[j] = ((const hy_raw4 *)x)[((const int64_t *)index)[j]];
        else if (size == 4)
            for (int64_t j = 0; j < n; j++)
                *(hy_raw4 *)(y + j * step) = *(const hy_raw4 *)(x + j * x_step + *(const int64_t *)(index + j * index_step) * p->stride);
        else if (size == 8)
            for (int64_t j = 0; j < n; j++)
                *(hy_raw8 *)(y + j * step) = *(const hy_raw8 *)(x + j * x_step + *(const int64_t *)(index + j * index_step) * p->stride);
        else if (size == 2)
            for (int64_t j = 0; j < n; j++)
                *(hy_raw2 *)(y + j * step) = *(const hy_raw2 *)(x + j * x_step + *(const int64_t *)(index + j * index_step) * p->stride);
        else
            for (int64_t j = 0; j < n; j++)
                *(hy_raw1 *)(y + j * step) = *(const hy_raw1 *)(x + j * x_step + *(const int64_t *)(index + j * index_step) * p->stride);
    }
}

static hy_status pick(const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    hy_status status = check_indices(operation, index, x->shape[axis]);
    if (status != HY_OK) return status;
    const hy_tensor start = held(x, axis, y);
    const hy_tensor *operands[] = {y, index, &start};
    picking p = {.stride = x->strides[axis] * hy_dtype_size(x->dtype)};
    int64_t n = hy_walk_prepare(&p.walk, 1, 3, operands);
    if (n > 0) hy_parallel_for(n, HY_WALK_GRAIN, pick_range, &p);
    return HY_OK;
}

static hy_status gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return pick("Gather", x, axis, index, y);
}

static hy_status index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, x->ndim);
    return pick("IndexSelect", x, axis, &along, y);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Adding: y[index] += x, in the order of x along the axis whatever the walk's order, so that repeated indices give one sum  */
/* ---------------------------------------------------------------------------------------------------------------------- */

#define ADD_KERNEL(suffix, T)                                                                                       \
    static void add_##suffix(const hy_walk *w, int64_t stride, int64_t n)                                           \
    {                                                                                                               \
        int inner = w->ndim - 1;                                                                                    \
        int64_t step = w->strides[0][inner] / (int64_t)sizeof(T), index_step = w->strides[1][inner] / 8;            \
        int64_t y_step = w->strides[2][inner] / (int64_t)sizeof(T), left;                                           \
        hy_walk_cursor c = hy_walk_seek(w, 0);                                                                      \
        for (int64_t i = 0; i < n; i += left, hy_walk_advance(w, &c, left)) {                                       \
            const T *x = (const T *)c.at[0];                                                                        \
            const int64_t *index = (const int64_t *)c.at[1];                                                        \
            T *y = (T *)c.at[2];                                                                                    \
            left = hy_walk_left(w, &c, n - i);                                                                      \
            if (index_step == 0 && step == 1 && y_step == 1) { /* a row goes to a row */                            \
                y += index[0] * stride;                                                                             \
                _Pragma("GCC ivdep") for (int64_t j = 0; j < left; j++) y[j] += x[j];                               \
            } else {                                                                                                \
                for (int64_t j = 0; j < left; j++) y[j * y_step + index[j * index_step] * stride] += x[j * step];   \
            }                                                                                                       \
        }                                                                                                           \
    }

ADD_KERNEL(f32, float)
ADD_KERNEL(f64, double)
ADD_KERNEL(i32, int32_t)
ADD_KERNEL(i64, int64_t)

typedef struct adding {
    const hy_tensor *x, *index, *y; /* y is held */
    int64_t stride;                 /* of y along the axis */
    int32_t split;                  /* the axis that threads share out: not the indexed one; -1 for none */
} adding;

static hy_tensor part_of(const hy_tensor *t, int32_t axis, int64_t begin, int64_t end)
{
    hy_tensor part = *t;
    if (axis < 0 || t->shape[axis] == 1) return part;
    part.data = (char *)t->data + begin * t->strides[axis] * hy_dtype_size(t->dtype);
    part.shape[axis] = end - begin;
    return part;
}

static void add_part(void *context, int64_t begin, int64_t end)
{
    static void (*const kernels[])(const hy_walk *, int64_t, int64_t) = {add_f32, add_f64, add_i32, add_i64};
    const adding *a = context;
    const hy_tensor x = part_of(a->x, a->split, begin, end), y = part_of(a->y, a->split, begin, end);
    const hy_tensor index = part_of(a->index, a->split, begin, end);
    const hy_tensor *operands[] = {&x, &index, &y};
    hy_walk w;
    int64_t n = hy_walk_prepare(&w, 0, 3, operands);
    if (n > 0) kernels[x.dtype](&w, a->stride, n);
}

static hy_status add(const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    hy_status status = check_indices(operation, index, y->shape[axis]);
    int64_t n = hy_numel(x);
    if (status != HY_OK || n == 0) return status;
    const hy_tensor start = held(y, axis, x);
    adding a = {.x = x, .index = index, .y = &start, .stride = y->strides[axis], .split = -1};
    for (int32_t d = 0; d < x->ndim; d++)
        if (d != axis && (a.split < 0 || x->shape[d] > x->shape[a.split])) a.split = d;
    enum { NEIGHBOURS = 64 }; /* places along the split axis that are not worth parting: they share lines of memory and look-ups */
    int64_t extent = a.split < 0 ? 1 : x->shape[a.split], grain = HY_WALK_GRAIN / (n / extent);
    hy_parallel_for(extent, grain > NEIGHBOURS ? grain : NEIGHBOURS, add_part, &a);
    return HY_OK;
}

static hy_status scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return add("ScatterAdd", x, axis, index, y);
}

static hy_status index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, y->ndim);
    return add("IndexAdd", x, axis, &along, y);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* One-hot: zeros, then a one in each row                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------------- */

static hy_status one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y)
{
    int32_t classes = y->ndim - 1;
    hy_status status = check_indices("OneHot", index, y->shape[classes]);
    if (status == HY_OK) status = device->backend.fill(device, 0, y);
    if (status != HY_OK) return status;

    hy_element one = hy_element_from_double(1, y->dtype);
    hy_tensor rows = *y;
    rows.ndim = classes;
    int64_t n = hy_numel(index), size = hy_dtype_size(y->dtype);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = ((const int64_t *)index->data)[hy_row_major_offset(index, i)];
        memcpy((char *)y->data + (hy_row_major_offset(&rows, i) + c * y->strides[classes]) * size, &one, (size_t)size);
    }
    return HY_OK;
}

void HY_ISA(hy_fill_index)(hy_backend *backend)
{
    backend->gather = gather;
    backend->index_select = index_select;
    backend->scatter_add = scatter_add;
    backend->index_add = index_add;
    backend->one_hot = one_hot;
}
