// The emulator itself: that it computes what the PTX ISA says, and that it finds what it is there to find.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cuda/ptx.cuh"

namespace {

/// Runs body as a kernel; returns what went wrong.
std::string launch(unsigned threads, const std::function<void()> &body, unsigned blocks = 1, size_t shared = 0)
{
    return simt::run_grid({blocks, 1, 1}, {threads, 1, 1}, shared, body);
}

void expect_fault(const std::string &fault, const char *part) { EXPECT_NE(fault.find(part), std::string::npos) << "'" << fault << "'"; }

TEST(Simt, EveryThreadRunsOnce)
{
    std::vector<int> runs(3 * 100);
    EXPECT_EQ(launch(100, [&] { runs[blockIdx.x * blockDim.x + threadIdx.x]++; }, 3), "");
    for (int r : runs) ASSERT_EQ(r, 1);
}

TEST(Simt, ABarrierHoldsTheBlock)
{
    for (int order = 0; order < 2; order++) {
        std::vector<int> seen(1024);
        EXPECT_EQ(launch(1024,
                         [&] {
                             HY_SHARED(int, values, [1024]);
                             values[threadIdx.x] = (int)threadIdx.x;
                             __syncthreads();
                             seen[threadIdx.x] = values[1023 - threadIdx.x];
                         }),
                  "");
        for (int i = 0; i < 1024; i++) ASSERT_EQ(seen[(size_t)i], 1023 - i);
    }
}

TEST(Simt, SharedMemoryBeginsAsNaN)
{
    bool nan = true;
    EXPECT_EQ(launch(32,
                     [&] {
                         HY_SHARED(float, v, [4]);
                         HY_SHARED_DYNAMIC(float, w);
                         nan = nan && v[threadIdx.x % 4] != v[threadIdx.x % 4] && w[threadIdx.x] != w[threadIdx.x];
                     },
                     2, 128),
              "");
    EXPECT_TRUE(nan);
}

TEST(Simt, AMissingBarrierShowsInOneOfTwoOrders)
{
    std::vector<float> sums[2];
    for (auto &sum : sums) {
        sum.resize(64);
        EXPECT_EQ(launch(64,
                         [&] {
                             HY_SHARED(float, v, [64]);
                             v[threadIdx.x] = 1;
                             sum[threadIdx.x] = v[63 - threadIdx.x]; // no barrier
                         }),
                  "");
    }
    EXPECT_NE(memcmp(sums[0].data(), sums[1].data(), 64 * sizeof(float)), 0);
}

TEST(Simt, ShufflesAndBallots)
{
    std::vector<int> sum(64), up(64), ballot(64);
    EXPECT_EQ(launch(64,
                     [&] {
                         const int i = (int)threadIdx.x;
                         int v = i;
                         for (int bits = 16; bits; bits /= 2) v += __shfl_xor_sync(0xffffffff, v, bits);
                         sum[(size_t)i] = v;
                         up[(size_t)i] = __shfl_up_sync(0xffffffff, i, 1);
                         ballot[(size_t)i] = (int)__ballot_sync(0xffffffff, i % 2);
                     }),
              "");
    for (int i = 0; i < 64; i++) {
        EXPECT_EQ(sum[(size_t)i], i < 32 ? 31 * 16 : 31 * 16 + 32 * 32);
        EXPECT_EQ(up[(size_t)i], i % 32 ? i - 1 : i);
        EXPECT_EQ((unsigned)ballot[(size_t)i], 0xaaaaaaaau);
    }
}

TEST(Simt, FindsDivergence)
{
    expect_fault(launch(64, [] { if (threadIdx.x < 40) __syncthreads(); }), "40 wait at a barrier, 0 in a collective (), 24 have exited");
    expect_fault(launch(32, [] { if (threadIdx.x != 3) __syncwarp(); }), "31 in a collective (__syncwarp), 1 have exited");
    expect_fault(launch(32, [] { __shfl_sync(threadIdx.x == 3 ? 0x7fffffffu : 0xffffffffu, 1, 0); }), "disagree on the mask");
    expect_fault(launch(32, [] { if (threadIdx.x % 2) __syncwarp(); else __ballot_sync(0xffffffff, 1); }), "different collectives");
    expect_fault(launch(32, [] { __shfl_sync(threadIdx.x < 16 ? 0xffffu : 0xffff0000u, 1, 20); }), "not in the mask");
    expect_fault(launch(20, [] { __syncwarp(); }), "lanes that a warp of 20 has not");
}

#if !defined(__SANITIZE_ADDRESS__) // which finds it at once, and ends the program
TEST(Simt, FindsWritesOutsideSharedVariables)
{
    expect_fault(launch(32, [] {
        HY_SHARED(int, v, [32]);
        v[threadIdx.x + 1] = 0;
    }), "outside a variable");
}
#endif

TEST(Simt, FindsTooMuchSharedMemory)
{
    expect_fault(launch(32, [] {
        HY_SHARED(char, v, [49153]);
        v[0] = 0;
    }), "static shared memory");
}

TEST(Simt, CopiesArriveWhenTheyAreWaitedFor)
{
    alignas(16) float from[64];
    for (int i = 0; i < 64; i++) from[i] = (float)i;
    bool fine = true;
    EXPECT_EQ(launch(8,
                     [&] {
                         HY_SHARED(float4, to, [2][8]);
                         const unsigned i = threadIdx.x;
                         for (unsigned g = 0; g < 2; g++) {
                             hy_cp_async16(&to[g][i], from + 32 * g + 4 * i, g ? 8 : 16);
                             hy_cp_async_commit();
                         }
                         fine = fine && to[0][i].x != to[0][i].x;
                         hy_cp_async_wait<1>();
                         fine = fine && to[0][i].w == (float)(4 * i + 3) && to[1][i].x != to[1][i].x;
                         hy_cp_async_wait<0>();
                         fine = fine && to[1][i].y == (float)(33 + 4 * i) && to[1][i].z == 0;
                     }),
              "");
    EXPECT_TRUE(fine);
    expect_fault(launch(1, [&] { hy_cp_async16(from, from, 16); }), "no shared variable");
}

TEST(Simt, HalvesRound)
{
    EXPECT_EQ((float)__half(1.0f), 1.0f);
    EXPECT_EQ((float)__half(65504.0f), 65504.0f);
    EXPECT_EQ((float)__half(65519.0f), 65504.0f);
    EXPECT_TRUE(std::isinf((float)__half(65520.0f)));
    EXPECT_EQ((float)__half(0x1p-24f), 0x1p-24f);
    EXPECT_EQ((float)__half(-0x1.8p-25f), -0x1p-24f);
    EXPECT_EQ((float)__half(1 + 0x1p-11f), 1.0f) << "ties go to even";
    EXPECT_EQ((float)__half(1 + 0x1.8p-10f), 1 + 0x1p-9f);
    for (unsigned b = 0; b < 0x7c00; b++) ASSERT_EQ(hy_float16_from_float(hy_float_from_float16((uint16_t)b)), b);
    EXPECT_EQ((float)__nv_bfloat16(1 + 0x1p-8f), 1.0f);
    EXPECT_EQ((float)__nv_bfloat16(1 + 0x1.8p-7f), 1 + 0x1p-6f);
    EXPECT_TRUE(std::isnan((float)__nv_bfloat16(NAN)));
}

/// A whole product through ldmatrix and mma, as a matrix multiplication uses them: A row-major, B row-major and so transposed on the way.
template <typename H, typename Multiply>
void expect_product(Multiply multiply)
{
    float a[16][16], b[16][8], c[16][8] = {};
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < 16; k++) a[i][k] = (float)((i * 7 + k * 3) % 11 - 5);
    for (int k = 0; k < 16; k++)
        for (int j = 0; j < 8; j++) b[k][j] = (float)((k * 5 + j * 9) % 13 - 6);
    EXPECT_EQ(launch(32,
                     [&] {
                         struct alignas(16) Rows16 { H v[16]; };
                         struct alignas(16) Rows8 { H v[8]; };
                         HY_SHARED(Rows16, as, [16]);
                         HY_SHARED(Rows8, bs, [16]);
                         const int lane = (int)threadIdx.x;
                         for (int e = lane; e < 256; e += 32) as[e / 16].v[e % 16] = H(a[e / 16][e % 16]);
                         for (int e = lane; e < 128; e += 32) bs[e / 8].v[e % 8] = H(b[e / 8][e % 8]);
                         __syncwarp();
                         unsigned fa[4], fb[2];
                         hy_ldmatrix4(fa, &as[lane % 16].v[lane / 16 * 8]);
                         hy_ldmatrix2_trans(fb, &bs[lane % 16].v[0]);
                         float fc[4] = {0, 0, 0, 0};
                         multiply(fc, fa, fb);
                         for (int i = 0; i < 4; i++) c[lane / 4 + 8 * (i / 2)][2 * (lane % 4) + i % 2] = fc[i];
                     }),
              "");
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            float sum = 0;
            for (int k = 0; k < 16; k++) sum += a[i][k] * b[k][j];
            ASSERT_EQ(c[i][j], sum) << i << ", " << j;
        }
}

