/* Matrix products of bfloat16. */
#include "cuda/gemm_halves.cuh"

hy_status hy_gemm_launch_bfloat16(hy_device *device, const char *name, const hy_gemm &g, bool large)
{
    return large ? hy_gemm_launch_halves<__nv_bfloat16, 128>(device, name, g) : hy_gemm_launch_halves<__nv_bfloat16, 64>(device, name, g);
}
