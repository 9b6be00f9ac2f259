/* Elementwise operations: the rows of ops.def, expanded with T = double for floating dtypes and T = int64_t for the integers. */
#include "core/glibc.h"
#include "core/status.h"
#include "core/tensor.h"
#include "cpu/reference/access.h"
#include "cpu/reference/functions.h"
#include "cpu/reference/reference.h"

/* A row's dtypes column decides whether it is compiled for integers too. */
#define HY_INTEGER_ANY(...) __VA_ARGS__
#define HY_INTEGER_FLOAT(...)

#define T double

static double unary_value(int32_t op, double p, double x)
{
    switch (op) {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) \
    case HY_UNARY_##name: return forward;
#include "hybrid/ops.def"
    }
    return NAN;
}

static double unary_derivative(int32_t op, double p, double x, double y, double g)
{
    switch (op) {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) \
    case HY_UNARY_##name: return derivative;
#include "hybrid/ops.def"
    }
    return NAN;
}

static double binary_value(int32_t op, double a, double b)
{
    switch (op) {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    case HY_BINARY_##name: return forward;
#include "hybrid/ops.def"
    }
    return NAN;
}

static double binary_derivative(int32_t op, int32_t operand, double a, double b, double g)
{
    switch (op) {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    case HY_BINARY_##name: return operand == 0 ? (derivative_a) : (derivative_b);
#include "hybrid/ops.def"
    }
    return NAN;
}

static bool compare_value(int32_t op, double a, double b)
{
    switch (op) {
#define HY_COMPARE(name, condition, doc) \
    case HY_COMPARE_##name: return condition;
#include "hybrid/ops.def"
    }
    return false;
}

#undef T
#define T int64_t

static int64_t unary_integer(int32_t op, int64_t x)
{
    switch (op) {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) \
    HY_INTEGER_##dtypes(case HY_UNARY_##name: return forward;)
#include "hybrid/ops.def"
    }
    return 0;
}

static int64_t binary_integer(int32_t op, int64_t a, int64_t b)
{
    switch (op) {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    HY_INTEGER_##dtypes(case HY_BINARY_##name: return forward;)
#include "hybrid/ops.def"
    }
    return 0;
}

static bool compare_integer(int32_t op, int64_t a, int64_t b)
{
    switch (op) {
#define HY_COMPARE(name, condition, doc) \
    case HY_COMPARE_##name: return condition;
#include "hybrid/ops.def"
    }
    return false;
}

#undef T

static hy_status reference_unary(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y)
{
    const double parameter = hy_rounded(x->dtype, p);
    for (hy_walk w = HY_WALK(y, x, y); w.left > 0; hy_walk_next(&w)) {
        if (hy_is_floating(x->dtype)) hy_store(y, w.at[1], unary_value(op, parameter, hy_load(x, w.at[0])));
        else hy_store_integer(y, w.at[1], unary_integer(op, hy_load_integer(x, w.at[0])));
    }
    return HY_OK;
}

static hy_status reference_unary_backward(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y,
                                          const hy_tensor *g, const hy_tensor *dx)
{
    const double parameter = hy_rounded(dx->dtype, p);
    for (hy_walk w = HY_WALK(dx, x, y, g, dx); w.left > 0; hy_walk_next(&w))
        hy_store(dx, w.at[3], unary_derivative(op, parameter, hy_load(x, w.at[0]), hy_load(y, w.at[1]), hy_load(g, w.at[2])));
    return HY_OK;
}

static hy_status reference_binary(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    for (hy_walk w = HY_WALK(y, a, b, y); w.left > 0; hy_walk_next(&w)) {
        if (hy_is_floating(y->dtype)) hy_store(y, w.at[2], binary_value(op, hy_load(a, w.at[0]), hy_load(b, w.at[1])));
        else hy_store_integer(y, w.at[2], binary_integer(op, hy_load_integer(a, w.at[0]), hy_load_integer(b, w.at[1])));
    }
    return HY_OK;
}

/** A zero-dimensional view of `storage` that holds s as calculation with `like` takes it: the scalar as an operand. */
static hy_tensor scalar_operand(const hy_tensor *like, double s, double *storage)
{
    hy_tensor t = {.data = storage, .device = like->device, .dtype = hy_compute_dtype(like->dtype), .ndim = 0};
    hy_store(&t, 0, s);
    return t;
}

static hy_status reference_binary_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first,
                                         const hy_tensor *y)
{
    double storage;
    const hy_tensor scalar = scalar_operand(x, s, &storage);
    return scalar_first ? reference_binary(device, op, &scalar, x, y) : reference_binary(device, op, x, &scalar, y);
}

static hy_status reference_binary_backward(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b,
                                           const hy_tensor *g, const hy_tensor *d)
{
    for (hy_walk w = HY_WALK(d, a, b, g, d); w.left > 0; hy_walk_next(&w))
        hy_store(d, w.at[3], binary_derivative(op, operand, hy_load(a, w.at[0]), hy_load(b, w.at[1]), hy_load(g, w.at[2])));
    return HY_OK;
}

static hy_status reference_binary_scalar_backward(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first,
                                                  const hy_tensor *g, const hy_tensor *d)
{
    double storage;
    const hy_tensor scalar = scalar_operand(d, s, &storage);
    return scalar_first ? reference_binary_backward(device, op, 1, &scalar, x, g, d)
                        : reference_binary_backward(device, op, 0, x, &scalar, g, d);
}

static hy_status reference_compare(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    for (hy_walk w = HY_WALK(y, a, b, y); w.left > 0; hy_walk_next(&w)) {
        const bool holds = hy_is_floating(a->dtype) ? compare_value(op, hy_load(a, w.at[0]), hy_load(b, w.at[1]))
                                                    : compare_integer(op, hy_load_integer(a, w.at[0]), hy_load_integer(b, w.at[1]));
        hy_store_integer(y, w.at[2], holds);
    }
    return HY_OK;
}

static hy_status reference_compare_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y)
{
    const double b = hy_compute_dtype(x->dtype) == HY_FLOAT32 ? (float)s : s;
    for (hy_walk w = HY_WALK(y, x, y); w.left > 0; hy_walk_next(&w))
        hy_store_integer(y, w.at[1], compare_value(op, hy_load(x, w.at[0]), b));
    return HY_OK;
}

static hy_status reference_where(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    for (hy_walk w = HY_WALK(y, condition, a, b, y); w.left > 0; hy_walk_next(&w)) {
        if (hy_load_integer(condition, w.at[0])) hy_move(y, w.at[3], a, w.at[1]);
        else hy_move(y, w.at[3], b, w.at[2]);
    }
    return HY_OK;
}

void hy_reference_elementwise(hy_backend *backend)
{
    backend->unary = reference_unary;
    backend->unary_backward = reference_unary_backward;
    backend->binary = reference_binary;
    backend->binary_scalar = reference_binary_scalar;
    backend->binary_backward = reference_binary_backward;
    backend->binary_scalar_backward = reference_binary_scalar_backward;
    backend->compare = reference_compare;
    backend->compare_scalar = reference_compare_scalar;
    backend->where = reference_where;
}
