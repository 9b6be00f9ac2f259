/* Matrix products of float32 and float64: by fused multiply-add, and on tensor cores for float64 from sm_80 on and for those who ask for tf32. */
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

/* The instructions of tensor cores that take words: K of them a step, of which a thread holds K / 2 of a and K / 4 of b (see ptx.cuh). PAD: so much longer
   are the rows of shared memory, so that k's four rows meet different banks. */

struct mma_tf32 {
    typedef float stored;
    typedef unsigned part;
    enum { K = 8, PAD = 8, STAGES = 3 };
    static __device__ __forceinline__ unsigned take(float x) { return hy_to_tf32(x); }
    static __device__ __forceinline__ void multiply(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) { hy_mma_tf32(c, a, b); }
};

struct mma_float64 {
    typedef double stored, part;
    enum { K = 4, PAD = 4, STAGES = 2 }; /* more stages would be more shared memory than sm_86 has */
    static __device__ __forceinline__ double take(double x) { return x; }
    static __device__ __forceinline__ void multiply(double (&c)[4], const double (&a)[2], const double (&b)[1]) { hy_mma_f64(c, a, b); }
};

/** A warp computes ROWS x COLUMNS sums of fragments. */
template <typename I, int TILE>
struct by_mma {
    typedef typename I::stored stored, computed;
    typedef typename I::part part;
    enum { M = TILE, N = TILE, DEPTH = 16, THREADS = 2 * TILE, STAGES = I::STAGES, ROWS = TILE / 2, COLUMNS = 32, WARPS_ACROSS = TILE / 32 };
    typedef hy_gemm_words<stored, M, DEPTH, THREADS, I::PAD> a_tile, b_tile;

    stored sum[ROWS / 16][COLUMNS / 8][4];

    __device__ __forceinline__ by_mma()
    {
#pragma unroll
        for (int e = 0; e < ROWS * COLUMNS / 32; e++) sum[e / (COLUMNS / 2)][e / 4 % (COLUMNS / 8)][e % 4] = 0;
    }

    static __device__ __forceinline__ int row() { return (int)(threadIdx.x / 32 / WARPS_ACROSS * ROWS + threadIdx.x % 32 / 4); }
    static __device__ __forceinline__ int column() { return (int)(threadIdx.x / 32 % WARPS_ACROSS * COLUMNS); }

    __device__ __forceinline__ void multiply(const char *a, const char *b)
    {
        const int g = (int)threadIdx.x % 32 / 4, t = (int)threadIdx.x % 4;
        const stored *const as = reinterpret_cast<const stored *>(a) + t * a_tile::PITCH + row();
        const stored *const bs = reinterpret_cast<const stored *>(b) + t * b_tile::PITCH + column() + g;
#pragma unroll
        for (int k = 0; k < DEPTH; k += I::K) {
            part y[COLUMNS / 8][I::K / 4];
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < I::K / 4; e++) y[j][e] = I::take(bs[(k + 4 * e) * b_tile::PITCH + 8 * j]);
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
                part x[I::K / 2];
#pragma unroll
                for (int e = 0; e < I::K / 2; e++) x[e] = I::take(as[(k + e / 2 * 4) * a_tile::PITCH + 16 * i + e % 2 * 8]);
#pragma unroll
                for (int j = 0; j < COLUMNS / 8; j++) I::multiply(sum[i][j], x, y[j]);
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
    return large ? hy_gemm_launch<by_mma<mma_tf32, 128>>(device, name, g) : hy_gemm_launch<by_mma<mma_tf32, 64>>(device, name, g);
}

hy_status hy_gemm_launch_float64(hy_device *device, const char *name, const hy_gemm &g, bool large)
{
    if (hy_cuda(device)->capability < 80) return hy_gemm_launch<fused<double, 64, 16>>(device, name, g);
    return large ? hy_gemm_launch<by_mma<mma_float64, 128>>(device, name, g) : hy_gemm_launch<by_mma<mma_float64, 64>>(device, name, g);
}
