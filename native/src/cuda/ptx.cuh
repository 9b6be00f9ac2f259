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

#endif
