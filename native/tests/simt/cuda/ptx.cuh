// The emulator's twin of src/cuda/ptx.cuh: the same names, by the fragment layouts that are documented there.
#ifndef HY_CUDA_PTX_CUH
#define HY_CUDA_PTX_CUH

#include <cuda_runtime.h>

#include "cuda/mma_float32.cuh"
#include "cuda_bf16.h"
#include "cuda_fp16.h"

/// Every thread of a block gets the same instance; `site` tells one declaration from another.
#define HY_SHARED(type, name, extents) \
    static char name##_site;           \
    typedef type name##_type extents;  \
    name##_type &name = *static_cast<name##_type *>(simt::shared(&name##_site, sizeof(name##_type), alignof(name##_type)))

#define HY_SHARED_DYNAMIC(type, name) type *const name = static_cast<type *>(simt::dynamic_shared())

/// The kernel keeps its type, so that the emulator can call it.
template <typename... P>
cudaError_t hy_launch_kernel(void (*kernel)(P...), dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream)
{
    return simt_launch((const void *)kernel, grid, block, shared, stream, simt_bind(kernel, arguments, std::index_sequence_for<P...>()));
}

#define HY_PTX static inline __attribute__((unused))

HY_PTX void hy_cp_async16(void *shared, const void *global, int bytes) { simt::copy_later(shared, global, (size_t)bytes, 16); }
HY_PTX void hy_cp_async4(void *shared, const void *global, int bytes) { simt::copy_later(shared, global, (size_t)bytes, 4); }
HY_PTX void hy_cp_async_commit() { simt::commit_copies(); }
template <int N>
void hy_cp_async_wait() { simt::wait_copies(N); }

namespace simt {

template <int N, bool transposed>
void load_matrices(const Lane *lanes, unsigned mask)
{
    if (mask != 0xffffffff) fail("ldmatrix: the mask is %08x, expected the whole warp", mask);
    for (int i = 0; i < N; i++)
        for (int row = 0; row < 8; row++) {
            const void *from = *static_cast<const void *const *>(lanes[8 * i + row].in);
            expect_shared("ldmatrix", from, 16);
            if ((uintptr_t)from % 16) fail("ldmatrix: a row is not aligned to 16 bytes");
        }
    for (int l = 0; l < warp_lanes; l++)
        for (int i = 0; i < N; i++) {
            unsigned d = 0;
            for (int e = 0; e < 2; e++) {
                const int row = transposed ? 2 * (l % 4) + e : l / 4, column = transposed ? l / 4 : 2 * (l % 4) + e;
                const void *from = *static_cast<const void *const *>(lanes[8 * i + row].in);
                d |= (unsigned)static_cast<const uint16_t *>(from)[column] << 16 * e;
            }
            static_cast<unsigned *>(lanes[l].out)[i] = d;
        }
}

struct MmaOperands {
    unsigned a[4], b[2];
};

template <int K, typename Read>
void multiply(const Lane *lanes, unsigned mask, Read read)
{
    if (mask != 0xffffffff) fail("mma: the mask is %08x, expected the whole warp", mask);
    float a[16][K], b[K][8];
    for (int l = 0; l < warp_lanes; l++) read(l, *static_cast<const MmaOperands *>(lanes[l].in), a, b);
    for (int l = 0; l < warp_lanes; l++)
        for (int i = 0; i < 4; i++) {
            const int row = l / 4 + 8 * (i / 2), column = 2 * (l % 4) + i % 2;
            double sum = 0;
            for (int k = 0; k < K; k++) sum += (double)a[row][k] * b[k][column];
            float &c = static_cast<float *>(lanes[l].out)[i];
            c = (float)(c + sum);
        }
}

template <float (*convert)(uint16_t)>
void multiply16(const Lane *lanes, unsigned mask)
{
    multiply<16>(lanes, mask, [](int l, const MmaOperands &in, float (&a)[16][16], float (&b)[16][8]) {
        for (int e = 0; e < 2; e++) {
            const int k = 2 * (l % 4) + e;
            for (int i = 0; i < 4; i++) a[l / 4 + 8 * (i % 2)][k + 8 * (i / 2)] = convert((unsigned short)(in.a[i] >> 16 * e));
            for (int i = 0; i < 2; i++) b[k + 8 * i][l / 4] = convert((unsigned short)(in.b[i] >> 16 * e));
        }
    });
}

inline void multiply_tf32(const Lane *lanes, unsigned mask)
{
    multiply<8>(lanes, mask, [](int l, const MmaOperands &in, float (&a)[16][8], float (&b)[8][8]) {
        for (int i = 0; i < 4; i++) a[l / 4 + 8 * (i % 2)][l % 4 + 4 * (i / 2)] = __uint_as_float(in.a[i] & 0xffffe000); // the rest is not read
        for (int i = 0; i < 2; i++) b[l % 4 + 4 * i][l / 4] = __uint_as_float(in.b[i] & 0xffffe000);
    });
}

struct MmaOperands64 {
    double a[2], b;
};

inline void multiply_f64(const Lane *lanes, unsigned mask)
{
    if (mask != 0xffffffff) fail("mma: the mask is %08x, expected the whole warp", mask);
    const auto in = [&](int l) -> const MmaOperands64 & { return *static_cast<const MmaOperands64 *>(lanes[l].in); };
    for (int l = 0; l < warp_lanes; l++)
        for (int i = 0; i < 4; i++) {
            const int g = l / 4, column = 2 * (l % 4) + i % 2; // row g + 8 (i / 2); lane 4r + k holds row r's a, lane 4j + k column j's b
            double &c = static_cast<double *>(lanes[l].out)[i];
            for (int k = 0; k < 4; k++) c = std::fma(in(4 * g + k).a[i / 2], in(4 * column + k).b, c);
        }
}

inline void multiply_u8s8(const Lane *lanes, unsigned mask)
{
    if (mask != 0xffffffff) fail("mma: the mask is %08x, expected the whole warp", mask);
    int a[16][32], b[32][8];
    for (int l = 0; l < warp_lanes; l++) {
        const auto &in = *static_cast<const MmaOperands *>(lanes[l].in);
        for (int e = 0; e < 4; e++) {
            const int k = 4 * (l % 4) + e;
            for (int i = 0; i < 4; i++) a[l / 4 + 8 * (i % 2)][k + 16 * (i / 2)] = (uint8_t)(in.a[i] >> 8 * e);
            for (int i = 0; i < 2; i++) b[k + 16 * i][l / 4] = (int8_t)(in.b[i] >> 8 * e);
        }
    }
    for (int l = 0; l < warp_lanes; l++)
        for (int i = 0; i < 4; i++) {
            const int row = l / 4 + 8 * (i / 2), column = 2 * (l % 4) + i % 2;
            unsigned &c = static_cast<unsigned *>(lanes[l].out)[i]; // sums wrap around
            for (int k = 0; k < 32; k++) c += (unsigned)(a[row][k] * b[k][column]);
        }
}

template <typename C>
void warp_multiply(const char *name, Collective perform, C (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    const MmaOperands in = {{a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
    collective(name, perform, 0xffffffff, &in, c);
}

} // namespace simt

HY_PTX void hy_ldmatrix4(unsigned (&d)[4], const void *row) { simt::collective("ldmatrix.x4", simt::load_matrices<4, false>, 0xffffffff, &row, d); }
HY_PTX void hy_ldmatrix2(unsigned (&d)[2], const void *row) { simt::collective("ldmatrix.x2", simt::load_matrices<2, false>, 0xffffffff, &row, d); }
HY_PTX void hy_ldmatrix4_trans(unsigned (&d)[4], const void *row)
{
    simt::collective("ldmatrix.x4.trans", simt::load_matrices<4, true>, 0xffffffff, &row, d);
}
HY_PTX void hy_ldmatrix2_trans(unsigned (&d)[2], const void *row)
{
    simt::collective("ldmatrix.x2.trans", simt::load_matrices<2, true>, 0xffffffff, &row, d);
}

HY_PTX void hy_mma_f16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    simt::warp_multiply("mma.f16", simt::multiply16<hy_float_from_float16>, c, a, b);
}
HY_PTX void hy_mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    simt::warp_multiply("mma.bf16", simt::multiply16<hy_float_from_bfloat16>, c, a, b);
}
HY_PTX void hy_mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    simt::warp_multiply("mma.tf32", simt::multiply_tf32, c, a, b);
}

