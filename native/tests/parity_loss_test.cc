// Losses, indexing and optimiser steps against the reference.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
const std::vector<int32_t> kAny = {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_UINT8, HY_BOOL, HY_BFLOAT16, HY_FLOAT16};

class Loss : public Parity {
protected:
    Tensor random_labels(int64_t samples, int64_t classes, int64_t ignore_index, double ignored)
    {
        Tensor labels(HY_INT64, {samples}, random_layout(random, false), &random);
        for (int64_t i = 0; i < samples; i++) labels.set_integer(i, random.chance(ignored) ? ignore_index : random.integer(0, classes - 1));
        return labels;
    }
};

TEST_P(Loss, CrossEntropy)
{
    static const std::vector<Shape> shapes = {{1, 1}, {0, 5}, {64, 10}, {7, 17}, {33, 129}, {3, 2}, {1000, 10}, {5, 3000}};
    for (int32_t dtype : kFloating)
        for (int32_t reduction : {HY_REDUCTION_none, HY_REDUCTION_mean, HY_REDUCTION_sum})
            for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
                const Shape shape = random.pick(shapes);
                const int64_t ignore_index = i % 3 == 0 ? -100 : i % 3 == 1 ? 0 : shape[1] + 7;
                const double smoothing = i % 2 ? 0 : random.real(0, 1), ignored = i == 5 ? 1 : random.pick<double>({0, 0.3});
                const bool with_grad = i % 4 != 3;
                const double n = (double)shape[0], c = (double)shape[1];
                // A sample's loss is below 2 * 8 + log C, and the smoothed part sums C of them.
                const double largest = 16 + std::log(c + 1), samples = reduction == HY_REDUCTION_sum ? n : 1;
                expect_parity(
                    {random_input(random, dtype, shape, -8, 8), random_labels(shape[0], shape[1], ignore_index, ignored),
                     random_output(random, dtype, reduction == HY_REDUCTION_none ? Shape{shape[0]} : Shape{}),
                     random_output(random, dtype, shape)},
                    2,
                    [=](hy_device *d, const Views &t) {
                        return hy_cross_entropy(d, reduction, ignore_index, smoothing, t[0], t[1], t[2], with_grad ? t[3] : nullptr);
                    },
                    [=](size_t output, int64_t, double) {
                        return epsilon(dtype) * (32 + std::sqrt(c) + std::sqrt(n)) * (output == 0 ? largest * samples : 1);
                    });
            }
}

TEST_P(Loss, CrossEntropyOfExtremeLogits)
{
    Tensor logits(HY_FLOAT32, {6, 3}), labels(HY_INT64, {6});
    const std::vector<double> rows = {1000, 0, -1000, -1000, 1000, 0, -INFINITY, 0, 1, NAN, 0, 1, 88, 89, 90, INFINITY, 0, 0};
    for (int64_t i = 0; i < 18; i++) logits.set(i, rows[(size_t)i]);
    for (int64_t i = 0; i < 6; i++) labels.set_integer(i, i % 3);
    for (double smoothing : {0.0, 0.1})
        expect_parity(
            {logits, labels, Tensor(HY_FLOAT32, {6}), Tensor(HY_FLOAT32, {6, 3})}, 2,
            [=](hy_device *d, const Views &t) { return hy_cross_entropy(d, HY_REDUCTION_none, -100, smoothing, t[0], t[1], t[2], t[3]); },
            [](size_t, int64_t, double e) { return 32 * 0x1p-23 * std::fmax(std::fabs(e), 1); });
}

TEST_P(Loss, CrossEntropyRefusesALabelThatIsNoClass)
{
    for (int64_t bad : {-1, 5, INT32_MAX}) {
        Tensor labels(HY_INT64, {1000});
        labels.fill([] { return 1.0; }).set_integer(701, bad);
        labels.set_integer(900, -7);
        expect_failure(
            {Tensor(HY_FLOAT32, {1000, 5}), labels, Tensor(HY_FLOAT32, {}), Tensor(HY_FLOAT32, {1000, 5})},
            [](hy_device *d, const Views &t) { return hy_cross_entropy(d, HY_REDUCTION_mean, -100, 0, t[0], t[1], t[2], t[3]); },
            HY_OUT_OF_RANGE, false);
        if (IsSkipped()) return;
        if (device->info.kind != HY_CUDA) { // a GPU tells the place alone
            EXPECT_NE(std::string(hy_last_error()).find(std::to_string(bad)), std::string::npos) << hy_last_error();
        }
        EXPECT_NE(std::string(hy_last_error()).find("701"), std::string::npos) << hy_last_error();
    }
}

