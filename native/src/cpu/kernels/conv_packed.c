/*
 * Any convolution and its gradients as products of matrices that are never built: the packings read images where im2col would have copied them.
 *   y[k, pixel]       = w[k, (c, tap)] · columns[(c, tap), pixel]                      for every image and group
 *   dx[c, pixel]      = w[(k, tap), c]ᵀ · columns of dy[(k, tap), pixel]              likewise, for every residue of the stride
 *   dw[k, (c, tap)]   = dy[k, (image, pixel)] · columns[(c, tap), (image, pixel)]ᵀ    for every group
 * Padding is a copy of the image with zeros around it, so that a packing never asks where the border is. Where the columns are the image
 * itself, as in a 1 x 1 convolution, nothing need be packed.
 */
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "core/tensor.h"
#include "cpu/kernels/conv.h"
#include "cpu/kernels/gemm.h"

#define MAX_WIDTH (HY_TILE_VECTORS * HY_TILE_VECTOR / 4)
#define SLACK_BYTES 128          /* a panel's width: pack_pixels reads past a run */
#define LONG_PRODUCT 128         /* pixels of an image that are worth a product of their own */
#define PLANE_ELEMENTS (1 << 15) /* to copy or add up, a task */

/* Where a packing finds its elements in planes [image][channel][height][width]. */
typedef struct grid {
    const int64_t *offset;          /* of each (channel, tap) from a pixel's place */
    int64_t greatest;               /* of these */
    int64_t width;                  /* pixels that follow one another by column_step */
    int64_t row_step, column_step;  /* between places of neighbouring pixels */
    int64_t pixels, image_step;     /* of one image; only where k runs over images */
    const void *end;                /* of what may be read */
} grid;

typedef struct padding_job {
    const hy_tensor *x;
    int64_t top, left, bottom, right;
    void *to;
} padding_job;

#define BODY "cpu/kernels/conv_packed_body.h"
#include "cpu/kernels/both_reals.h"

#define TYPED(dtype, name) ((dtype) == HY_FLOAT32 ? name##_f32 : name##_f64)

/* ---- Operands ---- */

/* A contiguous view of an operand: its own memory, or a copy that `owned` holds. */
typedef struct planes {
    hy_tensor view;
    const void *end;
    void *owned;
} planes;

/* The bytes of t's elements with SLACK_BYTES behind them; false where no number holds them: padding may be anything. */
static bool bytes_of(const hy_tensor *t, int64_t *bytes)
{
    int64_t count = hy_dtype_size(t->dtype);
    for (int i = 0; i < t->ndim; i++)
        if (__builtin_mul_overflow(count, t->shape[i], &count)) return false;
    *bytes = count;
    return count <= INT64_MAX - SLACK_BYTES;
}

/* Contiguous planes with zeros around them. */
static hy_status pad(hy_device *device, const hy_tensor *x, int64_t top, int64_t left, int64_t bottom, int64_t right, planes *p)
{
    p->view = *x;
    p->owned = NULL;
    p->view.shape[2] += top + bottom;
    p->view.shape[3] += left + right;
    int64_t bytes;
    if (!bytes_of(&p->view, &bytes))
        return hy_fail(HY_OUT_OF_MEMORY, "Conv2d: with its padding the image has more elements than memory can hold (%s)",
                       hy_format_shape(&p->view, (char[256]){0}));
    if (top == 0 && left == 0 && bottom == 0 && right == 0 && hy_is_contiguous(x)) {
        p->view = hy_contiguous_like(x, x->data);
        p->end = (const char *)x->data + bytes;
        return HY_OK;
    }
    hy_status status = hy_alloc(device, bytes + SLACK_BYTES, &p->owned);
    if (status != HY_OK) return status;
    p->view = hy_contiguous_like(&p->view, p->owned);
    p->end = (const char *)p->owned + bytes + SLACK_BYTES;
    memset((char *)p->owned + bytes, 0, SLACK_BYTES);
    int64_t plane = p->view.shape[2] * p->view.shape[3];
    padding_job job = {x, top, left, bottom, right, p->owned};
    hy_parallel_for(x->shape[0] * x->shape[1], plane < PLANE_ELEMENTS ? PLANE_ELEMENTS / (plane + 1) : 1, TYPED(x->dtype, pad_planes),
                    &job);
    return HY_OK;
}

