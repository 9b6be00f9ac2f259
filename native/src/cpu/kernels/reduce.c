/*
 * Reductions over any axes. The elements of an output are taken in the order of x's strides, in leaves of fixed size that are combined
 * pairwise, and large reductions are cut into blocks of fixed size: so the result does not depend on the number of threads.
 *
 * Where the smallest stride belongs to a reduced axis, a unit of work is one output, and a leaf is a contiguous run ("row"). Where it
 * belongs to a kept axis, a unit is up to WIDTH neighbouring outputs, and a leaf is a number of their rows ("column").
 */
#include <math.h>

#include "core/status.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"
#include "cpu/simd/vector.h"

enum {
    WIDTH = 256,
    ROW_LEAF = HY_WALK_TILE, /* elements */
    COLUMN_LEAF = 17,        /* rows: one, and four times four */
    BLOCK = HY_WALK_GRAIN    /* elements of x in a block */
};

/* Accumulates float32 and float64 in double, integers in int64_t. */
typedef union cell {
    double f;
    int64_t i;
} cell;

/* The kernels of one operation and dtype. */
typedef struct reducer {
    bool any_length;                                              /* `run` may take more than a leaf: it loses nothing by it */
    void (*run)(const void *x, int64_t n, cell *acc);             /* acc = the reduction of n contiguous elements */
    void (*leaf)(const char *const *rows, int64_t count, int64_t stride, int64_t n, cell *acc); /* acc[j] = that of rows[…][j * stride] */
    void (*merge)(cell *acc, const cell *other, int64_t n);       /* acc[j] takes other[j] */
} reducer;

