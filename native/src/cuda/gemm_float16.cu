/* Matrix products of float16. */
#include "cuda/gemm_halves.cuh"

hy_status hy_gemm_launch_float16(hy_device *device, const char *name, const hy_gemm &g, bool large)
{
    return large ? hy_gemm_launch_halves<__half, 128>(device, name, g) : hy_gemm_launch_halves<__half, 64>(device, name, g);
}
