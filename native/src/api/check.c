#include "api/check.h"

#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

/* "leaky_relu" and "_backward" become "LeakyReluBackward". */
static void pascal_case(const char *name, const char *suffix, char *text, size_t size)
{
    size_t length = 0;
    for (int part = 0; part < 2; part++) {
        bool upper = part == 0;
        for (const char *c = part ? suffix : name; c && *c && length + 1 < size; c++) {
            if (*c == '_') upper = true;
            else text[length++] = upper && *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
            if (*c != '_') upper = false;
        }
    }
    text[length] = 0;
}

hy_status hy_refuse(const hy_call *call, hy_status status, const char *format, ...)
{
    char name[64], text[900];
    pascal_case(call->name, call->suffix, name, sizeof name);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return hy_fail(status, "%s: %s", name, text);
}

static const char *device_name(const hy_device *device, char text[64])
{
    if (device->info.kind == HY_CPU) snprintf(text, 64, "the CPU (%s)", device->info.isa);
    else snprintf(text, 64, "CUDA device %d", device->info.index);
    return text;
}

hy_status hy_refuse_unsupported(const hy_call *call)
{
    char device[64];
    return hy_refuse(call, HY_UNSUPPORTED, "%s has no implementation of this operation", device_name(call->device, device));
}

hy_status hy_check_pointer(const hy_call *call, const char *what, const void *pointer)
{
    return pointer ? HY_OK : hy_refuse(call, HY_BAD_ARGUMENT, "%s is NULL", what);
}

static const char *dtype_list(int dtypes, char text[128])
{
    size_t length = 0;
    text[0] = 0;
    for (int i = 0; i < HY_DTYPES; i++)
        if (dtypes & HY_ONLY(i)) {
            const char *separator = length == 0 ? "" : dtypes >> (i + 1) ? ", " : " or ";
            length += (size_t)snprintf(text + length, 128 - length, "%s%s", separator, hy_dtype_name(i));
        }
    return text;
}

static hy_status refuse_dtype(const hy_call *call, const char *what, const hy_tensor *t, int dtypes)
{
    char list[128];
    dtype_list(dtypes, list);
    if (t->dtype < 0 || t->dtype >= HY_DTYPES) return hy_refuse(call, HY_BAD_DTYPE, "%s has dtype number %d, expected %s", what, t->dtype, list);
    return hy_refuse(call, HY_BAD_DTYPE, "%s is %s, expected %s", what, hy_dtype_name(t->dtype), list);
}

/* Whether extents and strides are sound: none negative, and neither the number of bytes nor the distance of the last overflows. */
static hy_status check_extents(const hy_call *call, const char *what, const hy_tensor *t)
{
    char shape[256];
    int64_t count = hy_dtype_size(t->dtype), reach = count;
    for (int i = 0; i < t->ndim; i++) {
        int64_t n = t->shape[i], stride = t->strides[i], span;
        if (n < 0) return hy_refuse(call, HY_BAD_SHAPE, "%s has a negative extent (%s)", what, hy_format_shape(t, shape));
        if (stride < 0) return hy_refuse(call, HY_BAD_SHAPE, "%s has the negative stride %lld on axis %d", what, (long long)stride, i);
        if (n <= 1) continue;
        if (__builtin_mul_overflow(count, n, &count))
            return hy_refuse(call, HY_BAD_SHAPE, "%s has more elements than memory can hold (%s)", what, hy_format_shape(t, shape));
        if (__builtin_mul_overflow(n - 1, stride, &span) || __builtin_mul_overflow(span, hy_dtype_size(t->dtype), &span)
            || __builtin_add_overflow(reach, span, &reach))
            return hy_refuse(call, HY_BAD_SHAPE, "%s has strides that reach beyond memory (%s, stride %lld on axis %d)", what,
                             hy_format_shape(t, shape), (long long)stride, i);
    }
    return HY_OK;
}

