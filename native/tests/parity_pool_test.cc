// Pooling and batch normalisation against the reference.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};

class Pool : public Parity {
protected:
    struct Sizes {
        hy_pool2d_params p;
        Shape x, y;
    };

    Sizes random_sizes(bool average)
    {
        static const std::vector<int64_t> planes = {0, 1, 2, 3, 5, 17};
        for (;;) {
            Sizes z = {};
            z.x = {random.integer(0, 3), random.pick(planes), random.integer(1, 30), random.integer(1, 30)};
            z.y = {z.x[0], z.x[1], 0, 0};
            const bool plain = random.chance(0.3); // the common 2x2 with stride 2
            for (int axis = 0; axis < 2; axis++) {
                z.p.kernel[axis] = plain ? 2 : (int32_t)random.integer(1, 5);
                z.p.stride[axis] = plain ? 2 : (int32_t)random.integer(1, 4);
                z.p.padding[axis] = plain ? 0 : (int32_t)random.integer(0, z.p.kernel[axis] / 2);
                // Dilation over padding may leave a window without an element, which is an error of its own.
                z.p.dilation[axis] = average || z.p.padding[axis] || random.chance(0.7) ? 1 : (int32_t)random.integer(2, 3);
                const int64_t room = z.x[2 + (size_t)axis] + 2 * z.p.padding[axis] - z.p.dilation[axis] * (z.p.kernel[axis] - 1) - 1;
                z.y[2 + (size_t)axis] = room < 0 ? 0 : room / z.p.stride[axis] + 1;
            }
            z.p.count_include_pad = random.chance(0.5);
            if (z.y[2] >= 1 && z.y[3] >= 1) return z;
        }
    }

    Tensor random_image(int32_t dtype, const Shape &shape, int kind)
    {
        Tensor x = random_input(random, dtype, shape);
        if (kind % 3 == 0) x.fill([&] { return (double)random.integer(0, 2); });                                       // ties
        if (kind % 3 == 1) x.fill([&] { return random.pick<double>({0, -1, -INFINITY, -INFINITY, INFINITY, 2}); });
        return x;
    }
};

TEST_P(Pool, Max)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 80 && !HasFatalFailure(); i++) {
            const Sizes z = random_sizes(false);
            const Tensor x = random_image(dtype, z.x, i), y = random_output(random, dtype, z.y),
                         index = random_output(random, HY_INT32, z.y);
            expect_parity(
                {x, y, index}, 1, [&](hy_device *d, const Views &t) { return hy_max_pool2d(d, &z.p, t[0], t[1], t[2]); }, exactly);
            expect_parity({x, y}, 1, [&](hy_device *d, const Views &t) { return hy_max_pool2d(d, &z.p, t[0], t[1], nullptr); }, exactly);
        }
}

TEST_P(Pool, MaxTakesANaN)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
            Sizes z = random_sizes(false);
            Tensor x(dtype, z.x);
            x.randomise(random);
            for (int64_t k = 0; k < x.size() / 40; k++) x.set(random.integer(0, x.size() - 1), NAN);
            expect_parity(
                {x, Tensor(dtype, z.y)}, 1, [&](hy_device *d, const Views &t) { return hy_max_pool2d(d, &z.p, t[0], t[1], nullptr); },
                exactly);
            if (IsSkipped()) return;
            std::vector<Tensor> result = {x, Tensor(dtype, z.y), Tensor(HY_INT32, z.y)};
            ASSERT_EQ(run(device, result,
                          [&](hy_device *d, const Views &t) { return hy_max_pool2d(d, &z.p, t[0], t[1], t[2]); }),
                      HY_OK);
            for (int64_t k = 0; k < result[1].size(); k++) { // of two NaN in a window, the index may name either
                const int64_t place = result[2].integer(k), plane = k / (z.y[2] * z.y[3]);
                ASSERT_TRUE(place >= 0 && place < z.x[2] * z.x[3]);
                const double named = x.get(plane * z.x[2] * z.x[3] + place), y = result[1].get(k);
                ASSERT_TRUE(named == y || (std::isnan(named) && std::isnan(y))) << "the index names " << named << ", the maximum is " << y;
            }
        }
}

TEST_P(Pool, MaxBackward)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 60 && !HasFatalFailure(); i++) {
            const Sizes z = random_sizes(false);
            std::vector<Tensor> forward = {random_image(dtype, z.x, i), Tensor(dtype, z.y), random_output(random, HY_INT32, z.y)};
            ASSERT_EQ(run(reference(), forward, [&](hy_device *d, const Views &t) { return hy_max_pool2d(d, &z.p, t[0], t[1], t[2]); }),
                      HY_OK);
            const double windows = (double)z.p.kernel[0] * z.p.kernel[1]; // that an element may be the maximum of
            expect_parity({random_input(random, dtype, z.y), forward[2], random_output(random, dtype, z.x)}, 2,
                          [&](hy_device *d, const Views &t) { return hy_max_pool2d_backward(d, &z.p, t[0], t[1], t[2]); },
                          [=](size_t, int64_t, double) { return epsilon(dtype) * 3 * windows * windows; });
        }
}

TEST_P(Pool, MaxBackwardRefusesAnIndexOutsideThePlane)
{
    const hy_pool2d_params p = {{2, 2}, {2, 2}, {0, 0}, {1, 1}, 0};
    for (int64_t bad : {-1, 16, 1000000}) {
        Tensor index(HY_INT32, {2, 3, 2, 2});
        index.fill([] { return 0.0; }).set_integer(17, bad);
        expect_failure(
            {Tensor(HY_FLOAT32, {2, 3, 2, 2}), index, Tensor(HY_FLOAT32, {2, 3, 4, 4})},
            [&](hy_device *d, const Views &t) { return hy_max_pool2d_backward(d, &p, t[0], t[1], t[2]); }, HY_OUT_OF_RANGE, false);
    }
}

