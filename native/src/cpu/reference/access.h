/* How the reference reads and writes elements: one accessor pair for floating numbers, one for integers, and a walk over strided views. */
#ifndef HY_CPU_REFERENCE_ACCESS_H
#define HY_CPU_REFERENCE_ACCESS_H

#include <math.h>
#include <string.h>

#include "core/tensor.h"

/** v as a C cast to an integer gives it, saturated to [low, high] where C leaves it undefined; NaN gives 0. */
static inline int64_t hy_saturate(double v, int64_t low, int64_t high)
{
    if (v != v) return 0;
    if (v <= (double)low) return low;
    if (v >= (double)high) return high;
    return (int64_t)v;
}

/* The two floating formats of 16 bits, by their definition: sign, exponent, and what follows the leading binary digit. */
typedef struct hy_half_format {
    int fraction;  /* digits after the point */
    int least;     /* exponent of the smallest normal number */
    int greatest;
} hy_half_format;

static inline hy_half_format hy_half_format_of(int32_t dtype)
{
    return dtype == HY_BFLOAT16 ? (hy_half_format){7, -126, 127} : (hy_half_format){10, -14, 15};
}

static inline double hy_half_value(int32_t dtype, uint16_t bits)
{
    const hy_half_format f = hy_half_format_of(dtype);
    const int exponent = (bits & 0x7FFF) >> f.fraction, fraction = bits & ((1 << f.fraction) - 1);
    double size = ldexp(fraction + (exponent ? 1 << f.fraction : 0), (exponent ? exponent - 1 : 0) + f.least - f.fraction);
    if (exponent == f.greatest - f.least + 2) size = fraction ? NAN : INFINITY;
    return bits & 0x8000 ? -size : size;
}

/** v rounded to float32, then to the nearest number of the format, to even between two. */
static inline uint16_t hy_half_bits(int32_t dtype, double v)
{
    const hy_half_format f = hy_half_format_of(dtype);
    const double size = fabs((float)v);
    const uint16_t sign = signbit(v) ? 0x8000 : 0, infinity = (uint16_t)((f.greatest - f.least + 2) << f.fraction);
    int exponent;
    if (v != v) return sign | infinity | (uint16_t)(1 << (f.fraction - 1));
    if (isinf(size)) return sign | infinity;
    frexp(size, &exponent);
    exponent = exponent - 1 < f.least || size == 0 ? f.least : exponent - 1;
    const double digits = rint(ldexp(size, f.fraction - exponent)); /* from 2^fraction on, the number is normal and the exponent counts from 1 */
    const double bits = ldexp(exponent - f.least, f.fraction) + digits;
    return sign | (bits >= infinity ? infinity : (uint16_t)bits);
}

/** Element `at` (an offset in elements) as double; NULL has the value `otherwise` everywhere. */
static inline double hy_load_or(const hy_tensor *t, int64_t at, double otherwise)
{
    if (!t) return otherwise;
    switch (t->dtype) {
    case HY_FLOAT32: return ((const float *)t->data)[at];
    case HY_FLOAT64: return ((const double *)t->data)[at];
    case HY_INT32: return ((const int32_t *)t->data)[at];
    case HY_INT64: return (double)((const int64_t *)t->data)[at];
    case HY_UINT8: return ((const uint8_t *)t->data)[at];
    case HY_INT8: return ((const int8_t *)t->data)[at];
    case HY_BFLOAT16:
    case HY_FLOAT16: return hy_half_value(t->dtype, ((const uint16_t *)t->data)[at]);
    default: return ((const uint8_t *)t->data)[at] != 0;
    }
}

static inline double hy_load(const hy_tensor *t, int64_t at) { return hy_load_or(t, at, 0); }

static inline int64_t hy_load_integer(const hy_tensor *t, int64_t at)
{
    switch (t->dtype) {
    case HY_INT32: return ((const int32_t *)t->data)[at];
    case HY_INT64: return ((const int64_t *)t->data)[at];
    case HY_UINT8: return ((const uint8_t *)t->data)[at];
    case HY_INT8: return ((const int8_t *)t->data)[at];
    case HY_BOOL: return ((const uint8_t *)t->data)[at] != 0;
    default: return hy_saturate(hy_load(t, at), INT64_MIN, INT64_MAX);
    }
}

