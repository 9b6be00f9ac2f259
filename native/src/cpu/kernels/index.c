/* Indexing. What adds to its output checks every index before anything is written; what only writes it, as it goes along. */
#include <stdatomic.h>

#include "core/status.h"
#include "cpu/kernels/cast.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"

enum {
    LINE = 64,      /* bytes of a line of memory */
    FETCHED = 8192  /* bytes of a row that is fetched before it is needed, at most */
};

/* Negative once an index is, or is beyond the last. */
static int64_t sign_of(int64_t index, int64_t last) { return index | (last - index); }

/* Whether n indices, `step` bytes apart, all lie in 0 … last. Long runs are read in four places at once, which memory serves faster. */
static bool in_range(const char *index, int64_t step, int64_t n, int64_t last)
{
    const int64_t *a = (const int64_t *)index, quarter = step == sizeof(int64_t) ? n / 4 : 0;
    const int64_t *b = a + quarter, *c = b + quarter, *d = c + quarter;
    int64_t signs = 0;
    for (int64_t i = 0; i < quarter; i++) signs |= sign_of(a[i], last) | sign_of(b[i], last) | sign_of(c[i], last) | sign_of(d[i], last);
    for (int64_t i = 4 * quarter; i < n; i++) signs |= sign_of(*(const int64_t *)(index + i * step), last);
    return signs >= 0;
}

typedef struct range_check {
    const int64_t *values;
    int64_t last;
    atomic_bool failed;
} range_check;

static void check_range(void *context, int64_t begin, int64_t end)
{
    range_check *c = context;
    if (!in_range((const char *)(c->values + begin), sizeof(int64_t), end - begin, c->last))
        atomic_store_explicit(&c->failed, true, memory_order_relaxed);
}

/* Checks that each index lies in 0 … extent - 1; the message names the first that does not and its place. */
static hy_status check_indices(const char *operation, const hy_tensor *index, int64_t extent)
{
    const int64_t *values = index->data, n = hy_numel(index);
    const bool contiguous = hy_is_contiguous(index);
    if (contiguous) {
        range_check c = {.values = values, .last = extent - 1};
        if (n > 0) hy_parallel_for(n, HY_WALK_GRAIN, check_range, &c);
        if (!atomic_load_explicit(&c.failed, memory_order_relaxed)) return HY_OK;
    }
    for (int64_t i = 0; i < n; i++) {
        int64_t value = values[contiguous ? i : hy_row_major_offset(index, i)];
        if (value < 0 || value >= extent)
            return hy_fail(HY_OUT_OF_RANGE, "%s: index %lld at place %lld is out of range: expected 0 to %lld", operation,
                           (long long)value, (long long)i,
                           (long long)extent - 1);
    }
    return HY_OK;
}

/* t as seen by one who moves along `axis` himself, over the shape that is walked: its stride there is 0. */
static hy_tensor held(const hy_tensor *t, int32_t axis, const hy_tensor *walked)
{
    hy_tensor view = *t;
    for (int d = 0; d < t->ndim; d++) view.shape[d] = walked->shape[d];
    view.strides[axis] = 0;
    return view;
}

