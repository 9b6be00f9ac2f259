/* conv.cuh: the parts of convolution that are no matrix product (depthwise.cu), and the one question that all parts ask. */
#ifndef HY_CUDA_CONV_CUH
#define HY_CUDA_CONV_CUH

#include "cuda/runtime.cuh"

/** Whether each input channel is a group of its own with few filters: there is nothing to share between tiles of a product. */
static inline bool hy_is_depthwise(const hy_conv2d_params *p, const hy_tensor *w)
{
    return p->groups > 1 && w->shape[1] == 1 && w->shape[0] / p->groups <= 4;
}

hy_status hy_depthwise(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *bias, const hy_tensor *y);
hy_status hy_depthwise_input_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *dy, const hy_tensor *w, const hy_tensor *dx);
hy_status hy_depthwise_weight_grad(hy_device *device, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *dy, const hy_tensor *dw);

/** dbias[k] = the sum of dy over images and pixels. */
hy_status hy_conv_bias_grad(hy_device *device, const hy_tensor *dy, const hy_tensor *dbias);

#endif
