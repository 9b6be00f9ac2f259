/* mma_float32.cuh: what tensor cores of sm_75 lack, by float32. Included by ptx.cuh and by its twin, whose test compares it with the instruction. */
#ifndef HY_CUDA_MMA_FLOAT32_CUH
#define HY_CUDA_MMA_FLOAT32_CUH

/** hy_mma_bf16 without one: each part of a fragment is fetched from the lane that holds it. */
static __device__ __forceinline__ void hy_mma_bf16_by_float32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll 1 /* four times the instructions would take nvcc minutes */
    for (int s = 0; s < 4; s++) { /* the lanes with k 2s, 2s + 1, 2s + 8 and 2s + 9 */
        unsigned x[4], y[2][2];
#pragma unroll
        for (int i = 0; i < 4; i++) x[i] = __shfl_sync(0xffffffff, a[i], lane / 4 * 4 + s);
#pragma unroll
        for (int i = 0; i < 4; i++) y[i / 2][i % 2] = __shfl_sync(0xffffffff, b[i % 2], (lane % 4 * 2 + i / 2) * 4 + s);
#pragma unroll
        for (int i = 0; i < 8; i++) {
            const unsigned u = x[i / 4 + 2 * (i % 2)], v = y[i / 2 % 2][i % 2];
            float &sum = c[i / 2];
            sum += __uint_as_float(u << 16) * __uint_as_float(v << 16);
            sum += __uint_as_float(u & 0xffff0000) * __uint_as_float(v & 0xffff0000);
        }
    }
}

#endif
