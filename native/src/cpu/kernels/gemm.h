/*
 * One blocked matrix product for every caller: C = activation(A · B + bias), over a batch. What A and B are is said by how they are packed: a matrix
 * of any strides, or an image read as the columns of a convolution. Blocking follows Goto and van de Geijn, "Anatomy of high-performance
 * matrix multiplication" (2008), and BLIS (Van Zee and van de Geijn, 2015): panels of A (HY_TILE_ROWS rows) and of B (HY_TILE_WIDTH
 * columns) meet in a register tile.
 *
 * Both operands are seen alike: a set of vectors along the reduction axis k. A's vectors are its rows, B's are its columns.
 */
#ifndef HY_CPU_GEMM_H
#define HY_CPU_GEMM_H

#include <stdbool.h>

#include "backend.h"
#include "cpu/isa.h"

typedef struct hy_gemm_operand hy_gemm_operand;

/** Writes panel[(p - k0) * width + i] = element p of vector (first + i), for p in [k0, k0 + kc) and i in [0, count); what stands in the
 *  lanes from count to width is read but never counts. B's packing may write up to `width` elements past the panel. `data` is the batch
 *  item's. */
typedef void (*hy_gemm_pack)(const hy_gemm_operand *operand, const void *data, int64_t first, int64_t count, int64_t width, int64_t k0,
                             int64_t kc, void *panel);

struct hy_gemm_operand {
    const void *data;
    int64_t vector_stride;               /* between neighbouring vectors, in elements */
    int64_t k_stride;                    /* along a vector */
    int64_t batch_strides[HY_MAX_DIMS];  /* 0 where the batch shares the operand */
    hy_gemm_pack pack;                   /* NULL: a matrix, read by the strides above */
    const void *context;                 /* for pack */
    const void *prepared;                /* B alone: its panels, [panel][k][width], as hy_gemm_prepare leaves them; NULL for none */
};

typedef struct hy_gemm {
    int64_t m, n, k;
    int32_t batch_ndim;
    int64_t batch_shape[HY_MAX_DIMS];
    hy_gemm_operand a, b;
    void *c;
    int64_t c_row_stride, c_col_stride;
    int64_t c_batch_strides[HY_MAX_DIMS];
    const void *bias;                    /* added to C; NULL for none */
    int64_t bias_row_stride, bias_col_stride;
    int64_t bias_batch_strides[HY_MAX_DIMS];
    int32_t activation;                  /* HY_ACTIVATION(op), applied at the end; HY_NO_ACTIVATION, 0, for none */
} hy_gemm;

/** Runs the product. The only failure is HY_OUT_OF_MEMORY, before C is touched. */
hy_status HY_ISA(hy_gemm_f32)(hy_device *device, const hy_gemm *g);
hy_status HY_ISA(hy_gemm_f64)(hy_device *device, const hy_gemm *g);

/** The same of pairs of bfloat16 numbers, with C and the bias in float32; k counts the pairs, and so do the strides of A and B. "avx512-bf16" alone. */
hy_status HY_ISA(hy_gemm_pairs)(hy_device *device, const hy_gemm *g);

/** The elements of B's panels, of k rows and n columns. */
int64_t HY_ISA(hy_gemm_prepared_f32)(int64_t n, int64_t k);
int64_t HY_ISA(hy_gemm_prepared_f64)(int64_t n, int64_t k);

/** Packs them once, for many products: hy_gemm_operand's `prepared`. The product has the same bits. */
void HY_ISA(hy_gemm_prepare_f32)(const hy_gemm_operand *b, int64_t n, int64_t k, float *to);
void HY_ISA(hy_gemm_prepare_f64)(const hy_gemm_operand *b, int64_t n, int64_t k, double *to);

/** The packing that the others build on: vectors that begin at rows[i], with `stride` between their elements. */
void HY_ISA(hy_pack_rows_f32)(const float *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, float *panel);
void HY_ISA(hy_pack_rows_f64)(const double *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, double *panel);

/** The same, but what stands in the lanes from count to width stays: panel[p * width + i] = rows[i][p * stride]. */
void HY_ISA(hy_turn_rows_f32)(const float *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, float *panel);
void HY_ISA(hy_turn_rows_f64)(const double *const *rows, int64_t count, int64_t stride, int64_t width, int64_t kc, double *panel);

/** Applies an activation to a matrix in place: what an epilogue does with a finished block. */
static inline void hy_activate(hy_device *device, int32_t dtype, int32_t activation, void *c, int64_t rows, int64_t columns, int64_t row_stride,
                               int64_t column_stride)
{
    hy_tensor t = {.data = c, .device = device, .dtype = dtype, .ndim = 2, .shape = {rows, columns}, .strides = {row_stride, column_stride}};
    if (activation) device->backend.unary(device, activation - HY_ACTIVATION(0), 0, &t, &t);
}

/** c = a · b, or c + a · b, on the register tile alone: up to HY_TILE_ROWS rows, whose elements lie side by side and `a_k` further for the
 *  next k; one panel of packed columns; c's rows of a panel's width. */
void HY_ISA(hy_gemm_tile_f32)(int64_t rows, int64_t kc, const float *a, int64_t a_k, const float *b, float *c, int64_t c_stride, bool add);

/** Where a batch item begins, in elements. */
static inline int64_t hy_gemm_batch_offset(const hy_gemm *g, const int64_t *strides, int64_t item)
{
    int64_t offset = 0;
    for (int d = g->batch_ndim - 1; d >= 0; d--) {
        offset += item % g->batch_shape[d] * strides[d];
        item /= g->batch_shape[d];
    }
    return offset;
}

static inline hy_status HY_ISA(hy_gemm_run)(hy_device *device, int32_t dtype, const hy_gemm *g)
{
    return dtype == HY_FLOAT32 ? HY_ISA(hy_gemm_f32)(device, g) : HY_ISA(hy_gemm_f64)(device, g);
}

#endif
