// Inference with 8-bit weights against the reference, whose sums are naive int64 ones, at edge shapes, under every ISA.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

Shape packed_shape(int64_t outputs, int64_t inputs) { return {(outputs + 15) / 16, (inputs + 1) / 2, 16, 2}; }

class Int8 : public Parity {
protected:
    // Random weights, already quantised and packed; every value that a byte may have but -128, which quantisation does not give.
    Tensor packed_weight(int64_t outputs, int64_t inputs)
    {
        Tensor q = random_output(random, HY_INT8, {outputs, inputs}).randomise(random, -127, 127);
        std::vector<Tensor> t = {q, Tensor(HY_INT8, packed_shape(outputs, inputs))};
        EXPECT_EQ(run(reference(), t, [](hy_device *d, const Views &v) { return hy_pack_int8(d, v[0], v[1]); }), HY_OK) << hy_last_error();
        return t[1];
    }

    // The sums agree exactly, which leaves three roundings of float.
    static Allowed allowed(const Tensor &bias) { return [largest = bias.largest()](size_t, int64_t, double e) { return 0x1p-22 * (std::fabs(e) + largest); }; }

    void linear(int64_t m, int64_t k, int64_t n, double low, double high, int32_t activation = HY_NO_ACTIVATION)
    {
        const Tensor bias = random_input(random, HY_FLOAT32, {n}), scale = random_input(random, HY_FLOAT32, {n}, 0.001, 0.1);
        const Tensor x = random_input(random, HY_FLOAT32, {m, k}, low, high), y = random_output(random, HY_FLOAT32, {m, n});
        const bool with_bias = random.chance(0.7);
        expect_parity({x, packed_weight(n, k), scale, bias, y}, 4,
                      [&](hy_device *d, const Views &t) { return hy_quantized_linear(d, t[0], t[1], t[2], with_bias ? t[3] : nullptr, activation, t[4]); },
                      allowed(bias));
    }

    void conv(const hy_conv2d_params &p, Shape x_shape, int64_t outputs, int32_t height, int32_t width)
    {
        Shape y_shape = {x_shape[0], outputs};
        const int32_t kernel[] = {height, width};
        for (int i = 0; i < 2; i++) y_shape.push_back((x_shape[2 + i] + 2 * p.padding[i] - p.dilation[i] * (kernel[i] - 1) - 1) / p.stride[i] + 1);
        const Tensor bias = random_input(random, HY_FLOAT32, {outputs}), scale = random_input(random, HY_FLOAT32, {outputs}, 0.001, 0.1);
        expect_parity({random_input(random, HY_FLOAT32, x_shape), packed_weight(outputs, x_shape[1] * height * width), scale, bias,
                       random_output(random, HY_FLOAT32, y_shape)}, 4,
                      [&](hy_device *d, const Views &t) { return hy_quantized_conv2d(d, &p, height, width, t[0], t[1], t[2], t[3], t[4]); }, allowed(bias));
    }
};

TEST_P(Int8, QuantizesWeightsAlike)
{
    for (const Shape &shape : std::vector<Shape>{{1}, {7}, {1, 1}, {3, 65}, {33, 129}, {5, 3, 2, 2}, {0, 4}, {4, 0}})
        for (int zeros = 0; zeros < 2; zeros++) {
            Tensor w = random_input(random, HY_FLOAT32, shape);
            if (zeros) w.fill([] { return 0.0; });
            expect_parity({w, random_output(random, HY_INT8, shape), random_output(random, HY_FLOAT32, {shape[0]})}, 1,
                          [](hy_device *d, const Views &t) { return hy_quantize_weight(d, t[0], t[1], t[2]); }, exactly);
            if (HasFatalFailure()) return;
        }
}

TEST_P(Int8, ScaleAndIntegersGiveTheWeightBack)
{
    if (!device->backend.quantize_weight) GTEST_SKIP() << "this device has no kernel yet";
    std::vector<Tensor> t = {Tensor(HY_FLOAT32, {9, 100}).randomise(random), Tensor(HY_INT8, {9, 100}), Tensor(HY_FLOAT32, {9})};
    ASSERT_EQ(run(device, t, [](hy_device *d, const Views &v) { return hy_quantize_weight(d, v[0], v[1], v[2]); }), HY_OK);
    for (int64_t k = 0; k < 9; k++) {
        int64_t largest = 0;
        for (int64_t c = 0; c < 100; c++) {
            largest = std::max(largest, std::abs(t[1].integer(k * 100 + c)));
            EXPECT_LE(std::fabs((double)t[1].integer(k * 100 + c) * t[2].get(k) - t[0].get(k * 100 + c)), 0.5001 * t[2].get(k));
        }
        EXPECT_EQ(largest, 127);
    }
}

