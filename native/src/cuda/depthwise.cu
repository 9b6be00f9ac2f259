/* Depthwise convolution, an element of the result a thread, and the sums over pixels: its weight's gradient and every bias's. */
#include "cuda/conv.cuh"

#include "cuda/gemm.cuh"

enum { BLOCK = 256 };

/** What the kernels read of a call. Strides are in elements; y stands for dy, w for dw, where those are meant. */
struct depthwise {
    const char *x, *w, *bias, *y;
    int64_t sx[4], sw[4], sy[4], bias_stride;
    hy_divider digit[2];      /* of an index into one image of the result */
    uint32_t count, images;   /* elements of such an image; images */
    bool channels_innermost;
    uint32_t channels, filters, filters_each, height, width, rows, columns, out_height, out_width;
    int32_t stride[2], padding[2], dilation[2], activation;
};

static void set_view(const hy_tensor *t, const char **data, int64_t (&strides)[4])
{
    *data = (const char *)t->data;
    memcpy(strides, t->strides, sizeof strides);
}

static depthwise describe(const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y)
{
    depthwise d = {};
    set_view(x, &d.x, d.sx);
    set_view(w, &d.w, d.sw);
    set_view(y, &d.y, d.sy);
    d.images = (uint32_t)x->shape[0];
    d.channels = (uint32_t)x->shape[1], d.filters = (uint32_t)w->shape[0], d.filters_each = d.filters / d.channels;
    d.height = (uint32_t)x->shape[2], d.width = (uint32_t)x->shape[3], d.rows = (uint32_t)w->shape[2], d.columns = (uint32_t)w->shape[3];
    d.out_height = (uint32_t)y->shape[2], d.out_width = (uint32_t)y->shape[3];
    memcpy(d.stride, p->stride, sizeof d.stride);
    memcpy(d.padding, p->padding, sizeof d.padding);
    memcpy(d.dilation, p->dilation, sizeof d.dilation);
    return d;
}

/* ---- an element a thread ---- */

struct place {
    uint32_t channel, row, column;
};

static __device__ __forceinline__ place find(const depthwise &d, uint32_t i)
{
    const uint32_t q = hy_quotient(i, d.digit[0]), r = i - q * d.digit[0].extent, u = hy_quotient(q, d.digit[1]), v = q - u * d.digit[1].extent;
    return d.channels_innermost ? place{r, u, v} : place{u, v, r};
}

static __device__ __forceinline__ int64_t offset(const int64_t (&s)[4], uint32_t n, uint32_t c, uint32_t i, uint32_t j)
{
    return n * s[0] + c * s[1] + i * s[2] + j * s[3];
}

template <typename S>
static __device__ __forceinline__ typename hy_computed<S>::type load(const char *data, int64_t at)
{
    return hy_value(reinterpret_cast<const S *>(data)[at]);
}

template <typename S>
static __global__ void __launch_bounds__(BLOCK, 5) forward_kernel(const __grid_constant__ depthwise d, S *y)
{ /* 5 blocks, 48 registers: left alone, nvcc 12.4 takes 32 and spills */
    typedef typename hy_computed<S>::type C;
    const uint32_t index = blockIdx.x * BLOCK + threadIdx.x;
    if (index >= d.count) return;
    const place e = find(d, index);
    const uint32_t channel = e.channel / d.filters_each;
    for (uint32_t n = blockIdx.y; n < d.images; n += gridDim.y) {
        C sum = d.bias ? load<S>(d.bias, e.channel * d.bias_stride) : (C)0;
        for (uint32_t r = 0; r < d.rows; r++) {
            const uint32_t row = e.row * d.stride[0] + r * d.dilation[0] - d.padding[0];
            if (row >= d.height) continue;
            for (uint32_t s = 0; s < d.columns; s++) {
                const uint32_t column = e.column * d.stride[1] + s * d.dilation[1] - d.padding[1];
                if (column < d.width) sum += load<S>(d.x, offset(d.sx, n, channel, row, column)) * load<S>(d.w, offset(d.sw, e.channel, 0, r, s));
            }
        }
        if (d.activation && sum < 0) sum = 0; /* relu */
        y[offset(d.sy, n, e.channel, e.row, e.column)] = hy_cast<S>::of(sum);
    }
}

