/* The slots of two-dimensional convolution: each of the three is a matrix product whose operands are read as images (gemm.cuh). */
#include "cuda/conv.cuh"

#include "cuda/gemm.cuh"
#include "cuda/slots.h"

/* A tensor over the groups alone, `stride` elements from one to the next; `origin` elements from t's first. */
static hy_tensor over_groups(const hy_tensor *t, int32_t groups, int64_t stride)
{
    hy_tensor g = *t;
    g.ndim = 1;
    g.shape[0] = groups;
    g.strides[0] = stride;
    return g;
}

/* The pixels of a batch of images, `down` and `across` pixels apart: digits column, row, image. */
static hy_gemm_axis pixels(const hy_tensor *t, int64_t height, int64_t width, int32_t down, int32_t across)
{
    return hy_gemm_digits(width, across * t->strides[3], height, down * t->strides[2], t->shape[0], t->strides[0]);
}

/* The kernel's places and the channels: digits column, row, channel. */
static hy_gemm_axis taps(int64_t columns, int64_t across, int64_t rows, int64_t down, int64_t channels, int64_t channel)
{
    return hy_gemm_digits(columns, across, rows, down, channels, channel);
}

/* The axis's digits 1 and 0 move by so many rows and columns of the image. */
static void move_in_image(hy_gemm_axis &a, int32_t rows, int32_t columns)
{
    a.row[1] = rows;
    a.column[0] = columns;
}

/* The axis starts at a place of the image. */
static void start_at(hy_gemm_axis &a, int64_t row, int64_t column, const hy_tensor *image)
{
    a.first_row = (int32_t)row;
    a.first_column = (int32_t)column;
    a.origin = row * image->strides[2] + column * image->strides[3];
}

static void set_image(hy_gemm_operand &o, const hy_tensor *image)
{
    o.rows = (uint32_t)image->shape[2];
    o.columns = (uint32_t)image->shape[3];
}

/* Of channels that are contiguous, whole vectors are read; so they become the innermost digit on both sides. */
static bool channels_first(const hy_tensor *t) { return t->shape[1] > 1 && t->strides[1] == 1; }

/* Numbers of pixels and products are counted by 31 bits, places in images by 30. */
static hy_status check_extents(const char *name, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y)
{
    const int64_t most = INT32_MAX / 2, pixels[] = {x->shape[0] * x->shape[2] * x->shape[3], y->shape[0] * y->shape[2] * y->shape[3]};
    for (int64_t n : pixels)
        if (n > most) return hy_cuda_fail(HY_UNSUPPORTED, "%s: %lld pixels in a batch, expected at most %lld", name, (long long)n, (long long)most);
    for (int i = 0; i < 2; i++)
        if (x->shape[2 + i] + 2 * (int64_t)p->padding[i] > most)
            return hy_cuda_fail(HY_UNSUPPORTED, "%s: a padding of %d, expected fewer than 2^29", name, p->padding[i]);
    const int64_t elements = hy_numel(w);
    if (elements > most)
        return hy_cuda_fail(HY_UNSUPPORTED, "%s: a weight of %lld elements, expected at most %lld", name, (long long)elements, (long long)most);
    return HY_OK;
}

/* ---- 16-bit images whose channels are first ---- */

enum { LEAST_USES = 64 }; /* of an element, for a copy to pay: copying reads and writes it once */

/* One group's pixels follow one another in whole vectors, and each is met by itself. */
static bool pixels_are_vectors(const hy_conv2d_params *p, const hy_tensor *w, const hy_tensor *t)
{
    const bool alone = w->shape[2] * w->shape[3] == 1 && p->stride[0] * p->stride[1] == 1 && p->padding[0] == 0 && p->padding[1] == 0;
    const int64_t plane = t->shape[2] * t->shape[3];
    return alone && t->strides[3] == 1 && t->strides[2] == t->shape[3] && plane % 8 == 0 && t->strides[1] % 8 == 0 && t->strides[0] % 8 == 0;
}

/* cp.async takes no single element of 2 bytes, and along an image's rows windows begin anywhere; along channels there are whole vectors. So an operand that
 * would be read by elements is copied, channels last, where each is used often. *copy is then to be released; NULL: the view is t. */
