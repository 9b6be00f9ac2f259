/*
 * sort.cuh: numbers sorted by a key, those of equal keys in the order they had: a radix sort by 8 bits a pass (Satish, Harris and Garland, "Designing
 * efficient sorting algorithms for manycore GPUs", 2009). A pass counts each block's digits, turns the counts into the places where each block's digits
 * begin, and moves. No atomics touch what the order depends on.
 */
#ifndef HY_CUDA_SORT_CUH
#define HY_CUDA_SORT_CUH

#include "cuda/runtime.cuh"

enum { HY_SORT_BLOCK = 256, HY_SORT_DIGITS = 256, HY_SORT_TILE = 16 * HY_SORT_BLOCK }; /* thread d of a block also looks after digit d */

/** Keys, and the number that goes with each. */
struct hy_sorted {
    uint32_t *keys, *values;
};

/** counts[digit][block] */
static __global__ void __launch_bounds__(HY_SORT_BLOCK) hy_sort_count_kernel(const uint32_t *keys, uint32_t count, uint32_t shift, uint32_t *counts)
{
    HY_SHARED(uint32_t, digits, [HY_SORT_DIGITS]);
    digits[threadIdx.x] = 0;
    __syncthreads();
    const uint32_t begin = blockIdx.x * HY_SORT_TILE, end = count - begin < HY_SORT_TILE ? count : begin + HY_SORT_TILE;
    for (uint32_t i = begin + threadIdx.x; i < end; i += HY_SORT_BLOCK) atomicAdd(&digits[keys[i] >> shift & (HY_SORT_DIGITS - 1)], 1u);
    __syncthreads();
    counts[threadIdx.x * gridDim.x + blockIdx.x] = digits[threadIdx.x];
}

/** Every count becomes the sum of those before it. One block. */
static __global__ void __launch_bounds__(HY_SORT_BLOCK) hy_sort_sum_kernel(uint32_t *counts, uint32_t total)
{
    enum { EACH = 16 };
    HY_SHARED(uint32_t, sums, [HY_SORT_BLOCK]);
    uint32_t before = 0;
    for (uint32_t base = 0; base < total; base += EACH * HY_SORT_BLOCK) {
        const uint32_t first = base + threadIdx.x * EACH;
        uint32_t own[EACH], sum = 0;
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            own[e] = first + e < total ? counts[first + e] : 0;
            sum += own[e];
        }
        sums[threadIdx.x] = sum;
        for (uint32_t step = 1; step < HY_SORT_BLOCK; step *= 2) { /* Hillis and Steele, "Data parallel algorithms", 1986 */
            __syncthreads();
            const uint32_t left = threadIdx.x >= step ? sums[threadIdx.x - step] : 0;
            __syncthreads();
            sums[threadIdx.x] += left;
        }
        __syncthreads();
        uint32_t at = before + sums[threadIdx.x] - sum;
        before += sums[HY_SORT_BLOCK - 1];
#pragma unroll
        for (int e = 0; e < EACH; e++) {
            if (first + e < total) counts[first + e] = at;
            at += own[e];
        }
        __syncthreads(); /* the sums have been read */
    }
}

/** Moves each pair to its place: behind those of smaller digits, of earlier blocks, rounds, warps and lanes. */
static __global__ void __launch_bounds__(HY_SORT_BLOCK) hy_sort_move_kernel(const hy_sorted from, const hy_sorted to, uint32_t count, uint32_t shift,
                                                                            const uint32_t *places)
{
    enum { WARPS = HY_SORT_BLOCK / 32 };
    HY_SHARED(uint32_t, begin, [WARPS][HY_SORT_DIGITS]); /* how many a warp has of a digit in this round; then where they go */
    const uint32_t lane = threadIdx.x & 31, warp = threadIdx.x / 32, tile = blockIdx.x * HY_SORT_TILE;
    uint32_t place = places[threadIdx.x * gridDim.x + blockIdx.x]; /* of digit threadIdx.x */
    for (uint32_t base = tile; base < tile + HY_SORT_TILE && base < count; base += HY_SORT_BLOCK) {
        for (int w = 0; w < WARPS; w++) begin[w][threadIdx.x] = 0;
        __syncthreads();
        const uint32_t i = base + threadIdx.x;
        const bool valid = i < count;
        const uint32_t key = valid ? from.keys[i] : 0, digit = key >> shift & (HY_SORT_DIGITS - 1);
        uint32_t peers = __ballot_sync(0xffffffff, valid); /* the lanes that have this digit */
#pragma unroll
        for (int b = 0; b < 8; b++) {
            const uint32_t set = __ballot_sync(0xffffffff, digit >> b & 1);
            peers &= digit >> b & 1 ? set : ~set;
        }
        const uint32_t rank = __popc(peers & ((1u << lane) - 1));
        if (valid && rank == 0) begin[warp][digit] = __popc(peers);
        __syncthreads();
        for (int w = 0; w < WARPS; w++) {
            const uint32_t n = begin[w][threadIdx.x];
            begin[w][threadIdx.x] = place;
            place += n;
        }
        __syncthreads();
        if (valid) {
            const uint32_t target = begin[warp][digit] + rank;
            to.keys[target] = key;
            to.values[target] = from.values[i];
        }
        __syncthreads();
    }
}

/** How many numbers of scratch memory hy_sort wants for its counts. */
static inline int64_t hy_sort_counts(int64_t count) { return HY_SORT_DIGITS * hy_ceil_div(count, HY_SORT_TILE); }

/** Sorts `count` pairs, fewer than 2^30, whose keys are at most `largest`; returns in *a the sorted ones. a and b change roles. */
static inline hy_status hy_sort(hy_device *device, const char *name, int64_t count, uint32_t largest, hy_sorted *a, hy_sorted *b, uint32_t *counts)
{
    const dim3 grid((unsigned)hy_ceil_div(count, HY_SORT_TILE)), block(HY_SORT_BLOCK);
    for (uint32_t shift = 0; shift < 32 && largest >> shift; shift += 8) {
        HY_CUDA_TRY(hy_cuda_launch(device, name, grid, block, 0, hy_sort_count_kernel, (const uint32_t *)a->keys, (uint32_t)count, shift, counts));
        HY_CUDA_TRY(hy_cuda_launch(device, name, dim3(1), block, 0, hy_sort_sum_kernel, counts, (uint32_t)hy_sort_counts(count)));
        HY_CUDA_TRY(hy_cuda_launch(device, name, grid, block, 0, hy_sort_move_kernel, *a, *b, (uint32_t)count, shift, (const uint32_t *)counts));
        const hy_sorted sorted = *b;
        *b = *a;
        *a = sorted;
    }
    return HY_OK;
}

#endif
