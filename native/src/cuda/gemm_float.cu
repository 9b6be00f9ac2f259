/* Matrix products of float32 and float64 by fused multiply-add, and of float32 on tensor cores in tf32 for those who ask for it. */
#include "cuda/gemm_body.cuh"

/**
 * A thread computes ROWS x COLUMNS sums in groups of 4 x 4, so that it reads shared memory by 16 bytes; a warp's 4 x 8 threads read few
 * addresses that differ, and the groups lie as far apart as the tile has room.
 */
template <typename T, int TILE, int DEPTH_>
struct fused {
    typedef T stored, computed;
    enum { M = TILE, N = TILE, DEPTH = DEPTH_, THREADS = 256, STAGES = 2, GROUPS = TILE / 64 };
    typedef hy_gemm_words<T, M, DEPTH, THREADS, 4> a_tile, b_tile;

    T sum[4 * GROUPS][4 * GROUPS];

    __device__ __forceinline__ fused()
    {
#pragma unroll
        for (int i = 0; i < 4 * GROUPS; i++)
#pragma unroll
            for (int j = 0; j < 4 * GROUPS; j++) sum[i][j] = 0;
    }

    static __device__ __forceinline__ int row() { return (int)(threadIdx.x % 32 / 8 + threadIdx.x / 64 * 4) * 4; }
    static __device__ __forceinline__ int column() { return (int)(threadIdx.x % 8 + threadIdx.x / 32 % 2 * 8) * 4; }

    static __device__ __forceinline__ void read(T (&v)[4 * GROUPS], const T *from)
    {
#pragma unroll
        for (int i = 0; i < GROUPS; i++) {
            const hy_vector<T, 4> four = *reinterpret_cast<const hy_vector<T, 4> *>(from + 64 * i);
#pragma unroll
            for (int e = 0; e < 4; e++) v[4 * i + e] = four.at[e];
        }
    }

    __device__ __forceinline__ void multiply(const char *a, const char *b)
    {
        const T *const as = reinterpret_cast<const T *>(a) + row(), *const bs = reinterpret_cast<const T *>(b) + column();
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            T x[4 * GROUPS], y[4 * GROUPS];
            read(x, as + k * a_tile::PITCH);
            read(y, bs + k * b_tile::PITCH);
#pragma unroll
            for (int i = 0; i < 4 * GROUPS; i++)
#pragma unroll
                for (int j = 0; j < 4 * GROUPS; j++) sum[i][j] += x[i] * y[j];
        }
    }

    template <typename F>
    __device__ __forceinline__ void each(F f) const
    {
#pragma unroll
        for (int i = 0; i < 4 * GROUPS; i++)
#pragma unroll
            for (int j = 0; j < 4 * GROUPS; j++) f(row() + i / 4 * 64 + i % 4, column() + j / 4 * 64 + j % 4, sum[i][j]);
    }
};

/** A warp computes ROWS x COLUMNS sums of fragments (see ptx.cuh). Rows of shared memory are 8 longer: k's four rows then meet different banks. */
template <int TILE>
struct tf32 {
    typedef float stored, computed;
    enum { M = TILE, N = TILE, DEPTH = 16, THREADS = 2 * TILE, STAGES = 3, ROWS = TILE / 2, COLUMNS = 32, WARPS_ACROSS = TILE / 32 };
    typedef hy_gemm_words<float, M, DEPTH, THREADS, 8> a_tile, b_tile;

    float sum[ROWS / 16][COLUMNS / 8][4];

    __device__ __forceinline__ tf32()
    {
#pragma unroll
        for (int e = 0; e < ROWS * COLUMNS / 32; e++) sum[e / (COLUMNS / 2)][e / 4 % (COLUMNS / 8)][e % 4] = 0;
    }

    static __device__ __forceinline__ int row() { return (int)(threadIdx.x / 32 / WARPS_ACROSS * ROWS + threadIdx.x % 32 / 4); }
    static __device__ __forceinline__ int column() { return (int)(threadIdx.x / 32 % WARPS_ACROSS * COLUMNS); }

    __device__ __forceinline__ void multiply(const char *a, const char *b)
    {
        const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
        const float *const as = reinterpret_cast<const float *>(a) + t * a_tile::PITCH + row();
        const float *const bs = reinterpret_cast<const float *>(b) + t * b_tile::PITCH + column() + g;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 8) {
            unsigned y[COLUMNS / 8][2];
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < 2; e++) y[j][e] = hy_to_tf32(bs[(k + 4 * e) * b_tile::PITCH + 8 * j]);
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
                unsigned x[4];
#pragma unroll
                for (int e = 0; e < 4; e++) x[e] = hy_to_tf32(as[(k + e / 2 * 4) * a_tile::PITCH + 16 * i + e % 2 * 8]);
#pragma unroll
                for (int j = 0; j < COLUMNS / 8; j++) hy_mma_tf32(sum[i][j], x, y[j]);
            }
        }
    }

    template <typename F>
    __device__ __forceinline__ void each(F f) const
    {
        const int pair = (int)threadIdx.x % 4 * 2;
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) f(row() + 16 * i + e / 2 * 8, column() + 8 * j + pair + e % 2, sum[i][j][e]);
    }
};

hy_status hy_gemm_launch_float32(hy_device *device, const char *name, const hy_gemm &g, bool large)
{
    return large ? hy_gemm_launch<fused<float, 128, 16>>(device, name, g) : hy_gemm_launch<fused<float, 64, 16>>(device, name, g);
}

hy_status hy_gemm_launch_tf32(hy_device *device, const char *name, const hy_gemm &g, bool large)
{
    return large ? hy_gemm_launch<tf32<128>>(device, name, g) : hy_gemm_launch<tf32<64>>(device, name, g);
}

hy_status hy_gemm_launch_float64(hy_device *device, const char *name, const hy_gemm &g, bool)
{
    return hy_gemm_launch<fused<double, 64, 16>>(device, name, g);
}
