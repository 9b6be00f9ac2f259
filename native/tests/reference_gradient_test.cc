// The reference's gradients, against central differences of its forward functions in float64.
#include "support/operations.h"
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

class Gradient : public ::testing::Test {
protected:
    Random random{7};

    Tensor input(const Shape &shape, double low = -2, double high = 2) { return random_input(random, HY_FLOAT64, shape, low, high); }

    static void call(std::vector<Tensor> &tensors, const Call &f)
    {
        ASSERT_EQ(run(reference(), tensors, f), HY_OK) << hy_last_error();
    }

    /// Expects `gradient` to be d sum(g · y) / d inputs[k], where f computes the last tensor, y, from those before it.
    static void expect_gradient(std::vector<Tensor> tensors, size_t k, const Call &f, const Tensor &g, const Tensor &gradient)
    {
        const double h = 1e-5;
        const auto loss = [&] {
            call(tensors, f);
            double sum = 0;
            for (int64_t i = 0; i < g.size(); i++) sum += g.get(i) * tensors.back().get(i);
            return sum;
        };
        for (int64_t i = 0; i < gradient.size(); i++) {
            const double x = tensors[k].get(i);
            tensors[k].set(i, x + h);
            const double above = loss();
            tensors[k].set(i, x - h);
            const double below = loss();
            tensors[k].set(i, x);
            const double numeric = (above - below) / (2 * h);
            ASSERT_NEAR(gradient.get(i), numeric, 1e-6 * (1 + std::fabs(numeric))) << "operand " << k << ", element " << i;
        }
    }

    /// A layout with no stride 0, so that a nudge of one element is one of that element alone.
    Tensor variable(const Shape &shape, double low = -2, double high = 2)
    {
        return random_output(random, HY_FLOAT64, shape).randomise(random, low, high);
    }
};

TEST_F(Gradient, EveryUnaryOperation)
{
    for (int32_t op = 0; op < HY_UNARY_COUNT; op++) {
        const UnaryRow &row = unary_rows[(size_t)op];
        SCOPED_TRACE(row.name);
        Tensor x(HY_FLOAT64, {200});
        x.fill([&] { // clear of 0, the integers and the halves, where some derivatives jump
            for (;;) {
                const double v = random.real(row.x.low, row.x.high);
                if (std::fabs(2 * v - std::rint(2 * v)) > 0.01) return v;
            }
        });
        const Tensor g = input({200});
        std::vector<Tensor> t = {x, Tensor(HY_FLOAT64, {200}), g, Tensor(HY_FLOAT64, {200})};
        call(t, [&](hy_device *d, const Views &v) { return hy_unary(d, op, row.parameter, v[0], v[1]); });
        call(t, [&](hy_device *d, const Views &v) {
            return hy_unary_backward(d, op, row.parameter, row.reads & INPUT ? v[0] : nullptr, row.reads & OUTPUT ? v[1] : nullptr, v[2],
                                     v[3]);
        });
        expect_gradient({x, t[1]}, 0, [&](hy_device *d, const Views &v) { return hy_unary(d, op, row.parameter, v[0], v[1]); }, g, t[3]);
        if (HasFatalFailure()) return;
    }
}

TEST_F(Gradient, EveryBinaryOperation)
{
    for (int32_t op = 0; op < HY_BINARY_COUNT; op++)
        for (int32_t operand : {0, 1}) {
            const BinaryRow &row = binary_rows[(size_t)op];
            SCOPED_TRACE(row.name);
            const Tensor a = variable({100}, row.a.low, row.a.high), b = variable({100}, row.b.low, row.b.high), g = input({100}),
                         y(HY_FLOAT64, {100});
            const Call forward = [&](hy_device *d, const Views &v) { return hy_binary(d, op, v[0], v[1], v[2]); };
            std::vector<Tensor> t = {a, b, g, y};
            call(t, [&](hy_device *d, const Views &v) { return hy_binary_backward(d, op, operand, v[0], v[1], v[2], v[3]); });
            expect_gradient({a, b, y}, (size_t)operand, forward, g, t[3]);
            if (HasFatalFailure()) return;

            const double s = operand ? 0.5 * (row.a.low + row.a.high) + 0.4 : 0.5 * (row.b.low + row.b.high) + 0.4;
            t = {operand ? b : a, g, y};
            call(t, [&](hy_device *d, const Views &v) { return hy_binary_scalar_backward(d, op, v[0], s, operand, v[1], v[2]); });
            expect_gradient(
                {operand ? b : a, y}, 0, [&](hy_device *d, const Views &v) { return hy_binary_scalar(d, op, v[0], s, operand, v[1]); }, g,
                t[2]);
            if (HasFatalFailure()) return;
        }
}

