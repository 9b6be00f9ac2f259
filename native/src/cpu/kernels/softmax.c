/*
 * Softmax and its logarithm along any axis. Operands are packed to [outer, n, inner]. With inner = 1 a line is a contiguous row and is
 * worked in pieces that stay in the first-level cache; otherwise up to COLUMNS neighbouring lines are worked side by side.
 */
#include "core/glibc.h"
#include "core/parallel.h"
#include "cpu/kernels/exp_sum.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"

enum { PIECE = 512, COLUMNS = 64, GRAIN = 16384 };

typedef struct lines {
    const void *x, *g;   /* backward: x is the output y */
    void *y;             /* backward: dx */
    int64_t n, inner, tiles;
} lines;

#define FOR_PIECES(n) for (int64_t at = 0, m = hy_min(n, PIECE); at < (n); at += m, m = hy_min((n) - at, PIECE))

#define SOFTMAX_KERNELS(suffix, T)                                                                                \
    static void row_softmax_##suffix(const T *x, T *y, int64_t n)                                                 \
    {                                                                                                             \
        const T max = hy_row_max_##suffix(x, n);                                                                  \
        const T scale = (T)(1 / hy_exp_sum_##suffix(x, max, y, true, n));                                         \
        for (int64_t i = 0; i < n; i++) y[i] *= scale;                                                            \
    }                                                                                                             \
    static void row_log_softmax_##suffix(const T *x, T *y, int64_t n)                                             \
    {                                                                                                             \
        const T max = hy_row_max_##suffix(x, n);                                                                  \
        T tile[HY_EXP_SUM_PIECE];                                                                                 \
        const T log_sum = (T)log(hy_exp_sum_##suffix(x, max, tile, false, n) / HY_EXP_SCALE_##suffix);            \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) y[i] = (x[i] - max) - log_sum;                       \
    }                                                                                                             \
    static void row_softmax_backward_##suffix(const T *y, const T *g, T *dx, int64_t n)                           \
    {                                                                                                             \
        double sum = 0;                                                                                           \
        T tile[PIECE];                                                                                            \
        FOR_PIECES(n) {                                                                                           \
            for (int64_t i = 0; i < m; i++) tile[i] = g[at + i] * y[at + i];                                      \
            sum += hy_run_sum_##suffix(tile, m);                                                                  \
        }                                                                                                         \
        const T s = (T)sum;                                                                                       \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) dx[i] = y[i] * (g[i] - s);                           \
    }                                                                                                             \
    static void row_log_softmax_backward_##suffix(const T *y, const T *g, T *dx, int64_t n)                       \
    {                                                                                                             \
        double sum = 0;                                                                                           \
        FOR_PIECES(n) sum += hy_run_sum_##suffix(g + at, m);                                                      \
        const T s = (T)sum;                                                                                       \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) dx[i] = g[i] - hy_exp(y[i]) * s;                     \
    }                                                                                                             \
    static void columns_max_##suffix(const T *x, int64_t n, int64_t inner, int64_t width, T *max)                 \
    {                                                                                                             \
        for (int64_t j = 0; j < width; j++) max[j] = x[j];                                                        \
        for (int64_t i = 1; i < n; i++)                                                                           \
            for (int64_t j = 0; j < width; j++) max[j] = hy_maximum(max[j], x[i * inner + j]);                    \
    }                                                                                                             \
    static void columns_softmax_##suffix(const T *x, T *y, int64_t n, int64_t inner, int64_t width)               \
    {                                                                                                             \
        T max[COLUMNS], scale[COLUMNS];                                                                           \
        double sum[COLUMNS] = {0};                                                                                \
        columns_max_##suffix(x, n, inner, width, max);                                                            \
        for (int64_t i = 0; i < n; i++)                                                                           \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++) {                                            \
                const T e = hy_exp_below(x[i * inner + j] - max[j]);                                              \
                y[i * inner + j] = e;                                                                             \
                sum[j] += e;                                                                                      \
            }                                                                                                     \
        for (int64_t j = 0; j < width; j++) scale[j] = (T)(1 / sum[j]);                                           \
        for (int64_t i = 0; i < n; i++)                                                                           \
            for (int64_t j = 0; j < width; j++) y[i * inner + j] *= scale[j];                                     \
    }                                                                                                             \
    static void columns_log_softmax_##suffix(const T *x, T *y, int64_t n, int64_t inner, int64_t width)           \
    {                                                                                                             \
        T max[COLUMNS], log_sum[COLUMNS];                                                                         \
        double sum[COLUMNS] = {0};                                                                                \
        columns_max_##suffix(x, n, inner, width, max);                                                            \
        for (int64_t i = 0; i < n; i++)                                                                           \
            for (int64_t j = 0; j < width; j++) sum[j] += hy_exp_below(x[i * inner + j] - max[j]);                \
        for (int64_t j = 0; j < width; j++) log_sum[j] = (T)log(sum[j] / HY_EXP_SCALE_##suffix);                  \
        for (int64_t i = 0; i < n; i++)                                                                           \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++)                                              \
                y[i * inner + j] = (x[i * inner + j] - max[j]) - log_sum[j];                                      \
    }                                                                                                             \
    static void columns_softmax_backward_##suffix(const T *y, const T *g, T *dx, int64_t n, int64_t inner, int64_t width)     \
    {                                                                                                             \
        double sum[COLUMNS] = {0};                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                           \
            for (int64_t j = 0; j < width; j++) sum[j] += g[i * inner + j] * y[i * inner + j];                    \
        for (int64_t i = 0; i < n; i++)                                                                           \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++)                                              \
                dx[i * inner + j] = y[i * inner + j] * (g[i * inner + j] - (T)sum[j]);                            \
    }                                                                                                             \
    static void columns_log_softmax_backward_##suffix(const T *y, const T *g, T *dx, int64_t n, int64_t inner, int64_t width) \
    {                                                                                                             \
        double sum[COLUMNS] = {0};                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                           \
            for (int64_t j = 0; j < width; j++) sum[j] += g[i * inner + j];                                       \
        for (int64_t i = 0; i < n; i++)                                                                           \
            _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++)                                              \
                dx[i * inner + j] = g[i * inner + j] - hy_exp(y[i * inner + j]) * (T)sum[j];                      \
    }                                                                                                             \
    FORWARD_BODY(softmax, suffix, T)                                                                              \
    FORWARD_BODY(log_softmax, suffix, T)                                                                          \
    BACKWARD_BODY(softmax, suffix, T)                                                                             \
    BACKWARD_BODY(log_softmax, suffix, T)