TEST(Simt, MultipliesHalves) { expect_product<__half>([](auto &c, auto &a, auto &b) { hy_mma_f16(c, a, b); }); }
TEST(Simt, MultipliesBfloat16) { expect_product<__nv_bfloat16>([](auto &c, auto &a, auto &b) { hy_mma_bf16(c, a, b); }); }
TEST(Simt, MultipliesBfloat16ByFloat32) { expect_product<__nv_bfloat16>([](auto &c, auto &a, auto &b) { hy_mma_bf16_by_float32(c, a, b); }); }

TEST(Simt, MultipliesTf32)
{
    float a[16][8], b[8][8], c[16][8];
    for (int i = 0; i < 128; i++) a[i / 8][i % 8] = (float)(i % 19 - 9);
    for (int i = 0; i < 64; i++) b[i / 8][i % 8] = (float)(i % 17 - 8);
    EXPECT_EQ(launch(32,
                     [&] {
                         const int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
                         const unsigned fa[4] = {hy_to_tf32(a[g][t]), hy_to_tf32(a[g + 8][t]), hy_to_tf32(a[g][t + 4]), hy_to_tf32(a[g + 8][t + 4])};
                         const unsigned fb[2] = {hy_to_tf32(b[t][g]), hy_to_tf32(b[t + 4][g])};
                         float fc[4] = {1, 1, 1, 1};
                         hy_mma_tf32(fc, fa, fb);
                         for (int i = 0; i < 4; i++) c[g + 8 * (i / 2)][2 * t + i % 2] = fc[i];
                     }),
              "");
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            float sum = 1;
            for (int k = 0; k < 8; k++) sum += a[i][k] * b[k][j];
            ASSERT_EQ(c[i][j], sum) << i << ", " << j;
        }
    EXPECT_EQ(__uint_as_float(hy_to_tf32(1 + 0x1p-11f)), 1 + 0x1p-10f) << "ties go away from zero";
    EXPECT_EQ(__uint_as_float(hy_to_tf32(-1 - 0x1p-12f)), -1.0f);
}