TEST_P(Loss, MeanSquaredError)
{
    for (int32_t dtype : kFloating)
        for (int32_t reduction : {HY_REDUCTION_none, HY_REDUCTION_mean, HY_REDUCTION_sum})
            for (int i = 0; i < 25 && !HasFatalFailure(); i++) {
                const Shape shape = random_shape(random);
                const bool with_grad = i % 4 != 3;
                const double n = (double)count(shape), terms = reduction == HY_REDUCTION_none ? 1 : dtype != HY_FLOAT64 ? 32 : 32 + n / 2;
                expect_parity(
                    {random_input(random, dtype, shape), random_input(random, dtype, shape),
                     random_output(random, dtype, reduction == HY_REDUCTION_none ? shape : Shape{}), random_output(random, dtype, shape)},
                    2, [=](hy_device *d, const Views &t) { return hy_mse(d, reduction, t[0], t[1], t[2], with_grad ? t[3] : nullptr); },
                    [=](size_t output, int64_t, double e) { return epsilon(dtype) * (output == 0 ? terms + 4 : 4) * std::fabs(e); });
            }
}

class Index : public Parity {
protected:
    struct Case {
        Shape whole; // x of a gather, y of a scatter
        int axis;
        Shape picked;
    };

    /// Some shape, an axis of it, and the shape of what is picked along that axis.
    Case random_case(bool smaller_elsewhere)
    {
        static const std::vector<Shape> shapes = {{5},       {129},     {7, 33}, {33, 7},    {3, 5, 9}, {2, 3, 4, 5},
                                                  {1000, 3}, {65, 129}, {1},     {200, 300}, {3, 1, 2}};
        Case c;
        c.whole = random.pick(shapes);
        c.axis = (int)random.integer(0, (int64_t)c.whole.size() - 1);
        c.picked = c.whole;
        if (smaller_elsewhere)
            for (int64_t &extent : c.picked) extent = random.chance(0.7) ? extent : random.integer(1, extent);
        c.picked[(size_t)c.axis] = random.chance(0.1) ? 0 : random.integer(1, 2 * c.whole[(size_t)c.axis]);
        return c;
    }

    Tensor random_index(const Shape &shape, int64_t extent)
    {
        return random_input(random, HY_INT64, shape, 0, (double)extent - 1);
    }

    Tensor random_sums(int32_t dtype, const Shape &shape)
    {
        Tensor t = random_output(random, dtype, shape);
        return t.randomise(random);
    }
};

TEST_P(Index, Gather)
{
    for (int32_t dtype : kAny)
        for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
            const Case c = random_case(true);
            expect_parity(
                {random_input(random, dtype, c.whole), random_index(c.picked, c.whole[(size_t)c.axis]),
                 random_output(random, dtype, c.picked)},
                2, [&](hy_device *d, const Views &t) { return hy_gather(d, t[0], c.axis, t[1], t[2]); }, exactly);
        }
}

TEST_P(Index, ScatterAdd) // in order, hence exactly
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_BFLOAT16, HY_FLOAT16})
        for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
            const Case c = random_case(true);
            expect_parity(
                {random_input(random, dtype, c.picked), random_index(c.picked, c.whole[(size_t)c.axis]), random_sums(dtype, c.whole)}, 2,
                [&](hy_device *d, const Views &t) { return hy_scatter_add(d, t[0], c.axis, t[1], t[2]); }, exactly);
        }
}

