/*
 * Max and average pooling over packed planes. A window's maximum, and its sum, separates (as in van Herk, 1992): first over the window's
 * rows, for every column of the image, then over its columns. Both steps are loops along a row, whatever the window, the stride and the
 * dilation. Between them some rows lie in scratch memory of the thread, with their padding, so that neither step knows a border, and one
 * behind the other, so that short rows make long loops; with a stride they are split into its phases, so that the loops go along the
 * memory. Max pooling's common window, 2 x 2 with stride 2, has one pass of its own.
 */
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"
#include "cpu/kernels/slots.h"
#include "cpu/simd/vector.h"

enum { GRAIN = 65536 /* window elements a thread takes at once */, BLOCK = 512 /* scratch elements worked on at once */ };

typedef struct pooling {
    const hy_pool2d_params *p;
    const void *x;
    void *y;
    int32_t *index;
    int64_t height, width, out_height, out_width; /* of the image, of the pooled image */
    int64_t window; /* elements of an image's row that a window spans */
    int64_t stride; /* from one output to the next in an image's row; 1 where there is only one */
    int64_t pitch;  /* elements of a scratch row: the padded image's, and a window's more, up to a multiple of the stride */
    int64_t rows, block; /* output rows worked on at once, and their elements of scratch */
    hy_slots slots;
    int32_t bad;    /* backward: an index outside the plane, and whether there was one */
    bool failed;
} pooling;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The rows of the image under the windows of output row i: `count` of them, dilation[0] apart. */
static int64_t rows_under(const pooling *c, int64_t i, int64_t *count)
{
    const int64_t step = c->p->dilation[0];
    int64_t first = i * c->p->stride[0] - c->p->padding[0];
    const int64_t end = smaller(first + (c->p->kernel[0] - 1) * step + 1, c->height);
    if (first < 0) first += (-first + step - 1) / step * step;
    *count = (end - first + step - 1) / step;
    return first;
}

/* A body's output rows, one by one, with their plane of the image and their place in it. */
#define FOR_ROWS(c, T, plane, i)                                                                                            \
    const T *plane = (const T *)(c)->x + begin / (c)->out_height * (c)->height * (c)->width;                                \
    for (int64_t row = begin, i = begin % (c)->out_height; row < end;                                                       \
         row++, i = i + 1 < (c)->out_height ? i + 1 : (plane += (c)->height * (c)->width, 0))

/* Element j of phase k is t[k + j * stride]: so a window's column s is phase s * dilation % stride, from s * dilation / stride on. */
static const void *column(const pooling *c, const void *phases, int64_t s, int64_t size)
{
    const int64_t at = s * c->p->dilation[1];
    return (const char *)phases + (at % c->stride * (c->block / c->stride) + at / c->stride) * size;
}

#define SPLIT(suffix, T)                                                                                                    \
    static const T *split_##suffix(const pooling *c, const T *t, T *phases, int64_t n)                                      \
    {                                                                                                                       \
        const int64_t stride = c->stride;                                                                                   \
        if (stride == 1) return t;                                                                                          \
        for (int64_t k = 0; k < smaller(stride, c->window); k++) {                                                          \
            T *to = phases + k * (c->block / stride);                                                                       \
            if (stride == 2) /* a constant, for the sake of the vectoriser */                                               \
                _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) to[j] = t[k + 2 * j];                                  \
            else                                                                                                            \
                for (int64_t j = 0; j < n; j++) to[j] = t[k + j * stride];                                                  \
        }                                                                                                                   \
        return phases;                                                                                                      \
    }

SPLIT(f32, float)
SPLIT(f64, double)
SPLIT(place, int32_t)

/* name_fold combines `count` runs of n elements, `step` apart. name_block makes output rows [begin, end), which are at most c->rows, and
 * returns where the first lies, the others c->pitch / c->stride apart; around the image t holds op's neutral element. */
