/*
 * functions.h: the mathematical functions of ops.def, hy_exp and its like, for float and double: the same formula on every device.
 *
 * They are plain arithmetic without a branch (only ?:), so that compilers vectorise the loops that call them; each choice is between
 * values that were computed anyway. Bits are reached through memcpy, which costs nothing. They need no fast-math and fear only
 * reassociation: the constant `magic` rounds to an integer by x + magic - magic.
 * float is within 4 units in the last place over the whole range, double within 4 too; zeros keep their sign, infinities, NaN, overflow
 * and denormals come out right. Double precision sin, cos, erf and pow are libm's (CUDA's): those alone do not vectorise.
 *
 * In C, hy_exp(x) picks hy_expf_ or hy_exp_ by the type of x; in C++ and CUDA they are overloads.
 */
#ifndef HY_CORE_FUNCTIONS_H
#define HY_CORE_FUNCTIONS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define HY_FUNCTION static __host__ __device__ __forceinline__
#else
#define HY_FUNCTION static inline __attribute__((always_inline, unused))
#endif

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Bits, powers of two                                                                                                    */
/* ---------------------------------------------------------------------------------------------------------------------- */

HY_FUNCTION uint32_t hy_bitsf_(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

HY_FUNCTION uint64_t hy_bits_(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

HY_FUNCTION float hy_from_bitsf_(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

HY_FUNCTION double hy_from_bits_(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* 1.5 · 2^23 and 1.5 · 2^52: adding them leaves an integer in the low bits of the significand, whose upper bits are zero. */
#define HY_MAGICF 12582912.0f
#define HY_MAGIC 6755399441055744.0

HY_FUNCTION float hy_nearestf_(float x) { return (x + HY_MAGICF) - HY_MAGICF; }    /* for |x| < 2^22 */
HY_FUNCTION double hy_nearest_(double x) { return (x + HY_MAGIC) - HY_MAGIC; }     /* for |x| < 2^51 */

/* 2^n for an integer n from -126 to 127 (-1022 to 1023). */
HY_FUNCTION float hy_two_tof_(float n) { return hy_from_bitsf_((hy_bitsf_(n + HY_MAGICF) + 127) << 23); }
HY_FUNCTION double hy_two_to_(double n) { return hy_from_bits_((hy_bits_(n + HY_MAGIC) + 1023) << 52); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Rounding, roots, the larger and the smaller                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

HY_FUNCTION float hy_floorf_(float x) { return floorf(x); }
HY_FUNCTION double hy_floor_(double x) { return floor(x); }
HY_FUNCTION float hy_ceilf_(float x) { return ceilf(x); }
HY_FUNCTION double hy_ceil_(double x) { return ceil(x); }
HY_FUNCTION float hy_roundf_(float x) { return rintf(x); }
HY_FUNCTION double hy_round_(double x) { return rint(x); }
HY_FUNCTION float hy_sqrtf_(float x) { return sqrtf(x); }
HY_FUNCTION double hy_sqrt_(double x) { return sqrt(x); }

/* NaN wins, as in the rows of ops.def. */
HY_FUNCTION float hy_maximumf_(float a, float b) { return a > b || a != a ? a : b; }
HY_FUNCTION double hy_maximum_(double a, double b) { return a > b || a != a ? a : b; }
HY_FUNCTION float hy_minimumf_(float a, float b) { return a < b || a != a ? a : b; }
HY_FUNCTION double hy_minimum_(double a, double b) { return a < b || a != a ? a : b; }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Exponential: x = n·ln 2 + r with |r| <= ln 2 / 2, ln 2 in two parts (Cody and Waite, 1980), and Taylor's series for e^r  */
/* ---------------------------------------------------------------------------------------------------------------------- */

#define HY_LOG2E 1.4426950408889634

HY_FUNCTION float hy_exp_reducef_(float x, float n) { return x - n * 0.693359375f + n * 2.12194440e-4f; }
HY_FUNCTION double hy_exp_reduce_(double x, double n) { return x - n * 6.93147180369123816490e-01 - n * 1.90821492927058770002e-10; }

/* e^r - 1 = r + r² q(r). float: a minimax q of degree 4 (Remez's algorithm), 7e-9 off; double: the terms of Taylor's series up to r^13 / 13!,
 * which leave 0.1 unit in the last place. */
HY_FUNCTION float hy_exp_seriesf_(float r)
{
    float q = 0.00139012639058f;
    q = q * r + 0.0083631463074f;
    q = q * r + 0.0416668537038f;
    q = q * r + 0.166665772845f;
    q = q * r + 0.499999995522f;
    return r * r * q + r;
}

HY_FUNCTION double hy_exp_series_(double r)
{
    double q = 1.0 / 6227020800;
    q = q * r + 1.0 / 479001600;
    q = q * r + 1.0 / 39916800;
    q = q * r + 1.0 / 3628800;
    q = q * r + 1.0 / 362880;
    q = q * r + 1.0 / 40320;
    q = q * r + 1.0 / 5040;
    q = q * r + 1.0 / 720;
    q = q * r + 1.0 / 120;
    q = q * r + 1.0 / 24;
    q = q * r + 1.0 / 6;
    q = q * r + 0.5;
    return r + r * r * q;
}

/* e^x times 2^(m + magic - 1.5·2^23 - 127), for an integer m. Multiplied by a power of two and not added to the exponent, so that NaN
 * stays NaN. */
HY_FUNCTION float hy_exp_scaledf_(float x, float magic, uint32_t m)
{
    float t = x * (float)HY_LOG2E + magic; /* x·log2 e, rounded, in the low bits */
    float e = 1 + hy_exp_seriesf_(hy_exp_reducef_(x, t - magic));
    return e * hy_from_bitsf_((hy_bitsf_(t) + m) << 23);
}

/* The result may be denormal or overflow, so that 2^n takes two factors: 2^(n - 64) 2^64, or with the opposite signs below 0. Bits choose,
 * and not ?:, from which GCC would make a path for each case. Beyond the bound the result is 0 or infinite anyway. */
HY_FUNCTION float hy_expf_(float x)
{
    float a = fabsf(x);
    x = copysignf(a > 104 ? 104 : a, x);
    uint32_t m = (hy_bitsf_(x) >> 24) & 128;
    return hy_exp_scaledf_(x, HY_MAGICF + (127 - 64), m) * hy_from_bitsf_((127 + 64 - m) << 23);
}

/* The same for x <= 0. */
HY_FUNCTION float hy_exp_belowf_(float x)
{
    return hy_exp_scaledf_(x < -104 ? -104 : x, HY_MAGICF + (127 + 64), 0) * 0x1p-64f;
}

/* 2^n is applied in two halves, so that the result may be denormal or overflow. */
HY_FUNCTION double hy_exp_(double x)
{
    x = x > 710 ? 710 : x;
    x = x < -746 ? -746 : x;
    double n = hy_nearest_(x * HY_LOG2E);
    double half = hy_nearest_(n * 0.5);
    double e = 1 + hy_exp_series_(hy_exp_reduce_(x, n));
    return e * hy_two_to_(half) * hy_two_to_(n - half);
}

/* 2^n (e^r - 1) + (2^n - 1), computed at half its size because 2^128 (2^1024) overflows; x itself where nothing else would be left. */
HY_FUNCTION float hy_expm1f_(float x)
{
    float c = x > 89 ? 89 : x < -18 ? -18 : x;
    float n = hy_nearestf_(c * (float)HY_LOG2E);
    float s = hy_two_tof_(n - 1);
    float y = 2 * (s * hy_exp_seriesf_(hy_exp_reducef_(c, n)) + (s - 0.5f));
    return fabsf(x) < 1e-8f ? x : y;
}

HY_FUNCTION double hy_expm1_(double x)
{
    double c = x > 710 ? 710 : x < -40 ? -40 : x;
    double n = hy_nearest_(c * HY_LOG2E);
    double s = hy_two_to_(n - 1);
    double y = 2 * (s * hy_exp_series_(hy_exp_reduce_(c, n)) + (s - 0.5));
    return fabs(x) < 1e-17 ? x : y;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Logarithm: log(2^k (1 + f) + 2^k c) with √½ <= 1 + f < √2; the formula and its minimax coefficients are those of fdlibm     */
/* (Sun Microsystems, 1993; e_log.c, s_log1p.c and e_logf.c): s = f / (2 + f), log(1 + f) = f - f²/2 + s (f²/2 + R(s²))       */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* log(u) for a normal u > 0, plus k·ln 2 and a correction c to the logarithm that is within its last place. */
HY_FUNCTION float hy_log_reducedf_(float u, float c, float k)
{
    uint32_t bits = hy_bitsf_(u) + (0x3f800000 - 0x3f3504f3);
    k += hy_from_bitsf_((bits >> 23) | 0x4b000000) - (8388608.0f + 127);
    float f = hy_from_bitsf_((bits & 0x007fffff) + 0x3f3504f3) - 1;
    float s = f / (2 + f), z = s * s, half = 0.5f * f * f;
    float r = z * (0.66666662693f + z * (0.40000972152f + z * (0.28498786688f + z * 0.24279078841f)));
    return s * (half + r) + (k * 9.0580006145e-06f + c) - half + f + k * 6.9313812256e-01f;
}

HY_FUNCTION double hy_log_reduced_(double u, double c, double k)
{
    uint64_t bits = hy_bits_(u) + (0x3ff0000000000000 - 0x3fe6a09e667f3bcd);
    k += hy_from_bits_((bits >> 52) | 0x4330000000000000) - (4503599627370496.0 + 1023);
    double f = hy_from_bits_((bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd) - 1;
    double s = f / (2 + f), z = s * s, half = 0.5 * f * f;
    double r = 1.531383769920937332e-01 + z * 1.479819860511658591e-01;
    r = 2.222219843214978396e-01 + z * (1.818357216161805012e-01 + z * r);
    r = 6.666666666666735130e-01 + z * (3.999999999940941908e-01 + z * (2.857142874366239149e-01 + z * r));
    return s * (half + z * r) + (k * 1.90821492927058770002e-10 + c) - half + f + k * 6.93147180369123816490e-01;
}

HY_FUNCTION float hy_logf_(float x)
{
    float tiny = x < 1.17549435e-38f ? 1.0f : 0.0f; /* denormal: scaled by 2^25 */
    float y = hy_log_reducedf_(tiny != 0 ? x * 33554432.0f : x, 0, tiny * -25);
    y = x > 3.40282347e+38f ? x : y;
    y = x == 0 ? -HUGE_VALF : y;
    return x >= 0 ? y : (float)NAN;
}

HY_FUNCTION double hy_log_(double x)
{
    double tiny = x < 2.2250738585072014e-308 ? 1.0 : 0.0; /* denormal: scaled by 2^54 */
    double y = hy_log_reduced_(tiny != 0 ? x * 18014398509481984.0 : x, 0, tiny * -54);
    y = x > 1.7976931348623157e+308 ? x : y;
    y = x == 0 ? -HUGE_VAL : y;
    return x >= 0 ? y : (double)NAN;
}

/* u = 1 + x rounded, c what the rounding lost: log(u + c) = log(u) + c / u. */
HY_FUNCTION float hy_log1pf_(float x)
{
    float u = 1 + x;
    float c = x < 1 ? x - (u - 1) : 1 - (u - x);
    float y = hy_log_reducedf_(u, c / u, 0);
    y = x > 3.40282347e+38f ? x : y;
    y = x == 0 ? x : y;
    y = x == -1 ? -HUGE_VALF : y;
    return x >= -1 ? y : (float)NAN;
}

HY_FUNCTION double hy_log1p_(double x)
{
    double u = 1 + x;
    double c = x < 1 ? x - (u - 1) : 1 - (u - x);
    double y = hy_log_reduced_(u, c / u, 0);
    y = x > 1.7976931348623157e+308 ? x : y;
    y = x == 0 ? x : y;
    y = x == -1 ? -HUGE_VAL : y;
    return x >= -1 ? y : (double)NAN;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Hyperbolic tangent, logistic function, power                                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* (e^2x - 1) / (e^2x + 1) on |x|, which is 1 beyond the bound; e^2x - 1 = 2^n (e^r - 1) + (2^n - 1). */
HY_FUNCTION float hy_tanhf_(float x)
{
    float a = 2 * fabsf(x);
    a = a > 20 ? 20 : a;
    float t = a * (float)HY_LOG2E + HY_MAGICF;
    float s = hy_from_bitsf_((hy_bitsf_(t) + 127) << 23);
    float e = s * hy_exp_seriesf_(hy_exp_reducef_(a, t - HY_MAGICF)) + (s - 1);
    return copysignf(e / (e + 2), x);
}

HY_FUNCTION double hy_tanh_(double x)
{
    double a = fabs(x);
    double e = hy_expm1_(2 * (a > 20 ? 20 : a));
    return copysign(a < 1e-8 ? a : e / (e + 2), x);
}

HY_FUNCTION float hy_sigmoidf_(float x)
{
    float e = hy_exp_belowf_(-fabsf(x));
    return (x < 0 ? e : 1) / (1 + e);
}

HY_FUNCTION double hy_sigmoid_(double x)
{
    double e = hy_exp_(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

/* e^(b log |a|) in double precision, then the cases of C's Annex F that it misses. */
HY_FUNCTION float hy_powf_(float a, float b)
{
    float y = (float)hy_exp_((double)b * hy_log_((double)fabsf(a)));
    float sign = b == floorf(b) && 0.5f * b != floorf(0.5f * b) ? a : 1; /* that of a for an odd b */
    float outside = b == floorf(b) ? y : fabsf(a) < HUGE_VALF ? (float)NAN : y;
    y = copysignf(a < 0 ? outside : y, sign);
    y = fabsf(a) == 1 && fabsf(b) == HUGE_VALF ? 1 : y;
    return a == 1 || b == 0 ? 1 : y;
}

HY_FUNCTION double hy_pow_(double a, double b) { return pow(a, b); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Error function                                                                                                         */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* Below 0.875 x + x·P(x²), above 1 - e^(-Q(|x|)); P and Q are minimax polynomials (Remez's algorithm, weighted for the relative error of
 * erf: 2^-32 on [0, 0.875], 2^-29 on [0.875, 4]). erf(4) rounds to 1. */
HY_FUNCTION float hy_erff_(float x)
{
    float a = fabsf(x), z = x * x, t = a > 4 ? 4 : a;
    float p = 8.675392662749825e-5f;
    p = p * z - 0.00082111041619580585f;
    p = p * z + 0.005206747450051746f;
    p = p * z - 0.026861584712611885f;
    p = p * z + 0.11283733002832951f;
    p = p * z - 0.37612636065761062f;
    p = p * z + 0.1283791668693778f;
    float q = -0.0002009960639572455f;
    q = q * t + 0.0030922906363289059f;
    q = q * t - 0.022420212008136682f;
    q = q * t + 0.10432749352012452f;
    q = q * t + 0.63673724237945029f;
    q = q * t + 1.1279361198267771f;
    q = q * t + 0.00013357653236592392f;
    return a < 0.875f ? x + x * p : copysignf(1 - hy_exp_belowf_(-q), x);
}

HY_FUNCTION double hy_erf_(double x) { return erf(x); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Sine and cosine                                                                                                        */
/* ---------------------------------------------------------------------------------------------------------------------- */

#ifdef __CUDACC__

HY_FUNCTION float hy_sinf_(float x) { return sinf(x); }
HY_FUNCTION float hy_cosf_(float x) { return cosf(x); }

#else

#include "core/quarter_turns.h"

/* sin(|x| + quarters·π/2). |x| is m·2^e with a whole m below 2^24, and the table has the quarter turns of 2^e less whole turns, in two
 * parts of which m times the first is exact: so |x| is reduced exactly however large it is (the idea of Payne and Hanek, 1983). What
 * remains, at most π/4, goes into Taylor's series in double precision. The table's last entry turns infinities and NaN into NaN. */
HY_FUNCTION double hy_sine_of_quarters_(float x, uint64_t quarters)
{
    uint32_t bits = hy_bitsf_(x) & 0x7fffffff;
    int64_t e = (int64_t)(bits >> 23) - HY_QUARTER_TURNS_FIRST; /* 64 bits: then GCC vectorises the look-ups of double */
    e = e < 0 ? 0 : e;
    double m = (double)(int32_t)((bits & 0x007fffff) | 0x00800000);
    double t = m * hy_quarter_turns_high[e];
    double whole = t + HY_MAGIC;
    double r = ((t - (whole - HY_MAGIC)) + m * hy_quarter_turns_low[e]) * 1.5707963267948966, z = r * r;
    double s = r + r * z * (-1.0 / 6 + z * (1.0 / 120 + z * (-1.0 / 5040 + z * (1.0 / 362880))));
    double c = 1 + z * (-0.5 + z * (1.0 / 24 + z * (-1.0 / 720 + z * (1.0 / 40320 + z * (-1.0 / 3628800)))));
    uint64_t quadrant = hy_bits_(whole) + quarters;
    double y = (quadrant & 1) != 0 ? c : s;
    return (quadrant & 2) != 0 ? -y : y;
}

HY_FUNCTION float hy_sinf_(float x)
{
    float y = (float)hy_sine_of_quarters_(x, 0);
    return fabsf(x) < 2e-4f ? x : x < 0 ? -y : y;
}

HY_FUNCTION float hy_cosf_(float x) { return (float)hy_sine_of_quarters_(x, 1); }

#endif

HY_FUNCTION double hy_sin_(double x) { return sin(x); }
HY_FUNCTION double hy_cos_(double x) { return cos(x); }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* One name for both types                                                                                                */
/* ---------------------------------------------------------------------------------------------------------------------- */

#ifdef __cplusplus

HY_FUNCTION float hy_exp(float x) { return hy_expf_(x); }
HY_FUNCTION double hy_exp(double x) { return hy_exp_(x); }
HY_FUNCTION float hy_expm1(float x) { return hy_expm1f_(x); }
HY_FUNCTION double hy_expm1(double x) { return hy_expm1_(x); }
HY_FUNCTION float hy_log(float x) { return hy_logf_(x); }
HY_FUNCTION double hy_log(double x) { return hy_log_(x); }
HY_FUNCTION float hy_log1p(float x) { return hy_log1pf_(x); }
HY_FUNCTION double hy_log1p(double x) { return hy_log1p_(x); }
HY_FUNCTION float hy_sqrt(float x) { return hy_sqrtf_(x); }
HY_FUNCTION double hy_sqrt(double x) { return hy_sqrt_(x); }
HY_FUNCTION float hy_sin(float x) { return hy_sinf_(x); }
HY_FUNCTION double hy_sin(double x) { return hy_sin_(x); }
HY_FUNCTION float hy_cos(float x) { return hy_cosf_(x); }
HY_FUNCTION double hy_cos(double x) { return hy_cos_(x); }
HY_FUNCTION float hy_tanh(float x) { return hy_tanhf_(x); }
HY_FUNCTION double hy_tanh(double x) { return hy_tanh_(x); }
HY_FUNCTION float hy_erf(float x) { return hy_erff_(x); }
HY_FUNCTION double hy_erf(double x) { return hy_erf_(x); }
HY_FUNCTION float hy_sigmoid(float x) { return hy_sigmoidf_(x); }
HY_FUNCTION double hy_sigmoid(double x) { return hy_sigmoid_(x); }
HY_FUNCTION float hy_floor(float x) { return hy_floorf_(x); }
HY_FUNCTION double hy_floor(double x) { return hy_floor_(x); }
HY_FUNCTION float hy_ceil(float x) { return hy_ceilf_(x); }
HY_FUNCTION double hy_ceil(double x) { return hy_ceil_(x); }
HY_FUNCTION float hy_round(float x) { return hy_roundf_(x); }
HY_FUNCTION double hy_round(double x) { return hy_round_(x); }
HY_FUNCTION float hy_pow(float a, float b) { return hy_powf_(a, b); }
HY_FUNCTION double hy_pow(double a, double b) { return hy_pow_(a, b); }
HY_FUNCTION float hy_minimum(float a, float b) { return hy_minimumf_(a, b); }
HY_FUNCTION double hy_minimum(double a, double b) { return hy_minimum_(a, b); }
HY_FUNCTION float hy_maximum(float a, float b) { return hy_maximumf_(a, b); }
HY_FUNCTION double hy_maximum(double a, double b) { return hy_maximum_(a, b); }

#else

#define hy_exp(x) _Generic((x), float: hy_expf_, double: hy_exp_)(x)
#define hy_expm1(x) _Generic((x), float: hy_expm1f_, double: hy_expm1_)(x)
#define hy_log(x) _Generic((x), float: hy_logf_, double: hy_log_)(x)
#define hy_log1p(x) _Generic((x), float: hy_log1pf_, double: hy_log1p_)(x)
#define hy_sqrt(x) _Generic((x), float: hy_sqrtf_, double: hy_sqrt_)(x)
#define hy_sin(x) _Generic((x), float: hy_sinf_, double: hy_sin_)(x)
#define hy_cos(x) _Generic((x), float: hy_cosf_, double: hy_cos_)(x)
#define hy_tanh(x) _Generic((x), float: hy_tanhf_, double: hy_tanh_)(x)
#define hy_erf(x) _Generic((x), float: hy_erff_, double: hy_erf_)(x)
#define hy_sigmoid(x) _Generic((x), float: hy_sigmoidf_, double: hy_sigmoid_)(x)
#define hy_floor(x) _Generic((x), float: hy_floorf_, double: hy_floor_)(x)
#define hy_ceil(x) _Generic((x), float: hy_ceilf_, double: hy_ceil_)(x)
#define hy_round(x) _Generic((x), float: hy_roundf_, double: hy_round_)(x)
#define hy_pow(a, b) _Generic((a), float: hy_powf_, double: hy_pow_)(a, b)
#define hy_minimum(a, b) _Generic((a), float: hy_minimumf_, double: hy_minimum_)(a, b)
#define hy_maximum(a, b) _Generic((a), float: hy_maximumf_, double: hy_maximum_)(a, b)

#endif

#endif
