/* Matrix products: views become one hy_gemm, which the built-in kernels or OpenBLAS run. */
#include "cpu/kernels/matmul.h"

#include <stdbool.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/blas.h"
#include "cpu/kernels/gemm_views.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/numbers.h"
#include "cpu/simd/tile.h"

#define GEMV_COLUMNS 512         /* sums that a row pass keeps in L1 */
#define GEMV_ELEMENTS (1 << 16)  /* of the matrix, a task */
#define STREAMS 4                /* columns read side by side, which memory serves 1.5 times as fast as one; from the cache, one is faster … */
#define STREAMED_BYTES (16 << 20) /* … so this is for matrices from this size on */

/* ---- A vector times a matrix ---- */

typedef struct gemv {
    int64_t n, k;
    const void *x, *b, *bias;
    void *y;
    int64_t b_row, b_column, y_stride, bias_stride;
    bool streams;
} gemv;

#define BODY "cpu/kernels/gemv_body.h"
#include "cpu/kernels/both_reals.h"

/* Whether one side is a single vector and the matrix can be streamed; `v` and the stride of x then say how. */
static bool is_gemv(const hy_gemm *g, gemv *v, int64_t *x_stride)
{
    if (g->batch_ndim > 0 || (g->m != 1 && g->n != 1) || g->k == 0) return false;
    const hy_gemm_operand *x = g->m == 1 ? &g->a : &g->b, *b = g->m == 1 ? &g->b : &g->a;
    *v = (gemv){.n = g->m == 1 ? g->n : g->m, .k = g->k, .x = x->data, .b = b->data, .bias = g->bias, .y = g->c, .b_row = b->k_stride,
                .b_column = b->vector_stride};
    v->y_stride = g->m == 1 ? g->c_col_stride : g->c_row_stride;
    v->bias_stride = g->m == 1 ? g->bias_col_stride : g->bias_row_stride;
    *x_stride = x->k_stride;
    return v->b_row == 1 || (v->b_column == 1 && v->n >= GEMV_COLUMNS);
}

static hy_status run_gemv(hy_device *device, int32_t dtype, gemv *v, int64_t x_stride)
{
    bool single = dtype == HY_FLOAT32;
    void *copy = NULL;
    if (x_stride != 1) {
        hy_status status = hy_alloc(device, v->k * hy_dtype_size(dtype), &copy);
        if (status != HY_OK) return status;
        if (single) gemv_gather_f32(v->x, x_stride, v->k, copy);
        else gemv_gather_f64(v->x, x_stride, v->k, copy);
        v->x = copy;
    }
    if (v->b_row == 1) {
        int64_t grain = v->k < GEMV_ELEMENTS ? GEMV_ELEMENTS / v->k : 1;
        v->streams = v->n * v->k * hy_dtype_size(dtype) >= STREAMED_BYTES;
        if (v->streams) grain = hy_ceil_div(grain, STREAMS) * STREAMS;
        hy_parallel_for(v->n, grain, single ? gemv_dots_f32 : gemv_dots_f64, v);
    } else {
        hy_parallel_for(v->n, GEMV_COLUMNS, single ? gemv_rows_f32 : gemv_rows_f64, v);
    }
    return hy_free(device, copy);
}

/* ---- The slot ---- */

static hy_status run_builtin(hy_device *device, int32_t dtype, const hy_gemm *g)
{
    gemv v;
    int64_t x_stride;
    if (g->m == 0 || g->n == 0) return HY_OK;
    if (!is_gemv(g, &v, &x_stride)) return HY_ISA(hy_gemm_run)(device, dtype, g);
    hy_status status = run_gemv(device, dtype, &v, x_stride);
    if (status == HY_OK) hy_activate(device, dtype, g->activation, v.y, 1, v.n, v.n * v.y_stride, v.y_stride);
    return status;
}

hy_status HY_ISA(hy_matmul_builtin)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias,
                                      int32_t activation, const hy_tensor *y)
{
    hy_gemm g = hy_gemm_of_views(a, b, bias, activation, y);
    return run_builtin(device, y->dtype, &g);
}

/* One operand as BLAS takes it: `transposed` when the elements of a vector are not side by side but the vectors are. */
typedef struct blas_view {
    bool fits, across;
    int64_t ld;
} blas_view;

static blas_view view_for_blas(int64_t vectors, int64_t vector_stride, int64_t length, int64_t stride)
{
    const int64_t most = INT32_MAX;
    if (vectors > most || length > most) return (blas_view){0};
    if (stride == 1 || length <= 1) {
        int64_t ld = vectors > 1 ? vector_stride : length;
        if (ld < 1 && length < 1) ld = 1;
        if (ld >= length && ld <= most) return (blas_view){true, false, ld};
    }
    if (vector_stride == 1 || vectors <= 1) {
        int64_t ld = length > 1 ? stride : vectors;
        if (ld >= vectors && ld <= most) return (blas_view){true, true, ld};
    }
    return (blas_view){0};
}

static hy_status add_bias_first(hy_device *device, const hy_tensor *bias, const hy_tensor *y)
{
    hy_tensor rows = *y;
    for (int d = 0; d < y->ndim; d++) rows.strides[d] = 0;
    rows.data = bias->data;
    rows.strides[y->ndim - 1] = bias->strides[0];
    return device->backend.copy(device, &rows, y);
}

