/*
 * bfloat16.h: products of pairs of bfloat16 numbers, added up in float32: AVX512-BF16's instruction vdpbf16ps, and where it is not compiled for, the
 * same in plain arithmetic, so that what is built on it can be tested without it. Operation: Intel's Software Developer's Manual, volume 2, VDPBF16PS:
 * two multiply-adds, that of the upper numbers first, each rounded to the nearest and to even, denormals taken for zero before and after, whatever
 * MXCSR says. A product of two such numbers has 16 digits, so float32 holds it exactly unless it over- or underflows.
 */
#ifndef HY_CPU_BFLOAT16_H
#define HY_CPU_BFLOAT16_H

#include <stdint.h>
#ifdef __AVX512BF16__
#  include <immintrin.h>
#endif

#include "cpu/simd/pairs.h"

typedef float hy_floats __attribute__((vector_size(HY_TILE_VECTOR)));

/** Denormals become zero and keep their sign. */
static inline __attribute__((always_inline, unused)) hy_floats hy_flush_denormals(hy_sums bits)
{
    return (hy_floats)(bits & (((bits & 0x7F800000) != 0) | INT32_MIN));
}

/** Lane i: sum[i] + a[2i + 1] * b[2i + 1] + a[2i] * b[2i]; a lane of a and b is a pair. */
#if HY_TILE_VECTOR == 64 && defined(__AVX512BF16__)
static inline __attribute__((always_inline)) hy_floats hy_add_bfloat16_pairs(hy_floats sum, hy_sums a, hy_sums b)
{
    return (hy_floats)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}
#else /* not inlined: a tile is full of it, and it is for the tests alone */
static __attribute__((noinline)) hy_floats hy_add_bfloat16_pairs(hy_floats sum, hy_sums a, hy_sums b)
{
    const hy_floats upper = hy_flush_denormals(a & INT32_C(-0x10000)) * hy_flush_denormals(b & INT32_C(-0x10000));
    const hy_floats lower = hy_flush_denormals(a << 16) * hy_flush_denormals(b << 16);
    const hy_floats half = hy_flush_denormals((hy_sums)(hy_flush_denormals((hy_sums)sum) + upper));
    return hy_flush_denormals((hy_sums)(half + lower));
}
#endif

#endif
