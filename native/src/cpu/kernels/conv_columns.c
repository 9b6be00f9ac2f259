/*
 * The input's gradient as columns: wᵀ · dy for a block of dy's pixels, one row for each (channel, tap), which are then added where they belong
 * in dx (im2col's inverse) while the cache holds them. The product's rows are channels times taps, so that few channels fill the register
 * tile, too; it multiplies no padding, and any stride is the same product.
 */
#include "cpu/kernels/conv.h"

#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/conv_windows.h"
#include "cpu/kernels/slots.h"

#define COLUMN_BYTES (384 << 10) /* of a block's columns: most of the second-level cache */
#define CHUNK 24                 /* vectors that meet one panel of weights after another; a multiple of most tiles' widths */

typedef struct plan {
    const hy_conv2d_params *c;
    const hy_tensor *dy, *w, *dx;
    int64_t channels, depth;      /* of a group: input and output channels */
    int64_t taps, rows, panels;   /* rows of the product: (channel, tap) */
    int64_t block_rows, blocks;   /* of dx */
    int64_t pixels, pitch, front; /* of dy at most in a block; between rows of columns; what is read before the first */
    int64_t plane, staged;        /* between planes of dy as they are read; elements of their copy, where their own places collide */
    int64_t phases, phase_vectors;
    int64_t *offset;              /* of each output channel in dy */
    int64_t *phase_taps;          /* how many kernel columns a phase sees: place m takes from column m + shift of dy */
    int64_t *shift, *column;      /* [phase][its kernel columns]: that shift, and where it leads to in the columns */
    void *mask;                   /* [phase][vector][its kernel columns]: the lanes that lie in dy */
    void *weights;                /* [group][panel][output channel][row] */
    hy_slots slots;
} plan;

static inline int64_t panel_start(const plan *p, int64_t i) { return hy_share(p->rows, p->panels, i); }

static inline int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((b - 1 - a) / b); }

/* Rows of dy that reach dx's rows from `row` on. */
static void rows_that_reach(const plan *p, int64_t row, int64_t rows, int64_t *first, int64_t *last)
{
    int64_t reach = (p->w->shape[2] - 1) * p->c->dilation[0], stride = p->c->stride[0], top = p->c->padding[0];
    *first = hy_max(0, -floor_div(-(row + top - reach), stride));
    *last = hy_min(p->dy->shape[2] - 1, floor_div(row + rows - 1 + top, stride));
}

static inline int64_t places_of_phase(const plan *p, int64_t phase) { return (p->dx->shape[3] - phase - 1) / p->c->stride[1] + 1; }

#define BODY "cpu/kernels/conv_columns_body.h"
#include "cpu/kernels/both_reals.h"

static void make_plan(plan *p)
{
    const hy_tensor *dy = p->dy, *dx = p->dx, *w = p->w;
    const int64_t lanes = HY_CONV_LANES(dx->dtype), size = hy_dtype_size(dx->dtype), stride = p->c->stride[0];
    p->channels = w->shape[1];
    p->depth = w->shape[0] / p->c->groups;
    p->taps = w->shape[2] * w->shape[3];
    p->rows = p->channels * p->taps;
    p->panels = hy_ceil_div(p->rows, HY_TILE_ROWS);
    p->phases = p->c->stride[1];
    p->phase_vectors = hy_ceil_div(places_of_phase(p, 0), lanes);
    int64_t halo = (w->shape[2] - 1) * p->c->dilation[0] / stride, tasks = dx->shape[0] * p->c->groups;
    int64_t dy_rows = hy_max(2 * halo + 1, COLUMN_BYTES / (p->rows * dy->shape[3] * size)) - halo;
    int64_t wanted = hy_min(hy_ceil_div(HY_TASKS_WANTED, tasks), hy_numel(dy) * p->rows / tasks / HY_TASK_MACS);
    int64_t blocks = hy_max(hy_ceil_div(dx->shape[2], dy_rows * stride), hy_min(wanted, dx->shape[2] / (stride * (halo + 1))));
    p->block_rows = hy_ceil_div(dx->shape[2], hy_max(1, blocks));
    p->blocks = hy_ceil_div(dx->shape[2], p->block_rows);
    p->pixels = hy_min(dy->shape[2], hy_ceil_div(p->block_rows, stride) + halo + 1) * dy->shape[3];
    p->front = (w->shape[3] - 1) * p->c->dilation[1] + lanes;
    p->pitch = p->pixels + 2 * lanes;
    if (hy_collides(p->pitch, size)) p->pitch += 128 / size;
    p->plane = dy->strides[1];
    if (!hy_collides(p->plane, size)) return;
    p->plane = p->pitch;
    p->staged = p->depth * p->plane;
}