hy_status hy_check_input(const hy_call *call, const char *what, const hy_tensor *t, int dtypes)
{
    HY_TRY(hy_check_pointer(call, what, t));
    if (t->ndim < 0 || t->ndim > HY_MAX_DIMS) return hy_refuse(call, HY_BAD_SHAPE, "%s has %d axes, expected 0 to %d", what, t->ndim, HY_MAX_DIMS);
    if (t->dtype < 0 || t->dtype >= HY_DTYPES || !(dtypes & HY_ONLY(t->dtype))) return refuse_dtype(call, what, t, dtypes);
    if (t->device != call->device) {
        char name[64];
        return hy_refuse(call, HY_BAD_DEVICE, "%s lives on %s, expected %s", what, t->device ? "another device" : "no device",
                         device_name(call->device, name));
    }
    HY_TRY(check_extents(call, what, t));
    if ((uintptr_t)t->data & (uintptr_t)(hy_dtype_size(t->dtype) - 1)) /* sizes are powers of two */
        return hy_refuse(call, HY_BAD_ARGUMENT, "%s's data at %p is not aligned to its %s elements", what, t->data, hy_dtype_name(t->dtype));
    if (!t->data && hy_numel(t) > 0) {
        char shape[256];
        return hy_refuse(call, HY_BAD_ARGUMENT, "%s's data is NULL, but it has elements (%s)", what, hy_format_shape(t, shape));
    }
    return HY_OK;
}

/* Whether no two elements share a place, for the views that come from a dense tensor by slicing, permuting and reshaping: taken from the
 * smallest stride upward, each axis must step beyond everything that the axes before it reach. */
static bool is_free_of_overlap(const hy_tensor *t)
{
    int axis[HY_MAX_DIMS], count = 0;
    for (int i = t->ndim - 1; i >= 0; i--) {
        if (t->shape[i] == 0) return true;
        if (t->shape[i] == 1) continue;
        int place = count++;
        for (; place > 0 && t->strides[axis[place - 1]] > t->strides[i]; place--) axis[place] = axis[place - 1];
        axis[place] = i;
    }
    int64_t reach = 0;
    for (int k = 0; k < count; k++) {
        if (t->strides[axis[k]] <= reach) return false;
        reach += (t->shape[axis[k]] - 1) * t->strides[axis[k]];
    }
    return true;
}

hy_status hy_check_output(const hy_call *call, const char *what, const hy_tensor *t, int dtypes)
{
    HY_TRY(hy_check_input(call, what, t, dtypes));
    if (hy_is_contiguous(t) || is_free_of_overlap(t)) return HY_OK;
    char shape[256], strides[256];
    hy_tensor as_shape = *t;
    for (int i = 0; i < t->ndim; i++) as_shape.shape[i] = t->strides[i];
    return hy_refuse(call, HY_BAD_SHAPE, "%s's elements overlap one another (shape %s, strides %s), expected a view that does not alias itself", what,
                     hy_format_shape(t, shape), hy_format_shape(&as_shape, strides));
}

hy_status hy_check_optional_input(const hy_call *call, const char *what, const hy_tensor *t, int dtypes)
{
    return t ? hy_check_input(call, what, t, dtypes) : HY_OK;
}

hy_status hy_check_optional_output(const hy_call *call, const char *what, const hy_tensor *t, int dtypes)
{
    return t ? hy_check_output(call, what, t, dtypes) : HY_OK;
}

hy_status hy_check_shape(const hy_call *call, const char *what, const hy_tensor *t, int32_t ndim, const int64_t *shape)
{
    bool fits = t->ndim == ndim;
    for (int i = 0; fits && i < ndim; i++) fits = t->shape[i] == shape[i];
    if (fits) return HY_OK;
    hy_tensor expected = {.ndim = ndim};
    for (int i = 0; i < ndim; i++) expected.shape[i] = shape[i];
    char given[256], wanted[256];
    return hy_refuse(call, HY_BAD_SHAPE, "%s has shape %s, expected %s", what, hy_format_shape(t, given), hy_format_shape(&expected, wanted));
}

hy_status hy_check_same_shape(const hy_call *call, const char *what, const hy_tensor *t, const char *like_what, const hy_tensor *like)
{
    if (hy_same_shape(t, like)) return HY_OK;
    char given[256], wanted[256];
    return hy_refuse(call, HY_BAD_SHAPE, "%s has shape %s, expected %s, the shape of %s", what, hy_format_shape(t, given), hy_format_shape(like, wanted),
                     like_what);
}

hy_status hy_check_ndim(const hy_call *call, const char *what, const hy_tensor *t, int32_t ndim)
{
    if (t->ndim == ndim) return HY_OK;
    char shape[256];
    return hy_refuse(call, HY_BAD_SHAPE, "%s has shape %s, expected %d %s", what, hy_format_shape(t, shape), ndim, ndim == 1 ? "axis" : "axes");
}

hy_status hy_check_vector(const hy_call *call, const char *what, const hy_tensor *t, int64_t extent)
{
    return t ? hy_check_shape(call, what, t, 1, &extent) : HY_OK;
}

