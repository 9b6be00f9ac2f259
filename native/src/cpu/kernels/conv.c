/* Convolution and its gradients: which way serves which shape, and the bias's gradient. */
#include "cpu/kernels/conv.h"

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"
#include "cpu/kernels/winograd.h"
#include "cpu/simd/vector.h"

/* ---- The choice ---- */

/* Whether rows of `width` pixels fill vectors well enough to be convolved in place; a plain product of matrices is the packed way's. */
static bool fills_vectors(int32_t dtype, int64_t width)
{
    int64_t lanes = HY_CONV_LANES(dtype);
    return width >= lanes && width * 4 >= (width + lanes - 1) / lanes * lanes * 3;
}

/* Padding beyond the kernel would be staged for nothing. */
static bool padding_is_small(const hy_conv2d_params *p, const hy_tensor *w)
{
    return p->padding[0] <= (w->shape[2] - 1) * p->dilation[0] && p->padding[1] <= (w->shape[3] - 1) * p->dilation[1];
}

static bool is_pointwise(const hy_conv2d_params *p, const hy_tensor *w)
{
    return w->shape[2] * w->shape[3] == 1 && p->stride[0] == 1 && p->stride[1] == 1 && p->groups == 1;
}

/* Whether vectors had better run across the rows of y, `rows` of whose channels see each place of the image: that takes a copy of it for
 * each column of the kernel, which costs what some 4 multiply-adds do, saves the idle lanes of every row, and is for images that fit the
 * cache with all copies. */
static bool is_flat(const hy_conv2d_params *p, const hy_tensor *w, int64_t channels, int64_t rows, const hy_tensor *y)
{
    int64_t lanes = HY_CONV_LANES(y->dtype), height = y->shape[2], width = y->shape[3], uses = rows * w->shape[2];
    int64_t bytes = channels * w->shape[3] * (height + (w->shape[2] - 1) * p->dilation[0]) * width * hy_dtype_size(y->dtype);
    bool fits = height * width >= lanes && bytes <= HY_STAGE_BYTES && y->strides[3] == 1 && y->strides[2] == width;
    return fits && p->stride[0] == 1 && p->stride[1] == 1 && p->dilation[1] == 1 && padding_is_small(p, w) && !is_pointwise(p, w)
           && hy_ceil_div(height * width, lanes) * (uses + 4) < height * hy_ceil_div(width, lanes) * uses;
}

static bool is_direct(const hy_conv2d_params *p, const hy_tensor *w, const hy_tensor *y)
{
    return fills_vectors(y->dtype, y->shape[3]) && padding_is_small(p, w) && !is_pointwise(p, w) && y->strides[3] == 1;
}

static bool is_direct_gradient(const hy_conv2d_params *p, const hy_tensor *w, const hy_tensor *dx)
{
    return is_direct(p, w, dx) && p->stride[0] == 1 && p->stride[1] == 1;
}

/* Few input channels leave most of a tile of them empty, and a strided gradient is a convolution of its own for each residue: columns serve
 * both, unless there are too few output channels to be worth the adding. */
static bool is_columns_gradient(const hy_conv2d_params *p, const hy_tensor *w, const hy_tensor *dy, const hy_tensor *dx)
{
    int64_t lanes = HY_CONV_LANES(dx->dtype);
    bool strided = p->stride[0] > 1 || p->stride[1] > 1, fits = dx->strides[3] == 1 && dy->shape[3] >= lanes && dx->shape[3] / p->stride[1] >= lanes;
    return fits && padding_is_small(p, w) && w->shape[1] < 8 && (strided || w->shape[0] / p->groups >= 12);
}

/* Places of the kernel that lie in an image of `extent`, summed over all `out` windows along an axis. */
static int64_t places_seen(int64_t out, int64_t taps, int64_t stride, int64_t dilation, int64_t origin, int64_t extent)
{
    int64_t seen = 0;
    for (int64_t i = 0; i < out; i++)
        for (int64_t t = 0, at = i * stride - origin; t < taps; t++, at += dilation) seen += at >= 0 && at < extent;
    return seen;
}

/* Whether lanes had better go along the images: of y, `rows` of whose channels see `channels` of x. Costs are counted in multiply-adds of vectors, as
 * measured: turning a vector, or copying it for a flat image, takes about 10, a sweep besides its multiply-adds 250; columns and the packed way, which are
 * `slow`, multiply at half speed. */
