/* Indexing. Every index is checked before anything is written. */
#include "core/status.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** Checks that each index lies in 0 … extent - 1; the message names the first that does not and its place. */
static hy_status check_indices(const char *operation, const hy_tensor *index, int64_t extent)
{
    int64_t place = 0;
    for (hy_walk w = HY_WALK(index, index); w.left > 0; hy_walk_next(&w), place++) {
        const int64_t i = hy_load_integer(index, w.at[0]);
        if (i < 0 || i >= extent)
            return hy_fail(HY_OUT_OF_RANGE, "%s: index %lld at place %lld is out of range: expected 0 to %lld", operation, (long long)i,
                           (long long)place, (long long)extent - 1);
    }
    return HY_OK;
}

/** t as seen by one who moves along `axis` himself: its stride there is 0. */
static hy_tensor held(const hy_tensor *t, int32_t axis)
{
    hy_tensor view = *t;
    view.strides[axis] = 0;
    return view;
}

/** A one-dimensional index as a view that runs along `axis` of a tensor with `ndim` axes. */
static hy_tensor index_along(const hy_tensor *index, int32_t axis, int32_t ndim)
{
    hy_tensor view = *index;
    view.ndim = ndim;
    for (int32_t i = 0; i < ndim; i++) view.shape[i] = 1, view.strides[i] = 0;
    view.shape[axis] = index->shape[0];
    view.strides[axis] = index->strides[0];
    return view;
}

/** to[at] += from[from_at], rounded to their dtype. */
static void add_element(const hy_tensor *to, int64_t at, const hy_tensor *from, int64_t from_at)
{
    if (hy_is_floating(to->dtype)) hy_store(to, at, hy_load(to, at) + hy_load(from, from_at));
    else hy_store_integer(to, at, hy_load_integer(to, at) + hy_load_integer(from, from_at));
}

/** y = x at the places that index names along `axis`, over index's shape broadcast to y. */
static hy_status pick(const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_status status = check_indices(operation, index, x->shape[axis]);
    if (status != HY_OK) return status;
    const hy_tensor start = held(x, axis);
    for (hy_walk w = HY_WALK(y, &start, index, y); w.left > 0; hy_walk_next(&w))
        hy_move(y, w.at[2], x, w.at[0] + hy_load_integer(index, w.at[1]) * x->strides[axis]);
    return HY_OK;
}

/** y at the places that index names along `axis` += x. */
static void add_all(const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor start = held(y, axis);
    for (hy_walk w = HY_WALK(x, x, index, &start); w.left > 0; hy_walk_next(&w))
        add_element(y, w.at[2] + hy_load_integer(index, w.at[1]) * y->strides[axis], x, w.at[0]);
}

/** The same; a y of a 16-bit type is summed up in float32. */
static hy_status add(hy_device *device, const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    hy_status status = check_indices(operation, index, y->shape[axis]);
    if (status != HY_OK) return status;
    if (!hy_is_half(y->dtype)) {
        add_all(x, axis, index, y);
        return HY_OK;
    }
    void *data = NULL;
    status = hy_alloc(device, hy_numel(y) * (int64_t)sizeof(float), &data);
    if (status != HY_OK) return status;
    hy_tensor sums = hy_contiguous_like(y, data);
    sums.dtype = HY_FLOAT32;
    device->backend.copy(device, y, &sums);
    add_all(x, axis, index, &sums);
    device->backend.copy(device, &sums, y);
    return hy_free(device, data);
}

static hy_status reference_gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return pick("Gather", x, axis, index, y);
}

static hy_status reference_scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return add(device, "ScatterAdd", x, axis, index, y);
}

static hy_status reference_index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, x->ndim);
    return pick("IndexSelect", x, axis, &along, y);
}

static hy_status reference_index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, y->ndim);
    return add(device, "IndexAdd", x, axis, &along, y);
}

static hy_status reference_one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y)
{
    const hy_status status = check_indices("OneHot", index, y->shape[y->ndim - 1]);
    if (status != HY_OK) return status;
    hy_tensor along = *index; /* broadcast over the classes */
    along.ndim = y->ndim;
    along.shape[y->ndim - 1] = 1;
    for (hy_walk w = HY_WALK(y, &along, y); w.left > 0; hy_walk_next(&w))
        hy_store_integer(y, w.at[1], hy_load_integer(index, w.at[0]) == w.index[y->ndim - 1]);
    return HY_OK;
}

void hy_reference_index(hy_backend *backend)
{
    backend->gather = reference_gather;
    backend->scatter_add = reference_scatter_add;
    backend->index_select = reference_index_select;
    backend->index_add = reference_index_add;
    backend->one_hot = reference_one_hot;
}
