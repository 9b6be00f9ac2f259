/* Convolution and its gradients: which way serves which shape, and the bias's gradient. */
#include "cpu/kernels/conv.h"

#include "core/parallel.h"
#include "core/tensor.h"
#include "core/tuning.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"
#include "cpu/kernels/winograd.h"
#include "cpu/simd/vector.h"

#define LARGE_WEIGHT_BYTES (512 << 10)
#define MOST_PREPARED_PIXELS 4096  /* of a batch: beyond, laying out the weight is a small part of the work */
#define LEAST_PREPARED 1024        /* elements of a weight: below, asking takes as long as laying it out */
#define MOST_FLAT_BYTES (4 << 20) /* of an image's copies, a thread: beyond, they leave the caches */

/* ---- What serves ---- */

/* A pass of a convolution, with the gradients in their tensors' places. */
typedef struct call {
    int32_t pass;
    const hy_conv2d_params *p;
    const hy_tensor *x, *w, *y;
} call;

/* What the pass computes, or reads, along rows of pixels. */
static const hy_tensor *swept(const call *c) { return c->pass == HY_CONV_PASS_input_grad ? c->x : c->y; }

static bool stride_is_one(const call *c) { return c->p->stride[0] == 1 && c->p->stride[1] == 1; }

/* Padding beyond the kernel would be staged for nothing. */
static bool padding_is_small(const hy_conv2d_params *p, const hy_tensor *w)
{
    return p->padding[0] <= (w->shape[2] - 1) * p->dilation[0] && p->padding[1] <= (w->shape[3] - 1) * p->dilation[1];
}

/* What a flat image takes with a copy of it for each column of the kernel. */
static int64_t flat_bytes(const call *c)
{
    const hy_tensor *t = swept(c), *w = c->w;
    int64_t channels = c->pass == HY_CONV_PASS_input_grad ? w->shape[0] / c->p->groups : w->shape[1];
    return channels * w->shape[3] * (t->shape[2] + (w->shape[2] - 1) * c->p->dilation[0]) * t->shape[3] * hy_dtype_size(t->dtype);
}

/* The weight's gradient is computed from packed operands, whatever the strides are. */
static bool serves_flat(const call *c)
{
    const hy_tensor *t = swept(c);
    bool in_order = c->pass == HY_CONV_PASS_weight_grad || (t->strides[3] == 1 && t->strides[2] == t->shape[3]);
    return in_order && stride_is_one(c) && c->p->dilation[1] == 1 && t->shape[2] * t->shape[3] >= HY_CONV_LANES(t->dtype)
           && flat_bytes(c) <= MOST_FLAT_BYTES;
}

static bool serves_columns(const call *c)
{
    int64_t lanes = HY_CONV_LANES(c->x->dtype);
    return c->pass == HY_CONV_PASS_input_grad && c->x->strides[3] == 1 && c->y->shape[3] >= lanes && c->x->shape[3] / c->p->stride[1] >= lanes;
}

/* The images are turned a block at a time, which must fit the cache. */
static bool serves_batch(const call *c)
{
    const hy_tensor *y = swept(c), *x = c->pass == HY_CONV_PASS_input_grad ? c->y : c->x;
    if (c->pass == HY_CONV_PASS_weight_grad || y->strides[3] != 1 || (c->pass == HY_CONV_PASS_input_grad && !stride_is_one(c))) return false;
    const int64_t lanes = HY_CONV_LANES(y->dtype), groups = c->p->groups, channels = x->shape[1] / groups, rows = y->shape[1] / groups;
    const int64_t wide = HY_WIDE(hy_ceil_div(rows, hy_ceil_div(rows, HY_TILE_ROWS)));
    const int64_t elements = x->shape[2] * x->shape[3] * channels + y->shape[2] * y->shape[3] * rows;
    return elements * wide * lanes * hy_dtype_size(y->dtype) <= HY_BATCH_BYTES;
}

