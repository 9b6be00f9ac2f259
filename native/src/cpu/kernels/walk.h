/*
 * walk.h: walks operands of one shape together, whatever their strides. Kernels see only contiguous blocks: an operand that is not
 * contiguous is staged through a small tile, so that an operation needs one inner loop and not one for each pattern of strides. So is one
 * of a 16-bit floating type: its tile holds float, and the kernel is float's.
 */
#ifndef HY_CPU_WALK_H
#define HY_CPU_WALK_H

#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"
#include "cpu/kernels/half_runs.h"
#include "cpu/kernels/pack.h"

enum {
    HY_WALK_OPERANDS = 4,
    HY_WALK_TILE = 512,      /* elements: the tiles of all operands fit in the first-level cache */
    HY_WALK_ROW = 32,        /* elements: rows as long are worked one by one; several shorter ones share a tile */
    HY_WALK_GRAIN = 32768    /* elements a thread takes at once; smaller work stays on the caller */
};

/** Works on n elements; data[i] is operand i, contiguous. */
typedef void (*hy_walk_kernel)(void *const *data, int64_t n, const void *context);

typedef struct hy_walk {
    hy_walk_kernel kernel;
    const void *context;
    int operands, outputs;   /* outputs come first */
    bool update;             /* the kernel also reads its outputs */
    bool dense[HY_WALK_OPERANDS]; /* lies in memory as the walk goes */
    int32_t half[HY_WALK_OPERANDS]; /* the 16-bit type of an operand that its tile holds as float; otherwise 0 */
    int ndim;                /* at least 1, outermost first */
    int64_t shape[HY_MAX_DIMS];
    int64_t strides[HY_WALK_OPERANDS][HY_MAX_DIMS]; /* in bytes */
    int64_t size[HY_WALK_OPERANDS];
    char *data[HY_WALK_OPERANDS];
} hy_walk;

typedef uint8_t __attribute__((may_alias)) hy_raw1;
typedef uint16_t __attribute__((may_alias)) hy_raw2;
typedef uint32_t __attribute__((may_alias)) hy_raw4;
typedef uint64_t __attribute__((may_alias)) hy_raw8;

/* Moves n elements of one size between two strided runs; strides in bytes. */
static inline void hy_walk_move(char *to, int64_t to_stride, const char *from, int64_t from_stride, int64_t size, int64_t n)
{
    if (to_stride == size && from_stride == size)
        memcpy(to, from, (size_t)(n * size));
    else if (size == 4)
        for (int64_t i = 0; i < n; i++) *(hy_raw4 *)(to + i * to_stride) = *(const hy_raw4 *)(from + i * from_stride);
    else if (size == 8)
        for (int64_t i = 0; i < n; i++) *(hy_raw8 *)(to + i * to_stride) = *(const hy_raw8 *)(from + i * from_stride);
    else if (size == 2)
        for (int64_t i = 0; i < n; i++) *(hy_raw2 *)(to + i * to_stride) = *(const hy_raw2 *)(from + i * from_stride);
    else
        for (int64_t i = 0; i < n; i++) *(hy_raw1 *)(to + i * to_stride) = *(const hy_raw1 *)(from + i * from_stride);
}

static inline void hy_walk_fill(char *to, const char *from, int64_t size, int64_t n)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++) ((hy_raw4 *)to)[i] = *(const hy_raw4 *)from;
    else if (size == 8)
        for (int64_t i = 0; i < n; i++) ((hy_raw8 *)to)[i] = *(const hy_raw8 *)from;
    else if (size == 2)
        for (int64_t i = 0; i < n; i++) ((hy_raw2 *)to)[i] = *(const hy_raw2 *)from;
    else
        memset(to, *(const hy_raw1 *)from, (size_t)n);
}

/* The address of operand o's element `index`, counted in the walk's order, and how many elements are left in its row. */
static inline char *hy_walk_at(const hy_walk *w, int o, int64_t index, int64_t *left)
{
    int inner = w->ndim - 1;
    int64_t i = index % w->shape[inner];
    *left = w->shape[inner] - i;
    char *at = w->data[o] + i * w->strides[o][inner];
    for (int d = inner - 1; d >= 0; d--) {
        index /= w->shape[d + 1];
        at += index % w->shape[d] * w->strides[o][d];
    }
    return at;
}

/* A place in the walk, and where each operand is there. */
typedef struct hy_walk_cursor {
    int64_t index[HY_MAX_DIMS];
    char *at[HY_WALK_OPERANDS];
} hy_walk_cursor;

