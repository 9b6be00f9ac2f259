/* Copying, casting and filling. */
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

static hy_status reference_fill(hy_device *device, double value, const hy_tensor *y)
{
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w)) hy_store(y, w.at[0], value);
    return HY_OK;
}

static hy_status reference_arange(hy_device *device, double start, double step, const hy_tensor *y)
{
    const int64_t first = hy_saturate(start, INT64_MIN, INT64_MAX), stride = hy_saturate(step, INT64_MIN, INT64_MAX);
    int64_t i = 0;
    for (hy_walk w = HY_WALK(y, y); w.left > 0; hy_walk_next(&w), i++) {
        if (hy_is_floating(y->dtype)) hy_store(y, w.at[0], start + (double)i * step);
        else hy_store_integer(y, w.at[0], first + i * stride);
    }
    return HY_OK;
}

static hy_status reference_copy(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    for (hy_walk w = HY_WALK(y, x, y); w.left > 0; hy_walk_next(&w)) {
        if (x->dtype == y->dtype) hy_move(y, w.at[1], x, w.at[0]);
        else if (hy_is_floating(x->dtype)) hy_store(y, w.at[1], hy_load(x, w.at[0]));
        else hy_store_integer(y, w.at[1], hy_load_integer(x, w.at[0]));
    }
    return HY_OK;
}

void hy_reference_copy(hy_backend *backend)
{
    backend->fill = reference_fill;
    backend->arange = reference_arange;
    backend->copy = reference_copy;
}
