/* Two-dimensional convolution and its gradients, by their definitions. */
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** Element [a, b, c, d] of a four-dimensional tensor. */
static inline double at4(const hy_tensor *t, int64_t a, int64_t b, int64_t c, int64_t d)
{
    return hy_load(t, a * t->strides[0] + b * t->strides[1] + c * t->strides[2] + d * t->strides[3]);
}

/** The place in the input that output place i and kernel place r meet; false where that is padding. */
static inline bool input_place(const hy_conv2d_params *p, int axis, int64_t i, int64_t r, int64_t extent, int64_t *h)
{
    *h = i * p->stride[axis] + r * p->dilation[axis] - p->padding[axis];
    return *h >= 0 && *h < extent;
}

/** The output place whose window has its kernel place r on input place h; false where there is none. */
static inline bool output_place(const hy_conv2d_params *p, int axis, int64_t h, int64_t r, int64_t extent, int64_t *i)
{
    const int64_t distance = h + p->padding[axis] - r * p->dilation[axis];
    *i = distance / p->stride[axis];
    return distance >= 0 && distance % p->stride[axis] == 0 && *i < extent;
}

static double output_element(const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, int64_t n, int64_t k, int64_t i, int64_t j)
{
    const int64_t first_channel = k / (w->shape[0] / p->groups) * w->shape[1];
    double sum = 0;
    for (int64_t c = 0; c < w->shape[1]; c++)
        for (int64_t r = 0, h; r < w->shape[2]; r++) {
            if (!input_place(p, 0, i, r, x->shape[2], &h)) continue;
            for (int64_t s = 0, v; s < w->shape[3]; s++)
                if (input_place(p, 1, j, s, x->shape[3], &v)) sum += at4(x, n, first_channel + c, h, v) * at4(w, k, c, r, s);
        }
    return sum;
}

static hy_status reference_conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                                  const hy_tensor *bias, const hy_tensor *y)
{
    for (hy_walk e = HY_WALK(y, y); e.left > 0; hy_walk_next(&e)) {
        const int64_t k = e.index[1];
        const double start = bias ? hy_load(bias, k * bias->strides[0]) : 0;
        hy_store(y, e.at[0], start + output_element(p, x, w, e.index[0], k, e.index[2], e.index[3]));
    }
    return p->activation ? device->backend.unary(device, p->activation - HY_ACTIVATION(0), 0, y, y) : HY_OK;
}

static double input_grad_element(const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, int64_t n, int64_t channel, int64_t h,
                                 int64_t v)
{
    const int64_t per_group = w->shape[0] / p->groups, group = channel / w->shape[1], c = channel % w->shape[1];
    double sum = 0;
    for (int64_t k = group * per_group; k < (group + 1) * per_group; k++)
        for (int64_t r = 0, i; r < w->shape[2]; r++) {
            if (!output_place(p, 0, h, r, dy->shape[2], &i)) continue;
            for (int64_t s = 0, j; s < w->shape[3]; s++)
                if (output_place(p, 1, v, s, dy->shape[3], &j)) sum += at4(dy, n, k, i, j) * at4(w, k, c, r, s);
        }
    return sum;
}

static hy_status reference_conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                             const hy_tensor *dx)
{
    for (hy_walk e = HY_WALK(dx, dx); e.left > 0; hy_walk_next(&e))
        hy_store(dx, e.at[0], input_grad_element(p, dy, w, e.index[0], e.index[1], e.index[2], e.index[3]));
    return HY_OK;
}

static double weight_grad_element(const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, int64_t k, int64_t channel, int64_t r,
                                  int64_t s)
{
    double sum = 0;
    for (int64_t n = 0; n < dy->shape[0]; n++)
        for (int64_t i = 0, h; i < dy->shape[2]; i++) {
            if (!input_place(p, 0, i, r, x->shape[2], &h)) continue;
            for (int64_t j = 0, v; j < dy->shape[3]; j++)
                if (input_place(p, 1, j, s, x->shape[3], &v)) sum += at4(x, n, channel, h, v) * at4(dy, n, k, i, j);
        }
    return sum;
}

static void bias_grad(const hy_tensor *dy, const hy_tensor *dbias)
{
    const hy_tensor channel = hy_first_slice(dy, 1);
    for (int64_t k = 0; k < dy->shape[1]; k++) {
        const hy_tensor elements = hy_advanced(&channel, k * dy->strides[1]);
        double sum = 0;
        for (hy_walk e = HY_WALK(&elements, &elements); e.left > 0; hy_walk_next(&e)) sum += hy_load(&elements, e.at[0]);
        hy_store(dbias, k * dbias->strides[0], sum);
    }
}

static hy_status reference_conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                              const hy_tensor *dw, const hy_tensor *dbias)
{
    const int64_t per_group = dw->shape[0] / p->groups;
    for (hy_walk e = HY_WALK(dw, dw); e.left > 0; hy_walk_next(&e)) {
        const int64_t k = e.index[0], channel = k / per_group * dw->shape[1] + e.index[1];
        hy_store(dw, e.at[0], weight_grad_element(p, x, dy, k, channel, e.index[2], e.index[3]));
    }
    if (dbias) bias_grad(dy, dbias);
    return HY_OK;
}

/* There is one way here, which takes any convolution. */
static hy_status reference_conv2d_ways(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                                       const hy_tensor *y, int64_t *serving, int32_t *chosen)
{
    *serving = (int64_t)1 << HY_CONV_WAY_packed;
    if (chosen) *chosen = HY_CONV_WAY_packed;
    return HY_OK;
}

/* The loops read the weight as it is. */
static hy_status reference_conv2d_prepare(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                                          int32_t *way, int64_t *elements, const hy_tensor *prepared)
{
    *way = HY_CONV_WAY_packed;
    *elements = 0;
    return HY_OK;
}

static hy_status reference_conv2d_prepared(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                                           const hy_tensor *prepared, const hy_tensor *bias, const hy_tensor *y)
{
    return reference_conv2d(device, p, x, w, bias, y);
}

void hy_reference_conv(hy_backend *backend)
{
    backend->conv2d_prepare = reference_conv2d_prepare;
    backend->conv2d_prepared = reference_conv2d_prepared;
    backend->conv2d_ways = reference_conv2d_ways;
    backend->conv2d = reference_conv2d;
    backend->conv2d_input_grad = reference_conv2d_input_grad;
    backend->conv2d_weight_grad = reference_conv2d_weight_grad;
}
