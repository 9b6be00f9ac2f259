// The matrix product's internals: every packing, tile edge, cut and the two ways (built-in and BLAS), against the reference,
// under each ISA.
#include "kernel_view.h"

#include <array>
#include <thread>

extern "C" {
#if defined(__x86_64__)
#define HY_ISA_NAME x86_64
#include "cpu/kernels/matmul.h"
#undef HY_CPU_MATMUL_H
#undef HY_ISA_NAME
#define HY_ISA_NAME avx2
#include "cpu/kernels/matmul.h"
#ifdef HY_HAVE_AVX512
#undef HY_CPU_MATMUL_H
#undef HY_ISA_NAME
#define HY_ISA_NAME avx512
#include "cpu/kernels/matmul.h"
#endif
#else
#define HY_ISA_NAME neon
#include "cpu/kernels/matmul.h"
#endif
}

using namespace kernel_test;

namespace {

using Matmul = decltype(hy_backend::matmul);

struct Ways {
    std::string isa;
    Matmul builtin, blas;
};

std::vector<Ways> all_ways()
{
    std::vector<Ways> ways;
    for (const std::string &isa : isas()) {
#if defined(__x86_64__)
        if (isa == "x86-64") ways.push_back({isa, hy_matmul_builtin_x86_64, hy_matmul_blas_x86_64});
        if (isa == "avx2") ways.push_back({isa, hy_matmul_builtin_avx2, hy_matmul_blas_avx2});
#ifdef HY_HAVE_AVX512
        if (isa == "avx512") ways.push_back({isa, hy_matmul_builtin_avx512, hy_matmul_blas_avx512});
#endif
#else
        if (isa == "neon") ways.push_back({isa, hy_matmul_builtin_neon, hy_matmul_blas_neon});
#endif
    }
    return ways;
}

bool has_blas() { return std::string(hy_cpu_device(isas()[0].c_str())->info.blas) != "none"; }

// With the second operand prepared, the product has the same bits.
void expect_same_prepared(hy_device *device, const hy_tensor &a, const hy_tensor &b, const hy_tensor *bias, const std::vector<int64_t> &shape,
                          const Layout &layout)
{
    if (!device->backend.matmul_prepare) return; // reads it as it is
    int64_t elements = -1;
    ASSERT_EQ(device->backend.matmul_prepare(device, &b, &elements, nullptr), HY_OK);
    ASSERT_GE(elements, hy_numel(&b));
    View prepared(b.dtype, {elements}), want(a.dtype, shape, layout), got(a.dtype, shape, layout);
    ASSERT_EQ(device->backend.matmul_prepare(device, &b, &elements, &prepared.tensor), HY_OK);
    ASSERT_TRUE(prepared.others_untouched());
    ASSERT_EQ(device->backend.matmul(device, &a, &b, bias, HY_ACTIVATION(HY_UNARY_sigmoid), &want.tensor), HY_OK);
    ASSERT_EQ(device->backend.matmul_prepared(device, &a, &b, &prepared.tensor, bias, HY_ACTIVATION(HY_UNARY_sigmoid), &got.tensor), HY_OK);
    EXPECT_EQ(got.values(), want.values());
    EXPECT_TRUE(got.others_untouched());
}

// y by every way on every ISA against the reference. `may_refuse`: the BLAS cannot express these operands.
void compare(const hy_tensor &a, const hy_tensor &b, const hy_tensor *bias, const std::vector<int64_t> &shape, const Layout &layout = {},
             bool may_refuse = false)
{
    hy_device *reference = hy_cpu_device("reference");
    View want(a.dtype, shape, layout);
    ASSERT_EQ(reference->backend.matmul(reference, &a, &b, bias, HY_NO_ACTIVATION, &want.tensor), HY_OK);
    for (const Ways &way : all_ways()) {
        SCOPED_TRACE(way.isa);
        hy_device *device = hy_cpu_device(way.isa.c_str());
        for (Matmul matmul : {way.builtin, way.blas, device->backend.matmul}) {
            SCOPED_TRACE(matmul == way.builtin ? "built-in" : matmul == way.blas ? "BLAS" : "slot");
            View got(a.dtype, shape, layout);
            hy_status status = matmul(device, &a, &b, bias, HY_NO_ACTIVATION, &got.tensor);
            if (matmul == way.blas && (!has_blas() || may_refuse)) {
                ASSERT_EQ(status, HY_UNSUPPORTED);
                continue;
            }
            ASSERT_EQ(status, HY_OK);
            expect_close(got, want, (double)a.shape[a.ndim - 1]);
            if (testing::Test::HasFatalFailure()) return;
        }
        if (a.ndim == 2 && b.ndim == 2) expect_same_prepared(device, a, b, bias, shape, layout);
    }
}

void compare_sizes(int32_t dtype, int64_t m, int64_t n, int64_t k, const Layout &la = {}, const Layout &lb = {}, const Layout &ly = {},
                   bool may_refuse = false)
{
    SCOPED_TRACE(testing::Message() << hy_dtype_name(dtype) << " m " << m << " n " << n << " k " << k);
    View a(dtype, {m, k}, la), b(dtype, {k, n}, lb), bias(dtype, {n});
    a.fill_random(1);
    b.fill_random(2);
    bias.fill_random(3);
    compare(a.tensor, b.tensor, nullptr, {m, n}, ly, may_refuse);
    if (testing::Test::HasFatalFailure()) return;
    compare(a.tensor, b.tensor, &bias.tensor, {m, n}, ly, may_refuse);
}

const Layout row_major = {}, column_major = {{1, 0}}, spaced = {{}, 1, 5}, column_spaced = {{1, 0}, 1, 3}, strided = {{}, 3, 2};

} // namespace

