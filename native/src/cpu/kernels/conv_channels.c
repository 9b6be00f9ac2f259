/*
 * The weight's gradient with lanes along the input channels. x is turned once to [channels / lanes][pixel][lane], dy to panels of [pixel][row];
 * then vectors of channels as every tap sees them meet the panels in the register tile, which reads the pixels through a table of offsets.
 * No column matrix: a tap is but another place to begin. Channels that leave lanes idle are turned to [pixel][channel] without gaps, where
 * vectors run across the neighbouring pixels that a row of the kernel sees: 6 channels of 5 pixels are 4 vectors of 8, not 5.
 */
#include "cpu/kernels/conv.h"

#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/gemm.h"

#define PASS_BYTES (12 << 20)   /* of turned images at a time: they stay in the last-level cache */
#define PIXELS 128              /* that a tile sums in registers: panels of dy and their pixels then stay in the first-level cache */
#define RUN 18                  /* vectors that meet a panel: all taps of two blocks of channels where the kernel is 3 x 3 */

typedef struct plan {
    const hy_conv2d_params *c;
    const hy_tensor *x, *dy, *dw;
    int64_t rows, panels;               /* output channels of a group, cut into panels */
    int64_t channels, blocks, taps, vectors;
    int64_t step, across, column;       /* elements of a turned pixel; vectors of a row of the kernel, and how far apart they are read */
    int64_t height, width;              /* of a turned image with the padding that windows see */
    int64_t images, first_image;        /* of a pass */
    int64_t pixels;                     /* of dy's images of a pass */
    int64_t runs, bands, parts;         /* tasks share out vectors, panels and pixels */
    int64_t *offset, *from, *to;
    void *x_turned, *dy_turned, *sums;  /* sums: [part][output channel][vector] */
} plan;

static inline int64_t panel_start(const plan *p, int64_t i) { return hy_share(p->rows, p->panels, i); }

#define BODY "cpu/kernels/conv_channels_body.h"
#include "cpu/kernels/both_reals.h"

static void make_plan(plan *p)
{
    const int64_t groups = p->c->groups, lanes = HY_CONV_LANES(p->x->dtype), size = hy_dtype_size(p->x->dtype);
    const hy_tensor *dw = p->dw, *dy = p->dy;
    p->rows = dw->shape[0] / groups;
    p->panels = hy_ceil_div(p->rows, HY_TILE_ROWS);
    p->channels = dw->shape[1];
    p->blocks = hy_ceil_div(p->channels, lanes);
    p->taps = dw->shape[2] * dw->shape[3];
    p->across = hy_channel_vectors(p->c, dw);
    bool gapless = p->across < dw->shape[3];
    p->step = gapless ? p->channels : lanes;
    p->column = gapless ? lanes : p->c->dilation[1] * lanes;
    p->vectors = p->blocks * dw->shape[2] * p->across;
    p->height = (dy->shape[2] - 1) * p->c->stride[0] + (dw->shape[2] - 1) * p->c->dilation[0] + 1;
    p->width = (dy->shape[3] - 1) * p->c->stride[1] + (dw->shape[3] - 1) * p->c->dilation[1] + 1;
    int64_t image_bytes = (groups * p->blocks * p->step * p->height * p->width + dy->shape[1] * dy->shape[2] * dy->shape[3]) * size;
    p->images = hy_max(1, hy_min(dy->shape[0], PASS_BYTES / image_bytes));
    p->pixels = p->images * dy->shape[2] * dy->shape[3];
    p->runs = hy_max(1, p->vectors / RUN);
    p->bands = hy_min(p->panels, hy_ceil_div(HY_TASKS_WANTED, groups * p->runs));
    p->parts = hy_min(hy_max(1, p->pixels / PIXELS), hy_ceil_div(HY_TASKS_WANTED / 2, groups * p->runs * p->bands));
}

static void fill_tables(plan *p)
{
    const int64_t lanes = HY_CONV_LANES(p->x->dtype), image = p->height * p->width;
    int64_t count = 0;
    for (int64_t n = 0; n < p->images; n++)
        for (int64_t i = 0; i < p->dy->shape[2]; i++)
            for (int64_t j = 0; j < p->dy->shape[3]; j++)
                p->offset[count++] = (n * image + i * p->c->stride[0] * p->width + j * p->c->stride[1]) * p->step;
    count = 0;
    for (int64_t block = 0; block < p->blocks; block++) {
        for (int64_t r = 0; r < p->dw->shape[2]; r++) {
            for (int64_t s = 0; s < p->across; s++, count++) {
                p->from[count] = (block * p->images * image + r * p->c->dilation[0] * p->width) * p->step + s * p->column;
                p->to[count] = count * lanes;
            }
        }
    }
}

static void run_passes(plan *p)
{
    const int64_t groups = p->c->groups, images = p->dy->shape[0], image_pixels = p->pixels / p->images;
    const bool single = p->x->dtype == HY_FLOAT32;
    for (p->first_image = 0; p->first_image < images; p->first_image += p->images) {
        int64_t here = hy_min(p->images, images - p->first_image);
        p->pixels = here * image_pixels;
        hy_parallel_for(groups * p->blocks * here, hy_ceil_div(1 << 14, p->height * p->width), single ? turn_x_f32 : turn_x_f64, p);
        hy_parallel_for(groups * p->panels * here, hy_ceil_div(1 << 14, image_pixels), single ? turn_dy_f32 : turn_dy_f64, p);
        int64_t tasks = groups * p->runs * p->bands * p->parts, macs = p->pixels * p->vectors * p->rows * HY_CONV_LANES(p->x->dtype);
        hy_parallel_for(tasks, hy_ceil_div(HY_TASK_MACS, macs * groups / tasks + 1), single ? multiply_turned_f32 : multiply_turned_f64, p);
    }
    hy_parallel_for(p->dw->shape[0], hy_ceil_div(1 << 14, p->vectors * p->parts), single ? store_sums_f32 : store_sums_f64, p);
}

hy_status HY_ISA(hy_conv_channels_weight_grad)(hy_device *device, const hy_conv2d_params *c, const hy_tensor *x, const hy_tensor *dy,
                                               const hy_tensor *dw)
{
    plan p = {.c = c, .x = x, .dy = dy, .dw = dw};
    make_plan(&p);
    int64_t size = hy_dtype_size(x->dtype);
    int64_t sums = p.parts * dw->shape[0] * p.vectors * HY_TILE_VECTOR;
    int64_t turned = c->groups * p.blocks * p.images * p.height * p.width * p.step * size + HY_TILE_VECTOR; /* the last vector may reach out */
    void *tables = NULL;
    hy_status status = hy_alloc(device, (p.pixels + 2 * p.vectors) * (int64_t)sizeof(int64_t), &tables);
    if (status == HY_OK) status = hy_alloc(device, turned, &p.x_turned);
    if (status == HY_OK) status = hy_alloc(device, p.pixels * dy->shape[1] * size, &p.dy_turned);
    if (status == HY_OK) status = hy_alloc(device, sums, &p.sums);
    if (status == HY_OK) {
        memset(p.sums, 0, (size_t)sums);
        p.offset = tables;
        p.from = p.offset + p.pixels;
        p.to = p.from + p.vectors;
        fill_tables(&p);
        run_passes(&p);
    }
    hy_free(device, p.sums);
    hy_free(device, p.dy_turned);
    hy_free(device, p.x_turned);
    hy_free(device, tables);
    return status;
}
