/*
 * normaliser.cuh: what softmax divides by, gathered in one pass over a line: the maximum, and the sum of exponentials of what lies below it (Milakov and
 * Gimelshein, "Online normalizer calculation for softmax", 2018).
 */
#ifndef HY_CUDA_NORMALISER_CUH
#define HY_CUDA_NORMALISER_CUH

#include "core/functions.h"
#include "cuda/group.cuh"

template <typename A>
struct hy_normaliser {
    A max, sum; /* of exp(x - max) */
};

template <typename A>
static __device__ __forceinline__ hy_normaliser<A> hy_take(hy_normaliser<A> s, A x)
{
    const A infinity = (A)HUGE_VAL;
    if (x > s.max) return {x, s.max == -infinity ? s.sum + 1 : s.sum * hy_exp(s.max - x) + 1};
    if (x == -infinity) return s;
    return {s.max, s.sum + hy_exp(x - s.max)}; /* a NaN stays in the sum */
}

template <typename A>
static __device__ __forceinline__ hy_normaliser<A> hy_join(hy_normaliser<A> a, hy_normaliser<A> b)
{
    const A max = a.max > b.max ? a.max : b.max, infinity = (A)HUGE_VAL;
    const A first = a.max == max || a.max == -infinity ? a.sum : a.sum * hy_exp(a.max - max);
    const A second = b.max == max || b.max == -infinity ? b.sum : b.sum * hy_exp(b.max - max);
    return {max, first + second};
}

#endif
