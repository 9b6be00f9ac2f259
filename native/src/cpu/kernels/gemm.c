/* The blocked matrix product: the plan (what is cut where and packed when, by size alone) here, the typed loops in gemm_body.h. */
#include "cpu/kernels/gemm.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/slots.h"
#include "cpu/simd/tile.h"
#if HY_ISA_avx512_bf16
#  include "cpu/simd/bfloat16.h"
#endif

#define MAX_WIDTH (HY_TILE_VECTORS * HY_TILE_VECTOR / 4)
#define LOCAL_BYTES 16384     /* scratch up to here lives on the stack */

/* A run of k is as long as a panel of B fills L1 (32 KB): half of that keeps it there, but meets C twice as often, which costs 2 to 6 % more. */
#define K_BLOCK hy_min(512, (32 << 10) / (HY_TILE_VECTORS * HY_TILE_VECTOR))
#define K_BLOCK_MORE 64       /* a little more is better than two short runs */
#define BLOCK_BYTES (256 << 10) /* of either operand, in L2 */
#define OWN_BYTES (256 << 10)
#define SHARED_BYTES (16 << 20) /* of L3 */
#define TASKS_WANTED 16       /* enough for a few threads to share evenly … */
#define TASK_MACS (1 << 19)   /* … unless tasks would get shorter than some 10 µs */
#define SHARE_MACS (1 << 22)  /* from here on a step of its own that packs for all tasks pays */
#define ITEM_MACS (1 << 26)   /* matrices of a batch from this size on are multiplied one after another */
#define PANEL_GROUP 8         /* packed together: runs of 512 bytes */
#define IN_PLACE_PANELS 4     /* an operand that meets this few panels of the other is not worth packing */
#define IN_PLACE_ROWS 16      /* nor are rows of A that lie along k and meet this few … */
#define IN_PLACE_A_BYTES (1 << 20) /* … or are this few: they are broadcast from where they are, a cache line for many steps */
#define IN_PLACE_BYTES (32 << 10)

/* Where the tile finds an operand: in the matrix; in panels that a step before packs for all tasks; in panels of the task's own. */
typedef enum source { IN_PLACE, SHARED, OWN } source;

/* One of the two operands. */
typedef struct side {
    const struct plan *plan;
    const hy_gemm_operand *operand;
    int64_t vectors, width;
    int64_t panels, whole;        /* of the whole product; those that are `width` wide, when panels are not balanced */
    int64_t blocks;               /* a block is a run of panels */
    bool balanced;                /* panels share the vectors evenly: 64 rows in tiles of up to 14 are 13, 13, 13, 13, 12 */
    int64_t each, rest;           /* vectors of a panel, and how many have one more */
    source source;
    int64_t items, item_strides[HY_MAX_DIMS]; /* different ones in the batch */
    int64_t groups;
    char *shared;
} side;

typedef struct plan {
    hy_device *device;
    const hy_gemm *g;
    side a, b;
    int64_t batch;
    int64_t kc;                   /* of one register tile's run */
    int64_t splits, k_split;      /* long reductions are cut into parts that are added up at the end */
    int64_t pass, k_pass;         /* shared panels are packed for so much of k at a time */
    int64_t k_own;                /* own panels likewise */
    int64_t own_a_bytes, slot_bytes;
    hy_slots slots;
    int64_t b_block[HY_MAX_THREADS]; /* whose panels a slot holds; -1 for none */
    char *partial;
} plan;

/* One task: a block of C, of its share of k. */
typedef struct block {
    int64_t item, split, a_begin, a_end, b_begin, b_end, k_begin, k_end, b_identity;
} block;

typedef struct bodies {
    hy_parallel_body pack_shared, run_blocks, add_partials;
} bodies;

