/* Losses, with their gradients. */
#include <math.h>

#include "core/glibc.h"
#include "core/status.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** Checks every label and counts the samples that are not ignored. */
static hy_status check_labels(const hy_tensor *labels, int64_t classes, int64_t ignore_index, int64_t *counted)
{
    *counted = 0;
    for (int64_t n = 0; n < labels->shape[0]; n++) {
        const int64_t label = hy_load_integer(labels, n * labels->strides[0]);
        if (label == ignore_index) continue;
        if (label < 0 || label >= classes)
            return hy_fail(HY_OUT_OF_RANGE,
                           "CrossEntropy: label %lld at place %lld is no class: expected 0 to %lld, or %lld to ignore a sample",
                           (long long)label, (long long)n, (long long)classes - 1, (long long)ignore_index);
        ++*counted;
    }
    return HY_OK;
}

typedef struct sample {
    const hy_tensor *logits;
    int64_t row, label;
    double smoothing, max, log_sum; /* log softmax of class c = logit - max - log_sum */
} sample;

static double log_probability(const sample *s, int64_t c)
{
    return hy_load(s->logits, s->row + c * s->logits->strides[1]) - s->max - s->log_sum;
}

static void normalise(sample *s)
{
    const int64_t classes = s->logits->shape[1], stride = s->logits->strides[1];
    double sum = 0;
    s->max = -INFINITY;
    for (int64_t c = 0; c < classes; c++) s->max = fmax(s->max, hy_load(s->logits, s->row + c * stride));
    for (int64_t c = 0; c < classes; c++) sum += exp(hy_load(s->logits, s->row + c * stride) - s->max);
    s->log_sum = log(sum);
}

static double sample_loss(const sample *s)
{
    const int64_t classes = s->logits->shape[1];
    const double picked = -log_probability(s, s->label);
    if (s->smoothing == 0) return picked; /* or else an infinite log probability times no smoothing would be NaN */
    double all = 0;
    for (int64_t c = 0; c < classes; c++) all -= log_probability(s, c);
    return (1 - s->smoothing) * picked + s->smoothing / (double)classes * all;
}

static hy_status reference_cross_entropy(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing,
                                         const hy_tensor *logits, const hy_tensor *labels, const hy_tensor *loss, const hy_tensor *grad)
{
    const int64_t samples = logits->shape[0], classes = logits->shape[1];
    int64_t counted;
    const hy_status status = check_labels(labels, classes, ignore_index, &counted);
    if (status != HY_OK) return status;

    const double divisor = reduction == HY_REDUCTION_mean ? (double)counted : 1;
    double total = 0;
    for (int64_t n = 0; n < samples; n++) {
        sample s = {.logits = logits,
                    .row = n * logits->strides[0],
                    .label = hy_load_integer(labels, n * labels->strides[0]),
                    .smoothing = label_smoothing};
        const bool ignored = s.label == ignore_index;
        if (!ignored) normalise(&s);
        const double value = ignored ? 0 : sample_loss(&s);
        if (reduction == HY_REDUCTION_none) hy_store(loss, n * loss->strides[0], value);
        total += value;
        for (int64_t c = 0; grad && c < classes; c++) {
            const double target = (c == s.label ? 1 - label_smoothing : 0) + label_smoothing / (double)classes;
            hy_store(grad, n * grad->strides[0] + c * grad->strides[1], ignored ? 0 : (exp(log_probability(&s, c)) - target) / divisor);
        }
    }
    if (reduction != HY_REDUCTION_none) hy_store(loss, 0, total / divisor);
    return HY_OK;
}

static hy_status reference_mse(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss,
                               const hy_tensor *grad)
{
    const double divisor = reduction == HY_REDUCTION_mean ? (double)hy_numel(x) : 1;
    const hy_tensor *each = reduction == HY_REDUCTION_none ? loss : NULL;
    double total = 0;
    for (hy_walk w = HY_WALK(x, x, target, each, grad); w.left > 0; hy_walk_next(&w)) {
        const double difference = hy_load(x, w.at[0]) - hy_load(target, w.at[1]);
        if (each) hy_store(each, w.at[2], difference * difference);
        if (grad) hy_store(grad, w.at[3], 2 * difference / divisor);
        total += difference * difference;
    }
    if (!each) hy_store(loss, 0, total / divisor);
    return HY_OK;
}

void hy_reference_loss(hy_backend *backend)
{
    backend->cross_entropy = reference_cross_entropy;
    backend->mse = reference_mse;
}
