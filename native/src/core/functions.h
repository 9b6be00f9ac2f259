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
/* Bits                                                                                                                   */
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

/* 1.5 · 2^23 and 1.5 · 2^52: adding them leaves an integer in the low bits of the significand, whose upper bits are zero: x + magic - magic
 * rounds x, and those bits, shifted, are an exponent field. */
#define HY_MAGICF 12582912.0f
#define HY_MAGIC 6755399441055744.0

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

/* Bounds for values to be clamped to. They are objects that no compiler sees through: from x > 104 ? 104 : x GCC makes a path of its own
 * for the constant, and so of one minimum a comparison, a choice and what the rest of the function makes of 104. core/functions.c defines
 * them. */
#if defined(__CUDACC__)
#define HY_BOUND(type, name, value) static constexpr type name = value;
#elif defined(HY_DEFINE_BOUNDS)
#define HY_BOUND(type, name, value) extern const type name; const type name = value;
#else
#define HY_BOUND(type, name, value) extern const type name __attribute__((visibility("hidden")));
#endif

HY_BOUND(float, hy_bound_expf_, 104.0f)   /* e^x overflows above, and is below half of the smallest denormal under -x */
HY_BOUND(float, hy_bound_minus_expf_, -104.0f)
HY_BOUND(double, hy_bound_exp_, 746.0)
HY_BOUND(double, hy_bound_minus_exp_, -746.0)
HY_BOUND(double, hy_bound_exp2_, 160.0)   /* the same for 2^x in float */
HY_BOUND(double, hy_bound_minus_exp2_, -160.0)
HY_BOUND(float, hy_bound_expm1f_, 89.0f)  /* the same for e^x - 1, which is -1 from -18 (-40) down */
HY_BOUND(float, hy_bound_minus_expm1f_, -18.0f)
HY_BOUND(double, hy_bound_expm1_, 710.0)
HY_BOUND(double, hy_bound_minus_expm1_, -40.0)
HY_BOUND(float, hy_bound_zerof_, 0.0f)
HY_BOUND(double, hy_bound_zero_, 0.0)
HY_BOUND(float, hy_bound_tanhf_, 10.0f)   /* tanh, erf round to 1 from there on */
HY_BOUND(float, hy_bound_erff_, 3.93f)
HY_BOUND(float, hy_bound_cdff_, 12.93f)   /* see hy_normal_cdff_ */

/* x, but at most or at least the bound; NaN stays NaN. */
HY_FUNCTION float hy_at_mostf_(float x, float bound) { return x > bound ? bound : x; }
HY_FUNCTION double hy_at_most_(double x, double bound) { return x > bound ? bound : x; }
HY_FUNCTION float hy_at_leastf_(float x, float bound) { return x < bound ? bound : x; }
HY_FUNCTION double hy_at_least_(double x, double bound) { return x < bound ? bound : x; }

/* The size of y >= 0 with the sign of x. */
HY_FUNCTION float hy_with_sign_off_(float y, float x) { return hy_from_bitsf_(hy_bitsf_(y) | (hy_bitsf_(x) & 0x80000000)); }

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

/* e^r - 1 = r + r² q(r). float: a minimax q of degree 4 (Remez's algorithm), 7e-9 off; double: the terms of Taylor's series up to
 * r^13 / 13!, which leave 0.1 unit in the last place. A vector's chain of dependent operations bounds loops over these functions before
 * their number does, so q is summed in two halves (Estrin, 1960). */
HY_FUNCTION float hy_exp_quotientf_(float r, float squared)
{
    float high = 0.0083631463074f * r + 0.0416668537038f, low = 0.166665772845f * r + 0.499999995522f;
    return (0.00139012639058f * squared + high) * squared + low;
}

HY_FUNCTION float hy_exp_seriesf_(float r) { return r * r * hy_exp_quotientf_(r, r * r) + r; }
HY_FUNCTION float hy_exp_sumf_(float r) { return r * r * hy_exp_quotientf_(r, r * r) + (1 + r); } /* e^r */

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

