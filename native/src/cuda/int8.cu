/*
 * Inference with 8-bit weights. Activations are quantised to bytes as the matrix that im2col would build of them, a linear layer's rows being images of one
 * pixel; then tensor cores multiply bytes and sum them in 32 bits, exactly. The zero point is taken off at the end: sum of (q - z) w = sum of q w - z sum of w.
 */
#include <float.h>

#include "cuda/elementwise.cuh"
#include "cuda/reduce.cuh"
#include "cuda/slots.h"

enum { BLOCK = 256, CHUNK = 16, OUTPUTS = 16 }; /* bytes a thread writes; outputs that the packed layout keeps together */

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Weights                                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* An output's step, by reduction. */
struct weight_step {
    typedef float input, state, result;
    __device__ __forceinline__ float none() const { return 0; }
    __device__ __forceinline__ float take(float w, uint32_t) const { return fabsf(w); }
    __device__ __forceinline__ float join(float a, float b) const { return b > a || b != b ? b : a; }
    __device__ __forceinline__ float finish(float largest) const { return largest > 0 ? largest / 127 : 1; }
};

struct quantize {
    enum { inputs = 2 };
    typedef int8_t result;
    typedef float first, second, third;
    __device__ __forceinline__ int8_t operator()(float w, float step, float) const { return hy_cast<int8_t>::of(rintf(w / step)); }
};

/* A vector as a view along the first of `ndim` axes. */
static hy_tensor along_first(const hy_tensor *vector, int32_t ndim)
{
    hy_tensor t = *vector;
    t.ndim = ndim;
    for (int32_t d = 1; d < ndim; d++) t.shape[d] = 1, t.strides[d] = 0;
    return t;
}

static hy_status quantize_weight(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale)
{
    const hy_tensor steps = along_first(scale, w->ndim);
    HY_CUDA_TRY(hy_reduce(device, "QuantizeWeight", w, &steps, weight_step()));
    return hy_elementwise(device, "QuantizeWeight", {hy_view(q), hy_view(w), hy_view(&steps)}, quantize());
}

struct packing {
    hy_walk<1> packed, inputs; /* the packed weight in row-major order; an output's inputs in theirs */
    int64_t output;            /* from an output to the next, in bytes */
    int64_t first;             /* the walk's first element's number */
    int64_t outputs, pairs;
};

static __global__ void __launch_bounds__(BLOCK) pack_kernel(const __grid_constant__ packing p)
{
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= p.packed.count) return;
    const int64_t number = p.first + i, run = number / (2 * OUTPUTS);
    const int64_t k = run / p.pairs * OUTPUTS + number / 2 % OUTPUTS, c = run % p.pairs * 2 + number % 2;
    int64_t to[1], from[1];
    hy_walk_offsets(p.packed, i, to);
    int8_t value = 0;
    if (k < p.outputs && c < (int64_t)p.inputs.count) {
        hy_walk_offsets(p.inputs, (uint32_t)c, from);
        value = *reinterpret_cast<const int8_t *>(p.inputs.data[0] + k * p.output + from[0]);
    }
    *reinterpret_cast<int8_t *>(p.packed.data[0] + to[0]) = value;
}

