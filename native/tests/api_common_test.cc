// What holds for every function of the ABI that takes tensors.
#ifdef _WIN32
#  define NOMINMAX
#  include <windows.h>
#  undef IN // which api_arguments.h has names for
#  undef OUT
#else
#  include <sys/mman.h>
#endif

#include <cmath>
#include <cstring>
#include <fstream>
#include <regex>
#include <set>

#include "api_arguments.h"
extern "C" {
#include "cpu/cpu.h"
}

namespace {

TEST(Checks, ListHasEveryFunctionThatTakesTensors)
{
    std::ifstream file(HY_HEADER);
    std::set<std::string> declared, listed;
    const std::regex declaration("HY_API hy_status (hy_\\w+)\\(.*(const hy_tensor|,$).*");
    std::smatch match;
    for (std::string line; std::getline(file, line);)
        if (std::regex_match(line, match, declaration)) declared.insert(match[1]);
    for (const Function &f : functions) EXPECT_TRUE(listed.insert(f.name).second) << f.name;
    EXPECT_EQ(listed, declared);
}

TEST(Checks, RightArgumentsAreTaken)
{
    for (const Function &f : functions) {
        Arguments(f).expect_ok();
        for (size_t i = 0; i < f.operands.size(); i++)
            if (f.operands[i].is_optional()) Arguments(f).without(i).expect_ok();
    }
}

TEST(Checks, EveryDeviceHereTakesThem)
{
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++)
        for (const Function &f : functions) {
            SCOPED_TRACE(*isa);
            Arguments a(f);
            a.device = hy_cpu_device(*isa);
            for (hy_tensor &t : a.tensors) t.device = a.device;
            a.expect_ok();
        }
}

/// Memory whose last byte (or first, as asked) lies at a page that must not be touched.
class Fenced {
public:
    Fenced(size_t bytes, bool at_end) : room((bytes + page - 1) / page * page)
    {
        start = reserve(room + 2 * page);
        EXPECT_TRUE(open(start + page, room));
        data = start + page + (at_end ? room - bytes : 0);
    }
    Fenced(Fenced &&other) : data(other.data), room(other.room), start(other.start) { other.start = nullptr; }
    ~Fenced() { if (start) release(start, room + 2 * page); }

    char *data;

private:
    static constexpr size_t page = 65536; // a multiple of any system's

#ifdef _WIN32
    static char *reserve(size_t size) { return static_cast<char *>(VirtualAlloc(nullptr, size, MEM_RESERVE, PAGE_NOACCESS)); }
    static bool open(char *at, size_t size) { return size == 0 || VirtualAlloc(at, size, MEM_COMMIT, PAGE_READWRITE); }
    static void release(char *at, size_t) { VirtualFree(at, 0, MEM_RELEASE); }
#else
    static char *reserve(size_t size) { return static_cast<char *>(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)); }
    static bool open(char *at, size_t size) { return mprotect(at, size, PROT_READ | PROT_WRITE) == 0; }
    static void release(char *at, size_t size) { munmap(at, size); }
#endif

    size_t room;
    char *start;
};

/// Calls with every operand fenced in, under each ISA and floating dtype that it takes; a touch of a fence ends the program.
void expect_within_fences(const Arguments &arguments)
{
    std::vector<int32_t> dtypes = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
    for (const Operand &o : arguments.operands)
        if (o.dtype == HY_INT8) dtypes = {HY_FLOAT32};
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++)
        for (int32_t floating : dtypes)
            for (bool at_end : {false, true}) {
                SCOPED_TRACE(*isa);
                Arguments a = arguments;
                a.device = hy_cpu_device(*isa);
                std::vector<Fenced> fenced;
                for (size_t i = 0; i < a.operands.size(); i++) {
                    if (a.operands[i].dtype == HY_FLOAT32) a.dtype(i, floating);
                    const size_t bytes = (size_t)(hy_numel(&a[i]) * hy_dtype_size(a[i].dtype));
                    fenced.emplace_back(bytes, at_end);
                    std::memset(fenced[i].data, 0, bytes);
                    a[i].data = fenced[i].data;
                    a[i].device = a.device;
                }
                a.expect_ok();
            }
}

