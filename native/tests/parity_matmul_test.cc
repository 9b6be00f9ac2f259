// Matrix products and convolutions against the reference. The bound of an element is (16 + n) epsilons of the sum of its products'
// magnitudes, n of them, which the reference itself computes from the operands' magnitudes (Higham, "Accuracy and stability of
// numerical algorithms", 2002, section 3.1).
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};

class Products : public Parity {
protected:
    /// Expects parity of a sum of `terms` products an element.
    void expect_products(const std::vector<Tensor> &tensors, size_t inputs, double terms, const Call &call)
    {
        std::vector<Tensor> scale = tensors;
        for (size_t k = 0; k < inputs; k++) scale[k] = tensors[k].magnitudes();
        ASSERT_EQ(run(reference(), scale, call), HY_OK) << hy_last_error();
        expect_parity(tensors, inputs, call, [&](size_t output, int64_t i, double) {
            return (16 + terms) * epsilon(tensors[inputs + output].dtype) * scale[inputs + output].get(i);
        });
    }
};

class Matmul : public Products {
protected:
    void matmul(int32_t dtype, const Shape &leading_a, const Shape &leading_b, const Shape &leading_y, int64_t m, int64_t n, int64_t k,
                bool bias)
    {
        SCOPED_TRACE(::testing::Message() << "M " << m << ", N " << n << ", K " << k);
        const auto with = [](Shape shape, int64_t rows, int64_t columns) {
            shape.push_back(rows);
            shape.push_back(columns);
            return shape;
        };
        std::vector<Tensor> tensors = {random_input(random, dtype, with(leading_a, m, k)),
                                       random_input(random, dtype, with(leading_b, k, n))};
        if (bias) tensors.push_back(random_input(random, dtype, {n}));
        tensors.push_back(random_output(random, dtype, with(leading_y, m, n)));
        const int32_t activation = random.chance(0.3) ? HY_ACTIVATION(HY_UNARY_relu) : HY_NO_ACTIVATION;
        expect_products(tensors, tensors.size() - 1, (double)k, [=](hy_device *d, const Views &t) {
            return hy_matmul(d, t[0], t[1], bias ? t[2] : nullptr, activation, t.back());
        });
    }

    int64_t extent() { return random.chance(0.1) ? 0 : random.chance(0.2) ? 1 : random.integer(1, 40); }
};

TEST_P(Matmul, SizesAroundRegisterTiles)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 150 && !HasFatalFailure(); i++) matmul(dtype, {}, {}, {}, extent(), extent(), extent(), random.chance(0.4));
}

TEST_P(Matmul, EveryTail)
{
    for (int64_t m = 1; m <= 17; m++)
        for (int64_t n = 1; n <= 33 && !HasFatalFailure(); n += m % 3 + 1)
            matmul(HY_FLOAT32, {}, {}, {}, m, n, random.integer(1, 9), m % 2);
}

TEST_P(Matmul, LargerThanABlock)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 5 && !HasFatalFailure(); i++)
            matmul(dtype, {}, {}, {}, random.integer(60, 200), random.integer(60, 200), random.integer(60, 300), random.chance(0.5));
    matmul(HY_FLOAT32, {}, {}, {}, 5, 2000, 70, true);
    matmul(HY_FLOAT32, {}, {}, {}, 2000, 5, 70, true);
    matmul(HY_FLOAT32, {}, {}, {}, 9, 11, 5000, true);
    matmul(HY_FLOAT32, {}, {}, {}, 1, 3000, 65, false);
    matmul(HY_FLOAT32, {}, {}, {}, 3000, 1, 65, false);
}

// To AVX512-BF16 two numbers along k are one element: long and odd reductions, single vectors, and more panels than stay in place.
TEST_P(Matmul, PairsOfBfloat16)
{
    for (int64_t k : {1, 2, 3, 31, 32, 33, 255, 256, 600, 601})
        for (int i = 0; i < 3 && !HasFatalFailure(); i++) {
            matmul(HY_BFLOAT16, {}, {}, {}, 1, random.integer(1, 40), k, i == 0);
            matmul(HY_BFLOAT16, {}, {}, {}, random.integer(1, 40), 1, k, i == 0);
            matmul(HY_BFLOAT16, {}, {}, {}, random.integer(1, 40), random.integer(1, 70), k, i == 0);
            matmul(HY_BFLOAT16, {2}, {2}, {2}, random.integer(1, 20), random.integer(1, 20), k, i == 0);
        }
    if (!HasFatalFailure()) matmul(HY_BFLOAT16, {}, {}, {}, 9, 11, 5001, true);
    if (!HasFatalFailure()) matmul(HY_BFLOAT16, {}, {}, {}, 5, 700, 70, true);
    if (!HasFatalFailure()) matmul(HY_BFLOAT16, {}, {}, {}, 150, 300, 129, false);
}