static hy_status channels_last(hy_device *device, const hy_conv2d_params *p, const hy_tensor *w, double products, const hy_tensor *t, hy_tensor *view, void **copy)
{
    const int64_t channels = t->shape[1] / (t == w ? 1 : p->groups), elements = hy_numel(t); /* of a group; the weight's are already */
    *view = *t;
    if (hy_dtype_size(t->dtype) != 2 || elements == 0 || channels % 8 || t->strides[1] == 1 || products < (double)LEAST_USES * (double)elements) return HY_OK;
    if (t != w && pixels_are_vectors(p, w, t)) return HY_OK;
    HY_CUDA_TRY(hy_cuda_scratch(device, 2 * elements, copy));
    view->data = *copy;
    view->strides[1] = 1;
    view->strides[3] = t->shape[1];
    view->strides[2] = view->strides[3] * t->shape[3];
    view->strides[0] = view->strides[2] * t->shape[2];
    return device->backend.copy(device, t, view);
}

/* Calls run(a, b) with the two operands of a convolution's product as it reads them best; y and w tell its size. */
template <typename F>
static hy_status with_channels_last(hy_device *device, const hy_conv2d_params *p, const hy_tensor *y, const hy_tensor *w, const hy_tensor *a, const hy_tensor *b,
                                    F run)
{
    const double products = (double)hy_numel(y) * (double)(w->shape[1] * w->shape[2] * w->shape[3]);
    hy_tensor views[2];
    void *copies[2] = {nullptr, nullptr};
    hy_status status = channels_last(device, p, w, products, a, &views[0], &copies[0]);
    if (status == HY_OK) status = channels_last(device, p, w, products, b, &views[1], &copies[1]);
    if (status == HY_OK) status = run(&views[0], &views[1]);
    for (void *copy : copies) hy_cuda_release(device, copy);
    return status;
}

/* ---- forward ---- */

static hy_status forward_product(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y)
{
    const int64_t filters = w->shape[0] / p->groups, channels = w->shape[1], rows = w->shape[2], columns = w->shape[3];
    const int64_t *sx = x->strides, *sw = w->strides;
    hy_gemm g = {};
    g.m = (uint32_t)(y->shape[0] * y->shape[2] * y->shape[3]);
    g.n = (uint32_t)filters;
    g.k = (uint32_t)(channels * rows * columns);
    g.a.outer = pixels(x, y->shape[2], y->shape[3], p->stride[0], p->stride[1]);
    move_in_image(g.a.outer, p->stride[0], p->stride[1]);
    start_at(g.a.outer, -(int64_t)p->padding[0], -(int64_t)p->padding[1], x);
    g.a.depth = taps(columns, p->dilation[1] * sx[3], rows, p->dilation[0] * sx[2], channels, sx[1]);
    move_in_image(g.a.depth, p->dilation[0], p->dilation[1]);
    set_image(g.a, x);
    g.b = {hy_gemm_line(filters, sw[0]), taps(columns, sw[3], rows, sw[2], channels, sw[1]), 1, 1, false, false};
    if (channels_first(x)) hy_gemm_channel_first(g.a.depth), hy_gemm_channel_first(g.b.depth);
    g.y_row = pixels(y, y->shape[2], y->shape[3], 1, 1);
    g.y_column = hy_gemm_line(filters, y->strides[1]);
    g.activation = p->activation;
    g.tf32 = hy_cuda_allows_tf32(device) && !p->exact;

    const hy_tensor batch_y = over_groups(y, p->groups, filters * y->strides[1]), batch_x = over_groups(x, p->groups, channels * sx[1]);
    const hy_tensor batch_w = over_groups(w, p->groups, filters * sw[0]);
    hy_tensor batch_bias;
    if (bias) {
        g.bias_stride = bias->strides[0];
        batch_bias = over_groups(bias, p->groups, filters * bias->strides[0]);
    }
    return hy_gemm_run(device, "Conv2d", y->dtype, g, &batch_y, &batch_x, &batch_w, bias ? &batch_bias : nullptr);
}

static hy_status conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y)
{
    HY_CUDA_TRY(check_extents("Conv2d", p, x, w, y));
    if (hy_numel(y) == 0) return HY_OK;
    if (hy_is_depthwise(p, w) && hy_gemm_fuses(p->activation)) return hy_depthwise(device, p, x, w, bias, y);
    return with_channels_last(device, p, y, w, x, w, [&](const hy_tensor *a, const hy_tensor *b) { return forward_product(device, p, a, b, bias, y); });
}

/* ---- the input's gradient ---- */

static int32_t common_divisor(int32_t a, int32_t b) { return b ? common_divisor(b, a % b) : a; }

/**
 * Along one side: the input's places `phase`, phase + stride, … and the kernel's places that reach them. Place number i of the former and t of the
 * latter meet in the output's place first + i - t·back; so each phase is a convolution of stride 1 with a part of the kernel.
 */