static hy_status contiguous(hy_device *device, const hy_tensor *x, planes *p) { return pad(device, x, 0, 0, 0, 0, p); }

/* An output that is contiguous or stands in for one that is not, until `deliver` copies it there. */
static hy_status stand_in(hy_device *device, const hy_tensor *y, planes *p)
{
    p->view = hy_contiguous_like(y, y->data);
    p->owned = NULL;
    if (hy_is_contiguous(y)) return HY_OK;
    hy_status status = hy_alloc(device, hy_numel(y) * hy_dtype_size(y->dtype), &p->owned);
    p->view.data = p->owned;
    return status;
}

static hy_status deliver(hy_device *device, const planes *p, const hy_tensor *y)
{
    return p->owned ? device->backend.copy(device, &p->view, y) : HY_OK;
}

static hy_gemm_pack pack_of(int32_t dtype, hy_gemm_pack single, hy_gemm_pack twice) { return dtype == HY_FLOAT32 ? single : twice; }

#define PACK(dtype, name) pack_of(dtype, name##_f32, name##_f64)

static int64_t pixels_of(const hy_tensor *t) { return t->shape[2] * t->shape[3]; }

/* ---- The grid ---- */

/* The grid of a convolution's windows over padded planes; `offset` has room for every (channel, tap). */
static grid windows(const hy_conv2d_params *p, const hy_tensor *w, const hy_tensor *y, const planes *x, int64_t *offset)
{
    int64_t row = x->view.strides[2], count = 0;
    for (int64_t c = 0; c < w->shape[1]; c++)
        for (int64_t r = 0; r < w->shape[2]; r++)
            for (int64_t s = 0; s < w->shape[3]; s++)
                offset[count++] = c * x->view.strides[1] + r * p->dilation[0] * row + s * p->dilation[1];
    grid g = {offset, count ? offset[count - 1] : 0, y->shape[3], p->stride[0] * row, p->stride[1], pixels_of(y), x->view.strides[0],
              x->end};
    if (g.row_step == g.width * g.column_step) g.width = g.pixels; /* rows go on in one another, as in a 1 x 1 convolution */
    return g;
}

/* Whether an image's pixels follow one another. */
static bool is_whole(const grid *g, int64_t pixels) { return g->width == pixels && g->column_step == 1; }

/* The columns of an image as an operand. With one tap a channel and pixels that follow one another, as in a 1 x 1 convolution, they are the
 * image itself: a matrix, of which nothing need be packed. */
static hy_gemm_operand columns_of(const planes *x, const grid *g, int64_t channels, int64_t depth, int64_t pixels)
{
    hy_gemm_operand o = {.data = x->view.data, .vector_stride = 1, .k_stride = x->view.strides[1], .context = g};
    o.batch_strides[0] = x->view.strides[0];
    o.batch_strides[1] = channels * x->view.strides[1];
    if (depth == channels && is_whole(g, pixels)) o.data = (const char *)o.data + g->offset[0] * hy_dtype_size(x->view.dtype);
    else o.pack = PACK(x->view.dtype, pack_pixels);
    return o;
}

static void set_batch(hy_gemm *g, int64_t images, int64_t groups)
{
    g->batch_ndim = 2;
    g->batch_shape[0] = images;
    g->batch_shape[1] = groups;
}

/* ---- Forward ---- */

