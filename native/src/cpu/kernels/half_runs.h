/* half_runs.h: runs of bfloat16 and float16 to and from float. */
#ifndef HY_CPU_HALF_RUNS_H
#define HY_CPU_HALF_RUNS_H

#ifdef __F16C__
#  include <immintrin.h>
#endif

#include "core/half.h"
#include "core/tensor.h"

static inline void hy_widen(int32_t dtype, const uint16_t *x, float *y, int64_t n)
{
    int64_t i = 0;
    if (dtype == HY_BFLOAT16) {
        for (; i < n; i++) y[i] = hy_float_from_bfloat16(x[i]);
        return;
    }
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(x + i))));
#endif
    for (; i < n; i++) y[i] = hy_float_from_float16(x[i]);
}

static inline void hy_narrow(int32_t dtype, const float *x, uint16_t *y, int64_t n)
{
    int64_t i = 0;
    if (dtype == HY_BFLOAT16) {
        for (; i < n; i++) y[i] = hy_bfloat16_from_float(x[i]);
        return;
    }
#ifdef __F16C__
    for (; i + 8 <= n; i += 8) _mm_storeu_si128((__m128i *)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
#endif
    for (; i < n; i++) y[i] = hy_float16_from_float(x[i]);
}

#endif
