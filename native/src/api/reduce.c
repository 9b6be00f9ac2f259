/* Reductions, softmax, matrix products. */
#include <stdint.h>

#include "api/check.h"

static const struct {
    const char *name;
    int dtypes;
    bool needs_elements;
} reduce_rows[] = {[HY_REDUCE_sum] = {"sum", HY_SET_ANY, false},
                   [HY_REDUCE_mean] = {"mean", HY_SET_FLOATING, false},
                   [HY_REDUCE_prod] = {"prod", HY_SET_SIGNED, false},
                   [HY_REDUCE_max] = {"max", HY_SET_ANY, true},
                   [HY_REDUCE_min] = {"min", HY_SET_ANY, true}};

static hy_status check_reduced_shape(const hy_call *call, const hy_tensor *x, const hy_tensor *y)
{
    bool fits = x->ndim == y->ndim;
    for (int i = 0; fits && i < x->ndim; i++) fits = y->shape[i] == x->shape[i] || y->shape[i] == 1;
    if (fits) return HY_OK;
    char given[256], from[256];
    return hy_refuse(call, HY_BAD_SHAPE, "output has shape %s, expected the input's axes (%s), each of its extent or of 1", hy_format_shape(y, given),
                     hy_format_shape(x, from));
}

hy_status hy_reduce(hy_device *device, int32_t op, const hy_tensor *x, const hy_tensor *y)
{
    if (op < HY_REDUCE_sum || op > HY_REDUCE_min)
        return hy_refuse(&(hy_call){"reduce", NULL, NULL}, HY_BAD_ARGUMENT, "there is no reduction number %d, expected 0 to %d", op, HY_REDUCE_min);
    HY_CALL(reduce_rows[op].name, NULL);
    HY_TRY(hy_check_input(&call, "input", x, reduce_rows[op].dtypes));
    bool widens = op == HY_REDUCE_sum && (x->dtype == HY_UINT8 || x->dtype == HY_BOOL);
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(widens ? HY_INT64 : x->dtype)));
    HY_TRY(check_reduced_shape(&call, x, y));
    if (reduce_rows[op].needs_elements && hy_numel(x) == 0 && hy_numel(y) > 0) {
        char shape[256];
        return hy_refuse(&call, HY_BAD_SHAPE, "there is none of no elements (input %s)", hy_format_shape(x, shape));
    }
    HY_DISPATCH(reduce, op, x, y);
}

hy_status hy_arg_reduce(hy_device *device, int32_t maximum, const hy_tensor *x, int32_t axis, const hy_tensor *y)
{
    HY_CALL(maximum ? "arg_max" : "arg_min", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_ANY));
    HY_TRY(hy_check_axis(&call, x, axis));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(HY_INT64)));
    hy_tensor expected = *x;
    expected.shape[axis] = 1;
    HY_TRY(hy_check_shape(&call, "output", y, x->ndim, expected.shape));
    if (x->shape[axis] == 0) {
        char shape[256];
        return hy_refuse(&call, HY_BAD_SHAPE, "axis %d has no element (input %s)", axis, hy_format_shape(x, shape));
    }
    HY_DISPATCH(arg_reduce, maximum, x, axis, y);
}

hy_status hy_softmax(hy_device *device, const hy_tensor *x, int32_t axis, int32_t logarithm, const hy_tensor *y)
{
    HY_CALL(logarithm ? "log_softmax" : "softmax", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_FLOATING));
    HY_TRY(hy_check_axis(&call, x, axis));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the input", x));
    HY_DISPATCH(softmax, x, axis, logarithm, y);
}

hy_status hy_softmax_backward(hy_device *device, const hy_tensor *y, const hy_tensor *g, int32_t axis, int32_t logarithm, const hy_tensor *dx)
{
    HY_CALL(logarithm ? "log_softmax" : "softmax", "_backward");
    HY_TRY(hy_check_input(&call, "output", y, HY_SET_FLOATING));
    HY_TRY(hy_check_axis(&call, y, axis));
    HY_TRY(hy_check_input(&call, "gradient", g, HY_ONLY(y->dtype)));
    HY_TRY(hy_check_same_shape(&call, "gradient", g, "the output", y));
    HY_TRY(hy_check_output(&call, "input gradient", dx, HY_ONLY(y->dtype)));
    HY_TRY(hy_check_same_shape(&call, "input gradient", dx, "the output", y));
    HY_DISPATCH(softmax_backward, y, g, axis, logarithm, dx);
}

