// Matrix products and convolutions as the CUDA backend alone does them: sizes at which whole vectors are read along each axis, channels-last
// images, sums in several runs, tf32. parity_matmul_test.cc tries everything else. Bounds of an element, where s is the sum of its n
// products' magnitudes:
//   float16, bfloat16   (16 + n) 2^-23 s, and a unit in the last place of the type: products of 11 or 8 bits are exact in float32
//   tf32                2^-10 (1 + 2^-12) s beside that: each operand is rounded to 10 bits of fraction, (1 + 2^-11)^2 - 1
#ifdef HY_CUDA_EMULATED

#include <dlfcn.h>

#include "support/parity.h"

using namespace hybrid::testing;

namespace {

constexpr double tf32_unit = 0x1p-10 * (1 + 0x1p-12);

class CudaGemm : public Parity {
protected:
    void TearDown() override
    {
        EXPECT_EQ(hy_set_float32_matmul_precision(HY_FLOAT32_HIGHEST), HY_OK);
        Parity::TearDown();
    }

    void expect_products(const std::vector<Tensor> &tensors, size_t inputs, double terms, const Call &call, double unit = 0)
    {
        std::vector<Tensor> scale = tensors;
        for (size_t k = 0; k < inputs; k++) scale[k] = tensors[k].magnitudes();
        ASSERT_EQ(run(reference(), scale, call), HY_OK) << hy_last_error();
        expect_parity(tensors, inputs, call, [&](size_t output, int64_t i, double) {
            return ((16 + terms) * epsilon(tensors[inputs + output].dtype) + unit) * scale[inputs + output].get(i);
        });
    }

    /// A matrix whose rows or columns are contiguous and begin at multiples of 16 bytes, as a view of the full extents' front.
    Tensor matrix(int32_t dtype, int64_t rows, int64_t columns, bool by_rows)
    {
        Tensor t(dtype, {rows, columns});
        const int64_t pitch = ((by_rows ? columns : rows) + 7) / 8 * 8, size = hy_dtype_size(dtype);
        t.strides = {by_rows ? pitch : 1, by_rows ? 1 : pitch};
        t.bytes.assign((size_t)(256 + pitch * (by_rows ? rows : columns) * size), 0xFF);
        for (int64_t i = 0; i < t.size(); i++) t.offsets[(size_t)i] = 128 / size + i / columns * t.strides[0] + i % columns * t.strides[1];
        t.randomise(random);
        return t;
    }

    void in_layout(int layout, int32_t dtype, int64_t m, int64_t n, int64_t k, int32_t activation, double unit = 0)
    {
        SCOPED_TRACE(::testing::Message() << hy_dtype_name(dtype) << " M " << m << ", N " << n << ", K " << k << ", layout " << layout);
        Tensor y = matrix(dtype, m, n, layout & 4);
        y.fill([] { return 0.0; });
        expect_products({matrix(dtype, m, k, layout & 1), matrix(dtype, k, n, layout & 2), random_input(random, dtype, {n}), y}, 3, (double)k,
                        [=](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], t[2], activation, t[3]); }, unit);
    }

    void every_layout(int32_t dtype, int64_t m, int64_t n, int64_t k, int32_t activation, double unit = 0)
    {
        for (int layout = 0; layout < 8 && !HasFatalFailure(); layout++) in_layout(layout, dtype, m, n, k, activation, unit);
    }

    /// Tensor [a, b, c, d] with b innermost in memory.
    Tensor channels_last(int32_t dtype, const Shape &shape)
    {
        Tensor t(dtype, shape);
        const int64_t b = shape[1], c = shape[2], d = shape[3];
        t.strides = {b * c * d, 1, d * b, b};
        for (int64_t i = 0; i < t.size(); i++)
            t.offsets[(size_t)i] = 128 / hy_dtype_size(dtype) + i / (b * c * d) * t.strides[0] + i / (c * d) % b + i / d % c * t.strides[2] + i % d * b;
        t.randomise(random);
        return t;
    }

    struct Layer {
        int64_t n, c, h, w, k, r, s;
        hy_conv2d_params p;
    };

    void convolution(int32_t dtype, const Layer &l, bool last, double unit = 0)
    {
        const auto tensor = [&](const Shape &shape) {
            if (last) return channels_last(dtype, shape);
            Tensor t(dtype, shape);
            t.randomise(random);
            return t;
        };
        const auto extent = [&](int side, int64_t size, int64_t kernel) {
            return (size + 2 * l.p.padding[side] - l.p.dilation[side] * (kernel - 1) - 1) / l.p.stride[side] + 1;
        };
        const int64_t oh = extent(0, l.h, l.r), ow = extent(1, l.w, l.s), each = l.c / l.p.groups;
        SCOPED_TRACE(::testing::Message() << hy_dtype_name(dtype) << (last ? " channels last, " : ", ") << text({l.n, l.c, l.h, l.w}) << " -> " << l.k);
        const Tensor x = tensor({l.n, l.c, l.h, l.w}), w = tensor({l.k, each, l.r, l.s}), y = tensor({l.n, l.k, oh, ow});
        const Tensor bias = random_input(random, dtype, {l.k}), dbias(dtype, {l.k});
        expect_products({x, w, bias, y}, 3, (double)(each * l.r * l.s),
                        [&](hy_device *d, const Views &t) { return hy_conv2d(d, &l.p, t[0], t[1], t[2], t[3]); }, unit);
        expect_products({y, w, x}, 2, (double)(l.k / l.p.groups * l.r * l.s),
                        [&](hy_device *d, const Views &t) { return hy_conv2d_input_grad(d, &l.p, t[0], t[1], t[2]); }, unit);
        expect_products({x, y, w, dbias}, 2, (double)(l.n * oh * ow),
                        [&](hy_device *d, const Views &t) { return hy_conv2d_weight_grad(d, &l.p, t[0], t[1], t[2], t[3]); }, unit);
    }
};