#define SEPARABLE(name, suffix, T, op)                                                                                      \
    static inline void name##_run_##suffix(const T *a, const T *b, int64_t n, T *to)                                        \
    {                                                                                                                       \
        _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) to[j] = op(a[j], b[j]);                                        \
    }                                                                                                                       \
    static inline void name##_fold_##suffix(const T *x, int64_t step, int64_t count, int64_t n, T *to)                      \
    {                                                                                                                       \
        int64_t k = 3;                                                                                                      \
        if (count == 1) memcpy(to, x, (size_t)n * sizeof(T));                                                               \
        else if (count == 2) name##_run_##suffix(x, x + step, n, to);                                                       \
        else _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) to[j] = op(op(x[j], x[step + j]), x[2 * step + j]);       \
        for (; k < count; k++) name##_run_##suffix(to, x + k * step, n, to);                                                \
    }                                                                                                                       \
    static const T *name##_block_##suffix(const pooling *c, int64_t begin, int64_t end, T *t)                               \
    {                                                                                                                       \
        T *inner = t + c->p->padding[1], *phases = t + c->block, *y = phases + c->block;                                    \
        FOR_ROWS(c, T, plane, i) {                                                                                          \
            int64_t rows;                                                                                                   \
            const T *x = plane + rows_under(c, i, &rows) * c->width;                                                        \
            name##_fold_##suffix(x, c->p->dilation[0] * c->width, rows, c->width, inner);                                   \
            inner += c->pitch;                                                                                              \
        }                                                                                                                   \
        const int64_t n = (end - begin) * (c->pitch / c->stride), used = n - (c->window - 1) / c->stride;                   \
        const T *all = split_##suffix(c, t, phases, n);                                                                     \
        for (int64_t s = 1; s < c->p->kernel[1]; s++)                                                                       \
            name##_run_##suffix(s == 1 ? all : y, column(c, all, s, sizeof(T)), used, y);                                   \
        return c->p->kernel[1] == 1 ? all : y;                                                                              \
    }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Max pooling                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* Whether the windows are the common ones, 2 x 2 side by side without padding, in rows that make at least half a vector. */
static bool has_quads(const pooling *c)
{
    bool quads = c->out_width >= 4;
    for (int axis = 0; axis < 2; axis++)
        quads &= c->p->kernel[axis] == 2 && c->p->stride[axis] == 2 && c->p->padding[axis] == 0 && c->p->dilation[axis] == 1;
    return quads;
}