/* The result may be denormal or overflow, so that 2^n is applied in two halves. The constant that rounds x·log2 e brings both exponents'
 * biases along: the low bits are n + 254, the exponent fields of the halves that sum's halves. Multiplied and not added to the exponent,
 * so that NaN stays NaN. */
HY_FUNCTION float hy_expf_(float x)
{
    const float magic = HY_MAGICF + 254;
    x = hy_at_leastf_(hy_at_mostf_(x, hy_bound_expf_), hy_bound_minus_expf_);
    float t = x * (float)HY_LOG2E + magic;
    uint32_t bits = hy_bitsf_(t), half = bits >> 1;
    return hy_exp_sumf_(hy_exp_reducef_(x, t - magic)) * hy_from_bitsf_(half << 23) * hy_from_bitsf_((bits - half) << 23);
}

HY_FUNCTION double hy_exp_(double x)
{
    const double magic = HY_MAGIC + 2046;
    x = hy_at_least_(hy_at_most_(x, hy_bound_exp_), hy_bound_minus_exp_);
    double t = x * HY_LOG2E + magic;
    uint64_t bits = hy_bits_(t), half = bits >> 1;
    return (1 + hy_exp_series_(hy_exp_reduce_(x, t - magic))) * hy_from_bits_(half << 52) * hy_from_bits_((bits - half) << 52);
}

/* e^x · 2^64 (2^512) for x <= 0, of which none is denormal: for whoever multiplies the result anyway. */
#define HY_EXP_BELOW_SCALEF 0x1p64f
#define HY_EXP_BELOW_SCALE 0x1p512

HY_FUNCTION float hy_exp_belowf_(float x)
{
    const float magic = HY_MAGICF + (127 + 64);
    x = hy_at_leastf_(x, hy_bound_minus_expf_);
    float t = x * (float)HY_LOG2E + magic;
    return hy_exp_sumf_(hy_exp_reducef_(x, t - magic)) * hy_from_bitsf_(hy_bitsf_(t) << 23);
}

HY_FUNCTION double hy_exp_below_(double x)
{
    const double magic = HY_MAGIC + (1023 + 512);
    x = hy_at_least_(x, hy_bound_minus_exp_);
    double t = x * HY_LOG2E + magic;
    return (1 + hy_exp_series_(hy_exp_reduce_(x, t - magic))) * hy_from_bits_(hy_bits_(t) << 52);
}

/* 2^n (e^r - 1) + (2^n - 1), computed at half its size because 2^128 (2^1024) overflows; x itself where nothing else would be left. */
HY_FUNCTION float hy_expm1f_(float x)
{
    const float magic = HY_MAGICF + 126;
    float c = hy_at_leastf_(hy_at_mostf_(x, hy_bound_expm1f_), hy_bound_minus_expm1f_);
    float t = c * (float)HY_LOG2E + magic;
    float s = hy_from_bitsf_(hy_bitsf_(t) << 23);
    float y = 2 * (s * hy_exp_seriesf_(hy_exp_reducef_(c, t - magic)) + (s - 0.5f));
    return fabsf(x) < 1e-8f ? x : y;
}

