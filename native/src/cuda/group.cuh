/*
 * group.cuh: threads that work on one output together. A block is `across` outputs times `along` threads for each; neighbours lie along memory,
 * whichever of the two that is. What a thread has gathered is joined in a tree of fixed shape, so results have the same bits every time.
 */
#ifndef HY_CUDA_GROUP_CUH
#define HY_CUDA_GROUP_CUH

#include "cuda/walk.cuh"

enum { HY_GROUP_BLOCK = 256 };

struct hy_group {
    uint32_t across, along;  /* powers of two, HY_GROUP_BLOCK in all */
    int32_t outputs_inside;  /* whether neighbouring threads have neighbouring outputs */
};

/** The calling thread's place: which output of the block's, which of the threads that share it. */
static __device__ __forceinline__ uint32_t hy_group_output(const hy_group &g)
{
    return g.outputs_inside ? threadIdx.x & (g.across - 1) : threadIdx.x / g.along;
}
static __device__ __forceinline__ uint32_t hy_group_member(const hy_group &g)
{
    return g.outputs_inside ? threadIdx.x / g.across : threadIdx.x & (g.along - 1);
}

/** Joins what the members of each group have; afterwards all of them have the result. join(a, b) may rely on a's members coming first. */
template <typename A, typename Join>
__device__ __forceinline__ A hy_group_join(const hy_group &g, A mine, Join join)
{
    HY_SHARED(A, values, [HY_GROUP_BLOCK]);
    const uint32_t member = hy_group_member(g), step = g.outputs_inside ? g.across : 1, me = threadIdx.x;
    __syncthreads(); /* an earlier use of the array is over */
    values[me] = mine;
    for (uint32_t half = g.along / 2; half > 0; half /= 2) {
        __syncthreads();
        if (member < half) values[me] = join(values[me], values[me + half * step]);
    }
    __syncthreads();
    return values[me - member * step];
}

/** A group for `outputs` results of `n` elements each. */
static inline hy_group hy_group_for(int64_t outputs, int64_t n, bool outputs_inside)
{
    hy_group g = {1, HY_GROUP_BLOCK, outputs_inside};
    if (outputs_inside)
        while (g.across < 32 && g.across < outputs) g.across *= 2, g.along /= 2;
    while (g.along > 1 && (int64_t)g.along * 4 > n * 2 && g.across < HY_GROUP_BLOCK) g.across *= 2, g.along /= 2; /* two elements a thread at least */
    return g;
}

#endif
