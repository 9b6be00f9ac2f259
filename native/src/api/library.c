/* What the library says of itself. */
#include <stddef.h>
#include <string.h>

#include "hybrid/hybrid.h"

int32_t hy_abi_version(void)
{
    return HY_ABI_VERSION;
}

const char *hy_version(void)
{
    return HY_VERSION;
}

typedef struct layout {
    const char *name, *field;
    int64_t value;
} layout;

#define STRUCT(s) {#s, NULL, sizeof(s)},
#define FIELD(s, f) {#s, #f, offsetof(s, f)},
#define FIELDS2(s, a, b) FIELD(s, a) FIELD(s, b)
#define FIELDS3(s, a, b, c) FIELDS2(s, a, b) FIELD(s, c)
#define FIELDS4(s, a, b, c, d) FIELDS2(s, a, b) FIELDS2(s, c, d)

static const layout layouts[] = {
    STRUCT(hy_tensor) FIELDS3(hy_tensor, data, device, dtype) FIELDS3(hy_tensor, ndim, shape, strides)
    STRUCT(hy_device_info) FIELDS4(hy_device_info, kind, index, cores, vector_bytes) FIELDS4(hy_device_info, memory_bytes, name, isa, blas)
    STRUCT(hy_memory_stats) FIELDS3(hy_memory_stats, live, live_peak, cached) FIELDS3(hy_memory_stats, limit, allocations, system_allocations)
    STRUCT(hy_conv2d_params) FIELDS3(hy_conv2d_params, stride, padding, dilation) FIELDS4(hy_conv2d_params, groups, activation, exact, way)
    STRUCT(hy_pool2d_params) FIELDS3(hy_pool2d_params, kernel, stride, padding) FIELDS2(hy_pool2d_params, dilation, count_include_pad)
    STRUCT(hy_sgd_params) FIELDS3(hy_sgd_params, learning_rate, momentum, dampening) FIELDS4(hy_sgd_params, weight_decay, nesterov, first_step, schedule)
    STRUCT(hy_adam_params) FIELDS4(hy_adam_params, learning_rate, beta1, beta2, eps) FIELDS4(hy_adam_params, weight_decay, decoupled, step, schedule)
};

int64_t hy_layout(const char *name, const char *field)
{
    if (!name) return -1;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts; i++) {
        const layout *l = &layouts[i];
        if (strcmp(l->name, name) == 0 && (field ? l->field && strcmp(l->field, field) == 0 : !l->field)) return l->value;
    }
    return -1;
}