static inline int64_t align64(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

static inline int64_t panel_start(const side *s, int64_t i)
{
    return hy_min(i * s->each + hy_min(i, s->rest), s->vectors);
}

/* The first batch item that uses the given one of the different operands. */
static int64_t item_of(const side *s, int64_t own_item)
{
    const hy_gemm *g = s->plan->g;
    int64_t item = 0, stride = 1;
    for (int d = g->batch_ndim - 1; d >= 0; d--) {
        if (s->item_strides[d]) item += own_item / s->item_strides[d] % g->batch_shape[d] * stride;
        stride *= g->batch_shape[d];
    }
    return item;
}

static block block_of(const plan *p, int64_t task)
{
    int64_t i = task % p->a.blocks, j = task / p->a.blocks % p->b.blocks, rest = task / p->a.blocks / p->b.blocks;
    block k = {.split = rest % p->splits, .item = rest / p->splits, .b_identity = rest * p->b.blocks + j};
    k.a_begin = i * p->a.panels / p->a.blocks;
    k.a_end = (i + 1) * p->a.panels / p->a.blocks;
    k.b_begin = j * p->b.panels / p->b.blocks;
    k.b_end = (j + 1) * p->b.panels / p->b.blocks;
    k.k_begin = k.split * p->k_split + p->pass * p->k_pass;
    k.k_end = hy_min(p->g->k, hy_min((k.split + 1) * p->k_split, k.k_begin + p->k_pass));
    return k;
}

/* ---- The plan: by size alone, so that the result is the same for any number of threads ---- */

static void make_side(const plan *p, side *s, const hy_gemm_operand *operand, int64_t vectors, int64_t width, bool balanced)
{
    *s = (side){.plan = p, .operand = operand, .vectors = vectors, .width = width, .balanced = balanced, .items = 1, .source = OWN};
    s->panels = hy_ceil_div(vectors, width);
    s->whole = operand->prepared ? s->panels : vectors / width;
    s->each = balanced ? vectors / s->panels : width;
    s->rest = balanced ? vectors % s->panels : 0;
    for (int d = p->g->batch_ndim - 1; d >= 0; d--) {
        bool same = operand->batch_strides[d] == 0;
        s->item_strides[d] = same ? 0 : s->items;
        if (!same) s->items *= p->g->batch_shape[d];
    }
}

static int64_t tasks_of(const plan *p) { return p->batch * p->splits * p->a.blocks * p->b.blocks; }

static int64_t macs_of(const plan *p) { return p->batch * p->g->m * p->g->n * p->g->k; }

/* The number of runs that k takes, each near K_BLOCK. */
static int64_t runs_of_k(int64_t k) { return hy_max(1, hy_ceil_div(k - K_BLOCK_MORE, K_BLOCK)); }

/* Cuts k into as many parts, and these into even runs. */
static void cut_k(plan *p, int64_t splits)
{
    int64_t part = hy_ceil_div(p->g->k, splits), runs = runs_of_k(part);
    p->kc = hy_max(1, (hy_ceil_div(part, runs) + 3) & ~(int64_t)3);
    p->k_split = runs * p->kc;
    p->splits = hy_max(1, hy_ceil_div(p->g->k, p->k_split));
}

/* Cuts k, then C into blocks. */
static void cut(plan *p, int64_t size)
{
    const hy_gemm *g = p->g;
    side *a = &p->a, *b = &p->b;
    int64_t macs = macs_of(p);
    cut_k(p, 1);

    int64_t b_most = BLOCK_BYTES / (K_BLOCK * size * b->width);
    a->blocks = hy_ceil_div(a->panels, hy_max(1, BLOCK_BYTES / (p->kc * size * a->width)));
    /* Vectors along k are packed in runs as long as they are, if only one block needs them. */
    bool long_k = g->k >= 8 * hy_max(g->m, g->n);
    if (a->blocks == 1 && b->operand->k_stride == 1 && !long_k) b_most = hy_max(2, hy_min(b_most, OWN_BYTES / (hy_max(1, g->k) * size * b->width)));
    b->blocks = hy_ceil_div(b->panels, b_most);
    if (tasks_of(p) < TASKS_WANTED && long_k)
        cut_k(p, hy_max(1, hy_min(hy_min(TASKS_WANTED / tasks_of(p), runs_of_k(g->k)), macs / tasks_of(p) / TASK_MACS)));

    int64_t wanted = hy_min(TASKS_WANTED, macs / TASK_MACS);
    while (tasks_of(p) < wanted) {
        bool a_may = a->panels >= 4 * a->blocks, b_may = b->panels >= 4 * b->blocks;
        bool a_longer = macs < SHARE_MACS || a->vectors * b->blocks >= b->vectors * a->blocks;
        if (a_may && (a_longer || !b_may)) a->blocks *= 2;
        else if (b_may) b->blocks *= 2;
        else break;
    }
}

static bool is_matrix(const hy_gemm_operand *o) { return !o->pack && (o->vector_stride == 1 || o->k_stride == 1); }

/* Says who packs what, if anybody. */
static void choose_sources(plan *p, int64_t size)
{
    const hy_gemm *g = p->g;
    side *a = &p->a, *b = &p->b;
    bool b_rows = !g->b.pack && g->b.vector_stride == 1, may_share = macs_of(p) >= SHARE_MACS && p->splits == 1;
    bool b_small = g->b.k_stride == g->n && g->k * g->n * size <= IN_PLACE_BYTES;
    bool a_rows = g->a.k_stride == 1 && (b->panels <= IN_PLACE_ROWS || g->m * g->k * size <= IN_PLACE_A_BYTES);
    if (is_matrix(&g->a) && (a_rows || b->panels <= IN_PLACE_PANELS)) a->source = IN_PLACE;
    else if (may_share && a->items < p->batch * b->blocks) a->source = SHARED;
    if (g->b.prepared || (b_rows && (b_small || a->panels <= 2))) b->source = IN_PLACE;
    else if (may_share && !g->b.pack && b->items < p->batch * a->blocks) b->source = SHARED;
}

/* Vectors that a task packs for itself. */
static int64_t own_vectors(const side *s)
{
    if (s->source == SHARED || (s->source == IN_PLACE && (s->balanced || s->whole == s->panels))) return 0;
    return s->source == OWN ? hy_ceil_div(s->panels, s->blocks) * s->width : s->width;
}

static int64_t shared_vectors(const side *s) { return s->source == SHARED ? s->items * s->panels * s->width : 0; }

static int64_t runs_of(const plan *p, int64_t bytes, int64_t vectors, int64_t size)
{
    return p->kc * hy_max(1, bytes / (hy_max(1, vectors) * p->kc * size));
}

static void make_plan(plan *p, hy_device *device, const hy_gemm *g, int64_t size, int64_t width)
{
    p->device = device;
    p->g = g;
    p->batch = 1;
    for (int d = 0; d < g->batch_ndim; d++) p->batch *= g->batch_shape[d];
    make_side(p, &p->a, &g->a, g->m, HY_TILE_ROWS, true);
    make_side(p, &p->b, &g->b, g->n, width, false);
    cut(p, size);
    choose_sources(p, size);
    int64_t own_a = own_vectors(&p->a), own_b = own_vectors(&p->b);
    p->k_pass = hy_min(p->k_split, runs_of(p, SHARED_BYTES, shared_vectors(&p->a) + shared_vectors(&p->b), size));
    p->k_own = hy_min(p->k_pass, runs_of(p, OWN_BYTES, own_a + own_b, size));
    p->own_a_bytes = align64(own_a * p->k_own * size);
    p->slot_bytes = p->own_a_bytes + align64((own_b * p->k_own + width) * size); /* a packing may write a row past its panel */
}

/* ---- Running it ---- */

static int64_t shared_bytes(const plan *p, const side *s, int64_t size) { return align64(shared_vectors(s) * p->k_pass * size); }

static int64_t partial_bytes(const plan *p, int64_t size)
{
    return p->splits > 1 ? align64(p->batch * p->splits * p->g->m * p->g->n * size) : 0;
}

static void lay_out(plan *p, char *at, int64_t size)
{
    p->a.shared = at;
    p->b.shared = p->a.shared + shared_bytes(p, &p->a, size);
    p->partial = p->b.shared + shared_bytes(p, &p->b, size);
    p->slots.memory = p->partial + partial_bytes(p, size);
}

static void share(const plan *p, side *s, const bodies *typed)
{
    int64_t k_blocks = hy_ceil_div(hy_min(p->k_pass, p->g->k - p->pass * p->k_pass), p->kc);
    if (s->source != SHARED) return;
    s->groups = hy_ceil_div(s->panels, PANEL_GROUP);
    hy_parallel_for(s->items * s->groups * k_blocks, hy_max(1, (1 << 15) / (PANEL_GROUP * s->width * p->kc)), typed->pack_shared, s);
}

static hy_status run_plan(plan *p, int64_t size, const bodies *typed)
{
    const hy_gemm *g = p->g;
    int64_t tasks = tasks_of(p), grain = hy_ceil_div(TASK_MACS, hy_max(1, macs_of(p) / tasks));
    hy_slots_plan(&p->slots, p->slot_bytes, hy_ceil_div(tasks, grain));

    _Alignas(64) char local[LOCAL_BYTES];
    int64_t bytes = shared_bytes(p, &p->a, size) + shared_bytes(p, &p->b, size) + partial_bytes(p, size) + p->slots.count * p->slots.bytes;
    void *scratch = local;
    if (bytes > LOCAL_BYTES) {
        hy_status status = hy_alloc(p->device, bytes, &scratch);
        if (status != HY_OK) return status;
    }
    lay_out(p, scratch, size);
    p->pass = 0;
    do {
        for (int i = 0; i < p->slots.count; i++) p->b_block[i] = -1;
        share(p, &p->a, typed);
        share(p, &p->b, typed);
        hy_parallel_for(tasks, grain, typed->run_blocks, p);
    } while (++p->pass * p->k_pass < p->k_split);
    if (p->splits > 1) hy_parallel_for(p->batch * g->m, hy_max(1, (1 << 16) / (g->n * p->splits)), typed->add_partials, p);
    return bytes > LOCAL_BYTES ? hy_free(p->device, scratch) : HY_OK;
}

/* Cᵀ = Bᵀ · Aᵀ. */
static hy_gemm swapped(const hy_gemm *g)
{
    hy_gemm s = *g;
    s.m = g->n;
    s.n = g->m;
    s.a = g->b;
    s.b = g->a;
    s.c_row_stride = g->c_col_stride;
    s.c_col_stride = g->c_row_stride;
    s.bias_row_stride = g->bias_col_stride;
    s.bias_col_stride = g->bias_row_stride;
    return s;
}

/* Work of one orientation: rows are exact, columns fill whole tiles, and columns of C that are not side by side cost extra. */
static int64_t cost(int64_t rows, int64_t columns, int64_t column_stride, int64_t width)
{
    return rows * hy_ceil_div(columns, width) * width * (column_stride == 1 ? 4 : 6);
}

/* The products of a batch one after another. */
static hy_status run_items(hy_device *device, const hy_gemm *g, int64_t items, int64_t size, int64_t width, const bodies *typed)
{
    hy_status status = HY_OK;
    for (int64_t item = 0; item < items && status == HY_OK; item++) {
        hy_gemm one = *g;
        one.batch_ndim = 0;
        one.a.data = (const char *)g->a.data + hy_gemm_batch_offset(g, g->a.batch_strides, item) * size;
        one.b.data = (const char *)g->b.data + hy_gemm_batch_offset(g, g->b.batch_strides, item) * size;
        one.c = (char *)g->c + hy_gemm_batch_offset(g, g->c_batch_strides, item) * size;
        if (g->bias) one.bias = (const char *)g->bias + hy_gemm_batch_offset(g, g->bias_batch_strides, item) * size;
        plan p;
        make_plan(&p, device, &one, size, width);
        status = run_plan(&p, size, typed);
    }
    return status;
}

static hy_status run(hy_device *device, const hy_gemm *g, int64_t size, int64_t width, const bodies *typed)
{
    plan p;
    hy_gemm other;
    bool matrices = !g->a.pack && !g->b.pack;
    if (matrices && cost(g->n, g->m, g->c_row_stride, width) < cost(g->m, g->n, g->c_col_stride, width)) {
        other = swapped(g);
        other.a.prepared = NULL; /* panels of B are of no use for A */
        g = &other;
    }
    int64_t items = 1;
    for (int d = 0; d < g->batch_ndim; d++) items *= g->batch_shape[d];
    if (items == 0 || g->m == 0 || g->n == 0) return HY_OK;
    if (items > 1 && matrices && g->m * g->n * g->k >= ITEM_MACS) return run_items(device, g, items, size, width, typed);
    make_plan(&p, device, g, size, width);
    return run_plan(&p, size, typed);
}

#if HY_ISA_avx512_bf16

/* For bfloat16.c: an element is a pair of bfloat16 numbers that follow one another along k, as wide as a float. Only floats of C are added to. */
typedef int32_t __attribute__((may_alias)) pair;

#define real float
#define T(name) name##_pairs
#define ADD_PRODUCT(sum, a, column) hy_add_bfloat16_pairs(sum, (hy_sums){0} + *(const pair *)(a), (hy_sums)(column))
#include "cpu/kernels/gemm_body.h"

hy_status HY_ISA(hy_gemm_pairs)(hy_device *device, const hy_gemm *g) { return run_gemm_pairs(device, g); }

#else

#define ADD_PRODUCT(sum, a, column) ((sum) + *(a) * (column))
#define BODY "cpu/kernels/gemm_reals.h"
#include "cpu/kernels/both_reals.h"

void HY_ISA(hy_gemm_tile_f32)(int64_t rows, int64_t kc, const float *a, int64_t a_k, const float *b, float *c, int64_t c_stride, bool add)
{
    factors_f32 f = {a, b, 1, a_k, HY_TILE_VECTORS * HY_TILE_VECTOR / sizeof(float), kc};
    tile_f32(rows, &f, &(prior_f32){add ? c : NULL, c_stride, 1, -INFINITY}, c, c_stride);
}

#endif