TEST(Checks, NothingOutsideAViewIsTouched)
{
    for (const Function &f : functions) {
        const std::string name = f.name;
        if (name == "hy_conv2d_ways" || name == "hy_tuning_set") continue; // read no element, and take no 16-bit types
        expect_within_fences(Arguments(f));
        if (name.find("2d") != std::string::npos) continue;
        Arguments wide(f); // 67 leaves a rest behind the vectors of every ISA
        for (size_t i = 0; i < wide.operands.size(); i++) {
            std::vector<int64_t> shape = wide.operands[i].shape;
            std::replace(shape.begin(), shape.end(), (int64_t)3, (int64_t)67);
            wide.shape(i, shape);
        }
        expect_within_fences(wide);
    }
}

TEST(Checks, WindowsStayWithinTheirImages)
{
    for (int32_t kernel : {1, 2, 3})
        for (int32_t stride : {1, 2, 3}) {
            const int64_t in = 67, out = (in - kernel) / stride + 1;
            auto pooled = [&](const char *name, std::vector<int64_t> extents) {
                Arguments a(name);
                a.set([&](Scalars &s) { s.pool = {{kernel, kernel}, {stride, stride}, {0, 0}, {1, 1}, 0}; });
                for (size_t i = 0; i < extents.size(); i++) a.shape(i, {1, 2, extents[i], extents[i]});
                expect_within_fences(a);
            };
            pooled("hy_max_pool2d", {in, out, out});
            pooled("hy_max_pool2d_backward", {out, out, in});
            pooled("hy_avg_pool2d", {in, out});
            pooled("hy_avg_pool2d_backward", {out, in});
            auto convolved = [&](const char *name, std::vector<std::vector<int64_t>> shapes) {
                Arguments a(name);
                a.set([&](Scalars &s) { s.conv.stride[0] = s.conv.stride[1] = stride; });
                for (size_t i = 0; i < shapes.size(); i++) a.shape(i, shapes[i]);
                expect_within_fences(a);
            };
            const std::vector<int64_t> x = {2, 2, in, in}, w = {15, 2, kernel, kernel}, y = {2, 15, out, out};
            convolved("hy_conv2d", {x, w, {15}, y});
            convolved("hy_conv2d_input_grad", {y, w, x});
            convolved("hy_conv2d_weight_grad", {x, y, w, {15}});
        }
}

// Every operand is strided, which most kernels copy first, and the limit rises until all the memory is there.
TEST(Checks, AShortageOfMemoryLeavesOutputsAlone)
{
    int shortages = 0;
    for (const Function &f : functions) {
        const std::string name = f.name;
        if (name == "hy_conv2d_input_grad") continue;          // says that its output is then undefined
        if (name.find("prepare") != std::string::npos) continue; // takes no strided operand
        SCOPED_TRACE(f.name);
        Arguments a(f);
        for (size_t i = 0; i < a.operands.size(); i++) {
            std::vector<int64_t> shape = a.operands[i].shape;
            if (shape.empty()) continue;
            shape.back() *= 2;
            a.shape(i, shape);
            a[i].shape[a[i].ndim - 1] /= 2;
            a[i].strides[a[i].ndim - 1] = 2;
        }
        hy_memory_stats stats;
        ASSERT_EQ(hy_memory_trim(a.device), HY_OK);
        ASSERT_EQ(hy_memory_get_stats(a.device, &stats), HY_OK);
        for (int64_t room = 1;; room += 64) {
            ASSERT_EQ(hy_memory_set_limit(a.device, stats.live + room), HY_OK);
            if (Arguments(a).call() == HY_OK) break;
            a.expect_refused(HY_OUT_OF_MEMORY, "limit");
            shortages++;
            if (testing::Test::HasFailure()) break;
        }
        ASSERT_EQ(hy_memory_set_limit(a.device, 0), HY_OK);
    }
    EXPECT_GT(shortages, 20);
}

