// The caching allocator, over a device of the test's own that counts and can refuse.
#include <gtest/gtest.h>
#ifndef _WIN32
#  include <sys/wait.h>
#  include <unistd.h>
#endif

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

extern "C" {
#include "core/allocator.h"
#include "core/system.h"
}

namespace {

std::atomic<int> system_blocks{0};
std::atomic<int> refusals{0};

hy_status counting_alloc(hy_device *, int64_t bytes, void **data)
{
    if (refusals > 0) {
        refusals--;
        return HY_OUT_OF_MEMORY;
    }
    system_blocks++;
    *data = hy_system_alloc(bytes);
    return *data ? HY_OK : HY_OUT_OF_MEMORY;
}

void counting_free(hy_device *, void *data, int64_t bytes)
{
    system_blocks--;
    hy_system_free(data, bytes);
}

class Allocator : public testing::Test {
protected:
    void SetUp() override
    {
        system_blocks = 0;
        refusals = 0;
        device.backend.system_alloc = counting_alloc;
        device.backend.system_free = counting_free;
        allocator = hy_allocator_create(&device);
        ASSERT_NE(allocator, nullptr);
    }

    void TearDown() override
    {
        hy_allocator_destroy(allocator);
        EXPECT_EQ(system_blocks, 0);
    }

    void *alloc(int64_t bytes)
    {
        void *data = nullptr;
        EXPECT_EQ(hy_allocator_alloc(allocator, bytes, &data), HY_OK) << hy_last_error();
        return data;
    }

    void release(void *data) { EXPECT_EQ(hy_allocator_free(allocator, data), HY_OK) << hy_last_error(); }

    hy_memory_stats stats()
    {
        hy_memory_stats s;
        hy_allocator_get_stats(allocator, &s);
        return s;
    }

