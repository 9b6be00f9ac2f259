/* Inference with 8-bit weights; the convolution is with its like in conv.c. */
#include <stdint.h>

#include "api/check.h"

enum {
    COLUMNS = 16,
    MOST_INPUTS = 66310 /* the greatest even number of products of 255 and 127 whose sum is an int32 */
};

static hy_status check_packed(const hy_call *call, const hy_tensor *packed, int64_t inputs, int64_t outputs)
{
    const int64_t shape[] = {outputs / COLUMNS + (outputs % COLUMNS != 0), inputs / 2 + inputs % 2, COLUMNS, 2};
    return hy_check_shape(call, "packed weight", packed, 4, shape);
}

hy_status hy_check_quantized(const hy_call *call, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, int64_t inputs, int64_t outputs)
{
    HY_TRY(hy_check_input(call, "packed weight", packed, HY_ONLY(HY_INT8)));
    HY_TRY(hy_check_input(call, "scale", scale, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_optional_input(call, "bias", bias, HY_ONLY(HY_FLOAT32)));
    if (inputs > MOST_INPUTS)
        return hy_refuse(call, HY_BAD_SHAPE, "an output has %lld inputs, expected at most %d, whose products int32 can sum", (long long)inputs, MOST_INPUTS);
    HY_TRY(check_packed(call, packed, inputs, outputs));
    HY_TRY(hy_check_vector(call, "scale", scale, outputs));
    return hy_check_vector(call, "bias", bias, outputs);
}

/* At least one axis, the outputs. */
static hy_status check_outputs(const hy_call *call, const char *what, const hy_tensor *t)
{
    return t->ndim > 0 ? HY_OK : hy_refuse(call, HY_BAD_SHAPE, "%s has shape [], expected an axis of outputs and those of their inputs", what);
}

hy_status hy_quantize_weight(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale)
{
    HY_CALL("quantize_weight", NULL);
    HY_TRY(hy_check_input(&call, "weight", w, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_output(&call, "quantized weight", q, HY_ONLY(HY_INT8)));
    HY_TRY(hy_check_output(&call, "scale", scale, HY_ONLY(HY_FLOAT32)));
    HY_TRY(check_outputs(&call, "weight", w));
    HY_TRY(hy_check_same_shape(&call, "quantized weight", q, "the weight", w));
    HY_TRY(hy_check_vector(&call, "scale", scale, w->shape[0]));
    HY_DISPATCH(quantize_weight, w, q, scale);
}

hy_status hy_pack_int8(hy_device *device, const hy_tensor *q, const hy_tensor *packed)
{
    HY_CALL("pack_int8", NULL);
    HY_TRY(hy_check_input(&call, "quantized weight", q, HY_ONLY(HY_INT8)));
    HY_TRY(hy_check_output(&call, "packed weight", packed, HY_ONLY(HY_INT8)));
    HY_TRY(check_outputs(&call, "quantized weight", q));
    int64_t inputs = 1;
    for (int32_t i = 1; i < q->ndim; i++) inputs *= q->shape[i];
    HY_TRY(check_packed(&call, packed, inputs, q->shape[0]));
    HY_DISPATCH(pack_int8, q, packed);
}

hy_status hy_quantized_linear(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias,
                              int32_t activation, const hy_tensor *y)
{
    HY_CALL("quantized_linear", NULL);
    HY_TRY(hy_check_input(&call, "input", x, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_output(&call, "output", y, HY_ONLY(HY_FLOAT32)));
    HY_TRY(hy_check_ndim(&call, "input", x, 2));
    HY_TRY(hy_check_ndim(&call, "output", y, 2));
    HY_TRY(hy_check_quantized(&call, packed, scale, bias, x->shape[1], y->shape[1]));
    const int64_t shape[] = {x->shape[0], y->shape[1]};
    HY_TRY(hy_check_shape(&call, "output", y, 2, shape));
    HY_TRY(hy_check_activation(&call, activation));
    HY_DISPATCH(quantized_linear, x, packed, scale, bias, activation, y);
}
