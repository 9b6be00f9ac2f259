// The reference itself, against values worked out by hand: the kernels are only as right as what they are compared with.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

Tensor tensor(const Shape &shape, const std::vector<double> &values, int32_t dtype = HY_FLOAT64)
{
    Tensor t(dtype, shape);
    EXPECT_EQ(t.size(), (int64_t)values.size());
    for (int64_t i = 0; i < t.size(); i++) t.set(i, values[(size_t)i]);
    return t;
}

void expect_values(const Tensor &t, const std::vector<double> &expected, double tolerance = 0)
{
    ASSERT_EQ(t.size(), (int64_t)expected.size());
    for (int64_t i = 0; i < t.size(); i++) {
        const double e = expected[(size_t)i];
        if (std::isnan(e)) EXPECT_TRUE(std::isnan(t.get(i))) << "element " << i << " is " << t.get(i);
        else if (std::isinf(e)) EXPECT_EQ(t.get(i), e) << "element " << i;
        else EXPECT_NEAR(t.get(i), e, tolerance) << "element " << i;
    }
}

/// Runs a call on the reference, which must succeed.
void on_reference(std::vector<Tensor> &tensors, const Call &call)
{
    ASSERT_EQ(run(reference(), tensors, call), HY_OK) << hy_last_error();
}

std::vector<double> counting(int64_t n, double from = 1)
{
    std::vector<double> v((size_t)n);
    std::iota(v.begin(), v.end(), from);
    return v;
}

TEST(Reference, Convolution)
{
    // A 3x3 image of 1 … 9 under the kernel [1 2; 3 4]: the first window is 1·1 + 2·2 + 3·4 + 4·5 = 37.
    const hy_conv2d_params plain = {{1, 1}, {0, 0}, {1, 1}, 1};
    std::vector<Tensor> t = {tensor({1, 1, 3, 3}, counting(9)), tensor({1, 1, 2, 2}, {1, 2, 3, 4}), tensor({1}, {0.5}),
                             Tensor(HY_FLOAT64, {1, 1, 2, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_conv2d(d, &plain, v[0], v[1], v[2], v[3]); });
    expect_values(t[3], {37.5, 47.5, 67.5, 77.5});

    // The same with padding 1 and stride 2: the corners meet the padding.
    const hy_conv2d_params padded = {{2, 2}, {1, 1}, {1, 1}, 1};
    t = {tensor({1, 1, 3, 3}, counting(9)), tensor({1, 1, 2, 2}, {1, 2, 3, 4}), Tensor(HY_FLOAT64, {1, 1, 2, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_conv2d(d, &padded, v[0], v[1], nullptr, v[2]); });
    expect_values(t[2], {4, 18, 36, 77});

    // Dilation 2 reaches the corners: 1·1 + 2·3 + 3·7 + 4·9.
    const hy_conv2d_params dilated = {{1, 1}, {0, 0}, {2, 2}, 1};
    t = {tensor({1, 1, 3, 3}, counting(9)), tensor({1, 1, 2, 2}, {1, 2, 3, 4}), Tensor(HY_FLOAT64, {1, 1, 1, 1})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_conv2d(d, &dilated, v[0], v[1], nullptr, v[2]); });
    expect_values(t[2], {64});

    // Two groups keep their channels apart.
    const hy_conv2d_params grouped = {{1, 1}, {0, 0}, {1, 1}, 2};
    t = {tensor({1, 2, 1, 2}, {1, 2, 3, 4}), tensor({2, 1, 1, 1}, {10, 100}), Tensor(HY_FLOAT64, {1, 2, 1, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_conv2d(d, &grouped, v[0], v[1], nullptr, v[2]); });
    expect_values(t[2], {10, 20, 300, 400});
    const hy_conv2d_params negated = {{1, 1}, {0, 0}, {1, 1}, 2, HY_ACTIVATION(HY_UNARY_neg)};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_conv2d(d, &negated, v[0], v[1], nullptr, v[2]); });
    expect_values(t[2], {-10, -20, -300, -400});
}

