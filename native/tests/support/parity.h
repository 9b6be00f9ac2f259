// Compares the kernels of one ISA with the reference, through the public functions.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "support/devices.h"
#include "support/tensor.h"

namespace hybrid::testing {

using Views = std::vector<const hy_tensor *>;

/// A call of a function of hybrid.h with views of a case's tensors, in their order.
using Call = std::function<hy_status(hy_device *, const Views &)>;

/// How far element `i` of output `output`, whose reference value is `expected`, may be off.
using Allowed = std::function<double(size_t output, int64_t i, double expected)>;

inline std::string isa_test_name(const ::testing::TestParamInfo<std::string> &info)
{
    std::string name = info.param;
    for (char &c : name)
        if (!std::isalnum((unsigned char)c)) c = '_';
    return name;
}

inline hy_device *reference() { return hy_cpu_device("reference"); }

/// What `view` shows of a tensor, on a device that does not see its memory: a copy there, guards and all.
inline hy_status upload(hy_device *device, Tensor &t, hy_tensor *view)
{
    void *data = nullptr;
    const hy_status status = hy_alloc(device, (int64_t)t.bytes.size(), &data);
    if (status != HY_OK) return status;
    view->data = static_cast<unsigned char *>(data) + (static_cast<unsigned char *>(view->data) - t.bytes.data());
    return hy_transfer(device, data, nullptr, t.bytes.data(), (int64_t)t.bytes.size());
}

inline hy_status download(hy_device *device, Tensor &t, const hy_tensor &view)
{
    void *data = static_cast<unsigned char *>(view.data) - (static_cast<unsigned char *>(t.view(device).data) - t.bytes.data());
    const hy_status status = hy_transfer(nullptr, t.bytes.data(), device, data, (int64_t)t.bytes.size());
    const hy_status freed = hy_free(device, data);
    return status == HY_OK ? freed : status;
}

/// Runs the call on a device and waits for it; `tensors` hold its results afterwards.
inline hy_status run(hy_device *device, std::vector<Tensor> &tensors, const Call &call)
{
    const bool gpu = device->info.kind == HY_CUDA, remote = gpu && !gpu_is_emulated();
    std::vector<hy_tensor> views;
    Views pointers;
    for (Tensor &t : tensors) views.push_back(t.view(device));
    for (hy_tensor &v : views) pointers.push_back(&v);
    for (size_t i = 0; remote && i < tensors.size(); i++) EXPECT_EQ(upload(device, tensors[i], &views[i]), HY_OK) << hy_last_error();
    hy_status status = call(device, pointers);
    const hy_status waited = gpu ? hy_synchronize(device) : HY_OK; // where a GPU's errors show
    if (status == HY_OK) status = waited;
    const std::string error = hy_last_error();
    for (size_t i = 0; remote && i < tensors.size(); i++) EXPECT_EQ(download(device, tensors[i], views[i]), HY_OK) << hy_last_error();
    EXPECT_EQ(hy_last_error(), error);
    return status;
}

inline bool same(const Tensor &expected, const Tensor &actual, int64_t i, double allowed)
{
    if (!hy_is_floating(expected.dtype)) return expected.integer(i) == actual.integer(i);
    const double e = expected.get(i), a = actual.get(i);
    if (std::isnan(e) || std::isnan(a)) return std::isnan(e) && std::isnan(a);
    return a == e || std::fabs(a - e) <= allowed;
}

class Parity : public ::testing::TestWithParam<std::string> {
protected:
    Random random{20260};

    hy_device *device = nullptr; // that of this ISA

    void SetUp() override
    {
        threads = hy_get_num_threads();
        device = device_of(GetParam());
        ASSERT_NE(device, nullptr) << hy_last_error();
    }
    void TearDown() override { hy_set_num_threads(threads); }

