// cuBLAS in the CUDA backend, played by simt/fake_cublas.cc: layouts, the choice and what is remembered of it, errors.
#ifdef HY_CUDA_EMULATED

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "simt/fake_cublas.h"
#include "support/parity.h"

extern "C" {
#include "core/tuning.h"
}

using namespace hybrid::testing;
namespace fs = std::filesystem;

namespace {

class CuBlas : public Parity {
protected:
    FakeCublas *fake = nullptr;
    fs::path folder = fs::temp_directory_path() / ("hybrid-cublas-" + std::to_string(getpid())), table = folder / "new" / "table.txt";
    hy_tuning *before = nullptr;

    void SetUp() override
    {
        Parity::SetUp();
        void *library = dlopen(HY_FAKE_CUBLAS, RTLD_NOW | RTLD_LOCAL);
        ASSERT_NE(library, nullptr) << dlerror();
        fake = reinterpret_cast<FakeCublasState *>(dlsym(library, "fake_cublas_state"))();
        fake->calls = fake->status = fake->delay_ms = 0, fake->idle = false;
        fs::remove_all(folder);
        setenv("HYBRID_CUBLAS", HY_FAKE_CUBLAS, 1);
        setenv("HYBRID_CUDA_TUNING", table.c_str(), 1);
        before = device->tuning;
        forget();
    }

    void TearDown() override
    {
        drop();
        setenv("HYBRID_CUBLAS", "0", 1); // whatever comes after is not about it
        unsetenv("HYBRID_CUDA_TUNING");
        unsetenv("HYBRID_TUNE");
        hy_set_deterministic(0);
        hy_set_float32_matmul_precision(HY_FLOAT32_HIGHEST);
        fs::remove_all(folder);
        Parity::TearDown();
    }

    /// As a new process would: the table is read again when a product asks.
    void forget()
    {
        drop();
        device->tuning = hy_tuning_create();
    }

    void drop()
    {
        if (device->tuning == before) return;
        hy_tuning_load(device, nullptr);
        free(device->tuning);
        device->tuning = before;
    }

    std::string written() const
    {
        std::stringstream text;
        text << std::ifstream(table).rdbuf();
        return text.str();
    }

    void write_table(const std::string &lines)
    {
        fs::create_directories(table.parent_path());
        std::ofstream(table) << "hybrid tuning 1\ngpu emulated GPU\nisa sm_86\n" << lines;
        forget();
    }

    /// A matrix by rows or by columns, its lines longer than they need to be.
    Tensor matrix(int32_t dtype, const Shape &shape, bool by_rows)
    {
        std::vector<int> order = shape.size() == 3 ? std::vector<int>{0, 1, 2} : std::vector<int>{0, 1};
        if (!by_rows) std::swap(order[order.size() - 1], order[order.size() - 2]);
        Tensor t(dtype, shape);
        int64_t stride = 1;
        for (size_t d = shape.size(); d-- > 0;) {
            t.strides[(size_t)order[d]] = stride;
            stride *= shape[(size_t)order[d]] + (d + 1 == shape.size() ? 3 : 0);
        }
        t.bytes.assign((size_t)((stride + 64) * hy_dtype_size(dtype)), 0xFF);
        for (int64_t i = 0; i < t.size(); i++) {
            int64_t rest = i, at = 16;
            for (size_t d = shape.size(); d-- > 0; rest /= shape[d]) at += rest % shape[d] * t.strides[d];
            t.offsets[(size_t)i] = at;
        }
        return t.randomise(random);
    }

    void expect_product(const std::vector<Tensor> &tensors, size_t inputs, double terms, const Call &call, double unit = 0)
    {
        std::vector<Tensor> scale = tensors;
        for (size_t k = 0; k < inputs; k++) scale[k] = tensors[k].magnitudes();
        ASSERT_EQ(run(reference(), scale, call), HY_OK) << hy_last_error();
        expect_parity(tensors, inputs, call,
                      [&](size_t, int64_t i, double) { return ((16 + terms) * epsilon(tensors.back().dtype) + unit) * scale.back().get(i); });
    }

    /// The product of the choice's tests; its line in the table, but for the way.
    static constexpr int64_t M = 130, N = 127, K = 128;
    std::string line = "matmul float32 B1 M130 N127 K128 a0 b0 y0 s0 t0 ";
    std::vector<Tensor> product() { return {matrix(HY_FLOAT32, {M, K}, true), matrix(HY_FLOAT32, {K, N}, true), matrix(HY_FLOAT32, {M, N}, true)}; }
    static hy_status multiply(hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], nullptr, HY_NO_ACTIVATION, t[2]); }

    /// How often cuBLAS is called for it.
    int calls(std::vector<Tensor> &tensors)
    {
        fake->calls = 0;
        EXPECT_EQ(run(device, tensors, multiply), HY_OK) << hy_last_error();
        return fake->calls;
    }
};

