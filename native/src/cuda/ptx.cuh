/*
 * ptx.cuh: all that C++ does not say: shared memory and the instructions that are written in PTX. Kernels use nothing of the kind but
 * through this file, whose twin in tests/simt/cuda/ does the same for the emulator. Layouts and names are those of the PTX ISA 7.8, chapters
 * 9.7.8 (cp.async) and 9.7.13 (mma, ldmatrix).
 *
 * A thread of a warp holds of a fragment, with g = lane / 4 and t = lane % 4:
 *   16-bit m16n8k16:  a[0]: row g, k 2t and 2t + 1;  a[1]: row g + 8;  a[2], a[3]: the same rows, k + 8
 *                     b[0]: k 2t and 2t + 1, column g;  b[1]: k + 8
 *   tf32 m16n8k8:     a[0]: row g, k t;  a[1]: row g + 8;  a[2], a[3]: the same rows, k + 4;   b[0]: k t, column g;  b[1]: k + 4
 *   8-bit m16n8k32:   a[0]: row g, k 4t to 4t + 3;  a[1]: row g + 8;  a[2], a[3]: the same rows, k + 16
 *                     b[0]: k 4t to 4t + 3, column g;  b[1]: k + 16
 *   float64 m16n8k4:  a[0]: row g, k t;  a[1]: row g + 8;   b[0]: k t, column g
 *   accumulators:     c[0], c[1]: row g, columns 2t and 2t + 1;  c[2], c[3]: row g + 8
 */
#ifndef HY_CUDA_PTX_CUH
#define HY_CUDA_PTX_CUH

#include <cuda_runtime.h>
#include <stdint.h>

#include "cuda/mma_float32.cuh"

/** Declares a variable in shared memory: HY_SHARED(float, tile, [32][33]). */
#define HY_SHARED(type, name, extents) __shared__ type name extents

/** Declares a pointer to the launch's dynamic shared memory, aligned to 128 bytes. */
#define HY_SHARED_DYNAMIC(type, name)                                     \
    extern __shared__ __align__(128) unsigned char hy_dynamic_shared[];   \
    type *const name = reinterpret_cast<type *>(hy_dynamic_shared)

/** Launches a kernel; arguments[i] points at its argument number i. */
template <typename... P>
cudaError_t hy_launch_kernel(void (*kernel)(P...), dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream)
{
    return cudaLaunchKernel((const void *)kernel, grid, block, arguments, shared, stream);
}

#define HY_PTX static __device__ __forceinline__

HY_PTX unsigned hy_shared_address(const void *p) { return (unsigned)__cvta_generic_to_shared(p); }

/* ---- cp.async: 16 or 4 bytes to shared memory past the registers; `bytes` of them, an even number, from memory and zeros after. Before sm_80,
   a plain copy. ---- */

HY_PTX unsigned hy_word_of(const void *global, int word, int bytes)
{
    if (bytes >= 4 * word + 4) return reinterpret_cast<const unsigned *>(global)[word];
    return bytes > 4 * word ? reinterpret_cast<const unsigned short *>(global)[2 * word] : 0;
}

HY_PTX void hy_cp_async16(void *shared, const void *global, int bytes)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(hy_shared_address(shared)), "l"(global), "r"(bytes) : "memory");
#else
    uint4 v = make_uint4(0, 0, 0, 0);
    if (bytes == 16) v = *reinterpret_cast<const uint4 *>(global);
    else { /* word by word, so that v stays in registers */
        v.x = hy_word_of(global, 0, bytes), v.y = hy_word_of(global, 1, bytes), v.z = hy_word_of(global, 2, bytes);
        v.w = hy_word_of(global, 3, bytes);
    }
    *reinterpret_cast<uint4 *>(shared) = v;
#endif
}

HY_PTX void hy_cp_async4(void *shared, const void *global, int bytes)
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(hy_shared_address(shared)), "l"(global), "r"(bytes) : "memory");
#else
    *reinterpret_cast<unsigned *>(shared) = bytes ? *reinterpret_cast<const unsigned *>(global) : 0;
#endif
}

/** Ends a group of the thread's copies. */
HY_PTX void hy_cp_async_commit()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}

/** Waits until at most N groups are still under way; a barrier makes what others copied visible. */
template <int N>
HY_PTX void hy_cp_async_wait()
{
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(N) : "memory");
#endif
}

/* ---- ldmatrix: 8 x 8 matrices of 16-bit elements; lanes 8i to 8i + 7 give the addresses of matrix i's rows, 16 bytes each ---- */

/** d[i]: row lane / 4, elements 2 (lane % 4) and the next, of matrix i. */
HY_PTX void hy_ldmatrix4(unsigned (&d)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(hy_shared_address(row))
                 : "memory");
}

HY_PTX void hy_ldmatrix2(unsigned (&d)[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0, %1}, [%2];" : "=r"(d[0]), "=r"(d[1]) : "r"(hy_shared_address(row)) : "memory");
}

/** The same of the transposed matrices. */
HY_PTX void hy_ldmatrix4_trans(unsigned (&d)[4], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
                 : "r"(hy_shared_address(row))
                 : "memory");
}