/* The output place along a side whose window has its kernel place `tap` on input place `at`. */
static __device__ __forceinline__ bool meets(const depthwise &d, int side, uint32_t at, uint32_t tap, uint32_t extent, uint32_t *out)
{
    const int32_t distance = (int32_t)at + d.padding[side] - (int32_t)tap * d.dilation[side];
    if (distance < 0) return false;
    *out = (uint32_t)distance / (uint32_t)d.stride[side];
    return *out * (uint32_t)d.stride[side] == (uint32_t)distance && *out < extent;
}

template <typename S>
static __global__ void __launch_bounds__(BLOCK) input_grad_kernel(const __grid_constant__ depthwise d, S *x)
{
    typedef typename hy_computed<S>::type C;
    const uint32_t index = blockIdx.x * BLOCK + threadIdx.x;
    if (index >= d.count) return;
    const place e = find(d, index);
    for (uint32_t n = blockIdx.y; n < d.images; n += gridDim.y) {
        C sum = 0;
        for (uint32_t r = 0, i; r < d.rows; r++) {
            if (!meets(d, 0, e.row, r, d.out_height, &i)) continue;
            for (uint32_t s = 0, j; s < d.columns; s++) {
                if (!meets(d, 1, e.column, s, d.out_width, &j)) continue;
                for (uint32_t f = e.channel * d.filters_each; f < (e.channel + 1) * d.filters_each; f++)
                    sum += load<S>(d.y, offset(d.sy, n, f, i, j)) * load<S>(d.w, offset(d.sw, f, 0, r, s));
            }
        }
        x[offset(d.sx, n, e.channel, e.row, e.column)] = hy_cast<S>::of(sum);
    }
}

/* The result's image as the threads number it: in its order in memory. */
static hy_status number(const char *name, depthwise &d, const hy_tensor *result)
{
    const int64_t channels = result->shape[1], height = result->shape[2], width = result->shape[3], count = channels * height * width;
    if (count > INT32_MAX / 2) return hy_cuda_fail(HY_UNSUPPORTED, "%s: %lld elements an image, expected at most 2^30", name, (long long)count);
    d.count = (uint32_t)count;
    d.channels_innermost = result->strides[1] == 1 && channels > 1;
    d.digit[0] = hy_divide_by(d.channels_innermost ? channels : width);
    d.digit[1] = hy_divide_by(d.channels_innermost ? width : height);
    return HY_OK;
}

static dim3 grid_of(const depthwise &d) { return dim3((unsigned)hy_ceil_div(d.count, BLOCK), d.images < 65535 ? d.images : 65535); }

hy_status hy_depthwise(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y)
{
    depthwise d = describe(p, x, w, y);
    HY_CUDA_TRY(number("Conv2d", d, y));
    if (bias) d.bias = (const char *)bias->data, d.bias_stride = bias->strides[0];
    d.activation = p->activation;
    return hy_with_floating(y->dtype, [&](auto type) {
        typedef typename decltype(type)::stored S;
        return hy_cuda_launch(device, "Conv2d", grid_of(d), dim3(BLOCK), 0, forward_kernel<S>, d, (S *)y->data);
    });
}

hy_status hy_depthwise_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx)
{
    depthwise d = describe(p, dx, w, dy);
    HY_CUDA_TRY(number("Conv2dInputGrad", d, dx));
    return hy_with_floating(dx->dtype, [&](auto type) {
        typedef typename decltype(type)::stored S;
        return hy_cuda_launch(device, "Conv2dInputGrad", grid_of(d), dim3(BLOCK), 0, input_grad_kernel<S>, d, (S *)dx->data);
    });
}

/* ---- sums over pixels ---- */

/**
 * A block sums for `across` filters and one place of the kernel over its share of the pixels; `across` is 32 where filters are neighbours in memory.
 * d.x is NULL for the bias: then dy's pixels alone are summed. Partial sums go to [share][filter][place].
 */