// vdpbf16ps takes denormals for zero; float32's kernels do not.
TEST_P(Matmul, DenormalsOfBfloat16CountWhereTheInstructionLetsThem)
{
    if (device->info.kind == HY_CUDA) GTEST_SKIP() << "a GPU's affair";
    const double denormal = 0x1p-130, zero_or = std::string(device->info.isa) == "avx512-bf16" ? 0 : 1;
    for (int64_t m : {1, 5}) {
        Tensor a(HY_BFLOAT16, {m, 6}), b(HY_BFLOAT16, {6, 3});
        a.fill([&] { return denormal; });
        b.fill([] { return 0x1p126; });
        std::vector<Tensor> t = {a, b, Tensor(HY_BFLOAT16, {m, 3})};
        ASSERT_EQ(run(device, t, [](hy_device *d, const Views &v) { return hy_matmul(d, v[0], v[1], nullptr, HY_NO_ACTIVATION, v[2]); }), HY_OK);
        for (int64_t i = 0; i < t[2].size(); i++) EXPECT_EQ(t[2].get(i), zero_or * 6 * 0x1p-4);
    }
}

TEST_P(Matmul, BatchesBroadcast)
{
    struct Leading {
        Shape a, b, y;
    };
    const std::vector<Leading> cases = {
        {{3}, {3}, {3}}, {{3}, {}, {3}},  {{}, {5}, {5}}, {{2, 1}, {4}, {2, 4}},       {{1, 4}, {2, 1}, {2, 4}}, {{2, 3}, {2, 3}, {2, 3}},
        {{7}, {1}, {7}}, {{0}, {1}, {0}}, {{0}, {}, {0}}, {{2, 2, 2}, {2}, {2, 2, 2}}, {{64}, {}, {64}},         {{1, 1}, {33}, {1, 33}}};
    for (int32_t dtype : kFloating)
        for (const Leading &leading : cases)
            for (int i = 0; i < 3 && !HasFatalFailure(); i++)
                matmul(dtype, leading.a, leading.b, leading.y, extent(), extent(), extent(), random.chance(0.3));
}

TEST_P(Matmul, NaNAndInfinityPropagate)
{
    for (int32_t dtype : kFloating)
        for (double special : {NAN, INFINITY}) {
            Tensor a(dtype, {19, 23}), b(dtype, {23, 37});
            a.randomise(random, 1, 2);
            b.randomise(random, 1, 2);
            a.set(5 * 23 + 22, special);
            b.set(3 * 37 + 36, -special);
            expect_products({a, b, Tensor(dtype, {19, 37})}, 2, 23,
                            [](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], nullptr, HY_NO_ACTIVATION, t[2]); });
        }
}

class Conv : public Products {
protected:
    struct Sizes {
        hy_conv2d_params p;
        int64_t n, c, h, w, k, r, s, oh, ow;
    };

