/* The two ways of hy_matmul, for the choice between them and for the tests that compare them. */
#ifndef HY_CPU_MATMUL_H
#define HY_CPU_MATMUL_H

#include "backend.h"
#include "cpu/isa.h"

hy_status HY_ISA(hy_matmul_builtin)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias,
                                      int32_t activation, const hy_tensor *y);

/** HY_UNSUPPORTED when there is no BLAS in this build or it cannot express the operands (no axis with stride 1, an extent beyond int32). */
hy_status HY_ISA(hy_matmul_blas)(hy_device *device, const hy_tensor *a, const hy_tensor *b, const hy_tensor *bias,
                                   int32_t activation, const hy_tensor *y);

#endif
