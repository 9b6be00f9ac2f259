/* How a matrix product is run: its axes made simple, the tile and the cuts of k chosen, and what is left after the sums. */
#include "cuda/gemm.cuh"

#include "cuda/formulas.cuh"

/* ---- axes ---- */

hy_gemm_axis hy_gemm_digits(int64_t extent0, int64_t stride0, int64_t extent1, int64_t stride1, int64_t extent2, int64_t stride2)
{
    hy_gemm_axis a = {};
    a.extent = (uint32_t)(extent0 * extent1 * extent2);
    a.digits = HY_GEMM_DIGITS;
    const int64_t extents[] = {extent0, extent1, extent2}, strides[] = {stride0, stride1, stride2};
    for (int d = 0; d < HY_GEMM_DIGITS; d++) {
        a.digit[d].extent = (uint32_t)extents[d]; /* simplify() completes it */
        a.stride[d] = strides[d];
    }
    return a;
}

static void move_digit(hy_gemm_axis &to, int t, const hy_gemm_axis &from, int f)
{
    to.digit[t] = from.digit[f];
    to.stride[t] = from.stride[f];
    to.row[t] = from.row[f];
    to.column[t] = from.column[f];
}

void hy_gemm_channel_first(hy_gemm_axis &axis)
{
    const hy_gemm_axis a = axis;
    move_digit(axis, 0, a, 2);
    move_digit(axis, 1, a, 0);
    move_digit(axis, 2, a, 1);
}

/* Leaves out digits of extent 1 and joins those that follow one another evenly. */
static void simplify(hy_gemm_axis &a)
{
    int n = 0;
    for (int d = 0; d < HY_GEMM_DIGITS && a.extent > 0; d++) {
        const int64_t extent = a.digit[d].extent;
        if (extent == 1) continue;
        const int64_t last = n ? a.digit[n - 1].extent : 0;
        if (n && a.stride[d] == a.stride[n - 1] * last && a.row[d] == a.row[n - 1] * last && a.column[d] == a.column[n - 1] * last)
            a.digit[n - 1].extent *= (uint32_t)extent;
        else move_digit(a, n++, a, d);
    }
    if (n == 0) { /* one element: any stride would do, and 1 is the easiest to read along */
        a.digit[0].extent = 1;
        a.stride[0] = 1;
        a.row[0] = a.column[0] = 0;
        n = 1;
    }
    a.digits = n;
    for (int d = 0; d < n; d++) a.digit[d] = hy_divide_by(a.digit[d].extent);
}

/* Whether every place that the axes' digits reach together lies inside. */
static bool all_inside(const hy_gemm_axis &a, const hy_gemm_axis &b, int64_t first, const int32_t (&step_a)[HY_GEMM_DIGITS],
                       const int32_t (&step_b)[HY_GEMM_DIGITS], int64_t extent)
{
    int64_t low = first, high = first;
    for (int d = 0; d < HY_GEMM_DIGITS; d++) {
        const int64_t reach[] = {((int64_t)a.digit[d].extent - 1) * step_a[d], ((int64_t)b.digit[d].extent - 1) * step_b[d]};
        for (int64_t r : reach) (r < 0 ? low : high) += r;
    }
    return low >= 0 && high < extent;
}

static void simplify(hy_gemm_operand &o)
{
    hy_gemm_axis &p = o.outer, &q = o.depth;
    if (p.extent == 0 || q.extent == 0 || all_inside(p, q, (int64_t)p.first_row + q.first_row, p.row, q.row, o.rows)) {
        o.rows = 1;
        for (hy_gemm_axis *a : {&p, &q}) memset(a->row, 0, sizeof a->row), a->first_row = 0;
    }
    if (p.extent == 0 || q.extent == 0 || all_inside(p, q, (int64_t)p.first_column + q.first_column, p.column, q.column, o.columns)) {
        o.columns = 1;
        for (hy_gemm_axis *a : {&p, &q}) memset(a->column, 0, sizeof a->column), a->first_column = 0;
    }
    simplify(p);
    simplify(q);
}

