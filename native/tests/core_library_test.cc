// The library's account of itself: versions, layout, messages, devices, transfer.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <regex>
#include <sstream>
#include <string>
#include <thread>

extern "C" {
#include "backend.h"
#include "core/status.h"
#include "cpu/cpu.h"
#include "cpu/cpu_features.h"
#include "support/environment.h"
}

namespace {

std::string read_header()
{
    std::ifstream file(HY_HEADER);
    std::stringstream text;
    text << file.rdbuf();
    return std::regex_replace(text.str(), std::regex("/\\*[^*]*\\*+([^/*][^*]*\\*+)*/"), ""); // without comments
}

TEST(Library, Versions)
{
    EXPECT_EQ(hy_abi_version(), HY_ABI_VERSION);
    EXPECT_TRUE(std::regex_match(hy_version(), std::regex("\\d+\\.\\d+\\.\\d+"))) << hy_version();
}

TEST(Library, LayoutKnowsEveryFieldOfTheHeader)
{
    const std::string header = read_header();
    ASSERT_FALSE(header.empty());
    const std::regex structs("typedef struct (hy_\\w+) \\{([^}]*)\\} \\1;"), fields("(\\w+)(\\[\\w+\\])?;");
    int found = 0;
    for (std::sregex_iterator s(header.begin(), header.end(), structs), none; s != none; ++s) {
        const std::string name = (*s)[1], body = (*s)[2];
        EXPECT_GT(hy_layout(name.c_str(), nullptr), 0) << name;
        int64_t last = -1;
        for (std::sregex_iterator f(body.begin(), body.end(), fields); f != none; ++f) {
            const std::string field = (*f)[1];
            int64_t offset = hy_layout(name.c_str(), field.c_str());
            EXPECT_GT(offset, last) << name << "." << field;
            last = offset;
            found++;
        }
    }
    EXPECT_GE(found, 35);
    EXPECT_EQ(hy_layout("hy_tensor", nullptr), (int64_t)sizeof(hy_tensor));
    EXPECT_EQ(hy_layout("hy_tensor", "strides"), (int64_t)offsetof(hy_tensor, strides));
    EXPECT_EQ(hy_layout("hy_tensor", "nothing"), -1);
    EXPECT_EQ(hy_layout("hy_nothing", nullptr), -1);
    EXPECT_EQ(hy_layout(nullptr, nullptr), -1);
}

TEST(Library, MessagesBelongToTheirThread)
{
    hy_fail(HY_INTERNAL, "one");
    std::thread([] {
        EXPECT_STREQ(hy_last_error(), "");
        hy_fail(HY_INTERNAL, "two");
        EXPECT_STREQ(hy_last_error(), "two");
    }).join();
    EXPECT_STREQ(hy_last_error(), "one");
    EXPECT_EQ(hy_fail(HY_BAD_SHAPE, "%s, again", hy_last_error()), HY_BAD_SHAPE);
    EXPECT_STREQ(hy_last_error(), "one, again");
    hy_fail(HY_INTERNAL, "%s", std::string(5000, 'x').c_str());
    EXPECT_EQ(strlen(hy_last_error()), 4095u);
}

TEST(Library, ShapesAreFormatted)
{
    char text[256];
    hy_tensor t{};
    EXPECT_STREQ(hy_format_shape(&t, text), "[]");
    t.ndim = HY_MAX_DIMS;
    for (auto &extent : t.shape) extent = INT64_MIN;
    EXPECT_EQ(strlen(hy_format_shape(&t, text)), 8 * 20 + 7 * 2 + 2u);
    t.ndim = 1000; // a message about a bad view formats it
    EXPECT_LT(strlen(hy_format_shape(&t, text)), 256u);
}

TEST(Devices, ThereIsOneCpu)
{
    hy_device *device = nullptr, *again = nullptr;
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &device), HY_OK) << hy_last_error();
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &again), HY_OK);
    EXPECT_EQ(device, again);
    hy_device_info info;
    ASSERT_EQ(hy_device_describe(device, &info), HY_OK);
    EXPECT_EQ(info.kind, HY_CPU);
    EXPECT_EQ(info.index, 0);
    EXPECT_GE(info.cores, 1);
    EXPECT_GT(info.memory_bytes, 0);
    EXPECT_STRNE(info.name, "");
    EXPECT_STRNE(info.blas, "");
    EXPECT_EQ(hy_cpu_device(info.isa), device);
    EXPECT_EQ(hy_synchronize(device), HY_OK);
}

TEST(Devices, OthersAreRefused)
{
    hy_device *device = nullptr;
    for (auto [kind, index] : {std::pair<int, int>{HY_CPU, 1}, {HY_CPU, -1}, {HY_CUDA, 99}, {7, 0}, {-1, 0}}) {
        EXPECT_EQ(hy_device_get(kind, index, &device), HY_BAD_DEVICE) << kind << " " << index;
        EXPECT_STRNE(hy_last_error(), "");
        EXPECT_EQ(device, nullptr);
    }
    EXPECT_EQ(hy_device_get(HY_CPU, 0, nullptr), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_device_describe(nullptr, nullptr), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_synchronize(nullptr), HY_BAD_ARGUMENT);
}