#define ADD(a, b) ((a) + (b))
#define MULTIPLY(a, b) ((a) * (b))
#define RUN(name, type, accumulator, field, op)              \
    HY_RUN_FUNCTION(fold_##name, type, accumulator, op)      \
    static void run_##name(const void *x, int64_t n, cell *acc) { acc->field = fold_##name(x, n); }

/* A leaf of rows is accumulated in a row of the run's type, four rows at a time. */
#define LEAF_AND_MERGE(name, type, accumulator, field, op, any_length)                                \
    static void leaf_##name(const char *const *rows, int64_t count, int64_t stride, int64_t n, cell *acc) \
    {                                                                                                 \
        accumulator sum[WIDTH];                                                                       \
        const type *a = (const type *)rows[0];                                                        \
        for (int64_t j = 0; j < n; j++) sum[j] = a[j * stride];                                       \
        int64_t r = 1;                                                                                \
        for (; stride == 1 && r + 4 <= count; r += 4) {                                               \
            const type *b = (const type *)rows[r + 1], *c = (const type *)rows[r + 2], *d = (const type *)rows[r + 3]; \
            a = (const type *)rows[r];                                                                \
            for (int64_t j = 0; j < n; j++) {                                                         \
                const accumulator va = a[j], vb = b[j], vc = c[j], vd = d[j], old = sum[j];           \
                const accumulator ab = op(va, vb), cd = op(vc, vd), all = op(ab, cd);                 \
                sum[j] = op(old, all);                                                                \
            }                                                                                         \
        }                                                                                             \
        for (; r < count; r++) {                                                                      \
            a = (const type *)rows[r];                                                                \
            for (int64_t j = 0; j < n; j++) {                                                         \
                const accumulator v = a[j * stride], old = sum[j];                                    \
                sum[j] = op(old, v);                                                                  \
            }                                                                                         \
        }                                                                                             \
        for (int64_t j = 0; j < n; j++) acc[j].field = sum[j];                                        \
    }                                                                                                 \
    static void merge_##name(cell *acc, const cell *other, int64_t n)                                 \
    {                                                                                                 \
        for (int64_t j = 0; j < n; j++) acc[j].field = op(acc[j].field, other[j].field);              \
    }                                                                                                 \
    static const reducer reducer_##name = {any_length, run_##name, leaf_##name, merge_##name};

#define REDUCER(name, type, accumulator, field, op) \
    RUN(name, type, accumulator, field, op)         \
    LEAF_AND_MERGE(name, type, accumulator, field, op, false)
#define EXACT_REDUCER(name, type, accumulator, field, op) \
    RUN(name, type, accumulator, field, op)               \
    LEAF_AND_MERGE(name, type, accumulator, field, op, true)

/* Leaf by leaf, whose lanes are added up in double: no leaf ends in a chain of scalars, so that loads alone bound the sum. */
static void run_sum_f32(const void *x, int64_t n, cell *acc)
{
    enum { LANES = HY_VECTOR_BYTES / sizeof(float), STEP = 4 * LANES };
    const float *from = x;
    double total[LANES] = {0};
    while (n >= STEP) {
        const int64_t m = n < ROW_LEAF ? n / STEP * STEP : ROW_LEAF;
        hy_vector_f32 a = {0}, b = {0}, c = {0}, d = {0};
        for (int64_t i = 0; i < m; i += STEP) {
            const hy_vector_f32 *v = (const hy_vector_f32 *)(from + i);
            a += v[0], b += v[1], c += v[2], d += v[3];
        }
        a = (a + b) + (c + d);
        for (int l = 0; l < LANES; l++) total[l] += (double)a[l];
        from += m, n -= m;
    }
    double sum = hy_run_sum_f32(from, n);
    for (int l = 0; l < LANES; l++) sum += total[l];
    acc->f = sum;
}

static void run_sum_f64(const void *x, int64_t n, cell *acc) { acc->f = hy_run_sum_f64(x, n); }
LEAF_AND_MERGE(sum_f32, float, float, f, ADD, true)
LEAF_AND_MERGE(sum_f64, double, double, f, ADD, false)
EXACT_REDUCER(sum_i32, int32_t, int64_t, i, ADD)
EXACT_REDUCER(sum_i64, int64_t, int64_t, i, ADD)
EXACT_REDUCER(sum_u8, uint8_t, int64_t, i, ADD)
REDUCER(prod_f32, float, double, f, MULTIPLY)
REDUCER(prod_f64, double, double, f, MULTIPLY)
EXACT_REDUCER(prod_i32, int32_t, int64_t, i, MULTIPLY)
EXACT_REDUCER(prod_i64, int64_t, int64_t, i, MULTIPLY)
EXACT_REDUCER(max_f32, float, float, f, HY_LARGER)
EXACT_REDUCER(max_f64, double, double, f, HY_LARGER)
EXACT_REDUCER(max_i32, int32_t, int32_t, i, HY_LARGER)
EXACT_REDUCER(max_i64, int64_t, int64_t, i, HY_LARGER)
EXACT_REDUCER(max_u8, uint8_t, uint8_t, i, HY_LARGER)
EXACT_REDUCER(min_f32, float, float, f, HY_SMALLER)
EXACT_REDUCER(min_f64, double, double, f, HY_SMALLER)
EXACT_REDUCER(min_i32, int32_t, int32_t, i, HY_SMALLER)
EXACT_REDUCER(min_i64, int64_t, int64_t, i, HY_SMALLER)
EXACT_REDUCER(min_u8, uint8_t, uint8_t, i, HY_SMALLER)

static const reducer *const reducers[][6] = {
    [HY_REDUCE_sum] = {&reducer_sum_f32, &reducer_sum_f64, &reducer_sum_i32, &reducer_sum_i64, &reducer_sum_u8, &reducer_sum_u8},
    [HY_REDUCE_mean] = {&reducer_sum_f32, &reducer_sum_f64},
    [HY_REDUCE_prod] = {&reducer_prod_f32, &reducer_prod_f64, &reducer_prod_i32, &reducer_prod_i64},
    [HY_REDUCE_max] = {&reducer_max_f32, &reducer_max_f64, &reducer_max_i32, &reducer_max_i64, &reducer_max_u8, &reducer_max_u8},
    [HY_REDUCE_min] = {&reducer_min_f32, &reducer_min_f64, &reducer_min_i32, &reducer_min_i64, &reducer_min_u8, &reducer_min_u8},
};

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The plan: which outputs form a unit, and where its elements lie                                                        */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct reduction {
    const reducer *kernels;
    int32_t op;
    const hy_tensor *x, *y;
    hy_walk kept;             /* over the outputs: operand 0 is y, operand 1 where its elements start in x */
    hy_walk reduced;          /* over the elements of one output */
    int64_t outputs, elements;
    bool columns;
    int64_t width;            /* outputs in a unit: 1 for rows */
    int64_t row_units, units; /* units along the innermost kept axis, and in all */
    int64_t block, blocks;    /* elements of one output in a block, and blocks of an output */
    cell *partial;            /* [units][blocks][width]; NULL when there is one block */
} reduction;

static int64_t at_least_one(int64_t n) { return n > 0 ? n : 1; }

/* Two walks that together visit x: `part` has extent 1 where an axis is kept, y where it is reduced. */
static void plan(reduction *r, int32_t op, const hy_tensor *x, const hy_tensor *y)
{
    hy_tensor part = *x, start = *x;
    for (int d = 0; d < x->ndim; d++) {
        if (y->shape[d] == x->shape[d]) part.shape[d] = 1;
        if (y->shape[d] == 1) start.shape[d] = 1;
    }
    const hy_tensor *outputs[] = {&start, y}, *elements[] = {&part};
    *r = (reduction){.kernels = reducers[op][x->dtype], .op = op, .x = x, .y = y};
    r->outputs = hy_walk_prepare(&r->kept, 1, 2, outputs);
    r->elements = hy_walk_prepare(&r->reduced, 0, 1, elements);
    if (r->outputs == 0 || r->elements == 0) return;

    int inner = r->kept.ndim - 1;
    int64_t kept_stride = r->kept.strides[0][inner], reduced_stride = r->reduced.strides[0][r->reduced.ndim - 1];
    r->columns = r->outputs > 1 && r->elements > 1 && kept_stride < reduced_stride;
    r->width = r->columns ? WIDTH : 1;
    r->row_units = r->columns ? (r->kept.shape[inner] + WIDTH - 1) / WIDTH : r->kept.shape[inner];
    r->units = r->outputs / r->kept.shape[inner] * r->row_units;
    r->block = r->columns ? BLOCK / WIDTH : BLOCK;
    if (r->columns && r->kept.shape[inner] < WIDTH) r->block = BLOCK / r->kept.shape[inner];
    r->blocks = (r->elements + r->block - 1) / r->block;
}

/* The first output of a unit, counted in the walk over the outputs, and how many there are. */
static int64_t unit_start(const reduction *r, int64_t unit, int64_t *count)
{
    int64_t inner = r->kept.shape[r->kept.ndim - 1], first = unit % r->row_units * r->width;
    *count = inner - first < r->width ? inner - first : r->width;
    return unit / r->row_units * inner + first;
}

/* Whether n elements of one output follow each other in memory. */
static bool is_run(const reduction *r, const hy_walk *reduced, int64_t begin, int64_t n)
{
    const int inner = reduced->ndim - 1;
    return !r->columns && reduced->strides[0][inner] == reduced->size[0] && n <= reduced->shape[inner] - begin % reduced->shape[inner];
}

static void accumulate_leaf(const reduction *r, const hy_walk *reduced, int64_t count, int64_t begin, int64_t n, cell *acc)
{
    int64_t left, size = reduced->size[0];
    if (r->columns) {
        const char *rows[COLUMN_LEAF];
        hy_walk_cursor c = hy_walk_seek(reduced, begin);
        for (int64_t i = 0; i < n; i++, hy_walk_advance(reduced, &c, 1)) rows[i] = c.at[0];
        r->kernels->leaf(rows, n, r->kept.strides[0][r->kept.ndim - 1] / size, count, acc);
        return;
    }
    _Alignas(64) char tile[HY_WALK_TILE * 8];
    const char *x = hy_walk_at(reduced, 0, begin, &left);
    if (left < n || reduced->strides[0][reduced->ndim - 1] != size) {
        hy_walk_stage(reduced, 0, hy_walk_seek(reduced, begin), n, tile, false);
        x = tile;
    }
    r->kernels->run(x, n, acc);
}

/* Pairwise: the error of a sum grows with the logarithm of its length (Higham, 1993). */
static void accumulate(const reduction *r, const hy_walk *reduced, int64_t count, int64_t begin, int64_t n, cell *acc)
{
    int64_t leaf = r->columns ? COLUMN_LEAF : ROW_LEAF;
    if (n <= leaf || (r->kernels->any_length && is_run(r, reduced, begin, n))) {
        accumulate_leaf(r, reduced, count, begin, n, acc);
        return;
    }
    cell other[WIDTH];
    int64_t half = (n / leaf + 1) / 2 * leaf;
    accumulate(r, reduced, count, begin, half, acc);
    accumulate(r, reduced, count, begin + half, n - half, other);
    r->kernels->merge(acc, other, count);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Blocks of units, then the outputs from their partial results                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

static void store(const reduction *r, char *y, const cell *c)
{
    double f = r->op == HY_REDUCE_mean ? c->f / (double)r->elements : c->f;
    switch (r->y->dtype) {
    case HY_FLOAT32: *(float *)y = (float)f; break;
    case HY_FLOAT64: *(double *)y = f; break;
    case HY_INT32: *(int32_t *)y = (int32_t)c->i; break;
    case HY_INT64: *(int64_t *)y = c->i; break;
    default: *(uint8_t *)y = (uint8_t)c->i; break;
    }
}

static void store_unit(const reduction *r, int64_t start, int64_t count, const cell *acc)
{
    int64_t left, stride = r->kept.strides[1][r->kept.ndim - 1];
    char *y = hy_walk_at(&r->kept, 1, start, &left);
    for (int64_t j = 0; j < count; j++) store(r, y + j * stride, acc + j);
}

static void reduce_blocks(void *context, int64_t begin, int64_t end)
{
    const reduction *r = context;
    hy_walk reduced = r->reduced;
    for (int64_t task = begin; task < end; task++) {
        int64_t count, left, start = unit_start(r, task / r->blocks, &count);
        int64_t first = task % r->blocks * r->block, n = r->elements - first < r->block ? r->elements - first : r->block;
        cell local[WIDTH], *acc = r->partial ? r->partial + task * r->width : local;
        reduced.data[0] = hy_walk_at(&r->kept, 0, start, &left);
        accumulate(r, &reduced, count, first, n, acc);
        if (!r->partial) store_unit(r, start, count, acc);
    }
}

/* Whether each output is that of one contiguous run, which need not be cut: so it is along the innermost axis. */
static bool is_of_runs(const reduction *r)
{
    const bool whole = r->kernels->any_length || r->elements <= ROW_LEAF;
    return whole && r->blocks == 1 && !r->columns && r->reduced.ndim == 1 && r->reduced.strides[0][0] == r->reduced.size[0];
}

static void reduce_runs(void *context, int64_t begin, int64_t end)
{
    const reduction *r = context;
    hy_walk_cursor c = hy_walk_seek(&r->kept, begin);
    for (int64_t i = begin; i < end; i++, hy_walk_advance(&r->kept, &c, 1)) {
        cell acc;
        r->kernels->run(c.at[0], r->elements, &acc);
        store(r, c.at[1], &acc);
    }
}

static void combine(const reduction *r, int64_t unit, int64_t count)
{
    cell *acc = r->partial + unit * r->blocks * r->width;
    for (int64_t step = 1; step < r->blocks; step *= 2)
        for (int64_t b = 0; b + step < r->blocks; b += 2 * step) r->kernels->merge(acc + b * r->width, acc + (b + step) * r->width, count);
}

static hy_status fill_empty(hy_device *device, int32_t op, const hy_tensor *y)
{
    return device->backend.fill(device, op == HY_REDUCE_prod ? 1 : op == HY_REDUCE_mean ? NAN : 0, y);
}

static hy_status reduce(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y)
{
    reduction r;
    plan(&r, op, x, y);
    if (r.outputs == 0) return HY_OK;
    if (r.elements == 0) return fill_empty(device, op, y);

    if (r.blocks > 1) {
        hy_status status = hy_alloc(device, r.units * r.blocks * r.width * (int64_t)sizeof(cell), (void **)&r.partial);
        if (status != HY_OK) return status;
    }
    int64_t per_task = r.width * (r.elements < r.block ? r.elements : r.block);
    hy_parallel_for(r.units * r.blocks, at_least_one(HY_WALK_GRAIN / per_task), is_of_runs(&r) ? reduce_runs : reduce_blocks, &r);
    for (int64_t unit = 0; r.partial && unit < r.units; unit++) {
        int64_t count, start = unit_start(&r, unit, &count);
        combine(&r, unit, count);
        store_unit(&r, start, count, r.partial + unit * r.blocks * r.width);
    }
    return r.partial ? hy_free(device, r.partial) : HY_OK;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The place of the largest or smallest: the first one, or the first NaN                                                  */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct search {
    hy_walk kept; /* operand 0 is y, operand 1 where each line starts in x */
    int64_t n, stride;
} search;

#define BEFORE_MAX(v, best) (((v) > (best)) | (((v) != (v)) & ((best) == (best))))
#define BEFORE_MIN(v, best) (((v) < (best)) | (((v) != (v)) & ((best) == (best))))

/* A contiguous line: its extreme, then the piece that holds that or a NaN, then the place there. */
#define SEARCH_LINE(name, type, reducer, field)                                                     \
    static int64_t line_##name(const type *x, int64_t n)                                            \
    {                                                                                               \
        enum { PIECE = 64 };                                                                        \
        cell extreme;                                                                               \
        run_##reducer(x, n, &extreme);                                                              \
        const type wanted = (type)extreme.field;                                                    \
        int64_t i = 0;                                                                              \
        for (int found = 0; i + PIECE <= n; i += PIECE) {                                           \
            for (int k = 0; k < PIECE; k++) found |= (x[i + k] == wanted) | (x[i + k] != x[i + k]); \
            if (found) break;                                                                       \
        }                                                                                           \
        while (x[i] != wanted && x[i] == x[i]) i++;                                                 \
        return i;                                                                                   \
    }

/* Neighbouring lines are searched side by side, so that x is read along its memory when the axis is not the innermost. */
#define SEARCH_KERNEL(name, type, before, reducer, field)                                           \
    SEARCH_LINE(name, type, reducer, field)                                                         \
    static void name(void *context, int64_t begin, int64_t end)                                     \
    {                                                                                               \
        const search *s = context;                                                                  \
        int64_t step = s->kept.strides[1][s->kept.ndim - 1] / (int64_t)sizeof(type);                \
        for (int64_t line = begin, count, left; line < end; line += count) {                        \
            const type *x = (const type *)hy_walk_at(&s->kept, 1, line, &left);                     \
            count = left < end - line ? left : end - line;                                          \
            count = step < s->stride ? count < WIDTH ? count : WIDTH : 1;                           \
            type best[WIDTH];                                                                       \
            int64_t place[WIDTH] = {0};                                                             \
            if (count == 1 && s->stride == 1) {                                                     \
                place[0] = line_##name(x, s->n);                                                    \
            } else {                                                                                \
                for (int64_t j = 0; j < count; j++) best[j] = x[j * step];                          \
                for (int64_t i = 1; i < s->n; i++)                                                  \
                    for (int64_t j = 0; j < count; j++) {                                           \
                        const type v = x[i * s->stride + j * step], m = best[j];                    \
                        const int64_t old = place[j];                                               \
                        const bool better = before(v, m);                                           \
                        best[j] = better ? v : m;                                                   \
                        place[j] = better ? i : old;                                                \
                    }                                                                               \
            }                                                                                       \
            for (int64_t j = 0; j < count; j++) *(int64_t *)hy_walk_at(&s->kept, 0, line + j, &left) = place[j]; \
        }                                                                                           \
    }

#define SEARCH_KERNELS(suffix, type, field)                                      \
    SEARCH_KERNEL(arg_max_##suffix, type, BEFORE_MAX, max_##suffix, field)      \
    SEARCH_KERNEL(arg_min_##suffix, type, BEFORE_MIN, min_##suffix, field)
SEARCH_KERNELS(f32, float, f)
SEARCH_KERNELS(f64, double, f)
SEARCH_KERNELS(i32, int32_t, i)
SEARCH_KERNELS(i64, int64_t, i)
SEARCH_KERNELS(u8, uint8_t, i)

static hy_status arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y)
{
    static const hy_parallel_body bodies[2][6] = {
        {arg_min_f32, arg_min_f64, arg_min_i32, arg_min_i64, arg_min_u8, arg_min_u8},
        {arg_max_f32, arg_max_f64, arg_max_i32, arg_max_i64, arg_max_u8, arg_max_u8},
    };
    hy_tensor lines = *x;
    lines.shape[axis] = 1;
    const hy_tensor *operands[] = {y, &lines};
    search s = {.n = x->shape[axis], .stride = x->strides[axis]};
    int64_t count = hy_walk_prepare(&s.kept, 1, 2, operands);
    if (count > 0) hy_parallel_for(count, at_least_one(HY_WALK_GRAIN / s.n), bodies[maximum != 0][x->dtype], &s);
    return HY_OK;
}

void HY_ISA(hy_fill_reduce)(hy_backend *backend)
{
    backend->reduce = reduce;
    backend->arg_reduce = arg_reduce;
}
