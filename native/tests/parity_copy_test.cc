// Copying, casting, filling and random numbers against the reference: these agree bit by bit.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
const std::vector<int32_t> kAny = {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16};
const std::vector<int32_t> kStored = {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16, HY_INT8};

class Copy : public Parity {};
class RandomNumbers : public Parity {};

TEST_P(Copy, BetweenAllDtypesAndLayouts)
{
    for (int32_t from : kStored)
        for (int32_t to : kStored)
            for (int i = 0; i < 8; i++) {
                const Shape shape = random_shape(random);
                expect_parity({random_input(random, from, shape, -300, 300), random_output(random, to, shape)}, 1,
                              [](hy_device *d, const Views &t) { return hy_copy(d, t[0], t[1]); }, exactly);
                if (HasFatalFailure()) return;
            }
}

TEST_P(Copy, SaturatesWhatACastLeavesUndefined)
{
    const std::vector<double> values = {NAN, INFINITY, -INFINITY, 1e30, -1e30, 300, -300, 255.5, 256, -0.5, 0.99, -1, 2147483647,
                                        2147483648.0, -2147483648.0, -2147483904.0, 9223372036854775807.0, -9223372036854775808.0,
                                        9223371487098961920.0, 1e-300, 0, -0.0, 3e38, 4e38};
    for (int32_t from : kFloating)
        for (int32_t to : kStored) {
            Tensor x(from, {(int64_t)values.size() * 3});
            for (int64_t i = 0; i < x.size(); i++) x.set(i, values[(size_t)i % values.size()]);
            expect_parity({x, Tensor(to, x.shape)}, 1, [](hy_device *d, const Views &t) { return hy_copy(d, t[0], t[1]); }, exactly);
            for (double v : values)
                expect_parity(
                    {random_output(random, to, {17})}, 0, [v](hy_device *d, const Views &t) { return hy_fill(d, v, t[0]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Copy, IntegersWrapAndRoundOnce)
{
    for (int32_t from : {HY_INT64, HY_INT32})
        for (int32_t to : kStored) {
            Tensor x(from, {1000});
            for (int64_t i = 0; i < x.size(); i++) x.set_integer(i, random.integer(INT64_MIN, INT64_MAX) >> random.integer(0, 62));
            expect_parity({x, Tensor(to, x.shape)}, 1, [](hy_device *d, const Views &t) { return hy_copy(d, t[0], t[1]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Copy, BroadcastsToTheOutput)
{
    for (int32_t dtype : kStored)
        for (const auto &[from, to] : std::vector<std::pair<Shape, Shape>>{
                 {{}, {3, 5}}, {{1}, {70001}}, {{7}, {4, 7}}, {{4, 1}, {4, 9}}, {{3, 1, 5}, {2, 3, 4, 5}}, {{1}, {0}}}) {
            expect_parity({random_input(random, dtype, from), random_output(random, dtype, to)}, 1,
                          [](hy_device *d, const Views &t) { return hy_copy(d, t[0], t[1]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Copy, Fill)
{
    for (int32_t dtype : kStored)
        for (int i = 0; i < 15; i++) {
            const double value = i % 2 ? random.real(-5, 5) : (double)random.integer(0, 200);
            expect_parity(
                {random_output(random, dtype, random_shape(random))}, 0,
                [=](hy_device *d, const Views &t) { return hy_fill(d, value, t[0]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Copy, Arange)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BFLOAT16, HY_FLOAT16})
        for (int i = 0; i < 15; i++) {
            const bool whole = i % 2 || !hy_is_floating(dtype);
            const double start = whole ? (double)random.integer(-9, 9) : random.real(-9, 9),
                         step = whole ? (double)random.integer(-3, 3) : random.real(-1, 1);
            const Tensor y = random_output(random, dtype, random_shape(random));
            // start + i * step may be fused or not: half a place of the larger term.
            expect_parity(
                {y}, 0, [=](hy_device *d, const Views &t) { return hy_arange(d, start, step, t[0]); },
                [=](size_t, int64_t k, double e) {
                    return dtype != HY_FLOAT64 ? 0x1p-23 * std::fabs(e) : 0x1p-52 * (std::fabs(start) + std::fabs((double)k * step));
                });
            if (HasFatalFailure()) return;
        }
}

TEST_P(RandomNumbers, UniformAndNormal)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 12; i++) {
            const uint64_t seed = (uint64_t)random.integer(INT64_MIN, INT64_MAX),
                           offset = i % 3 == 0 ? UINT64_MAX - 5 : (uint64_t)random.integer(0, 1 << 20);
            const double low = i % 2 ? 0 : random.real(-3, 0), high = i % 2 ? 1 : random.real(0, 3);
            const Tensor y = random_output(random, dtype, random_shape(random));
            expect_parity(
                {y}, 0, [=](hy_device *d, const Views &t) { return hy_random_uniform(d, seed, offset, low, high, t[0]); }, exactly);
            if (HasFatalFailure()) return;
            expect_parity(
                {y}, 0, [=](hy_device *d, const Views &t) { return hy_random_normal(d, seed, offset, low, high, t[0]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(RandomNumbers, Integers)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BFLOAT16, HY_FLOAT16})
        for (int i = 0; i < 12; i++) {
            const uint64_t seed = (uint64_t)i;
            const int64_t low = dtype == HY_UINT8 ? 3 : -40, high = low + random.integer(1, 200);
            expect_parity({random_output(random, dtype, random_shape(random))}, 0,
                          [=](hy_device *d, const Views &t) { return hy_random_integers(d, seed, 7, low, high, t[0]); }, exactly);
            if (HasFatalFailure()) return;
        }
    expect_parity(
        {Tensor(HY_INT64, {1000})}, 0, [](hy_device *d, const Views &t) { return hy_random_integers(d, 1, 0, INT64_MIN, INT64_MAX, t[0]); },
        exactly);
}

TEST_P(RandomNumbers, Bernoulli)
{
    for (int32_t dtype : kAny)
        for (int i = 0; i < 12; i++) {
            const double p = i == 0 ? 0 : i == 1 ? 1 : random.real(0, 1);
            expect_parity({random_output(random, dtype, random_shape(random))}, 0,
                          [=](hy_device *d, const Views &t) { return hy_random_bernoulli(d, 42, 3, p, t[0]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

HY_PARITY_SUITE(Copy);
HY_PARITY_SUITE(RandomNumbers);

} // namespace
