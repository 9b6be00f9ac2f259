/*
 * Matrix products of 16-bit types on Hopper: one warp has tiles copied to shared memory, two warpgroups multiply them by wgmma, each 64 rows of the
 * block's tile. A ring of stages lies between: `full` tells that a stage's bytes are there, `empty` that all eight warps are done with it. Compiled
 * for sm_90a alone, which needs a toolkit of 12.
 */
#include "cuda/gemm_body.cuh"

static __device__ __forceinline__ void multiply(float (&c)[16][4], uint64_t a, uint64_t b, __half) { hy_wgmma_f16(c, a, b); }
static __device__ __forceinline__ void multiply(float (&c)[32][4], uint64_t a, uint64_t b, __half) { hy_wgmma_f16(c, a, b); }
static __device__ __forceinline__ void multiply(float (&c)[16][4], uint64_t a, uint64_t b, __nv_bfloat16) { hy_wgmma_bf16(c, a, b); }
static __device__ __forceinline__ void multiply(float (&c)[32][4], uint64_t a, uint64_t b, __nv_bfloat16) { hy_wgmma_bf16(c, a, b); }

/* A descriptor (PTX ISA 8.0, "Matrix Descriptor Format"): the address; from bit 32 on the distance of groups of 8 rows, both in 16 bytes; from bit 62 on 1,
   the swizzle over 128 bytes. The distance along k, from bit 16 on, is not used with it: 1 by convention. */
static __device__ __forceinline__ uint64_t describe(const char *tile)
{
    return (uint64_t)(hy_shared_address(tile) >> 4 & 0x3fff) | (uint64_t)1 << 16 | (uint64_t)(8 * 128 >> 4) << 32 | (uint64_t)1 << 62;
}

template <typename T, int COLUMNS>
struct by_wgmma {
    typedef T stored;
    typedef float computed;
    enum {
        M = 128, N = COLUMNS, DEPTH = 64, ROW = 2 * DEPTH, WARPS = 8, THREADS = 32 * (WARPS + 1), STAGES = COLUMNS == 256 ? 4 : 6,
        A_BYTES = M * ROW, STAGE = (M + N) * ROW, ALIGNMENT = 1024 /* of a tile: the swizzle repeats so */
    };

    float sum[N / 8][4];

    __device__ __forceinline__ by_wgmma()
    {
#pragma unroll
        for (int e = 0; e < N / 2; e++) sum[e / 4][e % 4] = 0;
    }

    /** Starts the products of a stage's tiles. */
    __device__ __forceinline__ void multiply_stage(const char *tiles)
    {
        const uint64_t a = describe(tiles + threadIdx.x / 128 * 64 * ROW), b = describe(tiles + A_BYTES);
        hy_wgmma_fence();
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) multiply(sum, a + k * 2 / 16, b + k * 2 / 16, T());
        hy_wgmma_commit();
    }

    template <typename F>
    __device__ __forceinline__ void each(F f) const
    {
        const int row = (int)threadIdx.x / 32 * 16 + (int)threadIdx.x % 32 / 4, column = (int)threadIdx.x % 4 * 2;
#pragma unroll
        for (int e = 0; e < N / 2; e++) f(row + e % 4 / 2 * 8, e / 4 * 8 + column + e % 2, sum[e / 4][e % 4]);
    }
};

