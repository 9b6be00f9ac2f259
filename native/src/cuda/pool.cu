/*
 * Two-dimensional pooling. A thread has one element of what is written: an output, which looks at its window, or for a gradient an input, which looks
 * at the windows that it lies in and adds up what they give, in their order. So nothing is added by atomics, and results have the same bits every time.
 */
#include <math.h>

#include "cuda/walk.cuh"
#include "cuda/slots.h"

enum { BLOCK = 256 };

/* A [N, C, H, W] view; strides in bytes. Data may be NULL where an operand is optional. */
struct images {
    char *data;
    int64_t strides[4];
};

/* What a kernel gets: the views, the one whose elements the threads have first; the other one's planes are `extent`. */
template <int K>
struct pooling {
    images view[K];
    hy_divider channels, height, width; /* of the elements that threads have */
    uint32_t count;
    int32_t channels_inside;            /* whether neighbouring threads have neighbouring channels, as these lie in memory */
    int32_t extent[2], kernel[2], padding[2], dilation[2], include_pad;
    hy_divider stride[2];
    hy_cuda_flag *flag;
    int64_t first_window;               /* of the images that this launch has, for reports */
};

struct pixel {
    uint32_t n, c, at[2];
};

template <int K>
static __device__ __forceinline__ pixel pixel_of(const pooling<K> &p, uint32_t i)
{
    pixel e;
    const hy_divider &inner = p.channels_inside ? p.channels : p.width, &next = p.channels_inside ? p.width : p.height,
                     &outer = p.channels_inside ? p.height : p.channels;
    const uint32_t q = hy_quotient(i, inner), r = hy_quotient(q, next), s = hy_quotient(r, outer);
    const uint32_t a = i - q * inner.extent, b = q - r * next.extent, c = r - s * outer.extent;
    e.n = s;
    e.c = p.channels_inside ? a : c;
    e.at[0] = p.channels_inside ? c : b;
    e.at[1] = p.channels_inside ? b : a;
    return e;
}

template <typename T>
static __device__ __forceinline__ T *place_in(const images &v, uint32_t n, uint32_t c, uint32_t h, uint32_t w)
{
    return reinterpret_cast<T *>(v.data + n * v.strides[0] + c * v.strides[1] + h * v.strides[2] + w * v.strides[3]);
}

/* The first place of a window along an axis; padding where that is negative. */
template <int K>
static __device__ __forceinline__ int window_begin(const pooling<K> &p, int axis, uint32_t i)
{
    return (int)(i * p.stride[axis].extent) - p.padding[axis];
}

/* The windows from `first` to `last`, those of `windows` that reach a place along an axis; with dilation, some of them step over it. */
template <int K>
static __device__ __forceinline__ void windows_over(const pooling<K> &p, int axis, uint32_t place, uint32_t *first, uint32_t *last)
{
    const int end = (int)place + p.padding[axis], begin = end - p.dilation[axis] * (p.kernel[axis] - 1);
    const uint32_t after = hy_quotient((uint32_t)end, p.stride[axis]) + 1, windows = (uint32_t)p.extent[axis];
    *first = begin <= 0 ? 0 : hy_quotient((uint32_t)begin + p.stride[axis].extent - 1, p.stride[axis]);
    *last = after < windows ? after : windows;
}

/* ---- the largest ---- */

/* Views: y, x, index. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) max_pool2d_kernel(const __grid_constant__ pooling<3> p)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.count) return;
    const pixel e = pixel_of(p, i);
    const int top = window_begin(p, 0, e.at[0]), left = window_begin(p, 1, e.at[1]);
    A max = (A)-HUGE_VAL;
    S value = hy_cast<S>::of(max);
    int best = -1;
    for (int r = 0, h = top; r < p.kernel[0]; r++, h += p.dilation[0]) {
        if (h < 0 || h >= p.extent[0]) continue;
        for (int s = 0, w = left; s < p.kernel[1]; s++, w += p.dilation[1]) {
            if (w < 0 || w >= p.extent[1]) continue;
            const S stored = *place_in<const S>(p.view[1], e.n, e.c, h, w);
            const A v = hy_value(stored);
            if (best >= 0 && !(v > max) && v == v) continue; /* the first of equals; a NaN wins */
            max = v, value = stored, best = h * p.extent[1] + w;
        }
    }
    *place_in<S>(p.view[0], e.n, e.c, e.at[0], e.at[1]) = value;
    if (p.view[2].data) *place_in<int32_t>(p.view[2], e.n, e.c, e.at[0], e.at[1]) = best;
}