    hy_device device{};
    hy_allocator *allocator = nullptr;
};

TEST_F(Allocator, BlocksAreAlignedAndHoldWhatWasAskedAndTheSlack)
{
    std::vector<void *> blocks;
    for (int64_t bytes : {1, 63, 64, 65, 72, 73, 127, 128, 129, 1000, 4096, 100000, (2 << 20) - 1, 2 << 20, 5000001}) {
        void *data = alloc(bytes);
        EXPECT_EQ((uintptr_t)data % 64, 0u) << bytes;
        memset(data, 1, (size_t)bytes);
        volatile char last = static_cast<char *>(data)[bytes + HY_SLACK - 1]; // AddressSanitizer objects if this is not ours
        (void)last;
        blocks.push_back(data);
    }
    for (void *data : blocks) release(data);
}

TEST_F(Allocator, NothingIsNull)
{
    void *data = &device;
    EXPECT_EQ(hy_allocator_alloc(allocator, 0, &data), HY_OK);
    EXPECT_EQ(data, nullptr);
    release(nullptr);
    EXPECT_EQ(stats().allocations, 0);
}

TEST_F(Allocator, SizeClassesWasteAnEighthAtMost)
{
    for (int64_t bytes = 64; bytes < 1 << 22; bytes += bytes / 37 + 1) {
        void *data = alloc(bytes);
        EXPECT_GE(stats().live, bytes);
        EXPECT_LE(stats().live, bytes + bytes / 8 + 1) << bytes;
        release(data);
        hy_allocator_trim(allocator);
    }
}

TEST_F(Allocator, FreedBlocksComeBackUpToTwiceTheSize)
{
    void *data = alloc(4096);
    release(data);
    EXPECT_EQ(alloc(4000), data);
    release(data);
    EXPECT_EQ(alloc(2048), data);
    release(data);
    void *small = alloc(1900); // 4096 is more than twice the class of 1900
    EXPECT_NE(small, data);
    EXPECT_EQ(stats().system_allocations, 2);
    EXPECT_EQ(stats().allocations, 4);
    release(small);
}

TEST_F(Allocator, CountsLivePeakAndCached)
{
    void *a = alloc(1024), *b = alloc(1024);
    EXPECT_EQ(stats().live, 2048);
    release(a);
    EXPECT_EQ(stats().live, 1024);
    EXPECT_EQ(stats().cached, 1024);
    EXPECT_EQ(stats().live_peak, 2048);
    release(b);
    EXPECT_EQ(stats().live, 0);
    EXPECT_EQ(system_blocks, 2);
    hy_allocator_trim(allocator);
    EXPECT_EQ(stats().cached, 0);
    EXPECT_EQ(system_blocks, 0);
}

TEST_F(Allocator, RefusesWhatItDoesNotKnow)
{
    void *data = alloc(100);
    int local;
    EXPECT_EQ(hy_allocator_free(allocator, &local), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_allocator_free(allocator, static_cast<char *>(data) + 64), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_allocator_free(allocator, reinterpret_cast<void *>(64)), HY_BAD_ARGUMENT); // would crash if it were touched
    EXPECT_EQ(stats().live, 104);
    release(data);
    EXPECT_EQ(hy_allocator_free(allocator, data), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find("freed already"), std::string::npos) << hy_last_error();
    EXPECT_EQ(stats().cached, 104);
    hy_allocator_trim(allocator);
    EXPECT_EQ(hy_allocator_free(allocator, data), HY_BAD_ARGUMENT);
    const void *before = data;
    EXPECT_EQ(hy_allocator_alloc(allocator, -1, &data), HY_BAD_ARGUMENT);
    EXPECT_EQ(data, before);
}

TEST_F(Allocator, TriesTheCacheAlone)
{
    void *data = nullptr;
    EXPECT_FALSE(hy_allocator_try_alloc(allocator, 100, &data)) << "the cache is empty";
    EXPECT_EQ(system_blocks, 0);
    void *first = alloc(100);
    EXPECT_TRUE(hy_allocator_try_free(allocator, first));
    EXPECT_FALSE(hy_allocator_try_free(allocator, first)) << "it was freed already";
    EXPECT_TRUE(hy_allocator_try_alloc(allocator, 100, &data));
    EXPECT_EQ(data, first);
    EXPECT_EQ(hy_allocator_free(allocator, data), HY_OK);

    int local;
    EXPECT_FALSE(hy_allocator_try_free(allocator, &local)) << "it is no block of this device";
    EXPECT_FALSE(hy_allocator_try_free(allocator, nullptr));
    EXPECT_FALSE(hy_allocator_try_alloc(allocator, 0, &data));
    EXPECT_FALSE(hy_allocator_try_alloc(allocator, -1, &data));
    EXPECT_FALSE(hy_allocator_try_alloc(allocator, INT64_MAX, &data));
}

TEST_F(Allocator, TryingThreadsDoNotShareBlocks)
{
    std::vector<std::thread> threads;
    std::atomic<int> mixed{0};
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (int i = 0; i < 2000; i++) {
                void *data = nullptr;
                if (!hy_allocator_try_alloc(allocator, 64, &data)) data = alloc(64);
                *(volatile int *)data = t;
                if (i % 16 == 0) std::this_thread::yield();
                mixed += *(volatile int *)data != t;
                if (!hy_allocator_try_free(allocator, data)) hy_allocator_free(allocator, data);
            }
        });
    for (std::thread &thread : threads) thread.join();
    EXPECT_EQ(mixed, 0);
}

TEST_F(Allocator, LimitHoldsForLiveAndCachedTogether)
{
    hy_allocator_set_limit(allocator, 8192);
    void *a = alloc(4096), *b = alloc(4096), *c = &device;
    EXPECT_EQ(hy_allocator_alloc(allocator, 64, &c), HY_OUT_OF_MEMORY);
    EXPECT_EQ(c, &device); // a failure leaves the output as it was
    for (const char *part : {"64 bytes", "8192 are live", "0 cached", "limit is 8192"})
        EXPECT_NE(std::string(hy_last_error()).find(part), std::string::npos) << hy_last_error();
    release(a);
    c = alloc(64); // gives up the cached block to stay below
    EXPECT_EQ(stats().cached, 0);
    hy_allocator_set_limit(allocator, 0);
    void *d = alloc(1 << 20);
    for (void *block : {b, c, d}) release(block);
    hy_allocator_set_limit(allocator, 64); // what is cached and above the limit goes at once
    EXPECT_EQ(stats().cached, 0);
}

