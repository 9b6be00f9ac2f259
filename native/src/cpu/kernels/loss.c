/* Losses with their gradients in one pass. Each sample's (or block's) loss goes to a place of its own and these are summed pairwise. */
#include <math.h>

#include "core/glibc.h"
#include "core/parallel.h"
#include "core/status.h"
#include "cpu/kernels/exp_sum.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"

enum { PIECE = 512, GRAIN = 16384, BLOCK = 32768 };

static double pairwise_sum(const double *v, int64_t n)
{
    if (n <= 8) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++) sum += v[i];
        return sum;
    }
    return pairwise_sum(v, n / 2) + pairwise_sum(v + n / 2, n - n / 2);
}

static void store(const hy_tensor *t, int64_t offset, double v)
{
    if (t->dtype == HY_FLOAT32) ((float *)t->data)[offset] = (float)v;
    else ((double *)t->data)[offset] = v;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Cross-entropy                                                                                                          */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct entropy {
    const void *logits;
    const hy_tensor *labels;
    void *grad;             /* NULL when none is wanted */
    double *losses;
    int64_t classes, ignore_index;
    double smoothing, divisor;
} entropy;

static int64_t label_at(const hy_tensor *labels, int64_t n) { return ((const int64_t *)labels->data)[n * labels->strides[0]]; }

/* For one sample: log p(c) = logit(c) - max - log Σ e^(logit - max); the loss is -(1 - ε) log p(label) - ε/C Σ log p(c), its gradient
 * p(c) - ε/C, less 1 - ε at the label. */
#define ENTROPY_KERNELS(suffix, T)                                                                                  \
    static double sample_loss_##suffix(const entropy *e, const T *x, T *grad, int64_t label)                        \
    {                                                                                                               \
        const int64_t n = e->classes;                                                                               \
        const T max = hy_row_max_##suffix(x, n);                                                                    \
        T tile[HY_EXP_SUM_PIECE];                                                                                   \
        const double scaled = hy_exp_sum_##suffix(x, max, grad ? grad : tile, grad != NULL, n);                     \
        const double sum = scaled / HY_EXP_SCALE_##suffix;                                                          \
        double all = 0;                                                                                             \
        for (int64_t i = 0; e->smoothing != 0 && i < n; i++) all += (double)x[i] - (double)max;                     \
        if (grad) {                                                                                                 \
            const T scale = (T)(1 / scaled / e->divisor), spread = (T)(e->smoothing / (double)n / e->divisor);      \
            for (int64_t i = 0; i < n; i++) grad[i] = grad[i] * scale - spread;                                     \
            const double p = (double)hy_exp(x[label] - max) / sum; /* anew: p - 1 cancels where p is near 1 */      \
            grad[label] = (T)((p - (1 - e->smoothing) - e->smoothing / (double)n) / e->divisor);                    \
        }                                                                                                           \
        const double log_sum = log(sum), picked = log_sum - ((double)x[label] - (double)max);                       \
        if (e->smoothing == 0) return picked; /* an infinite log p(c) times no smoothing would be NaN */            \
        return (1 - e->smoothing) * picked + e->smoothing * (log_sum - all / (double)n);                            \
    }                                                                                                               \
    static void cross_entropy_##suffix(void *context, int64_t begin, int64_t end)                                   \
    {                                                                                                               \
        const entropy *e = context;                                                                                 \
        for (int64_t i = begin; i < end; i++) {                                                                     \
            const int64_t label = label_at(e->labels, i);                                                           \
            const T *x = (const T *)e->logits + i * e->classes;                                                     \
            T *grad = e->grad ? (T *)e->grad + i * e->classes : NULL;                                               \
            const bool ignored = label == e->ignore_index;                                                          \
            e->losses[i] = ignored ? 0 : sample_loss_##suffix(e, x, grad, label);                                   \
            for (int64_t c = 0; ignored && grad && c < e->classes; c++) grad[c] = 0;                                \
        }                                                                                                           \
    }

ENTROPY_KERNELS(f32, float)
ENTROPY_KERNELS(f64, double)

/* Checks every label and counts the samples that are not ignored. */
static hy_status check_labels(const hy_tensor *labels, int64_t classes, int64_t ignore_index, int64_t *counted)
{
    *counted = 0;
    for (int64_t n = 0; n < labels->shape[0]; n++) {
        int64_t label = label_at(labels, n);
        if (label == ignore_index) continue;
        if (label < 0 || label >= classes)
            return hy_fail(HY_OUT_OF_RANGE,
                           "CrossEntropy: label %lld at place %lld is no class: expected 0 to %lld, or %lld to ignore a sample",
                           (long long)label, (long long)n, (long long)classes - 1, (long long)ignore_index);
        ++*counted;
    }
    return HY_OK;
}

static hy_status cross_entropy(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits,
                               const hy_tensor *labels, const hy_tensor *loss, const hy_tensor *grad)
{
    int64_t samples = logits->shape[0], counted;
    entropy e = {.labels = labels, .classes = logits->shape[1], .ignore_index = ignore_index, .smoothing = label_smoothing};
    hy_status status = check_labels(labels, e.classes, ignore_index, &counted);
    if (status != HY_OK) return status;
    status = hy_alloc(device, samples * (int64_t)sizeof(double), (void **)&e.losses);
    if (status != HY_OK) return status;

    hy_pack pack = {.device = device};
    logits = hy_pack_in(&pack, logits);
    grad = hy_pack_out(&pack, grad);
    if (pack.status == HY_OK) {
        e.logits = logits->data;
        e.grad = grad ? grad->data : NULL;
        e.divisor = reduction == HY_REDUCTION_mean ? (double)counted : 1;
        int64_t grain = GRAIN / e.classes;
        if (samples > 0) hy_parallel_for(samples, grain > 0 ? grain : 1,
                                         logits->dtype == HY_FLOAT32 ? cross_entropy_f32 : cross_entropy_f64, &e);
        for (int64_t n = 0; reduction == HY_REDUCTION_none && n < samples; n++) store(loss, n * loss->strides[0], e.losses[n]);
        if (reduction != HY_REDUCTION_none) store(loss, 0, pairwise_sum(e.losses, samples) / e.divisor);
    }
    status = hy_pack_end(&pack, pack.status);
    hy_free(device, e.losses);
    return status;
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Mean squared error                                                                                                     */
/* ---------------------------------------------------------------------------------------------------------------------- */

typedef struct squares {
    const void *x, *target;
    void *each, *grad;   /* the losses of single elements, the gradient; NULL when not wanted */
    double *sums;        /* one a block */
    double divisor;
} squares;

#define MSE_KERNEL(suffix, T)                                                                        \
    static double piece_##suffix(const squares *q, int64_t at, int64_t m)                            \
    {                                                                                                \
        const T *x = (const T *)q->x + at, *target = (const T *)q->target + at;                      \
        T *each = (T *)q->each, *grad = (T *)q->grad;                                                \
        const T scale = (T)(2 / q->divisor);                                                         \
        T square[PIECE];                                                                             \
        for (int64_t i = 0; i < m; i++) square[i] = (x[i] - target[i]) * (x[i] - target[i]);         \
        if (grad)                                                                                    \
            for (int64_t i = 0; i < m; i++) grad[at + i] = (x[i] - target[i]) * scale;               \
        if (each)                                                                                    \
            for (int64_t i = 0; i < m; i++) each[at + i] = square[i];                                \
        return hy_run_sum_##suffix(square, m);                                                       \
    }                                                                                                \
    static void mse_##suffix(void *context, int64_t begin, int64_t end)                              \
    {                                                                                                \
        const squares *q = context;                                                                  \
        double sums[BLOCK / PIECE];                                                                  \
        int64_t pieces = 0;                                                                          \
        for (int64_t at = begin; at < end; at += PIECE) sums[pieces++] = piece_##suffix(q, at, hy_min(end - at, PIECE)); \
        q->sums[begin / BLOCK] = pairwise_sum(sums, pieces);                                         \
    }

MSE_KERNEL(f32, float)
MSE_KERNEL(f64, double)

static hy_status mse(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss,
                     const hy_tensor *grad)
{
    int64_t n = hy_numel(x), blocks = (n + BLOCK - 1) / BLOCK;
    bool total = reduction != HY_REDUCTION_none;
    squares q = {.divisor = reduction == HY_REDUCTION_mean ? (double)n : 1};
    hy_status status = hy_alloc(device, blocks * (int64_t)sizeof(double), (void **)&q.sums);
    if (status != HY_OK) return status;

    hy_pack pack = {.device = device};
    x = hy_pack_in(&pack, x);
    target = hy_pack_in(&pack, target);
    grad = hy_pack_out(&pack, grad);
    const hy_tensor *each = hy_pack_out(&pack, total ? NULL : loss);
    if (pack.status == HY_OK) {
        q.x = x->data, q.target = target->data, q.grad = grad ? grad->data : NULL, q.each = each ? each->data : NULL;
        if (n > 0) hy_parallel_for(n, BLOCK, x->dtype == HY_FLOAT32 ? mse_f32 : mse_f64, &q);
        if (total) store(loss, 0, pairwise_sum(q.sums, blocks) / q.divisor);
    }
    status = hy_pack_end(&pack, pack.status);
    hy_free(device, q.sums);
    return status;
}

void HY_ISA(hy_fill_loss)(hy_backend *backend)
{
    backend->cross_entropy = cross_entropy;
    backend->mse = mse;
}