/* With places: of equal maxima the first in the plane is named, whose place is the smallest; padding lies behind all of them. */
#define MAX_KERNELS(suffix, T)                                                                                              \
    SEPARABLE(max, suffix, T, HY_LARGER)                                                                                    \
    /* The larger of two rows of the plane x, which start at these places of it. */                                         \
    static inline void place_rows_##suffix(const T *x, int32_t upper, int32_t lower, int64_t n, T *to, int32_t *at)         \
    {                                                                                                                       \
        const T *a = x + upper, *b = x + lower;                                                                             \
        _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) {                                                              \
            const T m = a[j], v = b[j];                                                                                     \
            const bool better = v > m || v != v;                                                                            \
            to[j] = better ? v : m;                                                                                         \
            at[j] = (better ? lower : upper) + (int32_t)j;                                                                  \
        }                                                                                                                   \
    }                                                                                                                       \
    /* The same with one more row. */                                                                                       \
    static inline void place_row_more_##suffix(const T *x, int32_t lower, int64_t n, T *to, int32_t *at)                    \
    {                                                                                                                       \
        const T *b = x + lower;                                                                                             \
        _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) {                                                              \
            const T m = to[j], v = b[j];                                                                                    \
            const int32_t old = at[j];                                                                                      \
            const bool better = v > m || v != v;                                                                            \
            to[j] = better ? v : m;                                                                                         \
            at[j] = better ? lower + (int32_t)j : old;                                                                      \
        }                                                                                                                   \
    }                                                                                                                       \
    static inline void place_columns_##suffix(const T *a, const int32_t *a_at, const T *b, const int32_t *b_at, int64_t n,  \
                                              T *to, int32_t *at)                                                           \
    {                                                                                                                       \
        _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) {                                                              \
            const T m = a[j], v = b[j];                                                                                     \
            const int32_t old = a_at[j], here = b_at[j];                                                                    \
            const bool better = (v > m) | (v != v) | ((v == m) & (here < old));                                             \
            to[j] = better ? v : m;                                                                                         \
            at[j] = better ? here : old;                                                                                    \
        }                                                                                                                   \
    }                                                                                                                       \
    /* As max_block, with the places in at, laid out as t is. */                                                            \
    static void place_block_##suffix(const pooling *c, int64_t begin, int64_t end, T *t, int32_t *at,                       \
                                     const T **y, const int32_t **index)                                                    \
    {                                                                                                                       \
        T *inner = t + c->p->padding[1], *best = t + 2 * c->block;                                                          \
        int32_t *inner_at = at + c->p->padding[1], *best_at = at + 2 * c->block;                                            \
        const int32_t below = (int32_t)(c->p->dilation[0] * c->width);                                                      \
        FOR_ROWS(c, T, plane, i) {                                                                                          \
            int64_t rows;                                                                                                   \
            const int32_t first = (int32_t)(rows_under(c, i, &rows) * c->width);                                            \
            place_rows_##suffix(plane, first, rows > 1 ? first + below : first, c->width, inner, inner_at);                 \
            for (int32_t r = 2; r < rows; r++) place_row_more_##suffix(plane, first + r * below, c->width, inner, inner_at); \
            inner += c->pitch, inner_at += c->pitch;                                                                        \
        }                                                                                                                   \
        const int64_t n = (end - begin) * (c->pitch / c->stride), used = n - (c->window - 1) / c->stride;                   \
        const T *all = *y = split_##suffix(c, t, t + c->block, n);                                                          \
        const int32_t *all_at = *index = split_place(c, at, at + c->block, n);                                              \
        for (int64_t s = 1; s < c->p->kernel[1]; s++, *y = best, *index = best_at)                                          \
            place_columns_##suffix(*y, *index, column(c, all, s, sizeof(T)), column(c, all_at, s, sizeof(int32_t)), used,   \
                                   best, best_at);                                                                          \
    }                                                                                                                       \
    /* Windows of 2 x 2 side by side, in one pass: the same choices in the same order. */                                   \
    static inline __attribute__((always_inline))                                                                            \
    void max_quads_##suffix(const T *x, const T *below, int32_t at, int32_t width, const int n, T *y, int32_t *place)       \
    {                                                                                                                       \
        HY_AS_A_LOOP _Pragma("GCC ivdep") for (int32_t j = 0; j < n; j++) {                                                 \
            const T a = x[2 * j], b = x[2 * j + 1], c = below[2 * j], d = below[2 * j + 1];                                 \
            const int32_t here = at + 2 * j;                                                                                \
            const bool b_wins = b > a || b != b;                                                                            \
            const T ab = b_wins ? b : a;                                                                                    \
            const bool c_wins = c > ab || c != c;                                                                           \
            const T abc = c_wins ? c : ab;                                                                                  \
            const bool d_wins = d > abc || d != d;                                                                          \
            y[j] = d_wins ? d : abc;                                                                                        \
            if (!place) continue;                                                                                           \
            const int32_t of_ab = b_wins ? here + 1 : here, of_abc = c_wins ? here + width : of_ab;                         \
            place[j] = d_wins ? here + width + 1 : of_abc;                                                                  \
        }                                                                                                                   \
    }                                                                                                                       \
    /* The quads of a row, `step` at a time: the last ones overlap those before. */                                         \
    static inline __attribute__((always_inline))                                                                            \
    void max_quad_row_##suffix(const pooling *c, const T *x, int32_t at, const int step, T *y, int32_t *place)              \
    {                                                                                                                       \
        for (int64_t j = 0; j < c->out_width; j += step) {                                                                  \
            const int64_t from = smaller(j, c->out_width - step);                                                           \
            const T *quad = x + 2 * from;                                                                                   \
            if (place) max_quads_##suffix(quad, quad + c->width, at + 2 * (int32_t)from, (int32_t)c->width, step, y + from, place + from); \
            else max_quads_##suffix(quad, quad + c->width, 0, 0, step, y + from, NULL);                                     \
        }                                                                                                                   \
    }                                                                                                                       \
    static void max_quad_rows_##suffix(const pooling *c, int64_t begin, int64_t end)                                        \
    {                                                                                                                       \
        FOR_ROWS(c, T, plane, i) {                                                                                          \
            const T *x = plane + 2 * i * c->width;                                                                          \
            T *y = (T *)c->y + row * c->out_width;                                                                          \
            int32_t *place = c->index ? c->index + row * c->out_width : NULL;                                               \
            for (int64_t r = 2; r < 4; r++) /* with two rows at once the processor does not see what comes next */          \
                for (int64_t at = 0; at < c->width; at += 64 / (int64_t)sizeof(T)) __builtin_prefetch(x + r * c->width + at); \
            if (c->out_width >= 16) max_quad_row_##suffix(c, x, (int32_t)(x - plane), 16, y, place);                        \
            else if (c->out_width >= 8) max_quad_row_##suffix(c, x, (int32_t)(x - plane), 8, y, place);                     \
            else max_quad_row_##suffix(c, x, (int32_t)(x - plane), 4, y, place);                                            \
        }                                                                                                                   \
    }                                                                                                                       \
    static void max_rows_##suffix(void *context, int64_t begin, int64_t end)                                                \
    {                                                                                                                       \
        pooling *c = context;                                                                                               \
        if (has_quads(c)) {                                                                                                 \
            max_quad_rows_##suffix(c, begin, end);                                                                          \
            return;                                                                                                         \
        }                                                                                                                   \
        const int slot = hy_slots_take(&c->slots);                                                                          \
        T *t = (T *)(c->slots.memory + slot * c->slots.bytes);                                                              \
        int32_t *at = (int32_t *)(t + 3 * c->block);                                                                        \
        for (int64_t j = 0; j < c->block; j++) t[j] = -(T)INFINITY, at[j] = INT32_MAX;                                      \
        for (int64_t row = begin; row < end; row += c->rows) {                                                              \
            const int64_t stop = smaller(row + c->rows, end);                                                               \
            const int32_t *index = NULL;                                                                                    \
            const T *y;                                                                                                     \
            if (c->index) place_block_##suffix(c, row, stop, t, at, &y, &index);                                            \
            else y = max_block_##suffix(c, row, stop, t);                                                                   \
            for (int64_t r = row; r < stop; r++, y += c->pitch / c->stride)                                                 \
                memcpy((T *)c->y + r * c->out_width, y, (size_t)c->out_width * sizeof(T));                                  \
            for (int64_t r = row; index && r < stop; r++, index += c->pitch / c->stride)                                    \
                memcpy(c->index + r * c->out_width, index, (size_t)c->out_width * sizeof(int32_t));                         \
        }                                                                                                                   \
        hy_slots_give(&c->slots, slot);                                                                                     \
    }                                                                                                                       \
    static void max_backward_##suffix(void *context, int64_t begin, int64_t end)                                            \
    {                                                                                                                       \
        pooling *c = context;                                                                                               \
        int64_t size = c->height * c->width, out = c->out_height * c->out_width;                                            \
        for (int64_t plane = begin; plane < end; plane++) {                                                                 \
            const T *dy = (const T *)c->x + plane * out;                                                                    \
            const int32_t *index = c->index + plane * out;                                                                  \
            T *dx = (T *)c->y + plane * size;                                                                               \
            memset(dx, 0, (size_t)size * sizeof(T));                                                                        \
            for (int64_t i = 0; i < out; i++) {                                                                             \
                if ((uint64_t)index[i] >= (uint64_t)size) {                                                                 \
                    __atomic_store_n(&c->bad, index[i], __ATOMIC_RELAXED);                                                  \
                    __atomic_store_n(&c->failed, true, __ATOMIC_RELAXED);                                                   \
                    return;                                                                                                 \
                }                                                                                                           \
                dx[index[i]] += dy[i];                                                                                      \
            }                                                                                                               \
        }                                                                                                                   \
    }

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Average pooling                                                                                                        */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* How many places of a window along an axis count: those that lie in the image, or all. */
static int64_t places(const hy_pool2d_params *p, int axis, int64_t i, int64_t extent)
{
    if (p->count_include_pad) return p->kernel[axis];
    int64_t first = i * p->stride[axis] - p->padding[axis];
    return smaller(first + p->kernel[axis], extent) - larger(first, 0);
}