TEST(Simt, MultipliesFloat64)
{
    double a[16][4], b[4][8], c[16][8];
    for (int i = 0; i < 64; i++) a[i / 4][i % 4] = i % 19 - 9 + 0x1p-40;
    for (int i = 0; i < 32; i++) b[i / 8][i % 8] = i % 17 - 8;
    EXPECT_EQ(launch(32,
                     [&] {
                         const int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
                         const double fa[2] = {a[g][t], a[g + 8][t]}, fb[1] = {b[t][g]};
                         double fc[4] = {1, 1, 1, 1};
                         hy_mma_f64(fc, fa, fb);
                         for (int i = 0; i < 4; i++) c[g + 8 * (i / 2)][2 * t + i % 2] = fc[i];
                     }),
              "");
    for (int i = 0; i < 16; i++)
        for (int j = 0; j < 8; j++) {
            double sum = 1;
            for (int k = 0; k < 4; k++) sum += a[i][k] * b[k][j]; // exact
            ASSERT_EQ(c[i][j], sum) << i << ", " << j;
        }
}

/// With bytes of both signs: those of a are unsigned, those of b signed; lanes hold four k each, as dp4a takes them.
TEST(Simt, MultipliesBytes)
{
    int a[16][32], b[32][8], c[16][8], sums[8] = {};
    for (int i = 0; i < 512; i++) a[i / 32][i % 32] = i * 37 % 256;
    for (int i = 0; i < 256; i++) b[i / 8][i % 8] = i * 29 % 256 - 128;
    EXPECT_EQ(launch(32,
                     [&] {
                         const int lane = (int)threadIdx.x, g = lane / 4, t = lane % 4;
                         unsigned fa[4] = {}, fb[2] = {};
                         for (int e = 0; e < 4; e++) {
                             for (int i = 0; i < 4; i++) fa[i] |= (unsigned)a[g + 8 * (i % 2)][4 * t + e + 16 * (i / 2)] << 8 * e;
                             for (int i = 0; i < 2; i++) fb[i] |= (unsigned)(b[4 * t + e + 16 * i][g] & 255) << 8 * e;
                         }
                         int fc[4] = {-5, -5, -5, -5};
                         hy_mma_u8s8(fc, fa, fb);
                         for (int i = 0; i < 4; i++) c[g + 8 * (i / 2)][2 * t + i % 2] = fc[i];
                         atomicAdd(&sums[g], __dp4a((int)fb[0], 0x01010101, __dp4a((int)fb[1], 0x01010101, 0)));
                     }),
              "");
    for (int j = 0; j < 8; j++) {
        int column = 0;
        for (int k = 0; k < 32; k++) column += b[k][j];
        EXPECT_EQ(sums[j], column);
        for (int i = 0; i < 16; i++) {
            int sum = -5;
            for (int k = 0; k < 32; k++) sum += a[i][k] * b[k][j];
            ASSERT_EQ(c[i][j], sum) << i << ", " << j;
        }
    }
}