TEST_P(Index, IndexSelect)
{
    for (int32_t dtype : kAny)
        for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
            const Case c = random_case(false);
            const Tensor index = random_index({c.picked[(size_t)c.axis]}, c.whole[(size_t)c.axis]);
            expect_parity({random_input(random, dtype, c.whole), index, random_output(random, dtype, c.picked)}, 2,
                          [&](hy_device *d, const Views &t) { return hy_index_select(d, t[0], c.axis, t[1], t[2]); }, exactly);
        }
}

TEST_P(Index, IndexAdd)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_INT32, HY_INT64, HY_BFLOAT16, HY_FLOAT16})
        for (int i = 0; i < 20 && !HasFatalFailure(); i++) {
            const Case c = random_case(false);
            const Tensor index = random_index({c.picked[(size_t)c.axis]}, c.whole[(size_t)c.axis]);
            expect_parity({random_input(random, dtype, c.picked), index, random_sums(dtype, c.whole)}, 2,
                          [&](hy_device *d, const Views &t) { return hy_index_add(d, t[0], c.axis, t[1], t[2]); }, exactly);
        }
}

TEST_P(Index, OneHot)
{
    for (int32_t dtype : kAny)
        for (int i = 0; i < 12 && !HasFatalFailure(); i++) {
            const Shape shape = random.pick<Shape>({{}, {1}, {0}, {17}, {3, 5}, {1000}});
            Shape with_classes = shape;
            with_classes.push_back(random.integer(1, 20));
            expect_parity({random_index(shape, with_classes.back()), random_output(random, dtype, with_classes)}, 1,
                          [](hy_device *d, const Views &t) { return hy_one_hot(d, t[0], t[1]); }, exactly);
        }
}

TEST_P(Index, RefusesAnIndexOutOfRange)
{
    for (int64_t bad : {(int64_t)-1, (int64_t)7, INT64_MAX, INT64_MIN}) {
        Tensor index(HY_INT64, {7, 33});
        index.fill([] { return 2.0; }).set_integer(100, bad);
        Tensor x(HY_FLOAT32, {7, 33}), y(HY_FLOAT32, {7, 33});
        expect_failure(
            {x, index, y}, [](hy_device *d, const Views &t) { return hy_gather(d, t[0], 0, t[1], t[2]); }, HY_OUT_OF_RANGE, false);
        expect_failure(
            {x.randomise(random), index, y}, [](hy_device *d, const Views &t) { return hy_scatter_add(d, t[0], 0, t[1], t[2]); },
            HY_OUT_OF_RANGE, true);
        if (IsSkipped()) return;
        const std::string named = device->info.kind == HY_CUDA ? "place 100" : std::to_string(bad); // a GPU tells the place alone
        EXPECT_NE(std::string(hy_last_error()).find(named), std::string::npos) << hy_last_error();

        expect_failure( // along rows in memory
            {Tensor(HY_FLOAT32, {7, 7}), index, y}, [](hy_device *d, const Views &t) { return hy_gather(d, t[0], 1, t[1], t[2]); },
            HY_OUT_OF_RANGE, false);
        EXPECT_NE(std::string(hy_last_error()).find(named), std::string::npos) << hy_last_error();

        Tensor few(HY_INT64, {7});
        few.fill([] { return 2.0; }).set_integer(5, bad);
        expect_failure(
            {x, few, y}, [](hy_device *d, const Views &t) { return hy_index_select(d, t[0], 0, t[1], t[2]); }, HY_OUT_OF_RANGE, false);
        expect_failure(
            {x, few, y}, [](hy_device *d, const Views &t) { return hy_index_add(d, t[0], 0, t[1], t[2]); }, HY_OUT_OF_RANGE, true);
        expect_failure(
            {few, Tensor(HY_FLOAT32, {7, 7})}, [](hy_device *d, const Views &t) { return hy_one_hot(d, t[0], t[1]); }, HY_OUT_OF_RANGE,
            false);
        if (HasFatalFailure()) return;
    }
}

class Optimiser : public Parity {
protected:
    Tensor state(int32_t dtype, const Shape &shape, double low, double high)
    {
        Tensor t = random_output(random, dtype, shape);
        return t.randomise(random, low, high);
    }

