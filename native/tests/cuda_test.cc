// The CUDA backend: what is missing, streams, graphs, memory, errors; on the emulator or, where HYBRID_CUDA_LIBRARY names its library, on a card.
#ifdef HY_CUDA_EMULATED

#include <gtest/gtest.h>

#include <dlfcn.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "support/devices.h"
#include "support/tensor.h"

using namespace hybrid::testing;

namespace {

/// For what looks into the device's memory, or at how lazy the emulator is.
#define HY_EMULATOR_ONLY() \
    if (!gpu_is_emulated()) GTEST_SKIP() << "of the emulator"

class Cuda : public ::testing::Test {
protected:
    hy_device *device = nullptr;
    std::vector<void *> blocks;

    void SetUp() override
    {
        device = gpu_device();
        ASSERT_NE(device, nullptr) << hy_last_error();
    }

    void TearDown() override
    {
        hy_stream_set(device, nullptr);
        for (void *b : blocks) EXPECT_EQ(hy_free(device, b), HY_OK) << hy_last_error();
        EXPECT_EQ(hy_memory_trim(device), HY_OK);
    }

    hy_tensor vector(int64_t n, int32_t dtype = HY_FLOAT32, hy_device *on = nullptr)
    {
        hy_tensor t = {};
        t.device = on ? on : device;
        t.dtype = dtype;
        t.ndim = 1;
        t.shape[0] = n;
        t.strides[0] = 1;
        EXPECT_EQ(hy_alloc(t.device, n * hy_dtype_size(dtype), &t.data), HY_OK) << hy_last_error();
        if (t.device == device) blocks.push_back(t.data);
        return t;
    }

    std::vector<float> read(const hy_tensor &t)
    {
        std::vector<float> values((size_t)t.shape[0]);
        EXPECT_EQ(hy_transfer(nullptr, values.data(), t.device, t.data, t.shape[0] * 4), HY_OK) << hy_last_error();
        return values;
    }

    void forget(void *data)
    {
        for (size_t i = 0; i < blocks.size(); i++)
            if (blocks[i] == data) blocks.erase(blocks.begin() + (long)i);
        EXPECT_EQ(hy_free(device, data), HY_OK);
    }
};

TEST_F(Cuda, SaysThatItIsEmulated)
{
    HY_EMULATOR_ONLY();
    hy_device_info info;
    ASSERT_EQ(hy_device_describe(device, &info), HY_OK);
    EXPECT_EQ(info.kind, HY_CUDA);
    EXPECT_STREQ(info.name, "emulated GPU");
    EXPECT_STREQ(info.isa, "sm_86");
    EXPECT_EQ(hy_device_count(HY_CUDA), 3);
    EXPECT_EQ(hy_device_count(HY_CPU), 1);
    EXPECT_EQ(hy_device_count(7), 0);
}

/// The slots that no kernel fills yet: a parity test of theirs is skipped, and all others must pass.
TEST_F(Cuda, EmptySlots)
{
    const hy_backend &b = device->backend;
    std::vector<std::string> empty;
#define EMPTY(slot)                                                                         \
    do {                                                                                    \
        EXPECT_EQ(b.slot, nullptr) << #slot " is filled: take it off this list";           \
        empty.push_back(#slot);                                                             \
    } while (0)
    EMPTY(conv2d_ways);
    EMPTY(matmul_prepare); // the products read the operand as it is
    EMPTY(matmul_prepared);
    EMPTY(conv2d_prepare);
    EMPTY(conv2d_prepared);
    size_t nulls = 0;
    for (size_t i = 0; i < sizeof b / sizeof(void *); i++) nulls += reinterpret_cast<void *const *>(&b)[i] == nullptr;
    EXPECT_EQ(nulls, empty.size()) << "slots are empty that are not on this list";
}

TEST_F(Cuda, WorkHappensWhenSomebodyWaits)
{
    HY_EMULATOR_ONLY();
    const hy_tensor t = vector(1000);
    ASSERT_EQ(hy_fill(device, 3, &t), HY_OK);
    EXPECT_TRUE(std::isnan(*static_cast<float *>(t.data))) << "the emulator's streams are lazy, and its memory begins as NaN";
    for (float v : read(t)) ASSERT_EQ(v, 3);
}

TEST_F(Cuda, StreamsKeepTheirOrderAndEventsJoinThem)
{
    const hy_tensor t = vector(100), u = vector(100);
    hy_stream *first, *second;
    hy_event *filled;
    ASSERT_EQ(hy_stream_get(device, &first), HY_OK);
    ASSERT_EQ(hy_stream_create(device, &second), HY_OK);
    ASSERT_EQ(hy_event_create(device, 0, &filled), HY_OK);
    ASSERT_EQ(hy_fill(device, 5, &t), HY_OK);
    ASSERT_EQ(hy_event_record(device, filled), HY_OK);
    ASSERT_EQ(hy_stream_set(device, second), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, second), HY_BAD_ARGUMENT);
    ASSERT_EQ(hy_event_wait(device, filled), HY_OK);
    ASSERT_EQ(hy_unary(device, HY_UNARY_square, 0, &t, &u), HY_OK);
    for (float v : read(u)) ASSERT_EQ(v, 25); // waits for `second` alone, which waits for `filled`
    ASSERT_EQ(hy_stream_set(device, first), HY_OK);
    EXPECT_EQ(hy_event_destroy(device, filled), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, second), HY_OK);
}