/* Views: dx, dy, index. Every window lies over an element that looks at it, so no bad index is missed. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) max_pool2d_backward_kernel(const __grid_constant__ pooling<3> p)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.count) return;
    const pixel e = pixel_of(p, i);
    const uint32_t me = e.at[0] * p.width.extent + e.at[1], size = p.height.extent * p.width.extent;
    uint32_t top, bottom, left, right;
    windows_over(p, 0, e.at[0], &top, &bottom);
    windows_over(p, 1, e.at[1], &left, &right);
    A sum = 0;
    for (uint32_t r = top; r < bottom; r++)
        for (uint32_t s = left; s < right; s++) {
            const uint32_t named = (uint32_t)*place_in<const int32_t>(p.view[2], e.n, e.c, r, s);
            if (named == me) sum += hy_value(*place_in<const S>(p.view[1], e.n, e.c, r, s));
            else if (named >= size) {
                const int64_t plane = (int64_t)e.n * p.channels.extent + e.c;
                hy_cuda_report(p.flag, HY_FAULT_max_pool2d_backward, p.first_window + (plane * p.extent[0] + r) * p.extent[1] + s);
            }
        }
    *place_in<S>(p.view[0], e.n, e.c, e.at[0], e.at[1]) = hy_cast<S>::of(sum);
}

/* ---- the mean ---- */

/* How many of a window's places along an axis lie on the image, whose extent it is; dilation is 1. */
template <int K>
static __device__ __forceinline__ int covered(const pooling<K> &p, int axis, int begin, int extent)
{
    const int end = begin + p.kernel[axis];
    return (end < extent ? end : extent) - (begin > 0 ? begin : 0);
}

/* What a window's sum is divided by. */
template <int K>
static __device__ __forceinline__ int divisor(const pooling<K> &p, int top, int left, int height, int width)
{
    return p.include_pad ? p.kernel[0] * p.kernel[1] : covered(p, 0, top, height) * covered(p, 1, left, width);
}

/* Views: y, x. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) avg_pool2d_kernel(const __grid_constant__ pooling<2> p)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.count) return;
    const pixel e = pixel_of(p, i);
    const int top = window_begin(p, 0, e.at[0]), left = window_begin(p, 1, e.at[1]);
    const int rows = min(top + p.kernel[0], p.extent[0]), columns = min(left + p.kernel[1], p.extent[1]);
    A sum = 0;
    for (int h = max(top, 0); h < rows; h++)
        for (int w = max(left, 0); w < columns; w++) sum += hy_value(*place_in<const S>(p.view[1], e.n, e.c, h, w));
    *place_in<S>(p.view[0], e.n, e.c, e.at[0], e.at[1]) = hy_cast<S>::of(sum / (A)divisor(p, top, left, p.extent[0], p.extent[1]));
}

/* Views: dx, dy. */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) avg_pool2d_backward_kernel(const __grid_constant__ pooling<2> p)
{
    typedef typename hy_computed<S>::type A;
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.count) return;
    const pixel e = pixel_of(p, i);
    uint32_t top, bottom, left, right;
    windows_over(p, 0, e.at[0], &top, &bottom);
    windows_over(p, 1, e.at[1], &left, &right);
    A sum = 0;
    for (uint32_t r = top; r < bottom; r++)
        for (uint32_t s = left; s < right; s++) {
            const int over = divisor(p, window_begin(p, 0, r), window_begin(p, 1, s), (int)p.height.extent, (int)p.width.extent);
            sum += (A)hy_value(*place_in<const S>(p.view[1], e.n, e.c, r, s)) / (A)over;
        }
    *place_in<S>(p.view[0], e.n, e.c, e.at[0], e.at[1]) = hy_cast<S>::of(sum);
}