/* Whether a way computes the call; how fast is another question. */
static bool serves(const call *c, int32_t way)
{
    const hy_tensor *t = swept(c);
    bool weight = c->pass == HY_CONV_PASS_weight_grad, fills = t->shape[3] >= HY_CONV_LANES(t->dtype), rows = fills && t->strides[3] == 1;
    if (way == HY_CONV_WAY_packed) return true;
    if (hy_numel(c->x) == 0 || hy_numel(c->y) == 0) return false;
    if (way == HY_CONV_WAY_winograd4) return hy_winograd_serves(c->p, c->w);
    if (way == HY_CONV_WAY_winograd2) return !weight && hy_winograd_serves(c->p, c->w);
    if (way == HY_CONV_WAY_batch) return serves_batch(c);
    if (!padding_is_small(c->p, c->w)) return false;
    switch (way) {
    case HY_CONV_WAY_direct: return !weight && rows && (c->pass == HY_CONV_PASS_forward || stride_is_one(c));
    case HY_CONV_WAY_flat: return serves_flat(c);
    case HY_CONV_WAY_columns: return serves_columns(c);
    case HY_CONV_WAY_dot: return weight && fills;
    case HY_CONV_WAY_channels: return weight;
    default: return false;
    }
}

/* ---- The rules: the choice where no tuning table makes it ---- */

/* Whether rows of `width` pixels fill vectors well enough to be convolved in place; a plain product of matrices is the packed way's. */
static bool fills_vectors(int32_t dtype, int64_t width)
{
    int64_t lanes = HY_CONV_LANES(dtype);
    return width >= lanes && width * 4 >= (width + lanes - 1) / lanes * lanes * 3;
}

static bool is_pointwise(const call *c) { return c->w->shape[2] * c->w->shape[3] == 1 && stride_is_one(c) && c->p->groups == 1; }

/* Whether vectors had better run across the rows, where `rows` channels see each place of the image: that takes a copy of it for
 * each column of the kernel, which costs what some 4 multiply-adds do, saves the idle lanes of every row, and is for images that fit the
 * cache with all copies. */
static bool prefers_flat(const call *c)
{
    const hy_tensor *t = swept(c), *w = c->w;
    int64_t rows = c->pass == HY_CONV_PASS_input_grad ? w->shape[1] : w->shape[0] / c->p->groups;
    int64_t lanes = HY_CONV_LANES(t->dtype), height = t->shape[2], width = t->shape[3], uses = rows * w->shape[2];
    return flat_bytes(c) <= HY_STAGE_BYTES && !is_pointwise(c)
           && hy_ceil_div(height * width, lanes) * (uses + 4) < height * hy_ceil_div(width, lanes) * uses;
}

/* Few input channels leave most of a tile of them empty, and a strided gradient is a convolution of its own for each residue: columns serve
 * both, unless there are too few output channels to be worth the adding. */
static bool prefers_columns(const call *c)
{
    return c->w->shape[1] < 8 && (!stride_is_one(c) || c->w->shape[0] / c->p->groups >= 12);
}

/* Lanes along the channels where they fill vectors. Without neighbours (1 x 1) turning the images is most of the work, which the product of
 * matrices does no worse; and of large weights the sums, which it stores but once, would leave the cache for the sake of a few pixels. */
static bool prefers_channels(const call *c)
{
    const hy_tensor *dw = c->w, *dy = c->y;
    bool large = hy_numel(dw) * hy_dtype_size(dw->dtype) > LARGE_WEIGHT_BYTES;
    if (large && stride_is_one(c) && dy->shape[0] * dy->shape[2] * dy->shape[3] < 64) return false;
    int64_t lanes = HY_CONV_LANES(dw->dtype), channels = dw->shape[1], columns = dw->shape[3], vectors = hy_channel_vectors(c->p, dw);
    if (dw->shape[2] * columns == 1) return false;
    if (vectors < columns && dw->shape[0] / c->p->groups < 4) return false; /* a tile of a few rows loads more than it multiplies */
    return columns * channels * 4 >= hy_ceil_div(channels, lanes) * vectors * lanes * 3;
}

