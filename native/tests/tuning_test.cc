// The tuning table: what is read and refused, and that the convolutions follow it.
#include "kernel_view.h"
#include "support/environment.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

extern "C" {
#include "core/tuning.h"
}

using namespace kernel_test;
namespace fs = std::filesystem;

namespace {

#ifdef _WIN32
const char *const cache_variable = "LOCALAPPDATA";
const int not_over_a_folder = EACCES;
#else
const char *const cache_variable = "XDG_CACHE_HOME";
const int not_over_a_folder = EISDIR;
#endif

// A device of its own, the fastest there is, with a table that nobody has read yet; a folder of its own; an environment without a table.
class Tuning : public testing::Test {
protected:
    Tuning() : device(*hy_cpu_device(isas().back().c_str())), folder(fs::temp_directory_path() / ("hybrid-tuning-" + std::to_string(getpid())))
    {
        fs::remove_all(folder);
        fs::create_directories(folder);
        device.tuning = hy_tuning_create();
        for (View *v : {&x, &w, &y}) v->tensor.device = &device;
        x.fill_random(1);
        w.fill_random(2);
        variable.set("none");
    }

    ~Tuning() override
    {
        fs::remove_all(folder);
        forget();
        free(device.tuning);
    }

    // The next convolution reads the file again.
    void forget()
    {
        hy_tuning_load(&device, nullptr);
        free(device.tuning);
        device.tuning = hy_tuning_create();
    }

    std::string header(const std::string &cpu = "", const std::string &isa = "") const
    {
        return "hybrid tuning 1\ncpu " + (cpu.empty() ? device.info.name : cpu) + "\nisa " + (isa.empty() ? device.info.isa : isa) + "\nthreads 2\n";
    }

    std::string write(const std::string &text, const std::string &name = "table.txt") const
    {
        std::ofstream(folder / name, std::ios::binary) << text;
        return (folder / name).string();
    }

    void expect_refused(const std::string &text, const std::string &why)
    {
        SCOPED_TRACE(text);
        EXPECT_EQ(hy_tuning_load(&device, write(text).c_str()), HY_BAD_ARGUMENT);
        EXPECT_NE(std::string(hy_last_error()).find(why), std::string::npos) << hy_last_error();
    }

    int32_t chosen(int32_t pass = HY_CONV_PASS_forward)
    {
        int64_t serving;
        int32_t way = -1;
        EXPECT_EQ(hy_conv2d_ways(&device, pass, &p, &x.tensor, &w.tensor, &y.tensor, &serving, &way), HY_OK) << hy_last_error();
        return way;
    }

