/* pairs.h: products of pairs of 16-bit integers, added up in 32 bits: the step of an exact product of 8-bit ones. */
#ifndef HY_CPU_PAIRS_H
#define HY_CPU_PAIRS_H

#include <stdint.h>
#ifdef __SSE2__
#  include <immintrin.h>
#endif

#include "cpu/simd/tile.h"

typedef int32_t hy_sums __attribute__((vector_size(HY_TILE_VECTOR)));
typedef int32_t hy_sums_at __attribute__((vector_size(HY_TILE_VECTOR), aligned(4), may_alias));
typedef int16_t hy_pairs __attribute__((vector_size(HY_TILE_VECTOR)));
typedef int8_t hy_bytes_at __attribute__((vector_size(HY_TILE_VECTOR / 2), aligned(1), may_alias));

/** As many bytes as the vector has lanes of 16 bits, widened. (GCC 12 makes five instructions of __builtin_convertvector.) */
static inline __attribute__((always_inline)) hy_pairs hy_widen_bytes(const int8_t *x)
{
#if HY_TILE_VECTOR == 64 && defined(__AVX512BW__)
    return (hy_pairs)_mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *)x));
#elif HY_TILE_VECTOR == 32 && defined(__AVX2__)
    return (hy_pairs)_mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)x));
#else
    return __builtin_convertvector(*(const hy_bytes_at *)x, hy_pairs);
#endif
}

/** Lane i: a[2i] * b[2i] + a[2i + 1] * b[2i + 1]. (vpmaddubsw would take bytes, but saturates at 16 bits.) */
static inline __attribute__((always_inline)) hy_sums hy_multiply_pairs(hy_pairs a, hy_pairs b)
{
#if HY_TILE_VECTOR == 64 && defined(__AVX512BW__)
    return (hy_sums)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#elif HY_TILE_VECTOR == 32 && defined(__AVX2__)
    return (hy_sums)_mm256_madd_epi16((__m256i)a, (__m256i)b);
#elif HY_TILE_VECTOR == 16 && defined(__SSE2__)
    return (hy_sums)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
    const hy_sums x = (hy_sums)a, y = (hy_sums)b; /* the first of a pair is the lower half: all ISAs here are little-endian */
    return (x << 16 >> 16) * (y << 16 >> 16) + (x >> 16) * (y >> 16);
#endif
}

/** The same added to a sum: one instruction with VNNI, and always the same bits. */
static inline __attribute__((always_inline)) hy_sums hy_add_pairs(hy_sums sum, hy_pairs a, hy_pairs b)
{
#if HY_TILE_VECTOR == 64 && defined(__AVX512VNNI__)
    return (hy_sums)_mm512_dpwssd_epi32((__m512i)sum, (__m512i)a, (__m512i)b);
#elif HY_TILE_VECTOR == 32 && defined(__AVXVNNI__)
    return (hy_sums)_mm256_dpwssd_avx_epi32((__m256i)sum, (__m256i)a, (__m256i)b);
#else
    return sum + hy_multiply_pairs(a, b);
#endif
}

#endif