TEST(Gemm, EveryEdgeOfTheTile)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64})
        for (int64_t m = 1; m <= 30; m += m < 16 ? 1 : 5)
            for (int64_t n : {1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 50})
                for (int64_t k : {1, 3, 4, 18}) compare_sizes(dtype, m, n, k);
}

TEST(Gemm, EveryLayout)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64})
        for (const Layout &a : {row_major, column_major, spaced, column_spaced})
            for (const Layout &b : {row_major, column_major, spaced, column_spaced})
                for (const Layout &y : {row_major, column_major, spaced, column_spaced}) {
                    compare_sizes(dtype, 37, 45, 29, a, b, y);
                    compare_sizes(dtype, 1, 45, 29, a, b, y);
                    compare_sizes(dtype, 37, 1, 29, a, b, y);
                    compare_sizes(dtype, 5, 70, 300, a, b, y);
                }
}

TEST(Gemm, StridesThatNoBlasTakes)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
        compare_sizes(dtype, 37, 45, 29, strided, row_major, row_major, true);
        compare_sizes(dtype, 37, 45, 29, row_major, strided, row_major, true);
        compare_sizes(dtype, 37, 45, 29, row_major, row_major, strided, true);
        compare_sizes(dtype, 1, 45, 29, strided, strided, strided, true);
    }
}

TEST(Gemm, ManyBlocksAndLongReductions)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
        compare_sizes(dtype, 300, 310, 520);
        compare_sizes(dtype, 520, 40, 300, column_major, column_major);
        compare_sizes(dtype, 9, 600, 257);
        compare_sizes(dtype, 20, 33, 9001, row_major, column_major);
        compare_sizes(dtype, 40, 20, 12000, column_major, row_major, column_major);
        compare_sizes(dtype, 1, 1500, 700);
        compare_sizes(dtype, 1, 700, 1500, row_major, column_major);
        compare_sizes(dtype, 1500, 1, 700, column_major);
        compare_sizes(dtype, 1, 1031, 4111, row_major, column_major); // a matrix that is read in several streams
    }
}

TEST(Gemm, NoReductionGivesTheBias)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
        compare_sizes(dtype, 20, 35, 0);
        compare_sizes(dtype, 1, 35, 0);
        compare_sizes(dtype, 35, 1, 0);
    }
}

TEST(Gemm, NothingToDo)
{
    compare_sizes(HY_FLOAT32, 0, 5, 7);
    compare_sizes(HY_FLOAT32, 5, 0, 7);
    compare_sizes(HY_FLOAT32, 0, 0, 0);
}

TEST(Gemm, BatchesBroadcast)
{
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64}) {
        View a(dtype, {3, 1, 10, 20}), b(dtype, {4, 20, 18}), bias(dtype, {18}, Layout{{}, 2});
        View flat(dtype, {20, 18}), rows(dtype, {3, 4, 1, 20});
        View turned(dtype, {3, 4, 10, 20}, Layout{{2, 0, 3, 1}});
        for (View *v : {&a, &b, &bias, &flat, &rows, &turned}) v->fill_random(5);
        compare(a.tensor, b.tensor, nullptr, {3, 4, 10, 18});
        compare(a.tensor, b.tensor, &bias.tensor, {3, 4, 10, 18}, Layout{{1, 0, 2, 3}});
        compare(a.tensor, flat.tensor, &bias.tensor, {3, 1, 10, 18});      // rows of the batch are one long matrix
        compare(rows.tensor, flat.tensor, &bias.tensor, {3, 4, 1, 18});
        compare(flat.broadcast(0, 20), b.tensor, nullptr, {4, 20, 18}, {}, true);
        compare(turned.tensor, b.tensor, nullptr, {3, 4, 10, 18}, {}, true);
    }
}

