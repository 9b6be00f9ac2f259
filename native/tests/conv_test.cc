// The convolutions against the reference, under each ISA and in every way that serves: borders, strides, groups, blocks, layouts.
#include "kernel_view.h"

extern "C" {
#include "core/tuning.h"
}

using namespace kernel_test;

namespace {

struct Case {
    int64_t n, c, h, w, k, r, s;
    hy_conv2d_params p;
};

std::string describe(const Case &c)
{
    testing::Message m;
    m << "n " << c.n << " c " << c.c << " h " << c.h << " w " << c.w << " k " << c.k << " r " << c.r << " s " << c.s
      << " stride " << c.p.stride[0] << "," << c.p.stride[1]
      << " padding " << c.p.padding[0] << "," << c.p.padding[1]
      << " dilation " << c.p.dilation[0] << "," << c.p.dilation[1] << " groups " << c.p.groups;
    return m.GetString();
}

int64_t out_extent(const Case &c, int axis)
{
    int64_t in = axis == 0 ? c.h : c.w, kernel = axis == 0 ? c.r : c.s;
    return (in + INT64_C(2) * c.p.padding[axis] - c.p.dilation[axis] * (kernel - 1) - 1) / c.p.stride[axis] + 1;
}

const Layout contiguous = {}, channels_last = {{0, 2, 3, 1}}, spaced = {{}, 1, 3};

struct Operands {
    Operands(int32_t dtype, const Case &c, const Layout &layout)
        : x(dtype, {c.n, c.c, c.h, c.w}, layout), w(dtype, {c.k, c.c / c.p.groups, c.r, c.s}, layout), bias(dtype, {c.k}, Layout{{}, 2}),
          dy(dtype, {c.n, c.k, out_extent(c, 0), out_extent(c, 1)}, layout)
    {
        unsigned seed = 1;
        for (View *v : {&x, &w, &bias, &dy}) v->fill_random(seed++);
    }

