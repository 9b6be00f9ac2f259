// Tensors for tests: random shapes, dtypes and layouts (transposed, with gaps, broadcast), on guarded memory.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "core/half.h"
#include "core/tensor.h"
#include "hybrid/hybrid.h"

namespace hybrid::testing {

using Shape = std::vector<int64_t>;

class Random {
public:
    explicit Random(uint64_t seed) : engine(seed) {}

    int64_t integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); } // both inclusive
    double real(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine); }
    bool chance(double p) { return std::bernoulli_distribution(p)(engine); }

    template <typename T>
    const T &pick(const std::vector<T> &from) { return from[(size_t)integer(0, (int64_t)from.size() - 1)]; }

    std::vector<int> permutation(int n)
    {
        std::vector<int> p((size_t)n);
        std::iota(p.begin(), p.end(), 0);
        std::shuffle(p.begin(), p.end(), engine);
        return p;
    }

private:
    std::mt19937_64 engine;
};

enum class Layout {
    contiguous,
    strided,   // axes in any order in memory, with gaps between elements and rows
    broadcast  // strided, some axes with stride 0; for inputs only
};

inline int64_t count(const Shape &shape)
{
    return std::accumulate(shape.begin(), shape.end(), (int64_t)1, std::multiplies<>());
}

inline std::string text(const Shape &shape)
{
    std::string s = "[";
    for (size_t i = 0; i < shape.size(); i++) s += (i ? ", " : "") + std::to_string(shape[i]);
    return s + "]";
}

/// Of what a call calculates in; what the 16-bit types lose at the store comes on top.
inline double epsilon(int32_t dtype) { return dtype == HY_FLOAT64 ? 0x1p-52 : 0x1p-23; }

/// A unit in the last place of a 16-bit type at v; 0 for any other.
inline double half_unit(int32_t dtype, double v)
{
    if (!hy_is_half(dtype)) return 0;
    return dtype == HY_BFLOAT16 ? 0x1p-7 * std::fabs(v) + 0x1p-133 : 0x1p-10 * std::fabs(v) + 0x1p-24;
}

class Tensor {
public:
    int32_t dtype = HY_FLOAT32;
    Shape shape, strides;
    std::vector<unsigned char> bytes;  // what belongs to no element is 0xFF: NaN for floating dtypes, and a guard against writes
    std::vector<int64_t> offsets;      // of each element in row-major order, in elements from `bytes`' begin

    Tensor() = default;
    Tensor(int32_t dtype, Shape shape, Layout layout = Layout::contiguous, Random *random = nullptr) : dtype(dtype), shape(std::move(shape))
    {
        place(layout, random);
    }

    int64_t size() const { return (int64_t)offsets.size(); }

    hy_tensor view(hy_device *device)
    {
        hy_tensor t = {};
        t.device = device;
        t.dtype = dtype;
        t.ndim = (int32_t)shape.size();
        t.data = bytes.data() + margin;
        for (size_t i = 0; i < shape.size(); i++) t.shape[i] = shape[i], t.strides[i] = strides[i];
        return t;
    }

    unsigned char *at(int64_t i) { return bytes.data() + offsets[(size_t)i] * hy_dtype_size(dtype); }
    const unsigned char *at(int64_t i) const { return const_cast<Tensor *>(this)->at(i); }

    double get(int64_t i) const
    {
        switch (dtype) {
        case HY_FLOAT32: return read<float>(i);
        case HY_FLOAT64: return read<double>(i);
        case HY_BFLOAT16: return hy_float_from_bfloat16(read<uint16_t>(i));
        case HY_FLOAT16: return hy_float_from_float16(read<uint16_t>(i));
        default: return (double)integer(i);
        }
    }

    int64_t integer(int64_t i) const
    {
        switch (dtype) {
        case HY_INT32: return read<int32_t>(i);
        case HY_INT64: return read<int64_t>(i);
        case HY_INT8: return read<int8_t>(i);
        default: return read<uint8_t>(i);
        }
    }

    /// Stores v as the dtype holds it; v must be in range of an integer dtype.
    void set(int64_t i, double v)
    {
        switch (dtype) {
        case HY_FLOAT32: write<float>(i, (float)v); break;
        case HY_FLOAT64: write<double>(i, v); break;
        case HY_BFLOAT16: write<uint16_t>(i, hy_bfloat16_from_float((float)v)); break;
        case HY_FLOAT16: write<uint16_t>(i, hy_float16_from_float((float)v)); break;
        default: set_integer(i, (int64_t)v);
        }
    }

    void set_integer(int64_t i, int64_t v)
    {
        switch (dtype) {
        case HY_INT32: write<int32_t>(i, (int32_t)v); break;
        case HY_INT64: write<int64_t>(i, v); break;
        case HY_BOOL: write<uint8_t>(i, v != 0); break;
        case HY_UINT8: write<uint8_t>(i, (uint8_t)v); break;
        case HY_INT8: write<int8_t>(i, (int8_t)v); break;
        default: set(i, (double)v);
        }
    }