TEST(Reference, MatrixProduct)
{
    std::vector<Tensor> t = {tensor({2, 3}, counting(6)), tensor({3, 2}, counting(6, 7)), tensor({2}, {1, -1}), Tensor(HY_FLOAT64, {2, 2})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_matmul(d, v[0], v[1], v[2], HY_NO_ACTIVATION, v[3]); });
    expect_values(t[3], {59, 63, 140, 153});
    t[2] = tensor({2}, {-100, -99});
    on_reference(t, [](hy_device *d, const Views &v) { return hy_matmul(d, v[0], v[1], v[2], HY_ACTIVATION(HY_UNARY_relu), v[3]); });
    expect_values(t[3], {0, 0, 39, 55});

    t = {Tensor(HY_FLOAT64, {2, 0}), Tensor(HY_FLOAT64, {0, 3}), Tensor(HY_FLOAT64, {2, 3})}; // K = 0
    t[2].fill([] { return 5.0; });
    on_reference(t, [](hy_device *d, const Views &v) { return hy_matmul(d, v[0], v[1], nullptr, HY_NO_ACTIVATION, v[2]); });
    expect_values(t[2], {0, 0, 0, 0, 0, 0});
}

TEST(Reference, Pooling)
{
    const std::vector<double> image = {1, 3, 2, 4, 5, 6, 8, 7, 9, 2, 1, 0, 3, 4, 5, 6};
    const hy_pool2d_params halves = {{2, 2}, {2, 2}, {0, 0}, {1, 1}, 0};
    std::vector<Tensor> t = {tensor({1, 1, 4, 4}, image), Tensor(HY_FLOAT64, {1, 1, 2, 2}), Tensor(HY_INT32, {1, 1, 2, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_max_pool2d(d, &halves, v[0], v[1], v[2]); });
    expect_values(t[1], {6, 8, 9, 6});
    expect_values(t[2], {5, 6, 8, 15});
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_avg_pool2d(d, &halves, v[0], v[1]); });
    expect_values(t[1], {3.75, 5.25, 4.5, 3});

    // Overlapping windows over a plateau: each takes the first of its largest, and the middle collects from all four.
    const hy_pool2d_params overlapping = {{2, 2}, {1, 1}, {0, 0}, {1, 1}, 0};
    t = {tensor({1, 1, 3, 3}, {0, 0, 0, 0, 9, 0, 0, 0, 9}), Tensor(HY_FLOAT64, {1, 1, 2, 2}), Tensor(HY_INT32, {1, 1, 2, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_max_pool2d(d, &overlapping, v[0], v[1], v[2]); });
    expect_values(t[2], {4, 4, 4, 4});
    std::vector<Tensor> back = {tensor({1, 1, 2, 2}, {1, 10, 100, 1000}), t[2], Tensor(HY_FLOAT64, {1, 1, 3, 3})};
    on_reference(back, [&](hy_device *d, const Views &v) { return hy_max_pool2d_backward(d, &overlapping, v[0], v[1], v[2]); });
    expect_values(back[2], {0, 0, 0, 0, 1111, 0, 0, 0, 0});

    // Padding counts for the mean, or it does not.
    for (int32_t include : {0, 1}) {
        const hy_pool2d_params padded = {{2, 2}, {2, 2}, {1, 1}, {1, 1}, include};
        t = {tensor({1, 1, 2, 2}, {4, 8, 12, 16}), Tensor(HY_FLOAT64, {1, 1, 2, 2})};
        on_reference(t, [&](hy_device *d, const Views &v) { return hy_avg_pool2d(d, &padded, v[0], v[1]); });
        expect_values(t[1], include ? std::vector<double>{1, 2, 3, 4} : std::vector<double>{4, 8, 12, 16});
    }
}

TEST(Reference, MaxPoolingTakesANaN)
{
    const hy_pool2d_params p = {{1, 3}, {1, 3}, {0, 0}, {1, 1}, 0};
    std::vector<Tensor> t = {tensor({1, 1, 1, 6}, {1, NAN, 5, -INFINITY, -INFINITY, -INFINITY}), Tensor(HY_FLOAT64, {1, 1, 1, 2}),
                             Tensor(HY_INT32, {1, 1, 1, 2})};
    on_reference(t, [&](hy_device *d, const Views &v) { return hy_max_pool2d(d, &p, v[0], v[1], v[2]); });
    expect_values(t[1], {NAN, -INFINITY});
    expect_values(t[2], {1, 3});
}