struct phase {
    int64_t places, taps, tap, step; /* kernel places tap, tap + step, … */
    int64_t first, back;
};

static phase phase_of(const hy_conv2d_params *p, int side, int32_t number, int64_t extent, int64_t kernel)
{
    const int32_t stride = p->stride[side], dilation = p->dilation[side], divisor = common_divisor(stride, dilation);
    phase f = {};
    f.places = extent > number ? hy_ceil_div(extent - number, stride) : 0;
    f.step = stride / divisor;
    f.back = dilation / divisor;
    while (f.tap < f.step && (number + p->padding[side] - f.tap * dilation) % stride != 0) f.tap++;
    f.taps = f.tap < f.step && f.tap < kernel ? hy_ceil_div(kernel - f.tap, f.step) : 0;
    if (f.taps) f.first = (number + p->padding[side] - f.tap * dilation) / stride;
    return f;
}

static hy_status input_grad_phase(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx,
                                  int32_t row, int32_t column)
{
    const phase v = phase_of(p, 0, row, dx->shape[2], w->shape[2]), h = phase_of(p, 1, column, dx->shape[3], w->shape[3]);
    const int64_t filters = w->shape[0] / p->groups, channels = w->shape[1], taps_here = v.taps * h.taps;
    const int64_t *sy = dy->strides, *sw = w->strides;
    hy_gemm g = {};
    g.m = (uint32_t)(dx->shape[0] * v.places * h.places);
    g.n = (uint32_t)channels;
    g.k = (uint32_t)(filters * taps_here);
    g.a.outer = pixels(dy, v.places, h.places, 1, 1);
    move_in_image(g.a.outer, 1, 1);
    start_at(g.a.outer, v.first, h.first, dy);
    g.a.depth = taps(h.taps, -h.back * sy[3], v.taps, -v.back * sy[2], filters, sy[1]);
    move_in_image(g.a.depth, (int32_t)-v.back, (int32_t)-h.back);
    set_image(g.a, dy);
    g.b = {hy_gemm_line(channels, sw[1]), taps(h.taps, h.step * sw[3], v.taps, v.step * sw[2], filters, sw[0]), 1, 1, false, false};
    g.b.depth.origin = v.tap * sw[2] + h.tap * sw[3];
    if (channels_first(dy)) hy_gemm_channel_first(g.a.depth), hy_gemm_channel_first(g.b.depth);
    g.y_row = pixels(dx, v.places, h.places, p->stride[0], p->stride[1]);
    g.y_row.origin = row * dx->strides[2] + column * dx->strides[3];
    g.y_column = hy_gemm_line(channels, dx->strides[1]);
    g.tf32 = hy_cuda_allows_tf32(device) && !p->exact;

    const hy_tensor batch_x = over_groups(dx, p->groups, channels * dx->strides[1]), batch_y = over_groups(dy, p->groups, filters * sy[1]);
    const hy_tensor batch_w = over_groups(w, p->groups, filters * sw[0]);
    return hy_gemm_run(device, "Conv2dInputGrad", dx->dtype, g, &batch_x, &batch_y, &batch_w, nullptr);
}

/* Whether each of the input's places is under one window: patches, and the transposed convolutions that enlarge images. */
static bool is_tiled(const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y)
{
    for (int i = 0; i < 2; i++)
        if (w->shape[2 + i] != p->stride[i] || p->dilation[i] != 1 || p->padding[i] || x->shape[2 + i] != y->shape[2 + i] * p->stride[i]) return false;
    return true;
}

/* Then all phases are one product: dy's pixels by filters, filters by the channels' places in a window. */
static hy_status input_grad_tiled(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx)
{
    const int64_t filters = w->shape[0] / p->groups, channels = w->shape[1], rows = w->shape[2], columns = w->shape[3];
    const int64_t *sx = dx->strides, *sw = w->strides;
    hy_gemm g = {};
    g.m = (uint32_t)(dy->shape[0] * dy->shape[2] * dy->shape[3]);
    g.n = (uint32_t)(channels * rows * columns);
    g.k = (uint32_t)filters;
    g.a = {pixels(dy, dy->shape[2], dy->shape[3], 1, 1), hy_gemm_line(filters, dy->strides[1]), 1, 1, false, false};
    g.b = {taps(columns, sw[3], rows, sw[2], channels, sw[1]), hy_gemm_line(filters, sw[0]), 1, 1, false, false};
    g.y_row = pixels(dx, dy->shape[2], dy->shape[3], p->stride[0], p->stride[1]);
    g.y_column = taps(columns, sx[3], rows, sx[2], channels, sx[1]);
    if (channels_first(dx)) hy_gemm_channel_first(g.b.outer), hy_gemm_channel_first(g.y_column);
    g.tf32 = hy_cuda_allows_tf32(device) && !p->exact;
    const hy_tensor batch_x = over_groups(dx, p->groups, channels * sx[1]), batch_y = over_groups(dy, p->groups, filters * dy->strides[1]);
    const hy_tensor batch_w = over_groups(w, p->groups, filters * sw[0]);
    return hy_gemm_run(device, "Conv2dInputGrad", dx->dtype, g, &batch_x, &batch_y, &batch_w, nullptr);
}