/* Places of the kernel that lie in an image of `extent`, summed over all `out` windows along an axis. */
static int64_t places_seen(int64_t out, int64_t taps, int64_t stride, int64_t dilation, int64_t origin, int64_t extent)
{
    int64_t seen = 0;
    for (int64_t i = 0; i < out; i++)
        for (int64_t t = 0, at = i * stride - origin; t < taps; t++, at += dilation) seen += at >= 0 && at < extent;
    return seen;
}

/* With stride 1 the gradient is the convolution of dy with the flipped kernel. */
static void place_gradient(const hy_conv2d_params *p, const hy_tensor *w, int64_t origin[2])
{
    for (int axis = 0; axis < 2; axis++) origin[axis] = (w->shape[2 + axis] - 1) * p->dilation[axis] - p->padding[axis];
}

/* Whether vectors of pixels serve, and fill up; along the rows or across them. */
static bool prefers_pixels(const call *c)
{
    return (serves(c, HY_CONV_WAY_flat) && prefers_flat(c))
           || (serves(c, HY_CONV_WAY_direct) && fills_vectors(swept(c)->dtype, swept(c)->shape[3]) && !is_pointwise(c));
}

/* Whether lanes had better go along the images. Costs are counted in multiply-adds of vectors, as measured: turning a vector, or copying it for a flat
 * image, takes about 10, a sweep besides its multiply-adds 250; columns and the packed way, which are slow, multiply at half speed. */
static bool prefers_batch(const call *c)
{
    const bool gradient = c->pass == HY_CONV_PASS_input_grad;
    const hy_conv2d_params *p = c->p;
    const hy_tensor *x = gradient ? c->y : c->x, *w = c->w, *y = swept(c);
    const int64_t lanes = HY_CONV_LANES(y->dtype), groups = p->groups, images = y->shape[0], channels = x->shape[1] / groups, rows = y->shape[1] / groups;
    const int64_t panels = hy_ceil_div(rows, HY_TILE_ROWS), wide = HY_WIDE(hy_ceil_div(rows, panels)), blocks = hy_ceil_div(images, wide * lanes);
    const int64_t in = x->shape[2] * x->shape[3], out = y->shape[2] * y->shape[3], taps = w->shape[2] * w->shape[3];
    if (taps == 1) return false;
    int64_t seen = 1, bands = y->shape[2] * hy_ceil_div(y->shape[3], lanes), flat = hy_ceil_div(out, lanes), origin[2] = {p->padding[0], p->padding[1]};
    if (gradient) place_gradient(p, w, origin);
    for (int axis = 0; axis < 2; axis++)
        seen *= places_seen(y->shape[2 + axis], w->shape[2 + axis], p->stride[axis], p->dilation[axis], origin[axis], x->shape[2 + axis]);
    bool slow = (serves(c, HY_CONV_WAY_columns) && prefers_columns(c)) || !prefers_pixels(c);
    int64_t batch = blocks * (wide * seen * channels * rows + 250 * out * panels) + 10 * images * (in * channels + out * rows) / lanes;
    int64_t rest = hy_min(bands * taps * rows, flat * taps * rows + 10 * in * w->shape[3] / lanes) * channels;
    return batch < images * (slow ? 2 * seen * channels * rows / lanes : rest);
}

