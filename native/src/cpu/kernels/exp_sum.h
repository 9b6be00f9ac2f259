/* exp_sum.h: what softmax and cross-entropy share: the exponentials of a row, less its largest element, and their sum. */
#ifndef HY_CPU_EXP_SUM_H
#define HY_CPU_EXP_SUM_H

#include <stdbool.h>

#include "core/functions.h"
#include "cpu/kernels/numbers.h"
#include "cpu/simd/vector.h"

enum {
    HY_EXP_SUM_PIECE = 1024,    /* elements whose sum float accumulates well enough in the lanes of two vectors */
    HY_EXP_SUM_FETCHED = 16384  /* bytes of a row that is fetched while the one before is worked, at most */
};

#define HY_EXP_SCALE_f32 HY_EXP_BELOW_SCALEF
#define HY_EXP_SCALE_f64 HY_EXP_BELOW_SCALE

/* A NaN may get lost: its exponential makes the sum NaN all the same. */
#define HY_ROW_MAX(a, b) ((a) > (b) ? (a) : (b))
HY_RUN_FUNCTION(hy_row_max_f32, float, float, HY_ROW_MAX)
HY_RUN_FUNCTION(hy_row_max_f64, double, double, HY_ROW_MAX)

#define HY_EXP_SUM_FUNCTIONS(suffix, T)                                                                                      \
    /* y = e^(x - max) and their sum, both times HY_EXP_SCALE: whoever divides one by the other has it drop out. The last few       \
     * elements come with -infinity, which adds 0. What lies `ahead` elements further is fetched meanwhile: the next row's largest      \
     * element is looked for at once, and waits for memory otherwise. */                                                     \
    static inline T hy_exp_piece_##suffix(const T *x, T max, T *y, int64_t n, int64_t ahead)                                 \
    {                                                                                                                        \
        enum { LANES = HY_VECTOR_BYTES / sizeof(T) };                                                                        \
        hy_vector_##suffix sum[2] = {{0}, {0}};                                                                              \
        T e[2 * LANES]; /* apart from y, so that the steps of both vectors may be mixed */                                   \
        const hy_vector_##suffix *vectors = (const hy_vector_##suffix *)e;                                                   \
        for (int64_t m; n > 0; n -= m, x += m, y += m) {                                                                     \
            m = hy_min(n, 2 * LANES);                                                                                        \
            if (m < 2 * LANES) {                                                                                             \
                for (int l = 0; l < 2 * LANES; l++) e[l] = -(T)INFINITY;                                                     \
                memcpy(e, x, (size_t)m * sizeof(T));                                                                         \
                for (int l = 0; l < 2 * LANES; l++) e[l] = hy_exp_below(e[l] - max);                                         \
                memcpy(y, e, (size_t)m * sizeof(T));                                                                         \
            } else {                                                                                                         \
                __builtin_prefetch(x + ahead);                                                                               \
                for (int l = 0; l < 2 * LANES; l++) e[l] = hy_exp_below(x[l] - max);                                         \
                ((hy_vector_##suffix *)y)[0] = vectors[0], ((hy_vector_##suffix *)y)[1] = vectors[1];                        \
            }                                                                                                                \
            sum[0] += vectors[0], sum[1] += vectors[1];                                                                      \
        }                                                                                                                    \
        sum[0] += sum[1];                                                                                                    \
        T total = 0;                                                                                                         \
        for (int l = 0; l < LANES; l++) total += sum[0][l];                                                                  \
        return total;                                                                                                        \
    }                                                                                                                        \
    /* The same for a whole row; with `keep` false y is a tile of HY_EXP_SUM_PIECE elements that nobody reads. */            \
    static inline __attribute__((unused)) double hy_exp_sum_##suffix(const T *x, T max, T *y, bool keep, int64_t n)          \
    {                                                                                                                        \
        const int64_t ahead = n <= HY_EXP_SUM_FETCHED / (int64_t)sizeof(T) ? n : 0;                                          \
        double sum = 0;                                                                                                      \
        for (int64_t at = 0; at < n; at += HY_EXP_SUM_PIECE)                                                                 \
            sum += hy_exp_piece_##suffix(x + at, max, keep ? y + at : y, hy_min(n - at, HY_EXP_SUM_PIECE), ahead);           \
        return sum;                                                                                                          \
    }

HY_EXP_SUM_FUNCTIONS(f32, float)
HY_EXP_SUM_FUNCTIONS(f64, double)

#endif
