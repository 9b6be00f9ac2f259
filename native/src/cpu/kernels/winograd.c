/*
 * Winograd's minimal filtering F(m x m, 3 x 3): tiles of m x m outputs cost (m + 2)² multiplications instead of 9 m². Inputs and weights are
 * transformed to (m + 2)² "frequencies", at each of which the convolution is a product of matrices
 *   M[f][filter, tile] = U[f][filter, channel] · V[f][channel, tile]
 * that runs on the register tile of gemm.c; M is transformed back into outputs. Tiles of all images stand side by side.
 *
 * What is shared by several tasks is transformed ahead of them, the rest where it is used and while it is in the cache:
 * many tiles: U ahead, a task is a block of tiles; few tiles: V ahead, a task is a run of filters. U may be prepared ahead of the call, too.
 */
#include "cpu/kernels/winograd.h"

#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/pack.h"
#include "cpu/kernels/slots.h"
#include "cpu/kernels/winograd_lines.h"
#include "cpu/simd/tile.h"
#include "cpu/simd/turn.h"

typedef __typeof__((vec){0} < 0) mask;

enum {
    LANES = HY_LANES_F32,
    WIDTH = HY_TILE_VECTORS * LANES,
    MAX_TILES = 64,                      /* a block: its V and M stay in L2 where there are not too many channels */
    MAX_TAPS = 6,
    STRIP = MAX_TAPS * MAX_TILES + LANES /* columns that a block's tiles touch at most, and what the last vector holds too much */
};
#define GAP 16                           /* elements between frequencies: a stride of a power of two would crowd into few sets of the cache */
#define RUN_BYTES (256 << 10)            /* of M or U, for a run of filters */
#define RUNS_WANTED 8                    /* for a few threads to share evenly, where a run is a task */
#define FEW_BLOCKS 4                     /* of tiles: up to here V is transformed ahead */
#define CHANNELS 32                      /* to transform ahead, a task */

static const float zeros[STRIP];

/* The correlation y = x * w that is to be done; an input gradient is one, too. */
typedef struct conv {
    const float *x, *x_end, *w, *bias;
    float *y;
    int64_t images, channels, filters, height, width, out_height, out_width;
    int64_t top, left;                   /* rows and columns of padding */
    int64_t w_filter, w_channel, bias_stride;
    bool flipped;                        /* the weights are taken from the last to the first */
    float low;                           /* outputs below become 0: relu, or nothing */
} conv;

typedef struct tile {
    int64_t y;                           /* where its outputs begin, in the first filter's plane */
    int32_t strip;                       /* where its inputs begin in the strip */
    int8_t rows, columns;                /* of its outputs that are within the image */
} tile;

/* Tiles side by side in one row of an image. */
typedef struct segment {
    int64_t plane, row, column;          /* the image's first plane; where the first tile's inputs begin in it: -1 is in the padding */
    int64_t count, at;                   /* tiles; where their inputs begin in the strip */
} segment;

/* Some tiles; lanes beyond the last repeat it. */
typedef struct block {
    int64_t count, panels;               /* a panel is WIDTH tiles */
    int64_t columns;                     /* of the strip that the segments take */
    int segments;
    segment segment[MAX_TILES];
    tile tile[MAX_TILES];
} block;

typedef struct plan plan;

typedef struct transforms {
    void (*input)(const plan *p, const block *b, int64_t begin, int64_t end, float *v);
    void (*panel)(const plan *p, int64_t panel, float *u);
    void (*output)(const conv *c, const tile *tiles, int64_t count, const float *m, int64_t m_stride, float bias, float *y);
} transforms;

struct plan {
    conv conv;
    transforms by;
    int64_t out, frequencies;
    int64_t down, across, tiles, blocks;
    int64_t panels, run, runs;           /* of HY_TILE_ROWS filters; panels a run */
    bool v_ahead;                        /* V is transformed ahead of the tasks, not U */
    int64_t u_stride, v_stride, m_stride; /* between frequencies */
    int64_t u_panel, v_block;            /* elements of one */
    const float *prepared;               /* U, where the caller has it; NULL for none */
    float *shared;                       /* U or V, whichever is transformed ahead here */
    hy_slots slots;
};


/* Filters and tiles are shared evenly among panels and blocks. */
static inline int64_t first_filter(const plan *p, int64_t panel) { return hy_share(p->conv.filters, p->panels, panel); }

