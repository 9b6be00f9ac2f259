/* Normalisation, losses, optimiser steps. */
#include <math.h>
#include <stdint.h>

#include "api/check.h"

/* Channels and enough values of each: x is [N, C, ...]. */
static hy_status check_channels(const hy_call *call, const hy_tensor *x)
{
    char shape[256];
    if (x->ndim < 2) return hy_refuse(call, HY_BAD_SHAPE, "input has shape %s, expected [N, C, ...]", hy_format_shape(x, shape));
    int64_t values = 1;
    for (int i = 0; i < x->ndim; i++) values *= i == 1 ? 1 : x->shape[i];
    if (values >= 2) return HY_OK;
    return hy_refuse(call, HY_BAD_SHAPE, "%lld values a channel, expected at least 2 (input %s)", (long long)values, hy_format_shape(x, shape));
}

hy_status hy_batch_norm(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *bias,
                        const hy_tensor *running_mean, const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd)
{
    HY_CALL("batch_norm", NULL);
    HY_TRY(hy_check_range(&call, "eps", eps, 0, HUGE_VAL));
    HY_TRY(hy_check_range(&call, "momentum", momentum, 0, 1));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    int dtype = HY_ONLY(x->dtype);
    HY_TRY(hy_check_optional_input(&call, "weight", weight, dtype));
    HY_TRY(hy_check_optional_input(&call, "bias", bias, dtype));
    HY_TRY(hy_check_optional_output(&call, "running mean", running_mean, dtype));
    HY_TRY(hy_check_optional_output(&call, "running variance", running_var, dtype));
    HY_TRY(hy_check_output(&call, "output", y, dtype));
    HY_TRY(hy_check_output(&call, "mean", mean, dtype));
    HY_TRY(hy_check_output(&call, "rstd", rstd, dtype));
    HY_TRY(check_channels(&call, x));
    HY_TRY(hy_check_vector(&call, "weight", weight, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "bias", bias, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "running mean", running_mean, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "running variance", running_var, x->shape[1]));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the input", x));
    HY_TRY(hy_check_vector(&call, "mean", mean, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "rstd", rstd, x->shape[1]));
    HY_DISPATCH(batch_norm, eps, momentum, x, weight, bias, running_mean, running_var, y, mean, rstd);
}

hy_status hy_batch_norm_backward(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *mean,
                                 const hy_tensor *rstd, const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias)
{
    HY_CALL("batch_norm", "_backward");
    HY_TRY(hy_check_input(&call, "output gradient", dy, HY_SET_FLOATING));
    int dtype = HY_ONLY(dy->dtype);
    HY_TRY(hy_check_input(&call, "input", x, dtype));
    HY_TRY(hy_check_optional_input(&call, "weight", weight, dtype));
    HY_TRY(hy_check_input(&call, "mean", mean, dtype));
    HY_TRY(hy_check_input(&call, "rstd", rstd, dtype));
    HY_TRY(hy_check_optional_output(&call, "input gradient", dx, dtype));
    HY_TRY(hy_check_optional_output(&call, "weight gradient", dweight, dtype));
    HY_TRY(hy_check_optional_output(&call, "bias gradient", dbias, dtype));
    HY_TRY(check_channels(&call, x));
    HY_TRY(hy_check_same_shape(&call, "output gradient", dy, "the input", x));
    HY_TRY(hy_check_vector(&call, "weight", weight, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "mean", mean, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "rstd", rstd, x->shape[1]));
    if (dx) HY_TRY(hy_check_same_shape(&call, "input gradient", dx, "the input", x));
    HY_TRY(hy_check_vector(&call, "weight gradient", dweight, x->shape[1]));
    HY_TRY(hy_check_vector(&call, "bias gradient", dbias, x->shape[1]));
    HY_DISPATCH(batch_norm_backward, dy, x, weight, mean, rstd, dx, dweight, dbias);
}

/* A loss of `samples` (any shape) reduced as asked. */
static hy_status check_loss(const hy_call *call, int32_t reduction, const hy_tensor *samples, const hy_tensor *loss)
{
    if (reduction == HY_REDUCTION_none) return hy_check_same_shape(call, "loss", loss, "the samples", samples);
    return hy_check_shape(call, "loss", loss, 0, NULL);
}

