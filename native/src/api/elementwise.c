/* Elementwise operations, comparisons, copies. */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "api/check.h"

enum { NONE, INPUT, OUTPUT, BOTH, INPUTS }; /* what a derivative reads */

#define FLOAT HY_SET_FLOATING
#define ANY HY_SET_NUMBERS

static const struct {
    const char *name;
    int dtypes, reads;
} unary_rows[] = {
#define HY_UNARY(name, dtypes, param, forward, derivative, reads, low, high, doc) {#name, dtypes, reads},
#include "hybrid/ops.def"
};

static const struct {
    const char *name;
    int dtypes;
    const char *derivative[2]; /* the formulas' text */
} binary_rows[] = {
#define HY_BINARY(name, dtypes, forward, derivative_a, derivative_b, reads, low_a, high_a, low_b, high_b, doc) \
    {#name, dtypes, {#derivative_a, #derivative_b}},
#include "hybrid/ops.def"
};

static const char *const compare_names[] = {
#define HY_COMPARE(name, condition, doc) #name,
#include "hybrid/ops.def"
};

#undef FLOAT
#undef ANY

/* Whether a formula reads the variable of that one letter. */
static bool reads(const char *formula, char variable)
{
    for (const char *c = formula; *c;) {
        const char *start = c;
        while (isalnum((unsigned char)*c) || *c == '_') c++;
        if (c - start == 1 && *start == variable) return true;
        if (c == start) c++;
    }
    return false;
}

static hy_status check_op(const char *function, const char *kind, int32_t op, int32_t count)
{
    const hy_call call = {function, NULL, NULL};
    return op >= 0 && op < count ? HY_OK : hy_refuse(&call, HY_BAD_ARGUMENT, "there is no %s operation number %d, expected 0 to %d", kind, op, count - 1);
}

/* Fails unless y has exactly the shape that the operands broadcast to; NULL operands are skipped. */
static hy_status check_broadcast_output(const hy_call *call, const hy_tensor *y, const hy_tensor *a, const hy_tensor *b, const hy_tensor *c)
{
    const hy_tensor *operands[] = {a, b, c};
    bool alike = true; /* the common case, and the quick one */
    for (int i = 0; i < 3 && alike; i++) alike = !operands[i] || hy_same_shape(operands[i], y);
    if (alike) return HY_OK;
    int32_t ndim = 0;
    int64_t shape[HY_MAX_DIMS] = {0};
    for (int i = 0; i < 3; i++)
        if (operands[i]) HY_TRY(hy_check_broadcast(call, operands[i], operands[i]->ndim, &ndim, shape));
    return hy_check_shape(call, "output", y, ndim, shape);
}

hy_status hy_unary(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y)
{
    HY_TRY(check_op("unary", "unary", op, HY_UNARY_COUNT));
    HY_CALL(unary_rows[op].name, NULL);
    HY_TRY(hy_check_input(&call, "input", x, unary_rows[op].dtypes));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the input", x));
    HY_DISPATCH(unary, op, p, x, y);
}

/* An operand of a unary derivative: required where the row reads it. */
static hy_status check_read(const hy_call *call, const char *what, const hy_tensor *t, bool required, const hy_tensor *g)
{
    if (!t) return required ? hy_refuse(call, HY_BAD_ARGUMENT, "%s is NULL, but the derivative reads it", what) : HY_OK;
    HY_TRY(hy_check_input(call, what, t, HY_ONLY(g->dtype)));
    return hy_check_same_shape(call, what, t, "the gradient", g);
}

hy_status hy_unary_backward(hy_device *device, int32_t op, double p, const hy_tensor *x, const hy_tensor *y, const hy_tensor *g, const hy_tensor *dx)
{
    HY_TRY(check_op("unary_backward", "unary", op, HY_UNARY_COUNT));
    HY_CALL(unary_rows[op].name, "_backward");
    int reads = unary_rows[op].reads;
    HY_TRY(hy_check_input(&call, "gradient", g, HY_SET_FLOATING));
    HY_TRY(check_read(&call, "input", x, reads == INPUT || reads == BOTH, g));
    HY_TRY(check_read(&call, "output", y, reads == OUTPUT || reads == BOTH, g));
    HY_TRY(hy_check_output(&call, "input gradient", dx, HY_ONLY(g->dtype)));
    HY_TRY(hy_check_same_shape(&call, "input gradient", dx, "the gradient", g));
    HY_DISPATCH(unary_backward, op, p, x, y, g, dx);
}

hy_status hy_binary(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    HY_TRY(check_op("binary", "binary", op, HY_BINARY_COUNT));
    HY_CALL(binary_rows[op].name, NULL);
    HY_TRY(hy_check_input(&call, "first operand", a, binary_rows[op].dtypes));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(a->dtype)));
    HY_TRY(check_broadcast_output(&call, y, a, b, NULL));
    HY_DISPATCH(binary, op, a, b, y);
}