TEST(Reference, CrossEntropy)
{
    // softmax([0, log 3]) = [1/4, 3/4]; the second sample is ignored.
    const double log3 = std::log(3.0);
    std::vector<Tensor> t = {tensor({2, 2}, {0, log3, 7, 7}), tensor({2}, {1, -100}, HY_INT64), Tensor(HY_FLOAT64, {}),
                             Tensor(HY_FLOAT64, {2, 2})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_cross_entropy(d, HY_REDUCTION_mean, -100, 0, v[0], v[1], v[2], v[3]); });
    expect_values(t[2], {std::log(4.0 / 3)}, 1e-15);
    expect_values(t[3], {0.25, -0.25, 0, 0}, 1e-15);

    // Smoothing 0.2 makes the target [0.1, 0.9]: loss 0.1 log 4 + 0.9 log(4/3), gradient [1/4 - 0.1, 3/4 - 0.9].
    on_reference(t, [](hy_device *d, const Views &v) { return hy_cross_entropy(d, HY_REDUCTION_sum, -100, 0.2, v[0], v[1], v[2], v[3]); });
    expect_values(t[2], {0.1 * std::log(4.0) + 0.9 * std::log(4.0 / 3)}, 1e-15);
    expect_values(t[3], {0.15, -0.15, 0, 0}, 1e-15);

    std::vector<Tensor> none = {tensor({1, 2}, {0, 0}), tensor({1}, {-100}, HY_INT64), Tensor(HY_FLOAT64, {}), Tensor(HY_FLOAT64, {1, 2})};
    on_reference(none,
                 [](hy_device *d, const Views &v) { return hy_cross_entropy(d, HY_REDUCTION_mean, -100, 0, v[0], v[1], v[2], v[3]); });
    expect_values(none[2], {NAN});
    expect_values(none[3], {0, 0});
}

TEST(Reference, MeanSquaredError)
{
    std::vector<Tensor> t = {tensor({2}, {1, 4}), tensor({2}, {0, 1}), Tensor(HY_FLOAT64, {}), Tensor(HY_FLOAT64, {2})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_mse(d, HY_REDUCTION_mean, v[0], v[1], v[2], v[3]); });
    expect_values(t[2], {5});
    expect_values(t[3], {1, 3});
}

TEST(Reference, BatchNormalisation)
{
    // The channel 1, 2, 3, 4: mean 2.5, biased variance 1.25, unbiased 5/3.
    std::vector<Tensor> t = {
        tensor({2, 1, 2}, {1, 2, 3, 4}), tensor({1}, {2}),        tensor({1}, {10}),      tensor({1}, {1}), tensor({1}, {1}),
        Tensor(HY_FLOAT64, {2, 1, 2}),   Tensor(HY_FLOAT64, {1}), Tensor(HY_FLOAT64, {1})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_batch_norm(d, 0, 0.1, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]); });
    const double rstd = 1 / std::sqrt(1.25);
    expect_values(t[5], {10 - 3 * rstd, 10 - rstd, 10 + rstd, 10 + 3 * rstd}, 1e-14);
    expect_values(t[6], {2.5});
    expect_values(t[7], {rstd}, 1e-15);
    expect_values(t[3], {0.9 + 0.25}, 1e-15);
    expect_values(t[4], {0.9 + 0.5 / 3}, 1e-15);
}

TEST(Reference, SgdSteps)
{
    // Two steps with momentum 0.9: the buffer is 1, then 0.9 + 1 = 1.9.
    hy_sgd_params p = {0.1, 0.9, 0, 0, 0, 1};
    std::vector<Tensor> t = {tensor({1}, {1}), tensor({1}, {1}), tensor({1}, {NAN})};
    const Call step = [&](hy_device *d, const Views &v) { return hy_sgd_step(d, &p, 1, v[0], v[1], v[2]); };
    on_reference(t, step);
    expect_values(t[0], {0.9}, 1e-15);
    p.first_step = 0;
    on_reference(t, step);
    expect_values(t[0], {0.71}, 1e-15);
    expect_values(t[2], {1.9}, 1e-15);

    p = {0.1, 0.5, 0.25, 0.1, 0, 0}; // decay and dampening: gradient 1 + 0.1·2 = 1.2, buffer 0.5·4 + 0.75·1.2 = 2.9
    t = {tensor({1}, {2}), tensor({1}, {1}), tensor({1}, {4})};
    on_reference(t, step);
    expect_values(t[0], {2 - 0.29}, 1e-15);

    p = {0.1, 0.5, 0, 0, 1, 0}; // Nesterov: buffer 3, step 1 + 0.5·3
    t = {tensor({1}, {2}), tensor({1}, {1}), tensor({1}, {4})};
    on_reference(t, step);
    expect_values(t[0], {1.75}, 1e-15);
}