static inline hy_walk_cursor hy_walk_seek(const hy_walk *w, int64_t element)
{
    hy_walk_cursor c = {.index = {0}};
    for (int o = 0; o < w->operands; o++) c.at[o] = w->data[o];
    for (int d = w->ndim - 1; d >= 0; d--) {
        c.index[d] = d == 0 ? element : element % w->shape[d];
        if (d > 0) element /= w->shape[d];
        for (int o = 0; o < w->operands; o++) c.at[o] += c.index[d] * w->strides[o][d];
    }
    return c;
}

/* Moves n elements on, at most to the end of the row: that is the start of the next. */
static inline void hy_walk_advance(const hy_walk *w, hy_walk_cursor *c, int64_t n)
{
    int d = w->ndim - 1;
    c->index[d] += n;
    for (int o = 0; o < w->operands; o++) c->at[o] += n * w->strides[o][d];
    for (; d > 0 && c->index[d] == w->shape[d]; d--) {
        c->index[d] = 0;
        c->index[d - 1]++;
        for (int o = 0; o < w->operands; o++) c->at[o] += w->strides[o][d - 1] - w->shape[d] * w->strides[o][d];
    }
}

/* How many elements from the cursor on are in its row, at most n. */
static inline int64_t hy_walk_left(const hy_walk *w, const hy_walk_cursor *c, int64_t n)
{
    const int64_t left = w->shape[w->ndim - 1] - c->index[w->ndim - 1];
    return left < n ? left : n;
}

/* Moves n elements of 16 bits, at most a tile, into their tile, widened, or out of it, narrowed. */
static inline void hy_walk_stage_half(int32_t dtype, int64_t stride, char *at, int64_t n, float *tile, bool store)
{
    uint16_t run[HY_WALK_TILE], *x = stride == 2 ? (uint16_t *)at : run;
    const int64_t count = stride == 0 ? 1 : n;
    if (store) {
        hy_narrow(dtype, tile, x, n);
        if (x == run) hy_walk_move(at, stride, (char *)run, 2, 2, n);
    } else {
        if (x == run) hy_walk_move((char *)run, 2, at, stride, 2, count);
        hy_widen(dtype, x, tile, count);
        if (count < n) hy_walk_fill((char *)tile, (char *)tile, 4, n);
    }
}

/* Bytes of an element in operand o's tile. */
static inline int64_t hy_walk_tile_size(const hy_walk *w, int o) { return w->half[o] ? (int64_t)sizeof(float) : w->size[o]; }

/* Moves n elements of one row of operand o into its tile, or out of it. */
static inline void hy_walk_stage_row(const hy_walk *w, int o, char *at, int64_t n, char *tile, bool store)
{
    const int64_t size = w->size[o], stride = w->strides[o][w->ndim - 1];
    if (w->half[o]) hy_walk_stage_half(w->half[o], stride, at, n, (float *)tile, store);
    else if (store) hy_walk_move(at, stride, tile, size, size, n);
    else if (stride == 0) hy_walk_fill(tile, at, size, n);
    else hy_walk_move(tile, size, at, stride, size, n);
}

/* The same for n elements in any number of rows. */
static inline void hy_walk_stage(const hy_walk *w, int o, hy_walk_cursor c, int64_t n, char *tile, bool store)
{
    for (int64_t m; n > 0; n -= m, tile += m * hy_walk_tile_size(w, o)) {
        m = hy_walk_left(w, &c, n);
        hy_walk_stage_row(w, o, c.at[o], m, tile, store);
        hy_walk_advance(w, &c, m);
    }
}

/* Long rows, one by one: only operands that are not contiguous within a row are staged. */
static inline void hy_walk_rows(void *context, int64_t begin, int64_t end)
{
    const hy_walk *w = context;
    _Alignas(64) char tiles[HY_WALK_OPERANDS][HY_WALK_TILE * 8];
    const char *filled[HY_WALK_OPERANDS] = {0}; /* with whose value the tile is, from end to end */
    bool staged[HY_WALK_OPERANDS];
    int64_t most = w->shape[w->ndim - 1];
    for (int o = 0; o < w->operands; o++) {
        staged[o] = w->half[o] || w->strides[o][w->ndim - 1] != w->size[o];
        if (staged[o] && most > HY_WALK_TILE) most = HY_WALK_TILE;
    }
    hy_walk_cursor c = hy_walk_seek(w, begin);
    for (int64_t i = begin, n; i < end; i += n, hy_walk_advance(w, &c, n)) {
        n = hy_walk_left(w, &c, end - i < most ? end - i : most);
        void *data[HY_WALK_OPERANDS];
        for (int o = 0; o < w->operands; o++) {
            data[o] = staged[o] ? tiles[o] : c.at[o];
            if (!staged[o] || (o < w->outputs && !w->update) || filled[o] == c.at[o]) continue;
            const bool fill = w->strides[o][w->ndim - 1] == 0;
            hy_walk_stage_row(w, o, c.at[o], fill ? most : n, tiles[o], false);
            filled[o] = fill ? c.at[o] : NULL;
        }
        w->kernel(data, n, w->context);
        for (int o = 0; o < w->outputs; o++)
            if (staged[o]) hy_walk_stage_row(w, o, c.at[o], n, tiles[o], true);
    }
}