HY_FUNCTION double hy_expm1_(double x)
{
    const double magic = HY_MAGIC + 1022;
    double c = hy_at_least_(hy_at_most_(x, hy_bound_expm1_), hy_bound_minus_expm1_);
    double t = c * HY_LOG2E + magic;
    double s = hy_from_bits_(hy_bits_(t) << 52);
    double y = 2 * (s * hy_exp_series_(hy_exp_reduce_(c, t - magic)) + (s - 0.5));
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
/* Hyperbolic tangent, logistic function, softplus, power                                                                 */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* (e^2x - 1) / (e^2x + 1) on |x|, which is 1 beyond the bound; 2|x| = n·ln 2 + 2r, e^2x - 1 = 2^n (e^2r - 1) + (2^n - 1). One step reduces
 * 2|x|: where n is large, the result hardly depends on r. */
HY_FUNCTION float hy_tanhf_(float x)
{
    const float magic = HY_MAGICF + 127;
    float a = hy_at_mostf_(fabsf(x), hy_bound_tanhf_);
    float t = a * (float)(2 * HY_LOG2E) + magic;
    float s = hy_from_bitsf_(hy_bitsf_(t) << 23);
    float r = a - (t - magic) * 0.34657359f;
    float e = s * hy_exp_seriesf_(r + r) + (s - 1);
    return hy_with_sign_off_(e / (e + 2), x);
}

HY_FUNCTION double hy_tanh_(double x)
{
    double a = fabs(x);
    double e = hy_expm1_(2 * (a > 20 ? 20 : a));
    return copysign(a < 1e-8 ? a : e / (e + 2), x);
}

/* e^x / (e^x + 1), both divided by 2^(n - m) with m about n/2, so that neither side overflows or is denormal: u / (u - v) with
 * u = 4 e^r 2^m and v = -4 · 2^(m - n). The 4 and the sign are what the bits of hy_exp's halves leave of themselves. */
HY_FUNCTION float hy_sigmoidf_(float x)
{
    const float magic = HY_MAGICF + 254;
    x = hy_at_leastf_(hy_at_mostf_(x, hy_bound_expf_), hy_bound_minus_expf_);
    float t = x * (float)HY_LOG2E + magic;
    uint32_t bits = hy_bitsf_(t), half = bits >> 1;
    float u = 4 * hy_exp_sumf_(hy_exp_reducef_(x, t - magic)) * hy_from_bitsf_(half << 23);
    return u / (u - hy_from_bitsf_((half - bits) << 23));
}

HY_FUNCTION double hy_sigmoid_(double x)
{
    const double magic = HY_MAGIC + 2046;
    x = hy_at_least_(hy_at_most_(x, hy_bound_exp_), hy_bound_minus_exp_);
    double t = x * HY_LOG2E + magic;
    uint64_t bits = hy_bits_(t), half = bits >> 1;
    double u = 4 * (1 + hy_exp_series_(hy_exp_reduce_(x, t - magic))) * hy_from_bits_(half << 52);
    return u / (u - hy_from_bits_((half - bits) << 52));
}

/* log(1 + e^x) = max(0, x) + log(1 + e^-|x|), the latter as in hy_log1pf_ without the cases that can't come: u is in [1, 2],
 * where 1.5 - u/2 is as good as 1 / u for what multiplies a rounding error. */
HY_FUNCTION float hy_softplusf_(float x)
{
    float e = hy_expf_(-fabsf(x)), u = 1 + e;
    return hy_at_leastf_(x, hy_bound_zerof_) + hy_log_reducedf_(u, (e - (u - 1)) * (1.5f - 0.5f * u), 0);
}

HY_FUNCTION double hy_softplus_(double x)
{
    double e = hy_exp_(-fabs(x)), u = 1 + e;
    return hy_at_least_(x, hy_bound_zero_) + hy_log_reduced_(u, (e - (u - 1)) * (1.5 - 0.5 * u), 0);
}

/* (2^f - 1) / f for |f| <= ½: minimax, 1.3e-8 off; summed in pairs for a shorter chain. */
HY_FUNCTION float hy_exp2_quotientf_(float f)
{
    float squared = f * f;
    float high = 0.0001538244833f * f + 0.00133873953f, middle = 0.009618310258f * f + 0.05550367385f;
    float low = 0.2402264923f * f + 0.6931471825f;
    return (high * squared + middle) * squared + low;
}

/* log2 |a| = k + log2 m with √½ <= m < √2, from atanh's odd series in s = (m - 1) / (m + 1): in double precision, because the exponent b
 * multiplies its error; the polynomial of s² interpolates at Chebyshev's nodes and is 4.3e-12 off. The infinite logarithms are k's. */
HY_FUNCTION double hy_log2_sizef_(float a)
{
    float size = fabsf(a), tiny = size < 1.17549435e-38f ? 1.0f : 0.0f; /* denormal: scaled by 2^25 */
    uint32_t bits = hy_bitsf_(tiny != 0 ? size * 33554432.0f : size) + (0x3f800000 - 0x3f3504f3);
    float k = hy_from_bitsf_((bits >> 23) | 0x4b000000) - (8388608.0f + 127) - tiny * 25;
    k = size == 0 ? -HUGE_VALF : k;
    k = size < HUGE_VALF ? k : size;
    double m = (double)hy_from_bitsf_((bits & 0x007fffff) + 0x3f3504f3), r = (double)(1 / (float)(m + 1));
    double s = (m - 1) * (r * (2 - (m + 1) * r)), z = s * s; /* a step of Newton's doubles the digits of r */
    double low = 0.9617966734515485 + z * 0.5770835660048659, high = 0.41167376623771057 + z * 0.3407120415619086;
    return k + s * (2.885390081789987 + z * (low + z * z * high));
}

/* 2^(b log2 |a|), of whose exponent the whole part is split off in double precision; then the cases of C's Annex F that it misses. */
HY_FUNCTION float hy_powf_(float a, float b)
{
    const double magic = HY_MAGIC + 254;
    double exponent = hy_at_least_(hy_at_most_((double)b * hy_log2_sizef_(a), hy_bound_exp2_), hy_bound_minus_exp2_);
    double t = exponent + magic;
    float f = (float)(exponent - (t - magic));
    uint32_t bits = (uint32_t)hy_bits_(t), half = bits >> 1;
    float y = (hy_exp2_quotientf_(f) * f + 1) * hy_from_bitsf_(half << 23) * hy_from_bitsf_((bits - half) << 23);
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

/* erf and the normal distribution's function Φ are 1 - 2^q and 2^q (below 0), where q, the logarithm of what is missing to 1, is nearly a
 * parabola: minimax polynomials of |x| (Lawson's algorithm, 1961, in 25 digits), their even and odd powers apart. q splits into n + f
 * without an error. */

/* erf: q = |x|·S(|x|) of degree 8, so that 1 - 2^q keeps its relative exactness at 0: 3.7e-8 off. The result is
 * within 3.4 units in the last place. */
HY_FUNCTION float hy_erff_(float x)
{
    const float magic = HY_MAGICF + 127;
    float a = hy_at_mostf_(fabsf(x), hy_bound_erff_), z = a * a;
    float even = 0.0005573826493f * z - 0.0002650730021f, odd = -5.975963359e-5f * z - 0.001828217995f;
    even = even * z - 0.148321569f, odd = odd * z + 0.02785219811f;
    even = even * z - 1.627907038f, odd = odd * z - 0.9184446931f;
    float q = (odd * a + even) * a, t = q + magic, f = q - (t - magic);
    float s = hy_from_bitsf_(hy_bitsf_(t) << 23);
    float p = 0.0001538244833f * f + 0.00133873953f; /* (2^f - 1) / f as above, but its roundings matter more here than the chain */
    p = p * f + 0.009618310258f;
    p = p * f + 0.05550367385f;
    p = p * f + 0.2402264923f;
    p = p * f + 0.6931471825f;
    return hy_with_sign_off_((1 - s) - s * (p * f), x);
}

HY_FUNCTION double hy_erf_(double x) { return erf(x); }

/* Φ: q of degree 8, fitted for the absolute error: 0.7e-7, with the roundings 1.6e-7, 2.6 units in the last place above 0. Below, the
 * relative error grows from 3e-7 to 2e-5 at -3 and 0.7 % at -5, where 0.5 (1 + erf) in float would have one digit left. At the bound, where
 * Φ is about the smallest number, 2^n becomes 0, and so does Φ. */
HY_FUNCTION float hy_normal_cdff_(float x)
{
    const float magic = HY_MAGICF + 127;
    float a = hy_at_mostf_(fabsf(x), hy_bound_cdff_), z = a * a;
    float even = -3.190147962e-7f * z - 3.124011403e-5f, odd = 7.40389333e-6f * z - 0.0005048583153f;
    even = even * z + 0.007518190696f, odd = odd * z - 0.05278090716f;
    even = even * z - 0.4591282436f, odd = odd * z - 1.151112396f;
    even = even * z - 1;
    float q = odd * a + even, t = q + magic, f = q - (t - magic);
    float s = hy_from_bitsf_(hy_bitsf_(t) << 23), w = hy_exp2_quotientf_(f) * (f * s) + s;
    return x < 0 ? w : 1 - w;
}

HY_FUNCTION double hy_normal_cdf_(double x) { return 0.5 * erfc(x * -0.70710678118654752); }

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

/* Near numbers, |x| <= HY_NEAR_SINEF, take a fifth of the time. There are at most 4095 quarter turns n, so that their products with the first three
 * parts of π/2, of 12 bits at most, are exact (Cody and Waite, 1980), and what remains is x less n·π/2 but for its own last places, however near
 * to 0. The polynomials are those of Cephes (Moshier, 1992; sinf.c). Far numbers give anything. sin(x + quarters·π/2) for x >= 0: */
#define HY_NEAR_SINEF 6400.0f

HY_FUNCTION float hy_sine_of_quarters_nearf_(float x, uint32_t quarters)
{
    float t = x * 0.636619772f + HY_MAGICF, n = t - HY_MAGICF;
    float r = x - n * 0x1.922p+0f - n * -0x1.2ap-18f - n * -0x1.ddep-27f - n * -0x1.2e7b96p-40f, z = r * r;
    float s = r + r * z * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f));
    float c = 1 + z * (-0.5f + z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f)));
    uint32_t quadrant = hy_bitsf_(t) + quarters;
    return hy_from_bitsf_(hy_bitsf_((quadrant & 1) != 0 ? c : s) ^ (quadrant & 2) << 30);
}

