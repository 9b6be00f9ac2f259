/* The kernel files: each fills its slots of the table in hy_cuda_fill_…. Included once for the declarations, then with HY_CUDA_SLOTS defined. */
#ifndef HY_CUDA_SLOTS
#ifndef HY_CUDA_SLOTS_DECLARED
#define HY_CUDA_SLOTS_DECLARED
#define HY_CUDA_SLOTS(name) void hy_cuda_fill_##name(hy_backend *backend);
#include "cuda/slots.h"
#endif
#else
HY_CUDA_SLOTS(streams)
HY_CUDA_SLOTS(unary)
HY_CUDA_SLOTS(unary_backward)
HY_CUDA_SLOTS(binary)
HY_CUDA_SLOTS(binary_backward)
HY_CUDA_SLOTS(compare)
HY_CUDA_SLOTS(copy)
HY_CUDA_SLOTS(random)
HY_CUDA_SLOTS(reduce)
HY_CUDA_SLOTS(softmax)
HY_CUDA_SLOTS(optim)
HY_CUDA_SLOTS(pool)
HY_CUDA_SLOTS(batch_norm)
HY_CUDA_SLOTS(matmul)
HY_CUDA_SLOTS(conv)
HY_CUDA_SLOTS(loss)
HY_CUDA_SLOTS(index)
HY_CUDA_SLOTS(int8)
#undef HY_CUDA_SLOTS
#endif