TEST(Gemm, ManySharedMatricesArePackedOnce)
{
    View a(HY_FLOAT32, {1, 40, 33}), b(HY_FLOAT32, {50, 33, 40}), c(HY_FLOAT32, {2, 50, 33, 40});
    a.fill_random(1);
    b.fill_random(2);
    c.fill_random(3);
    compare(a.tensor, b.tensor, nullptr, {50, 40, 40});
    View d(HY_FLOAT32, {2, 1, 40, 33});
    d.fill_random(4);
    compare(d.tensor, c.tensor, nullptr, {2, 50, 40, 40});
    compare(d.tensor, b.tensor, nullptr, {2, 50, 40, 40});
}

TEST(Gemm, SameBitsForAnyNumberOfThreads)
{
    int32_t threads = hy_get_num_threads();
    for (auto [m, n, k] : {std::array<int64_t, 3>{256, 256, 256}, {30, 40, 20000}, {1, 4096, 512}, {700, 10, 128}}) {
        View a(HY_FLOAT32, {m, k}), b(HY_FLOAT32, {k, n});
        a.fill_random(1);
        b.fill_random(2);
        for (const std::string &isa : isas()) {
            hy_device *device = hy_cpu_device(isa.c_str());
            std::vector<double> first;
            for (int32_t count : {1, 2, 5}) {
                ASSERT_EQ(hy_set_num_threads(count), HY_OK);
                View y(HY_FLOAT32, {m, n});
                ASSERT_EQ(device->backend.matmul(device, &a.tensor, &b.tensor, nullptr, HY_NO_ACTIVATION, &y.tensor), HY_OK);
                if (first.empty()) first = y.values();
                EXPECT_TRUE(first == y.values()) << isa << " with " << count << " threads";
            }
        }
    }
    ASSERT_EQ(hy_set_num_threads(threads), HY_OK);
}

// The serial OpenBLAS shares buffers between calls: callers on several threads must not see one another's.
TEST(Gemm, ConcurrentCallersGetTheirOwnResults)
{
    for (const Ways &way : all_ways()) {
        hy_device *device = hy_cpu_device(way.isa.c_str());
        for (Matmul matmul : {way.builtin, way.blas}) {
            if (matmul == way.blas && !has_blas()) continue;
            std::vector<std::string> wrong(4);
            std::vector<std::thread> callers;
            for (unsigned t = 0; t < wrong.size(); t++)
                callers.emplace_back([&, t] {
                    int64_t n = 40 + 13 * t;
                    View a(HY_FLOAT32, {n, n}), b(HY_FLOAT32, {n, n}), first(HY_FLOAT32, {n, n});
                    a.fill_random(t);
                    b.fill_random(t + 10);
                    hy_status status = matmul(device, &a.tensor, &b.tensor, nullptr, HY_NO_ACTIVATION, &first.tensor);
                    for (int i = 0; i < 100 && status == HY_OK; i++) {
                        View again(HY_FLOAT32, {n, n});
                        status = matmul(device, &a.tensor, &b.tensor, nullptr, HY_NO_ACTIVATION, &again.tensor);
                        if (again.values() != first.values()) wrong[t] = "another result";
                    }
                    if (status != HY_OK) wrong[t] = hy_last_error();
                });
            for (std::thread &caller : callers) caller.join();
            for (const std::string &what : wrong) EXPECT_EQ(what, "") << way.isa << (matmul == way.blas ? " BLAS" : " built-in");
        }
    }
}

TEST(Gemm, InfinityAndNanPropagate)
{
    for (const Ways &way : all_ways()) {
        hy_device *device = hy_cpu_device(way.isa.c_str());
        View a(HY_FLOAT32, {9, 20}), b(HY_FLOAT32, {20, 19}), y(HY_FLOAT32, {9, 19});
        a.fill_random(1);
        b.fill_random(2);
        ((float *)a.tensor.data)[3 * 20 + 7] = INFINITY;
        ((float *)b.tensor.data)[4 * 19 + 18] = NAN;
        ASSERT_EQ(way.builtin(device, &a.tensor, &b.tensor, nullptr, HY_NO_ACTIVATION, &y.tensor), HY_OK);
        std::vector<double> v = y.values();
        for (int i = 0; i < 9; i++)
            for (int j = 0; j < 19; j++) {
                double value = v[(size_t)(i * 19 + j)];
                if (j == 18) EXPECT_TRUE(std::isnan(value));
                else if (i == 3) EXPECT_TRUE(std::isinf(value));
                else EXPECT_TRUE(std::isfinite(value));
            }
    }
}

