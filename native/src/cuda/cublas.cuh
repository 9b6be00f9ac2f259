/*
 * cublas.cuh: cuBLAS 11, 12 or 13, where the machine has it: loaded by name when a product first asks, never linked. HYBRID_CUBLAS names one file to
 * take instead, or says "0" for none. A device has one handle, whose workspace is memory of the call, in stream order: so neither streams nor
 * captured graphs share any, and results do not depend on what else runs.
 */
#ifndef HY_CUDA_CUBLAS_CUH
#define HY_CUDA_CUBLAS_CUH

#include "cuda/gemm.cuh"

/** An operand of a column-major product: `pitch` elements from one column to the next as it lies in memory, `step` from matrix to matrix. */
struct hy_blas_operand {
    char *data;
    bool transposed;
    int pitch;
    long long step;
};

/** c = a · b, column-major: c has m rows and n columns. Where `sums`, c is to be given: sums of the batch, row-major as y's, in the type that is summed in. */
struct hy_blas_product {
    int32_t dtype;
    bool tf32, sums;
    int m, n, k, count;
    hy_blas_operand a, b, c;
};

/** Whether a product is one of plain matrices, as BLAS knows them: then it is described, and with it what its speed depends on. */
bool hy_blas_describe(const hy_gemm &g, int32_t dtype, hy_blas_product *p, hy_product *shape);

/** Whether HYBRID_CUBLAS says nothing against it. */
bool hy_cublas_is_allowed(void);

/** Says whether cuBLAS is there for the device; loads it when first asked, unless a graph is being recorded.
 *  @return HY_OK; HY_BAD_ARGUMENT when HYBRID_CUBLAS names a file that cannot be used
 */
hy_status hy_cublas_find(hy_device *device, const char *name, bool *found);

/** Runs a product on the device's current stream. HY_UNSUPPORTED where this cuBLAS has no kernel for it. */
hy_status hy_cublas_run(hy_device *device, const char *name, const hy_blas_product &p);

#endif
