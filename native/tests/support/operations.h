// What tests need of the rows of ops.def: name, dtypes, what a derivative reads, the domain, and how exact a kernel must be.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "hybrid/hybrid.h"

namespace hybrid::testing {

enum Dtypes { FLOAT, ANY };
enum Reads { NONE = 0, INPUT = 1, OUTPUT = 2, BOTH = 3, INPUTS = 3 };

struct Interval {
    double low, high;
};

struct UnaryRow {
    std::string name;
    Dtypes dtypes;
    double parameter;
    Reads reads;
    Interval x;
};

struct BinaryRow {
    std::string name;
    Dtypes dtypes;
    Reads reads;
    Interval a, b;
};

inline const std::vector<UnaryRow> unary_rows = {
#define NO_PARAM 0.0
#define PARAM(name, value) value
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) {#name, dtypes, param, reads, {low, high}},
#include "hybrid/ops.def"
#undef NO_PARAM
#undef PARAM
};

inline const std::vector<BinaryRow> binary_rows = {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    {#name, dtypes, reads, {low_a, high_a}, {low_b, high_b}},
#include "hybrid/ops.def"
};

inline const std::vector<std::string> compare_rows = {
#define HY_COMPARE(name, condition, doc) #name,
#include "hybrid/ops.def"
};

/// A bound on a kernel's error: `ulps` units in the last place of the result, and `absolute` epsilons where the formula cancels.
struct Exactness {
    double ulps, absolute;
    double denormal = 1; // what multiplies a factor that may be denormal, whose last place is then coarse
};

inline bool is_one_of(const std::string &name, const std::vector<std::string> &names)
{
    for (const std::string &n : names)
        if (n == name) return true;
    return false;
}

/// Forward: at most one rounding is exact; a function of functions.h is within 4 ulp, and so are short formulas of one.
inline Exactness exactness(const UnaryRow &row, double x)
{
    if (is_one_of(row.name, {"neg", "abs", "sign", "floor", "ceil", "round", "square", "sqrt", "reciprocal", "relu", "leaky_relu"}))
        return {0, 0};
    if (row.name == "gelu") return {4, 4 * std::fabs(x)}; // 1 + erf cancels below 0
    if (row.name == "silu") return {6, 0, 1 + std::fabs(x)};
    if (is_one_of(row.name, {"softplus", "elu"})) return {6, 0};
    return {4, 0};
}

/// Derivative: `1 - y²` and its like cancel, so their error is measured against g; e^(-x²) multiplies that of its argument.
inline Exactness derivative_exactness(const UnaryRow &row, double x, double g)
{
    const double size = std::fabs(g);
    if (is_one_of(row.name, {"neg", "abs", "sign", "floor", "ceil", "round", "relu", "leaky_relu"})) return {0, 0};
    if (row.name == "tanh") return {4, 4 * size};
    if (is_one_of(row.name, {"gelu", "silu"})) return {6 + x * x, 8 * size * (1 + std::fabs(x))};
    if (row.name == "erf") return {6 + x * x, 0};
    return {8, 0};
}

inline Exactness exactness(const BinaryRow &row) { return row.name == "pow" ? Exactness{4, 0} : Exactness{0, 0}; }

/// b - 1 in the exponent of pow's derivative loses up to half its last place, which log a multiplies.
inline Exactness derivative_exactness(const BinaryRow &row) { return row.name == "pow" ? Exactness{16, 0} : Exactness{6, 0}; }

} // namespace hybrid::testing