TEST(Reference, AdamsFirstStepIsTheLearningRate)
{
    // After the bias correction m = g and v = g², so the step is rate · sign(g), whatever g.
    hy_adam_params p = {0.01, 0.9, 0.999, 0, 0, 0, 1};
    std::vector<Tensor> t = {tensor({3}, {1, 1, 1}), tensor({3}, {5, -0.001, 200}), Tensor(HY_FLOAT64, {3}), Tensor(HY_FLOAT64, {3})};
    for (int k : {2, 3}) t[(size_t)k].fill([] { return 0.0; });
    const Call step = [&](hy_device *d, const Views &v) { return hy_adam_step(d, &p, 1, v[0], v[1], v[2], v[3]); };
    on_reference(t, step);
    expect_values(t[0], {0.99, 1.01, 0.99}, 1e-12);
    expect_values(t[2], {0.5, -0.0001, 20}, 1e-14);
    expect_values(t[3], {0.025, 1e-9, 40}, 1e-13);

    p.weight_decay = 0.1, p.decoupled = 1, p.step = 1; // AdamW first shrinks the parameter by rate · decay
    t = {tensor({1}, {2}), tensor({1}, {3}), tensor({1}, {0}), tensor({1}, {0})};
    on_reference(t, step);
    expect_values(t[0], {2 * (1 - 0.001) - 0.01}, 1e-14);
}

TEST(Reference, Reductions)
{
    const Tensor x = tensor({2, 3}, {1, 5, -2, 7, 0, 4});
    struct Expected {
        int32_t op;
        std::vector<double> rows, columns;
    };
    for (const Expected &e : std::vector<Expected>{{HY_REDUCE_sum, {4, 11}, {8, 5, 2}},
                                                   {HY_REDUCE_mean, {4.0 / 3, 11.0 / 3}, {4, 2.5, 1}},
                                                   {HY_REDUCE_prod, {-10, 0}, {7, 0, -8}},
                                                   {HY_REDUCE_max, {5, 7}, {7, 5, 4}},
                                                   {HY_REDUCE_min, {-2, 0}, {1, 0, -2}}}) {
        std::vector<Tensor> t = {x, Tensor(HY_FLOAT64, {2, 1}), Tensor(HY_FLOAT64, {1, 3})};
        on_reference(t, [&](hy_device *d, const Views &v) { return hy_reduce(d, e.op, v[0], v[1]); });
        on_reference(t, [&](hy_device *d, const Views &v) { return hy_reduce(d, e.op, v[0], v[2]); });
        expect_values(t[1], e.rows, 1e-15);
        expect_values(t[2], e.columns, 1e-15);
    }
    std::vector<Tensor> t = {tensor({2, 4}, {1, 3, 3, NAN, 2, 5, 5, 1}), Tensor(HY_INT64, {2, 1}), Tensor(HY_FLOAT64, {2, 1})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_arg_reduce(d, 1, v[0], 1, v[1]); });
    expect_values(t[1], {3, 1});
    on_reference(t, [](hy_device *d, const Views &v) { return hy_reduce(d, HY_REDUCE_max, v[0], v[2]); });
    expect_values(t[2], {NAN, 5});

    std::vector<Tensor> bytes = {tensor({3}, {200, 200, 200}, HY_UINT8), Tensor(HY_INT64, {1})};
    on_reference(bytes, [](hy_device *d, const Views &v) { return hy_reduce(d, HY_REDUCE_sum, v[0], v[1]); });
    expect_values(bytes[1], {600});
}

TEST(Reference, CastsAsC)
{
    std::vector<Tensor> t = {tensor({6}, {NAN, 300, -1, 2.9, -2.9, 0.25}), Tensor(HY_UINT8, {6}), Tensor(HY_INT32, {6}),
                             Tensor(HY_BOOL, {6})};
    for (size_t k : {1, 2, 3}) on_reference(t, [&](hy_device *d, const Views &v) { return hy_copy(d, v[0], v[k]); });
    expect_values(t[1], {0, 255, 0, 2, 0, 0});
    expect_values(t[2], {0, 300, -1, 2, -2, 0});
    expect_values(t[3], {1, 1, 1, 1, 1, 1});
    std::vector<Tensor> wide = {tensor({2}, {257, -1}, HY_INT64), Tensor(HY_UINT8, {2})};
    on_reference(wide, [](hy_device *d, const Views &v) { return hy_copy(d, v[0], v[1]); });
    expect_values(wide[1], {1, 255});
}

