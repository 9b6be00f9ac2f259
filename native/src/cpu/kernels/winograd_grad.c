/*
 * The weight gradient of F(4 x 4, 3 x 3), by transposition: a tile's outputs Y = Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A are linear in the weights g, so
 *   dg = Gᵀ [Σ (A dY Aᵀ) ⊙ (Bᵀ d B)] G
 * over all tiles. At each of the 36 frequencies the sum is a product of matrices that reduces along the tiles,
 *   M[f][filter, channel] = Σ P[f][tile, filter] · V[f][tile, channel],
 * on the register tile of gemm.c. Lanes run across channels and filters: pixels are turned once and all that follows is whole vectors.
 *
 * Tiles are taken in passes whose P and V stay in the caches. A pass transforms both sides, then each task adds to its own block of M; the
 * last pass turns the block into weights.
 */
#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/gemm.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/slots.h"
#include "cpu/kernels/winograd.h"
#include "cpu/kernels/winograd_lines.h"
#include "cpu/simd/tile.h"
#include "cpu/simd/turn.h"

enum {
    LANES = HY_LANES_F32,
    WIDTH = HY_TILE_VECTORS * LANES,
    OUT = 4,
    TAPS = 6,
    FREQUENCIES = TAPS * TAPS,
    SEGMENT = 16,                        /* tiles of a row that are turned together */
    COLUMNS = OUT * SEGMENT + TAPS - OUT
};
#define GAP 16                           /* elements between frequencies: a stride of a power of two would crowd into few sets of the cache */
#define PASS_BYTES (4 << 20)             /* of P and V; as much as M where that is more, which so moves no more often than they do */
#define MOST_PASS_BYTES (16 << 20)       /* half a last-level cache */
#define FILTERS 16                       /* of a task's block of M, if there are so many: with its share of P and V it stays in L2 */
#define CHANNELS 64
#define DEPTH 128                        /* tiles that are summed in registers: their panels stay in L1, and the sums are short */
#define TASKS_WANTED 8                   /* for a few threads to share evenly */

/* The images or the outputs' gradients, cut into tiles: v is [block of WIDTH channels][frequency][tile of a pass][WIDTH]. */
typedef struct side {
    const hy_tensor *t;
    int64_t top, left;                   /* padding */
    int64_t blocks, run;                 /* of channels; blocks a task */
    int64_t v_block;                     /* elements */
    float *v;
} side;

typedef struct plan {
    side x, dy;
    float *dw;
    int64_t down, across;                /* tiles of an image */
    int64_t rows, pass_rows, passes;     /* of tiles, of all images */
    int64_t first_row, tiles;            /* of this pass */
    int64_t v_stride;                    /* between frequencies */
    int64_t m_stride, m_task;
    int64_t tasks, channel_runs;
    float *m;                            /* where there are several passes, each task's block; else they use slots */
    hy_slots slots;
} plan;


/* ---- Tiles to frequencies ---- */

/* An image from (top, left) on, LANES channels side by side: [row][COLUMNS][LANES]. */
static void turn(const side *s, int64_t image, int64_t channel, int64_t top, int64_t left, int64_t rows, int64_t columns, float *strip)
{
    const hy_tensor *t = s->t;
    const int64_t begin = hy_min(hy_max(0, -left), columns), end = hy_max(begin, hy_min(columns, t->shape[3] - left));
    const float *from = (const float *)t->data + image * t->strides[0];
    for (int64_t r = top; r < top + rows; r++, strip += COLUMNS * LANES) {
        const bool inside = r >= 0 && r < t->shape[2] && begin < end;
        const int64_t before = inside ? begin : columns;
        memset(strip, 0, (size_t)(before * LANES) * sizeof(float));
        if (!inside) continue;
        const float *row[LANES]; /* past the last channel it is repeated */
        for (int64_t l = 0; l < LANES; l++)
            row[l] = from + hy_min(channel + l, t->shape[1] - 1) * t->strides[1] + r * t->strides[2] + (left + begin) * t->strides[3];
        HY_ISA(hy_pack_rows_f32)(row, LANES, t->strides[3], LANES, end - begin, strip + begin * LANES);
        memset(strip + end * LANES, 0, (size_t)((columns - end) * LANES) * sizeof(float));
    }
}

