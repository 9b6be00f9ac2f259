/* The table of one ISA's kernels. */
#include "cpu/kernels/kernels.h"

void HY_ISA(hy_cpu_kernels)(hy_backend *backend)
{
    HY_ISA(hy_fill_elementwise)(backend);
    HY_ISA(hy_fill_copy)(backend);
    HY_ISA(hy_fill_random)(backend);
    HY_ISA(hy_fill_reduce)(backend);
    HY_ISA(hy_fill_softmax)(backend);
    HY_ISA(hy_fill_matmul)(backend);
    HY_ISA(hy_fill_conv)(backend);
    HY_ISA(hy_fill_pool)(backend);
    HY_ISA(hy_fill_norm)(backend);
    HY_ISA(hy_fill_loss)(backend);
    HY_ISA(hy_fill_index)(backend);
    HY_ISA(hy_fill_optim)(backend);
    HY_ISA(hy_fill_int8)(backend);
    HY_ISA(hy_fill_half)(backend); /* last: it stands before the others */
}
