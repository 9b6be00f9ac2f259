// Winograd's convolutions against the reference, under each ISA and by both sizes of tiles, whatever the choice by shape would be.
#include "kernel_view.h"

using namespace kernel_test;

namespace {

struct Kernels {
    const char *isa;
    hy_status (*conv2d)(hy_device *, int64_t, const hy_conv2d_params *, const hy_tensor *, const hy_tensor *, const void *prepared, const hy_tensor *,
                        const hy_tensor *);
    hy_status (*input_grad)(hy_device *, int64_t, const hy_conv2d_params *, const hy_tensor *, const hy_tensor *, const hy_tensor *);
    hy_status (*weight_grad)(hy_device *, const hy_conv2d_params *, const hy_tensor *, const hy_tensor *, const hy_tensor *);
};

} // namespace

#define DECLARE(isa)                                                                                                                     \
    extern "C" std::remove_pointer_t<decltype(Kernels::conv2d)> hy_winograd_conv2d_##isa;                                                \
    extern "C" std::remove_pointer_t<decltype(Kernels::input_grad)> hy_winograd_input_grad_##isa;                                        \
    extern "C" std::remove_pointer_t<decltype(Kernels::weight_grad)> hy_winograd_weight_grad_##isa;
#define KERNELS(isa, name) {name, hy_winograd_conv2d_##isa, hy_winograd_input_grad_##isa, hy_winograd_weight_grad_##isa}

#if defined(__x86_64__)
DECLARE(x86_64)
DECLARE(avx2)
#ifdef HY_HAVE_AVX512
DECLARE(avx512)
#endif
static const Kernels all_kernels[] = {
    KERNELS(x86_64, "x86-64"),
    KERNELS(avx2, "avx2"),
#ifdef HY_HAVE_AVX512
    KERNELS(avx512, "avx512"),
#endif
};
#else
DECLARE(neon)
static const Kernels all_kernels[] = {KERNELS(neon, "neon")};
#endif

namespace {

struct Case {
    int64_t n, c, h, w, k;
    int32_t padding[2];

