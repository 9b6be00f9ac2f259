/*
 * conv_windows.h: windows over an image whose columns lie side by side, so that vectors of neighbouring pixels are loaded straight from the
 * plane. Where the image has padding or is strided along its rows, a block of it is staged first: zeros around it, and each row split into
 * its `stride` phases. A small image may be staged `flat`: once for each column of the kernel, only what that column sees, so that the windows
 * of a row follow those of the row before, and vectors run across the rows.
 */
#ifndef HY_CPU_CONV_WINDOWS_H
#define HY_CPU_CONV_WINDOWS_H

#include <stdbool.h>
#include <string.h>

#include "core/tensor.h"
#include "cpu/kernels/conv.h"
#include "cpu/kernels/numbers.h"

#define HY_STAGE_BYTES (192 << 10) /* a staged block stays in the second-level cache */
#define HY_TASK_MACS (1 << 18)     /* some 5 µs: shorter tasks are not worth a thread */
#define HY_TASKS_WANTED 16         /* enough for a few threads to share evenly */

typedef struct hy_windows {
    const hy_tensor *x;            /* [N, groups * channels, H, W] */
    int64_t groups, channels;
    int64_t stride[2], origin[2];  /* a window begins at row*stride - origin */
    int64_t reach[2];              /* from its first element to its last */
    int64_t out[2];                /* windows down and across */
    bool in_place;
    bool flat;                     /* said by the caller, for stride 1; all of an image's windows are then one row */
    int64_t width, height, copy;   /* of flat ones: windows of an image's row, rows that are staged, elements of one copy */
    int64_t block_rows, blocks;    /* rows of windows that are done together */
    int64_t row, channel;          /* steps within what is read: an image row, a channel */
    int64_t row_step;              /* between rows of windows */
    int64_t phase;                 /* columns of one phase, where rows are split */
    int64_t bytes;                 /* of a staged block */
} hy_windows;

/** Planes that many elements apart share few sets of the first-level cache. */
static inline bool hy_collides(int64_t step, int64_t size) { return (step * size + 64) % 1024 < 128; }

static inline int64_t hy_block_height(const hy_windows *w) { return (w->block_rows - 1) * w->stride[0] + w->reach[0] + 1; }

/* Cuts rows of windows into blocks: by size alone, `macs` being those of the whole convolution. */
static inline void hy_windows_cut(hy_windows *w, int64_t images, int64_t macs)
{
    int64_t size = hy_dtype_size(w->x->dtype), row_bytes = w->channels * w->row * size, tasks = images * w->groups;
    int64_t rows = hy_max(1, (HY_STAGE_BYTES / row_bytes - w->reach[0] - 1) / w->stride[0] + 1);
    int64_t blocks = hy_max(hy_ceil_div(w->out[0], rows), hy_min(hy_ceil_div(HY_TASKS_WANTED, tasks), macs / tasks / HY_TASK_MACS));
    w->block_rows = hy_ceil_div(w->out[0], hy_max(1, hy_min(blocks, w->out[0])));
    w->blocks = hy_ceil_div(w->out[0], w->block_rows);
}

static inline void hy_windows_plan_flat(hy_windows *w)
{
    w->width = w->out[1];
    w->height = w->out[0] + w->reach[0];
    w->copy = w->height * w->width;
    w->row = w->row_step = w->width;
    w->channel = (w->reach[1] + 1) * w->copy;
    w->bytes = w->channels * w->channel * hy_dtype_size(w->x->dtype);
    w->out[1] *= w->out[0];
    w->out[0] = w->block_rows = w->blocks = 1;
}

/** Completes a plan that has x … out, and `flat`. */
static inline void hy_windows_plan(hy_windows *w, int64_t macs)
{
    if (w->flat) {
        hy_windows_plan_flat(w);
        return;
    }
    const hy_tensor *x = w->x;
    int64_t size = hy_dtype_size(x->dtype);
    w->in_place = w->stride[1] == 1 && x->strides[3] == 1 && w->origin[0] == 0 && w->origin[1] == 0
                  && (w->out[0] - 1) * w->stride[0] + w->reach[0] < x->shape[2] && w->out[1] - 1 + w->reach[1] < x->shape[3];
    w->phase = w->out[1] + w->reach[1] / w->stride[1];
    w->row = w->in_place ? x->strides[2] : w->phase * w->stride[1];
    w->row_step = w->row * w->stride[0];
    if (w->in_place) w->row = hy_max(w->row, x->shape[3]);
    hy_windows_cut(w, x->shape[0], macs);
    if (w->in_place) {
        w->row = x->strides[2];
        w->channel = x->strides[1];
        return;
    }
    w->channel = hy_block_height(w) * w->row;
    if (hy_collides(w->channel, size)) w->channel += 128 / size;
    w->bytes = w->channels * w->channel * size;
}

/** Where an element of a window lies from the window's place. */
static inline int64_t hy_windows_offset(const hy_windows *w, int64_t channel, int64_t down, int64_t right)
{
    if (w->flat) return channel * w->channel + right * w->copy + down * w->width;
    int64_t in_row = w->in_place ? right : right % w->stride[1] * w->phase + right / w->stride[1];
    return channel * w->channel + down * w->row + in_row;
}

#endif
