/*
 * Products of bfloat16 matrices by AVX512-BF16: an element of gemm.c's product is then a pair of numbers that follow one another along k, as wide as
 * a float, and its tile adds both products of a pair at once. Sums are float32; bias and activation are added to them, and the result is rounded
 * once. Denormal operands count as zero. Everything else of bfloat16 stays with half.c.
 */
#include <string.h>

#include "core/parallel.h"
#include "cpu/kernels/gemm_views.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/pack.h"
#include "cpu/simd/bfloat16.h"

typedef int32_t __attribute__((may_alias)) pair;

#define GEMV_PAIRS (1 << 16) /* of the matrix, a task */
#define COPY_PAIRS (1 << 14)

/* ---- From numbers to pairs ---- */

/* Matrices that are laid out anew: one unit of work is a vector whose numbers lie side by side, or all vectors' pair p. */
typedef struct pairing {
    const hy_tensor *from;
    pair *to;
    int64_t vectors, k, pairs;
    int64_t vector_stride, k_stride;
} pairing;

static const uint16_t *matrix_of(const hy_tensor *t, int64_t item)
{
    const uint16_t *data = t->data;
    for (int d = t->ndim - 3; d >= 0; d--) {
        data += item % t->shape[d] * t->strides[d];
        item /= t->shape[d];
    }
    return data;
}

static void pair_along(void *context, int64_t begin, int64_t end)
{
    const pairing *p = context;
    for (int64_t unit = begin; unit < end; unit++) {
        pair *to = p->to + unit * p->pairs;
        if (p->k % 2) to[p->pairs - 1] = 0;
        memcpy(to, matrix_of(p->from, unit / p->vectors) + unit % p->vectors * p->vector_stride, (size_t)p->k * 2);
    }
}

static void pair_across(void *context, int64_t begin, int64_t end)
{
    const pairing *p = context;
    const int64_t stride = p->vector_stride, vectors = p->vectors;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t k = unit % p->pairs * 2;
        const uint16_t *lower = matrix_of(p->from, unit / p->pairs) + k * p->k_stride, *upper = lower + p->k_stride;
        pair *to = p->to + unit * vectors;
        if (k + 1 == p->k)
            for (int64_t i = 0; i < vectors; i++) to[i] = lower[i * stride];
        else if (stride == 1)
            for (int64_t i = 0; i < vectors; i++) to[i] = (int32_t)(lower[i] | (uint32_t)upper[i] << 16);
        else
            for (int64_t i = 0; i < vectors; i++) to[i] = (int32_t)(lower[i * stride] | (uint32_t)upper[i * stride] << 16);
    }
}

/* Whether t, as it lies there, is a matrix of pairs: they are whole, side by side and where a float may be. */
static bool has_pairs(const hy_tensor *t, int32_t k_axis)
{
    bool fits = t->shape[k_axis] % 2 == 0 && (t->strides[k_axis] == 1 || t->shape[k_axis] == 0) && (uintptr_t)t->data % sizeof(pair) == 0;
    for (int32_t d = 0; d < t->ndim; d++) fits = fits && (d == k_axis || t->shape[d] == 1 || t->strides[d] % 2 == 0);
    return fits;
}

/* t as float32 would see its pairs: in place, or laid out anew with its numbers side by side along the axis along which they were, an odd k with a
 * zero at its end. */
static hy_tensor pairs_of(hy_pack *pack, const hy_tensor *t, int32_t k_axis)
{
    const int32_t v_axis = 2 * t->ndim - 3 - k_axis;
    hy_tensor view = *t;
    view.dtype = HY_FLOAT32;
    view.shape[k_axis] = hy_ceil_div(t->shape[k_axis], 2);
    if (has_pairs(t, k_axis)) {
        for (int32_t d = 0; d < t->ndim; d++) view.strides[d] = d == k_axis ? 1 : t->strides[d] / 2;
        return view;
    }
    if (pack->status == HY_OK) view = *hy_pack_new(pack, &view, HY_FLOAT32, NULL);
    if (pack->status != HY_OK || hy_numel(&view) == 0) return view;
    const bool along = t->strides[k_axis] == 1;
    pairing p = {t, view.data, t->shape[v_axis], t->shape[k_axis], view.shape[k_axis], t->strides[v_axis], t->strides[k_axis]};
    view.strides[k_axis] = along ? 1 : p.vectors;
    view.strides[v_axis] = along ? p.pairs : 1;
    const int64_t length = along ? p.pairs : p.vectors;
    hy_parallel_for(hy_numel(&view) / length, hy_max(1, COPY_PAIRS / length), along ? pair_along : pair_across, &p);
    return view;
}