/* The first and the last outputs of a row, whose windows hang over the border, are [0, first) and [end, out_width). */
static void hanging(const pooling *c, int64_t *first, int64_t *end)
{
    const hy_pool2d_params *p = c->p;
    *first = p->count_include_pad ? 0 : smaller((p->padding[1] + p->stride[1] - 1) / p->stride[1], c->out_width);
    const int64_t room = c->width + p->padding[1] - p->kernel[1];
    *end = p->count_include_pad ? c->out_width : larger(*first, room < 0 ? 0 : smaller(room / p->stride[1] + 1, c->out_width));
}

#define ADD(a, b) ((a) + (b))

#define AVG_KERNELS(suffix, T)                                                                                              \
    SEPARABLE(sum, suffix, T, ADD)                                                                                          \
    /* to[j] = from[j], an output's sum or gradient in row i, over the places of its window. */                             \
    static void share_row_##suffix(const pooling *c, int64_t i, const T *from, T *to)                                       \
    {                                                                                                                       \
        const int64_t rows = places(c->p, 0, i, c->height);                                                                 \
        const T whole = (T)(1.0 / (double)(rows * c->p->kernel[1]));                                                        \
        int64_t first, end;                                                                                                 \
        hanging(c, &first, &end);                                                                                           \
        for (int64_t j = 0; j < first; j++) to[j] = from[j] * (T)(1.0 / (double)(rows * places(c->p, 1, j, c->width)));     \
        _Pragma("GCC ivdep") for (int64_t j = first; j < end; j++) to[j] = from[j] * whole;                                 \
        for (int64_t j = end; j < c->out_width; j++)                                                                        \
            to[j] = from[j] * (T)(1.0 / (double)(rows * places(c->p, 1, j, c->width)));                                     \
    }                                                                                                                       \
    static void avg_rows_##suffix(void *context, int64_t begin, int64_t end)                                                \
    {                                                                                                                       \
        pooling *c = context;                                                                                               \
        const int slot = hy_slots_take(&c->slots);                                                                          \
        T *t = (T *)(c->slots.memory + slot * c->slots.bytes);                                                              \
        memset(t, 0, (size_t)c->block * sizeof(T));                                                                         \
        for (int64_t row = begin; row < end; row += c->rows) {                                                              \
            const int64_t stop = smaller(row + c->rows, end);                                                               \
            const T *sums = sum_block_##suffix(c, row, stop, t);                                                            \
            for (int64_t r = row; r < stop; r++, sums += c->pitch / c->stride)                                              \
                share_row_##suffix(c, r % c->out_height, sums, (T *)c->y + r * c->out_width);                               \
        }                                                                                                                   \
        hy_slots_give(&c->slots, slot);                                                                                     \
    }                                                                                                                       \
    /* t[j * stride] = x[j]; between them t is zero and stays so. */                                                        \
    static void spread_##suffix(const T *x, int64_t stride, int64_t n, T *t)                                                \
    {                                                                                                                       \
        if (stride == 2) _Pragma("GCC ivdep") for (int64_t j = 0; j < n; j++) t[2 * j] = x[j], t[2 * j + 1] = 0;            \
        else for (int64_t j = 0; j < n; j++) t[j * stride] = x[j];                                                          \
    }                                                                                                                       \
    /* Backwards the steps are the same: the gradients of a row, stride apart with zeros between them in t, are summed over the \
     * columns of the windows that an element lies in, into u, and that is added to each of the windows' rows. */           \
    static void avg_backward_##suffix(void *context, int64_t begin, int64_t end)                                            \
    {                                                                                                                       \
        pooling *c = context;                                                                                               \
        const int slot = hy_slots_take(&c->slots);                                                                          \
        T *t = (T *)(c->slots.memory + slot * c->slots.bytes), *u = t + c->pitch, *shares = u + c->pitch;                   \
        const int64_t size = c->height * c->width, columns = c->p->kernel[1];                                               \
        memset(t, 0, (size_t)c->pitch * sizeof(T));                                                                         \
        memset((T *)c->y + begin * size, 0, (size_t)((end - begin) * size) * sizeof(T));                                    \
        for (int64_t row = begin * c->out_height; row < end * c->out_height; row++) {                                       \
            const int64_t i = row % c->out_height;                                                                          \
            int64_t rows;                                                                                                   \
            T *dx = (T *)c->y + row / c->out_height * size + rows_under(c, i, &rows) * c->width;                            \
            share_row_##suffix(c, i, (const T *)c->x + row * c->out_width, shares);                                         \
            spread_##suffix(shares, c->p->stride[1], c->out_width, t + columns - 1);                                        \
            sum_fold_##suffix(t + c->p->padding[1], 1, columns, c->width, u);                                               \
            for (int64_t r = 0; r < rows; r++) sum_run_##suffix(u, dx + r * c->width, c->width, dx + r * c->width);         \
        }                                                                                                                   \
        hy_slots_give(&c->slots, slot);                                                                                     \
    }