static hy_status forward(hy_device *device, const hy_conv2d_params *p, const planes *x, const planes *w, const hy_tensor *bias,
                         const hy_tensor *y, int64_t *offset)
{
    const int64_t groups = p->groups, k = y->shape[1] / groups, depth = w->view.strides[0], c = w->view.shape[1], pixels = pixels_of(y);
    grid windows_of_x = windows(p, &w->view, y, x, offset);
    hy_gemm g = {.m = k, .n = pixels, .k = depth, .c = y->data, .c_row_stride = pixels, .c_col_stride = 1, .activation = p->activation};
    set_batch(&g, y->shape[0], groups);
    g.a = (hy_gemm_operand){.data = w->view.data, .vector_stride = depth, .k_stride = 1, .batch_strides = {0, k * depth}};
    g.b = columns_of(x, &windows_of_x, c, depth, pixels);
    g.c_batch_strides[0] = y->strides[0];
    g.c_batch_strides[1] = k * pixels;
    if (bias) {
        g.bias = bias->data;
        g.bias_row_stride = bias->strides[0];
        g.bias_batch_strides[1] = k * bias->strides[0];
    }
    return HY_ISA(hy_gemm_run)(device, y->dtype, &g);
}

hy_status HY_ISA(hy_conv_packed)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                                 const hy_tensor *y)
{
    planes px = {0}, pw = {0}, py = {0};
    void *offset = NULL;
    hy_status status = pad(device, x, p->padding[0], p->padding[1], p->padding[0], p->padding[1], &px);
    if (status == HY_OK) status = contiguous(device, w, &pw);
    if (status == HY_OK) status = stand_in(device, y, &py);
    if (status == HY_OK) status = hy_alloc(device, pw.view.strides[0] * (int64_t)sizeof(int64_t), &offset);
    if (status == HY_OK) status = forward(device, p, &px, &pw, bias, &py.view, offset);
    if (status == HY_OK) status = deliver(device, &py, y);
    hy_free(device, offset);
    hy_free(device, py.owned);
    hy_free(device, pw.owned);
    hy_free(device, px.owned);
    return status;
}

/* ---- Input gradient ---- */

/* Along one axis: input places h = residue + stride * i get their gradient from output places i + distance(r), through the kernel places r
 * for which residue + padding - r * dilation is a multiple of the stride. */
static bool reaches(const hy_conv2d_params *p, int axis, int64_t residue, int64_t r, int64_t *distance)
{
    int64_t from = residue + p->padding[axis] - r * p->dilation[axis];
    *distance = from / p->stride[axis];
    return from % p->stride[axis] == 0;
}

static int64_t residues(const hy_conv2d_params *p, int axis, int64_t extent) { return p->stride[axis] < extent ? p->stride[axis] : extent; }

static int64_t places(const hy_conv2d_params *p, int axis, int64_t extent, int64_t residue)
{
    return (extent - residue - 1) / p->stride[axis] + 1;
}

/* How far windows of any residue reach over the gradient's borders. */
static void reach(const hy_conv2d_params *p, int axis, int64_t extent, int64_t kernel, int64_t out_extent, int64_t *before, int64_t *after)
{
    *before = *after = 0;
    for (int64_t residue = 0, distance; residue < residues(p, axis, extent); residue++) {
        for (int64_t r = 0; r < kernel; r++) {
            if (!reaches(p, axis, residue, r, &distance)) continue;
            int64_t last = distance + places(p, axis, extent, residue) - out_extent;
            if (-distance > *before) *before = -distance;
            if (last > *after) *after = last;
        }
    }
}

/* The reduction of one residue: its kernel places, for every output channel. Returns how many; the offsets are into dy and into w. */
static int64_t taps_of_residue(const hy_conv2d_params *p, const hy_tensor *w, const planes *dy, const int64_t residue[2],
                               const int64_t before[2], int64_t *dy_offset, int64_t *w_offset, int64_t *greatest)
{
    int64_t count = 0, down, right;
    *greatest = 0;
    for (int64_t k = 0; k < dy->view.shape[1] / p->groups; k++) {
        for (int64_t r = 0; r < w->shape[2]; r++) {
            if (!reaches(p, 0, residue[0], r, &down)) continue;
            for (int64_t s = 0; s < w->shape[3]; s++) {
                if (!reaches(p, 1, residue[1], s, &right)) continue;
                int64_t at = k * dy->view.strides[1] + (before[0] + down) * dy->view.strides[2] + before[1] + right;
                if (at > *greatest) *greatest = at;
                dy_offset[count] = at;
                w_offset[count++] = k * w->strides[0] + r * w->shape[3] + s;
            }
        }
    }
    return count;
}