/// A block freed under one stream and taken under another: the second waits for the first one's work.
TEST_F(Cuda, MemoryChangesStreamsInOrder)
{
    hy_stream *second;
    ASSERT_EQ(hy_stream_create(device, &second), HY_OK);
    const hy_tensor old = vector(256);
    ASSERT_EQ(hy_fill(device, 1, &old), HY_OK); // not done yet
    forget(old.data);
    ASSERT_EQ(hy_stream_set(device, second), HY_OK);
    const hy_tensor again = vector(256);
    ASSERT_EQ(again.data, old.data);
    ASSERT_EQ(hy_fill(device, 2, &again), HY_OK);
    for (float v : read(again)) ASSERT_EQ(v, 2);
    ASSERT_EQ(hy_synchronize(device), HY_OK);
    for (float v : read(again)) ASSERT_EQ(v, 2) << "the first stream's fill came after the second one's";
    ASSERT_EQ(hy_stream_set(device, nullptr), HY_OK);
    ASSERT_EQ(hy_stream_destroy(device, second), HY_OK);
}

TEST_F(Cuda, EventsMeasureTime)
{
    hy_event *start, *end;
    ASSERT_EQ(hy_event_create(device, 1, &start), HY_OK);
    ASSERT_EQ(hy_event_create(device, 1, &end), HY_OK);
    ASSERT_EQ(hy_event_record(device, start), HY_OK);
    ASSERT_EQ(hy_event_record(device, end), HY_OK);
    EXPECT_EQ(hy_event_synchronize(device, end), HY_OK);
    double milliseconds = -1;
    EXPECT_EQ(hy_event_elapsed(device, start, end, &milliseconds), HY_OK);
    EXPECT_GE(milliseconds, 0);
    EXPECT_EQ(hy_event_destroy(device, start), HY_OK);
    EXPECT_EQ(hy_event_destroy(device, end), HY_OK);
}

TEST_F(Cuda, AGraphReplaysOnItsOwnMemory)
{
    const hy_tensor x = vector(500), y = vector(500);
    ASSERT_EQ(hy_fill(device, 2, &x), HY_OK);
    ASSERT_EQ(hy_fill(device, NAN, &y), HY_OK);
    ASSERT_EQ(hy_graph_begin(device, nullptr), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_graph_begin(device, nullptr), HY_BAD_ARGUMENT);
    const hy_tensor between = vector(500);
    ASSERT_EQ(hy_unary(device, HY_UNARY_square, 0, &x, &between), HY_OK);
    ASSERT_EQ(hy_binary(device, HY_BINARY_add, &between, &x, &y), HY_OK);
    EXPECT_EQ(hy_synchronize(device), HY_BAD_ARGUMENT) << "nothing may wait meanwhile";
    EXPECT_NE(std::string(hy_last_error()).find("captured"), std::string::npos) << hy_last_error();
    float value;
    EXPECT_EQ(hy_transfer(nullptr, &value, device, y.data, 4), HY_BAD_ARGUMENT);
    hy_stream *stream;
    ASSERT_EQ(hy_stream_get(device, &stream), HY_OK);
    EXPECT_EQ(hy_stream_set(device, stream), HY_BAD_ARGUMENT);
    void *const pinned = between.data;
    forget(between.data);
    hy_graph *graph;
    ASSERT_EQ(hy_graph_end(device, &graph), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_graph_end(device, &graph), HY_BAD_ARGUMENT);

    const hy_tensor other = vector(500);
    EXPECT_NE(other.data, pinned) << "the graph's memory was handed out";
    for (float v : read(y)) ASSERT_TRUE(std::isnan(v)) << "it ran while it was recorded";
    for (float start : {2.f, 3.f}) {
        ASSERT_EQ(hy_fill(device, start, &x), HY_OK);
        ASSERT_EQ(hy_fill(device, 7, &other), HY_OK);
        ASSERT_EQ(hy_graph_launch(device, graph), HY_OK);
        for (float v : read(y)) ASSERT_EQ(v, start * start + start);
        for (float v : read(other)) ASSERT_EQ(v, 7);
    }
    ASSERT_EQ(hy_graph_destroy(device, graph), HY_OK);
    EXPECT_EQ(vector(500).data, pinned) << "its memory went back to the cache";
}

