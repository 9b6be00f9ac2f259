/* The kernels of one ISA: each file of this folder puts its functions into the slots that it serves. */
#ifndef HY_CPU_KERNELS_H
#define HY_CPU_KERNELS_H

#include "backend.h"
#include "cpu/isa.h"

void HY_ISA(hy_fill_elementwise)(hy_backend *backend);
void HY_ISA(hy_fill_copy)(hy_backend *backend);
void HY_ISA(hy_fill_random)(hy_backend *backend);
void HY_ISA(hy_fill_reduce)(hy_backend *backend);
void HY_ISA(hy_fill_softmax)(hy_backend *backend);
void HY_ISA(hy_fill_matmul)(hy_backend *backend);
void HY_ISA(hy_fill_conv)(hy_backend *backend);
void HY_ISA(hy_fill_pool)(hy_backend *backend);
void HY_ISA(hy_fill_norm)(hy_backend *backend);
void HY_ISA(hy_fill_loss)(hy_backend *backend);
void HY_ISA(hy_fill_index)(hy_backend *backend);
void HY_ISA(hy_fill_optim)(hy_backend *backend);
void HY_ISA(hy_fill_int8)(hy_backend *backend);
void HY_ISA(hy_fill_half)(hy_backend *backend);

/** For an ISA with AVX512-BF16 alone, on top of the others. */
void HY_ISA(hy_fill_bfloat16)(hy_backend *backend);

#endif
