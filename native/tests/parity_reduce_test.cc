// Reductions and softmax against the reference.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};

class Reduce : public Parity {
protected:
    /// The shape of x with some axes reduced to 1.
    Shape reduced(Shape shape)
    {
        for (int64_t &extent : shape)
            if (random.chance(0.6)) extent = 1;
        return shape;
    }

    /// Shapes with a long axis, at either end: kernels differ between reducing rows and reducing columns.
    Shape shape()
    {
        static const std::vector<Shape> long_ones = {{100000},     {3, 20000},   {20000, 3},     {257, 129},
                                                     {129, 7, 33}, {2, 3, 1025}, {64, 3, 17, 17}};
        return random.chance(0.3) ? random.pick(long_ones) : random_shape(random);
    }

    void reduce(int32_t op, const Tensor &x, const Tensor &y, const Allowed &allowed)
    {
        expect_parity({x, y}, 1, [=](hy_device *d, const Views &t) { return hy_reduce(d, op, t[0], t[1]); }, allowed);
    }

    static Tensor on_reference(int32_t op, Tensor x, Tensor y)
    {
        std::vector<Tensor> tensors = {x, y};
        EXPECT_EQ(run(reference(), tensors, [=](hy_device *d, const Views &t) { return hy_reduce(d, op, t[0], t[1]); }), HY_OK);
        return tensors[1];
    }
};

bool reduces_nothing(const Shape &x, const Shape &y) // over an axis without elements, where max and min are undefined
{
    return count(x) == 0 && count(y) != 0;
}

TEST_P(Reduce, SumAndMean)
{
    for (int32_t op : {HY_REDUCE_sum, HY_REDUCE_mean})
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 60; i++) {
                const Shape full = shape();
                const Tensor x = random_input(random, dtype, full), y = random_output(random, dtype, reduced(full));
                const Tensor scale = on_reference(op, x.magnitudes(), y);
                // Pairwise in float32: 32 roundings at most touch a term. In float64 the reference's own naive sum counts too.
                const double n = count(y.shape) ? (double)x.size() / (double)count(y.shape) : 0, c = dtype != HY_FLOAT64 ? 32 : 32 + n / 2;
                reduce(op, x, y, [&](size_t, int64_t k, double) { return c * epsilon(dtype) * scale.get(k); });
                if (HasFatalFailure()) return;
            }
}

TEST_P(Reduce, Product)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 30; i++) {
            const Shape full = shape();
            const Tensor y = random_output(random, dtype, reduced(full));
            const double n = count(y.shape) ? (double)count(full) / (double)count(y.shape) : 0,
                         spread = 3 / (n + 3); // so that the product stays moderate
            const Tensor x = random_input(random, dtype, full, 1 - spread, 1 + spread);
            reduce(HY_REDUCE_prod, x, y, within_ulps(dtype, n + 4));
            if (HasFatalFailure()) return;
        }
}

TEST_P(Reduce, MaximumAndMinimum)
{
    for (int32_t op : {HY_REDUCE_max, HY_REDUCE_min})
        for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16})
            for (int i = 0; i < 25; i++) {
                const Shape full = shape(), small = reduced(full);
                if (reduces_nothing(full, small)) continue;
                reduce(op, random_input(random, dtype, full, -100, 100), random_output(random, dtype, small), exactly);
                if (HasFatalFailure()) return;
            }
}

TEST_P(Reduce, Integers)
{
    for (int32_t dtype : {HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16})
        for (int i = 0; i < 25; i++) {
            const Shape full = shape();
            const bool small = dtype == HY_UINT8 || dtype == HY_BOOL;
            const Tensor x = random_input(random, dtype, full, -1e9, 1e9);
            reduce(HY_REDUCE_sum, small ? random_input(random, dtype, full, 0, 255) : x,
                   random_output(random, small ? HY_INT64 : dtype, reduced(full)), exactly);
            if (!small) reduce(HY_REDUCE_prod, x, random_output(random, dtype, reduced(full)), exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Reduce, SpecialValues)
{
    for (int32_t op : {HY_REDUCE_sum, HY_REDUCE_mean, HY_REDUCE_prod, HY_REDUCE_max, HY_REDUCE_min})
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 40; i++) {
                const Shape full = random.pick<Shape>({{7}, {33}, {129}, {5, 33}, {33, 5}, {3, 70, 5}, {1}, {2000}}), small = reduced(full);
                Tensor x = random_input(random, dtype, full, 0.9, 1.1);
                const std::vector<double> special = i % 3 == 0   ? std::vector<double>{NAN}
                                                    : i % 3 == 1 ? std::vector<double>{INFINITY}
                                                                 : std::vector<double>{INFINITY, -INFINITY, NAN};
                for (int k = 0; k < 2; k++) x.set(random.integer(0, x.size() - 1), random.pick(special));
                reduce(op, x, random_output(random, dtype, small), within_ulps(dtype, 32 + (double)x.size()));
                if (HasFatalFailure()) return;
            }
}

TEST_P(Reduce, OverNothing)
{
    for (int32_t op : {HY_REDUCE_sum, HY_REDUCE_mean, HY_REDUCE_prod})
        for (int32_t dtype : kFloating) {
            reduce(op, Tensor(dtype, {0}), Tensor(dtype, {1}), exactly);
            reduce(op, Tensor(dtype, {3, 0}), Tensor(dtype, {3, 1}), exactly);
            reduce(op, Tensor(dtype, {0, 5}), Tensor(dtype, {1, 5}), exactly);
            reduce(op, Tensor(dtype, {0, 5}), Tensor(dtype, {0, 1}), exactly);
        }
}

TEST_P(Reduce, ArgReduce)
{
    for (int32_t maximum : {0, 1})
        for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16})
            for (int i = 0; i < 30; i++) {
                Shape full = shape();
                if (full.empty()) full = {1};
                const int axis = (int)random.integer(0, (int64_t)full.size() - 1);
                if (full[(size_t)axis] == 0) continue;
                Shape small = full;
                small[(size_t)axis] = 1;
                Tensor x = random_input(random, dtype, full, i % 2 ? -3 : -1e6, i % 2 ? 3 : 1e6);
                if (i % 3 == 0 && x.size() > 0 && hy_is_floating(dtype)) // ties, infinities, and a NaN or two
                    x.fill([&] { return random.pick<double>({-1, 0, 1, 1, INFINITY, -INFINITY, random.chance(0.1) ? NAN : 0.5}); });
                expect_parity({x, random_output(random, HY_INT64, small)}, 1,
                              [=](hy_device *d, const Views &t) { return hy_arg_reduce(d, maximum, t[0], axis, t[1]); }, exactly);
                if (HasFatalFailure()) return;
            }
}

