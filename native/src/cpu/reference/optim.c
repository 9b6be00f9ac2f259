/* Optimiser steps, in the order in which PyTorch takes them. */
#include <math.h>

#include "core/glibc.h"
#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

static void sgd(const hy_sgd_params *p, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *buffer)
{
    for (hy_walk w = HY_WALK(param, param, grad, buffer); w.left > 0; hy_walk_next(&w)) {
        const double value = hy_load(param, w.at[0]);
        double step = hy_load(grad, w.at[1]) + p->weight_decay * value;
        if (p->momentum != 0) {
            const double moved = p->first_step ? step : p->momentum * hy_load(buffer, w.at[2]) + (1 - p->dampening) * step;
            hy_store(buffer, w.at[2], moved);
            step = p->nesterov ? step + p->momentum * moved : moved;
        }
        hy_store(param, w.at[0], value - p->learning_rate * step);
    }
}

static hy_status reference_sgd_step(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                                    const hy_tensor *buffer)
{
    for (int64_t i = 0; i < count; i++) sgd(p, param + i, grad + i, buffer ? buffer + i : NULL);
    return HY_OK;
}

static void adam(const hy_adam_params *p, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq)
{
    const double correction1 = 1 - pow(p->beta1, (double)p->step), correction2 = 1 - pow(p->beta2, (double)p->step);
    for (hy_walk w = HY_WALK(param, param, grad, exp_avg, exp_avg_sq); w.left > 0; hy_walk_next(&w)) {
        double value = hy_load(param, w.at[0]), g = hy_load(grad, w.at[1]);
        if (p->decoupled) value -= p->learning_rate * p->weight_decay * value;
        else g += p->weight_decay * value;
        const double m = p->beta1 * hy_load(exp_avg, w.at[2]) + (1 - p->beta1) * g;
        const double v = p->beta2 * hy_load(exp_avg_sq, w.at[3]) + (1 - p->beta2) * g * g;
        hy_store(exp_avg, w.at[2], m);
        hy_store(exp_avg_sq, w.at[3], v);
        hy_store(param, w.at[0], value - p->learning_rate * (m / correction1) / (sqrt(v / correction2) + p->eps));
    }
}

static hy_status reference_adam_step(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                                     const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq)
{
    for (int64_t i = 0; i < count; i++) adam(p, param + i, grad + i, exp_avg + i, exp_avg_sq + i);
    return HY_OK;
}

void hy_reference_optim(hy_backend *backend)
{
    backend->sgd_step = reference_sgd_step;
    backend->adam_step = reference_adam_step;
}