    View x, w, bias, dy;
};

std::vector<int64_t> shape_of(const View &v) { return {v.tensor.shape, v.tensor.shape + v.tensor.ndim}; }

int64_t ways_seen;     // a bit for each pass and way
int64_t prepared_seen; // a bit for each way

// The input, weight and output of a pass, one of which it computes.
struct Triple {
    const hy_tensor *x, *w, *y;
};

// Runs `call` on the reference and on every ISA in every way that serves, each into outputs of its own, which must agree. `views` says which tensors
// the pass is about, given the outputs.
template <typename Operands, typename Call>
void compare(int32_t dtype, int32_t pass, const Case &c, const std::vector<std::vector<int64_t>> &shapes, const Layout &layout, double terms,
             Operands views, Call call)
{
    auto make = [&] {
        std::vector<View> outputs;
        for (const auto &shape : shapes) outputs.emplace_back(dtype, shape, shape.size() == 4 ? layout : Layout{});
        return outputs;
    };
    std::vector<View> want = make();
    EXPECT_EQ(call(hy_cpu_device("reference"), &c.p, want), HY_OK);
    for (const std::string &isa : isas()) {
        hy_device *device = hy_cpu_device(isa.c_str());
        const Triple of = views(want);
        int64_t serving = 0;
        ASSERT_EQ(device->backend.conv2d_ways(device, pass, &c.p, of.x, of.w, of.y, &serving, nullptr), HY_OK);
        for (int32_t way = 0; way < HY_CONV_WAY_COUNT; way++) {
            if (way != HY_CONV_WAY_chosen && !(serving >> way & 1)) continue;
            SCOPED_TRACE(isa + ", " + hy_conv_way_name(way));
            std::vector<View> got = make();
            hy_conv2d_params p = c.p;
            p.way = way;
            EXPECT_EQ(call(device, &p, got), HY_OK);
            for (size_t i = 0; i < got.size(); i++) {
                expect_close(got[i], want[i], terms);
                if (testing::Test::HasFatalFailure()) return;
            }
            ways_seen |= INT64_C(1) << (pass * HY_CONV_WAY_COUNT + way);
        }
    }
}

// With the weight prepared, each way gives the same bits.
void expect_same_prepared(int32_t dtype, const Case &c, const Operands &o, const hy_tensor *bias, const Layout &layout)
{
    for (const std::string &isa : isas()) {
        hy_device *device = hy_cpu_device(isa.c_str());
        View want(dtype, shape_of(o.dy), layout), got(dtype, shape_of(o.dy), layout);
        int64_t serving = 0;
        ASSERT_EQ(device->backend.conv2d_ways(device, HY_CONV_PASS_forward, &c.p, &o.x.tensor, &o.w.tensor, &want.tensor, &serving, nullptr), HY_OK);
        for (int32_t way = 1; way < HY_CONV_WAY_COUNT; way++) {
            if (!(serving >> way & 1)) continue;
            SCOPED_TRACE(isa + ", " + hy_conv_way_name(way));
            hy_conv2d_params p = c.p;
            p.way = way;
            int32_t told;
            int64_t elements = -1;
            ASSERT_EQ(device->backend.conv2d_prepare(device, &p, &o.x.tensor, &o.w.tensor, &want.tensor, &told, &elements, nullptr), HY_OK);
            if (elements == 0) continue;
            EXPECT_EQ(told, way);
            View prepared(dtype, {elements});
            ASSERT_EQ(device->backend.conv2d_prepare(device, &p, &o.x.tensor, &o.w.tensor, &want.tensor, &told, &elements, &prepared.tensor), HY_OK);
            EXPECT_TRUE(prepared.others_untouched());
            hy_tensor unread = o.w.tensor;
            unread.data = nullptr;
            ASSERT_EQ(device->backend.conv2d(device, &p, &o.x.tensor, &o.w.tensor, bias, &want.tensor), HY_OK);
            ASSERT_EQ(device->backend.conv2d_prepared(device, &p, &o.x.tensor, &unread, &prepared.tensor, bias, &got.tensor), HY_OK);
            EXPECT_TRUE(got.values() == want.values());
            EXPECT_TRUE(got.others_untouched());
            prepared_seen |= INT64_C(1) << way;
        }
    }
}

void check_forward(int32_t dtype, const Case &c, const Layout &layout = {})
{
    SCOPED_TRACE("forward " + describe(c));
    Operands o(dtype, c, layout);
    double terms = (double)(c.c / c.p.groups * c.r * c.s);
    auto views = [&](std::vector<View> &out) { return Triple{&o.x.tensor, &o.w.tensor, &out[0].tensor}; };
    for (const hy_tensor *bias : {(const hy_tensor *)nullptr, (const hy_tensor *)&o.bias.tensor}) {
        expect_same_prepared(dtype, c, o, bias, layout);
        compare(dtype, HY_CONV_PASS_forward, c, {shape_of(o.dy)}, layout, terms, views,
                [&](hy_device *device, const hy_conv2d_params *p, std::vector<View> &out) {
                    return device->backend.conv2d(device, p, &o.x.tensor, &o.w.tensor, bias, &out[0].tensor);
                });
    }
}

void check_input_grad(int32_t dtype, const Case &c, const hy_tensor *dy, const Operands &o, const Layout &layout)
{
    SCOPED_TRACE("input gradient " + describe(c));
    double terms = (double)(c.k / c.p.groups * c.r * c.s);
    compare(dtype, HY_CONV_PASS_input_grad, c, {shape_of(o.x)}, layout, terms,
            [&](std::vector<View> &out) { return Triple{&out[0].tensor, &o.w.tensor, dy}; },
            [&](hy_device *device, const hy_conv2d_params *p, std::vector<View> &out) {
                return device->backend.conv2d_input_grad(device, p, dy, &o.w.tensor, &out[0].tensor);
            });
}

void check_weight_grad(int32_t dtype, const Case &c, const hy_tensor *dy, const Operands &o, const Layout &layout)
{
    SCOPED_TRACE("weight gradient " + describe(c));
    double terms = (double)(c.n * out_extent(c, 0) * out_extent(c, 1));
    auto views = [&](std::vector<View> &out) { return Triple{&o.x.tensor, &out[0].tensor, dy}; };
    compare(dtype, HY_CONV_PASS_weight_grad, c, {shape_of(o.w), {c.k}}, layout, terms, views,
            [&](hy_device *device, const hy_conv2d_params *p, std::vector<View> &out) {
                return device->backend.conv2d_weight_grad(device, p, &o.x.tensor, dy, &out[0].tensor, &out[1].tensor);
            });
    compare(dtype, HY_CONV_PASS_weight_grad, c, {shape_of(o.w)}, layout, terms, views,
            [&](hy_device *device, const hy_conv2d_params *p, std::vector<View> &out) {
                return device->backend.conv2d_weight_grad(device, p, &o.x.tensor, dy, &out[0].tensor, nullptr);
            });
}

void check(Case c, const Layout &layout = {})
{
    c.p.exact = 1; // winograd_test.cc tests the other way
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
        SCOPED_TRACE(hy_dtype_name(dtype));
        check_forward(dtype, c, layout);
        Operands o(dtype, c, layout);
        check_input_grad(dtype, c, &o.dy.tensor, o, layout);
        check_weight_grad(dtype, c, &o.dy.tensor, o, layout);
        if (testing::Test::HasFatalFailure()) return;
    }
}

} // namespace

