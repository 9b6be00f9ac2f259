// Elementwise kernels against the reference: every row of ops.def, dtype and layout, special values, broadcasting, in place.
#include "support/operations.h"
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
const std::vector<int32_t> kNumbers = {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BFLOAT16, HY_FLOAT16};
const std::vector<int32_t> kAny = {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16};

const std::vector<double> kSpecial = {0.0, -0.0, 1, -1, kInfinity, -kInfinity, kNaN, 0.5,  -0.5, 1e-3,  -1e-3,
                                      2,   -2,   3, -7, 20,        -20,        100,  -100, 2.5,  1e-30, -1e-30};

const std::vector<int32_t> &dtypes_of(Dtypes dtypes) { return dtypes == ANY ? kNumbers : kFloating; }

class Elementwise : public Parity {
protected:
    /// Inputs whose elements walk through all pairs of special values.
    static Tensor specials(int32_t dtype, size_t stride)
    {
        const size_t n = kSpecial.size();
        Tensor t(dtype, {(int64_t)(n * n)});
        for (size_t i = 0; i < n * n; i++) t.set((int64_t)i, kSpecial[i / stride % n]);
        return t;
    }

    /// A shape that broadcasts to `shape`: some extents 1, some leading axes gone.
    Shape broadcastable(Shape shape)
    {
        for (int64_t &extent : shape)
            if (extent != 0 && random.chance(0.25)) extent = 1;
        if (!shape.empty() && shape[0] == 1 && random.chance(0.5)) shape.erase(shape.begin());
        return shape;
    }

    /// A float32 of any bits.
    double any_float()
    {
        const uint32_t bits = (uint32_t)random.integer(0, UINT32_MAX);
        float value;
        std::memcpy(&value, &bits, sizeof value);
        return value;
    }

    static Allowed allow(int32_t dtype, const std::function<Exactness(int64_t)> &exactness_of)
    {
        return [=](size_t, int64_t i, double expected) {
            const Exactness e = exactness_of(i);
            // The reference in float64 is itself a chain of roundings.
            const double ulps = e.ulps + (dtype == HY_FLOAT64 && e.ulps > 0 ? 2 : 0);
            const double smallest = dtype == HY_FLOAT64 ? 0x1p-1074 : 0x1p-149;
            return epsilon(dtype) * (ulps * std::fabs(expected) + e.absolute) + ulps * smallest * e.denormal;
        };
    }

    void unary(int32_t op, const Tensor &x, const Tensor &y)
    {
        const UnaryRow &row = unary_rows[(size_t)op];
        expect_parity({x, y}, 1, [&](hy_device *d, const Views &t) { return hy_unary(d, op, row.parameter, t[0], t[1]); },
                      allow(x.dtype, [&](int64_t i) { return exactness(row, x.get(i)); }));
    }

    void unary_backward(int32_t op, const Tensor &x, const Tensor &g, const Tensor &dx)
    {
        const UnaryRow &row = unary_rows[(size_t)op];
        std::vector<Tensor> forward = {x, Tensor(x.dtype, x.shape)};
        ASSERT_EQ(run(reference(), forward, [&](hy_device *d, const Views &t) { return hy_unary(d, op, row.parameter, t[0], t[1]); }),
                  HY_OK);
        expect_parity(
            {x, forward[1], g, dx}, 3,
            [&](hy_device *d, const Views &t) {
                return hy_unary_backward(d, op, row.parameter, row.reads & INPUT ? t[0] : nullptr, row.reads & OUTPUT ? t[1] : nullptr,
                                         t[2], t[3]);
            },
            allow(x.dtype, [&](int64_t i) { return derivative_exactness(row, x.get(i), g.get(i)); }));
    }
};

