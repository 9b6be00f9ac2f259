/*
 * int8.h: the product of quantised matrices. Weights are signed bytes, packed by hy_pack_int8: panels of 16 outputs, in which the two weights of
 * a pair of inputs lie side by side. Activations are unsigned bytes less their zero point, in 16 bits, so that the sums need no correction:
 * at most 255 * 127 each, exact in 32 bits for up to HY_INT8_DEPTH of them.
 */
#ifndef HY_CPU_INT8_H
#define HY_CPU_INT8_H

#include <stdbool.h>

#include "backend.h"
#include "cpu/isa.h"
#include "cpu/simd/tile.h"

enum {
    HY_INT8_COLUMNS = 16,
    HY_INT8_VECTORS = HY_INT8_COLUMNS * 4 / HY_TILE_VECTOR,
    HY_INT8_MOST_ROWS = HY_TILE_ROWS * HY_TILE_VECTORS / HY_INT8_VECTORS, /* as many accumulators as the float tile has */
    HY_INT8_ROWS = HY_INT8_MOST_ROWS < 14 ? HY_INT8_MOST_ROWS : 14
};

/** How a sample's activations became integers: q = clamp(round(x * inverse), low, high), x is about q * scale. */
typedef struct hy_int8_range {
    float scale, inverse, low, high;
} hy_int8_range;

/** Of a sample whose smallest and largest values are given; one of them NaN, or too far apart for float, makes the scale NaN. */
hy_int8_range HY_ISA(hy_int8_range_of)(float smallest, float largest);

float HY_ISA(hy_int8_smallest)(const float *x, int64_t n);
float HY_ISA(hy_int8_largest)(const float *x, int64_t n);
void HY_ISA(hy_int8_quantize)(const hy_int8_range *range, const float *x, int64_t n, int16_t *q);

/** Up to HY_INT8_ROWS rows of activations: a[(p * HY_INT8_ROWS + i) * 2 + {0, 1}] is pair p of row i. */
typedef struct hy_int8_panel {
    const int16_t *a;
    int64_t rows;
    const float *scale;  /* of row i: scale[i * scale_stride] */
    float *y;            /* where row 0 meets output 0 */
} hy_int8_panel;

/** What the panels are multiplied with, and what becomes of the sums: y = activation(sum * scale of row * scale of output + bias). */
typedef struct hy_int8_product {
    const int8_t *weight;  /* packed */
    int64_t outputs, pairs;
    const float *scale, *bias;
    int64_t scale_stride, row_stride, output_stride; /* of panel.scale and y */
    int32_t activation;
} hy_int8_product;

/** Multiplies panels with the packed outputs [begin, end), counted in panels of HY_INT8_COLUMNS. */
void HY_ISA(hy_int8_multiply)(hy_device *device, const hy_int8_product *p, const hy_int8_panel *panels, int64_t count, int64_t begin, int64_t end);

/** The slot of the convolution, in a file of its own. */
hy_status HY_ISA(hy_quantized_conv2d)(hy_device *device, const hy_conv2d_params *p, int32_t height, int32_t width, const hy_tensor *x,
                                      const hy_tensor *packed, const hy_tensor *scale, const hy_tensor *bias, const hy_tensor *y);

#endif
