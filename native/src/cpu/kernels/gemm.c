/* The blocked matrix product: the plan (what is cut where, by size alone) here, the typed loops in gemm_body.h. */
#include "cpu/kernels/gemm.h"

#include <math.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "cpu/simd/tile.h"

#define MAX_WIDTH (HY_TILE_VECTORS * HY_TILE_VECTOR / 4)
#define MAX_SLOTS 256         /* threads that hy_set_num_threads allows */
#define LOCAL_BYTES 16384     /* scratch up to here lives on the stack */

#define K_BLOCK 256           /* a panel of B (16 KB with AVX2) stays in L1, blocks of both operands in L2 */
#define BLOCK_BYTES (256 << 10)
#define TASKS_WANTED 16       /* enough for a few threads to share evenly … */
#define TASK_MACS (1 << 19)   /* … unless tasks would get shorter than some 10 µs */

typedef struct plan {
    hy_device *device;
    const hy_gemm *g;
    int64_t batch;
    int64_t a_panels, b_panels;   /* of the whole product */
    int64_t a_blocks, b_blocks;   /* a block is a run of panels */
    int64_t kc, k_blocks;
    int64_t splits, k_split;      /* long reductions are cut into parts that are added up at the end */
    bool direct_b;                /* B's rows are read in place */
    int64_t a_items;              /* different A's in the batch */
    int64_t a_item_strides[HY_MAX_DIMS];
    char *ahead, *partial, *scratch;
    int64_t a_scratch, slot_bytes; /* elements, bytes */
    int slots;
    atomic_bool busy[MAX_SLOTS];
} plan;

/* One task: a block of C (of its share of k). */
typedef struct block {
    int64_t item, split, a_begin, a_end, b_begin, b_end, k_begin, k_end, k0, kc;
} block;

typedef struct bodies {
    hy_parallel_body pack_ahead, run_blocks, add_partials;
} bodies;

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
static inline int64_t min(int64_t a, int64_t b) { return a < b ? a : b; }
static inline int64_t max(int64_t a, int64_t b) { return a > b ? a : b; }
static inline int64_t align64(int64_t bytes) { return (bytes + 63) & ~(int64_t)63; }

/* Rows are shared evenly: 64 rows in tiles of up to 14 are 13, 13, 13, 13, 12. */
static inline int64_t panel_start(int64_t rows, int64_t panels, int64_t i)
{
    return i * (rows / panels) + min(i, rows % panels);
}

/* The first batch item that uses the given one of the different A's. */
static int64_t item_of(const plan *p, int64_t a_item)
{
    int64_t item = 0, stride = 1;
    for (int d = p->g->batch_ndim - 1; d >= 0; d--) {
        if (p->a_item_strides[d]) item += a_item / p->a_item_strides[d] % p->g->batch_shape[d] * stride;
        stride *= p->g->batch_shape[d];
    }
    return item;
}

static inline int64_t ahead_offset(const plan *p, int64_t a_item, int64_t k0, int64_t kc, int64_t panel)
{
    return ((a_item * p->k_blocks * p->kc + k0) * p->a_panels + panel * kc) * HY_TILE_ROWS;
}

static block block_of(const plan *p, int64_t task)
{
    int64_t j = task % p->b_blocks, i = task / p->b_blocks % p->a_blocks, rest = task / p->b_blocks / p->a_blocks;
    block k = {.split = rest % p->splits, .item = rest / p->splits};
    k.a_begin = i * p->a_panels / p->a_blocks;
    k.a_end = (i + 1) * p->a_panels / p->a_blocks;
    k.b_begin = j * p->b_panels / p->b_blocks;
    k.b_end = (j + 1) * p->b_panels / p->b_blocks;
    k.k_begin = k.split * p->k_split;
    k.k_end = min(p->g->k, k.k_begin + p->k_split);
    return k;
}

/* A thread that runs blocks takes a scratch of its own; there are as many as threads, so the wait ends when the number has just risen. */
static int take_slot(plan *p)
{
    for (;; sched_yield())
        for (int i = 0; i < p->slots; i++)
            if (!atomic_exchange_explicit(&p->busy[i], true, memory_order_acquire)) return i;
}

static void give_slot(plan *p, int slot) { atomic_store_explicit(&p->busy[slot], false, memory_order_release); }