TEST_F(Gradient, Softmax)
{
    for (int32_t logarithm : {0, 1})
        for (int axis : {0, 1, 2}) {
            const Tensor x = variable({3, 4, 5}), g = input({3, 4, 5});
            const Call forward = [=](hy_device *d, const Views &v) { return hy_softmax(d, v[0], axis, logarithm, v[1]); };
            std::vector<Tensor> t = {x, Tensor(HY_FLOAT64, x.shape), g, Tensor(HY_FLOAT64, x.shape)};
            call(t, forward);
            call(t, [=](hy_device *d, const Views &v) { return hy_softmax_backward(d, v[1], v[2], axis, logarithm, v[3]); });
            expect_gradient({x, t[1]}, 0, forward, g, t[3]);
        }
}

TEST_F(Gradient, Convolution)
{
    struct Case {
        hy_conv2d_params p;
        Shape x, w, y;
    };
    const std::vector<Case> cases = {{{{1, 1}, {0, 0}, {1, 1}, 1}, {2, 3, 5, 4}, {4, 3, 3, 2}, {2, 4, 3, 3}},
                                     {{{2, 1}, {1, 2}, {1, 1}, 1}, {2, 2, 5, 4}, {3, 2, 3, 3}, {2, 3, 3, 6}},
                                     {{{1, 3}, {2, 1}, {2, 1}, 2}, {1, 4, 5, 7}, {4, 2, 3, 2}, {1, 4, 5, 3}},
                                     {{{2, 2}, {1, 1}, {1, 1}, 3}, {2, 3, 6, 6}, {6, 1, 3, 3}, {2, 6, 3, 3}}};
    for (const Case &c : cases) {
        const Tensor x = variable(c.x), w = variable(c.w), bias = variable({c.w[0]}), g = input(c.y), y(HY_FLOAT64, c.y);
        const Call forward = [&](hy_device *d, const Views &v) { return hy_conv2d(d, &c.p, v[0], v[1], v[2], v[3]); };
        std::vector<Tensor> t = {x, w, g, Tensor(HY_FLOAT64, c.x), Tensor(HY_FLOAT64, c.w), Tensor(HY_FLOAT64, {c.w[0]})};
        call(t, [&](hy_device *d, const Views &v) { return hy_conv2d_input_grad(d, &c.p, v[2], v[1], v[3]); });
        call(t, [&](hy_device *d, const Views &v) { return hy_conv2d_weight_grad(d, &c.p, v[0], v[2], v[4], v[5]); });
        for (size_t k : {0, 1, 2}) expect_gradient({x, w, bias, y}, k, forward, g, t[3 + k]);
        if (HasFatalFailure()) return;
    }
}

TEST_F(Gradient, Pooling)
{
    for (int32_t include : {0, 1}) {
        const hy_pool2d_params p = {{3, 2}, {2, 1}, {1, 1}, {1, 1}, include};
        const Tensor x = variable({2, 2, 6, 5}), g = input({2, 2, 3, 6}), y(HY_FLOAT64, {2, 2, 3, 6});
        std::vector<Tensor> t = {x, g, Tensor(HY_INT32, y.shape), y, Tensor(HY_FLOAT64, x.shape)};
        call(t, [&](hy_device *d, const Views &v) { return hy_avg_pool2d_backward(d, &p, v[1], v[4]); });
        expect_gradient({x, y}, 0, [&](hy_device *d, const Views &v) { return hy_avg_pool2d(d, &p, v[0], v[1]); }, g, t[4]);
        call(t, [&](hy_device *d, const Views &v) { return hy_max_pool2d(d, &p, v[0], v[3], v[2]); });
        call(t, [&](hy_device *d, const Views &v) { return hy_max_pool2d_backward(d, &p, v[1], v[2], v[4]); });
        expect_gradient({x, y}, 0, [&](hy_device *d, const Views &v) { return hy_max_pool2d(d, &p, v[0], v[1], nullptr); }, g, t[4]);
    }
}

