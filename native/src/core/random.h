/*
 * From an element's Philox words (see philox.h) to its random value: the one recipe of every kernel and device.
 *
 * A product that feeds a sum is written 2 * (half * u): doubling is exact, so the sum has the same bits whether or not a compiler
 * fuses it into a multiply-add, and halving keeps high - low finite.
 */
#ifndef HY_CORE_RANDOM_H
#define HY_CORE_RANDOM_H

#include <math.h>

#include "core/philox.h"

/** Uniform in [low, high), as double. */
HY_INLINE double hy_uniform64(const uint32_t word[4], double low, double high)
{
    const double half = 0.5 * high - 0.5 * low;
    const double v = low + 2 * (half * hy_unit64(word[0], word[1]));
    return v < high ? v : nextafter(high, low); /* the sum may round up to high */
}

/** Uniform in [low, high), as float; low and high are rounded to float first. */
HY_INLINE float hy_uniform32(const uint32_t word[4], double low, double high)
{
    const float first = (float)low, last = (float)high;
    const double half = 0.5 * last - 0.5 * first;
    const float v = (float)(first + 2 * (half * hy_unit32(word[0])));
    return v < last ? v : nextafterf(last, first);
}

/** Normal by Box and Muller's transform, the cosine branch (Annals of Mathematical Statistics 29, 1958), from u1 and u2 in [0, 1). */
HY_INLINE double hy_box_muller(double u1, double u2, double mean, double std)
{
    const double z = sqrt(-2 * log(1 - u1)) * cos(6.283185307179586 * u2);
    return mean + 2 * (0.5 * std * z);
}

HY_INLINE double hy_normal64(const uint32_t word[4], double mean, double std)
{
    return hy_box_muller(hy_unit64(word[0], word[1]), hy_unit64(word[2], word[3]), mean, std);
}

HY_INLINE float hy_normal32(const uint32_t word[4], double mean, double std)
{
    return (float)hy_box_muller(hy_unit32(word[0]), hy_unit32(word[1]), mean, std);
}

/** Uniform in [low, high), low < high; the difference may be any up to 2^64 - 1. */
HY_INLINE int64_t hy_random_integer(const uint32_t word[4], int64_t low, int64_t high)
{
    return (int64_t)((uint64_t)low + hy_below(word[0], word[1], (uint64_t)high - (uint64_t)low));
}

/** 1 with probability p, else 0. */
HY_INLINE int hy_bernoulli(const uint32_t word[4], double p)
{
    return hy_unit64(word[0], word[1]) < p;
}

#endif