TEST_P(Elementwise, Unary)
{
    for (int32_t op = 0; op < HY_UNARY_COUNT; op++)
        for (int32_t dtype : dtypes_of(unary_rows[(size_t)op].dtypes))
            for (int i = 0; i < 6; i++) {
                SCOPED_TRACE(unary_rows[(size_t)op].name);
                const Interval domain = unary_rows[(size_t)op].x;
                const Shape shape = random_shape(random);
                unary(op, random_input(random, dtype, shape, domain.low, domain.high), random_output(random, dtype, shape));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, UnarySpecialValues)
{
    for (int32_t op = 0; op < HY_UNARY_COUNT; op++)
        for (int32_t dtype : kFloating) {
            SCOPED_TRACE(unary_rows[(size_t)op].name);
            const Tensor x = specials(dtype, 1);
            unary(op, x, Tensor(dtype, x.shape));
            if (HasFatalFailure()) return;
        }
}

/// How large an angle the C library reduces well enough to judge float's sin and cos by its own: MinGW's does so by x87's fsin and 66 bits of pi
/// (sin(1e22) is 0.46 for it, and truly -0.85; at this bound it is 2e-9 off).
#ifdef __MINGW32__
constexpr double kFarthestAngle = 0x1p40;
#else
constexpr double kFarthestAngle = kInfinity;
#endif

/// Floats of every size: some functions have a faster formula for near numbers, which runs without a far one take.
TEST_P(Elementwise, UnaryOfFloatsOfEverySize)
{
    const double kHalfPi = 1.5707963267948966;
    const std::vector<double> edges = {6400, std::nextafterf(6400, 7000), 87, std::nextafterf(87, 88), 104, 0x1p127, kInfinity, 0};
    for (int32_t op : {HY_UNARY_exp, HY_UNARY_sigmoid, HY_UNARY_silu, HY_UNARY_sin, HY_UNARY_cos})
        for (double far : {0.0, 0.001, 1.0}) {
            SCOPED_TRACE(unary_rows[(size_t)op].name);
            Tensor x(HY_FLOAT32, {6000});
            const double farthest = op == HY_UNARY_sin || op == HY_UNARY_cos ? kFarthestAngle : kInfinity;
            x.fill([&] {
                const double number = random.chance(0.1) ? random.pick(edges) * (double)random.integer(-1, 1) : any_float();
                if (random.chance(far)) return std::fabs(number) > farthest ? std::copysign(farthest, number) : number;
                if (random.chance(0.3)) return (double)random.integer(-4074, 4074) * kHalfPi; // where sine or cosine is almost 0
                return std::ldexp(random.real(-1, 1), (int)random.integer(-30, random.chance(0.5) ? 12 : 6));
            });
            unary(op, x, Tensor(HY_FLOAT32, x.shape));
            unary_backward(op, x, Tensor(HY_FLOAT32, x.shape).randomise(random), Tensor(HY_FLOAT32, x.shape));
            if (HasFatalFailure()) return;
        }
}

TEST_P(Elementwise, PowOfFloatsOfEverySize)
{
    for (int kind = 0; kind < 4; kind++) {
        Tensor a(HY_FLOAT32, {6000}), b(HY_FLOAT32, {6000});
        for (int64_t i = 0; i < a.size(); i++) {
            const double base = kind < 2 ? any_float() : kind == 2 ? random.real(0.7, 1.3) : std::exp(random.real(-100, 88));
            const double exponent = kind == 0   ? any_float()
                                    : kind == 1 ? (double)random.integer(-20, 20)
                                                : random.real(-105, 90) / std::log((double)(float)base); // results of every size
            a.set(i, base), b.set(i, exponent);
        }
        expect_parity({a, b, Tensor(HY_FLOAT32, a.shape)}, 2,
                      [&](hy_device *d, const Views &t) { return hy_binary(d, HY_BINARY_pow, t[0], t[1], t[2]); },
                      allow(HY_FLOAT32, [](int64_t) { return Exactness{2.5, 0}; }));
        if (HasFatalFailure()) return;
    }
}

TEST_P(Elementwise, AbsOfNegativeZeroIsPositive)
{
    for (hy_device *device : {reference(), this->device})
        for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
            std::vector<Tensor> tensors = {Tensor(dtype, {21}), Tensor(dtype, {21})};
            for (Tensor &t : tensors) t.fill([] { return -0.0; });
            ASSERT_EQ(run(device, tensors, [](hy_device *d, const Views &t) { return hy_unary(d, HY_UNARY_abs, 0, t[0], t[1]); }), HY_OK);
            for (int64_t i = 0; i < 21; i++) EXPECT_FALSE(std::signbit(tensors[1].get(i))) << i;
        }
}

TEST_P(Elementwise, UnaryBackward)
{
    for (int32_t op = 0; op < HY_UNARY_COUNT; op++)
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 5; i++) {
                SCOPED_TRACE(unary_rows[(size_t)op].name);
                const Interval domain = unary_rows[(size_t)op].x;
                const Shape shape = random_shape(random);
                unary_backward(op, random_input(random, dtype, shape, domain.low, domain.high), random_input(random, dtype, shape),
                               random_output(random, dtype, shape));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, UnaryBackwardSpecialValues)
{
    for (int32_t op = 0; op < HY_UNARY_COUNT; op++)
        for (int32_t dtype : kFloating) {
            SCOPED_TRACE(unary_rows[(size_t)op].name);
            const Tensor x = specials(dtype, 1);
            unary_backward(op, x, Tensor(dtype, x.shape).randomise(random), Tensor(dtype, x.shape));
            if (HasFatalFailure()) return;
        }
}