/* Short rows, as many as fill the tiles. */
static inline void hy_walk_tiles(void *context, int64_t begin, int64_t end)
{
    const hy_walk *w = context;
    _Alignas(64) char tiles[HY_WALK_OPERANDS][HY_WALK_TILE * 8];
    for (int64_t i = begin, n; i < end; i += n) {
        n = end - i < HY_WALK_TILE ? end - i : HY_WALK_TILE;
        const hy_walk_cursor c = hy_walk_seek(w, i);
        void *data[HY_WALK_OPERANDS];
        for (int o = 0; o < w->operands; o++) {
            data[o] = w->dense[o] ? c.at[o] : tiles[o];
            if (!w->dense[o] && (o >= w->outputs || w->update)) hy_walk_stage(w, o, c, n, tiles[o], false);
        }
        w->kernel(data, n, w->context);
        for (int o = 0; o < w->outputs; o++)
            if (!w->dense[o]) hy_walk_stage(w, o, c, n, tiles[o], true);
    }
}

/** Where element i, counted in row-major order, lies: for what depends on that order. */
static inline int64_t hy_row_major_offset(const hy_tensor *t, int64_t i)
{
    int64_t offset = 0;
    for (int d = t->ndim - 1; d > 0; d--) {
        offset += i % t->shape[d] * t->strides[d];
        i /= t->shape[d];
    }
    return t->ndim == 0 ? 0 : offset + i * t->strides[0];
}

/* Whether the outer axis continues the inner one in every operand. */
static inline bool hy_walk_joins(const hy_walk *w, int outer, int inner)
{
    for (int o = 0; o < w->operands; o++)
        if (w->strides[o][outer] != w->strides[o][inner] * w->shape[inner]) return false;
    return true;
}

static inline void hy_walk_swap(int64_t *a, int64_t *b)
{
    const int64_t old = *a;
    *a = *b;
    *b = old;
}

static inline void hy_walk_move_axis(hy_walk *w, int to, int from)
{
    w->shape[to] = w->shape[from];
    for (int o = 0; o < w->operands; o++) w->strides[o][to] = w->strides[o][from];
}

/* Orders the axes by the first operand's strides, innermost last, and joins those that can be walked as one. */
static inline void hy_walk_simplify(hy_walk *w)
{
    for (int i = 1; i < w->ndim; i++)
        for (int j = i; j > 0 && w->strides[0][j - 1] < w->strides[0][j]; j--) {
            hy_walk_swap(&w->shape[j], &w->shape[j - 1]);
            for (int o = 0; o < w->operands; o++) hy_walk_swap(&w->strides[o][j], &w->strides[o][j - 1]);
        }
    int last = 0;
    for (int i = 1; i < w->ndim; i++)
        if (hy_walk_joins(w, last, i)) {
            int64_t extent = w->shape[last];
            hy_walk_move_axis(w, last, i);
            w->shape[last] *= extent;
        } else {
            hy_walk_move_axis(w, ++last, i);
        }
    w->ndim = w->ndim == 0 ? 1 : last + 1;
}

static inline void hy_walk_find_dense(hy_walk *w, int o)
{
    int64_t expected = w->size[o];
    w->dense[o] = !w->half[o];
    for (int d = w->ndim - 1; d >= 0; expected *= w->shape[d--]) w->dense[o] &= w->strides[o][d] == expected;
}

/** Prepares a walk over operands[0]'s shape, to which the others broadcast. Returns the number of elements. */
static inline int64_t hy_walk_prepare(hy_walk *w, int outputs, int count, const hy_tensor *const *operands)
{
    const hy_tensor *first = operands[0];
    w->operands = count, w->outputs = outputs, w->update = false, w->ndim = 0;
    for (int o = 0; o < count; o++) {
        w->data[o] = operands[o]->data;
        w->size[o] = hy_dtype_size(operands[o]->dtype);
        w->half[o] = 0;
    }
    for (int d = 0; d < first->ndim; d++) {
        if (first->shape[d] == 1) continue;
        for (int o = 0; o < count; o++) {
            int axis = d - (first->ndim - operands[o]->ndim);
            bool stretched = axis < 0 || operands[o]->shape[axis] == 1;
            w->strides[o][w->ndim] = stretched ? 0 : operands[o]->strides[axis] * w->size[o];
        }
        w->shape[w->ndim++] = first->shape[d];
    }
    if (w->ndim == 0) { /* a single element */
        w->shape[0] = 1;
        for (int o = 0; o < count; o++) w->strides[o][0] = w->size[o];
    }
    hy_walk_simplify(w);
    for (int o = 0; o < count; o++) hy_walk_find_dense(w, o);
    return hy_numel(first);
}

