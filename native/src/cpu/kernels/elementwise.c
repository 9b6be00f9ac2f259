/* Elementwise operations: the rows of ops.def, one kernel for each operation and dtype. */
#include "core/functions.h"
#include "core/glibc.h"
#include "cpu/kernels/cast.h"
#include "cpu/kernels/kernels.h"
#include "cpu/kernels/walk.h"
#include "cpu/simd/vector.h"

/* Rows for ANY dtype compare unsigned values with 0 too. */
#pragma GCC diagnostic ignored "-Wtype-limits"

/* In place is allowed: the very same address, so that no iteration depends on another. */
#define EACH_ELEMENT _Pragma("GCC ivdep") for (int64_t i = 0; i < n; i++)

/* ---------------------------------------------------------------------------------------------------------------------- */
/* One operand                                                                                                            */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* sin and cos of float have a faster formula for near numbers. Loops that may hold one exist twice, for near numbers and for all, and each
 * run of numbers takes the one it may. Of all other loops the one for all numbers remains. */
#undef hy_sin
#undef hy_cos
#define NEAR_OR_FAR(name)                                                                                                     \
    HY_FUNCTION float name##_near_or_far_f32(float x, bool near) { return near ? hy_##name##_nearf_(x) : hy_##name##f_(x); } \
    HY_FUNCTION double name##_near_or_far_f64(double x, bool near) { return hy_##name##_(x); }
NEAR_OR_FAR(sin)
NEAR_OR_FAR(cos)
#define hy_sin(x) _Generic((x), float: sin_near_or_far_f32, double: sin_near_or_far_f64)(x, near)
#define hy_cos(x) _Generic((x), float: cos_near_or_far_f32, double: cos_near_or_far_f64)(x, near)

/* The size up to which numbers are near to a row; 0 for a row that has one loop. */
HY_FUNCTION float near_bound(int32_t op, int64_t size)
{
    return size == sizeof(float) && (op == HY_UNARY_sin || op == HY_UNARY_cos) ? HY_NEAR_SINEF : 0;
}

/* Whether a row computes so long that the processor does not read far enough ahead by itself, and is told to. In loops as short as relu's
 * GCC would lose the vectors over it. */
HY_FUNCTION bool fetches(int32_t op)
{
    return op == HY_UNARY_exp || op == HY_UNARY_sigmoid || op == HY_UNARY_tanh || op == HY_UNARY_gelu || op == HY_UNARY_sin ||
           op == HY_UNARY_cos;
}

/* How many of n numbers are looked at together: as many as stay in the first-level cache. */
HY_FUNCTION int64_t near_run(float bound, int64_t n) { return bound > 0 && n > HY_WALK_TILE ? HY_WALK_TILE : n; }

HY_FUNCTION bool all_near(float bound, const void *x, int64_t n)
{
    uint32_t farthest = 0; /* as bits, which order positive numbers, infinity and NaN */
    for (int64_t i = 0; bound > 0 && i < n; i++) {
        const uint32_t size = hy_bitsf_(((const float *)x)[i]) & 0x7fffffff;
        farthest = size > farthest ? size : farthest;
    }
    return bound > 0 && farthest <= hy_bitsf_(bound);
}

/* Most rows are long chains of dependent operations: two vectors at once, whose results wait in `two` until both are there, so that GCC may
 * mix their steps. Loads and stores in turn would hold it back: out and in may be the same. */
