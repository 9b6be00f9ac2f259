/*
 * Convolution with lanes along the images of a batch. A block of images is turned to [pixel][channel][image], as Li et al. ("Optimizing memory
 * efficiency for deep convolutional neural networks on GPUs", 2016) advise for small ones: every pixel is whole vectors, whatever the width of
 * an image, and each window is summed by itself, so that what it sees of the padding is left out, not multiplied. The block is turned, convolved and turned
 * back by one task while the cache holds it.
 */
#include "cpu/kernels/conv.h"

#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/slots.h"

#define MOST_IMAGES (HY_MOST_VECTORS * HY_TILE_VECTOR / 4)

typedef struct plan {
    hy_device *device;
    const hy_correlation *c;
    int64_t images, blocks;      /* of a block, a whole number of vectors; and how many of them */
    int64_t block_rows, bands;   /* y's rows are cut into bands */
    int64_t x_rows, panels;      /* of x that a band sees at most; of a group's rows */
    int64_t *offset, *at;        /* of each (tap, channel) from a window's place, and of each vector */
    hy_conv_weights weights;     /* by tap */
    hy_slots slots;              /* x as [row][column][channel][image], then y as [channel][pixel][image] */
} plan;

/* A run of taps that a window sees inside the image. */
typedef struct run {
    int64_t first, end;
} run;

static inline int64_t panel_start(const plan *p, int64_t i) { return hy_share(p->c->rows, p->panels, i); }

static int64_t staged_x(const plan *p) { return p->x_rows * p->c->x->shape[3] * p->c->channels * p->images; }

static int64_t staged_bytes(const plan *p)
{
    return (staged_x(p) + p->c->rows * p->block_rows * p->c->y->shape[3] * p->images) * hy_dtype_size(p->c->x->dtype);
}

static inline int64_t depth_of(const plan *p) { return p->c->taps * p->c->channels; }

/* Where x's rows of a band begin and end. */
static void rows_seen(const plan *p, int64_t band, int64_t *first, int64_t *end)
{
    const hy_correlation *c = p->c;
    int64_t reach = 0, last = hy_min(c->y->shape[2], (band + 1) * p->block_rows) - 1;
    for (int64_t t = 0; t < c->taps; t++) reach = hy_max(reach, c->tap[t].down);
    *first = hy_max(0, hy_min(c->x->shape[2], band * p->block_rows * c->stride[0] - c->origin[0]));
    *end = hy_max(*first, hy_min(c->x->shape[2], last * c->stride[0] - c->origin[0] + reach + 1));
}

/* The taps of the window whose first element is this one of x, as runs; returns how many. */
static int64_t list_runs(const hy_correlation *c, int64_t top, int64_t left, run *runs)
{
    int64_t count = 0;
    bool before = false;
    for (int64_t t = 0; t < c->taps; t++) {
        int64_t row = top + c->tap[t].down, column = left + c->tap[t].right;
        bool inside = row >= 0 && row < c->x->shape[2] && column >= 0 && column < c->x->shape[3];
        if (inside && !before) runs[count++].first = t;
        if (inside) runs[count - 1].end = t + 1;
        before = inside;
    }
    return count;
}

#define BODY "cpu/kernels/conv_batch_body.h"
#include "cpu/kernels/both_reals.h"

static void make_plan(plan *p)
{
    const hy_correlation *c = p->c;
    const int64_t lanes = HY_CONV_LANES(c->x->dtype), batch = c->y->shape[0];
    p->panels = hy_ceil_div(c->rows, HY_TILE_ROWS);
    p->blocks = hy_ceil_div(batch, HY_WIDE(hy_ceil_div(c->rows, p->panels)) * lanes);
    p->images = hy_ceil_div(hy_ceil_div(batch, p->blocks), lanes) * lanes;
    int64_t reach = 0, wanted = hy_ceil_div(HY_TASKS_WANTED, p->blocks * c->groups);
    for (int64_t t = 0; t < c->taps; t++) reach = hy_max(reach, c->tap[t].down);
    p->block_rows = hy_ceil_div(c->y->shape[2], hy_max(1, hy_min(wanted, c->y->shape[2] / (reach + 1))));
    p->bands = hy_ceil_div(c->y->shape[2], p->block_rows);
    for (int64_t band = 0; band < p->bands; band++) {
        int64_t first, end;
        rows_seen(p, band, &first, &end);
        p->x_rows = hy_max(p->x_rows, end - first);
    }
}

static void fill_tables(plan *p)
{
    const hy_correlation *c = p->c;
    int64_t count = 0, lanes = HY_CONV_LANES(c->x->dtype);
    for (int64_t t = 0; t < c->taps; t++)
        for (int64_t channel = 0; channel < c->channels; channel++)
            p->offset[count++] = ((c->tap[t].down * c->x->shape[3] + c->tap[t].right) * c->channels + channel) * p->images;
    for (int64_t v = 0; v * lanes < p->images; v++) p->at[v] = v * lanes;
}


hy_status HY_ISA(hy_correlate_batch)(hy_device *device, const hy_correlation *c)
{
    plan p = {.device = device, .c = c};
    const bool single = c->x->dtype == HY_FLOAT32;
    make_plan(&p);
    const int64_t tasks = p.blocks * c->groups * p.bands, depth = depth_of(&p);
    const int64_t grain = hy_ceil_div(HY_TASK_MACS, hy_numel(c->y) * depth / tasks + 1);
    void *tables = NULL;
    hy_status status = hy_alloc(device, (depth + HY_MOST_VECTORS) * (int64_t)sizeof(int64_t), &tables);
    if (status == HY_OK) status = HY_ISA(hy_conv_weights_make)(device, c, true, &p.weights);
    if (status == HY_OK) status = hy_slots_alloc(&p.slots, device, staged_bytes(&p) + c->taps * (int64_t)sizeof(run), hy_ceil_div(tasks, grain));
    if (status == HY_OK) {
        p.offset = tables;
        p.at = p.offset + depth;
        fill_tables(&p);
        hy_parallel_for(tasks, grain, single ? correlate_blocks_f32 : correlate_blocks_f64, &p);
    }
    hy_free(device, p.slots.memory);
    hy_free(device, p.weights.owned);
    hy_free(device, tables);
    return status;
}
