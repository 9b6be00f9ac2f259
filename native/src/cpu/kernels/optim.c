/* Optimiser steps, each in one pass over its tensors. */
#include <math.h>

#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"

/* The same step for one dtype: constants are rounded once, outside the loop. */
#define SGD_KERNEL(suffix, T)                                                                       \
    static void sgd_plain_##suffix(void *const *data, int64_t n, const void *context)               \
    {                                                                                               \
        const hy_sgd_params *p = context;                                                           \
        T *param = data[0];                                                                         \
        const T *grad = data[1];                                                                    \
        const T rate = (T)p->learning_rate, decay = (T)p->weight_decay;                             \
        for (int64_t i = 0; i < n; i++) param[i] -= rate * (grad[i] + decay * param[i]);            \
    }                                                                                               \
    static void sgd_momentum_##suffix(void *const *data, int64_t n, const void *context)            \
    {                                                                                               \
        const hy_sgd_params *p = context;                                                           \
        T *param = data[0], *buffer = data[1];                                                      \
        const T *grad = data[2];                                                                    \
        const T rate = (T)p->learning_rate, decay = (T)p->weight_decay;                             \
        const T keep = p->first_step ? 0 : (T)p->momentum, add = p->first_step ? 1 : (T)(1 - p->dampening); \
        const T ahead = p->nesterov ? 1 : 0, along = p->nesterov ? (T)p->momentum : 1;              \
        const bool first = p->first_step;                                                           \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                      \
            const T g = grad[i] + decay * param[i], old = buffer[i];                                \
            const T moved = keep * (first ? 0 : old) + add * g; /* the first step's buffer may hold anything, NaN too */ \
            buffer[i] = moved;                                                                      \
            param[i] -= rate * (ahead * g + along * moved);                                         \
        }                                                                                           \
    }

SGD_KERNEL(f32, float)
SGD_KERNEL(f64, double)

static hy_status sgd_step(hy_device *device, const hy_sgd_params *p, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *buffer)
{
    bool single = param->dtype == HY_FLOAT32;
    if (p->momentum == 0) {
        const hy_tensor *operands[] = {param, grad};
        return hy_walk_run(single ? sgd_plain_f32 : sgd_plain_f64, p, 1, true, 2, operands);
    } else {
        const hy_tensor *operands[] = {param, buffer, grad};
        return hy_walk_run(single ? sgd_momentum_f32 : sgd_momentum_f64, p, 2, true, 3, operands);
    }
}

typedef struct adam {
    double beta1, beta2, eps;
    double shrink;     /* decoupled decay: the parameter times this */
    double decay;      /* otherwise: added to the gradient, times the parameter */
    double step;       /* learning rate over the first moment's bias correction */
    double correction; /* of the second moment */
} adam;

#define ADAM_KERNEL(suffix, T, root)                                                               \
    static void adam_##suffix(void *const *data, int64_t n, const void *context)                   \
    {                                                                                              \
        const adam *a = context;                                                                   \
        T *param = data[0], *exp_avg = data[1], *exp_avg_sq = data[2];                             \
        const T *grad = data[3];                                                                   \
        const T beta1 = (T)a->beta1, rest1 = (T)(1 - a->beta1), beta2 = (T)a->beta2, rest2 = (T)(1 - a->beta2); \
        const T eps = (T)a->eps, shrink = (T)a->shrink, decay = (T)a->decay, step = (T)a->step;    \
        const T scale = (T)(1 / sqrt(a->correction));                                              \
        _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++) {                                     \
            const T value = param[i], g = grad[i] + decay * value;                                 \
            const T m = beta1 * exp_avg[i] + rest1 * g;                                            \
            const T v = beta2 * exp_avg_sq[i] + rest2 * (g * g);                                   \
            exp_avg[i] = m;                                                                        \
            exp_avg_sq[i] = v;                                                                     \
            param[i] = value * shrink - step * m / (root(v) * scale + eps);                        \
        }                                                                                          \
    }

ADAM_KERNEL(f32, float, sqrtf)
ADAM_KERNEL(f64, double, sqrt)

static hy_status adam_step(hy_device *device, const hy_adam_params *p, const hy_tensor *param, const hy_tensor *grad,
                           const hy_tensor *exp_avg,
                           const hy_tensor *exp_avg_sq)
{
    const adam a = {
        .beta1 = p->beta1, .beta2 = p->beta2, .eps = p->eps,
        .shrink = p->decoupled ? 1 - p->learning_rate * p->weight_decay : 1, .decay = p->decoupled ? 0 : p->weight_decay,
        .step = p->learning_rate / (1 - pow(p->beta1, (double)p->step)), .correction = 1 - pow(p->beta2, (double)p->step),
    };
    const hy_tensor *operands[] = {param, exp_avg, exp_avg_sq, grad};
    return hy_walk_run(param->dtype == HY_FLOAT32 ? adam_f32 : adam_f64, &a, 3, true, 4, operands);
}

void HY_ISA(hy_fill_optim)(hy_backend *backend)
{
    backend->sgd_step = sgd_step;
    backend->adam_step = adam_step;
}
