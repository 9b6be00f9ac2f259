/* gemm_halves.cuh: matrix products of 16-bit types on tensor cores, summed in float32. */
#ifndef HY_CUDA_GEMM_HALVES_CUH
#define HY_CUDA_GEMM_HALVES_CUH

#include "cuda/gemm_body.cuh"

static __device__ __forceinline__ void hy_mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], __half) { hy_mma_f16(c, a, b); }
static __device__ __forceinline__ void hy_mma(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2], __nv_bfloat16) { hy_mma_bf16(c, a, b); }

/** A warp computes (TILE / 2) x 32 sums. A_OUTER and B_OUTER: the operand is read along m or n, and its tile transposed by ldmatrix. */
template <typename T, int TILE, bool A_OUTER, bool B_OUTER>
struct hy_gemm_mma16 {
    typedef T stored;
    typedef float computed;
    enum { M = TILE, N = TILE, DEPTH = 32, THREADS = 2 * TILE, STAGES = 3, ROWS = TILE / 2, COLUMNS = 32, WARPS_ACROSS = TILE / 32 };
    typedef hy_gemm_halves<T, M, DEPTH, THREADS, A_OUTER> a_tile;
    typedef hy_gemm_halves<T, N, DEPTH, THREADS, B_OUTER> b_tile;

    float sum[ROWS / 16][COLUMNS / 8][4];

    __device__ __forceinline__ hy_gemm_mma16()
    {
#pragma unroll
        for (int e = 0; e < ROWS * COLUMNS / 32; e++) sum[e / (COLUMNS / 2)][e / 4 % (COLUMNS / 8)][e % 4] = 0;
    }

    static __device__ __forceinline__ int row() { return (int)(threadIdx.x / 32) / WARPS_ACROSS * ROWS; }
    static __device__ __forceinline__ int column() { return (int)(threadIdx.x / 32) % WARPS_ACROSS * COLUMNS; }

    /* ldmatrix's four matrices are a's quarters: (rows 0, k 0), (rows 8, k 0), (rows 0, k 8), (rows 8, k 8). */
    static __device__ __forceinline__ void read_a(unsigned (&x)[4], const char *tile, int m, int k)
    {
        const int lane = (int)threadIdx.x % 32;
        if (A_OUTER) hy_ldmatrix4_trans(x, tile + a_tile::at(k + lane % 8 + lane / 16 * 8, m + lane / 8 % 2 * 8));
        else hy_ldmatrix4(x, tile + a_tile::at(m + lane % 16, k + lane / 16 * 8));
    }

    /* Here they are (k 0, columns 0), (k 8, columns 0), (k 0, columns 8), (k 8, columns 8). */
    static __device__ __forceinline__ void read_b(unsigned (&y)[4], const char *tile, int n, int k)
    {
        const int lane = (int)threadIdx.x % 32;
        if (B_OUTER) hy_ldmatrix4_trans(y, tile + b_tile::at(k + lane % 16, n + lane / 16 * 8));
        else hy_ldmatrix4(y, tile + b_tile::at(n + lane % 8 + lane / 16 * 8, k + lane / 8 % 2 * 8));
    }

    __device__ __forceinline__ void multiply(const char *a, const char *b)
    {
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            unsigned y[COLUMNS / 8][2];
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j += 2) {
                unsigned two[4];
                read_b(two, b, column() + 8 * j, k);
#pragma unroll
                for (int e = 0; e < 4; e++) y[j + e / 2][e % 2] = two[e];
            }
#pragma unroll
            for (int i = 0; i < ROWS / 16; i++) {
                unsigned x[4];
                read_a(x, a, row() + 16 * i, k);
#pragma unroll
                for (int j = 0; j < COLUMNS / 8; j++) hy_mma(sum[i][j], x, y[j], T());
            }
        }
    }

    template <typename F>
    __device__ __forceinline__ void each(F f) const
    {
        const int lane = (int)threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < ROWS / 16; i++)
#pragma unroll
            for (int j = 0; j < COLUMNS / 8; j++)
#pragma unroll
                for (int e = 0; e < 4; e++) f(row() + 16 * i + lane / 4 + e / 2 * 8, column() + 8 * j + lane % 4 * 2 + e % 2, sum[i][j][e]);
    }
};

template <typename T, int TILE>
hy_status hy_gemm_launch_halves(hy_device *device, const char *name, const hy_gemm &g)
{
    switch (2 * g.a.along_outer + g.b.along_outer) {
    case 0: return hy_gemm_launch<hy_gemm_mma16<T, TILE, false, false>>(device, name, g);
    case 1: return hy_gemm_launch<hy_gemm_mma16<T, TILE, false, true>>(device, name, g);
    case 2: return hy_gemm_launch<hy_gemm_mma16<T, TILE, true, false>>(device, name, g);
    default: return hy_gemm_launch<hy_gemm_mma16<T, TILE, true, true>>(device, name, g);
    }
}

#endif