/* ---- Transforms ---- */

#define OUT 2
#define TAPS 4
#define T(name) name##_2
#include "cpu/kernels/winograd_body.h"
#undef OUT
#undef TAPS
#undef T

#define OUT 4
#define TAPS 6
#define T(name) name##_4
#include "cpu/kernels/winograd_body.h"

/* ---- Blocks of tiles ---- */

static void add_tile(const plan *p, block *b, int64_t index)
{
    const conv *c = &p->conv;
    const int64_t image = index / (p->down * p->across), i = index / p->across % p->down, j = index % p->across;
    if (b->count == 0 || j == 0) {
        b->segment[b->segments++] =
            (segment){image * c->channels * c->height * c->width, i * p->out - c->top, j * p->out - c->left, 0, b->columns};
        b->columns += 2;
    }
    int64_t rows = hy_min(p->out, c->out_height - i * p->out), columns = hy_min(p->out, c->out_width - j * p->out);
    int64_t y = (image * c->filters * c->out_height + i * p->out) * c->out_width + j * p->out;
    segment *s = &b->segment[b->segments - 1];
    b->tile[b->count++] = (tile){y, (int32_t)(s->at + p->out * s->count++), (int8_t)rows, (int8_t)columns};
    b->columns += p->out;
}

static void make_block(const plan *p, int64_t number, block *b)
{
    *b = (block){0};
    int64_t first = number * MAX_TILES, last = hy_min(p->tiles, first + MAX_TILES);
    for (int64_t i = first; i < last; i++) add_tile(p, b, i);
    b->panels = hy_ceil_div(b->count, WIDTH);
    for (int64_t i = b->count; i < b->panels * WIDTH; i++) b->tile[i] = b->tile[b->count - 1];
}

/* A run of filters, from u on, with a block of tiles. */
static void multiply(const plan *p, const block *b, int64_t run, const float *u, const float *v, float *m)
{
    const conv *c = &p->conv;
    const int64_t begin = hy_share(p->panels, p->runs, run), end = hy_share(p->panels, p->runs, run + 1), first = first_filter(p, begin);
    for (int64_t f = 0; f < p->frequencies; f++)
        for (int64_t j = 0; j < b->panels; j++)
            for (int64_t i = begin; i < end; i++)
                HY_ISA(hy_gemm_tile_f32)(first_filter(p, i + 1) - first_filter(p, i), c->channels, u + (i - begin) * p->u_panel + f * p->u_stride,
                                         HY_TILE_ROWS, v + f * p->v_stride + j * c->channels * WIDTH,
                                         m + f * p->m_stride + (first_filter(p, i) - first) * MAX_TILES + j * WIDTH, MAX_TILES, false);
    for (int64_t k = first; k < first_filter(p, end); k++)
        for (int64_t i = 0; i < b->count; i += LANES)
            p->by.output(c, b->tile + i, hy_min(LANES, b->count - i), m + (k - first) * MAX_TILES + i, p->m_stride,
                         c->bias ? c->bias[k * c->bias_stride] : 0, c->y + k * c->out_height * c->out_width);
}

/* ---- Tasks ---- */

static void ahead_weights(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    for (int64_t panel = begin; panel < end; panel++) p->by.panel(p, panel, p->shared + panel * p->u_panel);
}

/* Unit: (block, some channels). */
static void ahead_inputs(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const int64_t parts = hy_ceil_div(p->conv.channels, CHANNELS);
    for (int64_t unit = begin; unit < end; unit++) {
        block b;
        make_block(p, unit / parts, &b);
        int64_t channel = unit % parts * CHANNELS;
        p->by.input(p, &b, channel, hy_min(channel + CHANNELS, p->conv.channels), p->shared + unit / parts * p->v_block);
    }
}

/* Elements of U that a run transforms for itself. */
static int64_t own_u(const plan *p) { return p->prepared ? 0 : p->run * p->u_panel; }

static void run_of_filters(const plan *p, int64_t run, float *scratch)
{
    const int64_t begin = hy_share(p->panels, p->runs, run), end = hy_share(p->panels, p->runs, run + 1);
    const float *u = p->prepared ? p->prepared + begin * p->u_panel : scratch;
    float *m = scratch + own_u(p);
    for (int64_t panel = begin; panel < end && !p->prepared; panel++) p->by.panel(p, panel, scratch + (panel - begin) * p->u_panel);
    for (int64_t i = 0; i < p->blocks; i++) {
        block b;
        make_block(p, i, &b);
        multiply(p, &b, run, u, p->shared + i * p->v_block, m);
    }
}