TEST(Checks, NullDevice)
{
    for (const Function &f : functions) {
        Arguments a(f);
        a.device = nullptr;
        a.expect_refused(HY_BAD_ARGUMENT, "device is NULL");
    }
}

TEST(Checks, NullParameters)
{
    for (const char *name : {"hy_conv2d", "hy_conv2d_input_grad", "hy_conv2d_weight_grad", "hy_conv2d_ways", "hy_tuning_set", "hy_max_pool2d",
                             "hy_max_pool2d_backward", "hy_avg_pool2d", "hy_avg_pool2d_backward", "hy_sgd_step", "hy_adam_step"})
        Arguments(name).set([](Scalars &s) { s.has_params = false; }).expect_refused(HY_BAD_ARGUMENT, "NULL");
}

/// Spoils each tensor of each function in turn.
void spoil_each(hy_status status, const std::string &part, std::function<void(hy_tensor &)> spoil, std::function<bool(const Operand &)> applies = {})
{
    for (const Function &f : functions)
        for (size_t i = 0; i < f.operands.size(); i++) {
            if (applies && !applies(f.operands[i])) continue;
            SCOPED_TRACE(std::string(f.name) + ", operand " + std::to_string(i));
            Arguments a(f);
            spoil(a[i]);
            a.expect_refused(status, part);
        }
}

bool has_axes(const Operand &o) { return !o.shape.empty(); }

TEST(Checks, NullTensors)
{
    for (const Function &f : functions)
        for (size_t i = 0; i < f.operands.size(); i++)
            if (!f.operands[i].is_optional()) Arguments(f).without(i).expect_refused(HY_BAD_ARGUMENT, "NULL");
}

TEST(Checks, NumberOfAxes)
{
    for (int32_t ndim : {-1, HY_MAX_DIMS + 1, INT32_MAX, INT32_MIN})
        spoil_each(HY_BAD_SHAPE, std::to_string(ndim) + " axes", [=](hy_tensor &t) { t.ndim = ndim; });
}

TEST(Checks, UnknownDtypes)
{
    for (int32_t dtype : {-1, HY_INT8 + 1, INT32_MAX, INT32_MIN})
        spoil_each(HY_BAD_DTYPE, std::to_string(dtype), [=](hy_tensor &t) { t.dtype = dtype; });
}

TEST(Checks, OtherDevices)
{
    hy_device *other = hy_cpu_device("reference"), *mine = nullptr;
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &mine), HY_OK);
    if (mine == other) other = hy_cpu_device(hy_cpu_isas()[1]);
    spoil_each(HY_BAD_DEVICE, "another device", [=](hy_tensor &t) { t.device = other; });
    spoil_each(HY_BAD_DEVICE, "no device", [](hy_tensor &t) { t.device = nullptr; });
}

TEST(Checks, NegativeExtentsAndStrides)
{
    spoil_each(HY_BAD_SHAPE, "negative", [](hy_tensor &t) { t.shape[0] = -1; }, has_axes);
    spoil_each(HY_BAD_SHAPE, "negative", [](hy_tensor &t) { t.shape[t.ndim - 1] = INT64_MIN; }, has_axes);
    spoil_each(HY_BAD_SHAPE, "negative", [](hy_tensor &t) { t.strides[0] = -1; }, has_axes);
}

TEST(Checks, Overflow)
{
    spoil_each(HY_BAD_SHAPE, "more elements than memory", [](hy_tensor &t) {
        t.ndim = 2;
        t.shape[0] = t.shape[1] = INT64_C(1) << 32;
        t.strides[0] = t.strides[1] = 0;
    });
    spoil_each(HY_BAD_SHAPE, "beyond memory", [](hy_tensor &t) {
        t.ndim = 2;
        t.shape[0] = t.shape[1] = 3;
        t.strides[0] = t.strides[1] = INT64_MAX / 2;
    });
    spoil_each(HY_BAD_SHAPE, "more elements than memory", [](hy_tensor &t) {
        t.ndim = 3;
        t.shape[0] = 0; // no element, but what the others say must still be sound
        t.shape[1] = t.shape[2] = INT64_MAX;
        t.strides[1] = t.strides[2] = 0;
    });
}

