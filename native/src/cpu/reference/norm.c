/* Batch normalisation. */
#include <math.h>

#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** All the elements of channel c. */
static hy_tensor channel_of(const hy_tensor *t, int64_t c)
{
    const hy_tensor first = hy_first_slice(t, 1);
    return hy_advanced(&first, c * t->strides[1]);
}

/** Element c of a vector; NULL has the value `otherwise` everywhere. */
static inline double vector_load(const hy_tensor *v, int64_t c, double otherwise)
{
    return hy_load_or(v, v ? c * v->strides[0] : 0, otherwise);
}

static inline void vector_store(const hy_tensor *v, int64_t c, double value)
{
    if (v) hy_store(v, c * v->strides[0], value);
}

static void move_towards(const hy_tensor *running, int64_t c, double momentum, double value)
{
    vector_store(running, c, (1 - momentum) * vector_load(running, c, 0) + momentum * value);
}

static hy_status reference_batch_norm(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight,
                                      const hy_tensor *bias, const hy_tensor *running_mean, const hy_tensor *running_var,
                                      const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd)
{
    for (int64_t c = 0; c < x->shape[1]; c++) {
        const hy_tensor xc = channel_of(x, c), yc = channel_of(y, c);
        const double count = (double)hy_numel(&xc);
        double sum = 0, squares = 0;
        for (hy_walk e = HY_WALK(&xc, &xc); e.left > 0; hy_walk_next(&e)) sum += hy_load(&xc, e.at[0]);
        const double average = sum / count;
        for (hy_walk e = HY_WALK(&xc, &xc); e.left > 0; hy_walk_next(&e)) {
            const double deviation = hy_load(&xc, e.at[0]) - average;
            squares += deviation * deviation;
        }
        const double scale = 1 / sqrt(squares / count + eps), w = vector_load(weight, c, 1), b = vector_load(bias, c, 0);
        for (hy_walk e = HY_WALK(&xc, &xc, &yc); e.left > 0; hy_walk_next(&e))
            hy_store(&yc, e.at[1], (hy_load(&xc, e.at[0]) - average) * scale * w + b);

        vector_store(mean, c, average);
        vector_store(rstd, c, scale);
        move_towards(running_mean, c, momentum, average);
        move_towards(running_var, c, momentum, squares / (count - 1));
    }
    return HY_OK;
}

static hy_status reference_batch_norm_backward(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight,
                                               const hy_tensor *mean, const hy_tensor *rstd, const hy_tensor *dx, const hy_tensor *dweight,
                                               const hy_tensor *dbias)
{
    for (int64_t c = 0; c < x->shape[1]; c++) {
        const hy_tensor xc = channel_of(x, c), dyc = channel_of(dy, c);
        const double average = vector_load(mean, c, 0), scale = vector_load(rstd, c, 1), count = (double)hy_numel(&xc);
        double sum = 0, products = 0;
        for (hy_walk e = HY_WALK(&xc, &xc, &dyc); e.left > 0; hy_walk_next(&e)) {
            const double g = hy_load(&dyc, e.at[1]);
            sum += g;
            products += g * (hy_load(&xc, e.at[0]) - average) * scale;
        }
        vector_store(dbias, c, sum);
        vector_store(dweight, c, products);
        if (!dx) continue;

        const hy_tensor dxc = channel_of(dx, c);
        const double factor = vector_load(weight, c, 1) * scale;
        for (hy_walk e = HY_WALK(&xc, &xc, &dyc, &dxc); e.left > 0; hy_walk_next(&e)) {
            const double normal = (hy_load(&xc, e.at[0]) - average) * scale;
            hy_store(&dxc, e.at[2], factor * (hy_load(&dyc, e.at[1]) - sum / count - normal * products / count));
        }
    }
    return HY_OK;
}

void hy_reference_norm(hy_backend *backend)
{
    backend->batch_norm = reference_batch_norm;
    backend->batch_norm_backward = reference_batch_norm_backward;
}