hy_status hy_cross_entropy(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits,
                           const hy_tensor *labels, const hy_tensor *loss, const hy_tensor *grad)
{
    HY_CALL("cross_entropy", NULL);
    HY_TRY(hy_check_integer(&call, "reduction", reduction, HY_REDUCTION_none, HY_REDUCTION_sum));
    HY_TRY(hy_check_range(&call, "label smoothing", label_smoothing, 0, 1));
    HY_TRY(hy_check_input(&call, "logits", logits, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "labels", labels, HY_ONLY(HY_INT64)));
    HY_TRY(hy_check_output(&call, "loss", loss, HY_ONLY(logits->dtype)));
    HY_TRY(hy_check_optional_output(&call, "gradient", grad, HY_ONLY(logits->dtype)));
    HY_TRY(hy_check_ndim(&call, "logits", logits, 2));
    if (logits->shape[1] < 1) return hy_refuse(&call, HY_BAD_SHAPE, "logits have no class (%s)", hy_format_shape(logits, (char[256]){0}));
    if (labels->ndim != 1 || labels->shape[0] != logits->shape[0])
        return hy_refuse(&call, HY_BAD_SHAPE, "labels have shape %s, expected one a row of the logits %s", hy_format_shape(labels, (char[256]){0}),
                         hy_format_shape(logits, (char[256]){0}));
    HY_TRY(check_loss(&call, reduction, labels, loss));
    if (grad) HY_TRY(hy_check_same_shape(&call, "gradient", grad, "the logits", logits));
    HY_DISPATCH(cross_entropy, reduction, ignore_index, label_smoothing, logits, labels, loss, grad);
}

hy_status hy_mse(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss, const hy_tensor *grad)
{
    HY_CALL("mse_loss", NULL);
    HY_TRY(hy_check_integer(&call, "reduction", reduction, HY_REDUCTION_none, HY_REDUCTION_sum));
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "target", target, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_output(&call, "loss", loss, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_optional_output(&call, "gradient", grad, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_same_shape(&call, "target", target, "the input", x));
    HY_TRY(check_loss(&call, reduction, x, loss));
    if (grad) HY_TRY(hy_check_same_shape(&call, "gradient", grad, "the input", x));
    HY_DISPATCH(mse, reduction, x, target, loss, grad);
}

/* An array of views, whose i-th is like the i-th parameter. */
static hy_status check_like_param(const hy_call *call, const char *what, const hy_tensor *t, const hy_tensor *param, bool updated)
{
    if (updated) HY_TRY(hy_check_output(call, what, t, HY_ONLY(param->dtype)));
    else HY_TRY(hy_check_input(call, what, t, HY_ONLY(param->dtype)));
    return hy_check_same_shape(call, what, t, "the parameter", param);
}

/* The parameters and their gradients. */
static hy_status check_gradients(const hy_call *call, int64_t count, const hy_tensor *param, const hy_tensor *grad)
{
    HY_TRY(hy_check_integer(call, "count", count, 0, INT64_MAX));
    if (count > 0) HY_TRY(hy_check_pointer(call, "parameter", param));
    if (count > 0) HY_TRY(hy_check_pointer(call, "gradient", grad));
    for (int64_t i = 0; i < count; i++) {
        HY_TRY(hy_check_output(call, "parameter", param + i, HY_SET_FLOATING));
        HY_TRY(check_like_param(call, "gradient", grad + i, param + i, false));
    }
    return HY_OK;
}

/* What an optimiser keeps for the parameters. */
static hy_status check_states(const hy_call *call, const char *what, int64_t count, const hy_tensor *state, const hy_tensor *param)
{
    if (count > 0) HY_TRY(hy_check_pointer(call, what, state));
    for (int64_t i = 0; i < count; i++) HY_TRY(check_like_param(call, what, state + i, param + i, true));
    return HY_OK;
}

static hy_status check_schedule(const hy_call *call, const double *schedule)
{
    if (!schedule || call->device->backend.graph_begin) return HY_OK;
    return hy_refuse(call, HY_UNSUPPORTED, "a schedule is given, which a device without graphs does not read: expected NULL");
}

hy_status hy_sgd_step(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                      const hy_tensor *buffer)
{
    HY_CALL("sgd_step", NULL);
    HY_TRY(hy_check_pointer(&call, "the parameters", p));
    HY_TRY(check_schedule(&call, p->schedule));
    HY_TRY(check_gradients(&call, count, param, grad));
    if (!buffer && p->momentum != 0) return hy_refuse(&call, HY_BAD_ARGUMENT, "momentum is %g, but the buffer is NULL", p->momentum);
    if (buffer) HY_TRY(check_states(&call, "buffer", count, buffer, param));
    HY_DISPATCH(sgd_step, p, count, param, grad, buffer);
}

hy_status hy_adam_step(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                       const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq)
{
    HY_CALL("adam_step", NULL);
    HY_TRY(hy_check_pointer(&call, "the parameters", p));
    HY_TRY(hy_check_range(&call, "beta1", p->beta1, 0, 1));
    HY_TRY(hy_check_range(&call, "beta2", p->beta2, 0, 1));
    HY_TRY(hy_check_integer(&call, "step", p->step, 1, INT64_MAX));
    HY_TRY(check_schedule(&call, p->schedule));
    HY_TRY(check_gradients(&call, count, param, grad));
    HY_TRY(check_states(&call, "first moment", count, exp_avg, param));
    HY_TRY(check_states(&call, "second moment", count, exp_avg_sq, param));
    HY_DISPATCH(adam_step, p, count, param, grad, exp_avg, exp_avg_sq);
}