static hy_status pack_int8(hy_device *device, const hy_tensor *q, const hy_tensor *packed)
{
    hy_tensor inputs = *q; /* of output 0 */
    inputs.shape[0] = 1;
    const hy_plan<1> plan = hy_plan_walk({hy_view(&inputs)}, true);
    if (hy_plan_count(plan) >= (int64_t)1 << 31)
        return hy_cuda_fail(HY_UNSUPPORTED, "PackInt8: CUDA takes fewer than 2^31 inputs an output, given %lld", (long long)hy_plan_count(plan));
    packing p = {};
    p.inputs = hy_plan_finish(plan, 1);
    p.output = q->strides[0];
    p.outputs = q->shape[0], p.pairs = packed->shape[1];
    return hy_plan_run(hy_plan_walk({hy_view(packed)}, true), 1, [&](const hy_walk<1> &w) {
        packing piece = p;
        piece.packed = w;
        p.first += w.count;
        return hy_cuda_launch(device, "PackInt8", dim3((unsigned)hy_ceil_div(w.count, BLOCK)), dim3(BLOCK), 0, pack_kernel, piece);
    });
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Activations                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* How a sample is quantised; a reduction finds it. */
struct range {
    float scale, inverse, zero;
};

struct find_range {
    typedef float input;
    struct state {
        float low, high, fault; /* the last is NaN once an element is not finite */
    };
    typedef range result;
    __device__ __forceinline__ state none() const { return {0, 0, 0}; }
    __device__ __forceinline__ state take(float x, uint32_t) const { return {fminf(x, 0), fmaxf(x, 0), x - x}; }
    __device__ __forceinline__ state join(state a, state b) const { return {fminf(a.low, b.low), fmaxf(a.high, b.high), a.fault + b.fault}; }
    __device__ __forceinline__ range finish(state s) const
    {
        const bool finite = s.fault == 0 && s.high - s.low <= FLT_MAX;
        const float step = (s.high - s.low) / 255, scale = !finite ? NAN : step > 0 ? step : 1;
        return {scale, 1 / scale, finite ? rintf(-s.low / scale) : 0};
    }
};

/* x as rows of bytes: a row an output pixel, with the inputs under it, `width` bytes that are a multiple of CHUNK; those beyond the inputs meet no weight. */
struct columns {
    const char *x;
    int64_t strides[4];                              /* in bytes */
    int32_t extent[2], stride[2], padding[2], dilation[2];
    hy_divider kernel_height, kernel_width, out_height, out_width;
    uint32_t inputs, count;                          /* count: the chunks of all rows */
    hy_divider chunks, rows;                         /* a row's; all rows */
    int32_t pixels_inside;                           /* whether neighbouring threads have neighbouring rows */
    const range *ranges;
    uint4 *to;
};

static __global__ void __launch_bounds__(BLOCK) columns_kernel(const __grid_constant__ columns a)
{
    const uint32_t i = blockIdx.x * BLOCK + threadIdx.x;
    if (i >= a.count) return;
    const uint32_t q = hy_quotient(i, a.pixels_inside ? a.rows : a.chunks), rest = i - q * (a.pixels_inside ? a.rows : a.chunks).extent;
    const uint32_t row = a.pixels_inside ? rest : q, chunk = a.pixels_inside ? q : rest;
    const uint32_t line = hy_quotient(row, a.out_width), image = hy_quotient(line, a.out_height);
    const int left = (int)((row - line * a.out_width.extent) * a.stride[1]) - a.padding[1];
    const int top = (int)((line - image * a.out_height.extent) * a.stride[0]) - a.padding[0];
    const range quantised = a.ranges[image];
    const char *x = a.x + image * a.strides[0];

    uint32_t c = chunk * CHUNK, rows = hy_quotient(c, a.kernel_width), s = c - rows * a.kernel_width.extent;
    uint32_t channel = hy_quotient(rows, a.kernel_height), r = rows - channel * a.kernel_height.extent;
    uint32_t words[CHUNK / 4] = {0, 0, 0, 0};
#pragma unroll
    for (int e = 0; e < CHUNK; e++, c++) {
        const int h = top + (int)r * a.dilation[0], w = left + (int)s * a.dilation[1];
        float v = 0; /* what padding is */
        if (c < a.inputs && h >= 0 && h < a.extent[0] && w >= 0 && w < a.extent[1])
            v = rintf(*reinterpret_cast<const float *>(x + channel * a.strides[1] + h * a.strides[2] + w * a.strides[3]) * quantised.inverse);
        const uint32_t byte = (uint32_t)fminf(fmaxf(v + quantised.zero, 0), 255); /* a NaN, which the scale knows of, is 0 */
        words[e / 4] |= byte << 8 * (e % 4);
        if (++s < a.kernel_width.extent) continue;
        s = 0;
        if (++r < a.kernel_height.extent) continue;
        r = 0, channel++;
    }
    a.to[(int64_t)row * a.chunks.extent + chunk] = make_uint4(words[0], words[1], words[2], words[3]);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Their product                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------------- */

struct product {
    const uint4 *a;      /* the columns */
    const uint4 *packed; /* contiguous, two an output block and pair of inputs */
    uint32_t rows, chunks, outputs, pairs;
    hy_divider pixels, out_width; /* rows an image */
    const range *ranges;
    const char *scale, *bias;     /* bias may be NULL */
    int64_t scale_stride, bias_stride;
    char *y;
    int64_t strides[4];           /* in bytes */
};

/* A block's tile: ROWS x COLUMNS outputs, DEPTH inputs at a time. Its warps share the rows, the columns and the depth; a warp has MI x NI fragments. */
template <int WARPS_M, int WARPS_N, int WARPS_K, int MI, int NI>
struct tile {
    enum {
        THREADS = 32 * WARPS_M * WARPS_N * WARPS_K,
        ROWS = 16 * MI * WARPS_M,
        COLUMNS = 8 * NI * WARPS_N,
        DEPTH = 64 * WARPS_K,
        PITCH = DEPTH + 16, /* bytes: fragments of neighbouring rows lie in different banks */
        A_EACH = ROWS * DEPTH / CHUNK / THREADS,
        B_EACH = COLUMNS / OUTPUTS * (DEPTH / 4) * 2 / THREADS, /* of 8 outputs by 4 inputs */
        JOINED = MI * NI * 4 + NI
    };
    static_assert(A_EACH >= 1 && B_EACH >= 1 && COLUMNS % OUTPUTS == 0, "");
};

template <typename T>
struct staged {
    uint4 a[T::A_EACH], b[T::B_EACH][2];
};

/* Brings a depth of both operands into registers; zeros from outside. */
template <typename T>
static __device__ __forceinline__ void load(const product &p, uint32_t row, uint32_t output, uint32_t depth, staged<T> &s)
{
    const uint4 zero = make_uint4(0, 0, 0, 0);
#pragma unroll
    for (int e = 0; e < T::A_EACH; e++) {
        const uint32_t i = threadIdx.x + e * T::THREADS, r = row + i / (T::DEPTH / CHUNK), c = depth / CHUNK + i % (T::DEPTH / CHUNK);
        s.a[e] = r < p.rows && c < p.chunks ? p.a[(int64_t)r * p.chunks + c] : zero;
    }
#pragma unroll
    for (int e = 0; e < T::B_EACH; e++) {
        const uint32_t i = threadIdx.x + e * T::THREADS, half = i % 2, pair = depth / 2 + i / 2 % (T::DEPTH / 4) * 2, k = output / OUTPUTS + i / 2 / (T::DEPTH / 4);
        for (int second = 0; second < 2; second++)
            s.b[e][second] = k * OUTPUTS < p.outputs && pair + second < p.pairs ? p.packed[((int64_t)k * p.pairs + pair + second) * 2 + half] : zero;
    }
}

/* And into shared memory, four inputs of an output to a word: the packed layout has two. */
template <typename T>
static __device__ __forceinline__ void store(const staged<T> &s, unsigned char *a, unsigned char *b)
{
#pragma unroll
    for (int e = 0; e < T::A_EACH; e++) {
        const uint32_t i = threadIdx.x + e * T::THREADS;
        *reinterpret_cast<uint4 *>(a + i / (T::DEPTH / CHUNK) * T::PITCH + i % (T::DEPTH / CHUNK) * CHUNK) = s.a[e];
    }
#pragma unroll
    for (int e = 0; e < T::B_EACH; e++) {
        const uint32_t i = threadIdx.x + e * T::THREADS, output = i / 2 / (T::DEPTH / 4) * OUTPUTS + i % 2 * 8, word = i / 2 % (T::DEPTH / 4);
        const uint32_t low[4] = {s.b[e][0].x, s.b[e][0].y, s.b[e][0].z, s.b[e][0].w}, high[4] = {s.b[e][1].x, s.b[e][1].y, s.b[e][1].z, s.b[e][1].w};
#pragma unroll
        for (int o = 0; o < 4; o++) {
            *reinterpret_cast<uint32_t *>(b + (output + 2 * o) * T::PITCH + 4 * word) = (low[o] & 0xffff) | high[o] << 16;
            *reinterpret_cast<uint32_t *>(b + (output + 2 * o + 1) * T::PITCH + 4 * word) = low[o] >> 16 | (high[o] & 0xffff0000);
        }
    }
}

/* What a warp gathers: c as hy_mma_u8s8 has it; of the weights' sums, a lane has column lane / 4, and of the inputs what it multiplied itself. */
template <int MI, int NI>
struct sums {
    int c[MI][NI][4], weights[NI];
};

template <typename T, int MI, int NI>
static __device__ __forceinline__ void multiply(const unsigned char *a, const unsigned char *b, sums<MI, NI> &s)
{
    const uint32_t g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
#pragma unroll
    for (int k = 0; k < 64; k += 32) {
        unsigned fa[MI][4], fb[NI][2];
#pragma unroll
        for (int m = 0; m < MI; m++)
#pragma unroll
            for (int i = 0; i < 4; i++) fa[m][i] = *reinterpret_cast<const unsigned *>(a + (16 * m + g + 8 * (i % 2)) * T::PITCH + k + 4 * t + 16 * (i / 2));
#pragma unroll
        for (int n = 0; n < NI; n++)
#pragma unroll
            for (int i = 0; i < 2; i++) {
                fb[n][i] = *reinterpret_cast<const unsigned *>(b + (8 * n + g) * T::PITCH + k + 4 * t + 16 * i);
                s.weights[n] = __dp4a((int)fb[n][i], 0x01010101, s.weights[n]);
            }
#pragma unroll
        for (int m = 0; m < MI; m++)
#pragma unroll
            for (int n = 0; n < NI; n++) hy_mma_u8s8(s.c[m][n], fa[m], fb[n]);
    }
}

/* The depth's warps join what they have in the first one's registers, through shared memory. */
template <int WARPS_K, int MI, int NI>
static __device__ __forceinline__ void join_depth(uint32_t place, uint32_t depth_warp, uint32_t threads, int *shared, sums<MI, NI> &s)
{
    int *const all = &s.c[0][0][0];
    for (uint32_t w = 1; w < WARPS_K; w++) {
        __syncthreads();
        if (depth_warp == w) {
#pragma unroll
            for (int i = 0; i < MI * NI * 4; i++) shared[i * threads + place] = all[i];
#pragma unroll
            for (int n = 0; n < NI; n++) shared[(MI * NI * 4 + n) * threads + place] = s.weights[n];
        }
        __syncthreads();
        if (depth_warp == 0) {
#pragma unroll
            for (int i = 0; i < MI * NI * 4; i++) all[i] += shared[i * threads + place];
#pragma unroll
            for (int n = 0; n < NI; n++) s.weights[n] += shared[(MI * NI * 4 + n) * threads + place];
        }
    }
}

static __device__ __forceinline__ void write_output(const product &p, uint32_t row, uint32_t output, int sum, int weights)
{
    if (row >= p.rows || output >= p.outputs) return;
    const uint32_t image = hy_quotient(row, p.pixels), pixel = row - image * p.pixels.extent, h = hy_quotient(pixel, p.out_width);
    const range r = p.ranges[image];
    const float factor = r.scale * *reinterpret_cast<const float *>(p.scale + output * p.scale_stride);
    const float bias = p.bias ? *reinterpret_cast<const float *>(p.bias + output * p.bias_stride) : 0;
    const int exact = (int)((unsigned)sum - (unsigned)r.zero * (unsigned)weights); /* which fits, whatever overflows on the way */
    char *y = p.y + image * p.strides[0] + output * p.strides[1] + h * p.strides[2] + (pixel - h * p.out_width.extent) * p.strides[3];
    *reinterpret_cast<float *>(y) = (float)exact * factor + bias;
}

template <int WARPS_M, int WARPS_N, int WARPS_K, int MI, int NI>
static __global__ void __launch_bounds__(32 * WARPS_M * WARPS_N * WARPS_K) product_kernel(const __grid_constant__ product p)
{
    typedef tile<WARPS_M, WARPS_N, WARPS_K, MI, NI> T;
    typedef unsigned char byte;
    HY_SHARED(uint4, a_tile, [T::ROWS * T::PITCH / 16]);
    HY_SHARED(uint4, b_tile, [T::COLUMNS * T::PITCH / 16]);
    byte *const a = reinterpret_cast<byte *>(&a_tile[0]), *const b = reinterpret_cast<byte *>(&b_tile[0]);
    const uint32_t warp = threadIdx.x / 32, depth_warp = warp / (WARPS_M * WARPS_N), m0 = warp % WARPS_M * 16 * MI, n0 = warp / WARPS_M % WARPS_N * 8 * NI;
    const uint32_t row = blockIdx.x * T::ROWS, output = blockIdx.y * T::COLUMNS, end = p.chunks * CHUNK;
    sums<MI, NI> s = {};
    staged<T> next;
    load(p, row, output, 0, next);
    for (uint32_t depth = 0; depth < end; depth += T::DEPTH) {
        store(next, a, b);
        __syncthreads();
        if (depth + T::DEPTH < end) load(p, row, output, depth + T::DEPTH, next);
        multiply<T>(a + m0 * T::PITCH + 64 * depth_warp, b + n0 * T::PITCH + 64 * depth_warp, s);
        __syncthreads();
    }
    if (WARPS_K > 1) {
        HY_SHARED(int, joined, [T::JOINED * T::THREADS / WARPS_K]);
        join_depth<WARPS_K>(threadIdx.x % (T::THREADS / WARPS_K), depth_warp, T::THREADS / WARPS_K, &joined[0], s);
    }
    if (depth_warp > 0) return;
    const uint32_t lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
#pragma unroll
    for (int n = 0; n < NI; n++) {
        int whole = s.weights[n];
        whole += __shfl_xor_sync(0xffffffff, whole, 1);
        whole += __shfl_xor_sync(0xffffffff, whole, 2);
#pragma unroll
        for (int j = 0; j < 2; j++) {
            const int weights = __shfl_sync(0xffffffff, whole, (int)(2 * t + j) * 4);
#pragma unroll
            for (int m = 0; m < MI; m++)
#pragma unroll
                for (int i = 0; i < 2; i++) write_output(p, row + m0 + 16 * m + g + 8 * i, output + n0 + 8 * n + 2 * t + j, s.c[m][n][2 * i + j], weights);
        }
    }
}

/* Few rows share their weights among few: then many blocks of few outputs read them, each with all its warps. */
static hy_status multiply_columns(hy_device *device, const char *name, const product &p)
{
    typedef tile<2, 2, 1, 2, 4> large;
    typedef tile<1, 1, 4, 1, 2> small;
    const uint32_t most = 65535 * small::COLUMNS; /* a grid's second extent has 16 bits */
    if (p.outputs > most) return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes at most %u outputs, given %u", name, most, p.outputs);
    const int64_t blocks = hy_ceil_div(p.rows, large::ROWS) * hy_ceil_div(p.outputs, large::COLUMNS);
    if (p.rows <= 2 * small::ROWS || blocks < hy_cuda(device)->multiprocessors)
        return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(p.rows, small::ROWS), (unsigned)hy_ceil_div(p.outputs, small::COLUMNS)), dim3(small::THREADS),
                              0, product_kernel<1, 1, 4, 1, 2>, p);
    return hy_cuda_launch(device, name, dim3((unsigned)hy_ceil_div(p.rows, large::ROWS), (unsigned)hy_ceil_div(p.outputs, large::COLUMNS)), dim3(large::THREADS), 0,
                          product_kernel<2, 2, 1, 2, 4>, p);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The layers                                                                                                             */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* A layer: x and y of four axes, the weights contiguous and aligned. */
struct layer {
    const char *name;
    const hy_conv2d_params *p;
    int32_t kernel[2];
    const hy_tensor *x, *scale, *bias, *y;
    const void *packed;
};

static columns columns_of(const layer &l, int64_t inputs, int64_t chunks)
{
    columns a = {};
    a.x = (const char *)l.x->data;
    for (int d = 0; d < 4; d++) a.strides[d] = l.x->strides[d] * (int64_t)sizeof(float);
    for (int i = 0; i < 2; i++) {
        a.extent[i] = (int32_t)l.x->shape[2 + i];
        a.stride[i] = l.p->stride[i], a.padding[i] = l.p->padding[i], a.dilation[i] = l.p->dilation[i];
    }
    a.kernel_height = hy_divide_by(l.kernel[0]), a.kernel_width = hy_divide_by(l.kernel[1]);
    a.out_height = hy_divide_by(l.y->shape[2]), a.out_width = hy_divide_by(l.y->shape[3]);
    a.inputs = (uint32_t)inputs, a.chunks = hy_divide_by(chunks);
    a.pixels_inside = l.y->shape[2] * l.y->shape[3] > 1;
    return a;
}

static product product_of(const layer &l, int64_t inputs, int64_t chunks)
{
    product b = {};
    b.packed = (const uint4 *)l.packed;
    b.chunks = (uint32_t)chunks, b.outputs = (uint32_t)l.y->shape[1], b.pairs = (uint32_t)hy_ceil_div(inputs, 2);
    b.pixels = hy_divide_by(l.y->shape[2] * l.y->shape[3]), b.out_width = hy_divide_by(l.y->shape[3]);
    b.scale = (const char *)l.scale->data, b.scale_stride = l.scale->strides[0] * (int64_t)sizeof(float);
    if (l.bias) b.bias = (const char *)l.bias->data, b.bias_stride = l.bias->strides[0] * (int64_t)sizeof(float);
    for (int d = 0; d < 4; d++) b.strides[d] = l.y->strides[d] * (int64_t)sizeof(float);
    return b;
}

/* As many images at a time as give 256 MB of columns. */
static hy_status run_images(hy_device *device, const layer &l, const range *ranges, int64_t inputs)
{
    const int64_t images = l.x->shape[0], pixels = l.y->shape[2] * l.y->shape[3], chunks = hy_ceil_div(inputs, CHUNK), most = (int64_t)1 << 24;
    int64_t step = most / (pixels * (chunks ? chunks : 1));
    step = step < 1 ? 1 : step < images ? step : images;
    if (step * pixels * (chunks ? chunks : 1) >= (int64_t)1 << 31)
        return hy_cuda_fail(HY_UNSUPPORTED, "%s: CUDA takes images with fewer than 2^35 bytes of columns", l.name);
    void *bytes;
    HY_CUDA_TRY(hy_cuda_scratch(device, step * pixels * chunks * CHUNK, &bytes));
    columns a = columns_of(l, inputs, chunks);
    product b = product_of(l, inputs, chunks);
    hy_status status = HY_OK;
    for (int64_t n = 0; n < images && status == HY_OK; n += step) {
        const int64_t rows = (images - n < step ? images - n : step) * pixels;
        a.x = (const char *)l.x->data + n * a.strides[0], b.y = (char *)l.y->data + n * b.strides[0];
        a.ranges = b.ranges = ranges + n;
        a.rows = hy_divide_by(rows), b.rows = (uint32_t)rows;
        a.count = (uint32_t)(rows * chunks);
        a.to = (uint4 *)bytes, b.a = (const uint4 *)bytes;
        if (a.count) status = hy_cuda_launch(device, l.name, dim3((unsigned)hy_ceil_div(a.count, BLOCK)), dim3(BLOCK), 0, columns_kernel, a);
        if (status == HY_OK) status = multiply_columns(device, l.name, b);
    }
    hy_cuda_release(device, bytes);
    return status;
}

/* The samples' ranges: a reduction whose results are three floats each. */
static hy_status run_layer(hy_device *device, const layer &l)
{
    const int64_t images = l.x->shape[0], inputs = l.x->shape[1] * l.kernel[0] * l.kernel[1];
    void *ranges;
    HY_CUDA_TRY(hy_cuda_scratch(device, images * (int64_t)sizeof(range), &ranges));
    hy_tensor result = *l.x;
    result.data = ranges;
    result.strides[0] = sizeof(range) / sizeof(float);
    for (int d = 1; d < 4; d++) result.shape[d] = 1, result.strides[d] = 0;
    hy_status status = hy_reduce(device, l.name, l.x, &result, find_range());
    if (status == HY_OK) status = run_images(device, l, (const range *)ranges, inputs);
    hy_cuda_release(device, ranges);
    return status;
}

/* The weights as the product reads them, which they nearly always are. */
static hy_status run_packed(hy_device *device, layer l, const hy_tensor *packed, int32_t activation, const hy_tensor *y)
{
    if (hy_numel(y) == 0) return HY_OK;
    void *copy = nullptr;
    hy_status status = HY_OK;
    l.packed = packed->data;
    if (!hy_is_contiguous(packed) || (uintptr_t)packed->data % 16) {
        HY_CUDA_TRY(hy_cuda_scratch(device, hy_numel(packed), &copy));
        const hy_tensor aligned = hy_contiguous_like(packed, copy);
        status = device->backend.copy(device, packed, &aligned);
        l.packed = copy;
    }
    if (status == HY_OK) status = run_layer(device, l);
    hy_cuda_release(device, copy);
    return status == HY_OK && activation ? device->backend.unary(device, activation - HY_ACTIVATION(0), 0, y, y) : status;
}

static hy_status quantized_conv2d(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x, const hy_tensor *packed,
                                  const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y)
{
    return run_packed(device, {"QuantizedConv2d", p, {height, width}, x, scale, bias, y, nullptr}, packed, p->activation, y);
}

/* A row is an image of one pixel. */
static hy_tensor as_images(const hy_tensor *t)
{
    hy_tensor images = *t;
    images.ndim = 4;
    for (int d = 2; d < 4; d++) images.shape[d] = 1, images.strides[d] = 0;
    return images;
}

static hy_status quantized_linear(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias,
                                  int32_t activation, const hy_tensor *y)
{
    hy_conv2d_params one = {};
    one.stride[0] = one.stride[1] = one.dilation[0] = one.dilation[1] = one.groups = 1;
    const hy_tensor from = as_images(x), to = as_images(y);
    return run_packed(device, {"QuantizedLinear", &one, {1, 1}, &from, scale, bias, &to, nullptr}, packed, activation, y);
}

void hy_cuda_fill_int8(hy_backend *backend)
{
    backend->quantize_weight = quantize_weight;
    backend->pack_int8 = pack_int8;
    backend->quantized_linear = quantized_linear;
    backend->quantized_conv2d = quantized_conv2d;
}