/* Both axes of `count` tiles of taps x taps, with Bᵀ or with A. */
static inline __attribute__((always_inline)) void combine(const int taps, void (*line)(const vec *, vec *), int64_t count, float *strip,
                                                          float *v, int64_t v_stride)
{
    for (float *at = strip; at < strip + (OUT * count + taps - OUT) * LANES; at += LANES) {
        vec d[TAPS], o[TAPS];
#pragma GCC unroll 6
        for (int r = 0; r < taps; r++) d[r] = *(const vec *)(at + r * COLUMNS * LANES);
        line(d, o);
#pragma GCC unroll 6
        for (int r = 0; r < TAPS; r++) *(vec *)(at + r * COLUMNS * LANES) = o[r];
    }
    for (int64_t i = 0; i < count; i++, strip += OUT * LANES, v += WIDTH)
        for (int r = 0; r < TAPS; r++) {
            vec d[TAPS], o[TAPS];
#pragma GCC unroll 6
            for (int j = 0; j < taps; j++) d[j] = *(const vec *)(strip + (r * COLUMNS + j) * LANES);
            line(d, o);
#pragma GCC unroll 6
            for (int j = 0; j < TAPS; j++) *(vec *)(v + (r * TAPS + j) * v_stride) = o[j];
        }
}

/* Unit: (side, block of channels, row of tiles of the pass). */
static void transform(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const int64_t rows = p->tiles / p->across;
    float strip[TAPS * COLUMNS * LANES];
    for (int64_t unit = begin; unit < end; unit++) {
        const int64_t row = p->first_row + unit % rows, block = unit / rows;
        const bool input = block < p->x.blocks;
        const side *s = input ? &p->x : &p->dy;
        const int64_t own = input ? block : block - p->x.blocks, taps = input ? TAPS : OUT;
        for (int64_t j = 0; j < p->across; j += SEGMENT)
            for (int64_t half = 0; half < WIDTH; half += LANES) {
                const int64_t count = hy_min(SEGMENT, p->across - j);
                float *v = s->v + own * s->v_block + (unit % rows * p->across + j) * WIDTH + half;
                turn(s, row / p->down, own * WIDTH + half, row % p->down * OUT - s->top, j * OUT - s->left, taps,
                     OUT * count + taps - OUT, strip);
                if (input) combine(TAPS, input_line_4, count, strip, v, p->v_stride);
                else combine(OUT, output_grad_line_4, count, strip, v, p->v_stride);
            }
    }
}

/* ---- Frequencies to weights ---- */