// Products too large for the reference: small integers, whose sums are exact in any order, checked at some places.
template <typename Real> void check_large(int32_t dtype, int64_t items, int64_t m, int64_t n, int64_t k)
{
    SCOPED_TRACE(testing::Message() << hy_dtype_name(dtype) << " " << items << " of m " << m << " n " << n << " k " << k);
    View a(dtype, {items, m, k}), b(dtype, {items, k, n}), bias(dtype, {n});
    Real *pa = (Real *)a.tensor.data, *pb = (Real *)b.tensor.data, *pbias = (Real *)bias.tensor.data;
    for (int64_t i = 0; i < items * m * k; i++) pa[i] = (Real)(i * 7 % 5 - 2);
    for (int64_t i = 0; i < items * k * n; i++) pb[i] = (Real)(i * 11 % 7 - 3);
    for (int64_t j = 0; j < n; j++) pbias[j] = (Real)(j % 9 - 4);
    for (const std::string &isa : isas()) {
        hy_device *device = hy_cpu_device(isa.c_str());
        View y(dtype, {items, m, n});
        const int32_t relu = HY_ACTIVATION(HY_UNARY_relu);
        ASSERT_EQ(device->backend.matmul(device, &a.tensor, &b.tensor, &bias.tensor, relu, &y.tensor), HY_OK);
        EXPECT_TRUE(y.others_untouched());
        for (int64_t at = 0; at < items * m * n; at += 4099) {
            int64_t item = at / (m * n), i = at / n % m, j = at % n;
            Real sum = pbias[j];
            for (int64_t p = 0; p < k; p++) sum += pa[(item * m + i) * k + p] * pb[(item * k + p) * n + j];
            ASSERT_EQ(((Real *)y.tensor.data)[at], sum < 0 ? 0 : sum) << isa << " item " << item << " row " << i << " column " << j;
        }
    }
}

TEST(Gemm, MoreThanThePanelsThatAreSharedAtATime)
{
    check_large<float>(HY_FLOAT32, 1, 1041, 1050, 2100);
    check_large<double>(HY_FLOAT64, 1, 700, 1050, 1500);
}

TEST(Gemm, LargeMatricesOfABatch)
{
    check_large<float>(HY_FLOAT32, 2, 420, 410, 400);
    check_large<double>(HY_FLOAT64, 20, 130, 140, 150);
}

// An activation is applied to the very sums that the product has without it, whichever way they are computed.
TEST(Gemm, ActivationsAreTheElementwiseOperations)
{
    const std::array<int64_t, 3> sizes[] = {{5, 7, 9}, {37, 45, 29}, {300, 310, 20}, {30, 40, 20000}, {1, 700, 50}, {50, 1, 70}, {9, 600, 520}};
    for (int32_t dtype : {HY_FLOAT32, HY_FLOAT64})
        for (auto [m, n, k] : sizes)
            for (const Layout &layout : {row_major, column_major, strided})
                for (int32_t op : {HY_UNARY_relu, HY_UNARY_tanh, HY_UNARY_gelu}) {
                    SCOPED_TRACE(testing::Message() << hy_dtype_name(dtype) << " m " << m << " n " << n << " k " << k << " op " << op);
                    View a(dtype, {m, k}), b(dtype, {k, n}), bias(dtype, {n});
                    a.fill_random(1);
                    b.fill_random(2);
                    bias.fill_random(3);
                    for (const Ways &way : all_ways())
                        for (Matmul matmul : {way.builtin, way.blas}) {
                            hy_device *device = hy_cpu_device(way.isa.c_str());
                            View want(dtype, {m, n}, layout), got(dtype, {m, n}, layout);
                            hy_status status = matmul(device, &a.tensor, &b.tensor, &bias.tensor, HY_NO_ACTIVATION, &want.tensor);
                            if (matmul == way.blas && status == HY_UNSUPPORTED) continue;
                            ASSERT_EQ(status, HY_OK);
                            ASSERT_EQ(device->backend.unary(device, op, 0, &want.tensor, &want.tensor), HY_OK);
                            ASSERT_EQ(matmul(device, &a.tensor, &b.tensor, &bias.tensor, HY_ACTIVATION(op), &got.tensor), HY_OK);
                            ASSERT_TRUE(got.values() == want.values()) << way.isa;
                            ASSERT_TRUE(got.others_untouched());
                        }
                }
}
