/*
 * walk.h: walks operands of one shape together, whatever their strides. Kernels see only contiguous blocks: an operand that is not
 * contiguous is staged through a small tile, so that an operation needs one inner loop and not one for each pattern of strides.
 */
#ifndef HY_CPU_WALK_H
#define HY_CPU_WALK_H

#include <stdbool.h>
#include <string.h>

#include "core/parallel.h"
#include "core/tensor.h"

enum {
    HY_WALK_OPERANDS = 4,
    HY_WALK_TILE = 512,      /* elements: the tiles of all operands fit in the first-level cache */
    HY_WALK_GRAIN = 32768    /* elements a thread takes at once; smaller work stays on the caller */
};

/** Works on n elements; data[i] is operand i, contiguous. */
typedef void (*hy_walk_kernel)(void *const *data, int64_t n, const void *context);

typedef struct hy_walk {
    hy_walk_kernel kernel;
    const void *context;
    int operands, outputs;   /* outputs come first */
    bool update;             /* the kernel also reads its outputs */
    bool contiguous;         /* all operands, all the way */
    int ndim;                /* at least 1, outermost first */
    int64_t shape[HY_MAX_DIMS];
    int64_t strides[HY_WALK_OPERANDS][HY_MAX_DIMS]; /* in bytes */
    int64_t size[HY_WALK_OPERANDS];
    char *data[HY_WALK_OPERANDS];
} hy_walk;

typedef uint8_t __attribute__((may_alias)) hy_raw1;
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
    else
        for (int64_t i = 0; i < n; i++) *(hy_raw1 *)(to + i * to_stride) = *(const hy_raw1 *)(from + i * from_stride);
}

static inline void hy_walk_fill(char *to, const char *from, int64_t size, int64_t n)
{
    if (size == 4)
        for (int64_t i = 0; i < n; i++) ((hy_raw4 *)to)[i] = *(const hy_raw4 *)from;
    else if (size == 8)
        for (int64_t i = 0; i < n; i++) ((hy_raw8 *)to)[i] = *(const hy_raw8 *)from;
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

/* Moves operand o's elements from `begin` on into the tile, or the tile back into the operand. */
static inline void hy_walk_stage(const hy_walk *w, int o, int64_t begin, int64_t n, char *tile, bool store)
{
    int64_t size = w->size[o], stride = w->strides[o][w->ndim - 1], left;
    for (int64_t i = 0; i < n; i += left) {
        char *at = hy_walk_at(w, o, begin + i, &left);
        left = left < n - i ? left : n - i;
        if (store)
            hy_walk_move(at, stride, tile + i * size, size, size, left);
        else if (stride == 0)
            hy_walk_fill(tile + i * size, at, size, left);
        else
            hy_walk_move(tile + i * size, size, at, stride, size, left);
    }
}

static inline void hy_walk_range(void *context, int64_t begin, int64_t end)
{
    const hy_walk *w = context;
    void *data[HY_WALK_OPERANDS];
    if (w->contiguous) {
        for (int o = 0; o < w->operands; o++) data[o] = w->data[o] + begin * w->size[o];
        w->kernel(data, end - begin, w->context);
        return;
    }

    _Alignas(64) char tiles[HY_WALK_OPERANDS][HY_WALK_TILE * 8];
    int inner = w->ndim - 1;
    for (int64_t i = begin, n; i < end; i += n) {
        n = end - i < HY_WALK_TILE ? end - i : HY_WALK_TILE;
        for (int o = 0; o < w->operands; o++) {
            int64_t left;
            char *at = hy_walk_at(w, o, i, &left);
            if (o == 0 && left < n && w->shape[inner] >= HY_WALK_TILE) n = left; /* long rows are cut at their ends */
            bool scalar = w->ndim == 1 && w->strides[o][0] == 0;
            data[o] = left >= n && w->strides[o][inner] == w->size[o] ? at : tiles[o];
            if (data[o] == tiles[o] && (o >= w->outputs || w->update) && !(scalar && i > begin)) hy_walk_stage(w, o, i, n, tiles[o], false);
        }
        w->kernel(data, n, w->context);
        for (int o = 0; o < w->outputs; o++)
            if (data[o] == tiles[o]) hy_walk_stage(w, o, i, n, tiles[o], true);
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
            hy_walk swapped = *w;
            hy_walk_move_axis(&swapped, j, j - 1);
            swapped.shape[j - 1] = w->shape[j];
            for (int o = 0; o < w->operands; o++) swapped.strides[o][j - 1] = w->strides[o][j];
            *w = swapped;
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

/** Prepares a walk over operands[0]'s shape, to which the others broadcast. Returns the number of elements. */
static inline int64_t hy_walk_prepare(hy_walk *w, int outputs, int count, const hy_tensor *const *operands)
{
    const hy_tensor *first = operands[0];
    *w = (hy_walk){.operands = count, .outputs = outputs};
    for (int o = 0; o < count; o++) {
        w->data[o] = operands[o]->data;
        w->size[o] = hy_dtype_size(operands[o]->dtype);
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
    w->contiguous = w->ndim == 1;
    for (int o = 0; o < count; o++) w->contiguous &= w->strides[o][0] == w->size[o];
    return hy_numel(first);
}

/** Runs the kernel over all elements. The order is free: elementwise work does not depend on it. */
static inline void hy_walk_run(hy_walk_kernel kernel, const void *context, int outputs, bool update, int count,
                               const hy_tensor *const *operands)
{
    hy_walk w;
    int64_t n = hy_walk_prepare(&w, outputs, count, operands);
    w.kernel = kernel;
    w.context = context;
    w.update = update;
    if (n > 0) hy_parallel_for(n, HY_WALK_GRAIN, hy_walk_range, &w);
}

#endif