/* The gradient of one residue's pixels, dense in `dx`. */
static hy_status residue_grad(hy_device *device, const hy_conv2d_params *p, const planes *dy, const planes *w, const int64_t residue[2],
                              const int64_t before[2], const hy_tensor *dx, int64_t *offset)
{
    const int64_t groups = p->groups, k = dy->view.shape[1] / groups, c = w->view.shape[1], taps = pixels_of(&w->view);
    const int64_t pixels = pixels_of(dx);
    int64_t *w_offset = offset + k * taps;
    grid g_dy = {.offset = offset, .width = dx->shape[3], .row_step = dy->view.strides[2], .column_step = 1, .end = dy->end};
    hy_gemm g = {.m = c, .n = pixels, .c = dx->data, .c_row_stride = pixels, .c_col_stride = 1};
    g.k = taps_of_residue(p, &w->view, dy, residue, before, offset, w_offset, &g_dy.greatest);
    if (g_dy.row_step == g_dy.width) g_dy.width = pixels;
    set_batch(&g, dx->shape[0], groups);
    g.a = (hy_gemm_operand){.data = w->view.data, .vector_stride = taps, .batch_strides = {0, k * w->view.strides[0]}, .context = w_offset};
    if (g.k == k) { /* one tap: w's places are evenly spaced */
        g.a.data = (const char *)g.a.data + w_offset[0] * hy_dtype_size(dx->dtype);
        g.a.k_stride = w->view.strides[0];
    } else {
        g.a.pack = PACK(dx->dtype, pack_indexed);
    }
    g.b = columns_of(dy, &g_dy, k, g.k, pixels);
    g.c_batch_strides[0] = dx->strides[0];
    g.c_batch_strides[1] = c * pixels;
    return HY_ISA(hy_gemm_run)(device, dx->dtype, &g);
}

/* One residue after another: each is a convolution of dy with stride 1, whose pixels lie `stride` apart in dx. */
static hy_status input_grad(hy_device *device, const hy_conv2d_params *p, const planes *dy, const planes *w, const int64_t before[2],
                            const hy_tensor *dx, int64_t *offset)
{
    for (int64_t i = 0; i < residues(p, 0, dx->shape[2]); i++) {
        for (int64_t j = 0; j < residues(p, 1, dx->shape[3]); j++) {
            hy_tensor target = *dx;
            target.data = (char *)dx->data + (i * dx->strides[2] + j * dx->strides[3]) * hy_dtype_size(dx->dtype);
            target.shape[2] = places(p, 0, dx->shape[2], i);
            target.shape[3] = places(p, 1, dx->shape[3], j);
            target.strides[2] *= p->stride[0];
            target.strides[3] *= p->stride[1];
            planes dense;
            hy_status status = stand_in(device, &target, &dense);
            if (status == HY_OK) status = residue_grad(device, p, dy, w, (int64_t[]){i, j}, before, &dense.view, offset);
            if (status == HY_OK) status = deliver(device, &dense, &target);
            hy_free(device, dense.owned);
            if (status != HY_OK) return status;
        }
    }
    return HY_OK;
}