/* Cuts C into blocks and k into parts: by size alone, so that the result is the same for any number of threads. */
static void cut(plan *p, int64_t size, int64_t width)
{
    const hy_gemm *g = p->g;
    p->k_blocks = max(1, ceil_div(g->k, K_BLOCK));
    p->kc = max(1, (ceil_div(g->k, p->k_blocks) + 3) & ~(int64_t)3);
    p->k_blocks = max(1, ceil_div(g->k, p->kc));
    int64_t a_most = max(1, BLOCK_BYTES / (K_BLOCK * size * HY_TILE_ROWS)), b_most = BLOCK_BYTES / (K_BLOCK * size * width);
    p->a_blocks = ceil_div(p->a_panels, a_most);
    p->b_blocks = ceil_div(p->b_panels, b_most);
    p->splits = 1;
    int64_t tasks = p->batch * p->a_blocks * p->b_blocks, macs = p->batch * g->m * g->n * g->k;
    if (tasks < TASKS_WANTED && g->k >= 8 * max(g->m, g->n)) {
        int64_t parts = min(min(TASKS_WANTED / tasks, p->k_blocks / 2), macs / tasks / TASK_MACS);
        if (parts > 1) p->splits = parts;
        tasks *= p->splits;
    }
    p->k_split = ceil_div(p->k_blocks, p->splits) * p->kc;
    p->splits = max(1, ceil_div(g->k, p->k_split));
    while (tasks < TASKS_WANTED && macs / tasks > 2 * TASK_MACS) {
        if (p->b_panels / p->b_blocks >= 4) p->b_blocks *= 2;
        else if (p->a_panels / p->a_blocks * HY_TILE_ROWS >= 128) p->a_blocks *= 2;
        else break;
        tasks = p->batch * p->splits * p->a_blocks * p->b_blocks;
    }
}

static void make_plan(plan *p, hy_device *device, const hy_gemm *g, int64_t size, int64_t width)
{
    p->device = device;
    p->g = g;
    p->batch = 1;
    p->a_items = 1;
    for (int d = g->batch_ndim - 1; d >= 0; d--) {
        p->batch *= g->batch_shape[d];
        bool shared = g->a.batch_strides[d] == 0;
        p->a_item_strides[d] = shared ? 0 : p->a_items;
        if (!shared) p->a_items *= g->batch_shape[d];
    }
    p->a_panels = ceil_div(g->m, HY_TILE_ROWS);
    p->b_panels = ceil_div(g->n, width);
    cut(p, size, width);
    p->direct_b = g->m <= HY_TILE_ROWS && !g->b.pack && g->b.vector_stride == 1;
}

static hy_status run_plan(hy_device *device, plan *p, int64_t size, int64_t width, const bodies *typed)
{
    const hy_gemm *g = p->g;
    int64_t tasks = p->batch * p->splits * p->a_blocks * p->b_blocks;
    int64_t task_macs = max(1, p->batch * g->m * g->n * g->k / tasks), grain = ceil_div(TASK_MACS, task_macs);
    bool ahead = p->a_items < p->batch * p->b_blocks;

    p->a_scratch = ahead ? 0 : ceil_div(p->a_panels, p->a_blocks) * HY_TILE_ROWS * p->kc;
    p->slots = (int)min(min(ceil_div(tasks, grain), hy_get_num_threads()), MAX_SLOTS);
    /* A packing may write a row past its panel. */
    p->slot_bytes = align64((p->a_scratch + ceil_div(p->b_panels, p->b_blocks) * width * p->kc + width) * size);
    int64_t ahead_bytes = ahead ? align64((p->a_items * p->a_panels * HY_TILE_ROWS * p->kc * p->k_blocks + width) * size) : 0;
    int64_t partial_bytes = p->splits > 1 ? align64(p->batch * p->splits * g->m * g->n * size) : 0;
    int64_t bytes = ahead_bytes + partial_bytes + p->slots * p->slot_bytes;

    _Alignas(64) char local[LOCAL_BYTES];
    void *block = local;
    if (bytes > LOCAL_BYTES) {
        hy_status status = hy_alloc(device, bytes, &block);
        if (status != HY_OK) return status;
    }
    p->ahead = ahead ? block : NULL;
    p->partial = (char *)block + ahead_bytes;
    p->scratch = p->partial + partial_bytes;
    if (ahead) hy_parallel_for(p->a_items * p->k_blocks * p->a_panels, max(1, (1 << 16) / (HY_TILE_ROWS * p->kc)), typed->pack_ahead, p);
    hy_parallel_for(tasks, grain, typed->run_blocks, p);
    if (p->splits > 1) hy_parallel_for(p->batch * g->m, max(1, (1 << 16) / (g->n * p->splits)), typed->add_partials, p);
    return bytes > LOCAL_BYTES ? hy_free(device, block) : HY_OK;
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
    return rows * ceil_div(columns, width) * width * (column_stride == 1 ? 4 : 5);
}

static hy_status run(hy_device *device, const hy_gemm *g, int64_t size, int64_t width, const bodies *typed)
{
    plan p = {0};
    hy_gemm other;
    bool matrices = !g->a.pack && !g->b.pack;
    if (matrices && cost(g->n, g->m, g->c_row_stride, width) < cost(g->m, g->n, g->c_col_stride, width)) {
        other = swapped(g);
        g = &other;
    }
    int64_t items = 1;
    for (int d = 0; d < g->batch_ndim; d++) items *= g->batch_shape[d];
    if (items == 0 || g->m == 0 || g->n == 0) return HY_OK;
    make_plan(&p, device, g, size, width);
    return run_plan(device, &p, size, width, typed);
}

#define real float
#define T(name) name##_f32
#include "cpu/kernels/gemm_body.h"
#undef real
#undef T

#define real double
#define T(name) name##_f64
#include "cpu/kernels/gemm_body.h"