TEST(Devices, EveryIsaIsADeviceOfItsOwnWithEverySlot)
{
    hy_cpu_features features;
    hy_cpu_detect(&features);
    int count = 0;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++, count++) {
        hy_device *device = hy_cpu_device(*isa);
        ASSERT_NE(device, nullptr) << *isa;
        EXPECT_STREQ(device->info.isa, *isa);
        EXPECT_EQ(device->allocator, hy_cpu_device("reference")->allocator);
        EXPECT_TRUE(features.avx2 || std::string(*isa) != "avx2");
        EXPECT_TRUE(features.avx512 || std::string(*isa) != "avx512");
        EXPECT_TRUE(features.avx2_vnni || std::string(*isa) != "avx2-vnni");
        EXPECT_TRUE(features.avx512_vnni || std::string(*isa) != "avx512-vnni");
        EXPECT_TRUE(features.avx512_bf16 || std::string(*isa) != "avx512-bf16");
        void *slots[sizeof(hy_backend) / sizeof(void *)];
        memcpy(slots, &device->backend, sizeof slots);
        const size_t streams = offsetof(hy_backend, transfer_async) / sizeof(void *), work = offsetof(hy_backend, fill) / sizeof(void *);
        for (size_t i = 0; i < sizeof slots / sizeof *slots; i++)
            EXPECT_EQ(slots[i] == nullptr, i >= streams && i < work) << *isa << ", slot " << i; // the CPU has no streams
    }
    EXPECT_GE(count, 2);
    EXPECT_STREQ(hy_cpu_isas()[0], "reference");
    EXPECT_EQ(hy_cpu_device("mmx"), nullptr);
}

TEST(Devices, AnIsaThatExtendsAnotherHasKernelsOfItsOwnForWhatGains)
{
    struct Extension {
        const char *isa, *base;
        bool int8, matmul;
    };
    for (const Extension &e : {Extension{"avx2-vnni", "avx2", true, false}, {"avx512-vnni", "avx512", true, false}, {"avx512-bf16", "avx512-vnni", false, true}}) {
        const hy_device *device = hy_cpu_device(e.isa), *base = hy_cpu_device(e.base);
        if (!device) continue; // this machine or build does not have it
        ASSERT_NE(base, nullptr) << e.isa;
        hy_backend expected = base->backend;
        EXPECT_EQ(device->backend.quantized_linear != expected.quantized_linear, e.int8) << e.isa;
        EXPECT_EQ(device->backend.quantized_conv2d != expected.quantized_conv2d, e.int8) << e.isa;
        EXPECT_EQ(device->backend.matmul != expected.matmul, e.matmul) << e.isa;
        expected.matmul = device->backend.matmul;
        expected.quantize_weight = device->backend.quantize_weight;
        expected.pack_int8 = device->backend.pack_int8;
        expected.quantized_linear = device->backend.quantized_linear;
        expected.quantized_conv2d = device->backend.quantized_conv2d;
        EXPECT_EQ(memcmp(&expected, &device->backend, sizeof expected), 0) << e.isa;
    }
}

TEST(Devices, TheEnvironmentForcesAnIsa)
{
    Environment variable("HYBRID_ISA");
    hy_device *device = nullptr;
    for (const char *const *isa = hy_cpu_isas(); *isa; isa++) {
        variable.set(*isa);
        ASSERT_EQ(hy_cpu_default_device(&device), HY_OK) << *isa;
        EXPECT_EQ(device, hy_cpu_device(*isa));
    }
    variable.set("mmx");
    EXPECT_EQ(hy_cpu_default_device(&device), HY_BAD_DEVICE);
    for (const char *part : {"mmx", "reference"}) EXPECT_NE(std::string(hy_last_error()).find(part), std::string::npos) << hy_last_error();
}

TEST(Transfer, CopiesBytes)
{
    hy_device *device;
    ASSERT_EQ(hy_device_get(HY_CPU, 0, &device), HY_OK);
    const char from[] = "twelve bytes";
    char to[sizeof from] = "";
    EXPECT_EQ(hy_transfer(device, to, nullptr, from, sizeof from), HY_OK);
    EXPECT_STREQ(to, from);
    EXPECT_EQ(hy_transfer(nullptr, to, device, from + 7, 6), HY_OK);
    EXPECT_STREQ(to, "bytes");
    EXPECT_EQ(hy_transfer(nullptr, to, nullptr, from, 3), HY_OK);
    EXPECT_STREQ(to, "twees");
    EXPECT_EQ(hy_transfer(device, nullptr, device, nullptr, 0), HY_OK);
}

TEST(Transfer, RefusesNonsense)
{
    char buffer[16] = "unchanged";
    EXPECT_EQ(hy_transfer(nullptr, buffer, nullptr, "x", -1), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_transfer(nullptr, nullptr, nullptr, "x", 1), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_transfer(nullptr, buffer, nullptr, nullptr, 1), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_transfer(nullptr, buffer, nullptr, buffer + 4, 8), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_transfer(nullptr, buffer + 4, nullptr, buffer, 8), HY_BAD_ARGUMENT);
    EXPECT_STREQ(buffer, "unchanged");
}

} // namespace