MAX_KERNELS(f32, float)
MAX_KERNELS(f64, double)
AVG_KERNELS(f32, float)
AVG_KERNELS(f64, double)

/* ---------------------------------------------------------------------------------------------------------------------- */
/* The slots                                                                                                              */
/* ---------------------------------------------------------------------------------------------------------------------- */

static pooling pooling_of(const hy_pool2d_params *p, const hy_tensor *image, const hy_tensor *pooled)
{
    const int64_t window = (int64_t)(p->kernel[1] - 1) * p->dilation[1] + 1, stride = pooled->shape[3] > 1 ? p->stride[1] : 1;
    const int64_t pitch = (image->shape[3] + 2 * p->padding[1] + window + stride - 1) / stride * stride, rows = larger(BLOCK / pitch, 1);
    return (pooling){.p = p, .height = image->shape[2], .width = image->shape[3], .out_height = pooled->shape[2],
                     .out_width = pooled->shape[3], .window = window, .stride = stride, .pitch = pitch, .rows = rows,
                     .block = rows * pitch};
}

/* Forward, a task is a row of outputs; backward, a plane, because windows may overlap. */
static hy_status run_tasks(hy_device *device, pooling *c, int64_t tasks, int64_t outputs, hy_parallel_body body)
{
    const int64_t grain = larger(GRAIN / larger(outputs * c->p->kernel[0] * c->p->kernel[1], 1), 1);
    const int64_t bytes = 3 * c->block * (int64_t)(sizeof(double) + sizeof(int32_t));
    const hy_status status = hy_slots_alloc(&c->slots, device, bytes, (tasks + grain - 1) / grain);
    if (status != HY_OK) return status;
    hy_parallel_for(tasks, grain, body, c);
    hy_free(device, c->slots.memory);
    return HY_OK;
}