class Softmax : public Parity {
protected:
    Shape shape()
    {
        static const std::vector<Shape> some = {{1},    {10},      {64, 10},   {17, 33},   {129, 1},     {1, 129}, {0, 5},
                                                {5, 0}, {3, 7, 5}, {2, 65, 9}, {1000, 17}, {2, 3, 4, 5}, {5000},   {3, 3000}};
        return random.pick(some);
    }
};

TEST_P(Softmax, Forward)
{
    for (int32_t logarithm : {0, 1})
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 40; i++) {
                const Shape full = shape();
                const int axis = (int)random.integer(0, (int64_t)full.size() - 1);
                const double n = (double)full[(size_t)axis];
                // x - max rounds: an error of |x - max| epsilons in the exponent.
                const Allowed allowed = [=](size_t, int64_t, double e) {
                    return epsilon(dtype) *
                               (logarithm ? 32 * std::fmax(std::fabs(e), 1) + std::log2(n + 1) : (64 + std::sqrt(n)) * std::fabs(e)) +
                           0x1p-148;
                };
                expect_parity({random_input(random, dtype, full, -10, 10), random_output(random, dtype, full)}, 1,
                              [=](hy_device *d, const Views &t) { return hy_softmax(d, t[0], axis, logarithm, t[1]); }, allowed);
                if (HasFatalFailure()) return;
            }
}

TEST_P(Softmax, SpecialValues)
{
    for (int32_t logarithm : {0, 1})
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 30; i++) {
                Tensor x(dtype, {5, 17});
                x.fill([&] {
                    return random.pick<double>({0, 1, 80, -80, 1000, -1000, -INFINITY, i % 3 == 0 ? INFINITY : 2, i % 5 == 0 ? NAN : 3});
                });
                if (i == 1) x.fill([] { return -INFINITY; });
                const int axis = i % 2;
                expect_parity(
                    {x, Tensor(dtype, x.shape)}, 1,
                    [=](hy_device *d, const Views &t) { return hy_softmax(d, t[0], axis, logarithm, t[1]); },
                    [=](size_t, int64_t, double e) { return epsilon(dtype) * 64 * std::fmax(std::fabs(e), logarithm ? 1 : 0) + 0x1p-148; });
                if (HasFatalFailure()) return;
            }
}

TEST_P(Softmax, Backward)
{
    for (int32_t logarithm : {0, 1})
        for (int32_t dtype : kFloating)
            for (int i = 0; i < 40; i++) {
                const Shape full = shape();
                const int axis = (int)random.integer(0, (int64_t)full.size() - 1);
                std::vector<Tensor> forward = {random_input(random, dtype, full, -5, 5), Tensor(dtype, full)};
                ASSERT_EQ(
                    run(reference(), forward, [=](hy_device *d, const Views &t) { return hy_softmax(d, t[0], axis, logarithm, t[1]); }),
                    HY_OK);
                const Tensor &y = forward[1], g = random_input(random, dtype, full);
                const double n = (double)full[(size_t)axis];
                const Allowed allowed = [&](size_t, int64_t k, double) { // the sum over the line, times y (or e^y)
                    const double p = logarithm ? n * std::exp(y.get(k)) : y.get(k);
                    return epsilon(dtype) * 3 * (4 + (64 + std::sqrt(n)) * p);
                };
                expect_parity(
                    {y, g, random_output(random, dtype, full)}, 2,
                    [=](hy_device *d, const Views &t) { return hy_softmax_backward(d, t[0], t[1], axis, logarithm, t[2]); }, allowed);
                if (HasFatalFailure()) return;
            }
}

HY_PARITY_SUITE(Reduce);
HY_PARITY_SUITE(Softmax);

} // namespace