HY_FUNCTION float hy_sin_nearf_(float x)
{
    return hy_from_bitsf_(hy_bitsf_(hy_sine_of_quarters_nearf_(fabsf(x), 0)) ^ (hy_bitsf_(x) & 0x80000000));
}

HY_FUNCTION float hy_cos_nearf_(float x) { return hy_sine_of_quarters_nearf_(fabsf(x), 1); }

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
HY_FUNCTION float hy_normal_cdf(float x) { return hy_normal_cdff_(x); }
HY_FUNCTION double hy_normal_cdf(double x) { return hy_normal_cdf_(x); }
HY_FUNCTION float hy_softplus(float x) { return hy_softplusf_(x); }
HY_FUNCTION double hy_softplus(double x) { return hy_softplus_(x); }
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
#define hy_normal_cdf(x) _Generic((x), float: hy_normal_cdff_, double: hy_normal_cdf_)(x)
#define hy_exp_below(x) _Generic((x), float: hy_exp_belowf_, double: hy_exp_below_)(x)
#define hy_softplus(x) _Generic((x), float: hy_softplusf_, double: hy_softplus_)(x)
#define hy_sigmoid(x) _Generic((x), float: hy_sigmoidf_, double: hy_sigmoid_)(x)
#define hy_floor(x) _Generic((x), float: hy_floorf_, double: hy_floor_)(x)
#define hy_ceil(x) _Generic((x), float: hy_ceilf_, double: hy_ceil_)(x)
#define hy_round(x) _Generic((x), float: hy_roundf_, double: hy_round_)(x)
#define hy_pow(a, b) _Generic((a), float: hy_powf_, double: hy_pow_)(a, b)
#define hy_minimum(a, b) _Generic((a), float: hy_minimumf_, double: hy_minimum_)(a, b)
#define hy_maximum(a, b) _Generic((a), float: hy_maximumf_, double: hy_maximum_)(a, b)

#endif

#endif
