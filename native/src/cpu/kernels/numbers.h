/* numbers.h: the arithmetic of cutting work into pieces. */
#ifndef HY_CPU_NUMBERS_H
#define HY_CPU_NUMBERS_H

#include <stdint.h>

static inline int64_t hy_ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t hy_min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t hy_max(int64_t a, int64_t b) { return a > b ? a : b; }

/** Where part i of `total` begins when `parts` share it as evenly as can be, the first ones taking the rest. */
static inline int64_t hy_share(int64_t total, int64_t parts, int64_t i) { return i * (total / parts) + hy_min(i, total % parts); }

#endif