TEST_P(Pool, Average)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 80 && !HasFatalFailure(); i++) {
            const Sizes z = random_sizes(true);
            const double n = (double)z.p.kernel[0] * z.p.kernel[1];
            const Allowed allowed = [=](size_t, int64_t, double) { return (n + 4) * epsilon(dtype) * 3; };
            expect_parity({random_input(random, dtype, z.x), random_output(random, dtype, z.y)}, 1,
                          [&](hy_device *d, const Views &t) { return hy_avg_pool2d(d, &z.p, t[0], t[1]); }, allowed);
            expect_parity(
                {random_input(random, dtype, z.y), random_output(random, dtype, z.x)}, 1,
                [&](hy_device *d, const Views &t) { return hy_avg_pool2d_backward(d, &z.p, t[0], t[1]); },
                [=](size_t o, int64_t k, double e) { return n * allowed(o, k, e); });
        }
}

class BatchNorm : public Parity {
protected:
    Shape random_shape_of_batch()
    {
        static const std::vector<Shape> some = {{2, 1},       {33, 7},        {2, 3, 1},      {5, 17, 9},     {3, 5, 7, 7},
                                                {1, 4, 3, 3}, {2, 33, 1, 65}, {8, 3, 28, 28}, {2, 2, 3, 2, 5}};
        return random.pick(some);
    }
};

TEST_P(BatchNorm, Forward)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 40 && !HasFatalFailure(); i++) {
            const Shape shape = random_shape_of_batch(), channels = {shape[1]};
            const bool affine = random.chance(0.7), running = random.chance(0.7);
            Tensor running_mean = random_output(random, dtype, channels), running_var = random_output(random, dtype, channels);
            running_mean.randomise(random);
            running_var.randomise(random, 0.5, 2);
            const Tensor x = random_input(random, dtype, shape, -2, 4);
            // |x| <= 4, rstd <= 1 / sqrt(eps), |weight| and |bias| <= 3: the largest values that y, mean, rstd and the running statistics
            // can have.
            const double eps = 0.1, largest[] = {6 * 3.2 * 3 + 3, 4, 3.2 * 3, 4, 16};
            expect_parity(
                {x, random_input(random, dtype, channels), random_input(random, dtype, channels), random_output(random, dtype, shape),
                 random_output(random, dtype, channels), random_output(random, dtype, channels), running_mean, running_var},
                3,
                [=](hy_device *d, const Views &t) {
                    return hy_batch_norm(d, eps, 0.1, t[0], affine ? t[1] : nullptr, affine ? t[2] : nullptr, running ? t[6] : nullptr,
                                         running ? t[7] : nullptr, t[3], t[4], t[5]);
                },
                [&](size_t output, int64_t, double) { return 32 * epsilon(dtype) * largest[output]; });
        }
}

TEST_P(BatchNorm, KeepsItsPrecisionFarFromZero) // the variance must not come from the difference of two large sums
{
    Tensor x(HY_FLOAT32, {64, 3, 5});
    x.fill([&] { return 1000 + random.real(-1, 1); });
    expect_parity(
        {x, Tensor(HY_FLOAT32, x.shape), Tensor(HY_FLOAT32, {3}), Tensor(HY_FLOAT32, {3})}, 1,
        [](hy_device *d, const Views &t) {
            return hy_batch_norm(d, 1e-5, 0.1, t[0], nullptr, nullptr, nullptr, nullptr, t[1], t[2], t[3]);
        },
        [](size_t, int64_t, double e) { return 16 * 0x1p-23 * std::fmax(std::fabs(e), 1000); });
}

TEST_P(BatchNorm, Backward)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 40 && !HasFatalFailure(); i++) {
            const Shape shape = random_shape_of_batch(), channels = {shape[1]};
            const Tensor x = random_input(random, dtype, shape), dy = random_input(random, dtype, shape);
            const bool affine = random.chance(0.7), dx = i % 4 != 1, dweight = i % 4 != 2, dbias = i % 4 != 3;
            // |dy|, |x| and |weight| <= 3 and rstd <= 2, so a normalised value is below 8, dy times it below 24, dx below the last line.
            const double n = (double)count(shape) / (double)shape[1], product = 3 * 8;
            const double largest = 3 * 2 * (3 + 3 + 8 * product);
            expect_parity(
                {dy, x, random_input(random, dtype, channels), random_input(random, dtype, channels, -1, 1),
                 random_input(random, dtype, channels, 0.5, 2), random_output(random, dtype, shape), random_output(random, dtype, channels),
                 random_output(random, dtype, channels)},
                5,
                [=](hy_device *d, const Views &t) {
                    return hy_batch_norm_backward(d, t[0], t[1], affine ? t[2] : nullptr, t[3], t[4], dx ? t[5] : nullptr,
                                                  dweight ? t[6] : nullptr, dbias ? t[7] : nullptr);
                },
                [=](size_t output, int64_t, double) {
                    return epsilon(dtype) * (output == 0 ? 16 * largest : (32 + std::sqrt(n)) * std::sqrt(n) * product);
                });
        }
}

HY_PARITY_SUITE(Pool);
HY_PARITY_SUITE(BatchNorm);

} // namespace
