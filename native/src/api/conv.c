/* Convolution and pooling. */
#include <stdint.h>

#include "api/check.h"
#include "core/tuning.h"

static const char *const side[] = {"height", "width"};

/* The output's extent along one side; below 1 where no window fits. */
static int64_t windows(int64_t extent, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    int64_t room = extent + 2 * padding - dilation * (kernel - 1) - 1;
    return room < 0 ? 0 : room / stride + 1;
}

static hy_status check_step(const hy_call *call, const char *what, const int32_t value[2], int32_t low)
{
    for (int i = 0; i < 2; i++)
        if (value[i] < low) return hy_refuse(call, HY_BAD_ARGUMENT, "%s is (%d, %d), expected %d or more", what, value[0], value[1], low);
    return HY_OK;
}

static hy_status check_conv_params(const hy_call *call, const hy_conv2d_params *p)
{
    HY_TRY(hy_check_pointer(call, "the parameters", p));
    HY_TRY(check_step(call, "stride", p->stride, 1));
    HY_TRY(check_step(call, "padding", p->padding, 0));
    HY_TRY(check_step(call, "dilation", p->dilation, 1));
    return hy_check_integer(call, "groups", p->groups, 1, INT32_MAX);
}

/* The shapes of a convolution and of both its gradients: input x, weight w, output y. */
static hy_status check_conv_shapes(const hy_call *call, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                                   const hy_tensor *y)
{
    HY_TRY(hy_check_ndim(call, "input", x, 4));
    HY_TRY(hy_check_ndim(call, "weight", w, 4));
    char xs[256], ws[256];
    hy_format_shape(x, xs);
    hy_format_shape(w, ws);
    int64_t channels = x->shape[1], filters = w->shape[0], groups = p->groups;
    if (hy_numel(w) == 0) return hy_refuse(call, HY_BAD_SHAPE, "weight %s has no element", ws);
    if (channels % groups || filters % groups)
        return hy_refuse(call, HY_BAD_SHAPE, "%lld groups do not divide %lld input and %lld output channels (input %s, weight %s)", (long long)groups,
                         (long long)channels, (long long)filters, xs, ws);
    if (channels / groups != w->shape[1])
        return hy_refuse(call, HY_BAD_SHAPE, "input has %lld channels, weight expects %lld (input %s, weight %s)", (long long)channels,
                         (long long)(w->shape[1] * groups), xs, ws);
    int64_t shape[4] = {x->shape[0], filters};
    for (int i = 0; i < 2; i++) {
        int64_t span, n = w->shape[2 + i];
        bool huge = __builtin_mul_overflow(p->dilation[i], n - 1, &span);
        shape[2 + i] = huge ? 0 : windows(x->shape[2 + i], n, p->stride[i], p->padding[i], p->dilation[i]);
        if (shape[2 + i] < 1)
            return hy_refuse(call, HY_BAD_SHAPE, "the kernel is larger than the padded input's %s (input %s, weight %s, padding %d, dilation %d)",
                             side[i], xs, ws, p->padding[i], p->dilation[i]);
    }
    HY_TRY(hy_check_vector(call, "bias", bias, filters));
    return hy_check_shape(call, "output", y, 4, shape);
}

/* The 16-bit types are converted, and go by the ways of float32: none of their own can be named. */
enum { HAVE_WAYS = 1 << HY_FLOAT32 | 1 << HY_FLOAT64 };

/* A way that the caller names must serve. */
static hy_status check_way(const hy_call *call, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                           int32_t way)
{
    if (way == HY_CONV_WAY_chosen) return HY_OK;
    HY_TRY(hy_check_integer(call, "way", way, 0, HY_CONV_WAY_COUNT - 1));
    HY_TRY(hy_check_input(call, "input", x, HAVE_WAYS));
    if (!call->device->backend.conv2d_ways) return hy_refuse_unsupported(call);
    int64_t serving = 0;
    HY_TRY(call->device->backend.conv2d_ways(call->device, pass, p, x, w, y, &serving, NULL));
    if (serving >> way & 1) return HY_OK;
    char xs[256], ws[256];
    hy_format_shape(x, xs);
    hy_format_shape(w, ws);
    return hy_refuse(call, HY_BAD_ARGUMENT, "the way '%s' does not serve this %s (input %s, weight %s)", hy_conv_way_name(way), hy_conv_pass_name(pass), xs,
                     ws);
}

