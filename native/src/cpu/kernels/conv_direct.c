/*
 * Convolution straight from the planes: a register tile of output channels by vectors of pixels that reads the image through a table of
 * offsets, one for each (channel, tap), so that there is no column matrix and no packing of pixels. The loops follow Zhang, Franchetti and
 * Low, "High performance zero-memory overhead direct convolutions" (2018): all of the reduction stays in registers.
 *
 * Few rows (the input gradient of an image, a depthwise convolution) leave registers for more vectors: see HY_WIDE.
 */
#include "cpu/kernels/conv.h"

#include <math.h>

#include "core/parallel.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/slots.h"

#define CHUNK 24 /* vectors that meet one panel of weights after another; a multiple of most widths */

typedef struct plan {
    hy_device *device;
    const hy_correlation *c;
    hy_windows windows;
    int64_t depth, panels, vectors;  /* of the reduction, of a group's rows, of a full block */
    int64_t *offset;                 /* of each (channel, tap) */
    int64_t *from, *to;              /* where each vector of a block is read and written */
    hy_conv_weights weights;
    hy_slots slots;
} plan;

static inline int64_t panel_start(const plan *p, int64_t i) { return hy_share(p->c->rows, p->panels, i); }

/* Where panels of weights are made. */
typedef struct panels_job {
    const hy_correlation *c;
    int64_t panels;                  /* of a group */
    bool by_tap;
    void *to;
} panels_job;

#define BODY "cpu/kernels/conv_direct_body.h"
#include "cpu/kernels/both_reals.h"

void HY_ISA(hy_conv_panels)(const hy_correlation *c, int32_t dtype, bool by_tap, void *to)
{
    panels_job job = {c, hy_ceil_div(c->rows, HY_TILE_ROWS), by_tap, to};
    hy_parallel_for(c->groups * job.panels, hy_ceil_div(HY_TASK_MACS / 4, HY_TILE_ROWS * c->channels * c->taps),
                    dtype == HY_FLOAT32 ? make_panels_f32 : make_panels_f64, &job);
}

hy_status HY_ISA(hy_conv_weights_make)(hy_device *device, const hy_correlation *c, bool by_tap, hy_conv_weights *w)
{
    const int32_t dtype = c->x->dtype;
    const int64_t rows = c->groups * c->rows, size = hy_dtype_size(dtype), depth = c->prepared ? 0 : c->channels * c->taps;
    hy_status status = hy_alloc(device, rows * (depth + 1) * size, &w->owned);
    if (status != HY_OK) return status;
    char *panels = (char *)w->owned + rows * size;
    w->start = w->owned;
    w->panels = c->prepared ? c->prepared : panels;
    (dtype == HY_FLOAT32 ? copy_bias_f32 : copy_bias_f64)(c, w->owned);
    if (!c->prepared) HY_ISA(hy_conv_panels)(c, dtype, by_tap, panels);
    return HY_OK;
}

static void fill_tables(plan *p)
{
    const hy_correlation *c = p->c;
    const hy_windows *w = &p->windows;
    int64_t count = 0, lanes = HY_CONV_LANES(c->x->dtype);
    for (int64_t channel = 0; channel < c->channels; channel++)
        for (int64_t t = 0; t < c->taps; t++)
            p->offset[count++] = hy_windows_offset(w, channel, c->tap[t].down, c->tap[t].right);
    count = 0;
    for (int64_t row = 0; row < w->block_rows; row++) {
        for (int64_t column = 0; column < w->out[1]; column += lanes, count++) {
            int64_t at = hy_min(column, w->out[1] - lanes); /* the last vector of a row overlaps the one before */
            p->from[count] = row * w->row_step + at;
            p->to[count] = row * c->y->strides[2] + at;
        }
    }
}

static void plan_windows(plan *p)
{
    const hy_correlation *c = p->c;
    p->windows = (hy_windows){.x = c->x, .groups = c->groups, .channels = c->channels, .out = {c->y->shape[2], c->y->shape[3]},
                              .flat = c->flat};
    for (int axis = 0; axis < 2; axis++) {
        p->windows.stride[axis] = c->stride[axis];
        p->windows.origin[axis] = c->origin[axis];
    }
    for (int64_t t = 0; t < c->taps; t++) {
        p->windows.reach[0] = hy_max(p->windows.reach[0], c->tap[t].down);
        p->windows.reach[1] = hy_max(p->windows.reach[1], c->tap[t].right);
    }
    p->depth = c->channels * c->taps;
    p->panels = hy_ceil_div(c->rows, HY_TILE_ROWS);
    hy_windows_plan(&p->windows, hy_numel(c->y) * p->depth);
    p->vectors = p->windows.block_rows * hy_ceil_div(p->windows.out[1], HY_CONV_LANES(c->x->dtype));
}

hy_status HY_ISA(hy_correlate)(hy_device *device, const hy_correlation *c)
{
    plan p = {.device = device, .c = c};
    bool single = c->x->dtype == HY_FLOAT32;
    plan_windows(&p);
    int64_t images = c->y->shape[0], tasks = images * c->groups * p.windows.blocks;
    int64_t grain = hy_ceil_div(HY_TASK_MACS, hy_numel(c->y) * p.depth / tasks + 1);
    void *tables = NULL;
    hy_status status = hy_alloc(device, (p.depth + 2 * p.vectors) * (int64_t)sizeof(int64_t), &tables);
    if (status == HY_OK) status = HY_ISA(hy_conv_weights_make)(device, c, false, &p.weights);
    if (status == HY_OK) status = hy_slots_alloc(&p.slots, device, p.windows.bytes, hy_ceil_div(tasks, grain));
    if (status == HY_OK) {
        p.offset = tables;
        p.from = p.offset + p.depth;
        p.to = p.from + p.vectors;
        fill_tables(&p);
        hy_parallel_for(tasks, grain, single ? correlate_blocks_f32 : correlate_blocks_f64, &p);
    }
    hy_free(device, p.slots.memory);
    hy_free(device, p.weights.owned);
    hy_free(device, tables);
    return status;
}
