/* The typed half of gemm.c: `real` is the type of an element, T(name) carries its suffix, ADD_PRODUCT(sum, a, column) is a vector `sum` plus
 * the element at `a` times the vector `column`. */

#define WIDTH ((int64_t)(HY_TILE_VECTORS * HY_TILE_VECTOR / sizeof(real)))
#define LANES ((int64_t)(HY_TILE_VECTOR / sizeof(real)))
#define TYPE (sizeof(real) == 4 ? HY_FLOAT32 : HY_FLOAT64)

#include "cpu/kernels/gemm_pack.h"
#include "cpu/kernels/gemm_tile.h"

/* ---- Operands as a task sees them ---- */

/* Where an operand's panels are: packed ones `first` and after, from k_first on, and the matrix itself for those that stay in place. */
typedef struct T(panels) {
    const real *packed, *matrix;
    int64_t first, count, k_first;
} T(panels);

static inline const real *T(packed_at)(const side *s, const T(panels) *v, int64_t panel, int64_t k0, int64_t kc)
{
    return v->packed + ((k0 - v->k_first) * v->count + (panel - v->first) * kc) * s->width;
}

/* Packs what a task alone uses, the k blocks of [k_begin, k_end): of an operand in place only the panel that is not whole. */
static void T(pack_own)(const plan *p, const side *s, T(panels) *v, int64_t begin, int64_t end, int64_t k_begin, int64_t k_end, real *to)
{
    if (s->source == IN_PLACE) begin = hy_max(begin, s->whole);
    *v = (T(panels)){to, v->matrix, begin, end - begin, k_begin};
    for (int64_t k0 = k_begin; begin < end && k0 < k_end; k0 += p->kc) {
        int64_t kc = hy_min(p->kc, k_end - k0);
        T(pack_panels)(s, v->matrix, begin, end, k0, kc, to);
        to += (end - begin) * kc * s->width;
    }
}

static T(panels) T(panels_of)(const plan *p, const side *s, int64_t item)
{
    T(panels) v = {.matrix = (const real *)s->operand->data + hy_gemm_batch_offset(p->g, s->operand->batch_strides, item)};
    if (s->source != SHARED) return v;
    v.packed = (const real *)s->shared + hy_gemm_batch_offset(p->g, s->item_strides, item) * s->panels * s->width * p->k_pass;
    v.count = s->panels;
    v.k_first = p->pass * p->k_pass;
    return v;
}

/* ---- Blocks of C ---- */

typedef struct T(target) {
    real *c;
    int64_t row_stride, col_stride;
    T(prior) prior;  /* of the first k block; later ones add to C */
} T(target);

/* Where a batch item's result goes: C, or its own part of the partial sums when k is split. */
static T(target) T(target_of)(const plan *p, int64_t item, int64_t split)
{
    const hy_gemm *g = p->g;
    if (p->splits > 1) {
        real *partial = (real *)p->partial + (item * p->splits + split) * g->m * g->n;
        return (T(target)){partial, g->n, 1, {0}};
    }
    real *c = (real *)g->c + hy_gemm_batch_offset(g, g->c_batch_strides, item);
    const real *bias = g->bias ? (const real *)g->bias + hy_gemm_batch_offset(g, g->bias_batch_strides, item) : NULL;
    return (T(target)){c, g->c_row_stride, g->c_col_stride, {bias, g->bias_row_stride, g->bias_col_stride, 0}};
}

/* What the panels of B from `column` on meet: all of a block's panels of A. */
static void T(multiply_panel)(const plan *p, const block *k, const T(panels) *va, T(factors) f, int64_t column, int64_t k0, real low,
                              const T(target) *t)
{
    int64_t columns = hy_min(WIDTH, p->b.vectors - column);
    bool rows_in_place = p->a.source == IN_PLACE;
    f.a_row = rows_in_place ? p->a.operand->vector_stride : 1;
    f.a_k = rows_in_place ? p->a.operand->k_stride : HY_TILE_ROWS;
    for (int64_t i = k->a_begin; i < k->a_end; i++) {
        int64_t row = panel_start(&p->a, i), rows = panel_start(&p->a, i + 1) - row;
        real *c = t->c + row * t->row_stride + column * t->col_stride;
        T(prior) prior = {c, t->row_stride, t->col_stride, low};
        if (k0 == k->k_begin && p->pass == 0) {
            prior = t->prior;
            prior.low = low;
            if (prior.at) prior.at += row * prior.row_stride + column * prior.col_stride;
        }
        f.a = rows_in_place ? va->matrix + row * f.a_row + k0 * f.a_k : T(packed_at)(&p->a, va, i, k0, f.kc);
        bool whole = columns == WIDTH && t->col_stride == 1 && prior.col_stride <= 1;
        if (whole) T(tile)(rows, &f, &prior, c, t->row_stride);
        else T(tile_edge)(rows, columns, &f, &prior, c, t->row_stride, t->col_stride);
    }
}

static void T(multiply_block)(const plan *p, const block *k, const T(panels) *va, const T(panels) *vb, int64_t k0, int64_t kc,
                              const T(target) *t)
{
    bool last = k0 + kc == p->g->k && p->splits == 1;
    real low = last && p->g->activation == HY_ACTIVATION(HY_UNARY_relu) ? 0 : -INFINITY;
    for (int64_t j = k->b_begin; j < k->b_end; j++) {
        T(factors) f = {.kc = kc, .b_k = WIDTH};
        if (p->b.source == IN_PLACE && j < p->b.whole) {
            const real *prepared = p->b.operand->prepared;
            f.b_k = prepared ? WIDTH : p->b.operand->k_stride;
            f.b = prepared ? prepared + (j * p->g->k + k0) * WIDTH : vb->matrix + j * WIDTH + k0 * f.b_k;
        } else {
            f.b = T(packed_at)(&p->b, vb, j, k0, kc);
        }
        T(multiply_panel)(p, k, va, f, j * WIDTH, k0, low, t);
    }
}