/// The memory of a graph may still be in use by what was asked before it was recorded, on a stream that is not the one that replays it.
TEST_F(Cuda, AGraphOnAnotherStreamWaitsForWhatCameBefore)
{
    const hy_tensor x = vector(300), y = vector(300);
    hy_stream *second;
    hy_graph *graph;
    ASSERT_EQ(hy_stream_create(device, &second), HY_OK);
    ASSERT_EQ(hy_fill(device, 4, &x), HY_OK);
    ASSERT_EQ(hy_graph_begin(device, nullptr), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_unary(device, HY_UNARY_square, 0, &x, &y), HY_OK);
    ASSERT_EQ(hy_graph_end(device, &graph), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_stream_set(device, second), HY_OK);
    ASSERT_EQ(hy_graph_launch(device, graph), HY_OK) << hy_last_error();
    for (float v : read(y)) ASSERT_EQ(v, 16);
    ASSERT_EQ(hy_stream_set(device, nullptr), HY_OK);
    EXPECT_EQ(hy_graph_destroy(device, graph), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, second), HY_OK);
}

TEST_F(Cuda, NothingThatWaitsSpoilsARecording)
{
    const hy_tensor x = vector(300), y = vector(300);
    hy_stream *idle;
    hy_graph *old, *graph;
    void *pinned;
    ASSERT_EQ(hy_stream_create(device, &idle), HY_OK);
    ASSERT_EQ(hy_host_alloc(device, 64, &pinned), HY_OK);
    ASSERT_EQ(hy_graph_begin(device, nullptr), HY_OK);
    ASSERT_EQ(hy_fill(device, 1, &y), HY_OK);
    ASSERT_EQ(hy_graph_end(device, &old), HY_OK);

    ASSERT_EQ(hy_fill(device, 3, &x), HY_OK);
    ASSERT_EQ(hy_graph_begin(device, nullptr), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, idle), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_stream_set(device, idle), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_graph_launch(device, old), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_graph_destroy(device, old), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_host_free(device, pinned), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find("HostFree"), std::string::npos) << hy_last_error();
    ASSERT_EQ(hy_unary(device, HY_UNARY_square, 0, &x, &y), HY_OK);
    ASSERT_EQ(hy_graph_end(device, &graph), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_graph_launch(device, graph), HY_OK);
    for (float v : read(y)) ASSERT_EQ(v, 9);
    EXPECT_EQ(hy_graph_destroy(device, graph), HY_OK);
    EXPECT_EQ(hy_graph_destroy(device, old), HY_OK);
    EXPECT_EQ(hy_host_free(device, pinned), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, idle), HY_OK);
}

/// A bad index is for those who wait for results; what only tidies up leaves it to them.
TEST_F(Cuda, ABadIndexIsToldToTheNextWhoWaits)
{
    const hy_tensor x = vector(10), index = vector(4, HY_INT64), y = vector(4);
    const int64_t bad[] = {1, 2, 30, 4};
    hy_stream *second;
    ASSERT_EQ(hy_stream_create(device, &second), HY_OK);
    ASSERT_EQ(hy_fill(device, 1, &x), HY_OK);
    ASSERT_EQ(hy_transfer(device, index.data, nullptr, bad, sizeof bad), HY_OK);
    ASSERT_EQ(hy_gather(device, &x, 0, &index, &y), HY_OK);
    EXPECT_EQ(hy_stream_destroy(device, second), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_synchronize(device), HY_OUT_OF_RANGE);
    EXPECT_STREQ(hy_last_error(), "Gather: the index at place 2 is out of range");
    EXPECT_EQ(hy_synchronize(device), HY_OK) << "once is enough";
}

