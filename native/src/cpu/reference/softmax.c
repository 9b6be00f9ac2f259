/* Softmax and its logarithm. */
#include <math.h>

#include "core/glibc.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

static hy_status reference_softmax(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y)
{
    const int64_t n = x->shape[axis], sx = x->strides[axis], sy = y->strides[axis];
    if (n == 0) return HY_OK;
    const hy_tensor first_x = hy_first_slice(x, axis), first_y = hy_first_slice(y, axis);
    for (hy_walk w = HY_WALK(&first_y, &first_x, &first_y); w.left > 0; hy_walk_next(&w)) {
        double max = -INFINITY;
        long double sum = 0; /* in float64 a long line loses what it is compared for */
        for (int64_t i = 0; i < n; i++) max = fmax(max, hy_load(x, w.at[0] + i * sx)); /* a NaN comes back through the sum */
        for (int64_t i = 0; i < n; i++) sum += exp(hy_load(x, w.at[0] + i * sx) - max);
        for (int64_t i = 0; i < n; i++) {
            const double v = hy_load(x, w.at[0] + i * sx) - max;
            hy_store(y, w.at[1] + i * sy, (double)(logarithm ? v - logl(sum) : expl(v) / sum));
        }
    }
    return HY_OK;
}

static hy_status reference_softmax_backward(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm,
                                            const hy_tensor *dx)
{
    const int64_t n = y->shape[axis], sy = y->strides[axis], sg = g->strides[axis], sdx = dx->strides[axis];
    if (n == 0) return HY_OK;
    const hy_tensor first_y = hy_first_slice(y, axis), first_g = hy_first_slice(g, axis), first_dx = hy_first_slice(dx, axis);
    for (hy_walk w = HY_WALK(&first_dx, &first_y, &first_g, &first_dx); w.left > 0; hy_walk_next(&w)) {
        long double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += hy_load(g, w.at[1] + i * sg) * (logarithm ? 1 : hy_load(y, w.at[0] + i * sy));
        for (int64_t i = 0; i < n; i++) {
            const double vy = hy_load(y, w.at[0] + i * sy), vg = hy_load(g, w.at[1] + i * sg);
            hy_store(dx, w.at[2] + i * sdx, logarithm ? vg - exp(vy) * sum : vy * (vg - sum));
        }
    }
    return HY_OK;
}

void hy_reference_softmax(hy_backend *backend)
{
    backend->softmax = reference_softmax;
    backend->softmax_backward = reference_softmax_backward;
}