TEST_F(Allocator, TrimsAndRetriesOnceWhenTheSystemRefuses)
{
    release(alloc(100));
    refusals = 1;
    void *data = alloc(1 << 16);
    EXPECT_EQ(stats().cached, 0);
    refusals = 2;
    void *none = nullptr;
    EXPECT_EQ(hy_allocator_alloc(allocator, 1 << 16, &none), HY_OUT_OF_MEMORY);
    EXPECT_EQ(refusals, 0);
    refusals = 0;
    EXPECT_EQ(hy_allocator_alloc(allocator, INT64_MAX, &none), HY_OUT_OF_MEMORY);
    release(data);
}

TEST_F(Allocator, ThreadsDoNotShareBlocks)
{
    const int threads = 4, rounds = 3000;
    std::atomic<int> clashes{0};
    auto hammer = [&](int id) {
        std::mt19937 random((unsigned)id);
        std::vector<std::pair<unsigned char *, int64_t>> held;
        for (int i = 0; i < rounds; i++) {
            int64_t bytes = 1 + random() % 3000;
            void *data;
            if (hy_allocator_alloc(allocator, bytes, &data) != HY_OK) clashes++;
            memset(data, id, (size_t)bytes);
            held.emplace_back(static_cast<unsigned char *>(data), bytes);
            if (held.size() < 20) continue;
            auto [block, size] = held[random() % held.size()];
            for (int64_t k = 0; k < size; k++) clashes += block[k] != id;
            std::swap(*std::find(held.begin(), held.end(), std::make_pair(block, size)), held.back());
            if (hy_allocator_free(allocator, block) != HY_OK) clashes++;
            held.pop_back();
            if (i % 1000 == 0) hy_allocator_trim(allocator);
        }
        for (auto [block, size] : held) hy_allocator_free(allocator, block);
    };
    std::vector<std::thread> pool;
    for (int id = 1; id <= threads; id++) pool.emplace_back(hammer, id);
    for (auto &t : pool) t.join();
    EXPECT_EQ(clashes, 0);
    EXPECT_EQ(stats().live, 0);
    EXPECT_EQ(stats().allocations, threads * rounds);
}

#if !defined(_WIN32) && !defined(__SANITIZE_THREAD__) // no forks there; much is forbidden after a fork with threads here
TEST_F(Allocator, AForkedChildAllocatesWhateverOtherThreadsDid)
{
    std::atomic<bool> over{false};
    std::thread busy([&] { // holds the lock most of the time
        while (!over) {
            void *data = nullptr;
            hy_allocator_alloc(allocator, 100, &data);
            hy_allocator_free(allocator, data);
        }
    });
    int failures = 0;
    for (int i = 0; i < 200 && !failures; i++) {
        pid_t child = fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            alarm(10); // kills a child that waits for a lock that nobody will give back
            void *data = nullptr;
            _exit(hy_allocator_alloc(allocator, 1000, &data) == HY_OK && hy_allocator_free(allocator, data) == HY_OK ? 0 : 1);
        }
        int status = -1;
        ASSERT_EQ(waitpid(child, &status, 0), child);
        failures += status != 0;
    }
    over = true;
    busy.join();
    EXPECT_EQ(failures, 0);
}
#endif

// The device's own blocks: small ones from malloc, large ones mapped.
TEST(CpuMemory, LargeBlocksAreHugePagesAndReturnToTheSystem)
{
    hy_device *device;
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &device), HY_OK) << hy_last_error();
    hy_memory_stats before, after;
    hy_memory_get_stats(device, &before);
    for (int64_t bytes : {int64_t{100}, int64_t{2} << 20, (int64_t{7} << 20) + 12345}) {
        void *data;
        ASSERT_EQ(hy_alloc(device, bytes, &data), HY_OK);
        EXPECT_EQ((uintptr_t)data % (bytes >= 2 << 20 ? 2 << 20 : 64), 0u);
        memset(data, 7, (size_t)bytes);
        EXPECT_EQ(hy_free(device, data), HY_OK);
    }
    EXPECT_EQ(hy_memory_trim(device), HY_OK);
    hy_memory_get_stats(device, &after);
    EXPECT_EQ(after.live, before.live);
    EXPECT_EQ(after.cached, 0);
    void *data;
    EXPECT_EQ(hy_alloc(device, int64_t{1} << 60, &data), HY_OUT_OF_MEMORY);
    EXPECT_EQ(hy_memory_set_limit(device, -1), HY_BAD_ARGUMENT);
}

} // namespace
