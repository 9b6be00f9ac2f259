/*
 * Batch normalisation in training. Operands are packed to [N, C, inner]; statistics are taken in pieces of at most PIECE values while these
 * are in the cache, first about the mean and then the deviations from it and their squares, and merged in double precision (Chan, Golub and
 * LeVeque, 1983).
 * A task is a group of channels: it depends on nothing else, so the number of threads does not show. With inner = 1, [N, C], up to COLUMNS
 * neighbouring channels are worked side by side, in pieces of ROWS samples.
 */
#include <math.h>

#include "core/parallel.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"
#include "cpu/simd/vector.h"

enum { PIECE = 1024, GRAIN = 32768, COLUMNS = 64, ROWS = 32 };

typedef struct norm {
    double eps, momentum;
    int64_t samples, channels, inner;
    const void *x, *dy;
    void *y;                                             /* backward: dx, or NULL */
    const hy_tensor *weight, *bias, *running_mean, *running_var, *mean, *rstd, *dweight, *dbias;
} norm;

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

static double load(const hy_tensor *t, int64_t c, double otherwise)
{
    if (t == NULL) return otherwise;
    int64_t i = c * t->strides[0];
    return t->dtype == HY_FLOAT32 ? (double)((const float *)t->data)[i] : ((const double *)t->data)[i];
}

static void store(const hy_tensor *t, int64_t c, double v)
{
    if (t == NULL) return;
    int64_t i = c * t->strides[0];
    if (t->dtype == HY_FLOAT32) ((float *)t->data)[i] = (float)v;
    else ((double *)t->data)[i] = v;
}

static void move_towards(const hy_tensor *t, int64_t c, double momentum, double v)
{
    store(t, c, (1 - momentum) * load(t, c, 0) + momentum * v);
}

/* Count, mean and sum of squared deviations. */
typedef struct moments {
    double count, mean, squares;
} moments;

static moments merge(moments a, moments b)
{
    double count = a.count + b.count, distance = b.mean - a.mean;
    return (moments){count, a.mean + distance * b.count / count, a.squares + b.squares + distance * distance * a.count * b.count / count};
}

/* Stores what channel c's statistics say; returns the reciprocal of its standard deviation. */
static double note_statistics(const norm *b, int64_t c, moments s)
{
    const double rstd = 1 / sqrt(s.squares / s.count + b->eps);
    store(b->mean, c, s.mean);
    store(b->rstd, c, rstd);
    move_towards(b->running_mean, c, b->momentum, s.mean);
    move_towards(b->running_var, c, b->momentum, s.squares / (s.count - 1));
    return rstd;
}

/* Sums over a piece, in four vectors each of T's lanes: Σ (x - centre) and Σ (x - centre)², or Σ g and Σ g (x - centre). */
typedef struct sums {
    double first, second;
} sums;

#define PIECE_SUMS(name, suffix, T, first_term, second_term)                                                           \
    static sums name##_##suffix(const T *x, const T *g, int64_t n, T centre)                                           \
    {                                                                                                                  \
        enum { LANES = HY_VECTOR_BYTES / sizeof(T), FOUR = 4 };                                                        \
        hy_vector_##suffix first[FOUR] = {{0}}, second[FOUR] = {{0}};                                                  \
        int64_t i = 0;                                                                                                 \
        for (; i + FOUR * LANES <= n; i += FOUR * LANES)                                                               \
            for (int k = 0; k < FOUR; k++) {                                                                           \
                const hy_vector_##suffix d = *(const hy_vector_##suffix *)(x + i + k * LANES) - centre;                \
                const hy_vector_##suffix factor = *(const hy_vector_##suffix *)(g + i + k * LANES);                    \
                (void)factor;                                                                                          \
                first[k] += first_term;                                                                                \
                second[k] += second_term;                                                                              \
            }                                                                                                          \
        sums all = {0, 0};                                                                                             \
        for (; i < n; i++) {                                                                                           \
            const T d = x[i] - centre, factor = g[i];                                                                  \
            (void)factor;                                                                                              \
            all.first += (double)(first_term), all.second += (double)(second_term);                                    \
        }                                                                                                              \
        first[0] = (first[0] + first[1]) + (first[2] + first[3]);                                                      \
        second[0] = (second[0] + second[1]) + (second[2] + second[3]);                                                 \
        for (int l = 0; l < LANES; l++) all.first += (double)first[0][l], all.second += (double)second[0][l];          \
        return all;                                                                                                    \
    }