TEST(Conv, TheLayersOfADigitNetwork)
{
    check({2, 1, 28, 28, 32, 3, 3, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({2, 8, 26, 26, 16, 3, 3, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({2, 1, 28, 28, 6, 5, 5, {{1, 1}, {2, 2}, {1, 1}, 1}});
    check({2, 6, 14, 14, 16, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1}});
}

TEST(Conv, OneByOne)
{
    check({3, 5, 9, 7, 8, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({3, 5, 9, 7, 8, 1, 1, {{2, 2}, {0, 0}, {1, 1}, 1}});
    check({3, 5, 9, 7, 8, 1, 1, {{3, 1}, {1, 2}, {1, 1}, 1}});
    check({1, 40, 1, 1, 30, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({3, 20, 12, 13, 40, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({2, 12, 14, 11, 8, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 2}});
    check({2, 5, 12, 12, 8, 1, 1, {{1, 1}, {1, 2}, {1, 1}, 1}});
    check({2, 16, 60, 61, 20, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}});
}

TEST(Conv, EveryCombinationOfStridePaddingAndDilation)
{
    for (int32_t stride : {1, 2, 3})
        for (int32_t padding : {0, 1, 2})
            for (int32_t dilation : {1, 2}) {
                check({2, 3, 11, 13, 4, 3, 2, {{stride, stride}, {padding, padding}, {dilation, dilation}, 1}});
                check({2, 3, 11, 13, 4, 3, 2, {{stride, 1}, {padding, 0}, {1, dilation}, 1}});
            }
}

TEST(Conv, KernelsLargerThanTheImage)
{
    check({2, 2, 3, 3, 3, 7, 7, {{1, 1}, {3, 3}, {1, 1}, 1}});
    check({1, 2, 4, 20, 3, 1, 9, {{1, 2}, {0, 4}, {1, 1}, 1}});
    check({1, 2, 2, 2, 3, 2, 2, {{4, 4}, {3, 3}, {1, 1}, 1}});
    check({1, 1, 5, 5, 1, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1}});
}

TEST(Conv, Groups)
{
    check({2, 6, 8, 8, 9, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 3}});
    check({2, 6, 9, 8, 6, 3, 3, {{2, 2}, {1, 1}, {1, 1}, 6}});
    check({3, 4, 10, 40, 8, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 4}});
}

TEST(Conv, SeveralBlocks)
{
    check({1, 40, 20, 35, 70, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({5, 30, 7, 7, 64, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({1, 2, 120, 130, 4, 3, 3, {{2, 2}, {1, 1}, {1, 1}, 1}});
}

// Ways that only wide images and certain channels take: planes a multiple of 1 KB apart, odd rests of vectors, blocks of rows.
TEST(Conv, WideImages)
{
    check({3, 1, 32, 32, 16, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({2, 3, 34, 34, 13, 3, 3, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({2, 3, 61, 75, 16, 7, 7, {{2, 2}, {3, 3}, {1, 1}, 1}});
    check({1, 2, 90, 67, 12, 3, 5, {{2, 3}, {1, 2}, {2, 1}, 1}});
    check({2, 16, 33, 35, 21, 3, 3, {{2, 2}, {1, 1}, {1, 1}, 1}});
    check({2, 12, 30, 31, 26, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 2}});
    check({2, 20, 40, 41, 20, 5, 5, {{1, 1}, {2, 2}, {1, 1}, 20}});
    check({70, 6, 14, 14, 16, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1}});
}

// Vectors that run across the rows of small images.
TEST(Conv, SmallImages)
{
    check({3, 4, 9, 10, 17, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({2, 3, 7, 7, 24, 5, 5, {{1, 1}, {2, 2}, {1, 1}, 1}});
    check({2, 4, 6, 5, 16, 3, 3, {{1, 1}, {2, 1}, {2, 1}, 1}});
    check({2, 12, 5, 9, 32, 2, 4, {{1, 1}, {1, 3}, {1, 1}, 2}});
    check({2, 3, 12, 3, 18, 3, 2, {{1, 1}, {0, 1}, {1, 1}, 1}});
    check({3, 5, 12, 11, 9, 3, 5, {{2, 3}, {1, 2}, {1, 1}, 1}});
    check({2, 12, 8, 9, 10, 4, 4, {{1, 2}, {3, 0}, {2, 1}, 2}});
    check({3, 6, 10, 10, 16, 5, 5, {{1, 1}, {1, 1}, {1, 1}, 1}}, channels_last);
    check({3, 6, 10, 10, 16, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1}}, spaced);
}

// Lanes along the images: blocks that the batch does not fill, padding on one side and on both, windows of padding alone, any activation.
TEST(Conv, BatchesOfSmallImages)
{
    const int32_t relu = HY_ACTIVATION(HY_UNARY_relu), tanh = HY_ACTIVATION(HY_UNARY_tanh);
    check({64, 8, 7, 7, 16, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({39, 6, 10, 11, 16, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1, relu}});
    check({33, 12, 6, 5, 13, 5, 5, {{1, 1}, {4, 3}, {1, 1}, 1, tanh}});
    check({48, 8, 7, 7, 6, 5, 5, {{2, 3}, {2, 2}, {1, 1}, 1, tanh}});
    check({40, 16, 5, 5, 12, 3, 3, {{1, 1}, {2, 2}, {2, 2}, 1}});
    check({40, 16, 5, 5, 12, 5, 5, {{1, 1}, {2, 2}, {1, 1}, 2}});
    check({32, 8, 2, 3, 12, 3, 3, {{1, 1}, {4, 4}, {1, 1}, 1, relu}});
    check({48, 6, 7, 7, 16, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}}, spaced);
}

// Every pass is computed in every way that it has, and no way goes untested: what the rules would choose does not matter here.
TEST(Conv, EveryWay)
{
    auto bit = [](int32_t pass, int32_t way) { return INT64_C(1) << (pass * HY_CONV_WAY_COUNT + way); };
    ways_seen = prepared_seen = 0;
    check({2, 12, 9, 17, 13, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({2, 9, 19, 34, 5, 5, 3, {{2, 2}, {2, 1}, {1, 1}, 1}});
    check({2, 20, 18, 17, 6, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}});
    check({1, 32, 5, 40, 8, 2, 7, {{1, 1}, {1, 6}, {1, 2}, 2}});
    check({3, 8, 16, 16, 8, 3, 3, {{1, 1}, {2, 2}, {2, 1}, 8}});
    int64_t direct = 0, all = 0;
    for (int32_t way : {HY_CONV_WAY_chosen, HY_CONV_WAY_flat, HY_CONV_WAY_packed}) all |= bit(0, way) | bit(1, way) | bit(2, way);
    for (int32_t pass : {HY_CONV_PASS_forward, HY_CONV_PASS_input_grad}) direct |= bit(pass, HY_CONV_WAY_direct) | bit(pass, HY_CONV_WAY_batch);
    EXPECT_EQ(ways_seen, all | direct | bit(HY_CONV_PASS_input_grad, HY_CONV_WAY_columns) | bit(HY_CONV_PASS_weight_grad, HY_CONV_WAY_dot)
                             | bit(HY_CONV_PASS_weight_grad, HY_CONV_WAY_channels));
    EXPECT_EQ(prepared_seen, 1 << HY_CONV_WAY_direct | 1 << HY_CONV_WAY_flat | 1 << HY_CONV_WAY_batch);
}

TEST(Conv, EveryLayout)
{
    for (const Layout &layout : {channels_last, spaced}) {
        check({2, 6, 8, 9, 4, 3, 3, {{1, 1}, {0, 0}, {1, 1}, 2}}, layout);
        check({2, 6, 8, 9, 4, 3, 3, {{2, 1}, {1, 1}, {1, 2}, 1}}, layout);
        check({2, 6, 8, 9, 4, 1, 1, {{1, 1}, {0, 0}, {1, 1}, 1}}, layout);
    }
}

TEST(Conv, ABroadcastGradient)
{
    Case c = {2, 3, 8, 9, 4, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}};
    Operands o(HY_FLOAT32, c, {});
    View one(HY_FLOAT32, {1, 1, 1, 1});
    one.fill_random(1);
    hy_tensor g = o.dy.tensor;
    g.data = one.tensor.data;
    for (int d = 0; d < 4; d++) g.strides[d] = 0;
    check_input_grad(HY_FLOAT32, c, &g, o, {});
    check_weight_grad(HY_FLOAT32, c, &g, o, {});
}

// The output is small, because the stride is as large as the padding, but the padded image has 2^64 elements.
TEST(Conv, PaddingBeyondMemoryIsRefused)
{
    const int32_t most = INT32_MAX;
    Case c{1, 1, 2, 2, 1, 1, 1, {{most, most}, {most, most}, {1, 1}, 1}};
    Operands o(HY_FLOAT32, c, contiguous);
    for (const std::string &isa : isas()) {
        SCOPED_TRACE(isa);
        hy_device *device = hy_cpu_device(isa.c_str());
        for (View *v : {&o.x, &o.w, &o.dy}) v->tensor.device = device;
        View y(HY_FLOAT32, shape_of(o.dy)), dw(HY_FLOAT32, shape_of(o.w));
        y.tensor.device = dw.tensor.device = device;
        EXPECT_EQ(hy_conv2d(device, &c.p, &o.x.tensor, &o.w.tensor, nullptr, &y.tensor), HY_OUT_OF_MEMORY);
        EXPECT_EQ(y.values(), std::vector<double>(9, canary));
        EXPECT_EQ(hy_conv2d_weight_grad(device, &c.p, &o.x.tensor, &o.dy.tensor, &dw.tensor, nullptr), HY_OUT_OF_MEMORY);
        EXPECT_EQ(dw.values(), std::vector<double>(1, canary));
    }
}

TEST(Conv, AnImageOfPaddingAlone)
{
    check({2, 3, 0, 0, 2, 1, 2, {{1, 1}, {1, 1}, {1, 1}, 1}});
    check({2, 3, 0, 4, 2, 1, 2, {{1, 1}, {1, 1}, {1, 1}, 1}});
}

TEST(Conv, NoImages)
{
    check({0, 3, 8, 8, 4, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
}

static void expect_same_bits(const Case &c)
{
    int32_t threads = hy_get_num_threads();
    Operands o(HY_FLOAT32, c, {});
    for (const std::string &isa : isas()) {
        hy_device *device = hy_cpu_device(isa.c_str());
        std::vector<std::vector<double>> first;
        for (int32_t count : {1, 2, 5}) {
            ASSERT_EQ(hy_set_num_threads(count), HY_OK);
            View y(HY_FLOAT32, shape_of(o.dy)), dx(HY_FLOAT32, shape_of(o.x)), dw(HY_FLOAT32, shape_of(o.w)), dbias(HY_FLOAT32, {c.k});
            ASSERT_EQ(device->backend.conv2d(device, &c.p, &o.x.tensor, &o.w.tensor, &o.bias.tensor, &y.tensor), HY_OK);
            ASSERT_EQ(device->backend.conv2d_input_grad(device, &c.p, &o.dy.tensor, &o.w.tensor, &dx.tensor), HY_OK);
            ASSERT_EQ(device->backend.conv2d_weight_grad(device, &c.p, &o.x.tensor, &o.dy.tensor, &dw.tensor, &dbias.tensor), HY_OK);
            std::vector<std::vector<double>> results = {y.values(), dx.values(), dw.values(), dbias.values()};
            if (first.empty()) first = results;
            EXPECT_TRUE(first == results) << isa << " with " << count << " threads";
        }
    }
    ASSERT_EQ(hy_set_num_threads(threads), HY_OK);
}

TEST(Conv, SameBitsForAnyNumberOfThreads)
{
    expect_same_bits({9, 8, 20, 20, 16, 3, 3, {{1, 1}, {1, 1}, {1, 1}, 1}});
    expect_same_bits({40, 6, 10, 10, 16, 5, 5, {{1, 1}, {0, 0}, {1, 1}, 1}});
}