// ---- Hopper ----

struct alignas(1024) Tile {
    uint16_t v[8 * 512]; // 64 rows of 128 bytes
};

/// Where element (row, k) of a tile lies under the swizzle over 128 bytes: the row's eighths of 16 bytes change places by the row's number.
int swizzled(int row, int k) { return row * 64 + ((k / 8) ^ (row % 8)) * 8 + k % 8; }

constexpr uint64_t kSwizzle128 = (uint64_t)1 << 62 | (uint64_t)64 << 32 | 1 << 16;

TEST(Simt, ABarrierCountsBytesThatAreCopied)
{
    alignas(16) uint16_t from[40 * 80]; // of a matrix of 40 x 72, rows of 160 bytes
    for (int i = 0; i < 40 * 80; i++) from[i] = (uint16_t)i;
    hy_tensor_map map;
    EXPECT_FALSE(hy_tensor_map_encode(&map, from + 1, 72, 40, 160, 16));
    EXPECT_FALSE(hy_tensor_map_encode(&map, from, 72, 40, 150, 16));
    EXPECT_FALSE(hy_tensor_map_encode(&map, from, 72, 40, 160, 257));
    ASSERT_TRUE(hy_tensor_map_encode(&map, from, 72, 40, 160, 16));
    for (int order = 0; order < 2; order++) {
        bool fine = true;
        EXPECT_EQ(launch(64,
                         [&] {
                             HY_SHARED(uint64_t, full, [1]);
                             HY_SHARED(Tile, tile, [1]);
                             if (threadIdx.x == 0) hy_mbarrier_init(full, 2);
                             __syncthreads();
                             for (int phase = 0; phase < 3; phase++) { // the last box is cut at both edges
                                 const int row = 16 * phase, column = phase == 2 ? 64 : 0;
                                 if (threadIdx.x == 0) {
                                     hy_mbarrier_arrive_expect(full, 2048);
                                     hy_tensor_copy(tile, &map, column, row, full);
                                 }
                                 if (threadIdx.x == 40) hy_mbarrier_arrive(full);
                                 hy_mbarrier_wait(full, (unsigned)phase % 2);
                                 for (int e = (int)threadIdx.x; e < 16 * 64; e += 64) {
                                     const int r = row + e / 64, c = column + e % 64;
                                     fine = fine && tile[0].v[swizzled(e / 64, e % 64)] == (r < 40 && c < 72 ? r * 80 + c : 0);
                                 }
                                 __syncthreads();
                             }
                         }),
                  "");
        EXPECT_TRUE(fine);
    }
}

