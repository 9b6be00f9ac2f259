/*
 * Philox 4x32-10, a counter-based random number generator: the same key and counter give the same four words on every device.
 * Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; multipliers and key increments from there.
 *
 * Every element of a tensor has a counter of its own, offset + i, and may use all four words of it. What is drawn from which word
 * is fixed here, so that every kernel draws the same:
 *   float32   uniform: word 0;          normal: u1 from word 0, u2 from word 1
 *   float64   uniform: words 0 and 1;   normal: u1 from words 0 and 1, u2 from words 2 and 3
 *   integers  words 0 and 1
 *   bernoulli words 0 and 1, as the float64 uniform, whatever the dtype of the result
 */
#ifndef HY_CORE_PHILOX_H
#define HY_CORE_PHILOX_H

#include <stdint.h>

#ifndef HY_INLINE
#  ifdef __CUDACC__
#    define HY_INLINE static inline __host__ __device__
#  else
#    define HY_INLINE static inline
#  endif
#endif

#define HY_PHILOX_ROUNDS 10
#define HY_PHILOX_KEY_STEP_0 0x9E3779B9u /* the golden ratio */
#define HY_PHILOX_KEY_STEP_1 0xBB67AE85u /* sqrt(3) - 1 */

/** One round over the counter's words, under the round's key. */
HY_INLINE void hy_philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3, uint32_t k0, uint32_t k1)
{
    uint64_t p0 = (uint64_t)0xD2511F53u * *c0, p1 = (uint64_t)0xCD9E8D57u * *c2;
    *c0 = (uint32_t)(p1 >> 32) ^ *c1 ^ k0;
    *c1 = (uint32_t)p1;
    *c2 = (uint32_t)(p0 >> 32) ^ *c3 ^ k1;
    *c3 = (uint32_t)p0;
}

/** The four words of the 128-bit counter (low, high) under the 64-bit key. */
HY_INLINE void hy_philox(uint64_t key, uint64_t low, uint64_t high, uint32_t word[4])
{
    uint32_t c0 = (uint32_t)low, c1 = (uint32_t)(low >> 32), c2 = (uint32_t)high, c3 = (uint32_t)(high >> 32);
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < HY_PHILOX_ROUNDS; round++) {
        hy_philox_round(&c0, &c1, &c2, &c3, k0, k1);
        k0 += HY_PHILOX_KEY_STEP_0;
        k1 += HY_PHILOX_KEY_STEP_1;
    }
    word[0] = c0;
    word[1] = c1;
    word[2] = c2;
    word[3] = c3;
}

/** A float in [0, 1) of 24 random bits. */
HY_INLINE float hy_unit32(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

/** A double in [0, 1) of 53 random bits. */
HY_INLINE double hy_unit64(uint32_t high, uint32_t low)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

/** An integer in [0, range), range above 0: the high half of bits * range. Its bias is below range / 2^64. */
HY_INLINE uint64_t hy_below(uint32_t high, uint32_t low, uint64_t range)
{
    uint64_t l = (uint64_t)low * (uint32_t)range, m1 = (uint64_t)high * (uint32_t)range, m2 = (uint64_t)low * (range >> 32);
    uint64_t middle = (l >> 32) + (uint32_t)m1 + (uint32_t)m2;
    return (uint64_t)high * (range >> 32) + (m1 >> 32) + (m2 >> 32) + (middle >> 32);
}

#endif
