/* The matmul slot: what a product of views is, as hy_gemm takes it. */
#include "cuda/gemm.cuh"
#include "cuda/slots.h"

enum { MOST = INT32_MAX / 2 }; /* for an extent: 2^30 */

/* The batch: t without its last two axes. */
static hy_tensor leading(const hy_tensor *t)
{
    hy_tensor l = *t;
    l.ndim -= 2;
    return l;
}

/* Whether y's and a's rows go on from matrix to matrix while b stays, as in a linear layer over [batch, time, features]: then it is one product. */
static bool is_one_product(const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    if (y->ndim == 2 || a->ndim != y->ndim) return false;
    for (int d = 0; d < b->ndim - 2; d++)
        if (b->shape[d] != 1) return false;
    for (const hy_tensor *t : {a, y})
        for (int d = 0; d < t->ndim - 2; d++)
            if (t->shape[d] != y->shape[d] || (t->shape[d] != 1 && t->strides[d] != t->strides[d + 1] * t->shape[d + 1])) return false;
    return true;
}

static hy_status matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    const int64_t *ys = y->strides + y->ndim - 2, *as = a->strides + a->ndim - 2, *bs = b->strides + b->ndim - 2;
    hy_tensor batch_y = leading(y), batch_a = leading(a), batch_b = leading(b);
    int64_t m = y->shape[y->ndim - 2];
    const int64_t n = y->shape[y->ndim - 1], k = a->shape[a->ndim - 1];
    if (hy_numel(y) == 0) return HY_OK;
    if (is_one_product(a, b, y) && m * hy_numel(&batch_y) <= MOST) {
        m *= hy_numel(&batch_y);
        batch_y.ndim = batch_a.ndim = batch_b.ndim = 0;
    }
    for (int64_t extent : {m, n, k})
        if (extent > MOST) return hy_cuda_fail(HY_UNSUPPORTED, "MatMul: an extent of %lld, expected at most 2^30", (long long)extent);
    hy_gemm g = {};
    g.m = (uint32_t)m, g.n = (uint32_t)n, g.k = (uint32_t)k;
    g.a = {hy_gemm_line(m, as[0]), hy_gemm_line(k, as[1]), 1, 1, false, false};
    g.b = {hy_gemm_line(n, bs[1]), hy_gemm_line(k, bs[0]), 1, 1, false, false};
    g.y_row = hy_gemm_line(m, ys[0]);
    g.y_column = hy_gemm_line(n, ys[1]);
    g.activation = activation;
    g.tf32 = hy_cuda_allows_tf32(device);
    hy_tensor one_bias;
    if (bias) {
        g.bias_stride = bias->strides[0];
        one_bias = *bias;
        one_bias.ndim = 0;
    }
    return hy_gemm_run(device, "MatMul", y->dtype, g, &batch_y, &batch_a, &batch_b, bias ? &one_bias : nullptr);
}

void hy_cuda_fill_matmul(hy_backend *backend) { backend->matmul = matmul; }