    template <typename F>
    Tensor &fill(F value)
    {
        for (int64_t i = 0; i < size(); i++) set(i, value());
        return *this;
    }

    /// Random numbers; integer dtypes take any value that fits within [low, high].
    Tensor &randomise(Random &random, double low = -3, double high = 3)
    {
        if (hy_is_floating(dtype)) return fill([&] { return random.real(low, high); });
        if (dtype == HY_BOOL) low = 0, high = 1;
        if (dtype == HY_UINT8) low = std::max(low, 0.0);
        if (dtype == HY_INT8) low = std::max(low, -128.0), high = std::min(high, 127.0);
        return fill([&] { return (double)random.integer((int64_t)low, (int64_t)high); });
    }

    /// The same layout with the absolute values.
    Tensor magnitudes() const
    {
        Tensor t = *this;
        for (int64_t i = 0; i < size(); i++) t.set(i, std::fabs(get(i)));
        return t;
    }

    double largest() const
    {
        double m = 0;
        for (int64_t i = 0; i < size(); i++) m = std::fmax(m, std::fabs(get(i)));
        return m;
    }

    /// Whether `after` differs from this tensor in nothing but its elements.
    bool guards_survive(const Tensor &after) const
    {
        Tensor expected = *this;
        for (int64_t i = 0; i < size(); i++) std::memcpy(expected.at(i), after.at(i), (size_t)hy_dtype_size(dtype));
        return expected.bytes == after.bytes;
    }

private:
    static constexpr int64_t margin = 128; // bytes before and after; reads of 64 bytes past the end are allowed

    template <typename T>
    T read(int64_t i) const
    {
        T v;
        std::memcpy(&v, at(i), sizeof v);
        return v;
    }

    template <typename T>
    void write(int64_t i, T v) { std::memcpy(at(i), &v, sizeof v); }

    void place(Layout layout, Random *random)
    {
        const int ndim = (int)shape.size();
        strides.assign(shape.size(), 0);
        std::vector<int> order((size_t)ndim);
        std::iota(order.begin(), order.end(), 0);
        const bool gaps = layout != Layout::contiguous && random->chance(0.6);
        if (layout != Layout::contiguous && random->chance(0.6)) order = random->permutation(ndim);

        int64_t extent = 1;
        for (int k = ndim - 1; k >= 0; k--) {
            const size_t axis = (size_t)order[(size_t)k];
            if (layout == Layout::broadcast && random->chance(0.3)) continue;
            strides[axis] = extent * (gaps && random->chance(0.3) ? random->integer(2, 3) : 1);
            extent = strides[axis] * std::max<int64_t>(shape[axis], 1) + (gaps ? random->integer(0, 2) : 0);
        }
        bytes.assign((size_t)(2 * margin + extent * hy_dtype_size(dtype)), 0xFF);

        const int64_t n = count(shape);
        offsets.reserve((size_t)n);
        for (int64_t i = 0; i < n; i++) {
            int64_t rest = i, offset = margin / hy_dtype_size(dtype);
            for (int axis = ndim - 1; axis >= 0; axis--) {
                offset += rest % shape[(size_t)axis] * strides[(size_t)axis];
                rest /= shape[(size_t)axis];
            }
            offsets.push_back(offset);
        }
    }
};

inline Layout random_layout(Random &random, bool input)
{
    if (random.chance(0.4)) return Layout::contiguous;
    return input && random.chance(0.3) ? Layout::broadcast : Layout::strided;
}

inline Tensor random_input(Random &random, int32_t dtype, const Shape &shape, double low = -3, double high = 3)
{
    Tensor t(dtype, shape, random_layout(random, true), &random);
    t.randomise(random, low, high);
    return t;
}

/// An output; its elements hold zeros until a call writes them.
inline Tensor random_output(Random &random, int32_t dtype, const Shape &shape)
{
    Tensor t(dtype, shape, random_layout(random, false), &random);
    t.fill([] { return 0.0; });
    return t;
}

/// Shapes that try a kernel's edges: no element, one, odd tails, and enough to be cut for several threads.
inline Shape random_shape(Random &random, int max_dims = 4)
{
    static const std::vector<Shape> edges = {{},      {1},      {0},        {3, 0},  {7},       {17},       {33},        {65},
                                             {129},   {1, 1},   {3, 7},     {5, 1, 9}, {65, 33}, {1, 129},  {129, 1},    {1000},
                                             {9, 111}, {70000}, {300, 257}, {3, 5, 7, 11}};
    if (random.chance(0.6)) {
        const Shape &edge = random.pick(edges);
        if ((int)edge.size() <= max_dims) return edge;
    }
    Shape shape((size_t)random.integer(1, max_dims));
    for (int64_t &extent : shape) extent = random.integer(1, shape.size() > 2 ? 9 : 40);
    return shape;
}

} // namespace hybrid::testing
