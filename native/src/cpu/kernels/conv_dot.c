/*
 * The weight's gradient where channels are few and images large: products of a few rows of dy with a few shifted rows of x, lanes along the
 * pixels, straight from the planes. Each task adds up its share of the images into vectors of its own, which are summed at the end.
 */
#include "cpu/kernels/conv.h"

#include "core/parallel.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/slots.h"

#define MOST_TAPS 6
#define ACCUMULATORS (HY_TILE_ROWS * HY_TILE_VECTORS)
#define PARTIAL_BYTES (4 << 20) /* of all tasks together */

typedef struct plan {
    const hy_tensor *dy, *dw;
    hy_windows windows;
    int64_t rows, depth;          /* of a group: output channels, (channel, tap) */
    int64_t tile_rows, tile_taps; /* at most, of a tile */
    int64_t parts;                /* tasks that share a group's images */
    int64_t *offset;              /* of each (channel, tap) */
    char *partial;                /* [group][part][row][depth] vectors */
    hy_slots slots;
} plan;

/* Vectors are shared evenly by the fewest tiles. */
static inline int64_t tile_start(int64_t n, int64_t most, int64_t i)
{
    int64_t tiles = hy_ceil_div(n, most);
    return i * (n / tiles) + hy_min(i, n % tiles);
}

#define BODY "cpu/kernels/conv_dot_body.h"
#include "cpu/kernels/both_reals.h"

/* The tile of least time: two multiply-adds or two loads a cycle, and four cycles from one sum to the next. */
static void choose_tile(plan *p)
{
    int64_t best = INT64_MAX;
    for (int64_t rows = 1; rows <= 4; rows++) {
        int64_t taps = hy_min(MOST_TAPS, ACCUMULATORS / rows), across = hy_ceil_div(p->rows, rows), down = hy_ceil_div(p->depth, taps);
        int64_t r = hy_ceil_div(p->rows, across), t = hy_ceil_div(p->depth, down);
        int64_t time = across * down * hy_max(8, hy_max(r * t, r + t));
        if (time >= best) continue;
        best = time;
        p->tile_rows = r;
        p->tile_taps = t;
    }
}

static void make_plan(plan *p, const hy_conv2d_params *c, bool flat, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw)
{
    p->dy = dy;
    p->dw = dw;
    p->rows = dw->shape[0] / c->groups;
    p->depth = dw->shape[1] * dw->shape[2] * dw->shape[3];
    p->windows = (hy_windows){.x = x, .groups = c->groups, .channels = dw->shape[1], .out = {dy->shape[2], dy->shape[3]}, .flat = flat};
    for (int axis = 0; axis < 2; axis++) {
        p->windows.stride[axis] = c->stride[axis];
        p->windows.origin[axis] = c->padding[axis];
        p->windows.reach[axis] = (dw->shape[2 + axis] - 1) * c->dilation[axis];
    }
    hy_windows_plan(&p->windows, hy_numel(dy) * p->depth);
    choose_tile(p);
    int64_t bands = x->shape[0] * p->windows.blocks, tile_bytes = p->rows * p->depth * HY_TILE_VECTOR * c->groups;
    int64_t wanted = hy_min(hy_ceil_div(2 * HY_TASKS_WANTED, c->groups), hy_max(1, PARTIAL_BYTES / tile_bytes));
    p->parts = hy_min(hy_min(bands, wanted), hy_numel(dy) * p->depth / c->groups / HY_TASK_MACS + 1);
}

static void fill_offsets(plan *p, const hy_conv2d_params *c)
{
    int64_t count = 0;
    for (int64_t channel = 0; channel < p->dw->shape[1]; channel++)
        for (int64_t r = 0; r < p->dw->shape[2]; r++)
            for (int64_t s = 0; s < p->dw->shape[3]; s++)
                p->offset[count++] = hy_windows_offset(&p->windows, channel, r * c->dilation[0], s * c->dilation[1]);
}

hy_status HY_ISA(hy_conv_dot_weight_grad)(hy_device *device, const hy_conv2d_params *c, bool flat, const hy_tensor *x, const hy_tensor *dy,
                                          const hy_tensor *dw)
{
    plan p = {0};
    bool single = x->dtype == HY_FLOAT32;
    make_plan(&p, c, flat, x, dy, dw);
    int64_t tasks = c->groups * p.parts, grain = hy_ceil_div(HY_TASK_MACS, hy_numel(dy) * p.depth / tasks + 1);
    void *offset = NULL;
    hy_status status = hy_alloc(device, p.depth * (int64_t)sizeof(int64_t), &offset);
    if (status == HY_OK) status = hy_alloc(device, tasks * p.rows * p.depth * HY_TILE_VECTOR, (void **)&p.partial);
    if (status == HY_OK) status = hy_slots_alloc(&p.slots, device, p.windows.bytes, hy_ceil_div(tasks, grain));
    if (status == HY_OK) {
        p.offset = offset;
        fill_offsets(&p, c);
        hy_parallel_for(tasks, grain, single ? multiply_bands_f32 : multiply_bands_f64, &p);
        hy_parallel_for(dw->shape[0], hy_ceil_div(HY_TASK_MACS / 16, p.depth * p.parts), single ? add_parts_f32 : add_parts_f64, &p);
    }
    hy_free(device, p.slots.memory);
    hy_free(device, p.partial);
    hy_free(device, offset);
    return status;
}
