/* Reductions. */
#include <math.h>

#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** The elements of x that go into one element of y: x cut down to the axes that y has reduced. */
static hy_tensor reduced_part(const hy_tensor *x, const hy_tensor *y)
{
    hy_tensor part = *x;
    for (int32_t i = 0; i < x->ndim; i++)
        if (y->shape[i] != 1) part.shape[i] = 1;
    return part;
}

static double reduce_floating(int32_t op, const hy_tensor *x)
{
    double r = op == HY_REDUCE_prod ? 1 : op == HY_REDUCE_max ? -INFINITY : op == HY_REDUCE_min ? INFINITY : 0;
    for (hy_walk w = HY_WALK(x, x); w.left > 0; hy_walk_next(&w)) {
        const double v = hy_load(x, w.at[0]);
        if (op == HY_REDUCE_prod) r *= v;
        else if (op == HY_REDUCE_max) r = v > r || v != v ? v : r;
        else if (op == HY_REDUCE_min) r = v < r || v != v ? v : r;
        else r += v;
    }
    return op == HY_REDUCE_mean ? r / (double)hy_numel(x) : r;
}

static int64_t reduce_integer(int32_t op, const hy_tensor *x)
{
    int64_t r = op == HY_REDUCE_prod ? 1 : op == HY_REDUCE_max ? INT64_MIN : op == HY_REDUCE_min ? INT64_MAX : 0;
    for (hy_walk w = HY_WALK(x, x); w.left > 0; hy_walk_next(&w)) {
        const int64_t v = hy_load_integer(x, w.at[0]);
        if (op == HY_REDUCE_prod) r *= v;
        else if (op == HY_REDUCE_max) r = v > r ? v : r;
        else if (op == HY_REDUCE_min) r = v < r ? v : r;
        else r += v;
    }
    return r;
}

static hy_status reference_reduce(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y)
{
    const hy_tensor part = reduced_part(x, y);
    for (hy_walk w = HY_WALK(y, x, y); w.left > 0; hy_walk_next(&w)) {
        const hy_tensor elements = hy_advanced(&part, w.at[0]);
        if (hy_is_floating(x->dtype)) hy_store(y, w.at[1], reduce_floating(op, &elements));
        else hy_store_integer(y, w.at[1], reduce_integer(op, &elements));
    }
    return HY_OK;
}

/** Whether element `at` of x comes before the best so far; a NaN beats every number, and the first of equals stays. */
static bool is_better(bool maximum, const hy_tensor *x, int64_t at, int64_t best)
{
    if (hy_is_floating(x->dtype)) {
        const double v = hy_load(x, at), b = hy_load(x, best);
        if (b != b) return false;
        return v != v || (maximum ? v > b : v < b);
    }
    const int64_t v = hy_load_integer(x, at), b = hy_load_integer(x, best);
    return maximum ? v > b : v < b;
}

static hy_status reference_arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y)
{
    const int64_t stride = x->strides[axis];
    for (hy_walk w = HY_WALK(y, x, y); w.left > 0; hy_walk_next(&w)) {
        int64_t best = 0;
        for (int64_t i = 1; i < x->shape[axis]; i++)
            if (is_better(maximum, x, w.at[0] + i * stride, w.at[0] + best * stride)) best = i;
        hy_store_integer(y, w.at[1], best);
    }
    return HY_OK;
}

void hy_reference_reduce(hy_backend *backend)
{
    backend->reduce = reference_reduce;
    backend->arg_reduce = reference_arg_reduce;
}