    /// Runs the call on the reference and on this ISA's device with 1, 2 and 3 threads. The first `inputs` tensors must stay as they
    /// are, the others must agree, and nothing beside their elements may change.
    void expect_parity(const std::vector<Tensor> &tensors, size_t inputs, const Call &call, const Allowed &allowed)
    {
        if (IsSkipped()) return;
        std::vector<Tensor> expected = tensors, first;
        const hy_status status = run(reference(), expected, call);
        ASSERT_EQ(status, HY_OK) << hy_last_error();
        const int32_t most = device->info.kind == HY_CUDA ? 2 : 3; // the emulator's second run takes the threads in the opposite order
        for (int32_t n = 1; n <= most; n++) {
            ASSERT_EQ(hy_set_num_threads(n), HY_OK);
            std::vector<Tensor> actual = tensors;
            const hy_status run_status = run(device, actual, call);
            if (run_status == HY_UNSUPPORTED && device->info.kind == HY_CUDA) GTEST_SKIP() << hy_last_error(); // Cuda.EmptySlots lists them
            ASSERT_EQ(run_status, HY_OK) << hy_last_error();
            for (size_t k = 0; k < tensors.size(); k++) {
                if (k < inputs) ASSERT_EQ(tensors[k].bytes, actual[k].bytes) << "input " << k << " was changed";
                else if (n == 1) compare(k - inputs, tensors[k], expected[k], actual[k], allowed);
                else ASSERT_EQ(first[k].bytes, actual[k].bytes) << "output " << k - inputs << " differs between 1 and " << n << " threads";
                if (HasFatalFailure()) return;
            }
            if (n == 1) first = actual;
        }
    }

    /// Runs a call that must fail alike on the reference and on this ISA's device.
    void expect_failure(const std::vector<Tensor> &tensors, const Call &call, hy_status expected_status, bool untouched)
    {
        for (hy_device *each : {reference(), device}) {
            std::vector<Tensor> after = tensors;
            const hy_status run_status = run(each, after, call);
            if (run_status == HY_UNSUPPORTED && each->info.kind == HY_CUDA) GTEST_SKIP() << hy_last_error();
            ASSERT_EQ(run_status, expected_status);
            ASSERT_STRNE(hy_last_error(), "");
            if (each->info.kind == HY_CUDA) untouched = false; // a GPU finds out on the way: what is wrong is left out
            for (size_t k = 0; untouched && k < tensors.size(); k++)
                ASSERT_EQ(tensors[k].bytes, after[k].bytes) << "tensor " << k << " was changed";
        }
    }

private:
    int32_t threads = 1;

    static void compare(size_t output, const Tensor &before, const Tensor &expected, const Tensor &actual, const Allowed &allowed)
    {
        ASSERT_TRUE(before.guards_survive(actual)) << "something beside output " << output << " was written, shape " << text(before.shape);
        for (int64_t i = 0; i < expected.size(); i++) {
            double bound = hy_is_floating(expected.dtype) ? allowed(output, i, expected.get(i)) : 0;
            if (bound > 0) bound += half_unit(expected.dtype, expected.get(i)); // what differs a little may round apart
            ASSERT_TRUE(same(expected, actual, i, bound))
                << "output " << output << " of " << hy_dtype_name(expected.dtype) << " " << text(expected.shape) << ", strides "
                << text(expected.strides) << ", element " << i << ": " << ::testing::PrintToString(actual.get(i)) << " for "
                << ::testing::PrintToString(expected.get(i)) << ", off by " << std::fabs(actual.get(i) - expected.get(i)) << ", allowed "
                << bound;
        }
    }
};

/// Every bit must agree.
inline const Allowed exactly = [](size_t, int64_t, double) { return 0.0; };

/// A few units in the last place of the dtype.
inline Allowed within_ulps(int32_t dtype, double ulps)
{
    return [=](size_t, int64_t, double expected) { return ulps * epsilon(dtype) * std::fabs(expected); };
}

} // namespace hybrid::testing

#define HY_PARITY_SUITE(suite) \
    INSTANTIATE_TEST_SUITE_P(Isa, suite, ::testing::ValuesIn(hybrid::testing::fast_isas()), hybrid::testing::isa_test_name)
