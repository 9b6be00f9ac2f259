/* Quantised weights, their product with activations, and linear layers made of it. */
#include "cpu/kernels/int8.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "core/functions.h"
#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/pack.h"
#include "cpu/simd/pairs.h"
#include "cpu/simd/vector.h"

enum {
    TASK_MACS = 1 << 20,        /* some 10 µs */
    BLOCK_BYTES = 128 << 10     /* of activations that a task keeps in the second-level cache */
};

/* ---- From numbers to integers ---- */

HY_RUN_FUNCTION(run_min_f32, float, float, HY_SMALLER)

float HY_ISA(hy_int8_smallest)(const float *x, int64_t n) { return run_min_f32(x, n); }
float HY_ISA(hy_int8_largest)(const float *x, int64_t n) { return hy_run_max_f32(x, n); }

hy_int8_range HY_ISA(hy_int8_range_of)(float smallest, float largest)
{
    const float low = smallest < 0 ? smallest : 0, high = largest > 0 ? largest : 0, width = high - low;
    const bool finite = smallest == smallest && largest == largest && width <= FLT_MAX;
    const float step = width / 255, scale = !finite ? NAN : step > 0 ? step : 1, zero = finite ? hy_round(-low / scale) : 0;
    return (hy_int8_range){scale, 1 / scale, -zero, 255 - zero};
}

void HY_ISA(hy_int8_quantize)(const hy_int8_range *range, const float *x, int64_t n, int16_t *q)
{
    const float inverse = range->inverse, low = range->low, high = range->high;
    for (int64_t i = 0; i < n; i++) {
        const float v = hy_round(x[i] * inverse), above = v > low ? v : low; /* low for NaN */
        q[i] = (int16_t)(above < high ? above : high);
    }
}

/* One unit of work is an output's weights. */
typedef struct weights {
    const hy_tensor *w, *q, *scale;
    int64_t n; /* weights of an output */
} weights;

static void quantize_outputs(void *context, int64_t begin, int64_t end)
{
    const weights *job = context;
    for (int64_t k = begin; k < end; k++) {
        const float *w = (const float *)job->w->data + k * job->n;
        int8_t *q = (int8_t *)job->q->data + k * job->n;
        const float largest = job->n ? hy_run_max_f32(w, job->n) : 0, smallest = job->n ? run_min_f32(w, job->n) : 0;
        const float size = largest > -smallest ? largest : -smallest, scale = size > 0 ? size / 127 : 1;
        for (int64_t i = 0; i < job->n; i++) q[i] = (int8_t)hy_round(w[i] / scale);
        ((float *)job->scale->data)[k * job->scale->strides[0]] = scale;
    }
}

static hy_status quantize_weight(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale)
{
    hy_pack pack = {.device = device};
    weights job = {hy_pack_in(&pack, w), hy_pack_out(&pack, q), scale, w->shape[0] ? hy_numel(w) / w->shape[0] : 0};
    if (pack.status == HY_OK) hy_parallel_for(w->shape[0], hy_max(1, (1 << 15) / hy_max(1, job.n)), quantize_outputs, &job);
    return hy_pack_end(&pack, pack.status);
}

typedef struct packing {
    const int8_t *q;
    int8_t *packed;
    int64_t outputs, inputs, pairs;
} packing;

static void pack_panels(void *context, int64_t begin, int64_t end)
{
    const packing *p = context;
    memset(p->packed + begin * p->pairs * 2 * HY_INT8_COLUMNS, 0, (size_t)((end - begin) * p->pairs * 2 * HY_INT8_COLUMNS));
    for (int64_t k = begin * HY_INT8_COLUMNS; k < hy_min(p->outputs, end * HY_INT8_COLUMNS); k++) {
        int8_t *to = p->packed + k / HY_INT8_COLUMNS * p->pairs * 2 * HY_INT8_COLUMNS + k % HY_INT8_COLUMNS * 2;
        for (int64_t c = 0; c < p->inputs; c++) to[c / 2 * 2 * HY_INT8_COLUMNS + c % 2] = p->q[k * p->inputs + c];
    }
}