/* A plan's tables in one block of memory: the masks first, which are vectors. */
static hy_status fill_tables(hy_device *device, plan *p, void **tables)
{
    int64_t columns = p->phases * p->w->shape[3], masks = columns * p->phase_vectors * HY_TILE_VECTOR;
    hy_status status = hy_alloc(device, masks + (2 * columns + p->depth + p->phases) * (int64_t)sizeof(int64_t), tables);
    if (status != HY_OK) return status;
    p->mask = *tables;
    p->shift = (int64_t *)((char *)*tables + masks);
    p->column = p->shift + columns;
    p->offset = p->column + columns;
    p->phase_taps = p->offset + p->depth;
    for (int64_t k = 0; k < p->depth; k++) p->offset[k] = k * p->plane;
    for (int64_t phase = 0; phase < p->phases; phase++) {
        int64_t count = 0;
        for (int64_t s = 0; s < p->w->shape[3]; s++) {
            int64_t from = phase + p->c->padding[1] - s * p->c->dilation[1];
            if (from % p->c->stride[1]) continue;
            p->shift[phase * p->w->shape[3] + count] = from / p->c->stride[1];
            p->column[phase * p->w->shape[3] + count++] = s * p->pitch + from / p->c->stride[1];
        }
        p->phase_taps[phase] = count;
    }
    return HY_OK;
}

hy_status HY_ISA(hy_conv_columns_input_grad)(hy_device *device, const hy_conv2d_params *c, const hy_tensor *dy, const hy_tensor *w,
                                             const hy_tensor *dx)
{
    plan p = {.c = c, .dy = dy, .w = w, .dx = dx};
    bool single = dx->dtype == HY_FLOAT32;
    make_plan(&p);
    const int64_t lanes = HY_CONV_LANES(dx->dtype), size = hy_dtype_size(dx->dtype), tasks = dx->shape[0] * c->groups * p.blocks;
    int64_t grain = hy_ceil_div(HY_TASK_MACS, hy_numel(dy) * p.rows / tasks + 1);
    int64_t scratch = hy_ceil_div(p.pixels, lanes) * (int64_t)sizeof(int64_t) + (2 * p.front + p.rows * p.pitch + p.staged) * size;
    void *tables = NULL;
    hy_status status = fill_tables(device, &p, &tables);
    if (status == HY_OK) status = hy_alloc(device, hy_numel(w) * size, &p.weights);
    if (status == HY_OK) status = hy_slots_alloc(&p.slots, device, scratch, hy_ceil_div(tasks, grain));
    if (status == HY_OK) {
        (single ? fill_masks_f32 : fill_masks_f64)(&p);
        hy_parallel_for(c->groups * p.panels, hy_ceil_div(HY_TASK_MACS / 4, HY_TILE_ROWS * p.depth), single ? pack_weights_f32 : pack_weights_f64, &p);
        hy_parallel_for(tasks, grain, single ? add_blocks_f32 : add_blocks_f64, &p);
    }
    hy_free(device, p.slots.memory);
    hy_free(device, p.weights);
    hy_free(device, tables);
    return status;
}