/* Whether a way that serves is fast enough for the call to be taken if none before it is. */
static bool pays(const call *c, int32_t way)
{
    const hy_tensor *t = swept(c);
    bool weight = c->pass == HY_CONV_PASS_weight_grad, few = c->w->shape[1] < 8;
    switch (way) {
    case HY_CONV_WAY_winograd4:
    case HY_CONV_WAY_winograd2:
        if (weight) return HY_ISA(hy_winograd_pays_weight_grad)(c->x, c->y);
        return HY_ISA(hy_winograd_tile)(c->pass == HY_CONV_PASS_forward ? c->x : c->y, t) == (way == HY_CONV_WAY_winograd4 ? 4 : 2);
    case HY_CONV_WAY_direct: return fills_vectors(t->dtype, t->shape[3]) && !is_pointwise(c);
    case HY_CONV_WAY_flat: return (!weight || few) && prefers_flat(c);
    case HY_CONV_WAY_batch: return prefers_batch(c);
    case HY_CONV_WAY_columns: return prefers_columns(c);
    case HY_CONV_WAY_dot: return few && fills_vectors(t->dtype, t->shape[3]);
    case HY_CONV_WAY_channels: return prefers_channels(c);
    default: return true;
    }
}

static int32_t way_by_rule(const call *c)
{
    static const int32_t order[] = {HY_CONV_WAY_winograd4, HY_CONV_WAY_winograd2, HY_CONV_WAY_batch, HY_CONV_WAY_columns, HY_CONV_WAY_channels,
                                    HY_CONV_WAY_flat, HY_CONV_WAY_direct, HY_CONV_WAY_dot, HY_CONV_WAY_packed};
    int i = 0;
    while (!serves(c, order[i]) || !pays(c, order[i])) i++;
    return order[i];
}

/* The table is about contiguous tensors and inexact sums: where its way does not serve, the rules hold. */
static hy_status choose(hy_device *device, const call *c, int32_t *way)
{
    hy_status status = hy_tuning_find(device, c->pass, c->p, c->x, c->w, c->y, way);
    if (*way == HY_CONV_WAY_chosen || !serves(c, *way)) *way = way_by_rule(c);
    return status;
}