/* ---- A vector times a matrix whose vectors lie along k ---- */

static float dot(const float *a, const float *b, int64_t pairs)
{
    enum { LANES = HY_TILE_VECTOR / 4, CHAINS = 4 };
    hy_floats sums[CHAINS] = {{0}};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= pairs; i += CHAINS * LANES)
#pragma GCC unroll 4
        for (int c = 0; c < CHAINS; c++)
            sums[c] = hy_add_bfloat16_pairs(sums[c], *(const hy_sums_at *)(a + i + c * LANES), *(const hy_sums_at *)(b + i + c * LANES));
    for (; i < pairs; i += LANES) {
        hy_sums x = {0}, y = {0};
        const size_t bytes = (size_t)hy_min(LANES, pairs - i) * sizeof(pair);
        memcpy(&x, a + i, bytes);
        memcpy(&y, b + i, bytes);
        sums[0] = hy_add_bfloat16_pairs(sums[0], x, y);
    }
    const hy_floats all = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    float sum = 0;
    for (int lane = 0; lane < LANES; lane++) sum += all[lane];
    return sum;
}

/* One vector, and the vectors of the matrix. */
typedef struct gemv {
    const float *x, *b, *bias;
    float *y;
    int64_t pairs, b_stride, bias_stride, y_stride;
} gemv;

static void multiply_vectors(void *context, int64_t begin, int64_t end)
{
    const gemv *v = context;
    for (int64_t j = begin; j < end; j++)
        v->y[j * v->y_stride] = dot(v->x, v->b + j * v->b_stride, v->pairs) + (v->bias ? v->bias[j * v->bias_stride] : 0);
}

static bool is_gemv(const hy_gemm *g)
{
    return g->batch_ndim == 0 && (g->m == 1 || g->n == 1) && g->k > 0 && g->a.k_stride == 1 && g->b.k_stride == 1;
}

static void run_gemv(hy_device *device, const hy_gemm *g)
{
    const bool row = g->m == 1;
    const int64_t count = row ? g->n : g->m;
    gemv v = {row ? g->a.data : g->b.data, row ? g->b.data : g->a.data, g->bias, g->c, g->k, row ? g->b.vector_stride : g->a.vector_stride,
              row ? g->bias_col_stride : g->bias_row_stride, row ? g->c_col_stride : g->c_row_stride};
    hy_parallel_for(count, hy_max(1, GEMV_PAIRS / g->k), multiply_vectors, &v);
    hy_activate(device, HY_FLOAT32, g->activation, g->c, 1, count, count * v.y_stride, v.y_stride);
}

/* ---- The slot ---- */

/* The slot as it was before this file. */
static hy_status (*widened)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y);

static hy_status matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    if (a->dtype != HY_BFLOAT16 || hy_numel(y) == 0) return widened(device, a, b, bias, activation, y);
    hy_pack pack = {.device = device};
    bias = hy_pack_float(&pack, bias, true, false);
    y = hy_pack_float(&pack, y, false, true);
    const hy_tensor pa = pairs_of(&pack, a, a->ndim - 1), pb = pairs_of(&pack, b, b->ndim - 2);
    if (pack.status == HY_OK) {
        const hy_gemm g = hy_gemm_of_views(&pa, &pb, bias, activation, y);
        if (is_gemv(&g)) run_gemv(device, &g);
        else pack.status = HY_ISA(hy_gemm_pairs)(device, &g);
    }
    return hy_pack_end(&pack, pack.status);
}

void HY_ISA(hy_fill_bfloat16)(hy_backend *backend)
{
    widened = backend->matmul;
    backend->matmul = matmul;
}
