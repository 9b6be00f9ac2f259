/* Two-dimensional pooling. */
#include <math.h>
#include <stdlib.h>

#include "core/status.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** The place in the image that place r of output place i's window covers; false where that is padding. */
static inline bool covered(const hy_pool2d_params *p, int axis, int64_t i, int64_t r, int64_t extent, int64_t *h)
{
    *h = i * p->stride[axis] + r * p->dilation[axis] - p->padding[axis];
    return *h >= 0 && *h < extent;
}

/** The offset within the plane of the first largest element of a window, the last NaN if there is one; -1 when all is padding. */
static int64_t window_argmax(const hy_pool2d_params *p, const hy_tensor *x, int64_t plane, int64_t i, int64_t j)
{
    const int64_t height = x->shape[2], width = x->shape[3];
    int64_t best = -1;
    double max = -INFINITY;
    for (int64_t r = 0, h; r < p->kernel[0]; r++) {
        if (!covered(p, 0, i, r, height, &h)) continue;
        for (int64_t s = 0, w; s < p->kernel[1]; s++) {
            if (!covered(p, 1, j, s, width, &w)) continue;
            const double v = hy_load(x, plane + h * x->strides[2] + w * x->strides[3]);
            if (best >= 0 && !(v > max || v != v)) continue;
            max = v;
            best = h * width + w;
        }
    }
    return best;
}

static hy_status reference_max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y,
                                      const hy_tensor *index)
{
    const int64_t width = x->shape[3];
    for (hy_walk e = HY_WALK(y, y, index); e.left > 0; hy_walk_next(&e)) {
        const int64_t plane = e.index[0] * x->strides[0] + e.index[1] * x->strides[1];
        const int64_t best = window_argmax(p, x, plane, e.index[2], e.index[3]);
        hy_store(y, e.at[0], best < 0 ? -INFINITY : hy_load(x, plane + best / width * x->strides[2] + best % width * x->strides[3]));
        if (index) hy_store_integer(index, e.at[1], best);
    }
    return HY_OK;
}

/** The four-dimensional tensor's plane [0, 0], as a view with extent 1 on the first two axes. */
static hy_tensor first_plane(const hy_tensor *t)
{
    const hy_tensor image = hy_first_slice(t, 0);
    return hy_first_slice(&image, 1);
}

/** The four-dimensional tensor's pixel [., ., 0, 0] of every plane. */
static hy_tensor first_pixel(const hy_tensor *t)
{
    hy_tensor pixel = *t;
    pixel.shape[2] = pixel.shape[3] = 1;
    return pixel;
}

static void store_plane(const hy_tensor *dx, const double *sums)
{
    const hy_tensor plane = first_plane(dx);
    for (hy_walk e = HY_WALK(&plane, &plane); e.left > 0; hy_walk_next(&e)) hy_store(&plane, e.at[0], *sums++);
}

static hy_status scatter_plane(const hy_tensor *dy, const hy_tensor *index, int64_t size, double *sums)
{
    const hy_tensor plane = first_plane(dy);
    for (hy_walk e = HY_WALK(&plane, dy, index); e.left > 0; hy_walk_next(&e)) {
        const int64_t place = hy_load_integer(index, e.at[1]);
        if (place < 0 || place >= size)
            return hy_fail(HY_OUT_OF_RANGE, "MaxPool2dBackward: index %lld is outside a plane of %lld elements", (long long)place,
                           (long long)size);
        sums[place] += hy_load(dy, e.at[0]);
    }
    return HY_OK;
}

