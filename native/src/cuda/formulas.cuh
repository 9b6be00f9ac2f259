/* formulas.cuh: what the rows of ops.def need to become formulas of elementwise.cuh. */
#ifndef HY_CUDA_FORMULAS_CUH
#define HY_CUDA_FORMULAS_CUH

extern "C++" {
#include "core/functions.h"
}
#include "cuda/elementwise.cuh"

/** By a row's second column. */
template <typename F>
hy_status hy_with_FLOAT(int32_t dtype, F f) { return hy_with_floating(dtype, f); }
template <typename F>
hy_status hy_with_ANY(int32_t dtype, F f) { return hy_with_number(dtype, f); }

#endif