HY_PTX void hy_ldmatrix2_trans(unsigned (&d)[2], const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];"
                 : "=r"(d[0]), "=r"(d[1])
                 : "r"(hy_shared_address(row))
                 : "memory");
}

/* ---- mma: c += a · b. tf32 and float64 need sm_80: a kernel of theirs is not launched on less. ---- */

HY_PTX void hy_mma_f16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    for (int half = 0; half < 2; half++)
        asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                     : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                     : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
#endif
}

HY_PTX void hy_mma_bf16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    hy_mma_bf16_by_float32(c, a, b); /* correct, but slow */
#endif
}

/** a and b as hy_to_tf32 gives them. */
HY_PTX void hy_mma_tf32(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    __trap();
#endif
}

/** From sm_90 on one instruction; before, one for eight rows. */
HY_PTX void hy_mma_f64(double (&c)[4], const double (&a)[2], const double (&b)[1])
{
#if __CUDA_ARCH__ >= 900
    asm volatile("mma.sync.aligned.m16n8k4.row.col.f64.f64.f64.f64 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
                 : "+d"(c[0]), "+d"(c[1]), "+d"(c[2]), "+d"(c[3])
                 : "d"(a[0]), "d"(a[1]), "d"(b[0]));
#elif __CUDA_ARCH__ >= 800
    for (int rows = 0; rows < 2; rows++)
        asm volatile("mma.sync.aligned.m8n8k4.row.col.f64.f64.f64.f64 {%0, %1}, {%2}, {%3}, {%0, %1};"
                     : "+d"(c[2 * rows]), "+d"(c[2 * rows + 1])
                     : "d"(a[rows]), "d"(b[0]));
#else
    __trap();
#endif
}

/** Unsigned bytes times signed ones, summed in 32 bits. */
HY_PTX void hy_mma_u8s8(int (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2])
{
#if __CUDA_ARCH__ >= 800
    asm volatile("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
                 : "+r"(c[0]), "+r"(c[1]), "+r"(c[2]), "+r"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    for (int half = 0; half < 2; half++)
        for (int rows = 0; rows < 2; rows++)
            asm volatile("mma.sync.aligned.m8n8k16.row.col.s32.u8.s8.s32 {%0, %1}, {%2}, {%3}, {%0, %1};"
                         : "+r"(c[2 * rows]), "+r"(c[2 * rows + 1])
                         : "r"(a[2 * half + rows]), "r"(b[half]));
#endif
}

/** x rounded to tf32's 10 bits of fraction, ties away from zero. */
HY_PTX unsigned hy_to_tf32(float x)
{
    unsigned bits;
#if __CUDA_ARCH__ >= 800
    asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
#else
    bits = __float_as_uint(x);
#endif
    return bits;
}

/* ---- Hopper (sm_90a), with a toolkit of 12 or later: barriers in shared memory that count bytes too, copies of a matrix's rectangles by the
   tensor memory accelerator, and products of a warpgroup, four warps that follow a multiple of four. Of the PTX ISA 8.0 the chapters on mbarrier,
   cp.async.bulk.tensor, tensors and "Asynchronous Warpgroup Level Matrix Instructions". ---- */

#if __CUDACC_VER_MAJOR__ >= 12
#include <cuda.h>

/** A matrix of 16-bit elements in device memory and the box of it that one copy brings. A kernel takes it as a __grid_constant__. */
typedef CUtensorMap hy_tensor_map;

/** Describes `rows` rows of `columns` elements, `pitch` bytes apart, and a box of `box_rows` by 64. False where the driver cannot. */
static inline bool hy_tensor_map_encode(hy_tensor_map *map, const void *data, uint64_t columns, uint64_t rows, uint64_t pitch, uint32_t box_rows)
{
    void *found = nullptr; /* of the driver, which nothing here links */
    cudaDriverEntryPointQueryResult result;
#if CUDART_VERSION >= 12050
    const cudaError_t error = cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &found, 12000, cudaEnableDefault, &result);
#else
    const cudaError_t error = cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &found, cudaEnableDefault, &result);
#endif
    if (error != cudaSuccess || !found) {
        (void)cudaGetLastError();
        return false;
    }
    const cuuint64_t extents[] = {columns, rows}, pitches[] = {pitch};
    const cuuint32_t box[] = {64, box_rows}, steps[] = {1, 1};
    return reinterpret_cast<decltype(&cuTensorMapEncodeTiled)>(found)(
               map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void *>(data), extents, pitches, box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE,
               CU_TENSOR_MAP_SWIZZLE_128B, CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}
#endif

#if __CUDACC_VER_MAJOR__ >= 12 && (!defined __CUDA_ARCH__ || defined __CUDA_ARCH_FEAT_SM90_ALL)

/** A phase of the barrier ends with `arrivals` arrivals and all bytes that they expect. */
HY_PTX void hy_mbarrier_init(uint64_t *barrier, unsigned arrivals)
{
    asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(hy_shared_address(barrier)), "r"(arrivals) : "memory");
}