static hy_status pack_int8(hy_device *device, const hy_tensor *q, const hy_tensor *packed)
{
    hy_pack pack = {.device = device};
    const hy_tensor *from = hy_pack_in(&pack, q), *to = hy_pack_out(&pack, packed);
    packing p = {from->data, to->data, q->shape[0], q->shape[0] ? hy_numel(q) / q->shape[0] : 0, packed->shape[1]};
    const bool any = pack.status == HY_OK && p.pairs > 0;
    if (any) hy_parallel_for(packed->shape[0], hy_max(1, (1 << 15) / (HY_INT8_COLUMNS * hy_max(1, p.inputs))), pack_panels, &p);
    return hy_pack_end(&pack, pack.status);
}

/* ---- The product ---- */

typedef int32_t __attribute__((may_alias)) pair_bits;

/* sums[i][j] = row i of the panel times output j, for `rows` rows, a constant where this is inlined. */
static inline __attribute__((always_inline)) void tile_rows(const int rows, const int16_t *panel, const int8_t *weight, int64_t count,
                                                            int32_t (*sums)[HY_INT8_COLUMNS])
{
    hy_sums sum[HY_INT8_ROWS][HY_INT8_VECTORS];
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < HY_INT8_VECTORS; j++) sum[i][j] = (hy_sums){0};
    const pair_bits *a = (const pair_bits *)panel;
    for (int64_t p = 0; p < count; p++, a += HY_INT8_ROWS, weight += 2 * HY_INT8_COLUMNS) {
        hy_pairs w[HY_INT8_VECTORS];
#pragma GCC unroll 4
        for (int j = 0; j < HY_INT8_VECTORS; j++)
            w[j] = hy_widen_bytes(weight + j * HY_TILE_VECTOR / 2);
#pragma GCC unroll 16
        for (int i = 0; i < rows; i++) {
            const hy_pairs row = (hy_pairs)((hy_sums){0} + a[i]);
#pragma GCC unroll 4
            for (int j = 0; j < HY_INT8_VECTORS; j++) sum[i][j] = hy_add_pairs(sum[i][j], row, w[j]);
        }
    }
#pragma GCC unroll 16
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 4
        for (int j = 0; j < HY_INT8_VECTORS; j++) *(hy_sums_at *)(sums[i] + j * (HY_TILE_VECTOR / 4)) = sum[i][j];
}

#define TILE_CASE(n)                                                            \
    case n:                                                                     \
        if (n <= HY_INT8_ROWS) tile_rows(n, panel, weight, count, sums);        \
        break;

static __attribute__((noinline)) void tile(int64_t rows, const int16_t *panel, const int8_t *weight, int64_t count, int32_t (*sums)[HY_INT8_COLUMNS])
{
    switch (rows) {
        TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4) TILE_CASE(5) TILE_CASE(6) TILE_CASE(7)
        TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13) TILE_CASE(14)
    }
}

/* What becomes of a panel's sums, in place. */
typedef union result {
    int32_t sums[HY_INT8_ROWS][HY_INT8_COLUMNS];
    float values[HY_INT8_ROWS][HY_INT8_COLUMNS];
} result;

/* Scales and biases of a panel's outputs; zeros where there is none. */
typedef struct factors {
    float scale[HY_INT8_COLUMNS], bias[HY_INT8_COLUMNS];
} factors;

static void finish(const hy_int8_product *p, const hy_int8_panel *panel, const factors *f, result *r)
{
    const bool relu = p->activation == HY_ACTIVATION(HY_UNARY_relu);
    for (int64_t i = 0; i < panel->rows; i++) {
        const float scale = panel->scale[i * p->scale_stride];
        for (int j = 0; j < HY_INT8_COLUMNS; j++) {
            const float v = (float)r->sums[i][j] * (scale * f->scale[j]) + f->bias[j];
            r->values[i][j] = relu && v < 0 ? 0 : v;
        }
    }
}