/* Whether `width` elements along the axis, from a multiple of it on, are one vector in memory and of one place in the image. */
static bool is_even(const hy_gemm_axis &along, const hy_gemm_axis &across, int64_t width)
{
    bool even = along.stride[0] == 1 && along.row[0] == 0 && along.column[0] == 0 && (along.origin + across.origin) % width == 0;
    even = even && (along.digits == 1 || along.digit[0].extent % width == 0);
    for (int d = 1; d < along.digits; d++) even = even && along.stride[d] % width == 0;
    for (int d = 0; d < across.digits; d++) even = even && (across.digit[d].extent == 1 || across.stride[d] % width == 0);
    return even;
}

static bool is_along_outer(const hy_gemm_operand &o)
{
    return o.depth.stride[0] != 1 && (o.outer.stride[0] == 1 || llabs((long long)o.outer.stride[0]) < llabs((long long)o.depth.stride[0]));
}

static void choose_reading(hy_gemm_operand &o, const hy_walk<4> &batch, int operand, int64_t size)
{
    const int64_t width = 16 / size;
    bool aligned = (uintptr_t)batch.data[operand] % 16 == 0;
    for (int d = 0; d < batch.ndim; d++) aligned = aligned && (batch.axis[d].extent == 1 || batch.strides[operand][d] % 16 == 0);
    const bool outer = aligned && is_even(o.outer, o.depth, width), depth = aligned && size == 2 && is_even(o.depth, o.outer, width);
    o.vectors = outer || depth; /* tiles of wider elements take vectors along m or n alone */
    o.along_outer = depth ? false : outer ? true : is_along_outer(o);
}

/* ---- after the sums ---- */