/* Has the operands of 16-bit types staged as float. */
static inline void hy_walk_widen(hy_walk *w, const hy_tensor *const *operands)
{
    for (int o = 0; o < w->operands; o++) {
        w->half[o] = hy_is_half(operands[o]->dtype) ? operands[o]->dtype : 0;
        hy_walk_find_dense(w, o);
    }
}

/* Whether every operand has the first one's shape, but for one that may be a number without axes, and is contiguous: most work is so. */
static inline bool hy_walk_is_flat(int64_t numel, int count, const hy_tensor *const *operands)
{
    const hy_tensor *first = operands[0];
    int numbers = 0;
    for (int o = 0; o < count; o++) {
        const hy_tensor *t = operands[o];
        if (t->ndim == 0 && numel <= HY_WALK_TILE && (numel == 1 || numbers++ == 0)) continue;
        if (t->ndim != first->ndim) return false;
        int64_t n = 1;
        for (int d = first->ndim - 1; d >= 0; n *= t->shape[d--])
            if (t->shape[d] != first->shape[d] || t->strides[d] != n) return false;
    }
    return true;
}

/* Whether x runs across y, as a transposed matrix does: it would be read a cache line an element. */
static inline bool hy_walk_crosses(const hy_tensor *y, const hy_tensor *x)
{
    enum { SHORT = 16 };
    const int inner = y->ndim - 1;
    if (inner < 1 || !hy_same_shape(y, x) || x->shape[inner] < SHORT || x->strides[inner] < SHORT || !hy_is_contiguous(y)) return false;
    for (int d = 0; d < inner; d++)
        if (x->strides[d] == 1 && x->shape[d] >= SHORT) return true;
    return false;
}

/* As hy_walk_run, or, for `bits`, as hy_walk_run_bits. */
static inline hy_status hy_walk_run_either(bool bits, hy_walk_kernel kernel, const void *context, int outputs, bool update, int count,
                                           const hy_tensor **operands)
{
    const int64_t n = hy_numel(operands[0]);
    bool halves = false;
    for (int o = 0; o < count && !bits; o++) halves |= hy_is_half(operands[o]->dtype);
    if (n == 0) return HY_OK;
    if (n <= HY_WALK_GRAIN && !halves && hy_walk_is_flat(n, count, operands)) { /* nothing to walk */
        void *data[HY_WALK_OPERANDS];
        _Alignas(64) char tile[HY_WALK_TILE * 8]; /* of the one number that there may be */
        for (int o = 0; o < count; o++) {
            data[o] = operands[o]->ndim > 0 || n == 1 ? operands[o]->data : tile;
            if (data[o] == tile) hy_walk_fill(tile, operands[o]->data, hy_dtype_size(operands[o]->dtype), n);
        }
        kernel(data, n, context);
        return HY_OK;
    }
    hy_pack pack = {.device = operands[0]->device};
    for (int o = outputs; o < count; o++)
        if (hy_walk_crosses(operands[0], operands[o])) operands[o] = hy_pack_in(&pack, operands[o]);
    if (pack.status == HY_OK) {
        hy_walk w;
        hy_walk_prepare(&w, outputs, count, operands);
        w.kernel = kernel, w.context = context, w.update = update;
        if (halves) hy_walk_widen(&w, operands);
        const bool rows = w.ndim == 1 || w.shape[w.ndim - 1] >= HY_WALK_ROW;
        hy_parallel_for(n, HY_WALK_GRAIN, rows ? hy_walk_rows : hy_walk_tiles, &w);
    }
    return hy_pack_end(&pack, pack.status);
}

/** Runs the kernel over all elements, those of 16-bit floating types as float. The order is free: elementwise work does not depend on it. An
 *  input that runs across the output is copied first, since copies go block by block. */
static inline hy_status hy_walk_run(hy_walk_kernel kernel, const void *context, int outputs, bool update, int count,
                                    const hy_tensor **operands)
{
    return hy_walk_run_either(false, kernel, context, outputs, update, count, operands);
}

/** Runs a kernel that moves elements to one output and looks only at their size. */
static inline hy_status hy_walk_run_bits(hy_walk_kernel kernel, const void *context, int count, const hy_tensor **operands)
{
    return hy_walk_run_either(true, kernel, context, 1, false, count, operands);
}

#endif