/* `rows` is a constant where this is inlined. */
static inline __attribute__((always_inline)) void store_columns(const int64_t rows, const result *r, int64_t count, float *y, int64_t stride)
{
    for (int64_t j = 0; j < count; j++, y += stride) {
#pragma GCC unroll 16
        for (int64_t i = 0; i < rows; i++) y[i] = r->values[i][j];
    }
}

#define STORE_CASE(n)                                                         \
    case n:                                                                   \
        if (n <= HY_INT8_ROWS) store_columns(n, r, count, y, p->output_stride); \
        break;

/* Either the outputs of a row lie side by side in y, as a linear layer's do, or the rows of an output, as the pixels of a channel do. */
static void store(const hy_int8_product *p, const hy_int8_panel *panel, const result *r, int64_t first, int64_t count)
{
    float *y = panel->y + first * p->output_stride;
    if (p->output_stride == 1) {
        for (int64_t i = 0; i < panel->rows; i++) memcpy(y + i * p->row_stride, r->values[i], (size_t)count * sizeof(float));
        return;
    }
    switch (panel->rows) {
        STORE_CASE(1) STORE_CASE(2) STORE_CASE(3) STORE_CASE(4) STORE_CASE(5) STORE_CASE(6) STORE_CASE(7)
        STORE_CASE(8) STORE_CASE(9) STORE_CASE(10) STORE_CASE(11) STORE_CASE(12) STORE_CASE(13) STORE_CASE(14)
    }
}

/* Any other activation, over what has just been stored. */
static void activate(hy_device *device, const hy_int8_product *p, const hy_int8_panel *panel, int64_t first, int64_t count)
{
    if (p->activation == HY_NO_ACTIVATION || p->activation == HY_ACTIVATION(HY_UNARY_relu)) return;
    hy_tensor t = {.data = panel->y + first * p->output_stride, .device = device, .dtype = HY_FLOAT32, .ndim = 2, .shape = {panel->rows, count},
                   .strides = {p->row_stride, p->output_stride}};
    device->backend.unary(device, p->activation - HY_ACTIVATION(0), 0, &t, &t);
}

void HY_ISA(hy_int8_multiply)(hy_device *device, const hy_int8_product *p, const hy_int8_panel *panels, int64_t count, int64_t begin, int64_t end)
{
    _Alignas(64) result r;
    for (int64_t j = begin; j < end; j++) {
        const int8_t *weight = p->weight + j * p->pairs * 2 * HY_INT8_COLUMNS;
        const int64_t first = j * HY_INT8_COLUMNS, outputs = hy_min(HY_INT8_COLUMNS, p->outputs - first);
        factors f = {0};
        memcpy(f.scale, p->scale + first, (size_t)outputs * sizeof(float));
        if (p->bias) memcpy(f.bias, p->bias + first, (size_t)outputs * sizeof(float));
        for (int64_t i = 0; i < count; i++) {
            tile(panels[i].rows, panels[i].a, weight, p->pairs, r.sums);
            finish(p, panels + i, &f, &r);
            store(p, panels + i, &r, first, outputs);
            activate(device, p, panels + i, first, outputs);
        }
    }
}

/* ---- Linear layers: a scale for each row ---- */

typedef struct linear {
    hy_device *device;
    hy_int8_product product;
    const float *x;
    int64_t rows, inputs, panels, per_panel; /* int16s of a panel */
    int16_t *a;
    float *scale;
    hy_int8_panel *panel;
    int64_t row_blocks, output_blocks, output_panels;
} linear;

