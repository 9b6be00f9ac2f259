#include <gtest/gtest.h>
#ifndef _WIN32
#  include <sys/wait.h>
#  include <unistd.h>
#endif

#include <atomic>
#include <mutex>
#include <set>
#include <thread>
#include <vector>

#include "hybrid/hybrid.h"
extern "C" {
#include "core/parallel.h"
#include "support/environment.h"
}

namespace {

template <class F> void parallel_for(int64_t n, int64_t grain, F body)
{
    hy_parallel_for(n, grain, [](void *context, int64_t begin, int64_t end) { (*static_cast<F *>(context))(begin, end); }, &body);
}

class Parallel : public testing::Test {
protected:
    void SetUp() override { before = hy_get_num_threads(); }
    void TearDown() override { hy_set_num_threads(before); }
    int32_t before = 0;
};

// Runs a loop and says whether each index was visited just once.
bool visits_each_once(int64_t n, int64_t grain)
{
    std::vector<std::atomic<int>> visits((size_t)n);
    parallel_for(n, grain, [&](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; i++) visits[(size_t)i]++;
    });
    for (auto &count : visits)
        if (count != 1) return false;
    return true;
}

TEST_F(Parallel, EveryIndexOnce)
{
    for (int32_t threads : {1, 2, 3, 8}) {
        ASSERT_EQ(hy_set_num_threads(threads), HY_OK);
        EXPECT_EQ(hy_get_num_threads(), threads);
        for (int64_t n : {0, 1, 2, 7, 64, 1000, 12345})
            for (int64_t grain : {1, 3, 64, 100000}) EXPECT_TRUE(visits_each_once(n, grain)) << threads << " threads, n " << n << ", grain " << grain;
    }
}

TEST_F(Parallel, ManyShortJobs)
{
    hy_set_num_threads(4);
    for (int i = 0; i < 5000; i++) ASSERT_TRUE(visits_each_once(1 + i % 17, 1)) << i;
}

TEST_F(Parallel, TheCutDependsOnSizeAndGrainAlone)
{
    const int64_t n = 1003, grain = 10;
    std::set<std::pair<int64_t, int64_t>> expected;
    for (int64_t begin = 0; begin < n; begin += grain) expected.insert({begin, std::min(n, begin + grain)});
    for (int32_t threads : {1, 2, 5}) {
        hy_set_num_threads(threads);
        std::mutex lock;
        std::set<std::pair<int64_t, int64_t>> blocks;
        parallel_for(n, grain, [&](int64_t begin, int64_t end) {
            std::lock_guard<std::mutex> guard(lock);
            blocks.insert({begin, end});
        });
        EXPECT_EQ(blocks, expected) << threads;
    }
}

TEST_F(Parallel, UsesSeveralThreads)
{
    hy_set_num_threads(3);
    std::atomic<int> arrived{0};
    parallel_for(3, 1, [&](int64_t, int64_t) { // ends only if three threads are in it at once
        arrived++;
        while (arrived < 3) std::this_thread::yield();
    });
    EXPECT_EQ(arrived, 3);
}

TEST_F(Parallel, NestedCallsRunInline)
{
    hy_set_num_threads(4);
    std::atomic<int64_t> sum{0};
    std::atomic<int> strays{0};
    parallel_for(20, 1, [&](int64_t i, int64_t) {
        auto self = std::this_thread::get_id();
        parallel_for(100, 7, [&](int64_t begin, int64_t end) {
            strays += std::this_thread::get_id() != self;
            for (int64_t k = begin; k < end; k++) sum += i * 100 + k;
        });
    });
    EXPECT_EQ(strays, 0);
    EXPECT_EQ(sum, 2000 * 1999 / 2);
}

TEST_F(Parallel, ConcurrentCallersAndResizing)
{
    std::atomic<bool> over{false};
    std::atomic<int> failures{0};
    std::vector<std::thread> callers;
    for (int c = 0; c < 3; c++)
        callers.emplace_back([&, c] {
            for (int i = 0; i < 400; i++) failures += !visits_each_once(50 + i % 9 + c, 2);
        });
    std::thread resizer([&] {
        for (int32_t k = 0; !over; k++) {
            hy_set_num_threads(1 + k % 6);
            std::this_thread::yield();
        }
    });
    for (auto &t : callers) t.join();
    over = true;
    resizer.join();
    EXPECT_EQ(failures, 0);
}

TEST_F(Parallel, RefusesSenselessCounts)
{
    for (int32_t count : {0, -1, HY_MAX_THREADS + 1}) {
        EXPECT_EQ(hy_set_num_threads(count), HY_BAD_ARGUMENT);
        EXPECT_STRNE(hy_last_error(), "");
        EXPECT_EQ(hy_get_num_threads(), before);
    }
}

TEST_F(Parallel, EnvironmentSetsTheCount)
{
    Environment variable("HYBRID_NUM_THREADS");
    variable.set("7");
    EXPECT_EQ(hy_threads_from_environment(), 7);
    for (const char *wrong : {"0", "-3", "257", "two", "3x"}) {
        variable.set(wrong);
        EXPECT_EQ(hy_threads_from_environment(), 0) << wrong;
        hy_device *device = nullptr;
        EXPECT_EQ(hy_device_get(HY_CPU, 0, &device), HY_BAD_ARGUMENT) << wrong;
        EXPECT_NE(std::string(hy_last_error()).find(wrong), std::string::npos) << hy_last_error();
    }
    variable.set(nullptr);
    EXPECT_GE(hy_threads_from_environment(), 1);
}

#if !defined(_WIN32) && !defined(__SANITIZE_THREAD__) // no forks there; no threads after a fork here
TEST_F(Parallel, AForkedChildStartsItsOwnPool)
{
    hy_set_num_threads(3);
    ASSERT_TRUE(visits_each_once(100, 1));
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(visits_each_once(1000, 1) ? 0 : 1);
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(visits_each_once(100, 1));
}
#endif

} // namespace