/* ---- launching ---- */

/* Over the elements of the first tensor, as many images a launch as 31 bits can number. `extent` is the plane that the other one has. */
template <int K>
static hy_status run(hy_device *device, const char *name, const hy_pool2d_params *params, const hy_tensor *const (&tensors)[K], void (*kernel)(pooling<K>))
{
    const hy_tensor *over = tensors[0], *other = tensors[1];
    const int64_t image = over->shape[1] * over->shape[2] * over->shape[3], most = (int64_t)1 << 30;
    if (over->shape[0] * image == 0) return HY_OK;
    if (image > most) return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes at most 2^30 elements an image, given %lld", name, (long long)image);
    pooling<K> p = {};
    for (int k = 0; k < K; k++) {
        if (!tensors[k]) continue;
        p.view[k].data = (char *)tensors[k]->data;
        for (int d = 0; d < 4; d++) p.view[k].strides[d] = tensors[k]->strides[d] * hy_dtype_size(tensors[k]->dtype);
    }
    p.channels = hy_divide_by(over->shape[1]), p.height = hy_divide_by(over->shape[2]), p.width = hy_divide_by(over->shape[3]);
    p.channels_inside = over->shape[1] > 1 && over->strides[1] < over->strides[3];
    for (int axis = 0; axis < 2; axis++) {
        p.extent[axis] = (int32_t)other->shape[2 + axis];
        p.kernel[axis] = params->kernel[axis], p.padding[axis] = params->padding[axis], p.dilation[axis] = params->dilation[axis];
        p.stride[axis] = hy_divide_by(params->stride[axis]);
    }
    p.include_pad = params->count_include_pad;
    p.flag = hy_cuda(device)->flag;
    const int64_t step = most / image;
    for (int64_t n = 0; n < over->shape[0]; n += step) {
        const int64_t images = over->shape[0] - n < step ? over->shape[0] - n : step;
        pooling<K> piece = p;
        piece.count = (uint32_t)(images * image);
        piece.first_window = n * other->shape[1] * other->shape[2] * other->shape[3];
        for (int k = 0; k < K; k++)
            if (p.view[k].data) piece.view[k].data += n * p.view[k].strides[0];
        HY_CUDA_TRY(hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(piece.count, BLOCK)), dim3(BLOCK), 0, kernel, piece));
    }
    return HY_OK;
}

static hy_status max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index)
{
    return hy_with_floating(x->dtype, [&](auto type) {
        return run<3>(device, "MaxPool2d", p, {y, x, index}, max_pool2d_kernel<typename decltype(type)::stored>);
    });
}

static hy_status max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index, const hy_tensor *dx)
{
    return hy_with_floating(dx->dtype, [&](auto type) {
        return run<3>(device, "MaxPool2dBackward", p, {dx, dy, index}, max_pool2d_backward_kernel<typename decltype(type)::stored>);
    });
}

static hy_status avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    return hy_with_floating(x->dtype, [&](auto type) {
        return run<2>(device, "AvgPool2d", p, {y, x}, avg_pool2d_kernel<typename decltype(type)::stored>);
    });
}

static hy_status avg_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx)
{
    return hy_with_floating(dx->dtype, [&](auto type) {
        return run<2>(device, "AvgPool2dBackward", p, {dx, dy}, avg_pool2d_backward_kernel<typename decltype(type)::stored>);
    });
}

void hy_cuda_fill_pool(hy_backend *backend)
{
    backend->max_pool2d = max_pool2d;
    backend->max_pool2d_backward = max_pool2d_backward;
    backend->avg_pool2d = avg_pool2d;
    backend->avg_pool2d_backward = avg_pool2d_backward;
}