/** After all hy_mbarrier_init and before the block's barrier: copies see them. */
HY_PTX void hy_mbarrier_fence() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

HY_PTX void hy_mbarrier_arrive(uint64_t *barrier)
{
    asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(hy_shared_address(barrier)) : "memory");
}

/** Arrives, and has the phase wait for `bytes` of copies. */
HY_PTX void hy_mbarrier_arrive_expect(uint64_t *barrier, unsigned bytes)
{
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(hy_shared_address(barrier)), "r"(bytes) : "memory");
}

/** Waits for the end of the phase of that parity; the first phase's is 0, and the one before it has ended. */
HY_PTX void hy_mbarrier_wait(uint64_t *barrier, unsigned parity)
{
    unsigned done;
    do
        asm volatile("{\n\t.reg .pred p;\n\tmbarrier.try_wait.parity.shared::cta.b64 p, [%1], %2;\n\tselp.u32 %0, 1, 0, p;\n\t}"
                     : "=r"(done)
                     : "r"(hy_shared_address(barrier)), "r"(parity)
                     : "memory");
    while (!done);
}

/** Brings the map's box from (row, column) on, zeros for what lies outside of the matrix, and tells the barrier its bytes. In shared memory a row has
 *  128 bytes, of which bits 4 to 6 of the address are exclusive-ored with bits 7 to 9 (128-byte swizzle). */
HY_PTX void hy_tensor_copy(void *shared, const hy_tensor_map *map, int column, int row, uint64_t *barrier)
{
    asm volatile("cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, %3}], [%4];" ::"r"(
                     hy_shared_address(shared)),
                 "l"(map), "r"(column), "r"(row), "r"(hy_shared_address(barrier))
                 : "memory");
}

/** Before the first product that uses the sums' registers, and after they were written otherwise. */
HY_PTX void hy_wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }

/** Ends a group of products. */
HY_PTX void hy_wgmma_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

/** Waits until at most N groups are still under way. */
template <int N>
HY_PTX void hy_wgmma_wait()
{
    asm volatile("wgmma.wait_group.sync.aligned %0;" ::"n"(N) : "memory");
}

#define HY_SUMS4(c, j) "+f"(c[j][0]), "+f"(c[j][1]), "+f"(c[j][2]), "+f"(c[j][3])
#define HY_SUMS16(c, j) HY_SUMS4(c, j), HY_SUMS4(c, j + 1), HY_SUMS4(c, j + 2), HY_SUMS4(c, j + 3)
#define HY_SUMS64(c, j) HY_SUMS16(c, j), HY_SUMS16(c, j + 4), HY_SUMS16(c, j + 8), HY_SUMS16(c, j + 12)
#define HY_SUMS_128(c) HY_SUMS64(c, 0)
#define HY_SUMS_256(c) HY_SUMS64(c, 0), HY_SUMS64(c, 16)
#define HY_NAMES_128 \
    "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
    "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define HY_NAMES_256 HY_NAMES_128 ", " \
    "%64, %65, %66, %67, %68, %69, %70, %71, %72, %73, %74, %75, %76, %77, %78, %79, %80, %81, %82, %83, %84, %85, %86, %87, %88, %89, %90, %91, %92, %93, %94, %95, " \
    "%96, %97, %98, %99, %100, %101, %102, %103, %104, %105, %106, %107, %108, %109, %110, %111, %112, %113, %114, %115, %116, %117, %118, %119, %120, %121, %122, %123, %124, %125, %126, %127"

/* c += a · b of 64 x 16 and 16 x n; a and b are descriptors of operands in shared memory, k innermost. Warp w of the four holds rows 16 w to 16 w + 15: c[j] is
   an accumulator of m16n8k16, as above, of columns 8 j to 8 j + 7. */
#define HY_WGMMA(n, name, type, a_name, b_name)                                                                                        \
    HY_PTX void hy_wgmma_##name(float (&c)[n / 8][4], uint64_t a, uint64_t b)                                                          \
    {                                                                                                                                  \
        asm volatile("wgmma.mma_async.sync.aligned.m64n" #n "k16.f32." #type "." #type " {" HY_NAMES_##n "}, " a_name ", " b_name      \
                     ", 1, 1, 1, 0, 0;"                                                                                                \
                     : HY_SUMS_##n(c)                                                                                                  \
                     : "l"(a), "l"(b));                                                                                                \
    }
HY_WGMMA(128, f16, f16, "%64", "%65")
HY_WGMMA(128, bf16, bf16, "%64", "%65")
HY_WGMMA(256, f16, f16, "%128", "%129")
HY_WGMMA(256, bf16, bf16, "%128", "%129")

/** Waits for all groups; the sums may be read after that. */
HY_PTX void hy_wgmma_finish(float (&c)[16][4]) { asm volatile("wgmma.wait_group.sync.aligned 0;" : HY_SUMS_128(c)::"memory"); }
HY_PTX void hy_wgmma_finish(float (&c)[32][4]) { asm volatile("wgmma.wait_group.sync.aligned 0;" : HY_SUMS_256(c)::"memory"); }

#endif

#endif
