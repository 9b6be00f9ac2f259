/*
 * Max and average pooling over packed planes. The loops over the window run outside, those along an output row inside: so every window,
 * stride and dilation gives straight vector code, and a plane's rows stay in the first-level cache meanwhile. Max pooling's common window,
 * 2 x 2 with stride 2, has one pass of its own.
 */
#include <math.h>
#include <string.h>

#include "core/parallel.h"
#include "core/status.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"

enum { GRAIN = 32768 /* window elements a thread takes at once */, PIECE = 256 /* outputs worked on at once */ };

typedef struct pooling {
    const hy_pool2d_params *p;
    const void *x;
    void *y;
    int32_t *index;
    int64_t height, width, out_height, out_width; /* of the image, of the pooled image */
    int32_t bad;                                  /* backward: an index outside the plane, and whether there was one */
    bool failed;
} pooling;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

/* The outputs [first, end) of `out` whose window place r (at offset r * dilation - padding) lies in the image. */
static void covered(const hy_pool2d_params *p, int axis, int64_t r, int64_t extent, int64_t out, int64_t *first, int64_t *end)
{
    int64_t offset = r * p->dilation[axis] - p->padding[axis], stride = p->stride[axis];
    *first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *end = extent - offset <= 0 ? 0 : smaller(out, (extent - offset - 1) / stride + 1);
    *first = smaller(*first, out);
    *end = larger(*end, *first);
}