    static int64_t output_extent(int64_t extent, int64_t kernel, int32_t stride, int32_t padding, int32_t dilation)
    {
        return extent + 2 * padding - dilation * (kernel - 1) - 1 < 0 ? 0
                                                                      : (extent + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
    }

    Sizes random_sizes()
    {
        for (;;) {
            Sizes z = {};
            const bool depthwise = random.chance(0.25);
            z.p.groups = depthwise ? (int32_t)random.integer(2, 9) : random.chance(0.25) ? (int32_t)random.integer(2, 3) : 1;
            z.c = z.p.groups * (depthwise ? 1 : random.integer(1, 7));
            z.k = z.p.groups * (depthwise ? random.integer(1, 2) : random.integer(1, 19));
            const bool square = random.chance(0.5);
            for (int axis = 0; axis < 2; axis++) {
                z.p.stride[axis] = axis && square ? z.p.stride[0] : (int32_t)(random.chance(0.6) ? 1 : random.integer(2, 3));
                z.p.padding[axis] = axis && square ? z.p.padding[0] : (int32_t)random.integer(0, 3);
                z.p.dilation[axis] = axis && square ? z.p.dilation[0] : (int32_t)(random.chance(0.75) ? 1 : random.integer(2, 3));
            }
            z.p.activation = random.chance(0.3) ? HY_ACTIVATION(HY_UNARY_relu) : HY_NO_ACTIVATION;
            z.r = random.integer(1, 5);
            z.s = square ? z.r : random.integer(1, 5);
            z.n = random.integer(0, 3);
            z.h = random.integer(1, random.chance(0.3) ? 30 : 12);
            z.w = random.chance(0.5) ? z.h : random.integer(1, random.chance(0.3) ? 30 : 12);
            z.oh = output_extent(z.h, z.r, z.p.stride[0], z.p.padding[0], z.p.dilation[0]);
            z.ow = output_extent(z.w, z.s, z.p.stride[1], z.p.padding[1], z.p.dilation[1]);
            if (z.oh >= 1 && z.ow >= 1) return z;
        }
    }

    void forward(int32_t dtype, const Sizes &z, bool bias)
    {
        std::vector<Tensor> tensors = {random_input(random, dtype, {z.n, z.c, z.h, z.w}),
                                       random_input(random, dtype, {z.k, z.c / z.p.groups, z.r, z.s})};
        if (bias) tensors.push_back(random_input(random, dtype, {z.k}));
        tensors.push_back(random_output(random, dtype, {z.n, z.k, z.oh, z.ow}));
        expect_products(tensors, tensors.size() - 1, (double)(z.c / z.p.groups * z.r * z.s),
                        [&](hy_device *d, const Views &t) { return hy_conv2d(d, &z.p, t[0], t[1], bias ? t[2] : nullptr, t.back()); });
    }

    void input_grad(int32_t dtype, const Sizes &z)
    {
        expect_products({random_input(random, dtype, {z.n, z.k, z.oh, z.ow}),
                         random_input(random, dtype, {z.k, z.c / z.p.groups, z.r, z.s}),
                         random_output(random, dtype, {z.n, z.c, z.h, z.w})},
                        2, (double)(z.k / z.p.groups * z.r * z.s),
                        [&](hy_device *d, const Views &t) { return hy_conv2d_input_grad(d, &z.p, t[0], t[1], t[2]); });
    }

    void weight_grad(int32_t dtype, const Sizes &z, bool bias)
    {
        std::vector<Tensor> tensors = {random_input(random, dtype, {z.n, z.c, z.h, z.w}),
                                       random_input(random, dtype, {z.n, z.k, z.oh, z.ow}),
                                       random_output(random, dtype, {z.k, z.c / z.p.groups, z.r, z.s})};
        if (bias) tensors.push_back(random_output(random, dtype, {z.k}));
        expect_products(tensors, 2, (double)(z.n * z.oh * z.ow), [&](hy_device *d, const Views &t) {
            return hy_conv2d_weight_grad(d, &z.p, t[0], t[1], t[2], bias ? t[3] : nullptr);
        });
    }

    void all(int32_t dtype, const Sizes &z)
    {
        SCOPED_TRACE(::testing::Message() << "x " << text({z.n, z.c, z.h, z.w}) << ", w " << text({z.k, z.c / z.p.groups, z.r, z.s})
                                          << ", stride " << z.p.stride[0] << " " << z.p.stride[1] << ", padding " << z.p.padding[0] << " "
                                          << z.p.padding[1] << ", dilation " << z.p.dilation[0] << " " << z.p.dilation[1] << ", groups "
                                          << z.p.groups);
        if (!HasFatalFailure()) forward(dtype, z, random.chance(0.5));
        if (!HasFatalFailure()) input_grad(dtype, z);
        if (!HasFatalFailure()) weight_grad(dtype, z, random.chance(0.5));
    }
};

TEST_P(Conv, RandomSizes)
{
    for (int32_t dtype : kFloating)
        for (int i = 0; i < 150 && !HasFatalFailure(); i++) all(dtype, random_sizes());
}

TEST_P(Conv, LayersOfNetworks)
{
    const hy_conv2d_params same3 = {{1, 1}, {1, 1}, {1, 1}, 1}, same5 = {{1, 1}, {2, 2}, {1, 1}, 1}, strided = {{2, 2}, {1, 1}, {1, 1}, 1},
                           pointwise = {{1, 1}, {0, 0}, {1, 1}, 1};
    all(HY_FLOAT32, {same3, 2, 1, 28, 28, 16, 3, 3, 28, 28});
    all(HY_FLOAT32, {same5, 2, 6, 14, 14, 16, 5, 5, 14, 14});
    all(HY_FLOAT32, {strided, 2, 17, 15, 15, 33, 3, 3, 8, 8});
    all(HY_FLOAT32, {pointwise, 2, 33, 9, 9, 65, 1, 1, 9, 9});
    all(HY_FLOAT64, {same3, 1, 16, 17, 17, 16, 3, 3, 17, 17});
}

HY_PARITY_SUITE(Matmul);
HY_PARITY_SUITE(Conv);

} // namespace