hy_status HY_ISA(hy_conv_packed_input_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                            const hy_tensor *dx)
{
    planes pdy = {0}, pw = {0};
    void *offset = NULL;
    int64_t before[2], after[2];
    for (int axis = 0; axis < 2; axis++)
        reach(p, axis, dx->shape[2 + axis], w->shape[2 + axis], dy->shape[2 + axis], &before[axis], &after[axis]);
    hy_status status = pad(device, dy, before[0], before[1], after[0], after[1], &pdy);
    if (status == HY_OK) status = contiguous(device, w, &pw);
    if (status == HY_OK) status = hy_alloc(device, 2 * w->shape[0] / p->groups * pixels_of(w) * (int64_t)sizeof(int64_t), &offset);
    if (status == HY_OK) status = input_grad(device, p, &pdy, &pw, before, dx, offset);
    hy_free(device, offset);
    hy_free(device, pw.owned);
    hy_free(device, pdy.owned);
    return status;
}

/* ---- Weight gradient ---- */

/* dw = the sum over the images of dy · xᵀ, where x's columns are the image itself: image by image, what is there being the next one's bias. */
static hy_status add_products(hy_device *device, const planes *x, const planes *dy, hy_gemm *g, int64_t images)
{
    const int64_t size = hy_dtype_size(dy->view.dtype);
    hy_status status = HY_OK;
    g->bias_row_stride = g->c_row_stride;
    g->bias_col_stride = g->c_col_stride;
    g->bias_batch_strides[1] = g->c_batch_strides[1];
    for (int64_t image = 0; image < images && status == HY_OK; image++) {
        g->a.data = (const char *)dy->view.data + image * dy->view.strides[0] * size;
        g->b.data = (const char *)x->view.data + image * x->view.strides[0] * size;
        status = HY_ISA(hy_gemm_run)(device, dy->view.dtype, g);
        g->bias = g->c;
    }
    return status;
}

static hy_status weight_grad(hy_device *device, const hy_conv2d_params *p, const planes *x, const planes *dy, const hy_tensor *dw,
                             int64_t *offset)
{
    const int64_t groups = p->groups, k = dw->shape[0] / groups, depth = dw->strides[0], c = dw->shape[1], pixels = pixels_of(&dy->view);
    const int64_t images = dy->view.shape[0];
    grid g_x = windows(p, dw, &dy->view, x, offset), g_dy = {.pixels = pixels, .image_step = dy->view.strides[0]};
    hy_gemm g = {.m = k, .n = depth, .k = images * pixels, .c = dw->data, .c_row_stride = depth, .c_col_stride = 1};
    set_batch(&g, 1, groups);
    g.c_batch_strides[1] = k * depth;
    g.a = (hy_gemm_operand){.data = dy->view.data, .vector_stride = pixels, .k_stride = 1, .batch_strides = {0, k * pixels}, .context = &g_dy};
    g.b = (hy_gemm_operand){.data = x->view.data, .vector_stride = x->view.strides[1], .k_stride = 1,
                            .batch_strides = {0, c * x->view.strides[1]}, .context = &g_x};
    if (depth == c && is_whole(&g_x, pixels) && pixels >= LONG_PRODUCT && images > 0) {
        g.k = pixels;
        return add_products(device, x, dy, &g, images);
    }
    g.a.pack = PACK(dw->dtype, pack_planes);
    g.b.pack = PACK(dw->dtype, pack_patches);
    return HY_ISA(hy_gemm_run)(device, dw->dtype, &g);
}

hy_status HY_ISA(hy_conv_packed_weight_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                             const hy_tensor *dw)
{
    planes px = {0}, pdy = {0}, pdw = {0};
    void *offset = NULL;
    hy_status status = pad(device, x, p->padding[0], p->padding[1], p->padding[0], p->padding[1], &px);
    if (status == HY_OK) status = contiguous(device, dy, &pdy);
    if (status == HY_OK) status = stand_in(device, dw, &pdw);
    if (status == HY_OK) status = hy_alloc(device, pdw.view.strides[0] * (int64_t)sizeof(int64_t), &offset);
    if (status == HY_OK) status = weight_grad(device, p, &px, &pdy, &pdw.view, offset);
    if (status == HY_OK) status = deliver(device, &pdw, dw);
    hy_free(device, offset);
    hy_free(device, pdw.owned);
    hy_free(device, pdy.owned);
    hy_free(device, px.owned);
    return status;
}