    hy_conv2d_params params() const { return {{1, 1}, {padding[0], padding[1]}, {1, 1}, 1}; }
    std::vector<int64_t> x() const { return {n, c, h, w}; }
    std::vector<int64_t> weight() const { return {k, c, 3, 3}; }
    std::vector<int64_t> y() const { return {n, k, h + 2 * padding[0] - 2, w + 2 * padding[1] - 2}; }
};

// The error relative to the largest output, for operands of uniform random numbers: what hybrid.h says of hy_conv2d_params.exact, with
// half as much again for the instruction sets without a fused multiply-add. A direct sum of 512 channels is some 2e-6 off.
double bound(int64_t tile, int64_t channels) { return tile == 4 ? (channels <= 64 ? 3e-6 : 6e-6) : 2e-6; }

// The weight's gradient sums over the tiles of all images: relative to its largest element, 2.4e-6 off at most in what follows.
constexpr double weight_grad_bound = 3e-6;

void expect_near(const View &got, const View &want, double bound)
{
    std::vector<double> g = got.values(), w = want.values();
    double largest = 0, worst = 0;
    for (size_t i = 0; i < w.size(); i++) {
        largest = std::max(largest, std::fabs(w[i]));
        ASSERT_FALSE(std::isnan(g[i])) << "element " << i;
        worst = std::max(worst, std::fabs(g[i] - w[i]));
    }
    EXPECT_LE(worst, bound * largest);
    EXPECT_TRUE(got.others_untouched());
}

// Calls visit(kernels) for all that this machine runs.
template <typename Visit> void each_isa(Visit visit)
{
    for (const Kernels &kernels : all_kernels) {
        if (!hy_cpu_device(kernels.isa)) continue;
        SCOPED_TRACE(kernels.isa);
        visit(kernels);
        if (testing::Test::HasFailure()) return;
    }
}

// Calls visit(kernels, tile) for all that this machine runs.
template <typename Visit> void each(Visit visit)
{
    each_isa([&](const Kernels &kernels) {
        for (int64_t tile : {2, 4}) {
            SCOPED_TRACE(testing::Message() << "tiles of " << tile);
            visit(kernels, tile);
        }
    });
}

// With the weight prepared, the convolution has the same bits.
void expect_same_prepared(hy_device *device, int64_t tile, const Case &c, const View &x, const View &w, const View &bias, const View &want,
                          const Layout &layout)
{
    hy_conv2d_params p = c.params();
    p.way = tile == 4 ? HY_CONV_WAY_winograd4 : HY_CONV_WAY_winograd2;
    View got(HY_FLOAT32, c.y(), layout);
    int32_t told;
    int64_t elements;
    ASSERT_EQ(device->backend.conv2d_prepare(device, &p, &x.tensor, &w.tensor, &got.tensor, &told, &elements, nullptr), HY_OK);
    ASSERT_GT(elements, hy_numel(&w.tensor));
    ASSERT_EQ(told, p.way);
    View prepared(HY_FLOAT32, {elements});
    ASSERT_EQ(device->backend.conv2d_prepare(device, &p, &x.tensor, &w.tensor, &got.tensor, &told, &elements, &prepared.tensor), HY_OK);
    EXPECT_TRUE(prepared.others_untouched());
    hy_tensor unread = w.tensor;
    unread.data = nullptr;
    ASSERT_EQ(device->backend.conv2d_prepared(device, &p, &x.tensor, &unread, &prepared.tensor, &bias.tensor, &got.tensor), HY_OK);
    EXPECT_TRUE(got.values() == want.values());
    EXPECT_TRUE(got.others_untouched());
}

void check(const Case &c, const Layout &layout = {})
{
    SCOPED_TRACE(testing::Message() << "n " << c.n << " c " << c.c << " h " << c.h << " w " << c.w << " k " << c.k << " padding " << c.padding[0]
                                    << "," << c.padding[1]);
    const hy_conv2d_params p = c.params();
    View x(HY_FLOAT32, c.x(), layout), w(HY_FLOAT32, c.weight(), layout), bias(HY_FLOAT32, {c.k}, Layout{{}, 2}), dy(HY_FLOAT32, c.y(), layout);
    unsigned seed = 1;
    for (View *v : {&x, &w, &bias, &dy}) v->fill_random(seed++);
    hy_device *reference = hy_cpu_device("reference");
    View y(HY_FLOAT32, c.y()), y_with_bias(HY_FLOAT32, c.y()), dx(HY_FLOAT32, c.x()), dw(HY_FLOAT32, c.weight());
    ASSERT_EQ(reference->backend.conv2d(reference, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_OK);
    ASSERT_EQ(reference->backend.conv2d(reference, &p, &x.tensor, &w.tensor, &bias.tensor, &y_with_bias.tensor), HY_OK);
    ASSERT_EQ(reference->backend.conv2d_input_grad(reference, &p, &dy.tensor, &w.tensor, &dx.tensor), HY_OK);
    each([&](const Kernels &kernels, int64_t tile) {
        hy_device *device = hy_cpu_device(kernels.isa);
        View got(HY_FLOAT32, c.y(), layout), got_with_bias(HY_FLOAT32, c.y(), layout), got_grad(HY_FLOAT32, c.x(), layout);
        ASSERT_EQ(kernels.conv2d(device, tile, &p, &x.tensor, &w.tensor, nullptr, nullptr, &got.tensor), HY_OK);
        ASSERT_EQ(kernels.conv2d(device, tile, &p, &x.tensor, &w.tensor, nullptr, &bias.tensor, &got_with_bias.tensor), HY_OK);
        ASSERT_EQ(kernels.input_grad(device, tile, &p, &dy.tensor, &w.tensor, &got_grad.tensor), HY_OK);
        expect_same_prepared(device, tile, c, x, w, bias, got_with_bias, layout);
        expect_near(got, y, bound(tile, c.c));
        expect_near(got_with_bias, y_with_bias, bound(tile, c.c));
        expect_near(got_grad, dx, bound(tile, c.k));
    });
    ASSERT_EQ(reference->backend.conv2d_weight_grad(reference, &p, &x.tensor, &dy.tensor, &dw.tensor, nullptr), HY_OK);
    each_isa([&](const Kernels &kernels) {
        View got(HY_FLOAT32, c.weight());
        ASSERT_EQ(kernels.weight_grad(hy_cpu_device(kernels.isa), &p, &x.tensor, &dy.tensor, &got.tensor), HY_OK);
        expect_near(got, dw, weight_grad_bound);
    });
}

} // namespace

TEST(Winograd, LayersOfNetworks)
{
    check({3, 32, 26, 26, 20, {0, 0}});
    check({1, 64, 56, 56, 11, {1, 1}});
    check({1, 128, 28, 28, 14, {1, 1}});
    check({2, 256, 14, 14, 15, {1, 1}});
}

TEST(Winograd, ManyChannels)
{
    check({1, 512, 7, 7, 20, {1, 1}});
    check({1, 9, 14, 14, 512, {1, 1}});
}

TEST(Winograd, EveryExtentAndPadding)
{
    for (int64_t h = 1; h <= 9; h++)
        for (int32_t top : {0, 1, 2})
            for (int32_t left : {0, 1, 2}) {
                int64_t w = 10 - h;
                if (h + 2 * top >= 3 && w + 2 * left >= 3) check({2, 3, h, w, 5, {top, left}});
            }
}

TEST(Winograd, FewAndManyTiles)
{
    check({1, 1, 3, 3, 1, {0, 0}});
    check({1, 2, 3, 700, 3, {1, 1}});   // one row of tiles, longer than a block
    check({1, 2, 700, 3, 3, {1, 0}});   // one column
    check({70, 3, 5, 4, 7, {1, 1}});    // blocks across many images
    check({2, 7, 40, 90, 29, {1, 1}});
    check({80, 3, 20, 19, 5, {1, 1}});  // several passes of the weight's gradient
    check({2, 64, 56, 56, 20, {1, 1}});
}

TEST(Winograd, EveryLayout)
{
    const Layout channels_last = {{0, 2, 3, 1}}, spaced = {{}, 1, 3};
    for (const Layout &layout : {channels_last, spaced}) check({2, 18, 13, 9, 17, {1, 1}}, layout);
}

TEST(Winograd, AppliesAnActivationAsUnaryDoes)
{
    const Case c = {2, 20, 17, 15, 18, {1, 1}};
    hy_conv2d_params p = c.params();
    View x(HY_FLOAT32, c.x()), w(HY_FLOAT32, c.weight()), bias(HY_FLOAT32, {c.k});
    unsigned seed = 1;
    for (View *v : {&x, &w, &bias}) v->fill_random(seed++);
    each([&](const Kernels &kernels, int64_t tile) {
        hy_device *device = hy_cpu_device(kernels.isa);
        for (int32_t op : {HY_UNARY_relu, HY_UNARY_sigmoid}) {
            View want(HY_FLOAT32, c.y()), got(HY_FLOAT32, c.y());
            p.activation = HY_NO_ACTIVATION;
            ASSERT_EQ(kernels.conv2d(device, tile, &p, &x.tensor, &w.tensor, nullptr, &bias.tensor, &want.tensor), HY_OK);
            ASSERT_EQ(device->backend.unary(device, op, 0, &want.tensor, &want.tensor), HY_OK);
            p.activation = HY_ACTIVATION(op);
            ASSERT_EQ(kernels.conv2d(device, tile, &p, &x.tensor, &w.tensor, nullptr, &bias.tensor, &got.tensor), HY_OK);
            EXPECT_EQ(got.values(), want.values());
        }
    });
}

// Infinities and NaNs reach the outputs of their tile, as much as direct sums would have let them reach their own.
TEST(Winograd, NaNReachesItsOutputs)
{
    const Case c = {1, 4, 20, 20, 5, {1, 1}};
    const hy_conv2d_params p = c.params();
    View x(HY_FLOAT32, c.x()), w(HY_FLOAT32, c.weight());
    x.fill_random(1);
    w.fill_random(2);
    ((float *)x.tensor.data)[10 * 20 + 10] = NAN;
    each([&](const Kernels &kernels, int64_t tile) {
        View y(HY_FLOAT32, c.y());
        ASSERT_EQ(kernels.conv2d(hy_cpu_device(kernels.isa), tile, &p, &x.tensor, &w.tensor, nullptr, nullptr, &y.tensor), HY_OK);
        const std::vector<double> values = y.values();
        for (size_t k = 0; k < 5; k++) {
            for (size_t i = 9; i <= 11; i++)
                for (size_t j = 9; j <= 11; j++) EXPECT_TRUE(std::isnan(values[(k * 20 + i) * 20 + j]));
            EXPECT_FALSE(std::isnan(values[k * 400]));
            EXPECT_FALSE(std::isnan(values[k * 400 + 399]));
        }
    });
}

TEST(Winograd, SameBitsForAnyNumberOfThreads)
{
    int32_t threads = hy_get_num_threads();
    for (const Case &c : {Case{9, 20, 20, 20, 32, {1, 1}}, Case{1, 32, 14, 14, 50, {1, 1}}, Case{80, 40, 20, 19, 20, {1, 1}}}) {
        const hy_conv2d_params p = c.params();
        View x(HY_FLOAT32, c.x()), w(HY_FLOAT32, c.weight()), dy(HY_FLOAT32, c.y());
        unsigned seed = 1;
        for (View *v : {&x, &w, &dy}) v->fill_random(seed++);
        each([&](const Kernels &kernels, int64_t tile) {
            hy_device *device = hy_cpu_device(kernels.isa);
            std::vector<std::vector<double>> first;
            for (int32_t count : {1, 2, 5}) {
                ASSERT_EQ(hy_set_num_threads(count), HY_OK);
                View y(HY_FLOAT32, c.y()), dx(HY_FLOAT32, c.x()), dw(HY_FLOAT32, c.weight());
                ASSERT_EQ(kernels.conv2d(device, tile, &p, &x.tensor, &w.tensor, nullptr, nullptr, &y.tensor), HY_OK);
                ASSERT_EQ(kernels.input_grad(device, tile, &p, &dy.tensor, &w.tensor, &dx.tensor), HY_OK);
                ASSERT_EQ(kernels.weight_grad(device, &p, &x.tensor, &dy.tensor, &dw.tensor), HY_OK);
                std::vector<std::vector<double>> results = {y.values(), dx.values(), dw.values()};
                if (first.empty()) first = results;
                EXPECT_TRUE(first == results) << count << " threads";
            }
        });
    }
    ASSERT_EQ(hy_set_num_threads(threads), HY_OK);
}

TEST(Winograd, IsChosenByShapeUnlessExactOrDouble)
{
    const Case large = {8, 64, 56, 56, 64, {1, 1}}, small = {8, 512, 7, 7, 512, {1, 1}}, shallow = {1, 1, 28, 28, 4, {0, 0}};
    constexpr int32_t four = HY_CONV_WAY_winograd4, two = HY_CONV_WAY_winograd2;
    for (const std::string &isa : isas()) {
        SCOPED_TRACE(isa);
        hy_device *device = hy_cpu_device(isa.c_str());
        for (int32_t pass = 0; pass < HY_CONV_PASS_COUNT; pass++) {
            SCOPED_TRACE(pass);
            int64_t serving;
            auto chosen = [&](const Case &c, int32_t dtype, hy_conv2d_params p) {
                View x(dtype, c.x()), w(dtype, c.weight()), y(dtype, c.y());
                int32_t way;
                EXPECT_EQ(device->backend.conv2d_ways(device, pass, &p, &x.tensor, &w.tensor, &y.tensor, &serving, &way), HY_OK);
                return way;
            };
            hy_conv2d_params exact = large.params(), strided = large.params(), dilated = large.params();
            exact.exact = 1;
            strided.stride[1] = 2;
            dilated.dilation[0] = 2;
            EXPECT_EQ(chosen(large, HY_FLOAT32, large.params()), four);
            EXPECT_EQ(serving >> two & 1, pass != HY_CONV_PASS_weight_grad);
            EXPECT_LE(chosen(small, HY_FLOAT32, small.params()), two);
            EXPECT_GT(chosen(shallow, HY_FLOAT32, shallow.params()), two);
            EXPECT_GT(chosen(large, HY_FLOAT64, large.params()), two);
            EXPECT_EQ(serving & (1 << four | 1 << two), 0);
            for (const hy_conv2d_params &p : {exact, strided, dilated}) {
                EXPECT_GT(chosen(large, HY_FLOAT32, p), two);
                EXPECT_EQ(serving & (1 << four | 1 << two), 0);
            }
        }
    }
}