TEST(Reference, Indexing)
{
    const Tensor x = tensor({2, 3}, counting(6));
    std::vector<Tensor> t = {x, tensor({2, 2}, {2, 0, 1, 1}, HY_INT64), Tensor(HY_FLOAT64, {2, 2}), tensor({2, 3}, counting(6))};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_gather(d, v[0], 1, v[1], v[2]); });
    expect_values(t[2], {3, 1, 5, 5});
    on_reference(t, [](hy_device *d, const Views &v) { return hy_scatter_add(d, v[2], 1, v[1], v[3]); });
    expect_values(t[3], {2, 2, 6, 4, 15, 6});

    t = {x, tensor({3}, {1, 0, 1}, HY_INT64), Tensor(HY_FLOAT64, {3, 3}), tensor({2, 3}, {0, 0, 0, 0, 0, 0}), Tensor(HY_FLOAT64, {3, 2})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_index_select(d, v[0], 0, v[1], v[2]); });
    expect_values(t[2], {4, 5, 6, 1, 2, 3, 4, 5, 6});
    on_reference(t, [](hy_device *d, const Views &v) { return hy_index_add(d, v[2], 0, v[1], v[3]); });
    expect_values(t[3], {1, 2, 3, 8, 10, 12});
    on_reference(t, [](hy_device *d, const Views &v) { return hy_one_hot(d, v[1], v[4]); });
    expect_values(t[4], {0, 1, 1, 0, 0, 1});
}

TEST(Reference, SoftmaxOfKnownLogits)
{
    std::vector<Tensor> t = {tensor({2, 2}, {1000, 1000 + std::log(3.0), 0, -INFINITY}), Tensor(HY_FLOAT64, {2, 2}),
                             Tensor(HY_FLOAT64, {2, 2})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_softmax(d, v[0], 1, 0, v[1]); });
    on_reference(t, [](hy_device *d, const Views &v) { return hy_softmax(d, v[0], 1, 1, v[2]); });
    expect_values(t[1], {0.25, 0.75, 1, 0}, 1e-12);
    expect_values(t[2], {-std::log(4.0), std::log(0.75), 0, -INFINITY}, 1e-12);
}

TEST(Reference, RandomNumbersFollowTheirDistributions)
{
    const int64_t n = 40000;
    std::vector<Tensor> t = {Tensor(HY_FLOAT32, {n}), Tensor(HY_FLOAT64, {n}), Tensor(HY_INT32, {n}), Tensor(HY_BOOL, {n})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_random_uniform(d, 1, 0, -1, 3, v[0]); });
    on_reference(t, [](hy_device *d, const Views &v) { return hy_random_normal(d, 2, 0, 5, 2, v[1]); });
    on_reference(t, [](hy_device *d, const Views &v) { return hy_random_integers(d, 3, 0, -2, 3, v[2]); });
    on_reference(t, [](hy_device *d, const Views &v) { return hy_random_bernoulli(d, 4, 0, 0.3, v[3]); });
    const auto moments = [&](const Tensor &x) {
        double sum = 0, squares = 0;
        for (int64_t i = 0; i < n; i++) sum += x.get(i), squares += x.get(i) * x.get(i);
        return std::pair<double, double>(sum / (double)n, squares / (double)n - std::pow(sum / (double)n, 2));
    };
    // Five standard errors of the mean, sqrt(variance / n); the variance likewise, roughly.
    const double expected[][2] = {{1, 16.0 / 12}, {5, 4}, {0, 2}, {0.3, 0.21}};
    for (size_t k = 0; k < 4; k++) {
        const auto [mean, variance] = moments(t[k]);
        EXPECT_NEAR(mean, expected[k][0], 5 * std::sqrt(expected[k][1] / (double)n)) << k;
        EXPECT_NEAR(variance, expected[k][1], 0.05 * expected[k][1]) << k;
    }
    for (int64_t i = 0; i < n; i++) {
        ASSERT_TRUE(t[0].get(i) >= -1 && t[0].get(i) < 3);
        ASSERT_TRUE(t[2].integer(i) >= -2 && t[2].integer(i) < 3);
    }
    // The sequence goes on at the next offset, in float64 with the same leading bits as in float32.
    std::vector<Tensor> parts = {Tensor(HY_FLOAT32, {10}), Tensor(HY_FLOAT64, {7})};
    on_reference(parts, [](hy_device *d, const Views &v) { return hy_random_uniform(d, 9, 0, 0, 1, v[0]); });
    on_reference(parts, [](hy_device *d, const Views &v) { return hy_random_uniform(d, 9, 3, 0, 1, v[1]); });
    for (int64_t i = 0; i < 7; i++) EXPECT_EQ(parts[0].get(i + 3), std::floor(parts[1].get(i) * 0x1p24) * 0x1p-24);
}

TEST(Reference, UniformStaysBelowItsUpperBound)
{
    // Just below 1 + 2^-23 there is only 1 in float32: every number must be that.
    std::vector<Tensor> t = {Tensor(HY_FLOAT32, {1000})};
    on_reference(t, [](hy_device *d, const Views &v) { return hy_random_uniform(d, 5, 0, 1, 1 + 0x1p-23, v[0]); });
    expect_values(t[0], std::vector<double>(1000, 1.0));
}

} // namespace
