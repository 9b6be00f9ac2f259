/*
 * vector.h: vectors as wide as the ISA's registers, through GCC's vector extensions, and what loops cannot say without fast-math:
 * sums and maxima of a contiguous run in several accumulators.
 */
#ifndef HY_CPU_VECTOR_H
#define HY_CPU_VECTOR_H

#include <stdint.h>

#if defined(__AVX512F__)
#define HY_VECTOR_BYTES 64
#elif defined(__AVX__)
#define HY_VECTOR_BYTES 32
#else
#define HY_VECTOR_BYTES 16
#endif

/** hy_vector(float) is a vector of floats; its address need not be aligned to more than its element. */
typedef float hy_vector_f32 __attribute__((vector_size(HY_VECTOR_BYTES), aligned(4), may_alias));
typedef double hy_vector_f64 __attribute__((vector_size(HY_VECTOR_BYTES), aligned(8), may_alias));

#define HY_RUN_FUNCTIONS(suffix, T)                                                                                        \
    /* The sum of n elements in four vectors of accumulators: for runs short enough that T's rounding does not matter. */  \
    static inline __attribute__((unused)) T hy_run_sum_##suffix(const T *x, int64_t n)                                     \
    {                                                                                                                      \
        enum { LANES = HY_VECTOR_BYTES / sizeof(T) };                                                                      \
        hy_vector_##suffix a = {0}, b = {0}, c = {0}, d = {0};                                                             \
        int64_t i = 0;                                                                                                     \
        for (; i + 4 * LANES <= n; i += 4 * LANES) {                                                                       \
            const hy_vector_##suffix *v = (const hy_vector_##suffix *)(x + i);                                             \
            a += v[0], b += v[1], c += v[2], d += v[3];                                                                    \
        }                                                                                                                  \
        for (; i + LANES <= n; i += LANES) a += *(const hy_vector_##suffix *)(x + i);                                      \
        a = (a + b) + (c + d);                                                                                             \
        T sum = 0;                                                                                                         \
        for (int l = 0; l < LANES; l++) sum += a[l];                                                                       \
        for (; i < n; i++) sum += x[i];                                                                                    \
        return sum;                                                                                                        \
    }                                                                                                                      \
    /* The largest of n >= 1 elements; a NaN wins. */                                                                      \
    static inline __attribute__((unused)) T hy_run_max_##suffix(const T *x, int64_t n)                                     \
    {                                                                                                                      \
        enum { LANES = 4 * HY_VECTOR_BYTES / sizeof(T) };                                                                  \
        T best[LANES], result = x[0];                                                                                      \
        for (int l = 0; l < LANES; l++) best[l] = x[0];                                                                    \
        int64_t i = 0;                                                                                                     \
        for (; i + LANES <= n; i += LANES)                                                                                 \
            for (int l = 0; l < LANES; l++) {                                                                              \
                const T v = x[i + l], m = best[l];                                                                         \
                best[l] = m > v || m != m ? m : v;                                                                         \
            }                                                                                                              \
        for (; i < n; i++) result = result > x[i] || result != result ? result : x[i];                                     \
        for (int l = 0; l < LANES; l++) result = result > best[l] || result != result ? result : best[l];                  \
        return result;                                                                                                     \
    }

HY_RUN_FUNCTIONS(f32, float)
HY_RUN_FUNCTIONS(f64, double)

#endif
