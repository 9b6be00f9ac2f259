/* Copies and casts between any strides, constants and progressions. */
#include "cuda/elementwise.cuh"
#include "cuda/slots.h"

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Moving and casting                                                                                                     */
/* ---------------------------------------------------------------------------------------------------------------------- */

template <typename From, typename To>
struct cast {
    enum { inputs = 1 };
    typedef To result;
    typedef From first, second, third;
    typedef typename hy_computed<From>::type T;
    __device__ __forceinline__ To operator()(T x, T, T) const { return hy_cast<To>::of(x); }
};

template <typename S>
struct move {
    enum { inputs = 1 };
    typedef S result, first, second, third;
    __device__ __forceinline__ S operator()(S x, S, S) const { return x; }
};

/* Transposition: x is contiguous along another axis than y. A tile goes through shared memory, so that both are met in whole lines; a column more
 * than it needs keeps its columns in different banks. */

enum { TILE = 32, TILE_ROWS = 8 };

struct turned {
    hy_walk<2> outer;          /* over the tiles' corners: axes 0 and 1 are the two that are turned, counted in tiles */
    uint32_t columns, rows;    /* of y: its columns and x's rows are contiguous */
    int64_t y_row, x_column;   /* in bytes */
};

template <typename S>
static __global__ void __launch_bounds__(TILE * TILE_ROWS) turn_kernel(const __grid_constant__ turned t)
{
    HY_SHARED(S, tile, [TILE][TILE + 1]);
    int64_t offset[2];
    hy_walk_offsets(t.outer, blockIdx.x, offset);
    const uint32_t q = hy_quotient(blockIdx.x, t.outer.axis[0]), column = (blockIdx.x - q * t.outer.axis[0].extent) * TILE;
    const uint32_t row = (t.outer.ndim > 1 ? q - (t.outer.ndim > 2 ? hy_quotient(q, t.outer.axis[1]) * t.outer.axis[1].extent : 0) : 0) * TILE;
    const char *x = t.outer.data[1] + offset[1];
    char *y = t.outer.data[0] + offset[0];
    const uint32_t i = threadIdx.x % TILE, j = threadIdx.x / TILE;
#pragma unroll
    for (uint32_t k = j; k < TILE; k += TILE_ROWS)
        if (row + i < t.rows && column + k < t.columns) tile[k][i] = *reinterpret_cast<const S *>(x + k * t.x_column + i * (int64_t)sizeof(S));
    __syncthreads();
#pragma unroll
    for (uint32_t k = j; k < TILE; k += TILE_ROWS)
        if (row + k < t.rows && column + i < t.columns) *reinterpret_cast<S *>(y + k * t.y_row + i * (int64_t)sizeof(S)) = tile[i][k];
}

/* Whether y and x are contiguous along two different axes, long enough to be worth it; fills `t` if so. */
static bool is_turned(const hy_plan<2> &p, turned *t)
{
    int row = 0;
    for (int d = 1; d < p.ndim; d++)
        if (p.strides[1][d] == p.size[0]) row = d;
    if (row == 0 || p.strides[0][0] != p.size[0] || p.strides[1][0] == p.size[0] || p.strides[1][0] == 0) return false;
    if (p.shape[0] < TILE_ROWS || p.shape[row] < TILE_ROWS || hy_plan_count(p) > (int64_t)1 << 30) return false;
    hy_plan<2> tiles = p;
    hy_plan_swap(tiles, 1, row);
    t->columns = (uint32_t)tiles.shape[0];
    t->rows = (uint32_t)tiles.shape[1];
    t->x_column = tiles.strides[1][0];
    t->y_row = tiles.strides[0][1];
    for (int d = 0; d < 2; d++) {
        tiles.shape[d] = hy_ceil_div(tiles.shape[d], TILE);
        for (int k = 0; k < 2; k++) tiles.strides[k][d] *= TILE;
    }
    t->outer = hy_plan_finish(tiles, 1);
    return true;
}

static hy_status move_elements(hy_device *device, const hy_operand (&operands)[2], int64_t size)
{
    const hy_plan<2> plan = hy_plan_walk(operands);
    turned t;
    if (plan.data[1] && is_turned(plan, &t))
        return hy_with_size(size, [&](auto type) {
            return hy_cuda_launch(device, "Copy", dim3(t.outer.count), dim3(TILE * TILE_ROWS), 0, turn_kernel<typename decltype(type)::stored>, t);
        });
    if (plan.data[1] && hy_plan_mode(plan, 1) == HY_WALK_DENSE) {
        if (hy_plan_count(plan) == 0) return HY_OK;
        hy_cuda_use(device);
        const size_t bytes = (size_t)(hy_plan_count(plan) * size);
        return hy_cuda_launched(device, "Copy", cudaMemcpyAsync(plan.data[0], plan.data[1], bytes, cudaMemcpyDeviceToDevice, hy_cuda_stream(device)));
    }
    return hy_with_size(size, [&](auto type) { return hy_elementwise(device, "Copy", operands, move<typename decltype(type)::stored>()); });
}

static hy_status copy(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    const hy_operand operands[] = {hy_view(y), hy_view(x)};
    if (x->dtype == y->dtype) return move_elements(device, operands, hy_dtype_size(y->dtype));
    return hy_with_stored(x->dtype, [&](auto from) {
        typedef typename decltype(from)::stored From;
        return hy_with_stored(y->dtype, [&](auto to) { return hy_elementwise(device, "Copy", operands, cast<From, typename decltype(to)::stored>()); });
    });
}

static hy_status fill(hy_device *device, double value, const hy_tensor *y)
{
    hy_operand number;
    HY_CUDA_TRY(hy_with_stored(y->dtype, [&](auto type) {
        number = hy_number(hy_cast<typename decltype(type)::stored>::of(value));
        return HY_OK;
    }));
    return move_elements(device, {hy_view(y), number}, hy_dtype_size(y->dtype));
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Progressions                                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

template <typename S, typename N>
struct progression {
    typedef S result;
    N start, step;
    __device__ __forceinline__ S operator()(uint64_t i) const { return hy_cast<S>::of(start + (N)i * step); }
};

static hy_status arange(hy_device *device, double start, double step, const hy_tensor *y)
{
    return hy_with_number(y->dtype, [&](auto type) {
        typedef typename decltype(type)::stored S;
        if (hy_is_floating(y->dtype)) return hy_generate(device, "Arange", y, progression<S, double>{start, step});
        return hy_generate(device, "Arange", y, progression<S, uint64_t>{(uint64_t)hy_int64_from(start), (uint64_t)hy_int64_from(step)});
    });
}

void hy_cuda_fill_copy(hy_backend *backend)
{
    backend->copy = copy;
    backend->fill = fill;
    backend->arange = arange;
}
