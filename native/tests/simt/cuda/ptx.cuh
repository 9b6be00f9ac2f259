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

#endif