template <typename S>
static __global__ void __launch_bounds__(BLOCK) pixel_sum_kernel(const __grid_constant__ depthwise d, uint32_t across, uint32_t share,
                                                                 typename hy_computed<S>::type *sums)
{
    typedef typename hy_computed<S>::type C;
    HY_SHARED(C, part, [BLOCK]);
    const uint32_t taps = d.rows * d.columns, tap = blockIdx.x % taps, lane = threadIdx.x % across, filter = blockIdx.x / taps * across + lane;
    const uint32_t r = tap / d.columns, s = tap % d.columns, first = blockIdx.y * share;
    const uint32_t end = d.count - first < share ? d.count : first + share, step = BLOCK / across;
    C sum = 0;
    for (uint32_t at = first + threadIdx.x / across; filter < d.filters && at < end; at += step) {
        const uint32_t q = hy_quotient(at, d.digit[0]), j = at - q * d.digit[0].extent, n = hy_quotient(q, d.digit[1]), i = q - n * d.digit[1].extent;
        const C g = load<S>(d.y, offset(d.sy, n, filter, i, j));
        if (!d.x) {
            sum += g;
            continue;
        }
        const uint32_t row = i * d.stride[0] + r * d.dilation[0] - d.padding[0], column = j * d.stride[1] + s * d.dilation[1] - d.padding[1];
        if (row < d.height && column < d.width) sum += g * load<S>(d.x, offset(d.sx, n, filter / d.filters_each, row, column));
    }
    part[threadIdx.x] = sum;
    __syncthreads();
    for (uint32_t half = step / 2; half > 0; half /= 2) {
        if (threadIdx.x < half * across) part[threadIdx.x] += part[threadIdx.x + half * across];
        __syncthreads();
    }
    if (threadIdx.x < across && filter < d.filters) sums[((uint64_t)blockIdx.y * d.filters + filter) * taps + tap] = part[threadIdx.x];
}

/* The result: [filters] by the places of `column`. */
static hy_status sum_pixels(hy_device *device, const char *name, depthwise &d, const hy_tensor *dy, const hy_tensor *result, const hy_gemm_axis &column)
{
    const int64_t taps = (int64_t)d.rows * d.columns, pixels = dy->shape[0] * dy->shape[2] * dy->shape[3];
    const uint32_t across = dy->strides[1] == 1 && d.filters > 1 ? 32 : 1;
    const int64_t blocks = hy_ceil_div(d.filters, across) * taps;
    int64_t shares = blocks < 256 ? hy_ceil_div(256, blocks) : 1, most = pixels / 2048;
    if (shares > most) shares = most > 1 ? most : 1;
    d.count = (uint32_t)pixels;
    d.digit[0] = hy_divide_by(dy->shape[3]);
    d.digit[1] = hy_divide_by(dy->shape[2]);

    hy_gemm g = {};
    g.m = d.filters, g.n = (uint32_t)taps, g.splits = (uint32_t)shares;
    g.y_row = hy_gemm_line(d.filters, result->strides[0]);
    g.y_column = column;
    HY_CUDA_TRY(hy_cuda_scratch(device, shares * d.filters * taps * (result->dtype == HY_FLOAT64 ? 8 : 4), &g.partial));
    hy_status status = hy_with_floating(result->dtype, [&](auto type) {
        typedef typename decltype(type)::stored S;
        typedef typename decltype(type)::computed C;
        return hy_cuda_launch(device, name, dim3((unsigned)blocks, (unsigned)shares), dim3(BLOCK), 0, pixel_sum_kernel<S>, d, across,
                              (uint32_t)hy_ceil_div(pixels, shares), (C *)g.partial);
    });
    if (status == HY_OK) status = hy_gemm_finish_alone(device, name, g, result);
    hy_cuda_release(device, g.partial);
    return status;
}

hy_status hy_depthwise_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw)
{
    depthwise d = describe(p, x, dw, dy);
    return sum_pixels(device, "Conv2dWeightGrad", d, dy, dw, hy_gemm_digits(d.columns, dw->strides[3], d.rows, dw->strides[2], 1, 0));
}

hy_status hy_conv_bias_grad(hy_device *device, const hy_tensor *dy, const hy_tensor *dbias)
{
    depthwise d = {};
    set_view(dy, &d.y, d.sy);
    d.filters = (uint32_t)dy->shape[1];
    d.rows = d.columns = 1;
    return sum_pixels(device, "Conv2dWeightGrad", d, dy, dbias, hy_gemm_line(1, 0));
}