/* A one-dimensional index as a view that runs along `axis` of a tensor with `ndim` axes. */
static hy_tensor index_along(const hy_tensor *index, int32_t axis, int32_t ndim)
{
    hy_tensor view = *index;
    view.ndim = ndim;
    for (int32_t d = 0; d < ndim; d++) view.shape[d] = 1, view.strides[d] = 0;
    view.shape[axis] = index->shape[0];
    view.strides[axis] = index->strides[0];
    return view;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Picking: y = x[index]                                                                                                  */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct picking {
    hy_walk walk;   /* y, index, x held */
    int64_t stride; /* of x along the axis, in bytes */
    int64_t last;   /* the largest index */
    atomic_bool failed;
} picking;

/* A row lies anywhere in x, where the processor does not expect it: the next one, `ahead`, is fetched while this one is copied, line by line. */
static void copy_row(char *y, const char *x, const char *ahead, int64_t bytes)
{
    int64_t b = 0;
    for (; b + LINE <= bytes; b += LINE) {
        __builtin_prefetch(ahead + b);
        memcpy(y + b, x + b, LINE);
    }
    memcpy(y + b, x + b, (size_t)(bytes - b));
}

/* y[j] = x[index[j]] along a contiguous axis, and whether all indices were in range. */
static bool pick_along(hy_raw4 *y, const hy_raw4 *x, const int64_t *index, int64_t n, int64_t last)
{
    int64_t signs = 0;
    for (int64_t j = 0; j < n; j++) {
        const int64_t i = index[j];
        signs |= sign_of(i, last);
        y[j] = x[(uint64_t)i <= (uint64_t)last ? i : 0];
    }
    return signs >= 0;
}

/* y[j] = x[index[j]], each with its own step. */
#define PICK_EACH(raw)              \
    for (int64_t j = 0; j < n; j++) \
        *(raw *)(y + j * step) = *(const raw *)(x + j * x_step + *(const int64_t *)(index + j * index_step) * p->stride)

/* The n elements from `c` on, of one row; `next` is where the next row starts. False when an index is out of range. */
static bool pick_run(const picking *p, const hy_walk_cursor *c, const hy_walk_cursor *next, int64_t n)
{
    const hy_walk *w = &p->walk;
    const int inner = w->ndim - 1;
    const int64_t size = w->size[0], step = w->strides[0][inner], index_step = w->strides[1][inner], x_step = w->strides[2][inner];
    const char *index = c->at[1], *x = c->at[2];
    char *y = c->at[0];
    if (size == 4 && step == 4 && x_step == 0 && index_step == 8 && p->stride == 4) {
        const int64_t bytes = (p->last + 1) * 4; /* of a row of x, which many indices touch everywhere, in no order */
        for (int64_t b = 0; bytes <= FETCHED && bytes <= n * LINE && b < bytes; b += LINE) __builtin_prefetch(next->at[2] + b);
        return pick_along((hy_raw4 *)y, (const hy_raw4 *)x, (const int64_t *)index, n, p->last);
    }
    if (!in_range(index, index_step, index_step == 0 ? 1 : n, p->last)) return false;
    if (index_step == 0) {
        const int64_t i = *(const int64_t *)index, after = *(const int64_t *)next->at[1];
        const char *row = x + i * p->stride;
        if (step == size && x_step == size)
            copy_row(y, row, in_range(next->at[1], 0, 1, p->last) ? next->at[2] + after * p->stride : row, n * size);
        else
            hy_walk_move(y, step, row, x_step, size, n);
    } else if (size == 4) PICK_EACH(hy_raw4);
    else if (size == 8) PICK_EACH(hy_raw8);
    else if (size == 2) PICK_EACH(hy_raw2);
    else PICK_EACH(hy_raw1);
    return true;
}

static void pick_range(void *context, int64_t begin, int64_t end)
{
    picking *p = context;
    const hy_walk *w = &p->walk;
    hy_walk_cursor c = hy_walk_seek(w, begin), next = c;
    for (int64_t i = begin, n; i < end; i += n, c = next) {
        n = hy_walk_left(w, &c, end - i);
        hy_walk_advance(w, &next, n);
        if (pick_run(p, &c, i + n < end ? &next : &c, n)) continue;
        atomic_store_explicit(&p->failed, true, memory_order_relaxed);
        return;
    }
}

static hy_status pick(const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor start = held(x, axis, y);
    const hy_tensor *operands[] = {y, index, &start};
    picking p = {.stride = x->strides[axis] * hy_dtype_size(x->dtype), .last = x->shape[axis] - 1};
    const int64_t n = hy_walk_prepare(&p.walk, 1, 3, operands);
    const bool some = n > 0 && p.last >= 0;
    if (some) hy_parallel_for(n, HY_WALK_GRAIN, pick_range, &p);
    if (some && !atomic_load_explicit(&p.failed, memory_order_relaxed)) return HY_OK;
    return check_indices(operation, index, x->shape[axis]); /* which says what is wrong */
}

static hy_status gather(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return pick("Gather", x, axis, index, y);
}

static hy_status index_select(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, x->ndim);
    return pick("IndexSelect", x, axis, &along, y);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Adding: y[index] += x, in the order of x along the axis whatever the walk's order, so that repeated indices give one sum  */
/* ---------------------------------------------------------------------------------------------------------------------- */

#define ADD_KERNEL(suffix, T)                                                                                       \
    static void add_##suffix(const hy_walk *w, int64_t stride, int64_t n)                                           \
    {                                                                                                               \
        int inner = w->ndim - 1;                                                                                    \
        int64_t step = w->strides[0][inner] / (int64_t)sizeof(T), index_step = w->strides[1][inner] / 8;            \
        int64_t y_step = w->strides[2][inner] / (int64_t)sizeof(T), left;                                           \
        hy_walk_cursor c = hy_walk_seek(w, 0);                                                                      \
        for (int64_t i = 0; i < n; i += left, hy_walk_advance(w, &c, left)) {                                       \
            const T *x = (const T *)c.at[0];                                                                        \
            const int64_t *index = (const int64_t *)c.at[1];                                                        \
            T *y = (T *)c.at[2];                                                                                    \
            left = hy_walk_left(w, &c, n - i);                                                                      \
            if (index_step == 0 && step == 1 && y_step == 1) { /* a row goes to a row */                            \
                y += index[0] * stride;                                                                             \
                _Pragma("GCC ivdep") for (int64_t j = 0; j < left; j++) y[j] += x[j];                               \
            } else if (index_step == 1 && step == 1 && y_step == 0 && stride == 1) { /* along a contiguous axis */      \
                const char *next = (const char *)y + (inner > 0 ? w->strides[2][inner - 1] : 0); /* row, touched in no order */ \
                for (int64_t b = 0; b < left * (int64_t)sizeof(T) && b < FETCHED; b += LINE) __builtin_prefetch(next + b); \
                for (int64_t j = 0; j < left; j++) y[index[j]] += x[j];                                             \
            } else {                                                                                                \
                for (int64_t j = 0; j < left; j++) y[j * y_step + index[j * index_step] * stride] += x[j * step];   \
            }                                                                                                       \
        }                                                                                                           \
    }

ADD_KERNEL(f32, float)
ADD_KERNEL(f64, double)
ADD_KERNEL(i32, int32_t)
ADD_KERNEL(i64, int64_t)

typedef struct adding {
    const hy_tensor *x, *index, *y; /* y is held */
    int64_t stride;                 /* of y along the axis */
    int32_t split;                  /* the axis that threads share out: not the indexed one; -1 for none */
} adding;

static hy_tensor part_of(const hy_tensor *t, int32_t axis, int64_t begin, int64_t end)
{
    hy_tensor part = *t;
    if (axis < 0 || t->shape[axis] == 1) return part;
    part.data = (char *)t->data + begin * t->strides[axis] * hy_dtype_size(t->dtype);
    part.shape[axis] = end - begin;
    return part;
}

static void add_part(void *context, int64_t begin, int64_t end)
{
    static void (*const kernels[])(const hy_walk *, int64_t, int64_t) = {add_f32, add_f64, add_i32, add_i64};
    const adding *a = context;
    const hy_tensor x = part_of(a->x, a->split, begin, end), y = part_of(a->y, a->split, begin, end);
    const hy_tensor index = part_of(a->index, a->split, begin, end);
    const hy_tensor *operands[] = {&x, &index, &y};
    hy_walk w;
    int64_t n = hy_walk_prepare(&w, 0, 3, operands);
    if (n > 0) kernels[x.dtype](&w, a->stride, n);
}

static hy_status add(const char *operation, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    hy_status status = check_indices(operation, index, y->shape[axis]);
    int64_t n = hy_numel(x);
    if (status != HY_OK || n == 0) return status;
    const hy_tensor start = held(y, axis, x);
    adding a = {.x = x, .index = index, .y = &start, .stride = y->strides[axis], .split = -1};
    for (int32_t d = 0; d < x->ndim; d++)
        if (d != axis && (a.split < 0 || x->shape[d] > x->shape[a.split])) a.split = d;
    enum { NEIGHBOURS = 64 }; /* places along the split axis that are not worth parting: they share lines of memory and look-ups */
    int64_t extent = a.split < 0 ? 1 : x->shape[a.split], grain = HY_WALK_GRAIN / (n / extent);
    hy_parallel_for(extent, grain > NEIGHBOURS ? grain : NEIGHBOURS, add_part, &a);
    return HY_OK;
}

static hy_status scatter_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    return add("ScatterAdd", x, axis, index, y);
}