TEST_P(Elementwise, Binary)
{
    for (int32_t op = 0; op < HY_BINARY_COUNT; op++)
        for (int32_t dtype : dtypes_of(binary_rows[(size_t)op].dtypes))
            for (int i = 0; i < 8; i++) {
                const BinaryRow &row = binary_rows[(size_t)op];
                SCOPED_TRACE(row.name);
                const Shape shape = random_shape(random);
                // One operand keeps the whole shape, so that the two broadcast to it.
                const bool whole_a = random.chance(0.5);
                const Tensor a = random_input(random, dtype, whole_a ? shape : broadcastable(shape), row.a.low, row.a.high);
                const Tensor b = random_input(random, dtype, whole_a ? broadcastable(shape) : shape, row.b.low, row.b.high);
                expect_parity({a, b, random_output(random, dtype, shape)}, 2,
                              [&](hy_device *d, const Views &t) { return hy_binary(d, op, t[0], t[1], t[2]); },
                              allow(dtype, [&](int64_t) { return exactness(row); }));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, BinarySpecialValues)
{
    for (int32_t op = 0; op < HY_BINARY_COUNT; op++)
        for (int32_t dtype : kFloating) {
            const BinaryRow &row = binary_rows[(size_t)op];
            SCOPED_TRACE(row.name);
            const Tensor a = specials(dtype, 1), b = specials(dtype, kSpecial.size());
            expect_parity(
                {a, b, Tensor(dtype, a.shape)}, 2, [&](hy_device *d, const Views &t) { return hy_binary(d, op, t[0], t[1], t[2]); },
                allow(dtype, [&](int64_t) { return exactness(row); }));
            if (HasFatalFailure()) return;
        }
}

TEST_P(Elementwise, IntegersWrap)
{
    for (int32_t dtype : {HY_INT32, HY_INT64, HY_UINT8, HY_BFLOAT16, HY_FLOAT16}) {
        const double low = dtype == HY_INT64   ? -9e18
                           : dtype == HY_INT32 ? INT32_MIN
                                               : 0,
                     high = dtype == HY_INT64   ? 9e18
                            : dtype == HY_INT32 ? INT32_MAX
                                                : 255;
        const Tensor a = random_input(random, dtype, {1000}, low, high), b = random_input(random, dtype, {1000}, low, high);
        for (int32_t op = 0; op < HY_BINARY_COUNT; op++) {
            if (binary_rows[(size_t)op].dtypes != ANY) continue;
            SCOPED_TRACE(binary_rows[(size_t)op].name);
            expect_parity(
                {a, b, Tensor(dtype, {1000})}, 2, [&](hy_device *d, const Views &t) { return hy_binary(d, op, t[0], t[1], t[2]); },
                exactly);
            if (HasFatalFailure()) return;
        }
        for (int32_t op = 0; op < HY_UNARY_COUNT; op++)
            if (unary_rows[(size_t)op].dtypes == ANY) unary(op, a, Tensor(dtype, {1000}));
        if (HasFatalFailure()) return;
    }
}

TEST_P(Elementwise, BinaryScalar)
{
    for (int32_t op = 0; op < HY_BINARY_COUNT; op++)
        for (int32_t dtype : dtypes_of(binary_rows[(size_t)op].dtypes))
            for (int i = 0; i < 8; i++) {
                const BinaryRow &row = binary_rows[(size_t)op];
                SCOPED_TRACE(row.name);
                const Shape shape = random_shape(random);
                const bool first = i % 2 != 0;
                const Interval &x = first ? row.b : row.a, &s = first ? row.a : row.b;
                const double scalar = i == 0 ? 2 : i == 2 ? 0.5 : i == 4 ? 1e300 : i == 6 ? kNaN : random.real(s.low, s.high);
                expect_parity({random_input(random, dtype, shape, x.low, x.high), random_output(random, dtype, shape)}, 1,
                              [&](hy_device *d, const Views &t) { return hy_binary_scalar(d, op, t[0], scalar, first, t[1]); },
                              allow(dtype, [&](int64_t) { return exactness(row); }));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, BinaryBackward)
{
    for (int32_t op = 0; op < HY_BINARY_COUNT; op++)
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 8; i++) {
                const BinaryRow &row = binary_rows[(size_t)op];
                SCOPED_TRACE(row.name);
                const Shape shape = random_shape(random);
                Tensor a = random_input(random, dtype, broadcastable(shape), row.a.low, row.a.high);
                const Tensor b = random_input(random, dtype, broadcastable(shape), row.b.low, row.b.high);
                expect_parity(
                    {a, b, random_input(random, dtype, shape), random_output(random, dtype, shape)}, 3,
                    [&](hy_device *d, const Views &t) {
                        return hy_binary_backward(d, op, i % 2, row.reads ? t[0] : nullptr, row.reads ? t[1] : nullptr, t[2], t[3]);
                    },
                    allow(dtype, [&](int64_t) { return derivative_exactness(row); }));
                if (HasFatalFailure()) return;
                const Interval x = i % 2 ? row.b : row.a, s = i % 2 ? row.a : row.b;
                const double scalar = random.real(s.low, s.high);
                expect_parity(
                    {random_input(random, dtype, shape, x.low, x.high), random_input(random, dtype, shape),
                     random_output(random, dtype, shape)},
                    2,
                    [&](hy_device *d, const Views &t) {
                        return hy_binary_scalar_backward(d, op, row.reads ? t[0] : nullptr, scalar, i % 2, t[1], t[2]);
                    },
                    allow(dtype, [&](int64_t) { return derivative_exactness(row); }));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, EqualOperandsShareTheGradient)
{
    for (int32_t dtype : kFloating) {
        const Tensor a = Tensor(dtype, {5, 33}).fill([&] { return (double)random.integer(-1, 1); });
        const Tensor b = Tensor(dtype, {5, 33}).fill([&] { return (double)random.integer(-1, 1); });
        for (int32_t op : {HY_BINARY_maximum, HY_BINARY_minimum})
            for (int32_t operand : {0, 1})
                expect_parity(
                    {a, b, random_input(random, dtype, {5, 33}), Tensor(dtype, {5, 33})}, 3,
                    [&](hy_device *d, const Views &t) { return hy_binary_backward(d, op, operand, t[0], t[1], t[2], t[3]); }, exactly);
    }
}

TEST_P(Elementwise, Compare)
{
    for (int32_t op = 0; op < HY_COMPARE_COUNT; op++)
        for (int32_t dtype : kAny)
            for (int i = 0; i < 4; i++) {
                SCOPED_TRACE(compare_rows[(size_t)op]);
                const Shape shape = random_shape(random);
                Tensor a = random_input(random, dtype, shape, -2, 2), b = random_input(random, dtype, broadcastable(shape), -2, 2);
                if (hy_is_floating(dtype)) { // so that equal, zero and special values occur
                    a.fill([&] { return random.pick(kSpecial); });
                    b.fill([&] { return random.pick(kSpecial); });
                }
                expect_parity({a, b, random_output(random, HY_BOOL, shape)}, 2,
                              [&](hy_device *d, const Views &t) { return hy_compare(d, op, t[0], t[1], t[2]); }, exactly);
                if (HasFatalFailure()) return;
                const double scalar = i == 0 ? 0 : i == 1 ? 1 : i == 2 ? 0.1 : kNaN;
                expect_parity({a, random_output(random, HY_BOOL, shape)}, 1,
                              [&](hy_device *d, const Views &t) { return hy_compare_scalar(d, op, t[0], scalar, t[1]); }, exactly);
                if (HasFatalFailure()) return;
            }
}

TEST_P(Elementwise, Where)
{
    for (int32_t dtype : kAny)
        for (int i = 0; i < 20; i++) {
            const Shape shape = random_shape(random);
            const Tensor condition = random_input(random, HY_BOOL, i % 3 == 0 ? broadcastable(shape) : shape);
            const Tensor a = random_input(random, dtype, i % 3 == 1 ? broadcastable(shape) : shape), b = random_input(random, dtype, shape);
            expect_parity({condition, a, b, random_output(random, dtype, shape)}, 3,
                          [](hy_device *d, const Views &t) { return hy_where(d, t[0], t[1], t[2], t[3]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Elementwise, WhereBetweenTwoNumbers)
{
    for (int32_t dtype : kAny)
        for (int64_t n : {1, 3, 40, 700}) {
            const Tensor condition = random_input(random, HY_BOOL, {n});
            const Tensor a = random_input(random, dtype, {}), b = random_input(random, dtype, {});
            expect_parity({condition, a, b, random_output(random, dtype, {n})}, 3,
                          [](hy_device *d, const Views &t) { return hy_where(d, t[0], t[1], t[2], t[3]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Elementwise, InPlace)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 10; i++) {
            const Shape shape = random_shape(random);
            Tensor x = random_output(random, dtype, shape);
            x.randomise(random);
            expect_parity(
                {x}, 0, [](hy_device *d, const Views &t) { return hy_unary(d, HY_UNARY_exp, 0, t[0], t[0]); }, within_ulps(dtype, 6));
            if (HasFatalFailure()) return;
            expect_parity(
                {random_input(random, dtype, shape), x}, 1,
                [](hy_device *d, const Views &t) { return hy_binary(d, HY_BINARY_sub, t[0], t[1], t[1]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

HY_PARITY_SUITE(Elementwise);

} // namespace