/// A kernel's fault is the device's end. Whoever meets it says that it came before, and which operation was the last one then.
TEST_F(Cuda, AFaultIsSaidToBeOfEarlierWork)
{
    HY_EMULATOR_ONLY();
    void *library = dlopen(HY_CUDA_EMULATED, RTLD_NOW | RTLD_NOLOAD);
    ASSERT_NE(library, nullptr);
    const auto plan_fault = reinterpret_cast<void (*)(int)>(dlsym(library, "simt_plan_fault"));
    ASSERT_NE(plan_fault, nullptr);
    const hy_tensor x = vector(100), y = vector(100);
    for (int error : {700, 719}) {
        plan_fault(error);
        EXPECT_EQ(hy_fill(device, 1, &x), HY_OK);
        EXPECT_EQ(hy_unary(device, HY_UNARY_square, 0, &x, &y), HY_OK);
        EXPECT_EQ(hy_synchronize(device), HY_INTERNAL);
        const std::string waited = hy_last_error();
        EXPECT_NE(waited.find("Synchronize: CUDA device 0 failed"), std::string::npos) << waited;
        EXPECT_NE(waited.find("asked before, the last of it square; HYBRID_CUDA_SYNC=1 finds the operation"), std::string::npos) << waited;
        EXPECT_EQ(hy_binary(device, HY_BINARY_add, &x, &x, &y), HY_INTERNAL);
        const std::string launched = hy_last_error();
        EXPECT_NE(launched.find("add: CUDA device 0 failed"), std::string::npos) << launched;
        EXPECT_NE(launched.find("the last of it square"), std::string::npos) << launched;
        plan_fault(0);
    }
    ASSERT_EQ(hy_fill(device, 2, &x), HY_OK) << hy_last_error();
    for (float v : read(x)) ASSERT_EQ(v, 2);
    dlclose(library);
}

// A graph is recorded once; what a step draws, its rate and its number are its own each time.
TEST_F(Cuda, AGraphReadsItsDrawsAndScheduleAtEachReplay)
{
    const hy_tensor x = vector(300), y = vector(300), theta = vector(300), m = vector(300), v = vector(300), momentum = vector(300), phi = vector(300);
    const hy_tensor want_theta = vector(300), want_m = vector(300), want_v = vector(300), want_phi = vector(300), want_momentum = vector(300);
    for (const hy_tensor *t : {&theta, &phi, &want_theta, &want_phi}) ASSERT_EQ(hy_fill(device, 1, t), HY_OK);
    for (const hy_tensor *t : {&m, &v, &momentum, &want_m, &want_v, &want_momentum}) ASSERT_EQ(hy_fill(device, 0, t), HY_OK);
    void *cells;
    ASSERT_EQ(hy_alloc(device, 5 * 8, &cells), HY_OK);
    const auto send = [&](uint64_t seed, uint64_t further, double rate, int step) {
        const uint64_t draws[2] = {seed, further};
        const double schedule[3] = {rate, 1 - pow(0.9, step), 1 - pow(0.99, step)};
        ASSERT_EQ(hy_transfer_async(device, cells, draws, sizeof draws, 0), HY_OK);
        ASSERT_EQ(hy_transfer_async(device, (char *)cells + 16, schedule, sizeof schedule, 0), HY_OK);
    };
    hy_adam_params adam = {0.5, 0.9, 0.99, 1e-8, 0.1, 1, 1, (const double *)((char *)cells + 16)};
    hy_sgd_params sgd = {0.5, 0.9, 0, 0, 0, 0, (const double *)((char *)cells + 16)};
    ASSERT_EQ(hy_graph_begin(device, (const uint64_t *)cells), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_random_normal(device, 1, 100, 0, 1, &x), HY_OK);
    ASSERT_EQ(hy_adam_step(device, &adam, 1, &theta, &x, &m, &v), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_sgd_step(device, &sgd, 1, &phi, &x, &momentum), HY_OK) << hy_last_error();
    hy_graph *graph;
    ASSERT_EQ(hy_graph_end(device, &graph), HY_OK) << hy_last_error();
    adam.schedule = sgd.schedule = nullptr;
    for (int step = 1; step <= 3; step++) {
        const double rate = 0.5 / step;
        send(40 + step, 300 * step, rate, step); // no waiting between the replays
        ASSERT_EQ(hy_graph_launch(device, graph), HY_OK);
        adam.learning_rate = sgd.learning_rate = rate;
        adam.step = step;
        ASSERT_EQ(hy_random_normal(device, 40 + step, 100 + 300 * step, 0, 1, &y), HY_OK);
        ASSERT_EQ(hy_adam_step(device, &adam, 1, &want_theta, &y, &want_m, &want_v), HY_OK);
        ASSERT_EQ(hy_sgd_step(device, &sgd, 1, &want_phi, &y, &want_momentum), HY_OK);
    }
    EXPECT_EQ(read(x), read(y));
    EXPECT_EQ(read(theta), read(want_theta));
    EXPECT_EQ(read(phi), read(want_phi));
    EXPECT_NE(read(theta)[0], 1);
    ASSERT_EQ(hy_graph_destroy(device, graph), HY_OK);
    ASSERT_EQ(hy_free(device, cells), HY_OK);
}