static hy_status check_conv(const hy_call *call, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                            const hy_tensor *y)
{
    HY_TRY(check_conv_params(call, p));
    HY_TRY(hy_check_input(call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_input(call, "weight", w, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_optional_input(call, "bias", bias, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_output(call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(check_conv_shapes(call, p, x, w, bias, y));
    HY_TRY(hy_check_activation(call, p->activation));
    return check_way(call, HY_CONV_PASS_forward, p, x, w, y, p->way);
}

hy_status hy_conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y)
{
    HY_CALL("conv2d", NULL);
    HY_TRY(check_conv(&call, p, x, w, bias, y));
    HY_DISPATCH(conv2d, p, x, w, bias, y);
}

/* The elements that w takes prepared; `prepared`, unless NULL, must have room for them. */
static hy_status check_prepared(const hy_call *call, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, int32_t *way,
                                const hy_tensor *prepared, int64_t *elements)
{
    const hy_backend *backend = &call->device->backend;
    *way = HY_CONV_WAY_chosen;
    *elements = 0; /* without the slot, and in 16 bits, which are computed as float32 */
    if (!backend->conv2d) return hy_refuse_unsupported(call);
    if (backend->conv2d_prepare && (HAVE_WAYS >> w->dtype & 1)) HY_TRY(backend->conv2d_prepare(call->device, p, x, w, y, way, elements, NULL));
    return hy_check_prepared(call, prepared, *elements);
}

hy_status hy_conv2d_prepare(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, int32_t *way,
                            int64_t *elements, const hy_tensor *prepared)
{
    HY_CALL("conv2d", NULL);
    HY_TRY(check_conv_params(&call, p));
    HY_TRY(hy_check_pointer(&call, "way", way));
    HY_TRY(hy_check_pointer(&call, "elements", elements));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "weight", w, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_input(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_optional_output(&call, "prepared", prepared, HY_ONLY(x->dtype)));
    HY_TRY(check_conv_shapes(&call, p, x, w, NULL, y));
    HY_TRY(check_way(&call, HY_CONV_PASS_forward, p, x, w, y, p->way));
    HY_TRY(check_prepared(&call, p, x, w, y, way, prepared, elements));
    return prepared && *elements > 0 ? device->backend.conv2d_prepare(device, p, x, w, y, way, elements, prepared) : HY_OK;
}

hy_status hy_conv2d_prepared(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *prepared,
                             const hy_tensor *bias, const hy_tensor *y)
{
    int32_t way;
    int64_t elements;
    HY_CALL("conv2d", NULL);
    HY_TRY(check_conv(&call, p, x, w, bias, y));
    HY_TRY(hy_check_input(&call, "prepared", prepared, HY_ONLY(x->dtype)));
    HY_TRY(check_prepared(&call, p, x, w, y, &way, prepared, &elements));
    if (elements == 0) HY_DISPATCH(conv2d, p, x, w, bias, y);
    if (p->way == HY_CONV_WAY_chosen)
        return hy_refuse(&call, HY_BAD_ARGUMENT, "way is '%s', expected the one for which the weight was prepared", hy_conv_way_name(p->way));
    HY_DISPATCH(conv2d_prepared, p, x, w, prepared, bias, y);
}

hy_status hy_conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx)
{
    HY_CALL("conv2d", "_input_grad");
    HY_TRY(check_conv_params(&call, p));
    HY_TRY(hy_check_input(&call, "output gradient", dy, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "weight", w, HY_ONLY(dy->dtype)));
    HY_TRY(hy_check_output(&call, "input gradient", dx, HY_ONLY(dy->dtype)));
    HY_TRY(check_conv_shapes(&call, p, dx, w, NULL, dy));
    HY_TRY(check_way(&call, HY_CONV_PASS_input_grad, p, dx, w, dy, p->way));
    HY_DISPATCH(conv2d_input_grad, p, dy, w, dx);
}

hy_status hy_conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw,
                                const hy_tensor *dbias)
{
    HY_CALL("conv2d", "_weight_grad");
    HY_TRY(check_conv_params(&call, p));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "output gradient", dy, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_output(&call, "weight gradient", dw, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_optional_output(&call, "bias gradient", dbias, HY_ONLY(x->dtype)));
    HY_TRY(check_conv_shapes(&call, p, x, dw, dbias, dy));
    HY_TRY(check_way(&call, HY_CONV_PASS_weight_grad, p, x, dw, dy, p->way));
    HY_DISPATCH(conv2d_weight_grad, p, x, dy, dw, dbias);
}

hy_status hy_quantized_conv2d(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x, const hy_tensor *packed,
                              const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y)
{
    HY_CALL("quantized_conv2d", NULL);
    HY_TRY(check_conv_params(&call, p));
    HY_TRY(hy_check_integer(&call, "groups", p->groups, 1, 1));
    HY_TRY(hy_check_integer(&call, "height", height, 1, INT32_MAX));
    HY_TRY(hy_check_integer(&call, "width", width, 1, INT32_MAX));
    HY_TRY(hy_check_input(&call, "input", x, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_ndim(&call, "input", x, 4));
    HY_TRY(hy_check_ndim(&call, "output", y, 4));
    int64_t inputs = (int64_t)height * width;
    if (__builtin_mul_overflow(inputs, x->shape[1], &inputs)) inputs = INT64_MAX;
    HY_TRY(hy_check_quantized(&call, packed, scale, bias, inputs, y->shape[1]));
    const hy_tensor w = {.dtype = HY_INT8, .ndim = 4, .shape = {y->shape[1], x->shape[1], height, width}};
    HY_TRY(check_conv_shapes(&call, p, x, &w, bias, y));
    HY_TRY(hy_check_activation(&call, p->activation));
    HY_DISPATCH(quantized_conv2d, p, height, width, x, packed, scale, bias, y);
}

/* A convolution that is spoken of but not computed. */
static hy_status check_described(const hy_call *call, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y)
{
    HY_TRY(hy_check_integer(call, "pass", pass, 0, HY_CONV_PASS_COUNT - 1));
    HY_TRY(check_conv_params(call, p));
    HY_TRY(hy_check_input(call, "input", x, HAVE_WAYS));
    HY_TRY(hy_check_input(call, "weight", w, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_input(call, "output", y, HY_ONLY(x->dtype)));
    return check_conv_shapes(call, p, x, w, NULL, y);
}

hy_status hy_conv2d_ways(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                         int64_t *serving, int32_t *chosen)
{
    HY_CALL("conv2d_ways", NULL);
    HY_TRY(check_described(&call, pass, p, x, w, y));
    HY_TRY(hy_check_pointer(&call, "serving", serving));
    HY_TRY(hy_check_pointer(&call, "chosen", chosen));
    HY_DISPATCH(conv2d_ways, pass, p, x, w, y, serving, chosen);
}

const char *hy_tuning_path(hy_device *device)
{
    return device && device->tuning ? hy_tuning_default_path(device) : "";
}

hy_status hy_tuning_load(hy_device *device, const char *path)
{
    HY_CALL("tuning_load", NULL);
    return device->tuning ? hy_tuning_read(device, path) : hy_refuse_unsupported(&call);
}

hy_status hy_tuning_save(hy_device *device, const char *path)
{
    HY_CALL("tuning_save", NULL);
    HY_TRY(hy_check_pointer(&call, "the path", path));
    return device->tuning ? hy_tuning_write(device, path) : hy_refuse_unsupported(&call);
}

hy_status hy_tuning_set(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                        int32_t way)
{
    HY_CALL("tuning_set", NULL);
    HY_TRY(check_described(&call, pass, p, x, w, y));
    HY_TRY(check_way(&call, pass, p, x, w, y, way));
    return device->tuning ? hy_tuning_put(device, pass, p, x, w, y, way) : hy_refuse_unsupported(&call);
}

static hy_status check_pool_params(const hy_call *call, const hy_pool2d_params *p, bool average)
{
    HY_TRY(hy_check_pointer(call, "the parameters", p));
    HY_TRY(check_step(call, "kernel", p->kernel, 1));
    HY_TRY(check_step(call, "stride", p->stride, 1));
    HY_TRY(check_step(call, "padding", p->padding, 0));
    HY_TRY(check_step(call, "dilation", p->dilation, 1));
    if (average && (p->dilation[0] != 1 || p->dilation[1] != 1))
        return hy_refuse(call, HY_BAD_ARGUMENT, "dilation is (%d, %d), expected 1", p->dilation[0], p->dilation[1]);
    for (int i = 0; i < 2; i++)
        if (p->padding[i] > p->kernel[i] / 2)
            return hy_refuse(call, HY_BAD_ARGUMENT, "padding is %d, expected at most %d, half the kernel's %s", p->padding[i], p->kernel[i] / 2, side[i]);
    return HY_OK;
}

/* Whether some window along one side lies in the padding altogether: only dilation can bring that about, or an input without extent. */
static bool has_empty_window(int64_t extent, int64_t count, int64_t kernel, int64_t stride, int64_t padding, int64_t dilation)
{
    if (extent == 0) return true;
    for (int64_t start = -padding; dilation > 1 && start < 0 && count > 0; start += stride, count--) {
        int64_t first = (-start + dilation - 1) / dilation; /* the window's first element that is not before the input */
        if (first >= kernel || start + first * dilation >= extent) return true;
    }
    return false; /* a window that starts inside is not empty, and none starts behind: the last ends within the padding */
}

/* The shapes of a pooling and of its gradient: input x, output y. */
static hy_status check_pool_shapes(const hy_call *call, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    HY_TRY(hy_check_ndim(call, "input", x, 4));
    char text[256];
    int64_t shape[4] = {x->shape[0], x->shape[1]};
    for (int i = 0; i < 2; i++) {
        shape[2 + i] = windows(x->shape[2 + i], p->kernel[i], p->stride[i], p->padding[i], p->dilation[i]);
        if (shape[2 + i] < 1)
            return hy_refuse(call, HY_BAD_SHAPE, "the window is larger than the padded input's %s (input %s, kernel %d, padding %d, dilation %d)", side[i],
                             hy_format_shape(x, text), p->kernel[i], p->padding[i], p->dilation[i]);
        if (has_empty_window(x->shape[2 + i], shape[2 + i], p->kernel[i], p->stride[i], p->padding[i], p->dilation[i]))
            return hy_refuse(call, HY_BAD_SHAPE, "a window lies in the padding of the %s altogether (input %s, kernel %d, padding %d, dilation %d)", side[i],
                             hy_format_shape(x, text), p->kernel[i], p->padding[i], p->dilation[i]);
    }
    return hy_check_shape(call, "output", y, 4, shape);
}

/* The offsets of a max pooling are int32. */
static hy_status check_pool_index(const hy_call *call, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index)
{
    if (!index) return HY_OK;
    char text[256];
    if (x->shape[2] > INT32_MAX / x->shape[3])
        return hy_refuse(call, HY_BAD_SHAPE, "the input's planes have more elements than an int32 index reaches (%s)", hy_format_shape(x, text));
    return hy_check_same_shape(call, "index", index, "the output", y);
}

hy_status hy_max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index)
{
    HY_CALL("max_pool2d", NULL);
    HY_TRY(check_pool_params(&call, p, false));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_optional_output(&call, "index", index, HY_ONLY(HY_INT32)));
    HY_TRY(check_pool_shapes(&call, p, x, y));
    HY_TRY(check_pool_index(&call, x, y, index));
    HY_DISPATCH(max_pool2d, p, x, y, index);
}

hy_status hy_max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index, const hy_tensor *dx)
{
    HY_CALL("max_pool2d", "_backward");
    HY_TRY(check_pool_params(&call, p, false));
    HY_TRY(hy_check_input(&call, "output gradient", dy, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "index", index, HY_ONLY(HY_INT32)));
    HY_TRY(hy_check_output(&call, "input gradient", dx, HY_ONLY(dy->dtype)));
    HY_TRY(check_pool_shapes(&call, p, dx, dy));
    HY_TRY(check_pool_index(&call, dx, dy, index));
    HY_DISPATCH(max_pool2d_backward, p, dy, index, dx);
}

hy_status hy_avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    HY_CALL("avg_pool2d", NULL);
    HY_TRY(check_pool_params(&call, p, true));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(check_pool_shapes(&call, p, x, y));
    HY_DISPATCH(avg_pool2d, p, x, y);
}

hy_status hy_avg_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx)
{
    HY_CALL("avg_pool2d", "_backward");
    HY_TRY(check_pool_params(&call, p, true));
    HY_TRY(hy_check_input(&call, "output gradient", dy, HY_SET_FLOATING));
    HY_TRY(hy_check_output(&call, "input gradient", dx, HY_ONLY(dy->dtype)));
    HY_TRY(check_pool_shapes(&call, p, dx, dy));
    HY_DISPATCH(avg_pool2d_backward, p, dy, dx);
}