hy_status hy_check_broadcast(const hy_call *call, const hy_tensor *t, int32_t axes, int32_t *ndim, int64_t shape[HY_MAX_DIMS])
{
    int32_t wide = axes > *ndim ? axes : *ndim;
    int64_t result[HY_MAX_DIMS] = {0};
    for (int i = 0; i < wide; i++) {
        int j = i - (wide - *ndim), k = i - (wide - axes);
        int64_t a = j < 0 ? 1 : shape[j], b = k < 0 ? 1 : t->shape[k];
        if (a != b && a != 1 && b != 1) {
            hy_tensor left = {.ndim = *ndim}, right = {.ndim = axes};
            for (int n = 0; n < HY_MAX_DIMS; n++) left.shape[n] = shape[n], right.shape[n] = t->shape[n];
            char one[256], other[256];
            return hy_refuse(call, HY_BAD_SHAPE, "shapes %s and %s do not broadcast: %lld against %lld", hy_format_shape(&left, one),
                             hy_format_shape(&right, other), (long long)a, (long long)b);
        }
        result[i] = a == 1 ? b : a;
    }
    for (int i = 0; i < wide; i++) shape[i] = result[i];
    *ndim = wide;
    return HY_OK;
}

hy_status hy_check_broadcasts_to(const hy_call *call, const char *what, const hy_tensor *t, const char *to_what, const hy_tensor *to)
{
    bool fits = t->ndim <= to->ndim;
    for (int i = 1; fits && i <= t->ndim; i++) {
        int64_t n = t->shape[t->ndim - i];
        fits = n == 1 || n == to->shape[to->ndim - i];
    }
    if (fits) return HY_OK;
    char given[256], wanted[256];
    return hy_refuse(call, HY_BAD_SHAPE, "%s with shape %s does not broadcast to %s, the shape of %s", what, hy_format_shape(t, given),
                     hy_format_shape(to, wanted), to_what);
}

hy_status hy_check_activation(const hy_call *call, int32_t activation)
{
    enum { NO_PARAM = 1 };
#define PARAM(name, value) 0
    static const bool plain[] = {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) [HY_ACTIVATION(HY_UNARY_##name)] = param,
#include "hybrid/ops.def"
    };
#undef PARAM
    if (activation == HY_NO_ACTIVATION) return HY_OK;
    HY_TRY(hy_check_integer(call, "activation", activation, HY_NO_ACTIVATION, HY_UNARY_COUNT));
    if (plain[activation]) return HY_OK;
    return hy_refuse(call, HY_BAD_ARGUMENT, "activation is %d, an operation with a parameter, expected one without", activation);
}

hy_status hy_check_axis(const hy_call *call, const hy_tensor *x, int32_t axis)
{
    if (axis >= 0 && axis < x->ndim) return HY_OK;
    if (x->ndim == 0) return hy_refuse(call, HY_BAD_ARGUMENT, "axis %d asked, but the input has no axes", axis);
    return hy_refuse(call, HY_BAD_ARGUMENT, "axis %d asked, expected 0 to %d", axis, x->ndim - 1);
}

hy_status hy_check_range(const hy_call *call, const char *what, double value, double low, double high)
{
    if (value >= low && value <= high) return HY_OK;
    if (high == HUGE_VAL) return hy_refuse(call, HY_BAD_ARGUMENT, "%s is %g, expected %g or more", what, value, low);
    return hy_refuse(call, HY_BAD_ARGUMENT, "%s is %g, expected %g to %g", what, value, low, high);
}

hy_status hy_check_integer(const hy_call *call, const char *what, int64_t value, int64_t low, int64_t high)
{
    if (value >= low && value <= high) return HY_OK;
    if (high == INT32_MAX || high == INT64_MAX)
        return hy_refuse(call, HY_BAD_ARGUMENT, "%s is %lld, expected %lld or more", what, (long long)value, (long long)low);
    return hy_refuse(call, HY_BAD_ARGUMENT, "%s is %lld, expected %lld to %lld", what, (long long)value, (long long)low, (long long)high);
}

hy_status hy_check_prepared(const hy_call *call, const hy_tensor *prepared, int64_t elements)
{
    if (!prepared) return HY_OK;
    HY_TRY(hy_check_ndim(call, "prepared", prepared, 1));
    if (prepared->shape[0] >= elements && hy_is_contiguous(prepared)) return HY_OK;
    char text[256];
    return hy_refuse(call, HY_BAD_SHAPE, "prepared has shape %s, expected %lld or more contiguous elements", hy_format_shape(prepared, text),
                     (long long)elements);
}