template <typename P>
static __global__ void __launch_bounds__(P::THREADS, 1)
    hopper_kernel(const __grid_constant__ hy_gemm g, const __grid_constant__ hy_tensor_map a, const __grid_constant__ hy_tensor_map b)
{
    HY_SHARED(uint64_t, full, [P::STAGES]);
    HY_SHARED(uint64_t, empty, [P::STAGES]);
    HY_SHARED(hy_gemm_place, rows, [P::M]);
    HY_SHARED(hy_gemm_place, columns, [P::N]);
    HY_SHARED_DYNAMIC(char, shared);
    char *const tiles = shared + (0u - hy_shared_address(shared)) % P::ALIGNMENT;

    uint32_t row, column;
    hy_gemm_tile(blockIdx.x, (g.m + P::M - 1) / P::M, (g.n + P::N - 1) / P::N, &row, &column);
    row *= P::M, column *= P::N;
    const uint32_t stretches = (g.k + P::DEPTH - 1) / P::DEPTH;

    if (threadIdx.x == 0) {
        for (int s = 0; s < P::STAGES; s++) {
            hy_mbarrier_init(&full[s], 1);
            hy_mbarrier_init(&empty[s], P::WARPS);
        }
        hy_mbarrier_fence();
    }
    for (int i = (int)threadIdx.x; i < P::M + P::N; i += P::THREADS) {
        if (i < P::M) rows[i] = hy_gemm_find(g.y_row, row + i);
        else columns[i - P::M] = hy_gemm_find(g.y_column, column + i - P::M);
    }
    __syncthreads();

    if (threadIdx.x >= 32 * P::WARPS) { /* the warp that copies, by one thread */
        for (uint32_t s = 0; s < stretches && threadIdx.x == 32 * P::WARPS; s++) {
            const uint32_t stage = s % P::STAGES, round = s / P::STAGES;
            char *const to = tiles + stage * P::STAGE;
            hy_mbarrier_wait(&empty[stage], (round + 1) % 2);
            hy_mbarrier_arrive_expect(&full[stage], P::STAGE);
            hy_tensor_copy(to, &a, (int)(s * P::DEPTH), (int)row, &full[stage]);
            hy_tensor_copy(to + P::A_BYTES, &b, (int)(s * P::DEPTH), (int)column, &full[stage]);
        }
        return;
    }

    P policy;
    for (uint32_t s = 0; s < stretches; s++) {
        const uint32_t stage = s % P::STAGES;
        hy_mbarrier_wait(&full[stage], s / P::STAGES % 2);
        policy.multiply_stage(tiles + stage * P::STAGE);
        hy_wgmma_wait<1>(); /* the stage before is done */
        if (s && threadIdx.x % 32 == 0) hy_mbarrier_arrive(&empty[(s - 1) % P::STAGES]);
    }
    hy_wgmma_finish(policy.sum);

    const int64_t offset[4] = {0, 0, 0, 0};
    if (g.partial) hy_gemm_write_sums(policy, g, 0, row, column);
    else hy_gemm_write(policy, g, offset, row, column, rows, columns);
}

/* ---- choosing and launching ---- */

/* Whether an operand is a plain matrix, k innermost, as a tensor map can have it. */
static bool is_plain(const hy_gemm_operand &o, uint32_t k)
{
    const int64_t pitch = o.outer.stride[0];
    return o.vectors && !o.along_outer && o.rows == 1 && o.columns == 1 && o.outer.digits == 1 && o.depth.digits == 1 && o.depth.stride[0] == 1 &&
           pitch >= (int64_t)k && pitch * 2 < (int64_t)1 << 40;
}

bool hy_gemm_hopper_takes(hy_device *device, int32_t dtype, const hy_gemm &g)
{
    return hy_cuda(device)->capability == 90 && (dtype == HY_FLOAT16 || dtype == HY_BFLOAT16) && g.splits == 1 && g.k > 0 && g.batch.count == 1 &&
           is_plain(g.a, g.k) && is_plain(g.b, g.k);
}

static bool describe_operand(hy_tensor_map *map, const hy_gemm_operand &o, const char *data, uint32_t box_rows)
{
    const char *const first = data + (o.outer.origin + o.depth.origin) * 2;
    return hy_tensor_map_encode(map, first, o.depth.extent, o.outer.extent, (uint64_t)o.outer.stride[0] * 2, box_rows);
}

template <typename P>
static hy_status launch(hy_device *device, const char *name, const hy_gemm &g)
{
    hy_tensor_map a, b;
    hy_cuda_use(device);
    if (!describe_operand(&a, g.a, g.batch.data[1], P::M) || !describe_operand(&b, g.b, g.batch.data[2], P::N)) return HY_UNSUPPORTED;
    const int64_t blocks = hy_ceil_div(g.m, P::M) * hy_ceil_div(g.n, P::N);
    return hy_cuda_launch(device, name, dim3((unsigned)blocks), dim3(P::THREADS), P::STAGES * P::STAGE + P::ALIGNMENT, hopper_kernel<P>, g, a, b);
}

template <typename T>
static hy_status launch(hy_device *device, const char *name, const hy_gemm &g, bool wide)
{
    return wide ? launch<by_wgmma<T, 256>>(device, name, g) : launch<by_wgmma<T, 128>>(device, name, g);
}

hy_status hy_gemm_launch_hopper(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g)
{
    const bool wide = hy_ceil_div(g.m, 128) * hy_ceil_div(g.n, 256) >= hy_cuda(device)->multiprocessors; /* as `large` was chosen */
    return dtype == HY_FLOAT16 ? launch<__half>(device, name, g, wide) : launch<__nv_bfloat16>(device, name, g, wide);
}