/* The image's row under window place r of output row i; false where that is padding. */
static bool row_under(const pooling *c, int64_t i, int64_t r, int64_t *row)
{
    *row = i * c->p->stride[0] + r * c->p->dilation[0] - c->p->padding[0];
    return *row >= 0 && *row < c->height;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Max pooling                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* The first element of each window, where its argmax stays when nothing is larger. No window misses the image: api/conv.c refuses those. */
static void first_places(const pooling *c, int64_t i, int32_t *place)
{
    int64_t row = i * c->p->stride[0] - c->p->padding[0], stride = c->p->stride[1], padding = c->p->padding[1];
    while (row < 0) row += c->p->dilation[0];
    int64_t over_the_border = smaller((padding + stride - 1) / stride, c->out_width), j = 0;
    for (; j < over_the_border; j++) {
        int64_t column = j * stride - padding;
        while (column < 0) column += c->p->dilation[1];
        place[j] = (int32_t)(row * c->width + column);
    }
    for (const int64_t start = row * c->width - padding; j < c->out_width; j++) place[j] = (int32_t)(start + j * stride);
}

/* Whether the windows are the common ones: 2 x 2 side by side, without padding. */
static bool has_quads(const hy_pool2d_params *p)
{
    bool quads = true;
    for (int axis = 0; axis < 2; axis++) quads &= p->kernel[axis] == 2 && p->stride[axis] == 2 && p->padding[axis] == 0 && p->dilation[axis] == 1;
    return quads;
}

/* A window place takes part in a row of outputs; the stride is a constant in the calls below, for the sake of the vectoriser. */
#define MAX_KERNELS(suffix, T)                                                                                              \
    static inline __attribute__((always_inline))                                                                            \
    void max_place_##suffix(const T *x, int64_t stride, int32_t at, int64_t n, T *y, int32_t *place)                        \
    {                                                                                                                       \
        for (int64_t j = 0; j < n; j++) {                                                                                   \
            const T v = x[j * stride], m = y[j];                                                                            \
            const int32_t old = place[j], here = at + (int32_t)(j * stride);                                                \
            const bool better = v > m || v != v;                                                                            \
            y[j] = better ? v : m;                                                                                          \
            place[j] = better ? here : old;                                                                                 \
        }                                                                                                                   \
    }                                                                                                                       \
    static inline __attribute__((always_inline)) void max_value_##suffix(const T *x, int64_t stride, int64_t n, T *y)       \
    {                                                                                                                       \
        for (int64_t j = 0; j < n; j++) {                                                                                   \
            const T v = x[j * stride], m = y[j];                                                                            \
            y[j] = v > m || v != v ? v : m;                                                                                 \
        }                                                                                                                   \
    }                                                                                                                       \
    /* Windows of 2 x 2 side by side, in one pass: the same choices in the same order. */                                   \
    static inline __attribute__((always_inline))                                                                            \
    void max_quads_##suffix(const T *x, const T *below, int32_t at, int32_t width, int64_t n, T *y, int32_t *place)         \
    {                                                                                                                       \
        for (int64_t j = 0; j < n; j++) {                                                                                   \
            const T a = x[2 * j], b = x[2 * j + 1], c = below[2 * j], d = below[2 * j + 1];                                 \
            const int32_t here = at + 2 * (int32_t)j;                                                                       \
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
    static void max_quad_row_##suffix(const pooling *c, const T *plane, int64_t i, T *y, int32_t *place)                    \
    {                                                                                                                       \
        const T *x = plane + 2 * i * c->width, *below = x + c->width;                                                       \
        for (int64_t r = 2; r < 4; r++) /* with two rows at once the processor does not see what comes next */              \
            for (int64_t at = 0; at < c->width; at += 64 / (int64_t)sizeof(T)) __builtin_prefetch(x + r * c->width + at);   \
        if (place) max_quads_##suffix(x, below, (int32_t)(x - plane), (int32_t)c->width, c->out_width, y, place);           \
        else max_quads_##suffix(x, below, 0, 0, c->out_width, y, NULL);                                                     \
    }                                                                                                                       \
    static void max_row_##suffix(const pooling *c, const T *plane, int64_t i, T *y, int32_t *place)                         \
    {                                                                                                                       \
        int64_t stride = c->p->stride[1];                                                                                   \
        if (has_quads(c->p)) {                                                                                              \
            max_quad_row_##suffix(c, plane, i, y, place);                                                                   \
            return;                                                                                                         \
        }                                                                                                                   \
        for (int64_t j = 0; j < c->out_width; j++) y[j] = -(T)INFINITY;                                                     \
        if (place) first_places(c, i, place);                                                                               \
        for (int64_t r = 0, row; r < c->p->kernel[0]; r++) {                                                                \
            if (!row_under(c, i, r, &row)) continue;                                                                        \
            for (int64_t s = 0, first, end; s < c->p->kernel[1]; s++) {                                                     \
                covered(c->p, 1, s, c->width, c->out_width, &first, &end);                                                  \
                int64_t at = row * c->width + first * stride + s * c->p->dilation[1] - c->p->padding[1], n = end - first;   \
                if (n <= 0) continue;                                                                                       \
                const T *x = plane + at;                                                                                    \
                if (place && stride == 1) max_place_##suffix(x, 1, (int32_t)at, n, y + first, place + first);               \
                else if (place && stride == 2) max_place_##suffix(x, 2, (int32_t)at, n, y + first, place + first);          \
                else if (place) max_place_##suffix(x, stride, (int32_t)at, n, y + first, place + first);                    \
                else if (stride == 1) max_value_##suffix(x, 1, n, y + first);                                               \
                else if (stride == 2) max_value_##suffix(x, 2, n, y + first);                                               \
                else max_value_##suffix(x, stride, n, y + first);                                                           \
            }                                                                                                               \
        }                                                                                                                   \
    }                                                                                                                       \
    static void max_planes_##suffix(void *context, int64_t begin, int64_t end)                                              \
    {                                                                                                                       \
        const pooling *c = context;                                                                                         \
        for (int64_t row = begin; row < end; row++) {                                                                       \
            const T *plane = (const T *)c->x + row / c->out_height * c->height * c->width;                                  \
            int64_t at = row * c->out_width;                                                                                \
            max_row_##suffix(c, plane, row % c->out_height, (T *)c->y + at, c->index ? c->index + at : NULL);               \
        }                                                                                                                   \
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

/* How many places of a window along an axis lie in the image. */
static int64_t places(const hy_pool2d_params *p, int axis, int64_t i, int64_t extent)
{
    int64_t first = i * p->stride[axis] - p->padding[axis];
    return smaller(first + p->kernel[axis], extent) - larger(first, 0);
}

static double share(const pooling *c, int64_t i, int64_t j)
{
    if (c->p->count_include_pad) return 1.0 / ((double)c->p->kernel[0] * c->p->kernel[1]);
    return 1.0 / (double)(places(c->p, 0, i, c->height) * places(c->p, 1, j, c->width));
}

#define AVG_KERNELS(suffix, T)                                                                                              \
    static inline __attribute__((always_inline)) void avg_value_##suffix(const T *x, int64_t stride, int64_t n, T *y)       \
    {                                                                                                                       \
        for (int64_t j = 0; j < n; j++) y[j] += x[j * stride];                                                              \
    }                                                                                                                       \
    static void avg_row_##suffix(const pooling *c, const T *plane, int64_t i, T *y)                                         \
    {                                                                                                                       \
        int64_t stride = c->p->stride[1];                                                                                   \
        for (int64_t j = 0; j < c->out_width; j++) y[j] = 0;                                                                \
        for (int64_t r = 0, row; r < c->p->kernel[0]; r++) {                                                                \
            if (!row_under(c, i, r, &row)) continue;                                                                        \
            for (int64_t s = 0, first, end; s < c->p->kernel[1]; s++) {                                                     \
                covered(c->p, 1, s, c->width, c->out_width, &first, &end);                                                  \
                const T *x = plane + row * c->width + first * stride + s - c->p->padding[1];                                \
                if (end <= first) continue;                                                                                 \
                if (stride == 1) avg_value_##suffix(x, 1, end - first, y + first);                                          \
                else if (stride == 2) avg_value_##suffix(x, 2, end - first, y + first);                                     \
                else avg_value_##suffix(x, stride, end - first, y + first);                                                 \
            }                                                                                                               \
        }                                                                                                                   \
        for (int64_t j = 0; j < c->out_width; j++) y[j] *= (T)share(c, i, j);                                               \
    }                                                                                                                       \
    static void avg_planes_##suffix(void *context, int64_t begin, int64_t end)                                              \
    {                                                                                                                       \
        const pooling *c = context;                                                                                         \
        for (int64_t row = begin; row < end; row++) {                                                                       \
            const T *plane = (const T *)c->x + row / c->out_height * c->height * c->width;                                  \
            avg_row_##suffix(c, plane, row % c->out_height, (T *)c->y + row * c->out_width);                                \
        }                                                                                                                   \
    }                                                                                                                       \
    static void avg_backward_row_##suffix(const pooling *c, const T *dy, int64_t i, T *plane)                               \
    {                                                                                                                       \
        int64_t stride = c->p->stride[1];                                                                                   \
        T piece[PIECE];                                                                                                     \
        for (int64_t at = 0, m; at < c->out_width; at += m) {                                                               \
            m = smaller(c->out_width - at, PIECE);                                                                          \
            for (int64_t j = 0; j < m; j++) piece[j] = dy[at + j] * (T)share(c, i, at + j);                                 \
            for (int64_t r = 0, row; r < c->p->kernel[0]; r++) {                                                            \
                if (!row_under(c, i, r, &row)) continue;                                                                    \
                for (int64_t s = 0, first, end; s < c->p->kernel[1]; s++) {                                                 \
                    covered(c->p, 1, s, c->width, c->out_width, &first, &end);                                              \
                    T *dx = plane + row * c->width + s - c->p->padding[1];                                                  \
                    for (int64_t j = larger(first, at); j < smaller(end, at + m); j++) dx[j * stride] += piece[j - at];     \
                }                                                                                                           \
            }                                                                                                               \
        }                                                                                                                   \
    }                                                                                                                       \
    static void avg_backward_##suffix(void *context, int64_t begin, int64_t end)                                            \
    {                                                                                                                       \
        const pooling *c = context;                                                                                         \
        int64_t size = c->height * c->width, out = c->out_height * c->out_width;                                            \
        for (int64_t plane = begin; plane < end; plane++) {                                                                 \
            T *dx = (T *)c->y + plane * size;                                                                               \
            memset(dx, 0, (size_t)size * sizeof(T));                                                                        \
            for (int64_t i = 0; i < c->out_height; i++)                                                                     \
                avg_backward_row_##suffix(c, (const T *)c->x + plane * out + i * c->out_width, i, dx);                      \
        }                                                                                                                   \
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
    return (pooling){.p = p, .height = image->shape[2], .width = image->shape[3], .out_height = pooled->shape[2],
                     .out_width = pooled->shape[3]};
}

/* Forward, a task is a row of outputs; backward, a plane, because windows may overlap. */
static void run_tasks(const pooling *c, int64_t tasks, int64_t outputs, hy_parallel_body body)
{
    int64_t work = outputs * c->p->kernel[0] * c->p->kernel[1];
    hy_parallel_for(tasks, larger(GRAIN / larger(work, 1), 1), body, (void *)c);
}

static hy_status forward(hy_device *device, const hy_pool2d_params *p, hy_parallel_body body, const hy_tensor *x, const hy_tensor *y,
                         const hy_tensor *index)
{
    if (hy_numel(y) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    y = hy_pack_out(&pack, y);
    index = hy_pack_out(&pack, index);
    if (pack.status == HY_OK) {
        pooling c = pooling_of(p, x, y);
        c.x = x->data, c.y = y->data, c.index = index ? index->data : NULL;
        run_tasks(&c, y->shape[0] * y->shape[1] * y->shape[2], c.out_width, body);
    }
    return hy_pack_end(&pack, pack.status);
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
        run_tasks(&c, dx->shape[0] * dx->shape[1], c.out_height * c.out_width, body);
        if (c.failed)
            status = hy_fail(HY_OUT_OF_RANGE, "MaxPool2dBackward: index %d is outside a plane of %lld elements", c.bad,
                             (long long)(c.height * c.width));
    }
    return hy_pack_end(&pack, status);
}

static hy_status max_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index)
{
    return forward(device, p, x->dtype == HY_FLOAT32 ? max_planes_f32 : max_planes_f64, x, y, index);
}

static hy_status max_pool2d_backward(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index,
                                     const hy_tensor *dx)
{
    return backward(device, p, dy->dtype == HY_FLOAT32 ? max_backward_f32 : max_backward_f64, dy, index, dx);
}

static hy_status avg_pool2d(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y)
{
    return forward(device, p, x->dtype == HY_FLOAT32 ? avg_planes_f32 : avg_planes_f64, x, y, NULL);
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