static hy_status index_add(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y)
{
    const hy_tensor along = index_along(index, axis, y->ndim);
    return add("IndexAdd", x, axis, &along, y);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* One-hot: zeros, then a one in each row                                                                                 */
/* ---------------------------------------------------------------------------------------------------------------------- */

static hy_status one_hot(hy_device *device, const hy_tensor *index, const hy_tensor *y)
{
    int32_t classes = y->ndim - 1;
    hy_status status = check_indices("OneHot", index, y->shape[classes]);
    if (status == HY_OK) status = device->backend.fill(device, 0, y);
    if (status != HY_OK) return status;

    hy_element one = hy_element_from_double(1, y->dtype);
    hy_tensor rows = *y;
    rows.ndim = classes;
    int64_t n = hy_numel(index), size = hy_dtype_size(y->dtype);
    for (int64_t i = 0; i < n; i++) {
        int64_t c = ((const int64_t *)index->data)[hy_row_major_offset(index, i)];
        memcpy((char *)y->data + (hy_row_major_offset(&rows, i) + c * y->strides[classes]) * size, &one, (size_t)size);
    }
    return HY_OK;
}

void HY_ISA(hy_fill_index)(hy_backend *backend)
{
    backend->gather = gather;
    backend->index_select = index_select;
    backend->scatter_add = scatter_add;
    backend->index_add = index_add;
    backend->one_hot = one_hot;
}