TEST_P(Int8, Packs)
{
    for (const Shape &shape : std::vector<Shape>{{1, 1}, {16, 2}, {17, 3}, {40, 65}, {5, 3, 3, 3}, {3}, {0, 3}, {3, 0}}) {
        const int64_t inputs = shape[0] ? count(shape) / shape[0] : shape.size() > 1 ? shape[1] : 1;
        expect_parity({random_input(random, HY_INT8, shape, -127, 127), random_output(random, HY_INT8, packed_shape(shape[0], inputs))}, 1,
                      [](hy_device *d, const Views &t) { return hy_pack_int8(d, t[0], t[1]); }, exactly);
        if (HasFatalFailure()) return;
    }
}

TEST_P(Int8, LinearOfEdgeShapes)
{
    for (int64_t m : {1, 2, 5, 6, 7, 13, 14, 15, 29})
        for (int64_t n : {1, 15, 16, 17, 33}) linear(m, random.integer(1, 70), n, m % 2 ? -3 : 0, 3, m % 3 ? HY_NO_ACTIVATION : HY_ACTIVATION(HY_UNARY_relu));
    linear(3, 0, 5, -1, 1);
    linear(0, 7, 5, -1, 1);
    linear(3, 7, 0, -1, 1);
    linear(9, 2050, 70, -1, 1, HY_ACTIVATION(HY_UNARY_sigmoid));
    linear(150, 600, 90, -1, 2);
    linear(1, 3000, 700, -3, -1);
}

// Every product at its largest: where int16 would saturate, and int32 is nearly full.
TEST_P(Int8, LinearAtTheLargestSums)
{
    if (!device->backend.quantized_linear) GTEST_SKIP() << "this device has no kernel yet";
    const int64_t k = 66310;
    for (double sign : {1.0, -1.0}) {
        Tensor q(HY_INT8, {17, k}), x(HY_FLOAT32, {3, k}), scale(HY_FLOAT32, {17});
        q.fill([&] { return 127 * sign; });
        x.fill([] { return 255.0; });
        scale.fill([] { return 1.0; });
        std::vector<Tensor> t = {q, Tensor(HY_INT8, packed_shape(17, k)), x, scale, Tensor(HY_FLOAT32, {3, 17})};
        ASSERT_EQ(run(device, t,
                      [](hy_device *d, const Views &v) {
                          const hy_status status = hy_pack_int8(d, v[0], v[1]);
                          return status == HY_OK ? hy_quantized_linear(d, v[2], v[1], v[3], nullptr, HY_NO_ACTIVATION, v[4]) : status;
                      }), HY_OK);
        for (int64_t i = 0; i < 51; i++) ASSERT_EQ(t[4].get(i), (double)(float)(sign * 255 * 127 * (double)k));
    }
}

TEST_P(Int8, NotFiniteRowsGiveNaN)
{
    if (!device->backend.quantized_linear) GTEST_SKIP() << "this device has no kernel yet";
    Tensor x(HY_FLOAT32, {4, 5}), scale(HY_FLOAT32, {3});
    x.randomise(random);
    scale.fill([] { return 1.0; });
    x.set(7, NAN), x.set(10, INFINITY), x.set(19, -INFINITY);
    std::vector<Tensor> t = {x, packed_weight(3, 5), scale, Tensor(HY_FLOAT32, {4, 3})};
    ASSERT_EQ(run(device, t, [](hy_device *d, const Views &v) {
                  return hy_quantized_linear(d, v[0], v[1], v[2], nullptr, HY_NO_ACTIVATION, v[3]);
              }), HY_OK);
    for (int64_t i = 0; i < 12; i++) EXPECT_EQ(std::isnan(t[3].get(i)), i >= 3) << i;
}

TEST_P(Int8, ConvolutionOfEdgeShapes)
{
    const hy_conv2d_params plain = {{1, 1}, {0, 0}, {1, 1}, 1}, same = {{1, 1}, {1, 1}, {1, 1}, 1}, strided = {{2, 3}, {1, 0}, {1, 1}, 1},
                           dilated = {{1, 1}, {2, 1}, {2, 3}, 1}, far = {{5, 4}, {3, 3}, {1, 1}, 1};
    conv(plain, {1, 1, 1, 1}, 1, 1, 1);
    conv(plain, {2, 3, 5, 7}, 17, 1, 1);
    conv(plain, {0, 3, 5, 7}, 4, 3, 3);
    conv(same, {2, 5, 7, 7}, 16, 3, 3);
    conv(same, {1, 3, 9, 31}, 33, 3, 3);
    conv(strided, {3, 2, 11, 17}, 6, 3, 2);
    conv(dilated, {2, 4, 9, 10}, 5, 3, 3);
    conv(far, {2, 3, 6, 6}, 7, 2, 2);
    hy_conv2d_params activated = same;
    activated.activation = HY_ACTIVATION(HY_UNARY_relu);
    conv(activated, {2, 16, 14, 14}, 32, 3, 3);
    activated.activation = HY_ACTIVATION(HY_UNARY_tanh);
    conv(activated, {2, 3, 13, 13}, 5, 5, 5);
    conv(same, {1, 64, 28, 28}, 40, 3, 3);
}

HY_PARITY_SUITE(Int8);

} // namespace
