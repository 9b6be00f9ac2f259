/* gemm_views.h: one hy_gemm of the views that a product of matrices is given. */
#ifndef HY_CPU_GEMM_VIEWS_H
#define HY_CPU_GEMM_VIEWS_H

#include "core/tensor.h"
#include "cpu/kernels/gemm.h"

/* The stride of `t` along the batch axis that is `from_end` axes before the matrix; 0 where it broadcasts. */
static inline int64_t hy_gemm_batch_stride(const hy_tensor *t, int from_end)
{
    int axis = t->ndim - 3 - from_end;
    return axis < 0 || t->shape[axis] == 1 ? 0 : t->strides[axis];
}

/* A batch axis along which B is the same and A's and C's rows go on evenly is just more rows. */
static inline bool hy_gemm_is_more_rows(const hy_gemm *g, int64_t a_stride, int64_t b_stride, int64_t c_stride)
{
    if (b_stride != 0 || g->batch_ndim > 0) return false;
    return g->m == 1 || (a_stride == g->m * g->a.vector_stride && c_stride == g->m * g->c_row_stride);
}

/** y = activation(a · b + bias), over the last two axes. */
static hy_gemm hy_gemm_of_views(const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    hy_gemm g = {.m = y->shape[y->ndim - 2], .n = y->shape[y->ndim - 1], .k = a->shape[a->ndim - 1], .activation = activation};
    g.a = (hy_gemm_operand){.data = a->data, .vector_stride = a->strides[a->ndim - 2], .k_stride = a->strides[a->ndim - 1]};
    g.b = (hy_gemm_operand){.data = b->data, .vector_stride = b->strides[b->ndim - 1], .k_stride = b->strides[b->ndim - 2]};
    g.c = y->data;
    g.c_row_stride = y->strides[y->ndim - 2];
    g.c_col_stride = y->strides[y->ndim - 1];
    if (bias) {
        g.bias = bias->data;
        g.bias_col_stride = bias->strides[0];
    }
    for (int i = 0; i < y->ndim - 2; i++) {
        int64_t extent = y->shape[y->ndim - 3 - i], a_stride = hy_gemm_batch_stride(a, i), b_stride = hy_gemm_batch_stride(b, i);
        int64_t c_stride = hy_gemm_batch_stride(y, i);
        if (extent == 1) continue;
        if (hy_gemm_is_more_rows(&g, a_stride, b_stride, c_stride)) {
            if (g.m == 1) {
                g.a.vector_stride = a_stride;
                g.c_row_stride = c_stride;
            }
            g.m *= extent;
            continue;
        }
        int d = g.batch_ndim++;
        g.batch_shape[d] = extent;
        g.a.batch_strides[d] = a_stride;
        g.b.batch_strides[d] = b_stride;
        g.c_batch_strides[d] = c_stride;
    }
    return g;
}

#endif