const std::vector<int32_t> kFloating = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
const int32_t kRelu = HY_ACTIVATION(HY_UNARY_relu);

TEST_P(CudaGemm, VectorsAlongEveryAxis)
{
    for (int32_t dtype : kFloating) {
        every_layout(dtype, 64, 64, 64, kRelu);
        every_layout(dtype, 37, 45, 51, HY_NO_ACTIVATION);
        every_layout(dtype, 129, 257, 34, kRelu); // tiles of 128 x 128
    }
}

TEST_P(CudaGemm, SumsInSeveralRuns)
{
    for (int32_t dtype : kFloating) every_layout(dtype, 17, 9, 1037, kRelu);
}

TEST_P(CudaGemm, ActivationsRoundOnce)
{
    for (int32_t dtype : kFloating)
        for (int op : {HY_UNARY_gelu, HY_UNARY_tanh, HY_UNARY_sigmoid, HY_UNARY_silu}) {
            const auto call = [=](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], nullptr, HY_ACTIVATION(op), t[2]); };
            std::vector<Tensor> given = {matrix(dtype, 21, 8, true), matrix(dtype, 8, 30, true), Tensor(dtype, {21, 30})}, exact;
            for (const Tensor &t : given) { // the reference rounds the sums of 16-bit types, too; not those of float64
                exact.emplace_back(HY_FLOAT64, t.shape);
                for (int64_t i = 0; i < t.size(); i++) exact.back().set(i, t.get(i));
            }
            ASSERT_EQ(run(reference(), exact, call), HY_OK) << hy_last_error();
            ASSERT_EQ(run(device, given, call), HY_OK) << hy_last_error();
            for (int64_t i = 0; i < 21 * 30; i++) {
                // Their slopes are at most 1.13: the sum's error, 24 epsilons of 8 · 9, comes through, and a few of their own; then half a unit.
                const double v = exact[2].get(i), off = std::fabs(given[2].get(i) - v), unit = half_unit(dtype, v);
                ASSERT_LE(off, epsilon(dtype) * (1.13 * 24 * 72 + 8 * std::fabs(v)) + unit / 2) << hy_dtype_name(dtype) << ", operation " << op << ", " << v;
            }
        }
}

TEST_P(CudaGemm, Float64WithoutItsTensorCores)
{
    if (!gpu_is_emulated()) GTEST_SKIP() << "the emulator's second device is an sm_75";
    device = gpu_device(1);
    ASSERT_NE(device, nullptr) << hy_last_error();
    every_layout(HY_FLOAT64, 37, 45, 51, kRelu);
    every_layout(HY_FLOAT64, 129, 257, 34, HY_NO_ACTIVATION);
}

/// The emulated Hopper. What its tests ask beside the result is whether wgmma computed it.
class CudaHopper : public CudaGemm {
protected:
    size_t (*products)() = nullptr;

    void SetUp() override
    {
        CudaGemm::SetUp();
        if (!gpu_is_emulated()) GTEST_SKIP() << "of the emulator, whose third device is an sm_90";
        device = gpu_device(2);
        ASSERT_NE(device, nullptr) << hy_last_error();
        products = reinterpret_cast<size_t (*)()>(dlsym(dlopen(HY_CUDA_EMULATED, RTLD_NOW), "simt_warpgroup_products"));
        ASSERT_NE(products, nullptr) << dlerror();
    }

