/*
 * gemm.cuh: one matrix product behind hy_matmul, hy_conv2d and both its gradients: y(m, n) = sum over k of a(m, k) · b(k, n).
 *
 * An operand is a view of whatever it is made of. Each of its two axes is a number whose digits move the address; where they also move a
 * place in an image, elements outside of the image are zeros. So a convolution's column matrix is never written: it is how x is read
 * ("implicit GEMM", Chetlur et al., "cuDNN: Efficient primitives for deep learning", 2014).
 */
#ifndef HY_CUDA_GEMM_CUH
#define HY_CUDA_GEMM_CUH

#include "cuda/walk.cuh"

enum { HY_GEMM_DIGITS = 3 };

/** An axis of an operand or of the result. Digit 0 is the innermost. */
struct hy_gemm_axis {
    uint32_t extent;
    int32_t digits;
    hy_divider digit[HY_GEMM_DIGITS];
    int64_t origin, stride[HY_GEMM_DIGITS];            /* in elements */
    int32_t first_row, row[HY_GEMM_DIGITS];            /* the place in the image */
    int32_t first_column, column[HY_GEMM_DIGITS];
};

struct hy_gemm_operand {
    hy_gemm_axis outer, depth; /* m or n; k */
    uint32_t rows, columns;    /* of the image; 1 and 1 where nothing lies outside */
    bool along_outer;          /* read along m or n, otherwise along k */
    bool vectors;              /* 16 bytes at once are one after another, aligned, and in the image or not as one */
};

struct hy_gemm {
    uint32_t m, n, k;
    hy_gemm_operand a, b;
    hy_gemm_axis y_row, y_column;
    hy_walk<4> batch;          /* y, a, b, and bias, which may have no data */
    int64_t bias_stride;       /* in elements, along n */
    bool tf32;                 /* float32's operands may be rounded to 10 bits of fraction, so that tensor cores take them */
    int32_t activation;        /* the kernel itself knows relu; others come after the sums */
    uint32_t splits, depth;    /* k is cut into `splits` runs of `depth`, whose sums go to `partial`: [split][batch][m][n] */
    void *partial;             /* NULL: one run, and the result goes to y */
};

/** Whether the kernels apply an activation themselves; others wait for the whole sum, in a kernel of their own. */
static inline bool hy_gemm_fuses(int32_t activation) { return activation == HY_NO_ACTIVATION || activation == HY_ACTIVATION(HY_UNARY_relu); }

/** Starts an axis of three digits, innermost first. */
hy_gemm_axis hy_gemm_digits(int64_t extent0, int64_t stride0, int64_t extent1, int64_t stride1, int64_t extent2, int64_t stride2);

/** An axis without digits. */
static inline hy_gemm_axis hy_gemm_line(int64_t extent, int64_t stride) { return hy_gemm_digits(extent, stride, 1, 0, 1, 0); }

/** Exchanges an axis's digits: digit 2, the channel, becomes the innermost. */
void hy_gemm_channel_first(hy_gemm_axis &axis);

/** Runs a product. What is to be filled in: m, n, k, the operands' axes and images, y's axes, bias_stride, tf32 and activation.
 *  @param name     the operation's, for messages
 *  @param dtype    of all tensors
 *  @param leading  y, a, b and bias, as tensors over the batch alone; NULL for no bias
 */
hy_status hy_gemm_run(hy_device *device, const char *name, int32_t dtype, hy_gemm &g, const hy_tensor *y, const hy_tensor *a, const hy_tensor *b,
                      const hy_tensor *bias);

/** Hybrid's own kernels for a product whose axes are simplified and whose batch is set; the fastest, theirs or cuBLAS's. */
hy_status hy_gemm_run_own(hy_device *device, const char *name, int32_t dtype, hy_gemm g);
hy_status hy_gemm_run_fastest(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g);

/** Sums what g.partial holds, [split][batch][m][n], in the order of the splits into y; adds the bias, activates, rounds once. */
hy_status hy_gemm_finish(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g);

/** Sums what g.partial holds, [split][m][n], in the order of the splits into `result`, whose axes g has. */
hy_status hy_gemm_finish_alone(hy_device *device, const char *name, hy_gemm &g, const hy_tensor *result);

/** Whether float32 products may be taken in tf32: hy_set_float32_matmul_precision. */
bool hy_cuda_allows_tf32(hy_device *device);

/* The kernels of each dtype: one launch. `large`: tiles of 128 x 128 instead of 64 x 64. */
hy_status hy_gemm_launch_float32(hy_device *device, const char *name, const hy_gemm &g, bool large);
hy_status hy_gemm_launch_tf32(hy_device *device, const char *name, const hy_gemm &g, bool large);
hy_status hy_gemm_launch_float64(hy_device *device, const char *name, const hy_gemm &g, bool large);
hy_status hy_gemm_launch_float16(hy_device *device, const char *name, const hy_gemm &g, bool large);
hy_status hy_gemm_launch_bfloat16(hy_device *device, const char *name, const hy_gemm &g, bool large);

#if HY_HOPPER
/** The kernel for Hopper, by wgmma: whether it takes a product of float16 or bfloat16 in one run; one launch, or HY_UNSUPPORTED where the driver
 *  describes no matrices to the copying unit. */
bool hy_gemm_hopper_takes(hy_device *device, int32_t dtype, const hy_gemm &g);
hy_status hy_gemm_launch_hopper(hy_device *device, const char *name, int32_t dtype, const hy_gemm &g);
#endif

/* ---- in kernels ---- */

/** Where an index along an axis leads. Two places add up to an element's. */
struct alignas(16) hy_gemm_place {
    int64_t offset;
    int32_t row, column;
};

static __device__ __forceinline__ hy_gemm_place hy_gemm_find(const hy_gemm_axis &axis, uint32_t i)
{
    if (i >= axis.extent) return {axis.origin, 1 << 30, 0}; /* outside of any image */
    hy_gemm_place p = {axis.origin, axis.first_row, axis.first_column};
#pragma unroll
    for (int d = 0; d < HY_GEMM_DIGITS; d++) {
        if (d >= axis.digits) break;
        const uint32_t q = d + 1 < axis.digits ? hy_quotient(i, axis.digit[d]) : 0, r = i - q * axis.digit[d].extent;
        p.offset += (int64_t)r * axis.stride[d];
        p.row += (int32_t)r * axis.row[d];
        p.column += (int32_t)r * axis.column[d];
        i = q;
    }
    return p;
}

static __device__ __forceinline__ bool hy_gemm_inside(const hy_gemm_operand &o, const hy_gemm_place &p, const hy_gemm_place &q)
{
    return (uint32_t)p.row + (uint32_t)q.row < o.rows && (uint32_t)p.column + (uint32_t)q.column < o.columns;
}

#endif