/* Quantises the rows of a panel; each pair goes where the tile wants it. */
static void quantize_panels(void *context, int64_t begin, int64_t end)
{
    const linear *l = context;
    enum { RUN = 1024 };
    for (int64_t i = begin; i < end; i++) {
        const int64_t first = hy_share(l->rows, l->panels, i), rows = hy_share(l->rows, l->panels, i + 1) - first;
        int16_t *a = l->a + i * l->per_panel;
        l->panel[i] = (hy_int8_panel){a, rows, l->scale + first, (float *)l->panel[i].y + first * l->product.row_stride};
        for (int64_t r = 0; r < rows; r++) {
            const float *x = l->x + (first + r) * l->inputs;
            const int64_t n = l->inputs;
            const hy_int8_range range = HY_ISA(hy_int8_range_of)(n ? run_min_f32(x, n) : 0, n ? hy_run_max_f32(x, n) : 0);
            l->scale[first + r] = range.scale;
            _Alignas(64) int16_t q[RUN];
            for (int64_t c = 0; c < n; c += RUN) {
                const int64_t m = hy_min(RUN, n - c);
                HY_ISA(hy_int8_quantize)(&range, x + c, m, q);
                if (m % 2) q[m] = 0;
                pair_bits *to = (pair_bits *)a + c / 2 * HY_INT8_ROWS + r;
                for (int64_t p = 0; p < (m + 1) / 2; p++) to[p * HY_INT8_ROWS] = ((const pair_bits *)q)[p];
            }
        }
    }
}

static void multiply_blocks(void *context, int64_t begin, int64_t end)
{
    const linear *l = context;
    for (int64_t task = begin; task < end; task++) {
        const int64_t i = task % l->row_blocks, j = task / l->row_blocks;
        const int64_t first = hy_share(l->panels, l->row_blocks, i), last = hy_share(l->panels, l->row_blocks, i + 1);
        HY_ISA(hy_int8_multiply)(l->device, &l->product, l->panel + first, last - first, hy_share(l->output_panels, l->output_blocks, j),
                                 hy_share(l->output_panels, l->output_blocks, j + 1));
    }
}

static hy_status run_linear(linear *l, float *y)
{
    const int64_t a_bytes = (l->panels * l->per_panel * 2 + 63) / 64 * 64, panel_bytes = (l->panels * (int64_t)sizeof *l->panel + 63) / 64 * 64;
    char *memory;
    hy_status status = hy_alloc(l->device, a_bytes + panel_bytes + l->rows * (int64_t)sizeof(float), (void **)&memory);
    if (status != HY_OK) return status;
    l->a = (int16_t *)memory;
    l->panel = (hy_int8_panel *)(memory + a_bytes);
    l->scale = (float *)(memory + a_bytes + panel_bytes);
    for (int64_t i = 0; i < l->panels; i++) l->panel[i].y = y;
    hy_parallel_for(l->panels, hy_max(1, (1 << 14) / hy_max(1, l->per_panel)), quantize_panels, l);
    hy_parallel_for(l->row_blocks * l->output_blocks, 1, multiply_blocks, l);
    return hy_free(l->device, memory);
}

static hy_status quantized_linear(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias,
                                  int32_t activation, const hy_tensor *y)
{
    if (hy_numel(y) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x), packed = hy_pack_in(&pack, packed), scale = hy_pack_in(&pack, scale), bias = hy_pack_in(&pack, bias);
    const hy_tensor *to = hy_pack_out(&pack, y);
    linear l = {.device = device, .x = x->data, .rows = x->shape[0], .inputs = x->shape[1], .output_panels = packed->shape[0]};
    l.product = (hy_int8_product){packed->data, y->shape[1], packed->shape[1], scale->data, bias ? bias->data : NULL, 1, y->shape[1], 1, activation};
    l.panels = hy_ceil_div(l.rows, HY_INT8_ROWS);
    l.per_panel = l.product.pairs * HY_INT8_ROWS * 2;
    l.row_blocks = hy_max(1, hy_min(l.panels, hy_ceil_div(l.panels * l.per_panel * 2, BLOCK_BYTES)));
    const int64_t macs = l.rows * l.inputs * y->shape[1] / l.row_blocks;
    l.output_blocks = hy_max(1, hy_min(l.output_panels, macs / TASK_MACS));
    hy_status status = pack.status;
    if (status == HY_OK) status = run_linear(&l, to->data);
    return hy_pack_end(&pack, status);
}

void HY_ISA(hy_fill_int8)(hy_backend *backend)
{
    backend->quantize_weight = quantize_weight;
    backend->pack_int8 = pack_int8;
    backend->quantized_linear = quantized_linear;
    backend->quantized_conv2d = HY_ISA(hy_quantized_conv2d);
}
