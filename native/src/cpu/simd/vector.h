/*
 * vector.h: vectors as wide as the ISA's registers, through GCC's vector extensions, and what loops cannot say without fast-math:
 * sums and maxima of a contiguous run in several accumulators.
 */
#ifndef HY_CPU_VECTOR_H
#define HY_CPU_VECTOR_H

#include <stdint.h>

#if HY_ISA_avx512
#define HY_VECTOR_BYTES 64
#elif defined(__AVX__)
#define HY_VECTOR_BYTES 32
#else
#define HY_VECTOR_BYTES 16
#endif

/** hy_vector(float) is a vector of floats; its address need not be aligned to more than its element. */
typedef float hy_vector_f32 __attribute__((vector_size(HY_VECTOR_BYTES), aligned(4), may_alias));
typedef double hy_vector_f64 __attribute__((vector_size(HY_VECTOR_BYTES), aligned(8), may_alias));

/** The larger and the smaller of two values; a NaN wins. */
#define HY_LARGER(a, b) ({ const __typeof__(a) a_ = (a), b_ = (b), m_ = a_ > b_ ? a_ : b_; a_ != a_ ? a_ : m_; })
#define HY_SMALLER(a, b) ({ const __typeof__(a) a_ = (a), b_ = (b), m_ = a_ < b_ ? a_ : b_; a_ != a_ ? a_ : m_; })

/* Before a loop of few iterations: without it GCC would peel them all, and then not find the vectors again. */
#define HY_AS_A_LOOP _Pragma("GCC unroll 1")

/* name(x, n): the n >= 1 elements combined by `op`, four vectors' worth of lanes at a time and four of these at once; the lanes are an array
 * in memory, which costs little when it is touched so rarely. */
#define HY_RUN_FUNCTION(name, type, accumulator, op)                                                                       \
    static inline __attribute__((unused)) accumulator name(const type *x, int64_t n)                                       \
    {                                                                                                                      \
        enum { LANES = 4 * HY_VECTOR_BYTES / (int)sizeof(accumulator), FEW = LANES / 4 };                                  \
        accumulator lane[LANES], r = x[0];                                                                                 \
        int64_t i = 1;                                                                                                     \
        if (n >= LANES) {                                                                                                  \
            for (int l = 0; l < LANES; l++) lane[l] = x[l];                                                                \
            for (i = LANES; i + 4 * LANES <= n; i += 4 * LANES)                                                            \
                for (int l = 0; l < LANES; l++) {                                                                          \
                    const accumulator a = x[i + l], b = x[i + LANES + l], c = x[i + 2 * LANES + l], d = x[i + 3 * LANES + l]; \
                    const accumulator ab = op(a, b), cd = op(c, d), all = op(ab, cd), old = lane[l];                       \
                    lane[l] = op(old, all);                                                                                \
                }                                                                                                          \
            for (; i + FEW <= n; i += FEW)                                                                                 \
                HY_AS_A_LOOP for (int l = 0; l < FEW; l++) {                                                               \
                    const accumulator v = x[i + l], old = lane[l];                                                         \
                    lane[l] = op(old, v);                                                                                  \
                }                                                                                                          \
            HY_AS_A_LOOP for (int l = 0; l < LANES / 2; l++) lane[l] = op(lane[l], lane[LANES / 2 + l]);                   \
            HY_AS_A_LOOP for (int l = 0; l < FEW; l++) lane[l] = op(lane[l], lane[FEW + l]);                               \
            r = lane[0];                                                                                                   \
            for (int l = 1; l < FEW; l++) r = op(r, lane[l]);                                                              \
        }                                                                                                                  \
        for (; i < n; i++) {                                                                                               \
            const accumulator v = x[i];                                                                                    \
            r = op(r, v);                                                                                                  \
        }                                                                                                                  \
        return r;                                                                                                          \
    }

/** hy_run_max_f32(x, n): the largest of n >= 1 elements. */
HY_RUN_FUNCTION(hy_run_max_f32, float, float, HY_LARGER)
HY_RUN_FUNCTION(hy_run_max_f64, double, double, HY_LARGER)

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
    }

HY_RUN_FUNCTIONS(f32, float)
HY_RUN_FUNCTIONS(f64, double)

#endif
