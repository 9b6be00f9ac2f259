// Tensors for tests that look inside the kernels: any layout over memory whose other elements hold a canary.
#ifndef HY_TESTS_KERNEL_VIEW_H
#define HY_TESTS_KERNEL_VIEW_H

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

extern "C" {
#include "core/tensor.h"
#include "cpu/cpu.h"
}

namespace kernel_test {

constexpr double canary = -12345.5;

// How a view lies in memory: axes in order of decreasing stride (empty: row-major), and the distance between innermost neighbours.
struct Layout {
    std::vector<int> order = {};
    int64_t inner = 1;
    int64_t gap = 0;  // elements skipped after each run of the innermost axis
};

class View {
public:
    View(int32_t dtype, const std::vector<int64_t> &shape, const Layout &layout = {}) : tensor{}
    {
        tensor.dtype = dtype;
        tensor.ndim = (int32_t)shape.size();
        std::vector<int> order = layout.order;
        if (order.empty()) {
            order.resize(shape.size());
            std::iota(order.begin(), order.end(), 0);
        }
        int64_t stride = layout.inner;
        for (size_t i = order.size(); i-- > 0;) {
            tensor.shape[order[i]] = shape[order[i]];
            tensor.strides[order[i]] = stride;
            stride = stride * shape[order[i]] + (i + 1 == order.size() ? layout.gap : 0);
        }
        elements = stride + 2 * guard;
        bytes.resize((size_t)(elements * hy_dtype_size(dtype)));
        for (int64_t i = 0; i < elements; i++) put(i, canary);
        tensor.data = bytes.data() + guard * hy_dtype_size(dtype);
    }

    void fill_random(unsigned seed)
    {
        std::mt19937 random(seed);
        std::uniform_real_distribution<double> uniform(-1, 1);
        each([&](int64_t at) { put(at, uniform(random)); });
        // An operand ends where its memory ends: a read past it is AddressSanitizer's to find.
        elements = std::min(elements, elements_behind_guard() + guard);
        bytes.resize((size_t)(elements * hy_dtype_size(tensor.dtype)));
        bytes.shrink_to_fit();
        tensor.data = bytes.data() + guard * hy_dtype_size(tensor.dtype);
    }

    // A view of the same memory that broadcasts along `axis`.
    hy_tensor broadcast(int axis, int64_t extent) const
    {
        hy_tensor t = tensor;
        t.shape[axis] = extent;
        t.strides[axis] = 0;
        return t;
    }

    std::vector<double> values() const
    {
        std::vector<double> v;
        each([&](int64_t at) { v.push_back(get(at)); });
        return v;
    }

    // Whether nothing but the view's own elements was written.
    bool others_untouched() const
    {
        std::vector<bool> own((size_t)elements);
        each([&](int64_t at) { own[(size_t)at] = true; });
        for (int64_t i = 0; i < elements; i++)
            if (!own[(size_t)i] && get(i) != canary) return false;
        return true;
    }

    hy_tensor tensor;

private:
    static constexpr int64_t guard = 64;

    template <typename F> void each(F visit) const
    {
        int64_t count = hy_numel(&tensor);
        for (int64_t i = 0; i < count; i++) {
            int64_t rest = i, at = guard;
            for (int d = tensor.ndim - 1; d >= 0; d--) {
                at += rest % tensor.shape[d] * tensor.strides[d];
                rest /= tensor.shape[d];
            }
            visit(at);
        }
    }

    int64_t elements_behind_guard() const
    {
        int64_t last = 1;
        for (int d = 0; d < tensor.ndim; d++) last += (tensor.shape[d] - 1) * tensor.strides[d];
        return hy_numel(&tensor) ? last : 0;
    }

    double get(int64_t at) const
    {
        return tensor.dtype == HY_FLOAT32 ? ((const float *)bytes.data())[at] : ((const double *)bytes.data())[at];
    }

    void put(int64_t at, double value)
    {
        if (tensor.dtype == HY_FLOAT32) ((float *)bytes.data())[at] = (float)value;
        else ((double *)bytes.data())[at] = value;
    }

    int64_t elements;
    std::vector<char> bytes;
};

// The kernels' ISAs on this machine, without the reference.
inline std::vector<std::string> isas()
{
    std::vector<std::string> names;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++)
        if (std::string(*isa) != "reference") names.push_back(*isa);
    return names;
}

// Sums of `terms` products of numbers below 1 in magnitude, in another order than the reference's. Partial sums of random signs stay below
// some 2 * sqrt(terms) and the roundings of `terms` additions add up as their square root does: a few terms * unit for the worst of many
// elements, where a single product that is missing or wrong shows as some 0.1.
inline void expect_close(const View &got, const View &want, double terms)
{
    std::vector<double> g = got.values(), w = want.values();
    ASSERT_EQ(g.size(), w.size());
    double unit = got.tensor.dtype == HY_FLOAT32 ? 0x1p-24 : 0x1p-53, bound = 4 * unit * (terms + 16);
    for (size_t i = 0; i < g.size(); i++) ASSERT_LE(std::fabs(g[i] - w[i]), bound) << "element " << i << ": " << g[i] << ", not " << w[i];
    EXPECT_TRUE(got.others_untouched());
}

} // namespace kernel_test

#endif