/* A task is a row, or a tile of up to COLUMNS neighbouring lines. */
#define TILE_OF_TASK                                                                                     \
    const int64_t first = task % l->tiles * COLUMNS, offset = task / l->tiles * l->n * l->inner + first; \
    const int64_t width = hy_min(l->inner - first, COLUMNS);

#define FORWARD_BODY(name, suffix, T)                                                           \
    static void name##_##suffix(void *context, int64_t begin, int64_t end)                      \
    {                                                                                           \
        const lines *l = context;                                                               \
        for (int64_t task = begin; task < end; task++) {                                        \
            TILE_OF_TASK                                                                        \
            const T *x = (const T *)l->x + offset;                                              \
            T *y = (T *)l->y + offset;                                                          \
            if (l->inner == 1) row_##name##_##suffix(x, y, l->n);                               \
            else columns_##name##_##suffix(x, y, l->n, l->inner, width);                        \
        }                                                                                       \
    }

#define BACKWARD_BODY(name, suffix, T)                                                          \
    static void name##_backward_body_##suffix(void *context, int64_t begin, int64_t end)        \
    {                                                                                           \
        const lines *l = context;                                                               \
        for (int64_t task = begin; task < end; task++) {                                        \
            TILE_OF_TASK                                                                        \
            const T *y = (const T *)l->x + offset, *g = (const T *)l->g + offset;               \
            T *dx = (T *)l->y + offset;                                                         \
            if (l->inner == 1) row_##name##_backward_##suffix(y, g, dx, l->n);                  \
            else columns_##name##_backward_##suffix(y, g, dx, l->n, l->inner, width);           \
        }                                                                                       \
    }

SOFTMAX_KERNELS(f32, float)
SOFTMAX_KERNELS(f64, double)

/* Runs a body over the lines of x along `axis`; g is NULL forward. */
static hy_status run(hy_device *device, hy_parallel_body body, const hy_tensor *x, const hy_tensor *g, int32_t axis, const hy_tensor *y)
{
    if (hy_numel(y) == 0) return HY_OK;
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    g = hy_pack_in(&pack, g);
    y = hy_pack_out(&pack, y);
    if (pack.status == HY_OK) {
        lines l = {.x = x->data, .g = g ? g->data : NULL, .y = y->data, .n = x->shape[axis], .inner = 1};
        for (int d = axis + 1; d < x->ndim; d++) l.inner *= x->shape[d];
        l.tiles = (l.inner + COLUMNS - 1) / COLUMNS;
        int64_t outer = hy_numel(x) / (l.n * l.inner), grain = GRAIN / (l.n * hy_min(l.inner, COLUMNS));
        hy_parallel_for(outer * l.tiles, grain > 0 ? grain : 1, body, &l);
    }
    return hy_pack_end(&pack, pack.status);
}

static hy_status softmax(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y)
{
    static const hy_parallel_body bodies[2][2] = {{softmax_f32, softmax_f64}, {log_softmax_f32, log_softmax_f64}};
    return run(device, bodies[logarithm != 0][x->dtype], x, NULL, axis, y);
}

static hy_status softmax_backward(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm,
                                  const hy_tensor *dx)
{
    static const hy_parallel_body bodies[2][2] = {
        {softmax_backward_body_f32, softmax_backward_body_f64},
        {log_softmax_backward_body_f32, log_softmax_backward_body_f64},
    };
    return run(device, bodies[logarithm != 0][y->dtype], y, g, axis, dx);
}

void HY_ISA(hy_fill_softmax)(hy_backend *backend)
{
    backend->softmax = softmax;
    backend->softmax_backward = softmax_backward;
}