    /// A few parameters of both dtypes and their gradients, some longer than a task: all gradients, then all parameters.
    std::vector<Tensor> parameters(int which)
    {
        std::vector<Tensor> gradients, parameters;
        for (int64_t n = random.integer(1, 5); n > 0; n--) {
            const int32_t dtype = random.pick(kFloating);
            const Shape shape = which % 8 == 1 && n == 2 ? Shape{3, 12000} : random_shape(random);
            gradients.push_back(random_input(random, dtype, shape));
            parameters.push_back(state(dtype, shape, -3, 3));
        }
        gradients.insert(gradients.end(), parameters.begin(), parameters.end());
        return gradients;
    }

    /// Adds one more tensor a parameter.
    void add_state(std::vector<Tensor> &tensors, size_t count, double low, double high)
    {
        for (size_t i = 0; i < count; i++) tensors.push_back(state(tensors[i].dtype, tensors[i].shape, low, high));
    }

    /// The r-th of the arrays that the step takes.
    static std::vector<hy_tensor> role(const Views &t, size_t count, size_t r)
    {
        std::vector<hy_tensor> views;
        for (size_t i = 0; i < count; i++) views.push_back(*t[r * count + i]);
        return views;
    }
};

TEST_P(Optimiser, SgdStep)
{
    for (int i = 0; i < 64 && !HasFatalFailure(); i++) {
        hy_sgd_params p = {};
        p.learning_rate = random.real(0.01, 1);
        p.momentum = i % 2 ? random.real(0.1, 0.99) : 0;
        p.weight_decay = i % 3 == 0 ? random.real(0, 0.1) : 0;
        p.nesterov = i % 4 == 3;
        p.dampening = i % 8 == 5 ? 0.3 : 0;
        p.first_step = i % 5 == 0;
        std::vector<Tensor> tensors = parameters(i);
        const size_t count = tensors.size() / 2;
        add_state(tensors, count, -3, 3);
        // |param|, |grad| and |buffer| are at most 3: the new buffer below 6.3, the step below 10, each with a few roundings.
        expect_parity(tensors, count,
                      [&](hy_device *d, const Views &t) {
                          const auto buffers = role(t, count, 2);
                          return hy_sgd_step(d, &p, (int64_t)count, role(t, count, 1).data(), role(t, count, 0).data(), p.momentum != 0 ? buffers.data() : nullptr);
                      },
                      [&](size_t k, int64_t, double) { return 8 * epsilon(tensors[k % count].dtype) * 10; });
    }
}

TEST_P(Optimiser, AdamStep)
{
    for (int i = 0; i < 64 && !HasFatalFailure(); i++) {
        hy_adam_params p = {};
        p.learning_rate = random.real(0.001, 0.1);
        p.beta1 = i % 6 == 5 ? 0 : 0.9;
        p.beta2 = 0.999;
        p.eps = 1e-8;
        p.weight_decay = i % 3 == 0 ? random.real(0, 0.1) : 0;
        p.decoupled = i % 2;
        p.step = i % 4 == 0 ? 1 : random.integer(2, 2000);
        const bool first = p.step == 1;
        std::vector<Tensor> tensors = parameters(i);
        const size_t count = tensors.size() / 2;
        add_state(tensors, count, first ? 0 : -1, first ? 0 : 1);
        add_state(tensors, count, first ? 0 : 0.1, first ? 0 : 1);
        // The corrected second moment stays above 0.1 (beyond the first step, where the update is a sign), so that an update is below
        // 10 / sqrt(0.1).
        expect_parity(tensors, count,
                      [&](hy_device *d, const Views &t) {
                          return hy_adam_step(d, &p, (int64_t)count, role(t, count, 1).data(), role(t, count, 0).data(), role(t, count, 2).data(),
                                              role(t, count, 3).data());
                      },
                      [&](size_t k, int64_t, double) { return 16 * epsilon(tensors[k % count].dtype) * (3 + p.learning_rate * 32); });
    }
}

HY_PARITY_SUITE(Loss);
HY_PARITY_SUITE(Index);
HY_PARITY_SUITE(Optimiser);

} // namespace