static hy_status reference_max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index,
                                               const hy_tensor *dx)
{
    const int64_t size = dx->shape[2] * dx->shape[3];
    double *sums = malloc((size_t)(size + 1) * sizeof *sums);
    if (!sums) return hy_fail(HY_OUT_OF_MEMORY, "MaxPool2dBackward: no memory for a plane of %lld elements", (long long)size);

    hy_status status = HY_OK;
    const hy_tensor planes = first_pixel(dx), dy_planes = first_pixel(dy), index_planes = first_pixel(index);
    for (hy_walk e = HY_WALK(&planes, dx, &dy_planes, &index_planes); e.left > 0 && status == HY_OK; hy_walk_next(&e)) {
        const hy_tensor dx_plane = hy_advanced(dx, e.at[0]), dy_plane = hy_advanced(dy, e.at[1]), index_plane = hy_advanced(index, e.at[2]);
        memset(sums, 0, (size_t)size * sizeof *sums);
        status = scatter_plane(&dy_plane, &index_plane, size, sums);
        store_plane(&dx_plane, sums);
    }
    free(sums);
    return status;
}

/** What the sum over output place (i, j)'s window is divided by. */
static double window_divisor(const hy_pool2d_params *p, int64_t i, int64_t j, int64_t height, int64_t width)
{
    if (p->count_include_pad) return (double)p->kernel[0] * p->kernel[1];
    int64_t rows = 0, columns = 0, place;
    for (int64_t r = 0; r < p->kernel[0]; r++) rows += covered(p, 0, i, r, height, &place);
    for (int64_t s = 0; s < p->kernel[1]; s++) columns += covered(p, 1, j, s, width, &place);
    return (double)(rows * columns);
}

static hy_status reference_avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    for (hy_walk e = HY_WALK(y, y); e.left > 0; hy_walk_next(&e)) {
        const int64_t plane = e.index[0] * x->strides[0] + e.index[1] * x->strides[1], i = e.index[2], j = e.index[3];
        double sum = 0;
        for (int64_t r = 0, h; r < p->kernel[0]; r++) {
            if (!covered(p, 0, i, r, x->shape[2], &h)) continue;
            for (int64_t s = 0, w; s < p->kernel[1]; s++)
                if (covered(p, 1, j, s, x->shape[3], &w)) sum += hy_load(x, plane + h * x->strides[2] + w * x->strides[3]);
        }
        hy_store(y, e.at[0], sum / window_divisor(p, i, j, x->shape[2], x->shape[3]));
    }
    return HY_OK;
}

static void spread_window(const hy_pool2d_params *p, const hy_tensor *dx, int64_t i, int64_t j, double g, double *sums)
{
    const double share = g / window_divisor(p, i, j, dx->shape[2], dx->shape[3]);
    for (int64_t r = 0, h; r < p->kernel[0]; r++) {
        if (!covered(p, 0, i, r, dx->shape[2], &h)) continue;
        for (int64_t s = 0, w; s < p->kernel[1]; s++)
            if (covered(p, 1, j, s, dx->shape[3], &w)) sums[h * dx->shape[3] + w] += share;
    }
}

static hy_status reference_avg_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx)
{
    const int64_t size = dx->shape[2] * dx->shape[3];
    double *sums = malloc((size_t)(size + 1) * sizeof *sums);
    if (!sums) return hy_fail(HY_OUT_OF_MEMORY, "AvgPool2dBackward: no memory for a plane of %lld elements", (long long)size);

    const hy_tensor planes = first_pixel(dx), dy_planes = first_pixel(dy);
    for (hy_walk e = HY_WALK(&planes, dx, &dy_planes); e.left > 0; hy_walk_next(&e)) {
        const hy_tensor dx_plane = hy_advanced(dx, e.at[0]), dy_plane = hy_advanced(dy, e.at[1]);
        memset(sums, 0, (size_t)size * sizeof *sums);
        for (int64_t i = 0; i < dy->shape[2]; i++)
            for (int64_t j = 0; j < dy->shape[3]; j++)
                spread_window(p, dx, i, j, hy_load(&dy_plane, i * dy->strides[2] + j * dy->strides[3]), sums);
        store_plane(&dx_plane, sums);
    }
    free(sums);
    return HY_OK;
}

void hy_reference_pool(hy_backend *backend)
{
    backend->max_pool2d = reference_max_pool2d;
    backend->max_pool2d_backward = reference_max_pool2d_backward;
    backend->avg_pool2d = reference_avg_pool2d;
    backend->avg_pool2d_backward = reference_avg_pool2d_backward;
}