static hy_status check_matmul_shapes(const hy_call *call, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, const hy_tensor *y)
{
    char left[256], right[256];
    if (a->ndim < 2 || b->ndim < 2)
        return hy_refuse(call, HY_BAD_SHAPE, "operands have shapes %s and %s, expected at least 2 axes each", hy_format_shape(a, left),
                         hy_format_shape(b, right));
    int64_t m = a->shape[a->ndim - 2], k = a->shape[a->ndim - 1], n = b->shape[b->ndim - 1], shape[HY_MAX_DIMS] = {0};
    if (b->shape[b->ndim - 2] != k)
        return hy_refuse(call, HY_BAD_SHAPE, "the first operand has %lld columns, the second %lld rows (%s times %s)", (long long)k,
                         (long long)b->shape[b->ndim - 2], hy_format_shape(a, left), hy_format_shape(b, right));
    int32_t ndim = 0;
    HY_TRY(hy_check_broadcast(call, a, a->ndim - 2, &ndim, shape));
    HY_TRY(hy_check_broadcast(call, b, b->ndim - 2, &ndim, shape));
    shape[ndim++] = m;
    shape[ndim++] = n;
    HY_TRY(hy_check_vector(call, "bias", bias, n));
    return hy_check_shape(call, "output", y, ndim, shape);
}

static _Atomic int32_t precision = HY_FLOAT32_HIGHEST;

int32_t hy_get_float32_matmul_precision(void) { return precision; }

hy_status hy_set_float32_matmul_precision(int32_t wanted)
{
    if (wanted != HY_FLOAT32_HIGHEST && wanted != HY_FLOAT32_HIGH)
        return hy_fail(HY_BAD_ARGUMENT, "SetFloat32MatmulPrecision: precision %d, expected HY_FLOAT32_HIGHEST or HY_FLOAT32_HIGH", wanted);
    precision = wanted;
    return HY_OK;
}

static _Atomic int32_t deterministic;

int32_t hy_get_deterministic(void) { return deterministic; }

hy_status hy_set_deterministic(int32_t wanted)
{
    deterministic = wanted != 0;
    return HY_OK;
}

hy_status hy_matmul(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    HY_CALL("mat_mul", NULL);
    HY_TRY(hy_check_input(&call, "first operand", a, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_optional_input(&call, "bias", bias, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(a->dtype)));
    HY_TRY(check_matmul_shapes(&call, a, b, bias, y));
    HY_TRY(hy_check_activation(&call, activation));
    HY_DISPATCH(matmul, a, b, bias, activation, y);
}

/* The elements that B takes prepared; `prepared`, unless NULL, must have room for them. */
static hy_status check_prepared(const hy_call *call, const hy_tensor *b, const hy_tensor *prepared, int64_t *elements)
{
    const hy_backend *backend = &call->device->backend;
    *elements = 0; /* without the slot, and in 16 bits, which are computed as float32 */
    HY_TRY(hy_check_ndim(call, "second operand", b, 2));
    if (!backend->matmul) return hy_refuse_unsupported(call);
    if (backend->matmul_prepare && hy_dtype_size(b->dtype) >= 4) HY_TRY(backend->matmul_prepare(call->device, b, elements, NULL));
    return hy_check_prepared(call, prepared, *elements);
}

hy_status hy_matmul_prepare(hy_device *device, const hy_tensor *b, int64_t *elements, const hy_tensor *prepared)
{
    HY_CALL("mat_mul", "_prepare");
    HY_TRY(hy_check_pointer(&call, "elements", elements));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_SET_FLOATING));
    HY_TRY(hy_check_optional_output(&call, "prepared", prepared, HY_ONLY(b->dtype)));
    HY_TRY(check_prepared(&call, b, prepared, elements));
    return prepared && *elements > 0 ? device->backend.matmul_prepare(device, b, elements, prepared) : HY_OK;
}

hy_status hy_matmul_prepared(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *prepared, const hy_tensor *bias,
                             int32_t activation, const hy_tensor *y)
{
    int64_t elements;
    HY_CALL("mat_mul", "_prepared");
    HY_TRY(hy_check_input(&call, "first operand", a, HY_SET_FLOATING));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_input(&call, "prepared", prepared, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_optional_input(&call, "bias", bias, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_ndim(&call, "first operand", a, 2));
    HY_TRY(check_matmul_shapes(&call, a, b, bias, y));
    HY_TRY(hy_check_activation(&call, activation));
    HY_TRY(check_prepared(&call, b, prepared, &elements));
    if (elements == 0) HY_DISPATCH(matmul, a, b, bias, activation, y);
    HY_DISPATCH(matmul_prepared, a, b, prepared, bias, activation, y);
}