static hy_status forward(hy_device *device, const hy_pool2d_params *p, hy_parallel_body body, const hy_tensor *x, const hy_tensor *y,
                         const hy_tensor *index)
{
    if (hy_numel(y) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    y = hy_pack_out(&pack, y);
    index = hy_pack_out(&pack, index);
    hy_status status = pack.status;
    if (status == HY_OK) {
        pooling c = pooling_of(p, x, y);
        c.x = x->data, c.y = y->data, c.index = index ? index->data : NULL;
        status = run_tasks(device, &c, y->shape[0] * y->shape[1] * y->shape[2], c.out_width, body);
    }
    return hy_pack_end(&pack, status);
}

static hy_status backward(hy_device *device, const hy_pool2d_params *p, hy_parallel_body body, const hy_tensor *dy,
                          const hy_tensor *index, const hy_tensor *dx)
{
    if (hy_numel(dx) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    dy = hy_pack_in(&pack, dy);
    index = hy_pack_in(&pack, index);
    dx = hy_pack_out(&pack, dx);
    hy_status status = pack.status;
    if (status == HY_OK) {
        pooling c = pooling_of(p, dx, dy);
        c.x = dy->data, c.y = dx->data, c.index = index ? index->data : NULL;
        status = run_tasks(device, &c, dx->shape[0] * dx->shape[1], c.out_height * c.out_width, body);
        if (status == HY_OK && c.failed)
            status = hy_fail(HY_OUT_OF_RANGE, "MaxPool2dBackward: index %d is outside a plane of %lld elements", c.bad,
                             (long long)(c.height * c.width));
    }
    return hy_pack_end(&pack, status);
}

static hy_status max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index)
{
    return forward(device, p, x->dtype == HY_FLOAT32 ? max_rows_f32 : max_rows_f64, x, y, index);
}

static hy_status max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index,
                                     const hy_tensor *dx)
{
    return backward(device, p, dy->dtype == HY_FLOAT32 ? max_backward_f32 : max_backward_f64, dy, index, dx);
}

static hy_status avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    return forward(device, p, x->dtype == HY_FLOAT32 ? avg_rows_f32 : avg_rows_f64, x, y, NULL);
}

static hy_status avg_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx)
{
    return backward(device, p, dy->dtype == HY_FLOAT32 ? avg_backward_f32 : avg_backward_f64, dy, NULL, dx);
}

void HY_ISA(hy_fill_pool)(hy_backend *backend)
{
    backend->max_pool2d = max_pool2d;
    backend->max_pool2d_backward = max_pool2d_backward;
    backend->avg_pool2d = avg_pool2d;
    backend->avg_pool2d_backward = avg_pool2d_backward;
}