hy_status HY_ISA(hy_matmul_blas)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias,
                                   int32_t activation, const hy_tensor *y)
{
    hy_gemm g = hy_gemm_of_views(a, b, bias, activation, y);
    blas_view va = view_for_blas(g.m, g.a.vector_stride, g.k, g.a.k_stride), vb = view_for_blas(g.n, g.b.vector_stride, g.k, g.b.k_stride);
    blas_view vc = view_for_blas(g.m, g.c_row_stride, g.n, g.c_col_stride);
    if (!hy_blas_exists() || !va.fits || !vb.fits || !vc.fits) return HY_UNSUPPORTED;
    if (hy_numel(y) == 0) return HY_OK;
    if (bias) {
        hy_status status = add_bias_first(device, bias, y);
        if (status != HY_OK) return status;
    }
    int64_t size = hy_dtype_size(y->dtype), items = 1;
    for (int d = 0; d < g.batch_ndim; d++) items *= g.batch_shape[d];
    for (int64_t item = 0; item < items; item++) {
        const char *ai = (const char *)g.a.data + hy_gemm_batch_offset(&g, g.a.batch_strides, item) * size;
        const char *bi = (const char *)g.b.data + hy_gemm_batch_offset(&g, g.b.batch_strides, item) * size;
        char *ci = (char *)g.c + hy_gemm_batch_offset(&g, g.c_batch_strides, item) * size;
        if (vc.across) hy_blas_gemm(y->dtype, vb.across, !va.across, g.n, g.m, g.k, bi, vb.ld, ai, va.ld, bias != NULL, ci, vc.ld);
        else hy_blas_gemm(y->dtype, va.across, !vb.across, g.m, g.n, g.k, ai, va.ld, bi, vb.ld, bias != NULL, ci, vc.ld);
    }
    return activation ? device->backend.unary(device, activation - HY_ACTIVATION(0), 0, y, y) : HY_OK;
}

/*
 * The choice. Speed of OpenBLAS 0.3.21's Zen kernels over the built-in ones, each on one of two Zen 4 cores with AVX2:
 *   64^3 0.81, 128^3 0.93, 256^3 0.97, 512^3 0.99, 1024^3 1.04, 2048^3 1.05; double: 256^3 0.98, 512^3 1.01, 1024^3 1.03, 2048^3 1.04;
 *   x·wᵀ of 64 x 128 x 9216 1.06, of 64 x 4096 x 1024 0.88, of 512 x 64 x 64 0.73, of 1 x 4096 x 4096 0.28.
 * But OpenBLAS runs on one thread (blas.c says why), the built-in kernels on all; which of them serves must not depend on the number of
 * threads, or the result would. So the table holds its speed against two: half of that where the built-in product uses them. It is
 * never worth its 27 MB here, and linked only on request.
 */
static const struct {
    int64_t most;          /* multiply-adds */
    float single, twice;   /* above 1: OpenBLAS serves */
} blas_speed[] = {
    {1 << 16, 0.82f, 0.96f}, {1 << 19, 0.81f, 0.95f}, {1 << 22, 0.93f, 0.97f}, {1 << 25, 0.5f, 0.5f}, {INT64_MAX, 0.53f, 0.52f},
};

static bool blas_is_faster(const hy_gemm *g, int32_t dtype)
{
    int64_t macs = g->m * g->n * g->k;
    int i = 0;
    while (macs > blas_speed[i].most) i++;
    return (dtype == HY_FLOAT32 ? blas_speed[i].single : blas_speed[i].twice) > 1;
}

static hy_status matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation,
                        const hy_tensor *y)
{
    hy_gemm g = hy_gemm_of_views(a, b, bias, activation, y);
    if (blas_is_faster(&g, y->dtype)) {
        hy_status status = HY_ISA(hy_matmul_blas)(device, a, b, bias, activation, y);
        if (status != HY_UNSUPPORTED) return status;
    }
    return run_builtin(device, y->dtype, &g);
}

/* ---- With B packed ahead ---- */

static hy_status matmul_prepare(hy_device *device, const hy_tensor *b, int64_t *elements, const hy_tensor *prepared)
{
    const int64_t k = b->shape[0], n = b->shape[1];
    const bool single = b->dtype == HY_FLOAT32;
    const hy_gemm_operand operand = {.data = b->data, .vector_stride = b->strides[1], .k_stride = b->strides[0]};
    *elements = single ? HY_ISA(hy_gemm_prepared_f32)(n, k) : HY_ISA(hy_gemm_prepared_f64)(n, k);
    if (prepared && single) HY_ISA(hy_gemm_prepare_f32)(&operand, n, k, prepared->data);
    else if (prepared) HY_ISA(hy_gemm_prepare_f64)(&operand, n, k, prepared->data);
    return HY_OK;
}

static hy_status matmul_prepared(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *prepared, const hy_tensor *bias,
                                 int32_t activation, const hy_tensor *y)
{
    hy_gemm g = hy_gemm_of_views(a, b, bias, activation, y);
    if (blas_is_faster(&g, y->dtype)) return matmul(device, a, b, bias, activation, y);
    g.b.prepared = prepared->data;
    return run_builtin(device, y->dtype, &g);
}

void HY_ISA(hy_fill_matmul)(hy_backend *backend)
{
    backend->matmul_prepare = matmul_prepare;
    backend->matmul_prepared = matmul_prepared;
    backend->matmul = matmul;
}