TEST_F(Cuda, TransfersComeBackAsTheyWent)
{
    std::vector<float> values(777), back(777);
    for (size_t i = 0; i < values.size(); i++) values[i] = (float)i;
    const hy_tensor a = vector(777), b = vector(777);
    ASSERT_EQ(hy_transfer(device, a.data, nullptr, values.data(), 777 * 4), HY_OK);
    std::vector<float> sent = values;
    std::fill(values.begin(), values.end(), -1.f); // the caller's own again
    ASSERT_EQ(hy_transfer(device, b.data, device, a.data, 777 * 4), HY_OK);
    hy_device *other = gpu_device(1);
    if (!other) GTEST_SKIP() << "this machine has one GPU";
    const hy_tensor c = vector(777, HY_FLOAT32, other);
    ASSERT_EQ(hy_transfer(other, c.data, device, b.data, 777 * 4), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_fill(device, 0, &b), HY_OK); // behind the copy
    ASSERT_EQ(hy_transfer(nullptr, back.data(), other, c.data, 777 * 4), HY_OK);
    EXPECT_EQ(back, sent);
    EXPECT_EQ(hy_free(other, c.data), HY_OK);
}

TEST_F(Cuda, PinnedMemoryIsCopiedBehindTheCaller)
{
    float *pinned = nullptr;
    ASSERT_EQ(hy_host_alloc(device, 64 * 4, reinterpret_cast<void **>(&pinned)), HY_OK);
    const hy_tensor t = vector(64);
    for (int i = 0; i < 64; i++) pinned[i] = (float)i;
    ASSERT_EQ(hy_transfer_async(device, t.data, pinned, 64 * 4, 0), HY_OK);
    ASSERT_EQ(hy_unary(device, HY_UNARY_neg, 0, &t, &t), HY_OK);
    ASSERT_EQ(hy_transfer_async(device, pinned, t.data, 64 * 4, 1), HY_OK);
    EXPECT_TRUE(pinned[5] == 5 || !gpu_is_emulated()) << "it was copied before anybody waited";
    ASSERT_EQ(hy_synchronize(device), HY_OK);
    for (int i = 0; i < 64; i++) ASSERT_EQ(pinned[i], -i);
    EXPECT_EQ(hy_host_free(device, pinned), HY_OK);
    EXPECT_EQ(hy_host_free(device, nullptr), HY_OK);
}

TEST_F(Cuda, OutOfMemorySaysWhatWasAskedAndUsed)
{
    void *data = nullptr;
    const hy_tensor live = vector(1 << 20);
    EXPECT_EQ(hy_alloc(device, (int64_t)1 << 40, &data), HY_OUT_OF_MEMORY);
    const std::string message = hy_last_error();
    EXPECT_NE(message.find("1099511627776 bytes"), std::string::npos) << message;
    EXPECT_NE(message.find("4194304 are live"), std::string::npos) << message;
    (void)live;
}

TEST_F(Cuda, MoreOutputsThanAGridHasAreRefused)
{
    const int64_t outputs = 65535 * 16 + 1;
    const auto matrix = [&](int64_t rows, int64_t columns) {
        hy_tensor t = vector(rows * columns);
        t.ndim = 2, t.shape[0] = rows, t.strides[0] = columns, t.shape[1] = columns, t.strides[1] = 1;
        return t;
    };
    hy_tensor packed = vector((outputs + 15) / 16 * 32, HY_INT8);
    const int64_t shape[] = {(outputs + 15) / 16, 1, 16, 2}, strides[] = {32, 32, 2, 1};
    packed.ndim = 4;
    std::copy(shape, shape + 4, packed.shape);
    std::copy(strides, strides + 4, packed.strides);
    const hy_tensor x = matrix(1, 2), y = matrix(1, outputs), scale = vector(outputs);
    EXPECT_EQ(hy_quantized_linear(device, &x, &packed, &scale, nullptr, HY_NO_ACTIVATION, &y), HY_UNSUPPORTED);
    EXPECT_STREQ(hy_last_error(), "QuantizedLinear: CUDA takes at most 1048560 outputs, given 1048561");
}