    template <typename F>
    bool by_wgmma(F f)
    {
        const size_t before = products();
        f();
        return products() != before;
    }
};

TEST_P(CudaHopper, WarpgroupsMultiplyMatricesWhoseKIsInnermost)
{
    for (int32_t dtype : {HY_FLOAT16, HY_BFLOAT16})
        for (int layout = 0; layout < 4 && !HasFatalFailure(); layout++) { // y's: StagesAreUsedAgain has the other
            const bool expected = (layout & 1) && !(layout & 2);
            EXPECT_EQ(by_wgmma([&] { in_layout(layout, dtype, 100, 200, 90, kRelu); }), expected) << "tiles of 128 x 128, layout " << layout;
            EXPECT_EQ(by_wgmma([&] { in_layout(layout, dtype, 129, 257, 34, HY_NO_ACTIVATION); }), expected) << "tiles of 128 x 256, layout " << layout;
        }
}

TEST_P(CudaHopper, StagesAreUsedAgain)
{
    for (int32_t dtype : {HY_FLOAT16, HY_BFLOAT16})
        for (int64_t n : {190, 260}) EXPECT_TRUE(by_wgmma([&] { in_layout(5, dtype, 128, n, 511, kRelu); }));
}

TEST_P(CudaHopper, OtherActivationsComeAfterTheSums)
{
    for (int32_t dtype : {HY_FLOAT16, HY_BFLOAT16}) { // one rounding more than the bound knows, the reference's of the sum; gelu's slope is at most 1.13
        const double unit = dtype == HY_FLOAT16 ? 0x1p-10 : 0x1p-7;
        EXPECT_TRUE(by_wgmma([&] { in_layout(1, dtype, 130, 200, 72, HY_ACTIVATION(HY_UNARY_gelu), unit); }));
    }
}

TEST_P(CudaHopper, WhatDoesNotFitGoesTheOtherWay)
{
    const auto product = [&](const Tensor &a, const Tensor &b, const Tensor &y, double k) {
        return by_wgmma([&] {
            expect_products({a, b, y}, 2, k, [](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], nullptr, HY_NO_ACTIVATION, t[2]); });
        });
    };
    const int32_t t = HY_BFLOAT16;
    EXPECT_TRUE(product(matrix(t, 130, 64, true), matrix(t, 64, 130, false), Tensor(t, {130, 130}), 64));
    EXPECT_FALSE(product(matrix(t, 64, 64, true), matrix(t, 64, 130, false), Tensor(t, {64, 130}), 64)) << "tiles of 64 x 64 are enough";
    EXPECT_FALSE(product(matrix(HY_FLOAT32, 130, 64, true), matrix(HY_FLOAT32, 64, 130, false), Tensor(HY_FLOAT32, {130, 130}), 64));
    EXPECT_FALSE(product(random_input(random, t, {2, 130, 64}), random_input(random, t, {2, 64, 130}), Tensor(t, {2, 130, 130}), 64)) << "a batch";
    Tensor odd(t, {130, 61});
    odd.randomise(random);
    EXPECT_TRUE(product(matrix(t, 130, 61, true), matrix(t, 61, 130, false), Tensor(t, {130, 130}), 61));
    EXPECT_FALSE(product(odd, matrix(t, 61, 130, false), Tensor(t, {130, 130}), 61)) << "its rows are not aligned to 16 bytes";
    device = gpu_device();
    EXPECT_FALSE(product(matrix(t, 130, 64, true), matrix(t, 64, 130, false), Tensor(t, {130, 130}), 64)) << "no Hopper";
}

TEST_P(CudaHopper, ConvolutionsOfOnePixel)
{
    const Layer one = {2, 32, 9, 9, 72, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1, kRelu, 1}}, nine = {2, 32, 9, 9, 72, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1, kRelu, 1}};
    for (int32_t dtype : {HY_FLOAT16, HY_BFLOAT16}) {
        EXPECT_TRUE(by_wgmma([&] { convolution(dtype, one, true); }));
        EXPECT_FALSE(by_wgmma([&] { convolution(dtype, nine, true); }));
    }
}

INSTANTIATE_TEST_SUITE_P(Isa, CudaHopper, ::testing::Values(tested_gpu()), isa_test_name);

/// As many tiles as a card has multiprocessors, so that it takes the large ones: on Hopper those of 128 x 128 and of 128 x 256.
TEST_P(CudaGemm, ProductsThatFillACard)
{
    if (gpu_is_emulated()) GTEST_SKIP() << "the emulator has two multiprocessors, and small products fill it";
    for (int32_t dtype : kFloating)
        for (int64_t n : {1536 - 24, 3072 - 40}) in_layout(1, dtype, 1536 - 8, n, 72, kRelu);
}