TEST_F(Gradient, BatchNormalisation)
{
    const Shape shape = {3, 2, 4}, channels = {2};
    const Tensor x = variable(shape), weight = variable(channels), bias = variable(channels), g = input(shape), y(HY_FLOAT64, shape),
                 c(HY_FLOAT64, channels);
    std::vector<Tensor> saved = {x, c, c, y};
    call(saved, [](hy_device *d, const Views &v) {
        return hy_batch_norm(d, 1e-3, 0.1, v[0], nullptr, nullptr, nullptr, nullptr, v[3], v[1], v[2]);
    });
    std::vector<Tensor> t = {g, x, weight, saved[1], saved[2], y, c, c};
    call(t, [](hy_device *d, const Views &v) { return hy_batch_norm_backward(d, v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7]); });
    const Call forward = [](hy_device *d, const Views &v) {
        return hy_batch_norm(d, 1e-3, 0.1, v[0], v[1], v[2], nullptr, nullptr, v[5], v[3], v[4]);
    };
    for (size_t k : {0, 1, 2}) expect_gradient({x, weight, bias, c, c, y}, k, forward, g, t[5 + k]);
}

TEST_F(Gradient, Losses)
{
    Tensor labels(HY_INT64, {5});
    for (int64_t i = 0; i < 5; i++) labels.set_integer(i, i == 3 ? -100 : i % 3);
    for (int32_t reduction : {HY_REDUCTION_none, HY_REDUCTION_mean, HY_REDUCTION_sum})
        for (double smoothing : {0.0, 0.3}) {
            const Tensor logits = variable({5, 3}), loss(HY_FLOAT64, reduction == HY_REDUCTION_none ? Shape{5} : Shape{});
            std::vector<Tensor> t = {logits, labels, loss, Tensor(HY_FLOAT64, {5, 3})};
            call(t, [=](hy_device *d, const Views &v) { return hy_cross_entropy(d, reduction, -100, smoothing, v[0], v[1], v[2], v[3]); });
            Tensor ones = loss;
            ones.fill([] { return 1.0; });
            expect_gradient(
                {logits, labels, loss}, 0,
                [=](hy_device *d, const Views &v) { return hy_cross_entropy(d, reduction, -100, smoothing, v[0], v[1], v[2], nullptr); },
                ones, t[3]);

            const Tensor x = variable({5, 3}), target = variable({5, 3}),
                         mse(HY_FLOAT64, reduction == HY_REDUCTION_none ? Shape{5, 3} : Shape{});
            t = {x, target, mse, Tensor(HY_FLOAT64, {5, 3})};
            call(t, [=](hy_device *d, const Views &v) { return hy_mse(d, reduction, v[0], v[1], v[2], v[3]); });
            ones = mse;
            ones.fill([] { return 1.0; });
            expect_gradient(
                {x, target, mse}, 0, [=](hy_device *d, const Views &v) { return hy_mse(d, reduction, v[0], v[1], v[2], nullptr); }, ones,
                t[3]);
        }
}

TEST_F(Gradient, ScatterAddIsGathersAndIndexAddIsIndexSelects)
{
    const Tensor x = variable({4, 5}), index = random_input(random, HY_INT64, {7, 5}, 0, 3),
                 few = random_input(random, HY_INT64, {6}, 0, 4);
    const Tensor g = input({7, 5}), g_few = input({4, 6});
    std::vector<Tensor> t = {g,     index, Tensor(HY_FLOAT64, x.shape).fill([] { return 0.0; }),
                             g_few, few,   Tensor(HY_FLOAT64, x.shape).fill([] { return 0.0; })};
    call(t, [](hy_device *d, const Views &v) { return hy_scatter_add(d, v[0], 0, v[1], v[2]); });
    call(t, [](hy_device *d, const Views &v) { return hy_index_add(d, v[3], 1, v[4], v[5]); });
    expect_gradient(
        {x, index, Tensor(HY_FLOAT64, {7, 5})}, 0, [](hy_device *d, const Views &v) { return hy_gather(d, v[0], 0, v[1], v[2]); }, g, t[2]);
    expect_gradient(
        {x, few, Tensor(HY_FLOAT64, {4, 6})}, 0, [](hy_device *d, const Views &v) { return hy_index_select(d, v[0], 1, v[1], v[2]); },
        g_few, t[5]);
}

} // namespace