static void block_of_tiles(const plan *p, int64_t number, float *scratch)
{
    block b;
    const float *u = p->prepared ? p->prepared : p->shared;
    float *v = scratch, *m = scratch + p->v_block;
    make_block(p, number, &b);
    p->by.input(p, &b, 0, p->conv.channels, v);
    for (int64_t run = 0; run < p->runs; run++)
        multiply(p, &b, run, u + hy_share(p->panels, p->runs, run) * p->u_panel, v, m);
}

static void work(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    const int slot = hy_slots_take(&p->slots);
    for (int64_t task = begin; task < end; task++)
        (p->v_ahead ? run_of_filters : block_of_tiles)(p, task, (float *)(p->slots.memory + slot * p->slots.bytes));
    hy_slots_give(&p->slots, slot);
}

/* ---- The whole ---- */

/* What U depends on. */
static void plan_weights(plan *p, int64_t out)
{
    const conv *c = &p->conv;
    p->by = out == 4 ? (transforms){transform_input_4, transform_panel_4, transform_output_4}
                     : (transforms){transform_input_2, transform_panel_2, transform_output_2};
    p->out = out;
    p->frequencies = (out + 2) * (out + 2);
    p->panels = hy_ceil_div(c->filters, HY_TILE_ROWS);
    p->u_stride = c->channels * HY_TILE_ROWS + GAP;
    p->u_panel = p->frequencies * p->u_stride;
}

static void plan_tiles(plan *p)
{
    const conv *c = &p->conv;
    p->down = hy_ceil_div(c->out_height, p->out);
    p->across = hy_ceil_div(c->out_width, p->out);
    p->tiles = c->images * p->down * p->across;
    p->blocks = hy_ceil_div(p->tiles, MAX_TILES);
    p->v_stride = hy_ceil_div(hy_min(p->tiles, MAX_TILES), WIDTH) * WIDTH * c->channels + GAP;
    p->v_block = p->frequencies * p->v_stride;
    p->v_ahead = p->blocks <= FEW_BLOCKS;
    int64_t panel_bytes = p->frequencies * (p->v_ahead ? p->u_stride : HY_TILE_ROWS * MAX_TILES) * (int64_t)sizeof(float);
    p->run = hy_max(1, hy_min(p->v_ahead ? p->panels / RUNS_WANTED : p->panels, RUN_BYTES / panel_bytes));
    p->runs = hy_ceil_div(p->panels, p->run);
    p->m_stride = p->run * HY_TILE_ROWS * MAX_TILES + GAP;
}

static hy_status run(hy_device *device, plan *p)
{
    const int64_t tasks = p->v_ahead ? p->runs : p->blocks, size = sizeof(float);
    const int64_t shared = p->v_ahead ? p->blocks * p->v_block : p->prepared ? 0 : p->panels * p->u_panel;
    const int64_t scratch = (p->v_ahead ? own_u(p) : p->v_block) + p->frequencies * p->m_stride;
    hy_slots_plan(&p->slots, scratch * size, tasks);
    void *memory;
    hy_status status = hy_alloc(device, p->slots.count * p->slots.bytes + shared * size, &memory);
    if (status != HY_OK) return status;
    p->slots.memory = memory;
    p->shared = (float *)(p->slots.memory + p->slots.count * p->slots.bytes);
    if (p->v_ahead) hy_parallel_for(p->blocks * hy_ceil_div(p->conv.channels, CHANNELS), 1, ahead_inputs, p);
    else if (!p->prepared) hy_parallel_for(p->panels, 1, ahead_weights, p);
    hy_parallel_for(tasks, 1, work, p);
    return hy_free(device, memory);
}

