// bfloat16 and float16 against their definition, in every bit pattern, on the reference and on every ISA.
#include "support/parity.h"

using namespace hybrid::testing;

namespace {

struct Format {
    int32_t dtype;
    int fraction, least, greatest; // digits after the point; the exponents of normal numbers
};

const std::vector<Format> kFormats = {{HY_BFLOAT16, 7, -126, 127}, {HY_FLOAT16, 10, -14, 15}};

double value_of(const Format &f, uint32_t bits)
{
    const int exponent = (int)(bits & 0x7FFF) >> f.fraction, fraction = (int)bits & ((1 << f.fraction) - 1);
    const double sign = bits & 0x8000 ? -1 : 1;
    if (exponent == f.greatest - f.least + 2) return fraction ? NAN : sign * INFINITY;
    const double digits = std::ldexp(fraction, -f.fraction);
    return sign * (exponent == 0 ? std::ldexp(digits, f.least) : std::ldexp(1 + digits, exponent - 1 + f.least));
}

template <typename From, typename To>
std::vector<To> cast(hy_device *device, int32_t from, std::vector<From> x, int32_t to)
{
    std::vector<To> y(x.size());
    hy_tensor in = {x.data(), device, from, 1, {(int64_t)x.size()}, {1}}, out = {y.data(), device, to, 1, {(int64_t)y.size()}, {1}};
    EXPECT_EQ(hy_copy(device, &in, &out), HY_OK);
    return y;
}

uint32_t bits_of(float v)
{
    uint32_t bits;
    std::memcpy(&bits, &v, sizeof bits);
    return bits;
}

float float_of(uint32_t bits)
{
    float v;
    std::memcpy(&v, &bits, sizeof v);
    return v;
}

std::vector<std::string> all_isas()
{
    std::vector<std::string> names;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++) names.push_back(*isa);
    return names;
}

class Half : public ::testing::TestWithParam<std::string> {
protected:
    hy_device *device = hy_cpu_device(GetParam().c_str());

    // The bits that v must become; v is no NaN. `below` is the greatest finite number that is not beyond |v|, as bits.
    static uint16_t nearest(const Format &f, float v, uint32_t below)
    {
        const double size = std::fabs((double)v), low = value_of(f, below);
        const bool last = below == (uint32_t)((f.greatest - f.least + 2) << f.fraction) - 1;
        const double high = last ? std::ldexp(1, f.greatest + 1) : value_of(f, below + 1); // infinity stands for the number that would follow
        const bool up = high - size < size - low || (high - size == size - low && below % 2 == 1);
        return (uint16_t)((std::signbit(v) ? 0x8000 : 0) | (below + up));
    }

    void narrows(const Format &f, const std::vector<float> &x)
    {
        std::vector<double> numbers; // of ascending size
        for (uint32_t b = 0; b < (uint32_t)((f.greatest - f.least + 2) << f.fraction); b++) numbers.push_back(value_of(f, b));
        const std::vector<uint16_t> y = cast<float, uint16_t>(device, HY_FLOAT32, x, f.dtype);
        for (size_t i = 0; i < x.size(); i++) {
            if (std::isnan(x[i])) {
                const uint32_t quiet = 1u << (f.fraction - 1);
                ASSERT_TRUE(std::isnan(value_of(f, y[i])) && (y[i] & quiet) && std::signbit(x[i]) == (y[i] >> 15)) << std::hex << bits_of(x[i]);
                continue;
            }
            const uint32_t above = (uint32_t)(std::upper_bound(numbers.begin(), numbers.end(), std::fabs((double)x[i])) - numbers.begin());
            const uint16_t expected = std::isinf(x[i]) ? (uint16_t)((std::signbit(x[i]) ? 0x8000 : 0) | numbers.size()) : nearest(f, x[i], above - 1);
            ASSERT_EQ(y[i], expected) << hy_dtype_name(f.dtype) << " of " << x[i] << ", bits " << std::hex << bits_of(x[i]);
        }
    }
};

TEST_P(Half, EveryPatternWidensToItsValue)
{
    std::vector<uint16_t> x(65536);
    std::iota(x.begin(), x.end(), (uint16_t)0);
    for (const Format &f : kFormats) {
        const std::vector<float> y = cast<uint16_t, float>(device, f.dtype, x, HY_FLOAT32);
        for (size_t i = 0; i < x.size(); i++) {
            const double expected = value_of(f, x[i]);
            const bool right = std::isnan(expected) ? std::isnan(y[i]) && std::signbit(y[i]) == (x[i] >> 15) : bits_of(y[i]) == bits_of((float)expected);
            ASSERT_TRUE(right) << hy_dtype_name(f.dtype) << " " << i << ": " << y[i] << " for " << expected;
        }
    }
}

TEST_P(Half, EveryNumberNarrowsToItself)
{
    std::vector<uint16_t> x(65536);
    std::iota(x.begin(), x.end(), (uint16_t)0);
    for (const Format &f : kFormats) {
        const std::vector<uint16_t> y = cast<float, uint16_t>(device, HY_FLOAT32, cast<uint16_t, float>(device, f.dtype, x, HY_FLOAT32), f.dtype);
        for (size_t i = 0; i < x.size(); i++)
            ASSERT_TRUE(y[i] == x[i] || std::isnan(value_of(f, x[i]))) << i;
    }
}

// Where rounding turns: the middle between neighbours, and the floats beside it, both signs.
TEST_P(Half, NarrowsToTheNearestAndToEven)
{
    for (const Format &f : kFormats) {
        std::vector<float> x;
        const uint32_t infinity = (uint32_t)((f.greatest - f.least + 2) << f.fraction);
        for (uint32_t b = 0; b < infinity; b++) {
            const double low = value_of(f, b), high = b + 1 == infinity ? std::ldexp(1, f.greatest + 1) : value_of(f, b + 1);
            const float middle = (float)((low + high) / 2);
            for (const float v : {std::nextafterf(middle, 0), middle, std::nextafterf(middle, INFINITY)}) x.insert(x.end(), {v, -v});
        }
        narrows(f, x);
    }
}

TEST_P(Half, NarrowsFloatsOfEveryKind)
{
    std::vector<float> x = {INFINITY, -INFINITY, 3.4028235e38f, -3.4028235e38f, 1e-45f, -1e-45f};
    for (uint64_t bits = 0; bits < UINT64_C(1) << 32; bits += 4099) x.push_back(float_of((uint32_t)bits));
    for (uint32_t payload : {0x1u, 0x1000u, 0x3FFFFFu, 0x400000u, 0x7FFFFFu}) x.insert(x.end(), {float_of(0x7F800000 | payload), float_of(0xFF800000 | payload)});
    for (const Format &f : kFormats) narrows(f, x);
}

INSTANTIATE_TEST_SUITE_P(Isa, Half, ::testing::ValuesIn(all_isas()), isa_test_name);

} // namespace
