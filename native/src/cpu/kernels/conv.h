/*
 * conv.h: what the files of the convolution share. Each way to convolve is one function a slot; conv.c chooses among them.
 */
#ifndef HY_CPU_CONV_H
#define HY_CPU_CONV_H

#include <stdbool.h>

#include "backend.h"
#include "cpu/isa.h"
#include "cpu/simd/tile.h"

#define HY_CONV_LANES(dtype) ((int64_t)HY_TILE_VECTOR / ((dtype) == HY_FLOAT32 ? 4 : 8))

/* ---- The implicit product of matrices: any convolution (conv_packed.c) ---- */

hy_status HY_ISA(hy_conv_packed)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias,
                                 const hy_tensor *y);
hy_status HY_ISA(hy_conv_packed_input_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                            const hy_tensor *dx);
hy_status HY_ISA(hy_conv_packed_weight_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                             const hy_tensor *dw);

/* ---- Straight from the planes (conv_direct.c) ---- */

/** One place of the kernel: how far it lies from a window's first element, and where its weight is. */
typedef struct hy_conv_tap {
    int64_t down, right;
    int64_t weight;
} hy_conv_tap;

/** y[n, g*m + i, row, column] = bias[g*m + i] + sum over c and taps of
 *  x[n, g*c + c', row*stride + down - top, column*stride + right - left] * w[g*w_group + i*w_row + c'*w_channel + weight]:
 *  a convolution, or the gradient of its input at one residue of the stride. What lies outside x is 0. */
typedef struct hy_correlation {
    const hy_tensor *x;   /* [N, groups * channels, H, W], any strides */
    const hy_tensor *y;   /* [N, groups * rows, OH, OW], its last stride 1 */
    const void *w;
    const hy_tensor *bias;
    int64_t groups, rows, channels;
    int64_t stride[2], origin[2];  /* origin: top and left */
    int64_t w_group, w_row, w_channel;
    const hy_conv_tap *tap;
    int64_t taps;
    const void *prepared;          /* what hy_conv_panels made of w; NULL to have it made */
    int32_t activation;            /* HY_ACTIVATION(op) or HY_NO_ACTIVATION */
    bool flat;                     /* vectors run across y's rows, which follow one another: see conv_windows.h */
} hy_correlation;

/** Needs OW >= HY_CONV_LANES, or as many pixels where it is flat, and a tap for every element of y. */
hy_status HY_ISA(hy_correlate)(hy_device *device, const hy_correlation *c);

/** The weights as sweeps read them, [group][panel][channel][tap][row], or `by_tap` [group][panel][tap][channel][row]: as many as w has. Rows are
 *  shared evenly among panels of up to HY_TILE_ROWS. Nothing is read of x, y and the bias. */
void HY_ISA(hy_conv_panels)(const hy_correlation *c, int32_t dtype, bool by_tap, void *to);

/** What every task reads: where the sums of each (group, row) start, the bias or 0, and the panels. */
typedef struct hy_conv_weights {
    const void *start, *panels;
    void *owned;
} hy_conv_weights;

/** Makes both, or the first alone where the panels are prepared; `owned` is to be freed. */
hy_status HY_ISA(hy_conv_weights_make)(hy_device *device, const hy_correlation *c, bool by_tap, hy_conv_weights *w);

/* ---- With lanes along the images (conv_batch.c) ---- */

#define HY_BATCH_BYTES (384 << 10) /* of a turned block of images: it stays in the second-level cache */

/** The same for any width; `flat` is not read, and what is prepared is by tap. */
hy_status HY_ISA(hy_correlate_batch)(hy_device *device, const hy_correlation *c);

/** A run of vectors of B that meets one panel of A: the register tile of every way but the packed one. Row i of vector v is
 *  y[i * row_stride + to[v] + lane] = start[i] + sum over p < depth of panel[p * rows + i] * x[from[v] + offset[p] + lane]. */
typedef struct hy_sweep {
    const void *start;  /* NULL: y, as it is */
    const void *panel, *x;
    const int64_t *offset, *from, *to;
    int64_t depth, vectors;
    void *y;
    int64_t row_stride;
    bool relu;
} hy_sweep;

/** Vectors that it multiplies at a time, by its rows: few rows leave registers for more. */
#define HY_MOST_VECTORS 6
#define HY_WIDE(rows) \
    (HY_TILE_ROWS * HY_TILE_VECTORS / (rows) < HY_MOST_VECTORS ? HY_TILE_ROWS * HY_TILE_VECTORS / (rows) : HY_MOST_VECTORS)

/** For 1 to HY_TILE_ROWS rows. */
void HY_ISA(hy_sweep_f32)(int64_t rows, const hy_sweep *s);
void HY_ISA(hy_sweep_f64)(int64_t rows, const hy_sweep *s);

/* ---- The input's gradient as columns (conv_columns.c) ---- */

/** dy is contiguous, dx's last stride 1; needs OW and each phase of dx's rows, W / stride, to be HY_CONV_LANES at least. */
hy_status HY_ISA(hy_conv_columns_input_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w,
                                             const hy_tensor *dx);

/* ---- The weight's gradient with lanes along the pixels (conv_dot.c) ---- */

/** dy is contiguous; needs OW >= HY_CONV_LANES, or as many pixels where vectors run `flat` across its rows: see conv_windows.h. */
hy_status HY_ISA(hy_conv_dot_weight_grad)(hy_device *device, const hy_conv2d_params *p, bool flat, const hy_tensor *x, const hy_tensor *dy,
                                          const hy_tensor *dw);

/* ---- The weight's gradient with lanes along the channels (conv_channels.c) ---- */

/** Vectors that a row of the kernel takes for up to a vector of channels: one for each of its columns, or fewer where they run across
 *  several. Less than four channels are turned too slowly for that. */
static inline int64_t hy_channel_vectors(const hy_conv2d_params *p, const hy_tensor *dw)
{
    int64_t lanes = HY_CONV_LANES(dw->dtype), columns = dw->shape[3];
    return dw->shape[1] >= 4 && dw->shape[1] < lanes && p->dilation[1] == 1 ? (columns * dw->shape[1] + lanes - 1) / lanes : columns;
}

/** dy and dw are contiguous. */
hy_status HY_ISA(hy_conv_channels_weight_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                               const hy_tensor *dw);

#endif