    std::vector<double> computed(int32_t way)
    {
        p.way = way;
        EXPECT_EQ(hy_conv2d(&device, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_OK) << hy_last_error();
        p.way = HY_CONV_WAY_chosen;
        return y.values();
    }

    const std::string line = "forward float32 N2 C24 H20 W20 K16 R3 S3 s1,1 p1,1 d1,1 g1 ";
    Environment variable{"HYBRID_TUNING"};
    hy_device device;
    fs::path folder;
    hy_conv2d_params p{{1, 1}, {1, 1}, {1, 1}, 1};
    View x{HY_FLOAT32, {2, 24, 20, 20}}, w{HY_FLOAT32, {16, 24, 3, 3}}, y{HY_FLOAT32, {2, 16, 20, 20}};
};

} // namespace

TEST_F(Tuning, TheTableOverridesTheRulesForItsShapeAlone)
{
    ASSERT_EQ(chosen(), HY_CONV_WAY_winograd4);
    ASSERT_NE(computed(HY_CONV_WAY_winograd4), computed(HY_CONV_WAY_packed));
    ASSERT_EQ(hy_tuning_load(&device, write(header() + line + "packed\n").c_str()), HY_OK) << hy_last_error();
    EXPECT_EQ(chosen(), HY_CONV_WAY_packed);
    EXPECT_EQ(computed(HY_CONV_WAY_chosen), computed(HY_CONV_WAY_packed));
    EXPECT_EQ(chosen(HY_CONV_PASS_weight_grad), HY_CONV_WAY_winograd4);
    p.padding[0] = 0;
    y = View(HY_FLOAT32, {2, 16, 18, 20});
    y.tensor.device = &device;
    EXPECT_EQ(chosen(), HY_CONV_WAY_winograd4);
    ASSERT_EQ(hy_tuning_load(&device, nullptr), HY_OK);
    EXPECT_EQ(chosen(), HY_CONV_WAY_winograd4);
}

TEST_F(Tuning, ExactSumsAndOtherLayoutsGoByTheRulesWhereTheWayDoesNotServe)
{
    ASSERT_EQ(hy_tuning_load(&device, write(header() + line + "winograd2\n").c_str()), HY_OK) << hy_last_error();
    EXPECT_EQ(chosen(), HY_CONV_WAY_winograd2);
    p.exact = 1;
    EXPECT_GT(chosen(), HY_CONV_WAY_winograd2);
    ASSERT_EQ(hy_tuning_load(&device, write(header() + line + "direct\n").c_str()), HY_OK) << hy_last_error();
    y = View(HY_FLOAT32, {2, 16, 20, 20}, Layout{{0, 2, 3, 1}});
    y.tensor.device = &device;
    EXPECT_EQ(chosen(), HY_CONV_WAY_packed);
}

TEST_F(Tuning, AWayThatDoesNotServeIsRefused)
{
    auto expect_refused = [](hy_status status, const std::string &message) {
        EXPECT_EQ(status, HY_BAD_ARGUMENT);
        EXPECT_EQ(std::string(hy_last_error()), message);
    };
    const std::vector<double> before = y.values();
    for (int32_t way : {HY_CONV_WAY_columns, HY_CONV_WAY_dot, HY_CONV_WAY_channels}) {
        p.way = way;
        expect_refused(hy_conv2d(&device, &p, &x.tensor, &w.tensor, nullptr, &y.tensor),
                       "Conv2d: the way '" + std::string(hy_conv_way_name(way)) + "' does not serve this forward (input [2, 24, 20, 20], weight [16, 24, 3, 3])");
    }
    EXPECT_EQ(y.values(), before);
    for (int32_t way : {-1, (int)HY_CONV_WAY_COUNT}) {
        p.way = way;
        expect_refused(hy_conv2d(&device, &p, &x.tensor, &w.tensor, nullptr, &y.tensor),
                       "Conv2d: way is " + std::to_string(way) + ", expected 0 to 9");
    }
    p.way = HY_CONV_WAY_chosen;
    expect_refused(hy_tuning_set(&device, HY_CONV_PASS_weight_grad, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_winograd2),
                   "TuningSet: the way 'winograd2' does not serve this weight_grad (input [2, 24, 20, 20], weight [16, 24, 3, 3])");
    int64_t serving;
    int32_t way;
    expect_refused(hy_conv2d_ways(&device, 3, &p, &x.tensor, &w.tensor, &y.tensor, &serving, &way), "Conv2dWays: pass is 3, expected 0 to 2");
    hy_device *reference = hy_cpu_device("reference");
    for (View *v : {&x, &w, &y}) v->tensor.device = reference;
    p.way = HY_CONV_WAY_direct;
    EXPECT_EQ(hy_conv2d(reference, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_BAD_ARGUMENT);
    p.way = HY_CONV_WAY_packed;
    EXPECT_EQ(hy_conv2d(reference, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_OK);
}

TEST_F(Tuning, BrokenAndForeignFilesAreRefusedAndTheTableStays)
{
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_forward, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_direct), HY_OK);
    const std::string good = header() + line + "packed\n";
    for (size_t length = 0; length < good.size(); length++) // cut off anywhere
        if (length != header().size()) expect_refused(good.substr(0, length), "line ");
    expect_refused("hybrid tuning 2\n", "line 1: expected 'hybrid tuning 1'");
    expect_refused(header("Another CPU"), "line 2: it was measured on another processor");
    expect_refused(header("", "neon-of-old"), "line 3: it was measured with another instruction set");
    expect_refused("hybrid tuning 1\ncpu " + std::string(device.info.name) + "\nisa " + device.info.isa + "\nthreads many\n", "line 4: expected 'threads'");
    expect_refused(good + good, "line 6: expected forward");
    expect_refused(good + line + "direct\n", "line 6: the shape was named before");
    expect_refused(good + std::string(1, '\0') + "\n", "zero byte");
    const std::pair<const char *, const char *> changes[] = {
        {"forward", "backward"}, {"float32", "float16"}, {"float32", "int32"}, {" N2", " N0"}, {" N2", " N-2"}, {" N2", " N+2"}, {" N2", " N 2"},
        {" N2", " N99999999999999999999"}, {" N2", " N2147483648"}, {" C24", " c24"}, {" C24", " C24 C24"}, {"s1,1", "s0,1"}, {"s1,1", "s1"},
        {"d1,1", "d1,0"}, {"g1", "g0"}, {"g1", "g5"}, {"H20", "H0"}, {"R3", "R23"}, {"d1,1", "d2147483647,1"}, {"packed", "chosen"}, {"packed", "pack"},
        {"packed", "packed "}, {"packed", "packed\r"}, {"packed", "columns"}, {"packed", ""}, {"N2 C24 H20", "N2147483647 C2147483647 H2147483647"}};
    for (const auto &[from, to] : changes) {
        std::string bad = good;
        bad.replace(bad.find(from, header().size()), strlen(from), to);
        expect_refused(bad, "line 5: ");
    }
    expect_refused(header() + "forward float64" + line.substr(15) + "winograd4\n", "line 5: the way does not serve this shape");
    EXPECT_EQ(hy_tuning_load(&device, (folder / "missing.txt").string().c_str()), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_tuning_load(&device, folder.string().c_str()), HY_BAD_ARGUMENT);
    EXPECT_EQ(hy_tuning_load(&device, "/dev/zero"), HY_BAD_ARGUMENT);
    EXPECT_EQ(chosen(), HY_CONV_WAY_direct) << "the table changed";
}

TEST_F(Tuning, WhatIsSavedIsReadAgain)
{
    const std::string path = (folder / "of" / "its own" / "table.txt").string();
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_forward, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_packed), HY_OK);
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_weight_grad, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_channels), HY_OK);
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_input_grad, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_flat), HY_OK);
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_forward, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_direct), HY_OK); // in its place
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_input_grad, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_chosen), HY_OK); // taken out
    for (int round = 0; round < 2; round++) { // the second over a file that is there
        ASSERT_EQ(hy_tuning_save(&device, path.c_str()), HY_OK) << hy_last_error();
        std::stringstream text;
        text << std::ifstream(path).rdbuf();
        EXPECT_NE(text.str().find(line + "direct\nweight_grad float32 N2 C24 H20 W20 K16 R3 S3 s1,1 p1,1 d1,1 g1 channels\n"), std::string::npos)
            << text.str();
        ASSERT_EQ(hy_tuning_load(&device, nullptr), HY_OK);
        EXPECT_EQ(chosen(), HY_CONV_WAY_winograd4);
        ASSERT_EQ(hy_tuning_load(&device, path.c_str()), HY_OK) << hy_last_error();
        EXPECT_EQ(chosen(), HY_CONV_WAY_direct);
        EXPECT_EQ(chosen(HY_CONV_PASS_weight_grad), HY_CONV_WAY_channels);
        EXPECT_EQ(chosen(HY_CONV_PASS_input_grad), HY_CONV_WAY_winograd4);
    }
    EXPECT_EQ(std::distance(fs::directory_iterator(folder / "of" / "its own"), fs::directory_iterator()), 1) << "a temporary file is left";
    EXPECT_EQ(hy_tuning_save(&device, (folder / "of").string().c_str()), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find(std::string("cannot be written: ") + strerror(not_over_a_folder)), std::string::npos) << hy_last_error();
    EXPECT_EQ(hy_tuning_save(&device, ""), HY_BAD_ARGUMENT);
    EXPECT_EQ(std::distance(fs::directory_iterator(folder), fs::directory_iterator()), 1) << "a temporary file is left";
}