/* The pieces of channel c: rows of the packed tensor, and within long rows runs of PIECE values. */
#define FOR_PIECES(b, c, start, m)                                                                                     \
    for (int64_t sample = 0; sample < (b)->samples; sample++)                                                          \
        for (int64_t at = 0, start = (sample * (b)->channels + (c)) * (b)->inner, m = smaller((b)->inner, PIECE); at < (b)->inner; \
             at += m, start += m, m = smaller((b)->inner - at, PIECE))

#define NORM_KERNELS(suffix, T)                                                                                        \
    PIECE_SUMS(deviations, suffix, T, d, d * d)                                                                        \
    PIECE_SUMS(gradients, suffix, T, factor, factor * d)                                                               \
    static moments statistics_##suffix(const norm *b, int64_t c)                                                       \
    {                                                                                                                  \
        moments all = {0};                                                                                             \
        FOR_PIECES(b, c, start, m) {                                                                                   \
            const T *x = (const T *)b->x + start;                                                                      \
            const T centre = hy_run_sum_##suffix(x, m) / (T)m; /* near the mean, from which the deviations' sum leads */ \
            const sums d = deviations_##suffix(x, x, m, centre);                                                       \
            const double squares = d.second - d.first * d.first / (double)m;                                           \
            const moments piece = {(double)m, (double)centre + d.first / (double)m, squares < 0 ? 0 : squares};        \
            all = sample + at == 0 ? piece : merge(all, piece);                                                        \
        }                                                                                                              \
        return all;                                                                                                    \
    }                                                                                                                  \
    static void forward_##suffix(void *context, int64_t begin, int64_t end)                                            \
    {                                                                                                                  \
        const norm *b = context;                                                                                       \
        for (int64_t c = begin; c < end; c++) {                                                                        \
            const moments s = statistics_##suffix(b, c);                                                               \
            const double rstd = note_statistics(b, c, s);                                                              \
            const T mean = (T)s.mean, scale = (T)(rstd * load(b->weight, c, 1)), shift = (T)load(b->bias, c, 0);       \
            const T low = (T)(s.mean - mean); /* what rounding the mean to T lost */                                   \
            FOR_PIECES(b, c, start, m) {                                                                               \
                const T *x = (const T *)b->x + start;                                                                  \
                T *y = (T *)b->y + start;                                                                              \
                _Pragma("GCC ivdep") for (int64_t i = 0; i < m; i++) y[i] = (x[i] - mean - low) * scale + shift;       \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void backward_##suffix(void *context, int64_t begin, int64_t end)                                           \
    {                                                                                                                  \
        const norm *b = context;                                                                                       \
        const double count = (double)b->samples * (double)b->inner;                                                    \
        for (int64_t c = begin; c < end; c++) {                                                                        \
            const double mean = load(b->mean, c, 0), rstd = load(b->rstd, c, 1);                                       \
            const T centre = (T)mean;                                                                                  \
            double sum = 0, products = 0;                                                                              \
            FOR_PIECES(b, c, start, m) {                                                                               \
                const sums piece = gradients_##suffix((const T *)b->x + start, (const T *)b->dy + start, m, centre);   \
                sum += piece.first, products += piece.second;                                                          \
            }                                                                                                          \
            products -= (mean - (double)centre) * sum; /* what rounding the mean lost */                               \
            products *= rstd;                                                                                          \
            store(b->dbias, c, sum);                                                                                   \
            store(b->dweight, c, products);                                                                            \
            if (b->y == NULL) continue;                                                                                \
            const T factor = (T)(load(b->weight, c, 1) * rstd), less = (T)(sum / count);                               \
            const T slope = (T)(products * rstd / count);                                                              \
            FOR_PIECES(b, c, start, m) {                                                                               \
                const T *x = (const T *)b->x + start, *g = (const T *)b->dy + start;                                   \
                T *dx = (T *)b->y + start;                                                                             \
                _Pragma("GCC ivdep") for (int64_t i = 0; i < m; i++) dx[i] = factor * (g[i] - less - (x[i] - centre) * slope); \
            }                                                                                                          \
        }                                                                                                              \
    }

NORM_KERNELS(f32, float)
NORM_KERNELS(f64, double)

#define EACH_COLUMN _Pragma("GCC ivdep") for (int64_t j = 0; j < width; j++)
#define EACH_GROUP(b) for (int64_t c = begin * COLUMNS, width; width = smaller((b)->channels - c, COLUMNS), c < end * COLUMNS; c += COLUMNS)

/* The same for [N, C]: x and its like point at the row of a sample, at the first column of a group. */
#define COLUMN_KERNELS(suffix, T)                                                                                      \
    static void column_statistics_##suffix(const norm *b, int64_t c, int64_t width, double *mean, double *squares)     \
    {                                                                                                                  \
        for (int64_t n = 0, m; n < b->samples; n += m) {                                                               \
            const T *first = (const T *)b->x + n * b->channels + c, *x = first;                                        \
            double centre[COLUMNS] = {0}, piece[COLUMNS] = {0};                                                        \
            m = smaller(b->samples - n, ROWS);                                                                         \
            for (int64_t r = 0; r < m; r++, x += b->channels) EACH_COLUMN centre[j] += (double)x[j];                   \
            EACH_COLUMN centre[j] /= (double)m;                                                                        \
            x = first;                                                                                                 \
            for (int64_t r = 0; r < m; r++, x += b->channels)                                                          \
                EACH_COLUMN piece[j] += ((double)x[j] - centre[j]) * ((double)x[j] - centre[j]);                       \
            for (int64_t j = 0; j < width; j++) {                                                                      \
                const moments one = {(double)m, centre[j], piece[j]}, before = {(double)n, mean[j], squares[j]};       \
                const moments all = n == 0 ? one : merge(before, one);                                                 \
                mean[j] = all.mean, squares[j] = all.squares;                                                          \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void forward_columns_##suffix(void *context, int64_t begin, int64_t end)                                    \
    {                                                                                                                  \
        const norm *b = context;                                                                                       \
        EACH_GROUP(b) {                                                                                                \
            double means[COLUMNS] = {0}, squares[COLUMNS] = {0};                                                       \
            T mean[COLUMNS], low[COLUMNS], scale[COLUMNS], shift[COLUMNS];                                             \
            column_statistics_##suffix(b, c, width, means, squares);                                                   \
            for (int64_t j = 0; j < width; j++) {                                                                      \
                const double rstd = note_statistics(b, c + j, (moments){(double)b->samples, means[j], squares[j]});    \
                mean[j] = (T)means[j], low[j] = (T)(means[j] - mean[j]);                                               \
                scale[j] = (T)(rstd * load(b->weight, c + j, 1)), shift[j] = (T)load(b->bias, c + j, 0);               \
            }                                                                                                          \
            for (int64_t n = 0; n < b->samples; n++) {                                                                 \
                const T *x = (const T *)b->x + n * b->channels + c;                                                    \
                T *y = (T *)b->y + n * b->channels + c;                                                                \
                EACH_COLUMN y[j] = (x[j] - mean[j] - low[j]) * scale[j] + shift[j];                                    \
            }                                                                                                          \
        }                                                                                                              \
    }                                                                                                                  \
    static void backward_columns_##suffix(void *context, int64_t begin, int64_t end)                                   \
    {                                                                                                                  \
        const norm *b = context;                                                                                       \
        const double count = (double)b->samples;                                                                       \
        EACH_GROUP(b) {                                                                                                \
            double mean[COLUMNS], sum[COLUMNS] = {0}, products[COLUMNS] = {0};                                         \
            T factor[COLUMNS], centre[COLUMNS], less[COLUMNS], slope[COLUMNS];                                         \
            for (int64_t j = 0; j < width; j++) mean[j] = load(b->mean, c + j, 0);                                     \
            for (int64_t n = 0; n < b->samples; n++) {                                                                 \
                const T *x = (const T *)b->x + n * b->channels + c, *g = (const T *)b->dy + n * b->channels + c;       \
                EACH_COLUMN sum[j] += (double)g[j];                                                                    \
                EACH_COLUMN products[j] += (double)g[j] * ((double)x[j] - mean[j]);                                    \
            }                                                                                                          \
            for (int64_t j = 0; j < width; j++) {                                                                      \
                const double rstd = load(b->rstd, c + j, 1), product = products[j] * rstd;                             \
                store(b->dbias, c + j, sum[j]);                                                                        \
                store(b->dweight, c + j, product);                                                                     \
                factor[j] = (T)(load(b->weight, c + j, 1) * rstd), centre[j] = (T)mean[j];                             \
                less[j] = (T)(sum[j] / count), slope[j] = (T)(product * rstd / count);                                 \
            }                                                                                                          \
            for (int64_t n = 0; b->y && n < b->samples; n++) {                                                         \
                const T *x = (const T *)b->x + n * b->channels + c, *g = (const T *)b->dy + n * b->channels + c;       \
                T *dx = (T *)b->y + n * b->channels + c;                                                               \
                EACH_COLUMN dx[j] = factor[j] * (g[j] - less[j] - (x[j] - centre[j]) * slope[j]);                      \
            }                                                                                                          \
        }                                                                                                              \
    }

COLUMN_KERNELS(f32, float)
COLUMN_KERNELS(f64, double)

/* `rows` takes channels one by one, `columns` takes groups of them. */
static void run(norm *b, const hy_tensor *x, hy_parallel_body rows, hy_parallel_body columns)
{
    b->samples = x->shape[0];
    b->channels = x->shape[1];
    b->inner = 1;
    for (int d = 2; d < x->ndim; d++) b->inner *= x->shape[d];
    if (b->channels == 0) return;
    const bool side_by_side = b->inner == 1;
    int64_t each = b->samples * b->inner * (side_by_side ? COLUMNS : 1), grain = each > 0 ? GRAIN / each : 1;
    hy_parallel_for(side_by_side ? (b->channels + COLUMNS - 1) / COLUMNS : b->channels, grain > 0 ? grain : 1,
                    side_by_side ? columns : rows, b);
}

static hy_status batch_norm(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight,
                            const hy_tensor *bias,
                            const hy_tensor *running_mean, const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd)
{
    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    y = hy_pack_out(&pack, y);
    if (pack.status == HY_OK) {
        norm b = {.eps = eps, .momentum = momentum, .x = x->data, .y = y->data, .weight = weight, .bias = bias,
                  .running_mean = running_mean, .running_var = running_var, .mean = mean, .rstd = rstd};
        bool single = x->dtype == HY_FLOAT32;
        run(&b, x, single ? forward_f32 : forward_f64, single ? forward_columns_f32 : forward_columns_f64);
    }
    return hy_pack_end(&pack, pack.status);
}

static hy_status batch_norm_backward(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight,
                                     const hy_tensor *mean,
                                     const hy_tensor *rstd, const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias)
{
    hy_pack pack = {.device = device};
    dy = hy_pack_in(&pack, dy);
    x = hy_pack_in(&pack, x);
    dx = hy_pack_out(&pack, dx);
    if (pack.status == HY_OK) {
        norm b = {.x = x->data, .dy = dy->data, .y = dx ? dx->data : NULL, .weight = weight, .mean = mean, .rstd = rstd,
                  .dweight = dweight, .dbias = dbias};
        bool single = x->dtype == HY_FLOAT32;
        run(&b, x, single ? backward_f32 : backward_f64, single ? backward_columns_f32 : backward_columns_f64);
    }
    return hy_pack_end(&pack, pack.status);
}

void HY_ISA(hy_fill_norm)(hy_backend *backend)
{
    backend->batch_norm = batch_norm;
    backend->batch_norm_backward = batch_norm_backward;
}
