/* bfloat16 and float16 where whole tensors are calculated with: in float32, on stand-ins, by the kernels that the other files have put into the
 * slots. What goes element by element widens and narrows on its way (walk.h); what only moves elements looks at their size alone. */
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/pack.h"

/* The slots as they were before this file. */
static hy_backend float32;

#define IN(t) t = hy_pack_float(&pack, t, true, false)
#define OUT(t) t = hy_pack_float(&pack, t, false, true)
#define BOTH(t) t = hy_pack_float(&pack, t, true, true)

/* The slot of that name, whose operand `first` says the dtype; then what becomes of each operand, then the arguments. */
#define SLOT(name, parameters, first, stand_ins, ...)                                                                     \
    static hy_status name parameters                                                                                      \
    {                                                                                                                     \
        if (!hy_is_half(first->dtype)) return float32.name(device, __VA_ARGS__);                                          \
        hy_pack pack = {.device = device};                                                                                \
        stand_ins;                                                                                                        \
        return hy_pack_end(&pack, pack.status == HY_OK ? float32.name(device, __VA_ARGS__) : pack.status);                \
    }

SLOT(arange, (hy_device *device, double start, double step, const hy_tensor *y), y, OUT(y), start, step, y)
SLOT(random_uniform, (hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y), y, OUT(y), seed, offset,
     low, high, y)
SLOT(random_normal, (hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y), y, OUT(y), seed, offset,
     mean, std, y)
SLOT(random_integers, (hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y), y, OUT(y), seed,
     offset, low, high, y)
SLOT(random_bernoulli, (hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y), y, OUT(y), seed, offset, p, y)

SLOT(reduce, (hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y), x, (IN(x), OUT(y)), op, x, y)
SLOT(arg_reduce, (hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y), x, IN(x), maximum, x, axis, y)
SLOT(softmax, (hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y), x, (IN(x), OUT(y)), x, axis,
     logarithm, y)
SLOT(softmax_backward,
     (hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm, const hy_tensor *dx), y,
     (IN(y), IN(g), OUT(dx)), y, g, axis, logarithm, dx)

SLOT(matmul, (hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y), a,
     (IN(a), IN(b), IN(bias), OUT(y)), a, b, bias, activation, y)
SLOT(conv2d,
     (hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y), x,
     (IN(x), IN(w), IN(bias), OUT(y)), p, x, w, bias, y)
SLOT(conv2d_input_grad, (hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx), dy,
     (IN(dy), IN(w), OUT(dx)), p, dy, w, dx)
SLOT(conv2d_weight_grad,
     (hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw, const hy_tensor *dbias), x,
     (IN(x), IN(dy), OUT(dw), OUT(dbias)), p, x, dy, dw, dbias)

SLOT(max_pool2d, (hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index), x,
     (IN(x), OUT(y)), p, x, y, index)
SLOT(max_pool2d_backward, (hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index, const hy_tensor *dx), dy,
     (IN(dy), OUT(dx)), p, dy, index, dx)
SLOT(avg_pool2d, (hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y), x, (IN(x), OUT(y)), p, x, y)
SLOT(avg_pool2d_backward, (hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx), dy, (IN(dy), OUT(dx)), p,
     dy, dx)
SLOT(batch_norm,
     (hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *bias, const hy_tensor *running_mean,
      const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd), x,
     (IN(x), IN(weight), IN(bias), BOTH(running_mean), BOTH(running_var), OUT(y), OUT(mean), OUT(rstd)), eps, momentum, x, weight, bias,
     running_mean, running_var, y, mean, rstd)
SLOT(batch_norm_backward,
     (hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *mean, const hy_tensor *rstd,
      const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias), x,
     (IN(dy), IN(x), IN(weight), IN(mean), IN(rstd), OUT(dx), OUT(dweight), OUT(dbias)), dy, x, weight, mean, rstd, dx, dweight, dbias)

SLOT(cross_entropy,
     (hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits, const hy_tensor *labels,
      const hy_tensor *loss, const hy_tensor *grad), logits,
     (IN(logits), OUT(loss), OUT(grad)), reduction, ignore_index, label_smoothing, logits, labels, loss, grad)
SLOT(mse, (hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss, const hy_tensor *grad), x,
     (IN(x), IN(target), OUT(loss), OUT(grad)), reduction, x, target, loss, grad)

SLOT(scatter_add, (hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y), x, (IN(x), BOTH(y)), x, axis,
     index, y)
SLOT(index_add, (hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y), x, (IN(x), BOTH(y)), x, axis,
     index, y)

void HY_ISA(hy_fill_half)(hy_backend *backend)
{
    float32 = *backend;
#define SERVE(slot) backend->slot = slot
    SERVE(arange), SERVE(random_uniform), SERVE(random_normal), SERVE(random_integers), SERVE(random_bernoulli);
    SERVE(reduce), SERVE(arg_reduce), SERVE(softmax), SERVE(softmax_backward);
    SERVE(matmul), SERVE(conv2d), SERVE(conv2d_input_grad), SERVE(conv2d_weight_grad);
    SERVE(max_pool2d), SERVE(max_pool2d_backward), SERVE(avg_pool2d), SERVE(avg_pool2d_backward);
    SERVE(batch_norm), SERVE(batch_norm_backward), SERVE(cross_entropy), SERVE(mse), SERVE(scatter_add), SERVE(index_add);
}