#define UNARY_KERNEL(name, suffix, type, formula)                                                               \
    HY_FUNCTION void run_##name##_##suffix(type *out, const type *in, int64_t n, const type p, const bool near) \
    {                                                                                                           \
        typedef type T;                                                                                         \
        enum { TWO = 2 * HY_VECTOR_BYTES / (int)sizeof(T) };                                                    \
        (void)p;                                                                                                \
        for (; n >= TWO; n -= TWO, in += TWO, out += TWO) {                                                     \
            T two[TWO];                                                                                         \
            if (fetches(HY_UNARY_##name)) __builtin_prefetch(in + HY_WALK_TILE);                                \
            for (int l = 0; l < TWO; l++) {                                                                     \
                const T x = in[l];                                                                              \
                two[l] = (T)(formula);                                                                          \
            }                                                                                                   \
            for (int l = 0; l < TWO; l++) out[l] = two[l];                                                      \
        }                                                                                                       \
        EACH_ELEMENT {                                                                                          \
            const T x = in[i];                                                                                  \
            out[i] = (T)(formula);                                                                              \
        }                                                                                                       \
    }                                                                                                           \
    static void unary_##name##_##suffix(void *const *data, int64_t n, const void *context)                      \
    {                                                                                                           \
        const float bound = near_bound(HY_UNARY_##name, sizeof(type));                                          \
        const type p = (type) * (const double *)context, *in = data[1];                                         \
        type *out = data[0];                                                                                    \
        for (int64_t m; n > 0; n -= m, in += m, out += m) {                                                     \
            m = near_run(bound, n);                                                                             \
            if (all_near(bound, in, m)) run_##name##_##suffix(out, in, m, p, true);                             \
            else run_##name##_##suffix(out, in, m, p, false);                                                   \
        }                                                                                                       \
    }

#define BACKWARD_KERNEL(name, suffix, type, formula)                                                             \
    HY_FUNCTION void run_backward_##name##_##suffix(type *out, const type *gs, const type *xs, const type *ys, int64_t n, const type p, \
                                                    const bool near)                                             \
    {                                                                                                            \
        typedef type T;                                                                                          \
        (void)p;                                                                                                 \
        EACH_ELEMENT {                                                                                           \
            const T g = gs[i], x = xs[i], y = ys[i];                                                             \
            (void)g, (void)x, (void)y;                                                                           \
            out[i] = (T)(formula);                                                                               \
        }                                                                                                        \
    }                                                                                                            \
    static void unary_backward_##name##_##suffix(void *const *data, int64_t n, const void *context)              \
    {                                                                                                            \
        const float bound = near_bound(HY_UNARY_##name, sizeof(type));                                           \
        const type p = (type) * (const double *)context, *gs = data[1], *xs = data[2], *ys = data[3];            \
        type *out = data[0];                                                                                     \
        for (int64_t m; n > 0; n -= m, out += m, gs += m, xs += m, ys += m) {                                    \
            m = near_run(bound, n);                                                                              \
            if (all_near(bound, xs, m)) run_backward_##name##_##suffix(out, gs, xs, ys, m, p, true);             \
            else run_backward_##name##_##suffix(out, gs, xs, ys, m, p, false);                                   \
        }                                                                                                        \
    }

#define UNARY_FLOAT(name, formula)           \
    UNARY_KERNEL(name, f32, float, formula)  \
    UNARY_KERNEL(name, f64, double, formula)
#define UNARY_ANY(name, formula)             \
    UNARY_FLOAT(name, formula)               \
    UNARY_KERNEL(name, i32, int32_t, formula) \
    UNARY_KERNEL(name, i64, int64_t, formula) \
    UNARY_KERNEL(name, u8, uint8_t, formula)

#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) \
    UNARY_##dtypes(name, forward)                                                 \
    BACKWARD_KERNEL(name, f32, float, derivative)                                 \
    BACKWARD_KERNEL(name, f64, double, derivative)
#include "hybrid/ops.def"

/* By dtype: float32, float64, int32, int64, uint8; the last two columns stay empty for FLOAT rows. */
#define ROW_FLOAT(prefix, name) {prefix##_##name##_f32, prefix##_##name##_f64}
#define ROW_ANY(prefix, name) \
    {prefix##_##name##_f32, prefix##_##name##_f64, prefix##_##name##_i32, prefix##_##name##_i64, prefix##_##name##_u8}
#define ROW_COMPARE(prefix, name) \
    {prefix##_##name##_f32, prefix##_##name##_f64, prefix##_##name##_i32, prefix##_##name##_i64, prefix##_##name##_u8, prefix##_##name##_u8}

static const hy_walk_kernel unary_kernels[HY_UNARY_COUNT][6] = {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) ROW_##dtypes(unary, name),
#include "hybrid/ops.def"
};

static const hy_walk_kernel unary_backward_kernels[HY_UNARY_COUNT][2] = {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) ROW_FLOAT(unary_backward, name),
#include "hybrid/ops.def"
};

static hy_status unary(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, x};
    return hy_walk_run(unary_kernels[op][hy_compute_dtype(x->dtype)], &p, 1, false, 2, operands);
}

/* An operand that the formula does not read is NULL: g stands in its place, unread. */
static hy_status unary_backward(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *g,
                                const hy_tensor *dx)
{
    const hy_tensor *operands[] = {dx, g, x ? x : g, y ? y : g};
    return hy_walk_run(unary_backward_kernels[op][hy_compute_dtype(g->dtype)], &p, 1, false, 4, operands);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Two operands                                                                                                           */
/* ---------------------------------------------------------------------------------------------------------------------- */

/* The scalar operand keeps its own type S, so that an integer is compared with a double as double. */
#define BINARY_KERNEL(prefix, name, suffix, result, type, scalar, formula)                    \
    static void prefix##_##name##_##suffix(void *const *data, int64_t n, const void *context) \
    {                                                                                         \
        typedef type T;                                                                       \
        result *out = data[0];                                                                \
        const T *as = data[1];                                                                \
        const scalar *bs = data[2];                                                           \
        EACH_ELEMENT {                                                                        \
            const T a = as[i];                                                                \
            const scalar b = bs[i];                                                           \
            out[i] = (result)(formula);                                                       \
        }                                                                                     \
    }

#define BINARY_BACKWARD_KERNEL(name, suffix, type, formula)                                    \
    static void backward_##name##_##suffix(void *const *data, int64_t n, const void *context) \
    {                                                                                         \
        typedef type T;                                                                       \
        T *out = data[0];                                                                     \
        const T *gs = data[1], *as = data[2], *bs = data[3];                                  \
        EACH_ELEMENT {                                                                        \
            const T g = gs[i], a = as[i], b = bs[i];                                          \
            (void)g, (void)a, (void)b;                                                        \
            out[i] = (T)(formula);                                                            \
        }                                                                                     \
    }

#define BINARY_FLOAT(name, formula)                                    \
    BINARY_KERNEL(binary, name, f32, float, float, float, formula)     \
    BINARY_KERNEL(binary, name, f64, double, double, double, formula)
#define BINARY_ANY(name, formula)                                          \
    BINARY_FLOAT(name, formula)                                            \
    BINARY_KERNEL(binary, name, i32, int32_t, int32_t, int32_t, formula)   \
    BINARY_KERNEL(binary, name, i64, int64_t, int64_t, int64_t, formula)   \
    BINARY_KERNEL(binary, name, u8, uint8_t, uint8_t, uint8_t, formula)

#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    BINARY_##dtypes(name, forward)                                                                             \
    BINARY_BACKWARD_KERNEL(name##_a, f32, float, derivative_a)                                                 \
    BINARY_BACKWARD_KERNEL(name##_a, f64, double, derivative_a)                                                \
    BINARY_BACKWARD_KERNEL(name##_b, f32, float, derivative_b)                                                 \
    BINARY_BACKWARD_KERNEL(name##_b, f64, double, derivative_b)
#define HY_COMPARE(name, condition, doc)                                                  \
    BINARY_KERNEL(compare, name, f32, uint8_t, float, float, condition)                   \
    BINARY_KERNEL(compare, name, f64, uint8_t, double, double, condition)                 \
    BINARY_KERNEL(compare, name, i32, uint8_t, int32_t, int32_t, condition)               \
    BINARY_KERNEL(compare, name, i64, uint8_t, int64_t, int64_t, condition)               \
    BINARY_KERNEL(compare, name, u8, uint8_t, uint8_t, uint8_t, condition)                \
    BINARY_KERNEL(compare_scalar, name, f32, uint8_t, float, float, condition)            \
    BINARY_KERNEL(compare_scalar, name, f64, uint8_t, double, double, condition)          \
    BINARY_KERNEL(compare_scalar, name, i32, uint8_t, int32_t, double, condition)         \
    BINARY_KERNEL(compare_scalar, name, i64, uint8_t, int64_t, double, condition)         \
    BINARY_KERNEL(compare_scalar, name, u8, uint8_t, uint8_t, double, condition)
#include "hybrid/ops.def"

static const hy_walk_kernel binary_kernels[HY_BINARY_COUNT][6] = {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) ROW_##dtypes(binary, name),
#include "hybrid/ops.def"
};

static const hy_walk_kernel binary_backward_kernels[HY_BINARY_COUNT][2][2] = {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    {ROW_FLOAT(backward, name##_a), ROW_FLOAT(backward, name##_b)},
#include "hybrid/ops.def"
};

static const hy_walk_kernel compare_kernels[HY_COMPARE_COUNT][6] = {
#define HY_COMPARE(name, condition, doc) ROW_COMPARE(compare, name),
#include "hybrid/ops.def"
};

static const hy_walk_kernel compare_scalar_kernels[HY_COMPARE_COUNT][6] = {
#define HY_COMPARE(name, condition, doc) ROW_COMPARE(compare_scalar, name),
#include "hybrid/ops.def"
};

static hy_status binary(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, a, b};
    return hy_walk_run(binary_kernels[op][hy_compute_dtype(y->dtype)], NULL, 1, false, 3, operands);
}

static hy_status binary_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *y)
{
    hy_element value = hy_element_from_double(s, hy_compute_dtype(x->dtype));
    hy_tensor scalar = {.data = &value, .device = device, .dtype = hy_compute_dtype(x->dtype)};
    return scalar_first ? binary(device, op, &scalar, x, y) : binary(device, op, x, &scalar, y);
}

static hy_status binary_backward(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b,
                                 const hy_tensor *g, const hy_tensor *d)
{
    const hy_tensor *operands[] = {d, g, a ? a : g, b ? b : g};
    return hy_walk_run(binary_backward_kernels[op][operand][hy_compute_dtype(g->dtype)], NULL, 1, false, 4, operands);
}

static hy_status binary_scalar_backward(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first,
                                        const hy_tensor *g, const hy_tensor *d)
{
    hy_element value = hy_element_from_double(s, hy_compute_dtype(g->dtype));
    hy_tensor scalar = {.data = &value, .device = device, .dtype = hy_compute_dtype(g->dtype)};
    return scalar_first ? binary_backward(device, op, 1, &scalar, x, g, d) : binary_backward(device, op, 0, x, &scalar, g, d);
}

static hy_status compare(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, a, b};
    return hy_walk_run(compare_kernels[op][hy_compute_dtype(a->dtype)], NULL, 1, false, 3, operands);
}

static hy_status compare_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y)
{
    const bool narrow = hy_compute_dtype(x->dtype) == HY_FLOAT32;
    float rounded = (float)s;
    hy_tensor scalar = {.data = narrow ? (void *)&rounded : &s, .device = device, .dtype = narrow ? HY_FLOAT32 : HY_FLOAT64};
    const hy_tensor *operands[] = {y, x, &scalar};
    return hy_walk_run(compare_scalar_kernels[op][hy_compute_dtype(x->dtype)], NULL, 1, false, 3, operands);
}

/* ---------------------------------------------------------------------------------------------------------------------- */
/* Choosing                                                                                                               */
/* ---------------------------------------------------------------------------------------------------------------------- */

#define WHERE_KERNEL(type)                                                      \
    static void where_##type(void *const *data, int64_t n, const void *context) \
    {                                                                           \
        hy_##type *out = data[0];                                               \
        const hy_raw1 *condition = data[1];                                     \
        const hy_##type *a = data[2], *b = data[3];                             \
        EACH_ELEMENT {                                                          \
            const hy_##type yes = a[i], no = b[i];                              \
            out[i] = condition[i] ? yes : no;                                   \
        }                                                                       \
    }
WHERE_KERNEL(raw1)
WHERE_KERNEL(raw2)
WHERE_KERNEL(raw4)
WHERE_KERNEL(raw8)

static hy_status where(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    const hy_tensor *operands[] = {y, condition, a, b};
    int64_t size = hy_dtype_size(y->dtype);
    return hy_walk_run_bits(size == 4 ? where_raw4 : size == 8 ? where_raw8 : size == 2 ? where_raw2 : where_raw1, NULL, 4, operands);
}

void HY_ISA(hy_fill_elementwise)(hy_backend *backend)
{
    backend->unary = unary;
    backend->unary_backward = unary_backward;
    backend->binary = binary;
    backend->binary_scalar = binary_scalar;
    backend->binary_backward = binary_backward;
    backend->binary_scalar_backward = binary_scalar_backward;
    backend->compare = compare;
    backend->compare_scalar = compare_scalar;
    backend->where = where;
}
