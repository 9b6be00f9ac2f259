/* The matrices Bᵀ, G and Aᵀ of Lavin & Gray, each applied to one line of a tile; for the weight's gradient, G and Aᵀ transposed, too. */
#ifndef HY_CPU_WINOGRAD_LINES_H
#define HY_CPU_WINOGRAD_LINES_H

#include "cpu/simd/vector.h"

typedef hy_vector_f32 vec;

/* ---- F(2 x 2, 3 x 3): points 0, 1, -1 and infinity ---- */

static inline __attribute__((always_inline)) void input_line_2(const vec d[4], vec o[4])
{
    o[0] = d[0] - d[2];
    o[1] = d[1] + d[2];
    o[2] = d[2] - d[1];
    o[3] = d[1] - d[3];
}

static inline __attribute__((always_inline)) void weight_line_2(const vec g[3], vec o[4])
{
    vec even = (g[0] + g[2]) * 0.5f, odd = g[1] * 0.5f;
    o[0] = g[0];
    o[1] = even + odd;
    o[2] = even - odd;
    o[3] = g[2];
}

static inline __attribute__((always_inline)) void output_line_2(const vec m[4], vec y[2])
{
    y[0] = m[0] + m[1] + m[2];
    y[1] = m[1] - m[2] - m[3];
}

/* ---- F(4 x 4, 3 x 3): points 0, ±5/8, ±3/2 and infinity ----
 * Toom and Cook's construction with two pairs ±a and ±b: Lavin & Gray take 1 and 2, whose powers are easy to write but far apart.
 * 5/8 and 3/2 lose a quarter as much (Alam et al., Winograd Convolution for Deep Neural Networks: Efficient Point Selection, 2022,
 * look for such points), and a², b², a²b² and a² + b² are exact. */

#define A 0.625f
#define B 1.5f
#define NORM_A (1 / (2 * A * A * (A * A - B * B)))
#define NORM_B (1 / (2 * B * B * (B * B - A * A)))

static inline __attribute__((always_inline)) void input_line_4(const vec d[6], vec o[6])
{
    vec even_a = d[4] - B * B * d[2], odd_a = d[3] - B * B * d[1];
    vec even_b = d[4] - A * A * d[2], odd_b = d[3] - A * A * d[1];
    o[0] = A * A * B * B * d[0] + (d[4] - (A * A + B * B) * d[2]);
    o[1] = even_a + A * odd_a;
    o[2] = even_a - A * odd_a;
    o[3] = even_b + B * odd_b;
    o[4] = even_b - B * odd_b;
    o[5] = A * A * B * B * d[1] + (d[5] - (A * A + B * B) * d[3]);
}

static inline __attribute__((always_inline)) void weight_line_4(const vec g[3], vec o[6])
{
    vec even_a = NORM_A * g[0] + NORM_A * A * A * g[2], odd_a = NORM_A * A * g[1];
    vec even_b = NORM_B * g[0] + NORM_B * B * B * g[2], odd_b = NORM_B * B * g[1];
    o[0] = 1 / (A * A * B * B) * g[0];
    o[1] = even_a + odd_a;
    o[2] = even_a - odd_a;
    o[3] = even_b + odd_b;
    o[4] = even_b - odd_b;
    o[5] = g[2];
}

static inline __attribute__((always_inline)) void output_line_4(const vec m[6], vec y[4])
{
    vec even_a = m[1] + m[2], odd_a = m[1] - m[2], even_b = m[3] + m[4], odd_b = m[3] - m[4];
    y[0] = m[0] + even_a + even_b;
    y[1] = A * odd_a + B * odd_b;
    y[2] = A * A * even_a + B * B * even_b;
    y[3] = A * A * A * odd_a + (B * B * B * odd_b + m[5]);
}

/* A y: four gradients of outputs to the frequencies. */
static inline __attribute__((always_inline)) void output_grad_line_4(const vec y[4], vec m[6])
{
    vec even_a = y[0] + A * A * y[2], odd_a = A * y[1] + A * A * A * y[3];
    vec even_b = y[0] + B * B * y[2], odd_b = B * y[1] + B * B * B * y[3];
    m[0] = y[0];
    m[1] = even_a + odd_a;
    m[2] = even_a - odd_a;
    m[3] = even_b + odd_b;
    m[4] = even_b - odd_b;
    m[5] = y[3];
}

/* Gᵀ o: back to three weights. */
static inline __attribute__((always_inline)) void weight_grad_line_4(const vec o[6], vec g[3])
{
    vec even_a = NORM_A * (o[1] + o[2]), odd_a = NORM_A * A * (o[1] - o[2]);
    vec even_b = NORM_B * (o[3] + o[4]), odd_b = NORM_B * B * (o[3] - o[4]);
    g[0] = 1 / (A * A * B * B) * o[0] + (even_a + even_b);
    g[1] = odd_a + odd_b;
    g[2] = A * A * even_a + (B * B * even_b + o[5]);
}

#undef A
#undef B
#undef NORM_A
#undef NORM_B

#endif
