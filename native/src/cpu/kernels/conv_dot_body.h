/* The typed half of conv_dot.c; see gemm_body.h for `real` and T(name). */
#include "cpu/kernels/conv_windows_body.h"

/* One tile's operands: rows of dy, and x as its taps see it. */
typedef struct T(band) {
    const real *dy, *x;
    const int64_t *offset;
    int64_t height, width;
    int64_t dy_channel, dy_row, x_row;
    T(mask) rest;      /* the lanes of a row's last vector that the one before does not hold */
    T(vec) *sum;       /* [row][depth] */
    int64_t depth;
} T(band);

static inline __attribute__((always_inline)) T(vec) T(masked)(T(vec) v, const bool rest, T(mask) mask)
{
    return rest ? (T(vec))((T(mask))v & mask) : v;
}

/* The shorter side is held in registers, the longer one streams. */
static inline __attribute__((always_inline)) void T(dot_step)(const int rows, const int taps, const real *const *dy, const real *const *x,
                                                              int64_t at, const bool rest, T(mask) mask, T(vec) (*sum)[MOST_TAPS])
{
    T(vec) held[MOST_TAPS];
    const int fewer = rows < taps ? rows : taps, more = rows < taps ? taps : rows;
#pragma GCC unroll 6
    for (int i = 0; i < fewer; i++) held[i] = T(masked)(*(const T(vec_at) *)((rows < taps ? dy : x)[i] + at), rest, mask);
#pragma GCC unroll 6
    for (int j = 0; j < more; j++) {
        T(vec) v = T(masked)(*(const T(vec_at) *)((rows < taps ? x : dy)[j] + at), rest, mask);
        HY_KEEP(v);
#pragma GCC unroll 6
        for (int i = 0; i < fewer; i++) {
            if (rows < taps) sum[i][j] += held[i] * v;
            else sum[j][i] += held[i] * v;
        }
    }
}

/* sum[row][tap] += dy · x over a band, for constants `rows` and `taps` where this is inlined. */
static inline __attribute__((always_inline)) void T(dot_tile)(const int rows, const int taps, const T(band) *b)
{
    T(vec) sum[4][MOST_TAPS];
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 6
        for (int j = 0; j < taps; j++) sum[i][j] = (T(vec)){0};
    const real *dy[4], *x[MOST_TAPS];
    for (int64_t row = 0; row < b->height; row++) {
#pragma GCC unroll 6
        for (int i = 0; i < rows; i++) dy[i] = b->dy + i * b->dy_channel + row * b->dy_row;
#pragma GCC unroll 6
        for (int j = 0; j < taps; j++) x[j] = b->x + b->offset[j] + row * b->x_row;
        int64_t at = 0;
        for (; at + LANES <= b->width; at += LANES) T(dot_step)(rows, taps, dy, x, at, false, b->rest, sum);
        if (at < b->width) T(dot_step)(rows, taps, dy, x, b->width - LANES, true, b->rest, sum);
    }
#pragma GCC unroll 6
    for (int i = 0; i < rows; i++)
#pragma GCC unroll 6
        for (int j = 0; j < taps; j++) b->sum[i * b->depth + j] += sum[i][j];
}

#define DOT_CASE(rows, taps)                                                \
    case rows * 8 + taps:                                                   \
        if (rows * taps <= ACCUMULATORS) T(dot_tile)(rows, taps, b);        \
        break;

static __attribute__((noinline)) void T(dot)(int64_t rows, int64_t taps, const T(band) *b)
{
    switch (rows * 8 + taps) {
        DOT_CASE(1, 1) DOT_CASE(1, 2) DOT_CASE(1, 3) DOT_CASE(1, 4) DOT_CASE(1, 5) DOT_CASE(1, 6)
        DOT_CASE(2, 1) DOT_CASE(2, 2) DOT_CASE(2, 3) DOT_CASE(2, 4) DOT_CASE(2, 5) DOT_CASE(2, 6)
        DOT_CASE(3, 1) DOT_CASE(3, 2) DOT_CASE(3, 3) DOT_CASE(3, 4) DOT_CASE(3, 5) DOT_CASE(3, 6) /* where registers allow */
        DOT_CASE(4, 1) DOT_CASE(4, 2) DOT_CASE(4, 3) DOT_CASE(4, 4) DOT_CASE(4, 5) DOT_CASE(4, 6)
    }
}

#undef DOT_CASE

/* Every tile over one block of an image's rows. */
static void T(multiply_band)(const plan *p, int64_t group, int64_t band, T(vec) *sum, real *scratch)
{
    const hy_windows *w = &p->windows;
    int64_t image = band / w->blocks, row = band % w->blocks * w->block_rows, rest = w->out[1] % LANES;
    T(band) b = {.height = hy_min(w->block_rows, w->out[0] - row), .width = w->out[1], .depth = p->depth, .x_row = w->row_step};
    b.dy_row = p->dy->strides[2];
    b.dy_channel = p->dy->strides[1];
    b.x = T(hy_windows_at)(w, image, group, row, b.height, scratch);
    for (int64_t lane = 0; lane < LANES; lane++) b.rest[lane] = lane < LANES - rest ? 0 : -1;
    const real *dy = (const real *)p->dy->data + image * p->dy->strides[0] + group * p->rows * b.dy_channel + row * b.dy_row;
    int64_t across = hy_ceil_div(p->rows, p->tile_rows), down = hy_ceil_div(p->depth, p->tile_taps);
    for (int64_t i = 0; i < across; i++) {
        int64_t first = tile_start(p->rows, p->tile_rows, i), rows = tile_start(p->rows, p->tile_rows, i + 1) - first;
        b.dy = dy + first * b.dy_channel;
        for (int64_t j = 0; j < down; j++) {
            int64_t tap = tile_start(p->depth, p->tile_taps, j);
            b.offset = p->offset + tap;
            b.sum = sum + first * p->depth + tap;
            T(dot)(rows, tile_start(p->depth, p->tile_taps, j + 1) - tap, &b);
        }
    }
}

/* task = (group, part) */
static void T(multiply_bands)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = hy_slots_take(&p->slots);
    int64_t bands = p->dy->shape[0] * p->windows.blocks, vectors = p->rows * p->depth;
    for (int64_t task = begin; task < end; task++) {
        T(vec) *sum = (T(vec) *)p->partial + task * vectors;
        memset(sum, 0, (size_t)vectors * sizeof *sum);
        int64_t group = task / p->parts, part = task % p->parts;
        for (int64_t band = part * bands / p->parts; band < (part + 1) * bands / p->parts; band++)
            T(multiply_band)(p, group, band, sum, (real *)(p->slots.memory + slot * p->slots.bytes));
    }
    hy_slots_give(&p->slots, slot);
}

/* unit = output channel */
static void T(add_parts)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_tensor *dw = p->dw;
    for (int64_t k = begin; k < end; k++) {
        const T(vec) *partial = (const T(vec) *)p->partial + (k / p->rows * p->parts * p->rows + k % p->rows) * p->depth;
        for (int64_t d = 0; d < p->depth; d++) {
            T(vec) sum = partial[d];
            for (int64_t part = 1; part < p->parts; part++) sum += partial[part * p->rows * p->depth + d];
            real total = 0;
            for (int64_t lane = 0; lane < LANES; lane++) total += sum[lane];
            int64_t taps = dw->shape[2] * dw->shape[3], r = d % taps / dw->shape[3], s = d % dw->shape[3];
            ((real *)dw->data)[k * dw->strides[0] + d / taps * dw->strides[1] + r * dw->strides[2] + s * dw->strides[3]] = total;
        }
    }
}

#undef LANES
