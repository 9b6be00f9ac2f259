/* Convolution with 3 x 3 kernels by minimal filtering (Winograd 1980; Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, 2016). */
#ifndef HY_CPU_WINOGRAD_H
#define HY_CPU_WINOGRAD_H

#include <stdbool.h>

#include "backend.h"
#include "cpu/isa.h"

/** Whether Winograd may serve a convolution: 3 x 3 weights, stride and dilation 1, one group, padding up to 2, float32, not exact. */
static inline bool hy_winograd_serves(const hy_conv2d_params *p, const hy_tensor *w)
{
    for (int axis = 0; axis < 2; axis++)
        if (w->shape[2 + axis] != 3 || p->stride[axis] != 1 || p->dilation[axis] != 1 || p->padding[axis] > 2) return false;
    return w->dtype == HY_FLOAT32 && p->groups == 1 && !p->exact;
}

/** The side of the square tiles of outputs, 2 or 4, with which Winograd computes a convolution that it serves, or the input gradient of one,
 *  faster than the direct sum; 0 where it does not. Input x (or the output's gradient), output y (or the input's gradient). */
int64_t HY_ISA(hy_winograd_tile)(const hy_tensor *x, const hy_tensor *y);

/** y = x * w + bias (NULL for none) by tiles of 2 or 4; 3 x 3 weights, stride and dilation 1, one group, padding up to 2, float32. `prepared` is
 *  NULL or what hy_winograd_prepare made of w for such tiles; no element is read of w then. */
hy_status HY_ISA(hy_winograd_conv2d)(hy_device *device, int64_t tile, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w,
                                     const void *prepared, const hy_tensor *bias, const hy_tensor *y);

/** The elements of the weights' transforms, and the transforms. */
int64_t HY_ISA(hy_winograd_prepared)(int64_t tile, const hy_tensor *w);
hy_status HY_ISA(hy_winograd_prepare)(hy_device *device, int64_t tile, const hy_tensor *w, void *prepared);

/** dx = the gradient of that with respect to x. */
hy_status HY_ISA(hy_winograd_input_grad)(hy_device *device, int64_t tile, const hy_conv2d_params *p, const hy_tensor *dy,
                                         const hy_tensor *w, const hy_tensor *dx);

/** Whether the weight's gradient runs faster so than by direct sums (winograd_grad.c), where Winograd serves it. */
bool HY_ISA(hy_winograd_pays_weight_grad)(const hy_tensor *x, const hy_tensor *dy);

/** dw = the gradient of that with respect to w, which is contiguous, by tiles of 4; nothing is empty. */
hy_status HY_ISA(hy_winograd_weight_grad)(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy,
                                          const hy_tensor *dw);

#endif