/** Stores v, cast as hy_copy documents. */
static inline void hy_store(const hy_tensor *t, int64_t at, double v)
{
    switch (t->dtype) {
    case HY_FLOAT32: ((float *)t->data)[at] = (float)v; break;
    case HY_FLOAT64: ((double *)t->data)[at] = v; break;
    case HY_INT32: ((int32_t *)t->data)[at] = (int32_t)hy_saturate(v, INT32_MIN, INT32_MAX); break;
    case HY_INT64: ((int64_t *)t->data)[at] = hy_saturate(v, INT64_MIN, INT64_MAX); break;
    case HY_UINT8: ((uint8_t *)t->data)[at] = (uint8_t)hy_saturate(v, 0, UINT8_MAX); break;
    case HY_INT8: ((int8_t *)t->data)[at] = (int8_t)hy_saturate(v, INT8_MIN, INT8_MAX); break;
    case HY_BFLOAT16:
    case HY_FLOAT16: ((uint16_t *)t->data)[at] = hy_half_bits(t->dtype, v); break;
    default: ((uint8_t *)t->data)[at] = v != 0; break;
    }
}

/** Stores v, wrapped to a narrower integer. */
static inline void hy_store_integer(const hy_tensor *t, int64_t at, int64_t v)
{
    switch (t->dtype) {
    case HY_FLOAT32: ((float *)t->data)[at] = (float)v; break;
    case HY_FLOAT64: ((double *)t->data)[at] = (double)v; break;
    case HY_INT32: ((int32_t *)t->data)[at] = (int32_t)v; break;
    case HY_INT64: ((int64_t *)t->data)[at] = v; break;
    case HY_UINT8: ((uint8_t *)t->data)[at] = (uint8_t)v; break;
    case HY_INT8: ((int8_t *)t->data)[at] = (int8_t)v; break;
    case HY_BFLOAT16:
    case HY_FLOAT16: hy_store(t, at, (float)v); break; /* double would round once more before that */
    default: ((uint8_t *)t->data)[at] = v != 0; break;
    }
}

/** Moves one element between tensors of one dtype, bit by bit. */
static inline void hy_move(const hy_tensor *to, int64_t to_at, const hy_tensor *from, int64_t from_at)
{
    const int64_t size = hy_dtype_size(to->dtype);
    memcpy((char *)to->data + to_at * size, (const char *)from->data + from_at * size, (size_t)size);
}

/** A number beside tensors of `dtype`, as calculation takes it; floating dtypes only. */
static inline double hy_rounded(int32_t dtype, double s) { return dtype == HY_FLOAT64 ? s : (double)(float)s; }

/** The view of t that begins `at` elements further on. */
static inline hy_tensor hy_advanced(const hy_tensor *t, int64_t at)
{
    hy_tensor view = *t;
    if (view.data) view.data = (char *)view.data + at * hy_dtype_size(t->dtype);
    return view;
}

/** t cut down to the first slice along `axis`. */
static inline hy_tensor hy_first_slice(const hy_tensor *t, int32_t axis)
{
    hy_tensor view = *t;
    view.shape[axis] = 1;
    return view;
}

enum { HY_WALK_OPERANDS = 4 };

/** A walk over the elements of a shape in row-major order, which keeps up the place in each operand. */
typedef struct hy_walk {
    int64_t left;                  /* elements still to visit; the walk is over at 0 */
    int64_t at[HY_WALK_OPERANDS];  /* offset of each operand's element */
    int32_t ndim, operands;
    int64_t shape[HY_MAX_DIMS], index[HY_MAX_DIMS];
    int64_t strides[HY_WALK_OPERANDS][HY_MAX_DIMS];
} hy_walk;

/** Begins a walk over the shape of `like`; operands (which may be NULL) broadcast to it, aligned at the last axis. */
static inline hy_walk hy_walk_begin(const hy_tensor *like, int32_t operands, const hy_tensor *const *tensors)
{
    hy_walk w = {.left = hy_numel(like), .ndim = like->ndim, .operands = operands};
    memcpy(w.shape, like->shape, sizeof w.shape);
    for (int32_t k = 0; k < operands; k++) {
        const hy_tensor *t = tensors[k];
        if (!t) continue;
        for (int32_t i = 0, j = like->ndim - t->ndim; i < t->ndim; i++, j++) w.strides[k][j] = t->shape[i] == 1 ? 0 : t->strides[i];
    }
    return w;
}

#define HY_WALK(like, ...) \
    hy_walk_begin(like, sizeof((const hy_tensor *[]){__VA_ARGS__}) / sizeof(hy_tensor *), (const hy_tensor *[]){__VA_ARGS__})

static inline void hy_walk_next(hy_walk *w)
{
    w->left--;
    for (int32_t i = w->ndim - 1; i >= 0; i--) {
        const int64_t steps = ++w->index[i] < w->shape[i] ? 1 : 1 - w->shape[i];
        for (int32_t k = 0; k < w->operands; k++) w->at[k] += steps * w->strides[k][i];
        if (steps == 1) return;
        w->index[i] = 0;
    }
}

#endif