/* Runs what `p` has been told of its convolution: x with the weights w, of which an axis is y's channels and the other one x's. */
static hy_status correlate(hy_device *device, plan *p, int64_t tile, const hy_tensor *x, const hy_tensor *w, int32_t activation,
                           const hy_tensor *y)
{
    conv *c = &p->conv;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    if (!p->prepared) w = hy_pack_in(&pack, w);
    const hy_tensor *out = hy_pack_out(&pack, y);
    c->x = x->data;
    c->x_end = c->x + hy_numel(x);
    c->w = w->data;
    c->y = out->data;
    c->images = x->shape[0];
    c->channels = x->shape[1];
    c->filters = y->shape[1];
    c->height = x->shape[2];
    c->width = x->shape[3];
    c->out_height = y->shape[2];
    c->out_width = y->shape[3];
    c->low = activation == HY_ACTIVATION(HY_UNARY_relu) ? 0 : -INFINITY;
    plan_weights(p, tile);
    plan_tiles(p);
    hy_status status = pack.status == HY_OK ? run(device, p) : pack.status;
    if (status == HY_OK && activation && c->low < 0) status = device->backend.unary(device, activation - HY_ACTIVATION(0), 0, out, out);
    return hy_pack_end(&pack, status);
}

hy_status HY_ISA(hy_winograd_conv2d)(hy_device *device, int64_t tile, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                                     const void *prepared, const hy_tensor *bias, const hy_tensor *y)
{
    plan forward = {.conv = {.top = p->padding[0], .left = p->padding[1], .w_filter = x->shape[1] * 9, .w_channel = 9}, .prepared = prepared};
    if (bias) {
        forward.conv.bias = bias->data;
        forward.conv.bias_stride = bias->strides[0];
    }
    return correlate(device, &forward, tile, x, w, p->activation, y);
}

static plan weights_of(int64_t tile, const hy_tensor *w)
{
    plan p = {.conv = {.channels = w->shape[1], .filters = w->shape[0], .w_filter = w->shape[1] * 9, .w_channel = 9}};
    plan_weights(&p, tile);
    return p;
}

int64_t HY_ISA(hy_winograd_prepared)(int64_t tile, const hy_tensor *w)
{
    const plan p = weights_of(tile, w);
    return p.panels * p.u_panel;
}

hy_status HY_ISA(hy_winograd_prepare)(hy_device *device, int64_t tile, const hy_tensor *w, void *prepared)
{
    plan p = weights_of(tile, w);
    hy_pack pack = {.device = device};
    w = hy_pack_in(&pack, w);
    p.conv.w = w->data;
    p.shared = prepared;
    if (pack.status == HY_OK) hy_parallel_for(p.panels, 1, ahead_weights, &p);
    return hy_pack_end(&pack, pack.status);
}

/* dx is the correlation of dy with the weights turned by half a turn, whose windows reach over dy's border as far as x's did not. */
hy_status HY_ISA(hy_winograd_input_grad)(hy_device *device, int64_t tile, const hy_conv2d_params *p, const hy_tensor *dy,
                                         const hy_tensor *w, const hy_tensor *dx)
{
    plan backward = {.conv = {.top = 2 - p->padding[0], .left = 2 - p->padding[1], .flipped = true}};
    backward.conv.w_filter = 9;
    backward.conv.w_channel = dx->shape[1] * 9;
    return correlate(device, &backward, tile, dy, w, HY_NO_ACTIVATION, dx);
}

/* ---- The choice ---- */

/*
 * Costs in multiply-adds of the register tile, of which a frequency takes one for each filter, channel and tile, whole panels of tiles. Measured
 * with AVX2 on Zen 4, in such multiply-adds and a frequency: a tile's transform costs 20 for each channel and each filter, a weight's 10. A
 * direct sum runs somewhat slower than the register tile alone.
 */
#define TRANSFORM_COST 20
#define WEIGHT_COST 10
#define DIRECT_COST 1.1

static double winograd_cost(const hy_tensor *x, const hy_tensor *y, int64_t out)
{
    const int64_t tiles = y->shape[0] * hy_ceil_div(y->shape[2], out) * hy_ceil_div(y->shape[3], out), frequencies = (out + 2) * (out + 2);
    const double channels = (double)x->shape[1], filters = (double)y->shape[1];
    const double products = channels * filters * (double)(hy_ceil_div(tiles, WIDTH) * WIDTH + WEIGHT_COST);
    return (double)frequencies * (products + TRANSFORM_COST * (double)tiles * (channels + filters));
}

int64_t HY_ISA(hy_winograd_tile)(const hy_tensor *x, const hy_tensor *y)
{
    const double direct = DIRECT_COST * 9 * (double)x->shape[1] * (double)hy_numel(y);
    const double two = winograd_cost(x, y, 2), four = winograd_cost(x, y, 4);
    if (direct <= two && direct <= four) return 0;
    return four <= two ? 4 : 2;
}
