/* The functions that formulas of ops.def call, by the C library, in double: independent of those that the fast kernels use. */
#ifndef HY_CPU_REFERENCE_FUNCTIONS_H
#define HY_CPU_REFERENCE_FUNCTIONS_H

#include <math.h>

static inline double hy_floor(double x) { return floor(x); }
static inline double hy_ceil(double x) { return ceil(x); }
static inline double hy_round(double x) { return rint(x); }
static inline double hy_sqrt(double x) { return sqrt(x); }
static inline double hy_exp(double x) { return exp(x); }
static inline double hy_expm1(double x) { return expm1(x); }
static inline double hy_log(double x) { return log(x); }
static inline double hy_log1p(double x) { return log1p(x); }
static inline double hy_sin(double x) { return sin(x); }
static inline double hy_cos(double x) { return cos(x); }
static inline double hy_tanh(double x) { return tanh(x); }
static inline double hy_erf(double x) { return erf(x); }
static inline double hy_normal_cdf(double x) { return 0.5 * erfc(x * -0.70710678118654752); }
static inline double hy_softplus(double x) { return (x < 0 ? 0 : x) + log1p(exp(x < 0 ? x : -x)); }
static inline double hy_pow(double a, double b) { return pow(a, b); }
static inline double hy_sigmoid(double x) { return 1 / (1 + exp(-x)); }
static inline double hy_minimum(double a, double b) { return a < b || a != a ? a : b; }
static inline double hy_maximum(double a, double b) { return a > b || a != a ? a : b; }

#endif