/* The caller's way, which api.c has found to serve, or the chosen one. */
static hy_status way_of(hy_device *device, const call *c, int32_t *way)
{
    *way = c->p->way;
    return *way == HY_CONV_WAY_chosen ? choose(device, c, way) : HY_OK;
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

/* What a correlation knows of w and its places, `c->tap`, which are to be freed. */
static hy_status place_weight(hy_device *device, const hy_conv2d_params *p, const hy_tensor *w, int flipped, hy_correlation *c)
{
    void *tap = NULL;
    c->w = w->data;
    c->groups = p->groups;
    c->taps = w->shape[2] * w->shape[3];
    c->w_group = w->shape[0] / p->groups * w->strides[0];
    hy_status status = hy_alloc(device, c->taps * (int64_t)sizeof(hy_conv_tap), &tap);
    if (status == HY_OK) list_taps(p, w, flipped, tap);
    c->tap = tap;
    return status;
}

static hy_status correlate(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *w, int flipped, hy_correlation *c)
{
    hy_status status = place_weight(device, p, w, flipped, c);
    c->flat = along == ACROSS_ROWS;
    if (status == HY_OK) status = along == ALONG_IMAGES ? HY_ISA(hy_correlate_batch)(device, c) : HY_ISA(hy_correlate)(device, c);
    hy_free(device, (void *)c->tap);
    return status;
}

static hy_correlation rows_of(const hy_conv2d_params *p, const hy_tensor *w)
{
    return (hy_correlation){.rows = w->shape[0] / p->groups, .channels = w->shape[1], .w_row = w->strides[0], .w_channel = w->strides[1]};
}

static hy_status direct(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *x, const hy_tensor *w, const void *prepared,
                        const hy_tensor *bias, const hy_tensor *y)
{
    hy_correlation c = rows_of(p, w);
    c.x = x;
    c.y = y;
    c.bias = bias;
    c.prepared = prepared;
    c.activation = p->activation;
    for (int axis = 0; axis < 2; axis++) {
        c.stride[axis] = p->stride[axis];
        c.origin[axis] = p->padding[axis];
    }
    return correlate(device, p, along, w, 0, &c);
}

static hy_status direct_prepare(hy_device *device, const hy_conv2d_params *p, lanes along, const hy_tensor *w, void *prepared)
{
    hy_correlation c = rows_of(p, w);
    hy_status status = place_weight(device, p, w, 0, &c);
    if (status == HY_OK) HY_ISA(hy_conv_panels)(&c, w->dtype, along == ALONG_IMAGES, prepared);
    hy_free(device, (void *)c.tap);
    return status;
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

static hy_status conv2d_ways(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                             const hy_tensor *y, int64_t *serving, int32_t *chosen)
{
    const call c = {pass, p, x, w, y};
    *serving = 0;
    for (int32_t way = 1; way < HY_CONV_WAY_COUNT; way++)
        if (serves(&c, way)) *serving |= (int64_t)1 << way;
    return chosen ? choose(device, &c, chosen) : HY_OK;
}

/* `prepared` is NULL, or what `prepare` made of w for this way: no element is read of w then. */
static hy_status forward(hy_device *device, int32_t way, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const void *prepared,
                         const hy_tensor *bias, const hy_tensor *y)
{
    switch (way) {
    case HY_CONV_WAY_winograd4: return HY_ISA(hy_winograd_conv2d)(device, 4, p, x, w, prepared, bias, y);
    case HY_CONV_WAY_winograd2: return HY_ISA(hy_winograd_conv2d)(device, 2, p, x, w, prepared, bias, y);
    case HY_CONV_WAY_direct: return direct(device, p, ALONG_ROWS, x, w, prepared, bias, y);
    case HY_CONV_WAY_flat: return direct(device, p, ACROSS_ROWS, x, w, prepared, bias, y);
    case HY_CONV_WAY_batch: return direct(device, p, ALONG_IMAGES, x, w, prepared, bias, y);
    default: return HY_ISA(hy_conv_packed)(device, p, x, w, bias, y);
    }
}

static hy_status conv2d(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                        const hy_tensor *y)
{
    int32_t way;
    if (hy_numel(y) == 0) return HY_OK;
    hy_status status = way_of(device, &(call){HY_CONV_PASS_forward, p, x, w, y}, &way);
    return status == HY_OK ? forward(device, way, p, x, w, NULL, bias, y) : status;
}

/* w as the way reads it: how many elements that takes, and they themselves, unless `prepared` is NULL. The packed way reads rows of w where they are, or
 * packs them in less than a tenth of the product's time. */
static hy_status prepare(hy_device *device, int32_t way, const hy_conv2d_params *p, const hy_tensor *w, int64_t *elements, void *prepared)
{
    const int64_t tile = way == HY_CONV_WAY_winograd4 ? 4 : 2;
    switch (way) {
    case HY_CONV_WAY_winograd4:
    case HY_CONV_WAY_winograd2:
        *elements = HY_ISA(hy_winograd_prepared)(tile, w);
        return prepared ? HY_ISA(hy_winograd_prepare)(device, tile, w, prepared) : HY_OK;
    case HY_CONV_WAY_direct:
    case HY_CONV_WAY_flat:
    case HY_CONV_WAY_batch:
        *elements = hy_numel(w);
        return prepared ? direct_prepare(device, p, way == HY_CONV_WAY_batch ? ALONG_IMAGES : ALONG_ROWS, w, prepared) : HY_OK;
    default: *elements = 0; return HY_OK;
    }
}

static hy_status conv2d_prepare(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                                int32_t *way, int64_t *elements, const hy_tensor *prepared)
{
    *way = HY_CONV_WAY_chosen;
    *elements = 0;
    const int64_t pixels = y->shape[0] * y->shape[2] * y->shape[3];
    const bool gains = pixels <= MOST_PREPARED_PIXELS && hy_numel(w) >= LEAST_PREPARED;
    if (pixels == 0 || (p->way == HY_CONV_WAY_chosen && !gains)) return HY_OK;
    hy_status status = way_of(device, &(call){HY_CONV_PASS_forward, p, x, w, y}, way);
    return status == HY_OK ? prepare(device, *way, p, w, elements, prepared ? prepared->data : NULL) : status;
}

static hy_status conv2d_prepared(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *prepared,
                                 const hy_tensor *bias, const hy_tensor *y)
{
    return forward(device, p->way, p, x, w, prepared->data, bias, y);
}

static hy_status columns_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx)
{
    hy_pack pack = {.device = device};
    dy = hy_pack_in(&pack, dy);
    hy_status status = pack.status;
    if (status == HY_OK) status = HY_ISA(hy_conv_columns_input_grad)(device, p, dy, w, dx);
    return hy_pack_end(&pack, status);
}

static hy_status conv2d_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                   const hy_tensor *dx)
{
    int32_t way;
    if (hy_numel(dx) == 0) return HY_OK;
    hy_status status = way_of(device, &(call){HY_CONV_PASS_input_grad, p, dx, w, dy}, &way);
    if (status != HY_OK) return status;
    switch (way) {
    case HY_CONV_WAY_winograd4: return HY_ISA(hy_winograd_input_grad)(device, 4, p, dy, w, dx);
    case HY_CONV_WAY_winograd2: return HY_ISA(hy_winograd_input_grad)(device, 2, p, dy, w, dx);
    case HY_CONV_WAY_direct: return direct_input_grad(device, p, ALONG_ROWS, dy, w, dx);
    case HY_CONV_WAY_flat: return direct_input_grad(device, p, ACROSS_ROWS, dy, w, dx);
    case HY_CONV_WAY_batch: return direct_input_grad(device, p, ALONG_IMAGES, dy, w, dx);
    case HY_CONV_WAY_columns: return columns_input_grad(device, p, dy, w, dx);
    default: return HY_ISA(hy_conv_packed_input_grad)(device, p, dy, w, dx);
    }
}