TEST_P(CuBlas, ServesEveryLayoutAndType)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16})
        for (int layout = 0; layout < 8 && !HasFatalFailure(); layout++) {
            SCOPED_TRACE(::testing::Message() << hy_dtype_name(dtype) << ", layout " << layout);
            const std::string shape = std::string("matmul ") + hy_dtype_name(dtype) + " B1 M130 N127 K128 a" + (layout & 1 ? "0" : "1") + " b" + (layout & 2 ? "0" : "1");
            write_table(shape + " y" + (layout & 4 ? "0" : "1") + " s0 t0 cublas\n" + shape + " y0 s1 t0 cublas\n");
            const Tensor a = matrix(dtype, {M, K}, layout & 1), b = matrix(dtype, {K, N}, layout & 2), y = matrix(dtype, {M, N}, layout & 4);
            fake->calls = 0;
            expect_product({a, b, y}, 2, K, multiply);
            EXPECT_EQ(fake->calls, 2) << "expect_parity runs it twice";
            const Tensor bias = random_input(random, dtype, {N});
            expect_product({a, b, bias, y}, 3, K, [](hy_device *d, const Views &t) {
                return hy_matmul(d, t[0], t[1], t[2], HY_ACTIVATION(HY_UNARY_relu), t[3]);
            });
            EXPECT_EQ(fake->calls, 4);
        }
}

TEST_P(CuBlas, ServesBatchesAndTf32)
{
    write_table("matmul float32 B5 M64 N96 K70 a0 b1 y0 s0 t0 cublas\nmatmul float32 B5 M64 N96 K70 a0 b1 y0 s1 t0 cublas\n"
                "matmul float32 B5 M64 N96 K70 a1 b0 y0 s0 t1 cublas\nmatmul float32 B1 M320 N96 K70 a0 b0 y0 s0 t0 cublas\n");
    const Tensor y = matrix(HY_FLOAT32, {5, 64, 96}, true), bias = random_input(random, HY_FLOAT32, {96});
    const Tensor a = matrix(HY_FLOAT32, {5, 64, 70}, true), b = matrix(HY_FLOAT32, {5, 70, 96}, false);
    expect_product({a, b, y}, 2, 70, multiply);
    expect_product({a, b, bias, y}, 3, 70, [](hy_device *d, const Views &t) { return hy_matmul(d, t[0], t[1], t[2], HY_NO_ACTIVATION, t[3]); });
    expect_product({a, matrix(HY_FLOAT32, {1, 70, 96}, true), y}, 2, 70, multiply); // one b for all rows: one product of 320
    EXPECT_EQ(fake->calls, 6);
    EXPECT_EQ(hy_set_float32_matmul_precision(HY_FLOAT32_HIGH), HY_OK);
    expect_product({matrix(HY_FLOAT32, {5, 64, 70}, false), matrix(HY_FLOAT32, {5, 70, 96}, true), y}, 2, 70, multiply, 0x1p-10 * (1 + 0x1p-12));
    EXPECT_EQ(fake->calls, 8);
}

TEST_P(CuBlas, TheFasterOneIsMeasuredOnceAndRemembered)
{
    std::vector<Tensor> tensors = product();
    fake->idle = true; // the fastest there can be
    EXPECT_EQ(calls(tensors), 7) << "six rounds and the product itself";
    EXPECT_EQ(written(), "hybrid tuning 1\ngpu emulated GPU\nisa sm_86\n" + line + "cublas\n");
    EXPECT_EQ(calls(tensors), 1);
    forget();
    EXPECT_EQ(calls(tensors), 1);
    forget();
    fs::remove_all(folder);
    fake->delay_ms = 400;
    EXPECT_EQ(calls(tensors), 6);
    EXPECT_EQ(written(), "hybrid tuning 1\ngpu emulated GPU\nisa sm_86\n" + line + "hybrid\n");
    forget();
    EXPECT_EQ(calls(tensors), 0);
}

TEST_P(CuBlas, IsNotMeasuredWhereNobodyMayWaitOrAsked)
{
    std::vector<Tensor> tensors = product();
    setenv("HYBRID_TUNE", "0", 1);
    EXPECT_EQ(calls(tensors), 0);
    write_table(line + "cublas\n");
    EXPECT_EQ(calls(tensors), 1) << "what is in the table holds";
    EXPECT_FALSE(HasFailure());
    unsetenv("HYBRID_TUNE");

    forget(), fs::remove_all(folder);
    fake->calls = 0;
    std::vector<hy_tensor> views;
    for (Tensor &t : tensors) views.push_back(t.view(device));
    hy_graph *graph;
    ASSERT_EQ(hy_graph_begin(device, nullptr), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_matmul(device, &views[0], &views[1], nullptr, HY_NO_ACTIVATION, &views[2]), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_graph_end(device, &graph), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_graph_destroy(device, graph), HY_OK);
    EXPECT_EQ(fake->calls, 0);
    EXPECT_FALSE(fs::exists(table));

    Tensor a = matrix(HY_FLOAT32, {127, 128}, true), b = matrix(HY_FLOAT32, {128, 127}, true), y = matrix(HY_FLOAT32, {127, 127}, true);
    std::vector<Tensor> small = {a, b, y};
    EXPECT_EQ(calls(small), 0) << "fewer than 2^21 multiplications";
}

