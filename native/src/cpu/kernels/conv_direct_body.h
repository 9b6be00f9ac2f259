/* The typed half of conv_direct.c; see gemm_body.h for `real` and T(name). */
#include "cpu/kernels/conv_windows_body.h"

/* For `rows` rows by `wide` vectors at a time, constants where this is inlined. A run's last tile takes its last vector as often as it
 * needs, so all of y is read before any is stored. y is added last: what many sweeps add up is rounded once a sweep. */
static inline __attribute__((always_inline)) void T(sweep_rows)(const int rows, const int wide, const hy_sweep *s)
{
    const real *start = s->start;
    for (int64_t v = 0; v < s->vectors; v += wide) {
        const real *x[HY_MOST_VECTORS], *weight = s->panel;
        T(vec) sum[HY_TILE_ROWS][HY_MOST_VECTORS];
#pragma GCC unroll 6
        for (int j = 0; j < wide; j++) {
            int64_t at = hy_min(v + j, s->vectors - 1);
            x[j] = (const real *)s->x + s->from[at];
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++) sum[i][j] = (T(vec)){0} + (start ? start[i] : 0);
        }
        for (int64_t p = 0; p < s->depth; p++, weight += rows) {
            if (rows < wide) { /* the shorter side is held in registers, the longer one streams */
                T(vec) held[HY_TILE_ROWS];
#pragma GCC unroll 6
                for (int i = 0; i < rows; i++) held[i] = (T(vec)){0} + weight[i];
#pragma GCC unroll 6
                for (int j = 0; j < wide; j++) {
                    T(vec) column = *(const T(vec_at) *)(x[j] + s->offset[p]);
#pragma GCC unroll 6
                    for (int i = 0; i < rows; i++) sum[i][j] += held[i] * column;
                }
            } else {
                T(vec) column[HY_MOST_VECTORS];
#pragma GCC unroll 6
                for (int j = 0; j < wide; j++) column[j] = *(const T(vec_at) *)(x[j] + s->offset[p]);
#pragma GCC unroll 16
                for (int i = 0; i < rows; i++)
#pragma GCC unroll 6
                    for (int j = 0; j < wide; j++) sum[i][j] += weight[i] * column[j];
            }
        }
        if (!start) {
#pragma GCC unroll 6
            for (int j = 0; j < wide; j++) {
                const real *y = (const real *)s->y + s->to[hy_min(v + j, s->vectors - 1)];
#pragma GCC unroll 16
                for (int i = 0; i < rows; i++, y += s->row_stride) sum[i][j] += *(const T(vec_at) *)y;
            }
        }
        real low = s->relu ? 0 : -INFINITY;
#pragma GCC unroll 6
        for (int j = 0; j < wide; j++) {
            real *y = (real *)s->y + s->to[hy_min(v + j, s->vectors - 1)];
#pragma GCC unroll 16
            for (int i = 0; i < rows; i++, y += s->row_stride)
                *(T(vec_at) *)y = (T(vec))((T(mask))sum[i][j] & ~(sum[i][j] < low));
        }
    }
}

#define SWEEP_CASE(n)                                                \
    case n:                                                          \
        if (n <= HY_TILE_ROWS) T(sweep_rows)(n, HY_WIDE(n), s);         \
        break;

void HY_ISA(T(hy_sweep))(int64_t rows, const hy_sweep *s)
{
    switch (rows) {
        SWEEP_CASE(1) SWEEP_CASE(2) SWEEP_CASE(3) SWEEP_CASE(4) SWEEP_CASE(5) SWEEP_CASE(6) SWEEP_CASE(7)
        SWEEP_CASE(8) SWEEP_CASE(9) SWEEP_CASE(10) SWEEP_CASE(11) SWEEP_CASE(12) SWEEP_CASE(13) SWEEP_CASE(14)
    }
}

#undef SWEEP_CASE

/* unit = (group, panel) */
static void T(make_panels)(void *context, int64_t begin, int64_t end)
{
    const panels_job *job = context;
    const hy_correlation *c = job->c;
    const int64_t depth = c->channels * c->taps;
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t group = unit / job->panels, panel = unit % job->panels, first = hy_share(c->rows, job->panels, panel);
        const int64_t rows = hy_share(c->rows, job->panels, panel + 1) - first;
        const real *w = (const real *)c->w + group * c->w_group + first * c->w_row;
        real *to = (real *)job->to + (group * c->rows + first) * depth;
        for (int64_t p = 0; p < depth; p++) {
            const int64_t channel = job->by_tap ? p % c->channels : p / c->taps, tap = job->by_tap ? p / c->channels : p % c->taps;
            for (int64_t i = 0; i < rows; i++) *to++ = w[channel * c->w_channel + c->tap[tap].weight + i * c->w_row];
        }
    }
}

static void T(copy_bias)(const hy_correlation *c, void *to)
{
    for (int64_t i = 0; i < c->groups * c->rows; i++) ((real *)to)[i] = c->bias ? ((const real *)c->bias->data)[i * c->bias->strides[0]] : 0;
}

/* task = (image, group, block of rows) */
static void T(correlate_block)(const plan *p, int64_t task, real *scratch)
{
    const hy_correlation *c = p->c;
    const hy_windows *w = &p->windows;
    int64_t row = task % w->blocks * w->block_rows, group = task / w->blocks % c->groups, image = task / w->blocks / c->groups;
    int64_t rows = hy_min(w->block_rows, w->out[0] - row), vectors = p->vectors / w->block_rows * rows;
    const real *x = T(hy_windows_at)(w, image, group, row, rows, scratch);
    real *y = (real *)c->y->data + image * c->y->strides[0] + group * c->rows * c->y->strides[1] + row * c->y->strides[2];
    int64_t chunk = p->panels == 1 ? vectors : CHUNK;
    for (int64_t v = 0; v < vectors; v += chunk) {
        for (int64_t i = 0; i < p->panels; i++) {
            int64_t first = panel_start(p, i), height = panel_start(p, i + 1) - first;
            const int64_t row_of_all = group * c->rows + first;
            hy_sweep sweep = {.start = (const real *)p->weights.start + row_of_all, .panel = (const real *)p->weights.panels + row_of_all * p->depth,
                              .x = x, .offset = p->offset, .from = p->from + v, .to = p->to + v, .depth = p->depth,
                              .vectors = hy_min(chunk, vectors - v), .y = y + first * c->y->strides[1],
                              .row_stride = c->y->strides[1], .relu = c->activation == HY_ACTIVATION(HY_UNARY_relu)};
            HY_ISA(T(hy_sweep))(height, &sweep);
        }
    }
    if (c->activation == HY_NO_ACTIVATION || c->activation == HY_ACTIVATION(HY_UNARY_relu)) return;
    for (int64_t i = 0; i < c->rows; i++) /* what the store has not done already, while the block is in the cache */
        hy_activate(p->device, c->y->dtype, c->activation, y + i * c->y->strides[1], rows, w->out[1], c->y->strides[2], 1);
}

static void T(correlate_blocks)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = hy_slots_take(&p->slots);
    for (int64_t task = begin; task < end; task++) T(correlate_block)(p, task, (real *)(p->slots.memory + slot * p->slots.bytes));
    hy_slots_give(&p->slots, slot);
}

#undef LANES