template <typename T>
static __device__ T activate(int32_t activation, T x)
{
    const T p = 0; /* for the rows with a parameter, which are no activations */
    (void)p;
    switch (activation) {
#define HY_UNARY(name, dtypes, param, formula, derivative, reads, low, high, doc) \
    case HY_ACTIVATION(HY_UNARY_##name): return (T)(formula);
#include "hybrid/ops.def"
    default: return x;
    }
}

template <typename S>
static __global__ void __launch_bounds__(256) gemm_finish_kernel(const __grid_constant__ hy_gemm g, uint32_t blocks)
{
    typedef typename hy_computed<S>::type C;
    const uint64_t plane = (uint64_t)g.m * g.n, count = plane * g.batch.count;
    const uint32_t element = blockIdx.x / blocks;
    const uint64_t i = (uint64_t)(blockIdx.x % blocks) * 256 + threadIdx.x;
    if (i >= plane) return;
    const C *sums = reinterpret_cast<const C *>(g.partial) + element * plane + i;
    C sum = 0;
    for (uint32_t s = 0; s < g.splits; s++) sum += sums[s * count];
    /* 64 bits take four times as long to divide */
    const uint32_t row = plane <= UINT32_MAX ? (uint32_t)i / g.n : (uint32_t)(i / g.n), column = (uint32_t)(i - (uint64_t)row * g.n);
    int64_t offset[4];
    hy_walk_offsets(g.batch, element, offset);
    if (g.batch.data[3]) sum += (C)hy_value(reinterpret_cast<const S *>(g.batch.data[3] + offset[3])[(int64_t)column * g.bias_stride]);
    S *const y = reinterpret_cast<S *>(g.batch.data[0] + offset[0]);
    y[hy_gemm_find(g.y_row, row).offset + hy_gemm_find(g.y_column, column).offset] = hy_cast<S>::of(activate(g.activation, sum));
}

/* Sums the splits in their order, adds the bias, activates, rounds once. */
hy_status hy_gemm_finish(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g)
{
    const int64_t each = hy_ceil_div((int64_t)g.m * g.n, 256), blocks = each * g.batch.count; /* a block's elements are of one matrix */
    if (blocks > INT32_MAX) return hy_cuda_fail(HY_UNSUPPORTED, "%s: %lld blocks of 256 elements, expected at most 2147483647", name, (long long)blocks);
    return hy_with_floating(dtype, [&](auto type) {
        return hy_cuda_launch(device, name, dim3((unsigned)blocks), dim3(256), 0, gemm_finish_kernel<typename decltype(type)::stored>, g,
                              (uint32_t)each);
    });
}

/* ---- running ---- */

/* Enough blocks to fill any card; a number of its own, so that what is summed in which order depends on the sizes alone. */
enum { WANTED_BLOCKS = 128, LEAST_DEPTH = 256 };

static uint32_t choose_splits(const hy_gemm &g, int64_t blocks)
{
    if (blocks == 0 || blocks >= WANTED_BLOCKS / 2 || g.k < 2 * LEAST_DEPTH) return 1;
    const int64_t most = g.k / LEAST_DEPTH, wanted = hy_ceil_div(WANTED_BLOCKS, blocks);
    return (uint32_t)(wanted < most ? wanted : most);
}

static hy_status launch(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g, bool large)
{
#if HY_HOPPER
    if (large && hy_gemm_hopper_takes(device, dtype, g)) {
        const hy_status status = hy_gemm_launch_hopper(device, name, dtype, g);
        if (status != HY_UNSUPPORTED) return status;
    }
#endif
    switch (dtype) {
    case HY_FLOAT32: return g.tf32 ? hy_gemm_launch_tf32(device, name, g, large) : hy_gemm_launch_float32(device, name, g, large);
    case HY_FLOAT64: return hy_gemm_launch_float64(device, name, g, large);
    case HY_FLOAT16: return hy_gemm_launch_float16(device, name, g, large);
    case HY_BFLOAT16: return hy_gemm_launch_bfloat16(device, name, g, large);
    default: return hy_cuda_refuse_dtype(dtype);
    }
}

hy_status hy_gemm_run_own(hy_device *device, const char *name, int32_t dtype, hy_gemm g)
{
    const int64_t small_tiles = hy_ceil_div(g.m, 64) * hy_ceil_div(g.n, 64) * g.batch.count;
    const int64_t large_tiles = hy_ceil_div(g.m, 128) * hy_ceil_div(g.n, 128) * g.batch.count;
    if (small_tiles > INT32_MAX) return hy_cuda_fail(HY_UNSUPPORTED, "%s: %lld tiles of 64 x 64, expected at most 2147483647", name, (long long)small_tiles);
    g.splits = choose_splits(g, small_tiles);
    g.depth = (uint32_t)(hy_ceil_div(hy_ceil_div(g.k, g.splits), 32) * 32);
    if (g.depth) g.splits = (uint32_t)hy_ceil_div(g.k, g.depth);
    const bool large = g.splits == 1 && large_tiles >= hy_cuda(device)->multiprocessors && g.m > 64 && g.n > 64;
    if (g.splits == 1 && hy_gemm_fuses(g.activation)) return launch(device, name, dtype, g, large);
    const int64_t bytes = (int64_t)g.splits * g.batch.count * g.m * g.n * (dtype == HY_FLOAT64 ? 8 : 4);
    HY_CUDA_TRY(hy_cuda_scratch(device, bytes, &g.partial));
    hy_status status = launch(device, name, dtype, g, large);
    if (status == HY_OK) status = hy_gemm_finish(device, name, dtype, g);
    hy_cuda_release(device, g.partial);
    return status;
}

hy_status hy_gemm_run(hy_device *device, const char *name, int32_t dtype, hy_gemm &g, const hy_tensor *y, const hy_tensor *a, const hy_tensor *b,
                      const hy_tensor *bias)
{
    if (g.m == 0 || g.n == 0) return HY_OK;
    const hy_operand operands[] = {hy_view(y), hy_view(a), hy_view(b), bias ? hy_view(bias) : hy_number((char)0)};
    simplify(g.a);
    simplify(g.b);
    simplify(g.y_row);
    simplify(g.y_column);
    return hy_plan_run(hy_plan_walk(operands), 1, [&](const hy_walk<4> &batch) {
        g.batch = batch;
        choose_reading(g.a, batch, 1, hy_dtype_size(dtype));
        choose_reading(g.b, batch, 2, hy_dtype_size(dtype));
        return hy_gemm_run_fastest(device, name, dtype, g);
    });
}

hy_status hy_gemm_finish_alone(hy_device *device, const char *name, hy_gemm &g, const hy_tensor *result)
{
    hy_tensor alone = *result;
    alone.ndim = 0;
    const hy_operand operands[] = {hy_view(&alone), hy_number((char)0), hy_number((char)0), hy_number((char)0)};
    g.batch = hy_plan_finish(hy_plan_walk(operands), 1);
    simplify(g.y_row);
    simplify(g.y_column);
    return hy_gemm_finish(device, name, result->dtype, g);
}

bool hy_cuda_allows_tf32(hy_device *device)
{
    return hy_cuda(device)->capability >= 80 && hy_cuda_host->float32_precision() != HY_FLOAT32_HIGHEST;
}