static bool is_batch(const hy_conv2d_params *p, const hy_tensor *w, int64_t rows, const int64_t origin[2], bool slow, const hy_tensor *x,
                     const hy_tensor *y)
{
    const int64_t lanes = HY_CONV_LANES(y->dtype), groups = p->groups, images = y->shape[0], channels = x->shape[1] / groups;
    const int64_t panels = hy_ceil_div(rows, HY_TILE_ROWS), wide = HY_WIDE(hy_ceil_div(rows, panels)), blocks = hy_ceil_div(images, wide * lanes);
    const int64_t in = x->shape[2] * x->shape[3], out = y->shape[2] * y->shape[3], taps = w->shape[2] * w->shape[3];
    if (taps == 1 || y->strides[3] != 1 || (in * channels + out * rows) * wide * lanes * hy_dtype_size(y->dtype) > HY_BATCH_BYTES) return false;
    int64_t seen = 1, bands = y->shape[2] * hy_ceil_div(y->shape[3], lanes), flat = hy_ceil_div(out, lanes);
    for (int axis = 0; axis < 2; axis++)
        seen *= places_seen(y->shape[2 + axis], w->shape[2 + axis], p->stride[axis], p->dilation[axis], origin[axis], x->shape[2 + axis]);
    int64_t batch = blocks * (wide * seen * channels * rows + 250 * out * panels) + 10 * images * (in * channels + out * rows) / lanes;
    int64_t rest = hy_min(bands * taps * rows, flat * taps * rows + 10 * in * w->shape[3] / lanes) * channels;
    return batch < images * (slow ? 2 * seen * channels * rows / lanes : rest);
}

static bool fills_channels(const hy_conv2d_params *p, const hy_tensor *dw)
{
    int64_t lanes = HY_CONV_LANES(dw->dtype), channels = dw->shape[1], columns = dw->shape[3], vectors = hy_channel_vectors(p, dw);
    if (vectors < columns && dw->shape[0] / p->groups < 4) return false; /* a tile of a few rows loads more than it multiplies */
    return columns * channels * 4 >= hy_ceil_div(channels, lanes) * vectors * lanes * 3;
}

/* Lanes along the channels where they fill vectors, else along the pixels where those do. Without neighbours (1 x 1) turning the images is
 * most of the work, which the product of matrices does no worse. */
static hy_status choose_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw)
{
    bool plain = padding_is_small(p, dw) && hy_numel(dy) > 0 && hy_numel(dw) > 0, neighbours = dw->shape[2] * dw->shape[3] > 1;
    bool flat = is_flat(p, dw, dw->shape[1], dw->shape[0] / p->groups, dy);
    if (plain && HY_ISA(hy_winograd_pays_weight_grad)(p, x, dy, dw)) return HY_ISA(hy_winograd_weight_grad)(device, p, x, dy, dw);
    if (plain && neighbours && fills_channels(p, dw)) return HY_ISA(hy_conv_channels_weight_grad)(device, p, x, dy, dw);
    if (plain && dw->shape[1] < 8 && (flat || fills_vectors(dy->dtype, dy->shape[3])))
        return HY_ISA(hy_conv_dot_weight_grad)(device, p, flat, x, dy, dw);
    return HY_ISA(hy_conv_packed_weight_grad)(device, p, x, dy, dw);
}

/* ---- Straight from the planes ---- */

enum { FLIPPED = 1 };

/* The kernel's places, in order; flipped for the gradient of the input. */
static void list_taps(const hy_conv2d_params *p, const hy_tensor *w, int flipped, hy_conv_tap *tap)
{
    for (int64_t r = 0; r < w->shape[2]; r++)
        for (int64_t s = 0; s < w->shape[3]; s++)
            *tap++ = (hy_conv_tap){(flipped ? w->shape[2] - 1 - r : r) * p->dilation[0], (flipped ? w->shape[3] - 1 - s : s) * p->dilation[1],
                                   r * w->strides[2] + s * w->strides[3]};
}

/* Where vectors of y go. */
typedef enum lanes { ALONG_ROWS, ACROSS_ROWS, ALONG_IMAGES } lanes;

static hy_status correlate(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *w, int flipped, hy_correlation *c)
{
    void *tap = NULL;
    c->w = w->data;
    c->flat = along == ACROSS_ROWS;
    c->groups = p->groups;
    c->taps = w->shape[2] * w->shape[3];
    c->w_group = w->shape[0] / p->groups * w->strides[0];
    hy_status status = hy_alloc(device, c->taps * (int64_t)sizeof(hy_conv_tap), &tap);
    if (status != HY_OK) return status;
    c->tap = tap;
    list_taps(p, w, flipped, tap);
    status = along == ALONG_IMAGES ? HY_ISA(hy_correlate_batch)(device, c) : HY_ISA(hy_correlate)(device, c);
    hy_free(device, tap);
    return status;
}

static hy_status direct(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *x, const hy_tensor *w,
                        const hy_tensor *bias, const hy_tensor *y)
{
    hy_correlation c = {.x = x, .y = y, .bias = bias, .rows = w->shape[0] / p->groups, .channels = w->shape[1], .w_row = w->strides[0],
                        .w_channel = w->strides[1], .stride = {p->stride[0], p->stride[1]}, .origin = {p->padding[0], p->padding[1]},
                        .activation = p->activation};
    return correlate(device, p, along, w, 0, &c);
}

/* With stride 1 the gradient is the convolution of dy with the flipped kernel. */
static void place_gradient(const hy_conv2d_params *p, const hy_tensor *w, int64_t origin[2])
{
    for (int axis = 0; axis < 2; axis++) origin[axis] = (w->shape[2 + axis] - 1) * p->dilation[axis] - p->padding[axis];
}