TEST(Checks, NullAndMisalignedData)
{
    spoil_each(HY_BAD_ARGUMENT, "data is NULL", [](hy_tensor &t) { t.data = nullptr; });
    spoil_each(HY_BAD_ARGUMENT, "aligned", [](hy_tensor &t) { t.data = static_cast<char *>(t.data) + 1; },
               [](const Operand &o) { return hy_dtype_size(o.dtype) > 1; });
}

TEST(Checks, OutputsThatAliasThemselves)
{
    spoil_each(HY_BAD_SHAPE, "overlap", [](hy_tensor &t) { t.strides[t.shape[0] > 1 ? 0 : 1] = 0; },
               [](const Operand &o) { return o.is_output() && has_axes(o); });
    spoil_each(HY_BAD_SHAPE, "overlap", [](hy_tensor &t) { t.strides[0] = t.strides[1] = 1; },
               [](const Operand &o) { return o.is_output() && o.shape.size() > 1 && o.shape[0] > 1 && o.shape[1] > 1; });
}

TEST(Checks, OutputsMayBeAnyViewWithoutOverlap)
{
    for (const Function &f : functions)
        for (size_t i = 0; i < f.operands.size(); i++) {
            if (!f.operands[i].is_output() || std::regex_search(f.name, std::regex("_prepare$"))) continue; // which wants a contiguous one
            Arguments a(f);
            hy_tensor &t = a[i];
            std::vector<unsigned char> space((size_t)(hy_numel(&t) * hy_dtype_size(t.dtype) * 3));
            int64_t stride = 3; // column-major with gaps
            for (int k = 0; k < t.ndim; k++) t.strides[k] = stride, stride *= t.shape[k];
            t.data = space.data();
            a.expect_ok();
        }
}

TEST(Checks, WrongShapes)
{
    const std::set<std::string> any_shape = {"hy_fill", "hy_arange", "hy_random_uniform", "hy_random_normal", "hy_random_integers", "hy_random_bernoulli"};
    // Where a larger last extent fits: what is reduced, gathered from or scattered into, the number of classes, room for a prepared operand.
    const std::set<std::pair<std::string, size_t>> may_grow = {{"hy_reduce", 0}, {"hy_gather", 0}, {"hy_scatter_add", 2}, {"hy_one_hot", 1},
                                                                {"hy_matmul_prepare", 0}, {"hy_matmul_prepare", 1}, {"hy_matmul_prepared", 2},
                                                                {"hy_conv2d_prepare", 3}, {"hy_conv2d_prepared", 2}};
    for (const Function &f : functions) {
        if (any_shape.count(f.name)) continue;
        for (size_t i = 0; i < f.operands.size(); i++) {
            SCOPED_TRACE(std::string(f.name) + ", operand " + std::to_string(i));
            std::vector<int64_t> longer = f.operands[i].shape, more = f.operands[i].shape;
            longer.push_back(7);
            Arguments(f).shape(i, longer).expect_refused(HY_BAD_SHAPE, "[");
            if (more.empty() || may_grow.count({f.name, i})) continue;
            more.back() += 7;
            Arguments(f).shape(i, more).expect_refused(HY_BAD_SHAPE, "[");
        }
    }
}