TEST_F(Cuda, CpuHasNoStreams)
{
    hy_device *cpu;
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &cpu), HY_OK);
    hy_stream *stream;
    EXPECT_EQ(hy_stream_create(cpu, &stream), HY_UNSUPPORTED);
    EXPECT_EQ(hy_stream_get(cpu, &stream), HY_UNSUPPORTED);
    EXPECT_EQ(hy_graph_begin(cpu, nullptr), HY_UNSUPPORTED);
}

/// In processes of their own, since a library is looked for once.
class Loading : public ::testing::Test {
protected:
    void SetUp() override { GTEST_FLAG_SET(death_test_style, "threadsafe"); } // which starts the program anew
    void TearDown() override { GTEST_FLAG_SET(death_test_style, "fast"); }

    static void fails_with(const char *library, const char *part)
    {
        EXPECT_EXIT(
            {
                setenv("HYBRID_CUDA_LIBRARY", library, 1);
                hy_device *d;
                const bool failed = hy_device_get(HY_CUDA, 0, &d) == HY_BAD_DEVICE && hy_device_count(HY_CUDA) == 0;
                fprintf(stderr, "%s\n", hy_last_error());
                exit(failed ? 0 : 1);
            },
            ::testing::ExitedWithCode(0), part);
    }
};

/// In a process of its own, since the environment is read once: the call itself fails, not a later one.
TEST_F(Loading, SynchronousCallsTellTheirOwnErrors)
{
    EXPECT_EXIT(
        {
            setenv("HYBRID_CUDA_SYNC", "1", 1);
            hy_device *d = gpu_device();
            hy_tensor t[3] = {};
            for (int i = 0; i < 3; i++) {
                t[i].device = d;
                t[i].dtype = i == 1 ? HY_INT64 : HY_FLOAT32;
                t[i].ndim = 1;
                t[i].shape[0] = 4;
                t[i].strides[0] = 1;
                if (hy_alloc(d, 32, &t[i].data) != HY_OK) exit(2);
            }
            hy_fill(d, 0, &t[0]);
            hy_fill(d, 9, &t[1]);
            const hy_status status = hy_gather(d, &t[0], 0, &t[1], &t[2]);
            fprintf(stderr, "%s\n", hy_last_error());
            exit(status == HY_OUT_OF_RANGE && hy_synchronize(d) == HY_OK ? 0 : 1);
        },
        ::testing::ExitedWithCode(0), "Gather: the index at place 0 is out of range");
}

TEST_F(Loading, AMissingFileIsNamed) { fails_with("/nowhere/libhybrid_cuda.so", "/nowhere/libhybrid_cuda.so: cannot open shared object file"); }
TEST_F(Loading, AForeignFileIsNamed) { fails_with("libm.so.6", "libm.so.6: this is no library of Hybrid's"); }
TEST_F(Loading, EveryPlaceIsNamedAndWhatToInstall)
{
    fails_with("", "libhybrid_cuda.so: .*; libhybrid_cuda.so: .*it needs the package Hybrid.Cuda, of the same version as Hybrid, and NVIDIA's driver");
}
TEST_F(Loading, LongPathsAreNamedInFull)
{
    const std::string path = "/" + std::string(200, 'x') + "/" + std::string(200, 'y') + "/" + std::string(200, 'z') + "/library.so";
    fails_with(path.c_str(), (path + ": .*NVIDIA's driver").c_str());
}
TEST_F(Loading, AMissingDriverIsNamed)
{
    const auto plan_fault = reinterpret_cast<void (*)(int)>(dlsym(dlopen(HY_CUDA_EMULATED, RTLD_NOW), "simt_plan_fault"));
    plan_fault(35); // cudaErrorInsufficientDriver, which CUDA also reports where there is none
    fails_with(HY_CUDA_EMULATED, "libhybrid_cuda_emulated.so: the NVIDIA driver is missing or too old: install ");
    plan_fault(0);
}

} // namespace

#endif