TEST_P(CudaGemm, RowsOfABatchAreOneProduct)
{
    Tensor a(HY_FLOAT32, {3, 5, 16}), b(HY_FLOAT32, {16, 24}), y(HY_FLOAT32, {3, 5, 24});
    a.randomise(random);
    b.randomise(random);
    expect_products({a, b, y}, 2, 16, [](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], nullptr, HY_NO_ACTIVATION, t[2]); });
}

TEST_P(CudaGemm, ConvolutionsReadVectors)
{
    const std::vector<Layer> layers = {
        {2, 16, 9, 8, 24, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1, HY_NO_ACTIVATION, 1}},
        {2, 8, 12, 10, 16, 3, 2, {{2, 3}, {1, 2}, {2, 1}, 1, kRelu, 1}},
        {3, 32, 4, 4, 40, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1, HY_NO_ACTIVATION, 1}},
        {1, 16, 7, 8, 32, 3, 3, {{1, 1}, {0, 0}, {1, 1}, 2, kRelu, 1}},
        {2, 8, 9, 9, 8, 1, 1, {{2, 2}, {0, 0}, {1, 1}, 1, HY_NO_ACTIVATION, 1}},   // phases without a tap
        {2, 8, 8, 12, 16, 2, 3, {{2, 3}, {0, 0}, {1, 1}, 2, kRelu, 1}},            // each place under one window
        {2, 8, 9, 12, 16, 2, 3, {{2, 3}, {0, 0}, {1, 1}, 1, kRelu, 1}},            // a row under none
        {2, 32, 9, 11, 32, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 32, kRelu, 1}},          // depthwise
        {2, 16, 8, 7, 32, 3, 3, {{2, 1}, {1, 1}, {1, 2}, 16, HY_ACTIVATION(HY_UNARY_relu), 1}},
        {4, 8, 24, 24, 8, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1, HY_NO_ACTIVATION, 1}}, // gradients of the weight in several runs
    };
    for (int32_t dtype : kFloating)
        for (const Layer &layer : layers)
            for (bool last : {false, true})
                if (!HasFatalFailure()) convolution(dtype, layer, last);
}

TEST_P(CudaGemm, Tf32IsAskedForAndBounded)
{
    EXPECT_EQ(hy_get_float32_matmul_precision(), HY_FLOAT32_HIGHEST);
    EXPECT_EQ(hy_set_float32_matmul_precision(2), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_set_float32_matmul_precision(-1), HY_BAD_ARGUMENT);
    ASSERT_EQ(hy_set_float32_matmul_precision(HY_FLOAT32_HIGH), HY_OK);
    EXPECT_EQ(hy_get_float32_matmul_precision(), HY_FLOAT32_HIGH);
    every_layout(HY_FLOAT32, 64, 64, 64, kRelu, tf32_unit);
    every_layout(HY_FLOAT32, 37, 45, 51, HY_NO_ACTIVATION, tf32_unit);
    every_layout(HY_FLOAT32, 129, 257, 34, kRelu, tf32_unit);
    every_layout(HY_FLOAT32, 17, 9, 1037, kRelu, tf32_unit);
    const Layer layer = {2, 16, 9, 8, 24, 3, 3, {{1, 2}, {1, 1}, {1, 1}, 1, HY_NO_ACTIVATION, 0}};
    for (bool last : {false, true}) convolution(HY_FLOAT32, layer, last, tf32_unit);

    // 1 + 2^-12 is 1 in tf32: who asks for it gets it, a convolution that asks for exact sums does not.
    Tensor x(HY_FLOAT32, {1, 1, 1, 1}), w = x, y = x;
    x.set(0, 1 + 0x1p-12);
    w.set(0, 1);
    hy_conv2d_params p = {{1, 1}, {0, 0}, {1, 1}, 1, HY_NO_ACTIVATION, 0};
    for (double expected : {1.0, 1 + 0x1p-12}) {
        std::vector<Tensor> tensors = {x, w, y};
        ASSERT_EQ(run(device, tensors, [&](hy_device *d, const Views &t) { return hy_conv2d(d, &p, t[0], t[1], nullptr, t[2]); }), HY_OK);
        EXPECT_EQ(tensors[2].get(0), expected);
        p.exact = 1;
    }
}

INSTANTIATE_TEST_SUITE_P(Isa, CudaGemm, ::testing::Values(tested_gpu()), isa_test_name);

} // namespace

#endif