TEST_P(CuBlas, DeterministicModeLeavesItOut)
{
    write_table(line + "hybrid\n");
    std::vector<Tensor> own = product(), deterministic = own;
    EXPECT_EQ(calls(own), 0);
    write_table(line + "cublas\n");
    EXPECT_EQ(hy_get_deterministic(), 0);
    ASSERT_EQ(hy_set_deterministic(7), HY_OK);
    EXPECT_EQ(hy_get_deterministic(), 1);
    EXPECT_EQ(calls(deterministic), 0);
    EXPECT_EQ(deterministic[2].bytes, own[2].bytes);
}

TEST_P(CuBlas, WhatItDoesNotServeGoesToTheOwnKernelAndErrorsAreTold)
{
    std::vector<Tensor> tensors = product();
    fake->status = 15; // CUBLAS_STATUS_NOT_SUPPORTED
    EXPECT_EQ(calls(tensors), 1);
    EXPECT_EQ(written(), "hybrid tuning 1\ngpu emulated GPU\nisa sm_86\n" + line + "hybrid\n");
    write_table(line + "cublas\n");
    EXPECT_EQ(calls(tensors), 1);
    fake->status = 13; // CUBLAS_STATUS_EXECUTION_FAILED
    EXPECT_EQ(run(device, tensors, multiply), HY_INTERNAL);
    EXPECT_STREQ(hy_last_error(), "MatMul: cuBLAS fails on CUDA device 0 (status 13)");
    forget(), fs::remove_all(folder);
    EXPECT_EQ(run(device, tensors, multiply), HY_INTERNAL) << "an error is none of slowness";
    EXPECT_FALSE(fs::exists(table));
}

TEST_P(CuBlas, ABrokenTableIsRefused)
{
    std::vector<Tensor> tensors = product();
    const std::pair<const char *, const char *> broken[] = {
        {"forward float32 N1\n", "line 4: expected matmul"},
        {"matmul int32 B1 M1 N1 K1 a0 b0 y0 s0 t0 cublas\n", "line 4: expected float32, float64, bfloat16 or float16"},
        {"matmul float32 B1 M0 N1 K1 a0 b0 y0 s0 t0 cublas\n", "line 4: expected a product like"},
        {"matmul float32 B1 M1 N1 K1 a0 b0 y0 s0 t0 fast\n", "line 4: expected a way"},
        {"matmul float32 B1 M1 N1 K1 a0 b0 y0 s0 t0 unknown\n", "line 4: expected hybrid or cublas"},
        {"matmul float32 B1 M1 N1 K1 a0 b0 y0 s0 t0 cublas", "line 4: the file is cut off"},
    };
    for (const auto &[lines, why] : broken) {
        write_table(lines);
        EXPECT_EQ(run(device, tensors, multiply), HY_BAD_ARGUMENT);
        EXPECT_NE(std::string(hy_last_error()).find(why), std::string::npos) << hy_last_error();
    }
    std::ofstream(table) << "hybrid tuning 1\ngpu another\nisa sm_86\n";
    forget();
    EXPECT_EQ(run(device, tensors, multiply), HY_BAD_ARGUMENT);
}

/// ctest runs each test in a process of its own; in one that has loaded cuBLAS already, this one has nothing to see.
TEST_P(CuBlas, AFileThatCannotBeUsedIsNamed)
{
    if (fake->creates > 0) GTEST_SKIP() << "cuBLAS is loaded already";
    std::vector<Tensor> tensors = product();
    setenv("HYBRID_CUBLAS", "/nowhere/libcublas.so", 1);
    EXPECT_EQ(run(device, tensors, multiply), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find("MatMul: HYBRID_CUBLAS names /nowhere/libcublas.so, expected a cuBLAS that works here"), std::string::npos)
        << hy_last_error();
    setenv("HYBRID_CUBLAS", HY_FAKE_CUBLAS, 1);
    fake->create_status = 1;
    EXPECT_EQ(run(device, tensors, multiply), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find("its cublasCreate returns 1"), std::string::npos) << hy_last_error();
    fake->create_status = 0;
    setenv("HYBRID_CUBLAS", "0", 1);
    EXPECT_EQ(calls(tensors), 0);
    EXPECT_EQ(fake->creates, 1);
}

INSTANTIATE_TEST_SUITE_P(Isa, CuBlas, ::testing::Values(std::string(emulated_gpu)), isa_test_name);

} // namespace

#endif