/* What the tile's store has not done already, while the block is in the cache. */
static void T(activate_block)(const plan *p, const block *k, const T(target) *t)
{
    const hy_gemm *g = p->g;
    if (p->splits > 1 || k->k_end < g->k || g->activation == HY_ACTIVATION(HY_UNARY_relu)) return;
    int64_t row = panel_start(&p->a, k->a_begin), rows = panel_start(&p->a, k->a_end) - row;
    int64_t column = panel_start(&p->b, k->b_begin), columns = panel_start(&p->b, k->b_end) - column;
    hy_activate(p->device, TYPE, g->activation, t->c + row * t->row_stride + column * t->col_stride, rows, columns, t->row_stride,
                t->col_stride);
}

/* One block of C, of this pass over k. A slot that holds the block's panels of B from its last task uses them again. */
static void T(run_block)(plan *p, int64_t task, int slot)
{
    block k = block_of(p, task);
    T(target) t = T(target_of)(p, k.item, k.split);
    T(panels) va = T(panels_of)(p, &p->a, k.item), vb = T(panels_of)(p, &p->b, k.item);
    char *scratch = p->slots.memory + slot * p->slots.bytes;
    real *own_a = (real *)scratch, *own_b = (real *)(scratch + p->own_a_bytes);
    int64_t k1 = k.k_begin;
    do {
        int64_t k2 = hy_min(k.k_end, k1 + p->k_own), k0 = k1;
        bool all = k1 == k.k_begin && k2 == k.k_end, held = all && p->b_block[slot] == k.b_identity;
        if (p->a.source == OWN) T(pack_own)(p, &p->a, &va, k.a_begin, k.a_end, k1, k2, own_a);
        if (p->b.source != SHARED) T(pack_own)(p, &p->b, &vb, k.b_begin, k.b_end, k1, held ? k1 : k2, own_b);
        p->b_block[slot] = all ? k.b_identity : -1;
        do {
            T(multiply_block)(p, &k, &va, &vb, k0, hy_min(p->kc, k2 - k0), &t);
            k0 += p->kc;
        } while (k0 < k2);
        k1 = k2;
    } while (k1 < k.k_end);
    T(activate_block)(p, &k, &t);
}

static void T(run_blocks)(void *context, int64_t begin, int64_t end)
{
    plan *p = context;
    int slot = hy_slots_take(&p->slots);
    for (int64_t task = begin; task < end; task++) T(run_block)(p, task, slot);
    hy_slots_give(&p->slots, slot);
}

/* Packs what several blocks use before anything is multiplied: unit = (item, group of panels, k block of this pass). */
static void T(pack_shared)(void *context, int64_t begin, int64_t end)
{
    const side *s = context;
    const plan *p = s->plan;
    int64_t k_first = p->pass * p->k_pass, k_blocks = hy_ceil_div(hy_min(p->k_pass, p->g->k - k_first), p->kc);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t group = unit / k_blocks % s->groups, item = unit / k_blocks / s->groups;
        int64_t k0 = k_first + unit % k_blocks * p->kc, kc = hy_min(p->kc, hy_min(p->g->k, k_first + p->k_pass) - k0);
        int64_t first = group * PANEL_GROUP, last = hy_min(s->panels, first + PANEL_GROUP);
        const real *data = (const real *)s->operand->data + hy_gemm_batch_offset(p->g, s->operand->batch_strides, item_of(s, item));
        real *to = (real *)s->shared + ((item * p->k_pass + k0 - k_first) * s->panels + first * kc) * s->width;
        T(pack_panels)(s, data, first, last, k0, kc, to);
    }
}

/* C = activation(bias + the sum of the partial products), always in the same order: unit = (item, row). */
static void T(add_partials)(void *context, int64_t begin, int64_t end)
{
    const plan *p = context;
    const hy_gemm *g = p->g;
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t item = unit / g->m, row = unit % g->m;
        real *sum = (real *)p->partial + item * p->splits * g->m * g->n + row * g->n;
        for (int64_t s = 1; s < p->splits; s++)
            for (int64_t j = 0; j < g->n; j++) sum[j] += sum[s * g->m * g->n + j];
        real *c = (real *)g->c + hy_gemm_batch_offset(g, g->c_batch_strides, item) + row * g->c_row_stride;
        const real *bias = g->bias;
        if (bias) bias += hy_gemm_batch_offset(g, g->bias_batch_strides, item) + row * g->bias_row_stride;
        for (int64_t j = 0; j < g->n; j++) c[j * g->c_col_stride] = sum[j] + (bias ? bias[j * g->bias_col_stride] : 0);
        hy_activate(p->device, TYPE, g->activation, c, 1, g->n, g->n * g->c_col_stride, g->c_col_stride);
    }
}

static hy_status T(run_gemm)(hy_device *device, const hy_gemm *g)
{
    static const bodies typed = {T(pack_shared), T(run_blocks), T(add_partials)};
    return run(device, g, sizeof(real), WIDTH, &typed);
}
