/*
 * backend.h: the seam between the ABI and whoever does the work. A backend is one struct of function pointers, filled at start-up.
 * Each slot has the name, signature and meaning of its function in hybrid.h, less the checks: api.c has validated every argument
 * before it calls, so a slot may rely on all that hybrid.h promises. It still has to handle tensors without elements. An empty (NULL)
 * slot is HY_UNSUPPORTED: nothing falls back to another device.
 *
 * A slot reports what only the data shows (an index out of range) and what only the machine knows (no memory) through hy_fail.
 */
#ifndef HY_BACKEND_H
#define HY_BACKEND_H

#include "hybrid/hybrid.h"

typedef struct hy_backend {
    /* Memory of the device itself; the caching allocator in core/ stands between these and hy_alloc. Blocks are 64-byte aligned. */
    hy_status (*system_alloc)(hy_device *device, int64_t bytes, void **data);
    void (*system_free)(hy_device *device, void *data, int64_t bytes);

    hy_status (*synchronize)(hy_device *device);
    hy_status (*transfer)(hy_device *to_device, void *to, hy_device *from_device, const void *from, int64_t bytes);
    hy_status (*transfer_async)(hy_device *device, void *to, const void *from, int64_t bytes, int32_t to_host);
    hy_status (*host_alloc)(hy_device *device, int64_t bytes, void **data);
    hy_status (*host_free)(hy_device *device, void *data);

    /* Streams; a device that has none works at once, in the caller's order. The backend keeps hy_device.stream. */
    hy_status (*stream_create)(hy_device *device, hy_stream **stream);
    hy_status (*stream_destroy)(hy_device *device, hy_stream *stream);
    hy_status (*stream_set)(hy_device *device, hy_stream *stream);
    void (*stream_join)(hy_device *device, hy_stream *stream); /* the current stream waits for what was asked of that one */
    hy_status (*event_create)(hy_device *device, int32_t timing, hy_event **event);
    hy_status (*event_destroy)(hy_device *device, hy_event *event);
    hy_status (*event_record)(hy_device *device, hy_event *event);
    hy_status (*event_wait)(hy_device *device, hy_event *event);
    hy_status (*event_synchronize)(hy_device *device, hy_event *event);
    hy_status (*event_elapsed)(hy_device *device, hy_event *start, hy_event *end, double *milliseconds);
    hy_status (*graph_begin)(hy_device *device, const uint64_t *draws);
    hy_status (*graph_end)(hy_device *device, void **graph); /* ends the capture even when it fails */
    hy_status (*graph_launch)(hy_device *device, void *graph);
    hy_status (*graph_destroy)(hy_device *device, void *graph); /* waits until it has run */

    hy_status (*fill)(hy_device *device, double value, const hy_tensor *y);
    hy_status (*arange)(hy_device *device, double start, double step, const hy_tensor *y);
    hy_status (*random_uniform)(hy_device *device, uint64_t seed, uint64_t offset, double low, double high, const hy_tensor *y);
    hy_status (*random_normal)(hy_device *device, uint64_t seed, uint64_t offset, double mean, double std, const hy_tensor *y);
    hy_status (*random_integers)(hy_device *device, uint64_t seed, uint64_t offset, int64_t low, int64_t high, const hy_tensor *y);
    hy_status (*random_bernoulli)(hy_device *device, uint64_t seed, uint64_t offset, double p, const hy_tensor *y);
    hy_status (*unary)(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y);
    hy_status (*unary_backward)(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *g, const hy_tensor *dx);
    hy_status (*binary)(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);
    hy_status (*binary_scalar)(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *y);
    hy_status (*binary_backward)(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b, const hy_tensor *g, const hy_tensor *d);
    hy_status (*binary_scalar_backward)(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *g, const hy_tensor *d);
    hy_status (*compare)(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);
    hy_status (*compare_scalar)(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y);
    hy_status (*where)(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y);
    hy_status (*copy)(hy_device *device, const hy_tensor *x, const hy_tensor *y);
    hy_status (*reduce)(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y);
    hy_status (*arg_reduce)(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y);
    hy_status (*softmax)(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y);
    hy_status (*softmax_backward)(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm, const hy_tensor *dx);
    hy_status (*matmul)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y);
    hy_status (*matmul_prepare)(hy_device *device, const hy_tensor *b, int64_t *elements, const hy_tensor *prepared);
    hy_status (*matmul_prepared)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *prepared, const hy_tensor *bias, int32_t activation, const hy_tensor *y);
    hy_status (*conv2d)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y);
    hy_status (*conv2d_prepare)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, int32_t *way, int64_t *elements, const hy_tensor *prepared);
    hy_status (*conv2d_prepared)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *prepared, const hy_tensor *bias, const hy_tensor *y);
    hy_status (*conv2d_input_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx);
    hy_status (*conv2d_weight_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw, const hy_tensor *dbias);
    hy_status (*conv2d_ways)(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, int64_t *serving, int32_t *chosen); /* chosen may be NULL */
    hy_status (*max_pool2d)(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *index);
    hy_status (*max_pool2d_backward)(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *index, const hy_tensor *dx);
    hy_status (*avg_pool2d)(hy_device *device, const hy_pool2d_params *p, const hy_tensor *x, const hy_tensor *y);
    hy_status (*avg_pool2d_backward)(hy_device *device, const hy_pool2d_params *p, const hy_tensor *dy, const hy_tensor *dx);
    hy_status (*batch_norm)(hy_device *device, double eps, double momentum, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *bias, const hy_tensor *running_mean, const hy_tensor *running_var, const hy_tensor *y, const hy_tensor *mean, const hy_tensor *rstd);
    hy_status (*batch_norm_backward)(hy_device *device, const hy_tensor *dy, const hy_tensor *x, const hy_tensor *weight, const hy_tensor *mean, const hy_tensor *rstd, const hy_tensor *dx, const hy_tensor *dweight, const hy_tensor *dbias);
    hy_status (*cross_entropy)(hy_device *device, int32_t reduction, int64_t ignore_index, double label_smoothing, const hy_tensor *logits, const hy_tensor *labels, const hy_tensor *loss, const hy_tensor *grad);
    hy_status (*mse)(hy_device *device, int32_t reduction, const hy_tensor *x, const hy_tensor *target, const hy_tensor *loss, const hy_tensor *grad);
    hy_status (*gather)(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);
    hy_status (*scatter_add)(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);
    hy_status (*index_select)(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);
    hy_status (*index_add)(hy_device *device, const hy_tensor *x, int32_t axis, const hy_tensor *index, const hy_tensor *y);
    hy_status (*one_hot)(hy_device *device, const hy_tensor *index, const hy_tensor *y);
    hy_status (*quantize_weight)(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale);
    hy_status (*pack_int8)(hy_device *device, const hy_tensor *q, const hy_tensor *packed);
    hy_status (*quantized_linear)(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, int32_t activation, const hy_tensor *y);
    hy_status (*quantized_conv2d)(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y);
    hy_status (*sgd_step)(hy_device *device, const hy_sgd_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *buffer);
    hy_status (*adam_step)(hy_device *device, const hy_adam_params *p, int64_t count, const hy_tensor *param, const hy_tensor *grad, const hy_tensor *exp_avg, const hy_tensor *exp_avg_sq);
} hy_backend;

struct hy_allocator;
struct hy_tuning;

struct hy_device {
    hy_device_info info;
    hy_backend backend;              /* filled before the device is first handed out, constant afterwards */
    struct hy_allocator *allocator;
    struct hy_tuning *tuning;        /* NULL where the device leaves no choice: see core/tuning.h */
    hy_stream *stream;               /* the current one; NULL where the device has none */
};

#endif