hy_status hy_binary_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *y)
{
    HY_TRY(check_op("binary_scalar", "binary", op, HY_BINARY_COUNT));
    HY_CALL(binary_rows[op].name, NULL);
    HY_TRY(hy_check_input(&call, "input", x, binary_rows[op].dtypes));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(x->dtype)));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the input", x));
    HY_DISPATCH(binary_scalar, op, x, s, scalar_first, y);
}

/* An operand of a binary derivative: required where the formula reads it. */
static hy_status check_operand(const hy_call *call, const char *what, const hy_tensor *t, const char *formula, char variable, const hy_tensor *g)
{
    if (!t) return reads(formula, variable) ? hy_refuse(call, HY_BAD_ARGUMENT, "%s is NULL, but the derivative reads it", what) : HY_OK;
    HY_TRY(hy_check_input(call, what, t, HY_ONLY(g->dtype)));
    return hy_check_broadcasts_to(call, what, t, "the gradient", g);
}

hy_status hy_binary_backward(hy_device *device, int32_t op, int32_t operand, const hy_tensor *a, const hy_tensor *b, const hy_tensor *g, const hy_tensor *d)
{
    HY_TRY(check_op("binary_backward", "binary", op, HY_BINARY_COUNT));
    HY_CALL(binary_rows[op].name, "_backward");
    HY_TRY(hy_check_integer(&call, "operand", operand, 0, 1));
    const char *formula = binary_rows[op].derivative[operand];
    HY_TRY(hy_check_input(&call, "gradient", g, HY_SET_FLOATING));
    HY_TRY(check_operand(&call, "first operand", a, formula, 'a', g));
    HY_TRY(check_operand(&call, "second operand", b, formula, 'b', g));
    HY_TRY(hy_check_output(&call, "operand gradient", d, HY_ONLY(g->dtype)));
    HY_TRY(hy_check_same_shape(&call, "operand gradient", d, "the gradient", g));
    HY_DISPATCH(binary_backward, op, operand, a, b, g, d);
}

hy_status hy_binary_scalar_backward(hy_device *device, int32_t op, const hy_tensor *x, double s, int32_t scalar_first, const hy_tensor *g, const hy_tensor *d)
{
    HY_TRY(check_op("binary_scalar_backward", "binary", op, HY_BINARY_COUNT));
    HY_CALL(binary_rows[op].name, "_backward");
    const char *formula = binary_rows[op].derivative[scalar_first ? 1 : 0];
    HY_TRY(hy_check_input(&call, "gradient", g, HY_SET_FLOATING));
    HY_TRY(check_operand(&call, "input", x, formula, scalar_first ? 'b' : 'a', g));
    HY_TRY(hy_check_output(&call, "input gradient", d, HY_ONLY(g->dtype)));
    HY_TRY(hy_check_same_shape(&call, "input gradient", d, "the gradient", g));
    HY_DISPATCH(binary_scalar_backward, op, x, s, scalar_first, g, d);
}

hy_status hy_compare(hy_device *device, int32_t op, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    HY_TRY(check_op("compare", "comparison", op, HY_COMPARE_COUNT));
    HY_CALL(compare_names[op], NULL);
    HY_TRY(hy_check_input(&call, "first operand", a, HY_SET_ANY));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(HY_BOOL)));
    HY_TRY(check_broadcast_output(&call, y, a, b, NULL));
    HY_DISPATCH(compare, op, a, b, y);
}

hy_status hy_compare_scalar(hy_device *device, int32_t op, const hy_tensor *x, double s, const hy_tensor *y)
{
    HY_TRY(check_op("compare_scalar", "comparison", op, HY_COMPARE_COUNT));
    HY_CALL(compare_names[op], NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_ANY));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(HY_BOOL)));
    HY_TRY(hy_check_same_shape(&call, "output", y, "the input", x));
    HY_DISPATCH(compare_scalar, op, x, s, y);
}

hy_status hy_where(hy_device *device, const hy_tensor *condition, const hy_tensor *a, const hy_tensor *b, const hy_tensor *y)
{
    HY_CALL("where", NULL);
    HY_TRY(hy_check_input(&call, "condition", condition, HY_ONLY(HY_BOOL)));
    HY_TRY(hy_check_input(&call, "first operand", a, HY_SET_STORED));
    HY_TRY(hy_check_input(&call, "second operand", b, HY_ONLY(a->dtype)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(a->dtype)));
    HY_TRY(check_broadcast_output(&call, y, condition, a, b));
    HY_DISPATCH(where, condition, a, b, y);
}

hy_status hy_copy(hy_device *device, const hy_tensor *x, const hy_tensor *y)
{
    HY_CALL("copy", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_SET_STORED));
    HY_TRY(hy_check_output(&call, "output", y, HY_SET_STORED));
    HY_TRY(hy_check_broadcasts_to(&call, "input", x, "the output", y));
    HY_DISPATCH(copy, x, y);
}