/* dy and dw are contiguous. */
static hy_status weight_grad(hy_device *device, int32_t way, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                             const hy_tensor *dw)
{
    switch (way) {
    case HY_CONV_WAY_winograd4: return HY_ISA(hy_winograd_weight_grad)(device, p, x, dy, dw);
    case HY_CONV_WAY_channels: return HY_ISA(hy_conv_channels_weight_grad)(device, p, x, dy, dw);
    case HY_CONV_WAY_dot: return HY_ISA(hy_conv_dot_weight_grad)(device, p, false, x, dy, dw);
    case HY_CONV_WAY_flat: return HY_ISA(hy_conv_dot_weight_grad)(device, p, true, x, dy, dw);
    default: return HY_ISA(hy_conv_packed_weight_grad)(device, p, x, dy, dw);
    }
}

static hy_status conv2d_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                    const hy_tensor *dw, const hy_tensor *dbias)
{
    int32_t way;
    hy_status status = way_of(device, &(call){HY_CONV_PASS_weight_grad, p, x, dw, dy}, &way);
    if (status != HY_OK) return status;
    hy_pack pack = {.device = device};
    const hy_tensor *g = hy_pack_in(&pack, dy), *sum = hy_pack_out(&pack, dw);
    status = pack.status;
    if (status == HY_OK) status = weight_grad(device, way, p, x, g, sum);
    if (status == HY_OK && dbias) bias_grad(g, dbias);
    return hy_pack_end(&pack, status);
}

void HY_ISA(hy_fill_conv)(hy_backend *backend)
{
    backend->conv2d_ways = conv2d_ways;
    backend->conv2d = conv2d;
    backend->conv2d_prepare = conv2d_prepare;
    backend->conv2d_prepared = conv2d_prepared;
    backend->conv2d_input_grad = conv2d_input_grad;
    backend->conv2d_weight_grad = conv2d_weight_grad;
}