static hy_status conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx)
{
    HY_CUDA_TRY(check_extents("Conv2dInputGrad", p, dx, w, dy));
    if (hy_numel(dx) == 0) return HY_OK;
    if (hy_is_depthwise(p, w)) return hy_depthwise_input_grad(device, p, dy, w, dx);
    return with_channels_last(device, p, dy, w, dy, w, [&](const hy_tensor *a, const hy_tensor *b) -> hy_status {
        if (is_tiled(p, dx, b, a)) return input_grad_tiled(device, p, a, b, dx);
        for (int32_t row = 0; row < p->stride[0] && row < dx->shape[2]; row++)
            for (int32_t column = 0; column < p->stride[1] && column < dx->shape[3]; column++)
                HY_CUDA_TRY(input_grad_phase(device, p, a, b, dx, row, column));
        return HY_OK;
    });
}

/* ---- the weight's and the bias's gradient ---- */

static hy_status weight_grad_product(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw)
{
    const int64_t filters = dw->shape[0] / p->groups, channels = dw->shape[1], rows = dw->shape[2], columns = dw->shape[3];
    const int64_t *sx = x->strides, *sy = dy->strides, *sw = dw->strides;
    hy_gemm g = {};
    g.m = (uint32_t)filters;
    g.n = (uint32_t)(channels * rows * columns);
    g.k = (uint32_t)(dy->shape[0] * dy->shape[2] * dy->shape[3]);
    g.a = {hy_gemm_line(filters, sy[1]), pixels(dy, dy->shape[2], dy->shape[3], 1, 1), 1, 1, false, false};
    g.b.outer = taps(columns, p->dilation[1] * sx[3], rows, p->dilation[0] * sx[2], channels, sx[1]);
    move_in_image(g.b.outer, p->dilation[0], p->dilation[1]);
    start_at(g.b.outer, -(int64_t)p->padding[0], -(int64_t)p->padding[1], x);
    g.b.depth = pixels(x, dy->shape[2], dy->shape[3], p->stride[0], p->stride[1]);
    move_in_image(g.b.depth, p->stride[0], p->stride[1]);
    set_image(g.b, x);
    g.y_row = hy_gemm_line(filters, sw[0]);
    g.y_column = taps(columns, sw[3], rows, sw[2], channels, sw[1]);
    if (channels_first(x)) hy_gemm_channel_first(g.b.outer), hy_gemm_channel_first(g.y_column);
    g.tf32 = hy_cuda_allows_tf32(device) && !p->exact;

    const hy_tensor batch_w = over_groups(dw, p->groups, filters * sw[0]), batch_y = over_groups(dy, p->groups, filters * sy[1]);
    const hy_tensor batch_x = over_groups(x, p->groups, channels * sx[1]);
    return hy_gemm_run(device, "Conv2dWeightGrad", dw->dtype, g, &batch_w, &batch_y, &batch_x, nullptr);
}

static hy_status conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw,
                                    const hy_tensor *dbias)
{
    HY_CUDA_TRY(check_extents("Conv2dWeightGrad", p, x, dw, dy));
    if (dbias) HY_CUDA_TRY(hy_conv_bias_grad(device, dy, dbias));
    if (hy_is_depthwise(p, dw)) return hy_depthwise_weight_grad(device, p, x, dy, dw);
    return with_channels_last(device, p, dy, dw, x, dy, [&](const hy_tensor *a, const hy_tensor *b) { return weight_grad_product(device, p, a, b, dw); });
}

void hy_cuda_fill_conv(hy_backend *backend)
{
    backend->conv2d = conv2d;
    backend->conv2d_input_grad = conv2d_input_grad;
    backend->conv2d_weight_grad = conv2d_weight_grad;
}
