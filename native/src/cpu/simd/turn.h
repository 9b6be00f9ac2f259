/*
 * turn.h: 4 x 4 blocks turned in registers. A vector's lanes are taken four at a time, as quads: lane 4q + i of the vectors belongs to
 * the address at[4q + i], whose four neighbours are spread over the four vectors.
 */
#ifndef HY_CPU_TURN_H
#define HY_CPU_TURN_H

#include "cpu/simd/vector.h"

enum { HY_LANES_F32 = HY_VECTOR_BYTES / 4 };

typedef float hy_quad_f32 __attribute__((vector_size(16), aligned(4), may_alias));

/* Element i of the pair (a, b) of vectors, within quad q: 0 to 3 is of a, 4 to 7 of b. */
#define HY_OF_QUAD(q, i) ((i) < 4 ? 4 * (q) + (i) : HY_LANES_F32 + 4 * (q) + (i) - 4)
#define HY_QUAD_LANES(q, i, j, k, l) HY_OF_QUAD(q, i), HY_OF_QUAD(q, j), HY_OF_QUAD(q, k), HY_OF_QUAD(q, l)

/* The same choice of four lanes in every quad. */
#if HY_VECTOR_BYTES == 64
#define HY_SHUFFLE_QUADS(a, b, ...)                                                                                  \
    __builtin_shufflevector(a, b, HY_QUAD_LANES(0, __VA_ARGS__), HY_QUAD_LANES(1, __VA_ARGS__), HY_QUAD_LANES(2, __VA_ARGS__), \
                            HY_QUAD_LANES(3, __VA_ARGS__))
#elif HY_VECTOR_BYTES == 32
#define HY_SHUFFLE_QUADS(a, b, ...) __builtin_shufflevector(a, b, HY_QUAD_LANES(0, __VA_ARGS__), HY_QUAD_LANES(1, __VA_ARGS__))
#else
#define HY_SHUFFLE_QUADS(a, b, ...) __builtin_shufflevector(a, b, HY_QUAD_LANES(0, __VA_ARGS__))
#endif

/* Turns the 4 x 4 block of every quad; its own inverse. */
static inline __attribute__((always_inline)) void hy_turn_quads_f32(hy_vector_f32 v[4])
{
    hy_vector_f32 low01 = HY_SHUFFLE_QUADS(v[0], v[1], 0, 4, 1, 5), high01 = HY_SHUFFLE_QUADS(v[0], v[1], 2, 6, 3, 7);
    hy_vector_f32 low23 = HY_SHUFFLE_QUADS(v[2], v[3], 0, 4, 1, 5), high23 = HY_SHUFFLE_QUADS(v[2], v[3], 2, 6, 3, 7);
    v[0] = HY_SHUFFLE_QUADS(low01, low23, 0, 1, 4, 5);
    v[1] = HY_SHUFFLE_QUADS(low01, low23, 2, 3, 6, 7);
    v[2] = HY_SHUFFLE_QUADS(high01, high23, 0, 1, 4, 5);
    v[3] = HY_SHUFFLE_QUADS(high01, high23, 2, 3, 6, 7);
}

/** v[i] lane l = at[l][i], for i from 0 to 3. */
static inline __attribute__((always_inline)) void hy_gather_quads_f32(const float *const *at, hy_vector_f32 v[4])
{
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        hy_quad_f32 q0 = *(const hy_quad_f32 *)at[i];
#if HY_VECTOR_BYTES == 16
        v[i] = q0;
#else
        hy_quad_f32 q1 = *(const hy_quad_f32 *)at[4 + i];
#if HY_VECTOR_BYTES == 32
        v[i] = __builtin_shufflevector(q0, q1, 0, 1, 2, 3, 4, 5, 6, 7);
#else
        hy_quad_f32 q2 = *(const hy_quad_f32 *)at[8 + i], q3 = *(const hy_quad_f32 *)at[12 + i];
        typedef float octet __attribute__((vector_size(32)));
        octet low = __builtin_shufflevector(q0, q1, 0, 1, 2, 3, 4, 5, 6, 7), high = __builtin_shufflevector(q2, q3, 0, 1, 2, 3, 4, 5, 6, 7);
        v[i] = __builtin_shufflevector(low, high, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
#endif
#endif
    }
    hy_turn_quads_f32(v);
}

/** The four elements of lane l, as hy_gather_quads_f32 took them; v has been turned back by hy_turn_quads_f32. */
static inline __attribute__((always_inline)) hy_quad_f32 hy_quad_of_f32(const hy_vector_f32 v[4], int l)
{
    hy_quad_f32 quad;
    __builtin_memcpy(&quad, (const char *)&v[l % 4] + l / 4 * 16, sizeof quad);
    return quad;
}

#endif