/* Gᵀ m G for a filter and LANES channels, the first `count` of which are. */
static void store_weights(const float *m, int64_t m_stride, int64_t count, float *dw)
{
    vec lines[TAPS][3], g[12];
#pragma GCC unroll 6
    for (int j = 0; j < TAPS; j++) {
        vec d[TAPS];
#pragma GCC unroll 6
        for (int i = 0; i < TAPS; i++) d[i] = *(const vec *)(m + (i * TAPS + j) * m_stride);
        weight_grad_line_4(d, lines[j]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) {
        vec d[TAPS];
#pragma GCC unroll 6
        for (int j = 0; j < TAPS; j++) d[j] = lines[j][i];
        weight_grad_line_4(d, g + 3 * i);
    }
    hy_turn_quads_f32(g);
    hy_turn_quads_f32(g + 4);
    _Alignas(64) float turned[LANES][9];
#pragma GCC unroll 16
    for (int l = 0; l < LANES; l++) {
        *(hy_quad_f32 *)turned[l] = hy_quad_of_f32(g, l);
        *(hy_quad_f32 *)(turned[l] + 4) = hy_quad_of_f32(g + 4, l);
        turned[l][8] = g[8][l];
    }
    memcpy(dw, turned, (size_t)count * sizeof turned[0]);
}

/* Some channels and some filters, with their block of M. */
typedef struct part {
    int64_t c, c_end;                    /* blocks of channels */
    int64_t k, k_end;                    /* filters */
    int64_t columns;                     /* of M */
    float *m;
} part;

static void add_tiles(const plan *p, const part *o, int64_t f, int64_t tile, int64_t count, bool first)
{
    for (int64_t j = o->c; j < o->c_end; j++) {
        const float *v = p->x.v + j * p->x.v_block + f * p->v_stride + tile * WIDTH;
        for (int64_t i = o->k, rows; i < o->k_end; i += rows) {
            const int64_t rest = hy_min(WIDTH - i % WIDTH, o->k_end - i); /* of its block, to be shared evenly */
            rows = hy_ceil_div(rest, hy_ceil_div(rest, HY_TILE_ROWS));
            const float *q = p->dy.v + i / WIDTH * p->dy.v_block + f * p->v_stride + tile * WIDTH + i % WIDTH;
            float *m = o->m + f * p->m_stride + (i - o->k) * o->columns + (j - o->c) * WIDTH;
            HY_ISA(hy_gemm_tile_f32)(rows, count, q, WIDTH, v, m, o->columns, !first);
        }
    }
}

static void multiply(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    const int64_t channels = p->x.t->shape[1], filters = p->dy.t->shape[1];
    const bool first = p->first_row == 0, last = p->first_row + p->tiles / p->across == p->rows;
    for (int64_t task = begin; task < end; task++) {
        const int64_t c = task % p->channel_runs * p->x.run, k = task / p->channel_runs * p->dy.run * WIDTH;
        part o = {c, hy_min(c + p->x.run, p->x.blocks), k, hy_min(k + p->dy.run * WIDTH, filters), p->x.run * WIDTH, NULL};
        const int slot = p->m ? 0 : hy_slots_take(&p->slots);
        o.m = p->m ? p->m + task * p->m_task : (float *)(p->slots.memory + slot * p->slots.bytes);
        for (int64_t f = 0; f < FREQUENCIES; f++)
            for (int64_t t = 0; t < p->tiles; t += DEPTH) add_tiles(p, &o, f, t, hy_min(DEPTH, p->tiles - t), first && t == 0);
        for (int64_t i = k; last && i < o.k_end; i++)
            for (int64_t j = c * WIDTH; j < hy_min(o.c_end * WIDTH, channels); j += LANES)
                store_weights(o.m + (i - k) * o.columns + j - c * WIDTH, p->m_stride, hy_min(LANES, channels - j),
                              p->dw + (i * channels + j) * 9);
        if (!p->m) hy_slots_give(&p->slots, slot);
    }
}

/* ---- The whole ---- */

static void make_plan(plan *p)
{
    p->down = hy_ceil_div(p->dy.t->shape[2], OUT);
    p->across = hy_ceil_div(p->dy.t->shape[3], OUT);
    p->rows = p->dy.t->shape[0] * p->down;
    p->x.blocks = hy_ceil_div(p->x.t->shape[1], WIDTH);
    p->dy.blocks = hy_ceil_div(p->dy.t->shape[1], WIDTH);
    const int64_t tile_bytes = FREQUENCIES * (p->x.blocks + p->dy.blocks) * WIDTH * (int64_t)sizeof(float);
    const int64_t m_bytes = FREQUENCIES * p->x.blocks * p->dy.blocks * WIDTH * WIDTH * (int64_t)sizeof(float);
    const int64_t pass_bytes = hy_min(hy_max(PASS_BYTES, m_bytes), MOST_PASS_BYTES);
    p->passes = hy_ceil_div(p->rows, hy_max(1, pass_bytes / tile_bytes / p->across));
    p->pass_rows = hy_ceil_div(p->rows, p->passes);
    p->passes = hy_ceil_div(p->rows, p->pass_rows);
    p->v_stride = p->pass_rows * p->across * WIDTH + GAP;
    p->x.v_block = p->dy.v_block = FREQUENCIES * p->v_stride;
    p->x.run = hy_min(p->x.blocks, hy_max(1, CHANNELS / WIDTH));
    p->dy.run = hy_min(p->dy.blocks, hy_max(1, FILTERS / WIDTH));
    while ((p->tasks = hy_ceil_div(p->x.blocks, p->x.run) * hy_ceil_div(p->dy.blocks, p->dy.run)) < TASKS_WANTED && p->x.run * p->dy.run > 1) {
        if (p->x.run >= p->dy.run) p->x.run = hy_ceil_div(p->x.run, 2);
        else p->dy.run = hy_ceil_div(p->dy.run, 2);
    }
    p->channel_runs = hy_ceil_div(p->x.blocks, p->x.run);
    p->m_stride = p->x.run * p->dy.run * WIDTH * WIDTH + GAP;
    p->m_task = FREQUENCIES * p->m_stride;
}

static void run_passes(plan *p)
{
    for (p->first_row = 0; p->first_row < p->rows; p->first_row += p->pass_rows) {
        const int64_t rows = hy_min(p->pass_rows, p->rows - p->first_row);
        p->tiles = rows * p->across;
        hy_parallel_for((p->x.blocks + p->dy.blocks) * rows, 1, transform, p);
        hy_parallel_for(p->tasks, 1, multiply, p);
    }
}

hy_status HY_ISA(hy_winograd_weight_grad)(hy_device *device, const hy_conv2d_params *c, const hy_tensor *x, const hy_tensor *dy,
                                          const hy_tensor *dw)
{
    plan p = {.x = {.t = x, .top = c->padding[0], .left = c->padding[1]}, .dy = {.t = dy}, .dw = dw->data};
    make_plan(&p);
    const int64_t size = sizeof(float);
    void *v = NULL, *m = NULL;
    hy_status status = hy_alloc(device, (p.x.blocks * p.x.v_block + p.dy.blocks * p.dy.v_block) * size, &v);
    if (status == HY_OK)
        status = p.passes > 1 ? hy_alloc(device, p.tasks * p.m_task * size, &m) : hy_slots_alloc(&p.slots, device, p.m_task * size, p.tasks);
    if (status == HY_OK) {
        p.x.v = v;
        p.dy.v = p.x.v + p.x.blocks * p.x.v_block;
        p.m = m;
        run_passes(&p);
    }
    hy_free(device, p.slots.memory);
    hy_free(device, m);
    hy_free(device, v);
    return status;
}

/* ---- The choice ---- */

/* In multiply-adds of the register tile and a frequency, as in winograd.c: a tile's transform costs TRANSFORM_COST for each channel and
 * each filter, a weight's, which also moves M, WEIGHT_COST. */
#define TRANSFORM_COST 10
#define WEIGHT_COST 14
#define DIRECT_COST 1.1

bool HY_ISA(hy_winograd_pays_weight_grad)(const hy_tensor *x, const hy_tensor *dy)
{
    const double channels = (double)(hy_ceil_div(x->shape[1], WIDTH) * WIDTH), filters = (double)(hy_ceil_div(dy->shape[1], LANES) * LANES);
    const double tiles = (double)(dy->shape[0] * hy_ceil_div(dy->shape[2], OUT) * hy_ceil_div(dy->shape[3], OUT));
    const double products = channels * filters * (tiles + WEIGHT_COST), transforms = TRANSFORM_COST * tiles * (channels + filters);
    return FREQUENCIES * (products + transforms) < DIRECT_COST * 9 * (double)x->shape[1] * (double)hy_numel(dy);
}
