/* Inference with 8-bit weights. What is rounded to integers is rounded from float, as hybrid.h says; the sums are exact. */
#include <float.h>
#include <math.h>

#include "cpu/reference/access.h"
#include "cpu/reference/reference.h"

/** t as [outputs, inputs]: where input c of output k lies. */
static int64_t weight_place(const hy_tensor *t, int64_t k, int64_t c)
{
    int64_t at = k * t->strides[0];
    for (int32_t i = t->ndim - 1; i > 0; i--) {
        at += c % t->shape[i] * t->strides[i];
        c /= t->shape[i];
    }
    return at;
}

static int64_t inputs_of(const hy_tensor *t) { return t->shape[0] ? hy_numel(t) / t->shape[0] : 0; }

static hy_status reference_quantize_weight(hy_device *device, const hy_tensor *w, const hy_tensor *q, const hy_tensor *scale)
{
    for (int64_t k = 0; k < w->shape[0]; k++) {
        float largest = 0;
        for (int64_t c = 0; c < inputs_of(w); c++) {
            const float size = (float)fabs(hy_load(w, weight_place(w, k, c)));
            largest = size > largest || size != size ? size : largest;
        }
        const float step = largest > 0 ? largest / 127 : 1;
        for (int64_t c = 0; c < inputs_of(w); c++)
            hy_store_integer(q, weight_place(q, k, c), (int64_t)rintf((float)hy_load(w, weight_place(w, k, c)) / step));
        hy_store(scale, k * scale->strides[0], step);
    }
    return HY_OK;
}

static hy_status reference_pack_int8(hy_device *device, const hy_tensor *q, const hy_tensor *packed)
{
    for (hy_walk w = HY_WALK(packed, packed); w.left > 0; hy_walk_next(&w)) {
        const int64_t k = w.index[0] * packed->shape[2] + w.index[2], c = w.index[1] * 2 + w.index[3];
        const bool exists = k < q->shape[0] && c < inputs_of(q);
        hy_store_integer(packed, w.at[0], exists ? hy_load_integer(q, weight_place(q, k, c)) : 0);
    }
    return HY_OK;
}

static int64_t packed_weight(const hy_tensor *packed, int64_t k, int64_t c)
{
    const int64_t *s = packed->strides, columns = packed->shape[2];
    return hy_load_integer(packed, k / columns * s[0] + c / 2 * s[1] + k % columns * s[2] + c % 2 * s[3]);
}

typedef struct range {
    float scale, inverse, zero;
} range;

/** Of the sample that is a view. */
static range range_of(const hy_tensor *sample)
{
    float low = 0, high = 0;
    bool finite = true;
    for (hy_walk w = HY_WALK(sample, sample); w.left > 0; hy_walk_next(&w)) {
        const float v = (float)hy_load(sample, w.at[0]);
        finite &= v == v;
        low = fminf(low, v), high = fmaxf(high, v);
    }
    finite &= high - low <= FLT_MAX;
    const float step = (high - low) / 255, scale = !finite ? NAN : step > 0 ? step : 1;
    return (range){scale, 1 / scale, finite ? rintf(-low / scale) : 0};
}

/** An activation as an integer, less the zero point. */
static int64_t quantized(const range *r, double x)
{
    const float v = rintf((float)x * r->inverse);
    return (int64_t)(v > -r->zero ? v < 255 - r->zero ? v : 255 - r->zero : -r->zero);
}

static double result(int64_t sum, const range *r, const hy_tensor *scale, const hy_tensor *bias, int64_t k)
{
    const float factor = r->scale * (float)hy_load(scale, k * scale->strides[0]);
    return (double)sum * factor + (bias ? hy_load(bias, k * bias->strides[0]) : 0);
}

static hy_status reference_quantized_linear(hy_device *device, const hy_tensor *x, const hy_tensor *packed, const hy_tensor *scale,
                                            const hy_tensor *bias, int32_t activation, const hy_tensor *y)
{
    const hy_tensor row = hy_first_slice(x, 0);
    for (int64_t i = 0; i < y->shape[0]; i++) {
        const hy_tensor sample = hy_advanced(&row, i * x->strides[0]);
        const range r = range_of(&sample);
        for (int64_t k = 0; k < y->shape[1]; k++) {
            int64_t sum = 0;
            for (int64_t c = 0; c < x->shape[1]; c++) sum += quantized(&r, hy_load(&sample, c * x->strides[1])) * packed_weight(packed, k, c);
            hy_store(y, i * y->strides[0] + k * y->strides[1], result(sum, &r, scale, bias, k));
        }
    }
    return activation ? device->backend.unary(device, activation - HY_ACTIVATION(0), 0, y, y) : HY_OK;
}

static int64_t window_sum(const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *sample, const range *range,
                          const hy_tensor *packed, int64_t k, int64_t i, int64_t j)
{
    int64_t sum = 0, c = 0;
    for (int64_t channel = 0; channel < sample->shape[1]; channel++)
        for (int64_t r = 0; r < height; r++)
            for (int64_t s = 0; s < width; s++, c++) {
                const int64_t h = i * p->stride[0] + r * p->dilation[0] - p->padding[0], v = j * p->stride[1] + s * p->dilation[1] - p->padding[1];
                if (h < 0 || h >= sample->shape[2] || v < 0 || v >= sample->shape[3]) continue;
                const double x = hy_load(sample, channel * sample->strides[1] + h * sample->strides[2] + v * sample->strides[3]);
                sum += quantized(range, x) * packed_weight(packed, k, c);
            }
    return sum;
}

static hy_status reference_quantized_conv2d(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x,
                                            const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y)
{
    const hy_tensor image = hy_first_slice(x, 0), plane = hy_first_slice(y, 0);
    for (int64_t n = 0; n < y->shape[0]; n++) {
        const hy_tensor sample = hy_advanced(&image, n * x->strides[0]), to = hy_advanced(&plane, n * y->strides[0]);
        const range r = range_of(&sample);
        for (hy_walk w = HY_WALK(&to, &to); w.left > 0; hy_walk_next(&w)) {
            const int64_t sum = window_sum(p, height, width, &sample, &r, packed, w.index[1], w.index[2], w.index[3]);
            hy_store(&to, w.at[0], result(sum, &r, scale, bias, w.index[1]));
        }
    }
    return p->activation ? device->backend.unary(device, p->activation - HY_ACTIVATION(0), 0, y, y) : HY_OK;
}

void hy_reference_int8(hy_backend *backend)
{
    backend->quantize_weight = reference_quantize_weight;
    backend->pack_int8 = reference_pack_int8;
    backend->quantized_linear = reference_quantized_linear;
    backend->quantized_conv2d = reference_quantized_conv2d;
}