TEST_F(Tuning, TheEnvironmentSaysWhichFileIsRead)
{
    variable.set(write(header() + line + "packed\n").c_str());
    EXPECT_EQ(chosen(), HY_CONV_WAY_packed);
    EXPECT_EQ(hy_tuning_path(&device), (folder / "table.txt").string());
}

TEST_F(Tuning, TheUsersCacheIsReadWhereItHasATable)
{
    Environment cache(cache_variable);
    variable.set(nullptr);
    cache.set(folder.string().c_str());
    EXPECT_EQ(chosen(), HY_CONV_WAY_winograd4);
    const fs::path path = hy_tuning_path(&device);
    EXPECT_EQ(path.parent_path(), folder / "hybrid");
    EXPECT_EQ(path.filename().string().rfind("tuning-" + std::string(device.info.isa) + "-", 0), 0u) << path;
    ASSERT_EQ(hy_tuning_set(&device, HY_CONV_PASS_forward, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_packed), HY_OK);
    ASSERT_EQ(hy_tuning_save(&device, path.string().c_str()), HY_OK) << hy_last_error();
    forget();
    EXPECT_EQ(chosen(), HY_CONV_WAY_packed);
}

// A broken file is never ignored: every convolution says so, until another table is loaded.
TEST_F(Tuning, ABrokenFileIsAnErrorOfEveryConvolution)
{
    const std::string path = write(header() + line + "packed\nnonsense\n");
    variable.set(path.c_str());
    for (int i = 0; i < 2; i++) {
        EXPECT_EQ(hy_conv2d(&device, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_BAD_ARGUMENT);
        EXPECT_EQ(std::string(hy_last_error()), "Tuning: " + path
                  + ", line 6: expected forward, input_grad or weight_grad; delete the file, or have 'hybrid tune' write it anew");
    }
    EXPECT_EQ(hy_tuning_set(&device, HY_CONV_PASS_forward, &p, &x.tensor, &w.tensor, &y.tensor, HY_CONV_WAY_packed), HY_BAD_ARGUMENT);
    ASSERT_EQ(hy_tuning_load(&device, nullptr), HY_OK);
    EXPECT_EQ(chosen(), HY_CONV_WAY_winograd4);
    variable.set((folder / "missing.txt").string().c_str());
    forget();
    EXPECT_EQ(hy_conv2d(&device, &p, &x.tensor, &w.tensor, nullptr, &y.tensor), HY_BAD_ARGUMENT);
    EXPECT_NE(std::string(hy_last_error()).find("missing.txt cannot be read: No such file"), std::string::npos) << hy_last_error();
}