static hy_status direct_input_grad(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *dy, const hy_tensor *w,
                                   const hy_tensor *dx)
{
    hy_correlation c = {.x = dy, .y = dx, .rows = w->shape[1], .channels = w->shape[0] / p->groups, .w_row = w->strides[1],
                        .w_channel = w->strides[0], .stride = {1, 1}};
    place_gradient(p, w, c.origin);
    return correlate(device, p, along, w, FLIPPED, &c);
}

/* ---- The bias's gradient ---- */

typedef struct bias_job {
    const hy_tensor *dy, *dbias;
} bias_job;

/* In vectors up to 2048 elements, then in double: the error stays small and the order is always the same. */
#define SUM_CHANNELS(suffix, real)                                                                                  \
    static void sum_channels_##suffix(void *context, int64_t begin, int64_t end)                                    \
    {                                                                                                               \
        const bias_job *job = context;                                                                              \
        const int64_t channels = job->dy->shape[1], pixels = job->dy->shape[2] * job->dy->shape[3];                 \
        for (int64_t k = begin; k < end; k++) {                                                                     \
            double total = 0;                                                                                       \
            for (int64_t n = 0; n < job->dy->shape[0]; n++)                                                         \
                for (int64_t i = 0; i < pixels; i += 2048)                                                          \
                    total += hy_run_sum_##suffix((const real *)job->dy->data + (n * channels + k) * pixels + i,     \
                                                 pixels - i < 2048 ? pixels - i : 2048);                            \
            ((real *)job->dbias->data)[k * job->dbias->strides[0]] = (real)total;                                   \
        }                                                                                                           \
    }

SUM_CHANNELS(f32, float)
SUM_CHANNELS(f64, double)

static void bias_grad(const hy_tensor *dy, const hy_tensor *dbias)
{
    enum { GRAIN = 1 << 15 };
    bias_job job = {dy, dbias};
    int64_t elements = hy_numel(dy) / dy->shape[1] + 1;
    hy_parallel_for(dy->shape[1], elements < GRAIN ? GRAIN / elements : 1, dy->dtype == HY_FLOAT32 ? sum_channels_f32 : sum_channels_f64, &job);
}

/* ---- Slots ---- */

static hy_status conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                        const hy_tensor *y)
{
    if (hy_numel(y) == 0) return HY_OK;
    int64_t tile = HY_ISA(hy_winograd_tile)(p, x, w, y);
    if (tile) return HY_ISA(hy_winograd_conv2d)(device, tile, p, x, w, bias, y);
    int64_t rows = w->shape[0] / p->groups, origin[2] = {p->padding[0], p->padding[1]};
    bool flat = is_flat(p, w, w->shape[1], rows, y), fills = flat || is_direct(p, w, y);
    if (is_batch(p, w, rows, origin, !fills, x, y)) return direct(device, p, ALONG_IMAGES, x, w, bias, y);
    if (fills) return direct(device, p, flat ? ACROSS_ROWS : ALONG_ROWS, x, w, bias, y);
    return HY_ISA(hy_conv_packed)(device, p, x, w, bias, y);
}

static hy_status conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                   const hy_tensor *dx)
{
    if (hy_numel(dx) == 0) return HY_OK;
    int64_t tile = HY_ISA(hy_winograd_tile)(p, dy, w, dx);
    if (tile) return HY_ISA(hy_winograd_input_grad)(device, tile, p, dy, w, dx);
    bool columns = is_columns_gradient(p, w, dy, dx), flat = is_flat(p, w, w->shape[0] / p->groups, w->shape[1], dx);
    bool fills = flat || is_direct_gradient(p, w, dx);
    int64_t origin[2];
    place_gradient(p, w, origin);
    if (p->stride[0] == 1 && p->stride[1] == 1 && is_batch(p, w, w->shape[1], origin, columns || !fills, dy, dx))
        return direct_input_grad(device, p, ALONG_IMAGES, dy, w, dx);
    if (columns) {
        hy_pack pack = {.device = device};
        dy = hy_pack_in(&pack, dy);
        hy_status status = pack.status;
        if (status == HY_OK) status = HY_ISA(hy_conv_columns_input_grad)(device, p, dy, w, dx);
        return hy_pack_end(&pack, status);
    }
    if (fills) return direct_input_grad(device, p, flat ? ACROSS_ROWS : ALONG_ROWS, dy, w, dx);
    return HY_ISA(hy_conv_packed_input_grad)(device, p, dy, w, dx);
}

static hy_status conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                    const hy_tensor *dw, const hy_tensor *dbias)
{
    hy_pack pack = {.device = device};
    const hy_tensor *g = hy_pack_in(&pack, dy), *sum = hy_pack_out(&pack, dw);
    hy_status status = pack.status;
    if (status == HY_OK) status = choose_weight_grad(device, p, x, g, sum);
    if (status == HY_OK && dbias) bias_grad(g, dbias);
    return hy_pack_end(&pack, status);
}

void HY_ISA(hy_fill_conv)(hy_backend *backend)
{
    backend->conv2d = conv2d;
    backend->conv2d_input_grad = conv2d_input_grad;
    backend->conv2d_weight_grad = conv2d_weight_grad;
}