TEST(Checks, WrongDtypes)
{
    const std::set<std::pair<std::string, size_t>> any_dtype = {{"hy_fill", 0}, {"hy_random_bernoulli", 0}, {"hy_compare_scalar", 0}, {"hy_copy", 0},
                                                                {"hy_copy", 1}, {"hy_arg_reduce", 0},       {"hy_one_hot", 1}};
    for (const Function &f : functions)
        for (size_t i = 0; i < f.operands.size(); i++) {
            if (any_dtype.count({f.name, i})) continue;
            SCOPED_TRACE(std::string(f.name) + ", operand " + std::to_string(i));
            if (f.operands[i].dtype != HY_BOOL) Arguments(f).dtype(i, HY_BOOL).expect_refused(HY_BAD_DTYPE, "expected");
            if (f.operands.size() > 1) Arguments(f).dtype(i, HY_FLOAT64).expect_refused(HY_BAD_DTYPE, "expected"); // the others are not
        }
}

TEST(Checks, EmptyTensorsAreSafe)
{
    auto empty = [](Arguments &a, size_t i, std::vector<int64_t> shape) {
        a.shape(i, std::move(shape));
        a[i].data = nullptr;
    };
    for (const char *name : {"hy_fill", "hy_arange", "hy_random_uniform", "hy_random_normal", "hy_random_integers", "hy_random_bernoulli", "hy_unary",
                             "hy_unary_backward", "hy_binary_scalar", "hy_binary_scalar_backward", "hy_compare_scalar", "hy_softmax", "hy_softmax_backward", "hy_mse",
                             "hy_sgd_step", "hy_adam_step"}) {
        Arguments a(name);
        for (size_t i = 0; i < a.operands.size(); i++) empty(a, i, {0, 3});
        a.expect_ok();
    }
    for (const char *name : {"hy_conv2d", "hy_conv2d_input_grad", "hy_max_pool2d", "hy_max_pool2d_backward", "hy_avg_pool2d", "hy_avg_pool2d_backward"}) {
        Arguments a(name); // no sample
        for (size_t i = 0; i < a.operands.size(); i++)
            if (a.operands[i].shape.size() == 4 && a.operands[i].shape[0] == 2) {
                std::vector<int64_t> shape = a.operands[i].shape;
                shape[0] = 0;
                empty(a, i, shape);
            }
        a.expect_ok();
    }
    Arguments gradient("hy_conv2d_weight_grad");
    empty(gradient, 0, {0, 4, 5, 6});
    empty(gradient, 1, {0, 6, 3, 4});
    gradient.expect_ok();
    for (float value : {0, 1}) EXPECT_EQ(static_cast<float *>(gradient[2].data)[(int)value], 0.0f);

    Arguments product("hy_matmul"); // K = 0 gives the bias
    empty(product, 0, {2, 0});
    empty(product, 1, {0, 4});
    product.shape(3, {2, 4}).expect_ok();
    for (int i = 0; i < 8; i++) EXPECT_EQ(static_cast<float *>(product[3].data)[i], 0.0f);
    Arguments sum("hy_reduce");
    empty(sum, 0, {2, 0});
    sum.expect_ok();
    for (int i = 0; i < 2; i++) EXPECT_EQ(static_cast<float *>(sum[1].data)[i], 0.0f);
    Arguments loss("hy_cross_entropy");
    empty(loss, 0, {0, 3});
    empty(loss, 1, {0});
    loss.shape(2, {}).without(3).set([](Scalars &s) { s.op = HY_REDUCTION_mean; }).expect_ok();
    EXPECT_TRUE(std::isnan(*static_cast<float *>(loss[2].data)));
    Arguments picked("hy_index_select");
    empty(picked, 1, {0});
    empty(picked, 2, {0, 3});
    picked.expect_ok();
}

TEST(Checks, EmptySlotsAreUnsupported)
{
    for (const Function &f : functions) {
        hy_device bare{};
        bare.info.kind = HY_CUDA;
        bare.info.index = 3;
        Arguments a(f);
        a.device = &bare;
        for (hy_tensor &t : a.tensors) t.device = &bare;
        a.expect_refused(HY_UNSUPPORTED, "CUDA device 3 has no implementation");
    }
}

} // namespace