HY_PTX void hy_mma_f64(double (&c)[4], const double (&a)[2], const double (&b)[1])
{
    const simt::MmaOperands64 in = {{a[0], a[1]}, b[0]};
    simt::collective("mma.f64", simt::multiply_f64, 0xffffffff, &in, c);
}

HY_PTX void hy_mma_u8s8(int (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
    simt::warp_multiply("mma.u8s8", simt::multiply_u8s8, c, a, b);
}

HY_PTX unsigned hy_to_tf32(float x)
{
    const unsigned bits = __float_as_uint(x);
    return (bits & 0x7f800000) == 0x7f800000 ? bits : (bits + 0x1000) & 0xffffe000;
}

// ---- Hopper ----

/// What the tensor memory accelerator is told of a matrix.
struct alignas(64) hy_tensor_map {
    const uint16_t *data;
    uint64_t columns, rows, pitch; // in elements
    uint32_t box_rows;
};

/// Refuses what cuTensorMapEncodeTiled refuses.
inline bool hy_tensor_map_encode(hy_tensor_map *map, const void *data, uint64_t columns, uint64_t rows, uint64_t pitch, uint32_t box_rows)
{
    *map = {static_cast<const uint16_t *>(data), columns, rows, pitch / 2, box_rows};
    const uint64_t most = (uint64_t)1 << 32;
    return (uintptr_t)data % 16 == 0 && columns > 0 && columns <= most && rows > 0 && rows <= most && pitch % 16 == 0 && pitch < (uint64_t)1 << 40 &&
           box_rows > 0 && box_rows <= 256;
}

HY_PTX unsigned hy_shared_address(const void *p) { return simt::shared_address(p); }
HY_PTX void hy_mbarrier_init(uint64_t *barrier, unsigned arrivals) { simt::barrier_init(barrier, arrivals); }
HY_PTX void hy_mbarrier_fence() {}
HY_PTX void hy_mbarrier_arrive(uint64_t *barrier) { simt::barrier_arrive(barrier, 0); }
HY_PTX void hy_mbarrier_arrive_expect(uint64_t *barrier, unsigned bytes) { simt::barrier_arrive(barrier, bytes); }
HY_PTX void hy_mbarrier_wait(uint64_t *barrier, unsigned parity) { simt::barrier_wait(barrier, parity); }

namespace simt {

/// The swizzle over 128 bytes.
inline unsigned swizzle(unsigned address) { return address ^ (address >> 7 & 7) << 4; }

inline void copy_box(unsigned to, const hy_tensor_map &map, int column, int row)
{
    for (int r = 0; r < (int)map.box_rows; r++)
        for (int c = 0; c < 64; c++) {
            const int64_t x = (int64_t)column + c, y = (int64_t)row + r;
            const bool inside = x >= 0 && x < (int64_t)map.columns && y >= 0 && y < (int64_t)map.rows;
            const uint16_t v = inside ? map.data[y * (int64_t)map.pitch + x] : 0;
            memcpy(shared_at("cp.async.bulk.tensor", swizzle(to + (unsigned)(128 * r + 2 * c)), 2), &v, 2);
        }
}

/// 16 elements of a row of an operand whose k is innermost, as its matrix descriptor says.
template <float (*convert)(uint16_t)>
void read_row(uint64_t descriptor, int row, float (&x)[16])
{
    const unsigned start = (unsigned)(descriptor & 0x3fff) << 4, stride = (unsigned)(descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 62 != 1) fail("wgmma: a descriptor's swizzle is %d; the emulator knows that over 128 bytes, 1", (int)(descriptor >> 62));
    if (start & 0x380 || stride % 1024 || descriptor >> 49 & 7) fail("wgmma: an operand does not begin where the swizzle does");
    for (int k = 0; k < 16; k += 8) {
        const unsigned address = swizzle(start + (unsigned)row / 8 * stride + (unsigned)row % 8 * 128 + 2 * (unsigned)k);
        const uint16_t *from = reinterpret_cast<const uint16_t *>(shared_at("wgmma", address, 16));
        for (int e = 0; e < 8; e++) x[k + e] = convert(from[e]);
    }
}

inline void expect_same_operands(const Lane *lanes, unsigned)
{
    for (int l = 1; l < warp_lanes; l++)
        if (memcmp(lanes[l].in, lanes[0].in, 2 * sizeof(uint64_t))) fail("wgmma: lanes disagree on the descriptors");
}

/// The warp's lanes meet; each computes its own sums.
template <float (*convert)(uint16_t), int N>
void warpgroup_multiply(float (&c)[N][4], uint64_t a, uint64_t b)
{
    const uint64_t in[] = {a, b};
    collective("wgmma", expect_same_operands, 0xffffffff, in, nullptr);
    if (threadIdx.x / 128 * 128 + 128 > blockDim.x) fail("wgmma: the block's last %u threads are no warpgroup", blockDim.x % 128);
    const int row = (int)threadIdx.x % 128 / 32 * 16 + lane() / 4, column = lane() % 4 * 2;
    multiply_later([=, &c] {
        float x[2][16], y[16];
        for (int i = 0; i < 2; i++) read_row<convert>(a, row + 8 * i, x[i]);
        for (int j = 0; j < 2 * N; j++) {
            read_row<convert>(b, j / 2 * 8 + column + j % 2, y);
            for (int i = 0; i < 2; i++) {
                double sum = 0;
                for (int k = 0; k < 16; k++) sum += (double)x[i][k] * y[k];
                float &to = c[j / 2][2 * i + j % 2];
                to = (float)(to + sum);
            }
        }
    });
}

} // namespace simt

HY_PTX void hy_tensor_copy(void *shared, const hy_tensor_map *map, int column, int row, uint64_t *barrier)
{
    const size_t bytes = (size_t)map->box_rows * 128;
    simt::expect_shared("cp.async.bulk.tensor", shared, bytes);
    const unsigned to = simt::shared_address(shared);
    if (to % 128 || (uintptr_t)map % 64) simt::fail("cp.async.bulk.tensor: an address is not aligned");
    simt::barrier_copy(barrier, bytes, [=, map = *map] { simt::copy_box(to, map, column, row); });
}

HY_PTX void hy_wgmma_fence() { __syncwarp(); }
HY_PTX void hy_wgmma_commit() { simt::commit_products(); }
template <int N>
void hy_wgmma_wait() { simt::wait_products(N); }
template <int N>
void hy_wgmma_f16(float (&c)[N][4], uint64_t a, uint64_t b) { simt::warpgroup_multiply<hy_float_from_float16>(c, a, b); }
template <int N>
void hy_wgmma_bf16(float (&c)[N][4], uint64_t a, uint64_t b) { simt::warpgroup_multiply<hy_float_from_bfloat16>(c, a, b); }
template <int N>
void hy_wgmma_finish(float (&)[N][4]) { simt::wait_products(0); }

#endif
