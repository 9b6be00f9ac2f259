/* Optimiser steps, each in one pass over all of its tensors. */
#include <math.h>

#include "core/glibc.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/numbers.h"
#include "cpu/kernels/walk.h"

/* A step of many parameters: `operands` arrays of `count` tensors, of which the first `outputs` are updated. */
typedef struct steps {
    hy_walk_kernel kernel[2]; /* of float32, which serves the 16-bit types too, and float64 */
    const void *context;
    int outputs, operands;
    int64_t count;
    const hy_tensor *tensors[HY_WALK_OPERANDS];
} steps;

/* Elements [begin, end) of parameter i. */
static void step_one(const steps *s, int64_t i, int64_t begin, int64_t end)
{
    const hy_tensor *operands[HY_WALK_OPERANDS] = {s->tensors[0] + i};
    for (int o = 1; o < s->operands; o++) operands[o] = s->tensors[o] + i;
    const hy_walk_kernel kernel = s->kernel[operands[0]->dtype == HY_FLOAT64];
    if (!hy_is_half(operands[0]->dtype) && hy_walk_is_flat(hy_numel(operands[0]), s->operands, operands)) {
        void *data[HY_WALK_OPERANDS];
        for (int o = 0; o < s->operands; o++) data[o] = (char *)operands[o]->data + begin * hy_dtype_size(operands[o]->dtype);
        kernel(data, end - begin, s->context);
        return;
    }
    hy_walk w;
    hy_walk_prepare(&w, s->outputs, s->operands, operands);
    hy_walk_widen(&w, operands);
    w.kernel = kernel, w.context = s->context, w.update = true;
    hy_walk_rows(&w, begin, end);
}

/* Where one parameter's elements end and the next one's begin: at whole cache lines, so that tasks, too, begin at those of every array. */
static int64_t room_of(const hy_tensor *param) { return (hy_numel(param) + 15) & ~(int64_t)15; }

/* The parameters are one long vector, so that tasks are cut by size alone, and many small ones share a task. */
static void step_range(void *context, int64_t begin, int64_t end)
{
    const steps *s = context;
    for (int64_t i = 0, first = 0; i < s->count && first < end; i++) {
        const int64_t from = hy_max(begin - first, 0), to = hy_min(end - first, hy_numel(s->tensors[0] + i));
        if (from < to) step_one(s, i, from, to);
        first += room_of(s->tensors[0] + i);
    }
}

static void step_all(steps *s)
{
    int64_t elements = 0;
    for (int64_t i = 0; i < s->count; i++) elements += room_of(s->tensors[0] + i);
    hy_parallel_for(elements, HY_WALK_GRAIN, step_range, s);
}

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

static hy_status sgd_step(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                          const hy_tensor *buffer)
{
    (void)device;
    if (p->momentum == 0) {
        step_all(&(steps){{sgd_plain_f32, sgd_plain_f64}, p, 1, 2, count, {param, grad}});
    } else {
        step_all(&(steps){{sgd_momentum_f32, sgd_momentum_f64}, p, 2, 3, count, {param, buffer, grad}});
    }
    return HY_OK;
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

static hy_status adam_step(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad,
                           const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq)
{
    (void)device;
    const adam a = {
        .beta1 = p->beta1, .beta2 = p->beta2, .eps = p->eps,
        .shrink = p->decoupled ? 1 - p->learning_rate * p->weight_decay : 1, .decay = p->decoupled ? 0 : p->weight_decay,
        .step = p->learning_rate / (1 - pow(p->beta1, (double)p->step)), .correction = 1 - pow(p->beta2, (double)p->step),
    };
    step_all(&(steps){{adam_f32, adam_f64}, &a, 3, 4, count, {param, exp_avg, exp_avg_sq, grad}});
    return HY_OK;
}

void HY_ISA(hy_fill_optim)(hy_backend *backend)
{
    backend->sgd_step = sgd_step;
    backend->adam_step = adam_step;
}