template <typename H, typename Multiply>
void expect_warpgroup_product(Multiply multiply)
{
    std::vector<float> a(64 * 64), b(128 * 64), c(64 * 128), late(2);
    for (size_t i = 0; i < a.size(); i++) a[i] = (float)(i * 7 % 11) - 5;
    for (size_t i = 0; i < b.size(); i++) b[i] = (float)(i * 5 % 13) - 6;
    for (int order = 0; order < 2; order++) {
        EXPECT_EQ(launch(128,
                         [&] {
                             HY_SHARED(Tile, tiles, [3]);
                             H *const as = reinterpret_cast<H *>(tiles), *const bs = reinterpret_cast<H *>(tiles + 1);
                             for (int e = (int)threadIdx.x; e < 64 * 64; e += 128) as[swizzled(e / 64, e % 64)] = H(a[(size_t)e]);
                             for (int e = (int)threadIdx.x; e < 128 * 64; e += 128) bs[swizzled(e / 64, e % 64)] = H(b[(size_t)e]);
                             __syncthreads();
                             float sum[16][4] = {};
                             for (unsigned k = 0; k < 64; k += 16)
                                 multiply(sum, (hy_shared_address(as) + 2 * k) / 16 | kSwizzle128, (hy_shared_address(bs) + 2 * k) / 16 | kSwizzle128);
                             if (threadIdx.x == 0) late[(size_t)order] = sum[0][0];
                             hy_wgmma_commit();
                             hy_wgmma_wait<0>();
                             const int row = (int)threadIdx.x / 32 * 16 + simt::lane() / 4, column = simt::lane() % 4 * 2;
                             for (int e = 0; e < 64; e++) c[(size_t)((row + e % 4 / 2 * 8) * 128 + e / 4 * 8 + column + e % 2)] = sum[e / 4][e % 4];
                         }),
                  "");
        for (size_t i = 0; i < 64; i++)
            for (size_t j = 0; j < 128; j++) {
                float sum = 0;
                for (size_t k = 0; k < 64; k++) sum += a[i * 64 + k] * b[j * 64 + k];
                ASSERT_EQ(c[i * 128 + j], sum) << i << ", " << j;
            }
    }
    EXPECT_NE(late[0], late[1]) << "sums that nobody waited for";
}

TEST(Simt, WarpgroupsMultiplyHalves) { expect_warpgroup_product<__half>([](auto &c, auto a, auto b) { hy_wgmma_f16(c, a, b); }); }
TEST(Simt, WarpgroupsMultiplyBfloat16) { expect_warpgroup_product<__nv_bfloat16>([](auto &c, auto a, auto b) { hy_wgmma_bf16(c, a, b); }); }

TEST(Simt, FindsWrongUseOfBarriersAndWarpgroups)
{
    const auto multiply = [](unsigned threads, uint64_t fields, unsigned shift) {
        return launch(threads, [=] {
            HY_SHARED(Tile, tiles, [3]);
            memset(tiles, 0, sizeof tiles);
            const uint64_t d = (hy_shared_address(tiles) + shift) / 16 | fields;
            float sum[16][4] = {};
            hy_wgmma_f16(sum, d, d);
            hy_wgmma_commit();
            hy_wgmma_wait<0>();
        });
    };
    EXPECT_EQ(multiply(128, kSwizzle128, 32), "");
    expect_fault(multiply(128, 0, 0), "swizzle is 0");
    expect_fault(multiply(128, kSwizzle128, 128), "does not begin where");
    expect_fault(multiply(128, kSwizzle128, 1024 * 20), "no shared variable");
    expect_fault(multiply(160, kSwizzle128, 0), "no warpgroup");
    for (int order = 0; order < 2; order++) {
        expect_fault(launch(128,
                            [] {
                                HY_SHARED(Tile, tiles, [3]);
                                memset(tiles, 0, sizeof tiles);
                                const uint64_t d = hy_shared_address(tiles) / 16 | kSwizzle128;
                                float sum[16][4] = {};
                                hy_wgmma_f16(sum, d, d);
                                hy_wgmma_commit();
                            }),
                     "has not waited");
        expect_fault(launch(32,
                            [] {
                                HY_SHARED(uint64_t, barrier, [1]);
                                if (threadIdx.x == 0) hy_mbarrier_init(barrier, 32);
                                __syncthreads();
                                if (threadIdx.x != 7) hy_mbarrier_arrive(barrier);
                                hy_mbarrier_wait(barrier, 0);
                            }),
                     "32 wait at an mbarrier");
    }
    expect_fault(launch(1, [] {
        HY_SHARED(uint64_t, barrier, [1]);
        hy_mbarrier_wait(barrier, 0);
    }), "not initialised");
}

} // namespace
